/* Kernels on the rows of trees of the set avx512: entries that stay are packed by the processor. */
#include <immintrin.h>
#include <stdbool.h>

#define SET(name)    name##_avx512
#define HAS_COMPRESS 1
#include "kernels/trees_body.h"

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
