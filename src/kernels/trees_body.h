/* Kernels on the rows of trees in plain C, compiled once a set: loops over lanes that the compiler
 * turns into the set's vectors. SET(name) makes a name of the set; before it, a set may define
 * HAS_COMPRESS with its own row_entries and code_split. */
#include "kernels/inline.h"
#include "kernels/sets.h"

#define LANES 16

/* Philox 4x32-10 (Salmon, Moraes, Dror, Shaw 2011): multipliers, and what is added to the key. */
#define PHILOX_M0 0xD2511F53U
#define PHILOX_M1 0xCD9E8D57U
#define PHILOX_W0 0x9E3779B9U
#define PHILOX_W1 0xBB67AE85U

typedef struct draw_lanes {
    uint32_t word[4][LANES];
} draw_lanes;

ALWAYS_INLINE void draw_round(draw_lanes *c, uint32_t k0, uint32_t k1)
{
    for (int i = 0; i < LANES; i++) {
        const uint64_t p0 = (uint64_t)c->word[0][i] * PHILOX_M0;
        const uint64_t p1 = (uint64_t)c->word[2][i] * PHILOX_M1;

        c->word[0][i] = (uint32_t)(p1 >> 32) ^ c->word[1][i] ^ k0;
        c->word[1][i] = (uint32_t)p1;
        c->word[2][i] = (uint32_t)(p0 >> 32) ^ c->word[3][i] ^ k1;
        c->word[3][i] = (uint32_t)p0;
    }
}

void SET(qn_row_draws)(uint64_t key, uint64_t a, uint64_t b, int64_t n, uint32_t *out)
{
    for (int64_t first = 0; first < n; first += LANES) {
        const int64_t left = n - first < LANES ? n - first : LANES;
        uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
        draw_lanes c;

        for (int i = 0; i < LANES; i++) {
            const uint64_t row = b + (uint64_t)(first + i);

            c.word[0][i] = (uint32_t)a;
            c.word[1][i] = (uint32_t)(a >> 32);
            c.word[2][i] = (uint32_t)row;
            c.word[3][i] = (uint32_t)(row >> 32);
        }
        for (int round = 0; round < 10; round++, k0 += PHILOX_W0, k1 += PHILOX_W1)
            draw_round(&c, k0, k1);
        for (int w = 0; w < 4; w++)
            for (int64_t i = 0; i < left; i++)
                out[w * n + first + i] = c.word[w][i];
    }
}

int64_t SET(qn_draw_counts)(int64_t n, int32_t n_thresholds, const uint32_t *threshold,
                            uint32_t *word)
{
    int64_t n_drawn = 0;
    int64_t first = 0;

    for (; first + LANES <= n; first += LANES) {
        uint32_t count[LANES] = {0};
        uint32_t drawn = 0;

        for (int32_t t = 0; t < n_thresholds; t++)
            for (int i = 0; i < LANES; i++)
                count[i] += word[first + i] >= threshold[t];
        for (int i = 0; i < LANES; i++)
            drawn += count[i] != 0;
        for (int i = 0; i < LANES; i++)
            word[first + i] = count[i];
        n_drawn += drawn;
    }
    for (; first < n; first++) {
        uint32_t count = 0;

        for (int32_t t = 0; t < n_thresholds; t++)
            count += word[first] >= threshold[t];
        word[first] = count;
        n_drawn += count != 0;
    }
    return n_drawn;
}

#ifndef HAS_COMPRESS
int64_t SET(qn_row_entries)(int64_t n, const uint32_t *count, uint32_t *entry)
{
    int64_t n_entries = 0;

    for (int64_t i = 0; i < n; i++) {
        entry[n_entries] = (uint32_t)i | count[i] << 16;
        n_entries += count[i] != 0;
    }
    return n_entries;
}

int64_t SET(qn_code_split)(int64_t n, const uint32_t *entry, const uint8_t *code, int64_t stride,
                           int32_t limit, uint32_t *left, uint32_t *right)
{
    int64_t n_left = 0, n_right = 0;

    for (int64_t i = 0; i < n; i++) {
        const uint32_t e = entry[i];
        const bool is_right = code[(int64_t)(e & 0xffff) * stride] > limit;

        left[n_left] = e;
        right[n_right] = e;
        n_left += !is_right;
        n_right += is_right;
    }
    return n_left;
}
#endif

/* The same with a number of features that is known: their sums stay in registers. */
ALWAYS_INLINE void sums_of(const int n_features, int64_t n, const uint32_t *entry,
                           const uint8_t *code, int64_t stride, const int32_t *feature,
                           const int32_t *offset, uint32_t *sums)
{
    const uint8_t *column[4];
    uint32_t *sum[4];

    for (int k = 0; k < n_features; k++) {
        column[k] = code + feature[k];
        sum[k] = sums + offset[k];
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = (int64_t)(entry[i] & 0xffff) * stride;
        const uint32_t times = entry[i] >> 16;

        for (int k = 0; k < n_features; k++)
            sum[k][column[k][at]] += times;
    }
}

void SET(qn_code_sums)(int64_t n, const uint32_t *entry, const uint8_t *code, int64_t stride,
                       const qn_code_sums *to)
{
    int32_t k = 0;

    for (; k + 4 <= to->n_features; k += 4)
        sums_of(4, n, entry, code, stride, to->feature + k, to->offset + k, to->sums);
    switch (to->n_features - k) {
    case 3:
        sums_of(3, n, entry, code, stride, to->feature + k, to->offset + k, to->sums);
        break;
    case 2:
        sums_of(2, n, entry, code, stride, to->feature + k, to->offset + k, to->sums);
        break;
    case 1:
        sums_of(1, n, entry, code, stride, to->feature + k, to->offset + k, to->sums);
        break;
    default:
        break;
    }
}

void SET(qn_panel_bins_f32)(const float *x, int32_t n_thresholds, const float *threshold,
                            uint8_t *bin)
{
    uint32_t count[QN_PANEL] = {0};

    for (int32_t t = 0; t < n_thresholds; t++)
        for (int r = 0; r < QN_PANEL; r++)
            count[r] += x[r] > threshold[t];
    for (int r = 0; r < QN_PANEL; r++)
        bin[r] = (uint8_t)count[r];
}

void SET(qn_panel_bins_f64)(const double *x, int32_t n_thresholds, const double *threshold,
                            uint8_t *bin)
{
    uint64_t count[QN_PANEL] = {0};

    for (int32_t t = 0; t < n_thresholds; t++)
        for (int r = 0; r < QN_PANEL; r++)
            count[r] += x[r] > threshold[t];
    for (int r = 0; r < QN_PANEL; r++)
        bin[r] = (uint8_t)count[r];
}
