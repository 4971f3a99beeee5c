/* The best split of a node, in Spark's order: features ascending, thresholds ascending, the first
 * of equal gains. */
#include <float.h>
#include <string.h>

#include "ml/forest/forest_grow.h"

qn_status forest_search_init(const forest_fit *fit, forest_search *search)
{
    const forest_rule *rule = &fit->rule;
    qn_status st = QN_OK;

    *search = (forest_search){.rule = rule, .feature = fit->feature};
    QN_NEW(fit->ctx, search->bins, (int64_t)FOREST_MOST_BINS * rule->n_lanes, "sums of bins");
    QN_NEW(fit->ctx, search->lanes, 4 * (int64_t)rule->n_lanes, "sums of a node");
    QN_NEW(fit->ctx, search->stats, 3 * (int64_t)rule->n_stats, "statistics of a node");
done:
    return st;
}

void forest_search_release(forest_search *search)
{
    qn_free(search->bins);
    qn_free(search->lanes);
    qn_free(search->stats);
    *search = (forest_search){0};
}

static int64_t *left_lanes(const forest_search *search)
{
    return search->lanes + search->rule->n_lanes;
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
    int64_t *right = search->lanes + (int64_t)2 * rule->n_lanes;
    double *left_stats = search->stats + rule->n_stats;
    double *right_stats = left_stats + rule->n_stats;
    int64_t left_rows, right_rows;

    copy_lanes(search, right, search->lanes);
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

/* Adds the missing values' bin to the left and looks again. True: this is better. */
static bool gains_with_missing(const forest_search *search, int32_t missing, forest_split *best)
{
    int64_t *with = search->lanes + (int64_t)3 * search->rule->n_lanes;
    double gain;

    copy_lanes(search, with, left_lanes(search));
    forest_lanes_add(search->rule, with, bin_lanes(search, missing));
    gain = gain_of(search, with);
    if (!(gain > best->gain))
        return false;
    best->gain = gain;
    return true;
}

static void take(forest_split *best, double gain, int32_t feature, int32_t limit)
{
    *best = (forest_split){.gain = gain, .feature = feature, .limit = limit};
}

static void search_continuous(const forest_search *search, int32_t f, forest_split *best)
{
    const forest_feature *feature = &search->feature[f];
    const int32_t n_splits = feature->n_bins - 1 + feature->has_missing;
    int64_t *left = left_lanes(search);

    memset(left, 0, (size_t)search->rule->n_lanes * sizeof *left);
    for (int32_t b = 0; b < n_splits; b++) {
        double gain;

        forest_lanes_add(search->rule, left, bin_lanes(search, b));
        gain = gain_of(search, left);
        if (gain > best->gain)
            take(best, gain, f, b);
        if (feature->has_missing && b < feature->n_bins - 1 &&
            gains_with_missing(search, feature->n_bins, best)) {
            take(best, best->gain, f, -1);
            for (int32_t left_bin = 0; left_bin <= b; left_bin++)
                set_bit(best, left_bin);
            set_bit(best, feature->n_bins);
        }
    }
}

/* Subset s holds category b where s has bit b; the last category is always on the right. */
static void search_unordered(const forest_search *search, int32_t f, forest_split *best)
{
    const forest_feature *feature = &search->feature[f];
    const uint32_t n_subsets = (1U << (feature->n_bins - 1)) + feature->has_missing;
    int64_t *left = left_lanes(search);

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
            take(best, gain, f, -1);
            best->left[0] = subset;
        }
        if (feature->has_missing && !is_all && gains_with_missing(search, feature->n_bins, best)) {
            take(best, best->gain, f, -1);
            best->left[0] = subset;
            set_bit(best, feature->n_bins);
        }
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

static void search_ordered(const forest_search *search, int32_t f, forest_split *best)
{
    const forest_feature *feature = &search->feature[f];
    const int32_t n = forest_all_bins(feature);
    int64_t *left = left_lanes(search);
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
    memset(left, 0, (size_t)search->rule->n_lanes * sizeof *left);
    for (int32_t i = 0; i + 1 < n; i++) {
        double gain;

        forest_lanes_add(search->rule, left, bin_lanes(search, order[i]));
        gain = gain_of(search, left);
        if (gain > best->gain) {
            take(best, gain, f, -1);
            best_length = i + 1;
        }
    }
    for (int32_t i = 0; i < best_length; i++)
        set_bit(best, order[i]);
}

void forest_search_left(const forest_search *search, int32_t n_tried, const int32_t *tried,
                        const void *sums, const forest_split *split, int64_t *left)
{
    const forest_rule *rule = search->rule;
    const size_t bin_bytes = (size_t)rule->n_lanes * rule->lane_bytes;
    const char *at = sums;

    memset(left, 0, (size_t)rule->n_lanes * sizeof *left);
    for (int32_t k = 0; k < n_tried && tried[k] != split->feature; k++)
        at += (size_t)forest_all_bins(&search->feature[tried[k]]) * bin_bytes;
    for (int32_t b = 0; b < forest_all_bins(&search->feature[split->feature]); b++, at += bin_bytes)
        if (forest_goes_left(split, b)) {
            forest_lanes_widen(rule, rule->n_lanes, at, bin_lanes(search, 0));
            forest_lanes_add(rule, left, bin_lanes(search, 0));
        }
}

void forest_search_node(forest_search *search, int32_t n_tried, const int32_t *tried,
                        const void *sums, forest_split *best)
{
    const forest_rule *rule = search->rule;
    const char *at = sums;

    *best = (forest_split){.gain = -DBL_MAX, .feature = -1, .limit = -1};
    for (int32_t k = 0; k < n_tried; k++) {
        const forest_feature *feature = &search->feature[tried[k]];
        const int32_t n_bins = forest_all_bins(feature);

        forest_lanes_widen(rule, (int64_t)n_bins * rule->n_lanes, at, search->bins);
        at += (size_t)n_bins * (size_t)rule->n_lanes * rule->lane_bytes;
        if (k == 0) {
            memset(search->lanes, 0, (size_t)rule->n_lanes * sizeof *search->lanes);
            for (int32_t b = 0; b < n_bins; b++)
                forest_lanes_add(rule, search->lanes, bin_lanes(search, b));
            forest_lanes_stats(rule, search->lanes, search->stats);
            search->impurity = forest_impurity(rule, search->stats);
        }
        if (feature->kind == FOREST_CONTINUOUS)
            search_continuous(search, tried[k], best);
        else if (feature->kind == FOREST_UNORDERED)
            search_unordered(search, tried[k], best);
        else
            search_ordered(search, tried[k], best);
    }
}
