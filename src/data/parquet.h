/* Parquet, by DuckDB: a module opened on first use, so that commands which need none start without
 * it. Only src/data/duckdb/ sees duckdb.h. */
#ifndef QN_DATA_PARQUET_H
#define QN_DATA_PARQUET_H

#include "quern/sink.h"
#include "quern/source.h"

/* Bytes that DuckDB takes beside what it asks the budget for, while one reader or writer runs:
 * pages of the library, its buffers and slack. Measured; charged as long as it runs, and told by
 * `plan`. */
#define QN_PARQUET_RESERVE ((size_t)48 << 20)

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

/* ---- many files of plain columns: one DuckDB for all of them, one thread a file ---- */

typedef enum qn_parquet_type {
    QN_PARQUET_INT32,
    QN_PARQUET_FLOAT,
    QN_PARQUET_DOUBLE,
    QN_PARQUET_DATE /* int32_t days since the epoch */
} qn_parquet_type;

typedef struct qn_parquet_column {
    const char *name;
    qn_parquet_type type;
} qn_parquet_column;

/* Opening costs 20 ms: once a job. Its other functions are for any thread, a file each. */
typedef struct qn_parquet_coder qn_parquet_coder;
qn_status qn_parquet_coder_open(qn_context *ctx, qn_parquet_coder **coder);
void qn_parquet_coder_close(qn_parquet_coder *coder); /* NULL is fine */

/* Puts the next rows into the columns' arrays, `max` of them; fewer only at the end. */
typedef qn_status qn_parquet_fill(void *arg, int64_t max, void *const *column, int64_t *n);

typedef struct qn_parquet_file {
    const char *path;  /* in a folder that is there; a file of this name is replaced */
    const char *codec; /* "snappy" (default when NULL), "zstd", "uncompressed" */
    const qn_parquet_column *column;
    int32_t n_columns; /* at most QN_PARQUET_COLUMNS */
} qn_parquet_file;
#define QN_PARQUET_COLUMNS 8

/* Writes one file on the calling thread, in the order in which `fill` gives the rows. Not synced;
 * what a failure leaves is the caller's to remove. The same rows give the same bytes. */
qn_status qn_parquet_code(qn_context *ctx, qn_parquet_coder *coder, const qn_parquet_file *file,
                          qn_parquet_fill *fill, void *arg);

/* Rows of one file in their order, columns by name and cast to the types asked for. */
typedef struct qn_parquet_decoder qn_parquet_decoder;
typedef struct qn_parquet_rows {
    int64_t n;                                 /* 0: the end */
    const void *data[QN_PARQUET_COLUMNS];      /* borrowed until the next call */
    const uint64_t *valid[QN_PARQUET_COLUMNS]; /* a bit a row; NULL: no value is missing */
} qn_parquet_rows;
/* `file` is borrowed until closed; its codec means nothing here. */
qn_status qn_parquet_decoder_open(qn_context *ctx, qn_parquet_coder *coder,
                                  const qn_parquet_file *file, qn_parquet_decoder **decoder);
qn_status qn_parquet_decoder_next(qn_context *ctx, qn_parquet_decoder *decoder,
                                  qn_parquet_rows *rows);
void qn_parquet_decoder_close(qn_parquet_decoder *decoder); /* NULL is fine */

/* "1.5.5"; NULL text and QN_EUNAVAILABLE when the module is not there. For `doctor`. */
qn_status qn_parquet_version(qn_context *ctx, const char **version);

#endif
