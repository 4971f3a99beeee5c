/* The run record: one JSON file a run, made of the run's events. It is there from the start, so
 * that a run that died is found by the next one. Sections (data, counts, timings, metrics ...) are
 * filled by event names: a metric or fact called "a.b" is member b of object a. */
#ifndef QN_RUN_RECORD_H
#define QN_RUN_RECORD_H

#include "base/context.h"
#include "base/text.h"

typedef struct qn_record qn_record;

typedef struct qn_record_options {
    const char *runs_dir;      /* RUNS_DIR/<run id>/record.json; NULL: nothing is written */
    const char *id;            /* of a run whose record another process writes; NULL: a new run */
    bool is_supervisor;        /* the work is done by workers, whose events come here */
    const char *prefix;        /* of the run id: "als"; NULL: "run" */
    const char *command;       /* "fit als" */
    const char *parameters;    /* a JSON object; NULL: {} */
    int32_t workers_requested; /* 0: not given */
    int32_t threads_requested; /* 0: not given */
    const char *resumed; /* text of the record of the run that goes on, under its id; NULL: a new
                            run */
} qn_record_options;

/* Makes the run's folder, writes the record with status "running", and becomes a sink of the
 * context, so it must be freed after the last event: after the context is fine. QN_EIO: folder not
 * writable. */
qn_status qn_record_open(qn_context *ctx, const qn_record_options *options, qn_record **record);
/* Writes the record for good: status ok, failed or cancelled, the context's error text, exit code.
 */
qn_status qn_record_close(qn_context *ctx, qn_record *record, qn_status status, int exit_code);
void qn_record_free(qn_record *record);

const char *qn_record_id(const qn_record *record);   /* als-20261121-041530-1a2b */
const char *qn_record_path(const qn_record *record); /* of record.json; NULL: not written */
/* The record as one line of JSON; free with qn_string_release. */
qn_status qn_record_json(qn_context *ctx, qn_record *record, qn_string *out);

#endif
