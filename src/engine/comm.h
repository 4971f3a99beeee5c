/* The communicator: how the ranks of one run talk. Three kinds behind one interface: one rank, n
 * ranks as threads of one process (tests), and MPI (a module: comm_module.h). Algorithms are
 * written once for n ranks: never `if (size > 1)`, never rank 0 as a special case except for
 * output.
 *
 * Every call below is collective: all ranks make it, in the same order, with matching sizes. Each
 * returns QN_ECANCELLED, or QN_EIO once the deadline has passed or a rank has aborted; after such a
 * failure the communicator is broken and every further call fails alike. */
#ifndef QN_ENGINE_COMM_H
#define QN_ENGINE_COMM_H

#include <stdbool.h>
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
    /* Wakes every rank that waits, now or later; they fail with this rank's error text. */
    void (*abort)(qn_context *ctx);
    /* The last call of a rank that ends with `exit_code`: see qn_comm_leave. NULL: nothing to do.
     */
    void (*leave)(qn_context *ctx, int exit_code);
    void (*free)(qn_comm *comm);
} qn_comm_ops;

/* Where a rank runs. */
typedef struct qn_rank_place {
    char host[64];
    char kernels[16];    /* the best set that it can run, or was told to */
    int32_t host_number; /* hosts count from 0 in the order of their first rank */
    int32_t cores;       /* its share of its host's, at least 1 */
} qn_rank_place;

struct qn_comm {
    const qn_comm_ops *ops;
    int32_t rank, size;
    double deadline_seconds; /* without a byte arriving in a collective; 0: none */
    int64_t bytes_moved;     /* received from other ranks */
    qn_rank_place *place;    /* [size]; NULL: all in this process */
    bool is_crowded;         /* more ranks here than cores: waiting must give way at once */
    bool has_agreed;         /* the last agreement was on a failure: every rank has it */
    bool is_broken;          /* a collective has failed, or a rank has aborted */
    bool is_told;            /* another rank tells the user why */
    void *impl;
};

int32_t qn_rank(const qn_context *ctx);
int32_t qn_size(const qn_context *ctx);
/* Name of the host that a rank works on; NULL: all ranks are in this process. */
const char *qn_comm_host_of(const qn_context *ctx, int32_t rank);
/* Ranks on this rank's host, itself among them; 1 where all are in this process. */
int32_t qn_comm_ranks_here(const qn_context *ctx);
int32_t qn_comm_n_hosts(const qn_context *ctx);

qn_status qn_comm_allgatherv(qn_context *ctx, const void *send, size_t send_bytes, void *recv,
                             const size_t *recv_bytes);
qn_status qn_comm_exchange(qn_context *ctx, const void *send, const size_t *send_bytes, void *recv,
                           const size_t *recv_bytes);
qn_status qn_comm_broadcast(qn_context *ctx, void *data, size_t bytes, int32_t root);
qn_status qn_comm_barrier(qn_context *ctx);
void qn_comm_abort(qn_context *ctx);
/* The last call of a rank, its output written: `exit_code` 0 after success. Where all is well,
 * waits for the other ranks and shuts MPI down. Where the communicator is broken it ends the other
 * ranks' processes and, MPI knowing no other way, this one. Other kinds of communicator do nothing.
 */
void qn_comm_leave(qn_context *ctx, int exit_code);
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
/* Bytes that all ranks receive together in one of these three. */
double qn_comm_combine_bytes(int64_t n, int32_t size);
/* The worst status of all ranks and, on every rank, its text. Ranks that were fine get it too. A
 * text that is not every rank's own says which worker on which host it comes from. A cancel point:
 * one rank that was asked to stop stops all. */
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
