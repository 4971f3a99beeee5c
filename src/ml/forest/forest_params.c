/* The parameters of forests and trees: Spark's names and defaults. The only place where they stand.
 * The default seeds are those of Spark's classifiers. */
#include "quern/forest.h"

#define ROW(field, def, lo, hi, help, ...)                                                         \
    QN_PARAM(qn_forest_params, field, def, lo, hi, help, __VA_ARGS__)
#define CHOICE(field, def, choices, help, ...)                                                     \
    QN_PARAM_CHOICE_OF(qn_forest_params, field, def, choices, help, __VA_ARGS__)

#define TASK_ROW                                                                                   \
    CHOICE(task, QN_CLASSIFICATION, QN_TREE_TASK_CHOICES,                                          \
           "what the label is: a class or a number", .group = "Model")

#define TREE_ROWS                                                                                  \
    ROW(max_depth, 5, 0, 30, "levels below the root; 0 is a leaf alone",                           \
        .aliases = "depth maximum-depth", .group = "Model"),                                       \
        ROW(max_bins, 32, 2, 256, "bins a feature is cut into, and most categories it may have",   \
            .aliases = "bins n-bins num-bins max-bin", .group = "Model"),                          \
        CHOICE(impurity, QN_IMPURITY_AUTO, QN_IMPURITY_CHOICES,                                    \
               "what splits make less of; auto: gini, or variance for regression",                 \
               .aliases = "criterion", .group = "Model"),                                          \
        ROW(min_instances_per_node, 1, 1, INT32_MAX, "rows a child must have at least",            \
            .aliases = "min-instances min-samples-leaf min-data-in-leaf", .group = "Splits"),      \
        ROW(min_info_gain, 0, 0, 1e300, "gain a split must have at least", .aliases = "min-gain",  \
            .group = "Splits"),                                                                    \
        ROW(min_weight_fraction_per_node, 0, 0, 0.5,                                               \
            "share of all weight that a child must have, below 0.5",                               \
            .aliases = "min-weight-fraction min-weight-fraction-leaf", .group = "Splits"),         \
        QN_PARAM_STRING(qn_forest_params, thresholds, NULL, "T",                                   \
                        "one a class: the class with the largest probability / threshold is "      \
                        "predicted",                                                               \
                        .group = "Model"),                                                         \
        CHOICE(class_weight, QN_CLASS_WEIGHT_NONE, QN_CLASS_WEIGHT_CHOICES,                        \
               "balanced: every class weighs the same in all", .group = "Model"),                  \
        CHOICE(missing, QN_TREE_MISSING_ERROR, QN_TREE_MISSING_CHOICES,                            \
               "native: missing values are a bin of their own, sent where the gain is larger",     \
               .aliases = "missing-values", .group = "Model"),                                     \
        CHOICE(too_many_categories, QN_CATEGORIES_REFUSE, QN_TOO_MANY_CATEGORIES_CHOICES,          \
               "more categories than bins: group lets the rarest share the last bin",              \
               .group = "Model"),                                                                  \
        ROW(prune, 1, 0, 1, "make one leaf of two that predict the same, as Spark does",           \
            .group = "Splits"),                                                                    \
        ROW(merge_rows, 0, 0, 1,                                                                   \
            "count rows that are equal after binning once; pays where many are, with bits of its " \
            "own",                                                                                 \
            .aliases = "deduplicate", .group = "Rows")

#define SEED_ROW(def)                                                                              \
    ROW(seed, def, (double)INT64_MIN, (double)INT64_MAX, "random seed", .group = "Rows")

static const qn_param forest_params[] = {
    TASK_ROW,
    ROW(num_trees, 20, 1, 1000000, "trees", .aliases = "trees n-trees n-estimators ntree",
        .group = "Model"),
    TREE_ROWS,
    QN_PARAM_STRING(qn_forest_params, feature_subset_strategy, "auto", "WHICH",
                    "features tried at a node: auto, all, sqrt, log2, onethird, a number, or a "
                    "share",
                    .aliases = "feature-subset max-features mtry", .group = "Splits"),
    ROW(subsampling_rate, 1, 0, 1, "rows drawn for a tree, as a share of all",
        .aliases = "subsample subsample-rate max-samples", .group = "Rows"),
    ROW(bootstrap, 1, 0, 1, "draw rows with replacement", .group = "Rows"),
    SEED_ROW(207336481),
};

const qn_params qn_forest_table = {
    .name = "forest",
    .param = forest_params,
    .n = sizeof forest_params / sizeof forest_params[0],
    .struct_size = sizeof(qn_forest_params),
};

static const qn_param tree_params[] = {
    TASK_ROW,
    TREE_ROWS,
    SEED_ROW(159147643),
};

const qn_params qn_tree_table = {
    .name = "tree",
    .param = tree_params,
    .n = sizeof tree_params / sizeof tree_params[0],
    .struct_size = sizeof(qn_forest_params),
};
