/* New rows through the trees, in Spark's double arithmetic. */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "ml/forest/forest_walk.h"

/* Numbers of raw that a chunk of rows keeps on the stack. */
#define RAW_ROOM FOREST_MAX_CLASSES
/* Rows of a chunk at most: their values stay near the processor while all trees pass. */
#define CHUNK_ROWS 256
/* Trees that one row goes through side by side: their steps do not wait for one another. */
#define TREES_ABREAST 8

/* ---- Steps ---- */

/* Where a row goes at node i of tree t, whatever the split and the value. */
static inline int32_t step_any(const qn_forest_model *model, int32_t t, int32_t i, double x)
{
    const int64_t first = model->first_node[t];
    const forest_walk_node node = model->walk->node[first + i];
    bool is_left;

    if (node.left == i)
        return i;
    if (isnan(x)) {
        is_left = model->node[first + model->walk->source[first + i]].missing_left;
    } else if (node.feature >= 0) {
        is_left = x <= node.threshold;
    } else {
        const uint64_t *rule = model->walk->rule + node.rule;
        const double arity = (double)(rule[0] >> 1);

        is_left = rule[0] & 1;
        if (x >= 0 && x < arity && x == floor(x))
            is_left = rule[1 + (int32_t)x / 64] >> ((int32_t)x % 64) & 1;
    }
    return node.left + !is_left;
}

static inline int32_t feature_of(int32_t feature)
{
    return feature >= 0 ? feature : ~feature;
}

/* The place in the walk of tree t that a row ends in; its values lie `stride` apart. */
static int32_t walk_any(const qn_forest_model *model, int32_t t, const double *x, int64_t stride)
{
    const forest_walk_node *node = model->walk->node + model->first_node[t];
    int32_t at = 0;

    while (node[at].left != at)
        at = step_any(model, t, at, x[feature_of(node[at].feature) * stride]);
    return at;
}

/* Half a panel through a tree without categories; no value is missing. Eight places fit into
 * registers. */
static inline void walk_half(const forest_walk_node *node, int32_t depth, const double *x,
                             int32_t at[QN_PANEL / 2])
{
    int32_t here[QN_PANEL / 2] = {0};

    for (int32_t step = 0; step < depth; step++)
        for (int32_t r = 0; r < QN_PANEL / 2; r++) {
            const forest_walk_node *n = node + here[r];

            here[r] = n->left + !(x[(int64_t)n->feature * QN_PANEL + r] <= n->threshold);
        }
    memcpy(at, here, sizeof here);
}

static void walk_panel(const forest_walk_node *node, int32_t depth, const double *x,
                       int32_t at[QN_PANEL])
{
    walk_half(node, depth, x, at);
    walk_half(node, depth, x + QN_PANEL / 2, at + QN_PANEL / 2);
}

static bool has_missing(int64_t n, const double *x)
{
    bool found = false;

    for (int64_t i = 0; i < n; i++)
        found |= isnan(x[i]);
    return found;
}

/* ---- Votes ---- */

static inline const double *leaf_value(const qn_forest_model *model, int32_t t, int32_t at)
{
    const int64_t leaf = forest_first_leaf(model, t) + model->walk->leaf[model->first_node[t] + at];

    return model->walk->value + leaf * model->walk->width;
}

static inline void add_values(int32_t width, const double *restrict value, double *restrict raw)
{
    for (int32_t c = 0; c < width; c++)
        raw[c] += value[c];
}

/* The largest, the lowest of equals; by probability over threshold where there are thresholds, so
 * that a class with threshold 0 wins as soon as it is possible. */
static int32_t choose(const qn_forest_model *model, const double *raw, double sum)
{
    double most = -INFINITY;
    int32_t best = 0;

    for (int32_t c = 0; c < model->n_classes; c++) {
        const double p = sum != 0 ? raw[c] / sum : raw[c];
        const double value = model->threshold ? p / model->threshold[c] : raw[c];

        if (value > most) {
            most = value;
            best = c;
        }
    }
    return best;
}

/* The sums of all trees of one row to what is asked for. */
static void conclude(const qn_forest_model *model, const double *raw, double *prediction,
                     double *probability)
{
    const double n_trees = model->n_trees;
    double sum = 0;

    if (!model->is_classifier) {
        *prediction = model->is_tree ? raw[0] : raw[0] / n_trees;
        return;
    }
    for (int32_t c = 0; c < model->n_classes; c++)
        sum += raw[c];
    *prediction = choose(model, raw, sum);
    for (int32_t c = 0; probability && c < model->n_classes; c++)
        probability[c] = sum != 0 ? raw[c] / sum : raw[c];
}

/* ---- Panels ---- */

/* Adds tree t's values to the raw of up to a panel of rows. `is_plain`: no categories in the tree
 * and no missing values in the panel. */
static void vote_panel(const qn_forest_model *model, int32_t t, int64_t n, const double *x,
                       bool is_plain, double *raw)
{
    const int32_t width = model->walk->width;
    const int32_t *leaf = model->walk->leaf + model->first_node[t];
    const double *value = model->walk->value + forest_first_leaf(model, t) * width;
    int32_t at[QN_PANEL];

    if (is_plain)
        walk_panel(model->walk->node + model->first_node[t], model->walk->depth[t], x, at);
    else
        for (int64_t r = 0; r < n; r++)
            at[r] = walk_any(model, t, x + r, QN_PANEL);
    for (int64_t r = 0; r < n; r++)
        add_values(width, value + (int64_t)leaf[at[r]] * width, raw + r * width);
}

/* n rows from the start of a panel; raw [n x width]. */
static void vote_chunk(const qn_forest_model *model, int64_t n, const double *x, double *raw)
{
    const int64_t d = model->n_features, width = model->walk->width;
    bool is_whole[CHUNK_ROWS / QN_PANEL];

    memset(raw, 0, (size_t)(n * width) * sizeof *raw);
    for (int64_t r = 0; r < n; r += QN_PANEL)
        is_whole[r / QN_PANEL] = !has_missing(d * QN_PANEL, x + r * d);
    for (int32_t t = 0; t < model->n_trees; t++)
        for (int64_t r = 0; r < n; r += QN_PANEL)
            vote_panel(model, t, n - r < QN_PANEL ? n - r : QN_PANEL, x + r * d,
                       model->walk->is_plain[t] && is_whole[r / QN_PANEL], raw + r * width);
}

/* Rows of one panel that is too wide for RAW_ROOM: one by one. */
static void predict_wide(const qn_forest_model *model, int64_t n, const double *x,
                         double *prediction, double *raw, double *probability)
{
    const int64_t classes = model->n_classes;
    double own[RAW_ROOM] = {0};

    for (int64_t r = 0; r < n; r++) {
        double *sums = raw ? raw + r * classes : own;

        memset(sums, 0, (size_t)classes * sizeof *sums);
        for (int32_t t = 0; t < model->n_trees; t++)
            add_values(model->n_classes, leaf_value(model, t, walk_any(model, t, x + r, QN_PANEL)),
                       sums);
        conclude(model, sums, prediction + r, probability ? probability + r * classes : NULL);
    }
}

void forest_predict_panels(const qn_forest_model *model, int64_t n_rows, const double *x,
                           double *prediction, double *raw, double *probability)
{
    const int64_t d = model->n_features, width = model->walk->width;
    const int64_t fit = RAW_ROOM / width / QN_PANEL * QN_PANEL;
    const int64_t chunk = fit == 0 ? QN_PANEL : fit < CHUNK_ROWS ? fit : CHUNK_ROWS;
    double own[RAW_ROOM] = {0};

    for (int64_t first = 0; first < n_rows; first += chunk) {
        const int64_t n = n_rows - first < chunk ? n_rows - first : chunk;
        double *sums = raw ? raw + first * width : own;
        double *shares = probability ? probability + first * width : NULL;

        if (fit == 0) {
            predict_wide(model, n, x + first * d, prediction + first, raw ? sums : NULL, shares);
            continue;
        }
        vote_chunk(model, n, x + first * d, sums);
        for (int64_t r = 0; r < n; r++)
            conclude(model, sums + r * width, prediction + first + r,
                     shares ? shares + r * width : NULL);
    }
}

/* ---- Rows ---- */

/* One row, no value missing, through n trees without categories. */
static void walk_trees(const qn_forest_model *model, int32_t t, int32_t n, const double *row,
                       int32_t at[TREES_ABREAST])
{
    const forest_walk_node *node[TREES_ABREAST];
    int32_t depth = 0;

    for (int32_t k = 0; k < TREES_ABREAST; k++) {
        const int32_t tree = t + (k < n ? k : 0);

        node[k] = model->walk->node + model->first_node[tree];
        depth = model->walk->depth[tree] > depth ? model->walk->depth[tree] : depth;
        at[k] = 0;
    }
    for (int32_t step = 0; step < depth; step++)
        for (int32_t k = 0; k < TREES_ABREAST; k++) {
            const forest_walk_node *here = node[k] + at[k];

            at[k] = here->left + !(row[here->feature] <= here->threshold);
        }
}

static void predict_row(const qn_forest_model *model, const double *row, double *prediction,
                        double *probability)
{
    const bool is_whole = !has_missing(model->n_features, row);
    double raw[RAW_ROOM];
    int32_t at[TREES_ABREAST];

    memset(raw, 0, (size_t)model->walk->width * sizeof *raw);
    for (int32_t t = 0; t < model->n_trees; t += TREES_ABREAST) {
        const int32_t left = model->n_trees - t, n = left < TREES_ABREAST ? left : TREES_ABREAST;
        bool is_plain = is_whole;

        for (int32_t k = 0; k < n; k++)
            is_plain = is_plain && model->walk->is_plain[t + k];
        if (is_plain)
            walk_trees(model, t, n, row, at);
        for (int32_t k = 0; k < n; k++)
            add_values(model->walk->width,
                       leaf_value(model, t + k, is_plain ? at[k] : walk_any(model, t + k, row, 1)),
                       raw);
    }
    conclude(model, raw, prediction, probability);
}

void qn_forest_predict(const qn_forest_model *model, int64_t n, const double *rows,
                       double *prediction, double *probability)
{
    const int64_t d = model->n_features, classes = model->n_classes;

    for (int64_t r = 0; r < n; r++)
        predict_row(model, rows + r * d, prediction + r,
                    probability && model->is_classifier ? probability + r * classes : NULL);
}

void qn_forest_leaves(const qn_forest_model *model, const double *row, int32_t *leaf)
{
    for (int32_t t = 0; t < model->n_trees; t++)
        leaf[t] = model->walk->source[model->first_node[t] + walk_any(model, t, row, 1)];
}
