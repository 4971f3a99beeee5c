/* Rows of a rating data set on their way from readers to sorted, partitioned Parquet: collected by
 * part (a month), spilled to scratch when memory is short, sorted by radix, merged with what the
 * data set holds, and coded. */
#ifndef QN_DATA_RATING_ROWS_H
#define QN_DATA_RATING_ROWS_H

#include "data/dataset.h"
#include "data/parquet.h"

/* One row. Ordered by (movie, user, date, rating); all ids are int32 as in the files. */
typedef struct qn_rating_row {
    int32_t movie, user;
    int32_t days;    /* since the epoch */
    float rating;    /* exact for the whole numbers and halves that files hold */
    uint64_t origin; /* where it came from: qn_row_origin() */
} qn_rating_row;

#define QN_ORIGIN_STORED ((uint64_t)1 << 63) /* of the old generation: (file, row) */
/* Split of the input (or file of the old generation) and row in it, as batches count rows. */
static inline uint64_t qn_row_origin(int64_t split, int64_t row)
{
    return ((uint64_t)split << 36) | (uint64_t)row;
}
static inline int64_t qn_origin_split(uint64_t origin)
{
    return (int64_t)((origin & ~QN_ORIGIN_STORED) >> 36);
}
static inline int64_t qn_origin_row(uint64_t origin)
{
    return (int64_t)(origin & (((uint64_t)1 << 36) - 1));
}

/* ---- collecting ---- */

typedef struct qn_row_pile qn_row_pile;

/* Rows, and the room for sorting them, may take `memory` bytes in all; the rest goes to nameless
 * files in `scratch` (NULL: none, then QN_ENOMEM), which vanish with the pile or the process. */
qn_status qn_row_pile_create(qn_context *ctx, int32_t partition_by, size_t memory,
                             const char *scratch, qn_row_pile **pile);
void qn_row_pile_free(qn_row_pile *pile);
/* Any thread (numbered 0 .. threads - 1), rows of any part. */
qn_status qn_row_pile_add(qn_context *ctx, qn_row_pile *pile, int32_t thread,
                          const qn_rating_row *row, int64_t n);
/* No more rows will come. Parts that have rows, ascending. */
qn_status qn_row_pile_close(qn_context *ctx, qn_row_pile *pile, const int32_t **part,
                            int64_t *n_parts);
int64_t qn_row_pile_rows(const qn_row_pile *pile);
int64_t qn_row_pile_part_rows(const qn_row_pile *pile, int32_t part);
int64_t qn_row_pile_spilled(const qn_row_pile *pile); /* bytes */

/* A row that is not written because another with its key is; any thread, parts in any order.
 * `winner` is the row that stays. */
typedef qn_status qn_row_dropped(void *arg, const qn_rating_row *row, const qn_rating_row *winner);

/* ---- writing ---- */

typedef struct qn_rows_rule {
    int32_t on_duplicate;  /* qn_on_duplicate_rows */
    bool has_removed_user; /* rows of this user are left out, not told to `dropped` */
    int32_t removed_user;
    qn_row_dropped *dropped; /* NULL: duplicates are only counted */
    void *arg;
} qn_rows_rule;

typedef struct qn_rows_written {
    int64_t rows_old, rows_new; /* taken from the old generation (read), and from the pile */
    int64_t rows_written, rows_dropped, rows_removed;
    int64_t files_written, files_linked, parts_written;
    int64_t rows_null; /* of a plain folder, left out: a value is missing */
} qn_rows_written;

/* The new generation: old rows of `writer` merged with the pile (may be NULL), part by part on all
 * threads, cut into files of about next.target_file_size by a rule that sees the rows alone. A part
 * without new rows is linked unless `all`, or its files do not follow the cutting rule and
 * `compact`. With QN_KEEP_LATEST, parts that hold an older rating of a new (movie, user) are
 * rewritten too. The same rows give the same files, whatever threads, memory and history.
 * QN_KEEP_FAIL: QN_EDATA names the first two rows. */
qn_status qn_rows_write_generation(qn_context *ctx, qn_dataset_writer *writer, qn_row_pile *pile,
                                   const qn_rows_rule *rule, bool all, bool compact,
                                   qn_rows_written *written);

/* ---- reading back: one file of a generation in its order, for verify and futures ---- */

typedef qn_status qn_rows_visit_rows(void *arg, const qn_rating_row *row, int64_t n);
qn_status qn_rows_read_file(qn_context *ctx, const char *path, const qn_dataset_columns *columns,
                            int64_t file, qn_rows_visit_rows *visit, void *arg);
/* The same by the caller's coder (any thread), which many files share: opening one takes about 25
 * ms. */
qn_status qn_rows_read_file_by(qn_context *ctx, qn_parquet_coder *coder, const char *path,
                               const qn_dataset_columns *columns, int64_t file,
                               qn_rows_visit_rows *visit, void *arg);

#endif
