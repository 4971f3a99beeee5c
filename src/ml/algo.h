/* The algorithms: one line each in the list below. Command line, Python, HTTP and docs pick them up
 * from here; a command knows no algorithm on tables by name. */
#ifndef QN_ML_ALGO_H
#define QN_ML_ALGO_H

#include "base/file.h"
#include "base/text.h"
#include "quern/matrix.h"
#include "quern/model.h"
#include "quern/param.h"

/* Algorithms on tables: X(name) stands for `quern fit name`, qn_algo_name, qn_name_table. */
#define QN_TABLE_ALGO_LIST(X) X(forest) X(kmeans) X(tree)

#define QN_MAX_OUTPUTS 4

/* One column that predicting adds: n_rows values of `type`, or n_rows x width of a list. */
typedef struct qn_output {
    const char *name; /* "prediction", borrowed from the model */
    qn_type type;     /* QN_INT32, QN_DOUBLE or QN_DOUBLE_LIST */
    int32_t width;    /* of lists; otherwise 1 */
} qn_output;

/* Forms in which `quern export` writes a model. */
typedef enum qn_export_format {
    QN_EXPORT_TEXT, /* for people, indented */
    QN_EXPORT_JSON, /* every number */
    QN_EXPORT_SVG,  /* a picture of one tree */
    QN_EXPORT_C     /* a header that predicts and needs nothing else */
} qn_export_format;
#define QN_EXPORT_FORMAT_CHOICES "text|json|svg|c"

typedef struct qn_model_form {
    int32_t format;   /* qn_export_format */
    int32_t tree;     /* this one alone; -1: all, of a picture the first */
    const char *name; /* what names in a C header begin with; NULL: "model" */
} qn_model_form;

/* What an algorithm on tables gives. `model` is always one of its own. */
typedef struct qn_table_ops {
    bool needs_label;
    bool uses_label;    /* fit reads it; evaluate may */
    bool takes_missing; /* QN_MISSING_KEEP */
    /* Whether a fit with these parameters wants its missing values (`--missing native`): then they
     * are kept unless they are asked to be skipped. NULL: all the same to it. */
    bool (*keeps_missing)(const void *params);
    qn_categories categories;
    double value_bytes, row_bytes; /* that a fit holds beside the matrix, of each value and row */

    /* As qn_kmeans_fit; `params` is the algorithm's struct. */
    qn_status (*fit)(qn_context *ctx, const void *params, const qn_matrix *data, qn_model **model);
    void (*free)(qn_model *model); /* NULL is fine */
    qn_status (*save)(qn_context *ctx, const qn_model *model, const char *path, bool overwrite,
                      const char *record);
    qn_status (*load)(qn_context *ctx, const char *path, qn_model **model);
    void (*digest)(const qn_model *model, char digest[33]);

    /* Columns that predict adds; returns how many. */
    int32_t (*outputs)(const qn_model *model, qn_output output[QN_MAX_OUTPUTS]);
    /* n_rows rows in panels of doubles (see kernels/kernels.h); values[i] has room for output i,
     * rounded up to whole panels; NULL for a list that nobody asks for. Allocates nothing that
     * lasts. */
    qn_status (*predict)(qn_context *ctx, const qn_model *model, int64_t n_rows, const double *x,
                         void *const *values);

    /* Judges the model on a matrix: JSON members into an open object, and metric events.
     * Collective.
     */
    qn_status (*evaluate)(qn_context *ctx, const qn_model *model, const qn_matrix *data,
                          qn_json *j);
    /* Every number of the model, as JSON members into an open object: parameters are written by
     * the caller. `all` false: for a person, without long arrays. */
    void (*describe)(const qn_model *model, bool all, qn_json *j);
    /* What a fit found: JSON members ("iterations", "cost", "cluster_sizes" ...), and metric and
     * fact events for the run record. */
    void (*summary)(qn_context *ctx, const qn_model *model, qn_json *j);
    /* The parameters the model was fitted with, a struct of the algorithm's table. */
    const void *(*params)(const qn_model *model);
    /* Why `--strict` would refuse the model ("2 of 8 clusters are empty"); false: nothing. */
    bool (*doubts)(const qn_model *model, char *out, size_t size);
    /* The model for readers and other programs; NULL: it has no such forms. QN_EINVAL options. */
    qn_status (*export_as)(qn_context *ctx, const qn_model *model, const qn_model_form *options,
                           qn_out_file *out);
} qn_table_ops;

typedef struct qn_algo {
    const char *name;            /* "als" */
    const char *title;           /* one line, no full stop */
    const char *spark_class;     /* of its models */
    const char *spark_regressor; /* of those that predict numbers, where that is another; or NULL */
    const qn_params *params;
    const qn_table_ops *table; /* NULL: not on tables (als) */
    const char *notes;         /* paragraphs for help and man page of `fit`; NULL: none */
    const char *examples;      /* one a line; NULL: none */
} qn_algo;

#define QN_ALGO_DECLARE(name)                                                                      \
    extern const qn_algo qn_algo_##name;                                                           \
    QN_API extern const qn_params qn_##name##_table;
QN_TABLE_ALGO_LIST(QN_ALGO_DECLARE)
#undef QN_ALGO_DECLARE

extern const qn_algo *const qn_algos[];
extern const int64_t qn_n_algos;
/* NULL if there is none. */
const qn_algo *qn_algo_find(const char *name);
/* Whether its models have this Spark class. */
bool qn_algo_has_class(const qn_algo *algo, const char *spark_class);
/* The algorithm whose models have this Spark class; NULL if none. */
const qn_algo *qn_algo_of_class(const char *spark_class);

/* What every save of a model on tables writes into quern.json before its own members: algorithm,
 * version, digest, fingerprint, kernel set, features, parameters, run. The object stays open. */
void qn_model_note(const qn_model *model, const char *digest, const char *record, qn_json *j);
/* The same back from quern.json (may be NULL: a model of Spark), and prediction_col from the
 * metadata. */
struct qn_model_files;
qn_status qn_model_note_read(qn_context *ctx, const struct qn_model_files *files, qn_model *model);
/* The parameters of a saved model into `values`, which hold the defaults: Spark's metadata by their
 * names there, then quern.json. Texts are left to the caller. */
qn_status qn_model_params_of(qn_context *ctx, const struct qn_model_files *files,
                             const qn_params *table, void *values);
void qn_model_base_release(qn_model *model);

#endif
