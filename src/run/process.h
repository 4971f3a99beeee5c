/* Who runs where, so that a later run can tell whether an earlier one still lives. */
#ifndef QN_RUN_PROCESS_H
#define QN_RUN_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct qn_process {
    char host[256];
    char boot_id[64]; /* "" where unknown */
    int64_t pid;
    int64_t start_ticks; /* since boot; tells a process from a later one with its number */
} qn_process;

void qn_process_self(qn_process *process);
/* False only if it surely runs no more: it was on this host, and the host has been started anew or
 * has no such process. */
bool qn_process_may_live(const qn_process *process);

#endif
