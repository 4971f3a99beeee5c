/* Parts of `quern fetch`: transfer, checksum, unpacking. */
#ifndef QN_CLI_FETCH_H
#define QN_CLI_FETCH_H

#include "base/context.h"
#include "base/text.h"

/* Fetches `url` into the file `path`, going on where an earlier call was cut off. QN_EUNAVAILABLE:
 * no libcurl; QN_ENOTFOUND: the server has no such file; QN_EIO: no connection, or the disk.
 * Events: progress of the job "fetch". */
qn_status qn_fetch_file(qn_context *ctx, const char *url, const char *path);
/* A small text, of at most 4 KiB. */
qn_status qn_fetch_text(qn_context *ctx, const char *url, qn_string *out);

/* MD5 of a file as 32 hexadecimal digits and a NUL. It tells a damaged file, not a forged one. */
qn_status qn_file_md5(qn_context *ctx, const char *path, char digest[33]);

typedef struct qn_md5 {
    uint32_t state[4];
    uint64_t n_bytes;
    unsigned char block[64];
} qn_md5;
void qn_md5_init(qn_md5 *md5);
void qn_md5_add(qn_md5 *md5, const void *bytes, size_t n);
void qn_md5_end(qn_md5 *md5, char digest[33]);

/* Unpacks an archive into the folder `to`, leaving out the one folder that holds everything in it.
 * QN_EDATA: a damaged archive, or a name that leads out of the folder. */
qn_status qn_unpack(qn_context *ctx, const char *archive, const char *to, int64_t *n_files);

#endif
