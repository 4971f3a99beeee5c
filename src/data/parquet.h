/* Parquet, by DuckDB: a module opened on first use, so that commands which need none start without
 * it. Only src/data/duckdb/ sees duckdb.h. */
#ifndef QN_DATA_PARQUET_H
#define QN_DATA_PARQUET_H

#include "quern/sink.h"
#include "quern/source.h"

/* Files, folders and Hive layouts (year=2020/month=1/...: partition columns appear in the schema).
 * Files may differ in columns: one that a file lacks is missing there (added columns, schema
 * evolution). QN_EUNAVAILABLE tells how to install the module. */
qn_status qn_parquet_source_open(qn_context *ctx, const qn_source_options *options,
                                 qn_source **source);

/* One file. */
typedef struct qn_parquet_write {
    const char *path;
    /* Select list over the batches' columns, e.g. "id::INTEGER AS id, features"; NULL: all as is.
     */
    const char *select;
    /* Texts for the footer's key-value metadata, NULL-ended pairs; may be NULL. */
    const char *const *key_value;
    const char *codec; /* "snappy" (default when NULL), "zstd", "uncompressed" */
    bool overwrite;    /* replace a file that is there, at commit */
} qn_parquet_write;

/* A sink that writes rows in the order given. */
qn_status qn_parquet_sink_open(qn_context *ctx, const qn_parquet_write *write,
                               const qn_schema *schema, qn_sink **sink);

/* "1.5.5"; NULL text and QN_EUNAVAILABLE when the module is not there. For `doctor`. */
qn_status qn_parquet_version(qn_context *ctx, const char **version);

#endif
