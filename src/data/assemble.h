/* From batches of raw columns to columns of features: what the matrix and predict share. */
#ifndef QN_DATA_ASSEMBLE_H
#define QN_DATA_ASSEMBLE_H

#include "base/text.h"
#include "quern/matrix.h"

struct json_t;

/* Finds out the features that `options` ask for on this source: names, expressions, list widths
 * and categories. Reads the columns of lists and categories once, all splits; other columns are not
 * read. Collective. QN_ENOTFOUND and QN_EINVAL name the column or expression and the nearest
 * name. Release also after a failure. */
qn_status qn_features_find(qn_context *ctx, qn_source *source, const qn_matrix_options *options,
                           qn_categories categories, qn_features *features);
/* As members of quern.json, and back. QN_EDATA names what does not fit. */
void qn_features_json(const qn_features *features, qn_json *j, const char *key);
qn_status qn_features_parse(qn_context *ctx, const struct json_t *json, qn_features *features);

/* One thread's way from batches to features. */
typedef struct qn_assembler qn_assembler;

/* Why a row is incomplete. */
enum {
    QN_ROW_MISSING = 1, /* a feature, label or weight is missing or not finite, a category unknown,
                           a weight negative */
    QN_ROW_MISFIT       /* a list of another length, or libsvm's index beyond the width: an error
                           whatever is said about missing values */
};

typedef struct qn_assembled {
    int64_t n_rows;
    const void *const *column; /* [features.width] n_rows floats or doubles each; NaN: missing */
    const double *label;       /* [n_rows] NaN: missing; NULL: not asked for */
    const double *weight;      /* [n_rows]; NULL: no weight column */
    const uint8_t *incomplete; /* [n_rows] 0: complete; QN_ROW_MISSING, QN_ROW_MISFIT */
    int64_t n_incomplete;      /* misfits counted */
    int64_t n_misfits;
} qn_assembled;

/* features and source are borrowed. `is_double`: type of the columns delivered. with_label: the
 * label is read too, its column must be there. A weight is read where the features name one and the
 * source has it. QN_EINVAL tells which columns of the features the source lacks, and how many it
 * has where columns have no names. */
qn_status qn_assembler_open(qn_context *ctx, const qn_features *features, const qn_source *source,
                            bool is_double, bool with_label, qn_assembler **assembler);
void qn_assembler_free(qn_assembler *assembler);
/* Before the requests are asked for: what is no number in a column of numbers is missing, and its
 * row is kept. Predicting does so; without it such a row is rejected. */
void qn_assembler_be_lenient(qn_assembler *assembler);
/* The columns to open splits with; the assembler looks at the first n columns of a batch, more may
 * follow. */
const qn_column_request *qn_assembler_requests(const qn_assembler *assembler, int32_t *n);
/* Features of a batch's rows; borrowed until the next call. Not collective. */
qn_status qn_assemble(qn_context *ctx, qn_assembler *assembler, const qn_batch *batch,
                      qn_assembled *out);
/* Why row r of what was assembled last is incomplete: "column f3: missing"; "" if it is not. The
 * batch must still be there. */
void qn_assembler_why(const qn_assembler *assembler, int64_t r, char *out, size_t size);

/* Puts rows of columns into panels, behind n_before rows that are there; keep[r] 0 leaves row r out
 * (NULL: all). Returns rows written. `panels` has room; a panel that is begun is padded with
 * zeros. */
int64_t qn_panels_fill(const qn_assembled *rows, int32_t n_features, bool is_double,
                       const uint8_t *keep, int64_t first, int64_t end, void *panels,
                       int64_t n_before);

#endif
