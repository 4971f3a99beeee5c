/* The inside of a block of ratings. Segments of consecutive rows; a segment never crosses a
 * multiple of cells.long_row entries of its row, so a row longer than that comes in several, in
 * order.
 *
 *   header | segments[n_segments] | index uint32[n_entries] | value uint8 or float [n_entries]
 * with each part starting at a multiple of 64 bytes. */
#ifndef QN_DATA_RATINGS_BLOCK_H
#define QN_DATA_RATINGS_BLOCK_H

#include "quern/ratings.h"

typedef struct qn_segment {
    uint32_t row;   /* of the orientation, all ranks' numbering */
    uint32_t n;     /* entries here */
    uint32_t start; /* of the segment in the block's entries */
    uint32_t part;  /* which cell of a long row: entries part * long_row ... of the row */
} qn_segment;

typedef struct qn_ratings_block {
    int64_t n_segments, n_entries;
    const qn_segment *segment;
    const uint32_t *index;
    const uint8_t *code; /* NULL when values are floats */
    const float *value;  /* NULL when coded */
} qn_ratings_block;

/* Pins block `b` of an orientation and points into it; unpin with qn_store_unpin(o->store, b). */
qn_status qn_ratings_block_pin(qn_context *ctx, const qn_orientation *o, int64_t b,
                               qn_ratings_block *view);

#endif
