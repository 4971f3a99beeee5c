/* Fold-in: the half step of a row that the model has not seen. The rows it has ratings of are
 * gathered into the form and order that a fit has them in, so the same code solves it to the same
 * bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ml/als/als_impl.h"

typedef struct als_fold_entry {
    int64_t other;
    float rating;
} als_fold_entry;

/* The order of a row in a fit: by index, equal ones by rating. */
static int als_compare_entries(const void *a, const void *b)
{
    const als_fold_entry *x = a;
    const als_fold_entry *y = b;

    if (x->other != y->other)
        return x->other < y->other ? -1 : 1;
    return (x->rating > y->rating) - (x->rating < y->rating);
}

static qn_status als_fold_check(qn_context *ctx, const qn_als_model *model, int64_t n_others,
                                int64_t n, const int64_t *other, const float *rating)
{
    if (model->params.bias == QN_ALS_BIAS_FULL && !isfinite(model->mean_rating))
        return qn_fail(ctx, QN_EDATA,
                       "the model has biases but no mean rating: its quern.json is "
                       "missing or damaged, fit it again");
    for (int64_t i = 0; i < n; i++) {
        if (other[i] < 0 || other[i] >= n_others)
            return qn_fail(ctx, QN_EINVAL, "rating %lld is of row %lld, the model has %lld",
                           (long long)i, (long long)other[i], (long long)n_others);
        if (!isfinite(rating[i]))
            return qn_fail(ctx, QN_EDATA, "rating %lld is %g: ratings must be finite", (long long)i,
                           (double)rating[i]);
    }
    return QN_OK;
}

/* Row `from` of the other side as (vector, 1, bias). */
static void als_gather_row(const qn_als_model *model, qn_side side, const float *from, float *to)
{
    const int32_t rank = model->params.rank;

    memcpy(to, from, (size_t)model->stride * sizeof *to);
    if (model->params.bias == QN_ALS_BIAS_FULL && side == QN_SIDE_ITEM) {
        to[rank] = 1.0F;
        to[rank + 1] = from[rank] - model->mean_rating;
    }
}

static qn_status als_fold_gather(qn_context *ctx, const qn_als_model *model, qn_side side,
                                 const int64_t *other, const float *rating, als_fold *fold)
{
    qn_status st = QN_OK;
    const float *others = side == QN_SIDE_USER ? model->item_factors : model->user_factors;
    als_fold_entry *entry = NULL;

    QN_NEW(ctx, entry, fold->n, "ratings of a new row");
    QN_NEW(ctx, fold->index, fold->n, "ratings of a new row");
    QN_NEW(ctx, fold->rating, fold->n, "ratings of a new row");
    QN_NEW(ctx, fold->gathered, fold->n * model->stride, "factors for a new row");
    for (int64_t i = 0; i < fold->n; i++)
        entry[i] = (als_fold_entry){other[i], rating[i]};
    qsort(entry, (size_t)fold->n, sizeof *entry, als_compare_entries);
    for (int64_t i = 0; i < fold->n; i++) {
        fold->index[i] = (uint32_t)i;
        fold->rating[i] = entry[i].rating;
        als_gather_row(model, side, others + entry[i].other * model->stride,
                       fold->gathered + i * model->stride);
    }
done:
    qn_free(entry);
    return st;
}

/* Cell by cell, as a long row of a fit. */
static void als_fold_sum(als_fold *fold, int64_t long_row)
{
    for (int64_t c = 0; c < fold->n_cells; c++) {
        const int64_t first = c * long_row;
        const int64_t left = fold->n - first;
        const als_entries entries = {.n = left < long_row ? left : long_row,
                                     .index = fold->index + first,
                                     .value = fold->rating + first};

        als_cell_clear(&fold->eq, &fold->cells[c]);
        als_cell_add(&fold->eq, &fold->work, &entries, &fold->cells[c]);
    }
    als_cells_merge(&fold->eq, fold->cells, fold->n_cells);
}

qn_status als_fold_make(qn_context *ctx, const qn_als_model *model, qn_side side, bool is_double,
                        int64_t n, const int64_t *other, const float *rating, als_fold *fold)
{
    qn_status st = QN_OK;
    const float *others = side == QN_SIDE_USER ? model->item_factors : model->user_factors;
    const int64_t n_others = side == QN_SIDE_USER ? model->items.n : model->users.n;
    const int64_t long_row = ctx->cells.long_row;

    *fold = (als_fold){.n = n, .eq = als_equation_of(ctx, &model->params, model->stride)};
    QN_TRY(als_fold_check(ctx, model, n_others, n, other, rating));
    fold->eq.rank = model->params.bias == QN_ALS_BIAS_FULL ? model->rank - 1 : model->rank;
    fold->eq.side = side;
    fold->eq.is_double = fold->eq.is_double || is_double;
    fold->eq.mean = model->mean_rating;
    fold->n_cells = n > long_row ? (n + long_row - 1) / long_row : 1;
    QN_TRY(als_work_init(ctx, &fold->eq, &fold->work));
    QN_TRY(als_cells_create(ctx, &fold->eq, fold->n_cells, &fold->cells));
    QN_TRY(als_fold_gather(ctx, model, side, other, rating, fold));
    fold->eq.fixed = fold->gathered;
    if (model->params.implicit_prefs) {
        QN_NEW0(ctx, fold->gramian, fold->eq.rank * fold->eq.stride, "the Gram of a side");
        QN_TRY(als_gramian_alone(ctx, &fold->eq, &fold->work, others, n_others, fold->gramian));
        fold->eq.gramian = fold->gramian;
    }
    als_fold_sum(fold, long_row);
done:
    return st;
}

void als_fold_release(als_fold *fold)
{
    als_work_release(&fold->work);
    qn_free(fold->cells);
    qn_free(fold->index);
    qn_free(fold->rating);
    qn_free(fold->gathered);
    qn_free(fold->gramian);
    *fold = (als_fold){0};
}

qn_status qn_als_fold_in(qn_context *ctx, const qn_als_model *model, qn_side side, int64_t n,
                         const int64_t *other, const float *rating, float *factors)
{
    qn_status st = QN_OK;
    const int32_t rank = model->params.rank;
    als_fold fold = {0};

    memset(factors, 0, (size_t)model->stride * sizeof *factors);
    QN_TRY(als_fold_make(ctx, model, side, false, n, other, rating, &fold));
    if (als_cell_solve(&fold.eq, &fold.work, fold.cells, factors, NULL) == ALS_NOT_FINITE)
        QN_TRY(qn_fail(ctx, QN_EDATA,
                       "no finite factors solve these %lld ratings: look for huge ones",
                       (long long)n));
    if (model->params.bias == QN_ALS_BIAS_FULL && side == QN_SIDE_USER) {
        factors[rank] = model->mean_rating + factors[rank + 1];
        factors[rank + 1] = 1.0F;
    }
done:
    als_fold_release(&fold);
    return st;
}
