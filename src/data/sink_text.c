#include "data/sink_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "base/text.h"
#include "data/source_impl.h"
#include "data/text_source.h"

#define FLUSH_BYTES ((size_t)1 << 16)

typedef struct text_sink {
    qn_sink base;
    qn_out_file *out;
    qn_string text; /* not yet written */
    const char *delimiter;
    char **name; /* [n_columns], for JSON */
    int32_t n_columns;
} text_sink;

static void sink_free(text_sink *s)
{
    for (int32_t c = 0; s->name && c < s->n_columns; c++)
        qn_free(s->name[c]);
    qn_free(s->name);
    qn_out_abandon(&s->out);
    qn_string_release(&s->text);
    qn_free(s);
}

static qn_status flush(qn_context *ctx, text_sink *s)
{
    qn_status st;

    if (s->text.failed)
        return qn_fail(ctx, QN_ENOMEM, "%s: no memory for the rows to write", qn_out_path(s->out));
    st = qn_out_write(s->out, qn_string_text(&s->text), s->text.length);
    qn_string_clear(&s->text);
    return st;
}

static qn_status sink_commit(qn_context *ctx, qn_sink *sink)
{
    text_sink *s = (text_sink *)sink;
    qn_status st = flush(ctx, s);

    if (st == QN_OK)
        st = qn_out_commit(&s->out);
    sink_free(s);
    return st;
}

static void sink_abandon(qn_sink *sink)
{
    sink_free((text_sink *)sink);
}

static qn_status sink_create(qn_context *ctx, const qn_sink_options *options,
                             const qn_schema *schema, const qn_sink_ops *ops, text_sink **out)
{
    text_sink *s = NULL;
    qn_status st = QN_OK;

    *out = NULL;
    QN_NEW0(ctx, s, 1, "output");
    s->base.ops = ops;
    s->n_columns = schema->n_fields;
    QN_NEW0(ctx, s->name, schema->n_fields, "output");
    for (int32_t c = 0; c < schema->n_fields; c++)
        QN_TRY(qn_strdup(ctx, schema->field[c].name, &s->name[c]));
    QN_TRY(qn_out_open(ctx, options->path, options->overwrite, &s->out));
    *out = s;
    s = NULL;
done:
    if (s)
        sink_free(s);
    return st;
}

/* Numbers as the shortest text that reads back as the same; lists are not for delimited text. */
static void format_number(const qn_column *column, int64_t row, char out[32])
{
    switch (column->type) {
    case QN_INT32:
        snprintf(out, 32, "%" PRId32, ((const int32_t *)column->data)[row]);
        break;
    case QN_FLOAT:
        qn_format_float(((const float *)column->data)[row], out);
        break;
    case QN_DOUBLE:
        qn_format_double(((const double *)column->data)[row], out);
        break;
    default:
        snprintf(out, 32, "%" PRId64, ((const int64_t *)column->data)[row]);
    }
}

static bool is_list(const qn_column *column)
{
    return column->type == QN_FLOAT_LIST || column->type == QN_DOUBLE_LIST;
}

/* -- delimited -------------------------------------------------------------------------------- */

static bool has_quotes(const text_sink *s)
{
    return s->delimiter[1] == '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits with what stands in numbers and dates: most fields, and never in need of quotes. */
static bool looks_like_number(const char *text, size_t n)
{
    if (n == 0 || !(is_digit(text[0]) || (n > 1 && text[0] == '-' && is_digit(text[1]))))
        return false;
    for (size_t i = 1; i < n; i++)
        if (!is_digit(text[i]) && text[i] != '.' && text[i] != '-' && text[i] != 'e')
            return false;
    return true;
}

/* What would not read back as the same text: also nothing, blanks and the words for a missing
 * value. */
static bool needs_quotes(const text_sink *s, const char *text, size_t n)
{
    const qn_text_field field = qn_field_trim((qn_text_field){.text = text, .length = n});

    return memchr(text, '\n', n) || memchr(text, '\r', n) ||
           memmem(text, n, s->delimiter, strlen(s->delimiter)) ||
           (has_quotes(s) && (qn_field_is_missing(&field) || memchr(text, '"', n)));
}

static void add_quoted(qn_string *out, const char *text, size_t n)
{
    qn_string_add(out, "\"");
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"')
            qn_string_add(out, "\"");
        qn_string_add_bytes(out, text + i, 1);
    }
    qn_string_add(out, "\"");
}

static qn_status add_text(qn_context *ctx, text_sink *s, const char *text, size_t n)
{
    if (looks_like_number(text, n) || !needs_quotes(s, text, n)) {
        qn_string_add_bytes(&s->text, text, n);
        return QN_OK;
    }
    if (!has_quotes(s))
        return qn_fail(ctx, QN_EINVAL,
                       "%s: \"%.*s\" holds \"::\" or a line end, which this format cannot write; "
                       "use .csv",
                       qn_out_path(s->out), n < 60 ? (int)n : 60, text);
    add_quoted(&s->text, text, n);
    return QN_OK;
}

static qn_status add_field(qn_context *ctx, text_sink *s, const qn_column *column, int64_t row)
{
    char number[32];

    if (!qn_is_valid(column, row)) {
        /* An empty field; alone in its row it would be a blank line, which is no row. */
        qn_string_add(&s->text, s->n_columns == 1 ? "NULL" : "");
        return QN_OK;
    }
    if (is_list(column))
        return qn_fail(ctx, QN_EINVAL,
                       "%s: lists cannot be written as delimited text; use .parquet",
                       qn_out_path(s->out));
    if (column->type == QN_TEXT)
        return add_text(ctx, s, (const char *)column->data + column->offsets[row],
                        column->offsets[row + 1] - column->offsets[row]);
    format_number(column, row, number);
    qn_string_add(&s->text, number);
    return QN_OK;
}

static qn_status delimited_write(qn_context *ctx, qn_sink *sink, const qn_batch *batch)
{
    text_sink *s = (text_sink *)sink;
    qn_status st = QN_OK;

    for (int64_t r = 0; r < batch->n_rows; r++) {
        for (int32_t c = 0; c < batch->n_columns; c++) {
            if (c > 0)
                qn_string_add(&s->text, s->delimiter);
            QN_TRY(add_field(ctx, s, &batch->columns[c], r));
        }
        qn_string_add(&s->text, "\n");
        if (s->text.length >= FLUSH_BYTES)
            QN_TRY(flush(ctx, s));
    }
done:
    return st;
}

qn_status qn_delimited_sink_open(qn_context *ctx, const qn_sink_options *options,
                                 const qn_schema *schema, const char *delimiter, qn_sink **sink)
{
    static const qn_sink_ops ops = {delimited_write, sink_commit, sink_abandon};
    text_sink *s = NULL;
    qn_status st = QN_OK;

    *sink = NULL;
    QN_TRY(sink_create(ctx, options, schema, &ops, &s));
    s->delimiter = delimiter;
    for (int32_t c = 0; options->header && c < s->n_columns; c++) {
        qn_string_add(&s->text, c > 0 ? delimiter : "");
        QN_TRY(add_text(ctx, s, s->name[c], strlen(s->name[c])));
    }
    if (options->header)
        qn_string_add(&s->text, "\n");
    *sink = &s->base;
    s = NULL;
done:
    if (s)
        sink_free(s);
    return st;
}

/* -- JSON lines -------------------------------------------------------------------------------- */

static void add_json_number(qn_json *j, const char *key, const qn_column *column, int64_t row)
{
    if (column->type == QN_FLOAT)
        qn_json_float(j, key, ((const float *)column->data)[row]);
    else if (column->type == QN_DOUBLE)
        qn_json_real(j, key, ((const double *)column->data)[row]);
    else if (column->type == QN_INT32)
        qn_json_int(j, key, ((const int32_t *)column->data)[row]);
    else
        qn_json_int(j, key, ((const int64_t *)column->data)[row]);
}

static void add_json_list(qn_json *j, const char *key, const qn_column *column, int64_t row)
{
    qn_json_open(j, key, '[');
    for (uint32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++)
        if (column->type == QN_FLOAT_LIST)
            qn_json_float(j, NULL, ((const float *)column->data)[i]);
        else
            qn_json_real(j, NULL, ((const double *)column->data)[i]);
    qn_json_close(j, ']');
}

static void add_json_value(qn_json *j, const char *key, const qn_column *column, int64_t row)
{
    if (!qn_is_valid(column, row))
        qn_json_null(j, key);
    else if (is_list(column))
        add_json_list(j, key, column, row);
    else if (column->type == QN_TEXT)
        qn_json_bytes(j, key, (const char *)column->data + column->offsets[row],
                      column->offsets[row + 1] - column->offsets[row]);
    else
        add_json_number(j, key, column, row);
}

static qn_status json_write(qn_context *ctx, qn_sink *sink, const qn_batch *batch)
{
    text_sink *s = (text_sink *)sink;
    qn_json j = {.out = s->text};
    qn_status st = QN_OK;

    for (int64_t r = 0; r < batch->n_rows && st == QN_OK; r++) {
        j.need_comma = false;
        qn_json_open(&j, NULL, '{');
        for (int32_t c = 0; c < batch->n_columns; c++)
            add_json_value(&j, s->name[c], &batch->columns[c], r);
        qn_json_close(&j, '}');
        qn_string_add(&j.out, "\n");
        s->text = j.out;
        if (s->text.length >= FLUSH_BYTES)
            st = flush(ctx, s);
        j.out = s->text;
    }
    s->text = j.out;
    return st;
}

qn_status qn_json_sink_open(qn_context *ctx, const qn_sink_options *options,
                            const qn_schema *schema, qn_sink **sink)
{
    static const qn_sink_ops ops = {json_write, sink_commit, sink_abandon};
    text_sink *s = NULL;
    const qn_status st = sink_create(ctx, options, schema, &ops, &s);

    *sink = s ? &s->base : NULL;
    return st;
}
