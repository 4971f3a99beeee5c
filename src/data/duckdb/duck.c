#include "data/duckdb/duck.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/stage.h"
#include "data/parquet.h"

#define MEMORY_MIN ((size_t)64 << 20)
#define MEMORY_MAX ((size_t)4 << 30)

static qn_status fail_start(qn_context *ctx, const char *message)
{
    return qn_fail(ctx, QN_EINTERNAL, "DuckDB does not start: %s", message ? message : "no reason");
}

/* A quarter of the budget: readers and writers hold a row group and a few pages. */
static void memory_text(const qn_context *ctx, char text[32])
{
    size_t limit = qn_context_memory(ctx) / 4;

    limit = limit < MEMORY_MIN ? MEMORY_MIN : limit > MEMORY_MAX ? MEMORY_MAX : limit;
    snprintf(text, 32, "%zuMiB", limit >> 20);
}

qn_status qn_duck_open(qn_context *ctx, qn_duck *duck)
{
    char memory[32];
    const char *const settings[][2] = {
        {"threads", "1"},
        {"memory_limit", memory},
        {"temp_directory", ctx->scratch_dir ? ctx->scratch_dir : ""},
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
    };
    duckdb_config config = NULL;
    char *message = NULL;
    qn_status st = QN_OK;

    *duck = (qn_duck){.ctx = ctx};
    memory_text(ctx, memory);
    QN_TRY(qn_budget_charge(ctx, (int64_t)QN_PARQUET_RESERVE, "DuckDB"));
    duck->charged = (int64_t)QN_PARQUET_RESERVE;
    if (duckdb_create_config(&config) == DuckDBError)
        st = fail_start(ctx, "no configuration");
    for (size_t i = 0; st == QN_OK && i < sizeof settings / sizeof *settings; i++)
        if (duckdb_set_config(config, settings[i][0], settings[i][1]) == DuckDBError)
            st = fail_start(ctx, settings[i][0]);
    if (st == QN_OK && duckdb_open_ext(NULL, &duck->database, config, &message) == DuckDBError)
        st = fail_start(ctx, message);
done:
    duckdb_free(message);
    duckdb_destroy_config(&config);
    if (st != QN_OK)
        qn_duck_close(duck);
    return st;
}

void qn_duck_close(qn_duck *duck)
{
    duckdb_close(&duck->database);
    if (duck->charged)
        qn_budget_charge(duck->ctx, -duck->charged, "DuckDB");
    *duck = (qn_duck){0};
}

qn_status qn_duck_connect(qn_duck *duck, duckdb_connection *connection)
{
    if (duckdb_connect(duck->database, connection) == DuckDBError)
        return fail_start(duck->ctx, "no connection");
    return QN_OK;
}

static void add_quoted(qn_string *sql, char quote, const char *text)
{
    qn_string_add_bytes(sql, &quote, 1);
    for (const char *p = text; *p; p++) {
        if (*p == quote)
            qn_string_add_bytes(sql, &quote, 1);
        qn_string_add_bytes(sql, p, 1);
    }
    qn_string_add_bytes(sql, &quote, 1);
}

void qn_duck_add_name(qn_string *sql, const char *name)
{
    add_quoted(sql, '"', name);
}

void qn_duck_add_text(qn_string *sql, const char *text)
{
    add_quoted(sql, '\'', text);
}

void qn_duck_add_path(qn_string *sql, const char *path)
{
    qn_string escaped = {0};

    /* "./" keeps "~" and "s3:" from meaning something. */
    if (*path != '/')
        qn_string_add(&escaped, "./");
    for (const char *p = path; *p; p++) {
        const char *const glob = strchr("*?[", *p) ? "[" : "";

        qn_string_addf(&escaped, "%s%c%s", glob, *p, *glob ? "]" : "");
    }
    sql->failed |= escaped.failed;
    qn_duck_add_text(sql, qn_string_text(&escaped));
    qn_string_release(&escaped);
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A file of a generation that was there when the files were listed (data/dataset.h). */
static bool is_rewritten(const char *text)
{
    return strstr(text, ".generations/") &&
           (strstr(text, "No such file") || strstr(text, "No files found"));
}

/* The kind is told by the first words: not every call has a code for it. */
qn_status qn_duck_fail(qn_context *ctx, const char *path, const char *message)
{
    const char *text = message && *message ? message : "no reason given";
    const int length = (int)strcspn(text, "\n");

    if (starts(text, "Out of Memory"))
        return qn_fail(
            ctx, QN_ENOMEM,
            "%s: DuckDB needs more than its share of the budget: give more --memory (%.*s)", path,
            length, text);
    if (starts(text, "INTERNAL") || starts(text, "FATAL"))
        return qn_fail(ctx, QN_EINTERNAL, "%s: DuckDB: %.*s", path, length, text);
    if (starts(text, "INTERRUPT"))
        return qn_fail(ctx, QN_ECANCELLED, "%s: interrupted", path);
    if (is_rewritten(text))
        return qn_fail(ctx, QN_EBUSY, "%s: the data set was rewritten while it was read: run again",
                       path);
    if (strstr(text, "No space left on device") || strstr(text, "Input/output error"))
        return qn_fail(ctx, QN_EIO, "%s: %.*s", path, length, text);
    return qn_fail(ctx, QN_EDATA,
                   "%s cannot be read, it is damaged or of another kind: %.*s; fetch or write it "
                   "again",
                   path, length, text);
}

qn_status qn_duck_fail_write(qn_context *ctx, const char *path, const char *message)
{
    const int length = (int)strcspn(message, "\n");

    if (starts(message, "Out of Memory"))
        return qn_duck_fail(ctx, path, message);
    if (strstr(message, "column \""))
        return qn_fail(ctx, QN_EDATA, "cannot write %s: %.*s", path, length, message);
    if (strstr(message, strerror(ENOSPC)))
        return qn_fail_write(ctx, ENOSPC, path, 0);
    return qn_fail(ctx, QN_EIO, "cannot write %s: %.*s", path, length, message);
}

/* What went wrong at the start of a query: said by the pending result, then by the result. */
static const char *pending_message(qn_duck_stream *stream)
{
    const char *message = duckdb_pending_error(stream->pending);

    return message && *message ? message : duckdb_result_error(&stream->result);
}

/* The one place that calls DuckDB's streaming functions: they are marked as going away, and nothing
 * has taken their place. */
qn_status qn_duck_stream_open(qn_context *ctx, duckdb_connection connection, const char *sql,
                              const char *path, qn_duck_stream *stream)
{
    qn_status st = QN_OK;

    *stream = (qn_duck_stream){.path = path};
    if (duckdb_prepare(connection, sql, &stream->statement) == DuckDBError) {
        st = qn_duck_fail(ctx, path, duckdb_prepare_error(stream->statement));
        goto done;
    }
    if (duckdb_pending_prepared_streaming(stream->statement, &stream->pending) == DuckDBError) {
        st = qn_duck_fail(ctx, path, duckdb_pending_error(stream->pending));
        goto done;
    }
    stream->has_result = true;
    if (duckdb_execute_pending(stream->pending, &stream->result) == DuckDBError)
        st = qn_duck_fail(ctx, path, pending_message(stream));
done:
    if (st != QN_OK)
        qn_duck_stream_close(stream);
    return st;
}

qn_status qn_duck_stream_next(qn_context *ctx, qn_duck_stream *stream, duckdb_data_chunk *chunk)
{
    const char *message;

    if (stream->chunk)
        duckdb_destroy_data_chunk(&stream->chunk);
    *chunk = NULL;
    if (stream->is_done) /* asking again would be an error */
        return QN_OK;
    *chunk = stream->chunk = duckdb_fetch_chunk(stream->result);
    if (stream->chunk)
        return QN_OK;
    stream->is_done = true;
    /* A damaged file ends like a good one; only this tells. */
    message = duckdb_result_error(&stream->result);
    return message && *message ? qn_duck_fail(ctx, stream->path, message) : QN_OK;
}

void qn_duck_stream_close(qn_duck_stream *stream)
{
    if (stream->chunk)
        duckdb_destroy_data_chunk(&stream->chunk);
    if (stream->has_result)
        duckdb_destroy_result(&stream->result);
    duckdb_destroy_pending(&stream->pending);
    duckdb_destroy_prepare(&stream->statement);
    *stream = (qn_duck_stream){0};
}
