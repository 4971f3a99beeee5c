/* What lies in a ratings file, a table or a model directory. */
#ifndef QN_LIFECYCLE_INSPECT_H
#define QN_LIFECYCLE_INSPECT_H

#include "base/text.h"
#include "data/triples.h"
#include "ml/algo.h"
#include "quern/als.h"

/* Tables: qn_inspect_table, qn_ratings_table without its input (the path is an argument: set
 * ratings->input to it). */
typedef struct qn_inspect_options {
    bool schema_only;  /* do not read the rows */
    const char *label; /* column whose values are counted; the file is a table then */
} qn_inspect_options;
extern const qn_params qn_inspect_table;

typedef enum qn_inspect_kind {
    QN_INSPECT_MODEL,
    QN_INSPECT_RATINGS,
    QN_INSPECT_TABLE
} qn_inspect_kind;

#define QN_INSPECT_VALUES 256

typedef struct qn_skew {
    double mean, max; /* ratings a user (or item) */
    int64_t median;
    double top_share; /* of the ratings that the top 1 % have */
    double gini;      /* 0 all equal, towards 1 all on one */
} qn_skew;

typedef struct qn_inspect_column {
    char name[64];
    qn_type type;
    char example[64]; /* of the first row */
    bool is_number;
    int64_t n, missing;               /* rows with a number, and without one */
    double min, max, mean, deviation; /* NaN where there are none */
} qn_inspect_column;

typedef struct qn_inspect_result {
    qn_inspect_kind kind;
    /* files */
    qn_format format;
    int64_t bytes, n_splits;
    qn_inspect_column *column;
    int32_t n_columns;
    bool has_names;
    /* a table whose rows were read */
    bool has_statistics;
    int64_t n_rows;
    char label[64];   /* "": not asked for */
    int32_t n_labels; /* distinct; -1: more than QN_INSPECT_VALUES */
    double label_value[QN_INSPECT_VALUES];
    int64_t label_count[QN_INSPECT_VALUES];
    /* ratings; of a table rows_read, rows_bad, rejects, first_reject */
    qn_ratings_counts counts;
    qn_id_type user_type, item_type;
    char first_user[64], last_user[64], first_item[64], last_item[64]; /* in id order */
    int64_t n_users, n_items, n_ratings;                               /* rows, before any merge */
    double density;
    int32_t n_values; /* distinct ratings; above QN_INSPECT_VALUES: 0, no histogram */
    float value[QN_INSPECT_VALUES];
    int64_t value_count[QN_INSPECT_VALUES];
    float min_rating, max_rating;
    double mean_rating, std_rating;
    int64_t min_time, max_time; /* 0 and -1: none */
    int64_t duplicates;         /* rows whose (user, item) stood before */
    qn_skew user_skew, item_skew;
    uint64_t fingerprint;
    /* model */
    const qn_algo *algo;
    qn_model *table_model; /* of an algorithm on tables, else NULL */
    char *note;            /* its quern.json, malloc'ed; NULL: none */
    qn_als_model *model;   /* als */
    char digest[33];
    double user_norm, item_norm; /* mean length of a factor */
    double load_s;
} qn_inspect_result;

/* A model directory, else ratings if the columns are there, else a table: its schema, and what its
 * columns of numbers hold. Bad rows are counted, whatever on_bad_row says. */
qn_status qn_inspect_run(qn_context *ctx, const qn_inspect_options *options,
                         const qn_ratings_options *ratings, qn_inspect_result *result);
/* A model that is known to be of this algorithm on tables. */
qn_status qn_inspect_table_model(qn_context *ctx, const qn_algo *algo, const char *path,
                                 qn_inspect_result *result);
/* Reads every column of numbers of `source` once and takes its statistics; result->column is
 * filled in. */
qn_status qn_inspect_statistics(qn_context *ctx, const qn_inspect_options *options,
                                qn_source *source, qn_inspect_result *result);
void qn_inspect_result_release(qn_inspect_result *result);
void qn_inspect_json(const qn_inspect_result *result, qn_json *j);

#endif
