/* The best split of a node, in Spark's order: features ascending, thresholds ascending, the first
 * of equal gains. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "ml/forest/forest_grow.h"

qn_status forest_search_init(const forest_fit *fit, forest_search *search)
{
    const forest_rule *rule = &fit->rule;
    qn_status st = QN_OK;

    *search = (forest_search){.rule = rule, .feature = fit->feature};
    QN_NEW(fit->ctx, search->bins, (int64_t)FOREST_MOST_BINS * rule->n_lanes, "sums of bins");
    QN_NEW0(fit->ctx, search->total, 7 * (int64_t)rule->n_lanes, "sums of a node");
    search->left = search->total + rule->n_lanes;
    search->right = search->left + rule->n_lanes;
    search->with = search->right + rule->n_lanes;
    search->parent = search->with + rule->n_lanes;
    search->best_total = search->parent + rule->n_lanes;
    search->best_left = search->best_total + rule->n_lanes;
    QN_NEW(fit->ctx, search->stats, 3 * (int64_t)rule->n_stats, "statistics of a node");
done:
    return st;
}

void forest_search_release(forest_search *search)
{
    qn_free(search->bins);
    qn_free(search->total);
    qn_free(search->stats);
    *search = (forest_search){0};
}

static int64_t *bin_lanes(const forest_search *search, int32_t bin)
{
    return search->bins + (int64_t)bin * search->rule->n_lanes;
}

static void copy_lanes(const forest_search *search, int64_t *to, const int64_t *from)
{
    memcpy(to, from, (size_t)search->rule->n_lanes * sizeof *to);
}

/* Gain of the split with these lanes on its left; -DBL_MAX: it is not valid. */
static double gain_of(const forest_search *search, const int64_t *left)
{
    const forest_rule *rule = search->rule;
    int64_t *right = search->right;
    double *left_stats = search->stats + rule->n_stats;
    double *right_stats = left_stats + rule->n_stats;
    int64_t left_rows, right_rows;

    copy_lanes(search, right, search->total);
    forest_lanes_subtract(rule, right, left);
    left_rows = forest_lanes_stats(rule, left, left_stats);
    right_rows = forest_lanes_stats(rule, right, right_stats);
    if (left_rows < rule->min_rows || right_rows < rule->min_rows)
        return -DBL_MAX;
    const double left_count = forest_count(rule, left_stats);
    const double right_count = forest_count(rule, right_stats);
    const double count = left_count + right_count;
    if (left_count < rule->min_weight || right_count < rule->min_weight)
        return -DBL_MAX;
    const double gain = search->impurity - left_count / count * forest_impurity(rule, left_stats) -
                        right_count / count * forest_impurity(rule, right_stats);
    return gain < rule->min_gain ? -DBL_MAX : gain; /* a NaN is no gain: no weight at all */
}

static void set_bit(forest_split *split, int32_t bin)
{
    split->left[bin / 64] |= UINT64_C(1) << bin % 64;
}

static void take(const forest_search *search, const int64_t *left, double gain, int32_t feature,
                 int32_t limit, forest_split *best)
{
    *best = (forest_split){.gain = gain, .feature = feature, .limit = limit};
    copy_lanes(search, search->best_left, left);
}

/* Adds the missing values' bin to the left and looks again. True: this is better, and taken. */
static bool takes_missing(const forest_search *search, int32_t feature, forest_split *best)
{
    const int32_t missing = search->feature[feature].n_bins;
    double gain;

    copy_lanes(search, search->with, search->left);
    forest_lanes_add(search->rule, search->with, bin_lanes(search, missing));
    gain = gain_of(search, search->with);
    if (!(gain > best->gain))
        return false;
    take(search, search->with, gain, feature, -1, best);
    set_bit(best, missing);
    return true;
}

static void search_continuous(const forest_search *search, int32_t f, forest_split *best)
{
    const forest_feature *feature = &search->feature[f];
    const int32_t n_splits = feature->n_bins - 1 + feature->has_missing;
    int64_t *left = search->left;

    memset(left, 0, (size_t)search->rule->n_lanes * sizeof *left);
    for (int32_t b = 0; b < n_splits; b++) {
        double gain;

        forest_lanes_add(search->rule, left, bin_lanes(search, b));
        gain = gain_of(search, left);
        if (gain > best->gain)
            take(search, left, gain, f, b, best);
        if (feature->has_missing && b < feature->n_bins - 1 && takes_missing(search, f, best))
            for (int32_t left_bin = 0; left_bin <= b; left_bin++)
                set_bit(best, left_bin);
    }
}

/* Subset s holds category b where s has bit b; the last category is always on the right. */
static void search_unordered(const forest_search *search, int32_t f, forest_split *best)
{
    const forest_feature *feature = &search->feature[f];
    const uint32_t n_subsets = (1U << (feature->n_bins - 1)) + feature->has_missing;
    int64_t *left = search->left;

    for (uint32_t s = 1; s < n_subsets; s++) {
        const bool is_all = s == 1U << (feature->n_bins - 1); /* against missing ones */
        const uint32_t subset = is_all ? (1U << feature->n_bins) - 1 : s;
        double gain;

        memset(left, 0, (size_t)search->rule->n_lanes * sizeof *left);
        for (int32_t b = 0; b < feature->n_bins; b++)
            if (subset >> b & 1)
                forest_lanes_add(search->rule, left, bin_lanes(search, b));
        gain = gain_of(search, left);
        if (gain > best->gain) {
            take(search, left, gain, f, -1, best);
            best->left[0] = subset;
        }
        if (feature->has_missing && !is_all && takes_missing(search, f, best))
            best->left[0] |= subset;
    }
}

/* What Spark orders categories by. */
static double centroid(const forest_search *search, int32_t bin)
{
    const forest_rule *rule = search->rule;
    double *stats = search->stats + rule->n_stats;

    forest_lanes_stats(rule, bin_lanes(search, bin), stats);
    if (forest_count(rule, stats) == 0)
        return DBL_MAX;
    if (rule->is_multiclass)
        return forest_impurity(rule, stats);
    if (rule->is_classifier)
        return rule->positive < 0 ? 0 : stats[rule->positive];
    return forest_predict_stats(rule, stats);
}

/* The total of n bins, in an order (NULL: theirs). */
static void add_bins(const forest_search *search, int32_t n, const uint8_t *order)
{
    memset(search->total, 0, (size_t)search->rule->n_lanes * sizeof *search->total);
    for (int32_t b = 0; b < n; b++)
        forest_lanes_add(search->rule, search->total, bin_lanes(search, order ? order[b] : b));
}

static void search_ordered(const forest_search *search, int32_t f, forest_split *best)
{
    const forest_feature *feature = &search->feature[f];
    const int32_t n = forest_all_bins(feature);
    int64_t *left = search->left;
    uint8_t order[FOREST_MOST_BINS];
    double key[FOREST_MOST_BINS];
    int32_t best_length = 0;

    for (int32_t b = 0; b < n; b++) {
        const double mine = centroid(search, b);
        int32_t at = b;

        for (; at > 0 && key[at - 1] > mine; at--) {
            key[at] = key[at - 1];
            order[at] = order[at - 1];
        }
        key[at] = mine;
        order[at] = (uint8_t)b;
    }
    add_bins(search, n, order); /* in this order, as rounding may show */
    memset(left, 0, (size_t)search->rule->n_lanes * sizeof *left);
    for (int32_t i = 0; i + 1 < n; i++) {
        double gain;

        forest_lanes_add(search->rule, left, bin_lanes(search, order[i]));
        gain = gain_of(search, left);
        if (gain > best->gain) {
            take(search, left, gain, f, -1, best);
            best_length = i + 1;
        }
    }
    for (int32_t i = 0; i < best_length; i++)
        set_bit(best, order[i]);
}

/* All rows of the root. Spark adds the two sides of the first split it looks at. */
static void find_parent(forest_search *search, int32_t n_bins)
{
    const forest_rule *rule = search->rule;

    copy_lanes(search, search->parent, search->total);
    if (n_bins > 1) {
        forest_lanes_subtract(rule, search->parent, bin_lanes(search, 0));
        copy_lanes(search, search->with, bin_lanes(search, 0));
        forest_lanes_add(rule, search->with, search->parent);
        copy_lanes(search, search->parent, search->with);
    }
    forest_lanes_stats(rule, search->parent, search->stats);
    search->impurity = forest_impurity(rule, search->stats);
}

void forest_search_node(forest_search *search, int32_t n_tried, const int32_t *tried,
                        const void *sums, double impurity, forest_split *best)
{
    const forest_rule *rule = search->rule;
    const char *at = sums;

    *best = (forest_split){.gain = -DBL_MAX, .feature = -1, .limit = -1};
    search->impurity = impurity;
    for (int32_t k = 0; k < n_tried; k++) {
        const forest_feature *feature = &search->feature[tried[k]];
        const int32_t n_bins = forest_all_bins(feature);

        forest_lanes_widen(rule, (int64_t)n_bins * rule->n_lanes, at, search->bins);
        at += (size_t)n_bins * (size_t)rule->n_lanes * rule->lane_bytes;
        add_bins(search, n_bins, NULL);
        if (k == 0 && isnan(impurity))
            find_parent(search, n_bins);
        if (feature->kind == FOREST_CONTINUOUS)
            search_continuous(search, tried[k], best);
        else if (feature->kind == FOREST_UNORDERED)
            search_unordered(search, tried[k], best);
        else
            search_ordered(search, tried[k], best);
        if (best->feature == tried[k])
            copy_lanes(search, search->best_total, search->total);
    }
}
