/* A prediction as a sum over the user's ratings. The user folded in is x = W sum_j t_j y_j, so the
 * prediction for item i is the sum of t_j (y_iT W y_j): one solve of z = W y_i gives all of them.
 */
#include <math.h>

#include "ml/als/als_impl.h"

/* What multiplies y_j on the right-hand side of the user's equation. */
static double als_target(const qn_als_model *model, const float *item, float rating)
{
    const qn_als_params *params = &model->params;

    if (params->implicit_prefs)
        return rating > 0 ? 1 + params->alpha * (double)rating : 0;
    if (params->bias == QN_ALS_BIAS_FULL)
        return (double)rating - (double)model->mean_rating - (double)item[params->rank + 1];
    return (double)rating;
}

static qn_status als_explain_sums(qn_context *ctx, const qn_als_model *model, als_fold *fold,
                                  const int64_t *item, const float *rating, int64_t target,
                                  double *contribution)
{
    qn_status st = QN_OK;
    const als_equation *eq = &fold->eq;
    const float *goal = model->item_factors + target * model->stride;
    const int64_t n_counted = fold->cells[0].n;
    float *row = NULL;
    double *rhs = NULL;

    QN_NEW(ctx, row, model->stride, "a new row");
    QN_NEW(ctx, rhs, model->stride, "a right-hand side");
    for (int32_t f = 0; f < eq->rank; f++)
        rhs[f] = (double)goal[f];
    if (als_cell_solve(eq, &fold->work, fold->cells, row, NULL) == ALS_NOT_FINITE ||
        als_solve_again(eq, &fold->work, n_counted, rhs) == ALS_NOT_FINITE)
        QN_TRY(qn_fail(ctx, QN_EDATA,
                       "no finite factors solve these %lld ratings: look for huge ones",
                       (long long)fold->n));
    for (int64_t j = 0; j < fold->n; j++) {
        const float *y = model->item_factors + item[j] * model->stride;
        double similarity = 0;

        for (int32_t f = 0; f < eq->rank; f++)
            similarity += fold->work.x[f] * (double)y[f];
        contribution[j] = similarity * als_target(model, y, rating[j]);
    }
done:
    qn_free(row);
    qn_free(rhs);
    return st;
}

qn_status qn_als_explain(qn_context *ctx, const qn_als_model *model, int64_t n, const int64_t *item,
                         const float *rating, int64_t target, double *contribution, double *base)
{
    qn_status st = QN_OK;
    als_fold fold = {0};

    *base = 0;
    if (target < 0 || target >= model->items.n)
        return qn_fail(ctx, QN_EINVAL, "item %lld is not below %lld", (long long)target,
                       (long long)model->items.n);
    QN_TRY(als_fold_make(ctx, model, QN_SIDE_USER, true, n, item, rating, &fold));
    for (int64_t j = 0; j < n; j++)
        contribution[j] = 0;
    if (fold.cells[0].n > 0)
        QN_TRY(als_explain_sums(ctx, model, &fold, item, rating, target, contribution));
    if (model->params.bias == QN_ALS_BIAS_FULL) {
        const float *goal = model->item_factors + target * model->stride;

        *base = (double)model->mean_rating + (double)goal[model->params.rank + 1];
    }
done:
    als_fold_release(&fold);
    return st;
}
