/* What every job says about its input. */
#ifndef QN_LIFECYCLE_EVENTS_H
#define QN_LIFECYCLE_EVENTS_H

#include "quern/ratings.h"

/* Counts rows, bad rows by kind, duplicates; the fact data.files; a warning if rows were skipped.
 */
void qn_emit_input(qn_context *ctx, const qn_text_list *input, const qn_ratings_counts *counts);
/* The fact data.fingerprint. */
void qn_emit_fingerprint(qn_context *ctx, uint64_t fingerprint);

#endif
