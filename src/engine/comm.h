/* The communicator: how the ranks of one run talk. Three kinds behind one interface: one rank, n
 * ranks as threads of one process (tests), and MPI (a module, later). Algorithms are written once
 * for n ranks: never `if (size > 1)`, never rank 0 as a special case except for output.
 *
 * Every call below is collective: all ranks make it, in the same order, with matching sizes. Each
 * returns QN_ECANCELLED, or QN_EIO once the deadline has passed or a rank has aborted. */
#ifndef QN_ENGINE_COMM_H
#define QN_ENGINE_COMM_H

#include <stdint.h>

#include "base/context.h"

#define QN_MAX_RANKS 1024

typedef struct qn_comm qn_comm;

/* What a kind of communicator supplies; everything else is made of these. */
typedef struct qn_comm_ops {
    const char *name;
    /* recv holds the bytes of all ranks in rank order; recv_bytes[size]. send may lie in recv. */
    qn_status (*allgatherv)(qn_context *ctx, const void *send, size_t send_bytes, void *recv,
                            const size_t *recv_bytes);
    /* send holds send_bytes[r] for each rank in rank order, recv likewise. */
    qn_status (*exchange)(qn_context *ctx, const void *send, const size_t *send_bytes, void *recv,
                          const size_t *recv_bytes);
    qn_status (*broadcast)(qn_context *ctx, void *data, size_t bytes, int32_t root);
    qn_status (*barrier)(qn_context *ctx);
    void (*abort)(qn_context *ctx); /* wakes every rank that waits; they fail */
    void (*free)(qn_comm *comm);
} qn_comm_ops;

struct qn_comm {
    const qn_comm_ops *ops;
    int32_t rank, size;
    double deadline_seconds; /* of one collective; 0: none */
    int64_t bytes_moved;     /* received from other ranks */
    void *impl;
};

int32_t qn_rank(const qn_context *ctx);
int32_t qn_size(const qn_context *ctx);

qn_status qn_comm_allgatherv(qn_context *ctx, const void *send, size_t send_bytes, void *recv,
                             const size_t *recv_bytes);
qn_status qn_comm_exchange(qn_context *ctx, const void *send, const size_t *send_bytes, void *recv,
                           const size_t *recv_bytes);
qn_status qn_comm_broadcast(qn_context *ctx, void *data, size_t bytes, int32_t root);
qn_status qn_comm_barrier(qn_context *ctx);
void qn_comm_abort(qn_context *ctx);
/* As allgatherv, but only root needs recv (others pass NULL). */
qn_status qn_comm_gather(qn_context *ctx, const void *send, size_t send_bytes, void *recv,
                         const size_t *recv_bytes, int32_t root);
/* Bytes of all ranks behind one another in rank order, however many each has; the caller frees *all
 * with qn_free. */
qn_status qn_comm_allgather(qn_context *ctx, const void *bytes, size_t n, void **all,
                            size_t *n_all);
/* values[n] become the sums over ranks. Exact. */
qn_status qn_comm_sum_int64(qn_context *ctx, int64_t *values, int64_t n);
qn_status qn_comm_max_int64(qn_context *ctx, int64_t *values, int64_t n);
qn_status qn_comm_min_int64(qn_context *ctx, int64_t *values, int64_t n);
/* The worst status of all ranks and, on every rank, its text. Ranks that were fine get it too. */
qn_status qn_comm_agree(qn_context *ctx, qn_status local);

/* QN_TRY after all ranks have agreed. */
#define QN_TRY_ALL(call) QN_TRY(qn_comm_agree(ctx, (call)))

/* One rank: needs no memory. */
void qn_comm_one(qn_comm *comm);

/* n ranks as threads: runs `body(ctx of the rank, arg)` on each, returns the first failure by rank.
 * Each rank gets a context of its own (options and cells as `ctx`). */
typedef qn_status qn_rank_body(qn_context *ctx, void *arg);
qn_status qn_run_thread_ranks(qn_context *ctx, int32_t size, qn_rank_body *body, void *arg);

#endif
