/* Generated tables with planted truth: look-alikes of SUSY and FRACTAL, clusters, and what linear
 * and logistic regression find again. */
#ifndef QN_DATA_DATAGEN_TABLE_H
#define QN_DATA_DATAGEN_TABLE_H

#include "quern/param.h"

typedef enum qn_gen_format { QN_GEN_AUTO, QN_GEN_CSV, QN_GEN_PARQUET } qn_gen_format;

/* What every shape takes. Table: qn_gen_table. */
typedef struct qn_gen_options {
    int64_t rows, seed;
    int32_t format; /* qn_gen_format */
    const char *out;
    bool overwrite;
} qn_gen_options;
extern const qn_params qn_gen_table;

/* What one shape takes beside; susy takes nothing. */
typedef struct qn_gen_fractal_options {
    int32_t files;
    double drift;
} qn_gen_fractal_options;
extern const qn_params qn_gen_fractal_table;

typedef struct qn_gen_blobs_options {
    int32_t k, features;
    double spread, offset;
} qn_gen_blobs_options;
extern const qn_params qn_gen_blobs_table;

typedef struct qn_gen_regression_options {
    int32_t features, nonzero;
    double noise; /* linear only */
} qn_gen_regression_options;
extern const qn_params qn_gen_linear_table, qn_gen_logistic_table;

/* A shape of table: data/datagen_table_impl.h. */
typedef struct qn_generator qn_generator;
/* "susy", "fractal", "blobs", "linear", "logistic"; NULL if there is none of that name. */
const qn_generator *qn_generator_named(const char *name);

typedef struct qn_gen_result {
    char data_path[4096]; /* the file, or the folder of the training files */
    char truth_path[4096];
    int64_t rows, n_files;
    int32_t n_columns;
} qn_gen_result;

/* Makes the folder OUT with the data and truth.json: what is planted (centres, coefficients, shares
 * of the classes), the options, and the rows of every class as drawn. `own` is the shape's struct,
 * NULL for one without. Numbers have six decimals, the same in every format. The same options give
 * the same files whatever the threads; the folder appears whole or not at all.
 * Errors  QN_EINVAL options; QN_EEXISTS without `overwrite`, and with it where OUT holds something
 * that was not generated; QN_EIO, QN_ENOMEM, QN_ECANCELLED, QN_EUNAVAILABLE (Parquet). */
qn_status qn_datagen_table_write(qn_context *ctx, const qn_generator *generator,
                                 const qn_gen_options *options, const void *own,
                                 qn_gen_result *result);

#endif
