/* Checkpoints: what a fit needs to go on after a crash. A fit hands over arrays of rows after whole
 * iterations; each rank writes the rows it owns, rank 0 puts the manifest and renames the folder. A
 * checkpoint is whole or ignored. Rows are found by their number, so any number of ranks and
 * partitions reads what any other has written. Knows bytes, not factors.
 *
 *   DIR/000012/manifest.json   keys, arrays, and the checksum of every part
 *   DIR/000012/rows-00000      parts written by rank 0, behind one another
 *   DIR/000013.new/            being written, or left by a run that was killed
 *
 * Every call is collective unless it says otherwise. */
#ifndef QN_ENGINE_CHECKPOINT_H
#define QN_ENGINE_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/context.h"

#define QN_CHECKPOINT_KEEP     2
#define QN_CHECKPOINT_AUTO     (-1) /* often enough to lose little, costing below 2 % of the fit */
#define QN_CHECKPOINT_MANIFEST "manifest.json"

typedef struct qn_checkpoint qn_checkpoint;

/* Strings are copied. */
typedef struct qn_checkpoint_options {
    const char *dir;     /* of this run alone; on every host the same; made if it is not there */
    int32_t interval;    /* iterations between two; 0: none is written; QN_CHECKPOINT_AUTO */
    bool resume;         /* take up what lies there; otherwise it must be empty */
    const char *run_id;  /* NULL or "": not checked */
    const char *command; /* "fit als" */
    const char *options; /* a JSON object, all that the run was called with; NULL: {} */
} qn_checkpoint_options;

/* QN_EINVAL: without `resume` the folder holds checkpoints already; QN_EIO: it cannot be written.
 */
qn_status qn_checkpoint_open(qn_context *ctx, const qn_checkpoint_options *options,
                             qn_checkpoint **ck);
/* Not collective; leaves the files. NULL is fine. */
void qn_checkpoint_close(qn_checkpoint *ck);
/* Removes every checkpoint and the folder, for a run that is done. NULL is fine. Rank 0 works. */
qn_status qn_checkpoint_remove(qn_context *ctx, qn_checkpoint *ck);

/* Of the options; "" if none was given. Not collective. */
const char *qn_checkpoint_run_id(const qn_checkpoint *ck);

/* The checkpoint that fits of this context save to: qn_als_fit and others look for it here. NULL:
 * none. Borrowed; not collective. */
void qn_checkpoint_attach(qn_context *ctx, qn_checkpoint *ck);
qn_checkpoint *qn_checkpoint_attached(const qn_context *ctx);

/* What a fit is made of. Checkpoints of other keys are refused. */
typedef struct qn_checkpoint_key {
    const char *algorithm;         /* "als" */
    const struct qn_params *table; /* of its parameters ... */
    const void *params;            /* ... and their struct */
    const char *may_grow;          /* the parameter that may be larger than it was: "max_iter" */
    uint64_t data_fingerprint;
} qn_checkpoint_key;

/* Begins a fit: finds the newest whole checkpoint. *iteration is how many are done, 0 if there is
 * nothing to go on from. A damaged one gives way to the one before with a warning. ck may be NULL.
 * Errors  QN_EINVAL a checkpoint of another run, version, data set, kernel set or parameter, named
 *         with both values; QN_EDATA all are damaged. */
qn_status qn_checkpoint_begin(qn_context *ctx, qn_checkpoint *ck, const qn_checkpoint_key *key,
                              int32_t *iteration);
/* Rows of an array in the checkpoint that was found; -1: it has none of that name. Not collective.
 */
int64_t qn_checkpoint_rows(const qn_checkpoint *ck, const char *name);

/* A matrix of bytes. `data` is row 0 of the whole. To save, the rows [first_row, end_row) of this
 * rank are written, which together with those of all other ranks are all rows, each once. To read,
 * every rank gets the rows [0, n_rows). */
typedef struct qn_checkpoint_array {
    const char *name; /* letters, digits, '_' */
    int64_t n_rows;
    size_t row_bytes;
    void *data;
    int64_t first_row, end_row;
} qn_checkpoint_array;

/* Reads the checkpoint that was found. QN_EDATA, QN_EIO; the arrays are then spoilt. */
qn_status qn_checkpoint_read(qn_context *ctx, qn_checkpoint *ck, const qn_checkpoint_array *arrays,
                             int32_t n);

/* Whether `iteration`, which is done, should be saved; the same on every rank. */
qn_status qn_checkpoint_is_due(qn_context *ctx, qn_checkpoint *ck, int32_t iteration,
                               const qn_checkpoint_array *arrays, int32_t n, bool *due);
/* Saves. A checkpoint that cannot be written does not end the fit: a warning names folder and
 * reason, and the ones before stay. Events of rank 0: metric checkpoint_seconds (of all so far),
 * counts checkpoints and checkpoint_bytes (of the last). Errors: of the communicator, cancelled. */
qn_status qn_checkpoint_save(qn_context *ctx, qn_checkpoint *ck, int32_t iteration,
                             const qn_checkpoint_array *arrays, int32_t n);

#endif
