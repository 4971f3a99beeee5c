/* The small process in front of several workers: it checks what can be checked, starts them with
 * mpirun, keeps the run's record, watches, and starts them again after a loss, from the last
 * checkpoint, on the hosts that still answer. No threads, no data, no MPI in here. */
#ifndef QN_CLI_SUPERVISE_H
#define QN_CLI_SUPERVISE_H

#include "cli/command.h"

/* Whether the options ask for workers that this process has to start: not where it is one. */
bool qn_supervise_is_wanted(const qn_cli *cli);
/* QN_EINVAL for options of workers that fit neither each other nor the command. */
qn_status qn_supervise_check(qn_context *ctx, const qn_cli *cli);
/* Runs the command on workers. cli->ctx is a small context that holds no data. */
qn_status qn_supervise_run(qn_cli *cli);

#endif
