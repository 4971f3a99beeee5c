/* What a fit of ALS will hold, move and spill, before it runs: from a sample of its input, or from
 * the shape of data that is not there yet. */
#ifndef QN_EXPERIMENT_PLAN_ALS_H
#define QN_EXPERIMENT_PLAN_ALS_H

#include "base/text.h"
#include "data/rating_sample.h"
#include "ml/als/als_seconds.h"
#include "quern/ratings.h"

/* Table: qn_plan_table. */
typedef struct qn_plan_options {
    qn_text_list input;            /* none: users, items and ratings are given */
    int64_t users, items, ratings; /* 0: from the input */
    int32_t workers;               /* 0: 1 */
    size_t memory;                 /* of a worker; 0: what this machine gives to each */
} qn_plan_options;
extern const qn_params qn_plan_table;

typedef struct qn_plan_result {
    qn_rating_sample sample; /* rows 0: the shape was given */
    qn_als_shape shape;      /* of the training ratings */
    qn_als_layout layout;
    qn_als_bytes best, least, most;
    qn_als_seconds fast, slow; /* of an iteration; the least of one, the most of the other */
    int32_t max_iter;
    size_t reserve_duckdb, reserve_mpi; /* in layout.reserve */
    int32_t cores;                      /* of this machine */
    const char *warning;                /* NULL: none */
} qn_plan_result;

/* `split` as fit takes it, NULL: none; `saves`: a model will be written. QN_EINVAL neither input
 * nor shape, or both. */
qn_status qn_plan_als(qn_context *ctx, const qn_plan_options *options,
                      const qn_ratings_options *ratings, const qn_als_params *als,
                      const char *split, bool saves, int32_t threads, qn_plan_result *result);
/* Members of an open object. */
void qn_plan_json(const qn_plan_result *result, qn_json *j);

#endif
