/* label_moves for one set and type of value. Whole numbers add up to the same in any order, so a
 * panel with many rows to move is turned in registers and all of its rows are moved, those that
 * stay from a label to itself; of one with few, those few are read one value after the other. */
#include <stdbool.h>
#include <string.h>

#include "kernels/spread.h"

#define MOVE_FEATURES 8 /* that are turned at a time: what strides are multiples of */
#define FEW_MOVES     4

/* Features of a panel and behind them what turns into its rows' weights and the padding. */
typedef struct last_features {
    _Alignas(64) number x[MOVE_FEATURES * QN_PANEL];
} last_features;

static void last_features_init(int32_t d, last_features *last)
{
    const int32_t n = d % MOVE_FEATURES;

    memset(last, 0, sizeof *last);
    for (int32_t r = 0; r < QN_PANEL; r++)
        last->x[n * QN_PANEL + r] = 1;
}

/* The labels and weights of a panel to be moved whole. */
typedef struct panel_moves {
    int n_rows;
    const int32_t *label, *before;
    const double *weight;
} panel_moves;

/* MOVE_FEATURES features, from `first` on, of all rows of a panel. */
ALWAYS_INLINE void move_features(const bool is_weighted, const bool is_first, const number *x,
                                 const panel_moves *m, const qn_label_totals *to, int64_t first)
{
    _Alignas(64) number row[MOVE_FEATURES / DOUBLES][QN_PANEL * DOUBLES];
    const int64_t stride = qn_total_stride(to->d);
    const panel_moves moves = *m; /* stores of vectors make the compiler read *m again and again */
    uint64_t *sums = to->sums + first;
    doubles origin[MOVE_FEATURES / DOUBLES];
    doubles scale[MOVE_FEATURES / DOUBLES];

    UNROLL_ALL
    for (int g = 0; g < MOVE_FEATURES / DOUBLES; g++) {
        numbers_spread_whole(x + g * DOUBLES * QN_PANEL, row[g]);
        origin[g] = doubles_load(to->origin + first + g * DOUBLES);
        scale[g] = doubles_load(to->scale + first + g * DOUBLES);
    }
    for (int r = 0; r < moves.n_rows; r++) {
        uint64_t *sum = sums + moves.label[r] * stride;

        UNROLL_ALL
        for (int g = 0; g < MOVE_FEATURES / DOUBLES; g++) {
            const doubles value = numbers_load(row[g] + ROW_SLOT(r) * DOUBLES);
            doubles scaled = doubles_mul(doubles_sub(value, origin[g]), scale[g]);

            if (is_weighted)
                scaled = doubles_mul(scaled, doubles_all(moves.weight[r]));
            const wholes whole = wholes_of(scaled);
            wholes_add(sum + g * DOUBLES, whole);
            if (!is_first && moves.before[r] >= 0)
                wholes_subtract(sums + moves.before[r] * stride + g * DOUBLES, whole);
        }
    }
}

ALWAYS_INLINE void move_panel(const bool is_weighted, const bool is_first, const number *x,
                              const panel_moves *m, const qn_label_totals *to, last_features *last)
{
    const int64_t d = to->d;
    const int64_t whole = d / MOVE_FEATURES * MOVE_FEATURES;

    for (int64_t f = 0; f < whole; f += MOVE_FEATURES)
        move_features(is_weighted, is_first, x + f * QN_PANEL, m, to, f);
    memcpy(last->x, x + whole * QN_PANEL, (size_t)(d - whole) * QN_PANEL * sizeof *x);
    move_features(is_weighted, is_first, last->x, m, to, whole);
}

static __attribute__((noinline)) void move_many(const number *x, const panel_moves *m,
                                                const qn_label_totals *to, last_features *last)
{
    bool is_first = true;

    for (int r = 0; r < m->n_rows; r++)
        is_first = is_first && m->before[r] < 0;
    if (m->weight)
        move_panel(true, false, x, m, to, last);
    else if (is_first)
        move_panel(false, true, x, m, to, last);
    else
        move_panel(false, false, x, m, to, last);
}

static uint64_t whole_number(double x)
{
    const double base = 0x1.8p52;
    const double sum = x + base;
    uint64_t bits[2];

    memcpy(&bits[0], &sum, sizeof sum);
    memcpy(&bits[1], &base, sizeof base);
    return bits[0] - bits[1];
}

/* One row, from the label below 0 that it may have had. */
static __attribute__((noinline)) void move_row(const number *x, double weight, int32_t label,
                                               int32_t before, const qn_label_totals *to)
{
    const int64_t stride = qn_total_stride(to->d);
    const double *origin = to->origin;
    const double *scale = to->scale;
    uint64_t *sum = to->sums + label * stride;
    uint64_t *from = before < 0 ? NULL : to->sums + before * stride;
    const int64_t d = to->d;

    for (int64_t f = 0; f <= d; f++) {
        const double value = f < d ? (double)x[f * QN_PANEL] : 1.0;
        const uint64_t whole = whole_number((value - origin[f]) * scale[f] * weight);

        sum[f] += whole;
        if (from)
            from[f] -= whole;
    }
}

void KERNEL(label_moves)(int64_t n_rows, const number *x, const double *weight,
                         const int32_t *label, int32_t *before, const qn_label_totals *to)
{
    last_features last;

    last_features_init(to->d, &last);
    for (int64_t start = 0; start < n_rows; start += QN_PANEL, x += (int64_t)to->d * QN_PANEL) {
        const int n_here = n_rows - start < QN_PANEL ? (int)(n_rows - start) : QN_PANEL;
        const panel_moves moves = {n_here, label + start, before + start,
                                   weight ? weight + start : NULL};
        unsigned differ = 0;

        if (n_here == QN_PANEL)
            differ = labels_differ(label + start, before + start);
        else
            for (int r = 0; r < n_here; r++)
                differ |= (unsigned)(moves.label[r] != moves.before[r]) << r;
        if (!differ)
            continue;
        if (__builtin_popcount(differ) > FEW_MOVES) {
            move_many(x, &moves, to, &last);
        } else {
            for (unsigned rest = differ; rest; rest &= rest - 1) {
                const int r = __builtin_ctz(rest);

                move_row(x + r, weight ? moves.weight[r] : 1.0, moves.label[r], moves.before[r],
                         to);
            }
        }
        memcpy(before + start, label + start, (size_t)n_here * sizeof *before);
    }
}
