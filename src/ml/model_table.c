/* A table of a model directory: rows into part files, cut by their number alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/parquet.h"
#include "data/source_impl.h"
#include "ml/model_dir.h"

#define ROW_METADATA_KEY "org.apache.spark.sql.parquet.row.metadata"

typedef struct table_sink {
    qn_sink base;
    char *folder; /* where the parts go; of a single file its path */
    char *select, *row_metadata;
    qn_field *field; /* [schema.n_fields], names owned */
    qn_schema schema;
    int64_t rows_per_file; /* 0: one file */
    bool is_file;
    int64_t part;     /* the open one's number */
    int64_t in_part;  /* rows in it */
    qn_sink *sink;    /* of the open part */
    qn_column *slice; /* [schema.n_fields] */
    uint64_t **bits;  /* [schema.n_fields] validity of a slice, NULL until needed */
} table_sink;

static void table_abandon(qn_sink *base)
{
    table_sink *table = (table_sink *)base;

    if (!table)
        return;
    qn_sink_abandon(&table->sink);
    for (int32_t i = 0; table->field && i < table->schema.n_fields; i++)
        qn_free((void *)table->field[i].name);
    for (int32_t i = 0; table->bits && i < table->schema.n_fields; i++)
        qn_free(table->bits[i]);
    qn_free(table->field);
    qn_free(table->slice);
    qn_free(table->bits);
    qn_free(table->select);
    qn_free(table->row_metadata);
    qn_free(table->folder);
    qn_free(table);
}

static qn_status part_open(qn_context *ctx, table_sink *table)
{
    const char *const key_value[] = {ROW_METADATA_KEY, table->row_metadata, NULL};
    qn_parquet_write write = {.select = table->select,
                              .key_value = table->row_metadata ? key_value : NULL};
    char name[32];
    char *path = NULL;
    qn_status st;

    snprintf(name, sizeof name, "part-%05lld.parquet", (long long)table->part);
    if (!table->is_file) {
        path = qn_path_join(table->folder, name);
        if (!path)
            return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    }
    write.path = path ? path : table->folder;
    st = qn_parquet_sink_open(ctx, &write, &table->schema, &table->sink);
    free(path);
    table->in_part = 0;
    return st;
}

/* Validity of rows [first, first + n) as bits of their own. */
static qn_status slice_bits(qn_context *ctx, table_sink *table, int32_t i, const qn_column *column,
                            int64_t first, int64_t n)
{
    qn_status st = QN_OK;

    QN_GROW(ctx, table->bits[i], (n + 63) / 64, "a slice of a table");
    memset(table->bits[i], 0, (size_t)((n + 63) / 64) * sizeof **table->bits);
    for (int64_t row = 0; row < n; row++)
        table->bits[i][row >> 6] |= (uint64_t)qn_is_valid(column, first + row) << (row & 63);
    table->slice[i].validity = table->bits[i];
done:
    return st;
}

static qn_status write_slice(qn_context *ctx, table_sink *table, const qn_batch *batch,
                             int64_t first, int64_t n)
{
    const qn_batch part = {n, batch->n_columns, table->slice, batch->first_row + first};
    qn_status st = QN_OK;

    if (n == batch->n_rows)
        return qn_sink_write(ctx, table->sink, batch);
    for (int32_t i = 0; i < table->schema.n_fields; i++) {
        const qn_column *column = &batch->columns[i];
        const size_t width = column->type == QN_INT32 || column->type == QN_FLOAT ? 4 : 8;

        table->slice[i] = *column;
        if (column->offsets)
            table->slice[i].offsets = column->offsets + first;
        else
            table->slice[i].data = (const char *)column->data + (size_t)first * width;
        if (column->validity)
            QN_TRY(slice_bits(ctx, table, i, column, first, n));
    }
    QN_TRY(qn_sink_write(ctx, table->sink, &part));
done:
    return st;
}

static qn_status table_write(qn_context *ctx, qn_sink *base, const qn_batch *batch)
{
    table_sink *table = (table_sink *)base;
    qn_status st = QN_OK;

    for (int64_t first = 0; first < batch->n_rows;) {
        int64_t n = batch->n_rows - first;

        if (table->rows_per_file && table->in_part == table->rows_per_file) {
            QN_TRY(qn_sink_commit(ctx, &table->sink));
            table->part++;
            QN_TRY(part_open(ctx, table));
        }
        if (table->rows_per_file && n > table->rows_per_file - table->in_part)
            n = table->rows_per_file - table->in_part;
        QN_TRY(write_slice(ctx, table, batch, first, n));
        table->in_part += n;
        first += n;
    }
done:
    return st;
}

static qn_status table_commit(qn_context *ctx, qn_sink *base)
{
    table_sink *table = (table_sink *)base;
    const qn_status st = qn_sink_commit(ctx, &table->sink);

    table_abandon(base);
    return st;
}

static qn_status copy_schema(qn_context *ctx, table_sink *table, const qn_schema *schema)
{
    qn_status st = QN_OK;

    QN_NEW0(ctx, table->field, schema->n_fields, "a schema");
    QN_NEW0(ctx, table->slice, schema->n_fields, "a schema");
    QN_NEW0(ctx, table->bits, schema->n_fields, "a schema");
    table->schema = (qn_schema){table->field, schema->n_fields, true};
    for (int32_t i = 0; i < schema->n_fields; i++) {
        char *name;

        QN_TRY(qn_strdup(ctx, schema->field[i].name, &name));
        table->field[i] = (qn_field){name, schema->field[i].type};
    }
done:
    return st;
}

static qn_status make_folder(qn_context *ctx, const qn_out_dir *dir, table_sink *table,
                             const char *name)
{
    char *path = qn_path_join(dir->staging, name), *slash;
    qn_status st = QN_OK;

    if (!path)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    QN_TRY(qn_strdup(ctx, path, &table->folder));
    slash = strrchr(path, '/');
    if (table->is_file)
        *slash = '\0';
    QN_TRY(qn_make_dirs(ctx, path));
done:
    free(path);
    return st;
}

static const qn_sink_ops table_ops = {table_write, table_commit, table_abandon};

qn_status qn_model_dir_table(qn_context *ctx, const qn_out_dir *dir, const qn_model_table *what,
                             const qn_schema *schema, qn_sink **sink)
{
    const size_t length = strlen(what->name);
    table_sink *table = NULL;
    qn_status st = QN_OK;

    *sink = NULL;
    QN_NEW0(ctx, table, 1, "a table of a model");
    table->base.ops = &table_ops;
    table->is_file = length > 8 && strcmp(what->name + length - 8, ".parquet") == 0;
    table->rows_per_file = table->is_file ? 0 : what->rows_per_file;
    QN_TRY(copy_schema(ctx, table, schema));
    if (what->select)
        QN_TRY(qn_strdup(ctx, what->select, &table->select));
    if (what->row_metadata)
        QN_TRY(qn_strdup(ctx, what->row_metadata, &table->row_metadata));
    QN_TRY(make_folder(ctx, dir, table, what->name));
    QN_TRY(part_open(ctx, table));
    *sink = &table->base;
    table = NULL;
done:
    table_abandon(table ? &table->base : NULL);
    return st;
}
