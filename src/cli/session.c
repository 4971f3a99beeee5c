#include "cli/session.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/help.h"
#include "cli/report.h"
#include "cli/resume.h"
#include "cli/supervise.h"
#include "cli/worker.h"
#include "engine/comm_module.h"
#include "engine/scratch.h"
#include "run/progress.h"
#include "run/record.h"
#include "run/run_log.h"
#include "run/spark_log.h"

#define SMALL_BYTES      ((size_t)64 << 20) /* budget of a context that holds no data */
#define EXIT_BROKEN_PIPE 141                /* as a shell shows a program ended by SIGPIPE */

/* The one thing a signal handler can reach: the context to cancel. Set before the handlers are. */
static qn_context *volatile signal_context;
static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
    if (signal_seen) { /* asked twice: end now */
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    signal_seen = number;
    if (signal_context)
        qn_context_cancel(signal_context, number);
}

static void catch_signals(qn_context *ctx)
{
    static const int caught[] = {SIGINT, SIGTERM, SIGUSR1}; /* the last: from a supervisor */
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction before;

    signal_context = ctx;
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        if (sigaction(caught[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(caught[i], &action, NULL);
    /* A reader that has gone is seen as a failed write, so that nothing is left half written. */
    signal(SIGPIPE, SIG_IGN);
}

static void release_signals(void)
{
    signal_context = NULL; /* from here on a first signal is only noted */
}

static bool output_is_broken(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

void qn_session_complain(const char *command, const char *message)
{
    const qn_terminal err = qn_terminal_open(stderr);
    qn_string text = {0};

    /* Every line but the first is advice; data in it must not drive the terminal. */
    for (const char *line = message; *line;) {
        const size_t length = strcspn(line, "\n");
        char *copy = strndup(line, length);

        qn_string_add(&text, line == message ? "" : "\n  ");
        if (copy)
            qn_string_add_escaped(&text, copy);
        free(copy);
        line += length + (line[length] == '\n');
    }
    fflush(stdout);
    fprintf(stderr, "%squern:%s %s%s%s\n", qn_red(&err), qn_plain(&err), command ? command : "",
            command ? ": " : "", qn_string_text(&text));
    qn_string_release(&text);
}

static qn_status check_words(qn_context *ctx, const qn_command *command, const qn_cli_args *args)
{
    if (args->n_words < command->min_arguments)
        return qn_fail(ctx, QN_EINVAL, "missing: %s", command->arguments);
    if (args->n_words > command->max_arguments)
        return qn_fail(ctx, QN_EINVAL, "\"%s\" is one word too many\ntry: quern %s --help",
                       args->word[command->max_arguments], command->name);
    return QN_OK;
}

/* A supervisor holds no data and must have no threads. */
static qn_status open_context(const qn_cli_globals *globals, bool is_supervisor, qn_context *early,
                              qn_context **ctx)
{
    static const char *const kernel_name[] = {NULL, "reference", "avx2", "avx512"};
    const qn_context_options options = {
        .memory = is_supervisor ? SMALL_BYTES : globals->memory,
        .threads = is_supervisor ? 1 : globals->threads,
        .kernels = kernel_name[globals->kernels],
        .scratch_dir = globals->scratch,
    };
    const qn_status st = qn_context_create(&options, ctx);

    if (st == QN_EINVAL)
        return qn_fail(early, st, "--kernels %s: this processor cannot run it\ntry: --kernels auto",
                       kernel_name[globals->kernels]);
    if (st != QN_OK)
        return qn_fail(early, st, "cannot start: %s", qn_status_text(st));
    return QN_OK;
}

/* Options of the command, then the command. */
static qn_status run_command(qn_cli *cli)
{
    const int32_t own = cli->args->n_tables - 1;
    qn_status st = QN_OK;

    for (int32_t t = 0; t < own; t++) {
        cli->values[t] = calloc(1, cli->args->table[t]->struct_size);
        if (!cli->values[t])
            return qn_fail(cli->ctx, QN_ENOMEM, "out of memory for the options");
        st = qn_cli_args_apply(cli->ctx, cli->args, t, cli->values[t]);
        if (st != QN_OK)
            return st;
    }
    return cli->is_supervisor ? qn_supervise_run(cli) : cli->command->run(cli);
}

static void free_lists(const qn_cli *cli)
{
    for (int32_t t = 0; t < cli->args->n_tables - 1; t++)
        for (int64_t p = 0; p < cli->args->table[t]->n && cli->values[t]; p++) {
            const qn_param *param = &cli->args->table[t]->param[p];

            if (param->type == QN_PARAM_LIST)
                qn_free((void *)((qn_text_list *)((char *)cli->values[t] + param->offset))->item);
        }
}

static void complain_stopped(const qn_cli *cli)
{
    qn_string text = {0};

    qn_string_add(&text, "stopped; nothing was left half written\ngo on with: ");
    if (!qn_cli_resume_hint(cli, &text)) {
        qn_string_clear(&text);
        qn_string_add(&text, "stopped; nothing was left half written");
    }
    qn_session_complain(cli->command->name, qn_string_text(&text));
    qn_string_release(&text);
}

/* Says how it ended, if it is this process that does: of a worker, its supervisor does. */
static int tell_end(const qn_cli *cli, bool tells, qn_status st, const qn_context *ctx)
{
    const char *error = qn_context_error(ctx)[0] ? qn_context_error(ctx) : qn_status_text(st);
    const int code =
        st == QN_ECANCELLED && signal_seen == SIGTERM ? 128 + SIGTERM : qn_status_exit_code(st);

    if (qn_report_end(cli, tells, st, code, error) || st == QN_OK || !tells)
        return code;
    if (st != QN_ECANCELLED)
        qn_session_complain(cli->command->name, error);
    else if (!cli->globals->quiet)
        complain_stopped(cli);
    return code;
}

/* Tells of the failure, if it is this process that does, and gives the code that stands for it. */
static int exit_code(qn_cli *cli, qn_status st, const qn_context *ctx)
{
    const bool tells = !cli->ctx || qn_worker_tells(cli, st);
    const bool broken = output_is_broken();
    const bool failed = fflush(stdout) != 0 || ferror(stdout);

    if (broken)
        return EXIT_BROKEN_PIPE;
    if (st == QN_OK && failed) {
        qn_session_complain(cli->command->name, "writing standard output failed");
        return qn_status_exit_code(QN_EIO);
    }
    return tell_end(cli, tells, st, ctx);
}

static qn_status open_progress(qn_cli *cli)
{
    const qn_progress_options options = {
        .stream = stderr,
        .is_terminal = cli->err.is_terminal,
        .quiet = cli->globals->quiet || qn_rank(cli->ctx) > 0 || cli->relay,
        .width = cli->err.width,
    };

    return qn_progress_open(cli->ctx, &options, &cli->progress);
}

/* Checks the folder, and removes what dead runs have left in it, unless this command takes one of
 * them up again: that looks for its own first. */
static qn_status open_scratch(const qn_cli *cli)
{
    const qn_status st = qn_comm_agree(cli->ctx, qn_scratch_check(cli->ctx, cli->globals->scratch));

    if (st == QN_OK && !cli->resume && !cli->globals->restored)
        qn_scratch_sweep(cli->globals->scratch, true, NULL);
    return st;
}

/* With a context of its own, made as the options say. */
static int run_in_context(qn_cli *cli, qn_context *early)
{
    qn_status st = open_context(cli->globals, cli->is_supervisor, early, &cli->ctx);
    int code;

    if (st != QN_OK)
        return exit_code(cli, st, early);
    catch_signals(cli->ctx);
    st = qn_report_open(cli);
    if (st == QN_OK && cli->as_rank)
        st = qn_worker_begin(cli, cli->as_rank);
    if (st == QN_OK && cli->globals->scratch && !cli->is_supervisor)
        st = open_scratch(cli);
    if (st == QN_OK)
        st = qn_report_begin(cli);
    if (st == QN_OK)
        st = open_progress(cli);
    if (st == QN_OK) {
        if (qn_rank(cli->ctx) == 0)
            qn_comm_warn_of_kernels(cli->ctx);
        qn_cli_args_warn_ignored(cli->ctx, cli->args);
        st = run_command(cli);
    }
    qn_progress_clear(cli->progress);
    code = exit_code(cli, st, cli->ctx);
    qn_report_stop(cli);
    qn_comm_leave(cli->ctx, code);
    release_signals();
    free_lists(cli);
    for (int32_t t = 0; t < QN_CLI_MAX_TABLES; t++)
        free(cli->values[t]);
    qn_context_free(cli->ctx);
    qn_spark_log_free(cli->log);
    qn_run_log_free(cli->run_log);
    qn_record_free(cli->record);
    qn_progress_free(cli->progress);
    qn_report_free(cli);
    return code;
}

/* A wrong line, which every worker of a job was given: the first tells, before the others end and
 * mpirun with them. */
static int end_early(qn_cli *cli, qn_status st, const qn_context *early)
{
    const struct timespec after = {.tv_nsec = 300000000};

    if (qn_cli_launch_read().rank == 0)
        return exit_code(cli, st, early);
    nanosleep(&after, NULL);
    return qn_status_exit_code(st);
}

/* Reads the line; `early` is a small context whose use is the text of errors. */
static int run_with_early(qn_cli *cli, qn_context *early, const char *const *word, int32_t n)
{
    const qn_params *table[QN_CLI_MAX_TABLES];
    const int32_t n_tables = qn_command_tables(cli->command, table);
    qn_cli_globals globals;
    qn_cli_args args;
    int code;
    qn_status st = qn_cli_args_read(early, table, n_tables, word, n, &args);

    qn_params_init(&qn_cli_global_table, &globals);
    cli->globals = &globals;
    cli->args = &args;
    if (st == QN_OK)
        st = qn_cli_args_apply(early, &args, n_tables - 1, &globals);
    if (st == QN_OK && globals.help) {
        qn_help_command(&cli->out, cli->command);
        code = exit_code(cli, QN_OK, early);
        qn_cli_args_release(&args);
        return code;
    }
    if (st == QN_OK && cli->command->words_are)
        qn_cli_args_take_words(&args, cli->command->words_are);
    if (st == QN_OK)
        st = check_words(early, cli->command, &args);
    if (st == QN_OK)
        st = qn_cli_resume(early, cli, &args, &globals);
    if (st == QN_OK)
        st = qn_cli_args_check_required(early, &args);
    if (st == QN_OK)
        st = qn_worker_check(early, cli->command, &globals, &cli->as_rank);
    if (st == QN_OK && !cli->as_rank)
        st = qn_supervise_check(early, cli);
    cli->is_supervisor = st == QN_OK && qn_supervise_is_wanted(cli);
    cli->argument = (const char *const *)args.word;
    cli->n_arguments = args.n_words;
    code = st == QN_OK ? run_in_context(cli, early) : end_early(cli, st, early);
    qn_cli_resume_free(cli);
    qn_cli_args_release(&args);
    return code;
}

int qn_session_run(const qn_command *command, const char *const *word, int32_t n)
{
    const qn_context_options small = {.memory = SMALL_BYTES, .threads = 1};
    qn_cli cli = {.command = command};
    qn_context *early = NULL;
    const qn_status st = qn_context_create(&small, &early);
    int code;

    cli.out = qn_terminal_open(stdout);
    cli.err = qn_terminal_open(stderr);
    if (st != QN_OK) {
        qn_session_complain(command->name, qn_status_text(st));
        return qn_status_exit_code(st);
    }
    code = run_with_early(&cli, early, word, n);
    qn_context_free(early);
    return code;
}
