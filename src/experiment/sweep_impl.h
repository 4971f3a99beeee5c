/* What the files of a sweep share. */
#ifndef QN_EXPERIMENT_SWEEP_IMPL_H
#define QN_EXPERIMENT_SWEEP_IMPL_H

#include "experiment/sweep.h"
#include "experiment/sweep_child.h"

/* The points of the grid in the order given, workers slowest; the caller frees *points. QN_EINVAL
 * names a value that does not fit or a point that stands twice. */
qn_status sweep_points(qn_context *ctx, const qn_sweep_options *options, qn_sweep_point **points,
                       int64_t *n);
/* The first places of "a,b:2": "a:1,b:1" for two workers. False: there are fewer, or it is no list
 * of hosts. */
bool sweep_hosts(const char *hosts, int32_t workers, qn_string *out);
/* A shuffled order of n_points x repeats runs: each round has every point once, so that what
 * happens to the machine meanwhile falls on all points alike. order[i] is a run's number. */
void sweep_order(int64_t seed, int64_t n_points, int32_t repeats, int64_t *order);

/* What a run's process left as the JSON text that is kept; `command` is what was run. */
void sweep_run_describe(const qn_sweep_point *point, const qn_sweep_run *run,
                        const sweep_child *child, double timeout, const char *const *command,
                        qn_string *text);
/* Measures out of that text. QN_EDATA: it is none. */
qn_status sweep_run_parse(qn_context *ctx, const char *path, const char *text, size_t length,
                          const qn_sweep_point *point, qn_sweep_run *run);

/* Medians, speed-up, digests: fills in `row` and what follows it. QN_ENOMEM. */
qn_status sweep_summarise(qn_context *ctx, qn_sweep_result *result);

#endif
