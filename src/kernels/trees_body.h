/* Kernels on the rows of trees in plain C, compiled once a set: loops over lanes that the compiler
 * turns into the set's vectors. SET(name) makes a name of the set, which may define before this
 * that it has its own row_draws and draw_counts (HAS_DRAWS), row_entries and code_split
 * (HAS_COMPRESS). */
#include <string.h>

#include "kernels/inline.h"
#include "kernels/sets.h"

#define LANES 16

/* Philox 4x32-10 (Salmon, Moraes, Dror, Shaw 2011): multipliers, and what is added to the key. */
#define PHILOX_M0 0xD2511F53U
#define PHILOX_M1 0xCD9E8D57U
#define PHILOX_W0 0x9E3779B9U
#define PHILOX_W1 0xBB67AE85U

#ifndef HAS_DRAWS
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
#endif

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

/* Runs of this length are added up in two banks in turn: a row does not wait for the one before it
 * when both count in the same place. */
#define BANKED_ROWS 512

/* A row's codes are asked for so many entries before they are used. */
#define ROWS_AHEAD 24

ALWAYS_INLINE void fetch_row(int64_t i, int64_t n, const uint32_t *entry, const uint8_t *code,
                             int64_t stride)
{
    const int64_t ahead = i + ROWS_AHEAD < n ? i + ROWS_AHEAD : i;

    __builtin_prefetch(code + (int64_t)(entry[ahead] & 0xffff) * stride);
}

/* With a number of features that is known, their places stay in registers. */
ALWAYS_INLINE void sums_plain(const int n_features, int64_t n, const uint32_t *entry,
                              const uint8_t *code, int64_t stride, const int32_t *feature,
                              const int32_t *offset, uint32_t *sums)
{
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *row = code + (int64_t)(entry[i] & 0xffff) * stride;
        const uint32_t times = entry[i] >> 16;

        fetch_row(i, n, entry, code, stride);
        for (int k = 0; k < n_features; k++)
            sums[offset[k] + row[feature[k]]] += times;
    }
}

ALWAYS_INLINE void sums_banked(const int n_features, int64_t n, const uint32_t *entry,
                               const uint8_t *code, int64_t stride, const int32_t *feature,
                               const int32_t *offset, uint32_t *sums)
{
    uint32_t bank[2][4][QN_CODES];
    const uint8_t *column[4];

    memset(bank[0], 0, (size_t)n_features * sizeof bank[0][0]);
    memset(bank[1], 0, (size_t)n_features * sizeof bank[1][0]);
    for (int k = 0; k < n_features; k++)
        column[k] = code + feature[k];
    for (int64_t i = 0; i + 2 <= n; i += 2) {
        const int64_t even = (int64_t)(entry[i] & 0xffff) * stride;
        const int64_t odd = (int64_t)(entry[i + 1] & 0xffff) * stride;
        const uint32_t even_times = entry[i] >> 16, odd_times = entry[i + 1] >> 16;

        fetch_row(i, n, entry, code, stride);
        fetch_row(i + 1, n, entry, code, stride);
        for (int k = 0; k < n_features; k++) {
            bank[0][k][column[k][even]] += even_times;
            bank[1][k][column[k][odd]] += odd_times;
        }
    }
    if (n % 2)
        sums_plain(n_features, 1, entry + n - 1, code, stride, feature, offset, sums);
    for (int k = 0; k < n_features; k++)
        for (int c = 0; c < QN_CODES; c++)
            sums[offset[k] + c] += bank[0][k][c] + bank[1][k][c];
}

ALWAYS_INLINE void sums_of(const int n_features, int64_t n, const uint32_t *entry,
                           const uint8_t *code, int64_t stride, const int32_t *feature,
                           const int32_t *offset, uint32_t *sums)
{
    if (n < BANKED_ROWS)
        sums_plain(n_features, n, entry, code, stride, feature, offset, sums);
    else
        sums_banked(n_features, n, entry, code, stride, feature, offset, sums);
}

void SET(qn_code_sums)(int64_t n, const uint32_t *entry, const uint8_t *code, int64_t stride,
                       const qn_code_sums *to)
{
    const int32_t n_features = to->n_features, whole = n_features / 4 * 4;
    const int32_t *feature = to->feature + whole, *offset = to->offset + whole;

    for (int32_t k = 0; k < whole; k += 4)
        sums_of(4, n, entry, code, stride, to->feature + k, to->offset + k, to->sums);
    if (n_features - whole == 3)
        sums_of(3, n, entry, code, stride, feature, offset, to->sums);
    else if (n_features - whole == 2)
        sums_of(2, n, entry, code, stride, feature, offset, to->sums);
    else if (n_features - whole == 1)
        sums_of(1, n, entry, code, stride, feature, offset, to->sums);
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
