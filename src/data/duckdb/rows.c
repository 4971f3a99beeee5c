/* The table function that gives DuckDB the rows of the batches being written. */
#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "data/duckdb/sink.h"

static duckdb_logical_type make_type(qn_type type)
{
    static const duckdb_type types[] = {
        [QN_INT32] = DUCKDB_TYPE_INTEGER,    [QN_INT64] = DUCKDB_TYPE_BIGINT,
        [QN_FLOAT] = DUCKDB_TYPE_FLOAT,      [QN_DOUBLE] = DUCKDB_TYPE_DOUBLE,
        [QN_TEXT] = DUCKDB_TYPE_VARCHAR,     [QN_TIME] = DUCKDB_TYPE_TIMESTAMP,
        [QN_FLOAT_LIST] = DUCKDB_TYPE_FLOAT, [QN_DOUBLE_LIST] = DUCKDB_TYPE_DOUBLE,
    };
    duckdb_logical_type made = duckdb_create_logical_type(types[type]);

    if (type == QN_FLOAT_LIST || type == QN_DOUBLE_LIST) {
        duckdb_logical_type child = made;

        made = duckdb_create_list_type(child);
        duckdb_destroy_logical_type(&child);
    }
    return made;
}

static void rows_bind(duckdb_bind_info info)
{
    const qn_duck_sink *sink = duckdb_bind_get_extra_info(info);

    for (int32_t i = 0; i < sink->n_columns; i++) {
        duckdb_logical_type type = make_type(sink->type[i]);

        duckdb_bind_add_result_column(info, sink->name[i], type);
        duckdb_destroy_logical_type(&type);
    }
}

static void rows_init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1); /* the order of rows is kept */
}

/* Rows [first, first + n) of a column, to be put behind the `at` rows that the vector holds. */
typedef struct piece {
    const qn_column *column;
    int64_t first, n, at;
} piece;

/* Fixed-width values are copied as they are; of times the microseconds are DuckDB's. */
static const char *fill_fixed(const piece *p, duckdb_vector vector)
{
    const qn_column *column = p->column;
    const size_t width = column->type == QN_INT32 || column->type == QN_FLOAT ? 4 : 8;
    char *out = (char *)duckdb_vector_get_data(vector) + (size_t)p->at * width;

    if (column->type != QN_TIME) {
        memcpy(out, (const char *)column->data + (size_t)p->first * width, (size_t)p->n * width);
        return NULL;
    }
    for (int64_t i = 0; i < p->n; i++) {
        const int64_t seconds = ((const int64_t *)column->data)[p->first + i];

        ((int64_t *)out)[i] = 0;
        if (qn_is_valid(column, p->first + i) &&
            __builtin_mul_overflow(seconds, INT64_C(1000000), &((int64_t *)out)[i]))
            return "a time is beyond the year 294,246";
    }
    return NULL;
}

static const char *fill_texts(const piece *p, duckdb_vector vector)
{
    const uint32_t *offsets = p->column->offsets + p->first;

    for (int64_t i = 0; i < p->n; i++) {
        const char *text = (const char *)p->column->data + offsets[i];
        const idx_t length = offsets[i + 1] - offsets[i];
        duckdb_error_data error;

        if (!qn_is_valid(p->column, p->first + i))
            continue;
        error = duckdb_valid_utf8_check(text, length);
        if (error) {
            duckdb_destroy_error_data(&error);
            return "a text is not UTF-8";
        }
        duckdb_unsafe_vector_assign_string_element_len(vector, (idx_t)(p->at + i), text, length);
    }
    return NULL;
}

static const char *fill_lists(const piece *p, duckdb_vector vector)
{
    const size_t width = p->column->type == QN_FLOAT_LIST ? 4 : 8;
    const uint32_t *offsets = p->column->offsets + p->first;
    const idx_t before = p->at > 0 ? duckdb_list_vector_get_size(vector) : 0;
    const idx_t more = offsets[p->n] - offsets[0];
    duckdb_list_entry *lists;
    char *values;

    if (duckdb_list_vector_reserve(vector, before + more) == DuckDBError ||
        duckdb_list_vector_set_size(vector, before + more) == DuckDBError)
        return "Out of Memory: a chunk of lists";
    lists = (duckdb_list_entry *)duckdb_vector_get_data(vector) + p->at;
    for (int64_t i = 0; i < p->n; i++)
        lists[i] =
            (duckdb_list_entry){before + offsets[i] - offsets[0], offsets[i + 1] - offsets[i]};
    values = duckdb_vector_get_data(duckdb_list_vector_get_child(vector));
    if (more > 0)
        memcpy(values + before * width, (const char *)p->column->data + offsets[0] * width,
               more * width);
    return NULL;
}

static const char *fill_piece(const piece *p, duckdb_vector vector)
{
    if (p->column->validity) {
        uint64_t *present;

        duckdb_vector_ensure_validity_writable(vector);
        present = duckdb_vector_get_validity(vector);
        for (int64_t i = 0; i < p->n; i++)
            duckdb_validity_set_row_validity(present, (idx_t)(p->at + i),
                                             qn_is_valid(p->column, p->first + i));
    }
    switch (p->column->type) {
    case QN_TEXT:
        return fill_texts(p, vector);
    case QN_FLOAT_LIST:
    case QN_DOUBLE_LIST:
        return fill_lists(p, vector);
    default:
        return fill_fixed(p, vector);
    }
}

/* The next batch with rows, NULL at the end; waits for it. */
static const qn_batch *take_batch(qn_duck_handover *handover, bool *is_abandoned)
{
    const qn_batch *batch;

    pthread_mutex_lock(&handover->lock);
    while (!handover->batch && !handover->is_end && !handover->is_abandoned)
        pthread_cond_wait(&handover->changed, &handover->lock);
    batch = handover->batch;
    *is_abandoned = handover->is_abandoned;
    pthread_mutex_unlock(&handover->lock);
    return batch;
}

static void give_back(qn_duck_handover *handover)
{
    pthread_mutex_lock(&handover->lock);
    handover->batch = NULL;
    pthread_cond_broadcast(&handover->changed);
    pthread_mutex_unlock(&handover->lock);
}

/* Puts the next rows of the batch behind the `at` of the chunk; false after an error. */
static bool fill_chunk(duckdb_function_info info, const qn_duck_sink *sink, const qn_batch *batch,
                       int64_t first, int64_t n, int64_t at, duckdb_data_chunk chunk)
{
    char text[256];

    for (int32_t i = 0; i < sink->n_columns; i++) {
        const piece p = {&batch->columns[i], first, n, at};
        const char *problem = fill_piece(&p, duckdb_data_chunk_get_vector(chunk, (idx_t)i));

        if (problem) {
            snprintf(text, sizeof text, "column \"%s\": %s", sink->name[i], problem);
            duckdb_function_set_error(info, text);
            return false;
        }
    }
    return true;
}

/* Chunks are filled from as many batches as it takes: where row groups end, and so the bytes of the
 * file, must not depend on how the rows were handed over. */
static void rows_next(duckdb_function_info info, duckdb_data_chunk chunk)
{
    qn_duck_sink *sink = duckdb_function_get_extra_info(info);
    qn_duck_handover *handover = &sink->handover;
    int64_t at = 0;

    while (at < QN_DUCK_CHUNK) {
        bool is_abandoned;
        const qn_batch *batch = take_batch(handover, &is_abandoned);
        int64_t n = batch ? batch->n_rows - handover->row : 0;

        if (is_abandoned) {
            duckdb_function_set_error(info, "abandoned");
            return;
        }
        if (!batch)
            break;
        n = n > QN_DUCK_CHUNK - at ? QN_DUCK_CHUNK - at : n;
        if (!fill_chunk(info, sink, batch, handover->row, n, at, chunk))
            return;
        at += n;
        handover->row += n;
        if (handover->row == batch->n_rows)
            give_back(handover);
    }
    duckdb_data_chunk_set_size(chunk, (idx_t)at);
}

qn_status qn_duck_rows_register(qn_duck_sink *sink)
{
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_state state;

    duckdb_table_function_set_name(function, "quern_rows");
    duckdb_table_function_set_extra_info(function, sink, NULL);
    duckdb_table_function_set_bind(function, rows_bind);
    duckdb_table_function_set_init(function, rows_init);
    duckdb_table_function_set_function(function, rows_next);
    state = duckdb_register_table_function(sink->connection, function);
    duckdb_destroy_table_function(&function);
    if (state == DuckDBError)
        return qn_fail(sink->ctx, QN_EINTERNAL, "DuckDB does not take the rows");
    return QN_OK;
}
