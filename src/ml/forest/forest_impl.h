/* What the files of the forest share: the model in memory. The fit's own parts are in
 * forest_grow.h. */
#ifndef QN_ML_FOREST_IMPL_H
#define QN_ML_FOREST_IMPL_H

#include "base/context.h"
#include "quern/forest.h"

typedef struct forest_shape {
    int32_t n_trees, n_features, n_stats;
    int64_t n_nodes, n_category_list;
    bool has_arity;
} forest_shape;

/* More classes than this are refused: predicting keeps one number a class on the stack. */
#define FOREST_MAX_CLASSES 4096

/* All arrays allocated and cleared; base, params and facts are the caller's. forest_model.c */
qn_status forest_model_create(qn_context *ctx, const forest_shape *shape, qn_forest_model **model);
/* The last step of a fit and of a load, once nodes and statistics stand: the importances, and the
 * nodes as predicting wants them. Without it nothing can be predicted. forest_model.c */
qn_status forest_model_finish(qn_context *ctx, qn_forest_model *model);
/* Copies the parameters and their texts into the model. forest_model.c */
qn_status forest_model_params(qn_context *ctx, qn_forest_model *model,
                              const qn_forest_params *params);
/* model->threshold from params.thresholds, once n_classes is known: QN_EINVAL when they are not one
 * number a class, at least 0 and at most one of them 0. forest_model.c */
qn_status forest_model_thresholds(qn_context *ctx, qn_forest_model *model);
/* Where Spark sends a value that is in no list of a categorical split, which a missing one is too:
 * it keeps the shorter list and asks whether the value is there. */
static inline bool forest_other_left(const qn_tree_node *node)
{
    return node->n_left_categories > node->n_categories / 2;
}
/* missing_left of a split of a model that was fitted without missing values: Spark's. */
static inline bool forest_missing_left(const qn_tree_node *node)
{
    return node->n_categories >= 0 && forest_other_left(node);
}

/* Checks what nothing else has: children in range and behind their parent, every node reached once,
 * categories inside the arity. QN_EDATA names tree and node. A loaded model passes through here
 * before anything walks it. forest_check.c */
qn_status forest_model_check(qn_context *ctx, const char *path, const qn_forest_model *model);
/* Fills model->importance from nodes and stats, Spark's rule: per tree the sum of gain x rows a
 * feature, normalised, summed over trees, normalised. forest_importance.c */
void forest_importances(qn_forest_model *model);

/* n rows in panels of doubles (kernels/kernels.h) to predictions [n] and, for classifiers, raw and
 * probability [n x n_classes] (each may be NULL). Spark's arithmetic: raw adds, tree by tree, the
 * leaf's share of each class (a single tree: its statistics); probability is raw over its sum.
 * forest_predict.c */
void forest_predict_panels(const qn_forest_model *model, int64_t n_rows, const double *x,
                           double *prediction, double *raw, double *probability);

#endif
