/* A fresh folder for one test, and the files in it. */
#ifndef QN_TESTS_FOLDER_H
#define QN_TESTS_FOLDER_H

#include "check.h"

#include "base/file.h"

typedef struct folder {
    qn_context *ctx;
    char path[64];
    char file[16][128]; /* paths handed out, in turn */
    int32_t n;
} folder;

static inline folder *folder_make(qn_context *ctx)
{
    folder *f = calloc(1, sizeof *f);

    assert_non_null(f);
    f->ctx = ctx;
    assert_non_null(fresh_dir(f->path));
    return f;
}

static inline void folder_remove(folder *f)
{
    CHECK_OK(f->ctx, qn_remove_tree(f->ctx, f->path));
    free(f);
}

/* The path of a file in the folder; lasts for fifteen more calls. */
static inline const char *folder_file(folder *f, const char *name)
{
    char *path = f->file[f->n++ % 16];

    snprintf(path, sizeof f->file[0], "%s/%s", f->path, name);
    return path;
}

static inline const char *folder_put(folder *f, const char *name, const char *text)
{
    const char *path = folder_file(f, name);
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    CHECK_EQ(fwrite(text, 1, strlen(text), file), strlen(text));
    CHECK_EQ(fclose(file), 0);
    return path;
}

/* The whole text; the caller frees it with qn_free. */
static inline char *folder_get(folder *f, const char *name)
{
    char *text = NULL;
    size_t length = 0;

    CHECK_OK(f->ctx, qn_read_file(f->ctx, folder_file(f, name), (size_t)64 << 20, &text, &length));
    return text;
}

static inline void folder_expect(folder *f, const char *name, const char *expected)
{
    char *text = folder_get(f, name);

    CHECK_TEXT(text, expected);
    qn_free(text);
}

static inline bool folder_has(folder *f, const char *name)
{
    return qn_path_exists(folder_file(f, name));
}

/* Files and folders, hidden ones too: nothing half written may stay. */
static inline int64_t n_entries(const char *dir)
{
    char **names = NULL;
    int64_t n = 0;

    CHECK_EQ(qn_list_dir(NULL, dir, &names, &n), QN_OK);
    qn_names_free(names, n);
    return n;
}

static inline int64_t folder_count(const folder *f)
{
    return n_entries(f->path);
}

#endif
