/* What is ambient: memory budget, threads, communicator, kernel set, event sinks, cancel flag and
 * the text of the last error. The library has no globals; everything hangs on a context. */
#ifndef QUERN_CONTEXT_H
#define QUERN_CONTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "quern/event.h"
#include "quern/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_context qn_context;

/* All zero is the default. Strings are copied. */
typedef struct qn_context_options {
    size_t memory;           /* budget in bytes; 0: 80 % of the container's limit or free memory */
    int32_t threads;         /* 0: as many as the container or cpuset allows */
    const char *kernels;     /* "reference", "avx2", "avx512"; NULL or "auto": the best that runs */
    const char *scratch_dir; /* for data larger than the budget; NULL: none */
    const char *module_dir;  /* where optional modules lie; NULL: beside the library or program */
} qn_context_options;

/* Makes a context for one worker in this process. On failure *ctx is NULL and the status alone
 * tells why: QN_EINVAL unknown kernel set, QN_ENOMEM. `options` may be NULL. */
QN_API qn_status qn_context_create(const qn_context_options *options, qn_context **ctx);

/* Waits for its threads. Models and data made with it must have been freed. NULL is fine. */
QN_API void qn_context_free(qn_context *ctx);

/* Text of the last failure: names file, line or column, the value, the limit and what to try next.
 * Valid until the next call with this context. "" when nothing failed. */
QN_API const char *qn_context_error(const qn_context *ctx);

/* Adds a sink for events; at most 8. */
QN_API qn_status qn_context_add_sink(qn_context *ctx, qn_event_sink *sink, void *user);

/* Asks running work to stop at its next cell; safe in a signal handler. Calls then return
 * QN_ECANCELLED. `signal_number` is kept for the exit code (0: none). */
QN_API void qn_context_cancel(qn_context *ctx, int signal_number);

QN_API int32_t qn_context_threads(const qn_context *ctx);
QN_API size_t qn_context_memory(const qn_context *ctx);       /* the budget in bytes */
QN_API size_t qn_context_peak(const qn_context *ctx);         /* most bytes held at once */
QN_API const char *qn_context_kernels(const qn_context *ctx); /* name of the kernel set */

/* "0.1.0" */
QN_API const char *qn_version(void);

#ifdef __cplusplus
}
#endif
#endif
