/* label_moves for one set and type of value. A panel with many rows to move is turned in registers;
 * of one with few, those few are read value by value. Whole numbers add up to the same whatever the
 * order. */
#include <stdbool.h>
#include <string.h>

#include "kernels/spread.h"

#define MOVE_FEATURES 8 /* that are turned at a time: what strides are multiples of */
#define FEW_MOVES     3

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

/* Rows of a panel to be moved: bit r of `rows` is set for row r. */
typedef struct panel_moves {
    unsigned rows;
    const int32_t *label, *before;
    const double *weight;
} panel_moves;

/* A run of features of a panel, turned, and where its sums are. */
typedef struct turned_features {
    _Alignas(64) number row[MOVE_FEATURES / DOUBLES][QN_PANEL * DOUBLES];
    doubles origin[MOVE_FEATURES / DOUBLES];
    doubles scale[MOVE_FEATURES / DOUBLES];
    uint64_t *sums;
    int64_t stride;
} turned_features;

ALWAYS_INLINE void move_turned(const bool is_weighted, const bool is_first, int slot, int r,
                               const turned_features *t, const panel_moves *m)
{
    UNROLL_ALL
    for (int g = 0; g < MOVE_FEATURES / DOUBLES; g++) {
        const doubles value = numbers_load(t->row[g] + slot * DOUBLES);
        doubles scaled = doubles_mul(doubles_sub(value, t->origin[g]), t->scale[g]);

        if (is_weighted)
            scaled = doubles_mul(scaled, doubles_all(m->weight[r]));
        const wholes whole = wholes_of(scaled);
        wholes_add(t->sums + m->label[r] * t->stride + g * DOUBLES, whole);
        if (!is_first && m->before[r] >= 0)
            wholes_subtract(t->sums + m->before[r] * t->stride + g * DOUBLES, whole);
    }
}

/* MOVE_FEATURES features, from `first` on, of rows of a panel; is_first: of all of them, which have
 * been nowhere before. */
ALWAYS_INLINE void move_features(const bool is_weighted, const bool is_first, const number *x,
                                 const panel_moves *m, const qn_label_totals *to, int64_t first)
{
    const panel_moves moves = *m; /* stores of vectors make the compiler read *m again and again */
    turned_features t;

    t.sums = to->sums + first;
    t.stride = qn_total_stride(to->d);
    UNROLL_ALL
    for (int g = 0; g < MOVE_FEATURES / DOUBLES; g++) {
        numbers_spread_whole(x + g * DOUBLES * QN_PANEL, t.row[g]);
        t.origin[g] = doubles_load(to->origin + first + g * DOUBLES);
        t.scale[g] = doubles_load(to->scale + first + g * DOUBLES);
    }
    if (is_first) {
        for (int q = 0; q < 4; q++) {
            UNROLL_ALL
            for (int i = 0; i < 4; i++)
                move_turned(is_weighted, true, 4 * i + q, 4 * q + i, &t, &moves);
        }
        return;
    }
    for (unsigned rest = moves.rows; rest; rest &= rest - 1) {
        const int r = __builtin_ctz(rest);

        move_turned(is_weighted, false, ROW_SLOT(r), r, &t, &moves);
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
    bool is_first = m->rows == (1U << QN_PANEL) - 1;

    for (unsigned rest = m->rows; rest; rest &= rest - 1)
        is_first = is_first && m->before[__builtin_ctz(rest)] < 0;
    if (m->weight)
        move_panel(true, false, x, m, to, last);
    else if (is_first)
        move_panel(false, true, x, m, to, last);
    else
        move_panel(false, false, x, m, to, last);
}

/* DOUBLES values from feature f on onto the sums of a label and, unless that is NULL, from those of
 * another. */
ALWAYS_INLINE void move_values(doubles value, int64_t f, double weight, const qn_label_totals *to,
                               uint64_t *sum, uint64_t *from)
{
    const doubles scaled =
        doubles_mul(doubles_sub(value, doubles_load(to->origin + f)), doubles_load(to->scale + f));
    const wholes whole = wholes_of(doubles_mul(scaled, doubles_all(weight)));

    wholes_add(sum + f, whole);
    if (from)
        wholes_subtract(from + f, whole);
}

static __attribute__((noinline)) void move_row(const number *x, double weight, int32_t label,
                                               int32_t before, const qn_label_totals *to)
{
    const int64_t stride = qn_total_stride(to->d);
    const int64_t d = to->d;
    uint64_t *sum = to->sums + label * stride;
    uint64_t *from = before < 0 ? NULL : to->sums + before * stride;
    number last[MOVE_FEATURES] = {0};
    int64_t f = 0;

    for (; f + MOVE_FEATURES <= d; f += MOVE_FEATURES) {
        UNROLL_ALL
        for (int g = 0; g < MOVE_FEATURES; g += DOUBLES)
            move_values(numbers_column(x + (f + g) * QN_PANEL), f + g, weight, to, sum, from);
    }
    for (int64_t i = f; i < d; i++)
        last[i - f] = x[i * QN_PANEL];
    last[d - f] = 1;
    UNROLL_ALL
    for (int g = 0; g < MOVE_FEATURES; g += DOUBLES)
        move_values(numbers_load(last + g), f + g, weight, to, sum, from);
}

/* Rows of a panel, of which there are n, whose labels differ. */
ALWAYS_INLINE unsigned rows_to_move(int n, const int32_t *label, const int32_t *before)
{
    unsigned rows = 0;

    if (n == QN_PANEL)
        return labels_differ(label, before);
    for (int r = 0; r < n; r++)
        rows |= (unsigned)(label[r] != before[r]) << r;
    return rows;
}

void KERNEL(label_moves)(int64_t n_rows, const number *x, const double *weight,
                         const int32_t *label, int32_t *before, const qn_label_totals *to)
{
    last_features last;

    last_features_init(to->d, &last);
    for (int64_t start = 0; start < n_rows; start += QN_PANEL, x += (int64_t)to->d * QN_PANEL) {
        const int n_here = n_rows - start < QN_PANEL ? (int)(n_rows - start) : QN_PANEL;
        const panel_moves moves = {rows_to_move(n_here, label + start, before + start),
                                   label + start, before + start, weight ? weight + start : NULL};

        if (!moves.rows)
            continue;
        if (__builtin_popcount(moves.rows) > FEW_MOVES) {
            move_many(x, &moves, to, &last);
        } else {
            for (unsigned rest = moves.rows; rest; rest &= rest - 1) {
                const int r = __builtin_ctz(rest);

                move_row(x + r, weight ? moves.weight[r] : 1.0, moves.label[r], moves.before[r],
                         to);
            }
        }
        memcpy(before + start, label + start, (size_t)n_here * sizeof *before);
    }
}
