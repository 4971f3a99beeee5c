/* One orientation in the making: rows of this rank, filled in any order, then sorted row by row and
 * laid out in blocks. */
#ifndef QN_DATA_RATINGS_ORIENT_H
#define QN_DATA_RATINGS_ORIENT_H

#include "data/ratings_piles.h"
#include "quern/ratings.h"

/* A rating on its way to the row that holds it. `bits`: the code, or the float where ratings are
 * not coded. */
typedef struct qn_entry {
    uint32_t row, other, bits;
} qn_entry;

/* A block that is to be: it begins with a segment of a row. */
typedef struct qn_orient_block {
    int64_t partition;
    int64_t row, part;
    int64_t n_segments, n_entries;
} qn_orient_block;

/* Entries first go to piles, each for the rows of a few blocks: writing straight to rows all over
 * memory takes several times as long, and all rows need not be in memory. The blocks are known
 * before the first entry comes, from the degrees. */
typedef struct qn_orient {
    qn_context *ctx;
    qn_orientation *o;
    bool coded;
    int64_t first_row, end_row; /* of this rank */
    int64_t *rank_end;          /* [size] one past the last row of each rank */

    qn_orient_block *block; /* [n_blocks] of this rank, numbered as in the store */
    int64_t n_blocks;
    qn_piles piles;
    int64_t *pile_block; /* [piles + 1] first block of each; a row lies in one pile */
    int64_t *pile_row;   /* [piles + 1] first row of each */
    uint16_t *pile_of;   /* [rows of this rank] */
    size_t work_bytes;   /* of blocks that are filled at a time */
} qn_orient;

/* Cuts the rows whose degrees stand in o->degree into partitions and blocks, and makes piles for
 * this rank's entries. Collective. */
qn_status qn_orient_open(qn_orient *orient, bool coded, int32_t partitions);
/* Rank that owns a row. */
int32_t qn_orient_owner(const qn_orient *orient, uint32_t row);
/* Takes entries of rows of this rank; not for two calls at a time. */
qn_status qn_orient_take(qn_orient *orient, const qn_entry *entries, int64_t n);
/* Fills the blocks of the store `name` pile by pile, sorts each row by (other, rating), seals.
 * *n_repeats: entries whose `other` stood before in their row, on this rank. Collective. */
qn_status qn_orient_close(qn_orient *orient, const char *name, int64_t *n_repeats);
void qn_orient_release(qn_orient *orient);

/* Entries of a segment of a row, and how many segments the row has. */
int64_t qn_orient_segment_entries(const qn_orient *t, int64_t row, int64_t part);
int64_t qn_orient_n_segments(const qn_orient *t, int64_t row);
/* One of an orientation's piles to its blocks, which are in the store, not sealed; seals them.
 * *keys is a thread's scratch of *capacity, grown as needed. */
typedef struct qn_orient_keys {
    uint64_t *keys;
    int64_t capacity;
} qn_orient_keys;
qn_status qn_orient_fill_pile(const qn_orient *t, int64_t pile, qn_orient_keys *keys,
                              int64_t *n_repeats);

#endif
