/* An ALS model in memory: made empty, given biases' last form, freed. */
#include <math.h>
#include <stdio.h>

#include "ml/als/als_impl.h"

qn_status als_model_create(qn_context *ctx, const qn_als_params *params, const qn_ratings *ratings,
                           qn_als_model **model)
{
    qn_status st = QN_OK;
    qn_als_model *m = NULL;

    *model = NULL;
    QN_NEW0(ctx, m, 1, "a model");
    m->params = *params;
    m->rank = als_columns(params);
    m->stride = qn_factor_stride(m->rank);
    snprintf(m->user_col, sizeof m->user_col, "%s", "user");
    snprintf(m->item_col, sizeof m->item_col, "%s", "item");
    snprintf(m->rating_col, sizeof m->rating_col, "%s", "rating");
    snprintf(m->prediction_col, sizeof m->prediction_col, "%s", "prediction");
    snprintf(m->kernel_set, sizeof m->kernel_set, "%s", ctx->kernels->name);
    m->mean_rating = NAN;
    m->loss = NAN;
    m->data_fingerprint = ratings->fingerprint;
    QN_TRY(qn_ids_copy(ctx, &ratings->users, &m->users));
    QN_TRY(qn_ids_copy(ctx, &ratings->items, &m->items));
    QN_NEW0(ctx, m->user_factors, m->users.n * m->stride, "the factors of all users");
    QN_NEW0(ctx, m->item_factors, m->items.n * m->stride, "the factors of all items");
    QN_NEW0(ctx, m->item_count, m->items.n, "the ratings of each item");
    QN_NEW0(ctx, m->item_mean, m->items.n, "the mean rating of each item");
    *model = m;
    m = NULL;
done:
    qn_als_free(m);
    return st;
}

void qn_als_free(qn_als_model *model)
{
    if (!model)
        return;
    qn_ids_release(&model->users);
    qn_ids_release(&model->items);
    qn_free(model->user_factors);
    qn_free(model->item_factors);
    qn_free(model->item_count);
    qn_free(model->item_mean);
    qn_free(model);
}

void als_model_close_biases(qn_als_model *model, float mean)
{
    const int32_t rank = model->params.rank;

    if (model->params.bias != QN_ALS_BIAS_FULL)
        return;
    for (int64_t u = 0; u < model->users.n; u++) {
        float *row = model->user_factors + u * model->stride;

        row[rank] = mean + row[rank + 1];
        row[rank + 1] = 1.0F;
    }
}
