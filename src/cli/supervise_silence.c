/* Workers that give no sign of life while others do. A stopped one is lost after the time that the
 * watchdog allows. One whose host is gone or cut off is lost sooner: its host is asked. */
#include <stdio.h>
#include <sys/wait.h>

#include "base/context.h"
#include "cli/supervise_impl.h"

#define SUSPECT_SECONDS 2.5 /* without a sign of life, of which there is one a second */
#define ANSWER_SECONDS  2.5 /* for its host to answer */
#define AGAIN_SECONDS   3.0 /* between questions */

void qn_silence_clear(qn_supervisor *s)
{
    if (s->suspect.probe.pid > 0)
        qn_child_drop(&s->suspect.probe);
    s->suspect = (qn_suspect){.rank = -1, .probe = QN_CHILD_NONE};
}

static void ask_host(qn_supervisor *s, const char *host, double now)
{
    qn_launch_line line = {0};

    if (qn_launch_make_probe(s->ctx, host, s->rsh_agent, "true", &line) == QN_OK)
        (void)qn_child_start(s->ctx, &line, &s->suspect.probe); /* else: asked again */
    s->suspect.asked = now;
    qn_launch_release(&line);
}

/* Whether the suspect's host is gone. */
static bool watch_host(qn_supervisor *s, const char *host, double now)
{
    qn_suspect *suspect = &s->suspect;

    if (suspect->probe.pid == 0 && now - suspect->asked > AGAIN_SECONDS) {
        ask_host(s, host, now);
        return false;
    }
    if (suspect->probe.pid == 0)
        return false;
    if (!qn_child_has_ended(&suspect->probe)) {
        suspect->is_host_gone = now - suspect->asked > ANSWER_SECONDS;
    } else {
        const int status = suspect->probe.wait_status;

        suspect->is_host_gone = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        qn_child_drop(&suspect->probe);
    }
    return suspect->is_host_gone;
}

bool qn_silence_check(qn_supervisor *s, double now)
{
    const int32_t rank = qn_workers_most_silent(&s->known);
    const double silent = rank < 0 ? 0 : now - qn_workers_get(&s->known, rank)->last_seen;
    const char *host = qn_hosts_of_rank(&s->present, rank);

    if (silent < SUSPECT_SECONDS) {
        if (s->suspect.rank >= 0)
            qn_silence_clear(s);
        return false;
    }
    if (s->suspect.rank != rank) {
        qn_silence_clear(s);
        s->suspect.rank = rank;
    }
    snprintf(s->suspect.host, sizeof s->suspect.host, "%s", host ? host : "");
    if (silent > qn_watch_silence(s)) /* all of them: that is told otherwise */
        return now - s->last_event < silent / 2;
    return host && !qn_host_is_here(host) && watch_host(s, host, now);
}
