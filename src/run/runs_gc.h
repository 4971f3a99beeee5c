/* Removing runs, and looking at two beside one another. */
#ifndef QN_RUN_RUNS_GC_H
#define QN_RUN_RUNS_GC_H

#include "base/context.h"
#include "base/text.h"
#include "quern/param.h"

typedef struct qn_runs_gc_options {
    int32_t keep; /* newest runs that stay */
} qn_runs_gc_options;
extern const qn_params qn_runs_gc_table;

/* Removes the folders and event logs of all runs but the newest `keep`. Runs that may still live
 * stay, whatever their age, and are counted in *n_live. */
qn_status qn_runs_gc(qn_context *ctx, const char *runs_dir, int32_t keep, int64_t *n_removed,
                     int64_t *n_live);

/* Two records as one line of JSON: ids, whether their models are the same, and members "differ":
 * by dotted name [a, b] of what differs in parameters and data, and "numbers": [a, b, b / a] of
 * counts, timings, metrics and resources. Free `out` with qn_string_release. */
qn_status qn_runs_compare(qn_context *ctx, const char *runs_dir, const char *a, const char *b,
                          qn_string *out);

#endif
