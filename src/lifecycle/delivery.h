/* `quern data process`: a file of new ratings into the train and test data sets of a folder. */
#ifndef QN_LIFECYCLE_DELIVERY_H
#define QN_LIFECYCLE_DELIVERY_H

#include "lifecycle/upsert.h"

typedef enum qn_process_source {
    QN_SOURCE_KEEP,
    QN_SOURCE_MOVE,  /* to OUTPUT/taken/ */
    QN_SOURCE_DELETE /* what the reference does */
} qn_process_source;

/* Tables: qn_process_table, qn_rules_table, qn_upsert_table, qn_rating_input_table. */
typedef struct qn_process_options {
    const char *csv, *output;
    double train_ratio;
    int64_t seed;
    int32_t source; /* qn_process_source */
} qn_process_options;
extern const qn_params qn_process_table;

typedef struct qn_process_result {
    qn_upsert_side side[2]; /* train, test */
    qn_upsert_result upsert;
    char path[2][4096]; /* of the sides */
    char taken[4096];   /* where the source is now; "" where it was, or deleted */
    bool source_removed;
    double total_s;
} qn_process_result;
/* The side of a row depends on seed, user, movie and date alone: a file that comes again, in any
 * form, lands on the same sides. The source goes only after both sides are on disk; one that cannot
 * be removed is a warning. `input` says how it is read; its list of files is not used. */
qn_status qn_process_run(qn_context *ctx, const qn_process_options *process,
                         const qn_rating_input_options *input, const qn_rules_options *rules,
                         const qn_upsert_options *options, qn_process_result *result);
void qn_process_json(const qn_process_result *result, qn_json *j);

#endif
