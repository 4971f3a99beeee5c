/* The scratch folder of one rank of one run: made below the context's scratch_dir when something is
 * first written there, held by a file lock while the process lives, removed when the context goes.
 * Folders that dead processes have left, whose lock is free, are swept at the next start. */
#ifndef QN_ENGINE_SCRATCH_H
#define QN_ENGINE_SCRATCH_H

#include <limits.h>
#include <stdbool.h>

#include "base/context.h"

/* A failure as data. The thread that reads ahead has no one to tell, and must not touch the
 * messages of others: whoever asked for the work tells it by qn_fail. */
typedef struct qn_fault {
    qn_status status;
    char text[1024];
} qn_fault;
qn_status qn_fault_set(qn_fault *fault, qn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Words for an errno of a read or write, as qn_fail_errno has them. */
const char *qn_fault_reason(int error_number, char buffer[128]);

typedef struct qn_scratch {
    pthread_mutex_t lock; /* making the folder */
    char run[128];        /* "" : known by the process number */
    char path[PATH_MAX];  /* "" until the folder is made */
    int folder, held;     /* descriptors of the folder and of the lock in it; -1 */
} qn_scratch;

void qn_scratch_init(qn_scratch *scratch);
/* Removes the folder and all in it. */
void qn_scratch_release(qn_scratch *scratch);

/* Whether `dir` can serve: a folder, writable, on a disk. QN_ENOTFOUND, QN_EIO or QN_EINVAL (memory
 * file systems: what is written there is memory again) with what to give instead. For commands that
 * want to refuse before work starts. */
qn_status qn_scratch_check(qn_context *ctx, const char *dir);
/* Names the scratch folder after the run, not the process, and sweeps what dead runs have left,
 * except folders of this run: those a relaunch may take over. Before anything is spilled; letters,
 * digits, '-' and '_', at most 127. */
qn_status qn_scratch_set_run(qn_context *ctx, const char *run);
/* Where this context spills to; "" if it has not. */
const char *qn_scratch_path(const qn_context *ctx);

/* Removes folders below `dir` whose process is gone; those of runs too if `all`, except run `keep`
 * (may be NULL). What cannot be removed is left to the next. */
void qn_scratch_sweep(const char *dir, bool all, const char *keep);
/* A new file in the folder, which is made if need be, for reading and writing. */
qn_status qn_scratch_open(qn_context *ctx, qn_scratch *scratch, const char *name, int *fd,
                          qn_fault *fault);
/* Removes a file from the folder. */
void qn_scratch_remove(qn_scratch *scratch, const char *name);

/* Takes over a folder that a dead process of this run and rank has left with a file `name` in it.
 * Before anything is spilled. False: there is none. */
bool qn_scratch_adopt(qn_context *ctx, const char *name);
/* Removes the folder and all in it; the next file makes another. */
void qn_scratch_discard(qn_scratch *scratch);
/* Removes all files of the folder but the lock and these. */
void qn_scratch_keep_only(qn_scratch *scratch, const char *const *name, int32_t n);

#endif
