#include "run/heartbeat.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/alloc.h"
#include "base/thread.h"

struct qn_heartbeat {
    qn_context *ctx;
    int64_t every_us, patience_us, start_us;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_over;
};

/* Whether the context has been silent for a beat, and not for too long. */
static bool is_due(const qn_heartbeat *h)
{
    const int64_t due = (int64_t)atomic_load(&h->ctx->pulse_due); /* its own next */
    const int64_t since = due > h->start_us ? due : h->start_us;
    const int64_t late = qn_now_us() - since;

    return late >= 0 && late < h->patience_us;
}

static void *beat(void *arg)
{
    qn_heartbeat *h = arg;
    struct timespec until;

    pthread_mutex_lock(&h->lock);
    clock_gettime(CLOCK_MONOTONIC, &until);
    while (!h->is_over) {
        const int64_t next_ns = (int64_t)until.tv_nsec + h->every_us % 1000000 * 1000;

        until.tv_sec += (time_t)(h->every_us / 1000000 + next_ns / 1000000000);
        until.tv_nsec = (long)(next_ns % 1000000000);
        while (!h->is_over && pthread_cond_timedwait(&h->wake, &h->lock, &until) != ETIMEDOUT)
            ;
        if (h->is_over || !is_due(h))
            continue;
        pthread_mutex_unlock(&h->lock); /* the reader of the event may be slow */
        qn_emit_pulse(h->ctx);
        pthread_mutex_lock(&h->lock);
        clock_gettime(CLOCK_MONOTONIC, &until);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

qn_status qn_heartbeat_start(qn_context *ctx, double seconds, double patience,
                             qn_heartbeat **heartbeat)
{
    qn_status st = QN_OK;
    pthread_condattr_t clock;
    qn_heartbeat *h = NULL;
    int error;

    *heartbeat = NULL;
    QN_NEW0(ctx, h, 1, "signs of life");
    *h = (qn_heartbeat){.ctx = ctx,
                        .every_us = (int64_t)(seconds * 1e6),
                        .patience_us = (int64_t)(patience * 1e6),
                        .start_us = qn_now_us()};
    pthread_mutex_init(&h->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&h->wake, &clock);
    pthread_condattr_destroy(&clock);
    error = qn_thread_start(&h->thread, beat, h);
    if (error) {
        qn_free(h);
        return qn_fail_errno(ctx, QN_EIO, error, "cannot start a thread for signs of life");
    }
    *heartbeat = h;
done:
    return st;
}

void qn_heartbeat_stop(qn_heartbeat *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->is_over = true;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
    qn_free(h);
}
