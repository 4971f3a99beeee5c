/* Where the parts of a block of ratings lie: shared by those who fill blocks and those who pin
 * them. */
#ifndef QN_DATA_RATINGS_LAYOUT_H
#define QN_DATA_RATINGS_LAYOUT_H

#include "data/ratings_block.h"

typedef struct qn_block_header {
    int64_t n_segments, n_entries;
    int64_t coded; /* values take one byte */
} qn_block_header;

/* Byte offsets in a block, multiples of 64. */
typedef struct qn_block_parts {
    size_t segment, index, value;
} qn_block_parts;

/* Returns the bytes of the whole block. */
size_t qn_block_layout(int64_t n_segments, int64_t n_entries, bool coded, qn_block_parts *parts);

#endif
