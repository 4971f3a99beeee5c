#include "engine/child.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"

extern char **environ;

#define END_SECONDS 5.0 /* for killed processes to be gone */

/* The environment of this process with the line's variables in front. */
static qn_status make_environment(qn_context *ctx, const qn_launch_line *line, char ***out)
{
    qn_status st = QN_OK;
    int64_t n = 0, at = 0;

    while (environ[n])
        n++;
    QN_NEW(ctx, *out, n + line->n_variables + 1, "the environment of the workers");
    for (int64_t v = 0; v < line->n_variables; v++)
        (*out)[at++] = line->variable[v];
    for (int64_t i = 0; i < n; i++) {
        const size_t name = strcspn(environ[i], "=") + 1;
        bool is_replaced = false;

        for (int64_t v = 0; v < line->n_variables; v++)
            is_replaced = is_replaced || !strncmp(environ[i], line->variable[v], name);
        if (!is_replaced)
            (*out)[at++] = environ[i];
    }
    (*out)[at] = NULL;
done:
    return st;
}

/* In the child, after fork: becomes the program, or tells `report` the errno. */
static void become(const qn_launch_line *line, char **environment, pid_t parent, const int out[2],
                   const int err[2], int report)
{
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;
    int error;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, line->death_signal > 0 ? line->death_signal : SIGKILL);
    if (getppid() == parent && null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
        dup2(out[1], STDOUT_FILENO) >= 0 && dup2(err[1], STDERR_FILENO) >= 0)
        execvpe(line->word[0], line->word, environment);
    error = errno;
    if (write(report, &error, sizeof error) < 0)
        error = 0;
    _exit(127);
}

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

qn_status qn_child_start(qn_context *ctx, const qn_launch_line *line, qn_child *child)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1}, report[2] = {-1, -1};
    const pid_t parent = getpid();
    char **environment = NULL;
    qn_status st = QN_OK;
    int error = 0;
    pid_t pid = -1;

    *child = QN_CHILD_NONE;
    QN_TRY(make_environment(ctx, line, &environment));
    if (pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0 && pipe2(report, O_CLOEXEC) == 0)
        pid = fork();
    if (pid == 0)
        become(line, environment, parent, out, err, report[1]);
    if (pid < 0) {
        st = qn_fail_errno(ctx, QN_EIO, errno, "cannot start %s", line->word[0]);
        goto done;
    }
    setpgid(pid, pid); /* here too: it is so when the first signal is sent, whoever comes first */
    close(report[1]);
    report[1] = -1;
    if (read(report[0], &error, sizeof error) == (ssize_t)sizeof error) {
        waitpid(pid, NULL, 0);
        st = qn_fail_errno(ctx, QN_EUNAVAILABLE, error, "cannot start %s", line->word[0]);
        goto done;
    }
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    *child = (qn_child){.pid = pid, .out = out[0], .err = err[0]};
    out[0] = err[0] = -1;
done:
    close_pair(out);
    close_pair(err);
    close_pair(report);
    qn_free(environment);
    return st;
}

bool qn_child_has_ended(qn_child *child)
{
    if (child->pid > 0 && waitpid(child->pid, &child->wait_status, WNOHANG) == child->pid)
        child->pid = 0;
    return child->pid == 0;
}

void qn_child_adopt_orphans(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* The parent of a process, 0 if it is gone or only waits to be waited for. */
static pid_t parent_of(pid_t pid)
{
    char path[48], text[512];
    const char *at;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    at = strrchr(text, ')'); /* the name before it may hold anything */
    if (!at || strlen(at) < 5 || at[2] == 'Z' || at[2] == 'X')
        return 0;
    return (pid_t)strtol(at + 4, NULL, 10);
}

static bool is_below(pid_t pid, pid_t root)
{
    for (int depth = 0; pid > 1 && depth < 64; depth++) {
        pid = parent_of(pid);
        if (pid == root)
            return true;
    }
    return false;
}

bool qn_child_signal(pid_t pid, int number)
{
    return pid > 1 && is_below(pid, getpid()) && kill(pid, number) == 0;
}

/* Kills what runs below this process; returns how many there were. */
static int kill_below(void)
{
    DIR *proc = opendir("/proc");
    const pid_t self = getpid();
    const struct dirent *entry;
    int n = 0;

    while (proc && (entry = readdir(proc))) {
        const pid_t pid =
            isdigit((unsigned char)entry->d_name[0]) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;

        if (pid > 1 && pid != self && is_below(pid, self)) {
            kill(pid, SIGKILL);
            n++;
        }
    }
    if (proc)
        closedir(proc);
    return n;
}

/* Waits a while for the child, letting nothing that it writes block it. */
static bool ends_within(qn_child *child, double seconds)
{
    const double start = qn_seconds();
    char dropped[4096];

    while (!qn_child_has_ended(child)) {
        if (qn_seconds() - start > seconds)
            return false;
        while ((child->out >= 0 && read(child->out, dropped, sizeof dropped) > 0) ||
               (child->err >= 0 && read(child->err, dropped, sizeof dropped) > 0))
            ;
        poll(NULL, 0, 10);
    }
    return true;
}

static void close_pipes(qn_child *child)
{
    for (int i = 0; i < 2; i++) {
        int *fd = i ? &child->err : &child->out;

        if (*fd >= 0)
            close(*fd);
        *fd = -1;
    }
}

void qn_child_end(qn_child *child, double grace)
{
    const double start = qn_seconds();

    if (!qn_child_has_ended(child)) {
        kill(child->pid, SIGTERM);
        kill(child->pid, SIGCONT); /* a stopped one could not hear it */
        if (!ends_within(child, grace))
            kill(-child->pid, SIGKILL);
    }
    while (kill_below() > 0 && qn_seconds() - start < grace + END_SECONDS)
        ends_within(child, 0.02);
    ends_within(child, 1);
    while (waitpid(-1, NULL, WNOHANG) > 0) /* orphans that came to us */
        ;
    close_pipes(child);
}

void qn_child_drop(qn_child *child)
{
    if (child->pid > 0) {
        kill(-child->pid, SIGKILL);
        waitpid(child->pid, &child->wait_status, 0);
        child->pid = 0;
    }
    close_pipes(child);
}
