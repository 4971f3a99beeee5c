/* The inside of a context, and the three things nearly every function does with it: fail with a
 * message, emit an event, look whether it should stop. */
#ifndef QN_BASE_CONTEXT_H
#define QN_BASE_CONTEXT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quern/context.h"

#define QN_ERROR_BYTES 2048
#define QN_MAX_SINKS   8

struct qn_budget;
struct qn_pool;
struct qn_comm;       /* engine/comm.h */
struct qn_kernels;    /* kernels/kernels.h */
struct qn_checkpoint; /* engine/checkpoint.h */

/* How the index space is cut. Cells alone decide the order of floating sums. The defaults are fixed
 * by the design and part of "same bits"; only tests set others. */
typedef struct qn_cell_sizes {
    int64_t rating_rows; /* 4096 rows of ratings */
    int64_t long_row;    /* 65536 entries of one long row */
    int64_t table_rows;  /* 65536 consecutive rows of one split of a table */
    int64_t block_rows; /* 0: the usual size. Rows of ratings that leave memory together: no cell */
} qn_cell_sizes;

/* Text of the last failure of one thread inside a parallel region. */
typedef struct qn_error_slot {
    pthread_t owner;
    qn_status status;
    char text[QN_ERROR_BYTES];
} qn_error_slot;

/* Bytes of this process so far. Records, stages and signs of life all tell of these. */
typedef struct qn_traffic {
    atomic_llong spilled;   /* written to scratch */
    atomic_llong read_back; /* from scratch */
    atomic_llong moved;     /* received from other workers */
} qn_traffic;

struct qn_context {
    struct qn_budget *budget;
    struct qn_pool *pool;
    struct qn_comm *comm;
    const struct qn_kernels *kernels;
    struct qn_checkpoint *checkpoint; /* that a fit saves to, borrowed; NULL: none */
    qn_cell_sizes cells;
    struct qn_stores *stores; /* and the scratch folder they spill to */
    qn_traffic traffic;
    char *scratch_dir; /* where to make it; NULL: none, nothing is spilled */
    char *module_dir;  /* NULL: beside the program */

    pthread_mutex_t lock; /* guards error and sinks */
    char error[QN_ERROR_BYTES];
    qn_status error_status;
    qn_error_slot *error_slot; /* [n_error_slots], while a parallel region runs; guarded by lock */
    int32_t n_error_slots;     /* else 0: failures go to `error` */
    qn_event_sink *sink[QN_MAX_SINKS];
    void *sink_user[QN_MAX_SINKS];
    int32_t n_sinks;
    int64_t next_event_id;
    int64_t pulse_us;           /* between signs of life; 0: none */
    atomic_llong pulse_due;     /* qn_now_us() of the next */
    atomic_llong pulse_peak;    /* most bytes held at a sign of life */
    atomic_int cancel;          /* 0 go on; otherwise 1 + signal number */
    atomic_llong write_allowed; /* tests: writes before the planned failure, INT64_MAX: none */
    atomic_int write_error;     /* the errno they then fail with */
};

/* Fills an empty context: budget, lock, threads. Not the communicator and the kernels, which lie in
 * later rooms: engine/context_open.c puts the whole together. */
qn_status qn_context_init(qn_context *ctx, const qn_context_options *options);
void qn_context_release(qn_context *ctx);

/* Writes the message and returns `status`, so that `return qn_fail(ctx, QN_EINVAL, "...")` reads
 * well. */
qn_status qn_fail(qn_context *ctx, qn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As qn_fail, with ": " and the text of `error_number` (an errno) behind; ENOSPC and EDQUOT say so.
 */
qn_status qn_fail_errno(qn_context *ctx, qn_status status, int error_number, const char *format,
                        ...) __attribute__((format(printf, 4, 5)));
/* Puts "prefix: " before the message of a failure that is being passed on. */
qn_status qn_fail_prefix(qn_context *ctx, qn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void qn_error_clear(qn_context *ctx);

/* From now on emits a sign of life every `seconds` as work goes on: a WORKER_PEAK event from
 * qn_check_cancel, so that a process that hangs gives none. */
void qn_context_pulse(qn_context *ctx, double seconds);
/* One at once. */
void qn_emit_pulse(qn_context *ctx);

/* QN_ECANCELLED once someone has asked for it. Cheap; call it once a cell or batch. */
qn_status qn_check_cancel(qn_context *ctx);
/* Signal that asked, 0 if none. */
int qn_cancel_signal(const qn_context *ctx);

/* Sends an event to every sink; fills in the time. Any thread. */
void qn_emit(qn_context *ctx, const qn_event *event);
/* Shorthands. */
void qn_emit_warning(qn_context *ctx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void qn_emit_count(qn_context *ctx, const char *name, int64_t count);
void qn_emit_metric(qn_context *ctx, const char *name, double value, const char *unit);
void qn_emit_fact(qn_context *ctx, const char *name, const char *text);

/* A job or stage from start to end; `status` may be a failure. */
typedef struct qn_span {
    const char *name;
    int64_t id, parent;
    double start; /* qn_seconds() */
    bool is_stage;
} qn_span;
qn_span qn_job_start(qn_context *ctx, const char *name);
/* With the stages that it may run: see JOB_START in quern/event.h. */
qn_span qn_job_start_planned(qn_context *ctx, const char *name, const char *stages);
qn_span qn_stage_start(qn_context *ctx, const qn_span *job, const char *name, int64_t n_tasks);
/* rows and bytes of `totals` (may be NULL) go into the event. Returns seconds. */
double qn_span_end(qn_context *ctx, const qn_span *span, qn_status status, const qn_event *totals);

int64_t qn_now_us(void); /* wall clock, since the epoch */
double qn_seconds(void); /* monotonic */

/* One way out: set `st`, go to `done`. */
#define QN_TRY(call)                                                                               \
    do {                                                                                           \
        st = (call);                                                                               \
        if (st != QN_OK)                                                                           \
            goto done;                                                                             \
    } while (0)

#endif
