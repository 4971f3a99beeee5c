/* Blocks in memory. What does not fit the budget is refused by the allocator with the bytes needed.
 */
#include "engine/store.h"

#include <xxhash.h>

#include "base/alloc.h"
#include "base/pool.h"

typedef struct block {
    void *data;
    size_t bytes;
    int64_t partition;
    uint64_t checksum;
} block;

struct qn_store {
    char *name;
    block *block;
    int64_t n_blocks, capacity;
    size_t bytes;
    bool sealed;
};

qn_status qn_store_create(qn_context *ctx, const char *name, qn_store **store)
{
    qn_status st = QN_OK;
    qn_store *s = NULL;

    *store = NULL;
    QN_NEW0(ctx, s, 1, "store");
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
    qn_free(store->block);
    qn_free(store->name);
    qn_free(store);
}

qn_status qn_store_add(qn_context *ctx, qn_store *store, int64_t partition, size_t bytes,
                       void **data)
{
    qn_status st = QN_OK;
    block b = {.bytes = bytes, .partition = partition};

    *data = NULL;
    if (store->n_blocks == store->capacity) {
        const int64_t capacity = store->capacity ? 2 * store->capacity : 16;

        QN_GROW(ctx, store->block, capacity, store->name);
        store->capacity = capacity;
    }
    QN_TRY(qn_calloc_array(ctx, &b.data, (int64_t)bytes, 1, store->name));
    store->block[store->n_blocks++] = b;
    store->bytes += bytes;
    *data = b.data;
done:
    return st;
}

static qn_status seal_block(void *arg, int64_t i, int32_t thread)
{
    qn_store *store = arg;

    (void)thread;
    store->block[i].checksum = XXH3_64bits(store->block[i].data, store->block[i].bytes);
    return QN_OK;
}

qn_status qn_store_seal(qn_context *ctx, qn_store *store)
{
    const qn_status st = qn_parallel(ctx, store->n_blocks, seal_block, store);

    store->sealed = st == QN_OK;
    return st;
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

qn_status qn_store_pin(qn_context *ctx, qn_store *store, int64_t b, const void **data)
{
    *data = NULL;
    if (!store->sealed || b < 0 || b >= store->n_blocks)
        return qn_fail(ctx, QN_EINTERNAL,
                       "%s: block %lld of %lld is not there, or still being written", store->name,
                       (long long)b, (long long)store->n_blocks);
    *data = store->block[b].data;
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
