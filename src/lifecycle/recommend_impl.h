/* Between the files of `recommend`: the job, from the ratings at hand to the lines. */
#ifndef QN_LIFECYCLE_RECOMMEND_IMPL_H
#define QN_LIFECYCLE_RECOMMEND_IMPL_H

#include "lifecycle/reasons.h"
#include "lifecycle/recommend_out.h"

typedef struct recommend_job {
    qn_context *ctx;
    const qn_recommend_options *options;
    const qn_columns_options *columns;
    qn_recommend_result *result;
    qn_recommend_visit *visit;
    void *arg;
    qn_als_model *model;
    qn_als_model view; /* the model, or with rows folded in; borrows what it does not own */
    qn_ids new_ids;    /* of rows folded in */
    float *folded;     /* their factors */
    qn_side side;
    bool is_named;
    int64_t *row; /* [n] indices asked for, in the order asked; the same on every rank */
    int64_t n;
    qn_ratings *seen;     /* NULL: nothing is at hand */
    qn_als_seen rated;    /* of `seen` */
    int32_t most_reasons; /* of a line */
    qn_reasons reasons;
    qn_titles *titles; /* rank 0 */
    qn_line_out *out;  /* rank 0; NULL elsewhere */
} recommend_job;

/* Factors of the new rows from job->rated, one half-step each: every rank folds in a run of them,
 * all get all. Collective. */
qn_status qn_recommend_fold_in(recommend_job *job);
/* Answers the rows in their order: each rank a part of a batch, whose lines rank 0 writes.
 * Collective. */
qn_status qn_recommend_answer(recommend_job *job);

#endif
