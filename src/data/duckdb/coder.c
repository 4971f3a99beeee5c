/* One DuckDB for many files: connections that are used again, and the COPY statement. */
#include "data/duckdb/coder.h"

#include "base/alloc.h"
#include "base/context.h"
#include "base/stage.h"

/* Rows that DuckDB holds until it codes them: 2 MB of our four columns. */
#define ROW_GROUP_ROWS 122880
/* Measured on ratings sorted by movie and user: a dictionary of ids is dear to make and no smaller
 * than their differences (V2: DELTA_BINARY_PACKED), so only short ones are made, and Bloom filters
 * come with dictionaries alone. 3.5 bytes a row rather than 6.1, and half the time. */
#define CODING "PARQUET_VERSION V2, DICTIONARY_SIZE_LIMIT 1000, WRITE_BLOOM_FILTER false"

static qn_status slot_add(qn_context *ctx, qn_duck_coder *coder, bool is_reader, qn_duck_slot **out)
{
    qn_duck_slot *slot = NULL;
    qn_status st = QN_OK;

    if (coder->n_slots == coder->slot_capacity) {
        QN_GROW(ctx, coder->slot, 2 * coder->slot_capacity + 4, "connections");
        coder->slot_capacity = 2 * coder->slot_capacity + 4;
    }
    QN_NEW0(ctx, slot, 1, "a connection");
    QN_TRY(qn_duck_connect(&coder->duck, &slot->connection));
    slot->number = coder->n_slots;
    slot->is_reader = is_reader;
    coder->slot[coder->n_slots++] = slot;
    *out = slot;
    slot = NULL;
done:
    qn_free(slot);
    return st;
}

qn_status qn_duck_slot_take(qn_context *ctx, qn_duck_coder *coder, bool is_reader,
                            qn_duck_slot **slot)
{
    qn_status st = QN_OK;

    *slot = NULL;
    pthread_mutex_lock(&coder->lock);
    if (coder->idle[is_reader]) {
        *slot = coder->idle[is_reader];
        coder->idle[is_reader] = (*slot)->next;
    } else {
        st = slot_add(ctx, coder, is_reader, slot);
    }
    pthread_mutex_unlock(&coder->lock);
    return st;
}

void qn_duck_slot_give(qn_duck_coder *coder, qn_duck_slot *slot)
{
    if (!slot)
        return;
    pthread_mutex_lock(&coder->lock);
    slot->file = NULL;
    slot->next = coder->idle[slot->is_reader];
    coder->idle[slot->is_reader] = slot;
    pthread_mutex_unlock(&coder->lock);
}

static void add_copy(const qn_duck_slot *slot, qn_string *sql)
{
    const qn_parquet_file *file = slot->file;

    qn_string_addf(sql, "COPY (FROM quern_coded(%lld)) TO ", (long long)slot->number);
    qn_duck_add_text(sql, file->path);
    qn_string_addf(
        sql, " (FORMAT parquet, USE_TMP_FILE false, " CODING ", ROW_GROUP_SIZE %d, COMPRESSION ",
        ROW_GROUP_ROWS);
    qn_duck_add_text(sql, file->codec ? file->codec : "snappy");
    qn_string_add(sql, ")");
}

static qn_status coder_code(qn_context *ctx, qn_parquet_coder *base, const qn_parquet_file *file,
                            qn_parquet_fill *fill, void *arg)
{
    qn_duck_coder *coder = (qn_duck_coder *)base;
    const int planned = qn_write_planned(ctx);
    qn_duck_slot *slot = NULL;
    duckdb_result result = {0};
    qn_string sql = {0};
    qn_status st = QN_OK;

    if (planned)
        return qn_fail_write(ctx, planned, file->path, 0);
    QN_TRY(qn_duck_slot_take(ctx, coder, false, &slot));
    slot->file = file;
    slot->fill = fill;
    slot->arg = arg;
    slot->status = QN_OK;
    add_copy(slot, &sql);
    if (sql.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for a query");
        goto done;
    }
    /* What `fill` says went wrong is told by itself. */
    if (duckdb_query(slot->connection, sql.text, &result) == DuckDBError) {
        const char *message = duckdb_result_error(&result);

        st = slot->status;
        if (st == QN_OK)
            st = qn_duck_fail_write(ctx, file->path, message ? message : "no reason given");
    }
    duckdb_destroy_result(&result);
done:
    qn_duck_slot_give(coder, slot);
    qn_string_release(&sql);
    return st;
}

static void coder_close(qn_parquet_coder *base)
{
    qn_duck_coder *coder = (qn_duck_coder *)base;

    for (int64_t i = 0; i < coder->n_slots; i++) {
        duckdb_disconnect(&coder->slot[i]->connection);
        qn_free(coder->slot[i]);
    }
    qn_free(coder->slot);
    qn_duck_close(&coder->duck);
    pthread_mutex_destroy(&coder->lock);
    qn_free(coder);
}

static const qn_parquet_coder_ops coder_ops = {
    .code = coder_code,
    .decoder_open = qn_duck_decoder_open,
    .decoder_next = qn_duck_decoder_next,
    .decoder_close = qn_duck_decoder_close,
    .close = coder_close,
};

qn_status qn_duck_coder_open(qn_context *ctx, qn_parquet_coder **out)
{
    qn_duck_coder *coder = NULL;
    qn_status st = QN_OK;

    *out = NULL;
    QN_NEW0(ctx, coder, 1, "a Parquet coder");
    coder->base.ops = &coder_ops;
    pthread_mutex_init(&coder->lock, NULL);
    QN_TRY(qn_duck_open(ctx, &coder->duck));
    QN_TRY(qn_duck_coded_register(ctx, coder));
    *out = &coder->base;
    coder = NULL;
done:
    if (coder)
        coder_close(&coder->base);
    return st;
}
