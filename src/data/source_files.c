#include "data/source_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "base/text.h"
#include "data/dataset_impl.h"

#define MAX_DEPTH 32

/* First bytes of the packed formats that libarchive opens for us. */
typedef struct magic {
    const char *bytes;
    size_t n;
} magic;

static const magic packed_magic[] = {
    {"\x1f\x8b", 2},         /* gzip */
    {"\x28\xb5\x2f\xfd", 4}, /* zstd */
    {"BZh", 3},              /* bzip2 */
    {"\xfd"
     "7zXZ",
     5},               /* xz */
    {"PK\x03\x04", 4}, /* zip */
};

static bool looks_packed(const char *bytes, size_t n)
{
    for (size_t i = 0; i < sizeof packed_magic / sizeof *packed_magic; i++) {
        if (n >= packed_magic[i].n && memcmp(bytes, packed_magic[i].bytes, packed_magic[i].n) == 0)
            return true;
    }
    return false;
}

static qn_status file_not_found(qn_context *ctx, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char folder[4096] = ".";
    char **names = NULL;
    int64_t n = 0;
    qn_status st;

    if (slash) {
        const size_t length = slash == path ? 1 : (size_t)(slash - path);

        if (length >= sizeof folder)
            return qn_fail(ctx, QN_ENOTFOUND, "%.200s...: no such file or folder", path);
        memcpy(folder, path, length);
        folder[length] = '\0';
    }
    if (!qn_path_is_dir(folder))
        return qn_fail(ctx, QN_ENOTFOUND, "%s: no such file; there is no folder %s either", path,
                       folder);
    const char *near = NULL;
    if (*name && qn_list_dir(ctx, folder, &names, &n) == QN_OK)
        near = qn_nearest(name, (const char *const *)names, n);
    if (near)
        st = qn_fail(ctx, QN_ENOTFOUND, "%s: no such file or folder; did you mean %s%s%s?", path,
                     slash ? folder : "", slash && strcmp(folder, "/") != 0 ? "/" : "", near);
    else
        st = qn_fail(ctx, QN_ENOTFOUND, "%s: no such file or folder", path);
    qn_names_free(names, n);
    return st;
}

/* Reads the first bytes of a regular file, which also proves that it can be read. */
static qn_status file_probe(qn_context *ctx, qn_source_file *file)
{
    char head[8];
    const int fd = open(file->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return qn_fail_errno(ctx, QN_EIO, errno, "%s: cannot be read", file->path);
    const ssize_t n = pread(fd, head, sizeof head, 0);
    const int error = errno;
    close(fd);
    if (n < 0)
        return qn_fail_errno(ctx, QN_EIO, error, "%s: cannot be read", file->path);
    file->is_stream = looks_packed(head, (size_t)n);
    return QN_OK;
}

static qn_status list_add(qn_context *ctx, qn_file_list *list, const char *path,
                          const struct stat *stat)
{
    qn_status st = QN_OK;

    if (list->n == list->capacity) {
        const int64_t capacity = list->capacity ? 2 * list->capacity : 8;

        QN_GROW(ctx, list->file, capacity, "list of input files");
        list->capacity = capacity;
    }
    qn_source_file *file = &list->file[list->n];
    *file = (qn_source_file){0};
    QN_TRY(qn_strdup(ctx, path, &file->path));
    list->n++;
    if (stat && S_ISREG(stat->st_mode)) {
        file->size = stat->st_size;
        file->changed = stat->st_mtim;
        list->bytes += file->size;
        QN_TRY(file_probe(ctx, file));
    } else {
        file->is_stream = true;
        file->is_once = true;
    }
done:
    return st;
}

static bool is_hidden(const char *name)
{
    return name[0] == '.' || name[0] == '_';
}

static qn_status fail_rewritten(qn_context *ctx, const char *folder)
{
    return qn_fail(ctx, QN_EBUSY, "%s: the data set was rewritten while it was read: run again",
                   folder);
}

/* A file that the manifest in `folder` names. */
static qn_status list_add_listed(qn_context *ctx, qn_file_list *list, const char *folder,
                                 const qn_dataset_file *file, const char *path)
{
    struct stat info;
    char *manifest = NULL;
    bool is_current;

    if (stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        if (info.st_size != file->bytes)
            return qn_fail(ctx, QN_EDATA,
                           "%s has %lld bytes, %lld by the manifest: `quern data verify` looks "
                           "further, `quern data rollback` goes back to the generation before",
                           path, (long long)info.st_size, (long long)file->bytes);
        return list_add(ctx, list, path, &info);
    }
    /* A writer renames the folder of a generation before it removes its files. */
    manifest = qn_path_join(folder, QN_DATASET_MANIFEST);
    is_current = manifest && qn_path_exists(manifest);
    free(manifest);
    if (!is_current)
        return fail_rewritten(ctx, folder);
    return qn_fail(ctx, QN_EDATA,
                   "%s, which the manifest names, is not there: `quern data rollback` goes back to "
                   "the generation before",
                   path);
}

static void note_columns(qn_file_list *list, const qn_dataset_columns *columns)
{
    if (list->n_data_sets++ == 0) {
        list->columns = *columns;
        list->has_columns = true;
    } else if (strcmp(columns->user, list->columns.user) != 0 ||
               strcmp(columns->item, list->columns.item) != 0 ||
               strcmp(columns->rating, list->columns.rating) != 0 ||
               strcmp(columns->date, list->columns.date) != 0) {
        list->has_columns = false;
    }
}

static int compare_listed(const void *a, const void *b)
{
    return strcmp(((const qn_dataset_file *)a)->path, ((const qn_dataset_file *)b)->path);
}

/* The files of a data set in byte order of their names, as those of any folder. */
static qn_status list_add_data_set(qn_context *ctx, qn_file_list *list, const char *folder)
{
    qn_dataset_manifest manifest = {0};
    char *real = realpath(folder, NULL), *path = NULL;
    qn_status st = QN_OK;

    if (!real)
        return fail_rewritten(ctx, folder);
    st = qn_dataset_read(ctx, real, &manifest);
    if (st == QN_ENOTFOUND)
        st = fail_rewritten(ctx, folder);
    QN_TRY(st);
    note_columns(list, &manifest.columns);
    if (manifest.n_files > 1)
        qsort(manifest.file, (size_t)manifest.n_files, sizeof *manifest.file, compare_listed);
    for (int64_t i = 0; i < manifest.n_files; i++) {
        free(path);
        path = qn_path_join(real, manifest.file[i].path);
        if (!path)
            QN_TRY(qn_fail(ctx, QN_ENOMEM, "%s: no memory for the names in it", folder));
        QN_TRY(list_add_listed(ctx, list, real, &manifest.file[i], path));
    }
done:
    qn_dataset_manifest_release(&manifest);
    free(real);
    free(path);
    return st;
}

static bool is_data_set(char *const *names, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (strcmp(names[i], QN_DATASET_MANIFEST) == 0)
            return true;
    return false;
}

static qn_status list_add_folder(qn_context *ctx, qn_file_list *list, const char *folder,
                                 int depth);

/* What is in a folder, name by name. */
static qn_status list_add_names(qn_context *ctx, qn_file_list *list, const char *folder, int depth)
{
    qn_status st = QN_OK;
    char **names = NULL;
    char *path = NULL;
    int64_t n = 0;

    if (depth > MAX_DEPTH)
        return qn_fail(ctx, QN_EINVAL, "%s: folders nest deeper than %d; does a link lead back?",
                       folder, MAX_DEPTH);
    QN_TRY(qn_list_dir(ctx, folder, &names, &n));
    if (is_data_set(names, n)) {
        st = list_add_data_set(ctx, list, folder);
        goto done;
    }
    for (int64_t i = 0; i < n; i++) {
        struct stat stat_;

        if (is_hidden(names[i]))
            continue;
        path = qn_path_join(folder, names[i]);
        if (!path) {
            st = qn_fail(ctx, QN_ENOMEM, "%s: no memory for the names in it", folder);
            goto done;
        }
        if (stat(path, &stat_) != 0) {
            st = qn_fail_errno(ctx, QN_EIO, errno, "%s: cannot be read", path);
            goto done;
        }
        if (S_ISDIR(stat_.st_mode))
            QN_TRY(list_add_folder(ctx, list, path, depth + 1));
        else if (S_ISREG(stat_.st_mode))
            QN_TRY(list_add(ctx, list, path, &stat_));
        free(path);
        path = NULL;
    }
done:
    free(path);
    qn_names_free(names, n);
    return st;
}

/* Whether a path without links is a generation: ".name.generations/000012". */
static bool is_generation(const char *real)
{
    static const char ending[] = ".generations";
    const char *name = strrchr(real, '/');

    return name && qn_dataset_number(name + 1) >= 0 && name - real > (ptrdiff_t)sizeof ending &&
           strncmp(name - (sizeof ending - 1), ending, sizeof ending - 1) == 0;
}

/* A generation that loses its name while it is listed, as it does before its files go, was not
 * listed whole. */
static qn_status list_add_folder(qn_context *ctx, qn_file_list *list, const char *folder, int depth)
{
    struct stat info;
    const bool may_lead = depth == 0 || (lstat(folder, &info) == 0 && S_ISLNK(info.st_mode));
    char *real = may_lead ? realpath(folder, NULL) : NULL;
    qn_status st;

    if (real && is_generation(real)) {
        st = list_add_names(ctx, list, real, depth);
        if (!qn_path_exists(real))
            st = fail_rewritten(ctx, folder);
    } else {
        st = list_add_names(ctx, list, folder, depth);
    }
    free(real);
    return st;
}

/* stat(), which is tried again where a link is swapped under it. */
static int stat_path(const char *path, struct stat *info)
{
    struct stat link;
    int result = -1;

    for (int i = 0; i < 10 && result != 0; i++) {
        result = stat(path, info);
        if (result != 0 && (errno != ENOENT || lstat(path, &link) != 0))
            break;
    }
    return result;
}

static qn_status list_add_path(qn_context *ctx, qn_file_list *list, const char *path)
{
    struct stat stat_;

    if (strcmp(path, "-") == 0)
        return list_add(ctx, list, path, NULL);
    if (stat_path(path, &stat_) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return file_not_found(ctx, path);
        return qn_fail_errno(ctx, QN_EIO, errno, "%s: cannot be read", path);
    }
    if (!S_ISDIR(stat_.st_mode))
        return list_add(ctx, list, path, &stat_);
    const int64_t before = list->n, data_sets = list->n_data_sets;
    const qn_status st = list_add_folder(ctx, list, path, 0);
    if (st == QN_OK && list->n == before && list->n_data_sets > data_sets)
        return qn_fail(ctx, QN_ENOTFOUND, "%s: the data set holds no rows", path);
    if (st == QN_OK && list->n == before)
        return qn_fail(ctx, QN_ENOTFOUND,
                       "%s: the folder holds no data files (names that begin with '_' or '.' do "
                       "not count)",
                       path);
    return st;
}

qn_status qn_file_list_fill(qn_context *ctx, const char *const *path, int64_t n_paths,
                            qn_file_list *list)
{
    qn_status st = QN_OK;

    if (n_paths < 1)
        return qn_fail(ctx, QN_EINVAL, "no input is given");
    for (int64_t i = 0; i < n_paths; i++)
        QN_TRY(list_add_path(ctx, list, path[i]));
done:
    if (st != QN_OK)
        qn_file_list_release(list);
    return st;
}

void qn_file_list_release(qn_file_list *list)
{
    for (int64_t i = 0; i < list->n; i++)
        qn_free(list->file[i].path);
    qn_free(list->file);
    *list = (qn_file_list){0};
}
