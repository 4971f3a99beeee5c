/* From the workers to the supervisor: rank 0 writes each event as a line on its standard output,
 * between its results; other ranks write only signs of life. The supervisor takes the lines out
 * and emits the events into its own context, where progress, record and event log listen. */
#ifndef QN_RUN_RELAY_H
#define QN_RUN_RELAY_H

#include "base/context.h"
#include "base/text.h"

#define QN_RELAY_MARK '\x1e' /* begins a line for the supervisor (ASCII: record separator) */

/* --- in a worker --- */
typedef struct qn_relay qn_relay;

/* Becomes a sink of the context that writes signs of life to `fd`, which it takes over. Free it
 * after the context. Once the reader is gone the context is cancelled. */
qn_status qn_relay_open(qn_context *ctx, int fd, qn_relay **relay);
/* From now on writes every event: rank 0's part. */
void qn_relay_all(qn_relay *relay);
/* The last line: how the command ended. `is_loss`: it failed because another worker is gone, which
 * is no failure of the command. `members`: JSON members for the record's line, or NULL. */
void qn_relay_end(qn_relay *relay, qn_status status, int exit_code, bool is_loss, const char *error,
                  const char *members);
void qn_relay_free(qn_relay *relay);

/* --- in the supervisor --- */

/* How the command ended, as rank 0 told it. */
typedef struct qn_relay_result {
    bool is_told, is_loss;
    qn_status status;
    int exit_code;
    char error[QN_ERROR_BYTES];
    qn_string members;
} qn_relay_result;

/* Takes bytes as they come, in any pieces. Start with {0} and the two of them set. */
typedef struct qn_relay_reader {
    void (*pass)(void *user, const char *bytes, size_t n); /* what is no line of ours */
    void *user;
    qn_relay_result result;
    int64_t n_events, n_broken; /* broken lines are counted and dropped */
    qn_string outer, line;      /* records begun */
    bool in_line, in_outer;
} qn_relay_reader;

/* Emits events into ctx. */
void qn_relay_read(qn_context *ctx, qn_relay_reader *reader, const char *bytes, size_t n);
void qn_relay_reader_release(qn_relay_reader *reader);

#endif
