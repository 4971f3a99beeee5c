/* How files are cut into splits: by the rows of their footers and row groups alone, never by
 * threads or memory. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/duckdb/source.h"

/* Splits of a file end with a row group, once they have this many rows: several threads can read
 * the file, and no group is unpacked twice. */
#define SPLIT_ROWS ((int64_t)1 << 19)
/* A row group of more rows is cut into runs of this many. */
#define GROUP_ROWS ((int64_t)1 << 21)

typedef struct footer {
    int64_t n_rows, n_groups;
} footer;

static qn_status add_split(qn_context *ctx, qn_duck_source *source, qn_duck_split split)
{
    qn_status st = QN_OK;

    if (source->n_splits == source->split_capacity) {
        const int64_t capacity = source->split_capacity * 2 + 16;

        QN_GROW(ctx, source->split, capacity, "splits");
        source->split_capacity = capacity;
    }
    source->split[source->n_splits++] = split;
done:
    return st;
}

/* Runs `sql`, whose rows are pairs of numbers, into pair[*n][2]; the caller frees it. */
static qn_status read_pairs(qn_context *ctx, duckdb_connection connection, const qn_string *sql,
                            const char *path, footer **pair, int64_t *n)
{
    int64_t capacity = 0;
    qn_duck_stream stream = {0};
    duckdb_data_chunk chunk;
    qn_status st = QN_OK;

    *pair = NULL;
    *n = 0;
    if (sql->failed)
        return qn_fail(ctx, QN_ENOMEM, "no memory for the names of the files");
    QN_TRY(qn_duck_stream_open(ctx, connection, sql->text, path, &stream));
    QN_TRY(qn_duck_stream_next(ctx, &stream, &chunk));
    while (chunk) {
        const int64_t *first = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
        const int64_t *second = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
        const int64_t more = (int64_t)duckdb_data_chunk_get_size(chunk);

        if (*n + more > capacity) {
            capacity = 2 * capacity + more;
            QN_GROW(ctx, *pair, capacity, "footers");
        }
        for (int64_t i = 0; i < more; i++)
            (*pair)[(*n)++] = (footer){first[i], second[i]};
        QN_TRY(qn_duck_stream_next(ctx, &stream, &chunk));
    }
done:
    qn_duck_stream_close(&stream);
    return st;
}

/* Rows of all files' footers; they come in the order of the list. */
static qn_status read_footers(qn_context *ctx, const qn_duck_source *source,
                              duckdb_connection connection, footer **footers)
{
    const char *path = source->files.file[0].path;
    qn_string sql = {0};
    int64_t n = 0;
    qn_status st = QN_OK;

    qn_string_add(&sql, "SELECT CAST(num_rows AS BIGINT), CAST(num_row_groups AS BIGINT) FROM "
                        "parquet_file_metadata(");
    qn_duck_add_files(&sql, &source->files);
    qn_string_add(&sql, ")");
    QN_TRY(read_pairs(ctx, connection, &sql, path, footers, &n));
    if (n != source->files.n)
        st = qn_fail(ctx, QN_EINTERNAL, "%s: %lld footers for %lld files", path, (long long)n,
                     (long long)source->files.n);
done:
    qn_string_release(&sql);
    return st;
}

static qn_status split_runs(qn_context *ctx, qn_duck_source *source, int64_t file, int64_t first,
                            int64_t end)
{
    qn_status st = QN_OK;

    for (; first < end && st == QN_OK; first += GROUP_ROWS)
        st = add_split(
            ctx, source,
            (qn_duck_split){file, first, first + GROUP_ROWS < end ? first + GROUP_ROWS : end});
    return st;
}

/* A file of several row groups. */
static qn_status split_groups(qn_context *ctx, qn_duck_source *source, duckdb_connection connection,
                              int64_t file, bool by_row_group)
{
    const char *path = source->files.file[file].path;
    qn_string sql = {0};
    footer *group = NULL;
    int64_t n = 0, first = 0, end = 0;
    qn_status st = QN_OK;

    qn_string_add(&sql, "SELECT CAST(row_group_num_rows AS BIGINT), CAST(row_group_id AS BIGINT) "
                        "FROM parquet_metadata(");
    qn_duck_add_path(&sql, path);
    qn_string_add(&sql, ") WHERE column_id = 0 ORDER BY row_group_id");
    QN_TRY(read_pairs(ctx, connection, &sql, path, &group, &n));
    for (int64_t g = 0; g < n; g++) {
        end += group[g].n_rows;
        if (end == first || (g + 1 < n && !by_row_group && end - first < SPLIT_ROWS))
            continue;
        if (by_row_group)
            QN_TRY(add_split(ctx, source, (qn_duck_split){file, first, end}));
        else
            QN_TRY(split_runs(ctx, source, file, first, end));
        first = end;
    }
done:
    qn_free(group);
    qn_string_release(&sql);
    return st;
}

static qn_status split_parquet(qn_context *ctx, qn_duck_source *source,
                               duckdb_connection connection, bool by_row_group)
{
    footer *footers = NULL;
    qn_status st = QN_OK;

    QN_TRY(read_footers(ctx, source, connection, &footers));
    for (int64_t file = 0; file < source->files.n; file++) {
        const footer *f = &footers[file];

        source->base.n_rows += f->n_rows;
        if (f->n_groups > 1 && (by_row_group || f->n_rows > SPLIT_ROWS))
            QN_TRY(split_groups(ctx, source, connection, file, by_row_group));
        else if (f->n_rows > GROUP_ROWS && !by_row_group)
            QN_TRY(split_runs(ctx, source, file, 0, f->n_rows));
        else
            QN_TRY(add_split(ctx, source, (qn_duck_split){file, 0, -1}));
    }
done:
    qn_free(footers);
    return st;
}

qn_status qn_duck_split_files(qn_context *ctx, qn_duck_source *source, duckdb_connection connection,
                              bool by_row_group)
{
    qn_status st = QN_OK;

    if (source->base.format == QN_FORMAT_PARQUET)
        return split_parquet(ctx, source, connection, by_row_group);
    for (int64_t file = 0; file < source->files.n && st == QN_OK; file++)
        st = add_split(ctx, source, (qn_duck_split){file, 0, -1});
    return st;
}
