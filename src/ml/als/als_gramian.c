/* YtY of a side, for implicit feedback: cells of rows by the kernel, in double through the tree. */
#include <string.h>

#include "ml/als/als_impl.h"

int64_t als_packed_size(int32_t rank)
{
    return (int64_t)rank * (rank + 1) / 2;
}

/* In double: the kernel for rating rows, over consecutive rows with targets of 0. */
static void als_gramian_double(const als_equation *eq, als_work *work, const float *rows,
                               int64_t n_rows)
{
    qn_gram_run run = {
        .index = work->index, .target = work->target, .stride = eq->stride, .rank = eq->rank};

    for (uint32_t i = 0; i < ALS_CHUNK; i++) {
        work->index[i] = i;
        work->target[i] = 0;
    }
    for (int64_t from = 0; from < n_rows; from += ALS_CHUNK) {
        run.n = n_rows - from < ALS_CHUNK ? n_rows - from : ALS_CHUNK;
        run.factors = rows + from * eq->stride;
        eq->kernels->gram_f64(&run, work->cell.gram, work->cell.rhs, work->kernel);
    }
}

void als_gramian_cell(const als_equation *eq, als_work *work, const float *rows, int64_t n_rows,
                      double *packed)
{
    const float *gram = work->cell.gram;
    const double *gram64 = work->cell.gram;

    als_cell_clear(eq, &work->cell);
    if (eq->is_double)
        als_gramian_double(eq, work, rows, n_rows);
    else
        eq->kernels->gram_rows_f32(n_rows, eq->rank, eq->stride, rows, work->cell.gram);
    for (int64_t a = 0; a < eq->rank; a++)
        for (int64_t c = a; c < eq->rank; c++)
            *packed++ =
                eq->is_double ? gram64[a * eq->stride + c] : (double)gram[a * eq->stride + c];
}

void als_gramian_unpack(const als_equation *eq, const double *packed, double *gramian)
{
    for (int64_t a = 0; a < eq->rank; a++)
        for (int64_t c = a; c < eq->rank; c++)
            gramian[a * eq->stride + c] = *packed++;
}

/* What the sum of one node of the tree needs. */
typedef struct als_subtree {
    const als_equation *eq;
    als_work *work;
    const float *rows;
    int64_t n_rows, cell_rows, n_cells, width;
    double *level; /* [levels + 1 x width]: the node being summed on each level */
} als_subtree;

/* Sums node `node` of `level` into t->level + level * width. A node is there when its first cell
 * is. */
static void als_subtree_sum(const als_subtree *t, int32_t level, int64_t node)
{
    double *sum = t->level + level * t->width;
    const double *below = sum - t->width;

    if (level == 0) {
        const int64_t first = node * t->cell_rows;
        const int64_t left = t->n_rows - first;

        als_gramian_cell(t->eq, t->work, t->rows + first * t->eq->stride,
                         left < t->cell_rows ? left : t->cell_rows, sum);
        return;
    }
    als_subtree_sum(t, level - 1, 2 * node);
    memcpy(sum, below, (size_t)t->width * sizeof *sum);
    if ((2 * node + 1) << (level - 1) < t->n_cells) {
        als_subtree_sum(t, level - 1, 2 * node + 1);
        for (int64_t i = 0; i < t->width; i++)
            sum[i] += below[i];
    }
}

qn_status als_gramian_alone(qn_context *ctx, const als_equation *eq, als_work *work,
                            const float *rows, int64_t n_rows, double *gramian)
{
    qn_status st = QN_OK;
    const int64_t cell_rows = ctx->cells.rating_rows;
    als_subtree tree = {eq,
                        work,
                        rows,
                        n_rows,
                        cell_rows,
                        (n_rows + cell_rows - 1) / cell_rows,
                        als_packed_size(eq->rank),
                        NULL};
    int32_t levels = 0;

    while (INT64_C(1) << levels < tree.n_cells)
        levels++;
    QN_NEW0(ctx, tree.level, (levels + 1) * tree.width, "the Gram of all items");
    if (n_rows > 0)
        als_subtree_sum(&tree, levels, 0);
    als_gramian_unpack(eq, tree.level + levels * tree.width, gramian);
done:
    qn_free(tree.level);
    return st;
}
