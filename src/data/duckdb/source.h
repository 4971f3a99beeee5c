/* The source of this module: files that DuckDB reads, and how they are cut into splits. */
#ifndef QN_DATA_DUCKDB_SOURCE_H
#define QN_DATA_DUCKDB_SOURCE_H

#include "data/duckdb/column.h"
#include "data/source_files.h"

/* Columns as DuckDB names them. */
typedef struct qn_duck_schema {
    qn_field *field;
    qn_duck_kind *kind;
    char **reference; /* SQL */
    int32_t n, capacity;
} qn_duck_schema;

/* Rows [first, end) of a file; end -1: the whole file. */
typedef struct qn_duck_split {
    int64_t file, first, end;
} qn_duck_split;

typedef struct qn_duck_source {
    qn_source base;
    qn_duck duck;
    qn_file_list files;
    qn_duck_schema schema; /* of all files together */
    bool members;
    qn_duck_split *split;
    int64_t n_splits, split_capacity;
} qn_duck_source;

/* Describes what the FROM clause `from` gives; members: also the members of structs, whose names
 * are put together with dots, behind all columns. Release also after a failure. */
qn_status qn_duck_describe(qn_context *ctx, duckdb_connection connection, const char *from,
                           const char *path, bool members, qn_duck_schema *schema);
void qn_duck_schema_release(qn_duck_schema *schema);
qn_status qn_duck_schema_add(qn_context *ctx, qn_duck_schema *schema, const char *name,
                             const char *reference, const char *sql_type);
/* Adds the members of `name`, which DuckDB says to be of `sql_type`; nothing unless that is a
 * struct. members.c */
qn_status qn_duck_schema_add_members(qn_context *ctx, qn_duck_schema *schema, const char *name,
                                     const char *reference, const char *sql_type);
/* Index of a column by its exact name, -1 if there is none. */
int32_t qn_duck_schema_find(const qn_duck_schema *schema, const char *name);

/* ['a.parquet', 'b.parquet'] */
void qn_duck_add_files(qn_string *sql, const qn_file_list *files);
/* Cuts the files into splits; by_row_group: one a row group of Parquet. */
qn_status qn_duck_split_files(qn_context *ctx, qn_duck_source *source, duckdb_connection connection,
                              bool by_row_group);

qn_status qn_duck_reader_open(qn_context *ctx, qn_source *source, int64_t split,
                              const qn_column_request *request, int32_t n_columns,
                              qn_reader **reader);

#endif
