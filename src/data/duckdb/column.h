/* How a column of a file becomes a column of a batch: the SQL that asks DuckDB for it in one of a
 * few carrier types, and the conversion from there, which knows bad values from missing ones. */
#ifndef QN_DATA_DUCKDB_COLUMN_H
#define QN_DATA_DUCKDB_COLUMN_H

#include "data/duckdb/duck.h"

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

/* The C type of DuckDB's vectors that the values arrive in. */
typedef enum qn_duck_carrier {
    QN_CARRIER_INT32,
    QN_CARRIER_INT64,
    QN_CARRIER_MICROS, /* int64 microseconds since the epoch */
    QN_CARRIER_FLOAT,
    QN_CARRIER_DOUBLE,
    QN_CARRIER_TEXT,
    QN_CARRIER_LIST
} qn_duck_carrier;

/* Adds the expression that gives the column `reference` (SQL, already quoted), which is of `kind`,
 * in the carrier returned. */
qn_duck_carrier qn_duck_add_expression(qn_string *sql, const char *reference, qn_duck_kind kind,
                                       qn_type wanted);

/* A column of the batch being filled. */
typedef struct qn_duck_column {
    qn_type type;
    bool nullable;
    bool lenient;    /* bad values are missing ones; nullable columns that are no texts or lists */
    double max_size; /* of floats and doubles; 0: any */
    qn_duck_carrier carrier;
    bool has_null;          /* in this batch */
    char *data;             /* values; bytes or values of all rows for texts and lists */
    size_t width;           /* bytes of a value */
    int64_t used, capacity; /* values (bytes for texts) in `data`, for texts and lists */
    uint32_t *offsets;      /* texts and lists: [rows + 1] */
    uint64_t *validity;     /* nullable */
} qn_duck_column;

/* Why a row of a chunk is not delivered: kind + 1, 0 if it is. */
typedef struct qn_duck_verdict {
    uint8_t reject;
    int32_t column;
} qn_duck_verdict;

/* Room for `rows` rows. */
qn_status qn_duck_column_init(qn_context *ctx, qn_duck_column *column,
                              const qn_column_request *request, int64_t rows);
void qn_duck_column_release(qn_duck_column *column);
/* Appends the n values of `vector` behind the `row` that are there; `number` of the column and what
 * is bad go into `verdict`, where nothing stands yet. */
qn_status qn_duck_column_append(qn_context *ctx, qn_duck_column *column, int32_t number,
                                duckdb_vector vector, int64_t row, int64_t n,
                                qn_duck_verdict *verdict);
/* Whether a value can be bad at all: not where types agree and any size goes. */
bool qn_duck_column_can_reject(const qn_duck_column *column);
/* A value that was appended is missing. */
void qn_duck_column_drop(qn_duck_column *column, int64_t row);
/* Takes the rejected ones of the last n rows, behind `row`, out again. */
void qn_duck_column_compact(qn_duck_column *column, int64_t row, int64_t n,
                            const qn_duck_verdict *verdict);
/* The value as text for an example of a reject; returns its length in `text`. */
size_t qn_duck_value_text(const qn_duck_column *column, duckdb_vector vector, int64_t i,
                          char text[QN_REJECT_TEXT]);
/* The column as a batch shows it. */
qn_column qn_duck_column_view(const qn_duck_column *column);

#endif
