#include "run/spark_log.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "run/spark_log_impl.h"

#define LIVE_SUFFIX ".inprogress"

/* The server takes what is behind a dot for the name of a compression. */
static bool is_id(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '-' && *text != '_')
            return false;
    return true;
}

qn_status spark_log_new(qn_context *ctx, const qn_spark_log_options *options, qn_spark_log **log)
{
    qn_status st = QN_OK;
    qn_spark_log *l = NULL;
    int n;

    *log = NULL;
    if (!is_id(options->run_id) || strlen(options->run_id) >= sizeof l->run_id)
        return qn_fail(ctx, QN_EINVAL,
                       "the run id \"%s\" cannot name an event log: use letters, digits, - and _",
                       options->run_id);
    QN_NEW0(ctx, l, 1, "the event log");
    l->ctx = ctx;
    l->fd = -1;
    l->first_executor = 1;
    l->last_us = l->flushed_us = qn_now_us();
    snprintf(l->run_id, sizeof l->run_id, "%s", options->run_id);
    snprintf(l->name, sizeof l->name, "%s", options->name ? options->name : "quern");
    n = snprintf(l->path, sizeof l->path, "%s/%s", options->dir, options->run_id);
    if (n < 0 || (size_t)n >= sizeof l->path) {
        st = qn_fail(ctx, QN_EINVAL, "the folder of event logs, %s, has too long a name",
                     options->dir);
        goto done;
    }
    snprintf(l->live_path, sizeof l->live_path, "%s%s", l->path, LIVE_SUFFIX);
    *log = l;
    l = NULL;
done:
    qn_spark_log_free(l);
    return st;
}

static void warn(qn_context *ctx, const qn_spark_log *log)
{
    qn_emit_warning(ctx,
                    "the event log %s is not whole: %s; the run itself went on. Free space or give "
                    "another --runs-dir",
                    log->live_path, strerror(log->error));
}

/* What cannot be made is told of at once; the run goes on without. */
static void make_file(qn_context *ctx, const qn_spark_log_options *options, qn_spark_log *log)
{
    if (qn_make_dirs(ctx, options->dir) != QN_OK) {
        log->error = EIO;
        qn_emit_warning(ctx, "no event log is kept: %s", qn_context_error(ctx));
        qn_error_clear(ctx);
    } else if (spark_file_open(log) != 0) {
        warn(ctx, log);
    }
    log->is_warned = log->error != 0;
}

qn_status qn_spark_log_open(qn_context *ctx, const qn_spark_log_options *options,
                            qn_spark_log **log)
{
    qn_status st = QN_OK;
    qn_spark_log *l = NULL;

    *log = NULL;
    QN_TRY(spark_log_new(ctx, options, &l));
    make_file(ctx, options, l);
    spark_line_start(l, options, l->last_us);
    spark_file_flush(l);
    QN_TRY(qn_context_add_sink(ctx, spark_sink, l));
    *log = l;
    l = NULL;
done:
    if (l)
        unlink(l->live_path);
    qn_spark_log_free(l);
    return st;
}

/* For the record: what data sets took last, on all workers and on each. */
static void emit_storage(qn_context *ctx, const qn_spark_log *log, const spark_data *data,
                         int32_t worker)
{
    int64_t memory = 0, disk = 0, n = 0;
    char name[SPARK_NAME + 64], of[32] = "";

    for (int64_t p = 0; p < SPARK_COUNT(data->blocks, spark_block); p++) {
        const spark_block *block = SPARK_AT(data->blocks, spark_block, p);

        if (block->worker < 0 || (worker >= 0 && block->worker != worker))
            continue;
        n++;
        memory += block->memory;
        disk += block->disk;
    }
    if (n == 0)
        return;
    if (worker >= 0)
        snprintf(of, sizeof of, "worker_%d.", spark_worker_at(log, worker)->rank);
    snprintf(name, sizeof name, "storage.%s.%spartitions", data->name, of);
    qn_emit_count(ctx, name, n);
    snprintf(name, sizeof name, "storage.%s.%smemory_bytes", data->name, of);
    qn_emit_count(ctx, name, memory);
    snprintf(name, sizeof name, "storage.%s.%sdisk_bytes", data->name, of);
    qn_emit_count(ctx, name, disk);
}

void qn_spark_log_close(qn_context *ctx, qn_spark_log *log, qn_status status)
{
    bool tell;

    if (!log || !log->ctx)
        return;
    for (int64_t i = 0; i < SPARK_COUNT(log->data, spark_data); i++)
        for (int32_t w = -1; w < (int32_t)SPARK_COUNT(log->workers, spark_worker); w++)
            emit_storage(ctx, log, SPARK_AT(log->data, spark_data, i), w);
    pthread_mutex_lock(&ctx->lock); /* no event may come between */
    log->last_us = qn_now_us();
    spark_close_open(log, SPARK_KILLED,
                     status == QN_ECANCELLED ? "cancelled"
                     : ctx->error[0]         ? ctx->error
                                             : qn_status_text(status));
    spark_line_end(log, log->last_us);
    spark_file_finish(log);
    log->ctx = NULL;
    tell = log->error != 0 && !log->is_warned;
    pthread_mutex_unlock(&ctx->lock);
    if (tell)
        warn(ctx, log);
}

void qn_spark_log_free(qn_spark_log *log)
{
    if (!log)
        return;
    if (log->fd >= 0)
        close(log->fd);
    spark_stages_clear(&log->job);
    for (int64_t i = 0; i < SPARK_COUNT(log->data, spark_data); i++)
        qn_string_release(&SPARK_AT(log->data, spark_data, i)->blocks);
    qn_string_release(&log->job.stages);
    qn_string_release(&log->data);
    qn_string_release(&log->workers);
    qn_string_release(&log->buffer);
    qn_json_release(&log->line);
    qn_free(log);
}

const char *qn_spark_log_path(const qn_spark_log *log)
{
    return log->ctx || log->error ? log->live_path : log->path;
}

void qn_emit_this_worker(qn_context *ctx)
{
    char host[256] = "";

    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "localhost");
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_WORKER_ADDED,
                             .text = host,
                             .id = getpid(),
                             .done = qn_context_threads(ctx),
                             .memory_bytes = (int64_t)qn_context_memory(ctx)});
}
