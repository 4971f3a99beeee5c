/* Blocks come back: by the thread that pins one, and ahead of it by a few background threads, which
 * walk the announced orders a few blocks in front of the pins. */
#include <string.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "engine/store_impl.h"

/* A block that was being read has come to rest: `data` is its, held by `pins`; NULL: it stays on
 * disk. */
static void put_down(qn_store *store, int64_t number, void *data, int pins, bool is_ahead)
{
    store_block *b = qn_store_block_at(store, number);
    qn_stores *all = store->all;

    pthread_mutex_lock(&all->lock);
    if (data) {
        b->data = data;
        atomic_store(&b->stamp, atomic_fetch_add(&all->clock, 1));
        atomic_store(&b->is_ahead, is_ahead);
        store->stats.bytes_resident += b->bytes;
        store->stats.bytes_read += b->bytes;
        atomic_fetch_add(&all->ctx->traffic.read_back, (long long)b->bytes);
        store->stats.blocks_read++;
        store->stats.blocks_ahead += is_ahead;
    }
    atomic_store(&b->hold, data ? pins : BLOCK_ABSENT);
    store->n_moving--;
    if (is_ahead)
        all->n_leaving--;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
}

/* Memory for a block, had at no cost: free, or of a block that goes; NULL: there is none. */
static void *memory_for(qn_stores *all, size_t bytes)
{
    void *data = qn_alloc_if_fits(all->ctx, bytes);

    return data ? data : qn_stores_take_over(all, bytes);
}

qn_status qn_store_load(qn_context *ctx, qn_store *store, int64_t number, const void **data)
{
    qn_status st = QN_OK;
    qn_fault fault;
    void *block = NULL;

    block = memory_for(store->all, qn_store_block_bytes(store, number));
    if (!block)
        QN_TRY(qn_alloc_array(ctx, &block, (int64_t)qn_store_block_bytes(store, number), 1,
                              store->name));
    st = qn_store_read_block(store, number, block, &fault);
    if (st != QN_OK) {
        qn_fail(ctx, st, "%s", fault.text);
        qn_free(block);
        block = NULL;
    }
done:
    *data = block;
    put_down(store, number, block, 1, false);
    return st;
}

/* How many blocks of about `bytes` to be in front: enough for every thread to have its next one
 * ready and for every reader to be busy, within a quarter of the budget. */
static int64_t depth_of(const qn_stores *all, size_t bytes)
{
    const int64_t threads = qn_context_threads(all->ctx);
    const int64_t fit = (int64_t)(qn_context_memory(all->ctx) / 4 / (bytes ? bytes : 1));
    const int64_t depth = 2 * threads + STORE_READERS;

    return fit < 1 ? 1 : fit < depth ? fit : depth;
}

/* The next block of a store to be read ahead, or -1. The lock is held. */
static int64_t next_of(const qn_store *store)
{
    const int64_t cursor = atomic_load(&store->cursor);
    int64_t depth = 1;

    for (int64_t p = cursor; p < store->n_order && p < cursor + depth; p++) {
        const int64_t number = store->order ? store->order[p] : p;
        const store_block *b = qn_store_block_at(store, number);

        if (p == cursor)
            depth = depth_of(store->all, b->bytes);
        if (atomic_load(&b->hold) == BLOCK_ABSENT && !atomic_load(&b->not_ahead))
            return number;
    }
    return -1;
}

/* Takes the next block to read. The lock is held. */
static bool take_next(qn_stores *all, qn_store **store, int64_t *number)
{
    for (qn_store *s = all->first; s; s = s->after) {
        if (!store_is_loud(s))
            continue;
        *number = next_of(s);
        if (*number < 0)
            continue;
        atomic_store(&qn_store_block_at(s, *number)->hold, BLOCK_MOVING);
        s->n_moving++;
        all->n_leaving++;
        *store = s;
        return true;
    }
    return false;
}

/* False when there is no room. */
static bool read_ahead(qn_stores *all, qn_store *store, int64_t number)
{
    store_block *b = qn_store_block_at(store, number);
    qn_fault fault;
    void *data;

    while (!(data = memory_for(all, b->bytes)))
        if (!qn_stores_make_room(all, b->bytes))
            break;
    if (!data) {
        put_down(store, number, NULL, 0, true);
        return false;
    }
    if (qn_store_read_block(store, number, data, &fault) != QN_OK) {
        atomic_store(&b->not_ahead, true); /* whoever pins it reads it again and tells why */
        qn_free(data);
        data = NULL;
    }
    put_down(store, number, data, 0, true);
    return true;
}

static void *reader_main(void *arg)
{
    qn_stores *all = arg;
    qn_store *store;
    int64_t number;

    pthread_mutex_lock(&all->lock);
    while (!all->is_closing) {
        bool has_room = true;

        /* Said before looking: a pin that comes after the look sees it and wakes us. */
        atomic_fetch_add(&all->n_sleeping, 1);
        if (take_next(all, &store, &number)) {
            atomic_fetch_sub(&all->n_sleeping, 1);
            pthread_mutex_unlock(&all->lock);
            has_room = read_ahead(all, store, number);
            pthread_mutex_lock(&all->lock);
            if (has_room || all->is_closing)
                continue;
            atomic_fetch_add(&all->n_sleeping, 1); /* until the next pin */
        }
        pthread_cond_wait(&all->wake, &all->lock);
        atomic_fetch_sub(&all->n_sleeping, 1);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* Without a thread pins read for themselves. The lock is held. */
static void start_readers(qn_stores *all)
{
    if (all->n_readers > 0)
        return;
    while (all->n_readers < STORE_READERS &&
           qn_thread_start(&all->reader[all->n_readers], reader_main, all) == 0)
        all->n_readers++;
}

void qn_store_passed(qn_store *store, int64_t number)
{
    qn_stores *all = store->all;
    const int64_t place = !store->place             ? number
                          : number < store->n_place ? store->place[number]
                                                    : -1;
    long long cursor = atomic_load(&store->cursor);

    atomic_store_explicit(&qn_store_block_at(store, number)->is_ahead, false, memory_order_relaxed);
    if (place < cursor)
        return;
    while (place >= cursor && !atomic_compare_exchange_weak(&store->cursor, &cursor, place + 1))
        ;
    if (atomic_load(&all->n_sleeping) == 0)
        return;
    pthread_mutex_lock(&all->lock);
    pthread_cond_signal(&all->wake);
    pthread_mutex_unlock(&all->lock);
}

/* Forgets the pass before. True when blocks are on disk. The lock is held. */
static bool pass_clear(qn_store *store, int64_t **order, int64_t **place)
{
    bool any = false;

    *order = store->order;
    *place = store->place;
    store->order = store->place = NULL;
    store->n_order = store->n_place = 0;
    atomic_store(&store->is_ahead, false);
    atomic_store(&store->cursor, 0);
    for (int64_t i = 0, n = qn_store_n_blocks(store); i < n; i++) {
        store_block *b = qn_store_block_at(store, i);

        atomic_store_explicit(&b->is_ahead, false, memory_order_relaxed);
        atomic_store_explicit(&b->not_ahead, false, memory_order_relaxed);
        any |= b->offset >= 0;
    }
    return any;
}

/* The order and its inverse. */
static qn_status pass_copy(qn_context *ctx, const qn_store *store, const int64_t *order, int64_t n,
                           int64_t **copy, int64_t **place)
{
    const int64_t n_blocks = qn_store_n_blocks(store);
    qn_status st = QN_OK;

    *copy = *place = NULL;
    QN_NEW(ctx, *copy, n, store->name);
    QN_NEW(ctx, *place, n_blocks, store->name);
    for (int64_t i = 0; i < n_blocks; i++)
        (*place)[i] = -1;
    for (int64_t i = 0; i < n; i++) {
        (*copy)[i] = order[i];
        (*place)[order[i]] = i;
    }
done:
    if (st != QN_OK) {
        qn_free(*copy);
        qn_free(*place);
        *copy = *place = NULL;
    }
    return st;
}

qn_status qn_store_read_ahead(qn_context *ctx, qn_store *store, const int64_t *order, int64_t n)
{
    qn_stores *all = store->all;
    const int64_t n_blocks = qn_store_n_blocks(store);
    int64_t *copy = NULL, *place = NULL, *old_copy, *old_place;
    qn_status st = QN_OK;
    bool any;

    if (n < 0 || n > n_blocks)
        n = n_blocks;
    for (int64_t i = 0; order && i < n; i++)
        if (order[i] < 0 || order[i] >= n_blocks)
            return qn_fail(ctx, QN_EINTERNAL, "%s: block %lld of %lld is not there", store->name,
                           (long long)order[i], (long long)n_blocks);
    pthread_mutex_lock(&all->lock);
    any = pass_clear(store, &old_copy, &old_place);
    pthread_mutex_unlock(&all->lock);
    qn_free(old_copy);
    qn_free(old_place);
    if (!any)
        return QN_OK;
    if (order)
        QN_TRY(pass_copy(ctx, store, order, n, &copy, &place));
    pthread_mutex_lock(&all->lock);
    store->order = copy;
    store->place = place;
    store->n_order = n;
    store->n_place = n_blocks;
    atomic_store(&store->is_ahead, true);
    start_readers(all);
    pthread_cond_broadcast(&all->wake);
    pthread_mutex_unlock(&all->lock);
done:
    return st;
}
