/* What every kind of communicator shares: the collectives that are made of others, and the counting
 * of bytes moved. */
#include "engine/comm.h"

#include <string.h>

#include "base/alloc.h"

int32_t qn_rank(const qn_context *ctx)
{
    return ctx->comm ? ctx->comm->rank : 0;
}

int32_t qn_size(const qn_context *ctx)
{
    return ctx->comm ? ctx->comm->size : 1;
}

const char *qn_comm_host_of(const qn_context *ctx, int32_t rank)
{
    return ctx->comm && ctx->comm->place ? ctx->comm->place[rank].host : NULL;
}

int32_t qn_comm_ranks_here(const qn_context *ctx)
{
    const qn_comm *comm = ctx->comm;
    int32_t n = 0;

    if (!comm || !comm->place)
        return 1;
    for (int32_t r = 0; r < comm->size; r++)
        n += comm->place[r].host_number == comm->place[comm->rank].host_number;
    return n;
}

int32_t qn_comm_n_hosts(const qn_context *ctx)
{
    const qn_comm *comm = ctx->comm;
    int32_t last = 0;

    for (int32_t r = 0; comm && comm->place && r < comm->size; r++)
        last = comm->place[r].host_number > last ? comm->place[r].host_number : last;
    return last + 1;
}

static void count_moved(qn_context *ctx, size_t bytes)
{
    ctx->comm->bytes_moved += (int64_t)bytes;
    atomic_fetch_add_explicit(&ctx->traffic.moved, (long long)bytes, memory_order_relaxed);
}

static void count_received(qn_context *ctx, const size_t *bytes)
{
    for (int32_t r = 0; r < ctx->comm->size; r++)
        if (r != ctx->comm->rank)
            count_moved(ctx, bytes[r]);
}

qn_status qn_comm_allgatherv(qn_context *ctx, const void *send, size_t send_bytes, void *recv,
                             const size_t *recv_bytes)
{
    count_received(ctx, recv_bytes);
    return ctx->comm->ops->allgatherv(ctx, send, send_bytes, recv, recv_bytes);
}

qn_status qn_comm_exchange(qn_context *ctx, const void *send, const size_t *send_bytes, void *recv,
                           const size_t *recv_bytes)
{
    count_received(ctx, recv_bytes);
    return ctx->comm->ops->exchange(ctx, send, send_bytes, recv, recv_bytes);
}

qn_status qn_comm_broadcast(qn_context *ctx, void *data, size_t bytes, int32_t root)
{
    if (ctx->comm->rank != root)
        count_moved(ctx, bytes);
    return ctx->comm->ops->broadcast(ctx, data, bytes, root);
}

qn_status qn_comm_barrier(qn_context *ctx)
{
    return ctx->comm->ops->barrier(ctx);
}

void qn_comm_abort(qn_context *ctx)
{
    if (ctx->comm)
        ctx->comm->ops->abort(ctx);
}

void qn_comm_leave(qn_context *ctx, int exit_code)
{
    if (ctx->comm && ctx->comm->ops->leave)
        ctx->comm->ops->leave(ctx, exit_code);
}

/* An exchange in which only `root` receives. */
qn_status qn_comm_gather(qn_context *ctx, const void *send, size_t send_bytes, void *recv,
                         const size_t *recv_bytes, int32_t root)
{
    const int32_t size = ctx->comm->size;
    qn_status st = QN_OK;
    size_t *to = NULL, *from = NULL;

    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&to, size, sizeof *to, "gather sizes"));
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&from, size, sizeof *from, "gather sizes"));
    to[root] = send_bytes;
    if (ctx->comm->rank == root)
        memcpy(from, recv_bytes, (size_t)size * sizeof *from);
    QN_TRY(qn_comm_exchange(ctx, send, to, recv, from));
done:
    qn_free(to);
    qn_free(from);
    return st;
}

qn_status qn_comm_allgather(qn_context *ctx, const void *bytes, size_t n, void **all, size_t *n_all)
{
    const int32_t size = qn_size(ctx);
    qn_status st = QN_OK;
    size_t *each = NULL, *eight = NULL;

    *all = NULL;
    *n_all = 0;
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&each, size, sizeof *each, "gathering"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&eight, size, sizeof *eight, "gathering"));
    for (int32_t r = 0; r < size; r++)
        eight[r] = sizeof n;
    QN_TRY(qn_comm_allgatherv(ctx, &n, sizeof n, each, eight));
    for (int32_t r = 0; r < size; r++)
        *n_all += each[r];
    QN_TRY_ALL(qn_alloc_array(ctx, all, (int64_t)*n_all, 1, "what all workers send"));
    QN_TRY(qn_comm_allgatherv(ctx, bytes, n, *all, each));
done:
    if (st != QN_OK) {
        qn_free(*all);
        *all = NULL;
    }
    qn_free(each);
    qn_free(eight);
    return st;
}

typedef int64_t combine(int64_t a, int64_t b);

static int64_t combine_sum(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t combine_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t combine_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Above this many numbers each rank combines a slice of them: all of them from every rank would
 * take memory and move bytes with the square of the ranks. */
#define COMBINE_WHOLE 4096

/* What the slices of all ranks take. */
static void cut_slices(int64_t n, int32_t size, size_t *bytes)
{
    for (int32_t r = 0; r < size; r++)
        bytes[r] = (size_t)(n * (r + 1) / size - n * r / size) * sizeof(int64_t);
}

static qn_status combine_slices(qn_context *ctx, int64_t *values, int64_t n, combine *op)
{
    const int32_t size = ctx->comm->size, rank = ctx->comm->rank;
    const int64_t first = n * rank / size, own = n * (rank + 1) / size - first;
    qn_status st = QN_OK;
    int64_t *all = NULL;
    size_t *slice = NULL, *mine = NULL;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&all, own * size, sizeof *all, "sums of all workers"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&slice, size, sizeof *slice, "sums of all workers"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&mine, size, sizeof *mine, "sums of all workers"));
    cut_slices(n, size, slice);
    for (int32_t r = 0; r < size; r++)
        mine[r] = slice[rank];
    QN_TRY(qn_comm_exchange(ctx, values, slice, all, mine));
    for (int64_t i = 0; i < own; i++) {
        values[first + i] = all[i];
        for (int32_t r = 1; r < size; r++)
            values[first + i] = op(values[first + i], all[r * own + i]);
    }
    QN_TRY(qn_comm_allgatherv(ctx, values + first, slice[rank], values, slice));
done:
    qn_free(all);
    qn_free(slice);
    qn_free(mine);
    return st;
}

static qn_status all_combine(qn_context *ctx, int64_t *values, int64_t n, combine *op)
{
    const int32_t size = ctx->comm->size;
    const size_t bytes = (size_t)n * sizeof *values;
    qn_status st = QN_OK;
    int64_t *all = NULL;
    size_t *counts = NULL;

    if (n > COMBINE_WHOLE)
        return combine_slices(ctx, values, n, op);
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&all, n * size, sizeof *all, "sums of all workers"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&counts, size, sizeof *counts, "sums of all workers"));
    for (int32_t r = 0; r < size; r++)
        counts[r] = bytes;
    QN_TRY(qn_comm_allgatherv(ctx, values, bytes, all, counts));
    memcpy(values, all, bytes);
    for (int32_t r = 1; r < size; r++)
        for (int64_t i = 0; i < n; i++)
            values[i] = op(values[i], all[r * n + i]);
done:
    qn_free(all);
    qn_free(counts);
    return st;
}

double qn_comm_combine_bytes(int64_t n, int32_t size)
{
    const double whole = (double)n * sizeof(int64_t) * (size - 1);

    return n > COMBINE_WHOLE ? 2 * whole : whole * size;
}

qn_status qn_comm_sum_int64(qn_context *ctx, int64_t *values, int64_t n)
{
    return all_combine(ctx, values, n, combine_sum);
}

qn_status qn_comm_max_int64(qn_context *ctx, int64_t *values, int64_t n)
{
    return all_combine(ctx, values, n, combine_max);
}

qn_status qn_comm_min_int64(qn_context *ctx, int64_t *values, int64_t n)
{
    return all_combine(ctx, values, n, combine_min);
}

/* Says which worker a failure comes from, unless all have the same. */
static void name_worker(qn_context *ctx, qn_status local, const int32_t *all)
{
    const qn_comm *comm = ctx->comm;
    bool is_common = true;

    for (int32_t r = 0; r < comm->size; r++)
        is_common = is_common && all[r] == all[comm->rank];
    if (comm->place && !is_common && local != QN_ECANCELLED)
        qn_fail_prefix(ctx, local, "worker %d on %s", (int)comm->rank,
                       comm->place[comm->rank].host);
}

/* Needs no memory of its own beyond the stack, so that it can report that there is none. The worst
 * is the failure of the lowest rank: one rule, the same text everywhere. A rank that has nothing to
 * work on sees here that it should stop. */
qn_status qn_comm_agree(qn_context *ctx, qn_status local)
{
    qn_comm *comm = ctx->comm;
    int32_t mine;
    int32_t all[QN_MAX_RANKS];
    size_t counts[QN_MAX_RANKS] = {0};
    char text[QN_ERROR_BYTES];
    int32_t worst = 0;
    qn_status st;

    if (local == QN_OK)
        local = qn_check_cancel(ctx);
    mine = (int32_t)local;
    for (int32_t r = 0; r < comm->size; r++)
        counts[r] = sizeof mine;
    st = comm->ops->allgatherv(ctx, &mine, sizeof mine, all, counts);
    if (st != QN_OK)
        return local != QN_OK ? local : st;
    while (worst < comm->size && all[worst] == QN_OK)
        worst++;
    comm->has_agreed = worst < comm->size;
    if (!comm->has_agreed)
        return QN_OK;
    if (worst == comm->rank)
        name_worker(ctx, local, all);
    memcpy(text, ctx->error, sizeof text);
    st = comm->ops->broadcast(ctx, text, sizeof text, worst);
    if (st != QN_OK || worst == comm->rank)
        return st != QN_OK ? st : local;
    return qn_fail(ctx, (qn_status)all[worst], "%s", text);
}
