/* A process as one worker of several: how it learns that it is one, and how it begins and ends.
 * What the workers do in between is the command's, and they do it alike; only worker 0 speaks. */
#ifndef QN_CLI_WORKER_H
#define QN_CLI_WORKER_H

#include "cli/command.h"

/* What the environment says of the MPI job that this process was started in. */
typedef struct qn_cli_launch {
    const char *flavour; /* "openmpi", "mpich"; NULL: not started in one */
    int32_t size, rank;
} qn_cli_launch;
qn_cli_launch qn_cli_launch_read(void);

/* Whether the process is to be a worker: told by --as-rank, or started as one of several by an
 * mpirun or Slurm. *flavour NULL: it works alone. QN_EINVAL: --workers says another number than the
 * job has, or the command works in one process only. */
qn_status qn_worker_check(qn_context *ctx, const qn_command *command, const qn_cli_globals *globals,
                          const char **flavour);

/* Joins the other workers; takes this one's share of the host where the user gave no numbers, and
 * silences all but worker 0. */
qn_status qn_worker_begin(qn_cli *cli, const char *flavour);
/* Whether this worker tells the user of failure `st`: worker 0 of one that all have agreed on, else
 * the one that it happened to. Wakes the others where they do not know of it. */
bool qn_worker_tells(qn_cli *cli, qn_status st);

#endif
