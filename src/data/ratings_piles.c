#include "data/ratings_piles.h"

#include "base/alloc.h"
#include "base/pool.h"
#include "data/triples_blocks.h"
#include "engine/store.h"

/* Chunks go to disk one by one: not too small. Larger ones gain nothing. */
#define CHUNK_BYTES     ((size_t)512 << 10)
#define MAX_CHUNK_BYTES ((size_t)4 << 20)
#define MAX_PILES       4096

static int64_t at_least(int64_t value, int64_t low)
{
    return value > low ? value : low;
}

static int64_t at_most(int64_t value, int64_t high)
{
    return value < high ? value : high;
}

qn_pile_plan qn_piles_plan(qn_context *ctx, int64_t records, size_t record_bytes, size_t work_bytes,
                           int64_t usual)
{
    const size_t room = qn_ratings_room(ctx);
    const size_t buffers = room / 4, work = room / 2;
    const int64_t per_thread =
        (int64_t)(work / (size_t)qn_context_threads(ctx) / (work_bytes > 0 ? work_bytes : 1));
    const int64_t n_buffers = at_least(at_most((int64_t)(buffers / CHUNK_BYTES), MAX_PILES), 1);
    qn_pile_plan plan = {.work_bytes = work};
    int64_t n_piles;

    plan.pile_records = at_least(usual, (records + n_buffers - 1) / n_buffers);
    plan.pile_records = at_least(at_most(plan.pile_records, per_thread), 1);
    plan.pile_records = at_least(plan.pile_records, records / MAX_PILES);
    n_piles = records / at_least(plan.pile_records, 1) + 1;
    plan.chunk_records = (int64_t)(buffers / (size_t)n_piles / record_bytes);
    plan.chunk_records = at_most(plan.chunk_records, (int64_t)(MAX_CHUNK_BYTES / record_bytes));
    plan.chunk_records = at_least(plan.chunk_records, 16);
    return plan;
}

static int64_t n_chunks_of(const qn_piles *piles, int64_t total)
{
    return (total + piles->chunk_records - 1) / piles->chunk_records;
}

qn_status qn_piles_init(qn_context *ctx, const char *name, const int64_t *total, int64_t n,
                        const qn_pile_plan *plan, size_t record_bytes, qn_piles *piles)
{
    qn_status st = QN_OK;
    int64_t n_chunks = 0;

    *piles = (qn_piles){
        .ctx = ctx, .n = n, .chunk_records = plan->chunk_records, .record_bytes = record_bytes};
    QN_NEW0(ctx, piles->pile, n, "piles of ratings");
    for (int64_t p = 0; p < n; p++) {
        piles->pile[p].total = total[p];
        piles->pile[p].first_chunk = n_chunks;
        n_chunks += n_chunks_of(piles, total[p]);
    }
    QN_NEW(ctx, piles->chunk, n_chunks, "piles of ratings");
    piles->n_chunks = n_chunks;
    QN_TRY(qn_store_create(ctx, name, &piles->store));
done:
    return st;
}

void qn_piles_release(qn_piles *piles)
{
    qn_store_free(piles->store);
    qn_free(piles->pile);
    qn_free(piles->chunk);
    *piles = (qn_piles){0};
}

static qn_status seal_chunk(qn_piles *piles, qn_pile *p)
{
    const int64_t chunk = p->first_chunk + p->taken / piles->chunk_records;

    if (!p->open)
        return QN_OK;
    p->open = NULL;
    p->taken += p->used;
    p->room = p->used = 0;
    return qn_store_seal_block(piles->ctx, piles->store, piles->chunk[chunk]);
}

qn_status qn_piles_next_chunk(qn_piles *piles, int64_t pile)
{
    qn_pile *p = &piles->pile[pile];
    qn_status st = QN_OK;
    int64_t room;
    void *data = NULL;

    QN_TRY(seal_chunk(piles, p));
    room = at_most(p->total - p->taken, piles->chunk_records);
    if (room <= 0)
        return qn_fail(piles->ctx, QN_EINTERNAL, "pile %lld has its %lld records already",
                       (long long)pile, (long long)p->total);
    QN_TRY(qn_store_add_any(piles->ctx, piles->store, pile, (size_t)room * piles->record_bytes,
                            &piles->chunk[p->first_chunk + p->taken / piles->chunk_records],
                            &data));
    p->open = data;
    p->room = room;
done:
    return st;
}

static qn_status seal_pile(void *arg, int64_t pile, int32_t thread)
{
    qn_piles *piles = arg;
    qn_pile *p = &piles->pile[pile];

    (void)thread;
    if (p->taken + p->used != p->total)
        return qn_fail(piles->ctx, QN_EINTERNAL, "pile %lld got %lld records, not %lld",
                       (long long)pile, (long long)(p->taken + p->used), (long long)p->total);
    return seal_chunk(piles, p);
}

qn_status qn_piles_seal(qn_piles *piles)
{
    return qn_parallel(piles->ctx, piles->n, seal_pile, piles);
}

int64_t qn_piles_n_chunks(const qn_piles *piles, int64_t pile)
{
    return n_chunks_of(piles, piles->pile[pile].total);
}

int64_t qn_piles_chunk_records(const qn_piles *piles, int64_t pile, int64_t chunk)
{
    return at_most(piles->pile[pile].total - chunk * piles->chunk_records, piles->chunk_records);
}

qn_status qn_piles_pin(const qn_piles *piles, int64_t pile, int64_t chunk, const void **data)
{
    return qn_store_pin(piles->ctx, piles->store,
                        piles->chunk[piles->pile[pile].first_chunk + chunk], data);
}

void qn_piles_drop(const qn_piles *piles, int64_t pile, int64_t chunk)
{
    const int64_t block = piles->chunk[piles->pile[pile].first_chunk + chunk];

    qn_store_unpin(piles->store, block);
    qn_store_drop_block(piles->store, block);
}
