/* `quern data merge`: the train and test data sets of one folder into those of another. */
#ifndef QN_LIFECYCLE_MERGE_H
#define QN_LIFECYCLE_MERGE_H

#include "lifecycle/upsert.h"

/* Tables: qn_merge_table, qn_rules_table, qn_upsert_table. */
typedef struct qn_merge_options {
    const char *streaming, *processed;
    bool keep_streaming;
} qn_merge_options;
extern const qn_params qn_merge_table;

typedef struct qn_merge_side {
    char from[4096], to[4096];
    bool missing; /* there is nothing to merge */
    bool merged;  /* its rows are in the processed data set, by this run or one before */
    bool removed; /* the streaming data set is gone */
    qn_upsert_side side;
    qn_upsert_result upsert;
} qn_merge_side;

typedef struct qn_merge_result {
    qn_merge_side side[2]; /* train, test */
    double total_s;
} qn_merge_result;
/* The streaming data sets are locked from reading to removal: only what was read is removed, and
 * only after both processed data sets are on disk. */
qn_status qn_merge_run(qn_context *ctx, const qn_merge_options *merge,
                       const qn_rules_options *rules, const qn_upsert_options *options,
                       qn_merge_result *result);
void qn_merge_json(const qn_merge_result *result, qn_json *j);

#endif
