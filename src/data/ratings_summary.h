/* What triples say as a whole, in one pass. */
#ifndef QN_DATA_RATINGS_SUMMARY_H
#define QN_DATA_RATINGS_SUMMARY_H

#include "data/ratings_values.h"
#include "data/triples.h"

/* Fills in all that needs no orientation: counts, number, fingerprint, extents and distinct values,
 * and of both orientations the sizes and degrees. QN_EDATA where no rows are left. Collective. */
qn_status qn_ratings_summarise(qn_context *ctx, const qn_triples *t, qn_value_set *values,
                               qn_ratings *r);

#endif
