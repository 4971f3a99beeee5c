/* How ratings are cut into partitions, and what they and the factors take: estimated as Spark's
 * users do, and measured. */
#ifndef QN_LIFECYCLE_SPACE_H
#define QN_LIFECYCLE_SPACE_H

#include "base/text.h"
#include "quern/als.h"

/* Ratings of the partitions of one orientation. */
typedef struct qn_cut {
    int64_t n, records, least, most;
    double mean, deviation; /* standard, of all partitions */
    double
        skew; /* most / mean: how much longer the largest takes than it would if all were equal */
} qn_cut;

typedef struct qn_space {
    qn_cut users, items;     /* ratings by user, by item */
    int64_t raw_bytes;       /* 32 a rating */
    int64_t estimated_bytes; /* three times that */
    int64_t limit_bytes;     /* the budget of a worker */
    /* Measured, of all workers. */
    int64_t ratings_bytes;            /* both orientations */
    int64_t memory_bytes, disk_bytes; /* of them; a part may be in both */
    int64_t factors_bytes;            /* of one worker: each has all */
} qn_space;

/* Local; the same on every rank. */
void qn_space_estimate(const qn_context *ctx, const qn_ratings *ratings, qn_space *space);
/* Adds what is measured. Collective. */
qn_status qn_space_measure(qn_context *ctx, const qn_ratings *ratings, const qn_als_model *model,
                           qn_space *space);

/* Counts and metrics below "partitions" (users, items: count, records, min, max, mean, std, skew
 * and the ratings of each) and "memory": sections of the run record. */
void qn_space_emit_cuts(qn_context *ctx, const qn_ratings *ratings, const qn_space *space);
void qn_space_emit_memory(qn_context *ctx, const qn_space *space);

#endif
