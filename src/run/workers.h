/* What is known of the workers of a run from their events: where each is, what it may hold and what
 * it held. For the run record, and for the reason of a loss. */
#ifndef QN_RUN_WORKERS_H
#define QN_RUN_WORKERS_H

#include "base/text.h"
#include "quern/event.h"

typedef struct qn_worker_use {
    char host[64];     /* "": not known */
    int64_t pid;       /* of its process there; 0: not known */
    int64_t threads;   /* it may use */
    int64_t budget;    /* bytes that it may hold */
    int64_t limit;     /* bytes that its container allows; 0: no limit */
    int64_t held;      /* at its last sign of life */
    int64_t peak;      /* most at any sign of life */
    int64_t oom_kills; /* in its container, at its last sign of life */
    int64_t threads_used;
    int64_t spilled, read_back, moved; /* bytes, at its last sign of life */
    double busy_s, cpu_s;
    double last_seen; /* qn_seconds(); 0: never */
} qn_worker_use;

/* Outside the budget, and safe in a sink. Start with {0}. */
typedef struct qn_workers {
    qn_string bytes; /* qn_worker_use[n] */
    int32_t n;
} qn_workers;

/* True if the event was one of a worker's. */
bool qn_workers_note(qn_workers *workers, const qn_event *event);
/* NULL: nothing is known. */
const qn_worker_use *qn_workers_get(const qn_workers *workers, int32_t worker);
/* The worker whose last sign of life is oldest; -1: none has ever given one. */
int32_t qn_workers_most_silent(const qn_workers *workers);
int64_t qn_workers_peak(const qn_workers *workers); /* of the largest */
/* Adds the bytes that all have spilled to scratch, read back from there and received. */
void qn_workers_add_traffic(const qn_workers *workers, int64_t *spilled, int64_t *read_back,
                            int64_t *moved);
void qn_workers_json(const qn_workers *workers, const char *key, qn_json *j);
/* Forgets them: others come. */
void qn_workers_clear(qn_workers *workers);
void qn_workers_release(qn_workers *workers);

/* Adds "it last held 950 MB of the 1 GB that its container allows" and, where `killed` says that
 * the system has killed a process there for memory since, or the numbers do, why it died and what
 * to change. `signal_number` 0: not known. */
void qn_worker_why(const qn_worker_use *use, int signal_number, bool killed, qn_string *out);

#endif
