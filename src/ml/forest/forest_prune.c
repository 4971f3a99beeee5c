/* Trees pruned as Spark does, and as a model: nodes in pre-order, all classes. */
#include <string.h>

#include "ml/forest/forest_grow.h"

/* Children lie behind their parents, so from behind every node finds its children settled. */
static void prune_tree(forest_tree *tree)
{
    for (int64_t i = tree->n - 1; i >= 0; i--) {
        forest_node *node = &tree->node[i];
        const forest_node *left = node->child < 0 ? NULL : &tree->node[node->child];

        if (left && left[0].child < 0 && left[1].child < 0 &&
            left[0].prediction == left[1].prediction)
            node->child = -1;
    }
}

void forest_prune(forest_fit *fit)
{
    for (int32_t t = 0; fit->params.prune && t < fit->params.num_trees; t++)
        prune_tree(&fit->tree[t]);
}

/* ---- as a model ---- */

/* Where the next node of a tree goes. */
typedef struct writer {
    const forest_fit *fit;
    const forest_tree *tree;
    qn_forest_model *model;
    int64_t first;      /* node of the tree */
    int64_t n;          /* nodes of the tree so far */
    int64_t n_category; /* of the model */
} writer;

/* Categories of feature f that go left. */
static int32_t count_left(const forest_feature *feature, const forest_split *split)
{
    int32_t n = 0;

    for (int32_t c = 0; c < feature->arity; c++)
        n += forest_goes_left(split, feature->bin_of[c]);
    return n;
}

static void count_nodes(const forest_fit *fit, const forest_tree *tree, int32_t i, int64_t *n_nodes,
                        int64_t *n_category)
{
    const forest_node *node = &tree->node[i];

    (*n_nodes)++;
    if (node->child < 0)
        return;
    if (fit->feature[node->split.feature].arity > 0)
        *n_category += count_left(&fit->feature[node->split.feature], &node->split);
    count_nodes(fit, tree, node->child, n_nodes, n_category);
    count_nodes(fit, tree, node->child + 1, n_nodes, n_category);
}

static void write_stats(const writer *w, int32_t from, int64_t to)
{
    const forest_rule *rule = &w->fit->rule;
    const double *stats = w->tree->stats + (int64_t)from * rule->n_stats;
    double *out = w->model->stats + to * w->model->n_stats;

    for (int32_t c = 0; c < rule->n_stats; c++)
        out[rule->is_classifier ? w->fit->labels.label[c] : c] = stats[c];
}

/* The last bin on the left of a split at a threshold; a bin of missing values is not one. */
static int32_t last_left(const forest_feature *feature, const forest_split *split)
{
    int32_t last = -1;

    for (int32_t b = 0; b < feature->n_bins; b++)
        last = forest_goes_left(split, b) ? b : last;
    return last;
}

static void write_split(writer *w, const forest_split *split, qn_tree_node *out)
{
    const forest_feature *feature = &w->fit->feature[split->feature];

    out->gain = split->gain;
    out->feature = split->feature;
    out->missing_left = feature->has_missing && forest_goes_left(split, feature->n_bins);
    if (feature->arity == 0) {
        const int32_t last = last_left(feature, split);

        /* All values against missing ones: every number is at most this. */
        out->threshold =
            last == feature->n_bins - 1 ? 0x1.fffffffffffffp1023 : feature->threshold[last];
        return;
    }
    out->n_categories = feature->arity;
    out->first_category = (int32_t)w->n_category;
    for (int32_t c = 0; c < feature->arity; c++)
        if (forest_goes_left(split, feature->bin_of[c]))
            w->model->category[w->n_category++] = c;
    out->n_left_categories = (int32_t)(w->n_category - out->first_category);
}

/* In pre-order, as deep as trees are: 30 levels. Returns the node's number. */
static int32_t write_node(writer *w, int32_t i)
{
    const forest_node *node = &w->tree->node[i];
    const int32_t number = (int32_t)w->n++;
    qn_tree_node *out = &w->model->node[w->first + number];

    *out = (qn_tree_node){.prediction = node->prediction, .impurity = node->impurity};
    out->gain = -1;
    out->raw_count = node->n_rows;
    out->left = out->right = out->feature = out->n_categories = -1;
    if (w->fit->rule.is_classifier)
        out->prediction = w->fit->labels.label[(int32_t)node->prediction];
    write_stats(w, i, w->first + number);
    if (node->child < 0) {
        out->impurity = node->is_invalid ? -1 : node->impurity; /* as Spark marks them */
        return number;
    }
    write_split(w, &node->split, out);
    out->left = write_node(w, node->child);
    out->right = write_node(w, node->child + 1);
    return number;
}

static void write_arity(const forest_fit *fit, qn_forest_model *model)
{
    for (int32_t f = 0; f < model->n_features; f++)
        model->arity[f] = fit->feature[f].arity;
}

qn_status forest_model_of(forest_fit *fit, qn_forest_model **model)
{
    forest_shape shape = {.n_trees = fit->params.num_trees, .n_features = fit->data->n_features};
    writer w = {.fit = fit};
    qn_status st = QN_OK;

    shape.n_stats = fit->labels.is_classifier ? fit->labels.n_classes : 3;
    shape.has_arity = true;
    for (int32_t t = 0; t < shape.n_trees; t++)
        count_nodes(fit, &fit->tree[t], 0, &shape.n_nodes, &shape.n_category_list);
    QN_TRY(forest_model_create(fit->ctx, &shape, model));
    w.model = *model;
    for (int32_t t = 0; t < shape.n_trees; t++) {
        w.tree = &fit->tree[t];
        w.first += w.n;
        w.n = 0;
        (*model)->first_node[t] = w.first;
        write_node(&w, 0);
    }
    (*model)->first_node[shape.n_trees] = w.first + w.n;
    write_arity(fit, *model);
done:
    return st;
}
