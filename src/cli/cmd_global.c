/* Options that every command takes and that mean the same everywhere. */
#include "cli/command.h"

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
    QN_PARAM(qn_cli_globals, workers, 1, 1, 4096,
             "worker processes; this version works in one, with threads", .metavar = "N",
             .aliases = "num-executors", GLOBAL),
    QN_PARAM_STRING(qn_cli_globals, hosts, NULL, "HOST,...",
                    "machines to work on; this version works on this one alone", GLOBAL),
    QN_PARAM_CHOICE_OF(qn_cli_globals, as_rank, 0, QN_CLI_RANK_CHOICES,
                       "be one worker of the MPI job that started this process", .hidden = true,
                       .group = QN_CLI_INTERNAL),
    QN_PARAM(qn_cli_globals, worker_deadline, 0, 0, 1e6,
             "seconds to wait for another worker; 0: ten minutes", .hidden = true,
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
