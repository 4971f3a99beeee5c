/* A forest for readers and other programs: what the four forms share. */
#ifndef QN_ML_FOREST_SHOW_H
#define QN_ML_FOREST_SHOW_H

#include "base/file.h"
#include "base/text.h"
#include "ml/algo.h"
#include "ml/forest/forest_walk.h"

/* One export under way: `text` goes out tree by tree. */
typedef struct forest_shower {
    qn_context *ctx;
    const qn_forest_model *model;
    const qn_model_form *options;
    qn_out_file *out;
    qn_string text;
} forest_shower;

/* Of qn_table_ops. */
qn_status forest_export(qn_context *ctx, const qn_model *model, const qn_model_form *options,
                        qn_out_file *out);

qn_status forest_show_text(forest_shower *shower);
qn_status forest_show_json(forest_shower *shower);
qn_status forest_show_svg(forest_shower *shower);
qn_status forest_show_c(forest_shower *shower);

/* Writes what stands in `text` and empties it. */
qn_status forest_show_flush(forest_shower *shower);

/* A node on the way through a tree: parents before children, the left child first. */
typedef struct forest_step {
    int32_t node; /* id in the tree */
    int32_t depth;
    int32_t parent; /* place in the list, -1: the root */
    bool is_right;
} forest_step;
/* The caller frees *steps [nodes of tree t]. */
qn_status forest_show_steps(qn_context *ctx, const qn_forest_model *model, int32_t t,
                            forest_step **steps);

static inline const qn_tree_node *forest_show_node(const qn_forest_model *model, int32_t t,
                                                   int32_t node)
{
    return model->node + model->first_node[t] + node;
}

/* "ndvi", or "feature 3" of models that do not know their features. Cut to `size`. */
void forest_show_feature(const qn_forest_model *model, int32_t f, char *out, size_t size);
/* Category k of feature f by its name, or by its number. Cut to `size`. */
void forest_show_category(const qn_forest_model *model, int32_t f, int32_t k, char *out,
                          size_t size);
/* "z <= 0.5", "colour in {red, blue}"; of the right side "z > 0.5", "colour not in {...}". At most
 * `n_categories` of them, then "..."; -1: all. */
void forest_show_condition(const qn_forest_model *model, const qn_tree_node *node, bool is_right,
                           int32_t n_categories, qn_string *out);
/* Whether a missing value goes elsewhere than in Spark at any node: the fit has seen some. */
bool forest_show_missing(const qn_forest_model *model);

#endif
