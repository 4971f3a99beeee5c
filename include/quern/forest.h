/* Decision trees and random forests (Spark's org.apache.spark.ml.classification and .regression:
 * DecisionTree* and RandomForest*; Breiman 2001; binned splits as in PLANET, Panda et al. 2009). */
#ifndef QUERN_FOREST_H
#define QUERN_FOREST_H

#include "quern/matrix.h"
#include "quern/metrics.h"
#include "quern/model.h"
#include "quern/param.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qn_tree_task { QN_CLASSIFICATION, QN_REGRESSION } qn_tree_task;
#define QN_TREE_TASK_CHOICES "classification|regression"

typedef enum qn_impurity {
    QN_IMPURITY_AUTO, /* gini, or variance for regression */
    QN_IMPURITY_GINI,
    QN_IMPURITY_ENTROPY, /* base 2 */
    QN_IMPURITY_VARIANCE
} qn_impurity;
#define QN_IMPURITY_CHOICES "auto|gini|entropy|variance"

typedef enum qn_class_weight { QN_CLASS_WEIGHT_NONE, QN_CLASS_WEIGHT_BALANCED } qn_class_weight;
#define QN_CLASS_WEIGHT_CHOICES "none|balanced"

typedef enum qn_tree_missing {
    QN_TREE_MISSING_ERROR, /* Spark's: a missing value is refused */
    QN_TREE_MISSING_NATIVE /* a bin of its own, sent to the side with the larger gain */
} qn_tree_missing;
#define QN_TREE_MISSING_CHOICES "error|native"

typedef enum qn_too_many_categories {
    QN_CATEGORIES_REFUSE, /* more categories than max_bins is an error that names column and count
                           */
    QN_CATEGORIES_GROUP   /* the rarest ones share the last bin */
} qn_too_many_categories;
#define QN_TOO_MANY_CATEGORIES_CHOICES "refuse|group"

/* Of forests and of single trees. Defaults are in the tables, not zero: always start with
 * qn_params_init(&qn_forest_table, &p) or (&qn_tree_table, &p). */
typedef struct qn_forest_params {
    int32_t task;                        /* qn_tree_task */
    int32_t num_trees;                   /* 1 in qn_tree_table, which does not show it */
    int32_t max_depth;                   /* 0 .. 30 */
    int32_t max_bins;                    /* 2 .. 256 per feature */
    int32_t impurity;                    /* qn_impurity */
    const char *feature_subset_strategy; /* auto|all|sqrt|log2|onethird, a count, or a fraction */
    double subsampling_rate;             /* (0, 1] */
    bool bootstrap;                      /* rows with replacement: Poisson counts */
    int32_t min_instances_per_node;
    double min_info_gain;
    double min_weight_fraction_per_node; /* [0, 0.5) */
    qn_text_list thresholds;             /* one a class; n 0: none */
    int32_t class_weight;                /* qn_class_weight */
    int32_t missing;                     /* qn_tree_missing */
    int32_t too_many_categories;         /* qn_too_many_categories */
    bool prune;      /* sibling leaves that predict the same become one (Spark 2.4+) */
    bool merge_rows; /* rows that are equal after binning are counted once; has bits of
                        its own; never for regression or weights */
    int64_t seed;
} qn_forest_params;
QN_API extern const qn_params qn_forest_table;
QN_API extern const qn_params qn_tree_table;

/* A node; those of a tree lie in pre-order, the left child behind its parent, as Spark stores
 * them. */
typedef struct qn_tree_node {
    double prediction; /* class or value */
    double impurity;
    double gain;            /* -1: leaf */
    double threshold;       /* continuous: x <= threshold goes left */
    int64_t raw_count;      /* rows that reached it, bootstrap counted; -1 unknown */
    int32_t left, right;    /* ids in the tree; -1: leaf */
    int32_t feature;        /* column of the matrix; -1: leaf */
    int32_t n_categories;   /* arity; -1: continuous */
    int32_t first_category; /* categories that go left: category[first .. first + n_left) */
    int32_t n_left_categories;
    bool missing_left; /* where a missing value goes (native) */
} qn_tree_node;

typedef struct qn_forest_model {
    qn_model base; /* first: see quern/model.h */
    qn_forest_params params;
    bool is_tree; /* a single decision tree: Spark's DecisionTree* classes */
    bool is_classifier;
    int32_t n_classes; /* largest label + 1, as Spark counts; 0 for regression */
    int32_t n_features;
    int32_t n_trees;
    int64_t *first_node; /* [n_trees + 1] tree t has nodes first_node[t] .. first_node[t + 1] */
    qn_tree_node *node;  /* [first_node[n_trees]] */
    int32_t n_stats;     /* n_classes, or 3 */
    double *stats;       /* [n_nodes x n_stats] class weights, or (count, sum, sum of squares) */
    int32_t *category;   /* [n_category_list] lists of the nodes */
    int64_t n_category_list;
    double *tree_weight; /* [n_trees] 1 for forests */
    double *threshold;   /* [n_classes] or NULL */
    double *importance;  /* [n_features] of the pruned trees, sums to 1 (Spark's
                            featureImportances) */
    int32_t *arity;      /* [n_features] categories of a feature, 0: continuous; NULL: unknown */
    /* What the fit found; n_rows 0 and NaN or NULL for models that keep none (Spark's). */
    int64_t n_rows, n_distinct_rows; /* distinct: after merging; = n_rows without */
    double oob_error;                /* share of wrong rows, or mean squared error, out of bag */
    int64_t oob_rows;                /* that were out of some bag */
    double *oob_curve;           /* [n_trees] the same with the first 1, 2, ... trees, or NULL */
    int64_t bytes_moved;         /* received from other ranks by the fit */
    int64_t bytes_held;          /* most, by the fit itself */
    struct qn_forest_walk *walk; /* the nodes once more, as predicting wants them */
} qn_forest_model;

/* Fits a forest, or with is_tree a single tree (num_trees 1, no bootstrap).
 * Shapes      data: rows x features; labels held; cells over ranks. Features of kind CATEGORY hold
 * the category's place.
 * Collective  every rank calls, with equal params; every rank gets the whole model.
 * Ownership   data is borrowed; on QN_OK the caller owns *model, otherwise it is NULL.
 * Errors      QN_EINVAL params; QN_EDATA a label that is negative, fractional or too large, a
 * missing value under `error`, more categories than bins; QN_ENOMEM with the bytes that one level
 * needs; QN_ECANCELLED.
 * Warnings    one class only, constant features, classes without rows.
 * Events      one step a level of all trees (or of a group of trees).
 * Repeatable  same bits for any number of threads, ranks, partitions and budget; the first n trees
 * of a larger forest are a forest of n (two or more). */
QN_API qn_status qn_forest_fit(qn_context *ctx, const qn_forest_params *params, bool is_tree,
                               const qn_matrix *data, qn_forest_model **model);
QN_API void qn_forest_free(qn_forest_model *model);

/* One row of n_features numbers (a category by its place, NaN: missing), or n rows behind one
 * another. prediction [n]; probability [n x n_classes] or NULL (classifiers). Double arithmetic as
 * Spark's. No allocation, no check of sizes: n_features and n_classes are the model's. */
QN_API void qn_forest_predict(const qn_forest_model *model, int64_t n, const double *rows,
                              double *prediction, double *probability);
/* The leaf of each tree that a row ends in: leaf[n_trees] node ids. */
QN_API void qn_forest_leaves(const qn_forest_model *model, const double *row, int32_t *leaf);

/* Spark's model directory, both ways, with quern.json beside. */
QN_API qn_status qn_forest_save(qn_context *ctx, const qn_forest_model *model, const char *path,
                                bool overwrite, const char *record);
QN_API qn_status qn_forest_load(qn_context *ctx, const char *path, qn_forest_model **model);
/* 128-bit XXH3 over (tree, node, split, statistics' bits), as 32 hexadecimal digits and a NUL. */
QN_API void qn_forest_digest(const qn_forest_model *model, char digest[33]);

#ifdef __cplusplus
}
#endif
#endif
