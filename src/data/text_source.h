/* Sources of text: what the readers of delimited text, Netflix text, libsvm and lines share. A
 * source cuts its files into splits that begin at records; a reader takes one record after the
 * other out of its stream and hands it to its format, which appends a row, rejects it or passes
 * over it. */
#ifndef QN_DATA_TEXT_SOURCE_H
#define QN_DATA_TEXT_SOURCE_H

#include <string.h>

#include "data/source_files.h"
#include "data/source_impl.h"
#include "data/stream.h"

#define QN_TEXT_ROWS        16384             /* rows of a batch: its columns stay in cache */
#define QN_TEXT_BATCH_BYTES ((size_t)4 << 20) /* texts or lists of a batch, before its last row */
#define QN_TEXT_SAMPLE_ROWS 1000
#define QN_TEXT_MAX_LINE    ((int64_t)16 << 20)
#define QN_TEXT_SPLIT       ((int64_t)8 << 20)
#define QN_TEXT_HEADER      40 /* bytes of a Netflix header that are kept: more is no int64 */

/* How records and fields are cut. */
typedef struct qn_dialect {
    char delimiter[2];
    int32_t n_delimiter; /* 1, or 2 for "::" */
    bool quotes;         /* RFC 4180: fields may hold delimiters, newlines and doubled quotes */
    int64_t max_line;
} qn_dialect;

typedef enum qn_cut_kind {
    QN_CUT_MORE,   /* the record may go on behind these bytes */
    QN_CUT_RECORD, /* whole */
    QN_CUT_BROKEN, /* a quote does not close as it should: the record is its first line alone */
    QN_CUT_LONG    /* longer than max_line */
} qn_cut_kind;

typedef struct qn_cut {
    qn_cut_kind kind;
    size_t length; /* without the newline, and without the CR before it */
    size_t next;   /* where the next record begins; not with LONG */
} qn_cut;

/* The record that begins at text. */
qn_cut qn_cut_record(const qn_dialect *dialect, const char *text, size_t n, bool at_end);

typedef struct qn_text_field {
    const char *text; /* inside the quotes where there are any */
    size_t length;
    bool is_quoted;
    bool has_escapes; /* doubled quotes inside */
} qn_text_field;

/* Cuts a record into fields; returns how many there are, of which the first `capacity` are stored.
 */
int32_t qn_cut_fields(const qn_dialect *dialect, const char *record, size_t length,
                      qn_text_field *field, int32_t capacity);

/* Nothing, or NULL, null, NA, \N without quotes. */
bool qn_field_is_missing(const qn_text_field *field);
/* Nothing but blanks, which are no delimiters. */
bool qn_record_is_blank(const qn_dialect *dialect, const char *record, size_t length);
/* The field without blanks at both ends. */
qn_text_field qn_field_trim(qn_text_field field);

typedef struct qn_text_split {
    int64_t file;
    int64_t begin, end;          /* records begin and end there; end of a stream: INT64_MAX */
    char header[QN_TEXT_HEADER]; /* Netflix: the header line that rows at `begin` stand under */
    size_t header_length;
    bool is_under_header;
} qn_text_split;

struct qn_text_format;
struct qn_text_step;
struct qn_text_grid;

typedef struct qn_text_source {
    qn_source base;
    const struct qn_text_format *format;
    qn_file_list files;
    qn_text_split *split;
    int64_t n_splits, split_capacity;
    int64_t split_bytes;
    qn_dialect dialect;
    qn_field *field;    /* what base.schema points to */
    char **name;        /* [n_fields] owned */
    qn_stream *waiting; /* a pipe that was looked into and has not been handed to a reader yet */
} qn_text_source;

/* One column of the batch being filled. */
typedef struct qn_text_column {
    int32_t field;
    qn_type type;
    bool nullable;
    bool lenient; /* bad values are missing ones; nullable columns that are no texts or lists */
    bool has_missing;
    double max_size; /* of floats and doubles; 0: any */
    void *values;    /* numbers: [QN_TEXT_ROWS]; texts and lists: [capacity] bytes or values */
    size_t used, capacity;
    uint32_t *offsets;  /* texts and lists: [QN_TEXT_ROWS + 1] */
    uint64_t *validity; /* one bit a row, all set at the start of a batch; nullable only */
} qn_text_column;

typedef struct qn_text_reader {
    qn_reader base;
    qn_text_source *source;
    const qn_text_split *split;
    qn_stream *stream;
    size_t at;         /* the next byte in the stream's window */
    bool is_skipping;  /* inside a line that is too long */
    bool needs_header; /* the first record of the file is the header */
    bool is_done;
    int32_t n_columns;
    qn_text_column *column;
    qn_column *view;
    qn_batch batch;
    int64_t n_rows; /* of the batch so far */
    int64_t first_row;
    qn_text_field *cell; /* [n_cells] the record being taken */
    int32_t n_cells;
    struct qn_text_step
        *plan; /* delimited text: what the fast loop does with each field, or NULL */
    struct qn_text_grid *grid; /* delimited text of which only reals are asked for, or NULL */
    char header[QN_TEXT_HEADER];
    size_t header_length;
    bool is_under_header;
} qn_text_reader;

/* What a format adds. */
typedef struct qn_text_format {
    /* One record: appends a row, rejects it, or passes over it. */
    qn_status (*take)(qn_context *ctx, qn_text_reader *reader, const char *record, size_t length,
                      int64_t offset);
    /* Optional. Rows in their simplest form, up to the first that is anything else; returns bytes
     * used. Reads nothing behind text + n. */
    size_t (*take_fast)(qn_text_reader *reader, const char *text, size_t n);
    /* Optional. Called once before the first record. */
    qn_status (*start)(qn_context *ctx, qn_text_reader *reader);
    bool keeps_blank_lines;
} qn_text_format;

extern const qn_text_format qn_text_delimited, qn_text_netflix, qn_text_libsvm, qn_text_lines;

/* Opens listed files, which it takes over, as text of options->format; AUTO: found out. */
qn_status qn_text_source_open(qn_context *ctx, const qn_source_options *options,
                              qn_file_list *files, qn_source **source);
qn_status qn_text_reader_open(qn_context *ctx, qn_source *source, int64_t split,
                              const qn_column_request *request, int32_t n_columns,
                              qn_reader **reader);

/* See qn_source_find_rows. */
qn_status qn_text_find_rows(qn_context *ctx, qn_source *source, int64_t split,
                            const qn_column_request *request, int32_t n_columns, int64_t first,
                            qn_on_row *on_row, void *arg);

/* The first records of a file, all of which lie in the window of a stream. */
typedef struct qn_text_sample {
    const char *path;
    const char *text; /* without a byte order mark */
    size_t n;
    bool is_whole; /* the file ends with it */
} qn_text_sample;

/* Finds out format and dialect where they are open, and the schema. */
qn_status qn_text_sniff(qn_context *ctx, const qn_source_options *options,
                        const qn_text_sample *sample, qn_text_source *source);
/* Appends the splits of each file. */
qn_status qn_text_cut_splits(qn_context *ctx, qn_text_source *source);

/* Netflix: the header line that each split begins under. */
qn_status qn_netflix_find_headers(qn_context *ctx, qn_text_source *source);

/* Names the next free field of the schema; NULL: by its number. */
qn_status qn_text_add_field(qn_context *ctx, qn_text_source *source, const qn_text_field *name,
                            qn_type type);

/* Makes room for `bytes` more in every text column and `values` more in every list column. */
qn_status qn_text_reserve(qn_context *ctx, qn_text_reader *reader, size_t bytes, size_t values);
/* Whether the batch takes no more rows. */
bool qn_text_is_full(const qn_text_reader *reader);
/* Stores a cell in the row being filled; QN_REJECT_KINDS when it is stored, else why it is not.
 * Room must have been made: twice the length, as bytes that are no UTF-8 are taken as Latin-1. */
qn_reject_kind qn_text_store(qn_text_reader *reader, int32_t column, const qn_text_field *cell);
/* Why the row cannot stay after qn_text_store said `kind`. QN_REJECT_KINDS: it can, as the column
 * is lenient: the value is missing now and counted in the rejects. */
qn_reject_kind qn_text_forgive(qn_text_reader *reader, int32_t column, qn_reject_kind kind,
                               int64_t offset, const qn_text_field *cell);
/* Stores the columns of a record cut into cells, all that are asked for, and ends the row; or
 * rejects it with one reason: a value that is not of its type before one that is missing, that
 * before one that does not fit, whatever the order of the columns. */
void qn_text_row_store(qn_text_reader *reader, const qn_text_field *cell, const char *record,
                       size_t length, int64_t offset);
/* The row is complete. */
void qn_text_row_end(qn_text_reader *reader);
/* The row, as far as it was stored, goes to the rejects. */
void qn_text_row_reject(qn_text_reader *reader, qn_reject_kind kind, int32_t column, int64_t offset,
                        const char *text, size_t length);

/* Whether a text that did not parse is a number all the same, only too large. */
bool qn_text_is_numeric(const char *text, size_t length, bool is_integer);
/* Rounds a decimal text to the nearest float, once. */
bool qn_text_parse_float(const char *text, size_t length, float *value);

/* A reader's bytes of one value. */
static inline size_t qn_text_value_size(qn_type type)
{
    switch (type) {
    case QN_INT32:
    case QN_FLOAT:
    case QN_FLOAT_LIST:
        return 4;
    case QN_TEXT:
        return 1;
    default:
        return 8;
    }
}

#endif
