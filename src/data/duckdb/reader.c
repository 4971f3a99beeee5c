/* Reads one split: a query on a connection of its own, its chunks put together to batches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/duckdb/source.h"

#define BATCH_ROWS ((int64_t)65536)
/* Texts and lists: a batch ends early, so that wide rows do not fill the memory. */
#define BATCH_BYTES ((int64_t)4 << 20)

/* A bad value of a lenient column, whose row stays. */
typedef struct kept_value {
    int64_t i; /* row of the chunk */
    int32_t column;
    qn_reject_kind kind;
} kept_value;

typedef struct duck_reader {
    qn_reader base;
    qn_duck_stream stream;
    duckdb_connection connection;
    const char *path;
    bool is_json; /* the result begins with a column that tells lines that are no objects */
    int32_t n_columns;
    qn_duck_column *column;
    qn_column *view;
    qn_duck_verdict verdict[QN_DUCK_CHUNK];
    qn_duck_verdict own[QN_DUCK_CHUNK];  /* of one lenient column */
    kept_value kept[QN_REJECT_EXAMPLES]; /* the first of the chunk by row and column */
    int32_t n_kept;
    qn_batch batch;
    int64_t next_row;  /* of the file, bad rows counted */
    int64_t delivered; /* rows of the batches before this one */
} duck_reader;

static void reader_close(qn_reader *base)
{
    duck_reader *reader = (duck_reader *)base;

    if (!reader)
        return;
    qn_duck_stream_close(&reader->stream);
    duckdb_disconnect(&reader->connection);
    for (int32_t i = 0; reader->column && i < reader->n_columns; i++)
        qn_duck_column_release(&reader->column[i]);
    qn_free(reader->column);
    qn_free(reader->view);
    qn_free(reader);
}

static duckdb_vector column_vector(const duck_reader *reader, duckdb_data_chunk chunk,
                                   int32_t column)
{
    return duckdb_data_chunk_get_vector(chunk, (idx_t)column + (reader->is_json ? 1 : 0));
}

/* Lines that are no JSON objects. */
static void reject_malformed(duck_reader *reader, duckdb_data_chunk chunk, int64_t n)
{
    const bool *is_bad = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));

    for (int64_t i = 0; i < n; i++)
        if (is_bad[i])
            reader->verdict[i] = (qn_duck_verdict){QN_REJECT_MALFORMED + 1, -1};
}

static void add_reject(duck_reader *reader, duckdb_data_chunk chunk, qn_reject_kind kind,
                       int32_t column, int64_t i)
{
    char text[QN_REJECT_TEXT];
    size_t length = (size_t)snprintf(text, sizeof text, "not a JSON object");

    if (column >= 0 && reader->base.rejects.n_examples < QN_REJECT_EXAMPLES)
        length = qn_duck_value_text(&reader->column[column], column_vector(reader, chunk, column),
                                    i, text);
    qn_reject_add(&reader->base.rejects, kind, column, reader->next_row + i, text, length);
}

/* In the order of the rows; in a row the kept values come first. */
static void count_rejects(duck_reader *reader, duckdb_data_chunk chunk, int64_t n)
{
    int32_t k = 0;

    for (int64_t i = 0; i < n; i++) {
        const qn_duck_verdict *verdict = &reader->verdict[i];

        for (; k < reader->n_kept && reader->kept[k].i == i; k++)
            add_reject(reader, chunk, reader->kept[k].kind, reader->kept[k].column, i);
        if (verdict->reject)
            add_reject(reader, chunk, (qn_reject_kind)(verdict->reject - 1), verdict->column, i);
    }
}

/* Counts a kept value, here if it is not among the first of the chunk: those count_rejects adds. */
static void note_kept(duck_reader *reader, kept_value value)
{
    qn_rejects *rejects = &reader->base.rejects;
    int32_t at = reader->n_kept;

    rejects->n_kept++;
    while (at > 0 && reader->kept[at - 1].i > value.i)
        at--;
    if (reader->n_kept == QN_REJECT_EXAMPLES) {
        const qn_reject_kind out =
            at == reader->n_kept ? value.kind : reader->kept[reader->n_kept - 1].kind;

        rejects->count[out]++;
        rejects->total++;
        if (at == reader->n_kept)
            return;
        reader->n_kept--;
    }
    memmove(&reader->kept[at + 1], &reader->kept[at],
            (size_t)(reader->n_kept - at) * sizeof *reader->kept);
    reader->kept[at] = value;
    reader->n_kept++;
}

/* What the lenient column found bad becomes missing. */
static void keep_rows(duck_reader *reader, int32_t column, int64_t row, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (!reader->own[i].reject || reader->verdict[i].reject)
            continue;
        qn_duck_column_drop(&reader->column[column], row + i);
        note_kept(reader, (kept_value){i, column, (qn_reject_kind)(reader->own[i].reject - 1)});
    }
}

static qn_status append_column(qn_context *ctx, duck_reader *reader, int32_t number,
                               duckdb_data_chunk chunk, int64_t row, int64_t n)
{
    qn_duck_column *column = &reader->column[number];
    const bool is_lenient = column->lenient && qn_duck_column_can_reject(column);
    const duckdb_vector vector = column_vector(reader, chunk, number);
    qn_status st = QN_OK;

    if (is_lenient)
        memset(reader->own, 0, sizeof reader->own);
    QN_TRY(qn_duck_column_append(ctx, column, number, vector, row, n,
                                 is_lenient ? reader->own : reader->verdict));
    if (is_lenient)
        keep_rows(reader, number, row, n);
done:
    return st == QN_OK ? st : qn_fail_prefix(ctx, st, "%s", reader->path);
}

/* Appends a chunk to the batch, which holds `row` rows; *added without the rejected ones. */
static qn_status append_chunk(qn_context *ctx, duck_reader *reader, duckdb_data_chunk chunk,
                              int64_t row, int64_t *added)
{
    const int64_t n = (int64_t)duckdb_data_chunk_get_size(chunk);
    int64_t n_bad = 0;
    qn_status st = QN_OK;

    *added = 0;
    if (n > QN_DUCK_CHUNK)
        return qn_fail(ctx, QN_EINTERNAL, "DuckDB gave %lld rows at once", (long long)n);
    memset(reader->verdict, 0, sizeof reader->verdict);
    reader->n_kept = 0;
    if (reader->is_json)
        reject_malformed(reader, chunk, n);
    for (int32_t i = 0; i < reader->n_columns; i++)
        QN_TRY(append_column(ctx, reader, i, chunk, row, n));
    for (int64_t i = 0; i < n; i++)
        n_bad += reader->verdict[i].reject != 0;
    if (n_bad || reader->n_kept)
        count_rejects(reader, chunk, n);
    if (n_bad) {
        for (int32_t i = 0; i < reader->n_columns; i++)
            qn_duck_column_compact(&reader->column[i], row, n, reader->verdict);
    }
    reader->next_row += n;
    *added = n - n_bad;
done:
    return st;
}

/* Room for one more chunk? */
static bool has_room(const duck_reader *reader, int64_t rows)
{
    int64_t bytes = 0;

    for (int32_t i = 0; i < reader->n_columns; i++)
        bytes += reader->column[i].used * (int64_t)reader->column[i].width;
    return rows + QN_DUCK_CHUNK <= BATCH_ROWS && bytes < BATCH_BYTES;
}

static qn_status reader_next(qn_context *ctx, qn_reader *base, const qn_batch **batch)
{
    duck_reader *reader = (duck_reader *)base;
    int64_t rows = 0, added;
    duckdb_data_chunk chunk;
    qn_status st = QN_OK;

    *batch = NULL;
    for (int32_t i = 0; i < reader->n_columns; i++) {
        reader->column[i].used = 0;
        reader->column[i].has_null = false;
    }
    do {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_duck_stream_next(ctx, &reader->stream, &chunk));
        if (chunk) {
            QN_TRY(append_chunk(ctx, reader, chunk, rows, &added));
            rows += added;
        }
    } while (chunk && has_room(reader, rows));
    if (rows == 0 && !chunk)
        goto done;
    for (int32_t i = 0; i < reader->n_columns; i++)
        reader->view[i] = qn_duck_column_view(&reader->column[i]);
    reader->batch = (qn_batch){rows, reader->n_columns, reader->view, reader->delivered};
    reader->delivered += rows;
    *batch = &reader->batch;
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
                            qn_string *sql, qn_duck_carrier *carrier)
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
        qn_duck_add_name(&reference, name);
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
static void add_json_column(const char *name, qn_type wanted, qn_string *sql,
                            qn_duck_carrier *carrier)
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
    for (int32_t i = 0; i < reader->n_columns; i++) {
        qn_string_add(sql, ", ");
        add_json_column(source->schema.field[request[i].field].name, request[i].type, sql,
                        &reader->column[i].carrier);
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
    QN_TRY(qn_duck_describe(ctx, reader->connection, from.text, reader->path, &own));
    qn_string_add(sql, reader->n_columns == 0 ? "SELECT NULL" : "SELECT ");
    for (int32_t i = 0; i < reader->n_columns; i++) {
        if (i > 0)
            qn_string_add(sql, ", ");
        QN_TRY(add_column(ctx, source, reader->path, &own, &request[i], sql,
                          &reader->column[i].carrier));
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
    reader->next_row = source->split[split].first;
    reader->is_json = source->base.format == QN_FORMAT_JSON;
    QN_NEW0(ctx, reader->column, n_columns, "columns being read");
    QN_NEW0(ctx, reader->view, n_columns, "columns being read");
    reader->n_columns = n_columns;
    for (int32_t i = 0; i < n_columns; i++)
        QN_TRY(qn_duck_column_init(ctx, &reader->column[i], &request[i], BATCH_ROWS));
    QN_TRY(qn_duck_connect(&source->duck, &reader->connection));
    QN_TRY(start_query(ctx, source, &source->split[split], request, reader));
    *out = &reader->base;
    reader = NULL;
done:
    reader_close(reader ? &reader->base : NULL);
    return st;
}
