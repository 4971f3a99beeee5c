/* What each user of a model has rated, for reasons and explanations. */
#ifndef QN_LIFECYCLE_HISTORY_H
#define QN_LIFECYCLE_HISTORY_H

#include "data/triples.h"
#include "lifecycle/options.h"

/* Entries of user u: start[u] .. start[u + 1], items ascending. Items that the model does not know are
 * left out. */
typedef struct qn_history {
    int64_t n_users;
    int64_t *start; /* [n_users + 1] */
    int64_t *item;  /* indices in the model */
    float *rating;
} qn_history;

qn_status qn_history_make(qn_context *ctx, const qn_triples *triples, const qn_als_model *model,
                          qn_history *history);
void qn_history_release(qn_history *history);

#endif
