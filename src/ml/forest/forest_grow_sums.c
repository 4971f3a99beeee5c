/* What a node's rows add up to, in whole numbers, and what Spark makes of it. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/math.h"
#include "base/text.h"
#include "ml/forest/forest_grow.h"

/* ---- lanes ---- */

void forest_lanes_widen(const forest_rule *rule, int64_t n, const void *sums, int64_t *lanes)
{
    if (rule->lane_bytes == sizeof(int64_t)) {
        memcpy(lanes, sums, (size_t)n * sizeof *lanes);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        lanes[i] = ((const uint32_t *)sums)[i];
}

static __int128 get_wide(const int64_t *lanes)
{
    return (__int128)(((unsigned __int128)(uint64_t)lanes[1] << 64) | (uint64_t)lanes[0]);
}

static void set_wide(int64_t *lanes, __int128 value)
{
    lanes[0] = (int64_t)(uint64_t)value;
    lanes[1] = (int64_t)(uint64_t)((unsigned __int128)value >> 64);
}

/* Lanes from the first on hold doubles. */
static void add_serial(const forest_rule *rule, int64_t *to, const int64_t *from, double sign)
{
    for (int32_t i = 1; i < rule->n_lanes; i++) {
        double a, b;

        memcpy(&a, to + i, sizeof a);
        memcpy(&b, from + i, sizeof b);
        a += sign * b;
        memcpy(to + i, &a, sizeof a);
    }
}

/* Lanes that are whole numbers of their own. */
static int32_t plain_lanes(const forest_rule *rule)
{
    return rule->sums == FOREST_MOMENTS ? 2 : rule->sums == FOREST_SERIAL ? 1 : rule->n_lanes;
}

void forest_lanes_add(const forest_rule *rule, int64_t *to, const int64_t *from)
{
    const int32_t plain = plain_lanes(rule);

    for (int32_t i = 0; i < plain; i++)
        to[i] += from[i];
    if (rule->sums == FOREST_SERIAL)
        add_serial(rule, to, from, 1);
    for (int32_t i = plain; rule->sums == FOREST_MOMENTS && i < rule->n_lanes; i += 2)
        set_wide(to + i, get_wide(to + i) + get_wide(from + i));
}

void forest_lanes_subtract(const forest_rule *rule, int64_t *to, const int64_t *from)
{
    const int32_t plain = plain_lanes(rule);

    for (int32_t i = 0; i < plain; i++)
        to[i] -= from[i];
    if (rule->sums == FOREST_SERIAL)
        add_serial(rule, to, from, -1);
    for (int32_t i = plain; rule->sums == FOREST_MOMENTS && i < rule->n_lanes; i += 2)
        set_wide(to + i, get_wide(to + i) - get_wide(from + i));
}

void forest_sums_add(const forest_rule *rule, int64_t n_bins, void *to, const void *from)
{
    const int64_t n = n_bins * rule->n_lanes;

    if (rule->lane_bytes == sizeof(uint32_t)) {
        for (int64_t i = 0; i < n; i++)
            ((uint32_t *)to)[i] += ((const uint32_t *)from)[i];
        return;
    }
    for (int64_t i = 0; i < n; i += rule->n_lanes)
        forest_lanes_add(rule, (int64_t *)to + i, (const int64_t *)from + i);
}

/* ---- statistics ---- */

int64_t forest_lanes_stats(const forest_rule *rule, const int64_t *lanes, double *stats)
{
    int64_t n_rows = 0;

    if (rule->sums == FOREST_SERIAL) {
        memcpy(stats, lanes + 1, (size_t)rule->n_stats * sizeof *stats);
        return lanes[0];
    }
    if (rule->sums == FOREST_MOMENTS) {
        stats[0] = (double)lanes[1] * rule->scale[0];
        stats[1] = (double)get_wide(lanes + 2) * rule->scale[1];
        stats[2] = (double)get_wide(lanes + 4) * rule->scale[2];
        return lanes[0];
    }
    for (int32_t c = 0; c < rule->n_stats; c++) {
        stats[c] = (double)lanes[c] * rule->scale[c];
        n_rows += lanes[c];
    }
    return rule->sums == FOREST_WEIGHTS ? lanes[rule->n_stats] : n_rows;
}

double forest_count(const forest_rule *rule, const double *stats)
{
    double count = stats[0];

    for (int32_t c = 1; rule->is_classifier && c < rule->n_stats; c++)
        count += stats[c];
    return count;
}

static double log2_of(double x)
{
    return qn_log(x) / qn_log(2.0);
}

/* In Spark's order of operations: ties between splits end as there. */
double forest_impurity(const forest_rule *rule, const double *stats)
{
    const double count = forest_count(rule, stats);
    double impurity = rule->impurity == QN_IMPURITY_GINI ? 1.0 : 0.0;

    if (count == 0)
        return 0;
    if (rule->impurity == QN_IMPURITY_VARIANCE)
        return (stats[2] - (stats[1] * stats[1]) / count) / count;
    for (int32_t c = 0; c < rule->n_stats; c++) {
        const double share = stats[c] / count;

        if (rule->impurity == QN_IMPURITY_GINI)
            impurity -= share * share;
        else if (stats[c] != 0)
            impurity -= share * log2_of(share);
    }
    return impurity;
}

double forest_predict_stats(const forest_rule *rule, const double *stats)
{
    int32_t best = 0;

    if (!rule->is_classifier)
        return stats[0] == 0 ? 0 : stats[1] / stats[0];
    for (int32_t c = 1; c < rule->n_stats; c++)
        best = stats[c] > stats[best] ? c : best;
    return best;
}

/* ---- the rule ---- */

static int32_t most_bins(const forest_fit *fit)
{
    int32_t most = 0;

    for (int32_t f = 0; f < fit->data->n_features; f++) {
        const int32_t n = forest_all_bins(&fit->feature[f]);

        most = n > most ? n : most;
    }
    return most;
}

static forest_sums sums_for(const forest_fit *fit)
{
    if ((fit->data->has_weight || !fit->labels.is_classifier) && fit->n_rows <= FOREST_SERIAL_ROWS)
        return FOREST_SERIAL;
    if (!fit->labels.is_classifier)
        return FOREST_MOMENTS;
    if (fit->data->has_weight)
        return FOREST_WEIGHTS;
    return most_bins(fit) * fit->labels.n_kept <= FOREST_MOST_BINS ? FOREST_CODES : FOREST_LABELS;
}

/* Features tried at a node, as Spark reads its featureSubsetStrategy; 0: it is none. */
static int32_t features_tried(const char *strategy, const forest_fit *fit)
{
    const double n = fit->data->n_features;
    double value = 0;
    bool is_whole = true;

    if (!strategy || qn_name_equal(strategy, "auto"))
        strategy = fit->params.num_trees == 1  ? "all"
                   : fit->labels.is_classifier ? "sqrt"
                                               : "onethird";
    if (qn_name_equal(strategy, "all"))
        return (int32_t)n;
    if (qn_name_equal(strategy, "sqrt"))
        return (int32_t)ceil(sqrt(n));
    if (qn_name_equal(strategy, "onethird"))
        return (int32_t)ceil(n / 3.0);
    if (qn_name_equal(strategy, "log2")) {
        int32_t bits = 0;

        while (bits < 31 && (INT64_C(1) << bits) < (int64_t)n)
            bits++;
        return bits > 1 ? bits : 1;
    }
    if (!qn_parse_double(strategy, strlen(strategy), &value))
        return 0;
    for (const char *c = strategy; *c; c++)
        is_whole = is_whole && ((*c >= '0' && *c <= '9') || *c == '+');
    if (is_whole && value >= 1)
        return value < n ? (int32_t)value : (int32_t)n;
    return value > 0 && value <= 1 ? (int32_t)ceil(value * n) : 0;
}

static void set_scales(forest_fit *fit)
{
    forest_rule *rule = &fit->rule;
    const forest_labels *labels = &fit->labels;
    const double weight = 1 / labels->weight_scale, target = 1 / labels->target_scale;

    if (rule->sums == FOREST_MOMENTS) {
        rule->scale[0] = weight;
        rule->scale[1] = weight * target;
        rule->scale[2] = weight * target * target;
        return;
    }
    for (int32_t c = 0; c < rule->n_stats; c++)
        rule->scale[c] = weight * (labels->class_weight ? labels->class_weight[c] : 1);
}

/* Weight of all rows; exact but for the weights of classes. */
static double all_weight(const forest_fit *fit)
{
    const forest_labels *labels = &fit->labels;
    double sum = 0;

    if (!labels->class_weight || fit->data->has_weight)
        return fit->data->weight_sum;
    for (int32_t c = 0; c < labels->n_kept; c++)
        sum += (double)labels->count[c] * labels->class_weight[c];
    return sum;
}

qn_status forest_rule_make(forest_fit *fit)
{
    forest_rule *rule = &fit->rule;
    const qn_forest_params *params = &fit->params;
    qn_status st = QN_OK;

    rule->is_classifier = fit->labels.is_classifier;
    rule->is_multiclass = fit->labels.n_classes > 2;
    rule->positive = rule->is_classifier ? fit->labels.class_of[1] : -1;
    rule->impurity = (qn_impurity)params->impurity;
    rule->sums = sums_for(fit);
    rule->n_stats = rule->is_classifier ? fit->labels.n_kept : 3;
    rule->n_lanes = rule->sums == FOREST_MOMENTS ? FOREST_MOMENT_LANES
                                                 : rule->n_stats + (rule->sums == FOREST_WEIGHTS ||
                                                                    rule->sums == FOREST_SERIAL);
    rule->lane_bytes = rule->sums <= FOREST_LABELS ? sizeof(uint32_t) : sizeof(int64_t);
    rule->min_rows = params->min_instances_per_node;
    rule->min_gain = params->min_info_gain;
    rule->min_weight = params->min_weight_fraction_per_node * all_weight(fit);
    rule->n_features = fit->data->n_features;
    rule->n_tried = features_tried(params->feature_subset_strategy, fit);
    if (rule->n_tried < 1)
        return qn_fail(fit->ctx, QN_EINVAL,
                       "--feature-subset-strategy \"%s\" is none of auto, all, sqrt, log2, "
                       "onethird, a number of features from 1, or a share above 0 and up to 1",
                       params->feature_subset_strategy);
    QN_NEW(fit->ctx, rule->scale, rule->n_stats, "statistics");
    set_scales(fit);
done:
    return st;
}
