#include "data/duckdb/source.h"

#include <string.h>

#include "base/alloc.h"
#include "base/context.h"

static void source_free(qn_source *base)
{
    qn_duck_source *source = (qn_duck_source *)base;

    if (!source)
        return;
    qn_duck_close(&source->duck);
    qn_file_list_release(&source->files);
    qn_duck_schema_release(&source->schema);
    qn_free(source->split);
    qn_free(source);
}

static int64_t source_n_splits(const qn_source *base)
{
    return ((const qn_duck_source *)base)->n_splits;
}

static const char *source_split_path(const qn_source *base, int64_t split)
{
    const qn_duck_source *source = (const qn_duck_source *)base;

    return source->files.file[source->split[split].file].path;
}

/* Rejects of this source are numbered by row; in JSON a row is a line. */
static int64_t source_line_number(qn_context *ctx, const qn_source *base, int64_t split,
                                  int64_t offset)
{
    (void)ctx;
    (void)split;
    return base->format == QN_FORMAT_JSON ? offset + 1 : 0;
}

/* Rows that were rejected before it in the split are not counted. */
static int64_t source_row_offset(qn_context *ctx, qn_source *base, int64_t split,
                                 const qn_column_request *request, int32_t n_columns, int64_t row)
{
    (void)ctx;
    (void)request;
    (void)n_columns;
    return ((const qn_duck_source *)base)->split[split].first + row;
}

void qn_duck_schema_release(qn_duck_schema *schema)
{
    for (int32_t i = 0; i < schema->n; i++) {
        qn_free((void *)schema->field[i].name);
        qn_free(schema->reference[i]);
    }
    qn_free(schema->field);
    qn_free(schema->kind);
    qn_free(schema->reference);
    *schema = (qn_duck_schema){0};
}

int32_t qn_duck_schema_find(const qn_duck_schema *schema, const char *name)
{
    for (int32_t i = 0; i < schema->n; i++)
        if (strcmp(schema->field[i].name, name) == 0)
            return i;
    return -1;
}

qn_status qn_duck_schema_add(qn_context *ctx, qn_duck_schema *schema, const char *name,
                             const char *reference, const char *sql_type)
{
    qn_status st = QN_OK;
    char *copy = NULL, *sql = NULL;

    if (schema->n == schema->capacity) {
        const int32_t capacity = schema->capacity * 2 + 16;

        QN_GROW(ctx, schema->field, capacity, "a schema");
        QN_GROW(ctx, schema->kind, capacity, "a schema");
        QN_GROW(ctx, schema->reference, capacity, "a schema");
        schema->capacity = capacity;
    }
    QN_TRY(qn_strdup(ctx, name, &copy));
    QN_TRY(qn_strdup(ctx, reference, &sql));
    schema->kind[schema->n] = qn_duck_kind_of(sql_type);
    schema->field[schema->n] = (qn_field){copy, qn_duck_type_of(schema->kind[schema->n])};
    schema->reference[schema->n++] = sql;
    copy = NULL;
done:
    qn_free(copy);
    return st;
}

/* A column of its own name. */
static qn_status add_column(qn_context *ctx, qn_duck_schema *schema, const qn_string *name,
                            const qn_string *type, bool members)
{
    qn_string reference = {0};
    qn_status st;

    qn_duck_add_name(&reference, qn_string_text(name));
    if (name->failed || type->failed || reference.failed)
        st = qn_fail(ctx, QN_ENOMEM, "no memory for a schema");
    else if (members)
        st = qn_duck_schema_add_members(ctx, schema, name->text, reference.text, type->text);
    else
        st = qn_duck_schema_add(ctx, schema, qn_string_text(name), reference.text,
                                qn_string_text(type));
    qn_string_release(&reference);
    return st;
}

/* A text cell of a chunk into `out`. */
static void cell_text(duckdb_data_chunk chunk, idx_t column, idx_t row, qn_string *out)
{
    duckdb_string_t *texts = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, column));

    qn_string_clear(out);
    qn_string_add_bytes(out, duckdb_string_t_data(&texts[row]), duckdb_string_t_length(texts[row]));
}

/* One pass over what DESCRIBE tells: columns, or the members in them. */
static qn_status describe_pass(qn_context *ctx, duckdb_connection connection, const qn_string *sql,
                               const char *path, bool members, qn_duck_schema *schema)
{
    qn_string name = {0}, type = {0};
    qn_duck_stream stream = {0};
    duckdb_data_chunk chunk;
    qn_status st = QN_OK;

    QN_TRY(qn_duck_stream_open(ctx, connection, qn_string_text(sql), path, &stream));
    QN_TRY(qn_duck_stream_next(ctx, &stream, &chunk));
    while (chunk) {
        for (idx_t i = 0; i < duckdb_data_chunk_get_size(chunk); i++) {
            cell_text(chunk, 0, i, &name);
            cell_text(chunk, 1, i, &type);
            QN_TRY(add_column(ctx, schema, &name, &type, members));
        }
        QN_TRY(qn_duck_stream_next(ctx, &stream, &chunk));
    }
done:
    qn_duck_stream_close(&stream);
    qn_string_release(&name);
    qn_string_release(&type);
    return st;
}

qn_status qn_duck_describe(qn_context *ctx, duckdb_connection connection, const char *from,
                           const char *path, bool members, qn_duck_schema *schema)
{
    qn_string sql = {0};
    qn_status st = QN_OK;

    qn_string_addf(&sql, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM %s)", from);
    if (sql.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for the names of the files");
        goto done;
    }
    QN_TRY(describe_pass(ctx, connection, &sql, path, false, schema));
    if (members)
        QN_TRY(describe_pass(ctx, connection, &sql, path, true, schema));
done:
    qn_string_release(&sql);
    return st;
}

void qn_duck_add_files(qn_string *sql, const qn_file_list *files)
{
    qn_string_add(sql, "[");
    for (int64_t i = 0; i < files->n; i++) {
        if (i > 0)
            qn_string_add(sql, ", ");
        qn_duck_add_path(sql, files->file[i].path);
    }
    qn_string_add(sql, "]");
}

static qn_status source_describe(qn_context *ctx, qn_duck_source *source,
                                 duckdb_connection connection)
{
    qn_string from = {0};
    qn_status st = QN_OK;

    qn_string_add(&from, source->base.format == QN_FORMAT_JSON ? "read_json(" : "read_parquet(");
    qn_duck_add_files(&from, &source->files);
    qn_string_add(&from, ", union_by_name=true");
    if (source->base.format == QN_FORMAT_JSON)
        qn_string_add(&from, ", format='newline_delimited', records=true, ignore_errors=true");
    qn_string_add(&from, ")");
    if (from.failed)
        st = qn_fail(ctx, QN_ENOMEM, "no memory for the names of the files");
    else
        st = qn_duck_describe(ctx, connection, from.text, source->files.file[0].path,
                              source->members, &source->schema);
    source->base.schema = (qn_schema){source->schema.field, source->schema.n, .has_names = true};
    qn_string_release(&from);
    return st;
}

/* A pipe would be gone after the look at its first rows. */
static qn_status check_files(qn_context *ctx, const qn_source_options *options,
                             const qn_file_list *files)
{
    if (files->n == 0)
        return qn_fail(ctx, QN_EDATA, "%s holds no files", options->path[0]);
    for (int64_t i = 0; i < files->n; i++)
        if (files->file[i].is_once)
            return qn_fail(ctx, QN_EINVAL,
                           "%s: Parquet and JSON are read from files, not from a pipe: write it to "
                           "a file first or pipe CSV",
                           files->file[i].path);
    return QN_OK;
}

static const qn_source_ops source_ops = {
    .free = source_free,
    .n_splits = source_n_splits,
    .split_path = source_split_path,
    .open_split = qn_duck_reader_open,
    .line_number = source_line_number,
    .row_offset = source_row_offset,
};

qn_status qn_duck_source_open(qn_context *ctx, const qn_source_options *options, qn_source **source)
{
    qn_duck_source *made = NULL;
    duckdb_connection connection = NULL;
    qn_status st = QN_OK;

    *source = NULL;
    QN_NEW0(ctx, made, 1, "a Parquet source");
    made->base.ops = &source_ops;
    made->base.format = options->format == QN_FORMAT_JSON ? QN_FORMAT_JSON : QN_FORMAT_PARQUET;
    made->members = options->members && made->base.format == QN_FORMAT_PARQUET;
    QN_TRY(qn_file_list_fill(ctx, options->path, options->n_paths, &made->files));
    QN_TRY(check_files(ctx, options, &made->files));
    made->base.bytes = made->files.bytes;
    QN_TRY(qn_duck_open(ctx, &made->duck));
    QN_TRY(qn_duck_connect(&made->duck, &connection));
    QN_TRY(source_describe(ctx, made, connection));
    QN_TRY(qn_duck_split_files(ctx, made, connection, options->by_row_group));
    *source = &made->base;
    made = NULL;
done:
    duckdb_disconnect(&connection);
    source_free(made ? &made->base : NULL);
    return st;
}
