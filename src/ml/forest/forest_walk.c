#include "ml/forest/forest_walk.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

static int64_t rule_words(const qn_tree_node *node)
{
    return node->n_categories < 0 ? 0 : 1 + ((int64_t)node->n_categories + 63) / 64;
}

static void fill_rule(const qn_forest_model *model, const qn_tree_node *from, uint64_t *rule)
{
    rule[0] = (uint64_t)from->n_categories << 1 | (uint64_t)forest_other_left(from);
    for (int32_t i = 0; i < from->n_left_categories; i++) {
        const int32_t category = model->category[from->first_category + i];

        rule[1 + category / 64] |= UINT64_C(1) << (category % 64);
    }
}

/* What the leaf adds: Spark divides each class by the sum of all, in the classes' order; a single
 * tree adds them as they are. */
static void fill_leaf(const qn_forest_model *model, int64_t node, double *value)
{
    const double *stats = model->stats + node * model->n_stats;
    double total = 0;

    if (!model->is_classifier) {
        *value = model->node[node].prediction;
        return;
    }
    for (int32_t c = 0; c < model->n_classes; c++)
        total += stats[c];
    for (int32_t c = 0; c < model->n_classes; c++)
        value[c] = model->is_tree ? stats[c] : total != 0 ? stats[c] / total : 0;
}

/* Tree t, breadth first: walk->source is the queue. `rule` is the place of the next rule. */
static void fill_tree(const qn_forest_model *model, int32_t t, qn_forest_walk *walk, int64_t *rule)
{
    const int64_t first = model->first_node[t];
    forest_walk_node *node = walk->node + first;
    int32_t *source = walk->source + first;
    double *value = walk->value + forest_first_leaf(model, t) * walk->width;
    int32_t n = 1, n_leaves = 0, level_end = 1;

    source[0] = 0;
    walk->is_plain[t] = true;
    for (int32_t i = 0; i < n; i++) {
        const qn_tree_node *from = model->node + first + source[i];

        if (i == level_end) {
            walk->depth[t]++;
            level_end = n;
        }
        if (from->left < 0) {
            node[i] = (forest_walk_node){.threshold = INFINITY, .feature = 0, .left = i};
            fill_leaf(model, first + source[i], value + (int64_t)n_leaves * walk->width);
            walk->leaf[first + i] = n_leaves++;
            continue;
        }
        node[i] =
            (forest_walk_node){.threshold = from->threshold, .feature = from->feature, .left = n};
        if (from->n_categories >= 0) {
            walk->is_plain[t] = false;
            node[i].feature = ~from->feature;
            node[i].rule = *rule;
            fill_rule(model, from, walk->rule + *rule);
            *rule += rule_words(from);
        }
        source[n++] = from->left;
        source[n++] = from->right;
    }
}

qn_status forest_walk_create(qn_context *ctx, const qn_forest_model *model, qn_forest_walk **walk)
{
    const int64_t n_nodes = model->first_node[model->n_trees];
    int64_t n_words = 0, rule = 0;
    qn_forest_walk *w = NULL;
    qn_status st = QN_OK;

    *walk = NULL;
    for (int64_t i = 0; i < n_nodes; i++)
        n_words += rule_words(model->node + i);
    QN_NEW0(ctx, w, 1, "a model");
    w->width = model->is_classifier ? model->n_classes : 1;
    QN_NEW(ctx, w->node, n_nodes, "the nodes of a model");
    QN_NEW(ctx, w->source, n_nodes, "the nodes of a model");
    QN_NEW0(ctx, w->leaf, n_nodes, "the nodes of a model");
    QN_NEW0(ctx, w->rule, n_words, "the categories of a model");
    QN_NEW0(ctx, w->depth, model->n_trees, "the trees of a model");
    QN_NEW0(ctx, w->is_plain, model->n_trees, "the trees of a model");
    QN_NEW(ctx, w->value, forest_first_leaf(model, model->n_trees) * w->width,
           "the leaves of a model");
    for (int32_t t = 0; t < model->n_trees; t++)
        fill_tree(model, t, w, &rule);
    *walk = w;
    w = NULL;
done:
    forest_walk_free(w);
    return st;
}

void forest_walk_free(qn_forest_walk *walk)
{
    if (!walk)
        return;
    qn_free(walk->node);
    qn_free(walk->source);
    qn_free(walk->leaf);
    qn_free(walk->rule);
    qn_free(walk->depth);
    qn_free(walk->is_plain);
    qn_free(walk->value);
    qn_free(walk);
}
