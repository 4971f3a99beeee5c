#include "engine/launch.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"

/* How a flavour's launcher is called, and what installs it. */
typedef struct launcher {
    const char *option;   /* of --mpi */
    const char *names[3]; /* of the program, the surest first */
    const char *package;
} launcher;

static const launcher launchers[] = {
    [QN_MPI_OPENMPI] = {"openmpi", {"mpirun.openmpi", "orterun"}, "openmpi-bin"},
    [QN_MPI_MPICH] = {"mpich", {"mpiexec.mpich", "mpiexec.hydra"}, "mpich"},
};

static bool is_program(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* The program in the folder of n bytes. By the folder's own name, if it is a link: Open MPI takes
 * what is above it for the place that it is installed in, and refuses "/", which is above /bin
 * where that is a link to /usr/bin. */
static bool find_in(const char *folder, size_t n, const char *name, char found[4096])
{
    char given[4096], real[PATH_MAX];

    if (n == 0 || n >= sizeof given)
        return false;
    memcpy(given, folder, n);
    given[n] = '\0';
    return realpath(given, real) && snprintf(found, 4096, "%s/%s", real, name) < 4096 &&
           is_program(found);
}

static bool find_on_path(const char *path, const char *name, char found[4096])
{
    for (const char *at = path; at;) {
        const size_t n = strcspn(at, ":");

        if (find_in(at, n, name, found))
            return true;
        at = at[n] ? at + n + 1 : NULL;
    }
    return false;
}

qn_status qn_launch_find(qn_context *ctx, qn_mpi mpi, const char *path, char found[4096])
{
    const launcher *l = &launchers[mpi];
    const launcher *other = &launchers[mpi == QN_MPI_OPENMPI ? QN_MPI_MPICH : QN_MPI_OPENMPI];
    bool has_other = false;

    for (size_t i = 0; l->names[i]; i++)
        if (find_on_path(path, l->names[i], found))
            return QN_OK;
    for (size_t i = 0; other->names[i]; i++)
        has_other = has_other || find_on_path(path, other->names[i], found);
    found[0] = '\0';
    return qn_fail(ctx, QN_EUNAVAILABLE,
                   "several workers are started by %s, which is not on the PATH\ntry: apt install "
                   "%s%s%s",
                   l->names[0], l->package, has_other ? ", or --mpi " : "",
                   has_other ? other->option : "");
}

static qn_status add_text(qn_context *ctx, char ***list, int64_t *n, const char *format,
                          va_list arguments)
{
    qn_string text = {0};
    qn_status st = QN_OK;

    qn_string_addv(&text, format, arguments);
    QN_TRY(text.failed ? qn_fail(ctx, QN_ENOMEM, "not enough memory for a command line") : QN_OK);
    QN_GROW(ctx, *list, *n + 2, "a command line");
    QN_TRY(qn_strdup(ctx, qn_string_text(&text), &(*list)[*n]));
    (*list)[++*n] = NULL;
done:
    qn_string_release(&text);
    return st;
}

__attribute__((format(printf, 3, 4))) static qn_status
add_word(qn_context *ctx, qn_launch_line *line, const char *format, ...)
{
    va_list arguments;
    qn_status st;

    va_start(arguments, format);
    st = add_text(ctx, &line->word, &line->n, format, arguments);
    va_end(arguments);
    return st;
}

__attribute__((format(printf, 3, 4))) static qn_status
add_variable(qn_context *ctx, qn_launch_line *line, const char *format, ...)
{
    va_list arguments;
    qn_status st;

    va_start(arguments, format);
    st = add_text(ctx, &line->variable, &line->n_variables, format, arguments);
    va_end(arguments);
    return st;
}

/* Words up to NULL. */
static qn_status add_words(qn_context *ctx, qn_launch_line *line, const char *const *word)
{
    qn_status st = QN_OK;

    for (; *word; word++)
        QN_TRY(add_word(ctx, line, "%s", *word));
done:
    return st;
}

/* "a:2,b:1"; an IPv6 address in brackets. */
static void host_list(const qn_hosts *hosts, qn_string *out)
{
    for (int32_t h = 0; h < hosts->n; h++) {
        const bool is_v6 = strchr(hosts->host[h].name, ':') != NULL;

        qn_string_addf(out, "%s%s%s%s:%d", h > 0 ? "," : "", is_v6 ? "[" : "", hosts->host[h].name,
                       is_v6 ? "]" : "", (int)hosts->host[h].ranks);
    }
}

/* Open MPI. Ranks give way while they wait, since threads and other ranks may want the core; those
 * of a job that is lost are killed at once. Where hosts take part a silent link is noticed within 3
 * + 3 * 1 s instead of minutes. */
static qn_status add_openmpi(qn_context *ctx, const qn_launch_options *o, const char *hosts,
                             qn_launch_line *line)
{
    static const char *const always[] = {"--oversubscribe",
                                         "--bind-to",
                                         "none",
                                         "--mca",
                                         "mpi_yield_when_idle",
                                         "1",
                                         "--mca",
                                         "odls_base_sigkill_timeout",
                                         "0",
                                         NULL};
    static const char *const remote[] = {
        "--mca", "plm_rsh_no_tree_spawn",   "1", "--mca", "oob_tcp_keepalive_time",   "3",
        "--mca", "oob_tcp_keepalive_intvl", "1", "--mca", "oob_tcp_keepalive_probes", "3",
        NULL};
    qn_status st = QN_OK;

    QN_TRY(add_words(ctx, line, always));
    QN_TRY(add_word(ctx, line, "-n"));
    QN_TRY(add_word(ctx, line, "%d", (int)o->workers));
    QN_TRY(add_word(ctx, line, "--wdir"));
    QN_TRY(add_word(ctx, line, "%s", o->directory));
    if (o->rsh_agent) {
        const char *const agent[] = {"--mca", "plm_rsh_agent", o->rsh_agent, NULL};

        QN_TRY(add_words(ctx, line, agent));
    }
    if (o->network) {
        const char *const network[] = {"--mca", "btl_tcp_if_include", o->network,
                                       "--mca", "oob_tcp_if_include", o->network,
                                       NULL};

        QN_TRY(add_words(ctx, line, network));
    }
    if (hosts[0]) {
        const char *const list[] = {"--host", hosts, NULL};

        QN_TRY(add_words(ctx, line, list));
        QN_TRY(add_words(ctx, line, remote));
    }
    if (geteuid() == 0) { /* it refuses root unless told twice */
        QN_TRY(add_variable(ctx, line, "OMPI_ALLOW_RUN_AS_ROOT=1"));
        QN_TRY(add_variable(ctx, line, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1"));
    }
done:
    return st;
}

/* MPICH. */
static qn_status add_mpich(qn_context *ctx, const qn_launch_options *o, const char *hosts,
                           qn_launch_line *line)
{
    qn_status st = QN_OK;

    QN_TRY(add_word(ctx, line, "-n"));
    QN_TRY(add_word(ctx, line, "%d", (int)o->workers));
    QN_TRY(add_word(ctx, line, "-wdir"));
    QN_TRY(add_word(ctx, line, "%s", o->directory));
    if (o->rsh_agent) { /* one program, no words behind it: Hydra takes a path */
        const char *const agent[] = {"-launcher", "rsh", "-launcher-exec", o->rsh_agent, NULL};

        QN_TRY(add_words(ctx, line, agent));
    }
    if (o->network) {
        const char *const network[] = {"-iface", o->network, NULL};

        QN_TRY(add_words(ctx, line, network));
    }
    if (hosts[0]) {
        const char *const list[] = {"-hosts", hosts, NULL};

        QN_TRY(add_words(ctx, line, list));
    }
done:
    return st;
}

qn_status qn_launch_make(qn_context *ctx, const qn_launch_options *options, qn_launch_line *line)
{
    qn_status st = QN_OK;
    qn_string hosts = {0};

    if (options->hosts)
        host_list(options->hosts, &hosts);
    QN_TRY(add_word(ctx, line, "%s", options->mpirun));
    if (options->mpi == QN_MPI_OPENMPI)
        QN_TRY(add_openmpi(ctx, options, qn_string_text(&hosts), line));
    else
        QN_TRY(add_mpich(ctx, options, qn_string_text(&hosts), line));
    for (int32_t i = 0; i < options->n_words; i++)
        QN_TRY(add_word(ctx, line, "%s", options->word[i]));
done:
    qn_string_release(&hosts);
    if (st != QN_OK)
        qn_launch_release(line);
    return st;
}

qn_status qn_launch_make_probe(qn_context *ctx, const char *host, const char *rsh_agent,
                               const char *program, qn_launch_line *line)
{
    static const char *const ssh[] = {"ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=4", NULL};
    qn_status st = QN_OK;

    if (!rsh_agent)
        QN_TRY(add_words(ctx, line, ssh));
    for (const char *at = rsh_agent ? rsh_agent : ""; *at;) {
        const size_t n = strcspn(at, " ");

        if (n > 0)
            QN_TRY(add_word(ctx, line, "%.*s", (int)n, at));
        at += n + (at[n] == ' ');
    }
    QN_TRY(add_word(ctx, line, "%s", host));
    QN_TRY(add_word(ctx, line, "%s", program));
    QN_TRY(add_word(ctx, line, "--version"));
done:
    if (st != QN_OK)
        qn_launch_release(line);
    return st;
}

void qn_launch_release(qn_launch_line *line)
{
    for (int64_t i = 0; i < line->n; i++)
        qn_free(line->word[i]);
    for (int64_t i = 0; i < line->n_variables; i++)
        qn_free(line->variable[i]);
    qn_free(line->word);
    qn_free(line->variable);
    *line = (qn_launch_line){0};
}
