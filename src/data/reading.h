/* What reading ratings and reading tables share: the delimiter option, progress, and bad rows of
 * splits that several threads and ranks read. */
#ifndef QN_DATA_READING_H
#define QN_DATA_READING_H

#include <pthread.h>

#include "quern/source.h"

/* --delimiter: one character, "tab" or "\t"; 0 for NULL and "": found out. */
qn_status qn_delimiter_parse(qn_context *ctx, const char *text, char *delimiter);

/* An example of a bad row, with what decides which come first over all ranks. */
typedef struct qn_bad_row {
    int64_t split;
    qn_reject reject;
} qn_bad_row;

/* One rank's reading of a source. Fill in ctx, source and n_splits, then _init. */
typedef struct qn_reading {
    qn_context *ctx;
    const qn_source *source;
    int64_t n_splits;     /* that this rank reads */
    pthread_mutex_t lock; /* guards what follows */
    int64_t splits_done, rows_done;
    qn_rejects rejects;                 /* counts only */
    qn_bad_row bad[QN_REJECT_EXAMPLES]; /* the first ones, ascending by split */
    int32_t n_bad;
} qn_reading;

void qn_reading_init(qn_reading *reading);
void qn_reading_release(qn_reading *reading);
/* Counts rows that were delivered and emits progress. Any thread. */
void qn_reading_rows(qn_reading *reading, int64_t rows);
/* A split has been read; its rejects are counted, the first kept by split, whichever thread comes
 * first. Any thread. */
void qn_reading_split_done(qn_reading *reading, int64_t split, const qn_rejects *rejects);
/* Counts and examples of all ranks; *rows: delivered to all. reading->bad becomes that of all
 * ranks. Collective. */
qn_status qn_reading_join(qn_reading *reading, int64_t *rows, qn_rejects *rejects);

/* "file, line 17", or "file, row 17" where there are no lines, of row `row` of a split as batches
 * with this request count it. May read the split again. */
void qn_row_place(qn_context *ctx, qn_source *source, int64_t split,
                  const qn_column_request *request, int32_t n_columns, int64_t row, char *out,
                  size_t size);
/* What is wrong with a row of a table, as a batch asked for with `request` counts columns:
 * "column a: "x" is not a number". */
void qn_reject_value(const qn_source *source, const qn_column_request *request, int32_t n_columns,
                     const qn_reject *reject, char *out, size_t size);
/* "file, line 17: VALUE", or "file, row 17: VALUE" where there are no lines. */
void qn_reject_place(qn_context *ctx, const qn_source *source, int64_t split,
                     const qn_reject *reject, const char *value, char *out, size_t size);

#endif
