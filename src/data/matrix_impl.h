/* Between the files that read a matrix: how the rows of a split become cells and blocks, labels and
 * samples, and where rows come from. */
#ifndef QN_DATA_MATRIX_IMPL_H
#define QN_DATA_MATRIX_IMPL_H

#include "data/assemble.h"
#include "data/reading.h"

struct qn_store;

/* ---- blocks: panels, then labels if they are held, then weights if there are any ---- */

typedef struct qn_matrix_shape {
    int32_t n_features;
    bool is_double, has_label, has_weight;
    int64_t block_rows; /* of every block of a cell but its last; whole panels */
    int64_t cell_rows;  /* of a split, that make a cell */
} qn_matrix_shape;

void qn_matrix_shape_init(qn_matrix_shape *shape, int32_t n_features, bool is_double,
                          bool has_label, bool has_weight, int64_t cell_rows);
/* Bytes of n rows in a block, and of its panels alone. */
size_t qn_matrix_block_bytes(const qn_matrix_shape *shape, int64_t n_rows);
size_t qn_matrix_panel_bytes(const qn_matrix_shape *shape, int64_t n_rows);

/* ---- labels ---- */

#define QN_MAX_LABELS 256

typedef struct qn_label_set {
    int32_t n;
    bool is_over;                /* there are more: n is 0 */
    double value[QN_MAX_LABELS]; /* ascending */
    int64_t count[QN_MAX_LABELS];
} qn_label_set;

void qn_label_set_add(qn_label_set *set, double value, int64_t count);
void qn_label_set_merge(qn_label_set *set, const qn_label_set *other);
/* The same set on every rank. Collective. */
qn_status qn_label_set_join(qn_context *ctx, qn_label_set *set);

/* ---- cells ---- */

/* A cell that has been read, before its number among all is known. */
typedef struct qn_cell_read {
    qn_matrix_cell cell; /* n_rows, n_blocks, split and split_row are set */
    int64_t *block;      /* [n_blocks] numbers in the store */
    double *sums;        /* [2 * n_features + 1] sums, numbers of values, weight */
    uint16_t *kept;      /* [n_rows] places behind split_row; NULL: no row was left out */
} qn_cell_read;

typedef struct qn_cell_list {
    qn_cell_read *cell;
    int64_t n, capacity;
} qn_cell_list;

void qn_cell_read_release(qn_cell_read *cell);
void qn_cell_list_release(qn_cell_list *list);

/* One thread's way from assembled rows to cells in the store. */
typedef struct qn_cell_writer {
    qn_context *ctx;
    qn_matrix_shape shape;
    struct qn_store *store;
    double *label, *weight; /* [block_rows] of the block being filled */
    double *lane;           /* [3][n_features][QN_PANEL] sums, least and greatest of this cell */
    double *n_values;       /* [n_features] of this cell, where rows have missing values */
    double *min, *max;      /* [n_features] of all cells of this thread */
    uint16_t *kept;         /* [cell_rows] */
    qn_cell_read cell;      /* being written */
    bool is_open, has_missing, has_left_out;
    int64_t number; /* of the block being filled, -1: none */
    void *data;
    int64_t n_rows, capacity; /* of the block */
} qn_cell_writer;

qn_status qn_cell_writer_init(qn_context *ctx, qn_cell_writer *writer, const qn_matrix_shape *shape,
                              struct qn_store *store);
void qn_cell_writer_release(qn_cell_writer *writer);
/* Rows [first, end) of a batch, which all lie in one cell; row `first` is row `split_row` of the
 * split. keep[r] 0 leaves row r out (NULL: none). Begins a cell where none is open. */
qn_status qn_cell_writer_add(qn_cell_writer *writer, const qn_assembled *rows, const uint8_t *keep,
                             int64_t first, int64_t end, int64_t split, int64_t split_row);
/* Ends the cell and puts it into the list, unless it has no rows. */
qn_status qn_cell_writer_end(qn_cell_writer *writer, qn_cell_list *list);

/* ---- samples ---- */

/* The splits to read, ascending. */
typedef struct qn_matrix_plan {
    int64_t *split;
    int64_t n;
    int64_t files, files_total;
} qn_matrix_plan;

/* The files of a matrix in the order of their names; options->sample may leave some out. */
qn_status qn_matrix_source_open(qn_context *ctx, const qn_matrix_options *options,
                                int64_t *files_total, qn_source **source);
/* At most 8 of the files that a sample of files leaves out, evenly spaced; *source NULL: none. */
qn_status qn_matrix_probe_open(qn_context *ctx, const qn_matrix_options *options, int64_t *n_files,
                               qn_source **source);
/* Which splits are read. `by_file`: files are still to be chosen among those of the source. */
qn_status qn_matrix_plan_make(qn_context *ctx, const qn_source *source,
                              const qn_matrix_options *options, bool by_file, qn_matrix_plan *plan);
void qn_matrix_plan_release(qn_matrix_plan *plan);

/* Where the samples of a split's labels stand. */
typedef struct qn_strata {
    int32_t n;
    double label[QN_MAX_LABELS];    /* in the order they were met */
    double position[QN_MAX_LABELS]; /* in [0, 1): the next row of the label is kept when this and
                                       the fraction reach 1 */
} qn_strata;

/* Whether rows are left out one by one. */
bool qn_sample_is_by_row(const qn_matrix_options *options);
/* Sets keep[r] to 0 for rows that are not in the sample; rows begin at `first_row` of the split.
 * strata: n 0 at the beginning of a split. Rows without a label stay. QN_EINVAL if there are more
 * than QN_MAX_LABELS labels. */
qn_status qn_sample_rows(qn_context *ctx, const qn_matrix_options *options,
                         const qn_assembled *rows, int64_t split, int64_t first_row,
                         qn_strata *strata, uint8_t *keep);

/* ---- where rows come from ---- */

struct qn_matrix_origin {
    qn_matrix_shape shape;
    char **path; /* [n_paths] */
    int64_t n_paths;
    int64_t *cell_path; /* [n_own_cells] place in `path` */
    int64_t *cell_row;  /* [n_own_cells] row of the file that the cell begins with; -1: not known */
    uint16_t **kept;    /* [n_own_cells] as qn_cell_read has them */
    int64_t n_cells;
};

void qn_matrix_origin_free(struct qn_matrix_origin *origin);

#endif
