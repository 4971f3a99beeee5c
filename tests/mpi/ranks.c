/* mpi_ranks FLAVOUR CASE: one rank of a test of the MPI communicator; the scripts beside it start
 * as many as they need. Exits with 0 if this rank saw what the case asks for; what it saw goes to
 * standard output. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/system.h"
#include "engine/comm_module.h"

#define PIECE ((size_t)2 << 20) /* that comm_mpi.c cuts messages into */

static void nap(double seconds)
{
    const struct timespec length = {.tv_sec = (time_t)seconds,
                                    .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&length, NULL);
}

/* The byte that `from` sends to `to` at place i: shows every mix-up of ranks and pieces. */
static unsigned char byte_of(int32_t from, int32_t to, size_t i)
{
    return (unsigned char)(131 * (size_t)from + 37 * (size_t)to + i + (i >> 8) + (i >> 21));
}

static size_t sum(const size_t *bytes, int32_t n)
{
    size_t all = 0;

    for (int32_t r = 0; r < n; r++)
        all += bytes[r];
    return all;
}

/* Bytes from one rank to another in round `round`: nothing, little, and around whole pieces. */
static size_t parcel(int32_t from, int32_t to, int32_t round)
{
    static const size_t sizes[] = {0, 1, 17, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 5};

    return sizes[(from * 3 + to * 5 + round) % 8];
}

static qn_status exchange_round(qn_context *ctx, int32_t round)
{
    const int32_t me = qn_rank(ctx), size = qn_size(ctx);
    size_t out[64], in[64], at = 0;
    unsigned char *send = NULL, *recv = NULL;
    qn_status st = QN_OK;

    for (int32_t r = 0; r < size; r++) {
        out[r] = parcel(me, r, round);
        in[r] = parcel(r, me, round);
    }
    QN_NEW(ctx, send, (int64_t)sum(out, size), "sent");
    QN_NEW(ctx, recv, (int64_t)sum(in, size), "received");
    for (int32_t r = 0; r < size; r++)
        for (size_t i = 0; i < out[r]; i++)
            send[at++] = byte_of(me, r, i);
    QN_TRY(qn_comm_exchange(ctx, send, out, recv, in));
    at = 0;
    for (int32_t r = 0; r < size; r++)
        for (size_t i = 0; i < in[r]; i++)
            if (recv[at++] != byte_of(r, me, i))
                st = qn_fail(ctx, QN_EINTERNAL, "exchange %d: byte %zu from %d is wrong", round, i,
                             r);
done:
    qn_free(send);
    qn_free(recv);
    return st;
}

/* With what is sent apart, or in its place among what is received. */
static qn_status allgather_round(qn_context *ctx, int32_t round)
{
    const int32_t me = qn_rank(ctx), size = qn_size(ctx);
    size_t in[64], at = 0;
    unsigned char *apart = NULL, *recv = NULL, *send;
    qn_status st = QN_OK;

    for (int32_t r = 0; r < size; r++)
        in[r] = parcel(r, 0, round);
    QN_NEW(ctx, apart, (int64_t)in[me], "sent");
    QN_NEW(ctx, recv, (int64_t)sum(in, size), "received");
    send = round % 2 ? apart : recv + sum(in, me);
    for (size_t i = 0; i < in[me]; i++)
        send[i] = byte_of(me, 0, i);
    QN_TRY(qn_comm_allgatherv(ctx, send, in[me], recv, in));
    for (int32_t r = 0; r < size; r++)
        for (size_t i = 0; i < in[r]; i++)
            if (recv[at++] != byte_of(r, 0, i))
                st = qn_fail(ctx, QN_EINTERNAL, "allgather %d: byte %zu of %d is wrong", round, i,
                             r);
done:
    qn_free(apart);
    qn_free(recv);
    return st;
}

static qn_status broadcast_round(qn_context *ctx, int32_t round)
{
    const int32_t root = round % qn_size(ctx);
    const size_t bytes = parcel(0, 0, round);
    unsigned char *data = NULL;
    qn_status st = QN_OK;

    QN_NEW0(ctx, data, (int64_t)bytes, "told");
    for (size_t i = 0; i < bytes && qn_rank(ctx) == root; i++)
        data[i] = byte_of(root, 1, i);
    QN_TRY(qn_comm_broadcast(ctx, data, bytes, root));
    for (size_t i = 0; i < bytes; i++)
        if (data[i] != byte_of(root, 1, i))
            st = qn_fail(ctx, QN_EINTERNAL, "broadcast %d: byte %zu is wrong", round, i);
done:
    qn_free(data);
    return st;
}

static qn_status case_collectives(qn_context *ctx)
{
    const int64_t me = qn_rank(ctx), size = qn_size(ctx);
    qn_status st = QN_OK;

    for (int32_t round = 0; round < 16; round++) {
        int64_t sums[2] = {me, -me}, low = me, high = me;

        QN_TRY_ALL(exchange_round(ctx, round));
        QN_TRY_ALL(allgather_round(ctx, round));
        QN_TRY_ALL(broadcast_round(ctx, round));
        QN_TRY(qn_comm_barrier(ctx));
        QN_TRY(qn_comm_sum_int64(ctx, sums, 2));
        QN_TRY(qn_comm_min_int64(ctx, &low, 1));
        QN_TRY(qn_comm_max_int64(ctx, &high, 1));
        if (sums[0] != size * (size - 1) / 2 || sums[1] != -sums[0] || low != 0 || high != size - 1)
            st = qn_fail(ctx, QN_EINTERNAL, "sums are wrong");
        QN_TRY_ALL(st);
    }
    printf("crowded %d, ranks here %d, hosts %d, %s\n", ctx->comm->is_crowded,
           (int)qn_comm_ranks_here(ctx), (int)qn_comm_n_hosts(ctx), qn_comm_host_of(ctx, 0));
done:
    return st;
}

/* More than 2^31 bytes from rank 0 to rank 1. Those that are sent were never written, so they take
 * no memory. */
static qn_status case_huge(qn_context *ctx)
{
    const size_t bytes = ((size_t)1 << 31) + 12345;
    size_t out[64] = {0}, in[64] = {0};
    unsigned char *data = NULL;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_rank(ctx) < 2 ? qn_calloc_array(ctx, (void **)&data, (int64_t)bytes, 1, "huge")
                                : QN_OK);
    if (qn_rank(ctx) == 0) {
        out[1] = bytes;
        data[0] = 1;
        data[bytes / 2] = 2;
        data[bytes - 1] = 3;
    }
    if (qn_rank(ctx) == 1)
        in[0] = bytes;
    QN_TRY(qn_comm_exchange(ctx, data, out, data, in));
    if (qn_rank(ctx) == 1 && (data[0] != 1 || data[bytes / 2] != 2 || data[bytes - 1] != 3))
        st = qn_fail(ctx, QN_EINTERNAL, "huge: wrong bytes");
    if (qn_rank(ctx) == 1 && ctx->comm->bytes_moved < (int64_t)bytes)
        st = qn_fail(ctx, QN_EINTERNAL, "huge: %lld bytes counted",
                     (long long)ctx->comm->bytes_moved);
    QN_TRY_ALL(st);
done:
    qn_free(data);
    return st;
}

/* Bytes moved are those received from others, exactly. */
static qn_status case_bytes(qn_context *ctx)
{
    const int32_t me = qn_rank(ctx), size = qn_size(ctx);
    size_t in[64], out[64];
    char all[64 * 100] = {0};
    int64_t expected = 0;
    qn_status st = QN_OK;

    for (int32_t r = 0; r < size; r++) {
        in[r] = (size_t)(10 + r);
        out[r] = (size_t)(10 + me);
        expected += r == me ? 0 : 10 + r;
    }
    ctx->comm->bytes_moved = 0;
    QN_TRY(qn_comm_allgatherv(ctx, all + sum(in, me), in[me], all, in));
    QN_TRY(qn_comm_exchange(ctx, all, out, all + 3200, in));
done:
    if (st == QN_OK && ctx->comm->bytes_moved != 2 * expected)
        st = qn_fail(ctx, QN_EINTERNAL, "%lld bytes counted", (long long)ctx->comm->bytes_moved);
    return st;
}

/* Rank 1 fails where all agree: all have its text, with its place, and can go on. */
static qn_status case_agree(qn_context *ctx)
{
    const qn_status local = qn_rank(ctx) == 1 ? qn_fail(ctx, QN_EDATA, "line 7 is bad") : QN_OK;
    char expected[128];

    snprintf(expected, sizeof expected, "worker 1 on %s: line 7 is bad", qn_comm_host_of(ctx, 1));
    if (qn_comm_agree(ctx, local) != QN_EDATA || strcmp(qn_context_error(ctx), expected) != 0)
        return qn_fail(ctx, QN_EINTERNAL, "heard: %s", qn_context_error(ctx));
    return qn_comm_barrier(ctx);
}

/* What the others saw of rank 1; they leave as after any failure. */
static qn_status expect_failure(qn_context *ctx, qn_status st, qn_status wanted, const char *text,
                                double start, double least, double most)
{
    const double seconds = qn_seconds() - start;

    printf("rank %d after %.2f s: %s\n", (int)qn_rank(ctx), seconds, qn_context_error(ctx));
    fflush(stdout);
    if (st != wanted || !strstr(qn_context_error(ctx), text) || seconds < least || seconds > most)
        printf("rank %d: WRONG\n", (int)qn_rank(ctx));
    if (qn_comm_barrier(ctx) != wanted)
        printf("rank %d: WRONG: the communicator goes on\n", (int)qn_rank(ctx));
    fflush(stdout);
    return st;
}

static qn_status case_abort(qn_context *ctx)
{
    const double start = qn_seconds();

    if (qn_rank(ctx) == 1) {
        qn_fail(ctx, QN_EDATA, "the disk is on fire");
        qn_comm_abort(ctx);
        return QN_EDATA;
    }
    return expect_failure(ctx, qn_comm_barrier(ctx), QN_EDATA, "the disk is on fire", start, 0, 2);
}

static qn_status case_deadline(qn_context *ctx)
{
    const double start = qn_seconds();
    qn_status st;

    ctx->comm->deadline_seconds = 1;
    if (qn_rank(ctx) == 1)
        nap(3);
    st = qn_comm_agree(ctx, QN_OK);
    if (qn_rank(ctx) == 1 && st == QN_OK) /* the first may have been under way */
        st = qn_comm_agree(ctx, QN_OK);
    return expect_failure(ctx, st, QN_EIO, "heard nothing from worker 1 on", start, 1,
                          qn_rank(ctx) == 1 ? 5 : 2.5);
}

static qn_status case_stopped(qn_context *ctx)
{
    const double start = qn_seconds();

    ctx->comm->deadline_seconds = 1;
    if (qn_rank(ctx) == 1) {
        raise(SIGSTOP);
        return qn_comm_agree(ctx, QN_OK); /* once woken: what the others had sent, or their end */
    }
    return expect_failure(ctx, qn_comm_agree(ctx, QN_OK), QN_EIO, "heard nothing from worker 1 on",
                          start, 1, 2.5);
}

static qn_status case_killed(qn_context *ctx)
{
    ctx->comm->deadline_seconds = 5;
    if (qn_rank(ctx) == 1)
        raise(SIGKILL);
    return qn_comm_barrier(ctx);
}

static qn_status case_early_exit(qn_context *ctx)
{
    ctx->comm->deadline_seconds = 5;
    if (qn_rank(ctx) == 1)
        _exit(7);
    return qn_comm_barrier(ctx);
}

static qn_status case_cancel(qn_context *ctx)
{
    const double start = qn_seconds();
    qn_status st;

    if (qn_rank(ctx) == 1)
        nap(4);
    else
        qn_context_cancel(ctx, SIGTERM);
    st = qn_comm_barrier(ctx); /* the first may have been under way */
    if (qn_rank(ctx) == 1 && st == QN_OK)
        st = qn_comm_barrier(ctx);
    return expect_failure(ctx, st, QN_ECANCELLED, "interrupted by signal 15", start, 2, 5);
}

/* Sizes that do not match are a defect that is told, not a hang or a wild write. */
static qn_status case_sizes(qn_context *ctx)
{
    size_t bytes[64];
    char data[64 * 8] = {0};

    for (int32_t r = 0; r < qn_size(ctx); r++)
        bytes[r] = 4;
    ctx->comm->deadline_seconds = 2;
    if (qn_rank(ctx) == 1)
        bytes[1] = 2;
    return qn_comm_allgatherv(ctx, data, bytes[qn_rank(ctx)], data + 256, bytes) != QN_OK
               ? QN_EINTERNAL
               : QN_OK;
}

/* What waiting costs the others: rank 0 keeps a core for 2 s while they wait. */
static qn_status case_wait(qn_context *ctx)
{
    const double cpu = qn_cpu_seconds(), start = qn_seconds();
    qn_status st;

    while (qn_rank(ctx) == 0 && qn_seconds() - start < 2)
        ;
    st = qn_comm_barrier(ctx);
    if (qn_rank(ctx) > 0) {
        printf("waited %.3f s on %.3f s of processor\n", qn_seconds() - start,
               qn_cpu_seconds() - cpu);
        if (st == QN_OK && qn_cpu_seconds() - cpu > 0.2)
            st = qn_fail(ctx, QN_EINTERNAL, "waiting burns the processor");
    }
    return qn_comm_agree(ctx, st);
}

/* How long small and large collectives take. */
static qn_status case_speed(qn_context *ctx)
{
    const int64_t n = 1 << 22;
    const int32_t size = qn_size(ctx);
    qn_status st = QN_OK;
    size_t bytes[64];
    float *all = NULL;
    double start = qn_seconds();

    for (int32_t i = 0; i < 2000; i++)
        QN_TRY(qn_comm_agree(ctx, QN_OK));
    if (qn_rank(ctx) == 0)
        printf("agree %.1f us", (qn_seconds() - start) / 2000 * 1e6);
    QN_NEW0(ctx, all, n * size, "speed");
    for (int32_t r = 0; r < size; r++)
        bytes[r] = (size_t)n * sizeof *all;
    start = qn_seconds();
    for (int32_t i = 0; i < 5; i++)
        QN_TRY(qn_comm_allgatherv(ctx, all + qn_rank(ctx) * n, bytes[0], all, bytes));
    if (qn_rank(ctx) == 0)
        printf(", allgather of 16 MiB each %.1f ms\n", (qn_seconds() - start) / 5 * 1e3);
done:
    qn_free(all);
    return st;
}

static size_t private_memory(void)
{
    qn_memory_use use;

    qn_memory_use_read(&use);
    return use.rss_anon + use.rss_shmem;
}

/* What MPI takes beyond what it asks the budget for, after large messages with every rank: at most
 * what the budget was charged for it. `before_mpi` is what the process took then. */
static qn_status check_memory(qn_context *ctx, size_t before_mpi)
{
    const int64_t n = (int64_t)32 << 20;
    const int32_t size = qn_size(ctx);
    const size_t reserve = qn_comm_reserve(ctx->comm->ops->name, size);
    qn_status st = QN_OK;
    size_t bytes[64], taken;
    char *all = NULL;

    for (int32_t r = 0; r < size; r++)
        bytes[r] = (size_t)n / (size_t)size;
    QN_NEW0(ctx, all, n, "messages");
    for (int32_t i = 0; i < 3; i++) {
        QN_TRY(
            qn_comm_allgatherv(ctx, all + (size_t)qn_rank(ctx) * bytes[0], bytes[0], all, bytes));
        QN_TRY(qn_comm_agree(ctx, QN_OK));
    }
    qn_free(all);
    all = NULL;
    taken = private_memory() - before_mpi;
    printf("rank %d of %d: MPI takes %.1f MB of %.1f\n", (int)qn_rank(ctx), (int)size,
           (double)taken * 1e-6, (double)reserve * 1e-6);
    if (taken > reserve || qn_budget_used(ctx->budget) < reserve)
        st = qn_fail(ctx, QN_EINTERNAL, "%zu bytes are taken, %zu reserved, %zu in the budget",
                     taken, reserve, qn_budget_used(ctx->budget));
    st = qn_comm_agree(ctx, st);
done:
    qn_free(all);
    return st;
}

static const struct {
    const char *name;
    qn_status (*run)(qn_context *ctx);
} cases[] = {
    {"collectives", case_collectives},
    {"huge", case_huge},
    {"bytes", case_bytes},
    {"agree", case_agree},
    {"abort", case_abort},
    {"deadline", case_deadline},
    {"stopped", case_stopped},
    {"killed", case_killed},
    {"early_exit", case_early_exit},
    {"cancel", case_cancel},
    {"sizes", case_sizes},
    {"wait", case_wait},
    {"speed", case_speed},
};

/* What the program does: a rank that gives up is heard by the others wherever they are, in opening
 * too, and each leaves with the code of that failure. */
int main(int argc, char **argv)
{
    const qn_context_options options = {.memory = (size_t)6 << 30, .threads = 1};
    qn_status (*run)(qn_context * ctx) = NULL;
    qn_context *ctx = NULL;
    const bool is_memory = argc == 3 && strcmp(argv[2], "memory") == 0;
    size_t before_mpi;
    qn_status st;
    int code;

    for (size_t i = 0; argc == 3 && i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(cases[i].name, argv[2]) == 0)
            run = cases[i].run;
    if ((!run && !is_memory) || qn_context_create(&options, &ctx) != QN_OK)
        return 99;
    before_mpi = private_memory();
    st = qn_comm_open(ctx, argv[1]);
    if (st == QN_OK)
        st = is_memory ? check_memory(ctx, before_mpi) : run(ctx);
    code = qn_status_exit_code(st);
    if (code != 0)
        fprintf(stderr, "rank %d ends with %d: %s\n", (int)qn_rank(ctx), code,
                qn_context_error(ctx));
    if (qn_alloc_live(ctx) != 0) {
        printf("WRONG: %lld blocks are left\n", (long long)qn_alloc_live(ctx));
        code = 97;
    }
    fflush(stdout);
    qn_comm_leave(ctx, code);
    qn_context_free(ctx);
    return code;
}
