#include "lifecycle/rows.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "data/reading.h"

bool qn_rows_hold_lists(qn_format format)
{
    return format != QN_FORMAT_CSV && format != QN_FORMAT_TSV && format != QN_FORMAT_DAT;
}

static bool is_list(qn_type type)
{
    return type == QN_FLOAT_LIST || type == QN_DOUBLE_LIST;
}

/* Room for all fields, of which lists may be left out. */
static qn_status plan(qn_context *ctx, const qn_column_request *key, const qn_rows_out *out,
                      qn_rows *rows)
{
    const qn_schema *schema = qn_source_schema(rows->source);
    const bool as_text = !qn_rows_hold_lists(out->format);
    qn_string left_out = {0};
    qn_status st = QN_OK;

    rows->has_names = schema->has_names;
    rows->n_extra = out->n_extra;
    QN_NEW0(ctx, rows->request, rows->n_key + schema->n_fields, "columns");
    QN_NEW0(ctx, rows->field, schema->n_fields + out->n_extra, "columns");
    memcpy(rows->request, key, (size_t)rows->n_key * sizeof *key);
    for (int32_t f = 0; f < schema->n_fields; f++) {
        const int32_t n = rows->n_fields;
        const qn_type type = as_text ? QN_TEXT : schema->field[f].type;

        if (as_text && is_list(schema->field[f].type)) {
            qn_string_addf(&left_out, "%s%s", left_out.length ? ", " : "", schema->field[f].name);
            continue;
        }
        rows->request[rows->n_key + n] = (qn_column_request){
            .field = f, .type = type, .nullable = true, .lenient = out->lenient};
        rows->field[n] = (qn_field){schema->field[f].name, type};
        rows->n_fields++;
    }
    for (int32_t e = 0; e < out->n_extra; e++)
        rows->field[rows->n_fields + e] = out->extra[e];
    if (left_out.length > 0)
        qn_emit_warning(ctx,
                        "lists are left out, delimited text cannot hold them (%s): write .jsonl "
                        "or .parquet to keep them",
                        left_out.text);
done:
    qn_string_release(&left_out);
    return st;
}

qn_status qn_rows_open(qn_context *ctx, qn_source **source, const qn_column_request *key,
                       int32_t n_key, const qn_rows_out *out, qn_rows *rows)
{
    qn_status st;

    *rows = (qn_rows){.source = *source, .n_key = n_key};
    *source = NULL;
    st = plan(ctx, key, out, rows);
    if (st != QN_OK)
        qn_rows_close(rows);
    return st;
}

qn_status qn_rows_open_ratings(qn_context *ctx, const qn_ratings_options *options, bool need_time,
                               const qn_rows_out *out, qn_rows *rows)
{
    qn_source *source = NULL;
    qn_rating_columns key;
    qn_status st = QN_OK;

    *rows = (qn_rows){0};
    QN_TRY(qn_ratings_source_open(ctx, options, &source));
    QN_TRY(qn_rating_columns_find(ctx, source, options, need_time, need_time, &key));
    QN_TRY(qn_rows_open(ctx, &source, key.request, key.n, out, rows));
    rows->ratings = key;
done:
    qn_source_free(source);
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

qn_status qn_rows_check_name(qn_context *ctx, const qn_rows *rows, const char *name,
                             const char *remedy)
{
    for (int32_t f = 0; f < rows->n_fields; f++)
        if (rows->has_names && strcmp(rows->field[f].name, name) == 0)
            return qn_fail(ctx, QN_EINVAL, "the input has a column \"%s\" already: %s", name,
                           remedy);
    return QN_OK;
}

/* "file, line 17: ..." */
static void describe(qn_context *ctx, const qn_rows *rows, int64_t split, const qn_reject *reject,
                     char *out, size_t size)
{
    char value[320];

    if (rows->ratings.n > 0) {
        qn_reject_describe(ctx, rows->source, split, &rows->ratings, reject, out, size);
        return;
    }
    qn_reject_value(rows->source, rows->request, rows->n_key + rows->n_fields, reject, value,
                    sizeof value);
    qn_reject_place(ctx, rows->source, split, reject, value, out, size);
}

/* Adds what a reader has refused; under `fail` the first example ends the job. */
static qn_status take_rejects(qn_context *ctx, const qn_rows *rows, int64_t split,
                              const qn_rejects *found, qn_on_bad_row on_bad_row, qn_rejects *all)
{
    char what[512];

    for (int32_t k = 0; k < QN_REJECT_KINDS; k++)
        all->count[k] += found->count[k];
    all->total += found->total;
    all->n_kept += found->n_kept;
    for (int32_t e = 0; e < found->n_examples && all->n_examples < QN_REJECT_EXAMPLES; e++)
        all->example[all->n_examples++] = found->example[e];
    if (found->total == 0 || on_bad_row == QN_BAD_ROW_SKIP)
        return QN_OK;
    describe(ctx, rows, split, &found->example[0], what, sizeof what);
    return qn_fail(ctx, QN_EDATA, "%s; use --on-bad-row skip to leave such rows out", what);
}

static qn_status each_of_split(qn_context *ctx, qn_rows *rows, int64_t split,
                               qn_on_bad_row on_bad_row, qn_rejects *rejects, qn_rows_visit *visit,
                               void *arg)
{
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    rows->split = split;
    QN_TRY(qn_source_open_split(ctx, rows->source, split, rows->request,
                                rows->n_key + rows->n_fields, &reader));
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
    memcpy(columns, batch->columns + rows->n_key, (size_t)rows->n_fields * sizeof *columns);
    if (rows->n_extra > 0)
        memcpy(columns + rows->n_fields, extra, (size_t)rows->n_extra * sizeof *columns);
    for (int64_t r = 0; r < batch->n_rows; r++)
        n_kept += !keep || keep[r] != 0;
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
