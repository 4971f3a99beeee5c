/* n ranks as threads of one process. Each collective has two meetings: at the first every rank has
 * put down what it sends, at the second every rank has copied what it receives. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "engine/comm.h"
#include "engine/context_open.h"

#define DEADLINE_SECONDS 60.0

/* What a rank puts down for the others. */
typedef struct rank_desk {
    const char *send;
    const size_t *send_bytes; /* for each rank, or one number if `same` */
    size_t same;
} rank_desk;

typedef struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    int32_t size, here;
    int64_t generation;
    bool aborted;
    rank_desk *desk;
} meeting;

static void deadline_after(double seconds, struct timespec *at)
{
    clock_gettime(CLOCK_REALTIME, at);
    at->tv_sec += (time_t)seconds;
}

/* Waits for all ranks. */
static qn_status meet(qn_context *ctx)
{
    meeting *m = ctx->comm->impl;
    qn_status st = QN_OK;
    struct timespec at;

    deadline_after(ctx->comm->deadline_seconds, &at);
    pthread_mutex_lock(&m->lock);
    const int64_t generation = m->generation;

    if (++m->here == m->size) {
        m->here = 0;
        m->generation++;
        pthread_cond_broadcast(&m->all_here);
    }
    while (!m->aborted && m->generation == generation && st == QN_OK) {
        if (pthread_cond_timedwait(&m->all_here, &m->lock, &at) == ETIMEDOUT) {
            st = QN_EIO;
            m->aborted = true;
            pthread_cond_broadcast(&m->all_here);
        }
    }
    if (m->generation == generation)
        st = QN_EIO;
    pthread_mutex_unlock(&m->lock);
    if (st != QN_OK)
        return qn_fail(ctx, QN_EIO,
                       "worker %d: another worker has stopped or did not answer in %.0f s",
                       ctx->comm->rank, ctx->comm->deadline_seconds);
    return QN_OK;
}

/* Bytes that rank `from` has for rank `to`, and where they begin. */
static const char *parcel(const meeting *m, int32_t from, int32_t to, size_t *bytes)
{
    const rank_desk *d = &m->desk[from];
    size_t start = 0;

    if (!d->send_bytes) {
        *bytes = d->same;
        return d->send;
    }
    for (int32_t r = 0; r < to; r++)
        start += d->send_bytes[r];
    *bytes = d->send_bytes[to];
    return d->send + start;
}

/* Puts down what is sent, takes a parcel from each rank; sizes must match what is expected. */
static qn_status pass_around(qn_context *ctx, const rank_desk *mine, char *recv,
                             const size_t *recv_bytes)
{
    meeting *m = ctx->comm->impl;
    const int32_t rank = ctx->comm->rank;
    qn_status st = QN_OK;
    bool fits = true;

    m->desk[rank] = *mine;
    QN_TRY(meet(ctx));
    for (int32_t from = 0; from < m->size; from++) {
        size_t bytes = 0;
        const char *data = parcel(m, from, rank, &bytes);

        fits = fits && bytes == recv_bytes[from];
        if (fits && bytes > 0 && data != recv)
            memcpy(recv, data, bytes);
        recv += recv_bytes[from];
    }
    QN_TRY(meet(ctx));
    if (!fits)
        return qn_fail(ctx, QN_EINTERNAL, "worker %d: sizes of a collective differ", rank);
done:
    return st;
}

static qn_status threads_allgatherv(qn_context *ctx, const void *send, size_t send_bytes,
                                    void *recv, const size_t *recv_bytes)
{
    const rank_desk mine = {.send = send, .same = send_bytes};

    return pass_around(ctx, &mine, recv, recv_bytes);
}

static qn_status threads_exchange(qn_context *ctx, const void *send, const size_t *send_bytes,
                                  void *recv, const size_t *recv_bytes)
{
    const rank_desk mine = {.send = send, .send_bytes = send_bytes};

    return pass_around(ctx, &mine, recv, recv_bytes);
}

static qn_status threads_broadcast(qn_context *ctx, void *data, size_t bytes, int32_t root)
{
    meeting *m = ctx->comm->impl;
    qn_status st = QN_OK;

    m->desk[ctx->comm->rank] = (rank_desk){.send = data, .same = bytes};
    QN_TRY(meet(ctx));
    if (ctx->comm->rank != root && bytes > 0)
        memcpy(data, m->desk[root].send, bytes);
    QN_TRY(meet(ctx));
done:
    return st;
}

static void threads_abort(qn_context *ctx)
{
    meeting *m = ctx->comm->impl;

    pthread_mutex_lock(&m->lock);
    m->aborted = true;
    pthread_cond_broadcast(&m->all_here);
    pthread_mutex_unlock(&m->lock);
}

static void threads_free(qn_comm *comm)
{
    (void)comm; /* the meeting belongs to qn_run_thread_ranks */
}

static const qn_comm_ops threads_ops = {
    .name = "threads",
    .allgatherv = threads_allgatherv,
    .exchange = threads_exchange,
    .broadcast = threads_broadcast,
    .barrier = meet,
    .abort = threads_abort,
    .free = threads_free,
};

typedef struct rank_job {
    qn_context *ctx;
    qn_rank_body *body;
    void *arg;
    qn_status status;
    pthread_t thread;
    bool started;
} rank_job;

/* A rank that fails wakes the others: they would wait for it in their next collective. */
static void *rank_main(void *arg)
{
    rank_job *job = arg;

    job->status = job->body(job->ctx, job->arg);
    if (job->status != QN_OK)
        qn_comm_abort(job->ctx);
    return NULL;
}

static qn_status rank_open(qn_context *parent, meeting *m, int32_t rank, qn_context **out)
{
    const qn_context_options options = {
        .memory = qn_context_memory(parent),
        .threads = qn_context_threads(parent),
        .kernels = qn_context_kernels(parent),
        .scratch_dir = parent->scratch_dir,
        .module_dir = parent->module_dir,
    };
    qn_status st = qn_context_create(&options, out);

    if (st != QN_OK)
        return qn_fail(parent, st, "no memory for worker %d", rank);
    (*out)->cells = parent->cells;
    *(*out)->comm = (qn_comm){.ops = &threads_ops,
                              .rank = rank,
                              .size = m->size,
                              .deadline_seconds = DEADLINE_SECONDS,
                              .impl = m};
    return QN_OK;
}

/* The first failure by rank; one that only says that another worker has stopped gives way to the
 * reason for it. */
static qn_status first_failure(qn_context *ctx, const rank_job *job, int32_t size)
{
    const rank_job *first = NULL;

    for (int32_t r = 0; r < size; r++) {
        if (job[r].status == QN_OK)
            continue;
        if (!first || (first->status == QN_EIO && job[r].status != QN_EIO))
            first = &job[r];
    }
    return first ? qn_fail(ctx, first->status, "%s", qn_context_error(first->ctx)) : QN_OK;
}

static qn_status run_ranks(qn_context *ctx, rank_job *job, int32_t size)
{
    for (int32_t r = 0; r < size; r++) {
        job[r].started = pthread_create(&job[r].thread, NULL, rank_main, &job[r]) == 0;
        if (!job[r].started) {
            job[r].status = qn_fail(job[r].ctx, QN_ENOMEM, "worker %d: no thread to be had", r);
            qn_comm_abort(job[r].ctx);
        }
    }
    for (int32_t r = 0; r < size; r++)
        if (job[r].started)
            pthread_join(job[r].thread, NULL);
    return first_failure(ctx, job, size);
}

qn_status qn_run_thread_ranks(qn_context *ctx, int32_t size, qn_rank_body *body, void *arg)
{
    meeting m = {.size = size};
    qn_status st = QN_OK;
    rank_job *job = NULL;

    pthread_mutex_init(&m.lock, NULL);
    pthread_cond_init(&m.all_here, NULL);
    QN_NEW0(ctx, m.desk, size, "workers");
    QN_NEW0(ctx, job, size, "workers");
    for (int32_t r = 0; r < size; r++) {
        job[r].body = body;
        job[r].arg = arg;
        QN_TRY(rank_open(ctx, &m, r, &job[r].ctx));
    }
    QN_TRY(run_ranks(ctx, job, size));
done:
    for (int32_t r = 0; job && r < size; r++)
        qn_context_free(job[r].ctx);
    qn_free(job);
    qn_free(m.desk);
    pthread_cond_destroy(&m.all_here);
    pthread_mutex_destroy(&m.lock);
    return st;
}
