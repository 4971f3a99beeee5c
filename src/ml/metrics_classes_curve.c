/* Curves over thresholds and the areas below them (Spark's BinaryClassificationMetrics). */
#include <inttypes.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/context.h"
#include "ml/metrics_classes.h"

static int by_falling_score(const void *a, const void *b)
{
    const double x = ((const qn_score_count *)a)->score;
    const double y = ((const qn_score_count *)b)->score;

    return (x < y) - (x > y);
}

void qn_scores_sort(qn_score_count *list, int64_t *n)
{
    int64_t kept = 0;

    qsort(list, (size_t)*n, sizeof *list, by_falling_score);
    for (int64_t i = 0; i < *n; i++) {
        if (kept > 0 && list[kept - 1].score == list[i].score) {
            list[kept - 1].units[0] += list[i].units[0];
            list[kept - 1].units[1] += list[i].units[1];
        } else {
            list[kept++] = list[i];
        }
    }
    *n = kept;
}

/* Units of all scores. */
static void sum_units(const qn_score_count *list, int64_t n, int64_t total[2])
{
    total[0] = total[1] = 0;
    for (int64_t i = 0; i < n; i++) {
        total[0] += list[i].units[0];
        total[1] += list[i].units[1];
    }
}

/* One point of the curve: after `units` of negatives and of positives of `total`. */
typedef struct curve_point {
    double false_rate, true_rate, precision;
} curve_point;

static curve_point point_at(const int64_t units[2], const int64_t total[2])
{
    const double false_units = (double)units[0], true_units = (double)units[1];

    return (curve_point){
        .false_rate = total[0] > 0 ? false_units / (double)total[0] : 0,
        .true_rate = total[1] > 0 ? true_units / (double)total[1] : 0,
        .precision = units[0] + units[1] > 0 ? true_units / (false_units + true_units) : 1,
    };
}

void qn_scores_areas(const qn_score_count *list, int64_t n, int32_t shift, qn_binary_metrics *out)
{
    int64_t total[2], units[2] = {0, 0};
    curve_point before = {0, 0, 0};

    sum_units(list, n, total);
    out->negatives = qn_units_weight(total[0], shift);
    out->positives = qn_units_weight(total[1], shift);
    out->n_scores = n;
    out->area_under_roc = total[0] > 0 && total[1] > 0 ? 0 : NAN;
    out->area_under_pr = total[1] > 0 ? 0 : NAN;
    out->roc_error = 0;
    for (int64_t i = 0; i < n; i++) {
        curve_point p;

        units[0] += list[i].units[0];
        units[1] += list[i].units[1];
        p = point_at(units, total);
        if (i == 0)
            before.precision = p.precision;
        out->area_under_roc +=
            (p.false_rate - before.false_rate) * (p.true_rate + before.true_rate) / 2;
        out->area_under_pr +=
            (p.true_rate - before.true_rate) * (p.precision + before.precision) / 2;
        /* Pairs of one bin count half, whichever of the two is higher. */
        out->roc_error += (p.false_rate - before.false_rate) * (p.true_rate - before.true_rate) / 2;
        before = p;
    }
}

/* Runs of scores become one, known by the lowest. */
static int64_t group(qn_score_count *list, int64_t n, int64_t points)
{
    const int64_t size = points > 0 ? n / points : 1;
    int64_t kept = 0;

    if (size < 2)
        return n;
    for (int64_t i = 0; i < n; i += size, kept++) {
        qn_score_count run = {0};

        for (int64_t j = i; j < n && j < i + size; j++) {
            run.score = list[j].score;
            run.units[0] += list[j].units[0];
            run.units[1] += list[j].units[1];
        }
        list[kept] = run;
    }
    return kept;
}

qn_status qn_scores_curve(qn_context *ctx, qn_score_count *list, int64_t n, int32_t shift,
                          int64_t points, qn_binary_metrics *out)
{
    int64_t total[2], units[2] = {0, 0};
    qn_status st = QN_OK;

    *out = (qn_binary_metrics){0};
    sum_units(list, n, total);
    const int64_t n_scores = n;
    n = group(list, n, points);
    QN_NEW(ctx, out->threshold, 4 * n, "a curve");
    qn_scores_areas(list, n, shift, out);
    out->roc_error = 0;
    out->n_scores = n_scores;
    out->n = n;
    out->true_rate = out->threshold + n;
    out->false_rate = out->true_rate + n;
    out->precision = out->false_rate + n;
    for (int64_t i = 0; i < n; i++) {
        curve_point p;

        units[0] += list[i].units[0];
        units[1] += list[i].units[1];
        p = point_at(units, total);
        out->threshold[i] = list[i].score;
        out->true_rate[i] = p.true_rate;
        out->false_rate[i] = p.false_rate;
        out->precision[i] = p.precision;
    }
done:
    return st;
}

qn_status qn_binary_evaluate(qn_context *ctx, const qn_scored_rows *rows, int64_t num_bins,
                             qn_binary_metrics *out)
{
    qn_score_count *list = NULL;
    double weight_sum = 0;
    int64_t n = rows->n;
    int32_t shift = 0;
    qn_status st = QN_OK;

    *out = (qn_binary_metrics){0};
    for (int64_t i = 0; rows->weight && i < n; i++)
        weight_sum += rows->weight[i];
    if (rows->weight)
        shift = qn_unit_shift(weight_sum);
    QN_NEW(ctx, list, n, "scores to sort");
    for (int64_t i = 0; i < n; i++) {
        const bool is_positive = rows->label[i] > 0.5;

        if (isnan(rows->score[i])) {
            st = qn_fail(ctx, QN_EDATA, "row %" PRId64 ": the score is not a number", i);
            goto done;
        }
        list[i] = (qn_score_count){.score = rows->score[i]};
        list[i].units[is_positive] = qn_units(rows->weight, i, shift);
    }
    qn_scores_sort(list, &n);
    QN_TRY(qn_scores_curve(ctx, list, n, shift, num_bins, out));
done:
    qn_free(list);
    return st;
}

void qn_binary_metrics_release(qn_binary_metrics *metrics)
{
    qn_free(metrics->threshold);
    *metrics = (qn_binary_metrics){0};
}
