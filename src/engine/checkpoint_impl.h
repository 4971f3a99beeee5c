/* The inside of a checkpoint, shared by its files.
 *
 *   checkpoint        open, remove, when to save      checkpoint_read   what lies there
 *   checkpoint_save   write a new one                 checkpoint_manifest
 */
#ifndef QN_ENGINE_CHECKPOINT_IMPL_H
#define QN_ENGINE_CHECKPOINT_IMPL_H

#include "engine/checkpoint.h"
#include "engine/checkpoint_manifest.h"

/* Rows under one checksum are about that many bytes. */
#define CHECKPOINT_PART_BYTES ((int64_t)4 << 20)

struct qn_checkpoint {
    char *dir, *run_id, *command, *options;
    int32_t interval;
    bool resume;
    int lock; /* descriptor of the folder, locked by rank 0; -1: not yet */

    char *algorithm, *parameters; /* of the key, once a fit has begun */
    char kernel_set[16];
    uint64_t data_fingerprint;
    qn_checkpoint_manifest found; /* iteration 0: none */

    double last;    /* when the last was written, or the fit began; qn_seconds() */
    double cost;    /* seconds of the last; 0: none yet */
    double seconds; /* of all */
    int64_t n_saved;
    int32_t asked; /* the last iteration that was done; several may be done at once */
};

/* DIR/000012, DIR/000013.new, and a name in such a folder; free with free(). NULL: no memory. */
char *qn_checkpoint_folder(const qn_checkpoint *ck, int64_t iteration, const char *suffix);
char *qn_checkpoint_file(const char *folder, int64_t rank);
/* Iterations of the folders that lie there, newest first; free with qn_free. Not collective. */
qn_status qn_checkpoint_list(qn_context *ctx, const qn_checkpoint *ck, int64_t **iterations,
                             int64_t *n);
/* Removes folders that were not finished, and with `all` every checkpoint. Not collective. */
qn_status qn_checkpoint_sweep(qn_context *ctx, const qn_checkpoint *ck, bool all);
/* Holds the folder against other processes, once it is there. Not collective; QN_EBUSY. */
qn_status qn_checkpoint_lock(qn_context *ctx, qn_checkpoint *ck);

#endif
