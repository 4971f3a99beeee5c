/* Ratings text into rows: every row that is read is either delivered or told with one reason, in
 * the order malformed, null, out of range. */
#ifndef QN_DATA_RATING_INPUT_H
#define QN_DATA_RATING_INPUT_H

#include "data/rating_rows.h"
#include "quern/source.h"

/* Why a row is dropped; duplicates are found later. */
#define QN_DROP_LIST(X)                                                                            \
    X(QN_DROP_MALFORMED, "malformed")                                                              \
    X(QN_DROP_NULL, "null")                                                                        \
    X(QN_DROP_RANGE, "outOfRange")                                                                 \
    X(QN_DROP_DUPLICATE, "duplicate")
typedef enum qn_drop_reason {
#define QN_DROP_ENUM(name, text) name,
    QN_DROP_LIST(QN_DROP_ENUM)
#undef QN_DROP_ENUM
        QN_DROP_REASONS
} qn_drop_reason;
const char *qn_drop_name(qn_drop_reason reason);
/* The reason that a reader's kind of reject counts as. */
qn_drop_reason qn_drop_of(qn_reject_kind kind);

/* Table: qn_rating_input_table (input, format, columns by name, delimiter, header). */
typedef struct qn_rating_input_options {
    qn_text_list input;
    int32_t format; /* qn_format; auto: netflix text is recognised */
    int32_t header;
    const char *delimiter;
    const char *user_col, *item_col, *rating_col, *date_col; /* NULL: found by usual names, in any
                                                                order: CUST_ID, userId, ... */
    size_t split_bytes;                                      /* tests */
} qn_rating_input_options;
extern const qn_params qn_rating_input_table;

typedef struct qn_rating_input qn_rating_input;

/* Opens; QN_ENOTFOUND path or column. Parquet, plain folders and data sets of ours work too. */
qn_status qn_rating_input_open(qn_context *ctx, const qn_rating_input_options *options,
                               qn_rating_input **input);
void qn_rating_input_free(qn_rating_input *input);
/* Whether ratings are doubles: a column, not of Netflix text, that is not whole numbers in the
 * first rows. */
bool qn_rating_input_is_double(const qn_rating_input *input);
/* What the columns are called in the input; date "" where there is none. */
void qn_rating_input_columns(const qn_rating_input *input, qn_dataset_columns *columns);

typedef struct qn_rating_input_counts {
    int64_t rows_read; /* delivered and dropped */
    int64_t rows_delivered;
    int64_t dropped[QN_DROP_REASONS]; /* DUPLICATE 0 here */
    int64_t files, bytes;
    bool has_fraction; /* a rating that was delivered is no whole number */
    char first[512];   /* "file, line 17: ..." of the first dropped row; "" if none */
} qn_rating_input_counts;

/* Delivers all rows, on all threads; `thread` for qn_row_pile_add. `rating_whole`, and Netflix
 * text always: a rating that is no whole number is out of range. Rejects go to `rejects` (may be
 * NULL). */
struct qn_rejects_file;
typedef qn_status qn_rating_input_rows(void *arg, int32_t thread, const qn_rating_row *row,
                                       int64_t n);
qn_status qn_rating_input_read(qn_context *ctx, qn_rating_input *input, bool rating_whole,
                               struct qn_rejects_file *rejects, qn_rating_input_rows *rows,
                               void *arg, qn_rating_input_counts *counts);

/* Each input file's digest, for the ledger, in the order of the input, on all threads. `name` is
 * the path, which can be opened alone; standard input is not listed. generation 0. Freed as one
 * block with qn_free, names and all. */
qn_status qn_rating_input_digests(qn_context *ctx, const qn_rating_input *input,
                                  qn_dataset_taken **taken, int64_t *n);

/* ---- the rejects file ---- */

typedef struct qn_rejects_file qn_rejects_file;

/* CSV: file,line,reason,text; lines ascending within files, files in the order of the input; rows
 * of the data set that lose to a new row come last ("part-....parquet, row"). Held in memory up to
 * `memory` bytes, then in scratch. */
qn_status qn_rejects_file_create(qn_context *ctx, const char *path, bool overwrite,
                                 qn_rejects_file **rejects);
/* A duplicate; any thread. Its line is found by reading its split again at commit. */
qn_status qn_rejects_file_duplicate(qn_rejects_file *rejects, const qn_rating_row *row,
                                    const qn_rating_row *winner);
/* Everything told so far belongs to `input`: sorts it and writes it behind what was written before;
 * `old` names files of stored rows (NULL: none). More may then be told of another input, so that
 * one file serves the two inputs of `etl`. */
qn_status qn_rejects_file_section(qn_context *ctx, qn_rejects_file *rejects, qn_rating_input *input,
                                  const qn_dataset_manifest *old);
/* The file appears, even when there is nothing in it but the header line. Frees *rejects whatever
 * happens. */
qn_status qn_rejects_file_commit(qn_context *ctx, qn_rejects_file **rejects);
void qn_rejects_file_abandon(qn_rejects_file **rejects);

#endif
