/* Parts of system.c that tests reach on a made-up tree. */
#ifndef QN_BASE_SYSTEM_FILES_H
#define QN_BASE_SYSTEM_FILES_H

#include "base/system.h"

/* As qn_system_read, with /proc and /sys looked for below `root` ("" is the real one). Cores online
 * and the affinity mask are always the real ones. */
void qn_system_read_under(const char *root, qn_system *system);
/* Name of a file system by the f_type of statfs; "unknown" if it is none of the common ones. */
const char *qn_fs_name(long type);

#endif
