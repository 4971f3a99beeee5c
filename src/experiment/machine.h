/* What the machine can do at most: the measure that hot loops are held against. */
#ifndef QN_EXPERIMENT_MACHINE_H
#define QN_EXPERIMENT_MACHINE_H

#include "base/context.h"
#include "base/pool.h"

typedef struct qn_machine {
    int32_t threads;
    double read;      /* bytes a second, all threads, from an array larger than the caches */
    double flops_f32; /* multiply-adds of the kernel set in use times two, a second, all threads */
    double flops_f64; /* the same in double */
    int64_t array_bytes; /* that were read */
    int64_t cache_bytes; /* of the largest cache; 0: unknown */
} qn_machine;

/* Takes about half a second and memory of the budget. QN_ENOMEM; QN_ECANCELLED. */
qn_status qn_machine_measure(qn_context *ctx, qn_machine *machine);

/* Seconds of running tasks 0 .. n_tasks - 1 on all threads: one pass that does not count, then
 * `repeats` of them. */
typedef struct qn_timing {
    double best, median;
} qn_timing;
#define QN_MAX_REPEATS 1000
qn_status qn_time_tasks(qn_context *ctx, int32_t repeats, int64_t n_tasks, qn_task *task, void *arg,
                        qn_timing *timing);

#endif
