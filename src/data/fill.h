/* Batches filled from typed runs of values: what readers of columnar data share. A reader names the
 * carrier of each column once and then hands over run after run; here values become what was asked
 * for, bad ones are told from missing ones, rejected rows are taken out again. */
#ifndef QN_DATA_FILL_H
#define QN_DATA_FILL_H

#include "data/source_impl.h"

#define QN_FILL_RUN 2048 /* rows of a run at most */

/* The C type that values arrive in. */
typedef enum qn_carrier {
    QN_CARRIER_INT32,
    QN_CARRIER_INT64,
    QN_CARRIER_MICROS, /* int64 microseconds since the epoch */
    QN_CARRIER_FLOAT,
    QN_CARRIER_DOUBLE,
    QN_CARRIER_TEXT,
    QN_CARRIER_LIST /* of floats or doubles, as asked for */
} qn_carrier;

/* Values of one column, borrowed for the call. */
typedef struct qn_run {
    const void *values; /* what `text` and `list` understand, or an array of the carrier's type */
    const uint64_t *present; /* bit i: value i is there; NULL: all are */
    const char *(*text)(const void *values, int64_t i, size_t *length);
    void (*list)(const void *values, int64_t i, uint64_t *first, uint64_t *n); /* in `child` */
    const void *child;             /* values of all lists */
    const uint64_t *child_present; /* NULL: all */
} qn_run;

/* A column of the batch being filled. */
typedef struct qn_fill_column {
    qn_carrier carrier; /* set by the reader */
    qn_type type;
    bool nullable;
    bool lenient;    /* bad values are missing ones; nullable columns that are no texts or lists */
    double max_size; /* of floats and doubles; 0: any */
    bool has_null;   /* in this batch */
    char *data;      /* values; bytes or values of all rows for texts and lists */
    size_t width;    /* bytes of a value */
    int64_t used, capacity; /* values (bytes for texts) in `data`, for texts and lists */
    uint32_t *offsets;      /* texts and lists: [rows + 1] */
    uint64_t *validity;     /* nullable */
} qn_fill_column;

/* Why a row of a run is not delivered: kind + 1, 0 if it is. */
typedef struct qn_verdict {
    uint8_t reject;
    int32_t column;
} qn_verdict;

/* A bad value of a lenient column. */
typedef struct qn_kept_value {
    int64_t i; /* row of the run */
    int32_t column;
    qn_reject_kind kind;
} qn_kept_value;

typedef struct qn_fill {
    qn_reader *reader; /* whose rejects are counted */
    int32_t n_columns;
    qn_fill_column *column;
    qn_column *view;
    qn_verdict verdict[QN_FILL_RUN];
    qn_verdict own[QN_FILL_RUN];            /* of one lenient column */
    qn_kept_value kept[QN_REJECT_EXAMPLES]; /* the first of the run by row and column */
    int32_t n_kept;
    qn_batch batch;
    int64_t next_row;  /* of the file, bad rows counted */
    int64_t delivered; /* rows of the batches before this one */
    int64_t n_rows;    /* of this batch so far */
} qn_fill;

qn_status qn_fill_init(qn_context *ctx, qn_fill *fill, const qn_column_request *request,
                       int32_t n_columns, qn_reader *reader);
void qn_fill_release(qn_fill *fill);

/* Begins a batch. */
void qn_fill_start(qn_fill *fill);
/* Appends n rows, at most QN_FILL_RUN: run[n_columns]. malformed (may be NULL): rows that are none,
 * told as `what`. */
qn_status qn_fill_rows(qn_context *ctx, qn_fill *fill, const qn_run *run, const bool *malformed,
                       const char *what, int64_t n);
/* Room for one more run? */
bool qn_fill_has_room(const qn_fill *fill);
/* The batch as it is now, borrowed until the next start. */
const qn_batch *qn_fill_end(qn_fill *fill);

#endif
