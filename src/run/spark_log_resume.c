/* Goes on with the log of a run that was broken off. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/stage.h"
#include "run/log_view.h"
#include "run/spark_log_impl.h"

#define LOG_LIMIT ((size_t)4 << 30)
#define WHY_LOST  "the run was broken off"

/* Whole lines of a log, up to the line that says that the run has ended: more is to come. */
static size_t whole_lines(const char *text, size_t length)
{
    static const char last[] = "{\"Event\":\"SparkListenerApplicationEnd\"";
    size_t begin;

    while (length > 0 && text[length - 1] != '\n')
        length--;
    if (length == 0)
        return 0;
    begin = length - 1;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    return length - begin >= sizeof last && !memcmp(text + begin, last, sizeof last - 1) ? begin
                                                                                         : length;
}

/* Workers in the order of the view, so that places in one are places in the other. */
static qn_status take_workers(qn_spark_log *log, const qn_log_view *view)
{
    for (int64_t w = 0; w < view->n_workers; w++) {
        const qn_log_worker *seen = &view->worker[w];
        spark_worker worker = {
            .rank = -1,
            .executor = (int32_t)seen->executor,
            .cores = seen->cores,
            .memory = seen->memory,
        };

        snprintf(worker.host, sizeof worker.host, "%s", seen->host);
        if (!SPARK_ADD(log->workers, spark_worker, &worker))
            return qn_fail(log->ctx, QN_ENOMEM, "not enough memory for the event log");
    }
    return QN_OK;
}

/* Data sets keep their numbers; their blocks went with the workers. */
static qn_status take_data(qn_spark_log *log, const qn_log_view *view)
{
    for (int64_t d = 0; d < view->n_data; d++) {
        spark_data data = {.id = view->data[d].id};

        snprintf(data.name, sizeof data.name, "%s", view->data[d].name);
        if (!SPARK_ADD(log->data, spark_data, &data))
            return qn_fail(log->ctx, QN_ENOMEM, "not enough memory for the event log");
    }
    return QN_OK;
}

static void end_task(qn_spark_log *log, const qn_log_view *view, const qn_log_task *seen)
{
    const qn_log_stage *of = &view->stage[seen->stage];
    const spark_stage stage = {.id = of->id, .attempt = (int32_t)of->attempt};
    const spark_task task = {
        .id = seen->id,
        .index = seen->index,
        .attempt = (int32_t)seen->attempt,
        .worker = (int32_t)seen->worker,
        .launch_us = 1000 * seen->launch_ms,
        .end_us = log->last_us,
    };

    spark_line_task_end(log, &stage, &task, SPARK_LOST, WHY_LOST);
}

/* What was open when the run broke off is lost: tasks, stages, jobs, workers. */
static void close_lost(qn_spark_log *log, const qn_log_view *view)
{
    for (int64_t t = 0; t < view->n_tasks; t++)
        if (view->task[t].stage >= 0 && view->task[t].worker >= 0)
            end_task(log, view, &view->task[t]);
    for (int64_t s = 0; s < view->n_stages; s++) {
        const qn_log_stage *seen = &view->stage[s];
        spark_stage stage = {
            .id = seen->id,
            .attempt = (int32_t)seen->attempt,
            .n_tasks = seen->n_tasks,
            .start_us = 1000 * seen->start_ms,
            .state = SPARK_ENDED,
        };

        if (seen->status != QN_LOG_RUNNING)
            continue;
        snprintf(stage.name, sizeof stage.name, "%s", seen->name);
        spark_line_stage_end(log, &stage, log->last_us, WHY_LOST);
    }
    for (int64_t j = 0; j < view->n_jobs; j++) {
        if (view->job[j].status != QN_LOG_RUNNING)
            continue;
        log->job.id = view->job[j].id;
        spark_line_job_end(log, log->last_us, WHY_LOST);
    }
    for (int64_t w = 0; w < view->n_workers; w++)
        if (view->worker[w].is_live)
            spark_line_worker_lost(log, spark_worker_at(log, (int32_t)w), log->last_us, WHY_LOST);
}

/* Puts the file under its live name, cut to `bytes`, and opens it. Returns an errno. */
static int reopen(qn_spark_log *log, const char *found, size_t bytes)
{
    int error = qn_write_planned(log->ctx);

    if (!error && strcmp(found, log->live_path) != 0 && rename(found, log->live_path) != 0)
        error = errno;
    if (!error && truncate(log->live_path, (off_t)bytes) != 0)
        error = errno;
    log->bytes = (double)bytes;
    return error ? error : spark_file_open(log);
}

static qn_status go_on(qn_spark_log *log, const char *found, const char *text, size_t length)
{
    qn_status st = QN_OK;
    qn_log_view view = {0};
    const size_t bytes = whole_lines(text, length);

    QN_TRY(qn_log_view_read(log->ctx, &view, text, bytes, NULL, NULL));
    if (!view.app_id[0]) {
        st = qn_fail(log->ctx, QN_EDATA, "it does not begin as an event log does");
        goto done;
    }
    QN_TRY(take_workers(log, &view));
    QN_TRY(take_data(log, &view));
    log->next_job = view.n_jobs;
    for (int64_t j = 0; j < view.n_jobs; j++)
        if (view.job[j].id >= log->next_job)
            log->next_job = view.job[j].id + 1;
    log->next_stage = view.last_stage + 1;
    log->next_task = view.last_task + 1;
    log->last_executor = view.last_executor;
    log->first_executor = log->last_executor + 1;
    log->error = reopen(log, found, bytes);
    close_lost(log, &view);
    spark_file_sync(log);
done:
    qn_log_view_release(&view);
    return st;
}

/* A log that cannot be gone on with is kept under another name, and a new one is begun. */
static qn_status set_aside(qn_context *ctx, const qn_spark_log *log, const char *found)
{
    char aside[sizeof log->path + 16];

    snprintf(aside, sizeof aside, "%s.damaged", log->path);
    qn_emit_warning(ctx, "the event log %s cannot be gone on with: %s; it is now %s", found,
                    qn_context_error(ctx), aside);
    qn_error_clear(ctx);
    if (rename(found, aside) != 0)
        return qn_fail_errno(ctx, QN_EIO, errno, "cannot rename %s", found);
    return QN_OK;
}

qn_status qn_spark_log_resume(qn_context *ctx, const qn_spark_log_options *options,
                              qn_spark_log **log)
{
    qn_status st = QN_OK;
    qn_spark_log *l = NULL;
    const char *found;
    char *text = NULL;
    size_t length = 0;

    *log = NULL;
    QN_TRY(spark_log_new(ctx, options, &l));
    found = qn_path_exists(l->live_path) ? l->live_path : l->path;
    if (!qn_path_exists(found)) {
        qn_spark_log_free(l);
        return qn_spark_log_open(ctx, options, log);
    }
    st = qn_read_file(ctx, found, LOG_LIMIT, &text, &length);
    if (st == QN_OK)
        st = go_on(l, found, text, length);
    qn_free(text);
    if (st != QN_OK) {
        QN_TRY(set_aside(ctx, l, found));
        qn_spark_log_free(l);
        return qn_spark_log_open(ctx, options, log);
    }
    QN_TRY(qn_context_add_sink(ctx, spark_sink, l));
    *log = l;
    l = NULL;
done:
    qn_spark_log_free(l);
    return st;
}
