/* A program as a process of its own, with an end: what it said, how it ended, how long it took. */
#ifndef QN_EXPERIMENT_SWEEP_CHILD_H
#define QN_EXPERIMENT_SWEEP_CHILD_H

#include "base/context.h"
#include "base/text.h"

typedef struct sweep_child {
    int32_t exit_code; /* 128 + signal where one ended it */
    bool is_late;      /* it was ended, its time being over */
    double seconds;
    qn_string out, err; /* the last of what it wrote: 64 MiB and 64 KiB at most */
} sweep_child;

/* Runs argv[0] (a path; argv ends with NULL) in a process group of its own, with no input, and
 * waits for it. Its group is asked to end (SIGTERM), and five seconds later made to, when `timeout`
 * seconds are over (0: never) or the context is cancelled; whatever is left below this process then
 * is ended too; the kernel asks it when this process dies in whatever way. For the main thread.
 * Errors  QN_EUNAVAILABLE it cannot be started; QN_EIO; QN_ENOMEM;
 * QN_ECANCELLED, the child being gone then too. How the child fails is no error of this call.
 * Release *child whatever happens. */
qn_status sweep_child_run(qn_context *ctx, const char *const *argv, double timeout,
                          sweep_child *child);
void sweep_child_release(sweep_child *child);

#endif
