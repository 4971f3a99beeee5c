#include "cli/worker.h"

#include <stdlib.h>
#include <string.h>

#include "engine/comm_module.h"

static int32_t number_in(const char *variable)
{
    const char *text = getenv(variable);

    return text ? (int32_t)strtol(text, NULL, 10) : 0;
}

/* Open MPI's mpirun sets the first; MPICH's, and Slurm for MPI of its kind (srun --mpi=pmi2), the
 * second; Slurm for Open MPI (srun --mpi=pmix) the third, with the number of tasks beside it. */
qn_cli_launch qn_cli_launch_read(void)
{
    qn_cli_launch launch = {.size = 1};

    if (getenv("OMPI_COMM_WORLD_SIZE"))
        launch = (qn_cli_launch){"openmpi", number_in("OMPI_COMM_WORLD_SIZE"),
                                 number_in("OMPI_COMM_WORLD_RANK")};
    else if (getenv("PMI_SIZE") && getenv("PMI_RANK"))
        launch = (qn_cli_launch){"mpich", number_in("PMI_SIZE"), number_in("PMI_RANK")};
    else if (getenv("PMIX_RANK") && getenv("SLURM_STEP_NUM_TASKS"))
        launch =
            (qn_cli_launch){"openmpi", number_in("SLURM_STEP_NUM_TASKS"), number_in("PMIX_RANK")};
    return launch;
}

qn_status qn_worker_check(qn_context *ctx, const qn_command *command, const qn_cli_globals *globals,
                          const char **flavour)
{
    static const char *const named[] = {NULL, "openmpi", "mpich"};
    const qn_cli_launch launch = qn_cli_launch_read();

    *flavour = named[globals->as_rank];
    if (!*flavour && launch.size > 1)
        *flavour = launch.flavour;
    if (!*flavour)
        return QN_OK;
    if (!command->takes_workers && launch.size > 1)
        return qn_fail(ctx, QN_EINVAL,
                       "this command works in one process, and was started as one of %d\n"
                       "try: without mpirun or srun",
                       (int)launch.size);
    if (launch.flavour && strcmp(*flavour, launch.flavour) != 0)
        return qn_fail(ctx, QN_EINVAL,
                       "--as-rank %s, but this process was started by %s\ntry: --as-rank %s",
                       *flavour, launch.flavour, launch.flavour);
    if (globals->workers > 1 && globals->workers != launch.size)
        return qn_fail(ctx, QN_EINVAL,
                       "--workers %d, but this job was started with %d processes\n"
                       "try: without --workers, which then follows the job",
                       (int)globals->workers, (int)launch.size);
    return QN_OK;
}

/* Where MPI's library is another than its launcher every process finds itself alone: all would do
 * the whole work. */
static qn_status check_size(qn_context *ctx, const char *flavour)
{
    const qn_cli_launch launch = qn_cli_launch_read();

    if (launch.size == qn_size(ctx))
        return QN_OK;
    return qn_fail(
        ctx, QN_EINVAL,
        "started as one of %d processes, but the library of %s sees %d: mpirun belongs to "
        "another MPI than the one that is installed here\ntry: quern doctor, which shows "
        "what is",
        (int)launch.size, flavour, (int)qn_size(ctx));
}

qn_status qn_worker_begin(qn_cli *cli, const char *flavour)
{
    qn_context *ctx = cli->ctx;
    qn_status st = QN_OK;

    if (cli->globals->worker_deadline > 0)
        ctx->comm->deadline_seconds = cli->globals->worker_deadline;
    QN_TRY(qn_comm_open(ctx, flavour));
    QN_TRY_ALL(check_size(ctx, flavour));
    QN_TRY_ALL(qn_comm_share_host(ctx, cli->globals->threads == 0, cli->globals->memory == 0));
    if (qn_rank(ctx) > 0 && !freopen("/dev/null", "w", stdout))
        st = qn_fail(ctx, QN_EIO, "worker %d: cannot silence its output", (int)qn_rank(ctx));
    st = qn_comm_agree(ctx, st);
done:
    return st;
}

bool qn_worker_tells(qn_cli *cli, qn_status st)
{
    const qn_comm *comm = cli->ctx->comm;

    if (st == QN_OK)
        return true;
    if (comm->has_agreed && !comm->is_broken)
        return comm->rank == 0;
    cli->has_lost_worker = comm->is_broken && !comm->is_told && st == QN_EIO;
    qn_comm_abort(cli->ctx);
    return !comm->is_told;
}
