/* Registers of the set for rows in panels, under names that the panel_*_body.h files use: floats
 * and doubles side by side, for the search goes in float and what is promised in double. */
#ifndef QN_KERNELS_LANES_PANEL_H
#define QN_KERNELS_LANES_PANEL_H

#include <stdint.h>

#include <immintrin.h>

#include "kernels/inline.h"

typedef __m512 floats;
typedef __m512d doubles;
typedef __mmask16 float_mask;
typedef __mmask8 double_mask;

#define FLOATS        16
#define DOUBLES       8
#define PANEL_FLOATS  (16 / FLOATS) /* registers that the rows of a panel fill */
#define PANEL_DOUBLES (16 / DOUBLES)
/* Shapes that fill the registers: panels and centres of a step of the float search, centres of one
 * in double, vectors of one of products. */
#define SEARCH_PANELS   2
#define SEARCH_CENTRES  8
#define EXACT_CENTRES   4
#define PRODUCT_VECTORS 8

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
    return _mm512_loadu_ps(p);
}

ALWAYS_INLINE void floats_store(float *p, floats x)
{
    _mm512_storeu_ps(p, x);
}

ALWAYS_INLINE floats floats_all(float x)
{
    return _mm512_set1_ps(x);
}

ALWAYS_INLINE floats floats_add(floats a, floats b)
{
    return _mm512_add_ps(a, b);
}

ALWAYS_INLINE floats floats_sub(floats a, floats b)
{
    return _mm512_sub_ps(a, b);
}

ALWAYS_INLINE floats floats_mul(floats a, floats b)
{
    return _mm512_mul_ps(a, b);
}

ALWAYS_INLINE floats floats_sqrt(floats a)
{
    return _mm512_sqrt_ps(a);
}

ALWAYS_INLINE floats floats_min(floats a, floats b)
{
    return _mm512_min_ps(a, b);
}

ALWAYS_INLINE floats floats_max(floats a, floats b)
{
    return _mm512_max_ps(a, b);
}

/* a * b + c and c - a * b, rounded once. */
ALWAYS_INLINE floats floats_fma(floats a, floats b, floats c)
{
    return _mm512_fmadd_ps(a, b, c);
}

ALWAYS_INLINE floats floats_fnma(floats a, floats b, floats c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

ALWAYS_INLINE float_mask floats_less(floats a, floats b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}

/* b where the mask is set, else a. */
ALWAYS_INLINE floats floats_choose(float_mask mask, floats a, floats b)
{
    return _mm512_mask_mov_ps(a, mask, b);
}

/* Bit i is set where a > b does not hold in lane i. */
ALWAYS_INLINE unsigned floats_not_more(floats a, floats b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_NGT_UQ);
}

/* Whole numbers as int32. */
ALWAYS_INLINE void floats_store_whole(int32_t *p, floats x)
{
    _mm512_storeu_si512(p, _mm512_cvttps_epi32(x));
}

/* FLOATS values less `origin`, rounded to float. */
ALWAYS_INLINE floats floats_shift_f32(const float *p, float origin)
{
    return _mm512_sub_ps(_mm512_loadu_ps(p), _mm512_set1_ps(origin));
}

ALWAYS_INLINE floats floats_shift_f64(const double *p, float origin)
{
    const __m512d all = _mm512_set1_pd((double)origin);
    const __m256 low = _mm512_cvtpd_ps(_mm512_sub_pd(_mm512_loadu_pd(p), all));
    const __m256 high = _mm512_cvtpd_ps(_mm512_sub_pd(_mm512_loadu_pd(p + 8), all));

    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}

ALWAYS_INLINE doubles doubles_load(const double *p)
{
    return _mm512_loadu_pd(p);
}

ALWAYS_INLINE doubles doubles_load_f32(const float *p)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps(p));
}

/* n <= DOUBLES values and zeros; nothing behind them is read. */
ALWAYS_INLINE doubles doubles_load_first(const double *p, int n)
{
    return _mm512_maskz_loadu_pd((__mmask8)((1U << n) - 1U), p);
}

/* DOUBLES values of one row of a panel. */
ALWAYS_INLINE doubles doubles_column_f32(const float *p)
{
    return _mm512_cvtps_pd(_mm256_setr_ps(p[0], p[16], p[32], p[48], p[64], p[80], p[96], p[112]));
}

ALWAYS_INLINE doubles doubles_column_f64(const double *p)
{
    return _mm512_setr_pd(p[0], p[16], p[32], p[48], p[64], p[80], p[96], p[112]);
}

ALWAYS_INLINE void doubles_store(double *p, doubles x)
{
    _mm512_storeu_pd(p, x);
}

ALWAYS_INLINE doubles doubles_all(double x)
{
    return _mm512_set1_pd(x);
}

ALWAYS_INLINE doubles doubles_add(doubles a, doubles b)
{
    return _mm512_add_pd(a, b);
}

ALWAYS_INLINE doubles doubles_sub(doubles a, doubles b)
{
    return _mm512_sub_pd(a, b);
}

ALWAYS_INLINE doubles doubles_mul(doubles a, doubles b)
{
    return _mm512_mul_pd(a, b);
}

ALWAYS_INLINE double_mask doubles_less(doubles a, doubles b)
{
    return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ);
}

ALWAYS_INLINE doubles doubles_choose(double_mask mask, doubles a, doubles b)
{
    return _mm512_mask_mov_pd(a, mask, b);
}

ALWAYS_INLINE void doubles_store_whole(int32_t *p, doubles x)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvttpd_epi32(x));
}

/* Is none of the labels of a panel below 0? */
ALWAYS_INLINE int labels_are_positive(const int32_t *label)
{
    return _mm512_movepi32_mask(_mm512_loadu_si512(label)) == 0;
}

/* Bit r is set where the labels of row r of a panel differ. */
ALWAYS_INLINE unsigned labels_differ(const int32_t *a, const int32_t *b)
{
    return _mm512_cmpneq_epi32_mask(_mm512_loadu_si512(a), _mm512_loadu_si512(b));
}

/* The nearest whole numbers, of |x| < 2^51. */
typedef __m512i wholes;

ALWAYS_INLINE wholes wholes_of(doubles x)
{
    return _mm512_cvtpd_epi64(x);
}

ALWAYS_INLINE void wholes_add(uint64_t *p, wholes x)
{
    _mm512_storeu_si512(p, _mm512_add_epi64(_mm512_loadu_si512(p), x));
}

ALWAYS_INLINE void wholes_subtract(uint64_t *p, wholes x)
{
    _mm512_storeu_si512(p, _mm512_sub_epi64(_mm512_loadu_si512(p), x));
}

/* In-lane transpose: vector i gets features 0..3 of rows i, 4 + i, 8 + i and 12 + i. */
ALWAYS_INLINE void transpose_quarters(floats x[4])
{
    const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(x[0], x[1]));
    const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(x[0], x[1]));
    const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(x[2], x[3]));
    const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(x[2], x[3]));

    x[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
    x[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
    x[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
    x[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
}

/* n <= 4 features of a panel, row by row: those of row r, and zeros where n < 4, at
 * out + 4 * ROW_SLOT(r). */
ALWAYS_INLINE void spread_four_f32(const int n, const float *x, float *out)
{
    floats part[4];

    UNROLL_ALL
    for (int f = 0; f < 4; f++)
        part[f] = f < n ? _mm512_loadu_ps(x + f * 16) : _mm512_setzero_ps();
    transpose_quarters(part);
    UNROLL_ALL
    for (int i = 0; i < 4; i++)
        _mm512_storeu_ps(out + i * 16, part[i]);
}

/* DOUBLES features: those of row r at out + DOUBLES * ROW_SLOT(r). */
ALWAYS_INLINE void spread_whole_f32(const float *x, float *out)
{
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i last = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    floats low[4];
    floats high[4];

    UNROLL_ALL
    for (int f = 0; f < 4; f++) {
        low[f] = _mm512_loadu_ps(x + f * 16);
        high[f] = _mm512_loadu_ps(x + (f + 4) * 16);
    }
    transpose_quarters(low);
    transpose_quarters(high);
    UNROLL_ALL
    for (int i = 0; i < 4; i++) {
        const __m512d a = _mm512_castps_pd(low[i]);
        const __m512d b = _mm512_castps_pd(high[i]);

        _mm512_storeu_ps(out + i * 32, _mm512_castpd_ps(_mm512_permutex2var_pd(a, first, b)));
        _mm512_storeu_ps(out + i * 32 + 16, _mm512_castpd_ps(_mm512_permutex2var_pd(a, last, b)));
    }
}

#endif
