/* Sums by label in whole numbers. A value x of feature f becomes (x - mean_f) * w * 2^e_f: e_f is
 * as large as leaves one value below 2^50 and the sum over all rows below 2^61, whatever its label.
 */
#include <math.h>
#include <string.h>

#include "ml/kmeans/kmeans_impl.h"

#define VALUE_BITS 50
#define SUM_BITS   61
#define MOST_SHIFT 1000 /* so that no power of two leaves double */

/* The least e with x < 2^e. */
static int bits_of(double x)
{
    int e = 0;

    frexp(x, &e);
    return e;
}

/* For values up to `range` in size and their sums, each times its weight. Of one weight is known
 * that it is no more than all. */
static double scale_of(const qn_matrix *data, double range)
{
    const int of_one =
        VALUE_BITS - bits_of(range) - bits_of(data->has_weight ? data->weight_sum : 0);
    const int of_all = SUM_BITS - bits_of(range) - bits_of((double)data->n_rows);
    const int shift = data->has_weight || of_one < of_all ? of_one : of_all;

    return ldexp(1, shift < MOST_SHIFT ? shift : MOST_SHIFT);
}

/* Farthest that a value of feature f lies from the mean; rows of unit length reach to 1. */
static double range_of(const qn_matrix *data, int32_t measure, int32_t f)
{
    const double range = fmax(data->max[f] - data->mean[f], data->mean[f] - data->min[f]);

    return measure == QN_COSINE ? 1 : range > 0 ? range : 0;
}

static qn_status choose_scales(qn_context *ctx, const qn_matrix *data, int32_t measure,
                               kmeans_totals *totals)
{
    for (int32_t f = 0; f < totals->d; f++) {
        const double range = range_of(data, measure, f);

        if (isinf(range * (data->has_weight ? data->weight_sum : 1)))
            return qn_fail(
                ctx, QN_EDATA,
                "feature %d reaches from %g to %g and weights add up to %g, which is too "
                "much for sums of doubles: divide them by powers of ten",
                f, data->min[f], data->max[f], data->weight_sum);
        totals->origin[f] = totals->mean[f];
        totals->scale[f] = scale_of(data, range);
    }
    totals->scale[totals->d] = data->has_weight ? scale_of(data, 1) : 1;
    return QN_OK;
}

qn_status kmeans_totals_init(qn_context *ctx, const qn_matrix *data, int32_t measure, int32_t k,
                             const double *mean, kmeans_totals *totals)
{
    qn_status st = QN_OK;
    const int64_t stride = qn_total_stride(data->n_features);
    int64_t n_rows = 0;

    *totals = (kmeans_totals){.k = k, .d = data->n_features, .stride = stride, .mean = mean};
    totals->n_threads = qn_context_threads(ctx);
    totals->first_row = data->n_own_cells > 0 ? data->cell[0].first_row : 0;
    for (int64_t c = 0; c < data->n_own_cells; c++)
        n_rows += data->cell[c].n_rows;
    QN_NEW0(ctx, totals->origin, stride, "scales of sums");
    QN_NEW0(ctx, totals->scale, stride, "scales of sums");
    QN_TRY(choose_scales(ctx, data, measure, totals));
    QN_NEW0(ctx, totals->sums, totals->n_threads, "sums of threads");
    for (int32_t t = 0; t < totals->n_threads; t++)
        QN_NEW0(ctx, totals->sums[t], k * stride, "sums of threads");
    QN_NEW(ctx, totals->total, k * stride, "sums of all rows");
    QN_NEW(ctx, totals->before, n_rows, "labels of rows");
    memset(totals->before, -1, (size_t)n_rows * sizeof *totals->before);
done:
    return st;
}

void kmeans_totals_release(kmeans_totals *totals)
{
    for (int32_t t = 0; totals->sums && t < totals->n_threads; t++)
        qn_free(totals->sums[t]);
    qn_free(totals->sums);
    qn_free(totals->origin);
    qn_free(totals->scale);
    qn_free(totals->total);
    qn_free(totals->before);
    *totals = (kmeans_totals){0};
}

void kmeans_totals_move(kmeans_totals *totals, const kmeans_rows *rows)
{
    int32_t *before = totals->before + (rows->first_row - totals->first_row);
    const qn_label_totals to = {totals->d, totals->origin, totals->scale,
                                totals->sums[rows->thread]};

    if (rows->is_double)
        rows->kernels->label_moves_f64(rows->n, rows->x, rows->weight, rows->label, before, &to);
    else
        rows->kernels->label_moves_f32(rows->n, rows->x, rows->weight, rows->label, before, &to);
}

qn_status kmeans_totals_sum(qn_context *ctx, kmeans_totals *totals)
{
    const int64_t n = totals->k * totals->stride;

    for (int64_t i = 0; i < n; i++) {
        uint64_t sum = 0;

        for (int32_t t = 0; t < totals->n_threads; t++)
            sum += totals->sums[t][i];
        totals->total[i] = (int64_t)sum;
    }
    return qn_comm_sum_int64(ctx, totals->total, n);
}

double kmeans_totals_weight(const kmeans_totals *totals, int64_t j)
{
    return (double)totals->total[j * totals->stride + totals->d] / totals->scale[totals->d];
}

double kmeans_totals_value(const kmeans_totals *totals, int64_t j, int64_t f)
{
    return (double)totals->total[j * totals->stride + f] / totals->scale[f];
}
