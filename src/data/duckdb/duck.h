/* What the files of this folder share: one DuckDB in memory per source or sink, SQL text, streaming
 * queries and messages. Only this folder sees duckdb.h. */
#ifndef QN_DATA_DUCKDB_DUCK_H
#define QN_DATA_DUCKDB_DUCK_H

#include <duckdb.h>

#include "base/text.h"
#include "data/source_impl.h"
#include "quern/context.h"

/* Rows that DuckDB hands over at once. */
#define QN_DUCK_CHUNK 2048

typedef struct qn_duck {
    qn_context *ctx;
    duckdb_database database;
    int64_t charged; /* bytes on the books for what DuckDB holds outside our allocator */
} qn_duck;

/* One thread, no extensions from the network, memory bounded by the budget. Connections may then be
 * made by several threads. */
qn_status qn_duck_open(qn_context *ctx, qn_duck *duck);
void qn_duck_close(qn_duck *duck);
qn_status qn_duck_connect(qn_duck *duck, duckdb_connection *connection);

/* SQL: "name" and 'text' with the quotes inside doubled; a path as DuckDB's readers take it, so
 * that
 * *, ? and [ mean themselves. */
void qn_duck_add_name(qn_string *sql, const char *name);
void qn_duck_add_text(qn_string *sql, const char *text);
void qn_duck_add_path(qn_string *sql, const char *path);

/* A failure with DuckDB's own words, the first line of them, behind `path`. */
qn_status qn_duck_fail(qn_context *ctx, const char *path, const char *message);
/* The same for a file that was being written. */
qn_status qn_duck_fail_write(qn_context *ctx, const char *path, const char *message);

/* Rows of a query as they are made. */
typedef struct qn_duck_stream {
    duckdb_prepared_statement statement;
    duckdb_pending_result pending;
    duckdb_result result;
    bool has_result, is_done;
    duckdb_data_chunk chunk; /* the last one given */
    const char *path;        /* for messages; borrowed */
} qn_duck_stream;

qn_status qn_duck_stream_open(qn_context *ctx, duckdb_connection connection, const char *sql,
                              const char *path, qn_duck_stream *stream);
/* *chunk is NULL at the end; borrowed until the next call. */
qn_status qn_duck_stream_next(qn_context *ctx, qn_duck_stream *stream, duckdb_data_chunk *chunk);
void qn_duck_stream_close(qn_duck_stream *stream);

/* The entries of the module's table. */
qn_status qn_duck_source_open(qn_context *ctx, const qn_source_options *options,
                              qn_source **source);

#endif
