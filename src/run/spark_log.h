/* The event stream of a run as Spark's event log, written while the run goes on: a sink. Spark's
 * History Server lists and draws it, and `quern runs show` replays it. Jobs, stages and tasks are
 * those of the stream, executors are workers, cached data sets are what the run keeps.
 *
 * DIR/<run id>.inprogress while the run lives, DIR/<run id> afterwards; whole lines, on the disk
 * at the end of each job. What goes wrong in writing is kept and told once; it never fails the
 * run. */
#ifndef QN_RUN_SPARK_LOG_H
#define QN_RUN_SPARK_LOG_H

#include "base/context.h"

/* Below the folder of runs, so that a History Server that reads it lists them all. */
#define QN_SPARK_LOG_FOLDER "spark-events"

typedef struct qn_spark_log qn_spark_log;

typedef struct qn_spark_log_options {
    const char *dir;        /* made if it is not there */
    const char *run_id;     /* App ID; letters, digits, '-' and '_' */
    const char *name;       /* App Name: "fit als" */
    const char *master;     /* "local[8]", "mpi[5]", "mpi://a:2,b"; NULL: local[threads] */
    const char *parameters; /* a JSON object: Spark properties quern.<name>; NULL: none */
} qn_spark_log_options;

/* Becomes a sink of the context, so it must be freed after the last event. A folder that cannot be
 * written is a warning, and nothing is logged then. QN_EINVAL: a run id that no log can have. */
qn_status qn_spark_log_open(qn_context *ctx, const qn_spark_log_options *options,
                            qn_spark_log **log);
/* Goes on with the log of a run that was broken off: cuts it behind its last whole line, ends what
 * was open as lost, and appends. A run without a log begins one. */
qn_status qn_spark_log_resume(qn_context *ctx, const qn_spark_log_options *options,
                              qn_spark_log **log);
/* Ends what is open, names the log as finished and warns of what could not be written. */
void qn_spark_log_close(qn_context *ctx, qn_spark_log *log, qn_status status);
void qn_spark_log_free(qn_spark_log *log);

const char *qn_spark_log_path(const qn_spark_log *log); /* as it is called now */

/* One worker of this process: WORKER_ADDED for rank 0 with host, threads and budget. */
void qn_emit_this_worker(qn_context *ctx);

#endif
