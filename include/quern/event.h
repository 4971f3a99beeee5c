/* The one stream of typed events of a run. Progress bar, run record, Spark event log and history
 * are sinks or replays of it; no second bookkeeping. */
#ifndef QUERN_EVENT_H
#define QUERN_EVENT_H

#include <stdint.h>

#include "quern/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* kind, name in records. Jobs are load, fit, evaluate, save; a stage is half an iteration (or one
 * pass over the data); a task is a partition of the side being solved. */
#define QN_EVENT_LIST(X)                                                                           \
    X(QN_EVENT_RUN_START, "runStart")                                                              \
    X(QN_EVENT_RUN_END, "runEnd")                                                                  \
    X(QN_EVENT_JOB_START, "jobStart")                                                              \
    X(QN_EVENT_JOB_END, "jobEnd")                                                                  \
    X(QN_EVENT_STAGE_START, "stageStart")                                                          \
    X(QN_EVENT_STAGE_END, "stageEnd")                                                              \
    X(QN_EVENT_TASK_START, "taskStart")                                                            \
    X(QN_EVENT_TASK_END, "taskEnd")                                                                \
    X(QN_EVENT_STORAGE, "storage")                                                                 \
    X(QN_EVENT_WORKER_ADDED, "workerAdded")                                                        \
    X(QN_EVENT_WORKER_LOST, "workerLost")                                                          \
    X(QN_EVENT_WORKER_PEAK, "workerPeak")                                                          \
    X(QN_EVENT_PROGRESS, "progress")                                                               \
    X(QN_EVENT_STEP, "step")                                                                       \
    X(QN_EVENT_METRIC, "metric")                                                                   \
    X(QN_EVENT_COUNT, "count")                                                                     \
    X(QN_EVENT_FACT, "fact")                                                                       \
    X(QN_EVENT_WARNING, "warning")

typedef enum qn_event_kind {
#define QN_EVENT_ENUM(name, text) name,
    QN_EVENT_LIST(QN_EVENT_ENUM)
#undef QN_EVENT_ENUM
} qn_event_kind;

/* Fields a kind does not use are 0 or NULL. Strings are borrowed for the call.
 *   job, stage     name; id; stage: parent = id of its job, START: total = its tasks; END:
 *                  duration_us, rows, bytes, status, text = why it failed (NULL: the context says)
 *   JOB_START      text = the stages it may run, one a line, "name<TAB>tasks\n"; NULL: not known.
 *                  Those that never start are skipped.
 *   TASK_START     id = partition, parent = stage id; may be left out
 *   TASK_END       id = partition, parent = stage id; duration_us, rows, bytes, status, text
 *   STORAGE        name of the data set, id = partition, total = its partitions; rows = entries in
 *                  it, memory_bytes and disk_bytes that it takes now (both 0: dropped)
 *   WORKER_ADDED   text = host, done = cores it may use, memory_bytes = its limit, id = number of
 *                  its process
 *   WORKER_LOST    rank = which, -1 where nobody knows; name = its host, text = why, id = the
 *                  signal that ended it, done = bytes it last held, memory_bytes = most it held,
 *                  total = what its container allows; each 0 or NULL where not known. All that was
 *                  open is over: who goes on starts jobs and stages anew, and a stage of a name
 *                  that the job has had is its next attempt
 *   WORKER_PEAK    parent = stage id; memory_bytes = most it held. parent 0: a sign of life, with
 *                  done = bytes held now, total = what its container allows (0: no limit), id =
 *                  processes killed there for memory, rows = threads that have worked, value =
 *                  seconds that they were busy, duration_us = CPU time, bytes_spilled to scratch,
 *                  bytes_read back from there and bytes_moved from other workers so far
 *   PROGRESS       name of the job, done of total (bytes or rows); rows so far
 *   STEP           name of the algorithm, done of total iterations, value = loss, duration_us; text
 *                  = what its half steps moved between workers, one a line,
 *                  "items<TAB>needed rows<TAB>bytes\n"; NULL: nothing
 *   METRIC         name, value;  text = protocol or unit
 *   COUNT          name, done = the count
 *   FACT           name, text: a setting or finding that is not a number
 *   WARNING        text: one sentence with what to do about it */
typedef struct qn_event {
    qn_event_kind kind;
    qn_status status;
    int32_t rank;
    int32_t thread;
    int64_t time_us; /* since the Unix epoch; filled in by qn_emit */
    const char *name;
    const char *text;
    int64_t id, parent;
    int64_t done, total;
    int64_t rows;
    int64_t duration_us;
    int64_t bytes_read, bytes_moved, bytes_spilled;
    double value;
    int64_t memory_bytes, disk_bytes;
} qn_event;

/* Events of several ranks become one stream by whoever gathers them: `rank` is then the worker, and
 * a rank's events of a stage come before the end of that stage. Jobs, stages and steps are told of
 * by rank 0 alone; of other ranks' STAGE_END the bytes count. Spans have the same ids on all ranks,
 * since all start the same ones in the same order. */

/* Called for one event at a time, never from two threads at once; must not call back into the
 * context. A sink cannot fail the run. */
typedef void qn_event_sink(void *user, const qn_event *event);

/* "runStart" ...; never NULL. */
QN_API const char *qn_event_kind_name(qn_event_kind kind);

#ifdef __cplusplus
}
#endif
#endif
