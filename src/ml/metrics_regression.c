/* Spark's regression metrics (ml.evaluation.RegressionEvaluator). Sums run in the order of the
 * rows. */
#include <math.h>

#include "quern/metrics.h"

typedef struct regression_sums {
    double weight, weight_squared;
    double label;            /* sum of w y */
    double error_squared;    /* sum of w (y - p)^2 */
    double error_absolute;   /* sum of w |y - p| */
    double label_squared;    /* sum of w y^2 */
    double label_spread;     /* sum of w (y - mean)^2 */
    double explained_spread; /* sum of w (p - mean)^2 */
} regression_sums;

static double weight_of(const double *weight, int64_t i)
{
    return weight ? weight[i] : 1.0;
}

static void sum_errors(int64_t n, const double *label, const double *prediction,
                       const double *weight, regression_sums *s)
{
    for (int64_t i = 0; i < n; i++) {
        const double w = weight_of(weight, i);
        const double error = label[i] - prediction[i];

        s->weight += w;
        s->weight_squared += w * w;
        s->label += w * label[i];
        s->label_squared += w * label[i] * label[i];
        s->error_squared += w * error * error;
        s->error_absolute += w * fabs(error);
    }
}

/* A second pass around the mean: no cancellation. */
static void sum_spreads(int64_t n, const double *label, const double *prediction,
                        const double *weight, regression_sums *s)
{
    const double mean = s->label / s->weight;

    for (int64_t i = 0; i < n; i++) {
        const double w = weight_of(weight, i);

        s->label_spread += w * (label[i] - mean) * (label[i] - mean);
        s->explained_spread += w * (prediction[i] - mean) * (prediction[i] - mean);
    }
}

/* Spark's total sum of squares: the unbiased weighted variance times (W - 1). With equal weights of
 * 1 that is the spread itself. */
static double total_squares(const regression_sums *s)
{
    const double freedom = s->weight - s->weight_squared / s->weight;

    return s->label_spread / freedom * (s->weight - 1.0);
}

void qn_regression_evaluate(int64_t n, const double *label, const double *prediction,
                            const double *weight, bool through_origin, qn_regression_metrics *out)
{
    regression_sums s = {0};

    sum_errors(n, label, prediction, weight, &s);
    sum_spreads(n, label, prediction, weight, &s);
    *out = (qn_regression_metrics){.n = n, .weight_sum = s.weight};
    out->mse = s.error_squared / s.weight;
    out->rmse = sqrt(out->mse);
    out->mae = s.error_absolute / s.weight;
    out->var = s.explained_spread / s.weight;
    out->r2 = 1.0 - s.error_squared / (through_origin ? s.label_squared : total_squares(&s));
    if (isnan(s.error_squared))
        out->mse = out->rmse = out->mae = out->var = out->r2 = NAN;
}
