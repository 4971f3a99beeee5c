/* Pairs that recommendations leave out: for each of n wanted rows the other side's indices of the
 * model, ascending. Matched by id, as the ratings' dictionaries may differ from the model's. */
#ifndef QN_ML_ALS_SEEN_H
#define QN_ML_ALS_SEEN_H

#include "ml/als/als_impl.h"

typedef struct als_seen {
    int64_t *start;  /* [n + 1] */
    uint32_t *other; /* [start[n]] */
} als_seen;

qn_status als_seen_make(qn_context *ctx, const qn_als_model *model, qn_side side,
                        const int64_t *rows, int64_t n, const qn_ratings *ratings, als_seen *seen);
void als_seen_release(als_seen *seen);

#endif
