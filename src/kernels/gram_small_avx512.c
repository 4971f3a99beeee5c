/* gram_f32 of the AVX-512 set for ranks up to 16: the whole triangle stays in registers, as blocks
 * of 4 x 4 entries, sixteen lanes each. Lane 4 g + j of block (r, c), c <= r, is entry
 * (4 r + g, 4 c + j): the product of row elements 4 r + g, four times each, made by one permutation
 * per r, and of elements 4 c + j, which a broadcasting load brings. Where the rank is not a
 * multiple of four the target takes the place of element `rank`, so the right-hand side costs
 * nothing. Rank 10: 6 multiply-adds and 3 permutations a rating, where whole rows take 11 and the
 * loads. */
#include <stdbool.h>

#include <immintrin.h>

#include "kernels/inline.h"
#include "kernels/sets.h"

#define MOST_BLOCKS 4

typedef struct small_gram {
    __m512 sum[MOST_BLOCKS][MOST_BLOCKS];
    __m512 rhs;                /* only where no lane is free for the target */
    __m512i pick[MOST_BLOCKS]; /* elements of each r; the last may pick the target */
} small_gram;

/* Lane 4 g + j to lane 4 j + g. */
ALWAYS_INLINE __m512 transpose_block(__m512 x)
{
    return _mm512_permutexvar_ps(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), x);
}

/* The four lanes of a block that are sums of target times element. */
ALWAYS_INLINE __mmask16 target_lanes(int32_t rank)
{
    return (__mmask16)(0xFU << (4 * (rank % 4)));
}

ALWAYS_INLINE void load_sums(const int blocks, const bool has_lane, small_gram *s,
                             const qn_gram_run *run, const float *gram, const float *rhs)
{
    const __m512i group = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);

    UNROLL_ALL
    for (int r = 0; r < blocks; r++) {
        s->pick[r] = _mm512_add_epi32(group, _mm512_set1_epi32(4 * r));
        UNROLL_ALL
        for (int c = 0; c <= r; c++) {
            const float *from = gram + 4 * c * run->stride + 4 * r;
            __m128 row[4];

            UNROLL_ALL
            for (int j = 0; j < 4; j++)
                row[j] =
                    4 * c + j < run->rank ? _mm_loadu_ps(from + j * run->stride) : _mm_setzero_ps();
            __m512 x = _mm512_castps128_ps512(row[0]);
            x = _mm512_insertf32x4(x, row[1], 1);
            x = _mm512_insertf32x4(x, row[2], 2);
            x = transpose_block(_mm512_insertf32x4(x, row[3], 3));
            if (has_lane && r == blocks - 1)
                x = _mm512_mask_broadcast_f32x4(x, target_lanes(run->rank),
                                                _mm_loadu_ps(rhs + 4 * c));
            s->sum[r][c] = x;
        }
    }
    if (has_lane) {
        const __mmask16 is_target =
            _mm512_cmpeq_epi32_mask(s->pick[blocks - 1], _mm512_set1_epi32(run->rank));

        s->pick[blocks - 1] =
            _mm512_mask_mov_epi32(s->pick[blocks - 1], is_target, _mm512_set1_epi32(16));
    } else {
        s->rhs = _mm512_loadu_ps(rhs);
    }
}

ALWAYS_INLINE void store_sums(const int blocks, const bool has_lane, const small_gram *s,
                              const qn_gram_run *run, float *gram, float *rhs)
{
    UNROLL_ALL
    for (int r = 0; r < blocks; r++) {
        UNROLL_ALL
        for (int c = 0; c <= r; c++) {
            const __m512 x = transpose_block(s->sum[r][c]);
            const __m128 row[4] = {_mm512_castps512_ps128(x), _mm512_extractf32x4_ps(x, 1),
                                   _mm512_extractf32x4_ps(x, 2), _mm512_extractf32x4_ps(x, 3)};
            float *to = gram + 4 * c * run->stride + 4 * r;

            UNROLL_ALL
            for (int j = 0; j < 4; j++) {
                if (4 * c + j < run->rank)
                    _mm_storeu_ps(to + j * run->stride, row[j]);
            }
            if (has_lane && r == blocks - 1)
                _mm_storeu_ps(rhs + 4 * c, _mm512_castps512_ps128(_mm512_maskz_compress_ps(
                                               target_lanes(run->rank), s->sum[r][c])));
        }
    }
    if (!has_lane)
        _mm512_storeu_ps(rhs, s->rhs);
}

ALWAYS_INLINE void add_rating(const int blocks, const bool has_lane, const bool is_weighted,
                              small_gram *s, const qn_gram_run *run, int64_t j)
{
    const float *y = run->factors + (size_t)run->index[j] * (size_t)run->stride;
    const __m512 row = _mm512_loadu_ps(y);
    const __m512 left = is_weighted ? _mm512_mul_ps(row, _mm512_set1_ps(run->weight[j])) : row;
    const __m512 target = _mm512_set1_ps(run->target[j]);

    UNROLL_ALL
    for (int r = 0; r < blocks; r++) {
        const __m512 four_times = has_lane && r == blocks - 1
                                      ? _mm512_permutex2var_ps(left, s->pick[r], target)
                                      : _mm512_permutexvar_ps(s->pick[r], left);

        UNROLL_ALL
        for (int c = 0; c <= r; c++)
            s->sum[r][c] = _mm512_fmadd_ps(
                four_times, _mm512_broadcast_f32x4(_mm_loadu_ps(y + 4 * c)), s->sum[r][c]);
    }
    if (!has_lane)
        s->rhs = _mm512_fmadd_ps(target, row, s->rhs);
}

ALWAYS_INLINE void sum_small(const int blocks, const bool has_lane, const bool is_weighted,
                             const qn_gram_run *run, float *gram, float *rhs)
{
    const char *factors = (const char *)run->factors;
    const size_t row_bytes = (size_t)run->stride * sizeof(float);
    const int64_t n_known = run->n + run->n_ahead - QN_GRAM_AHEAD;
    const int64_t n_fetching = n_known < run->n ? n_known : run->n;
    small_gram s;
    int64_t j = 0;

    load_sums(blocks, has_lane, &s, run, gram, rhs);
    for (; j < n_fetching; j++) {
        _mm_prefetch(factors + run->index[j + QN_GRAM_AHEAD] * row_bytes, _MM_HINT_T0);
        add_rating(blocks, has_lane, is_weighted, &s, run, j);
    }
    for (; j < run->n; j++)
        add_rating(blocks, has_lane, is_weighted, &s, run, j);
    store_sums(blocks, has_lane, &s, run, gram, rhs);
}

#define SMALL(blocks, has_lane, is_weighted)                                                       \
    static void small_##blocks##_##has_lane##_##is_weighted(const qn_gram_run *run, float *gram,   \
                                                            float *rhs)                            \
    {                                                                                              \
        sum_small(blocks, has_lane, is_weighted, run, gram, rhs);                                  \
    }
#define SMALL_FOUR(blocks)                                                                         \
    SMALL(blocks, false, false)                                                                    \
    SMALL(blocks, false, true) SMALL(blocks, true, false) SMALL(blocks, true, true)
#define SMALL_ENTRY(blocks)                                                                        \
    {                                                                                              \
        {small_##blocks##_false_false, small_##blocks##_false_true},                               \
        {                                                                                          \
            small_##blocks##_true_false, small_##blocks##_true_true                                \
        }                                                                                          \
    }
SMALL_FOUR(1)
SMALL_FOUR(2)
SMALL_FOUR(3)
SMALL_FOUR(4)

typedef void small_function(const qn_gram_run *run, float *gram, float *rhs);
static small_function *const smalls[MOST_BLOCKS][2][2] = {SMALL_ENTRY(1), SMALL_ENTRY(2),
                                                          SMALL_ENTRY(3), SMALL_ENTRY(4)};

void qn_gram_small_avx512(const qn_gram_run *run, float *gram, float *rhs)
{
    if (run->n > 0)
        smalls[(run->rank - 1) / 4][run->rank % 4 != 0][run->weight != NULL](run, gram, rhs);
}
