/* Why an item scores as it does for a user, from what the user has rated. */
#ifndef QN_LIFECYCLE_REASONS_H
#define QN_LIFECYCLE_REASONS_H

#include "lifecycle/recommend.h"
#include "lifecycle/titles.h"
#include "ml/als/als_seen.h"

/* A reason before it has a name: it may go to another rank. */
typedef struct qn_reason_found {
    int64_t item; /* index in the model */
    double contribution;
    float rating;
    int32_t padding;
} qn_reason_found;

/* Room for the reasons of one line; made once. */
typedef struct qn_reasons {
    const qn_als_model *model;
    int32_t most;
    qn_reason_found *found; /* [most] */
    int32_t n;
    double explained; /* base and all contributions of the last line */
    double *contribution;
    int64_t *order, *item;
    int64_t capacity;
    qn_reason *reason; /* [most] as they are told */
    char (*id)[64];    /* [most] */
} qn_reasons;

qn_status qn_reasons_open(qn_context *ctx, const qn_als_model *model, int32_t most,
                          qn_reasons *reasons);
/* The largest contributions to `item` (by size if `signed_too`, otherwise only what speaks for it),
 * first the largest, of the user at `place` of the lists, which hold ratings. */
qn_status qn_reasons_find(qn_context *ctx, qn_reasons *reasons, const qn_als_seen *rated,
                          int64_t place, int64_t item, bool signed_too);
/* The same with names: reasons->reason[n]. */
void qn_reasons_tell(qn_reasons *reasons, const qn_titles *titles, const qn_reason_found *found,
                     int32_t n);
void qn_reasons_close(qn_reasons *reasons);

#endif
