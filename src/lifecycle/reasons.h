/* Why an item scores as it does for a user, from what the user has rated. */
#ifndef QN_LIFECYCLE_REASONS_H
#define QN_LIFECYCLE_REASONS_H

#include "lifecycle/history.h"
#include "lifecycle/recommend.h"
#include "lifecycle/titles.h"

/* Room for the reasons of one line; made once. */
typedef struct qn_reasons {
    const qn_als_model *model;
    const qn_history *history; /* of users */
    const qn_titles *titles;
    int32_t most;
    qn_reason *reason; /* [most] */
    int32_t n;
    char (*id)[64]; /* [most] */
    double *contribution;
    int64_t *order;
    int64_t capacity;
    double explained; /* base and all contributions of the last line */
} qn_reasons;

qn_status qn_reasons_open(qn_context *ctx, const qn_als_model *model, const qn_history *history,
                          const qn_titles *titles, int32_t most, qn_reasons *reasons);
/* The largest contributions (by size if `signed_too`, otherwise only what speaks for it), first the
 * largest. */
qn_status qn_reasons_find(qn_context *ctx, qn_reasons *reasons, int64_t user, int64_t item,
                          bool signed_too);
void qn_reasons_close(qn_reasons *reasons);

#endif
