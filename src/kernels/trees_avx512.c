/* Kernels on the rows of trees of the set avx512: entries that stay are packed by the processor. */
#include <immintrin.h>
#include <stdbool.h>

#define SET(name)    name##_avx512
#define HAS_DRAWS    1
#define HAS_COMPRESS 1
#include "kernels/trees_body.h"

/* A word of eight rows in the lower halves of the lanes; the upper ones hold anything. */
typedef struct draw_eight {
    __m512i word[4];
} draw_eight;

ALWAYS_INLINE __m512i xor_three(__m512i a, __m512i b, __m512i c)
{
    return _mm512_ternarylogic_epi32(a, b, c, 0x96);
}

ALWAYS_INLINE void draw_rounds(draw_eight *c, uint64_t key)
{
    const __m512i m0 = _mm512_set1_epi64(PHILOX_M0), m1 = _mm512_set1_epi64(PHILOX_M1);
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);

    for (int round = 0; round < 10; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
        const __m512i p0 = _mm512_mul_epu32(c->word[0], m0);
        const __m512i p1 = _mm512_mul_epu32(c->word[2], m1);

        c->word[0] =
            xor_three(_mm512_srli_epi64(p1, 32), c->word[1], _mm512_set1_epi64((int64_t)k0));
        c->word[1] = p1;
        c->word[2] =
            xor_three(_mm512_srli_epi64(p0, 32), c->word[3], _mm512_set1_epi64((int64_t)k1));
        c->word[3] = p0;
    }
}

void qn_row_draws_avx512(uint64_t key, uint64_t a, uint64_t b, int64_t n, uint32_t *out)
{
    const __m512i step = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);

    for (int64_t first = 0; first < n; first += 8) {
        const __mmask8 lanes = (__mmask8)(n - first < 8 ? (1U << (n - first)) - 1 : 0xffU);
        const __m512i row = _mm512_add_epi64(_mm512_set1_epi64((int64_t)b + first), step);
        draw_eight c = {{_mm512_set1_epi64((int64_t)a), _mm512_set1_epi64((int64_t)(a >> 32)), row,
                         _mm512_srli_epi64(row, 32)}};

        draw_rounds(&c, key);
        for (int w = 0; w < 4; w++)
            _mm512_mask_cvtepi64_storeu_epi32(out + w * n + first, lanes, c.word[w]);
    }
}

int64_t qn_draw_counts_avx512(int64_t n, int32_t n_thresholds, const uint32_t *threshold,
                              uint32_t *word)
{
    const __m512i one = _mm512_set1_epi32(1);
    int64_t n_drawn = 0;

    for (int64_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = (__mmask16)(n - i < LANES ? (1U << (n - i)) - 1 : 0xffffU);
        const __m512i words = _mm512_maskz_loadu_epi32(lanes, word + i);
        __m512i count = _mm512_setzero_si512();
        __mmask16 above = lanes;

        for (int32_t t = 0; t < n_thresholds; t++) {
            above =
                _mm512_mask_cmpge_epu32_mask(above, words, _mm512_set1_epi32((int)threshold[t]));
            if (!above)
                break;
            count = _mm512_mask_add_epi32(count, above, count, one);
        }
        _mm512_mask_storeu_epi32(word + i, lanes, count);
        n_drawn += __builtin_popcount(_mm512_test_epi32_mask(count, count));
    }
    return n_drawn;
}

int64_t qn_row_entries_avx512(int64_t n, const uint32_t *count, uint32_t *entry)
{
    const __m512i step = _mm512_set1_epi32(LANES);
    __m512i row = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    int64_t n_entries = 0;

    for (int64_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = (__mmask16)(n - i < LANES ? (1U << (n - i)) - 1 : 0xffffU);
        const __m512i counts = _mm512_maskz_loadu_epi32(lanes, count + i);
        const __mmask16 drawn = _mm512_test_epi32_mask(counts, counts);
        const __m512i all = _mm512_or_si512(row, _mm512_slli_epi32(counts, 16));

        _mm512_storeu_si512(entry + n_entries, _mm512_maskz_compress_epi32(drawn, all));
        n_entries += __builtin_popcount(drawn);
        row = _mm512_add_epi32(row, step);
    }
    return n_entries;
}

/* Sixteen at a time; whole vectors are stored, so the last few entries go one by one. */
int64_t qn_code_split_avx512(int64_t n, const uint32_t *entry, const uint8_t *code, int64_t stride,
                             int32_t limit, uint32_t *left, uint32_t *right)
{
    const __m512i low = _mm512_set1_epi32(0xffff);
    const __m512i byte = _mm512_set1_epi32(0xff);
    const __m512i strides = _mm512_set1_epi32((int)stride);
    const __m512i limits = _mm512_set1_epi32(limit);
    int64_t n_left = 0, n_right = 0, i = 0;

    for (; i + LANES <= n; i += LANES) {
        const __m512i e = _mm512_loadu_si512(entry + i);
        const __m512i at = _mm512_mullo_epi32(_mm512_and_si512(e, low), strides);
        const __m512i codes = _mm512_and_si512(_mm512_i32gather_epi32(at, code, 1), byte);
        const __mmask16 is_right = _mm512_cmpgt_epi32_mask(codes, limits);
        const __mmask16 is_left = (__mmask16)~is_right;

        _mm512_storeu_si512(left + n_left, _mm512_maskz_compress_epi32(is_left, e));
        _mm512_mask_compressstoreu_epi32(right + n_right, is_right, e);
        n_left += __builtin_popcount(is_left);
        n_right += __builtin_popcount(is_right);
    }
    for (; i < n; i++) {
        const uint32_t e = entry[i];
        const bool is_right = code[(int64_t)(e & 0xffff) * stride] > limit;

        if (is_right)
            right[n_right++] = e;
        else
            left[n_left++] = e;
    }
    return n_left;
}
