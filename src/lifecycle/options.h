/* Parameter tables that several commands share. A command's table list is made of its own table and
 * of these, of qn_ratings_table and of the algorithm's. Texts are borrowed. */
#ifndef QN_LIFECYCLE_OPTIONS_H
#define QN_LIFECYCLE_OPTIONS_H

#include "quern/als.h"
#include "quern/matrix.h"
#include "quern/metrics.h"
#include "quern/param.h"

/* How rankings are judged: `fit als`, `evaluate`, `tune als`. */
typedef struct qn_ranking_options {
    int32_t k;
    double threshold;      /* a test rating at or above it is relevant */
    int32_t protocol;      /* qn_protocol_choice */
    int32_t ranking_users; /* judge that many users, drawn by id; 0: all; -1: no rankings */
} qn_ranking_options;
extern const qn_params qn_ranking_table;

typedef enum qn_protocol_choice {
    QN_PROTOCOL_CHOICE_AUTO, /* honest where the training ratings are at hand, else reference */
    QN_PROTOCOL_CHOICE_SPARK,
    QN_PROTOCOL_CHOICE_REFERENCE,
    QN_PROTOCOL_CHOICE_HONEST
} qn_protocol_choice;
const char *qn_protocol_name(qn_ranking_protocol protocol);

/* How the files that a model is applied to are read: `predict`, `evaluate`, `recommend`, `explain`.
 * Columns that are not given have the names the model was trained with; in a file without names
 * they are 0, 1, 2. */
typedef struct qn_columns_options {
    int32_t format;        /* qn_format */
    int32_t header;        /* auto|no|yes */
    const char *delimiter; /* one character; NULL: found out */
    const char *user_col, *item_col, *rating_col, *timestamp_col;
    int32_t on_bad_row; /* qn_on_bad_row, default skip */
} qn_columns_options;
extern const qn_params qn_columns_table;

/* The same for models on tables: `predict`, `evaluate`. */
typedef struct qn_scoring_options {
    qn_text_list features; /* for models that do not know theirs (Spark's); n 0: the number columns
                              in order */
    const char *label, *weight; /* columns; NULL: none, or the model's where it needs one */
    int32_t on_missing;         /* qn_on_missing, default skip */
} qn_scoring_options;
extern const qn_params qn_scoring_table;

/* A fitted model remembers what its columns were called. */
void qn_model_name_columns(qn_als_model *model, const qn_ratings_options *ratings);

/* The same as options of qn_triples_read for these files, with ids of the model's type. `timestamp`
 * is not read. The texts stay borrowed from `columns` and `model`. */
void qn_columns_ratings(const qn_columns_options *columns, const qn_als_model *model,
                        const qn_text_list *input, qn_ratings_options *out);
/* The same as options of qn_matrix_read. The texts stay borrowed. */
void qn_columns_matrix(const qn_columns_options *columns, const qn_scoring_options *scoring,
                       const qn_text_list *input, qn_matrix_options *out);
/* Opens the files that the options name. */
qn_status qn_columns_source(qn_context *ctx, const qn_columns_options *columns,
                            const qn_text_list *input, qn_source **source);

/* QN_EINVAL names an option of `table` that was given (its value is not the default) and means
 * nothing for a model of this kind ("kmeans"). `names`: C names, blank separated; NULL: all. */
qn_status qn_options_refuse(qn_context *ctx, const qn_params *table, const void *values,
                            const char *names, const char *kind);

#endif
