/* How much each feature has to do with the splits, as Spark counts it. */
#include <string.h>

#include "ml/forest/forest_impl.h"

static double rows_of(const qn_forest_model *model, int64_t node)
{
    const double *stats = model->stats + node * model->n_stats;
    double rows = 0;

    if (!model->is_classifier)
        return stats[0];
    for (int32_t c = 0; c < model->n_stats; c++)
        rows += stats[c];
    return rows;
}

static double scaled_gain(const qn_forest_model *model, int64_t node)
{
    return model->node[node].gain * rows_of(model, node);
}

/* Adds the shares of one tree; nothing where no split gains. */
static void add_tree(qn_forest_model *model, int32_t t)
{
    double total = 0;

    for (int64_t i = model->first_node[t]; i < model->first_node[t + 1]; i++)
        if (model->node[i].left >= 0)
            total += scaled_gain(model, i);
    if (total == 0)
        return;
    for (int64_t i = model->first_node[t]; i < model->first_node[t + 1]; i++)
        if (model->node[i].left >= 0)
            model->importance[model->node[i].feature] += scaled_gain(model, i) / total;
}

void forest_importances(qn_forest_model *model)
{
    double total = 0;

    memset(model->importance, 0, (size_t)model->n_features * sizeof *model->importance);
    for (int32_t t = 0; t < model->n_trees; t++)
        add_tree(model, t);
    for (int32_t f = 0; f < model->n_features; f++)
        total += model->importance[f];
    for (int32_t f = 0; f < model->n_features && total > 0; f++)
        model->importance[f] /= total;
}
