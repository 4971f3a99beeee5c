#include "run/run_log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

struct qn_run_log {
    FILE *file; /* NULL: closed, or could not be opened */
    int error;  /* errno of the first write that failed */
    int64_t last_us;
    int32_t open_jobs; /* jobs may lie in one another: the outermost is told */
    char path[4096];
};

/* A line, on the way at once: who reads along sees it, and a run that is killed has left it. */
__attribute__((format(printf, 4, 5))) static void
write_line(qn_run_log *log, int64_t time_us, const char *level, const char *format, ...)
{
    char stamp[32];
    qn_string line = {0};
    va_list arguments;

    if (!log->file || log->error)
        return;
    log->last_us = time_us;
    qn_format_time(time_us, stamp);
    qn_string_addf(&line, "%s %s ", stamp, level);
    va_start(arguments, format);
    qn_string_addv(&line, format, arguments);
    va_end(arguments);
    for (size_t i = 0; i < line.length; i++) /* data must not make lines of its own */
        if ((unsigned char)line.text[i] < ' ')
            line.text[i] = ' ';
    qn_string_add(&line, "\n");
    if (line.failed)
        log->error = ENOMEM;
    else if (fwrite(line.text, 1, line.length, log->file) != line.length || fflush(log->file) != 0)
        log->error = errno ? errno : EIO;
    qn_string_release(&line);
}

static void log_job_start(qn_run_log *log, const qn_event *e)
{
    if (e->rank == 0 && log->open_jobs++ == 0)
        write_line(log, e->time_us, "INFO", "%s: begins", e->name);
}

static void log_job_end(qn_run_log *log, const qn_event *e)
{
    const double seconds = (double)e->duration_us * 1e-6;

    if (e->rank != 0 || (log->open_jobs > 0 && --log->open_jobs > 0))
        return;
    if (e->status != QN_OK)
        write_line(log, e->time_us, "ERROR", "%s: failed after %.3f s%s%s", e->name, seconds,
                   e->text ? ": " : "", e->text ? e->text : "");
    else
        write_line(log, e->time_us, "INFO", "%s: done in %.3f s", e->name, seconds);
}

static void log_step(qn_run_log *log, const qn_event *e)
{
    write_line(log, e->time_us, "INFO", "%s: iteration %lld of %lld in %.3f s, loss %.6g", e->name,
               (long long)e->done, (long long)e->total, (double)e->duration_us * 1e-6, e->value);
}

static void log_worker(qn_run_log *log, const qn_event *e)
{
    char limit[32];

    if (e->time_us < log->last_us) /* told by its worker before, and gathered with others later */
        return;
    qn_format_bytes((double)e->memory_bytes, limit);
    write_line(log, e->time_us, "INFO", "worker %d on %s: %lld cores, at most %s", (int)e->rank,
               e->text ? e->text : "this host", (long long)e->done, limit);
}

static void run_log_sink(void *user, const qn_event *e)
{
    qn_run_log *log = user;

    switch (e->kind) {
    case QN_EVENT_JOB_START:
        log_job_start(log, e);
        break;
    case QN_EVENT_JOB_END:
        log_job_end(log, e);
        break;
    case QN_EVENT_STEP:
        log_step(log, e);
        break;
    case QN_EVENT_COUNT:
        write_line(log, e->time_us, "INFO", "%s = %lld", e->name, (long long)e->done);
        break;
    case QN_EVENT_METRIC:
        write_line(log, e->time_us, "INFO", "%s = %.10g", e->name, e->value);
        break;
    case QN_EVENT_FACT:
        write_line(log, e->time_us, "INFO", "%s = %s", e->name, e->text ? e->text : "");
        break;
    case QN_EVENT_WARNING:
        write_line(log, e->time_us, "WARN", "%s", e->text ? e->text : "");
        break;
    case QN_EVENT_WORKER_ADDED:
        log_worker(log, e);
        break;
    case QN_EVENT_WORKER_LOST: /* what was open is over */
        log->open_jobs = 0;
        write_line(log, e->time_us, "ERROR", "a worker is lost: %s", e->text ? e->text : "");
        break;
    default:
        break;
    }
}

qn_status qn_run_log_open(qn_context *ctx, const char *path, const char *command, qn_run_log **log)
{
    qn_status st = QN_OK;
    qn_run_log *l = NULL;

    *log = NULL;
    QN_NEW0(ctx, l, 1, "the log of the run");
    snprintf(l->path, sizeof l->path, "%s", path);
    l->file = fopen(path, "ae");
    if (!l->file)
        qn_emit_warning(ctx, "no log %s is kept: %s", path, strerror(errno));
    else if (fprintf(l->file, "Command: %s\n", command) < 0)
        l->error = errno ? errno : EIO;
    QN_TRY(qn_context_add_sink(ctx, run_log_sink, l));
    *log = l;
    l = NULL;
done:
    qn_run_log_free(l);
    return st;
}

void qn_run_log_close(qn_context *ctx, qn_run_log *log, qn_status status)
{
    int error;

    if (!log || !log->file)
        return;
    pthread_mutex_lock(&ctx->lock); /* no event may come between */
    if (status == QN_OK)
        write_line(log, qn_now_us(), "INFO", "ended well");
    else
        write_line(log, qn_now_us(), "ERROR", "ended: %s",
                   ctx->error[0] ? ctx->error : qn_status_text(status));
    errno = 0;
    if (fclose(log->file) != 0 && !log->error)
        log->error = errno ? errno : EIO;
    log->file = NULL;
    error = log->error;
    pthread_mutex_unlock(&ctx->lock);
    if (error)
        qn_emit_warning(ctx, "the log %s is not whole: %s", log->path, strerror(error));
}

void qn_run_log_free(qn_run_log *log)
{
    if (log && log->file)
        fclose(log->file);
    qn_free(log);
}
