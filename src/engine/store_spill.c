/* What leaves memory, and when. The order, best first:
 *   0  blocks that lie on disk already, the last used first: of data that is scanned in cycles a
 *      fixed part then stays and the rest streams through, where the oldest first would lose all;
 *   1  blocks that have to be written, the last sealed or used first;
 *   2  blocks that were read ahead and wait to be pinned, and the last few that were used, which
 *      the next task may want again. */
#include <string.h>

#include "base/alloc.h"
#include "engine/store_impl.h"

#define MAX_VICTIMS 16
#define WORST_CLEAN 0 /* of the classes, what need not be written */
#define WORST_FREE  1 /* what reading ahead may send away */

typedef struct victim {
    qn_store *store;
    int64_t number;
    size_t bytes;
    int class;
    uint64_t stamp;
} victim;

typedef struct victims {
    victim best[MAX_VICTIMS];
    int n;
    size_t in_use, spillable; /* bytes in memory that cannot leave; that scratch would take */
} victims;

static bool is_better(const victim *a, const victim *b)
{
    return a->class != b->class ? a->class < b->class : a->stamp > b->stamp;
}

static void victims_add(victims *v, const victim *one)
{
    int place = v->n;

    while (place > 0 && is_better(one, &v->best[place - 1]))
        place--;
    if (place == MAX_VICTIMS)
        return;
    if (v->n < MAX_VICTIMS)
        v->n++;
    memmove(&v->best[place + 1], &v->best[place], (size_t)(v->n - 1 - place) * sizeof v->best[0]);
    v->best[place] = *one;
}

/* Books one block: as a victim, or as what cannot leave. The lock is held. */
static void victims_look(victims *v, qn_store *store, int64_t number, uint64_t recent)
{
    store_block *b = qn_store_block_at(store, number);
    const int hold = atomic_load_explicit(&b->hold, memory_order_relaxed);
    victim one = {.store = store,
                  .number = number,
                  .bytes = b->bytes,
                  .stamp = atomic_load_explicit(&b->stamp, memory_order_relaxed)};

    if (hold == BLOCK_ABSENT || hold == BLOCK_GONE || b->bytes == 0)
        return;
    if (hold != 0) {
        v->in_use += b->bytes;
        return;
    }
    if (b->offset < 0) {
        if (!store->all->ctx->scratch_dir) {
            v->spillable += b->bytes;
            return;
        }
        one.class = 1;
    } else if (one.stamp >= recent || atomic_load_explicit(&b->is_ahead, memory_order_relaxed)) {
        one.class = 2;
    }
    victims_add(v, &one);
}

/* The best victims, taken: they are BLOCK_MOVING and the caller's. Stops at `wanted` bytes. */
static void victims_take(qn_stores *all, size_t wanted, int worst, victims *v)
{
    const uint64_t clock = atomic_load(&all->clock);
    const uint64_t guard = 2 * (uint64_t)qn_context_threads(all->ctx);
    const uint64_t recent = clock > guard ? clock - guard : 0;
    size_t bytes = 0;
    int taken = 0;

    *v = (victims){0};
    for (qn_store *s = all->first; s; s = s->after)
        for (int64_t b = 0, n = qn_store_n_blocks(s); b < n; b++)
            victims_look(v, s, b, recent);
    for (int i = 0; i < v->n && bytes < wanted && v->best[i].class <= worst; i++) {
        const victim one = v->best[i];
        int hold = 0;

        if (!atomic_compare_exchange_strong(&qn_store_block_at(one.store, one.number)->hold, &hold,
                                            BLOCK_MOVING))
            continue;
        one.store->n_moving++;
        all->n_leaving++;
        bytes += one.bytes;
        v->best[taken++] = one;
    }
    v->n = taken;
}

/* Books a block that has been written. The lock is held. */
static void note_written(qn_store *store, store_block *b, int64_t offset)
{
    b->offset = offset;
    store->stats.bytes_spilled += b->bytes;
    store->stats.bytes_on_disk += b->bytes;
    store->stats.blocks_spilled++;
    atomic_fetch_add(&store->all->ctx->traffic.spilled, (long long)b->bytes);
}

/* Writes a taken block if it must be and frees its memory, which is for the caller where `kept` is
 * given, or puts it back. */
static qn_status evict(qn_stores *all, const victim *v, void **kept, qn_fault *fault)
{
    store_block *b = qn_store_block_at(v->store, v->number);
    const bool is_new = b->offset < 0;
    int64_t offset = b->offset;
    const qn_status st = is_new ? qn_store_write_block(v->store, v->number, &offset, fault) : QN_OK;

    if (st == QN_OK) { /* before the others are told, who then find the memory free */
        if (kept)
            *kept = b->data;
        else
            qn_free(b->data);
        b->data = NULL;
    }
    pthread_mutex_lock(&all->lock);
    if (st == QN_OK) {
        atomic_store(&b->is_ahead, false);
        v->store->stats.bytes_resident -= b->bytes;
        if (is_new)
            note_written(v->store, b, offset);
    }
    atomic_store(&b->hold, st == QN_OK ? BLOCK_ABSENT : 0);
    v->store->n_moving--;
    all->n_leaving--;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
    return st;
}

/* Sends the taken blocks away; bytes freed. The first fault ends it, the others are put back by
 * the same failure or leave. */
static size_t evict_all(qn_stores *all, const victims *v, qn_fault *fault)
{
    size_t freed = 0;

    for (int i = 0; i < v->n; i++) {
        qn_fault one;
        const qn_status st = evict(all, &v->best[i], NULL, &one);

        if (st == QN_OK)
            freed += v->best[i].bytes;
        else if (fault->status == QN_OK)
            *fault = one;
    }
    return freed;
}

qn_status qn_stores_reclaim(void *arg, qn_context *ctx, qn_reclaim *reclaim)
{
    qn_stores *all = arg;
    qn_fault fault = {.status = QN_OK};
    victims v = {0};

    while (reclaim->freed < reclaim->wanted && fault.status == QN_OK) {
        pthread_mutex_lock(&all->lock);
        victims_take(all, reclaim->wanted - reclaim->freed, INT_MAX, &v);
        if (v.n == 0 && all->n_leaving > 0) {
            /* Others are at it: once one of them is through there is more to be had. */
            pthread_cond_wait(&all->changed, &all->lock);
            reclaim->freed += 1;
            pthread_mutex_unlock(&all->lock);
            return QN_OK;
        }
        pthread_mutex_unlock(&all->lock);
        if (v.n == 0)
            break;
        reclaim->freed += evict_all(all, &v, &fault);
    }
    reclaim->in_use = v.in_use;
    reclaim->spillable = v.spillable;
    if (fault.status != QN_OK && reclaim->freed == 0)
        return qn_fail(ctx, fault.status, "%s", fault.text);
    return QN_OK;
}

bool qn_stores_make_room(qn_stores *all, size_t bytes)
{
    qn_fault fault = {.status = QN_OK}; /* told by the pin that needs the room */
    victims v;

    pthread_mutex_lock(&all->lock);
    victims_take(all, bytes, WORST_FREE, &v);
    pthread_mutex_unlock(&all->lock);
    return evict_all(all, &v, &fault) > 0;
}

void *qn_stores_take_over(qn_stores *all, size_t bytes)
{
    qn_fault fault = {.status = QN_OK};
    void *data = NULL;
    victims v;

    pthread_mutex_lock(&all->lock);
    victims_take(all, 1, WORST_CLEAN, &v);
    pthread_mutex_unlock(&all->lock);
    if (v.n == 0 || evict(all, &v.best[0], &data, &fault) != QN_OK)
        return NULL;
    if (qn_alloc_reuse(&data, bytes))
        return data;
    qn_free(data);
    return NULL;
}

/* Takes a block that is in memory and not on disk; false: it is on disk, or gone. */
static bool take_unwritten(qn_store *store, int64_t number)
{
    store_block *b = qn_store_block_at(store, number);
    int hold = 0;
    bool is_mine;

    pthread_mutex_lock(&store->all->lock);
    while (atomic_load(&b->hold) == BLOCK_MOVING)
        pthread_cond_wait(&store->all->changed, &store->all->lock);
    is_mine = b->offset < 0 && atomic_compare_exchange_strong(&b->hold, &hold, BLOCK_MOVING);
    if (is_mine)
        store->n_moving++;
    pthread_mutex_unlock(&store->all->lock);
    return is_mine;
}

qn_status qn_store_write_through(qn_context *ctx, qn_store *store)
{
    qn_fault fault = {.status = QN_OK};
    qn_status st = QN_OK;

    for (int64_t n = 0; n < qn_store_n_blocks(store) && st == QN_OK; n++) {
        store_block *b = qn_store_block_at(store, n);
        int64_t offset;

        if (!take_unwritten(store, n))
            continue;
        st = qn_check_cancel(ctx);
        if (st == QN_OK && qn_store_write_block(store, n, &offset, &fault) != QN_OK)
            st = qn_fail(ctx, fault.status, "%s", fault.text);
        pthread_mutex_lock(&store->all->lock);
        if (st == QN_OK)
            note_written(store, b, offset);
        atomic_store(&b->hold, 0);
        store->n_moving--;
        pthread_cond_broadcast(&store->all->changed);
        pthread_mutex_unlock(&store->all->lock);
    }
    return st;
}
