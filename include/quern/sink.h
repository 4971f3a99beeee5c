/* The way out for rows: a file that appears whole or not at all. */
#ifndef QUERN_SINK_H
#define QUERN_SINK_H

#include "quern/source.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct qn_sink qn_sink;

typedef struct qn_sink_options {
    const char *path; /* "-": standard output */
    qn_format format; /* QN_FORMAT_AUTO: by extension (.csv, .tsv, .dat, .json, .jsonl, .parquet) */
    bool overwrite;
    bool header; /* of delimited text */
} qn_sink_options;

/* The format that is written: as given, or by the path's extension; AUTO if that says nothing. */
QN_API qn_format qn_sink_format(const qn_sink_options *options);

/* Columns of `schema` in order. QN_EEXISTS, QN_EIO (folder missing or not writable): before work.
 */
QN_API qn_status qn_sink_open(qn_context *ctx, const qn_sink_options *options,
                              const qn_schema *schema, qn_sink **sink);
/* One thread at a time. Missing values are empty fields (null in JSON). */
QN_API qn_status qn_sink_write(qn_context *ctx, qn_sink *sink, const qn_batch *batch);
/* Makes the file appear; frees *sink whatever happens. */
QN_API qn_status qn_sink_commit(qn_context *ctx, qn_sink **sink);
QN_API void qn_sink_abandon(qn_sink **sink);

#ifdef __cplusplus
}
#endif
#endif
