/* A K-means model in memory: made empty, freed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ml/algo.h"
#include "ml/kmeans/kmeans_impl.h"

qn_status kmeans_model_create(qn_context *ctx, const qn_kmeans_params *params, int32_t k, int32_t d,
                              qn_kmeans_model **model)
{
    qn_status st = QN_OK;
    qn_kmeans_model *m = NULL;
    char *mode = NULL;

    *model = NULL;
    QN_NEW0(ctx, m, 1, "a model");
    m->params = *params;
    m->params.init_mode = NULL;
    if (params->init_mode)
        QN_TRY(qn_strdup(ctx, params->init_mode, &mode));
    m->params.init_mode = mode;
    m->base.algo = &qn_algo_kmeans;
    m->base.n_features = d;
    snprintf(m->base.prediction_col, sizeof m->base.prediction_col, "prediction");
    m->k = k;
    m->n_features = d;
    m->training_cost = NAN;
    m->cost = NAN;
    QN_NEW0(ctx, m->centre, (int64_t)k * d, "the centres of a model");
    QN_NEW0(ctx, m->size, k, "the sizes of clusters");
    *model = m;
    m = NULL;
done:
    qn_kmeans_free(m);
    return st;
}

void qn_kmeans_free(qn_kmeans_model *model)
{
    if (!model)
        return;
    qn_model_base_release(&model->base);
    qn_free((char *)model->params.init_mode);
    qn_free(model->centre);
    qn_free(model->size);
    qn_free(model);
}

qn_status kmeans_centres_of(qn_context *ctx, const qn_kmeans_model *model, const double *mean,
                            kmeans_centres *centres)
{
    qn_status st = QN_OK;
    const int64_t d = model->n_features;

    QN_TRY(kmeans_centres_init(ctx, model->k, model->n_features, mean, centres));
    memcpy(centres->centre, model->centre, (size_t)model->k * (size_t)d * sizeof *model->centre);
    for (int64_t j = 0; model->params.distance_measure == QN_COSINE && j < model->k; j++)
        kmeans_to_unit(model->n_features, centres->centre + j * d);
    kmeans_centres_set(centres, model->k);
done:
    return st;
}
