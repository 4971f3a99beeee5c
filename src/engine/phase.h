/* A stage with what the worker moved, spilled and read back in it, and what it keeps where: the
 * numbers of the event stream that only the engine knows. */
#ifndef QN_ENGINE_PHASE_H
#define QN_ENGINE_PHASE_H

#include "engine/store.h"

typedef struct qn_phase {
    qn_span span;
    int64_t moved;         /* bytes by the communicator, before it */
    int64_t read, spilled; /* bytes by all stores, before it */
} qn_phase;

/* A stage of `n_tasks`. */
qn_phase qn_phase_start(qn_context *ctx, const qn_span *job, const char *name, int64_t n_tasks);
/* A job, with its stages as in qn_job_start_planned. */
qn_phase qn_phase_job_start(qn_context *ctx, const char *name, const char *stages);
/* `rows` of this rank. Returns seconds. */
double qn_phase_end(qn_context *ctx, const qn_phase *phase, qn_status status, int64_t rows);
/* The same of a stage of all ranks, whose events go to rank 0 first: as qn_stage_end, collective.
 */
qn_status qn_phase_end_stage(qn_context *ctx, const qn_phase *phase, qn_status status,
                             int64_t rows);

/* What a data set takes, partition by partition: [n_partitions] rows, bytes in memory and on disk
 * of this rank. Partitions that hold nothing here are not told of. */
typedef struct qn_places {
    int64_t n_partitions;
    int64_t *rows, *memory, *disk;
} qn_places;

qn_status qn_places_init(qn_context *ctx, int64_t n_partitions, qn_places *places);
void qn_places_release(qn_places *places);
void qn_places_add_block(qn_places *places, int64_t partition, const qn_store *store,
                         int64_t block);
void qn_places_emit(qn_context *ctx, const qn_places *places, const char *name);

#endif
