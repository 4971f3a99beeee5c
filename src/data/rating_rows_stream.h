/* Rows of one part as they are to be written: runs and old files merged, the rule applied. */
#ifndef QN_DATA_RATING_ROWS_STREAM_H
#define QN_DATA_RATING_ROWS_STREAM_H

#include "data/rating_rows_impl.h"

#define QN_ROWS_COLUMNS 4

/* ---- files ---- */

/* What a data set's rows are called in its files: movie, user, rating, then the date if there is
 * one. */
typedef struct qn_rows_columns {
    qn_parquet_column column[QN_ROWS_COLUMNS];
    int32_t n;
} qn_rows_columns;
/* `names` is borrowed. Ratings are read as floats. */
qn_rows_columns qn_rows_columns_of(const qn_dataset_columns *names, bool for_reading);

/* The double with the fewest decimals that is this float. */
double qn_rating_as_double(float rating);
/* About how many bytes of a file a row takes: files are cut by rows, and the rule must not look at
 * what comes out. */
int64_t qn_rows_per_file(int64_t target_file_size, const char *codec);

/* Reads one file after the other as one sequence of rows. */
typedef struct qn_rows_reader {
    qn_parquet_coder *coder;
    qn_rows_columns columns;
    const char *folder;          /* borrowed */
    const qn_dataset_file *file; /* [n_files]; borrowed */
    int64_t n_files, at;         /* the file being read */
    int64_t first_number;        /* of file[0], for origins */
    uint64_t origin_bit;         /* QN_ORIGIN_STORED or 0 */
    bool must_be_sorted, may_be_null;
    qn_parquet_decoder *decoder;
    qn_parquet_file request;
    char *path;
    int64_t next_row; /* of the file */
    int64_t rows, rows_null;
    qn_row_key last;
    bool has_last;
    qn_rating_row *row; /* the batch */
    int64_t capacity;
} qn_rows_reader;
/* *n 0: the end. */
qn_status qn_rows_reader_next(qn_context *ctx, qn_rows_reader *reader, const qn_rating_row **row,
                              int64_t *n);
void qn_rows_reader_release(qn_rows_reader *reader);

/* ---- the rule ---- */

typedef struct qn_rows_stream {
    const qn_rows_rule *rule;
    qn_row_merge merge;  /* filled by the caller */
    qn_row_merge losing; /* for latest: pairs whose winner lies in another part, and that winner */
    const qn_rating_row *at, *end;           /* merged rows at hand */
    const qn_rating_row *lost_at, *lost_end; /* the same of `losing` */
    bool is_done;
    bool is_plain;        /* neither losing pairs nor a user who goes */
    qn_rating_row *group; /* [n_group] rows with one key */
    int64_t n_group, group_capacity;
    int64_t rows_in, rows_dropped, rows_removed;
} qn_rows_stream;

qn_status qn_rows_stream_start(qn_context *ctx, qn_rows_stream *stream);
qn_status qn_rows_stream_next(qn_context *ctx, qn_rows_stream *stream, qn_rating_row *row,
                              bool *has_row);
void qn_rows_stream_release(qn_rows_stream *stream);

/* Whether a is kept rather than b, which has the same key: the greater date, the higher rating, the
 * stored one, the one that came first. */
bool qn_row_beats(const qn_rating_row *a, const qn_rating_row *b);

/* ---- latest, over all parts ---- */

typedef struct qn_rows_latest {
    qn_context *ctx;
    const qn_row_pile *pile[2]; /* new rows, closed; NULL: none */
    int32_t partition_by;
    const char *scratch;
    size_t memory;
    qn_rows_reader model;        /* how a file is read */
    const qn_dataset_file *file; /* [n_files] stored, each sorted */
    int64_t n_files;
    bool everything; /* stored rows were kept by another rule: all pairs count, not only new ones */
} qn_rows_latest;
/* *losing: by part the winners, from other parts, of pairs that the part must not keep; closed. */
qn_status qn_rows_find_losing(const qn_rows_latest *job, qn_row_pile **losing);

#endif
