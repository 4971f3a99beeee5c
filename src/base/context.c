#include "base/context.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "base/system.h"

static qn_status copy_text(qn_context *ctx, const char *text, char **out)
{
    return text ? qn_strdup(ctx, text, out) : QN_OK;
}

qn_status qn_context_init(qn_context *ctx, const qn_context_options *options)
{
    static const qn_context_options defaults;
    qn_status st = QN_OK;
    qn_system machine;
    int32_t threads;

    memset(ctx, 0, sizeof *ctx);
    if (!options)
        options = &defaults;
    qn_system_read(&machine);
    ctx->cells = (qn_cell_sizes){.rating_rows = 4096, .long_row = 65536, .table_rows = 65536};
    atomic_init(&ctx->write_allowed, INT64_MAX);
    pthread_mutex_init(&ctx->lock, NULL);
    ctx->budget =
        qn_budget_create(options->memory ? options->memory : qn_system_default_budget(&machine));
    if (!ctx->budget) {
        st = QN_ENOMEM;
        goto done;
    }
    threads = options->threads > 0 ? options->threads : machine.cores_usable;
    QN_TRY(qn_pool_create(ctx, threads, &ctx->pool));
    QN_TRY(copy_text(ctx, options->scratch_dir, &ctx->scratch_dir));
    QN_TRY(copy_text(ctx, options->module_dir, &ctx->module_dir));
    qn_budget_settle(ctx->budget);
done:
    if (st != QN_OK)
        qn_context_release(ctx);
    return st;
}

void qn_context_release(qn_context *ctx)
{
    if (!ctx)
        return;
    qn_pool_free(ctx->pool);
    qn_free(ctx->scratch_dir);
    qn_free(ctx->module_dir);
    qn_budget_release(ctx->budget);
    pthread_mutex_destroy(&ctx->lock);
    memset(ctx, 0, sizeof *ctx);
}

int32_t qn_context_threads(const qn_context *ctx)
{
    return qn_pool_threads(ctx->pool);
}

size_t qn_context_memory(const qn_context *ctx)
{
    return qn_budget_limit(ctx->budget);
}

size_t qn_context_peak(const qn_context *ctx)
{
    return qn_budget_peak(ctx->budget);
}

const char *qn_version(void)
{
    return QN_VERSION;
}

void qn_context_cancel(qn_context *ctx, int signal_number)
{
    int expected = 0;

    atomic_compare_exchange_strong(&ctx->cancel, &expected, 1 + signal_number);
}

void qn_context_pulse(qn_context *ctx, double seconds)
{
    ctx->pulse_us = (int64_t)(seconds * 1e6);
    atomic_store(&ctx->pulse_due, qn_now_us());
}

void qn_emit_pulse(qn_context *ctx)
{
    qn_memory_use use;
    qn_system system;
    int64_t held;

    qn_memory_use_read(&use);
    qn_system_read(&system);
    held = (int64_t)(use.rss_anon + use.rss_shmem);
    if (held > atomic_load(&ctx->pulse_peak))
        atomic_store(&ctx->pulse_peak, held);
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_WORKER_PEAK,
                             .id = system.oom_kills,
                             .done = held,
                             .total = (int64_t)system.memory_limit,
                             .rows = qn_pool_threads_used(ctx->pool),
                             .value = qn_pool_busy_seconds(ctx->pool),
                             .duration_us = (int64_t)(qn_cpu_seconds() * 1e6),
                             .bytes_read = atomic_load(&ctx->traffic.read_back),
                             .bytes_spilled = atomic_load(&ctx->traffic.spilled),
                             .bytes_moved = atomic_load(&ctx->traffic.moved),
                             .memory_bytes = atomic_load(&ctx->pulse_peak)});
}

/* One thread a time, the first that comes when a sign is due. */
static void pulse(qn_context *ctx)
{
    long long due = atomic_load_explicit(&ctx->pulse_due, memory_order_relaxed);
    const int64_t now = qn_now_us();

    if (now >= due && atomic_compare_exchange_strong(&ctx->pulse_due, &due, now + ctx->pulse_us))
        qn_emit_pulse(ctx);
}

qn_status qn_check_cancel(qn_context *ctx)
{
    if (ctx->pulse_us > 0)
        pulse(ctx);
    if (atomic_load_explicit(&ctx->cancel, memory_order_relaxed) == 0)
        return QN_OK;
    if (qn_cancel_signal(ctx) > 0)
        return qn_fail(ctx, QN_ECANCELLED, "interrupted by signal %d", qn_cancel_signal(ctx));
    return qn_fail(ctx, QN_ECANCELLED, "interrupted");
}

int qn_cancel_signal(const qn_context *ctx)
{
    const int cancel = atomic_load_explicit(&ctx->cancel, memory_order_relaxed);

    return cancel > 0 ? cancel - 1 : 0;
}

int64_t qn_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

double qn_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
