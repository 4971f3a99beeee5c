/* nearest for one set and type of value. With y = x - origin and b_j = centre_j - origin,
 *     D(r, j) = |y|^2 + 2 S_j,   S_j = |b_j|^2 / 2 - y . b_j:
 * S_j is found in float for many rows and centres at a time, by fused multiply-adds, and the lowest
 * and the second lowest are kept. Where they lie too near to each other to be sure, the whole
 * panel is settled in double as the reference does it, so labels do not depend on the set.
 *
 * How near is too near. Let u = 2^-24, R >= |s_j| for the rows s_j of `shifted`, t the float row
 * less the origin, Y = |t|. Each s_jf and t_f is a difference rounded once (|s - b| <= u |b|, and
 * likewise t), half_norm h_j is rounded once, and a chain of d fused multiply-adds that starts from
 * h_j errs by at most d u / (1 - d u) times the sum of its terms' sizes, h_j + Y R. So the float
 * S_j errs by no more than (d u) (R^2/2 + Y R)  [chain]  +  u R^2/2  [h]  +  u R^2  [s in |s|^2]  +
 * 2 u Y R  [t, s] and what is of second order: less than E = e (R^2/2 + Y R), e = (d + 8) u / (1 -
 * (d + 8) u). D in double errs by (d + 2) 2^-53 of itself, and D <= (Y + R)^2. If the two lowest
 * scores differ by more than 2 E + (d + 8) 2^-53 (Y + R)^2 the centre of the lowest has the lowest
 * D as the reference rounds it, and no other has the same. 1.125 times that also covers the
 * rounding of the bound itself and of Y. Below the normal numbers errors are absolute, at most
 * 2^-150 an operation: R and Y are raised to 2^-60 or so, whose products with e are more. Lengths
 * up to 2^62 keep every score finite; a row with Y^2 infinite or not a number has a bound that
 * nothing exceeds.
 *
 * A first look takes Y R <= (R^2 + Y^2)/2, which needs no square root. */
#include <math.h>
#include <stdbool.h>

#define SEARCH_VECTORS (SEARCH_PANELS * PANEL_FLOATS)
#define MOST_SHIFTED   256       /* features up to which a step keeps its rows less the origin */
#define MOST_CENTRES   (1 << 24) /* their numbers are floats */
#define MOST_REACH     0x1p62F   /* see above */
#define MOST_ERROR     0.05      /* (d + 8) u */
#define SLACK          1.125
#define MANY_CENTRES   32
#define PANELS_AHEAD   8 /* from the rows in hand to those that are asked for */
#define LEAST_SQUARE   0x1p-120F

typedef struct search {
    const qn_centres *centres;
    float reach;       /* R, raised a little */
    float score_error; /* 2 e */
    float exact_error; /* (d + 8) 2^-53; both times SLACK */
    float always,
        per_square; /* the first look: too near unless further than always + per_square Y^2 */
} search;

/* The two lowest scores of each row so far, and the number of the lowest. */
typedef struct lowest {
    floats best[SEARCH_VECTORS];
    floats second[SEARCH_VECTORS];
    floats index[SEARCH_VECTORS];
    floats number; /* of the next centre */
} lowest;

/* false where floats cannot tell anything. */
static bool search_init(search *s, const qn_centres *centres)
{
    const double error = ((double)centres->d + 8.0) * 0x1p-24;
    const double exact = ((double)centres->d + 8.0) * 0x1p-53 * SLACK;
    const double scores = 2.0 * error / (1.0 - error) * SLACK;
    const double reach = (double)centres->reach + 0x1p-60;

    if (!(centres->reach <= MOST_REACH) || error > MOST_ERROR || centres->k > MOST_CENTRES)
        return false;
    s->centres = centres;
    s->reach = (float)reach;
    s->score_error = (float)scores;
    s->exact_error = (float)exact;
    s->always = (float)((scores + 2.0 * exact) * reach * reach);
    s->per_square = (float)(0.5 * scores + 2.0 * exact);
    return true;
}

/* Value v of the vectors of a step, feature f, less the origin. */
ALWAYS_INLINE floats shifted_value(int v, int64_t f, int64_t d, const number *x,
                                   const float *origin)
{
    const int64_t panel = v / PANEL_FLOATS;

    return numbers_shift(x + (panel * d + f) * QN_PANEL + v % PANEL_FLOATS * FLOATS, origin[f]);
}

/* Squares of the lengths, and the rows themselves where `rows` is not NULL: feature f of vector v
 * at rows + (f * vectors + v) * FLOATS. */
ALWAYS_INLINE void shift_rows(const int vectors, const bool is_kept, const search *s,
                              const number *x, float *rows, floats square[SEARCH_VECTORS])
{
    const int64_t d = s->centres->d;

    UNROLL_ALL
    for (int v = 0; v < vectors; v++)
        square[v] = floats_all(LEAST_SQUARE);
    for (int64_t f = 0; f < d; f++) {
        UNROLL_ALL
        for (int v = 0; v < vectors; v++) {
            const floats value = shifted_value(v, f, d, x, s->centres->origin);

            square[v] = floats_fma(value, value, square[v]);
            if (is_kept)
                floats_store(rows + (f * vectors + v) * FLOATS, value);
        }
    }
}

/* The scores of n centres from number j on, and what they change. The first of a step also ask for
 * rows to come, a feature at a time: asked for at once they would wait for each other. */
ALWAYS_INLINE void score_centres(const int n, const int vectors, const bool is_kept,
                                 const bool is_first, const search *s, int32_t j, const number *x,
                                 const float *rows, lowest *low)
{
    const int64_t values = (int64_t)vectors * FLOATS; /* of a feature */
    const uintptr_t ahead =
        (uintptr_t)x + (uintptr_t)(PANELS_AHEAD * QN_PANEL * (int64_t)sizeof *x * s->centres->d);
    const int64_t d = s->centres->d;
    const float *centre = s->centres->shifted + j * d;
    floats score[SEARCH_CENTRES][SEARCH_VECTORS];
    floats value[SEARCH_VECTORS];

    UNROLL_ALL
    for (int c = 0; c < n; c++) {
        UNROLL_ALL
        for (int v = 0; v < vectors; v++)
            score[c][v] = floats_all(s->centres->half_norm[j + c]);
    }
    for (int64_t f = 0; f < d; f++) {
        if (is_first)
            fetch_now(ahead + (uintptr_t)(f * values) * sizeof *x, values * (int64_t)sizeof *x);
        UNROLL_ALL
        for (int v = 0; v < vectors; v++)
            value[v] = is_kept ? floats_load(rows + (f * vectors + v) * FLOATS)
                               : shifted_value(v, f, d, x, s->centres->origin);
        UNROLL_ALL
        for (int c = 0; c < n; c++) {
            const floats factor = floats_all(centre[c * d + f]);

            UNROLL_ALL
            for (int v = 0; v < vectors; v++)
                score[c][v] = floats_fnma(factor, value[v], score[c][v]);
        }
    }
    UNROLL_ALL
    for (int c = 0; c < n; c++) {
        UNROLL_ALL
        for (int v = 0; v < vectors; v++) {
            const float_mask is_less = floats_less(score[c][v], low->best[v]);

            low->second[v] = floats_min(low->second[v], floats_max(score[c][v], low->best[v]));
            low->index[v] = floats_choose(is_less, low->index[v], low->number);
            low->best[v] = floats_min(low->best[v], score[c][v]);
        }
        low->number = floats_add(low->number, floats_all(1.0F));
    }
}

/* The distances of a panel to n centres in double, and which of them are the nearest so far. */
ALWAYS_INLINE void measure_centres(const int n, int64_t d, const number *x, const double *centre,
                                   double first, doubles best[PANEL_DOUBLES],
                                   doubles index[PANEL_DOUBLES])
{
    doubles sum[EXACT_CENTRES][PANEL_DOUBLES];

    UNROLL_ALL
    for (int c = 0; c < n; c++) {
        UNROLL_ALL
        for (int v = 0; v < PANEL_DOUBLES; v++)
            sum[c][v] = doubles_all(0.0);
    }
    for (int64_t f = 0; f < d; f++) {
        UNROLL_ALL
        for (int c = 0; c < n; c++) {
            const doubles number_c = doubles_all(centre[c * d + f]);

            UNROLL_ALL
            for (int v = 0; v < PANEL_DOUBLES; v++) {
                const doubles difference =
                    doubles_sub(numbers_load(x + f * QN_PANEL + v * DOUBLES), number_c);

                sum[c][v] = doubles_add(sum[c][v], doubles_mul(difference, difference));
            }
        }
    }
    UNROLL_ALL
    for (int c = 0; c < n; c++) {
        UNROLL_ALL
        for (int v = 0; v < PANEL_DOUBLES; v++) {
            const double_mask is_less = doubles_less(sum[c][v], best[v]);

            best[v] = doubles_choose(is_less, best[v], sum[c][v]);
            index[v] = doubles_choose(is_less, index[v], doubles_all(first + c));
        }
    }
}

/* The labels of one panel, as the reference finds them. */
static __attribute__((noinline)) void settle_panel(const qn_centres *centres, const number *x,
                                                   int32_t *label)
{
    const int64_t d = centres->d;
    doubles best[PANEL_DOUBLES];
    doubles index[PANEL_DOUBLES];
    int32_t j = 0;

    UNROLL_ALL
    for (int v = 0; v < PANEL_DOUBLES; v++) {
        best[v] = doubles_all(HUGE_VAL);
        index[v] = doubles_all(0.0);
    }
    for (; j + EXACT_CENTRES <= centres->k; j += EXACT_CENTRES)
        measure_centres(EXACT_CENTRES, d, x, centres->centre + j * d, j, best, index);
    for (; j < centres->k; j++)
        measure_centres(1, d, x, centres->centre + j * d, j, best, index);
    UNROLL_ALL
    for (int v = 0; v < PANEL_DOUBLES; v++)
        doubles_store_whole(label + v * DOUBLES, index[v]);
}

/* Bit i is set where the two lowest scores of lane i differ by too little for its length. */
ALWAYS_INLINE unsigned unsure_lanes(const search *s, floats gap, floats square)
{
    const floats reach = floats_all(s->reach);
    const floats length = floats_sqrt(square);
    const floats both = floats_add(reach, length);
    const floats terms = floats_mul(reach, floats_fma(reach, floats_all(0.5F), length));
    const floats bound = floats_fma(terms, floats_all(s->score_error),
                                    floats_mul(floats_mul(both, both), floats_all(s->exact_error)));

    return floats_not_more(gap, bound);
}

/* Writes the labels of `panels` panels, and settles those that are not sure. */
ALWAYS_INLINE void finish_labels(const int panels, const search *s, const number *x,
                                 const floats square[SEARCH_VECTORS], const lowest *low,
                                 int32_t *label)
{
    UNROLL_ALL
    for (int p = 0; p < panels; p++) {
        unsigned unsure = 0;

        UNROLL_ALL
        for (int v = p * PANEL_FLOATS; v < (p + 1) * PANEL_FLOATS; v++) {
            const floats gap = floats_sub(low->second[v], low->best[v]);
            const floats bound =
                floats_fma(square[v], floats_all(s->per_square), floats_all(s->always));

            floats_store_whole(label + v * FLOATS, low->index[v]);
            if (floats_not_more(gap, bound))
                unsure |= unsure_lanes(s, gap, square[v]);
        }
        if (unsure)
            settle_panel(s->centres, x + (int64_t)s->centres->d * QN_PANEL * p,
                         label + p * QN_PANEL);
    }
}

/* The labels of `panels` panels; constants where this is called. */
ALWAYS_INLINE void search_panels(const int panels, const bool is_kept, const search *s,
                                 const number *x, float *rows, int32_t *label)
{
    const int vectors = panels * PANEL_FLOATS;
    const int32_t k = s->centres->k;
    const int64_t panel_bytes = QN_PANEL * (int64_t)sizeof(number) * s->centres->d;
    floats square[SEARCH_VECTORS];
    lowest low;
    int32_t j = 0;

    UNROLL_ALL
    for (int v = 0; v < vectors; v++) {
        low.best[v] = low.second[v] = floats_all(HUGE_VALF);
        low.index[v] = floats_all(0.0F);
    }
    low.number = floats_all(0.0F);
    shift_rows(vectors, is_kept, s, x, rows, square);
    /* With many centres there is time enough for all to arrive, and the code is shorter. */
    if (k >= SEARCH_CENTRES && k < MANY_CENTRES) {
        score_centres(SEARCH_CENTRES, vectors, is_kept, true, s, j, x, rows, &low);
        j += SEARCH_CENTRES;
    } else {
        fetch_now((uintptr_t)x + (uintptr_t)(PANELS_AHEAD * panel_bytes), panels * panel_bytes);
    }
    for (; j + SEARCH_CENTRES <= k; j += SEARCH_CENTRES)
        score_centres(SEARCH_CENTRES, vectors, is_kept, false, s, j, x, rows, &low);
    if (SEARCH_CENTRES > 4 && k - j >= 4) {
        score_centres(4, vectors, is_kept, false, s, j, x, rows, &low);
        j += 4;
    }
    if (k - j >= 2) {
        score_centres(2, vectors, is_kept, false, s, j, x, rows, &low);
        j += 2;
    }
    if (k - j >= 1)
        score_centres(1, vectors, is_kept, false, s, j, x, rows, &low);
    finish_labels(panels, s, x, square, &low, label);
}

static void search_kept(const search *s, int64_t n_panels, const number *x, int32_t *label)
{
    _Alignas(64) float rows[MOST_SHIFTED * SEARCH_VECTORS * FLOATS];
    const int64_t panel = (int64_t)s->centres->d * QN_PANEL;
    int64_t p = 0;

    for (; p + SEARCH_PANELS <= n_panels; p += SEARCH_PANELS)
        search_panels(SEARCH_PANELS, true, s, x + p * panel, rows, label + p * QN_PANEL);
    if (SEARCH_PANELS > 1 && p < n_panels)
        search_panels(1, true, s, x + p * panel, rows, label + p * QN_PANEL);
}

static void search_unkept(const search *s, int64_t n_panels, const number *x, int32_t *label)
{
    const int64_t panel = (int64_t)s->centres->d * QN_PANEL;
    int64_t p = 0;

    for (; p + SEARCH_PANELS <= n_panels; p += SEARCH_PANELS)
        search_panels(SEARCH_PANELS, false, s, x + p * panel, NULL, label + p * QN_PANEL);
    if (SEARCH_PANELS > 1 && p < n_panels)
        search_panels(1, false, s, x + p * panel, NULL, label + p * QN_PANEL);
}

void KERNEL(nearest)(int64_t n_rows, const number *x, const qn_centres *centres, int32_t *label)
{
    const int64_t n_panels = (n_rows + QN_PANEL - 1) / QN_PANEL;
    const int64_t panel = (int64_t)centres->d * QN_PANEL;
    search s;

    if (!search_init(&s, centres)) {
        for (int64_t p = 0; p < n_panels; p++)
            settle_panel(centres, x + p * panel, label + p * QN_PANEL);
    } else if (centres->d <= MOST_SHIFTED) {
        search_kept(&s, n_panels, x, label);
    } else {
        search_unkept(&s, n_panels, x, label);
    }
}
