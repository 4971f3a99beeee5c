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

typedef struct qn_orient {
    qn_context *ctx;
    qn_orientation *o;
    bool coded;
    int64_t first_row, end_row; /* of this rank */
    qn_row_cursor *cursor;      /* [rows of this rank] */
    qn_segment_place *place;    /* [segments of this rank] */
    int64_t *first_segment;     /* [rows of this rank + 1] */
    int64_t *rank_end;          /* [size] one past the last row of each rank */
    int64_t *cut;               /* [n_cuts + 1] rows of this rank in runs of about equal weight */
    int64_t n_cuts;
} qn_orient;

/* Lays out the rows whose degrees stand in o->degree: partitions, store, blocks with segments.
 * Collective. */
qn_status qn_orient_open(qn_orient *orient, const char *name, bool coded, int32_t partitions);
/* Rank that owns a row. */
int32_t qn_orient_owner(const qn_orient *orient, uint32_t row);
/* Puts entries of rows of this rank into their places; not for two calls at a time. */
qn_status qn_orient_take(qn_orient *orient, const qn_entry *entries, int64_t n);
/* Sorts each row by (other, rating) and seals the blocks. *n_repeats: entries whose `other` stood
 * before in their row, on this rank. Collective. */
qn_status qn_orient_close(qn_orient *orient, int64_t *n_repeats);
void qn_orient_release(qn_orient *orient);

/* Adds how often each row occurs, over all ranks, into degree[n_rows]. Collective. */
qn_status qn_orient_count(qn_context *ctx, const uint32_t *row, int64_t n, int64_t n_rows,
                          uint32_t *degree);

#endif
