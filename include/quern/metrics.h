/* Metrics with Spark's definitions (ml.evaluation.RegressionEvaluator,
 * mllib.evaluation.RankingMetrics) and the two others that users compare with. */
#ifndef QUERN_METRICS_H
#define QUERN_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "quern/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_regression_metrics {
    int64_t n;
    double weight_sum, mse, rmse, mae, r2, var;
} qn_regression_metrics;

/* label, prediction: [n]; weight: [n] or NULL (all 1). One NaN makes every metric NaN, as in Spark.
 * `var` is the variance of the predictions around the mean label, as in Spark. */
QN_API void qn_regression_evaluate(int64_t n, const double *label, const double *prediction,
                                   const double *weight, bool through_origin,
                                   qn_regression_metrics *out);

/* One query: what was recommended, best first, and what was relevant. */
typedef struct qn_ranking_query {
    const int64_t *predicted;
    int64_t n_predicted;
    const int64_t *truth; /* distinct */
    int64_t n_truth;
    const double *relevance; /* [n_truth] or NULL: binary */
} qn_ranking_query;

typedef enum qn_ranking_protocol {
    QN_PROTOCOL_SPARK,     /* mllib.RankingMetrics: precision divides by k, empty truth scores 0 */
    QN_PROTOCOL_REFERENCE, /* ACCEPTANCE N13, N14: precision divides by what was recommended */
    QN_PROTOCOL_HONEST /* Spark's formulas, seen items left out, users without truth not counted */
} qn_ranking_protocol;
#define QN_PROTOCOL_CHOICES "spark|reference|honest"

typedef struct qn_ranking_scores {
    double precision, recall, ndcg, map, map_at_k, reciprocal_rank, hit;
} qn_ranking_scores;

/* Scores of one query at k. */
QN_API void qn_ranking_score(const qn_ranking_query *query, int32_t k, qn_ranking_protocol protocol,
                             qn_ranking_scores *out);

#ifdef __cplusplus
}
#endif
#endif
