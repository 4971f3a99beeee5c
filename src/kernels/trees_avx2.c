/* Kernels on the rows of trees of the set avx2. */
#include <immintrin.h>
#include <stdbool.h>

#define SET(name) name##_avx2
#define HAS_DRAWS 1
#include "kernels/trees_body.h"

/* A word of four rows in the lower halves of the lanes; the upper ones hold anything. */
typedef struct draw_four {
    __m256i word[4];
} draw_four;

ALWAYS_INLINE __m256i xor_three(__m256i a, __m256i b, __m256i c)
{
    return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}

ALWAYS_INLINE void draw_rounds(draw_four *c, uint64_t key)
{
    const __m256i m0 = _mm256_set1_epi64x(PHILOX_M0), m1 = _mm256_set1_epi64x(PHILOX_M1);
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);

    for (int round = 0; round < 10; round++, k0 += PHILOX_W0, k1 += PHILOX_W1) {
        const __m256i p0 = _mm256_mul_epu32(c->word[0], m0);
        const __m256i p1 = _mm256_mul_epu32(c->word[2], m1);

        c->word[0] =
            xor_three(_mm256_srli_epi64(p1, 32), c->word[1], _mm256_set1_epi64x((int64_t)k0));
        c->word[1] = p1;
        c->word[2] =
            xor_three(_mm256_srli_epi64(p0, 32), c->word[3], _mm256_set1_epi64x((int64_t)k1));
        c->word[3] = p0;
    }
}

void qn_row_draws_avx2(uint64_t key, uint64_t a, uint64_t b, int64_t n, uint32_t *out)
{
    const __m256i step = _mm256_setr_epi64x(0, 1, 2, 3);
    const __m256i low = _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6);

    for (int64_t first = 0; first < n; first += 4) {
        const int64_t left = n - first < 4 ? n - first : 4;
        const __m256i row = _mm256_add_epi64(_mm256_set1_epi64x((int64_t)b + first), step);
        draw_four c = {{_mm256_set1_epi64x((int64_t)a), _mm256_set1_epi64x((int64_t)(a >> 32)), row,
                        _mm256_srli_epi64(row, 32)}};
        uint32_t words[4];

        draw_rounds(&c, key);
        for (int w = 0; w < 4; w++) {
            _mm_storeu_si128((__m128i *)(void *)words,
                             _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(c.word[w], low)));
            memcpy(out + w * n + first, words, (size_t)left * sizeof *words);
        }
    }
}

/* Words and thresholds compare without sign: a word is not below one that is no more than it. */
int64_t qn_draw_counts_avx2(int64_t n, int32_t n_thresholds, const uint32_t *threshold,
                            uint32_t *word)
{
    int64_t n_drawn = 0, i = 0;

    for (; i + 8 <= n; i += 8) {
        const __m256i words = _mm256_loadu_si256((const __m256i *)(const void *)(word + i));
        __m256i count = _mm256_setzero_si256();

        for (int32_t t = 0; t < n_thresholds; t++) {
            const __m256i limit = _mm256_set1_epi32((int)threshold[t]);
            const __m256i above = _mm256_cmpeq_epi32(_mm256_max_epu32(words, limit), words);

            if (_mm256_testz_si256(above, above))
                break;
            count = _mm256_sub_epi32(count, above);
        }
        _mm256_storeu_si256((__m256i *)(void *)(word + i), count);
        const __m256i none = _mm256_cmpeq_epi32(count, _mm256_setzero_si256());
        n_drawn += 8 - __builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(none)));
    }
    for (; i < n; i++) {
        uint32_t count = 0;

        while ((int32_t)count < n_thresholds && word[i] >= threshold[count])
            count++;
        word[i] = count;
        n_drawn += count != 0;
    }
    return n_drawn;
}
