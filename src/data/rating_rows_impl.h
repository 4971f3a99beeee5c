/* What the files of the rating rows share: the order of rows, sorted runs of them, and a merge of
 * runs. */
#ifndef QN_DATA_RATING_ROWS_IMPL_H
#define QN_DATA_RATING_ROWS_IMPL_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/context.h"
#include "data/parquet.h"
#include "data/rating_rows.h"

/* ---- the order ---- */

/* Two words that compare as (movie, user, days, rating) do. */
typedef struct qn_row_key {
    uint64_t high, low;
} qn_row_key;

/* Bits of a float that compare, as numbers, as the floats do. */
static inline uint32_t qn_rating_order(float rating)
{
    uint32_t bits;

    memcpy(&bits, &rating, sizeof bits);
    return bits ^ (bits >> 31 ? UINT32_MAX : UINT32_C(1) << 31);
}

static inline uint64_t qn_id_order(int32_t id)
{
    return (uint32_t)id ^ UINT32_C(1) << 31;
}

static inline qn_row_key qn_row_key_of(const qn_rating_row *row)
{
    return (qn_row_key){qn_id_order(row->movie) << 32 | qn_id_order(row->user),
                        qn_id_order(row->days) << 32 | qn_rating_order(row->rating)};
}

static inline bool qn_row_key_less(qn_row_key a, qn_row_key b)
{
    return a.high != b.high ? a.high < b.high : a.low < b.low;
}

/* ---- the pile ---- */

/* Rows of one part, in memory. */
typedef struct qn_row_block {
    struct qn_row_block *next;
    int64_t n;
    qn_rating_row row[];
} qn_row_block;

/* Sorts the first n rows of a list, n < 2^32 and at the end of a block, in place and keeping the
 * order of equal ones. room[i]: as many rows, allocated. */
void qn_rows_sort(qn_row_block *list, int64_t n, qn_rating_row *room[2]);

/* Sorted rows, in consecutive blocks or in a file of scratch. */
typedef struct qn_row_run {
    int64_t rows;
    qn_row_block *block; /* NULL: in the file */
    int fd;
    int64_t offset; /* bytes */
} qn_row_run;

/* What a closed pile has of one part. */
typedef struct qn_row_part {
    int32_t part;
    int64_t rows;
    qn_row_run *run; /* [n_runs] */
    int64_t n_runs, run_capacity;
} qn_row_part;

/* NULL: none. Only once the pile is closed. */
const qn_row_part *qn_row_pile_find(const qn_row_pile *pile, int32_t part);
const char *qn_row_pile_scratch(const qn_row_pile *pile);
int32_t qn_row_pile_partition(const qn_row_pile *pile);
/* As qn_row_pile_close gave them. */
void qn_row_pile_parts(const qn_row_pile *pile, const int32_t **part, int64_t *n_parts);
size_t qn_row_pile_memory(const qn_row_pile *pile);
/* Adds a row to a part that need not be that of its date. */
qn_status qn_row_pile_add_to(qn_context *ctx, qn_row_pile *pile, int32_t thread, int32_t part,
                             const qn_rating_row *row);

/* ---- merging ---- */

/* Sorted rows that come piece by piece. */
typedef struct qn_row_cursor {
    const qn_rating_row *at, *end; /* the rows at hand */
    qn_row_key key;                /* of *at */
    /* Puts the next rows at hand; none are the end. */
    qn_status (*more)(qn_context *ctx, struct qn_row_cursor *cursor);
    void (*close)(struct qn_row_cursor *cursor);
    void *source; /* of `more` */
    int64_t left; /* rows that `source` still has, where it cannot tell itself */
} qn_row_cursor;

typedef struct qn_row_merge {
    qn_row_cursor *cursor; /* [n] */
    int64_t n, capacity;
    int64_t *heap; /* [n_heap] numbers of cursors that have rows, the lowest row first */
    int64_t n_heap;
    int64_t used;        /* rows of the first cursor that were given and may now go */
    size_t room;         /* bytes for reading the runs of one part back (0: as it likes) */
    size_t buffer_bytes; /* of each of these runs */
} qn_row_merge;

/* Adds a cursor; `close` is called whatever becomes of it. */
qn_status qn_row_merge_add(qn_context *ctx, qn_row_merge *merge, const qn_row_cursor *cursor);
/* Adds the runs of a part (NULL: none); the pile must outlive the merge. */
qn_status qn_row_merge_add_part(qn_context *ctx, qn_row_merge *merge, const qn_row_part *part);
/* After all are added. */
qn_status qn_row_merge_start(qn_context *ctx, qn_row_merge *merge);
/* The next rows in order, one or more; borrowed until the next call. *n 0: the end. */
qn_status qn_row_merge_next(qn_context *ctx, qn_row_merge *merge, const qn_rating_row **row,
                            int64_t *n);
void qn_row_merge_release(qn_row_merge *merge);

#endif
