#include "data/ratings_exchange.h"

#include <string.h>

#include "base/alloc.h"
#include "data/triples_blocks.h"
#include "engine/comm.h"

#define MAX_RECORDS ((int64_t)1 << 20) /* of a round */

typedef struct round {
    char *records, *grouped; /* [capacity of the exchange] as filled; by rank */
    int32_t *rank;           /* likewise */
    char *received;
    int64_t capacity;                        /* of `received`, records */
    int64_t *count, *incoming, *place;       /* [size] */
    size_t *send_bytes, *recv_bytes, *eight; /* [size] */
} round;

static void round_release(round *r)
{
    qn_free(r->records);
    qn_free(r->grouped);
    qn_free(r->rank);
    qn_free(r->received);
    qn_free(r->count);
    qn_free(r->incoming);
    qn_free(r->place);
    qn_free(r->send_bytes);
    qn_free(r->recv_bytes);
    qn_free(r->eight);
}

static qn_status round_prepare(qn_context *ctx, const qn_exchange *e, round *r)
{
    const int32_t size = qn_size(ctx);
    qn_status st = QN_OK;

    QN_TRY(qn_alloc_array(ctx, (void **)&r->records, e->capacity, e->record_bytes, "exchange"));
    QN_NEW(ctx, r->rank, e->capacity, "exchange");
    QN_NEW(ctx, r->count, size, "exchange");
    QN_NEW(ctx, r->incoming, size, "exchange");
    QN_NEW(ctx, r->place, size, "exchange");
    QN_NEW(ctx, r->send_bytes, size, "exchange");
    QN_NEW(ctx, r->recv_bytes, size, "exchange");
    QN_NEW(ctx, r->eight, size, "exchange");
    for (int32_t i = 0; i < size; i++)
        r->eight[i] = sizeof *r->count;
done:
    return st;
}

/* Puts records for one rank side by side, keeping their order. *from is where they lie: unmoved if
 * all go to one rank. */
static qn_status group(qn_context *ctx, const qn_exchange *e, round *r, int64_t n,
                       const char **from)
{
    const int32_t size = qn_size(ctx);
    qn_status st = QN_OK;

    memset(r->count, 0, (size_t)size * sizeof *r->count);
    for (int64_t i = 0; i < n; i++)
        r->count[r->rank[i]]++;
    *from = r->records;
    for (int32_t to = 0; to < size; to++)
        if (r->count[to] == n)
            return QN_OK;
    if (!r->grouped)
        QN_TRY(qn_alloc_array(ctx, (void **)&r->grouped, e->capacity, e->record_bytes, "exchange"));
    r->place[0] = 0;
    for (int32_t to = 1; to < size; to++)
        r->place[to] = r->place[to - 1] + r->count[to - 1];
    for (int64_t i = 0; i < n; i++)
        memcpy(r->grouped + (size_t)r->place[r->rank[i]]++ * e->record_bytes,
               r->records + (size_t)i * e->record_bytes, e->record_bytes);
    *from = r->grouped;
done:
    return st;
}

static qn_status fill_round(qn_context *ctx, const qn_exchange *e, round *r, int64_t number,
                            const char **from)
{
    qn_status st = QN_OK;
    int64_t n = 0;

    if (number < e->n_rounds)
        QN_TRY(e->fill(e->arg, number, r->records, r->rank, &n));
    QN_TRY(group(ctx, e, r, n, from));
done:
    return st;
}

static qn_status reserve(qn_context *ctx, const qn_exchange *e, round *r, int64_t n)
{
    qn_status st = QN_OK;

    if (n <= r->capacity)
        return QN_OK;
    qn_free(r->received);
    r->received = NULL;
    r->capacity = 0;
    QN_TRY(qn_alloc_array(ctx, (void **)&r->received, n, e->record_bytes, "exchange"));
    r->capacity = n;
done:
    return st;
}

static qn_status run_round(qn_context *ctx, const qn_exchange *e, round *r, int64_t number)
{
    const int32_t size = qn_size(ctx);
    qn_status st = QN_OK;
    const char *from = NULL;
    int64_t n = 0;

    QN_TRY_ALL(fill_round(ctx, e, r, number, &from));
    QN_TRY(qn_comm_exchange(ctx, r->count, r->eight, r->incoming, r->eight));
    for (int32_t i = 0; i < size; i++) {
        r->send_bytes[i] = (size_t)r->count[i] * e->record_bytes;
        r->recv_bytes[i] = (size_t)r->incoming[i] * e->record_bytes;
        n += r->incoming[i];
    }
    QN_TRY_ALL(reserve(ctx, e, r, n));
    QN_TRY(qn_comm_exchange(ctx, from, r->send_bytes, r->received, r->recv_bytes));
    QN_TRY_ALL(e->receive(e->arg, r->received, n));
done:
    return st;
}

int64_t qn_exchange_capacity(qn_context *ctx, size_t record_bytes, int64_t least)
{
    const size_t room = qn_ratings_room(ctx) / 8 / (3 * record_bytes + sizeof(int32_t));
    const int64_t capacity = room < (size_t)MAX_RECORDS ? (int64_t)room : MAX_RECORDS;

    return capacity > least ? capacity : least;
}

qn_status qn_exchange_run(qn_context *ctx, const qn_exchange *exchange)
{
    qn_status st = QN_OK;
    int64_t n_rounds = exchange->n_rounds;
    round r = {0};

    QN_TRY_ALL(round_prepare(ctx, exchange, &r));
    QN_TRY(qn_comm_max_int64(ctx, &n_rounds, 1));
    for (int64_t i = 0; i < n_rounds; i++) {
        QN_TRY_ALL(qn_check_cancel(ctx));
        QN_TRY(run_round(ctx, exchange, &r, i));
    }
done:
    round_release(&r);
    return st;
}
