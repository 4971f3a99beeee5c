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

#define TICK_MS             50
#define START_SECONDS       60.0 /* for the first event: hosts are reached, programs loaded */
#define LOAD_SECONDS        30.0 /* without an event before the first iteration is done */
#define SILENT_SECONDS      10.0 /* afterwards, or five times an iteration */
#define SILENT_STEPS        5.0
#define DRAIN_SECONDS       0.5  /* for output that a process left behind when it ended */
#define FINISH_SECONDS      10.0 /* for the workers to end once the command has */
#define STOP_SECONDS        10.0 /* for a clean stop */
#define GRACE_SECONDS       1.0  /* between asking a launcher to end and ending it */
#define SHORT_GRACE_SECONDS 0.2  /* where it waits for a host that is gone */
#define HELD_BYTES          ((size_t)1 << 20)

/* Why the loop was left. */
typedef enum watch_end { WATCH_ENDED, WATCH_SILENT, WATCH_STOPPED, WATCH_SLOW_END } watch_end;

static void watch_sink(void *user, const qn_event *event)
{
    qn_supervisor *s = user;

    s->last_event = qn_seconds();
    qn_workers_note(&s->known, event);
    if (event->kind == QN_EVENT_STEP) {
        s->step[s->n_steps++ % QN_STEPS_KEPT] = (double)event->duration_us * 1e-6;
        s->last_step = event->done;
    }
    if (event->kind == QN_EVENT_COUNT && !strcmp(event->name, "load_bytes_kept"))
        s->is_from_scratch = event->done > 0;
    s->is_fitting |= event->kind == QN_EVENT_JOB_START && !strcmp(event->name, "fit");
    s->is_reloaded |=
        event->kind == QN_EVENT_STEP || (s->is_fitting && event->kind == QN_EVENT_STAGE_START);
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

double qn_watch_silence(const qn_supervisor *s)
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

/* A clean stop: workers stop at their next cell. Open MPI's launcher hands the signal to each of
 * them; Hydra dies of it, so there the workers of this machine are told, who agree with the others.
 * Where none has said hello yet there is nothing to stop cleanly. */
static void ask_to_stop(qn_supervisor *s)
{
    const bool is_openmpi = s->cli->globals->mpi == QN_MPI_OPENMPI;
    bool is_heard = false;

    if (s->child.pid <= 0)
        return;
    for (int32_t w = 0; w < s->known.n && !is_openmpi; w++)
        is_heard |= qn_child_signal((pid_t)qn_workers_get(&s->known, w)->pid, SIGUSR1);
    if (!is_heard)
        kill(s->child.pid, is_openmpi ? SIGUSR1 : SIGTERM);
}

static bool all_are_there(const qn_supervisor *s)
{
    for (int32_t w = 0; w < s->workers; w++)
        if (w >= s->known.n || qn_workers_get(&s->known, w)->last_seen <= 0)
            return false;
    return true;
}

static void emit_time(qn_supervisor *s, const char *what, double value)
{
    char name[64];

    snprintf(name, sizeof name, "restarts.%d.%s", (int)s->n_restarts, what);
    qn_emit(s->ctx,
            &(qn_event){.kind = QN_EVENT_METRIC, .name = name, .text = "s", .value = value});
}

/* Once the workers go on after a loss: how long what took. */
static void tell_times(qn_supervisor *s, double now)
{
    qn_loss *loss = &s->loss;
    qn_string text = {0};
    char name[32];

    if (loss->noticed > 0 && loss->relaunched <= 0 && all_are_there(s))
        loss->relaunched = now;
    if (loss->noticed <= 0 || loss->relaunched <= 0 || !s->is_reloaded)
        return;
    if (loss->rank >= 0)
        qn_string_addf(&text, "worker %d%s%s", (int)loss->rank, loss->host[0] ? " on " : "",
                       loss->host);
    else
        qn_string_add(&text, "workers");
    qn_string_addf(&text,
                   " lost after iteration %lld: noticed %.2f s after the last sign of life, "
                   "relaunched in %.2f s, reloaded in %.2f s from %s",
                   (long long)loss->iterations, loss->silent, loss->relaunched - loss->noticed,
                   now - loss->relaunched, s->is_from_scratch ? "scratch" : "the input");
    if (!s->cli->globals->quiet) {
        qn_progress_clear(s->cli->progress);
        fprintf(stderr, "%s\n", qn_string_text(&text));
    }
    emit_time(s, "noticed_at", (double)qn_now_us() * 1e-6 - (now - loss->noticed)); /* the date */
    emit_time(s, "silent_s", loss->silent);
    emit_time(s, "relaunched_s", loss->relaunched - loss->noticed);
    emit_time(s, "reloaded_s", now - loss->relaunched);
    snprintf(name, sizeof name, "restart_%d", (int)s->n_restarts);
    qn_emit(s->ctx,
            &(qn_event){.kind = QN_EVENT_FACT, .name = name, .text = qn_string_text(&text)});
    loss->noticed = 0;
    qn_string_release(&text);
}

static void note_loss(qn_supervisor *s, bool is_silent, double noticed)
{
    const qn_worker_use *use;

    qn_loss_explain(s, is_silent);
    use = qn_workers_get(&s->known, s->loss.rank);
    s->loss.iterations = s->last_step;
    s->loss.silent = noticed - (use && use->last_seen > 0 ? use->last_seen : s->last_event);
    s->loss.noticed = noticed;
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
        if (told == 0 && now - s->last_event > qn_watch_silence(s)) {
            qn_silence_clear(s);
            return WATCH_SILENT;
        }
        if (told == 0 && stopping == 0 && ended == 0 && qn_silence_check(s, now))
            return WATCH_SILENT;
        tell_times(s, now);
    }
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
    return r->status != QN_ECANCELLED && !r->is_loss && s->said.signal_number == 0;
}

static void reset(qn_supervisor *s)
{
    qn_system now;

    qn_system_read(&now);
    s->oom_kills = now.oom_kills;
    s->started = s->last_event = qn_seconds();
    s->n_steps = 0;
    s->is_fitting = s->is_reloaded = s->is_from_scratch = false;
    qn_silence_clear(s);
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
    double noticed;

    reset(s);
    QN_TRY(qn_child_start(s->ctx, line, &s->child));
    end = watch_loop(s);
    noticed = qn_seconds();
    qn_child_drop(&s->suspect.probe);
    qn_child_end(&s->child, end == WATCH_ENDED        ? 0
                            : s->suspect.is_host_gone ? SHORT_GRACE_SECONDS
                                                      : GRACE_SECONDS);
    if (end == WATCH_STOPPED && !(s->reader.result.is_told && s->reader.result.status == QN_OK))
        *attempt = QN_ATTEMPT_STOPPED;
    else if (is_final(s))
        *attempt = QN_ATTEMPT_DONE;
    else
        *attempt = QN_ATTEMPT_LOST;
    if (*attempt == QN_ATTEMPT_LOST)
        note_loss(s, end == WATCH_SILENT, noticed);
done:
    return st;
}
