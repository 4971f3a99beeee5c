#include "data/duckdb/sink.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/thread.h"

/* A row group is encoded in memory before it is written. */
#define ROW_GROUP_BYTES    ((int64_t)32 << 20)
#define ROW_GROUP_ROWS_MAX 122880

static void handover_stop(qn_duck_sink *sink, bool is_abandoned)
{
    qn_duck_handover *handover = &sink->handover;

    if (!sink->is_running)
        return;
    pthread_mutex_lock(&handover->lock);
    handover->is_end = true;
    handover->is_abandoned = is_abandoned;
    pthread_cond_broadcast(&handover->changed);
    pthread_mutex_unlock(&handover->lock);
    pthread_join(sink->thread, NULL);
    sink->is_running = false;
}

static void sink_free(qn_sink *base)
{
    qn_duck_sink *sink = (qn_duck_sink *)base;

    if (!sink)
        return;
    handover_stop(sink, true);
    duckdb_disconnect(&sink->connection);
    qn_duck_close(&sink->duck);
    qn_stage_release(&sink->stage);
    for (int32_t i = 0; i < sink->n_columns; i++)
        qn_free(sink->name[i]);
    qn_free(sink->name);
    qn_free(sink->type);
    free(sink->select);
    free(sink->options);
    free(sink->copy);
    free(sink->handover.message);
    pthread_cond_destroy(&sink->handover.changed);
    pthread_mutex_destroy(&sink->handover.lock);
    qn_free(sink);
}

/* DuckDB's thread: runs the COPY to its end, whatever that is. */
static void *copy_run(void *arg)
{
    qn_duck_sink *sink = arg;
    qn_duck_handover *handover = &sink->handover;
    duckdb_result result;
    const duckdb_state state = duckdb_query(sink->connection, sink->copy, &result);
    const char *text = state == DuckDBError ? duckdb_result_error(&result) : NULL;

    pthread_mutex_lock(&handover->lock);
    if (state == DuckDBError)
        handover->message = strdup(text && *text ? text : "no reason given");
    handover->is_finished = true;
    pthread_cond_broadcast(&handover->changed);
    pthread_mutex_unlock(&handover->lock);
    duckdb_destroy_result(&result);
    return NULL;
}

/* Bytes of the first row: what a row group is cut by, so that it depends on the rows alone. */
static int64_t row_bytes(const qn_duck_sink *sink, const qn_batch *batch)
{
    int64_t bytes = 0;

    for (int32_t i = 0; i < sink->n_columns; i++) {
        const int64_t values = batch && batch->n_rows > 0 && batch->columns[i].offsets
                                   ? batch->columns[i].offsets[1] - batch->columns[i].offsets[0]
                                   : 1;
        const bool is_list = sink->type[i] == QN_FLOAT_LIST || sink->type[i] == QN_DOUBLE_LIST;

        bytes += sink->type[i] == QN_TEXT ? 32 : is_list ? values * 8 : 8;
    }
    return bytes > 0 ? bytes : 1;
}

static qn_status copy_start(qn_duck_sink *sink, const qn_batch *first)
{
    int64_t rows = ROW_GROUP_BYTES / row_bytes(sink, first);
    qn_string sql = {0};
    int error_number;

    rows = rows < QN_DUCK_CHUNK ? QN_DUCK_CHUNK : rows;
    rows = rows > ROW_GROUP_ROWS_MAX ? ROW_GROUP_ROWS_MAX : rows;
    qn_string_addf(&sql, "COPY (SELECT %s FROM quern_rows()) TO ", sink->select);
    qn_duck_add_text(&sql, sink->stage.staging);
    qn_string_addf(&sql, " (FORMAT parquet, USE_TMP_FILE false, ROW_GROUP_SIZE %lld%s)",
                   (long long)rows, sink->options);
    if (sql.failed) {
        qn_string_release(&sql);
        return qn_fail(sink->ctx, QN_ENOMEM, "no memory for a query");
    }
    sink->copy = sql.text;
    error_number = qn_thread_start(&sink->thread, copy_run, sink);
    if (error_number)
        return qn_fail_errno(sink->ctx, QN_ENOMEM, error_number, "no thread to write %s",
                             sink->stage.shown);
    sink->is_running = true;
    return QN_OK;
}

static qn_status sink_write(qn_context *ctx, qn_sink *base, const qn_batch *batch)
{
    qn_duck_sink *sink = (qn_duck_sink *)base;
    qn_duck_handover *handover = &sink->handover;
    const int planned = qn_write_planned(ctx);
    qn_status st = QN_OK;

    if (planned)
        return qn_fail_write(ctx, planned, sink->stage.shown, 0);
    if (batch->n_rows == 0)
        return QN_OK;
    if (batch->n_columns != sink->n_columns)
        return qn_fail(ctx, QN_EINTERNAL, "%s: %d columns for %d", sink->stage.shown,
                       batch->n_columns, sink->n_columns);
    if (!sink->is_running && !handover->is_finished)
        QN_TRY(copy_start(sink, batch));
    pthread_mutex_lock(&handover->lock);
    if (!handover->is_finished) {
        handover->row = 0;
        handover->batch = batch;
        pthread_cond_broadcast(&handover->changed);
    }
    while (handover->batch && !handover->is_finished)
        pthread_cond_wait(&handover->changed, &handover->lock);
    handover->batch = NULL;
    if (handover->message)
        st = qn_duck_fail_write(ctx, sink->stage.shown, handover->message);
    else if (handover->is_finished)
        st = qn_fail(ctx, QN_EINTERNAL, "%s: DuckDB took no more rows", sink->stage.shown);
    pthread_mutex_unlock(&handover->lock);
done:
    return st;
}

static qn_status sink_commit(qn_context *ctx, qn_sink *base)
{
    qn_duck_sink *sink = (qn_duck_sink *)base;
    qn_status st = QN_OK;
    int error_number;

    if (!sink->is_running)
        QN_TRY(copy_start(sink, NULL));
    handover_stop(sink, false);
    if (sink->handover.message) {
        st = qn_duck_fail_write(ctx, sink->stage.shown, sink->handover.message);
        goto done;
    }
    error_number = qn_sync_fd(ctx, sink->stage.fd);
    if (error_number) {
        st = qn_fail_write(ctx, error_number, sink->stage.shown, 0);
        goto done;
    }
    QN_TRY(qn_stage_swap(ctx, &sink->stage));
done:
    sink_free(base);
    return st;
}

static qn_status copy_schema(qn_context *ctx, qn_duck_sink *sink, const qn_schema *schema)
{
    qn_status st = QN_OK;

    QN_NEW0(ctx, sink->name, schema->n_fields, "a schema");
    QN_NEW0(ctx, sink->type, schema->n_fields, "a schema");
    for (int32_t i = 0; i < schema->n_fields; i++) {
        QN_TRY(qn_strdup(ctx, schema->field[i].name, &sink->name[i]));
        sink->type[i] = schema->field[i].type;
        sink->n_columns = i + 1;
    }
done:
    return st;
}

/* The parts of the COPY that are known before the first row. */
static qn_status copy_texts(qn_context *ctx, qn_duck_sink *sink, const qn_parquet_write *write)
{
    qn_string options = {0};
    const char *const *pair = write->key_value;

    qn_string_add(&options, ", COMPRESSION ");
    qn_duck_add_text(&options, write->codec ? write->codec : "snappy");
    for (; pair && *pair; pair += 2) {
        qn_string_add(&options, pair == write->key_value ? ", KV_METADATA {" : ", ");
        qn_duck_add_text(&options, pair[0]);
        qn_string_add(&options, ": ");
        qn_duck_add_text(&options, pair[1]);
    }
    if (write->key_value && *write->key_value)
        qn_string_add(&options, "}");
    sink->select = strdup(write->select ? write->select : "*");
    if (options.failed || !sink->select) {
        qn_string_release(&options);
        return qn_fail(ctx, QN_ENOMEM, "no memory for a query");
    }
    sink->options = options.text;
    return QN_OK;
}

static const qn_sink_ops sink_ops = {sink_write, sink_commit, sink_free};

qn_status qn_duck_sink_open(qn_context *ctx, const qn_parquet_write *write, const qn_schema *schema,
                            qn_sink **out)
{
    qn_duck_sink *sink = NULL;
    qn_status st = QN_OK;

    *out = NULL;
    QN_NEW0(ctx, sink, 1, "a Parquet sink");
    sink->base.ops = &sink_ops;
    sink->ctx = ctx;
    sink->stage.fd = -1;
    pthread_mutex_init(&sink->handover.lock, NULL);
    pthread_cond_init(&sink->handover.changed, NULL);
    QN_TRY(copy_schema(ctx, sink, schema));
    QN_TRY(copy_texts(ctx, sink, write));
    QN_TRY(qn_stage_open(ctx, write->path, write->overwrite, false, &sink->stage));
    QN_TRY(qn_duck_open(ctx, &sink->duck));
    QN_TRY(qn_duck_connect(&sink->duck, &sink->connection));
    QN_TRY(qn_duck_rows_register(sink));
    *out = &sink->base;
    sink = NULL;
done:
    sink_free(sink ? &sink->base : NULL);
    return st;
}
