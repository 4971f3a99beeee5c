#include "experiment/sweep_child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/child.h"

#define LOOK_MS       50  /* between looks at the clock and the context */
#define GRACE_SECONDS 5.0 /* from SIGTERM to SIGKILL */
#define DRAIN_SECONDS 0.5 /* for pipes that somebody outside its group still holds */
#define OUT_LIMIT     ((size_t)64 << 20)
#define ERR_LIMIT     ((size_t)64 << 10)

/* What can be read now, the oldest forgotten above `limit`; closes the end that has ended. */
static void drain(int *fd, size_t limit, qn_string *text)
{
    char buffer[16384];
    ssize_t n = 1;

    while (*fd >= 0 && n > 0) {
        n = read(*fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n == 0 || (n < 0 && errno != EAGAIN)) {
            close(*fd);
            *fd = -1;
        } else if (n > 0) {
            if (text->length + (size_t)n > limit) {
                const size_t keep = text->length > limit / 2 ? limit / 2 : text->length;

                memmove(text->text, text->text + text->length - keep, keep);
                text->length = keep;
            }
            qn_string_add_bytes(text, buffer, (size_t)n);
        }
    }
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

static qn_status attend(qn_context *ctx, qn_child *process, double timeout, sweep_child *child)
{
    const double begin = qn_seconds();
    ending end = {0};
    double ended = 0;

    /* What it wrote last may still lie in the pipes when it has ended. */
    while (ended == 0 ||
           ((process->out >= 0 || process->err >= 0) && qn_seconds() - ended < DRAIN_SECONDS)) {
        struct pollfd look_at[2] = {{process->out, POLLIN, 0}, {process->err, POLLIN, 0}};

        poll(look_at, 2, LOOK_MS);
        drain(&process->out, OUT_LIMIT, &child->out);
        drain(&process->err, ERR_LIMIT, &child->err);
        if (ended == 0 && qn_child_has_ended(process))
            ended = qn_seconds();
        else if (ended == 0)
            look(ctx, process->pid, begin, timeout, &end, child);
    }
    child->seconds = qn_seconds() - begin;
    child->exit_code = WIFSIGNALED(process->wait_status) ? 128 + WTERMSIG(process->wait_status)
                                                         : WEXITSTATUS(process->wait_status);
    if (child->out.failed || child->err.failed)
        return qn_fail(ctx, QN_ENOMEM, "not enough memory for what a process wrote");
    return end.why;
}

qn_status sweep_child_run(qn_context *ctx, const char *const *argv, double timeout,
                          sweep_child *child)
{
    const qn_launch_line line = {.word = (char **)argv, .death_signal = SIGTERM};
    qn_child process = QN_CHILD_NONE;
    qn_status st = QN_OK;

    *child = (sweep_child){0};
    QN_TRY(qn_child_start(ctx, &line, &process));
    QN_TRY(attend(ctx, &process, timeout, child));
done:
    qn_child_end(&process, 0);
    return st;
}

void sweep_child_release(sweep_child *child)
{
    qn_string_release(&child->out);
    qn_string_release(&child->err);
}
