/* One orientation in the making: rows of this rank, laid out in blocks, filled in any order, then
 * sorted row by row. */
#ifndef QN_DATA_RATINGS_ORIENT_H
#define QN_DATA_RATINGS_ORIENT_H

#include "data/ratings_values.h"

/* A rating on its way to the row that holds it. `bits`: the code, or the float where ratings are
 * not coded. */
typedef struct qn_entry {
    uint32_t row, other, bits;
} qn_entry;

typedef struct qn_row_cursor qn_row_cursor;
typedef struct qn_segment_place qn_segment_place;

/* Entries first go to piles, each for a run of rows that fits a core's cache, then from there to
 * their rows: writing straight to rows all over memory takes several times as long. */
typedef struct qn_orient {
    qn_context *ctx;
    qn_orientation *o;
    bool coded;
    int64_t first_row, end_row; /* of this rank */
    int64_t *rank_end;          /* [size] one past the last row of each rank */

    int64_t n_piles;
    int64_t *pile_row;     /* [n_piles + 1] first row of each */
    int64_t *pile_start;   /* [n_piles + 1] of its entries */
    int64_t *pile_next;    /* [n_piles] where the next entry goes */
    uint16_t *pile_of;     /* [rows of this rank] */
    uint32_t *row, *other; /* [entries of this rank] */
    void *bits;            /* [entries of this rank] uint8 if coded, else uint32 */

    qn_row_cursor *cursor;   /* [rows of this rank] */
    qn_segment_place *place; /* [segments of this rank] */
    int64_t *first_segment;  /* [rows of this rank + 1] */
} qn_orient;

/* Cuts the rows whose degrees stand in o->degree into partitions, and makes room for this rank's
 * entries. Collective. */
qn_status qn_orient_open(qn_orient *orient, bool coded, int32_t partitions);
/* Rank that owns a row. */
int32_t qn_orient_owner(const qn_orient *orient, uint32_t row);
/* Takes entries of rows of this rank; not for two calls at a time. */
qn_status qn_orient_take(qn_orient *orient, const qn_entry *entries, int64_t n);
/* Lays out the blocks of the store `name`, fills them, sorts each row by (other, rating), seals.
 * *n_repeats: entries whose `other` stood before in their row, on this rank. Collective. */
qn_status qn_orient_close(qn_orient *orient, const char *name, int64_t *n_repeats);
void qn_orient_release(qn_orient *orient);

/* Adds how often each row occurs, over all ranks, into degree[n_rows]. Collective. */
qn_status qn_orient_count(qn_context *ctx, const uint32_t *row, int64_t n, int64_t n_rows,
                          uint32_t *degree);

#endif
