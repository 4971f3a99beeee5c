/* The only way in for data: a source has a schema and splits; a split gives batches of columns. */
#ifndef QUERN_SOURCE_H
#define QUERN_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quern/context.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qn_type {
    QN_INT32,
    QN_INT64,
    QN_FLOAT,
    QN_DOUBLE,
    QN_TEXT,       /* UTF-8 bytes, not ended by NUL */
    QN_TIME,       /* int64 seconds since the epoch; dates and date-times are read as such, UTC */
    QN_FLOAT_LIST, /* float values of all rows behind one another, cut by offsets */
    QN_DOUBLE_LIST
} qn_type;

QN_API const char *qn_type_name(qn_type type); /* "int64", "text" ... */

/* A view, borrowed until the next call on its reader. */
typedef struct qn_column {
    qn_type type;
    const void *data;        /* n values; for texts and lists the bytes or values of all rows */
    const uint32_t *offsets; /* texts and lists: n + 1; row i is data[offsets[i] .. offsets[i+1]) */
    const uint64_t *validity; /* bit i of the words: 1 = present; NULL: all present */
} qn_column;

typedef struct qn_batch {
    int64_t n_rows; /* about 65,536 at most; may be 0 */
    int32_t n_columns;
    const qn_column *columns; /* in the order asked for */
    int64_t first_row;        /* of the split: number of the first row, bad rows not counted */
} qn_batch;

static inline bool qn_is_valid(const qn_column *column, int64_t row)
{
    return !column->validity || ((column->validity[row >> 6] >> (row & 63)) & 1);
}

typedef struct qn_field {
    const char *name; /* files without a header: "0", "1" ... */
    qn_type type;     /* as guessed from the first rows, or as the file says */
} qn_field;

typedef struct qn_schema {
    const qn_field *field;
    int32_t n_fields;
    bool has_names; /* false: the file has no header and columns are known by number */
} qn_schema;

/* Why a row was not delivered. */
#define QN_REJECT_LIST(X)                                                                          \
    X(QN_REJECT_MALFORMED, "malformed", "wrong number of fields or a broken quote")                \
    X(QN_REJECT_NULL, "null", "a needed value is empty")                                           \
    X(QN_REJECT_TYPE, "type", "a value is not of its column's type")                               \
    X(QN_REJECT_RANGE, "outOfRange", "a number does not fit")                                      \
    X(QN_REJECT_TOO_LONG, "tooLong", "a line is longer than the limit")                            \
    X(QN_REJECT_HEADER, "badHeader", "a movie header that is no number voids its rows")

typedef enum qn_reject_kind {
#define QN_REJECT_ENUM(name, text, help) name,
    QN_REJECT_LIST(QN_REJECT_ENUM)
#undef QN_REJECT_ENUM
        QN_REJECT_KINDS
} qn_reject_kind;

QN_API const char *qn_reject_name(qn_reject_kind kind);

#define QN_REJECT_EXAMPLES 5
#define QN_REJECT_TEXT     120

typedef struct qn_reject {
    qn_reject_kind kind;
    int32_t column;            /* as asked for, -1: the row as a whole */
    int64_t offset;            /* byte in the file (decompressed), or row number in Parquet */
    char text[QN_REJECT_TEXT]; /* the value or the start of the line, unprintable bytes as \xNN */
} qn_reject;

/* Rejects of one split. */
typedef struct qn_rejects {
    int64_t count[QN_REJECT_KINDS];
    int64_t total;
    qn_reject example[QN_REJECT_EXAMPLES]; /* the first ones in file order */
    int32_t n_examples;
    int64_t n_kept; /* of total: values of lenient columns; all others are rows */
} qn_rejects;

/* What a caller wants of a column. */
typedef struct qn_column_request {
    int32_t field;   /* index into the schema */
    qn_type type;    /* delivered as this type */
    bool nullable;   /* false: a row whose value is missing is rejected */
    double max_size; /* QN_FLOAT, QN_DOUBLE: NaN, and what is larger in size, is rejected as out of
                        range; 0: anything goes */
    bool lenient;    /* nullable columns of numbers and times: a value that is not of the type or
                        does not fit is missing and its row kept; it is counted in the rejects */
} qn_column_request;

typedef struct qn_source qn_source;
typedef struct qn_reader qn_reader;

typedef enum qn_format {
    QN_FORMAT_AUTO,
    QN_FORMAT_CSV, /* delimited text, RFC 4180 quotes */
    QN_FORMAT_TSV,
    QN_FORMAT_DAT,     /* fields separated by "::" */
    QN_FORMAT_NETFLIX, /* "movie:" lines, then customer,rating,date; columns movieId userId rating
                          date */
    QN_FORMAT_PARQUET,
    QN_FORMAT_JSON, /* one object a line */
    QN_FORMAT_LIBSVM,
    QN_FORMAT_LINES /* one column "line" */
} qn_format;
#define QN_FORMAT_CHOICES "auto|csv|tsv|dat|netflix|parquet|json|libsvm|lines"

typedef struct qn_source_options {
    const char *const *path; /* files, folders or "-"; borrowed */
    int64_t n_paths;
    qn_format format;
    char delimiter;         /* 0: found out */
    int32_t header;         /* -1 found out, 0 no, 1 yes */
    int64_t max_line_bytes; /* 0: 16 MiB */
    int64_t split_bytes;    /* 0: 8 MiB; tests set less */
    bool by_row_group;      /* Parquet: each split is a row group */
    bool members; /* Parquet: behind the columns, the members of structs too: "point.x", "a.b.c" */
} qn_source_options;

/* Opens and looks at the first rows. QN_ENOTFOUND names the path and a near one; QN_EDATA an empty
 * or unreadable file. The caller frees *source. Looks for quotes on all threads: not from inside a
 * task. */
QN_API qn_status qn_source_open(qn_context *ctx, const qn_source_options *options,
                                qn_source **source);
QN_API void qn_source_free(qn_source *source);

QN_API const qn_schema *qn_source_schema(const qn_source *source);
QN_API qn_format qn_source_format(const qn_source *source);
/* Index of the column called `name` (or numbered so where there are no names); QN_ENOTFOUND says
 * which columns there are and which is nearest. */
QN_API qn_status qn_source_column(qn_context *ctx, const qn_source *source, const char *name,
                                  int32_t *field);
/* Splits depend on the files only, in the order of sorted file names. */
QN_API int64_t qn_source_n_splits(const qn_source *source);
QN_API int64_t qn_source_bytes(const qn_source *source); /* on disk; 0 where unknown */
/* File a split belongs to. */
QN_API const char *qn_source_split_path(const qn_source *source, int64_t split);

/* Readers of different splits may be used by different threads at the same time. */
QN_API qn_status qn_source_open_split(qn_context *ctx, qn_source *source, int64_t split,
                                      const qn_column_request *request, int32_t n_columns,
                                      qn_reader **reader);
/* *batch is NULL at the end. */
QN_API qn_status qn_reader_next(qn_context *ctx, qn_reader *reader, const qn_batch **batch);
/* Rejects so far; borrowed. */
QN_API const qn_rejects *qn_reader_rejects(const qn_reader *reader);

/* A row as it stands in its file. Borrowed for the call. */
typedef struct qn_record_place {
    int64_t offset;   /* as in qn_reject */
    int64_t line;     /* line of the split on which it begins, from 1; 0 where there are no lines */
    const char *text; /* all its bytes without the newline; where there are no lines the value that
                         is wrong */
    size_t length;
} qn_record_place;

typedef void qn_on_reject(void *arg, qn_reject_kind kind, int32_t column,
                          const qn_record_place *place);
/* Tells every row that is not delivered (values of lenient columns are not told), in the order of
 * the file, during qn_reader_next. Set it before the first. */
QN_API void qn_reader_on_reject(qn_reader *reader, qn_on_reject *on_reject, void *arg);
/* Lines passed so far; counted only by readers of lines whose rejects are told. A file's splits
 * hold all its lines, one after the other. */
QN_API int64_t qn_reader_lines(const qn_reader *reader);
QN_API void qn_reader_close(qn_reader *reader);

/* Line number (from 1) of a byte offset; reads the file up to there. 0 where there are no lines. */
QN_API int64_t qn_source_line_number(qn_context *ctx, const qn_source *source, int64_t split,
                                     int64_t offset);

#ifdef __cplusplus
}
#endif
#endif
