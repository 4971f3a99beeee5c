/* What a command is. One file cmd_x.c exports one qn_command; commands.c lists them. Help, man
 * pages, completion and `quern params` are made from the same tables that the parser reads. */
#ifndef QN_CLI_COMMAND_H
#define QN_CLI_COMMAND_H

#include "base/context.h"
#include "base/text.h"
#include "cli/args.h"
#include "cli/terminal.h"
#include "quern/param.h"

/* Options that mean the same for every command: cmd_global.c. */
typedef struct qn_cli_globals {
    int32_t threads;
    size_t memory;
    int32_t workers;
    const char *hosts, *hostfile;
    int32_t mpi; /* qn_mpi */
    int32_t min_workers, max_restarts;
    const char *rsh_agent, *network;
    int32_t as_rank; /* 0: no; else the MPI that started this process, of QN_CLI_RANK_CHOICES */
    double worker_deadline; /* seconds without a byte from another worker; 0: the default */
    bool restored;          /* of a worker: its run goes on from its checkpoint */
    const char *run_id;     /* of a worker: the run that its supervisor keeps the record of */
    int32_t kernels;        /* index into QN_CLI_KERNEL_CHOICES */
    const char *scratch;
    const char *runs_dir;
    bool event_log;
    bool json;
    bool quiet;
    bool help;
    const char *ignored; /* of options that mean something in other systems only */
} qn_cli_globals;
#define QN_CLI_RANK_CHOICES   "none|openmpi|mpich"
#define QN_CLI_KERNEL_CHOICES "auto|reference|avx2|avx512"
extern const qn_params qn_cli_global_table;

struct qn_algo;
struct qn_command;
struct qn_progress;
struct qn_record;
struct qn_resume;
struct qn_run_log;
struct qn_spark_log;

/* One call of the program. Everything is borrowed by the command and freed by main. */
typedef struct qn_cli {
    const struct qn_command *command;
    qn_context *ctx;
    const qn_cli_globals *globals;
    void *values[QN_CLI_MAX_TABLES]; /* a filled struct for each table of the command */
    const char *const *argument;     /* words that are no options */
    int64_t n_arguments;
    const qn_cli_args *args;
    qn_terminal out, err;             /* standard output and error */
    struct qn_progress *progress;     /* draws on a terminal, and says warnings */
    const char *as_rank;              /* the MPI whose worker this is; NULL: it works alone */
    struct qn_record *record;         /* of the job under way; NULL: none is kept */
    struct qn_resume *resume;         /* the run to go on with; NULL: a new one */
    struct qn_checkpoint *checkpoint; /* of the job under way; NULL: none */
    struct qn_spark_log *log;         /* its event log; NULL: none is kept */
    struct qn_run_log *run_log;       /* the same in words */
    bool is_supervisor;               /* the work is done by workers that this process starts */
    int32_t n_workers;                /* that a supervisor starts at first */
    struct qn_relay *relay;           /* in a worker: the way to the supervisor; NULL: none */
    struct qn_heartbeat *heartbeat;   /* in a worker: its signs of life; NULL: none */
    bool has_lost_worker;             /* in a worker: it fails since another is gone */
    struct qn_event_gather_box *box;  /* in a worker: what it will hand to worker 0 */
    qn_string members;                /* in a worker: JSON members for the result's line */
} qn_cli;

typedef struct qn_command {
    const char *name;      /* the words behind `quern`: "fit als" */
    const char *help;      /* one line, no full stop; NULL: the algorithm's title */
    const char *arguments; /* "PATH"; NULL: takes none */
    int32_t min_arguments, max_arguments;
    const qn_params *table[QN_CLI_MAX_TABLES]; /* ended by NULL; the global table is added */
    const char *words_are; /* words are values of this list option; NULL: they are arguments */
    const char *usage;     /* the options that matter, for the usage line; NULL: "[options]" */
    const char *notes;     /* paragraphs for help and man page; NULL: the algorithm's, or none */
    const char *examples;  /* one a line; NULL: the algorithm's, or none */
    const struct qn_algo *algo; /* that the command fits; NULL: none */
    bool hidden;                /* not listed in the help */
    bool takes_workers;         /* can work in several processes together */
    qn_status (*run)(qn_cli *cli);
} qn_command;

/* All commands, in the order of the help; ended by NULL. */
extern const qn_command *const qn_commands[];
/* The command whose words begin `word`; *n_words is how many it took. NULL: none. */
const qn_command *qn_command_find(const char *const *word, int32_t n, int32_t *n_words);
/* The command called "fit-als" or, in words, "fit als"; NULL: none. */
const qn_command *qn_command_named(const char *const *word, int32_t n);
/* Commands whose name begins with `prefix` and a blank: 0 if there is no such group. */
int32_t qn_command_group_size(const char *prefix);
/* Texts of the command or of its algorithm; notes and examples may be NULL. */
const char *qn_command_help(const qn_command *command);
const char *qn_command_notes(const qn_command *command);
const char *qn_command_examples(const qn_command *command);
/* Fills `table` with the command's tables and the global one behind; returns how many. */
int32_t qn_command_tables(const qn_command *command, const qn_params *table[QN_CLI_MAX_TABLES]);
/* Whether parameter p of table[t] is for users: not hidden, and not taken by an earlier table,
 * which the parser asks first. */
bool qn_command_shows(const qn_params *const *table, int32_t t, int64_t p);

#endif
