/* How a column of a file becomes a column of a batch: the SQL that asks DuckDB for it in one of a
 * few carrier types, as data/fill.h takes them. */
#ifndef QN_DATA_DUCKDB_COLUMN_H
#define QN_DATA_DUCKDB_COLUMN_H

#include "data/duckdb/duck.h"
#include "data/fill.h"

/* What DuckDB says a column is, as far as it matters here. */
typedef enum qn_duck_kind {
    QN_DUCK_INT32, /* bool and integers that fit */
    QN_DUCK_INT64,
    QN_DUCK_WIDE, /* decimals and integers beyond 64 bits */
    QN_DUCK_FLOAT,
    QN_DUCK_DOUBLE,
    QN_DUCK_TIME, /* dates and timestamps */
    QN_DUCK_TEXT, /* and whatever else can be shown as text */
    QN_DUCK_FLOAT_LIST,
    QN_DUCK_DOUBLE_LIST /* and other lists of numbers */
} qn_duck_kind;

/* From "DECIMAL(18,3)", "FLOAT[]" ... */
qn_duck_kind qn_duck_kind_of(const char *sql_type);
qn_type qn_duck_type_of(qn_duck_kind kind);

/* Adds the expression that gives the column `reference` (SQL, already quoted), which is of `kind`,
 * in the carrier returned. */
qn_carrier qn_duck_add_expression(qn_string *sql, const char *reference, qn_duck_kind kind,
                                  qn_type wanted);

/* A vector of DuckDB as a run of values. */
qn_run qn_duck_run(duckdb_vector vector, qn_carrier carrier);

#endif
