/* Files: whole or not at all. Written beside, fsynced, swapped. */
#ifndef QN_BASE_FILE_H
#define QN_BASE_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "base/text.h"
#include "quern/context.h"

/* A file being written under a hidden name beside its place. Buffered; a failing write is kept and
 * reported by the next call and by commit, with path and bytes. */
typedef struct qn_out_file qn_out_file;

/* "-" writes standard output, where commit only flushes. QN_EEXISTS unless `overwrite`; QN_EIO
 * names a missing or unwritable folder. */
qn_status qn_out_open(qn_context *ctx, const char *path, bool overwrite, qn_out_file **out);
qn_status qn_out_write(qn_out_file *out, const void *bytes, size_t n);
/* Flush, fsync, rename over the place, fsync the folder; frees *out whatever happens. */
qn_status qn_out_commit(qn_out_file **out);
/* Removes what was written. NULL is fine. */
void qn_out_abandon(qn_out_file **out);
const char *qn_out_path(const qn_out_file *out);

/* The whole of a file, ended by a NUL that is not counted; QN_ENOTFOUND, QN_EIO; QN_EDATA above
 * `limit` bytes. Free with qn_free. */
qn_status qn_read_file(qn_context *ctx, const char *path, size_t limit, char **text,
                       size_t *length);

/* A folder that appears whole: made beside `path` under a hidden name, filled by the caller, then
 * swapped in by rename, or by RENAME_EXCHANGE over an old one, which is then removed. */
typedef struct qn_out_dir {
    char *path;    /* where it will be */
    char *staging; /* where to write; NULL when not open */
    bool overwrite;
    struct qn_stage *stage; /* base/stage.h */
} qn_out_dir;

/* Fails before work: QN_EEXISTS if it is there and `overwrite` is false; QN_EIO where the parent
 * does not exist or cannot be written, or the file system cannot swap folders. */
qn_status qn_out_dir_open(qn_context *ctx, const char *path, bool overwrite, qn_out_dir *dir);
/* fsyncs every file and folder below, swaps, removes the old one. */
qn_status qn_out_dir_commit(qn_context *ctx, qn_out_dir *dir);
void qn_out_dir_abandon(qn_out_dir *dir);

/* Tests: let `allowed` more writes, fsyncs, renames and creations of these outputs succeed, then
 * fail each with `error_number`, ENOSPC or EIO (INT64_MAX: off). */
void qn_write_fail_after(qn_context *ctx, int64_t allowed, int error_number);

bool qn_path_exists(const char *path);
bool qn_path_is_dir(const char *path);
qn_status qn_make_dirs(qn_context *ctx, const char *path); /* mkdir -p */
qn_status qn_remove_tree(qn_context *ctx, const char *path);
/* dir/name; the caller frees with free(). NULL when out of memory. */
char *qn_path_join(const char *dir, const char *name);
/* Names in a folder in byte order, without "." and ".."; free each and the list with free(). */
qn_status qn_list_dir(qn_context *ctx, const char *path, char ***names, int64_t *n);
void qn_names_free(char **names, int64_t n);

#endif
