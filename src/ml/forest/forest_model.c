/* A forest in memory: made empty, finished, freed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "ml/algo.h"
#include "ml/forest/forest_walk.h"

qn_status forest_model_create(qn_context *ctx, const forest_shape *shape, qn_forest_model **model)
{
    qn_forest_model *m = NULL;
    qn_status st = QN_OK;

    *model = NULL;
    QN_NEW0(ctx, m, 1, "a model");
    m->base.n_features = shape->n_features;
    snprintf(m->base.prediction_col, sizeof m->base.prediction_col, "prediction");
    m->n_trees = shape->n_trees;
    m->n_features = shape->n_features;
    m->n_stats = shape->n_stats;
    m->n_category_list = shape->n_category_list;
    m->oob_error = NAN;
    QN_NEW0(ctx, m->first_node, (int64_t)shape->n_trees + 1, "the trees of a model");
    QN_NEW0(ctx, m->node, shape->n_nodes, "the nodes of a model");
    if (shape->n_stats > 0 && shape->n_nodes > INT64_MAX / 8 / shape->n_stats) {
        st = qn_fail(ctx, QN_EDATA, "a model of %lld nodes with %d numbers each is too large",
                     (long long)shape->n_nodes, shape->n_stats);
        goto done;
    }
    QN_NEW0(ctx, m->stats, shape->n_nodes * shape->n_stats, "the statistics of a model");
    QN_NEW0(ctx, m->category, shape->n_category_list, "the categories of a model");
    QN_NEW0(ctx, m->tree_weight, shape->n_trees, "the trees of a model");
    QN_NEW0(ctx, m->importance, shape->n_features, "the importances of a model");
    if (shape->has_arity)
        QN_NEW0(ctx, m->arity, shape->n_features, "the features of a model");
    for (int32_t t = 0; t < shape->n_trees; t++)
        m->tree_weight[t] = 1;
    *model = m;
    m = NULL;
done:
    qn_forest_free(m);
    return st;
}

qn_status forest_model_finish(qn_context *ctx, qn_forest_model *model)
{
    forest_importances(model);
    forest_walk_free(model->walk);
    return forest_walk_create(ctx, model, &model->walk);
}

static void release_params(qn_forest_params *params)
{
    for (int64_t i = 0; i < params->thresholds.n; i++)
        qn_free((char *)params->thresholds.item[i]);
    qn_free(params->thresholds.item);
    qn_free((char *)params->feature_subset_strategy);
}

qn_status forest_model_params(qn_context *ctx, qn_forest_model *model,
                              const qn_forest_params *params)
{
    const qn_text_list list = params->thresholds;
    char *text = NULL;
    qn_status st = QN_OK;

    release_params(&model->params);
    model->params = *params;
    model->params.thresholds = (qn_text_list){0};
    model->params.feature_subset_strategy = NULL;
    if (params->feature_subset_strategy)
        QN_TRY(qn_strdup(ctx, params->feature_subset_strategy, &text));
    model->params.feature_subset_strategy = text;
    if (list.n > 0)
        QN_NEW(ctx, model->params.thresholds.item, list.n, "thresholds");
    for (int64_t i = 0; i < list.n; i++) {
        QN_TRY(qn_strdup(ctx, list.item[i], &text));
        model->params.thresholds.item[model->params.thresholds.n++] = text;
    }
done:
    return st;
}

qn_status forest_model_thresholds(qn_context *ctx, qn_forest_model *model)
{
    const qn_text_list list = model->params.thresholds;
    int32_t n_zero = 0;
    double *threshold = NULL;
    qn_status st = QN_OK;

    qn_free(model->threshold);
    model->threshold = NULL;
    if (list.n == 0 || !model->is_classifier)
        return QN_OK;
    if (list.n != model->n_classes)
        return qn_fail(ctx, QN_EINVAL,
                       "thresholds has %lld numbers and there are %d classes: give one a class",
                       (long long)list.n, model->n_classes);
    QN_NEW(ctx, threshold, list.n, "thresholds");
    for (int64_t i = 0; i < list.n; i++) {
        if (!qn_parse_double(list.item[i], strlen(list.item[i]), &threshold[i]) ||
            !(threshold[i] >= 0) || isinf(threshold[i])) {
            st = qn_fail(ctx, QN_EINVAL, "thresholds: \"%s\" is not a number from 0 up",
                         list.item[i]);
            goto done;
        }
        n_zero += threshold[i] == 0;
    }
    if (n_zero > 1)
        st = qn_fail(ctx, QN_EINVAL, "thresholds: %d of them are 0, at most one may be", n_zero);
done:
    if (st == QN_OK)
        model->threshold = threshold;
    else
        qn_free(threshold);
    return st;
}

void qn_forest_free(qn_forest_model *model)
{
    if (!model)
        return;
    qn_model_base_release(&model->base);
    release_params(&model->params);
    forest_walk_free(model->walk);
    qn_free(model->first_node);
    qn_free(model->node);
    qn_free(model->stats);
    qn_free(model->category);
    qn_free(model->tree_weight);
    qn_free(model->threshold);
    qn_free(model->importance);
    qn_free(model->arity);
    qn_free(model->oob_curve);
    qn_free(model);
}
