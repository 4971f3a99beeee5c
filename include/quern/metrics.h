/* Metrics with Spark's definitions (ml.evaluation.RegressionEvaluator, mllib.evaluation's
 * MulticlassMetrics, BinaryClassificationMetrics and RankingMetrics) and the others that users
 * compare with. */
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

/* Rows of a classifier. Labels and predictions are whole numbers from 0 below n_classes. */
typedef struct qn_class_rows {
    int32_t n_classes;
    int64_t n;
    const double *label;       /* [n] */
    const double *prediction;  /* [n] */
    const double *weight;      /* [n] or NULL: all 1 */
    const double *probability; /* [n x n_classes] or NULL */
} qn_class_rows;

/* Spark's definitions: what would divide by 0 is 0. `iou` of a class is its rows that were found
 * over those that are or were called so (true / (true + false positive + false negative)). A class
 * is present where it is a label or a prediction; `macro_f1` and `mean_iou` are plain means over
 * the classes that are present. */
typedef struct qn_class_metrics {
    int32_t n_classes;
    int64_t n;
    double weight_sum;
    double accuracy, hamming_loss;
    double weighted_precision, weighted_recall, weighted_f1, weighted_fpr; /* by label weight */
    double macro_f1, mean_iou;
    double log_loss; /* probabilities within [1e-15, 1 - 1e-15]; NaN: none were given */
    int32_t n_present;
    int64_t *rows;      /* [n_classes] rows of each label */
    double *confusion;  /* [n_classes x n_classes] weight by label, then prediction */
    double *label;      /* [n_classes] weight of each label */
    double *predicted;  /* [n_classes] weight of each prediction */
    double *precision;  /* [n_classes] and so below */
    double *recall;     /* also the rate of true positives */
    double *false_rate; /* of false positives */
    double *f1, *iou;
} qn_class_metrics;

/* Errors QN_EDATA a label or prediction out of range, with its row; QN_ENOMEM. The caller releases
 * *out. */
QN_API qn_status qn_classes_evaluate(qn_context *ctx, const qn_class_rows *rows,
                                     qn_class_metrics *out);
QN_API void qn_class_metrics_release(qn_class_metrics *metrics);

/* Rows of two classes with the score of the second. */
typedef struct qn_scored_rows {
    int64_t n;
    const double *score;  /* [n] no NaN */
    const double *label;  /* [n] positive above 0.5 */
    const double *weight; /* [n] or NULL: all 1 */
} qn_scored_rows;

/* One point for each threshold, descending: rows of at least this score are called positive. Rows
 * of one score are one point, whatever their order. */
typedef struct qn_binary_metrics {
    double
        area_under_roc;   /* trapezoids from (0, 0) to (1, 1); NaN: one of the classes is missing */
    double area_under_pr; /* trapezoids from (0, precision of the first point) */
    double roc_error; /* by how much at most area_under_roc is off, where near scores were counted
                         as equal; 0: exact */
    double positives, negatives; /* weight */
    int64_t n_scores;            /* different scores, or bins of them, that rows have */
    int64_t n;                   /* points */
    double *threshold;           /* [n] */
    double *true_rate;           /* [n] of positives: recall */
    double *false_rate;          /* [n] of negatives */
    double *precision;           /* [n] */
} qn_binary_metrics;

/* num_bins as in Spark: with at least twice as many different scores, runs of (scores / num_bins)
 * of them become one point; 0: every score is a point. Errors QN_EDATA a NaN, with its row;
 * QN_ENOMEM. The caller releases *out. */
QN_API qn_status qn_binary_evaluate(qn_context *ctx, const qn_scored_rows *rows, int64_t num_bins,
                                    qn_binary_metrics *out);
QN_API void qn_binary_metrics_release(qn_binary_metrics *metrics);

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
