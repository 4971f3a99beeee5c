/* `quern etl`: Netflix text into two data sets, one for training and one for testing. */
#ifndef QN_LIFECYCLE_ETL_H
#define QN_LIFECYCLE_ETL_H

#include "lifecycle/upsert.h"

/* Tables: qn_etl_table, qn_rules_table, qn_upsert_table. */
typedef struct qn_etl_options {
    qn_text_list train_file, test_file;
    const char *parquet_train_path, *parquet_test_path;
    const char *extra_write_options_json;
    int32_t format; /* qn_format */
} qn_etl_options;
extern const qn_params qn_etl_table;

typedef struct qn_etl_result {
    qn_upsert_side side[2]; /* train, test */
    qn_upsert_result upsert[2];
    double total_s;
} qn_etl_result;
/* Both data sets change, or neither unless the second swap fails; running it again is then safe. */
qn_status qn_etl_run(qn_context *ctx, const qn_etl_options *etl, const qn_rules_options *rules,
                     const qn_upsert_options *options, qn_etl_result *result);
void qn_etl_json(const qn_etl_result *result, qn_json *j);

#endif
