/* Rows of a side that lie nearest by cosine. */
#include <math.h>

#include "ml/als/als_impl.h"
#include "ml/als/als_topk.h"

static double als_inner(int32_t n, const float *x, const float *y)
{
    double sum = 0;

    for (int32_t f = 0; f < n; f++)
        sum += (double)x[f] * (double)y[f];
    return sum;
}

/* Of the taste vectors alone: bias columns say how popular a row is, not what it is like. A row of
 * zeros is like nothing: 0. */
static float als_cosine(int32_t rank, const float *x, const float *y)
{
    const double length = sqrt(als_inner(rank, x, x)) * sqrt(als_inner(rank, y, y));

    return length > 0 ? (float)(als_inner(rank, x, y) / length) : 0.0F;
}

qn_status qn_als_similar(qn_context *ctx, const qn_als_model *model, qn_side side, int64_t row,
                         int32_t k, int64_t *index, float *score)
{
    qn_status st = QN_OK;
    const bool is_user = side == QN_SIDE_USER;
    const float *factors = is_user ? model->user_factors : model->item_factors;
    const int64_t n = is_user ? model->users.n : model->items.n;
    const int32_t rank = model->params.bias == QN_ALS_BIAS_FULL ? model->params.rank : model->rank;
    als_topk top = {.k = (int32_t)(k < n ? k : n)};

    if (row < 0 || row >= n || k < 1)
        return qn_fail(ctx, QN_EINVAL,
                       "row %lld of %lld, k %d: the row must be below and k at least 1",
                       (long long)row, (long long)n, k);
    QN_NEW(ctx, top.heap, top.k, "the nearest rows");
    for (int64_t i = 0; i < n; i++) {
        const als_scored other = {
            als_cosine(rank, factors + row * model->stride, factors + i * model->stride),
            (uint32_t)i};

        if (i % 65536 == 0)
            QN_TRY(qn_check_cancel(ctx));
        if (i != row)
            als_topk_add(&top, other);
    }
    als_topk_take(&top, k, index, score);
done:
    qn_free(top.heap);
    return st;
}
