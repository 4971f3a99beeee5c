/* What every job says about its input. */
#ifndef QN_LIFECYCLE_EVENTS_H
#define QN_LIFECYCLE_EVENTS_H

#include "quern/matrix.h"
#include "quern/ratings.h"

/* Counts rows, bad rows by kind, duplicates; the fact data.files; a warning if rows were skipped.
 */
void qn_emit_input(qn_context *ctx, const qn_text_list *input, const qn_ratings_counts *counts);
/* The same of a table: rows, files, missing, sampled out. */
void qn_emit_table_input(qn_context *ctx, const qn_text_list *input,
                         const qn_matrix_counts *counts);
/* The fact data.fingerprint. */
void qn_emit_fingerprint(qn_context *ctx, uint64_t fingerprint);

#endif
