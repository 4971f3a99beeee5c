/* One rank: every collective is a copy, or nothing. */
#include <string.h>

#include "engine/comm.h"

static qn_status one_allgatherv(qn_context *ctx, const void *send, size_t send_bytes, void *recv,
                                const size_t *recv_bytes)
{
    (void)ctx;
    (void)recv_bytes;
    if (send != recv && send_bytes > 0)
        memmove(recv, send, send_bytes);
    return QN_OK;
}

static qn_status one_exchange(qn_context *ctx, const void *send, const size_t *send_bytes,
                              void *recv, const size_t *recv_bytes)
{
    return one_allgatherv(ctx, send, send_bytes[0], recv, recv_bytes);
}

static qn_status one_broadcast(qn_context *ctx, void *data, size_t bytes, int32_t root)
{
    (void)ctx;
    (void)data;
    (void)bytes;
    (void)root;
    return QN_OK;
}

static qn_status one_barrier(qn_context *ctx)
{
    (void)ctx;
    return QN_OK;
}

static void one_abort(qn_context *ctx)
{
    (void)ctx;
}

static void one_free(qn_comm *comm)
{
    (void)comm;
}

void qn_comm_one(qn_comm *comm)
{
    static const qn_comm_ops ops = {
        .name = "one",
        .allgatherv = one_allgatherv,
        .exchange = one_exchange,
        .broadcast = one_broadcast,
        .barrier = one_barrier,
        .abort = one_abort,
        .free = one_free,
    };

    *comm = (qn_comm){.ops = &ops, .rank = 0, .size = 1};
}
