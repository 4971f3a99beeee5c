#include "lifecycle/rows.h"

#include <string.h>

#include "base/alloc.h"
#include "base/context.h"

static bool is_delimited(qn_format format)
{
    return format == QN_FORMAT_CSV || format == QN_FORMAT_TSV || format == QN_FORMAT_DAT;
}

static qn_status plan(qn_context *ctx, qn_format format, const qn_field *extra, qn_rows *rows)
{
    const qn_schema *schema = qn_source_schema(rows->source);
    const int32_t n = schema->n_fields;
    qn_status st = QN_OK;

    rows->n_fields = n;
    rows->has_names = schema->has_names;
    QN_NEW0(ctx, rows->request, rows->key.n + n, "columns");
    QN_NEW0(ctx, rows->field, n + rows->n_extra, "columns");
    memcpy(rows->request, rows->key.request, (size_t)rows->key.n * sizeof *rows->request);
    for (int32_t f = 0; f < n; f++) {
        const qn_type type = is_delimited(format) ? QN_TEXT : schema->field[f].type;

        rows->request[rows->key.n + f] = (qn_column_request){f, type, true};
        rows->field[f] = (qn_field){schema->field[f].name, type};
    }
    for (int32_t e = 0; e < rows->n_extra; e++)
        rows->field[n + e] = extra[e];
done:
    return st;
}

qn_status qn_rows_open(qn_context *ctx, const qn_ratings_options *options, bool need_time,
                       qn_format format, const qn_field *extra, int32_t n_extra, qn_rows *rows)
{
    qn_status st = QN_OK;

    *rows = (qn_rows){.n_extra = n_extra};
    QN_TRY(qn_ratings_source_open(ctx, options, &rows->source));
    QN_TRY(qn_rating_columns_find(ctx, rows->source, options, need_time, need_time, &rows->key));
    QN_TRY(plan(ctx, format, extra, rows));
done:
    if (st != QN_OK)
        qn_rows_close(rows);
    return st;
}

void qn_rows_close(qn_rows *rows)
{
    qn_free(rows->request);
    qn_free(rows->field);
    qn_source_free(rows->source);
    *rows = (qn_rows){0};
}

qn_status qn_rows_sink(qn_context *ctx, const qn_rows *rows, const char *path, qn_format format,
                       bool overwrite, qn_sink **sink)
{
    const qn_sink_options options = {
        .path = path, .format = format, .overwrite = overwrite, .header = rows->has_names};
    const qn_schema schema = {rows->field, rows->n_fields + rows->n_extra, true};

    return qn_sink_open(ctx, &options, &schema, sink);
}

/* Adds what a reader has refused; under `fail` the first example ends the job. */
static qn_status take_rejects(qn_context *ctx, const qn_rows *rows, int64_t split,
                              const qn_rejects *found, qn_on_bad_row on_bad_row, qn_rejects *all)
{
    char what[512];

    for (int32_t k = 0; k < QN_REJECT_KINDS; k++)
        all->count[k] += found->count[k];
    all->total += found->total;
    for (int32_t e = 0; e < found->n_examples && all->n_examples < QN_REJECT_EXAMPLES; e++)
        all->example[all->n_examples++] = found->example[e];
    if (found->total == 0 || on_bad_row == QN_BAD_ROW_SKIP)
        return QN_OK;
    qn_reject_describe(ctx, rows->source, split, &rows->key, &found->example[0], what, sizeof what);
    return qn_fail(ctx, QN_EDATA, "%s; use --on-bad-row skip to leave such rows out", what);
}

static qn_status each_of_split(qn_context *ctx, qn_rows *rows, int64_t split,
                               qn_on_bad_row on_bad_row, qn_rejects *rejects, qn_rows_visit *visit,
                               void *arg)
{
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_source_open_split(ctx, rows->source, split, rows->request,
                                rows->key.n + rows->n_fields, &reader));
    for (;;) {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_reader_next(ctx, reader, &batch));
        if (!batch)
            break;
        QN_TRY(visit(ctx, arg, rows, batch));
    }
    QN_TRY(take_rejects(ctx, rows, split, qn_reader_rejects(reader), on_bad_row, rejects));
done:
    qn_reader_close(reader);
    return st;
}

qn_status qn_rows_each(qn_context *ctx, qn_rows *rows, qn_on_bad_row on_bad_row,
                       qn_rejects *rejects, qn_rows_visit *visit, void *arg)
{
    const int64_t n_splits = qn_source_n_splits(rows->source);
    qn_status st = QN_OK;

    *rejects = (qn_rejects){0};
    for (int64_t s = 0; s < n_splits && st == QN_OK; s++)
        st = each_of_split(ctx, rows, s, on_bad_row, rejects, visit, arg);
    return st;
}

/* One row of a batch as columns that begin there. A validity bitmap cannot begin inside a word, so
 * a row that lacks a value gets a bitmap of its own. */
static qn_status write_row(qn_context *ctx, const qn_column *columns, int32_t n, int64_t row,
                           qn_column *one, qn_sink *sink)
{
    static const uint64_t missing = 0;
    static const size_t width[] = {
        [QN_INT32] = 4, [QN_INT64] = 8, [QN_FLOAT] = 4, [QN_DOUBLE] = 8, [QN_TIME] = 8};
    const qn_batch batch = {.n_rows = 1, .n_columns = n, .columns = one};

    for (int32_t c = 0; c < n; c++) {
        one[c] = columns[c];
        one[c].validity = qn_is_valid(&columns[c], row) ? NULL : &missing;
        if (columns[c].offsets)
            one[c].offsets = columns[c].offsets + row;
        else
            one[c].data = (const char *)columns[c].data + (size_t)row * width[columns[c].type];
    }
    return qn_sink_write(ctx, sink, &batch);
}

qn_status qn_rows_write(qn_context *ctx, const qn_rows *rows, const qn_batch *batch,
                        const uint8_t *keep, const qn_column *extra, qn_sink *sink)
{
    const int32_t n = rows->n_fields + rows->n_extra;
    qn_column *columns = NULL, *one;
    int64_t n_kept = 0;
    qn_status st = QN_OK;

    QN_NEW(ctx, columns, 2 * (int64_t)n, "columns");
    one = columns + n;
    memcpy(columns, batch->columns + rows->key.n, (size_t)rows->n_fields * sizeof *columns);
    if (rows->n_extra > 0)
        memcpy(columns + rows->n_fields, extra, (size_t)rows->n_extra * sizeof *columns);
    for (int64_t r = 0; r < batch->n_rows; r++)
        n_kept += keep[r] != 0;
    if (n_kept == batch->n_rows) {
        const qn_batch all = {.n_rows = batch->n_rows, .n_columns = n, .columns = columns};

        QN_TRY(qn_sink_write(ctx, sink, &all));
    } else {
        for (int64_t r = 0; r < batch->n_rows; r++)
            if (keep[r])
                QN_TRY(write_row(ctx, columns, n, r, one, sink));
    }
done:
    qn_free(columns);
    return st;
}
