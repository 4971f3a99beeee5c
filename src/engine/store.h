/* Blocks of bytes with checksums, held under the budget: resident while it allows, else (engine
 * issue) in scratch files that are read ahead. Algorithms pin a block, use it, unpin it; no
 * algorithm has a separate out-of-core copy. Knows bytes, not ratings. */
#ifndef QN_ENGINE_STORE_H
#define QN_ENGINE_STORE_H

#include <stdint.h>

#include "base/context.h"

/* Aim for block sizes in this range; a block holds whole segments. */
#define QN_BLOCK_MIN_BYTES ((size_t)1 << 20)
#define QN_BLOCK_MAX_BYTES ((size_t)4 << 20)

typedef struct qn_store qn_store;

typedef struct qn_store_stats {
    int64_t n_blocks;
    size_t bytes;          /* of all blocks */
    size_t bytes_resident; /* in memory now */
    size_t bytes_spilled;  /* written to scratch, ever */
    size_t bytes_read;     /* read back, ever */
} qn_store_stats;

/* `name` appears in messages and records: "ratings by user". */
qn_status qn_store_create(qn_context *ctx, const char *name, qn_store **store);
void qn_store_free(qn_store *store);

/* Adds a block of `bytes` (64-byte aligned, cleared) to a partition; *data is writable until it is
 * sealed. Blocks are numbered from 0 in the order of adding. One thread adds; any may fill. */
qn_status qn_store_add(qn_context *ctx, qn_store *store, int64_t partition, size_t bytes,
                       void **data);
/* The same for any thread, at the same time as others: blocks are numbered as they come, *number is
 * that of this one, and what the bytes hold is not said. */
qn_status qn_store_add_any(qn_context *ctx, qn_store *store, int64_t partition, size_t bytes,
                           int64_t *number, void **data);
/* Cuts a block that is not sealed down to `bytes`; *data, which may move, is its new place. Any
 * thread, one a block. */
qn_status qn_store_shrink(qn_context *ctx, qn_store *store, int64_t block, size_t bytes,
                          void **data);
/* A block that is not sealed yet, to be written to once more. */
void *qn_store_edit(qn_store *store, int64_t block);
/* Ends writing of all blocks and takes their checksums. */
qn_status qn_store_seal(qn_context *ctx, qn_store *store);

int64_t qn_store_n_blocks(const qn_store *store);
int64_t qn_store_block_partition(const qn_store *store, int64_t block);
size_t qn_store_block_bytes(const qn_store *store, int64_t block);
/* XXH3 of a sealed block. */
uint64_t qn_store_block_checksum(const qn_store *store, int64_t block);

/* Keeps the block in memory until unpinned; any thread. A damaged block is QN_EIO. */
qn_status qn_store_pin(qn_context *ctx, qn_store *store, int64_t block, const void **data);
void qn_store_unpin(qn_store *store, int64_t block);

qn_store_stats qn_store_get_stats(const qn_store *store);

#endif
