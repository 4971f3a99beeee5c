#include "cli/supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/job.h"
#include "cli/resume.h"
#include "cli/supervise_impl.h"
#include "engine/comm.h"
#include "run/record.h"

#define PROBE_SECONDS   6.0 /* for hosts to answer before the first start */
#define REPROBE_SECONDS 1.5 /* after a loss: who does not answer by then is gone */

bool qn_supervise_is_wanted(const qn_cli *cli)
{
    const qn_cli_globals *g = cli->globals;

    return !cli->as_rank && (g->workers > 1 || g->hosts || g->hostfile);
}

static qn_status check_command(qn_context *ctx, const qn_cli *cli)
{
    const qn_cli_globals *g = cli->globals;

    if (cli->command->takes_workers)
        return QN_OK;
    if (g->workers > 1)
        return qn_fail(ctx, QN_EINVAL,
                       "--workers %d: this command works in one process\ntry: --threads %d",
                       (int)g->workers, (int)g->workers);
    if (g->hosts || g->hostfile)
        return qn_fail(ctx, QN_EINVAL,
                       "--%s %s: this command works on this machine alone\ntry: --threads 0, which "
                       "takes all its cores",
                       g->hosts ? "hosts" : "hostfile", g->hosts ? g->hosts : g->hostfile);
    return QN_OK;
}

/* Standard input has one reader; workers are several. */
static qn_status check_input(qn_context *ctx, const qn_cli *cli)
{
    for (int64_t i = 0; i < cli->args->n_values; i++)
        if (!strcmp(cli->args->value[i].text, "-") &&
            cli->args->value[i].param->type == QN_PARAM_LIST)
            return qn_fail(ctx, QN_EINVAL,
                           "several workers cannot read standard input\ntry: a file that every "
                           "host sees under the same name");
    return QN_OK;
}

static qn_status read_hosts(qn_context *ctx, const qn_cli_globals *g, qn_hosts *hosts)
{
    if (g->hosts && g->hostfile)
        return qn_fail(ctx, QN_EINVAL, "--hosts and --hostfile both name the hosts: give one");
    if (g->hosts)
        return qn_hosts_parse(ctx, g->hosts, hosts);
    return g->hostfile ? qn_hosts_read(ctx, g->hostfile, hosts) : QN_OK;
}

qn_status qn_supervise_check(qn_context *ctx, const qn_cli *cli)
{
    const qn_cli_globals *g = cli->globals;
    qn_hosts hosts = {0};
    qn_status st = QN_OK;
    int32_t workers;

    if (g->workers <= 1 && !g->hosts && !g->hostfile)
        return QN_OK;
    QN_TRY(check_command(ctx, cli));
    QN_TRY(read_hosts(ctx, g, &hosts));
    QN_TRY(qn_hosts_workers(ctx, &hosts, g->workers, &workers));
    if (g->min_workers > workers)
        QN_TRY(qn_fail(ctx, QN_EINVAL, "--min-workers %d is more than the %d workers there are",
                       (int)g->min_workers, (int)workers));
    if (qn_supervise_is_wanted(cli))
        QN_TRY(check_input(ctx, cli));
done:
    qn_hosts_release(&hosts);
    return st;
}

/* --- which hosts are there --- */

typedef struct probe {
    qn_child child;
    bool is_there;
    qn_string said; /* the last line that it wrote on standard error */
    char version[64];
} probe;

static void probe_read(probe *p)
{
    char bytes[512];
    ssize_t n;

    while (p->child.err >= 0 && (n = read(p->child.err, bytes, sizeof bytes)) > 0)
        if (p->said.length < 4096)
            qn_string_add_bytes(&p->said, bytes, (size_t)n);
    while (p->child.out >= 0 && (n = read(p->child.out, bytes, sizeof bytes - 1)) > 0) {
        bytes[n] = '\0';
        bytes[strcspn(bytes, "\n")] = '\0';
        snprintf(p->version, sizeof p->version, "%.63s", bytes);
    }
}

static void probe_close(probe *p)
{
    if (p->child.pid > 0) {
        kill(-p->child.pid, SIGKILL);
        waitpid(p->child.pid, NULL, 0);
    }
    if (p->child.out >= 0)
        close(p->child.out);
    if (p->child.err >= 0)
        close(p->child.err);
    qn_string_release(&p->said);
}

static qn_status probe_start(qn_supervisor *s, probe *p, const char *host)
{
    qn_launch_line line = {0};
    qn_status st = QN_OK;

    p->child = QN_CHILD_NONE;
    if (s->suspect.is_host_gone && !strcmp(host, s->suspect.host))
        return QN_OK; /* has just been asked in vain */
    if (qn_host_is_here(host)) {
        p->is_there = true;
        return QN_OK;
    }
    QN_TRY(qn_launch_make_probe(s->ctx, host, s->rsh_agent, s->program, &line));
    QN_TRY(qn_child_start(s->ctx, &line, &p->child));
done:
    qn_launch_release(&line);
    return st;
}

/* Until all have ended or the time is over. */
static void probe_wait(const qn_supervisor *s, probe *probes, double seconds)
{
    const double start = qn_seconds();
    bool is_waiting = true;

    while (is_waiting && qn_seconds() - start < seconds && !qn_cancel_signal(s->ctx)) {
        is_waiting = false;
        for (int32_t h = 0; h < s->hosts.n; h++) {
            probe *p = &probes[h];
            const bool had_child = p->child.pid > 0;

            if (had_child)
                probe_read(p);
            if (had_child && qn_child_has_ended(&p->child)) {
                probe_read(p);
                p->is_there =
                    WIFEXITED(p->child.wait_status) && WEXITSTATUS(p->child.wait_status) == 0;
            }
            is_waiting |= p->child.pid > 0;
        }
        if (is_waiting)
            poll(NULL, 0, 10);
    }
}

static qn_status refuse_host(qn_supervisor *s, const probe *p, const char *host)
{
    const char *text = qn_string_text(&p->said);
    const char *line;
    size_t n = strlen(text);

    while (n > 0 && text[n - 1] == '\n')
        n--;
    for (line = text + n; line > text && line[-1] != '\n';)
        line--;
    if (p->child.pid > 0)
        return qn_fail(s->ctx, QN_EINVAL, "the host %s does not answer within %.0f s", host,
                       PROBE_SECONDS);
    if (WIFEXITED(p->child.wait_status) &&
        (WEXITSTATUS(p->child.wait_status) == 127 || WEXITSTATUS(p->child.wait_status) == 126))
        return qn_fail(s->ctx, QN_EINVAL,
                       "the host %s cannot start %s: %.*s\ntry: install the same quern in the same "
                       "place on every host",
                       host, s->program, (int)(text + n - line), line);
    return qn_fail(s->ctx, QN_EINVAL,
                   "the host %s cannot be reached: %.*s\ntry: %s %s, which must work without a "
                   "password",
                   host, (int)(text + n - line), line, s->rsh_agent ? s->rsh_agent : "ssh", host);
}

/* Fills s->present with the hosts that answer. With `all`, one that does not is an error. */
static qn_status find_hosts(qn_supervisor *s, bool all)
{
    probe *probes = NULL;
    qn_status st = QN_OK;

    if (s->hosts.n == 0)
        return QN_OK;
    qn_hosts_release(&s->present);
    QN_NEW0(s->ctx, probes, s->hosts.n, "looking for the hosts");
    for (int32_t h = 0; h < s->hosts.n; h++)
        probes[h].child = QN_CHILD_NONE;
    for (int32_t h = 0; h < s->hosts.n; h++)
        QN_TRY(probe_start(s, &probes[h], s->hosts.host[h].name));
    probe_wait(s, probes, all ? PROBE_SECONDS : REPROBE_SECONDS);
    QN_TRY(qn_check_cancel(s->ctx));
    s->workers = 0;
    QN_NEW0(s->ctx, s->present.host, s->hosts.n, "the hosts that answer");
    for (int32_t h = 0; h < s->hosts.n; h++) {
        if (!probes[h].is_there && all)
            QN_TRY(refuse_host(s, &probes[h], s->hosts.host[h].name));
        if (!probes[h].is_there)
            continue;
        s->present.host[s->present.n++] = s->hosts.host[h];
        s->workers += s->hosts.host[h].ranks;
    }
done:
    for (int32_t h = 0; probes && h < s->hosts.n; h++)
        probe_close(&probes[h]);
    qn_free(probes);
    return st;
}

/* --- the command line of the workers --- */

/* Options that are the supervisor's own, or that every worker is given anew. */
static bool is_own_option(const char *name)
{
    static const char *const own[] = {"workers", "hosts",     "hostfile",     "mpi",
                                      "network", "rsh_agent", "max_restarts", "min_workers",
                                      "resume",  "runs_dir",  "kernels",      "overwrite"};

    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!strcmp(own[i], name))
            return true;
    return false;
}

typedef struct word_list {
    qn_context *ctx;
    char **word;
    int64_t n;
} word_list;

__attribute__((format(printf, 2, 3))) static qn_status add_word(word_list *list, const char *format,
                                                                ...)
{
    qn_string text = {0};
    va_list arguments;
    qn_status st = QN_OK;

    va_start(arguments, format);
    qn_string_addv(&text, format, arguments);
    va_end(arguments);
    QN_GROW(list->ctx, list->word, list->n + 1, "the command line of the workers");
    QN_TRY(qn_strdup(list->ctx, qn_string_text(&text), &list->word[list->n]));
    list->n++;
done:
    qn_string_release(&text);
    return st;
}

static void free_words(word_list *list)
{
    for (int64_t i = 0; i < list->n; i++)
        qn_free(list->word[i]);
    qn_free(list->word);
}

/* What the run may write over: asked for, or, once the workers have been started before, written by
 * this very run. */
static qn_status add_overwrite(const qn_supervisor *s, word_list *list)
{
    const qn_cli_args *args = s->cli->args;

    for (int32_t t = 0; t < args->n_tables; t++) {
        const qn_param *param = qn_params_find(args->table[t], "overwrite");
        const bool is_asked =
            param && t < args->n_tables - 1 && *((const bool *)s->cli->values[t] + param->offset);

        if (param && (is_asked || s->n_restarts > 0))
            return add_word(list, "--overwrite");
    }
    return QN_OK;
}

/* The options as they are after --resume has filled in those of the earlier run. */
static qn_status make_words(const qn_supervisor *s, word_list *list)
{
    static const char *const kernels[] = {"auto", "reference", "avx2", "avx512"};
    const qn_cli *cli = s->cli;
    const qn_cli_globals *g = cli->globals;
    qn_status st = QN_OK;

    QN_TRY(add_word(list, "%s", s->program));
    for (const char *at = cli->command->name; *at;) {
        const size_t n = strcspn(at, " ");

        QN_TRY(add_word(list, "%.*s", (int)n, at));
        at += n + (at[n] == ' ');
    }
    QN_TRY(add_word(list, "--as-rank=%s", g->mpi == QN_MPI_MPICH ? "mpich" : "openmpi"));
    QN_TRY(add_word(list, "--run-id=%s", qn_record_id(cli->record)));
    if (s->is_restored)
        QN_TRY(add_word(list, "--restored=true"));
    QN_TRY(add_word(list, "--runs-dir=%s", g->runs_dir));
    QN_TRY(add_word(list, "--kernels=%s", kernels[g->kernels]));
    QN_TRY(add_overwrite(s, list));
    for (int64_t i = 0; i < cli->args->n_values; i++) {
        const qn_cli_value *value = &cli->args->value[i];
        char option[64];

        if (value->param->hidden || is_own_option(value->param->name))
            continue;
        qn_cli_option_name(value->param->name, option);
        QN_TRY(add_word(list, "%s=%s", option, value->text));
    }
    if (cli->n_arguments > 0)
        QN_TRY(add_word(list, "--"));
    for (int64_t i = 0; i < cli->n_arguments; i++)
        QN_TRY(add_word(list, "%s", cli->argument[i]));
done:
    return st;
}

static qn_status start_once(qn_supervisor *s, qn_attempt *attempt)
{
    word_list list = {.ctx = s->ctx};
    qn_launch_line line = {0};
    qn_launch_options options = {.mpi = (qn_mpi)s->cli->globals->mpi,
                                 .mpirun = s->mpirun,
                                 .rsh_agent = s->rsh_agent,
                                 .network = s->cli->globals->network,
                                 .directory = s->directory,
                                 .hosts = s->hosts.n > 0 ? &s->present : NULL,
                                 .workers = s->workers};
    qn_status st = QN_OK;

    QN_TRY(make_words(s, &list));
    options.word = (const char *const *)list.word;
    options.n_words = (int32_t)list.n;
    QN_TRY(qn_launch_make(s->ctx, &options, &line));
    QN_TRY(qn_watch_attempt(s, &line, attempt));
done:
    free_words(&list);
    qn_launch_release(&line);
    return st;
}

/* --- from start to end --- */

/* Whether the workers never came as far as a first word, for a reason that stays. */
static bool never_started(const qn_supervisor *s)
{
    return s->reader.n_events == 0 && s->said.signal_number == 0 && s->present.n == s->hosts.n;
}

/* After a loss: who is left, whether that is enough, and the word to the user. */
static qn_status prepare_restart(qn_supervisor *s)
{
    const int32_t before = s->workers;
    const int32_t most = s->cli->globals->max_restarts;
    qn_status st = QN_OK;

    qn_loss_emit(s);
    QN_TRY(find_hosts(s, false));
    if (never_started(s))
        return qn_fail(s->ctx, QN_EIO, "the workers do not start: %s", s->loss.why);
    if (s->has_passed)
        return qn_fail(s->ctx, QN_EIO,
                       "%s; results have been shown already, so it is not started "
                       "again",
                       s->loss.why);
    if (s->n_restarts >= most)
        return qn_fail(s->ctx, QN_EIO,
                       "%s; the workers were started again %d times (--max-restarts)", s->loss.why,
                       (int)s->n_restarts);
    if (s->workers < s->min_workers || s->workers < 1)
        return qn_fail(
            s->ctx, QN_EBUSY,
            "%s; hosts for %d workers are left, and --min-workers is %d\ntry: again once "
            "the hosts are back, or a lower --min-workers",
            s->loss.why, (int)s->workers, (int)s->min_workers);
    s->n_restarts++;
    s->is_restored = true;
    qn_emit_warning(s->ctx, "%s; starting again on %d worker%s%s (restart %d of %d)", s->loss.why,
                    (int)s->workers, s->workers == 1 ? "" : "s",
                    s->workers < before   ? ", fewer than before"
                    : s->workers > before ? ", more than before"
                                          : "",
                    (int)s->n_restarts, (int)most);
    qn_emit_count(s->ctx, "restarts", s->n_restarts);
done:
    return st;
}

/* How the command ended, as worker 0 told it. */
static qn_status take_result(qn_supervisor *s)
{
    const qn_relay_result *r = &s->reader.result;

    if (s->reader.n_broken > 0)
        qn_emit_warning(s->ctx, "%lld messages of the workers could not be read",
                        (long long)s->reader.n_broken);
    if (r->status != QN_OK)
        return qn_fail(s->ctx, r->status, "%s", r->error);
    return QN_OK;
}

static qn_status supervise(qn_supervisor *s)
{
    qn_attempt attempt = QN_ATTEMPT_LOST;
    qn_status st = QN_OK;

    do {
        QN_TRY(start_once(s, &attempt));
        if (attempt == QN_ATTEMPT_STOPPED)
            QN_TRY(qn_fail(s->ctx, QN_ECANCELLED, "interrupted"));
        if (attempt == QN_ATTEMPT_LOST)
            QN_TRY(prepare_restart(s));
    } while (attempt == QN_ATTEMPT_LOST);
    QN_TRY(take_result(s));
done:
    return st;
}

/* Where everything is, and who is there. */
static qn_status prepare(qn_supervisor *s)
{
    const qn_cli_globals *g = s->cli->globals;
    const char *mpirun = getenv("QN_MPIRUN");
    const char *path = getenv("PATH");
    qn_status st = QN_OK;
    ssize_t n;

    s->rsh_agent = g->rsh_agent ? g->rsh_agent : getenv("QN_RSH_AGENT");
    QN_TRY(read_hosts(s->ctx, g, &s->hosts));
    QN_TRY(qn_hosts_workers(s->ctx, &s->hosts, g->workers, &s->workers));
    s->min_workers = g->min_workers > 0 ? g->min_workers : s->workers;
    n = readlink("/proc/self/exe", s->program, sizeof s->program - 1);
    s->program[n > 0 ? n : 0] = '\0';
    if (n <= 0 || !getcwd(s->directory, sizeof s->directory))
        QN_TRY(qn_fail_errno(s->ctx, QN_EIO, errno, "cannot find this program or its folder"));
    if (mpirun)
        snprintf(s->mpirun, sizeof s->mpirun, "%s", mpirun);
    else
        QN_TRY(qn_launch_find(s->ctx, (qn_mpi)g->mpi, path ? path : "", s->mpirun));
    QN_TRY(find_hosts(s, true));
done:
    return st;
}

static void release(qn_supervisor *s)
{
    qn_hosts_release(&s->hosts);
    qn_hosts_release(&s->present);
    qn_relay_reader_release(&s->reader);
    qn_said_release(&s->said);
    qn_workers_release(&s->known);
    qn_string_release(&s->held);
}

/* "fit als" -> "als". */
static const char *run_prefix(const qn_command *command)
{
    const char *last = strrchr(command->name, ' ');

    return last ? last + 1 : command->name;
}

qn_status qn_supervise_run(qn_cli *cli)
{
    qn_supervisor *s = calloc(1, sizeof *s);
    qn_status st = QN_OK;

    if (!s)
        return qn_fail(cli->ctx, QN_ENOMEM, "not enough memory to watch over workers");
    s->cli = cli;
    s->ctx = cli->ctx;
    s->is_restored = cli->resume != NULL;
    qn_silence_clear(s);
    qn_child_adopt_orphans();
    QN_TRY(prepare(s));
    cli->n_workers = s->workers;
    QN_TRY(qn_cli_job_start(cli, run_prefix(cli->command)));
    QN_TRY(qn_watch_open(s));
    st = supervise(s);
    qn_watch_show_results(s);
    st = qn_cli_job_end(cli, st, qn_string_text(&s->reader.result.members));
done:
    s->ctx->n_sinks -= s->ctx->n_sinks > 0 && s->ctx->sink_user[s->ctx->n_sinks - 1] == s;
    release(s);
    free(s);
    return st;
}
