/* Rows of one file as they lie in it. */
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/duckdb/coder.h"

typedef struct duck_decoder {
    qn_parquet_decoder base;
    qn_duck_coder *coder;
    qn_duck_slot *slot;
    qn_duck_stream stream;
    int32_t n_columns;
} duck_decoder;

static const char *const sql_types[] = {
    [QN_PARQUET_INT32] = "INTEGER",
    [QN_PARQUET_FLOAT] = "FLOAT",
    [QN_PARQUET_DOUBLE] = "DOUBLE",
    [QN_PARQUET_DATE] = "DATE",
};

static void add_select(const qn_parquet_file *file, qn_string *sql)
{
    qn_string_add(sql, "SELECT ");
    for (int32_t c = 0; c < file->n_columns; c++) {
        qn_string_add(sql, c ? ", " : "");
        qn_duck_add_name(sql, file->column[c].name);
        qn_string_addf(sql, "::%s", sql_types[file->column[c].type]);
    }
    qn_string_add(sql, " FROM read_parquet(");
    qn_duck_add_path(sql, file->path);
    qn_string_add(sql, ", hive_partitioning=false)");
}

void qn_duck_decoder_close(qn_parquet_decoder *base)
{
    duck_decoder *decoder = (duck_decoder *)base;

    qn_duck_stream_close(&decoder->stream);
    qn_duck_slot_give(decoder->coder, decoder->slot);
    qn_free(decoder);
}

qn_status qn_duck_decoder_open(qn_context *ctx, qn_parquet_coder *coder,
                               const qn_parquet_file *file, qn_parquet_decoder **out)
{
    duck_decoder *decoder = NULL;
    qn_string sql = {0};
    qn_status st = QN_OK;

    *out = NULL;
    QN_NEW0(ctx, decoder, 1, "a Parquet decoder");
    decoder->base.ops = coder->ops;
    decoder->coder = (qn_duck_coder *)coder;
    decoder->n_columns = file->n_columns;
    QN_TRY(qn_duck_slot_take(ctx, decoder->coder, true, &decoder->slot));
    add_select(file, &sql);
    if (sql.failed)
        st = qn_fail(ctx, QN_ENOMEM, "no memory for a query");
    else
        st = qn_duck_stream_open(ctx, decoder->slot->connection, sql.text, file->path,
                                 &decoder->stream);
    if (st != QN_OK)
        goto done;
    *out = &decoder->base;
    decoder = NULL;
done:
    if (decoder)
        qn_duck_decoder_close(&decoder->base);
    qn_string_release(&sql);
    return st;
}

qn_status qn_duck_decoder_next(qn_context *ctx, qn_parquet_decoder *base, qn_parquet_rows *rows)
{
    duck_decoder *decoder = (duck_decoder *)base;
    duckdb_data_chunk chunk;
    qn_status st = QN_OK;

    *rows = (qn_parquet_rows){0};
    do { /* a chunk may be empty without being the last */
        QN_TRY(qn_duck_stream_next(ctx, &decoder->stream, &chunk));
        rows->n = chunk ? (int64_t)duckdb_data_chunk_get_size(chunk) : 0;
    } while (chunk && rows->n == 0);
    for (int32_t c = 0; chunk && c < decoder->n_columns; c++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, (idx_t)c);

        rows->data[c] = duckdb_vector_get_data(vector);
        rows->valid[c] = duckdb_vector_get_validity(vector);
    }
done:
    return st;
}
