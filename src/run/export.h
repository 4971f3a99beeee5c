/* What a reference experiment writes about a run, made from our record of it: one JSON file with
 * exactly the keys that its scripts read. Or the run's event log, as Spark writes it. */
#ifndef QN_RUN_EXPORT_H
#define QN_RUN_EXPORT_H

#include "base/context.h"
#include "base/text.h"
#include "quern/param.h"

/* The formats, each that of one command's runs; in the order of the table in export.c. */
#define QN_EXPORT_CHOICES "kmeans|als|forest|spark-events"

typedef struct qn_export_options {
    int32_t format;  /* of QN_EXPORT_CHOICES */
    const char *out; /* folder, made if it is not there */
    bool overwrite;
} qn_export_options;
extern const qn_params qn_export_table;

/* From the text of a record: the file's name, {tag}_{YYYYmmdd_HHMMSS}.json (UTC, when the run
 * ended), and its text. QN_EINVAL: a run of another command, one that has not ended well, or a
 * record that lacks a key, which is named; QN_EDATA: no record. */
qn_status qn_export_make(qn_context *ctx, const char *record, int32_t format, qn_string *name,
                         qn_string *text);
/* spark-events: a copy of the event log, named as a History Server wants it.
 * Run `run` (id, beginning of an id, "last") of runs_dir into options->out; `path` is the file. */
qn_status qn_export_run(qn_context *ctx, const char *runs_dir, const char *run,
                        const qn_export_options *options, qn_string *path);

#endif
