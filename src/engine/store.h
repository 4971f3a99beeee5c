/* Blocks of bytes with checksums, held under the budget: in memory while it allows, else in scratch
 * files that are read ahead. Algorithms pin a block, use it, unpin it; no algorithm has a separate
 * out-of-core copy. Knows bytes, not ratings.
 *
 * A block is filled, then sealed, then only read. Whenever an allocation of this context does not
 * fit the budget, sealed blocks that nobody has pinned leave memory (engine/store_spill.c), in
 * whatever store they are: first those that lie on disk already, the last used first, then others,
 * which are written once. So: seal early, pin few blocks at a time, unpin soon. Blocks that are
 * pinned or not sealed never leave. Without a scratch folder nothing leaves and the allocation
 * fails. */
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
    size_t bytes;           /* of all blocks, but for dropped ones */
    size_t bytes_resident;  /* in memory now */
    size_t bytes_on_disk;   /* in scratch now; may be in memory too */
    size_t bytes_spilled;   /* written to scratch, ever */
    size_t bytes_read;      /* read back, ever, ahead or not */
    int64_t blocks_spilled; /* the same in blocks */
    int64_t blocks_read;
    int64_t blocks_ahead; /* of blocks_read, those that the background thread read */
    int64_t waits;        /* pins that found their block not in memory */
    double wait_seconds;  /* that they took, summed over threads */
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
/* Ends writing of one block and takes its checksum. From now on it can be pinned and may leave
 * memory at any moment: its *data must not be used again. Any thread, also inside qn_parallel,
 * while others add, fill and pin blocks of the same store. QN_EINTERNAL if it is sealed or dropped.
 */
qn_status qn_store_seal_block(qn_context *ctx, qn_store *store, int64_t block);
/* Seals all blocks that are not sealed yet, in parallel: not from inside qn_parallel. */
qn_status qn_store_seal(qn_context *ctx, qn_store *store);
/* Gives back the memory and the disk of a block, sealed or not, that nobody has pinned or will pin.
 * Numbers of other blocks stay. Any thread. */
void qn_store_drop_block(qn_store *store, int64_t block);

int64_t qn_store_n_blocks(const qn_store *store);
int64_t qn_store_block_partition(const qn_store *store, int64_t block);
size_t qn_store_block_bytes(const qn_store *store, int64_t block);
/* Bytes that the block takes in memory and on disk now; both where it is in both. Any thread. */
void qn_store_block_place(const qn_store *store, int64_t block, size_t *memory, size_t *disk);
/* XXH3 of a sealed block. */
uint64_t qn_store_block_checksum(const qn_store *store, int64_t block);

/* Keeps the block in memory until unpinned; any thread, also inside qn_parallel; pins of one block
 * nest. Reads it back where it has left; two threads that want it read it once. QN_EIO names file,
 * block and offset of one that is damaged; QN_ENOMEM when all that could leave has left and it
 * still does not fit: a caller needs room for the blocks that it pins at the same time on all
 * threads. *data NULL then. */
qn_status qn_store_pin(qn_context *ctx, qn_store *store, int64_t block, const void **data);
void qn_store_unpin(qn_store *store, int64_t block);

/* Says in which order blocks will be pinned from now on, each once: order[0 .. n), copied, or,
 * where `order` is NULL, ascending from 0 to n - 1 (n < 0: all). A background thread then reads the
 * next few that are not in memory before they are asked for. A hint: it takes the place of the one
 * before, costs next to nothing where all blocks are in memory, and pinning others is allowed. Call
 * it at the start of each pass, not from inside qn_parallel. */
qn_status qn_store_read_ahead(qn_context *ctx, qn_store *store, const int64_t *order, int64_t n);

const char *qn_store_name(const qn_store *store);
/* Any thread, at any time. */
qn_store_stats qn_store_get_stats(const qn_store *store);

/* Calls `visit` for every store that lives in the context, oldest first. Any thread, at any time;
 * `name` (cut at 127 bytes) and `stats` are copies. */
typedef void qn_store_visit(void *arg, const char *name, const qn_store_stats *stats);
void qn_context_stores(qn_context *ctx, qn_store_visit *visit, void *arg);
/* Sums over all stores of the context, those that are freed included in what is counted "ever";
 * n_blocks, bytes, bytes_resident and bytes_on_disk are of those that live. */
qn_store_stats qn_context_store_totals(qn_context *ctx);
/* Bytes that allocations of this context can still have: what the budget has left, and what blocks
 * in memory would give by leaving where there is a scratch folder. Plan with it, not with the
 * budget's use: blocks fill whatever is left. */
size_t qn_context_room(qn_context *ctx);

#endif
