#include "base/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/thread.h"

/* One thread; the caller of qn_parallel is number 0. */
typedef struct pool_worker {
    _Alignas(64) struct qn_pool *pool;
    pthread_t id;
    int32_t thread;
    atomic_bool has_worked;
    atomic_int_fast64_t busy_ns;
    int64_t failed_task; /* of this region; -1: none */
    qn_status failed_status;
} pool_worker;

struct qn_pool {
    qn_context *ctx;
    pool_worker *worker; /* [threads] */
    qn_error_slot *slot; /* [threads] */
    int32_t threads, started;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake, idle;
    uint64_t region; /* counts calls of qn_parallel */
    bool is_open;    /* workers may still join the region */
    bool is_closing; /* the pool goes */
    int32_t joined;  /* workers inside the region */

    qn_task *task; /* written before the region opens */
    void *arg;
    int64_t n_tasks;
    atomic_int_fast64_t next;
    atomic_bool stop;
    atomic_bool is_running;
};

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Takes tasks until there is none or one has failed. A task once taken is run, so the lowest task
 * that fails is the same for any number of threads. */
static void work(qn_pool *pool, pool_worker *self)
{
    while (!atomic_load_explicit(&pool->stop, memory_order_relaxed)) {
        const int64_t task = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        const int64_t start = now_ns();
        qn_status st;

        if (task >= pool->n_tasks)
            break;
        st = qn_check_cancel(pool->ctx);
        if (st == QN_OK) {
            st = pool->task(pool->arg, task, self->thread);
            atomic_store_explicit(&self->has_worked, true, memory_order_relaxed);
            atomic_fetch_add_explicit(&self->busy_ns, now_ns() - start, memory_order_relaxed);
        }
        if (st != QN_OK) {
            self->failed_task = task;
            self->failed_status = st;
            atomic_store_explicit(&pool->stop, true, memory_order_relaxed);
        }
    }
}

static void *worker_main(void *arg)
{
    pool_worker *self = arg;
    qn_pool *pool = self->pool;
    uint64_t seen = 0;

    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->is_closing && !(pool->is_open && pool->region != seen))
            pthread_cond_wait(&pool->wake, &pool->lock);
        if (pool->is_closing)
            break;
        seen = pool->region;
        pool->joined++;
        pthread_mutex_unlock(&pool->lock);
        work(pool, self);
        pthread_mutex_lock(&pool->lock);
        if (--pool->joined == 0)
            pthread_cond_signal(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Where a thread cannot be had the pool goes on with those it has. */
static void pool_start(qn_pool *pool)
{
    if (pool->started > 0)
        return;
    for (pool->started = 1; pool->started < pool->threads; pool->started++) {
        pool_worker *worker = &pool->worker[pool->started];

        if (qn_thread_start(&worker->id, worker_main, worker) != 0)
            break;
    }
}

qn_status qn_pool_create(qn_context *ctx, int32_t threads, qn_pool **pool)
{
    qn_status st = QN_OK;
    qn_pool *made = NULL;

    *pool = NULL;
    if (threads < 1 || threads > 4096)
        return qn_fail(ctx, QN_EINVAL, "--threads %d is out of range: 1 to 4096", threads);
    QN_NEW0(ctx, made, 1, "threads");
    made->ctx = ctx;
    made->threads = threads;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->wake, NULL);
    pthread_cond_init(&made->idle, NULL);
    QN_NEW0(ctx, made->worker, threads, "threads");
    QN_NEW0(ctx, made->slot, threads, "threads");
    for (int32_t i = 0; i < threads; i++) {
        made->worker[i].pool = made;
        made->worker[i].thread = i;
    }
    *pool = made;
    made = NULL;
done:
    qn_pool_free(made);
    return st;
}

void qn_pool_free(qn_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->is_closing = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int32_t i = 1; i < pool->started; i++)
        pthread_join(pool->worker[i].id, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->idle);
    pthread_mutex_destroy(&pool->lock);
    qn_free(pool->slot);
    qn_free(pool->worker);
    qn_free(pool);
}

int32_t qn_pool_threads(const qn_pool *pool)
{
    return pool->threads;
}

/* From here on each thread's failures go to its own slot. */
static void region_open(qn_pool *pool)
{
    pool->worker[0].id = pthread_self();
    for (int32_t i = 0; i < pool->started; i++) {
        pool->worker[i].failed_task = -1;
        pool->slot[i].owner = pool->worker[i].id;
        pool->slot[i].status = QN_OK;
        pool->slot[i].text[0] = '\0';
    }
    pthread_mutex_lock(&pool->ctx->lock);
    pool->ctx->error_slot = pool->slot;
    pool->ctx->n_error_slots = pool->started;
    pthread_mutex_unlock(&pool->ctx->lock);
    pthread_mutex_lock(&pool->lock);
    pool->region++;
    pool->is_open = true;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

/* Waits for the workers that joined; those that did not wake in time are not waited for. */
static qn_status region_close(qn_pool *pool)
{
    int32_t first = -1;

    pthread_mutex_lock(&pool->lock);
    pool->is_open = false;
    while (pool->joined > 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    for (int32_t i = 0; i < pool->started; i++) {
        const int64_t failed = pool->worker[i].failed_task;

        if (failed >= 0 && (first < 0 || failed < pool->worker[first].failed_task))
            first = i;
    }
    pthread_mutex_lock(&pool->ctx->lock);
    pool->ctx->n_error_slots = 0;
    if (first >= 0) {
        pool->ctx->error_status = pool->slot[first].status;
        snprintf(pool->ctx->error, QN_ERROR_BYTES, "%s", pool->slot[first].text);
    }
    pthread_mutex_unlock(&pool->ctx->lock);
    return first < 0 ? QN_OK : pool->worker[first].failed_status;
}

qn_status qn_parallel(qn_context *ctx, int64_t n_tasks, qn_task *task, void *arg)
{
    qn_pool *pool = ctx->pool;
    qn_status st;

    if (atomic_exchange(&pool->is_running, true))
        return qn_fail(ctx, QN_EINTERNAL, "a parallel loop was started inside another");
    pool->task = task;
    pool->arg = arg;
    pool->n_tasks = n_tasks;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->stop, false);
    if (n_tasks > 1 && pool->threads > 1) {
        pool_start(pool);
        region_open(pool);
        work(pool, &pool->worker[0]);
        st = region_close(pool);
    } else {
        pool->worker[0].failed_task = -1;
        work(pool, &pool->worker[0]);
        st = pool->worker[0].failed_task < 0 ? QN_OK : pool->worker[0].failed_status;
    }
    atomic_store(&pool->is_running, false);
    return st;
}

int32_t qn_pool_threads_used(const qn_pool *pool)
{
    int32_t used = 0;

    for (int32_t i = 0; i < pool->threads; i++)
        used += atomic_load_explicit(&pool->worker[i].has_worked, memory_order_relaxed);
    return used;
}

double qn_pool_busy_seconds(const qn_pool *pool)
{
    double sum = 0.0;

    for (int32_t i = 0; i < pool->threads; i++)
        sum += (double)atomic_load_explicit(&pool->worker[i].busy_ns, memory_order_relaxed) * 1e-9;
    return sum;
}
