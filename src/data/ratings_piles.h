/* Piles of records that may leave memory: rows on their way to the place where they are sorted.
 * How many records each pile will get is known before the first comes; they lie in chunks, blocks
 * of a store, sealed as they are full. */
#ifndef QN_DATA_RATINGS_PILES_H
#define QN_DATA_RATINGS_PILES_H

#include "base/context.h"

struct qn_store;

typedef struct qn_pile {
    int64_t total;       /* records that it gets */
    int64_t taken;       /* of them, in full chunks */
    int64_t first_chunk; /* in `chunk` of qn_piles */
    void *open;          /* chunk being filled */
    int64_t room, used;  /* records of it */
} qn_pile;

typedef struct qn_piles {
    qn_context *ctx;
    struct qn_store *store;
    int64_t n;
    qn_pile *pile;  /* [n] */
    int64_t *chunk; /* [n_chunks] numbers of blocks in the store, pile by pile */
    int64_t n_chunks;
    int64_t chunk_records;
    size_t record_bytes;
} qn_piles;

/* How records are cut into piles, so that the chunks being filled, and the piles that all threads
 * work on at a time, fit what the budget leaves. */
typedef struct qn_pile_plan {
    int64_t pile_records; /* a pile aims at */
    int64_t chunk_records;
    size_t work_bytes; /* that piles worked on at a time may take together */
} qn_pile_plan;

/* `records` of `record_bytes` in all; working on a pile takes `work_bytes` a record. `usual`: the
 * records of a pile where memory is no matter. */
qn_pile_plan qn_piles_plan(qn_context *ctx, int64_t records, size_t record_bytes, size_t work_bytes,
                           int64_t usual);

/* Empty piles of total[n] records each; release them also after a failure. */
qn_status qn_piles_init(qn_context *ctx, const char *name, const int64_t *total, int64_t n,
                        const qn_pile_plan *plan, size_t record_bytes, qn_piles *piles);
void qn_piles_release(qn_piles *piles);

/* Opens the next chunk of a pile whose open one is full. One thread a pile. */
qn_status qn_piles_next_chunk(qn_piles *piles, int64_t pile);
/* After it, pile->open has room for a record at place pile->used, of pile->room; the caller then
 * counts `used` up. */
static inline qn_status qn_piles_reserve(qn_piles *piles, int64_t pile)
{
    const qn_pile *p = &piles->pile[pile];

    return p->used < p->room ? QN_OK : qn_piles_next_chunk(piles, pile);
}
/* Seals what is still open: all records have come. */
qn_status qn_piles_seal(qn_piles *piles);

int64_t qn_piles_n_chunks(const qn_piles *piles, int64_t pile);
/* Records of a chunk. */
int64_t qn_piles_chunk_records(const qn_piles *piles, int64_t pile, int64_t chunk);
qn_status qn_piles_pin(const qn_piles *piles, int64_t pile, int64_t chunk, const void **data);
/* Unpins, and gives the chunk's memory back: a chunk is looked at once. */
void qn_piles_drop(const qn_piles *piles, int64_t pile, int64_t chunk);

#endif
