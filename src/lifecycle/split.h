/* Cuts a ratings file in two, keeping its columns and the order of its rows. */
#ifndef QN_LIFECYCLE_SPLIT_H
#define QN_LIFECYCLE_SPLIT_H

#include "data/triples.h"

/* Tables: qn_split_table, qn_ratings_table. */
typedef struct qn_split_options {
    const char *train, *test; /* files to write */
    bool overwrite;
    const char *split; /* "random:0.8" */
    int64_t split_seed;
} qn_split_options;
extern const qn_params qn_split_table;

typedef struct qn_split_result {
    qn_ratings_counts counts;
    int64_t train_records, test_records;
    double load_s, write_s, total_s;
} qn_split_result;
/* Duplicates are not merged. Both files appear, or neither. */
qn_status qn_split_run(qn_context *ctx, const qn_split_options *options,
                       const qn_ratings_options *ratings, qn_split_result *result);

#endif
