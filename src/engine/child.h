/* A child process with its output in pipes, and the end of everything that it started. For the main
 * thread of processes that start nothing else: whatever runs below them is ended too. */
#ifndef QN_ENGINE_CHILD_H
#define QN_ENGINE_CHILD_H

#include <sys/types.h>

#include "engine/launch.h"

/* Start with {.pid = 0, .out = -1, .err = -1}, or QN_CHILD_NONE. */
typedef struct qn_child {
    pid_t pid; /* 0: none, or it has been waited for */
    int out;   /* read end of its standard output, not blocking; -1: closed */
    int err;   /* of its standard error */
    int wait_status;
} qn_child;
#define QN_CHILD_NONE ((qn_child){.out = -1, .err = -1})

/* Starts it in a process group of its own, reading nothing, and killed (or sent the line's signal)
 * as soon as this process is gone; to be called from the main thread. QN_EUNAVAILABLE names what
 * cannot be executed. */
qn_status qn_child_start(qn_context *ctx, const qn_launch_line *line, qn_child *child);
/* Whether it has ended; wait_status then tells how, as of waitpid. Does not wait. */
bool qn_child_has_ended(qn_child *child);
/* SIGTERM, up to `grace` seconds, then SIGKILL to it and to every process below this one; waits
 * until none is left, 5 s at most. Closes the pipes. */
void qn_child_end(qn_child *child, double grace);
/* Sends a signal to a process, if it runs below this one. False: it does not. */
bool qn_child_signal(pid_t pid, int number);
/* SIGKILL to it and its group, if it has not ended, and closes the pipes. */
void qn_child_drop(qn_child *child);
/* Makes this process the parent of orphans among those that it started, so that none gets away. */
void qn_child_adopt_orphans(void);

#endif
