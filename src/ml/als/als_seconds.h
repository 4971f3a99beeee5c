/* What an iteration takes, as a range: work and bytes of the worker that has most, over rates that
 * machines differ in. No measurement. */
#ifndef QN_ML_ALS_SECONDS_H
#define QN_ML_ALS_SECONDS_H

#include "ml/als/als_bytes.h"

/* Rates from slow to fast, a second. */
#define ALS_FLOPS_LEAST    10e9 /* a thread, on normal equations */
#define ALS_FLOPS_MOST     100e9
#define ALS_RECEIVED_LEAST 1e9 /* bytes into a worker */
#define ALS_RECEIVED_MOST  10e9
#define ALS_READ_LEAST     0.5e9 /* bytes from its disk */
#define ALS_READ_MOST      3e9

typedef struct qn_seconds_range {
    double least, most;
} qn_seconds_range;

/* One after the other: nothing is taken to overlap. */
typedef struct qn_als_seconds {
    qn_seconds_range solve, receive, read, iteration;
} qn_als_seconds;

qn_als_seconds qn_als_seconds_of(const qn_als_params *params, const qn_als_shape *shape,
                                 const qn_als_layout *layout, const qn_als_bytes *bytes);

#endif
