/* Inside a fit: features as bins, rows as codes, which trees draw which rows, and the trees while
 * they grow.
 *
 * Everything that decides a tree is a whole number, added up in any order: counts of rows, or
 * weights and labels in fixed point. So threads, ranks, blocks and budget cannot show. */
#ifndef QN_ML_FOREST_GROW_H
#define QN_ML_FOREST_GROW_H

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "engine/comm.h"
#include "kernels/kernels.h"
#include "ml/forest/forest_impl.h"

#define FOREST_MOST_CLASSES 10000 /* labels are below */
#define FOREST_MOST_BINS    256   /* of a feature, that of missing values included */

/* ---- Features (forest_bins.c) ---- */

typedef enum forest_kind {
    FOREST_CONTINUOUS,
    FOREST_ORDERED,  /* categories, ordered anew at each node by what their rows are */
    FOREST_UNORDERED /* categories, every subset is tried */
} forest_kind;

typedef struct forest_feature {
    forest_kind kind;
    int32_t arity;    /* categories; 0: continuous */
    int32_t n_bins;   /* without that of missing values, whose number is n_bins */
    bool has_missing; /* there is such a bin */
    double
        *threshold;  /* [n_bins - 1] ascending: bin b holds threshold[b - 1] < x <= threshold[b] */
    uint8_t *bin_of; /* [arity] */
} forest_feature;

static inline int32_t forest_all_bins(const forest_feature *feature)
{
    return feature->n_bins + feature->has_missing;
}

/* ---- Labels (forest_bins_labels.c) ---- */

typedef struct forest_labels {
    bool is_classifier;
    int32_t n_classes;    /* largest label + 1, at least 2 */
    int32_t n_kept;       /* labels that occur */
    int32_t *label;       /* [n_kept] ascending */
    int32_t *class_of;    /* [n_classes] place among them, -1: does not occur */
    int64_t *count;       /* [n_kept] rows */
    double *class_weight; /* [n_kept]; NULL: all 1 */
    double weight_scale;  /* weights are whole numbers over this power of two */
    double target_scale;  /* and so are labels of regression */
} forest_labels;

/* ---- Rows (forest_bins_rows.c) ---- */

/* A run of own rows that one task takes. */
typedef struct forest_block {
    int64_t first, n;  /* place among own rows */
    int64_t partition; /* that its events name */
} forest_block;

typedef struct forest_rows {
    int64_t n;         /* of this rank */
    int64_t first_row; /* of the whole matrix */
    int64_t stride;    /* bytes from row to row */
    uint8_t *code;     /* [n x stride, and 4] */
    uint16_t *label;   /* [n] place of the class; NULL: codes hold it, or regression */
    int64_t *target;   /* [n] regression */
    int64_t *weight;   /* [n] NULL: all 1 */
    double *value;   /* [n] labels of regression as they are, and weights times those of classes */
    double *mass;    /* [n] where sums are serial; else NULL */
    uint32_t *times; /* [n] rows that are one after merging; NULL: all 1 */
    uint64_t *key;   /* [n] what is drawn for the row is drawn by this; NULL: by its number */
    forest_block *block;
    int64_t n_blocks;
    int64_t most_rows; /* of a block */
} forest_rows;

/* ---- What a node's rows add up to (forest_grow_sums.c) ---- */

/* Sums lie bin by bin, the lanes of a bin behind one another. */
typedef enum forest_sums {
    FOREST_CODES,   /* uint32_t [n_kept]; codes are bin x n_kept + class */
    FOREST_LABELS,  /* uint32_t [n_kept] */
    FOREST_WEIGHTS, /* int64_t [n_kept + 1]: weights, rows */
    FOREST_MOMENTS, /* int64_t [6]: rows, weights, weights x label in two words, the lower one
                       first, weights x square of the label likewise */
    FOREST_SERIAL   /* rows, then the statistics as doubles: of few rows, which all lie on one
                       rank in one block and are added up in their order, as Spark does in one
                       partition */
} forest_sums;

#define FOREST_MOMENT_LANES 6
#define FOREST_SERIAL_ROWS  65536

typedef struct forest_rule {
    forest_sums sums;
    int32_t n_lanes;   /* of a bin */
    int32_t n_stats;   /* n_kept, or 3 */
    size_t lane_bytes; /* of the sums of threads */
    qn_impurity impurity;
    bool is_classifier, is_multiclass;
    int32_t positive; /* place of class 1, -1: has no rows */
    double *scale;    /* [n_stats] what a lane is multiplied by */
    int64_t min_rows; /* of a child */
    double min_weight, min_gain;
    int32_t n_features, n_tried; /* features at a node */
} forest_rule;

/* Lanes, as they lie in sums, widened to int64_t. */
void forest_lanes_widen(const forest_rule *rule, int64_t n, const void *sums, int64_t *lanes);
void forest_lanes_add(const forest_rule *rule, int64_t *to, const int64_t *from);
void forest_lanes_subtract(const forest_rule *rule, int64_t *to, const int64_t *from);
/* Statistics as Spark has them [n_stats]; returns the number of rows. */
int64_t forest_lanes_stats(const forest_rule *rule, const int64_t *lanes, double *stats);
double forest_count(const forest_rule *rule, const double *stats);
double forest_impurity(const forest_rule *rule, const double *stats);
/* Place of the class, or the mean. */
double forest_predict_stats(const forest_rule *rule, const double *stats);
/* Adds the sums of one thread, or rank, to those of another: n lanes' worth of bins. */
void forest_sums_add(const forest_rule *rule, int64_t n_bins, void *to, const void *from);

/* ---- Trees while they grow ---- */

/* How a node is split. Bins of which `left` has a bit go left. */
typedef struct forest_split {
    double gain;     /* -DBL_MAX: no split is valid */
    int32_t feature; /* -1: none */
    int32_t limit;   /* bins up to this one go left; -1: as `left` says */
    uint64_t left[FOREST_MOST_BINS / 64];
} forest_split;

typedef struct forest_node {
    forest_split split;
    double impurity;
    double prediction; /* place of the class, or the value */
    int64_t n_rows;
    int32_t child; /* the left one; the right one is behind it; -1: leaf */
    bool is_invalid;
} forest_node;

typedef struct forest_tree {
    forest_node *node; /* [n] children behind their parents */
    double *stats;     /* [n x n_stats] */
    int64_t n, capacity;
} forest_tree;

static inline bool forest_goes_left(const forest_split *split, int32_t bin)
{
    return split->limit >= 0 ? bin <= split->limit : split->left[bin / 64] >> bin % 64 & 1;
}

/* ---- The fit ---- */

typedef struct forest_bag {
    bool draws;       /* false: every tree has every row once */
    int32_t n_tables; /* for 1 .. n_tables rows, then for powers of two */
    uint32_t **table; /* thresholds of the count of words */
    int32_t *n_table;
    int32_t *table_rows; /* rows a table is for */
} forest_bag;

typedef struct forest_fit {
    qn_context *ctx;
    qn_forest_params params; /* with the task's impurity, and of a tree its own settings */
    const qn_matrix *data;
    bool is_tree;
    qn_span job;
    forest_labels labels;
    forest_feature *feature; /* [data->n_features] */
    forest_rows rows;
    forest_rule rule;
    forest_bag bag;
    forest_tree *tree; /* [num_trees] */
    int64_t n_rows, n_distinct;
    int64_t merge_bytes; /* received by merging or gathering rows */
    size_t held_before;  /* by others, when the fit began */
    size_t most_held;    /* by the fit, where it was looked at */
    double oob_error;
    int64_t oob_rows;
    double *oob_curve; /* [num_trees] */
} forest_fit;

static inline void forest_note_memory(forest_fit *fit)
{
    const size_t used = qn_budget_used(fit->ctx->budget);

    if (used > fit->held_before && used - fit->held_before > fit->most_held)
        fit->most_held = used - fit->held_before;
}

/* Reads the labels: classes, or the range; checks them. Collective. */
qn_status forest_labels_read(forest_fit *fit);
void forest_labels_release(forest_labels *labels);
/* Gives the categories of a feature n_bins bins. Collective. forest_bins_group.c */
qn_status forest_bins_group(forest_fit *fit, int32_t feature, int32_t n_bins);
/* Cuts every feature into bins. Collective. */
qn_status forest_bins_make(forest_fit *fit);
void forest_bins_release(forest_fit *fit);
/* A value and what it weighs. */
typedef struct forest_value {
    double value, weight;
} forest_value;
/* Thresholds as Spark finds them among n values, which are sorted on the way: at most n_splits,
 * into threshold. Returns how many. */
int32_t forest_find_splits(int64_t n, forest_value *value, int32_t n_splits, double *threshold);
/* The rule for judging splits; once labels and bins are there. */
qn_status forest_rule_make(forest_fit *fit);
/* Codes of all own rows, in blocks. Collective. */
qn_status forest_rows_make(forest_fit *fit);
void forest_rows_release(forest_rows *rows);
qn_status forest_blocks_make(qn_context *ctx, const qn_matrix *data, forest_rows *rows);
/* Brings all rows to one rank, where sums are serial. Collective. forest_bins_gather.c */
qn_status forest_rows_gather(forest_fit *fit);
/* Makes one row of those that are equal, over all ranks. Collective. forest_merge.c */
qn_status forest_rows_merge(forest_fit *fit);

qn_status forest_bag_make(forest_fit *fit);
void forest_bag_release(forest_bag *bag);
/* How often trees 4 x four .. + 3 draw the rows of a block: count[w * rows->most_rows + i];
 * n_entries[w] their entries. */
void forest_bag_draw(const forest_fit *fit, const forest_block *block, int32_t four,
                     uint32_t *count, int64_t n_entries[4]);
/* Entries of one tree, from its counts; room for n_entries + 15. */
void forest_bag_entries(const forest_fit *fit, const forest_block *block, const uint32_t *count,
                        uint32_t *entry);

/* ---- One way over own rows (forest_grow_pass.c) ---- */

typedef qn_status forest_visit(void *arg, const forest_block *block, int32_t thread);
/* A stage of the job: visits every block, and books it on its partition. Collective. */
qn_status forest_pass(const forest_fit *fit, const char *name, forest_visit *visit, void *arg);

/* Features tried at a node of a tree (place: 1 is the root, 2 p and 2 p + 1 the children of p),
 * ascending. */
void forest_features_tried(const forest_fit *fit, int32_t tree, uint64_t place, int32_t *tried);

/* Takes up the checkpoint of the context, if there is one to go on from: how many trees are then
 * there. Collective. forest_checkpoint.c */
qn_status forest_resume(forest_fit *fit, int32_t *n_trees);
/* Saves the first n_trees, which are grown, where it is due. Collective. */
qn_status forest_save_state(const forest_fit *fit, int32_t n_trees);
/* Grows all trees. Collective. forest_grow.c */
qn_status forest_grow(forest_fit *fit);
/* What looking for the best split of a node needs and finds. */
typedef struct forest_search {
    const forest_rule *rule;
    const forest_feature *feature;        /* of all */
    int64_t *bins;                        /* [FOREST_MOST_BINS x n_lanes] of a feature */
    int64_t *total, *left, *right, *with; /* [n_lanes] at hand */
    int64_t *parent;                      /* [n_lanes] of the node's rows */
    int64_t *best_total, *best_left;      /* [n_lanes] of the split that was found */
    double *stats;                        /* [3 x n_stats] */
    double impurity;                      /* of the node */
} forest_search;
qn_status forest_search_init(const forest_fit *fit, forest_search *search);
void forest_search_release(forest_search *search);
/* The best split of a node of this impurity (NaN: the root, not known yet); `sums` of the features
 * tried, one behind the other. */
void forest_search_node(forest_search *search, int32_t n_tried, const int32_t *tried,
                        const void *sums, double impurity, forest_split *best);
/* Makes one leaf of two that predict the same, bottom up, in all trees. */
void forest_prune(forest_fit *fit);
/* The trees as a model. */
qn_status forest_model_of(forest_fit *fit, qn_forest_model **model);
/* Error of rows by the trees that did not draw them. Collective. */
qn_status forest_out_of_bag(forest_fit *fit);

#endif
