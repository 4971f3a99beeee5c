/* 128 bits by which two forests are told apart. */
#include <stdio.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "ml/forest/forest_impl.h"

/* A node without padding, and without what says nothing: a leaf has no split, a categorical split
 * no threshold. */
typedef struct node_bits {
    double prediction, impurity, gain, threshold;
    int64_t tree, id, raw_count;
    int32_t left, right, feature, n_categories, n_left_categories, missing_left;
} node_bits;

static void add_node(const qn_forest_model *model, int32_t t, int64_t i, XXH3_state_t *state)
{
    const qn_tree_node *node = model->node + i;
    const bool is_split = node->left >= 0, is_category = is_split && node->n_categories >= 0;
    const node_bits bits = {
        .prediction = node->prediction,
        .impurity = node->impurity,
        .gain = is_split ? node->gain : -1,
        .threshold = is_split && !is_category ? node->threshold : 0,
        .tree = t,
        .id = i - model->first_node[t],
        .raw_count = node->raw_count,
        .left = is_split ? node->left : -1,
        .right = is_split ? node->right : -1,
        .feature = is_split ? node->feature : -1,
        .n_categories = is_category ? node->n_categories : -1,
        .n_left_categories = is_category ? node->n_left_categories : 0,
        .missing_left = is_split && node->missing_left,
    };

    XXH3_128bits_update(state, &bits, sizeof bits);
    XXH3_128bits_update(state, model->stats + i * model->n_stats,
                        (size_t)model->n_stats * sizeof *model->stats);
    if (bits.n_left_categories > 0)
        XXH3_128bits_update(state, model->category + node->first_category,
                            (size_t)bits.n_left_categories * sizeof *model->category);
}

void qn_forest_digest(const qn_forest_model *model, char digest[33])
{
    const int32_t shape[] = {model->is_tree,    model->is_classifier, model->n_classes,
                             model->n_features, model->n_trees,       model->n_stats};
    XXH3_state_t state;
    XXH128_hash_t hash;

    XXH3_INITSTATE(&state);
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, shape, sizeof shape);
    for (int32_t t = 0; t < model->n_trees; t++)
        for (int64_t i = model->first_node[t]; i < model->first_node[t + 1]; i++)
            add_node(model, t, i, &state);
    hash = XXH3_128bits_digest(&state);
    snprintf(digest, 33, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}
