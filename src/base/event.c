#include <stdarg.h>
#include <stdio.h>

#include "base/context.h"
#include "base/system.h"

const char *qn_event_kind_name(qn_event_kind kind)
{
    switch (kind) {
#define EVENT_NAME(name, text)                                                                     \
    case name:                                                                                     \
        return text;
        QN_EVENT_LIST(EVENT_NAME)
#undef EVENT_NAME
    }
    return "unknown";
}

qn_status qn_context_add_sink(qn_context *ctx, qn_event_sink *sink, void *user)
{
    bool is_full;

    pthread_mutex_lock(&ctx->lock);
    is_full = ctx->n_sinks == QN_MAX_SINKS;
    if (!is_full) {
        ctx->sink[ctx->n_sinks] = sink;
        ctx->sink_user[ctx->n_sinks] = user;
        ctx->n_sinks++;
    }
    pthread_mutex_unlock(&ctx->lock);
    if (is_full)
        return qn_fail(ctx, QN_EINVAL, "a context takes at most %d event sinks", QN_MAX_SINKS);
    return QN_OK;
}

void qn_emit(qn_context *ctx, const qn_event *event)
{
    qn_event stamped = *event;

    pthread_mutex_lock(&ctx->lock);
    if (stamped.time_us == 0)
        stamped.time_us = qn_now_us(); /* under the lock, so that times ascend */
    for (int32_t i = 0; i < ctx->n_sinks; i++)
        ctx->sink[i](ctx->sink_user[i], &stamped);
    pthread_mutex_unlock(&ctx->lock);
}

void qn_emit_warning(qn_context *ctx, const char *format, ...)
{
    char text[QN_ERROR_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_WARNING, .text = text});
}

void qn_emit_count(qn_context *ctx, const char *name, int64_t count)
{
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_COUNT, .name = name, .done = count});
}

void qn_emit_metric(qn_context *ctx, const char *name, double value, const char *unit)
{
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_METRIC, .name = name, .value = value, .text = unit});
}

void qn_emit_fact(qn_context *ctx, const char *name, const char *text)
{
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_FACT, .name = name, .text = text});
}

/* Gives the span of an event its number and time, and sends the event. */
static qn_span span_start(qn_context *ctx, qn_event event)
{
    qn_span span = {
        .name = event.name,
        .parent = event.parent,
        .start = qn_seconds(),
        .is_stage = event.kind == QN_EVENT_STAGE_START,
    };

    pthread_mutex_lock(&ctx->lock);
    event.id = span.id = ++ctx->next_event_id;
    pthread_mutex_unlock(&ctx->lock);
    qn_emit(ctx, &event);
    return span;
}

qn_span qn_job_start_planned(qn_context *ctx, const char *name, const char *stages)
{
    return span_start(ctx, (qn_event){.kind = QN_EVENT_JOB_START, .name = name, .text = stages});
}

qn_span qn_job_start(qn_context *ctx, const char *name)
{
    return qn_job_start_planned(ctx, name, NULL);
}

qn_span qn_stage_start(qn_context *ctx, const qn_span *job, const char *name, int64_t n_tasks)
{
    return span_start(ctx, (qn_event){.kind = QN_EVENT_STAGE_START,
                                      .name = name,
                                      .parent = job ? job->id : 0,
                                      .total = n_tasks});
}

/* What this process holds as its stage ends, before others begin. */
static void emit_peak(qn_context *ctx, const qn_span *stage)
{
    qn_memory_use use;

    qn_memory_use_read(&use);
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_WORKER_PEAK,
                             .parent = stage->id,
                             .memory_bytes = (int64_t)(use.rss_anon + use.rss_shmem)});
}

double qn_span_end(qn_context *ctx, const qn_span *span, qn_status status, const qn_event *totals)
{
    const double seconds = qn_seconds() - span->start;
    qn_event event = {0};

    if (span->is_stage)
        emit_peak(ctx, span);
    if (totals)
        event = *totals;
    event.kind = span->is_stage ? QN_EVENT_STAGE_END : QN_EVENT_JOB_END;
    event.name = span->name;
    event.id = span->id;
    event.parent = span->parent;
    event.status = status;
    event.time_us = 0;
    event.duration_us = (int64_t)(seconds * 1e6);
    qn_emit(ctx, &event);
    return seconds;
}
