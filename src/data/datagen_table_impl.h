/* What a shape of generated table gives. A new one: a file datagen_table_x.c that exports a
 * qn_generator, its line in datagen_table.c. */
#ifndef QN_DATA_DATAGEN_TABLE_IMPL_H
#define QN_DATA_DATAGEN_TABLE_IMPL_H

#include "base/rng.h"
#include "base/text.h"
#include "data/datagen_table.h"
#include "quern/source.h"

#define QN_GEN_LIST 3 /* values of a list column, the only length there is */

/* One file of the table, in the order of writing. */
typedef struct qn_gen_file {
    char name[40];           /* below OUT: "train/part-00000.parquet" */
    int64_t index;           /* its place in the plan */
    int64_t first_row, rows; /* of the whole table */
} qn_gen_file;

/* A table before its rows. Made by the generator; every pointer is qn_free'd with it. */
typedef struct qn_gen_plan {
    int64_t seed;
    bool has_header; /* in text */
    int32_t n_fields;
    int32_t n_values; /* doubles of a row: a list counts for its values */
    qn_field *field;
    char (*field_name)[16];
    int64_t n_files;
    qn_gen_file *file;
    int32_t n_classes;    /* 0: the label is a number */
    const int32_t *class; /* [n_classes] label of each class; NULL: its index */
    int64_t *count;       /* [n_files x n_classes] rows drawn */
    void *shape;          /* of the generator; a block of its own or NULL */
    double *truth;        /* of the generator; NULL: none */
} qn_gen_plan;

struct qn_generator {
    const char *name;
    const qn_params *table;  /* NULL: none */
    bool has_lists;          /* Parquet only */
    const char *result_name; /* what to show for the data where it is not one file; NULL */
    /* Fields, files, and what is planted. The plan comes cleared but for seed. */
    qn_status (*make)(qn_context *ctx, const qn_gen_options *options, const void *own,
                      qn_gen_plan *plan);
    /* The values of a row, a function of plan and row alone; returns its class or 0. */
    int32_t (*row)(const qn_gen_plan *plan, const qn_gen_file *file, int64_t row, double *value);
    /* Keys of truth.json about what is planted; an object is open. */
    void (*truth)(const qn_gen_plan *plan, qn_json *j);
};

extern const qn_generator qn_generator_susy, qn_generator_fractal, qn_generator_blobs,
    qn_generator_linear, qn_generator_logistic;

/* Puts a plan's rows into files, several chunks of rows at a time. */
typedef struct qn_gen_writer qn_gen_writer;
qn_status qn_gen_writer_create(qn_context *ctx, const qn_generator *generator, qn_gen_plan *plan,
                               qn_gen_format format, qn_gen_writer **writer);
/* One file at `path`, whole or not at all; adds to plan->count. */
qn_status qn_gen_write_file(qn_context *ctx, qn_gen_writer *writer, const qn_gen_file *file,
                            const char *path);
void qn_gen_writer_free(qn_gen_writer *writer);

/* Millionths, rounded; what is beyond 9e15 of them is cut off there, so that a double holds it. */
int64_t qn_gen_millionths(double value);
/* To six decimals: the value that their text reads as. */
double qn_gen_round(double value);

/* Random words and normal numbers `k` for `what` (0 to 255, of one shape) of row or thing `a`. */
qn_random qn_gen_draw(const qn_gen_plan *plan, int32_t what, int64_t a, int64_t k);
/* n standard normal numbers. */
void qn_gen_normals(const qn_gen_plan *plan, int32_t what, int64_t a, int32_t n, double *out);

/* For make: n_fields fields, all named by the caller; and "f0" ... from field `first` on. */
qn_status qn_gen_add_fields(qn_context *ctx, qn_gen_plan *plan, int32_t n);
void qn_gen_set_field(qn_gen_plan *plan, int32_t i, const char *name, qn_type type);
void qn_gen_set_features(qn_gen_plan *plan, int32_t first);
/* The one file `name`.csv or `name`.parquet with all rows. */
qn_status qn_gen_add_file(qn_context *ctx, qn_gen_plan *plan, const qn_gen_options *options,
                          const char *name);

/* "name": [values], and "name": [[row], ...]. */
void qn_gen_list_json(qn_json *j, const char *name, const double *value, int64_t n);
void qn_gen_rows_json(qn_json *j, const char *name, const double *value, int64_t n_rows,
                      int64_t n_columns);

#endif
