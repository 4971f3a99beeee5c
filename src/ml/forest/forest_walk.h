/* The nodes of a model as predicting wants them: 16 bytes each, breadth first, children side by
 * side, so that a step is a compare and an add. */
#ifndef QN_ML_FOREST_WALK_H
#define QN_ML_FOREST_WALK_H

#include "ml/forest/forest_impl.h"

/* x <= threshold goes to `left`, anything else to left + 1. A leaf is its own left child and has
 * the threshold +infinity, so that steps beyond it stay. A categorical split has ~feature, and its
 * rule's place instead of a threshold. */
typedef struct forest_walk_node {
    union {
        double threshold;
        int64_t rule;
    };
    int32_t feature;
    int32_t left;
} forest_walk_node;

typedef struct qn_forest_walk {
    forest_walk_node *node; /* [n_nodes] tree t from first_node[t]; children by number in it */
    int32_t *source;        /* [n_nodes] the model's id of each */
    int32_t *leaf;          /* [n_nodes] number in the tree of a leaf */
    uint64_t *rule;         /* arity << 1 | where others go left, then a bit for each category */
    int32_t *depth;         /* [n_trees] */
    bool *is_plain;         /* [n_trees] no categorical split */
    int32_t width;          /* numbers a leaf: n_classes, or 1 */
    double *value;          /* [n_leaves x width] what a leaf adds to raw, or its prediction */
} qn_forest_walk;

/* Leaves of the trees before t: a tree of n nodes has (n + 1) / 2. */
static inline int64_t forest_first_leaf(const qn_forest_model *model, int32_t t)
{
    return (model->first_node[t] + t) / 2;
}

/* Of a model that forest_model_check has passed. */
qn_status forest_walk_create(qn_context *ctx, const qn_forest_model *model, qn_forest_walk **walk);
void forest_walk_free(qn_forest_walk *walk);

#endif
