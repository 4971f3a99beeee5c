/* The kernels on rows in panels in plain C, for one type of value: they say what is correct. The
 * file that includes this says `number` and names the functions by KERNEL(). */
#include <math.h>
#include <string.h>

/* Feature f of row r is at panel_row(r, d, x)[f * QN_PANEL]. */
static const number *panel_row(int64_t r, int32_t d, const number *x)
{
    return x + r / QN_PANEL * d * QN_PANEL + r % QN_PANEL;
}

static double square_distance(int32_t d, const number *row, const double *centre)
{
    double sum = 0.0;

    for (int64_t f = 0; f < d; f++) {
        const double difference = (double)row[f * QN_PANEL] - centre[f];

        sum += difference * difference;
    }
    return sum;
}

void KERNEL(nearest)(int64_t n_rows, const number *x, const qn_centres *centres, int32_t *label)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const number *row = panel_row(r, centres->d, x);
        double best = HUGE_VAL;

        label[r] = 0;
        for (int32_t j = 0; j < centres->k; j++) {
            const double distance =
                square_distance(centres->d, row, centres->centre + (int64_t)j * centres->d);

            if (distance < best) {
                best = distance;
                label[r] = j;
            }
        }
    }
}

void KERNEL(label_sums)(int64_t n_rows, int32_t d, const number *x, const int32_t *label,
                        const double *weight, double *sums, double *weights)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const number *row = panel_row(r, d, x);
        const double row_weight = weight ? weight[r] : 1.0;

        if (label[r] < 0)
            continue;
        double *sum = sums + (int64_t)label[r] * d;
        for (int64_t f = 0; f < d; f++)
            sum[f] += row_weight * (double)row[f * QN_PANEL];
        weights[label[r]] += row_weight;
    }
}

/* The nearest whole number modulo 2^64, |x| < 2^51: adding 1.5 x 2^52 leaves it in the last bits.
 */
static uint64_t whole_number(double x)
{
    const double base = 0x1.8p52;
    const double sum = x + base;
    uint64_t bits[2];

    memcpy(&bits[0], &sum, sizeof sum);
    memcpy(&bits[1], &base, sizeof base);
    return bits[0] - bits[1];
}

/* Adds (sign 1) or takes away (-1) a row. */
static void count_row(const number *row, double weight, const qn_label_totals *to, int32_t label,
                      uint64_t sign)
{
    uint64_t *sum = to->sums + label * qn_total_stride(to->d);

    for (int64_t f = 0; f < to->d; f++) {
        const double value = ((double)row[f * QN_PANEL] - to->origin[f]) * to->scale[f];

        sum[f] += sign * whole_number(value * weight);
    }
    sum[to->d] += sign * whole_number(to->scale[to->d] * weight);
}

void KERNEL(label_moves)(int64_t n_rows, const number *x, const double *weight,
                         const int32_t *label, int32_t *before, const qn_label_totals *to)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const number *row = panel_row(r, to->d, x);
        const double row_weight = weight ? weight[r] : 1.0;

        if (label[r] == before[r])
            continue;
        count_row(row, row_weight, to, label[r], 1);
        if (before[r] >= 0)
            count_row(row, row_weight, to, before[r], UINT64_MAX);
        before[r] = label[r];
    }
}

void KERNEL(label_distance)(int64_t n_rows, int32_t d, const number *x, const int32_t *label,
                            const double *centre, double *distance)
{
    for (int64_t r = 0; r < n_rows; r++)
        distance[r] =
            square_distance(d, panel_row(r, d, x), centre + (label ? (int64_t)label[r] * d : 0));
}

void KERNEL(products)(int32_t k, int32_t d, const number *x, const double *vector, double *out)
{
    for (int64_t j = 0; j < k; j++) {
        for (int32_t r = 0; r < QN_PANEL; r++) {
            double sum = 0.0;

            for (int64_t f = 0; f < d; f++)
                sum += (double)x[f * QN_PANEL + r] * vector[j * d + f];
            out[j * QN_PANEL + r] = sum;
        }
    }
}
