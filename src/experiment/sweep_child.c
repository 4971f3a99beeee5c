#include "experiment/sweep_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS       50  /* between looks at the clock and the context */
#define GRACE_SECONDS 5.0 /* from SIGTERM to SIGKILL */
#define OUT_LIMIT     ((size_t)64 << 20)
#define ERR_LIMIT     ((size_t)64 << 10)
#define NOT_STARTED   127

/* The pipes of a child: read ends, and the write ends that only it keeps. `started` closes when the
 * program has started, or brings the errno with which it has not. */
typedef struct pipes {
    int out[2], err[2], started[2];
} pipes;

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void pipes_close(pipes *p)
{
    for (int i = 0; i < 2; i++) {
        close_one(&p->out[i]);
        close_one(&p->err[i]);
        close_one(&p->started[i]);
    }
}

static qn_status pipes_open(qn_context *ctx, pipes *p)
{
    *p = (pipes){{-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(p->out, O_CLOEXEC) != 0 || pipe2(p->err, O_CLOEXEC) != 0 ||
        pipe2(p->started, O_CLOEXEC) != 0)
        return qn_fail_errno(ctx, QN_EIO, errno, "cannot make pipes for a process");
    return QN_OK;
}

/* In the new process, where only what is safe behind fork in a program with threads may be called.
 */
static void become(const pipes *p, const char *const *argv, pid_t parent)
{
    const int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t all;
    ssize_t told;
    int error;

    setpgid(0, 0);
    sigfillset(&all);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent && none >= 0 && dup2(none, STDIN_FILENO) >= 0 &&
        dup2(p->out[1], STDOUT_FILENO) >= 0 && dup2(p->err[1], STDERR_FILENO) >= 0)
        execv(argv[0], (char *const *)argv);
    error = errno;
    told = write(p->started[1], &error, sizeof error);
    _exit(told == (ssize_t)sizeof error ? NOT_STARTED : NOT_STARTED - 1);
}

static qn_status start(qn_context *ctx, pipes *p, const char *const *argv, pid_t *pid)
{
    const pid_t self = getpid();
    ssize_t n;
    int error = 0;

    *pid = fork();
    if (*pid == 0)
        become(p, argv, self);
    if (*pid < 0)
        return qn_fail_errno(ctx, QN_ENOMEM, errno, "cannot start another process");
    setpgid(*pid, *pid); /* also here: whoever comes first, it is so when a signal is sent */
    close_one(&p->out[1]);
    close_one(&p->err[1]);
    close_one(&p->started[1]);
    do
        n = read(p->started[0], &error, sizeof error);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof error)
        return QN_OK;
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *pid = -1;
    return qn_fail_errno(ctx, QN_ENOTFOUND, error, "cannot start %s", argv[0]);
}

/* What can be read now, the oldest forgotten above `limit`; closes the end that has ended. */
static void drain(int *fd, size_t limit, qn_string *text)
{
    char buffer[16384];
    const ssize_t n = read(*fd, buffer, sizeof buffer);

    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0) {
        close_one(fd);
        return;
    }
    if (text->length + (size_t)n > limit) {
        const size_t keep = text->length > limit / 2 ? limit / 2 : text->length;

        memmove(text->text, text->text + text->length - keep, keep);
        text->length = keep;
    }
    qn_string_add_bytes(text, buffer, (size_t)n);
}

/* The end of the child: when it was asked, and whether it had to be made to. */
typedef struct ending {
    double asked; /* seconds; 0: not yet */
    bool is_forced;
    qn_status why; /* QN_ECANCELLED, or QN_OK: its time was over */
} ending;

static void look(qn_context *ctx, pid_t pid, double start, double timeout, ending *end,
                 sweep_child *child)
{
    const double now = qn_seconds();

    if (end->asked == 0) {
        const qn_status st = qn_check_cancel(ctx);

        child->is_late = st == QN_OK && timeout > 0 && now - start > timeout;
        if (st == QN_OK && !child->is_late)
            return;
        end->why = st;
        end->asked = now;
        kill(-pid, SIGTERM);
    } else if (!end->is_forced && now - end->asked > GRACE_SECONDS) {
        end->is_forced = true;
        kill(-pid, SIGKILL);
    }
}

/* True once the child has ended; whoever of its group is left is made to end as well, while its
 * number still stands for it. */
static bool reap(pid_t pid, sweep_child *child)
{
    siginfo_t info = {0};
    int how = 0;

    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return false;
    kill(-pid, SIGKILL);
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
        ;
    child->exit_code = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    return true;
}

static qn_status attend(qn_context *ctx, pipes *p, pid_t pid, double timeout, sweep_child *child)
{
    const double begin = qn_seconds();
    ending end = {0};
    bool ended = false;

    /* What it wrote last may still lie in the pipes when it has ended. */
    while (!ended || p->out[0] >= 0 || p->err[0] >= 0) {
        struct pollfd look_at[2] = {{p->out[0], POLLIN, 0}, {p->err[0], POLLIN, 0}};

        if (poll(look_at, 2, LOOK_MS) > 0) {
            if (look_at[0].revents)
                drain(&p->out[0], OUT_LIMIT, &child->out);
            if (look_at[1].revents)
                drain(&p->err[0], ERR_LIMIT, &child->err);
        } else if (ended) {
            break; /* someone outside its group holds a pipe: that is not waited for */
        }
        if (!ended) {
            look(ctx, pid, begin, timeout, &end, child);
            ended = reap(pid, child);
        }
    }
    child->seconds = qn_seconds() - begin;
    if (child->out.failed || child->err.failed)
        return qn_fail(ctx, QN_ENOMEM, "not enough memory for what a process wrote");
    return end.why;
}

qn_status sweep_child_run(qn_context *ctx, const char *const *argv, double timeout,
                          sweep_child *child)
{
    qn_status st = QN_OK;
    pid_t pid = -1;
    pipes p;

    *child = (sweep_child){0};
    QN_TRY(pipes_open(ctx, &p));
    QN_TRY(start(ctx, &p, argv, &pid));
    QN_TRY(attend(ctx, &p, pid, timeout, child));
done:
    pipes_close(&p);
    return st;
}

void sweep_child_release(sweep_child *child)
{
    qn_string_release(&child->out);
    qn_string_release(&child->err);
}
