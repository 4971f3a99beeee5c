/* Why workers were lost, in a sentence that says which one, where, of what, and what to change. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>

#include "base/system.h"
#include "cli/supervise_impl.h"

/* Whether a worker is on the host that the launcher names: as it calls itself, or as the user
 * called it. */
static bool is_on(const qn_supervisor *s, int32_t worker, const char *host)
{
    const qn_worker_use *use = qn_workers_get(&s->known, worker);
    const char *given = qn_hosts_of_rank(&s->present, worker);

    return (use && !strcasecmp(use->host, host)) || (given && !strcasecmp(given, host));
}

/* By its process, or else, of several on its host, the one that held most: it tells the story. */
static int32_t find_on_host(const qn_supervisor *s)
{
    int32_t found = -1;
    int64_t most = -1;

    for (int32_t w = 0; w < s->known.n; w++) {
        const qn_worker_use *use = qn_workers_get(&s->known, w);

        if (s->said.host[0] && !is_on(s, w, s->said.host))
            continue;
        if (s->said.pid > 0 && use->pid == s->said.pid)
            return w;
        if (s->said.host[0] && use->peak > most) {
            most = use->peak;
            found = w;
        }
    }
    return found;
}

static int32_t find_lost(const qn_supervisor *s, bool is_silent)
{
    if (is_silent)
        return s->suspect.rank >= 0 ? s->suspect.rank : qn_workers_most_silent(&s->known);
    return s->said.rank >= 0 ? s->said.rank : find_on_host(s);
}

static void name_worker(const qn_loss *loss, qn_string *why)
{
    if (loss->rank >= 0)
        qn_string_addf(why, "worker %d", (int)loss->rank);
    else
        qn_string_add(why, "a worker");
    if (loss->host[0])
        qn_string_addf(why, " on %s", loss->host);
}

static void explain_signal(const qn_supervisor *s, qn_string *why)
{
    const int number = s->loss.signal_number;
    qn_system now;

    qn_system_read(&now);
    name_worker(&s->loss, why);
    qn_string_addf(why, " was ended by signal %d (%s)", number, strsignal(number));
    if (number == SIGKILL) {
        qn_string_add(why, ": ");
        qn_worker_why(qn_workers_get(&s->known, s->loss.rank), number, now.oom_kills > s->oom_kills,
                      why);
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

static void explain_end(const qn_supervisor *s, qn_string *why)
{
    const int status = s->child.wait_status;

    if (s->said.exit_code > 0) {
        name_worker(&s->loss, why);
        qn_string_addf(why, " ended with exit code %d and without a word", s->said.exit_code);
    } else if (WIFSIGNALED(status)) {
        qn_string_addf(why, "the launcher %s was ended by signal %d (%s)", s->mpirun,
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else if (s->reader.result.is_told && s->reader.result.error[0]) {
        qn_string_addf(why, "the workers gave up: %s", s->reader.result.error);
    } else if (strstr(qn_string_text(&s->said.text), "lost communication with a remote daemon")) {
        name_worker(&s->loss, why);
        qn_string_add(why, " was lost with its host: its processes were ended, or the network "
                           "between it and this machine broke");
    } else {
        qn_string_addf(why, "the workers ended without a result, the launcher with exit code %d",
                       WEXITSTATUS(status));
        add_said(s, why);
    }
}

static void explain_silence(const qn_supervisor *s, qn_string *why)
{
    if (s->suspect.rank >= 0) {
        const qn_worker_use *use = qn_workers_get(&s->known, s->suspect.rank);

        name_worker(&s->loss, why);
        qn_string_addf(why, " gave no sign of life for %.1f s%s", qn_seconds() - use->last_seen,
                       s->suspect.is_host_gone ? ", and its host does not answer" : "");
        return;
    }
    qn_string_addf(why, "no worker gave a sign of life for %.0f s", qn_watch_silence(s));
    if (s->loss.rank < 0)
        return;
    qn_string_add(why, "; the first to fall silent was ");
    name_worker(&s->loss, why);
}

/* The signal that ended a worker; 0: none is known of. */
static int signal_of_loss(const qn_supervisor *s)
{
    const int status = s->child.wait_status;

    if (s->said.signal_number > 0)
        return s->said.signal_number;
    return WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGKILL ? SIGKILL : 0;
}

void qn_loss_explain(qn_supervisor *s, bool is_silent)
{
    qn_loss *loss = &s->loss;
    const qn_worker_use *use;
    qn_string why = {0};

    *loss = (qn_loss){.rank = find_lost(s, is_silent)};
    if (!is_silent)
        loss->signal_number = signal_of_loss(s);
    use = qn_workers_get(&s->known, loss->rank);
    snprintf(loss->host, sizeof loss->host, "%s",
             !is_silent && s->said.host[0] ? s->said.host
             : use                         ? use->host
                                           : "");
    if (is_silent)
        explain_silence(s, &why);
    else if (loss->signal_number > 0)
        explain_signal(s, &why);
    else
        explain_end(s, &why);
    snprintf(loss->why, sizeof loss->why, "%s", qn_string_text(&why));
    qn_string_release(&why);
}

void qn_loss_emit(qn_supervisor *s)
{
    const qn_loss *loss = &s->loss;
    const qn_worker_use *use = qn_workers_get(&s->known, loss->rank);
    qn_event event = {.kind = QN_EVENT_WORKER_LOST,
                      .rank = loss->rank,
                      .name = loss->host[0] ? loss->host : NULL,
                      .text = loss->why,
                      .id = loss->signal_number};

    if (use) {
        event.done = use->held;
        event.memory_bytes = use->peak;
        event.total = use->limit;
    }
    qn_emit(s->ctx, &event);
}
