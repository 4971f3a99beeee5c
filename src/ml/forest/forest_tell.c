/* What is told of a forest: how large it is, what matters in it, how it does out of bag, what looks
 * wrong; and with `all` every node. */
#include "ml/forest/forest_tell.h"

#include <math.h>
#include <stdio.h>

/* Features that a person is told of. */
#define TOLD_FEATURES 20

static const qn_forest_model *of(const qn_model *model)
{
    return (const qn_forest_model *)model;
}

/* ---- Sizes ---- */

/* Depth of the subtree under a node; trees are at most 30 deep. */
static int32_t depth_under(const qn_tree_node *tree, int32_t node)
{
    int32_t left, right;

    if (tree[node].left < 0)
        return 0;
    left = depth_under(tree, tree[node].left);
    right = depth_under(tree, tree[node].right);
    return 1 + (left > right ? left : right);
}

static int32_t deepest(const qn_forest_model *model)
{
    int32_t depth = 0;

    for (int32_t t = 0; t < model->n_trees; t++) {
        const int32_t own = depth_under(model->node + model->first_node[t], 0);

        depth = own > depth ? own : depth;
    }
    return depth;
}

static void json_size(const qn_forest_model *model, qn_json *j)
{
    const int64_t n_nodes = model->first_node[model->n_trees];

    qn_json_text(j, "task", model->is_classifier ? "classification" : "regression");
    if (model->is_classifier)
        qn_json_int(j, "classes", model->n_classes);
    if (!model->is_tree)
        qn_json_int(j, "trees", model->n_trees);
    qn_json_int(j, "depth", deepest(model));
    qn_json_int(j, "nodes", n_nodes);
    qn_json_int(j, "leaves", (n_nodes + model->n_trees) / 2);
}

static void json_fit(const qn_forest_model *model, qn_json *j)
{
    if (model->n_rows == 0)
        return;
    if (model->n_distinct_rows > 0 && model->n_distinct_rows < model->n_rows)
        qn_json_int(j, "distinct_rows", model->n_distinct_rows);
    if (model->oob_rows > 0) {
        qn_json_int(j, "oob_rows", model->oob_rows);
        qn_json_real(j, "oob_error", model->oob_error);
    }
}

/* ---- Importances ---- */

static void feature_name(const qn_forest_model *model, int32_t f, char *out, size_t size)
{
    if (model->base.features.n > 0)
        qn_features_name(&model->base.features, f, out, size);
    else
        snprintf(out, size, "%d", f);
}

/* The feature that comes after `before` when the largest importance is first; ties by number. */
static int32_t next_feature(const qn_forest_model *model, int32_t before)
{
    const double *importance = model->importance;
    int32_t best = -1;

    for (int32_t f = 0; f < model->n_features; f++) {
        const bool is_behind = before < 0 || importance[f] < importance[before] ||
                               (importance[f] == importance[before] && f > before);

        if (is_behind && (best < 0 || importance[f] > importance[best]))
            best = f;
    }
    return best;
}

/* `sorted`: the most important ones, in that order; otherwise every one in the matrix's. */
static void json_importances(const qn_forest_model *model, bool sorted, qn_json *j)
{
    const int32_t n =
        sorted && model->n_features > TOLD_FEATURES ? TOLD_FEATURES : model->n_features;
    char name[256];
    int32_t f = -1;

    qn_json_open(j, "feature_name", '[');
    for (int32_t i = 0; i < n; i++) {
        f = sorted ? next_feature(model, f) : i;
        feature_name(model, f, name, sizeof name);
        qn_json_text(j, NULL, name);
    }
    qn_json_close(j, ']');
    qn_json_open(j, "feature_importance", '[');
    f = -1;
    for (int32_t i = 0; i < n; i++) {
        f = sorted ? next_feature(model, f) : i;
        qn_json_real(j, NULL, model->importance[f]);
    }
    qn_json_close(j, ']');
}

/* ---- Nodes ---- */

static void json_split(const qn_forest_model *model, const qn_tree_node *node, qn_json *j)
{
    qn_json_real(j, "gain", node->gain);
    qn_json_int(j, "left", node->left);
    qn_json_int(j, "right", node->right);
    qn_json_int(j, "feature", node->feature);
    if (node->n_categories < 0) {
        qn_json_real(j, "threshold", node->threshold);
    } else {
        qn_json_open(j, "left_categories", '[');
        for (int32_t c = 0; c < node->n_left_categories; c++)
            qn_json_int(j, NULL, model->category[node->first_category + c]);
        qn_json_close(j, ']');
        qn_json_int(j, "n_categories", node->n_categories);
    }
    if (model->params.missing == QN_TREE_MISSING_NATIVE)
        qn_json_bool(j, "missing_left", node->missing_left);
}

static void json_node(const qn_forest_model *model, int64_t at, qn_json *j)
{
    const qn_tree_node *node = &model->node[at];

    qn_json_open(j, NULL, '{');
    qn_json_real(j, "prediction", node->prediction);
    qn_json_real(j, "impurity", node->impurity);
    qn_json_int(j, "rows", node->raw_count);
    if (node->left >= 0)
        json_split(model, node, j);
    qn_json_open(j, "stats", '[');
    for (int32_t s = 0; s < model->n_stats; s++)
        qn_json_real(j, NULL, model->stats[at * model->n_stats + s]);
    qn_json_close(j, ']');
    qn_json_close(j, '}');
}

static void json_trees(const qn_forest_model *model, qn_json *j)
{
    qn_json_open(j, "nodes_of_trees", '[');
    for (int32_t t = 0; t < model->n_trees; t++) {
        qn_json_open(j, NULL, '[');
        for (int64_t i = model->first_node[t]; i < model->first_node[t + 1]; i++)
            json_node(model, i, j);
        qn_json_close(j, ']');
    }
    qn_json_close(j, ']');
}

/* ---- Operations ---- */

void forest_describe(const qn_model *base, bool all, qn_json *j)
{
    const qn_forest_model *model = of(base);

    qn_json_int(j, "n_features", model->n_features);
    if (model->n_rows > 0)
        qn_json_int(j, "rows", model->n_rows);
    json_size(model, j);
    json_fit(model, j);
    if (all && model->oob_curve) {
        qn_json_open(j, "oob_curve", '[');
        for (int32_t t = 0; t < model->n_trees; t++)
            qn_json_real(j, NULL, model->oob_curve[t]);
        qn_json_close(j, ']');
    }
    json_importances(model, !all, j);
    if (all)
        json_trees(model, j);
}

void forest_summary(qn_context *ctx, const qn_model *base, qn_json *j)
{
    const qn_forest_model *model = of(base);

    json_size(model, j);
    json_fit(model, j);
    qn_json_int(j, "moved_bytes", model->bytes_moved);
    qn_json_int(j, "held_bytes", model->bytes_held);
    json_importances(model, true, j);
    qn_emit_count(ctx, "num_trees", model->n_trees);
    qn_emit_count(ctx, "nodes", model->first_node[model->n_trees]);
    qn_emit_count(ctx, "depth", deepest(model));
    qn_emit_count(ctx, "distinct_rows", model->n_distinct_rows);
    qn_emit_count(ctx, "moved_bytes", model->bytes_moved);
    qn_emit_count(ctx, "held_bytes", model->bytes_held);
    for (int32_t f = 0; f < model->n_features; f++)
        qn_emit_metric(ctx, "importances[]", model->importance[f], NULL);
    if (model->oob_rows > 0)
        qn_emit_metric(ctx, "oob_error", model->oob_error, NULL);
}

/* The error of always saying the same, by the statistics of the roots: 1 - share of the largest
 * class, or the variance. NaN: nothing is known. */
static double plain_error(const qn_forest_model *model, int32_t *n_present)
{
    double sum[3] = {0}, total = 0, most = 0;

    *n_present = 0;
    if (!model->is_classifier) {
        for (int32_t t = 0; t < model->n_trees; t++)
            for (int32_t s = 0; s < 3; s++)
                sum[s] += model->stats[model->first_node[t] * model->n_stats + s];
        return sum[0] > 0 ? (sum[2] - sum[1] * sum[1] / sum[0]) / sum[0] : NAN;
    }
    for (int32_t c = 0; c < model->n_classes; c++) {
        double weight = 0;

        for (int32_t t = 0; t < model->n_trees; t++)
            weight += model->stats[model->first_node[t] * model->n_stats + c];
        *n_present += weight > 0;
        total += weight;
        most = weight > most ? weight : most;
    }
    return total > 0 ? 1 - most / total : NAN;
}

bool forest_doubts(const qn_model *base, char *out, size_t size)
{
    const qn_forest_model *model = of(base);
    int32_t n_present = 0;
    const double plain = plain_error(model, &n_present);
    const bool is_weighted = model->params.class_weight == QN_CLASS_WEIGHT_BALANCED;

    if (model->is_classifier && n_present == 1) {
        snprintf(out, size, "all rows have one label: there is nothing to tell apart");
        return true;
    }
    if (model->oob_rows > 0 && !is_weighted && model->oob_error > plain) {
        snprintf(out, size, "out of bag the error is %.4g, and %.4g if it always said the same",
                 model->oob_error, plain);
        return true;
    }
    return false;
}
