/* MPI behind the communicator's interface: the one file that sees mpi.h, compiled once for each MPI
 * into a module of its own. All is made of one thing, `pass`: bytes to and from each rank in
 * non-blocking pieces, looked after in a loop that knows the deadline and the cancel flag, lets
 * other processes have the core while nothing comes, and can name the rank it waits for. MPI's own
 * collectives do neither. MPI is called from the rank's main thread only. */
#include <mpi.h>

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/text.h"
#include "engine/comm_module.h"
#include "qn_layout.h"

/* Small enough that a slow network shows progress, large enough for its full speed; byte counts of
 * MPI are ints. */
#define PIECE_BYTES   ((size_t)2 << 20)
#define SENDS_AT_ONCE 8     /* to different ranks, in another order on each */
#define LAST_TAG      30000 /* every MPI has at least 32767 */
#define FAREWELL_TAG  (LAST_TAG + 1)

#define SPINS            200  /* polls that keep the core, where each rank has one */
#define YIELD_SECONDS    1e-3 /* then other processes may have it in between */
#define LONGEST_SLEEP    1e-3
#define CANCEL_SECONDS   2.0 /* after an interrupt the others have this long to come */
#define FAREWELL_SECONDS 0.2
#define SAME_SECONDS     0.5
#define LEAVE_SECONDS    3.0 /* in which rank 0 can close its records */

/* What a rank that gives up tells the others. */
typedef struct farewell {
    int32_t status;
    int32_t rank;
    char text[QN_ERROR_BYTES];
} farewell;

/* What is under way with one rank. */
typedef struct lane {
    const char *send;
    char *recv;
    size_t send_left, recv_left;   /* the piece under way included */
    size_t send_piece, recv_piece; /* under way; 0: none */
} lane;

typedef struct mpi_state {
    MPI_Comm comm;
    int32_t size, rank;
    lane *lane;           /* [size] */
    MPI_Request *request; /* [2 * size + 1]: receives and sends by rank, the farewell of another */
    MPI_Status *status;   /* [2 * size + 1] */
    int *index;           /* [2 * size + 1] */
    MPI_Request *goodbye; /* [size] */
    int tag;
    int32_t distance; /* of the next rank to send to */
    int32_t open;     /* pieces under way */
    int32_t open_sends;
    farewell mine, theirs;
    bool owns_mpi, has_left;
} mpi_state;

static qn_status fail_mpi(qn_context *ctx, int code, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;

    MPI_Error_string(code, text, &length);
    return qn_fail(ctx, QN_EIO, "worker %d on %s: %s failed: %s", (int)ctx->comm->rank,
                   ctx->comm->place ? ctx->comm->place[ctx->comm->rank].host : "this host", what,
                   text);
}

/* Tells every other rank why this one gives up; from here on nothing is received. Small messages
 * leave at once; a rank that is gone cannot hold this up. */
static void say_farewell(qn_context *ctx, qn_status why)
{
    mpi_state *m = ctx->comm->impl;
    const double start = qn_seconds();
    int done = 0;

    ctx->comm->is_broken = true;
    m->mine.status = (int32_t)why;
    m->mine.rank = m->rank;
    snprintf(m->mine.text, sizeof m->mine.text, "%s", qn_context_error(ctx));
    for (int32_t r = 0; r < m->size; r++)
        if (r != m->rank)
            MPI_Isend(&m->mine, (int)sizeof m->mine, MPI_BYTE, r, FAREWELL_TAG, m->comm,
                      &m->goodbye[r]);
    while (!done && qn_seconds() - start < FAREWELL_SECONDS) {
        if (MPI_Testall(m->size, m->goodbye, &done, m->status) != MPI_SUCCESS)
            break;
        sched_yield();
    }
}

static qn_status give_up(qn_context *ctx, qn_status why)
{
    say_farewell(ctx, why);
    return why;
}

/* Another rank has given up: its reason is ours. */
static qn_status hear_farewell(qn_context *ctx)
{
    mpi_state *m = ctx->comm->impl;

    ctx->comm->is_broken = true;
    ctx->comm->is_told = true;
    m->theirs.text[sizeof m->theirs.text - 1] = '\0';
    return qn_fail(ctx, (qn_status)m->theirs.status, "%s", m->theirs.text);
}

static qn_status fail_broken(qn_context *ctx)
{
    mpi_state *m = ctx->comm->impl;

    if (ctx->comm->is_told)
        return hear_farewell(ctx);
    return qn_fail(ctx, (qn_status)m->mine.status, "%s", m->mine.text);
}

/* ---- pieces ---- */

static int receive_piece(mpi_state *m, int32_t from)
{
    lane *l = &m->lane[from];

    l->recv_piece = l->recv_left < PIECE_BYTES ? l->recv_left : PIECE_BYTES;
    if (l->recv_piece == 0)
        return MPI_SUCCESS;
    m->open++;
    return MPI_Irecv(l->recv, (int)l->recv_piece, MPI_BYTE, from, m->tag, m->comm,
                     &m->request[from]);
}

static int send_piece(mpi_state *m, int32_t to)
{
    lane *l = &m->lane[to];

    l->send_piece = l->send_left < PIECE_BYTES ? l->send_left : PIECE_BYTES;
    if (l->send_piece == 0)
        return MPI_SUCCESS;
    m->open++;
    m->open_sends++;
    return MPI_Isend(l->send, (int)l->send_piece, MPI_BYTE, to, m->tag, m->comm,
                     &m->request[m->size + to]);
}

/* Begins to send to further ranks, the next one up first: so no rank is everybody's first. */
static int send_more(mpi_state *m)
{
    int code = MPI_SUCCESS;

    while (m->open_sends < SENDS_AT_ONCE && m->distance < m->size && code == MPI_SUCCESS)
        code = send_piece(m, (m->rank + m->distance++) % m->size);
    return code;
}

static qn_status fail_sizes(qn_context *ctx, int32_t from)
{
    return qn_fail(ctx, QN_EINTERNAL, "worker %d: sizes of a collective differ from worker %d's",
                   (int)ctx->comm->rank, (int)from);
}

static qn_status piece_arrived(qn_context *ctx, int32_t from, const MPI_Status *status)
{
    mpi_state *m = ctx->comm->impl;
    lane *l = &m->lane[from];
    int count = 0;

    m->open--;
    MPI_Get_count(status, MPI_BYTE, &count);
    if (count < 0 || (size_t)count != l->recv_piece)
        return fail_sizes(ctx, from);
    l->recv += l->recv_piece;
    l->recv_left -= l->recv_piece;
    const int code = receive_piece(m, from);

    return code == MPI_SUCCESS ? QN_OK : fail_mpi(ctx, code, "receiving");
}

static qn_status piece_left(qn_context *ctx, int32_t to)
{
    mpi_state *m = ctx->comm->impl;
    lane *l = &m->lane[to];
    int code;

    m->open--;
    m->open_sends--;
    l->send += l->send_piece;
    l->send_left -= l->send_piece;
    code = send_piece(m, to);
    if (code == MPI_SUCCESS)
        code = send_more(m);
    return code == MPI_SUCCESS ? QN_OK : fail_mpi(ctx, code, "sending");
}

/* Looks once; *n is how many pieces have come through. A farewell goes before all else: what came
 * with it may be memory that its sender has given back. */
static qn_status poll_once(qn_context *ctx, int *n)
{
    mpi_state *m = ctx->comm->impl;
    const int all = 2 * m->size + 1;
    const int code = MPI_Testsome(all, m->request, n, m->index, m->status);
    qn_status st = QN_OK;

    if (*n == MPI_UNDEFINED)
        *n = 0;
    if (code != MPI_SUCCESS && code != MPI_ERR_IN_STATUS)
        return fail_mpi(ctx, code, "MPI");
    for (int i = 0; i < *n; i++)
        if (m->index[i] == 2 * m->size)
            return hear_farewell(ctx);
    for (int i = 0; i < *n && st == QN_OK; i++) {
        const int at = m->index[i];

        if (code == MPI_ERR_IN_STATUS && m->status[i].MPI_ERROR != MPI_SUCCESS)
            st = fail_mpi(ctx, m->status[i].MPI_ERROR, at < m->size ? "receiving" : "sending");
        else
            st = at < m->size ? piece_arrived(ctx, at, &m->status[i])
                              : piece_left(ctx, at - m->size);
    }
    return st;
}

/* ---- waiting ---- */

/* "worker 2 on b, worker 5 on c": who has not sent, or else not taken, what is due. */
static void name_missing(qn_context *ctx, qn_string *out)
{
    const mpi_state *m = ctx->comm->impl;
    int32_t n = 0;

    for (int32_t side = 0; side < 2 && n == 0; side++)
        for (int32_t r = 0; r < m->size; r++) {
            if ((side == 0 ? m->lane[r].recv_left : m->lane[r].send_left) == 0)
                continue;
            if (n++ < 4)
                qn_string_addf(out, "%sworker %d on %s", n > 1 ? ", " : "", (int)r,
                               ctx->comm->place ? ctx->comm->place[r].host : "its host");
        }
    if (n > 4)
        qn_string_addf(out, " and %d more", (int)n - 4);
}

static qn_status fail_deadline(qn_context *ctx, double seconds, const char *what)
{
    const qn_comm *comm = ctx->comm;
    qn_string missing = {0};

    name_missing(ctx, &missing);
    qn_fail(ctx, QN_EIO,
            "worker %d on %s: heard nothing from %s for %.3g s in %s: it is stopped, dead or cut "
            "off",
            (int)comm->rank, comm->place ? comm->place[comm->rank].host : "this host",
            qn_string_text(&missing), seconds, what);
    qn_string_release(&missing);
    return QN_EIO;
}

/* Spins for a moment, then lets others run, then sleeps a tenth of the time already waited: late by
 * at most that, and a rank that waits long costs nothing. */
static void idle(double waited)
{
    struct timespec nap = {0};

    if (waited < YIELD_SECONDS) {
        sched_yield();
        return;
    }
    nap.tv_nsec = (long)(1e9 * fmin(waited / 10, LONGEST_SLEEP));
    nanosleep(&nap, NULL);
}

/* What is wrong with waiting on; the lower rank speaks first, so that one tells and others hear. */
static qn_status check_waiting(qn_context *ctx, double waited, double *cancelled_at,
                               const char *what)
{
    const double limit = ctx->comm->deadline_seconds;
    const double turn = 0.05 * (ctx->comm->rank < 20 ? ctx->comm->rank : 20);

    if (limit > 0 && waited > limit + turn)
        return fail_deadline(ctx, waited, what);
    if (qn_check_cancel(ctx) == QN_OK)
        return QN_OK;
    if (*cancelled_at < 0)
        *cancelled_at = waited;
    return waited - *cancelled_at > CANCEL_SECONDS ? qn_check_cancel(ctx) : QN_OK;
}

static qn_status wait_open(qn_context *ctx, const char *what)
{
    mpi_state *m = ctx->comm->impl;
    const int64_t spins = ctx->comm->is_crowded ? 0 : SPINS;
    double since = qn_seconds(), cancelled_at = -1;
    int64_t polls = 0;
    qn_status st = QN_OK;

    while (m->open > 0 && st == QN_OK) {
        int n = 0;

        st = poll_once(ctx, &n);
        if (n > 0) {
            since = qn_seconds();
            polls = 0;
            cancelled_at = -1;
        } else if (st == QN_OK && ++polls > spins) {
            const double waited = qn_seconds() - since;

            idle(waited);
            st = check_waiting(ctx, waited, &cancelled_at, what);
        }
    }
    return st;
}

/* Moves what the lanes say. */
static qn_status pass(qn_context *ctx, const char *what)
{
    mpi_state *m = ctx->comm->impl;
    int code = MPI_SUCCESS;
    qn_status st;

    m->tag = m->tag % LAST_TAG + 1;
    m->open = m->open_sends = 0;
    m->distance = 1;
    for (int32_t r = 0; r < m->size && code == MPI_SUCCESS; r++)
        code = receive_piece(m, r);
    if (code == MPI_SUCCESS)
        code = send_more(m);
    st = code == MPI_SUCCESS ? wait_open(ctx, what) : fail_mpi(ctx, code, what);
    if (st != QN_OK && !ctx->comm->is_broken)
        return give_up(ctx, st);
    return st;
}

static void clear_lanes(mpi_state *m)
{
    memset(m->lane, 0, (size_t)m->size * sizeof *m->lane);
}

/* ---- the operations ---- */

static qn_status mpi_exchange(qn_context *ctx, const void *send, const size_t *send_bytes,
                              void *recv, const size_t *recv_bytes)
{
    mpi_state *m = ctx->comm->impl;
    const char *from = send;
    char *to = recv;

    if (ctx->comm->is_broken)
        return fail_broken(ctx);
    clear_lanes(m);
    for (int32_t r = 0; r < m->size; r++) {
        if (r != m->rank)
            m->lane[r] = (lane){.send = from, .recv = to, send_bytes[r], recv_bytes[r]};
        else if (send_bytes[r] != recv_bytes[r])
            return give_up(ctx, fail_sizes(ctx, r));
        else if (send_bytes[r] > 0 && from != to)
            memmove(to, from, send_bytes[r]);
        from += send_bytes[r];
        to += recv_bytes[r];
    }
    return pass(ctx, "an exchange");
}

static qn_status mpi_allgatherv(qn_context *ctx, const void *send, size_t send_bytes, void *recv,
                                const size_t *recv_bytes)
{
    mpi_state *m = ctx->comm->impl;
    char *to = recv;

    if (ctx->comm->is_broken)
        return fail_broken(ctx);
    if (send_bytes != recv_bytes[m->rank])
        return give_up(ctx, fail_sizes(ctx, m->rank));
    clear_lanes(m);
    for (int32_t r = 0; r < m->size; r++) {
        if (r != m->rank)
            m->lane[r] = (lane){.send = send, .recv = to, send_bytes, recv_bytes[r]};
        else if (send_bytes > 0 && send != (const void *)to)
            memmove(to, send, send_bytes);
        to += recv_bytes[r];
    }
    return pass(ctx, "an allgather");
}

/* Down a binomial tree that hangs from root: rank root + d hears from root + d without d's highest
 * bit, then tells those with a higher one. */
static qn_status mpi_broadcast(qn_context *ctx, void *data, size_t bytes, int32_t root)
{
    mpi_state *m = ctx->comm->impl;
    const int32_t mine = (m->rank - root + m->size) % m->size;
    int32_t bit = 1;
    qn_status st;

    if (ctx->comm->is_broken)
        return fail_broken(ctx);
    while (bit <= mine)
        bit *= 2;
    clear_lanes(m);
    if (mine > 0) {
        lane *l = &m->lane[(mine - bit / 2 + root) % m->size];

        l->recv = data;
        l->recv_left = bytes;
    }
    st = pass(ctx, "a broadcast");
    if (st != QN_OK)
        return st;
    clear_lanes(m);
    for (; mine + bit < m->size; bit *= 2) {
        lane *l = &m->lane[(mine + bit + root) % m->size];

        l->send = data;
        l->send_left = bytes;
    }
    m->tag--; /* one operation, one tag: the receivers are still at the first half */
    return pass(ctx, "a broadcast");
}

/* After round k a rank has heard of the 2^k ranks before it. */
static qn_status mpi_barrier(qn_context *ctx)
{
    mpi_state *m = ctx->comm->impl;
    const char token = 1;
    char heard = 0;
    qn_status st = QN_OK;

    if (ctx->comm->is_broken)
        return fail_broken(ctx);
    for (int32_t step = 1; step < m->size && st == QN_OK; step *= 2) {
        clear_lanes(m);
        m->lane[(m->rank + step) % m->size].send = &token;
        m->lane[(m->rank + step) % m->size].send_left = 1;
        m->lane[(m->rank - step + m->size) % m->size].recv = &heard;
        m->lane[(m->rank - step + m->size) % m->size].recv_left = 1;
        st = pass(ctx, "a barrier");
    }
    return st;
}

static int listen_for_farewell(mpi_state *m)
{
    return MPI_Irecv(&m->theirs, (int)sizeof m->theirs, MPI_BYTE, MPI_ANY_SOURCE, FAREWELL_TAG,
                     m->comm, &m->request[2 * m->size]);
}

/* A failure that all ranks come to by themselves, such as an option that does not fit, is told by
 * the lowest: the others give it a moment. */
static void hear_lower_rank(qn_context *ctx)
{
    mpi_state *m = ctx->comm->impl;
    const struct timespec nap = {.tv_nsec = 1000000};
    const double start = qn_seconds();
    int done = 0;

    while (!ctx->comm->is_told && qn_seconds() - start < SAME_SECONDS) {
        if (MPI_Test(&m->request[2 * m->size], &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
            return;
        if (done && m->theirs.rank < m->rank && strcmp(m->theirs.text, m->mine.text) == 0)
            ctx->comm->is_told = true;
        else if (done && listen_for_farewell(m) != MPI_SUCCESS)
            return;
        nanosleep(&nap, NULL);
    }
}

static void mpi_abort(qn_context *ctx)
{
    if (ctx->comm->is_broken)
        return;
    say_farewell(ctx, ctx->error_status != QN_OK ? ctx->error_status : QN_EIO);
    if (ctx->comm->rank > 0)
        hear_lower_rank(ctx);
}

/* ---- beginning and end ---- */

static void finalize(mpi_state *m)
{
    MPI_Request *hearing = &m->request[2 * m->size];

    m->has_left = true;
    if (*hearing != MPI_REQUEST_NULL) {
        MPI_Cancel(hearing);
        MPI_Wait(hearing, MPI_STATUS_IGNORE);
    }
    MPI_Comm_free(&m->comm);
    if (m->owns_mpi)
        MPI_Finalize();
}

static void mpi_leave(qn_context *ctx, int exit_code)
{
    mpi_state *m = ctx->comm->impl;
    const struct timespec grace = {.tv_sec = (time_t)LEAVE_SECONDS};

    if (m->has_left)
        return;
    if (mpi_barrier(ctx) == QN_OK) {
        finalize(m);
        return;
    }
    m->has_left = true;
    if (exit_code == 0)
        exit_code = qn_status_exit_code(
            (qn_status)(ctx->comm->is_told ? m->theirs.status : m->mine.status));
    if (m->rank != 0)
        nanosleep(&grace, NULL);
    MPI_Abort(m->comm, exit_code);
}

static void mpi_free(qn_comm *comm)
{
    mpi_state *m = comm->impl;

    if (!m->has_left && !comm->is_broken)
        finalize(m);
    qn_free(comm->place);
    qn_free(m->lane);
    qn_free(m->request);
    qn_free(m->status);
    qn_free(m->index);
    qn_free(m->goodbye);
    qn_free(m);
}

static const qn_comm_ops mpi_ops = {
    .name = QN_COMM_FLAVOUR,
    .allgatherv = mpi_allgatherv,
    .exchange = mpi_exchange,
    .broadcast = mpi_broadcast,
    .barrier = mpi_barrier,
    .abort = mpi_abort,
    .leave = mpi_leave,
    .free = mpi_free,
};

static qn_status alloc_state(qn_context *ctx, int32_t size, mpi_state **out)
{
    qn_status st = QN_OK;
    mpi_state *m = NULL;

    QN_NEW0(ctx, m, 1, "communicator");
    QN_NEW0(ctx, m->lane, size, "communicator");
    QN_NEW0(ctx, m->request, 2 * (int64_t)size + 1, "communicator");
    QN_NEW0(ctx, m->status, 2 * (int64_t)size + 1, "communicator");
    QN_NEW0(ctx, m->index, 2 * (int64_t)size + 1, "communicator");
    QN_NEW0(ctx, m->goodbye, size, "communicator");
    for (int32_t i = 0; i < 2 * size + 1; i++)
        m->request[i] = MPI_REQUEST_NULL;
    for (int32_t r = 0; r < size; r++)
        m->goodbye[r] = MPI_REQUEST_NULL;
    *out = m;
done:
    if (st != QN_OK && m) {
        qn_free(m->lane);
        qn_free(m->request);
        qn_free(m->status);
        qn_free(m->index);
        qn_free(m->goodbye);
        qn_free(m);
    }
    return st;
}

/* MPI_Init, unless someone else in this process has done it. */
static qn_status start_mpi(qn_context *ctx, bool *owns_mpi)
{
    int is_up = 0, is_down = 0, level = MPI_THREAD_SINGLE, code;

    MPI_Initialized(&is_up);
    MPI_Finalized(&is_down);
    *owns_mpi = !is_up;
    if (is_down)
        return qn_fail(ctx, QN_EINVAL,
                       "MPI has been shut down in this process already: a process "
                       "can be a worker once");
    if (is_up)
        return QN_OK;
    code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level);
    if (code != MPI_SUCCESS)
        return qn_fail(ctx, QN_EIO, "MPI (%s) does not start: error %d", QN_COMM_FLAVOUR, code);
    if (level < MPI_THREAD_FUNNELED)
        return qn_fail(ctx, QN_EUNAVAILABLE, "this MPI (%s) cannot work beside threads",
                       QN_COMM_FLAVOUR);
    return QN_OK;
}

static qn_status mpi_open(qn_context *ctx)
{
    mpi_state *m = NULL;
    MPI_Comm comm = MPI_COMM_NULL;
    bool owns_mpi = false;
    int size = 1, rank = 0;
    qn_status st = QN_OK;

    QN_TRY(start_mpi(ctx, &owns_mpi));
    if (owns_mpi) /* errors of requests go to the first communicator, in some MPIs */
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN);
    MPI_Comm_size(comm, &size);
    MPI_Comm_rank(comm, &rank);
    if (size > QN_MAX_RANKS)
        return qn_fail(ctx, QN_EINVAL, "%d workers: at most %d can work together", size,
                       QN_MAX_RANKS);
    QN_TRY(alloc_state(ctx, size, &m));
    m->comm = comm;
    m->size = size;
    m->rank = rank;
    m->owns_mpi = owns_mpi;
    listen_for_farewell(m);
    ctx->comm->ops->free(ctx->comm);
    *ctx->comm = (qn_comm){.ops = &mpi_ops,
                           .rank = rank,
                           .size = size,
                           .is_crowded = true,
                           .deadline_seconds = ctx->comm->deadline_seconds,
                           .impl = m};
done:
    return st;
}

#ifdef OPEN_MPI
#define TEXT_(x) #x
#define TEXT(x)  TEXT_(x)
#define MPI_NAME                                                                                   \
    TEXT(OMPI_MAJOR_VERSION) "." TEXT(OMPI_MINOR_VERSION) "." TEXT(OMPI_RELEASE_VERSION)
#else
#define MPI_NAME MPICH_VERSION
#endif

static const char *version(void)
{
    return MPI_NAME;
}

static const qn_comm_module module = {
    .stamp = QN_MODULE_STAMP(QN_COMM_MODULE_ABI),
    .version = version,
    .open = mpi_open,
};

const qn_comm_module *qn_comm_module_entry(void)
{
    return &module;
}
