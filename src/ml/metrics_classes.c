/* Spark's metrics of classes (mllib.evaluation.MulticlassMetrics), and those of segmentation. */
#include <inttypes.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/math.h"
#include "ml/metrics_classes.h"

#define LEAST_PROBABILITY 1e-15

double qn_class_loss(double probability)
{
    const double p = fmax(probability, LEAST_PROBABILITY); /* of NaN: the least */

    return -qn_log(fmin(p, 1 - LEAST_PROBABILITY));
}

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* Precision, recall and so on of class c. */
static void judge_class(const qn_class_sums *sums, int32_t c, double total, qn_class_metrics *out)
{
    const int64_t k = sums->n_classes;
    int64_t label = 0, predicted = 0;
    double right;

    for (int64_t j = 0; j < k; j++) {
        label += sums->confusion[c * k + j];
        predicted += sums->confusion[j * k + c];
        out->confusion[c * k + j] = qn_units_weight(sums->confusion[c * k + j], sums->shift);
    }
    right = out->confusion[c * k + c];
    out->label[c] = qn_units_weight(label, sums->shift);
    out->predicted[c] = qn_units_weight(predicted, sums->shift);
    out->precision[c] = share(right, out->predicted[c]);
    out->recall[c] = share(right, out->label[c]);
    out->false_rate[c] = share(out->predicted[c] - right, total - out->label[c]);
    out->f1[c] = share(2 * out->precision[c] * out->recall[c], out->precision[c] + out->recall[c]);
    out->iou[c] = share(right, out->label[c] + out->predicted[c] - right);
    out->rows[c] = sums->rows[c];
    out->n += sums->rows[c];
}

/* Means over the classes. */
static void judge_all(qn_class_metrics *out)
{
    double right = 0;

    for (int64_t c = 0; c < out->n_classes; c++) {
        const double part = out->label[c] / out->weight_sum;

        right += out->confusion[c * out->n_classes + c];
        out->weighted_precision += part * out->precision[c];
        out->weighted_recall += part * out->recall[c];
        out->weighted_f1 += part * out->f1[c];
        out->weighted_fpr += part * out->false_rate[c];
        if (out->rows[c] == 0 && !(out->predicted[c] > 0))
            continue;
        out->n_present++;
        out->macro_f1 += out->f1[c];
        out->mean_iou += out->iou[c];
    }
    out->accuracy = right / out->weight_sum;
    out->hamming_loss = (out->weight_sum - right) / out->weight_sum;
    out->macro_f1 /= out->n_present;
    out->mean_iou /= out->n_present;
}

qn_status qn_class_metrics_make(qn_context *ctx, const qn_class_sums *sums, qn_class_metrics *out)
{
    const int64_t k = sums->n_classes;
    int64_t total = 0;
    qn_status st = QN_OK;

    *out = (qn_class_metrics){.n_classes = sums->n_classes};
    QN_NEW0(ctx, out->rows, k, "metrics of classes");
    QN_NEW0(ctx, out->confusion, k * k, "a confusion matrix");
    QN_NEW0(ctx, out->label, 7 * k, "metrics of classes");
    out->predicted = out->label + k;
    out->precision = out->predicted + k;
    out->recall = out->precision + k;
    out->false_rate = out->recall + k;
    out->f1 = out->false_rate + k;
    out->iou = out->f1 + k;
    for (int64_t i = 0; i < k * k; i++)
        total += sums->confusion[i];
    out->weight_sum = qn_units_weight(total, sums->shift);
    out->log_loss = sums->loss / out->weight_sum;
    for (int32_t c = 0; c < k; c++)
        judge_class(sums, c, out->weight_sum, out);
    judge_all(out);
done:
    if (st != QN_OK)
        qn_class_metrics_release(out);
    return st;
}

void qn_class_metrics_release(qn_class_metrics *metrics)
{
    qn_free(metrics->rows);
    qn_free(metrics->confusion);
    qn_free(metrics->label);
    *metrics = (qn_class_metrics){0};
}

/* The class that a number says; -1: none. */
static int32_t class_of(double value, int32_t n_classes)
{
    return value >= 0 && value < n_classes && value == floor(value) ? (int32_t)value : -1;
}

static qn_status fail_class(qn_context *ctx, const char *what, int64_t row, double value,
                            int32_t n_classes)
{
    return qn_fail(ctx, QN_EDATA, "row %" PRId64 ": the %s %g is no class from 0 to %d", row, what,
                   value, n_classes - 1);
}

static qn_status sum_rows(qn_context *ctx, const qn_class_rows *rows, qn_class_sums *sums,
                          int64_t *confusion, int64_t *count)
{
    const int64_t k = rows->n_classes;

    for (int64_t i = 0; i < rows->n; i++) {
        const int32_t label = class_of(rows->label[i], rows->n_classes);
        const int32_t predicted = class_of(rows->prediction[i], rows->n_classes);

        if (label < 0)
            return fail_class(ctx, "label", i, rows->label[i], rows->n_classes);
        if (predicted < 0)
            return fail_class(ctx, "prediction", i, rows->prediction[i], rows->n_classes);
        confusion[label * k + predicted] += qn_units(rows->weight, i, sums->shift);
        count[label]++;
        if (rows->probability)
            sums->loss += (rows->weight ? rows->weight[i] : 1) *
                          qn_class_loss(rows->probability[i * k + label]);
    }
    return QN_OK;
}

qn_status qn_classes_evaluate(qn_context *ctx, const qn_class_rows *rows, qn_class_metrics *out)
{
    const int64_t k = rows->n_classes;
    int64_t *confusion = NULL, *count = NULL;
    qn_class_sums sums = {.n_classes = rows->n_classes, .loss = rows->probability ? 0 : NAN};
    double weight_sum = 0;
    qn_status st = QN_OK;

    *out = (qn_class_metrics){0};
    for (int64_t i = 0; rows->weight && i < rows->n; i++)
        weight_sum += rows->weight[i];
    if (rows->weight)
        sums.shift = qn_unit_shift(weight_sum);
    QN_NEW0(ctx, confusion, k * k, "a confusion matrix");
    QN_NEW0(ctx, count, k, "rows of classes");
    QN_TRY(sum_rows(ctx, rows, &sums, confusion, count));
    sums.confusion = confusion;
    sums.rows = count;
    QN_TRY(qn_class_metrics_make(ctx, &sums, out));
done:
    qn_free(confusion);
    qn_free(count);
    return st;
}
