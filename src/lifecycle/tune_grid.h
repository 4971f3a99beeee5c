/* The grid of `tune`: every combination of the values given, first name slowest. */
#ifndef QN_LIFECYCLE_TUNE_GRID_H
#define QN_LIFECYCLE_TUNE_GRID_H

#include "lifecycle/tune.h"

#define QN_TUNE_POINTS 10000

/* Parses "name=v1,v2" texts over `base`; checks every value. *rows is for the caller to free. */
qn_status qn_tune_grid(qn_context *ctx, const qn_text_list *grid, const qn_als_params *base,
                       qn_tune_row **rows, int64_t *n);

#endif
