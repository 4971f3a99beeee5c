/* A grid of parameters, each judged on the same split or folds. */
#ifndef QN_LIFECYCLE_TUNE_H
#define QN_LIFECYCLE_TUNE_H

#include "lifecycle/evaluate.h"

#define QN_TUNE_METRIC_CHOICES "auto|rmse|mae|precision|recall|ndcg|map"

/* Tables: qn_tune_als_table, qn_ratings_table, qn_als_table, qn_ranking_table. */
typedef struct qn_tune_als_options {
    qn_text_list grid; /* "rank=10,20,50"; any parameter of the algorithm */
    const char *split; /* "random:0.8"; not both with folds */
    int64_t split_seed;
    int32_t folds;     /* 0: split */
    int32_t metric;    /* of QN_TUNE_METRIC_CHOICES; auto: rmse, for implicit feedback ndcg */
    const char *model; /* the best, fitted again on all ratings; NULL: none */
    bool overwrite;
} qn_tune_als_options;
extern const qn_params qn_tune_als_table;

typedef struct qn_tune_row {
    char point[256]; /* "rank=10 reg-param=0.1" */
    qn_als_params params;
    double mean, std;                               /* of the metric over folds; std NaN with one */
    double rmse, mae, precision, recall, ndcg, map; /* means over folds; NaN: not judged */
    int64_t rows_scored;                            /* of all folds */
    double fit_s;                                   /* of all folds */
    qn_status status; /* a point that cannot be fitted does not stop the others */
    char error[256];
} qn_tune_row;

typedef struct qn_tune_result {
    qn_tune_row *row; /* in the order of the grid */
    int64_t n_rows;
    int64_t best;   /* -1: every point failed */
    int32_t folds;  /* judged: folds, or 1 */
    int32_t metric; /* used, never auto */
    qn_ratings_counts counts;
    int64_t n_users, n_items, n_ratings;
    char digest[33]; /* of the model saved, "" if none */
    double load_s, fit_s, evaluate_s, save_s, total_s;
} qn_tune_result;
qn_status qn_tune_als_run(qn_context *ctx, const qn_tune_als_options *options,
                          const qn_ratings_options *ratings, const qn_als_params *als,
                          const qn_ranking_options *ranking, qn_tune_result *result);
void qn_tune_result_release(qn_tune_result *result);

#endif
