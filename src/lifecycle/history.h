/* What each user (or item) of a model has been rated with, row by row: for folding in, reasons and
 * explanations. */
#ifndef QN_LIFECYCLE_HISTORY_H
#define QN_LIFECYCLE_HISTORY_H

#include "data/triples.h"
#include "lifecycle/options.h"

/* Entries of row r: start[r] .. start[r + 1], the other side's indices ascending. Ids that the
 * dictionaries do not hold are left out. */
typedef struct qn_history {
    int64_t n_rows;
    int64_t *start; /* [n_rows + 1] */
    int64_t *other; /* indices of the other side */
    float *rating;
} qn_history;

/* Rows are `users` or `items`, as `side` says. */
qn_status qn_history_make(qn_context *ctx, const qn_triples *triples, const qn_ids *users,
                          const qn_ids *items, qn_side side, qn_history *history);
void qn_history_release(qn_history *history);

#endif
