/* Options that every command takes and that mean the same everywhere. */
#include "cli/command.h"
#include "engine/comm.h"
#include "engine/launch.h"

#define GLOBAL .group = "Everywhere"

/* Options of other systems' scripts that mean nothing here. */
#define IGNORED(option, ...)                                                                       \
    {                                                                                              \
        .name = (option), .type = QN_PARAM_TEXT, .offset = offsetof(qn_cli_globals, ignored),      \
        .help = "of other systems; means nothing here", .hidden = true, __VA_ARGS__                \
    }

static const qn_param global_params[] = {
    QN_PARAM(qn_cli_globals, threads, 0, 0, 1024,
             "threads to work with; 0: all that the container allows", .metavar = "N", GLOBAL),
    QN_PARAM(qn_cli_globals, memory, 0, 0, 9e18,
             "most memory to hold, such as 512m or 4g; 0: 80 % of what the container allows",
             .metavar = "BYTES", .aliases = "driver-memory executor-memory", GLOBAL),
    QN_PARAM(qn_cli_globals, workers, 0, 0, QN_MAX_RANKS,
             "worker processes, started over MPI; each takes --threads and --memory of its own. 0: "
             "one, or as many as the hosts say",
             .metavar = "N", .aliases = "num-executors", GLOBAL),
    QN_PARAM_STRING(qn_cli_globals, hosts, NULL, "HOST[:N],...",
                    "machines to work on, each with the number of workers there", GLOBAL),
    QN_PARAM_STRING(qn_cli_globals, hostfile, NULL, "FILE",
                    "the same from a file: HOST, HOST:N or HOST slots=N a line", GLOBAL),
    QN_PARAM_CHOICE_OF(qn_cli_globals, mpi, 0, QN_MPI_CHOICES, "the MPI that carries the messages",
                       GLOBAL),
    QN_PARAM(qn_cli_globals, min_workers, 0, 0, QN_MAX_RANKS,
             "after a loss, go on with no fewer workers than this; 0: all of them", .metavar = "N",
             GLOBAL),
    QN_PARAM(qn_cli_globals, max_restarts, 3, 0, 1000,
             "how often the workers are started again after one is lost", .metavar = "N", GLOBAL),
    QN_PARAM_STRING(qn_cli_globals, rsh_agent, NULL, "COMMAND",
                    "reaches other hosts in ssh's way; default: QN_RSH_AGENT, else ssh", GLOBAL),
    QN_PARAM_STRING(qn_cli_globals, network, NULL, "NET",
                    "network that the workers talk over: 10.0.0.0/24 or, with mpich, an interface",
                    GLOBAL),
    QN_PARAM_CHOICE_OF(qn_cli_globals, as_rank, 0, QN_CLI_RANK_CHOICES,
                       "be one worker of the MPI job that started this process", .hidden = true,
                       .group = QN_CLI_INTERNAL),
    QN_PARAM(qn_cli_globals, worker_deadline, 0, 0, 1e6,
             "seconds to wait for another worker; 0: ten minutes", .hidden = true,
             .group = QN_CLI_INTERNAL),
    QN_PARAM_FLAG(qn_cli_globals, restored, "of a worker: its run goes on from its checkpoint",
                  .hidden = true, .group = QN_CLI_INTERNAL),
    QN_PARAM_STRING(qn_cli_globals, run_id, NULL, "RUN",
                    "of a worker: the run that its supervisor keeps the record of", .hidden = true,
                    .group = QN_CLI_INTERNAL),
    QN_PARAM_CHOICE_OF(qn_cli_globals, kernels, 0, QN_CLI_KERNEL_CHOICES,
                       "instruction set of the inner loops; results are repeatable within a set",
                       GLOBAL),
    QN_PARAM_STRING(qn_cli_globals, scratch, NULL, "DIR",
                    "folder for data larger than the memory allowed", GLOBAL),
    QN_PARAM_STRING(qn_cli_globals, runs_dir, "runs", "DIR", "folder that keeps the run records",
                    GLOBAL),
    QN_PARAM(qn_cli_globals, event_log, true, 0, 1,
             "keep what happens in the run as an event log of Spark, beside its record", GLOBAL),
    QN_PARAM_FLAG(qn_cli_globals, json, "end with one line of JSON on standard output", GLOBAL),
    QN_PARAM_FLAG(qn_cli_globals, quiet, "no progress and no messages but errors", .aliases = "q",
                  GLOBAL),
    QN_PARAM_FLAG(qn_cli_globals, help, "show the command's help and stop", .aliases = "h", GLOBAL),
    IGNORED("shuffle_partitions", .aliases = "target-repartition"),
    IGNORED("master"),
    IGNORED("deploy_mode"),
    IGNORED("executor_cores", .aliases = "driver-cores total-executor-cores"),
    IGNORED("conf"),
    IGNORED("checkpoint_interval"),
    IGNORED("block_size"),
    IGNORED("intermediate_storage_level", .aliases = "final-storage-level"),
};

const qn_params qn_cli_global_table = {
    .name = "everywhere",
    .param = global_params,
    .n = sizeof global_params / sizeof global_params[0],
    .struct_size = sizeof(qn_cli_globals),
};
