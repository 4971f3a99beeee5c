/* The event stream of a run in words, for whoever reads logs: run.log beside its record, a line an
 * event, "2026-11-21T04:15:30.001Z INFO load: 1,000,000 rows". The first line is the command.
 * What goes wrong in writing is told once and never fails the run. */
#ifndef QN_RUN_RUN_LOG_H
#define QN_RUN_RUN_LOG_H

#include "base/context.h"

#define QN_RUN_LOG_FILE "run.log"

typedef struct qn_run_log qn_run_log;

/* Becomes a sink of the context, so it must be freed after the last event. Lines go behind those
 * that are there: a run that is resumed goes on in its log. A file that cannot be made is a
 * warning, and nothing is logged then. */
qn_status qn_run_log_open(qn_context *ctx, const char *path, const char *command, qn_run_log **log);
/* How the run ended: the context's error, where it has failed. */
void qn_run_log_close(qn_context *ctx, qn_run_log *log, qn_status status);
void qn_run_log_free(qn_run_log *log); /* NULL: nothing */

#endif
