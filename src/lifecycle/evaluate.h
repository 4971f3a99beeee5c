/* How good a model is on ratings that it has not seen: errors, rankings, coverage, each beside
 * baselines and with a 95 % interval. */
#ifndef QN_LIFECYCLE_EVALUATE_H
#define QN_LIFECYCLE_EVALUATE_H

#include "base/text.h"
#include "data/triples.h"
#include "lifecycle/options.h"
#include "ml/algo.h"

/* A value and its 95 % interval; all NaN where it cannot be said. */
typedef struct qn_metric {
    double value, low, high;
} qn_metric;

/* Test rows and users by whether the model could score them. */
typedef struct qn_coverage {
    int64_t rows, rows_scored;
    int64_t unknown_user, unknown_item, unknown_both; /* rows; they add up to rows - rows_scored,
                                                         unless the model guesses for cold rows */
    int64_t users, users_known;
    int64_t items, items_known;
} qn_coverage;

/* Errors over the rows that the model scored; baselines are judged on the same rows. The interval
 * of the RMSE is normal, from the variance of the squared errors (delta method); of the MAE
 * likewise from the absolute errors. */
typedef struct qn_errors {
    int64_t n;
    qn_metric rmse, mae;
    double mse, r2, var;
} qn_errors;

/* Means over `users`, intervals normal over users. */
typedef struct qn_ranking_result {
    int64_t users;         /* counted in the means */
    int64_t without_truth; /* known users without a relevant item; counted (as 0) by spark alone */
    int64_t unknown_users; /* left out */
    int64_t not_sampled;   /* left out by --ranking-users */
    qn_metric precision, recall, ndcg, map, map_at_k, reciprocal_rank, hit;
    double catalogue_share; /* of the model's items that were recommended to someone */
} qn_ranking_result;

typedef struct qn_evaluation {
    int32_t k;
    double threshold;
    qn_ranking_protocol protocol;
    qn_coverage coverage;
    qn_errors model, global_mean, item_mean, user_mean; /* n 0: could not be computed */
    bool has_ranking;
    qn_ranking_result ranking, popularity; /* popularity.users 0: could not be computed */
} qn_evaluation;

/* Judges `model` on `test`. `train` are the ratings that it was trained on; NULL: unknown, then the
 * baselines come from what the model holds, and `honest` is QN_EINVAL. Duplicates of `test` count
 * as rows each, once as truth. Does not depend on the order of the test rows.
 * Collective  test rows lie anywhere; users are judged in runs, each by one rank, a batch of users
 * at a time; every rank gets the whole result.
 * Errors      QN_EINVAL, QN_ENOMEM, QN_EIO, QN_ECANCELLED.
 * Repeatable  same bits for any number of threads, ranks and partitions. */
qn_status qn_evaluate_als(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                          const qn_ratings *train, const qn_ranking_options *options,
                          qn_evaluation *out);
/* Sends every figure as metric events, "coverage.rows_scored" and the like; for the run record. */
void qn_evaluation_emit(qn_context *ctx, const qn_evaluation *evaluation);
/* The members rmse, mae, r2, precision_at_k, recall_at_k, ndcg_at_k, map, k, rating_threshold,
 * protocol, coverage{}, ranking{}, intervals{}, baselines{} into an open object. */
void qn_evaluation_json(const qn_evaluation *evaluation, qn_json *j);

/* What the reference systems print (model_path, test_file, test_ratings_count, model_rank, rmse,
 * mae, precision_at_K ...), as members into an open object. */
typedef struct qn_reference_run {
    const char *model_path, *test_file;
    int32_t rank;
} qn_reference_run;
void qn_evaluation_reference_json(const qn_evaluation *evaluation, const qn_reference_run *run,
                                  qn_json *j);

/* The command. Tables: qn_evaluate_table, qn_columns_table, qn_ranking_table, qn_scoring_table. */
typedef struct qn_evaluate_options {
    const char *model;
    qn_text_list input;
    qn_text_list seen; /* als: training ratings; n 0: none */
    int32_t precision; /* tables: qn_precision */
} qn_evaluate_options;
extern const qn_params qn_evaluate_table;

typedef struct qn_evaluate_result {
    const qn_algo *algo;
    double load_s, evaluate_s, total_s;
    char digest[33];
    /* als */
    qn_evaluation evaluation;
    qn_ratings_counts counts; /* of the test file */
    int32_t rank;
    bool implicit_prefs;
    /* on tables */
    qn_matrix_counts table_counts;
    int64_t n_rows;
    int32_t n_features;
    qn_json figures; /* an object */
} qn_evaluate_result;

/* Release the result also after a failure. QN_EINVAL: an option that means nothing for the model's
 * kind. Collective; every rank gets the result. */
qn_status qn_evaluate_run(qn_context *ctx, const qn_evaluate_options *options,
                          const qn_columns_options *columns, const qn_ranking_options *ranking,
                          const qn_scoring_options *scoring, qn_evaluate_result *result);
/* The same for a model on tables that is known to be of this algorithm. */
qn_status qn_evaluate_on_table(qn_context *ctx, const qn_algo *algo,
                               const qn_evaluate_options *options,
                               const qn_columns_options *columns, const qn_ranking_options *ranking,
                               const qn_scoring_options *scoring, qn_evaluate_result *result);
void qn_evaluate_result_release(qn_evaluate_result *result);

#endif
