/* The manifest of a checkpoint: what it is of, and where each run of rows lies with its checksum.
 */
#ifndef QN_ENGINE_CHECKPOINT_MANIFEST_H
#define QN_ENGINE_CHECKPOINT_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "quern/context.h"

#define QN_CHECKPOINT_FORMAT     1
#define QN_CHECKPOINT_MAX_ARRAYS 16

typedef struct qn_manifest_array {
    char name[32];
    int64_t n_rows;
    int64_t row_bytes;
} qn_manifest_array;

/* Rows [first_row, first_row + n_rows) of an array, at `offset` of the file that rank `file` wrote.
 * Sent between ranks as it is. */
typedef struct qn_manifest_part {
    int64_t array, file;
    int64_t first_row, n_rows, offset;
    uint64_t xxh3;
} qn_manifest_part;

/* Texts are allocated, never NULL. */
typedef struct qn_checkpoint_manifest {
    int64_t format, iteration;
    char *quern; /* version of the program that wrote it */
    char *run_id, *command, *options;
    char *algorithm, *parameters, *kernel_set; /* options, parameters: JSON objects */
    uint64_t data_fingerprint;
    int32_t n_arrays;
    qn_manifest_array array[QN_CHECKPOINT_MAX_ARRAYS];
    int64_t n_parts;
    qn_manifest_part *part; /* by array, then first_row: the rows of each array, each once */
} qn_checkpoint_manifest;

/* The text, ended by its checksum; free with qn_free. Sorts the parts. */
qn_status qn_checkpoint_manifest_text(qn_context *ctx, qn_checkpoint_manifest *m, char **text,
                                      size_t *length);
/* QN_EDATA: damaged, `name` says which; QN_EINVAL: of another format. Nothing in it leads outside
 * of the folder. */
qn_status qn_checkpoint_manifest_parse(qn_context *ctx, const char *name, const char *text,
                                       size_t length, qn_checkpoint_manifest *m);
void qn_checkpoint_manifest_release(qn_checkpoint_manifest *m);

#endif
