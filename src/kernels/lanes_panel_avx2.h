/* Registers of the set for rows in panels, under names that the panel_*_body.h files use: floats
 * and doubles side by side, for the search goes in float and what is promised in double. */
#ifndef QN_KERNELS_LANES_PANEL_H
#define QN_KERNELS_LANES_PANEL_H

#include <stdint.h>

#include <immintrin.h>

#include "kernels/inline.h"

typedef __m256 floats;
typedef __m256d doubles;
typedef __m256 float_mask;
typedef __m256d double_mask;

#define FLOATS        8
#define DOUBLES       4
#define PANEL_FLOATS  (16 / FLOATS) /* registers that the rows of a panel fill */
#define PANEL_DOUBLES (16 / DOUBLES)
/* Shapes that fill the registers: panels and centres of a step of the float search, centres of one
 * in double, vectors of one of products. */
#define SEARCH_PANELS   1
#define SEARCH_CENTRES  4
#define EXACT_CENTRES   2
#define PRODUCT_VECTORS 2

/* Asks for n bytes from p on, to be used at once or a little later. They may lie behind what there
 * is: nothing is read. */
ALWAYS_INLINE void fetch_now(uintptr_t p, int64_t n)
{
    for (int64_t i = 0; i < n; i += 64)
        _mm_prefetch((const char *)(p + (uintptr_t)i), _MM_HINT_T0);
}

ALWAYS_INLINE void fetch_later(uintptr_t p, int64_t n)
{
    for (int64_t i = 0; i < n; i += 64)
        _mm_prefetch((const char *)(p + (uintptr_t)i), _MM_HINT_T1);
}

ALWAYS_INLINE floats floats_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

ALWAYS_INLINE void floats_store(float *p, floats x)
{
    _mm256_storeu_ps(p, x);
}

ALWAYS_INLINE floats floats_all(float x)
{
    return _mm256_set1_ps(x);
}

ALWAYS_INLINE floats floats_add(floats a, floats b)
{
    return _mm256_add_ps(a, b);
}

ALWAYS_INLINE floats floats_sub(floats a, floats b)
{
    return _mm256_sub_ps(a, b);
}

ALWAYS_INLINE floats floats_mul(floats a, floats b)
{
    return _mm256_mul_ps(a, b);
}

ALWAYS_INLINE floats floats_sqrt(floats a)
{
    return _mm256_sqrt_ps(a);
}

ALWAYS_INLINE floats floats_min(floats a, floats b)
{
    return _mm256_min_ps(a, b);
}

ALWAYS_INLINE floats floats_max(floats a, floats b)
{
    return _mm256_max_ps(a, b);
}

/* a * b + c and c - a * b, rounded once. */
ALWAYS_INLINE floats floats_fma(floats a, floats b, floats c)
{
    return _mm256_fmadd_ps(a, b, c);
}

ALWAYS_INLINE floats floats_fnma(floats a, floats b, floats c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

ALWAYS_INLINE float_mask floats_less(floats a, floats b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}

/* b where the mask is set, else a. */
ALWAYS_INLINE floats floats_choose(float_mask mask, floats a, floats b)
{
    return _mm256_blendv_ps(a, b, mask);
}

/* Bit i is set where a > b does not hold in lane i. */
ALWAYS_INLINE unsigned floats_not_more(floats a, floats b)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NGT_UQ));
}

/* Whole numbers as int32. */
ALWAYS_INLINE void floats_store_whole(int32_t *p, floats x)
{
    _mm256_storeu_si256((__m256i *)p, _mm256_cvttps_epi32(x));
}

/* FLOATS values less `origin`, rounded to float. */
ALWAYS_INLINE floats floats_shift_f32(const float *p, float origin)
{
    return _mm256_sub_ps(_mm256_loadu_ps(p), _mm256_set1_ps(origin));
}

ALWAYS_INLINE floats floats_shift_f64(const double *p, float origin)
{
    const __m256d all = _mm256_set1_pd((double)origin);
    const __m128 low = _mm256_cvtpd_ps(_mm256_sub_pd(_mm256_loadu_pd(p), all));
    const __m128 high = _mm256_cvtpd_ps(_mm256_sub_pd(_mm256_loadu_pd(p + 4), all));

    return _mm256_insertf128_ps(_mm256_castps128_ps256(low), high, 1);
}

ALWAYS_INLINE doubles doubles_load(const double *p)
{
    return _mm256_loadu_pd(p);
}

ALWAYS_INLINE doubles doubles_load_f32(const float *p)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(p));
}

/* n <= DOUBLES values and zeros; nothing behind them is read. */
ALWAYS_INLINE doubles doubles_load_first(const double *p, int n)
{
    const __m256i number = _mm256_setr_epi64x(0, 1, 2, 3);

    return _mm256_maskload_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), number));
}

/* DOUBLES values of one row of a panel. */
ALWAYS_INLINE doubles doubles_column_f32(const float *p)
{
    return _mm256_cvtps_pd(_mm_setr_ps(p[0], p[16], p[32], p[48]));
}

ALWAYS_INLINE doubles doubles_column_f64(const double *p)
{
    return _mm256_setr_pd(p[0], p[16], p[32], p[48]);
}

ALWAYS_INLINE void doubles_store(double *p, doubles x)
{
    _mm256_storeu_pd(p, x);
}

ALWAYS_INLINE doubles doubles_all(double x)
{
    return _mm256_set1_pd(x);
}

ALWAYS_INLINE doubles doubles_add(doubles a, doubles b)
{
    return _mm256_add_pd(a, b);
}

ALWAYS_INLINE doubles doubles_sub(doubles a, doubles b)
{
    return _mm256_sub_pd(a, b);
}

ALWAYS_INLINE doubles doubles_mul(doubles a, doubles b)
{
    return _mm256_mul_pd(a, b);
}

ALWAYS_INLINE double_mask doubles_less(doubles a, doubles b)
{
    return _mm256_cmp_pd(a, b, _CMP_LT_OQ);
}

ALWAYS_INLINE doubles doubles_choose(double_mask mask, doubles a, doubles b)
{
    return _mm256_blendv_pd(a, b, mask);
}

ALWAYS_INLINE void doubles_store_whole(int32_t *p, doubles x)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvttpd_epi32(x));
}

/* Is none of the labels of a panel below 0? */
ALWAYS_INLINE int labels_are_positive(const int32_t *label)
{
    const __m256i low = _mm256_loadu_si256((const __m256i *)label);
    const __m256i high = _mm256_loadu_si256((const __m256i *)(label + 8));

    return _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_or_si256(low, high))) == 0;
}

/* Bit r is set where the labels of row r of a panel differ. */
ALWAYS_INLINE unsigned labels_differ(const int32_t *a, const int32_t *b)
{
    const __m256i low = _mm256_cmpeq_epi32(_mm256_loadu_si256((const __m256i *)a),
                                           _mm256_loadu_si256((const __m256i *)b));
    const __m256i high = _mm256_cmpeq_epi32(_mm256_loadu_si256((const __m256i *)(a + 8)),
                                            _mm256_loadu_si256((const __m256i *)(b + 8)));
    const unsigned same_low = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(low));
    const unsigned same_high = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(high));

    return 0xffffU ^ (same_low | same_high << 8);
}

/* x + 1.5 x 2^52 less that number, as bits: the nearest whole number where |x| < 2^51. */
typedef __m256i wholes;

ALWAYS_INLINE wholes wholes_of(doubles x)
{
    const __m256d base = _mm256_set1_pd(0x1.8p52);

    return _mm256_sub_epi64(_mm256_castpd_si256(_mm256_add_pd(x, base)), _mm256_castpd_si256(base));
}

ALWAYS_INLINE void wholes_add(uint64_t *p, wholes x)
{
    __m256i *at = (__m256i *)p;

    _mm256_storeu_si256(at, _mm256_add_epi64(_mm256_loadu_si256(at), x));
}

ALWAYS_INLINE void wholes_subtract(uint64_t *p, wholes x)
{
    __m256i *at = (__m256i *)p;

    _mm256_storeu_si256(at, _mm256_sub_epi64(_mm256_loadu_si256(at), x));
}

/* In-lane transpose: vector i gets features 0..3 of rows i and 4 + i. */
ALWAYS_INLINE void transpose_quarters(floats x[4])
{
    const __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(x[0], x[1]));
    const __m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(x[0], x[1]));
    const __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(x[2], x[3]));
    const __m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(x[2], x[3]));

    x[0] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
    x[1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
    x[2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
    x[3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
}

/* n <= 4 features of a panel, row by row: those of row r, and zeros where n < 4, at
 * out + 4 * ROW_SLOT(r). */
ALWAYS_INLINE void spread_four_f32(const int n, const float *x, float *out)
{
    UNROLL_ALL
    for (int half = 0; half < 2; half++) {
        floats part[4];

        UNROLL_ALL
        for (int f = 0; f < 4; f++)
            part[f] = f < n ? _mm256_loadu_ps(x + f * 16 + half * 8) : _mm256_setzero_ps();
        transpose_quarters(part);
        UNROLL_ALL
        for (int i = 0; i < 4; i++)
            _mm256_storeu_ps(out + i * 16 + half * 8, part[i]);
    }
}

/* DOUBLES features: those of row r at out + DOUBLES * ROW_SLOT(r). */
ALWAYS_INLINE void spread_whole_f32(const float *x, float *out)
{
    spread_four_f32(4, x, out);
}

#endif
