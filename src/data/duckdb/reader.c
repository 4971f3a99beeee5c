/* Reads one split: a query on a connection of its own, its chunks put together to batches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/duckdb/source.h"

typedef struct duck_reader {
    qn_reader base;
    qn_duck_stream stream;
    duckdb_connection connection;
    const char *path;
    bool is_json; /* the result begins with a column that tells lines that are no objects */
    qn_run *run;  /* [fill.n_columns] */
    qn_fill fill;
} duck_reader;

static void reader_close(qn_reader *base)
{
    duck_reader *reader = (duck_reader *)base;

    if (!reader)
        return;
    qn_duck_stream_close(&reader->stream);
    duckdb_disconnect(&reader->connection);
    qn_fill_release(&reader->fill);
    qn_free(reader->run);
    qn_free(reader);
}

/* Adds a chunk to the batch. */
static qn_status append_chunk(qn_context *ctx, duck_reader *reader, duckdb_data_chunk chunk)
{
    const int64_t n = (int64_t)duckdb_data_chunk_get_size(chunk);
    const idx_t before = reader->is_json ? 1 : 0;
    const bool *malformed = NULL;
    qn_status st;

    if (n > QN_FILL_RUN)
        return qn_fail(ctx, QN_EINTERNAL, "DuckDB gave %lld rows at once", (long long)n);
    if (reader->is_json)
        malformed = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    for (int32_t i = 0; i < reader->fill.n_columns; i++)
        reader->run[i] = qn_duck_run(duckdb_data_chunk_get_vector(chunk, (idx_t)i + before),
                                     reader->fill.column[i].carrier);
    st = qn_fill_rows(ctx, &reader->fill, reader->run, malformed, "not a JSON object", n);
    return st == QN_OK ? st : qn_fail_prefix(ctx, st, "%s", reader->path);
}

static qn_status reader_next(qn_context *ctx, qn_reader *base, const qn_batch **batch)
{
    duck_reader *reader = (duck_reader *)base;
    duckdb_data_chunk chunk;
    qn_status st = QN_OK;

    *batch = NULL;
    qn_fill_start(&reader->fill);
    do {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_duck_stream_next(ctx, &reader->stream, &chunk));
        if (chunk)
            QN_TRY(append_chunk(ctx, reader, chunk));
    } while (chunk && qn_fill_has_room(&reader->fill));
    if (reader->fill.n_rows > 0 || chunk)
        *batch = qn_fill_end(&reader->fill);
done:
    return st;
}

/* The value of "name=value" among the folders of `path`, malloc'ed and with %XX decoded; NULL where
 * there is none or it is Hive's word for a missing value. */
static char *partition_value(const char *path, const char *name)
{
    const size_t length = strlen(name);
    const char *found = NULL, *part = path, *end;
    char *value, *out;

    while ((end = strchr(part, '/'))) {
        if ((size_t)(end - part) > length && strncmp(part, name, length) == 0 &&
            part[length] == '=')
            found = part + length + 1;
        part = end + 1;
    }
    if (!found || strncmp(found, "__HIVE_DEFAULT_PARTITION__/", 27) == 0)
        return NULL;
    value = out = strndup(found, strcspn(found, "/"));
    for (const char *in = value; in && *in; in++) {
        unsigned code;

        if (*in == '%' && sscanf(in + 1, "%2x", &code) == 1 && in[1] && in[2]) {
            *out++ = (char)code;
            in += 2;
        } else {
            *out++ = *in;
        }
    }
    if (value)
        *out = '\0';
    return value;
}

static bool is_list(qn_type type)
{
    return type == QN_FLOAT_LIST || type == QN_DOUBLE_LIST;
}

/* Adds the expression of one column. `own` is what this file has; a column that it lacks stands in
 * the names of its folders or is missing. */
static qn_status add_column(qn_context *ctx, const qn_duck_source *source, const char *path,
                            const qn_duck_schema *own, const qn_column_request *request,
                            qn_string *sql, qn_carrier *carrier)
{
    const char *name = source->schema.field[request->field].name;
    const int32_t at = qn_duck_schema_find(own, name);
    const qn_duck_kind kind = at >= 0 ? own->kind[at] : QN_DUCK_TEXT;
    qn_string reference = {0};
    char *value = NULL;
    qn_status st = QN_OK;

    if (at >= 0 && is_list(request->type) && kind != QN_DUCK_FLOAT_LIST &&
        kind != QN_DUCK_DOUBLE_LIST)
        return qn_fail(ctx, QN_EDATA, "%s: column \"%s\" is %s, not a list of numbers", path, name,
                       qn_type_name(qn_duck_type_of(kind)));
    if (at >= 0) {
        qn_string_add(&reference, own->reference[at]);
    } else if (!is_list(request->type) && (value = partition_value(path, name))) {
        qn_duck_add_text(&reference, value);
    } else {
        qn_string_add(&reference, "NULL");
    }
    *carrier = qn_duck_add_expression(sql, qn_string_text(&reference), kind, request->type);
    if (reference.failed)
        st = qn_fail(ctx, QN_ENOMEM, "no memory for a query");
    qn_string_release(&reference);
    free(value);
    return st;
}

/* A key of a JSON line, by pointer. Numbers come as the text they are, so that one bad value does
 * not stop the reading and ids keep all their digits. */
static void add_json_column(const char *name, qn_type wanted, qn_string *sql, qn_carrier *carrier)
{
    qn_string pointer = {0}, reference = {0};

    qn_string_add(&pointer, "/");
    for (const char *p = name; *p; p++)
        qn_string_addf(&pointer, *p == '~' ? "~0" : *p == '/' ? "~1" : "%c", *p);
    qn_string_add(&reference,
                  is_list(wanted) ? "json_extract(json, " : "json_extract_string(json, ");
    qn_duck_add_text(&reference, qn_string_text(&pointer));
    qn_string_add(&reference, ")");
    if (is_list(wanted)) {
        qn_string_addf(sql, "TRY_CAST(%s AS %s[])", qn_string_text(&reference),
                       wanted == QN_FLOAT_LIST ? "FLOAT" : "DOUBLE");
        *carrier = QN_CARRIER_LIST;
    } else {
        *carrier = qn_duck_add_expression(sql, qn_string_text(&reference), QN_DUCK_TEXT, wanted);
    }
    sql->failed |= pointer.failed || reference.failed;
    qn_string_release(&pointer);
    qn_string_release(&reference);
}

static void add_json_query(const qn_duck_source *source, const qn_column_request *request,
                           duck_reader *reader, qn_string *sql)
{
    qn_string_add(sql, "SELECT json IS NULL OR json_type(json) <> 'OBJECT'");
    for (int32_t i = 0; i < reader->fill.n_columns; i++) {
        qn_string_add(sql, ", ");
        add_json_column(source->schema.field[request[i].field].name, request[i].type, sql,
                        &reader->fill.column[i].carrier);
    }
    qn_string_add(sql, " FROM read_json_objects(");
    qn_duck_add_path(sql, reader->path);
    qn_string_add(sql, ", format='newline_delimited', ignore_errors=true)");
}

static void add_parquet_from(qn_string *sql, const qn_duck_split *split, const char *path)
{
    qn_string_add(sql, " FROM read_parquet(");
    qn_duck_add_path(sql, path);
    qn_string_addf(sql, ", hive_partitioning=false%s)",
                   split->end >= 0 ? ", file_row_number=true" : "");
    if (split->end >= 0)
        qn_string_addf(sql, " WHERE file_row_number >= %lld AND file_row_number < %lld",
                       (long long)split->first, (long long)split->end);
}

/* Each file may have its own columns. */
static qn_status add_parquet_query(qn_context *ctx, const qn_duck_source *source,
                                   const qn_duck_split *split, const qn_column_request *request,
                                   duck_reader *reader, qn_string *sql)
{
    qn_duck_schema own = {0};
    qn_string from = {0};
    qn_status st = QN_OK;

    qn_string_add(&from, "read_parquet(");
    qn_duck_add_path(&from, reader->path);
    qn_string_add(&from, ", hive_partitioning=false)");
    if (from.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for a query");
        goto done;
    }
    QN_TRY(
        qn_duck_describe(ctx, reader->connection, from.text, reader->path, source->members, &own));
    qn_string_add(sql, reader->fill.n_columns == 0 ? "SELECT NULL" : "SELECT ");
    for (int32_t i = 0; i < reader->fill.n_columns; i++) {
        if (i > 0)
            qn_string_add(sql, ", ");
        QN_TRY(add_column(ctx, source, reader->path, &own, &request[i], sql,
                          &reader->fill.column[i].carrier));
    }
    add_parquet_from(sql, split, reader->path);
done:
    qn_duck_schema_release(&own);
    qn_string_release(&from);
    return st;
}

static qn_status start_query(qn_context *ctx, const qn_duck_source *source,
                             const qn_duck_split *split, const qn_column_request *request,
                             duck_reader *reader)
{
    qn_string sql = {0};
    qn_status st = QN_OK;

    if (reader->is_json)
        add_json_query(source, request, reader, &sql);
    else
        QN_TRY(add_parquet_query(ctx, source, split, request, reader, &sql));
    if (sql.failed)
        st = qn_fail(ctx, QN_ENOMEM, "no memory for a query");
    else
        st = qn_duck_stream_open(ctx, reader->connection, sql.text, reader->path, &reader->stream);
done:
    qn_string_release(&sql);
    return st;
}

static const qn_reader_ops reader_ops = {reader_next, reader_close};

qn_status qn_duck_reader_open(qn_context *ctx, qn_source *base, int64_t split,
                              const qn_column_request *request, int32_t n_columns, qn_reader **out)
{
    qn_duck_source *source = (qn_duck_source *)base;
    duck_reader *reader = NULL;
    qn_status st = QN_OK;

    *out = NULL;
    QN_NEW0(ctx, reader, 1, "a reader");
    reader->base.ops = &reader_ops;
    reader->path = source->files.file[source->split[split].file].path;
    reader->is_json = source->base.format == QN_FORMAT_JSON;
    reader->fill.next_row = source->split[split].first;
    QN_NEW0(ctx, reader->run, n_columns, "columns being read");
    QN_TRY(qn_fill_init(ctx, &reader->fill, request, n_columns, &reader->base));
    QN_TRY(qn_duck_connect(&source->duck, &reader->connection));
    QN_TRY(start_query(ctx, source, &source->split[split], request, reader));
    *out = &reader->base;
    reader = NULL;
done:
    reader_close(reader ? &reader->base : NULL);
    return st;
}
