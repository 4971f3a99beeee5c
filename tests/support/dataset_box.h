/* What tests of data sets share: a folder of one's own, and files with texts in it. */
#ifndef QN_TESTS_DATASET_BOX_H
#define QN_TESTS_DATASET_BOX_H

#include <sys/stat.h>

#include "base/file.h"
#include "check.h"
#include "data/dataset.h"

typedef struct box {
    qn_context *ctx;
    char dir[64];
    char path[128]; /* of the data set */
} box;

static inline int open_box(void **state)
{
    box *b = calloc(1, sizeof *b);

    assert_non_null(b);
    assert_int_equal(qn_context_create(&(qn_context_options){.threads = 2}, &b->ctx), QN_OK);
    assert_non_null(fresh_dir(b->dir));
    snprintf(b->path, sizeof b->path, "%s/train", b->dir);
    *state = b;
    return 0;
}

/* Fails when something of the budget is still held. */
static inline int close_box(void **state)
{
    box *b = *state;
    const int64_t live = qn_alloc_live(b->ctx);

    qn_remove_tree(b->ctx, b->dir);
    qn_context_free(b->ctx);
    free(b);
    return live != 0;
}

#define BOX(f) cmocka_unit_test_setup_teardown(f, open_box, close_box)

static inline const char *below(const box *b, const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", b->dir, name);
    return out;
}

static inline void put_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline bool has_text(const char *path, const char *text)
{
    char found[256] = "";
    FILE *file = fopen(path, "r");

    if (!file)
        return false;
    found[fread(found, 1, sizeof found - 1, file)] = '\0';
    fclose(file);
    return strcmp(found, text) == 0;
}

/* Writes a file of the part with that text in it. */
static inline qn_status add_part(qn_dataset_writer *writer, int32_t part, int64_t number,
                                 const char *text)
{
    char *path = NULL;
    qn_status st = qn_dataset_write_file(writer, part, number, &path);

    if (st == QN_OK) {
        put_text(path, text);
        st = qn_dataset_write_done(writer, part, number, path, (int64_t)strlen(text));
    }
    qn_free(path);
    return st;
}

enum { SEPTEMBER = 12 * 2005 + 8, OCTOBER };

/* A generation with two files: September's is linked where it is there, October's gets `text`. */
static inline qn_status write_generation(qn_context *ctx, const char *path, const char *text)
{
    qn_dataset_writer writer = {.lock = -1};
    const qn_dataset_change change = {.command = (char *)"test", .rows_read = 3};
    qn_status st = QN_OK;

    QN_TRY(qn_dataset_write_open(ctx, path, &writer));
    QN_TRY(qn_dataset_write_room(&writer, 1000));
    if (writer.kind == QN_DATASET_OURS)
        QN_TRY(qn_dataset_write_link(&writer, 0));
    else
        QN_TRY(add_part(&writer, SEPTEMBER, 0, "september"));
    QN_TRY(add_part(&writer, OCTOBER, 0, text));
    QN_TRY(qn_dataset_add_change(ctx, &writer.next, &change));
    QN_TRY(qn_dataset_write_commit(&writer, 2));
done:
    qn_dataset_write_close(&writer);
    return st;
}

#endif
