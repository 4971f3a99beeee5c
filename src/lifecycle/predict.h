/* Input columns plus a prediction, streamed. */
#ifndef QN_LIFECYCLE_PREDICT_H
#define QN_LIFECYCLE_PREDICT_H

#include "lifecycle/options.h"
#include "ml/algo.h"

/* Tables: qn_predict_table, qn_columns_table, qn_scoring_table. */
typedef struct qn_predict_options {
    const char *model;
    qn_text_list input;
    const char *output; /* "-": standard output */
    bool overwrite;
    int32_t output_format;      /* qn_format; auto: by extension */
    int32_t cold;               /* qn_cold_choice */
    const char *prediction_col; /* NULL: the model's */
} qn_predict_options;
extern const qn_params qn_predict_table;

typedef enum qn_cold_choice { /* as the model was fitted, else 1 + qn_cold_start */
                              QN_COLD_CHOICE_MODEL
} qn_cold_choice;

typedef struct qn_predict_result {
    const qn_algo *algo;
    int64_t rows_read, rows_bad, rows_written;
    int64_t rows_dropped;                             /* als: cold rows that `drop` left out */
    int64_t unknown_user, unknown_item, unknown_both; /* als: rows */
    int64_t rows_missing;    /* tables: written without a prediction, a feature is missing */
    char first_missing[512]; /* "file.csv, line 17, ..."; "" if none */
    qn_rejects rejects;
    double load_s, predict_s, total_s;
} qn_predict_result;

/* Rows keep the order of the files. QN_EINVAL: an option that means nothing for the model's kind.
 * Collective: the rows go through rank 0 alone, as a prediction costs less than to move its row;
 * the others look on and share its outcome, but counts of rows are rank 0's. */
qn_status qn_predict_run(qn_context *ctx, const qn_predict_options *options,
                         const qn_columns_options *columns, const qn_scoring_options *scoring,
                         qn_predict_result *result);
/* The same for a model that is known to be of this algorithm. */
qn_status qn_predict_with(qn_context *ctx, const qn_algo *algo, const qn_predict_options *options,
                          const qn_columns_options *columns, const qn_scoring_options *scoring,
                          qn_predict_result *result);
/* The part of it for models on tables: loads, reads, writes. */
qn_status qn_predict_on_table(qn_context *ctx, const qn_algo *algo,
                              const qn_predict_options *options, const qn_columns_options *columns,
                              const qn_scoring_options *scoring, qn_predict_result *result);

#endif
