/* One vector register of the set, under names that the *_body.h files use: eight floats. */
#ifndef QN_KERNELS_LANES_H
#define QN_KERNELS_LANES_H

#include <stdint.h>

#include <immintrin.h>

#include "kernels/inline.h"

typedef float real;
typedef __m256 lanes;

#define LANES 8
#define TILE_ROWS                                                                                  \
    4 /* rows of a tile: TILE_ROWS x 3 sums and what feeds them fill the registers                 \
       */
#define TARGET_COLUMNS 2 /* columns of a tile that also sums the right-hand side */

ALWAYS_INLINE lanes lanes_load(const real *p)
{
    return _mm256_loadu_ps(p);
}

ALWAYS_INLINE lanes lanes_from_floats(const float *p)
{
    return _mm256_loadu_ps(p);
}

ALWAYS_INLINE void lanes_store(real *p, lanes x)
{
    _mm256_storeu_ps(p, x);
}

ALWAYS_INLINE lanes lanes_all(real x)
{
    return _mm256_set1_ps(x);
}

ALWAYS_INLINE lanes lanes_add(lanes a, lanes b)
{
    return _mm256_add_ps(a, b);
}

ALWAYS_INLINE lanes lanes_sub(lanes a, lanes b)
{
    return _mm256_sub_ps(a, b);
}

ALWAYS_INLINE lanes lanes_mul(lanes a, lanes b)
{
    return _mm256_mul_ps(a, b);
}

ALWAYS_INLINE lanes lanes_div(lanes a, lanes b)
{
    return _mm256_div_ps(a, b);
}

ALWAYS_INLINE lanes lanes_sqrt(lanes a)
{
    return _mm256_sqrt_ps(a);
}

/* a * b + c and c - a * b, rounded once. */
ALWAYS_INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm256_fmadd_ps(a, b, c);
}

ALWAYS_INLINE lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    return _mm256_fnmadd_ps(a, b, c);
}

/* Lane i everywhere; i is a constant where this is called. */
ALWAYS_INLINE lanes lanes_pick(lanes x, int i)
{
    return _mm256_permutevar8x32_ps(x, _mm256_set1_epi32(i));
}

/* All bits set in the first n lanes. */
ALWAYS_INLINE lanes lanes_mask(int n)
{
    const __m256i number = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(n), number));
}

/* x with lane i of y. */
ALWAYS_INLINE lanes lanes_put(lanes x, lanes y, int i)
{
    return _mm256_blendv_ps(x, y, _mm256_andnot_ps(lanes_mask(i), lanes_mask(i + 1)));
}

/* The first n lanes (0 <= n <= LANES) and zeros; and the lanes after the first n. */
ALWAYS_INLINE lanes lanes_first(lanes x, int n)
{
    return _mm256_and_ps(lanes_mask(n), x);
}

ALWAYS_INLINE lanes lanes_after(lanes x, int n)
{
    return _mm256_andnot_ps(lanes_mask(n), x);
}

/* 1 / x everywhere, of an x that is the same everywhere: one division is sooner done than eight. */
ALWAYS_INLINE lanes lanes_inverse(lanes x)
{
    return _mm256_set1_ps(1.0F / _mm256_cvtss_f32(x));
}

/* Bit i is set where lane i is not > 0. */
ALWAYS_INLINE unsigned lanes_not_positive(lanes x)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NGT_UQ));
}

/* Four rows give quarters of columns; then halves move. */
ALWAYS_INLINE void lanes_transpose(lanes x[LANES])
{
    lanes t[LANES];

    UNROLL_ALL
    for (int i = 0; i < LANES; i += 4) {
        const __m256d low01 = _mm256_castps_pd(_mm256_unpacklo_ps(x[i], x[i + 1]));
        const __m256d high01 = _mm256_castps_pd(_mm256_unpackhi_ps(x[i], x[i + 1]));
        const __m256d low23 = _mm256_castps_pd(_mm256_unpacklo_ps(x[i + 2], x[i + 3]));
        const __m256d high23 = _mm256_castps_pd(_mm256_unpackhi_ps(x[i + 2], x[i + 3]));

        t[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(low01, low23));
        t[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(low01, low23));
        t[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(high01, high23));
        t[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(high01, high23));
    }
    UNROLL_ALL
    for (int i = 0; i < 4; i++) {
        x[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        x[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
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
