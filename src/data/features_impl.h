/* Between the files that find features, keep them and make them of batches. */
#ifndef QN_DATA_FEATURES_IMPL_H
#define QN_DATA_FEATURES_IMPL_H

#include "data/assemble.h"
#include "data/expr.h"

/* Columns that a matrix may have, and categories of a column. */
#define QN_MAX_WIDTH      (1 << 20)
#define QN_MAX_CATEGORIES 10000

/* A column of a source, as features see it: libsvm's pairs are one column of lists, "features". */
typedef struct qn_feature_column {
    int32_t field;       /* -1: it is not there */
    int32_t index_field; /* libsvm's pairs: `field` holds their values, this one their indices from
                            zero; else -1 */
    qn_type type;
    const char *name; /* as the source has it */
} qn_feature_column;

static inline bool qn_type_is_list(qn_type type)
{
    return type == QN_FLOAT_LIST || type == QN_DOUBLE_LIST;
}

/* False: columns are known by number. */
bool qn_source_has_names(const qn_source *source);
/* Looks at field `hint` first: features mostly stand in the order of the columns. */
qn_feature_column qn_feature_column_find(const qn_source *source, const char *name, int32_t hint);
qn_feature_column qn_feature_column_at(const qn_source *source, int32_t field);
/* The columns that a source has, for a message. */
void qn_feature_columns_list(const qn_source *source, qn_string *out);

/* Widths of lists and categories, from passes over those columns. Collective. */
qn_status qn_features_scan(qn_context *ctx, qn_source *source, int32_t num_features,
                           qn_features *features);

/* Names, comma separated or one by one, without blanks around; a comma inside quotes or brackets is
 * part of its name. Release also after a failure. */
typedef struct qn_names {
    char **item;
    int64_t n, capacity;
} qn_names;
qn_status qn_names_split(qn_context *ctx, const qn_text_list *from, qn_names *list);
void qn_names_release(qn_names *list);

/* Gives the features that `scale` names factors, 1 until the rows have been read. QN_ENOTFOUND and
 * QN_EINVAL name the feature. matrix_scale.c */
qn_status qn_features_mark_scaled(qn_context *ctx, const qn_text_list *scale,
                                  qn_features *features);

/* Sums up widths. QN_EINVAL: too many. */
qn_status qn_features_sum(qn_context *ctx, qn_features *features);

/* A number's category is its shortest text, whatever way a file writes it: "1.0", "01" and " 1" are
 * "1". False: not a finite number. */
bool qn_category_of_number(const char *text, size_t length, char out[32]);
/* Ascending as numbers where all are, else in byte order. */
void qn_categories_sort(char **category, int64_t n);
bool qn_categories_ascend(char *const *category, int64_t n);

/* Whether most of the first values of a column of texts are numbers; what is wrong with the first
 * that is none goes to `out`, as "file.csv, line 17: column a: "x" is not a number". */
bool qn_features_stray(qn_context *ctx, qn_source *source, int32_t field, char *out, size_t size);

#endif
