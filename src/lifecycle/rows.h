/* Rows of a file with all their columns, on their way to another file: what `predict` and `split`
 * share. The columns that the job needs come typed, then every column of the file as it is: as text
 * where text is written, so that nothing is rewritten on the way. */
#ifndef QN_LIFECYCLE_ROWS_H
#define QN_LIFECYCLE_ROWS_H

#include "data/triples_columns.h"
#include "quern/sink.h"

typedef struct qn_rows {
    qn_source *source;
    qn_column_request *request; /* [n_key + n_fields] the job's, then every column */
    int32_t n_key;
    qn_field *field;  /* [n_fields + n_extra] of the output */
    int32_t n_fields; /* of the input, but lists where delimited text is written */
    int32_t n_extra;
    bool has_names;
    qn_rating_columns ratings; /* of a ratings file, for what is said of bad rows; n 0: any table */
    int64_t split;             /* under way */
} qn_rows;

/* What is copied and added. */
typedef struct qn_rows_out {
    qn_format format;      /* that will be written */
    const qn_field *extra; /* [n_extra] columns that the job adds behind; names are borrowed */
    int32_t n_extra;
    bool lenient; /* numbers that are none do not cost the row: their copies are empty */
} qn_rows_out;

/* Whether a format has lists; delimited text has none. */
bool qn_rows_hold_lists(qn_format format);
/* Takes *source over, whatever happens. key: the columns that the job needs. Warns of columns of
 * lists that delimited text cannot hold. */
qn_status qn_rows_open(qn_context *ctx, qn_source **source, const qn_column_request *key,
                       int32_t n_key, const qn_rows_out *out, qn_rows *rows);
/* A ratings file: the key is user, item, and rating and time where there are such columns. */
qn_status qn_rows_open_ratings(qn_context *ctx, const qn_ratings_options *options, bool need_time,
                               const qn_rows_out *out, qn_rows *rows);
void qn_rows_close(qn_rows *rows);

/* A sink with the input's columns and the extra ones. */
qn_status qn_rows_sink(qn_context *ctx, const qn_rows *rows, const char *path, qn_format format,
                       bool overwrite, qn_sink **sink);
/* QN_EINVAL if the input has a column of this name: `remedy` tells how to name it otherwise. */
qn_status qn_rows_check_name(qn_context *ctx, const qn_rows *rows, const char *name,
                             const char *remedy);

/* Called for each batch in file order; the first n_key columns are the typed ones. */
typedef qn_status qn_rows_visit(qn_context *ctx, void *arg, const qn_rows *rows,
                                const qn_batch *batch);
/* Bad rows are counted in `rejects`; with QN_BAD_ROW_FAIL the first one ends the job, told as `fit`
 * tells it. */
qn_status qn_rows_each(qn_context *ctx, qn_rows *rows, qn_on_bad_row on_bad_row,
                       qn_rejects *rejects, qn_rows_visit *visit, void *arg);

/* The rows with keep[i] (NULL: all) of the batch's copied columns, plus `extra` columns (of all
 * rows of the batch), to the sink. */
qn_status qn_rows_write(qn_context *ctx, const qn_rows *rows, const qn_batch *batch,
                        const uint8_t *keep, const qn_column *extra, qn_sink *sink);

#endif
