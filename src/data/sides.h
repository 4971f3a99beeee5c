/* Which part each row of triples goes to, block by block in a store: a bit a row, or a byte where
 * there are more than two parts. So a choice that is drawn once costs next to nothing, and obeys
 * the budget. */
#ifndef QN_DATA_SIDES_H
#define QN_DATA_SIDES_H

#include "data/triples.h"

/* For the rows of `triples` that this rank holds, n_parts at most 256. The triples need not live
 * on. Free with qn_sides_free. */
qn_status qn_sides_create(qn_context *ctx, const qn_triples *triples, int32_t n_parts,
                          qn_sides **sides);
void qn_sides_free(qn_sides *sides);

/* part[] of the rows of a block, below n_parts. Once a block; any thread. */
qn_status qn_sides_put(qn_context *ctx, qn_sides *sides, int64_t block, const uint8_t *part);
/* part[n] of the rows from `first` on, whose blocks have been put. Any thread. */
qn_status qn_sides_get(qn_context *ctx, const qn_sides *sides, int64_t first, int64_t n,
                       uint8_t *part);

#endif
