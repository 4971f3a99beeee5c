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

/* All arrays allocated and cleared; base, params and facts are the caller's. forest_model.c */
qn_status forest_model_create(qn_context *ctx, const forest_shape *shape, qn_forest_model **model);
/* Checks what nothing else has: children in range and behind their parent, every node reached once,
 * categories inside the arity. QN_EDATA names tree and node. A loaded model passes through here
 * before anything walks it. forest_check.c */
qn_status forest_model_check(qn_context *ctx, const char *path, const qn_forest_model *model);
/* Fills model->importance from nodes and stats, Spark's rule: per tree the sum of gain x rows a
 * feature, normalised, summed over trees, normalised. forest_importance.c */
void forest_importances(qn_forest_model *model);

/* n rows in panels of doubles (kernels/kernels.h) to predictions [n] and, for classifiers, raw and
 * probability [n x n_classes] (each may be NULL). forest_predict.c */
void forest_predict_panels(const qn_forest_model *model, int64_t n_rows, const double *x,
                           double *prediction, double *raw, double *probability);

#endif
