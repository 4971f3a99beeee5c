/* Forests written down by hand, for the tests beside it. */
#ifndef QN_ML_FOREST_HAND_H
#define QN_ML_FOREST_HAND_H

#include <math.h>

#include "folder.h"

#include "engine/context_open.h"
#include "kernels/kernels.h"
#include "ml/forest/forest_impl.h"

#define HAND_STATS      4
#define HAND_CATEGORIES 8

/* A node; of a leaf only prediction and stats. left_category ends at -1; n_categories 0:
 * continuous. */
typedef struct hand_node {
    int32_t tree, left, right, feature;
    double threshold, prediction, gain;
    int32_t n_categories;
    int32_t left_category[HAND_CATEGORIES];
    double stats[HAND_STATS];
} hand_node;

#define HAND_LEAF(t, p, ...)                                                                       \
    {                                                                                              \
        .tree = (t), .left = -1, .right = -1, .feature = -1, .prediction = (p), .gain = -1,        \
        .stats = {                                                                                 \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

typedef struct hand_shape {
    bool is_tree, is_classifier;
    int32_t n_classes, n_features, n_trees;
} hand_shape;

static inline int32_t hand_categories(const hand_node *row)
{
    int32_t n = 0;

    while (row->n_categories > 0 && n < HAND_CATEGORIES && row->left_category[n] >= 0)
        n++;
    return n;
}

/* A node's number in its tree. */
static inline qn_tree_node hand_to_node(const hand_node *row, int32_t n_stats)
{
    qn_tree_node node = {
        .prediction = row->prediction,
        .impurity = 0.25,
        .gain = row->gain,
        .threshold = row->threshold,
        .raw_count = 0,
        .left = row->left,
        .right = row->right,
        .feature = row->feature,
        .n_categories = row->n_categories > 0 ? row->n_categories : -1,
        .n_left_categories = hand_categories(row),
    };

    for (int32_t s = 0; s < n_stats; s++)
        node.raw_count += (int64_t)row->stats[s];
    return node;
}

/* Not finished and not checked: what the rows say. Trees stand one behind the other. */
static inline qn_forest_model *hand_model(qn_context *ctx, const hand_shape *shape,
                                          const hand_node *rows, int64_t n)
{
    forest_shape made = {.n_trees = shape->n_trees,
                         .n_features = shape->n_features,
                         .n_stats = shape->is_classifier ? shape->n_classes : 3,
                         .n_nodes = n};
    qn_forest_model *model = NULL;
    int32_t at = 0;

    for (int64_t i = 0; i < n; i++)
        made.n_category_list += hand_categories(rows + i);
    CHECK_OK(ctx, forest_model_create(ctx, &made, &model));
    model->is_tree = shape->is_tree;
    model->is_classifier = shape->is_classifier;
    model->n_classes = shape->n_classes;
    for (int64_t i = 0; i < n; i++) {
        qn_tree_node *node = model->node + i;

        *node = hand_to_node(rows + i, made.n_stats);
        node->first_category = at;
        for (int32_t k = 0; k < node->n_left_categories; k++)
            model->category[at++] = rows[i].left_category[k];
        if (node->left >= 0)
            node->missing_left = forest_missing_left(node);
        for (int32_t s = 0; s < made.n_stats; s++)
            model->stats[i * made.n_stats + s] = rows[i].stats[s];
        model->first_node[rows[i].tree + 1] = i + 1;
    }
    return model;
}

#define HAND_MODEL(ctx, shape, rows) hand_model(ctx, shape, rows, sizeof(rows) / sizeof *(rows))

/* Rows behind one another as panels; the caller frees. */
static inline double *hand_panels(const double *rows, int64_t n, int64_t d)
{
    double *x = calloc((size_t)((n + QN_PANEL - 1) / QN_PANEL * QN_PANEL * d) + 1, sizeof *x);

    assert_non_null(x);
    for (int64_t r = 0; r < n; r++)
        for (int64_t f = 0; f < d; f++)
            x[(r / QN_PANEL * d + f) * QN_PANEL + r % QN_PANEL] = rows[r * d + f];
    return x;
}

/* Two trees over three features, of which f1 has five categories; three classes. */
static const hand_node hand_forest_rows[] = {
    {.tree = 0,
     .left = 1,
     .right = 2,
     .feature = 0,
     .threshold = 0.5,
     .gain = 0.25,
     .stats = {6, 3, 1}},
    HAND_LEAF(0, 0, 5, 0, 0),
    {.tree = 0,
     .left = 3,
     .right = 4,
     .feature = 1,
     .prediction = 1,
     .gain = 0.125,
     .n_categories = 5,
     .left_category = {0, 3, -1},
     .stats = {1, 3, 1}},
    HAND_LEAF(0, 1, 0, 3, 0),
    HAND_LEAF(0, 0, 1, 0, 1),
    {.tree = 1,
     .left = 1,
     .right = 2,
     .feature = 1,
     .gain = 0.5,
     .n_categories = 5,
     .left_category = {0, 1, 4, -1},
     .stats = {4, 4, 2}},
    HAND_LEAF(1, 0, 4, 1, 0),
    {.tree = 1,
     .left = 3,
     .right = 4,
     .feature = 2,
     .threshold = -1.5,
     .prediction = 1,
     .gain = 0.25,
     .stats = {0, 3, 2}},
    HAND_LEAF(1, 2, 0, 0, 2),
    HAND_LEAF(1, 1, 0, 3, 0),
};
static const hand_shape hand_forest_shape = {
    .is_classifier = true, .n_classes = 3, .n_features = 3, .n_trees = 2};

/* Checked and finished. */
static inline qn_forest_model *hand_forest(qn_context *ctx)
{
    qn_forest_model *model = HAND_MODEL(ctx, &hand_forest_shape, hand_forest_rows);

    CHECK_OK(ctx, forest_model_check(ctx, "hand", model));
    CHECK_OK(ctx, forest_model_finish(ctx, model));
    return model;
}

#endif
