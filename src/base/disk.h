/* Changes to the file system, one call each. Every one can be planned to fail by tests
 * (qn_write_fail_after) and returns an errno, 0 when it is done. */
#ifndef QN_BASE_DISK_H
#define QN_BASE_DISK_H

#include "quern/context.h"

int qn_disk_mkdir(qn_context *ctx, const char *path);
/* A hard link `path` to the file `old`, which is not followed where it is a link itself. */
int qn_disk_link(qn_context *ctx, const char *old, const char *path);
int qn_disk_symlink(qn_context *ctx, const char *text, const char *path);
/* `flags` as of renameat2: 0, RENAME_NOREPLACE, RENAME_EXCHANGE. */
int qn_disk_rename(qn_context *ctx, const char *from, const char *to, unsigned flags);
/* fsync of a file or folder. */
int qn_disk_sync(qn_context *ctx, const char *path);

#endif
