/* The main job on tables: from files to a fitted, saved model, whatever the algorithm. */
#ifndef QN_LIFECYCLE_FIT_TABLE_H
#define QN_LIFECYCLE_FIT_TABLE_H

#include "ml/algo.h"

/* Tables: qn_fit_table_table, qn_matrix_table and the algorithm's. */
typedef struct qn_fit_table_options {
    const char *model; /* folder to write; NULL: the model is not saved */
    bool overwrite;
    bool strict;       /* what the algorithm doubts about its model is QN_EDATA, nothing is saved */
    qn_text_list val;  /* judge on these files too */
    qn_text_list test; /* and on these */
    const char *tag;   /* name of the run in records and exports */
} qn_fit_table_options;
extern const qn_params qn_fit_table_table;

typedef struct qn_fit_table_result {
    qn_matrix_counts counts; /* of the input */
    qn_features features;
    int64_t n_rows, n_cells, n_partitions;
    int64_t *partition_rows; /* [n_partitions] */
    int32_t n_features;
    bool is_double;
    size_t bytes; /* of the matrix */
    double label_value[256];
    int64_t label_count[256];
    int32_t n_labels;
    uint64_t data_fingerprint;
    char digest[33];
    qn_json summary; /* an object: what the algorithm says about its fit */
    int64_t val_records, test_records;
    qn_json validation; /* an object: on the val files; "" if there are none */
    qn_json evaluation; /* the same of the test files */
    double load_s, fit_s, evaluate_s, save_s, total_s;
} qn_fit_table_result;

/* Checks the output first, then reads, fits, evaluates, saves. Release the result also after a
 * failure.
 * Collective  every rank calls with equal options; every rank gets the result, rank 0 writes the
 * model. A failure of one rank is that of all.
 * Events      jobs load, fit, evaluate, save; counts; facts; metrics. */
qn_status qn_fit_table_run(qn_context *ctx, const qn_algo *algo,
                           const qn_fit_table_options *options, const qn_matrix_options *input,
                           const void *params, qn_fit_table_result *result);
void qn_fit_table_result_release(qn_fit_table_result *result);

/* What the record's sections do not hold, as members into an open object: data, labels, rows of
 * each partition, summary, validation, evaluation. */
void qn_fit_table_json(const qn_fit_table_result *result, qn_json *j);

#endif
