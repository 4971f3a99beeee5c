#include "run/workers.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/context.h"

#define MAX_WORKERS    4096
#define NEAR_THE_LIMIT 0.7 /* of it held a moment before: memory is the likely reason */

static qn_worker_use *worker_at(qn_workers *workers, int32_t worker)
{
    static const qn_worker_use none;

    if (worker < 0 || worker >= MAX_WORKERS)
        return NULL;
    while (workers->n <= worker) {
        qn_string_add_bytes(&workers->bytes, (const char *)&none, sizeof none);
        if (workers->bytes.failed)
            return NULL;
        workers->n++;
    }
    return (qn_worker_use *)workers->bytes.text + worker;
}

bool qn_workers_note(qn_workers *workers, const qn_event *event)
{
    const bool is_added = event->kind == QN_EVENT_WORKER_ADDED;
    qn_worker_use *use;

    if (!is_added && event->kind != QN_EVENT_WORKER_PEAK)
        return false;
    use = worker_at(workers, event->rank);
    if (!use)
        return true;
    use->last_seen = qn_seconds();
    if (is_added) {
        snprintf(use->host, sizeof use->host, "%s", event->text ? event->text : "");
        use->pid = event->id;
        use->threads = event->done;
        use->budget = event->memory_bytes;
        return true;
    }
    if (event->memory_bytes > use->peak)
        use->peak = event->memory_bytes;
    if (event->parent != 0) /* of a stage: the peak alone */
        return true;
    use->held = event->done;
    use->limit = event->total;
    use->oom_kills = event->id;
    use->threads_used = event->rows;
    use->busy_s = event->value;
    use->spilled = event->bytes_spilled;
    use->read_back = event->bytes_read;
    use->moved = event->bytes_moved;
    use->cpu_s = (double)event->duration_us * 1e-6;
    return true;
}

const qn_worker_use *qn_workers_get(const qn_workers *workers, int32_t worker)
{
    return worker >= 0 && worker < workers->n ? (const qn_worker_use *)workers->bytes.text + worker
                                              : NULL;
}

int32_t qn_workers_most_silent(const qn_workers *workers)
{
    int32_t oldest = -1;

    for (int32_t w = 0; w < workers->n; w++) {
        const double seen = qn_workers_get(workers, w)->last_seen;

        if (seen > 0 && (oldest < 0 || seen < qn_workers_get(workers, oldest)->last_seen))
            oldest = w;
    }
    return oldest;
}

int64_t qn_workers_peak(const qn_workers *workers)
{
    int64_t peak = 0;

    for (int32_t w = 0; w < workers->n; w++)
        if (qn_workers_get(workers, w)->peak > peak)
            peak = qn_workers_get(workers, w)->peak;
    return peak;
}

void qn_workers_add_traffic(const qn_workers *workers, int64_t *spilled, int64_t *read_back,
                            int64_t *moved)
{
    for (int32_t w = 0; w < workers->n; w++) {
        const qn_worker_use *use = qn_workers_get(workers, w);

        *spilled += use->spilled;
        *read_back += use->read_back;
        *moved += use->moved;
    }
}

void qn_workers_json(const qn_workers *workers, const char *key, qn_json *j)
{
    qn_json_open(j, key, '[');
    for (int32_t w = 0; w < workers->n; w++) {
        const qn_worker_use *use = qn_workers_get(workers, w);

        qn_json_open(j, NULL, '{');
        qn_json_int(j, "worker", w);
        qn_json_text(j, "host", use->host[0] ? use->host : NULL);
        qn_json_int(j, "pid", use->pid);
        qn_json_int(j, "threads", use->threads);
        qn_json_int(j, "threads_observed", use->threads_used);
        qn_json_int(j, "budget_bytes", use->budget);
        qn_json_int(j, "limit_bytes", use->limit);
        qn_json_int(j, "held_bytes", use->held);
        qn_json_int(j, "peak_bytes", use->peak);
        qn_json_int(j, "spilled_bytes", use->spilled);
        qn_json_int(j, "read_back_bytes", use->read_back);
        qn_json_int(j, "moved_bytes", use->moved);
        qn_json_real(j, "busy_s", use->busy_s);
        qn_json_real(j, "cpu_s", use->cpu_s);
        qn_json_int(j, "oom_kills", use->oom_kills);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

void qn_workers_clear(qn_workers *workers)
{
    qn_string_clear(&workers->bytes);
    workers->n = 0;
}

void qn_workers_release(qn_workers *workers)
{
    qn_string_release(&workers->bytes);
    workers->n = 0;
}

static void add_held(const qn_worker_use *use, qn_string *out)
{
    char held[32], peak[32], limit[32];

    qn_format_bytes((double)use->held, held);
    qn_format_bytes((double)use->peak, peak);
    qn_format_bytes((double)use->limit, limit);
    qn_string_addf(out, "it last held %s", held);
    if (use->peak > use->held)
        qn_string_addf(out, ", at most %s", peak);
    if (use->limit > 0)
        qn_string_addf(out, "%s of the %s that its container allows",
                       use->peak > use->held ? "," : "", limit);
}

void qn_worker_why(const qn_worker_use *use, int signal_number, bool killed, qn_string *out)
{
    const bool is_kill = signal_number == SIGKILL || signal_number == 0;
    const bool is_near =
        use && use->limit > 0 && (double)use->peak > NEAR_THE_LIMIT * (double)use->limit;
    char lower[32];

    if (use && use->peak > 0)
        add_held(use, out);
    else
        qn_string_add(out, "it gave no sign of life");
    if (!is_kill || !(killed || is_near)) {
        if (signal_number == SIGKILL)
            qn_string_add(out, "; nothing tells of too little memory, so somebody ended it");
        else if (is_kill)
            qn_string_add(out, "; nothing tells of too little memory: somebody ended it, or the "
                               "machine stopped");
        return;
    }
    qn_string_addf(out, "; %s for memory (exit 137)",
                   killed ? "the system ended it" : "most likely the system ended it");
    if (use && use->limit > 0) {
        qn_format_bytes((double)use->limit * 0.8, lower);
        qn_string_addf(out, ": try --memory below %s, fewer workers on the host or more hosts",
                       lower);
    } else {
        qn_string_add(out, ": try a lower --memory, fewer workers on the host or more hosts");
    }
}
