/* Rows of a ratings file with all their columns, on their way to another file: what `predict` and
 * `split` share. The columns that the job needs come typed, then every column of the file as it is:
 * as text where text is written, so that nothing is rewritten on the way. */
#ifndef QN_LIFECYCLE_ROWS_H
#define QN_LIFECYCLE_ROWS_H

#include "data/triples_columns.h"
#include "quern/sink.h"

typedef struct qn_rows {
    qn_source *source;
    qn_rating_columns key;      /* places of user, item, rating, time in a batch */
    qn_column_request *request; /* [key.n + n_fields] */
    qn_field *field;            /* [n_fields + n_extra] of the output */
    int32_t n_fields;           /* of the input */
    int32_t n_extra;
    bool has_names;
} qn_rows;

/* Opens the files; `format` is what will be written. extra: columns that the job adds behind. */
qn_status qn_rows_open(qn_context *ctx, const qn_ratings_options *options, bool need_time,
                       qn_format format, const qn_field *extra, int32_t n_extra, qn_rows *rows);
void qn_rows_close(qn_rows *rows);

/* A sink with the input's columns and the extra ones. */
qn_status qn_rows_sink(qn_context *ctx, const qn_rows *rows, const char *path, qn_format format,
                       bool overwrite, qn_sink **sink);

/* Called for each batch in file order; the first key.n columns are the typed ones. */
typedef qn_status qn_rows_visit(qn_context *ctx, void *arg, const qn_rows *rows,
                                const qn_batch *batch);
/* Bad rows are counted in `rejects`; with QN_BAD_ROW_FAIL the first one ends the job, told as `fit`
 * tells it. */
qn_status qn_rows_each(qn_context *ctx, qn_rows *rows, qn_on_bad_row on_bad_row,
                       qn_rejects *rejects, qn_rows_visit *visit, void *arg);

/* The rows with keep[i] of the batch's copied columns, plus `extra` columns (of all rows of the
 * batch), to the sink. */
qn_status qn_rows_write(qn_context *ctx, const qn_rows *rows, const qn_batch *batch,
                        const uint8_t *keep, const qn_column *extra, qn_sink *sink);

#endif
