/* The only parallel construct: a loop over tasks on the context's threads. */
#ifndef QN_BASE_POOL_H
#define QN_BASE_POOL_H

#include <stdint.h>

#include "quern/context.h"

typedef struct qn_pool qn_pool;

/* One task. `thread` is 0 .. qn_context_threads() - 1, for scratch kept per thread. */
typedef qn_status qn_task(void *arg, int64_t task, int32_t thread);

qn_status qn_pool_create(qn_context *ctx, int32_t threads, qn_pool **pool);
void qn_pool_free(qn_pool *pool);
int32_t qn_pool_threads(const qn_pool *pool);

/* Runs tasks 0 .. n_tasks - 1, handed out in ascending order one at a time, the caller working too.
 * Stops handing out after a failure or cancel, waits for those under way and returns the first
 * failure, whose text stands in the context. Not to be called from inside a task. */
qn_status qn_parallel(qn_context *ctx, int64_t n_tasks, qn_task *task, void *arg);

/* Threads that ran at least one task since the context was made: observed parallelism. */
int32_t qn_pool_threads_used(const qn_pool *pool);
/* Sum over threads of the time spent in tasks, seconds. */
double qn_pool_busy_seconds(const qn_pool *pool);

#endif
