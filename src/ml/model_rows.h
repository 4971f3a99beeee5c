/* Reading the tables of a model directory, in which nothing is trusted, and Spark's vectors. */
#ifndef QN_ML_MODEL_ROWS_H
#define QN_ML_MODEL_ROWS_H

#include "ml/model_dir.h"

/* One batch of a table; `path` of its file. */
typedef qn_status qn_model_batch(qn_context *ctx, const char *path, const qn_batch *batch,
                                 void *arg);
/* Calls `body` for every batch of `table`, with the columns `name`; request says their types, its
 * fields are filled in. QN_EDATA names a missing column, or file and row of a value that does not
 * read. */
qn_status qn_model_table_read(qn_context *ctx, const qn_model_files *files, const char *table,
                              const char *const *name, qn_column_request *request, int32_t n,
                              qn_model_batch *body, void *arg);

/* The same from a source that is open, which is borrowed. */
qn_status qn_model_source_read(qn_context *ctx, qn_source *source, const char *table,
                               const char *const *name, qn_column_request *request, int32_t n,
                               qn_model_batch *body, void *arg);

/* The type of a vector column in row_metadata, and one of its fields. */
#define QN_SPARK_VECTOR_TYPE                                                                       \
    "{\"type\":\"udt\",\"class\":\"org.apache.spark.ml.linalg.VectorUDT\","                        \
    "\"pyClass\":\"pyspark.ml.linalg.VectorUDT\",\"sqlType\":{\"type\":\"struct\",\"fields\":["    \
    "{\"name\":\"type\",\"type\":\"byte\",\"nullable\":false,\"metadata\":{}},"                    \
    "{\"name\":\"size\",\"type\":\"integer\",\"nullable\":true,\"metadata\":{}},"                  \
    "{\"name\":\"indices\",\"type\":{\"type\":\"array\",\"elementType\":\"integer\","              \
    "\"containsNull\":false},\"nullable\":true,\"metadata\":{}},"                                  \
    "{\"name\":\"values\",\"type\":{\"type\":\"array\",\"elementType\":\"double\","                \
    "\"containsNull\":false},\"nullable\":true,\"metadata\":{}}]}}"
#define QN_SPARK_FIELD(name, type)                                                                 \
    "{\"name\":\"" name "\",\"type\":" type ",\"nullable\":true,\"metadata\":{}}"
/* In a select list: a column of doubles as a dense vector of the same name. */
#define QN_SPARK_VECTOR_SELECT(name)                                                               \
    "{'type': 1::TINYINT, 'size': NULL::INTEGER, 'indices': NULL::INTEGER[], 'values': \"" name    \
    "\"} AS \"" name "\""

/* A vector as the text of its struct, dense or sparse: {'type': 1, 'size': NULL, 'indices': NULL,
 * 'values': [1.0, 2.5]}. Its size into *n and the values into `values`, where they are no more than
 * `room`. False: it is no vector. */
bool qn_spark_vector_parse(const char *text, int64_t length, int64_t room, double *values,
                           int64_t *n);

#endif
