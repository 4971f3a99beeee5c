#include "engine/store.h"

#include <stdio.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "engine/store_impl.h"

#define FIRST_CHUNK 16

qn_status qn_stores_create(qn_context *ctx)
{
    qn_status st = QN_OK;
    qn_stores *all = NULL;

    QN_NEW0(ctx, all, 1, "stores");
    all->ctx = ctx;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->changed, NULL);
    pthread_cond_init(&all->wake, NULL);
    pthread_mutex_init(&all->opening, NULL);
    qn_scratch_init(&all->scratch);
    ctx->stores = all;
    st = qn_budget_add_reclaimer(ctx, qn_stores_reclaim, all);
done:
    return st;
}

void qn_stores_free(qn_stores *all)
{
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    all->is_closing = true;
    pthread_cond_broadcast(&all->wake);
    pthread_mutex_unlock(&all->lock);
    for (int i = 0; i < all->n_readers; i++)
        pthread_join(all->reader[i], NULL);
    qn_budget_remove_reclaimer(all->ctx, qn_stores_reclaim, all);
    qn_scratch_release(&all->scratch);
    pthread_mutex_destroy(&all->opening);
    pthread_cond_destroy(&all->wake);
    pthread_cond_destroy(&all->changed);
    pthread_mutex_destroy(&all->lock);
    qn_free(all);
}

/* Chunk of a block, and its place in it: chunk c starts at block 16 * (2^c - 1). */
static int chunk_of(int64_t number, int64_t *place)
{
    const uint64_t group = (uint64_t)number / FIRST_CHUNK + 1;
    const int chunk = 63 - __builtin_clzll(group);

    *place = number - FIRST_CHUNK * (((int64_t)1 << chunk) - 1);
    return chunk;
}

store_block *qn_store_block_at(const qn_store *store, int64_t number)
{
    int64_t place;
    const int chunk = chunk_of(number, &place);

    return &store->chunk[chunk][place];
}

qn_status qn_store_create(qn_context *ctx, const char *name, qn_store **store)
{
    qn_status st = QN_OK;
    qn_store *s = NULL;
    qn_stores *all = ctx->stores;

    *store = NULL;
    QN_NEW0(ctx, s, 1, "store");
    atomic_init(&s->fd, -1);
    s->direct = -1;
    QN_TRY(qn_strdup(ctx, name, &s->name));
    s->all = all;
    pthread_mutex_lock(&all->lock);
    s->serial = ++all->n_stores;
    s->before = all->last;
    *(all->last ? &all->last->after : &all->first) = s;
    all->last = s;
    pthread_mutex_unlock(&all->lock);
    *store = s;
    s = NULL;
done:
    qn_free(s);
    return st;
}

/* What a freed store leaves in the books. */
static void stats_keep(qn_store_stats *past, const qn_store_stats *stats)
{
    past->bytes_spilled += stats->bytes_spilled;
    past->bytes_read += stats->bytes_read;
    past->blocks_spilled += stats->blocks_spilled;
    past->blocks_read += stats->blocks_read;
    past->blocks_ahead += stats->blocks_ahead;
    past->waits += stats->waits;
    past->wait_seconds += stats->wait_seconds;
}

void qn_store_free(qn_store *store)
{
    qn_stores *all;

    if (!store)
        return;
    all = store->all;
    qn_store_unkeep(store);
    pthread_mutex_lock(&all->lock);
    *(store->before ? &store->before->after : &all->first) = store->after;
    *(store->after ? &store->after->before : &all->last) = store->before;
    while (store->n_moving > 0)
        pthread_cond_wait(&all->changed, &all->lock);
    stats_keep(&all->past, &store->stats);
    pthread_mutex_unlock(&all->lock);
    for (int64_t b = 0, n = atomic_load(&store->n_blocks); b < n; b++)
        qn_free(qn_store_block_at(store, b)->data);
    for (int c = 0; c < STORE_CHUNKS; c++)
        qn_free(store->chunk[c]);
    qn_store_close_file(store);
    qn_free(store->order);
    qn_free(store->place);
    qn_free(store->name);
    qn_free(store);
}

/* Room for one more block in the list. Allocates without the lock, since that may spill. */
static qn_status chunk_ready(qn_context *ctx, qn_store *store, int chunk)
{
    qn_status st = QN_OK;
    store_block *made = NULL;

    QN_NEW0(ctx, made, (int64_t)FIRST_CHUNK << chunk, store->name);
    pthread_mutex_lock(&store->all->lock);
    if (!store->chunk[chunk]) {
        store->chunk[chunk] = made;
        made = NULL;
    }
    pthread_mutex_unlock(&store->all->lock);
done:
    qn_free(made); /* another thread was first */
    return st;
}

/* Puts a block into the list: one that is being filled, whose data it takes over even if there is
 * no room, or, where `data` is NULL, one that lies on disk. */
static qn_status append(qn_context *ctx, qn_store *store, const store_place *block, void *data,
                        int64_t *number)
{
    qn_status st = QN_OK;

    for (;;) {
        store_block *b;
        int64_t n, place;
        int chunk, hold;

        pthread_mutex_lock(&store->all->lock);
        n = atomic_load(&store->n_blocks);
        chunk = chunk_of(n, &place);
        if (store->chunk[chunk]) {
            b = &store->chunk[chunk][place];
            b->data = data;
            b->bytes = (size_t)block->bytes;
            b->partition = block->partition;
            b->offset = block->offset;
            b->checksum = block->checksum;
            hold = data ? BLOCK_OPEN : b->offset >= 0 ? BLOCK_ABSENT : BLOCK_GONE;
            atomic_store(&b->hold, hold);
            store->stats.bytes += hold == BLOCK_GONE ? 0 : b->bytes;
            store->stats.bytes_resident += hold == BLOCK_OPEN ? b->bytes : 0;
            store->stats.bytes_on_disk += hold == BLOCK_ABSENT ? b->bytes : 0;
            atomic_store_explicit(&store->n_blocks, n + 1, memory_order_release);
            pthread_mutex_unlock(&store->all->lock);
            *number = n;
            return QN_OK;
        }
        pthread_mutex_unlock(&store->all->lock);
        st = chunk_ready(ctx, store, chunk);
        if (st != QN_OK) {
            qn_free(data);
            return st;
        }
    }
}

qn_status qn_store_add(qn_context *ctx, qn_store *store, int64_t partition, size_t bytes,
                       void **data)
{
    const store_place block = {.partition = partition, .bytes = (int64_t)bytes, .offset = -1};
    qn_status st = QN_OK;
    void *made = NULL;
    int64_t number;

    *data = NULL;
    QN_TRY(qn_calloc_array(ctx, &made, (int64_t)bytes, 1, store->name));
    QN_TRY(append(ctx, store, &block, made, &number));
    *data = made;
done:
    return st;
}

qn_status qn_store_add_any(qn_context *ctx, qn_store *store, int64_t partition, size_t bytes,
                           int64_t *number, void **data)
{
    const store_place block = {.partition = partition, .bytes = (int64_t)bytes, .offset = -1};
    qn_status st = QN_OK;
    void *made = NULL;

    *data = NULL;
    *number = -1;
    QN_TRY(qn_alloc_array(ctx, &made, (int64_t)bytes, 1, store->name));
    QN_TRY(append(ctx, store, &block, made, number));
    *data = made;
done:
    return st;
}

qn_status qn_store_adopt(qn_context *ctx, const char *name, const char *file,
                         const store_place *place, int64_t n, qn_store **store)
{
    qn_status st = QN_OK;
    qn_store *s = NULL;

    *store = NULL;
    QN_TRY(qn_store_create(ctx, name, &s));
    if (file[0] && !qn_store_open_file(s, file)) /* "": nothing of it is on disk */
        QN_TRY(qn_fail(ctx, QN_EDATA, "scratch file %s is not there", file));
    for (int64_t b = 0; b < n; b++) {
        int64_t number;

        QN_TRY(append(ctx, s, &place[b], NULL, &number));
        if (place[b].offset >= 0 && !qn_store_has_record(s, number))
            QN_TRY(qn_fail(ctx, QN_EDATA, "scratch file %s lacks block %lld of %s", file,
                           (long long)number, name));
    }
    *store = s;
    s = NULL;
done:
    qn_store_free(s);
    return st;
}

qn_status qn_store_shrink(qn_context *ctx, qn_store *store, int64_t number, size_t bytes,
                          void **data)
{
    store_block *b = qn_store_block_at(store, number);
    qn_status st = QN_OK;

    if (atomic_load(&b->hold) != BLOCK_OPEN || bytes > b->bytes)
        return qn_fail(ctx, QN_EINTERNAL, "%s: a block of %zu bytes cannot shrink to %zu",
                       store->name, b->bytes, bytes);
    QN_TRY(qn_realloc_array(ctx, &b->data, (int64_t)bytes, 1, store->name));
    pthread_mutex_lock(&store->all->lock);
    store->stats.bytes -= b->bytes - bytes;
    store->stats.bytes_resident -= b->bytes - bytes;
    b->bytes = bytes;
    pthread_mutex_unlock(&store->all->lock);
    *data = b->data;
done:
    return st;
}

void *qn_store_edit(qn_store *store, int64_t number)
{
    return qn_store_block_at(store, number)->data;
}

qn_status qn_store_seal_block(qn_context *ctx, qn_store *store, int64_t number)
{
    store_block *b = qn_store_block_at(store, number);

    if (atomic_load(&b->hold) != BLOCK_OPEN)
        return qn_fail(ctx, QN_EINTERNAL, "%s: block %lld is sealed or dropped already",
                       store->name, (long long)number);
    b->checksum = XXH3_64bits(b->data, b->bytes);
    atomic_store_explicit(&b->stamp, atomic_fetch_add(&store->all->clock, 1), memory_order_relaxed);
    atomic_store_explicit(&b->hold, 0, memory_order_release);
    return QN_OK;
}

typedef struct seal_all {
    qn_context *ctx;
    qn_store *store;
} seal_all;

static qn_status seal_one(void *arg, int64_t number, int32_t thread)
{
    const seal_all *all = arg;

    (void)thread;
    if (atomic_load(&qn_store_block_at(all->store, number)->hold) != BLOCK_OPEN)
        return QN_OK;
    return qn_store_seal_block(all->ctx, all->store, number);
}

qn_status qn_store_seal(qn_context *ctx, qn_store *store)
{
    seal_all all = {ctx, store};

    return qn_parallel(ctx, qn_store_n_blocks(store), seal_one, &all);
}

void qn_store_drop_block(qn_store *store, int64_t number)
{
    store_block *b = qn_store_block_at(store, number);
    int64_t offset;
    void *data;
    int hold;

    qn_store_unkeep(store);
    pthread_mutex_lock(&store->all->lock);
    hold = atomic_load(&b->hold);
    do {
        while (hold == BLOCK_MOVING) {
            pthread_cond_wait(&store->all->changed, &store->all->lock);
            hold = atomic_load(&b->hold);
        }
    } while (!atomic_compare_exchange_weak(&b->hold, &hold, BLOCK_GONE));
    data = b->data;
    b->data = NULL;
    if (hold != BLOCK_GONE)
        store->stats.bytes -= b->bytes;
    if (data)
        store->stats.bytes_resident -= b->bytes;
    offset = b->offset;
    b->offset = -1;
    if (offset >= 0)
        store->stats.bytes_on_disk -= b->bytes;
    pthread_mutex_unlock(&store->all->lock);
    if (offset >= 0)
        qn_store_punch(store, offset, b->bytes);
    qn_free(data);
}

int64_t qn_store_n_blocks(const qn_store *store)
{
    return atomic_load_explicit(&store->n_blocks, memory_order_acquire);
}

int64_t qn_store_block_partition(const qn_store *store, int64_t number)
{
    return qn_store_block_at(store, number)->partition;
}

size_t qn_store_block_bytes(const qn_store *store, int64_t number)
{
    return qn_store_block_at(store, number)->bytes;
}

void qn_store_block_place(const qn_store *store, int64_t number, size_t *memory, size_t *disk)
{
    const store_block *b = qn_store_block_at(store, number);
    int hold;

    pthread_mutex_lock(&store->all->lock);
    hold = atomic_load(&b->hold);
    *memory = hold == BLOCK_ABSENT || hold == BLOCK_GONE ? 0 : b->bytes;
    *disk = b->offset >= 0 ? b->bytes : 0;
    pthread_mutex_unlock(&store->all->lock);
}

uint64_t qn_store_block_checksum(const qn_store *store, int64_t number)
{
    return qn_store_block_at(store, number)->checksum;
}

/* One more pin, if the block is in memory and sealed. */
static bool pin_resident(store_block *b)
{
    int hold = atomic_load_explicit(&b->hold, memory_order_relaxed);

    while (hold >= 0)
        if (atomic_compare_exchange_weak_explicit(&b->hold, &hold, hold + 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

/* Waits for the block, or takes on to read it. */
static qn_status pin_absent(qn_context *ctx, qn_store *store, int64_t number, const void **data)
{
    store_block *b = qn_store_block_at(store, number);
    const double start = qn_seconds();
    qn_status st = QN_OK;
    bool is_mine = false;
    int hold;

    pthread_mutex_lock(&store->all->lock);
    for (;;) {
        if (pin_resident(b))
            break;
        hold = atomic_load(&b->hold);
        if (hold == BLOCK_OPEN || hold == BLOCK_GONE) {
            st = QN_EINTERNAL;
            break;
        }
        if (hold == BLOCK_ABSENT) {
            atomic_store(&b->hold, BLOCK_MOVING);
            store->n_moving++;
            is_mine = true;
            break;
        }
        if (hold == BLOCK_MOVING)
            pthread_cond_wait(&store->all->changed, &store->all->lock);
    }
    pthread_mutex_unlock(&store->all->lock);
    if (st != QN_OK)
        return qn_fail(ctx, st, "%s: block %lld is still being written, or dropped", store->name,
                       (long long)number);
    if (is_mine)
        st = qn_store_load(ctx, store, number, data);
    else
        *data = b->data;
    pthread_mutex_lock(&store->all->lock);
    store->stats.waits++;
    store->stats.wait_seconds += qn_seconds() - start;
    pthread_mutex_unlock(&store->all->lock);
    return st;
}

qn_status qn_store_pin(qn_context *ctx, qn_store *store, int64_t number, const void **data)
{
    store_block *b;
    qn_status st = QN_OK;

    *data = NULL;
    if (number < 0 || number >= qn_store_n_blocks(store))
        return qn_fail(ctx, QN_EINTERNAL, "%s: block %lld of %lld is not there", store->name,
                       (long long)number, (long long)qn_store_n_blocks(store));
    b = qn_store_block_at(store, number);
    if (pin_resident(b))
        *data = b->data;
    else
        QN_TRY(pin_absent(ctx, store, number, data));
    if (store_is_loud(store))
        qn_store_passed(store, number);
done:
    return st;
}

void qn_store_unpin(qn_store *store, int64_t number)
{
    store_block *b = qn_store_block_at(store, number);

    atomic_store_explicit(&b->stamp,
                          atomic_fetch_add_explicit(&store->all->clock, 1, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_fetch_sub_explicit(&b->hold, 1, memory_order_release);
}

const char *qn_store_name(const qn_store *store)
{
    return store->name;
}

/* The lock is held. */
static qn_store_stats stats_of(const qn_store *store)
{
    qn_store_stats stats = store->stats;

    stats.n_blocks = qn_store_n_blocks(store);
    return stats;
}

qn_store_stats qn_store_get_stats(const qn_store *store)
{
    qn_store_stats stats;

    pthread_mutex_lock(&store->all->lock);
    stats = stats_of(store);
    pthread_mutex_unlock(&store->all->lock);
    return stats;
}

/* Copies the oldest store after `serial`; the serial number of that one, or 0. */
static int64_t store_after(qn_stores *all, int64_t serial, char *name, size_t name_bytes,
                           qn_store_stats *stats)
{
    const qn_store *s;

    pthread_mutex_lock(&all->lock);
    for (s = all->first; s && s->serial <= serial; s = s->after)
        ;
    serial = s ? s->serial : 0;
    if (s) {
        snprintf(name, name_bytes, "%s", s->name);
        *stats = stats_of(s);
    }
    pthread_mutex_unlock(&all->lock);
    return serial;
}

void qn_context_stores(qn_context *ctx, qn_store_visit *visit, void *arg)
{
    char name[128];
    qn_store_stats stats;
    int64_t serial = 0;

    /* The lock is not held while visiting: a visitor may allocate, and that may spill. */
    while ((serial = store_after(ctx->stores, serial, name, sizeof name, &stats)) > 0)
        visit(arg, name, &stats);
}

qn_store_stats qn_context_store_totals(qn_context *ctx)
{
    qn_store_stats sum;

    pthread_mutex_lock(&ctx->stores->lock);
    sum = ctx->stores->past;
    for (const qn_store *s = ctx->stores->first; s; s = s->after) {
        const qn_store_stats stats = stats_of(s);

        stats_keep(&sum, &stats);
        sum.n_blocks += stats.n_blocks;
        sum.bytes += stats.bytes;
        sum.bytes_resident += stats.bytes_resident;
        sum.bytes_on_disk += stats.bytes_on_disk;
    }
    pthread_mutex_unlock(&ctx->stores->lock);
    return sum;
}
