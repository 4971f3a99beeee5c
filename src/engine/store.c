/* Blocks in memory. What does not fit the budget is refused by the allocator with the bytes needed.
 */
#include "engine/store.h"

#include <pthread.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/pool.h"

typedef struct block {
    void *data;
    size_t bytes;
    int64_t partition;
    uint64_t checksum;
    bool is_sealed;
} block;

struct qn_store {
    char *name;
    pthread_mutex_t lock; /* guards the list while blocks are added */
    block *block;
    int64_t n_blocks, capacity;
    size_t bytes;
};

qn_status qn_store_create(qn_context *ctx, const char *name, qn_store **store)
{
    qn_status st = QN_OK;
    qn_store *s = NULL;

    *store = NULL;
    QN_NEW0(ctx, s, 1, "store");
    pthread_mutex_init(&s->lock, NULL);
    QN_TRY(qn_strdup(ctx, name, &s->name));
    *store = s;
    s = NULL;
done:
    qn_store_free(s);
    return st;
}

void qn_store_free(qn_store *store)
{
    if (!store)
        return;
    for (int64_t b = 0; b < store->n_blocks; b++)
        qn_free(store->block[b].data);
    pthread_mutex_destroy(&store->lock);
    qn_free(store->block);
    qn_free(store->name);
    qn_free(store);
}

/* Puts a block into the list, which takes its data over even if there is no room. */
static qn_status append(qn_context *ctx, qn_store *store, block *b, int64_t *number)
{
    qn_status st = QN_OK;

    pthread_mutex_lock(&store->lock);
    if (store->n_blocks == store->capacity) {
        const int64_t capacity = store->capacity ? 2 * store->capacity : 16;

        QN_GROW(ctx, store->block, capacity, store->name);
        store->capacity = capacity;
    }
    *number = store->n_blocks++;
    store->block[*number] = *b;
    store->bytes += b->bytes;
done:
    pthread_mutex_unlock(&store->lock);
    if (st != QN_OK) {
        qn_free(b->data);
        b->data = NULL;
    }
    return st;
}

qn_status qn_store_add(qn_context *ctx, qn_store *store, int64_t partition, size_t bytes,
                       void **data)
{
    block b = {.bytes = bytes, .partition = partition};
    qn_status st = QN_OK;
    int64_t number;

    QN_TRY(qn_calloc_array(ctx, &b.data, (int64_t)bytes, 1, store->name));
    st = append(ctx, store, &b, &number);
done:
    *data = b.data;
    return st;
}

qn_status qn_store_add_any(qn_context *ctx, qn_store *store, int64_t partition, size_t bytes,
                           int64_t *number, void **data)
{
    block b = {.bytes = bytes, .partition = partition};
    qn_status st = QN_OK;

    *number = -1;
    QN_TRY(qn_alloc_array(ctx, &b.data, (int64_t)bytes, 1, store->name));
    st = append(ctx, store, &b, number);
done:
    *data = b.data;
    return st;
}

qn_status qn_store_shrink(qn_context *ctx, qn_store *store, int64_t number, size_t bytes,
                          void **data)
{
    qn_status st = QN_OK;
    void *moved;
    size_t before;

    pthread_mutex_lock(&store->lock);
    moved = store->block[number].data;
    before = store->block[number].bytes;
    pthread_mutex_unlock(&store->lock);
    if (bytes > before)
        return qn_fail(ctx, QN_EINTERNAL, "%s: a block of %zu bytes cannot shrink to %zu",
                       store->name, before, bytes);
    st = qn_realloc_array(ctx, &moved, (int64_t)bytes, 1, store->name);
    if (st != QN_OK)
        return st;
    pthread_mutex_lock(&store->lock);
    store->block[number].data = moved;
    store->block[number].bytes = bytes;
    store->bytes -= before - bytes;
    pthread_mutex_unlock(&store->lock);
    *data = moved;
    return QN_OK;
}

void *qn_store_edit(qn_store *store, int64_t number)
{
    return store->block[number].data;
}

qn_status qn_store_seal_block(qn_context *ctx, qn_store *store, int64_t number)
{
    qn_status st = QN_OK;
    block b;

    pthread_mutex_lock(&store->lock);
    b = store->block[number];
    pthread_mutex_unlock(&store->lock);
    if (b.is_sealed || !b.data)
        return qn_fail(ctx, QN_EINTERNAL, "%s: block %lld is sealed or dropped already",
                       store->name, (long long)number);
    b.checksum = XXH3_64bits(b.data, b.bytes);
    b.is_sealed = true;
    pthread_mutex_lock(&store->lock);
    store->block[number] = b;
    pthread_mutex_unlock(&store->lock);
    return st;
}

typedef struct seal_all {
    qn_context *ctx;
    qn_store *store;
} seal_all;

static qn_status seal_one(void *arg, int64_t i, int32_t thread)
{
    const seal_all *all = arg;

    (void)thread;
    if (all->store->block[i].is_sealed || !all->store->block[i].data)
        return QN_OK;
    return qn_store_seal_block(all->ctx, all->store, i);
}

qn_status qn_store_seal(qn_context *ctx, qn_store *store)
{
    seal_all all = {ctx, store};

    return qn_parallel(ctx, store->n_blocks, seal_one, &all);
}

void qn_store_drop_block(qn_store *store, int64_t number)
{
    pthread_mutex_lock(&store->lock);
    if (store->block[number].data)
        store->bytes -= store->block[number].bytes;
    qn_free(store->block[number].data);
    store->block[number].data = NULL;
    pthread_mutex_unlock(&store->lock);
}

qn_status qn_store_read_ahead(qn_context *ctx, qn_store *store, const int64_t *order, int64_t n)
{
    (void)ctx;
    (void)store;
    (void)order;
    (void)n;
    return QN_OK;
}

int64_t qn_store_n_blocks(const qn_store *store)
{
    return store->n_blocks;
}

int64_t qn_store_block_partition(const qn_store *store, int64_t b)
{
    return store->block[b].partition;
}

size_t qn_store_block_bytes(const qn_store *store, int64_t b)
{
    return store->block[b].bytes;
}

void qn_store_block_place(const qn_store *store, int64_t b, size_t *memory, size_t *disk)
{
    *memory = store->block[b].data ? store->block[b].bytes : 0;
    *disk = 0;
}

uint64_t qn_store_block_checksum(const qn_store *store, int64_t b)
{
    return store->block[b].checksum;
}

qn_status qn_store_pin(qn_context *ctx, qn_store *store, int64_t b, const void **data)
{
    const void *found = NULL;

    *data = NULL;
    pthread_mutex_lock(&store->lock);
    if (b >= 0 && b < store->n_blocks && store->block[b].is_sealed)
        found = store->block[b].data;
    pthread_mutex_unlock(&store->lock);
    if (!found)
        return qn_fail(ctx, QN_EINTERNAL,
                       "%s: block %lld of %lld is not there, or still being written", store->name,
                       (long long)b, (long long)store->n_blocks);
    *data = found;
    return QN_OK;
}

void qn_store_unpin(qn_store *store, int64_t b)
{
    (void)store;
    (void)b;
}

qn_store_stats qn_store_get_stats(const qn_store *store)
{
    return (qn_store_stats){
        .n_blocks = store->n_blocks,
        .bytes = store->bytes,
        .bytes_resident = store->bytes,
    };
}
