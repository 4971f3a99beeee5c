/* Ratings to come, as one CSV file in the order of their dates: what a trained model is asked about
 * next. */
#ifndef QN_LIFECYCLE_FUTURES_H
#define QN_LIFECYCLE_FUTURES_H

#include "data/rating_input.h"

/* Tables: qn_futures_table, qn_rating_input_table. */
typedef struct qn_futures_options {
    const char *output;
    bool overwrite;
    const char *rejects;  /* CSV of dropped rows; NULL: none */
    int64_t max_bad_rows; /* more are an error; -1: any number */
} qn_futures_options;
extern const qn_params qn_futures_table;

typedef struct qn_futures_result {
    qn_rating_input_counts counts;
    int64_t rows_written;
    double read_s, write_s, total_s;
} qn_futures_result;

/* Columns DATE,CUST_ID,MOVIE_ID,RATING; rows by date, user, movie and rating, none taken out but
 * those with a reason. The file appears whole, or not at all. QN_EDATA: too many bad rows; the
 * rejects file then tells which. The same bytes for any number of threads and order of input. */
qn_status qn_futures_run(qn_context *ctx, const qn_futures_options *options,
                         const qn_rating_input_options *input, qn_futures_result *result);

#endif
