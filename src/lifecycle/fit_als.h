/* The main job: from a ratings file to a judged, saved model. */
#ifndef QN_LIFECYCLE_FIT_ALS_H
#define QN_LIFECYCLE_FIT_ALS_H

#include "lifecycle/evaluate.h"
#include "lifecycle/space.h"

/* Tables: qn_fit_als_table, qn_ratings_table, qn_als_table, qn_ranking_table. */
typedef struct qn_fit_als_options {
    const char *model; /* folder to write; NULL: the model is not saved */
    bool overwrite;
    const char *split; /* "random:0.8" ...; NULL: none */
    int64_t split_seed;
    qn_text_list test; /* files judged on; not both with split */
} qn_fit_als_options;
extern const qn_params qn_fit_als_table;

typedef struct qn_fit_als_result {
    qn_ratings_counts counts; /* of the input */
    int64_t n_users, n_items; /* of the training ratings */
    int64_t train_records, test_records;
    float min_rating, max_rating;
    double mean_rating;
    int32_t n_values; /* histogram of the training ratings; 0: more than 256 values */
    float value[256];
    int64_t value_count[256];
    int64_t min_time, max_time; /* of the input; 0 and -1 where not read */
    qn_space space;
    bool has_evaluation;
    qn_evaluation evaluation;
    int32_t iterations;
    double loss; /* of the last iteration; NaN if none */
    char digest[33];
    uint64_t data_fingerprint;
    double load_s, fit_s, evaluate_s, save_s, total_s;
} qn_fit_als_result;

/* Checks the output first, then reads, merges duplicates, splits, fits, evaluates, saves.
 * Collective  every rank calls with equal options; every rank gets the result, rank 0 writes the
 * model. A failure of one rank is that of all.
 * Events      jobs load, fit, evaluate, save; counts; facts; metrics: every rank emits the same,
 * who listens to one hears the whole run.
 * Repeatable  same bits for any number of threads, ranks and partitions. */
qn_status qn_fit_als_run(qn_context *ctx, const qn_fit_als_options *options,
                         const qn_ratings_options *ratings, const qn_als_params *als,
                         const qn_ranking_options *ranking, qn_fit_als_result *result);

/* Keys of the reference experiments (A15): num_nodes, load_time, train_time, total_time (load and
 * train), rmse, train_records, test_records, partitions; members into an open object. */
void qn_fit_als_reference_json(const qn_fit_als_result *result, int32_t nodes, int64_t partitions,
                               qn_json *j);

#endif
