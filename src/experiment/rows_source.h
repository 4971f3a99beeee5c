/* Rows in memory as a source: a sample, on its way to become a matrix. */
#ifndef QN_EXPERIMENT_ROWS_SOURCE_H
#define QN_EXPERIMENT_ROWS_SOURCE_H

#include "quern/source.h"

/* n rows of d numbers, x [n x d], borrowed. Columns are known by number. Free with
 * qn_source_free. */
qn_status qn_rows_source(qn_context *ctx, int64_t n, int32_t d, const double *x,
                         qn_source **source);

#endif
