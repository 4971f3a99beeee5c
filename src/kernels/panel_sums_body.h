/* label_sums for one set and type of value. A panel is turned row by row in registers, then each
 * row is added to the sums of its label: the order of the reference, so the same bits. */
#include <stdbool.h>

#include "kernels/spread.h"

#define SUM_FEATURES 64 /* features that are turned at a time; all but the last run are this long  \
                         */

typedef struct panel_rows {
    _Alignas(64) number whole[SUM_FEATURES / DOUBLES][QN_PANEL * DOUBLES];
    number four[QN_PANEL * 4]; /* where DOUBLES is 8 */
    number rest[QN_PANEL * 4];
} panel_rows;

ALWAYS_INLINE void turn_panel(int32_t n, const number *x, panel_rows *rows)
{
    const int32_t n_whole = n / DOUBLES;

    for (int32_t g = 0; g < n_whole; g++)
        numbers_spread_whole(x + g * DOUBLES * QN_PANEL, rows->whole[g]);
    x += n_whole * DOUBLES * QN_PANEL;
    if (DOUBLES == 8 && n & 4) {
        numbers_spread_four(4, x, rows->four);
        x += 4 * QN_PANEL;
    }
    if ((n & 3) == 1)
        numbers_spread_four(1, x, rows->rest);
    else if ((n & 3) == 2)
        numbers_spread_four(2, x, rows->rest);
    else if ((n & 3) == 3)
        numbers_spread_four(3, x, rows->rest);
}

/* The row in `slot` times `weight` (not used where all are 1) onto sum[n]. */
ALWAYS_INLINE void add_row(const bool is_weighted, int32_t n, const panel_rows *rows, int slot,
                           double weight, double *sum)
{
    const int32_t n_whole = n / DOUBLES;

    for (int32_t g = 0; g < n_whole; g++) {
        doubles row = numbers_load(rows->whole[g] + slot * DOUBLES);

        if (is_weighted)
            row = doubles_mul(doubles_all(weight), row);
        doubles_store(sum, doubles_add(doubles_load(sum), row));
        sum += DOUBLES;
    }
    if (DOUBLES == 8 && n & 4) {
        __m256d row = numbers_four(rows->four + slot * 4);

        if (is_weighted)
            row = _mm256_mul_pd(_mm256_set1_pd(weight), row);
        _mm256_storeu_pd(sum, _mm256_add_pd(_mm256_loadu_pd(sum), row));
        sum += 4;
    }
    if (n & 2) {
        __m128d row = numbers_two(rows->rest + slot * 4);

        if (is_weighted)
            row = _mm_mul_pd(_mm_set1_pd(weight), row);
        _mm_storeu_pd(sum, _mm_add_pd(_mm_loadu_pd(sum), row));
        sum += 2;
    }
    if (n & 1) {
        const double value = (double)rows->rest[slot * 4 + (n & 2)];

        *sum += is_weighted ? weight * value : value;
    }
}

ALWAYS_INLINE void sum_panels(const bool is_weighted, int64_t n_rows, int32_t d, const number *x,
                              const int32_t *label, const double *weight, double *sums,
                              double *weights)
{
    panel_rows rows;

    for (int64_t start = 0; start < n_rows; start += QN_PANEL) {
        const int n = n_rows - start < QN_PANEL ? (int)(n_rows - start) : QN_PANEL;

        for (int32_t f = 0; f < d; f += SUM_FEATURES) {
            const int32_t n_features = d - f < SUM_FEATURES ? d - f : SUM_FEATURES;

            turn_panel(n_features, x + f * QN_PANEL, &rows);
            for (int r = 0; r < n; r++) {
                const int64_t to = label[start + r];

                if (to >= 0)
                    add_row(is_weighted, n_features, &rows, ROW_SLOT(r),
                            is_weighted ? weight[start + r] : 1.0, sums + to * d + f);
            }
        }
        for (int r = 0; r < n; r++) {
            if (label[start + r] >= 0)
                weights[label[start + r]] += is_weighted ? weight[start + r] : 1.0;
        }
        x += (int64_t)d * QN_PANEL;
    }
}

void KERNEL(label_sums)(int64_t n_rows, int32_t d, const number *x, const int32_t *label,
                        const double *weight, double *sums, double *weights)
{
    if (weight)
        sum_panels(true, n_rows, d, x, label, weight, sums, weights);
    else
        sum_panels(false, n_rows, d, x, label, NULL, sums, weights);
}
