/* One vector register of the set, under names that the *_body.h files use: four doubles. */
#ifndef QN_KERNELS_LANES_H
#define QN_KERNELS_LANES_H

#include <stdint.h>

#include <immintrin.h>

#include "kernels/inline.h"

typedef double real;
typedef __m256d lanes;

#define LANES 4
#define TILE_ROWS                                                                                  \
    4 /* rows of a tile: TILE_ROWS x 3 sums and what feeds them fill the registers                 \
       */
#define TARGET_COLUMNS 2 /* columns of a tile that also sums the right-hand side */

ALWAYS_INLINE lanes lanes_load(const real *p)
{
    return _mm256_loadu_pd(p);
}

ALWAYS_INLINE lanes lanes_from_floats(const float *p)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(p));
}

ALWAYS_INLINE void lanes_store(real *p, lanes x)
{
    _mm256_storeu_pd(p, x);
}

ALWAYS_INLINE lanes lanes_all(real x)
{
    return _mm256_set1_pd(x);
}

ALWAYS_INLINE lanes lanes_add(lanes a, lanes b)
{
    return _mm256_add_pd(a, b);
}

ALWAYS_INLINE lanes lanes_sub(lanes a, lanes b)
{
    return _mm256_sub_pd(a, b);
}

ALWAYS_INLINE lanes lanes_mul(lanes a, lanes b)
{
    return _mm256_mul_pd(a, b);
}

ALWAYS_INLINE lanes lanes_div(lanes a, lanes b)
{
    return _mm256_div_pd(a, b);
}

ALWAYS_INLINE lanes lanes_sqrt(lanes a)
{
    return _mm256_sqrt_pd(a);
}

/* a * b + c and c - a * b, rounded once. */
ALWAYS_INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm256_fmadd_pd(a, b, c);
}

ALWAYS_INLINE lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    return _mm256_fnmadd_pd(a, b, c);
}

/* Lane i everywhere; i is a constant where this is called. */
ALWAYS_INLINE lanes lanes_pick(lanes x, int i)
{
    const __m256i halves = _mm256_set1_epi64x((long long)(2 * i + 1) << 32 | (2 * i));

    return _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(x), halves));
}

/* All bits set in the first n lanes. */
ALWAYS_INLINE lanes lanes_mask(int n)
{
    const __m256i number = _mm256_setr_epi64x(0, 1, 2, 3);

    return _mm256_castsi256_pd(_mm256_cmpgt_epi64(_mm256_set1_epi64x(n), number));
}

/* x with lane i of y. */
ALWAYS_INLINE lanes lanes_put(lanes x, lanes y, int i)
{
    return _mm256_blendv_pd(x, y, _mm256_andnot_pd(lanes_mask(i), lanes_mask(i + 1)));
}

/* The first n lanes (0 <= n <= LANES) and zeros; and the lanes after the first n. */
ALWAYS_INLINE lanes lanes_first(lanes x, int n)
{
    return _mm256_and_pd(lanes_mask(n), x);
}

ALWAYS_INLINE lanes lanes_after(lanes x, int n)
{
    return _mm256_andnot_pd(lanes_mask(n), x);
}

/* 1 / x everywhere, of an x that is the same everywhere: one division is sooner done than four. */
ALWAYS_INLINE lanes lanes_inverse(lanes x)
{
    return _mm256_set1_pd(1.0 / _mm256_cvtsd_f64(x));
}

/* Bit i is set where lane i is not > 0. */
ALWAYS_INLINE unsigned lanes_not_positive(lanes x)
{
    return (unsigned)_mm256_movemask_pd(_mm256_cmp_pd(x, _mm256_setzero_pd(), _CMP_NGT_UQ));
}

/* Pairs of rows give pairs of columns; then halves move. */
ALWAYS_INLINE void lanes_transpose(lanes x[LANES])
{
    const lanes low01 = _mm256_unpacklo_pd(x[0], x[1]);
    const lanes high01 = _mm256_unpackhi_pd(x[0], x[1]);
    const lanes low23 = _mm256_unpacklo_pd(x[2], x[3]);
    const lanes high23 = _mm256_unpackhi_pd(x[2], x[3]);

    x[0] = _mm256_permute2f128_pd(low01, low23, 0x20);
    x[1] = _mm256_permute2f128_pd(high01, high23, 0x20);
    x[2] = _mm256_permute2f128_pd(low01, low23, 0x31);
    x[3] = _mm256_permute2f128_pd(high01, high23, 0x31);
}

/* Lane i from, or to, p[i * stride]. */
ALWAYS_INLINE lanes lanes_load_column(const real *p, int64_t stride)
{
    _Alignas(32) real x[LANES];

    UNROLL_ALL
    for (int i = 0; i < LANES; i++)
        x[i] = p[i * stride];
    return lanes_load(x);
}

ALWAYS_INLINE void lanes_store_column(real *p, int64_t stride, lanes x)
{
    _Alignas(32) real lane[LANES];

    lanes_store(lane, x);
    UNROLL_ALL
    for (int i = 0; i < LANES; i++)
        p[i * stride] = lane[i];
}

#endif
