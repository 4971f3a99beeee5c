/* What others do with a matrix: its blocks, rows by number, where rows come from. */
#include "quern/matrix.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/matrix_impl.h"
#include "engine/comm.h"
#include "engine/store.h"
#include "kernels/kernels.h"

void qn_matrix_origin_free(struct qn_matrix_origin *origin)
{
    if (!origin)
        return;
    for (int64_t i = 0; i < origin->n_paths; i++)
        qn_free(origin->path[i]);
    for (int64_t c = 0; origin->kept && c < origin->n_cells; c++)
        qn_free(origin->kept[c]);
    qn_free(origin->path);
    qn_free(origin->cell_path);
    qn_free(origin->cell_row);
    qn_free(origin->kept);
    qn_free(origin);
}

void qn_matrix_free(qn_matrix *matrix)
{
    if (!matrix)
        return;
    qn_features_release(&matrix->features);
    qn_store_free(matrix->store);
    qn_matrix_origin_free(matrix->origin);
    qn_free(matrix->cell);
    qn_free(matrix->block);
    qn_free(matrix->mean);
    qn_free(matrix->min);
    qn_free(matrix->max);
    qn_free(matrix->label_value);
    qn_free(matrix->label_count);
    qn_free(matrix);
}

qn_status qn_matrix_pin(qn_context *ctx, const qn_matrix *matrix, int64_t c, int32_t i,
                        qn_matrix_block *block)
{
    const qn_matrix_shape *shape = &matrix->origin->shape;
    const qn_matrix_cell *cell;
    const void *data = NULL;
    const char *at;
    int64_t left;
    qn_status st = QN_OK;

    *block = (qn_matrix_block){0};
    if (c < 0 || c >= matrix->n_own_cells || i < 0 || i >= matrix->cell[c].n_blocks)
        return qn_fail(ctx, QN_EINTERNAL, "block %d of cell %" PRId64 " of %" PRId64 " is not here",
                       i, c, matrix->n_own_cells);
    cell = &matrix->cell[c];
    QN_TRY(qn_store_pin(ctx, matrix->store, matrix->block[cell->first_block + i], &data));
    left = cell->n_rows - i * shape->block_rows;
    block->first_row = cell->first_row + i * shape->block_rows;
    block->n_rows = left < shape->block_rows ? left : shape->block_rows;
    block->x = data;
    at = (const char *)data + qn_matrix_panel_bytes(shape, block->n_rows);
    if (shape->has_label) {
        block->label = (const double *)(const void *)at;
        at += (size_t)block->n_rows * sizeof(double);
    }
    if (shape->has_weight)
        block->weight = (const double *)(const void *)at;
done:
    return st;
}

qn_status qn_matrix_read_ahead(qn_context *ctx, const qn_matrix *matrix)
{
    const qn_matrix_cell *last;

    if (matrix->n_own_cells == 0)
        return QN_OK;
    last = &matrix->cell[matrix->n_own_cells - 1];
    return qn_store_read_ahead(ctx, matrix->store, matrix->block,
                               last->first_block + last->n_blocks);
}

void qn_matrix_unpin(const qn_matrix *matrix, int64_t c, int32_t i)
{
    qn_store_unpin(matrix->store, matrix->block[matrix->cell[c].first_block + i]);
}

/* The own cell that holds a row of the whole matrix, -1 if another rank has it. */
static int64_t find_cell(const qn_matrix *matrix, int64_t row)
{
    int64_t low = 0, high = matrix->n_own_cells;

    while (low < high) { /* the first cell that begins behind the row */
        const int64_t middle = (low + high) / 2;

        if (matrix->cell[middle].first_row <= row)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || row >= matrix->cell[low - 1].first_row + matrix->cell[low - 1].n_rows)
        return -1;
    return low - 1;
}

static qn_status copy_row(qn_context *ctx, const qn_matrix *matrix, int64_t c, int64_t row,
                          double *out)
{
    const int32_t d = matrix->n_features;
    const int32_t i =
        (int32_t)((row - matrix->cell[c].first_row) / matrix->origin->shape.block_rows);
    qn_matrix_block block;
    qn_status st = QN_OK;

    QN_TRY(qn_matrix_pin(ctx, matrix, c, i, &block));
    const int64_t r = row - block.first_row;
    for (int32_t f = 0; f < d; f++) {
        const int64_t at = (r / QN_PANEL * d + f) * QN_PANEL + r % QN_PANEL;

        out[f] = matrix->is_double ? ((const double *)block.x)[at]
                                   : (double)((const float *)block.x)[at];
    }
    qn_matrix_unpin(matrix, c, i);
done:
    return st;
}

static qn_status copy_own_rows(qn_context *ctx, const qn_matrix *matrix, int64_t n,
                               const int64_t *row, double *out)
{
    const int32_t d = matrix->n_features;
    qn_status st = QN_OK;

    memset(out, 0, (size_t)n * (size_t)d * sizeof *out);
    for (int64_t i = 0; i < n; i++) {
        const int64_t c = find_cell(matrix, row[i]);

        if (row[i] < 0 || row[i] >= matrix->n_rows)
            return qn_fail(ctx, QN_EINVAL, "there is no row %" PRId64 " among %" PRId64, row[i],
                           matrix->n_rows);
        if (c >= 0)
            QN_TRY(copy_row(ctx, matrix, c, row[i], out + i * d));
    }
done:
    return st;
}

/* Each row is all zero bits on every rank but one, so that sums of the bits are exact. */
qn_status qn_matrix_rows(qn_context *ctx, const qn_matrix *matrix, int64_t n, const int64_t *row,
                         double *out)
{
    _Static_assert(sizeof(int64_t) == sizeof(double), "bits of doubles travel as int64");
    const int64_t n_values = n * matrix->n_features;
    int64_t *bits = NULL;
    qn_status st = QN_OK;

    QN_TRY_ALL(copy_own_rows(ctx, matrix, n, row, out));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&bits, n_values, sizeof *bits, "rows of a matrix"));
    memcpy(bits, out, (size_t)n_values * sizeof *bits);
    QN_TRY(qn_comm_sum_int64(ctx, bits, n_values));
    memcpy(out, bits, (size_t)n_values * sizeof *bits);
done:
    qn_free(bits);
    return st;
}

void qn_matrix_place(const qn_matrix *matrix, int64_t row, char *out, size_t size)
{
    const struct qn_matrix_origin *origin = matrix->origin;
    const int64_t c = find_cell(matrix, row);
    int64_t place;

    if (c < 0) {
        snprintf(out, size, "row %" PRId64, row);
        return;
    }
    place = row - matrix->cell[c].first_row;
    if (origin->kept[c])
        place = origin->kept[c][place];
    if (origin->cell_row[c] >= 0)
        snprintf(out, size, "%s, row %" PRId64, origin->path[origin->cell_path[c]],
                 origin->cell_row[c] + place);
    else
        snprintf(out, size, "%s, row %" PRId64 " of split %" PRId64,
                 origin->path[origin->cell_path[c]], matrix->cell[c].split_row + place,
                 matrix->cell[c].split);
}
