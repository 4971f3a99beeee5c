/* What a judgement says: JSON, metric events. */
#include <inttypes.h>
#include <math.h>

#include "base/context.h"
#include "ml/table_metrics.h"

#define TOLD_POINTS 101 /* of a curve */

static void tell(qn_context *ctx, const char *name, double value, qn_json *j)
{
    qn_json_real(j, name, value);
    if (!isnan(value))
        qn_emit_metric(ctx, name, value, NULL);
}

static void tell_regression(qn_context *ctx, const qn_regression_metrics *m, qn_json *j)
{
    qn_json_int(j, "rows", m->n);
    tell(ctx, "rmse", m->rmse, j);
    tell(ctx, "mse", m->mse, j);
    tell(ctx, "mae", m->mae, j);
    tell(ctx, "r2", m->r2, j);
    tell(ctx, "explained_variance", m->var, j);
}

/* Labels that are there, or were predicted; where classes have gaps, the others say nothing. */
static bool is_present(const qn_class_metrics *m, int32_t c)
{
    return m->rows[c] > 0 || m->predicted[c] > 0;
}

/* A member of each class that is present. */
static void json_classes(const qn_class_metrics *m, const char *key, const double *value,
                         qn_json *j)
{
    qn_json_open(j, key, '[');
    for (int32_t c = 0; c < m->n_classes; c++)
        if (is_present(m, c))
            qn_json_real(j, NULL, value[c]);
    qn_json_close(j, ']');
}

static void json_labels(const qn_judgement *judgement, qn_json *j)
{
    const qn_class_metrics *m = &judgement->classes;

    qn_json_open(j, "class_label", '[');
    for (int32_t c = 0; c < m->n_classes; c++) {
        if (is_present(m, c) && c < judgement->n_classes)
            qn_json_int(j, NULL, c);
        else if (is_present(m, c))
            qn_json_null(j, NULL);
    }
    qn_json_close(j, ']');
    qn_json_open(j, "class_rows", '[');
    for (int32_t c = 0; c < m->n_classes; c++)
        if (is_present(m, c))
            qn_json_int(j, NULL, m->rows[c]);
    qn_json_close(j, ']');
}

static void json_aucs(const qn_judgement *judgement, qn_json *j)
{
    const qn_class_metrics *m = &judgement->classes;

    int32_t curve = 0;

    qn_json_open(j, "class_area_under_roc", '[');
    for (int32_t c = 0; c < m->n_classes; c++) {
        while (curve < judgement->n_curves && judgement->curve_class[curve] < c)
            curve++;
        if (is_present(m, c))
            qn_json_real(j, NULL,
                         curve < judgement->n_curves && judgement->curve_class[curve] == c
                             ? judgement->curve[curve].area_under_roc
                             : NAN);
    }
    qn_json_close(j, ']');
}

/* [label][prediction]; whole numbers where rows have no weights. */
static void json_confusion(const qn_class_metrics *m, qn_json *j)
{
    const bool is_whole = m->weight_sum == (double)m->n;

    qn_json_open(j, "confusion_matrix", '[');
    for (int32_t a = 0; a < m->n_classes; a++) {
        if (!is_present(m, a))
            continue;
        qn_json_open(j, NULL, '[');
        for (int32_t b = 0; b < m->n_classes; b++) {
            const double weight = m->confusion[(int64_t)a * m->n_classes + b];

            if (!is_present(m, b))
                continue;
            if (is_whole && weight == floor(weight))
                qn_json_int(j, NULL, (int64_t)weight);
            else
                qn_json_real(j, NULL, weight);
        }
        qn_json_close(j, ']');
    }
    qn_json_close(j, ']');
}

static void json_points(const char *key, const double *value, int64_t n, qn_json *j)
{
    const int64_t told = n < TOLD_POINTS ? n : TOLD_POINTS;

    qn_json_open(j, key, '[');
    for (int64_t i = 0; i < told; i++)
        qn_json_real(j, NULL, value[told < 2 ? 0 : i * (n - 1) / (told - 1)]);
    qn_json_close(j, ']');
}

static void tell_curve(qn_context *ctx, const qn_binary_metrics *curve, qn_json *j)
{
    tell(ctx, "area_under_roc", curve->area_under_roc, j);
    tell(ctx, "area_under_pr", curve->area_under_pr, j);
    if (curve->roc_error > 0)
        qn_json_real(j, "area_under_roc_error", curve->roc_error);
}

static void json_roc(const qn_binary_metrics *curve, qn_json *j)
{
    qn_json_open(j, "roc", '{');
    json_points("threshold", curve->threshold, curve->n, j);
    json_points("false_positive_rate", curve->false_rate, curve->n, j);
    json_points("true_positive_rate", curve->true_rate, curve->n, j);
    qn_json_close(j, '}');
}

/* Mean over the classes that rows have, as they are. */
static double mean_area(const qn_judgement *judgement)
{
    double sum = 0;
    int32_t n = 0;

    for (int32_t c = 0; c < judgement->n_curves; c++) {
        if (isnan(judgement->curve[c].area_under_roc))
            continue;
        sum += judgement->curve[c].area_under_roc;
        n++;
    }
    return n > 0 ? sum / n : NAN;
}

static void tell_classes(qn_context *ctx, const qn_judgement *judgement, qn_json *j)
{
    const qn_class_metrics *m = &judgement->classes;

    qn_json_int(j, "rows", m->n);
    tell(ctx, "accuracy", m->accuracy, j);
    tell(ctx, "f1", m->weighted_f1, j);
    tell(ctx, "weighted_precision", m->weighted_precision, j);
    tell(ctx, "weighted_recall", m->weighted_recall, j);
    tell(ctx, "macro_f1", m->macro_f1, j);
    tell(ctx, "mean_iou", m->mean_iou, j);
    tell(ctx, "hamming_loss", m->hamming_loss, j);
    tell(ctx, "log_loss", m->log_loss, j);
    if (judgement->n_classes == 2)
        tell_curve(ctx, &judgement->curve[0], j);
    else if (judgement->n_curves > 0)
        tell(ctx, "macro_area_under_roc", mean_area(judgement), j);
    if (judgement->n_unseen > 0)
        qn_json_int(j, "unseen_label_rows", judgement->n_unseen);
    json_labels(judgement, j);
    json_classes(m, "class_precision", m->precision, j);
    json_classes(m, "class_recall", m->recall, j);
    json_classes(m, "class_f1", m->f1, j);
    json_classes(m, "class_iou", m->iou, j);
    if (judgement->n_classes > 2 && judgement->n_curves > 0)
        json_aucs(judgement, j);
    json_confusion(m, j);
    if (judgement->n_classes == 2)
        json_roc(&judgement->curve[0], j);
}

void qn_judgement_tell(qn_context *ctx, const qn_judgement *judgement, qn_json *j)
{
    if (judgement->n_unseen > 0)
        qn_emit_warning(ctx,
                        "%" PRId64 " rows have labels that the model has never seen, the smallest "
                        "is %g: they count as errors, as a class of their own",
                        judgement->n_unseen, judgement->smallest_unseen);
    if (judgement->n_classes > 0)
        tell_classes(ctx, judgement, j);
    else
        tell_regression(ctx, &judgement->regression, j);
}

qn_status qn_table_judge_tell(qn_context *ctx, const qn_table_judge *judge, const qn_matrix *data,
                              qn_json *j)
{
    qn_judgement judgement;
    const qn_status st = qn_table_judge_run(ctx, judge, data, &judgement);

    if (st != QN_OK)
        return st;
    qn_judgement_tell(ctx, &judgement, j);
    qn_judgement_release(&judgement);
    return QN_OK;
}
