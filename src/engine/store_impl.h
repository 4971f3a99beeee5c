/* The inside of stores. Five files share it: store.c keeps blocks and hands them out,
 * store_spill.c decides what leaves memory, store_read.c brings blocks back and reads ahead;
 * store_disk.c moves the bytes of one block. kept.c tells the next process what lies on disk.
 *
 * One lock per context guards what is slow anyway: lists, numbers, and every change of a block's
 * state but two. Pinning a block in memory and unpinning it are one atomic step on its `hold`; so
 * is taking a block that nobody holds. Nothing is allocated, written or read under the lock. */
#ifndef QN_ENGINE_STORE_IMPL_H
#define QN_ENGINE_STORE_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "engine/scratch.h"
#include "engine/store.h"

#define STORE_CHUNKS     40 /* of 16, 32, 64 ... blocks, which never move */
#define STORE_READERS    4  /* threads that read ahead: a disk is faster with several requests */
#define STORE_NAME_BYTES 80 /* of a scratch file's name */

/* `hold` of a block: 0 and more, in memory and pinned so often; otherwise: */
enum {
    BLOCK_OPEN = -1,   /* in memory, being filled */
    BLOCK_MOVING = -2, /* one thread writes, frees or reads it; `changed` tells the end */
    BLOCK_ABSENT = -3, /* on disk only */
    BLOCK_GONE = -4,   /* dropped */
};

typedef struct store_block {
    _Alignas(64) atomic_int hold;
    atomic_bool is_ahead;  /* read ahead and not pinned since */
    atomic_bool not_ahead; /* reading ahead has failed: left to the pin, which tells why */
    void *data;            /* who has taken the block from `hold` may change it */
    size_t bytes;
    int64_t partition;
    uint64_t checksum;
    int64_t offset;      /* of its record in the scratch file; -1: not on disk */
    atomic_ullong stamp; /* of the last unpin, or of sealing */
} store_block;

/* What lies before each block in its scratch file: the file can be read without this process. */
typedef struct store_record {
    char magic[8];
    int64_t block, partition, bytes;
    uint64_t checksum;
    int64_t reserved[3];
} store_record;

#define STORE_MAGIC "QNBLOCK1"
_Static_assert(sizeof(store_record) == QN_ALLOC_LEAD, "direct I/O reads and writes whole pages");

typedef struct qn_stores qn_stores;

struct qn_store {
    qn_stores *all;
    qn_store *before, *after;
    int64_t serial; /* from 1 */
    char *name;
    store_block *chunk[STORE_CHUNKS];
    atomic_llong n_blocks;
    qn_store_stats stats; /* n_blocks is not kept here */
    int64_t n_moving;     /* blocks that are BLOCK_MOVING */

    atomic_bool is_kept;         /* a book (kept.h) tells where its blocks lie */
    char file[STORE_NAME_BYTES]; /* "" until something is spilled */
    atomic_int fd;               /* -1 until then */
    int direct;                  /* the same file past the page cache; -1: its file system cannot */
    int64_t file_end;

    /* The announced pass. order NULL: ascending. */
    atomic_bool is_ahead; /* pins tell the readers how far they are */
    int64_t *order,
        *place; /* block at a position [n_order]; position of a block [n_place], or -1 */
    int64_t n_order, n_place;
    atomic_llong cursor; /* positions below have been pinned or passed over */
};

/* All stores of a context. */
struct qn_stores {
    qn_context *ctx;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a block has come to rest */
    pthread_cond_t wake;    /* a reader has something to do */
    qn_store *first, *last;
    qn_store_stats past;     /* of those that are freed */
    int64_t n_files;         /* ever; guarded by `opening` */
    int64_t n_stores;        /* ever */
    int64_t n_leaving;       /* blocks moving that will be free, or free to take, at the end */
    atomic_ullong clock;     /* counts unpins */
    pthread_mutex_t opening; /* one file at a time */
    qn_scratch scratch;

    pthread_t reader[STORE_READERS];
    int n_readers;
    bool is_closing;
    atomic_int n_sleeping; /* readers */
};

/* Made with the context and freed with it, when no store is left: joins the thread, removes the
 * scratch folder. */
qn_status qn_stores_create(qn_context *ctx);
void qn_stores_free(qn_stores *all);

store_block *qn_store_block_at(const qn_store *store, int64_t number);
static inline bool store_is_loud(const qn_store *store)
{
    return atomic_load_explicit(&store->is_ahead, memory_order_relaxed);
}

/* Where a block lies in its scratch file. */
typedef struct store_place {
    int64_t partition, bytes;
    int64_t offset; /* -1: it was dropped */
    uint64_t checksum;
} store_place;

/* A store whose blocks lie in a file of the scratch folder already. QN_EDATA: one of them does
 * not. */
qn_status qn_store_adopt(qn_context *ctx, const char *name, const char *file,
                         const store_place *place, int64_t n, qn_store **store);

/* ---- store_spill.c ---- */
/* Writes every block that is not on disk yet; they stay in memory. All are sealed, and nobody pins
 * one meanwhile. QN_EIO, QN_ECANCELLED. */
qn_status qn_store_write_through(qn_context *ctx, qn_store *store);
qn_status qn_stores_reclaim(void *arg, qn_context *ctx, qn_reclaim *reclaim);
/* Sends away about `bytes` of blocks, but none that the pass will want soon. False when there is
 * none. */
bool qn_stores_make_room(qn_stores *all, size_t bytes);

/* The memory of a block that lies on disk and has been sent away, now for one of `bytes`, which has
 * no place otherwise; NULL: there is none. */
void *qn_stores_take_over(qn_stores *all, size_t bytes);

/* ---- store_read.c ---- */
/* Brings back a block that the caller has set to BLOCK_MOVING, and pins it once. */
qn_status qn_store_load(qn_context *ctx, qn_store *store, int64_t number, const void **data);
/* Tells the readers that `number` has been pinned. */
void qn_store_passed(qn_store *store, int64_t number);

/* ---- store_disk.c: no lock held; the block is the caller's ---- */
/* *offset is where the block's record lies. */
qn_status qn_store_write_block(qn_store *store, int64_t number, int64_t *offset, qn_fault *fault);
qn_status qn_store_read_block(qn_store *store, int64_t number, void *data, qn_fault *fault);
void qn_store_punch(qn_store *store, int64_t offset, size_t bytes);
/* Opens a file that is there. False: it cannot be opened. */
bool qn_store_open_file(qn_store *store, const char *file);
/* Whether the record of the block lies where it should. */
bool qn_store_has_record(const qn_store *store, int64_t number);
void qn_store_close_file(qn_store *store);

/* ---- kept.c ---- */
/* The blocks of a store are no longer all there: nobody shall look for them. */
void qn_store_unkeep(qn_store *store);

#endif
