#include "ml/model_rows.h"

#include <string.h>

#include "base/context.h"
#include "base/text.h"

static qn_status find_columns(qn_context *ctx, const qn_source *source, const char *table,
                              const char *const *name, int32_t n, qn_column_request *request)
{
    for (int32_t i = 0; i < n; i++)
        if (qn_source_column(ctx, source, name[i], &request[i].field) != QN_OK)
            return qn_fail(ctx, QN_EDATA, "table \"%s\" of the model has no column \"%s\"", table,
                           name[i]);
    return QN_OK;
}

static qn_status check_rejects(qn_context *ctx, const char *path, const qn_rejects *rejects)
{
    const qn_reject *first = &rejects->example[0];

    if (rejects->total == 0)
        return QN_OK;
    return qn_fail(ctx, QN_EDATA, "%s, row %lld is damaged (%s%s%s): save the model again", path,
                   (long long)first->offset, qn_reject_name(first->kind), *first->text ? ": " : "",
                   first->text);
}

static qn_status read_split(qn_context *ctx, qn_source *source, int64_t split,
                            const qn_column_request *request, int32_t n, qn_model_batch *body,
                            void *arg)
{
    const char *path = qn_source_split_path(source, split);
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_source_open_split(ctx, source, split, request, n, &reader));
    do {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_reader_next(ctx, reader, &batch));
        QN_TRY(check_rejects(ctx, path, qn_reader_rejects(reader)));
        if (batch)
            QN_TRY(body(ctx, path, batch, arg));
    } while (batch);
done:
    qn_reader_close(reader);
    return st;
}

qn_status qn_model_source_read(qn_context *ctx, qn_source *source, const char *table,
                               const char *const *name, qn_column_request *request, int32_t n,
                               qn_model_batch *body, void *arg)
{
    qn_status st = QN_OK;

    QN_TRY(find_columns(ctx, source, table, name, n, request));
    for (int64_t split = 0; split < qn_source_n_splits(source); split++)
        QN_TRY(read_split(ctx, source, split, request, n, body, arg));
done:
    return st;
}

qn_status qn_model_table_read(qn_context *ctx, const qn_model_files *files, const char *table,
                              const char *const *name, qn_column_request *request, int32_t n,
                              qn_model_batch *body, void *arg)
{
    qn_source *source = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_model_files_table(ctx, files, table, &source));
    QN_TRY(qn_model_source_read(ctx, source, table, name, request, n, body, arg));
done:
    qn_source_free(source);
    return st;
}

/* ---- Vectors ---- */

/* A place in a text. */
typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_blanks(cursor *c)
{
    while (c->at < c->end && *c->at == ' ')
        c->at++;
}

static bool take(cursor *c, const char *word)
{
    const size_t length = strlen(word);

    skip_blanks(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0)
        return false;
    c->at += length;
    return true;
}

static bool take_number(cursor *c, double *value)
{
    const char *start;

    skip_blanks(c);
    start = c->at;
    while (c->at < c->end && !strchr(" ,]}", *c->at))
        c->at++;
    return qn_parse_double(start, (size_t)(c->at - start), value);
}

/* Just behind "'name': " of the struct. */
static bool find_member(const char *text, int64_t length, const char *name, cursor *c)
{
    const size_t n = strlen(name);

    *c = (cursor){text, text + length};
    for (; c->end - c->at > (int64_t)n; c->at++) {
        if (memcmp(c->at, name, n) != 0)
            continue;
        c->at += n;
        take(c, "'");
        return take(c, ":");
    }
    return false;
}

/* The next number of a list; false at its end. `*first` is true before the first one. */
static bool next_item(cursor *c, bool *first, double *value, bool *is_bad)
{
    if (take(c, "]"))
        return false;
    *is_bad = (!*first && !take(c, ",")) || !take_number(c, value);
    *first = false;
    return !*is_bad;
}

static bool parse_dense(cursor values, int64_t room, double *out, int64_t *n)
{
    bool first = true;
    bool is_bad = false;
    double value = 0;

    if (!take(&values, "["))
        return false;
    for (*n = 0; next_item(&values, &first, &value, &is_bad); (*n)++)
        if (*n < room)
            out[*n] = value;
    return !is_bad;
}

static bool parse_sparse(cursor values, cursor indices, int64_t room, double *out, int64_t n)
{
    bool first[2] = {true, true};
    bool is_bad[2] = {false, false};
    double index = 0;
    double value = 0;
    int64_t before = -1;

    if (!take(&values, "[") || !take(&indices, "["))
        return false;
    for (int64_t i = 0; i < n && i < room; i++)
        out[i] = 0;
    while (next_item(&indices, &first[0], &index, &is_bad[0])) {
        if (!next_item(&values, &first[1], &value, &is_bad[1]) || !(index > (double)before) ||
            !(index < (double)n))
            return false;
        before = (int64_t)index;
        if (before < room)
            out[before] = value;
    }
    return !is_bad[0] && !next_item(&values, &first[1], &value, &is_bad[1]) && !is_bad[1];
}

bool qn_spark_vector_parse(const char *text, int64_t length, int64_t room, double *values,
                           int64_t *n)
{
    cursor type, size, indices, list;
    double kind = 0;
    double width = 0;

    *n = 0;
    if (!find_member(text, length, "type", &type) || !take_number(&type, &kind) ||
        !find_member(text, length, "values", &list))
        return false;
    if (kind == 1)
        return parse_dense(list, room, values, n);
    if (kind != 0 || !find_member(text, length, "size", &size) ||
        !find_member(text, length, "indices", &indices) || !take_number(&size, &width) ||
        !(width >= 0 && width <= INT32_MAX))
        return false;
    *n = (int64_t)width;
    return parse_sparse(list, indices, room, values, *n);
}
