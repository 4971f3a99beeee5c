/* label_sums for one set and type of value. A panel is turned row by row in registers, then each
 * row is added to the sums of its label: the order of the reference, so the same bits. */
#include <stdbool.h>

#include "kernels/spread.h"

/* Features that are turned at a time; all but the last run have so many. */
#define SUM_GROUPS   4
#define SUM_FEATURES (SUM_GROUPS * DOUBLES)

typedef struct panel_rows {
    _Alignas(64) number whole[SUM_GROUPS][QN_PANEL * DOUBLES];
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

/* The row in `slot` times `weight` (not used where all are 1) onto sum[n]; n_whole is n / DOUBLES
 * and a constant where this is called. */
ALWAYS_INLINE void add_row(const int n_whole, const bool is_weighted, int32_t n,
                           const panel_rows *rows, int slot, double weight, double *sum)
{
    UNROLL_ALL
    for (int g = 0; g < n_whole; g++) {
        doubles row = numbers_load(rows->whole[g] + slot * DOUBLES);

        if (is_weighted)
            row = doubles_mul(doubles_all(weight), row);
        doubles_store(sum + g * DOUBLES, doubles_add(doubles_load(sum + g * DOUBLES), row));
    }
    sum += n_whole * DOUBLES;
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

/* Where the rows of one panel go. */
typedef struct sum_target {
    int n_rows;
    int32_t d;
    const int32_t *label;
    const double *weight;
    double *sums;    /* of the first of these features */
    double *weights; /* NULL but for the first features of a panel */
} sum_target;

/* n features of a panel, turned, onto the sums of its labels. */
ALWAYS_INLINE void add_rows(const int n_whole, const bool is_weighted, int32_t n,
                            const panel_rows *rows, const sum_target *t)
{
    const sum_target to = *t; /* stores of vectors make the compiler read *t again and again */

    for (int r = 0; r < to.n_rows; r++) {
        const int64_t j = to.label[r];
        const double weight = is_weighted ? to.weight[r] : 1.0;

        if (j < 0)
            continue;
        add_row(n_whole, is_weighted, n, rows, ROW_SLOT(r), weight, to.sums + j * to.d);
        if (to.weights)
            to.weights[j] += weight;
    }
}

#define ADD_ROWS(n_whole)                                                                          \
    static void add_rows_##n_whole(int32_t n, const panel_rows *rows, const sum_target *t)         \
    {                                                                                              \
        if (t->weight)                                                                             \
            add_rows(n_whole, true, n, rows, t);                                                   \
        else                                                                                       \
            add_rows(n_whole, false, n, rows, t);                                                  \
    }
ADD_ROWS(0)
ADD_ROWS(1)
ADD_ROWS(2)
ADD_ROWS(3)
ADD_ROWS(4)
typedef void add_function(int32_t n, const panel_rows *rows, const sum_target *t);
static add_function *const adders[SUM_GROUPS + 1] = {add_rows_0, add_rows_1, add_rows_2, add_rows_3,
                                                     add_rows_4};

/* The same for a whole panel of weights 1 and no label below 0, without a branch: n_whole groups of
 * DOUBLES features, and then n_rest < DOUBLES more; constants where these are called. The sums are
 * those of the first feature of each. */
ALWAYS_INLINE void add_whole(const int n_whole, const panel_rows *rows, const int32_t *label,
                             int64_t d, double *sums)
{
    for (int q = 0; q < 4; q++) {
        UNROLL_ALL
        for (int i = 0; i < 4; i++) {
            double *sum = sums + label[4 * q + i] * d;

            UNROLL_ALL
            for (int g = 0; g < n_whole; g++) {
                const doubles row = numbers_load(rows->whole[g] + (4 * i + q) * DOUBLES);

                doubles_store(sum + g * DOUBLES, doubles_add(doubles_load(sum + g * DOUBLES), row));
            }
        }
    }
}

ALWAYS_INLINE void add_rest(const int n_rest, const panel_rows *rows, const int32_t *label,
                            int64_t d, double *sums)
{
    for (int q = 0; q < 4; q++) {
        UNROLL_ALL
        for (int i = 0; i < 4; i++)
            add_row(0, false, n_rest, rows, 4 * i + q, 1.0, sums + label[4 * q + i] * d);
    }
}

#define ADD_WHOLE(n)                                                                               \
    case n:                                                                                        \
        add_whole(n, rows, label, d, sums);                                                        \
        break
#define ADD_REST(n)                                                                                \
    case n:                                                                                        \
        add_rest(n, rows, label, d, sums);                                                         \
        break

static void add_panel(int32_t n, const panel_rows *rows, const int32_t *label, int64_t d,
                      double *sums)
{
    switch (n / DOUBLES) {
        ADD_WHOLE(1);
        ADD_WHOLE(2);
        ADD_WHOLE(3);
        ADD_WHOLE(4);
    default:
        break;
    }
    sums += n / DOUBLES * DOUBLES;
    switch (n % DOUBLES) {
        ADD_REST(1);
        ADD_REST(2);
        ADD_REST(3);
        ADD_REST(4);
        ADD_REST(5);
        ADD_REST(6);
        ADD_REST(7);
    default:
        break;
    }
}

/* A whole panel without weights. */
static inline void count_panel(const int32_t *to, double *weights)
{
    UNROLL_ALL
    for (int r = 0; r < QN_PANEL; r++)
        weights[to[r]] += 1.0;
}

void KERNEL(label_sums)(int64_t n_rows, int32_t d, const number *x, const int32_t *label,
                        const double *weight, double *sums, double *weights)
{
    const int64_t panel_bytes = QN_PANEL * (int64_t)sizeof(number) * d;
    panel_rows rows;

    for (int64_t start = 0; start < n_rows; start += QN_PANEL, x += (int64_t)d * QN_PANEL) {
        const int n_here = n_rows - start < QN_PANEL ? (int)(n_rows - start) : QN_PANEL;
        const int32_t *to = label + start;
        const bool is_plain = !weight && n_here == QN_PANEL && labels_are_positive(to);
        sum_target t = {n_here, d, to, weight ? weight + start : NULL, sums, weights};

        /* The next chunk of a caller who works through a table. */
        fetch_later((uintptr_t)x + (uintptr_t)(n_rows / QN_PANEL * panel_bytes), panel_bytes);
        for (int32_t f = 0; f < d; f += SUM_FEATURES) {
            const int32_t n = d - f < SUM_FEATURES ? d - f : SUM_FEATURES;

            turn_panel(n, x + (int64_t)f * QN_PANEL, &rows);
            if (is_plain)
                add_panel(n, &rows, to, d, sums + f);
            else
                adders[n / DOUBLES](n, &rows, &t);
            t.sums += n;
            t.weights = NULL;
        }
        if (is_plain)
            count_panel(to, weights);
    }
}
