/* The table function that lets a COPY statement ask our code for the rows: they go straight into
 * DuckDB's vectors, on the thread that runs the statement. */
#include "base/alloc.h"
#include "base/context.h"
#include "data/duckdb/coder.h"

static const duckdb_type types[] = {
    [QN_PARQUET_INT32] = DUCKDB_TYPE_INTEGER,
    [QN_PARQUET_FLOAT] = DUCKDB_TYPE_FLOAT,
    [QN_PARQUET_DOUBLE] = DUCKDB_TYPE_DOUBLE,
    [QN_PARQUET_DATE] = DUCKDB_TYPE_DATE,
};

static void coded_bind(duckdb_bind_info info)
{
    qn_duck_coder *coder = duckdb_bind_get_extra_info(info);
    duckdb_value number = duckdb_bind_get_parameter(info, 0);
    const int64_t i = duckdb_get_int64(number);
    qn_duck_slot *slot = NULL;

    duckdb_destroy_value(&number);
    pthread_mutex_lock(&coder->lock); /* the list may be growing */
    if (i >= 0 && i < coder->n_slots)
        slot = coder->slot[i];
    pthread_mutex_unlock(&coder->lock);
    if (!slot || !slot->file) {
        duckdb_bind_set_error(info, "there is no such file");
        return;
    }
    for (int32_t c = 0; c < slot->file->n_columns; c++) {
        duckdb_logical_type type = duckdb_create_logical_type(types[slot->file->column[c].type]);

        duckdb_bind_add_result_column(info, slot->file->column[c].name, type);
        duckdb_destroy_logical_type(&type);
    }
    duckdb_bind_set_bind_data(info, slot, NULL);
}

static void coded_init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1); /* the order of rows is kept */
}

static void coded_next(duckdb_function_info info, duckdb_data_chunk chunk)
{
    qn_duck_slot *slot = duckdb_function_get_bind_data(info);
    void *column[QN_PARQUET_COLUMNS];
    int64_t n = 0;

    for (int32_t c = 0; c < slot->file->n_columns; c++)
        column[c] = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, (idx_t)c));
    slot->status = slot->fill(slot->arg, QN_DUCK_CHUNK, column, &n);
    if (slot->status != QN_OK) {
        duckdb_function_set_error(info, "the rows end early");
        n = 0;
    }
    duckdb_data_chunk_set_size(chunk, (idx_t)n);
}

qn_status qn_duck_coded_register(qn_context *ctx, qn_duck_coder *coder)
{
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    qn_duck_slot *slot = NULL;
    qn_status st = QN_OK;

    duckdb_table_function_set_name(function, "quern_coded");
    duckdb_table_function_add_parameter(function, number);
    duckdb_table_function_set_extra_info(function, coder, NULL);
    duckdb_table_function_set_bind(function, coded_bind);
    duckdb_table_function_set_init(function, coded_init);
    duckdb_table_function_set_function(function, coded_next);
    QN_TRY(qn_duck_slot_take(ctx, coder, false, &slot));
    if (duckdb_register_table_function(slot->connection, function) == DuckDBError)
        st = qn_fail(ctx, QN_EINTERNAL, "DuckDB does not take the rows");
done:
    qn_duck_slot_give(coder, slot);
    duckdb_destroy_logical_type(&number);
    duckdb_destroy_table_function(&function);
    return st;
}
