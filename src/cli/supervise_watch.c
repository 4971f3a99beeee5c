/* One start of the workers: what they send is taken in, and whoever is too long silent is ended. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/system.h"
#include "cli/supervise_impl.h"
#include "run/progress.h"

#define TICK_MS        50
#define START_SECONDS  60.0 /* for the first event: hosts are reached, programs loaded */
#define LOAD_SECONDS   30.0 /* without an event before the first iteration is done */
#define SILENT_SECONDS 10.0 /* afterwards, or five times an iteration */
#define SILENT_STEPS   5.0
#define DRAIN_SECONDS  0.5  /* for output that a process left behind when it ended */
#define FINISH_SECONDS 10.0 /* for the workers to end once the command has */
#define STOP_SECONDS   10.0 /* for a clean stop */
#define GRACE_SECONDS  1.0  /* between asking a launcher to end and ending it */
#define HELD_BYTES     ((size_t)1 << 20)

/* Why the loop was left. */
typedef enum watch_end { WATCH_ENDED, WATCH_SILENT, WATCH_STOPPED, WATCH_SLOW_END } watch_end;

static void watch_sink(void *user, const qn_event *event)
{
    qn_supervisor *s = user;

    s->last_event = qn_seconds();
    qn_workers_note(&s->known, event);
    if (event->kind == QN_EVENT_STEP)
        s->step[s->n_steps++ % QN_STEPS_KEPT] = (double)event->duration_us * 1e-6;
}

qn_status qn_watch_open(qn_supervisor *s)
{
    return qn_context_add_sink(s->ctx, watch_sink, s);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Seconds of silence that mean that nothing goes on any more. */
static double silence_allowed(const qn_supervisor *s)
{
    const int64_t n = s->n_steps < QN_STEPS_KEPT ? s->n_steps : QN_STEPS_KEPT;
    double sorted[QN_STEPS_KEPT], median;

    if (s->reader.n_events == 0)
        return START_SECONDS;
    if (n == 0)
        return LOAD_SECONDS;
    memcpy(sorted, s->step, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_size);
    median = sorted[n / 2];
    return SILENT_STEPS * median > SILENT_SECONDS ? SILENT_STEPS * median : SILENT_SECONDS;
}

/* Results: held back, so that a worker that is lost later leaves none of them twice. */
static void pass_out(void *user, const char *bytes, size_t n)
{
    qn_supervisor *s = user;

    qn_string_add_bytes(&s->held, bytes, n);
    if (s->held.length > HELD_BYTES || s->has_passed) {
        s->has_passed = true;
        qn_watch_show_results(s);
    }
}

void qn_watch_show_results(qn_supervisor *s)
{
    if (s->held.length > 0) {
        qn_progress_clear(s->cli->progress);
        fwrite(s->held.text, 1, s->held.length, stdout);
        fflush(stdout);
    }
    qn_string_clear(&s->held);
}

static void pass_err(void *user, const char *bytes, size_t n)
{
    qn_supervisor *s = user;

    qn_progress_clear(s->cli->progress);
    fwrite(bytes, 1, n, stderr);
}

/* What there is to read; false once the pipe has ended. */
static bool drain(qn_supervisor *s, int *fd, bool is_out)
{
    char bytes[16384];
    ssize_t n;

    while (*fd >= 0 && (n = read(*fd, bytes, sizeof bytes)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        if (is_out)
            qn_relay_read(s->ctx, &s->reader, bytes, (size_t)n);
        else
            qn_said_read(&s->said, bytes, (size_t)n, pass_err, s);
    }
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return false;
}

/* A clean stop: every worker sees the signal through its launcher and stops at its next cell. */
static void ask_to_stop(qn_supervisor *s)
{
    if (s->child.pid > 0)
        kill(s->child.pid, SIGUSR1);
}

/* Takes in what comes until one of the ends is reached. */
static watch_end watch_loop(qn_supervisor *s)
{
    double ended = 0, told = 0, stopping = 0;

    for (;;) {
        struct pollfd fd[2] = {{.fd = s->child.out, .events = POLLIN},
                               {.fd = s->child.err, .events = POLLIN}};
        double now;
        bool is_open;

        poll(fd, 2, TICK_MS);
        is_open = drain(s, &s->child.out, true);
        is_open |= drain(s, &s->child.err, false);
        now = qn_seconds();
        if (qn_child_has_ended(&s->child) && ended == 0)
            ended = now;
        if (ended > 0 && (!is_open || now - ended > DRAIN_SECONDS))
            return stopping > 0 ? WATCH_STOPPED : WATCH_ENDED;
        if (qn_cancel_signal(s->ctx) && stopping == 0) {
            stopping = now;
            ask_to_stop(s);
        }
        if (stopping > 0 && now - stopping > STOP_SECONDS)
            return WATCH_STOPPED;
        if (s->reader.result.is_told && told == 0)
            told = now;
        if (told > 0 && now - told > FINISH_SECONDS)
            return WATCH_SLOW_END;
        if (told == 0 && now - s->last_event > silence_allowed(s))
            return WATCH_SILENT;
    }
}

/* The first line of what the launcher said that may be a reason. */
static void add_said(const qn_supervisor *s, qn_string *why)
{
    const char *text = qn_string_text(&s->said.text);
    const size_t n = strcspn(text, "\n");

    if (n > 0)
        qn_string_addf(why, "; the launcher says: %.*s", (int)(n < 300 ? n : 300), text);
}

static void name_worker(const qn_supervisor *s, qn_string *why)
{
    const qn_worker_use *use = qn_workers_get(&s->known, s->said.rank);
    const char *host = s->said.host[0] ? s->said.host : use ? use->host : "";

    if (s->said.rank >= 0)
        qn_string_addf(why, "worker %d", (int)s->said.rank);
    else
        qn_string_add(why, "a worker");
    if (host[0])
        qn_string_addf(why, " on %s", host);
}

/* Of workers whose number is not known, the one that held most there tells the story. */
static const qn_worker_use *find_use(const qn_supervisor *s)
{
    const qn_worker_use *largest = NULL;

    if (s->said.rank >= 0)
        return qn_workers_get(&s->known, s->said.rank);
    for (int32_t w = 0; w < s->known.n; w++) {
        const qn_worker_use *use = qn_workers_get(&s->known, w);

        if (s->said.host[0] && strcmp(use->host, s->said.host) != 0)
            continue;
        if (!largest || use->peak > largest->peak)
            largest = use;
    }
    return largest;
}

static void explain_signal(const qn_supervisor *s, int number, qn_string *why)
{
    const qn_worker_use *use = find_use(s);
    qn_system now;

    qn_system_read(&now);
    name_worker(s, why);
    qn_string_addf(why, " was ended by signal %d (%s)", number, strsignal(number));
    if (number == SIGKILL) {
        qn_string_add(why, ": ");
        qn_worker_why(use, number, now.oom_kills > s->oom_kills, why);
    }
}

/* The silent worker that has been silent longest, and for how long. */
static void explain_silence(const qn_supervisor *s, qn_string *why)
{
    int32_t oldest = -1;

    for (int32_t w = 0; w < s->known.n; w++) {
        const double seen = qn_workers_get(&s->known, w)->last_seen;

        if (seen > 0 && (oldest < 0 || seen < qn_workers_get(&s->known, oldest)->last_seen))
            oldest = w;
    }
    qn_string_addf(why, "no worker gave a sign of life for %.0f s", silence_allowed(s));
    if (oldest >= 0)
        qn_string_addf(why, "; the first to fall silent was worker %d on %s", (int)oldest,
                       qn_workers_get(&s->known, oldest)->host);
}

static void explain_loss(qn_supervisor *s, watch_end end)
{
    const int status = s->child.wait_status;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    qn_string why = {0};

    if (end == WATCH_SILENT) {
        explain_silence(s, &why);
    } else if (s->said.signal_number > 0) {
        explain_signal(s, s->said.signal_number, &why);
    } else if (WIFSIGNALED(status)) {
        qn_string_addf(&why, "the launcher %s was ended by signal %d (%s)", s->mpirun,
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else if (code == 128 + SIGKILL) {
        explain_signal(s, SIGKILL, &why);
    } else if (s->reader.result.is_told && s->reader.result.error[0]) {
        qn_string_addf(&why, "the workers gave up: %s", s->reader.result.error);
    } else {
        qn_string_addf(&why, "the workers ended without a result, the launcher with exit code %d",
                       code);
        add_said(s, &why);
    }
    snprintf(s->why, sizeof s->why, "%s", qn_string_text(&why));
    qn_string_release(&why);
}

/* What worker 0 told is the end of the command, unless it is only the echo of a loss: workers that
 * a launcher ends say that they were stopped, those that miss another say that it is gone. */
static bool is_final(const qn_supervisor *s)
{
    const qn_relay_result *r = &s->reader.result;

    if (!r->is_told)
        return false;
    if (r->status == QN_OK)
        return true;
    return r->status != QN_ECANCELLED && r->status != QN_EBUSY && s->said.signal_number == 0;
}

static void reset(qn_supervisor *s)
{
    qn_system now;

    qn_system_read(&now);
    s->oom_kills = now.oom_kills;
    s->started = s->last_event = qn_seconds();
    s->n_steps = 0;
    s->child = QN_CHILD_NONE;
    qn_said_clear(&s->said);
    qn_workers_clear(&s->known);
    qn_string_clear(&s->held);
    qn_relay_reader_release(&s->reader);
    s->reader = (qn_relay_reader){.pass = pass_out, .user = s};
}

qn_status qn_watch_attempt(qn_supervisor *s, const qn_launch_line *line, qn_attempt *attempt)
{
    qn_status st = QN_OK;
    watch_end end;

    reset(s);
    QN_TRY(qn_child_start(s->ctx, line, &s->child));
    end = watch_loop(s);
    qn_child_end(&s->child, end == WATCH_ENDED ? 0 : GRACE_SECONDS);
    if (end == WATCH_STOPPED && !(s->reader.result.is_told && s->reader.result.status == QN_OK))
        *attempt = QN_ATTEMPT_STOPPED;
    else if (is_final(s))
        *attempt = QN_ATTEMPT_DONE;
    else
        *attempt = QN_ATTEMPT_LOST;
    if (*attempt == QN_ATTEMPT_LOST)
        explain_loss(s, end);
done:
    return st;
}
