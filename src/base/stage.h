/* What files and folders that appear whole have in common: a hidden place beside the target, held
 * by a file lock while its process lives, and the swap. */
#ifndef QN_BASE_STAGE_H
#define QN_BASE_STAGE_H

#include <stdbool.h>

#include "quern/context.h"

/* Paths are malloc'ed. */
typedef struct qn_stage {
    char *shown;   /* as the user named it, for messages */
    char *target;  /* the same without links, so that a link to the place stays a link */
    char *folder;  /* that holds it */
    char *staging; /* hidden name in `folder` */
    int fd;        /* of the staged file or folder, locked */
    bool overwrite, is_dir;
    bool is_made; /* `staging` is there and ours to remove */
} qn_stage;

/* Checks that `path` can be written, removes leftovers of dead processes for the same target and
 * makes the staged file or folder. Errors as in base/file.h. */
qn_status qn_stage_open(qn_context *ctx, const char *path, bool overwrite, bool is_dir,
                        qn_stage *stage);
/* Puts the staged thing in its place and fsyncs the folder. On failure the old one is in place. */
qn_status qn_stage_swap(qn_context *ctx, qn_stage *stage);
/* Removes what is staged, if anything is, and the paths. */
void qn_stage_release(qn_stage *stage);

/* 0, or the errno with which a test has planned this write to fail. */
int qn_write_planned(qn_context *ctx);
/* fsync by path or by descriptor; a file system that cannot is not at fault. Returns an errno. */
int qn_sync_fd(qn_context *ctx, int fd);
/* Message of a failed write: path, bytes written so far, for a full disk what is free. */
qn_status qn_fail_write(qn_context *ctx, int error_number, const char *path, double bytes);

#endif
