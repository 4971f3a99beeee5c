/* One vector register of the set, under names that the *_body.h files use: sixteen floats. */
#ifndef QN_KERNELS_LANES_H
#define QN_KERNELS_LANES_H

#include <stdint.h>

#include <immintrin.h>

#include "kernels/inline.h"

typedef float real;
typedef __m512 lanes;

#define LANES 16
#define TILE_ROWS                                                                                  \
    8 /* rows of a tile: TILE_ROWS x 3 sums and what feeds them fill the registers                 \
       */
#define TARGET_COLUMNS 3 /* columns of a tile that also sums the right-hand side */

ALWAYS_INLINE lanes lanes_load(const real *p)
{
    return _mm512_loadu_ps(p);
}

ALWAYS_INLINE lanes lanes_from_floats(const float *p)
{
    return _mm512_loadu_ps(p);
}

ALWAYS_INLINE void lanes_store(real *p, lanes x)
{
    _mm512_storeu_ps(p, x);
}

ALWAYS_INLINE lanes lanes_all(real x)
{
    return _mm512_set1_ps(x);
}

ALWAYS_INLINE lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_ps(a, b);
}

ALWAYS_INLINE lanes lanes_sub(lanes a, lanes b)
{
    return _mm512_sub_ps(a, b);
}

ALWAYS_INLINE lanes lanes_mul(lanes a, lanes b)
{
    return _mm512_mul_ps(a, b);
}

ALWAYS_INLINE lanes lanes_div(lanes a, lanes b)
{
    return _mm512_div_ps(a, b);
}

ALWAYS_INLINE lanes lanes_sqrt(lanes a)
{
    return _mm512_sqrt_ps(a);
}

/* a * b + c and c - a * b, rounded once. */
ALWAYS_INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm512_fmadd_ps(a, b, c);
}

ALWAYS_INLINE lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

/* Lane i everywhere; i is a constant where this is called. */
ALWAYS_INLINE lanes lanes_pick(lanes x, int i)
{
    return _mm512_permutexvar_ps(_mm512_set1_epi32(i), x);
}

/* x with lane i of y. */
ALWAYS_INLINE lanes lanes_put(lanes x, lanes y, int i)
{
    return _mm512_mask_mov_ps(x, (__mmask16)(1U << i), y);
}

/* The first n lanes (0 <= n <= LANES) and zeros; and the lanes after the first n. */
ALWAYS_INLINE lanes lanes_first(lanes x, int n)
{
    return _mm512_maskz_mov_ps((__mmask16)((1U << n) - 1U), x);
}

ALWAYS_INLINE lanes lanes_after(lanes x, int n)
{
    return _mm512_maskz_mov_ps((__mmask16) ~((1U << n) - 1U), x);
}

/* 1 / x everywhere, of an x that is the same everywhere: one division is sooner done than sixteen.
 */
ALWAYS_INLINE lanes lanes_inverse(lanes x)
{
    return _mm512_set1_ps(1.0F / _mm512_cvtss_f32(x));
}

/* Bit i is set where lane i is not > 0. */
ALWAYS_INLINE unsigned lanes_not_positive(lanes x)
{
    return _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NGT_UQ);
}

/* Pairs of rows give the halves of two columns' quarters; then whole quarters move. */
ALWAYS_INLINE void lanes_transpose(lanes x[LANES])
{
    lanes t[LANES];

    UNROLL_ALL
    for (int i = 0; i < LANES; i += 4) {
        const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(x[i], x[i + 1]));
        const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(x[i], x[i + 1]));
        const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(x[i + 2], x[i + 3]));
        const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(x[i + 2], x[i + 3]));

        t[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
        t[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
        t[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
        t[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
    }
    UNROLL_ALL
    for (int i = 0; i < 4; i++) {
        const lanes even03 = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88);
        const lanes odd03 = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xDD);
        const lanes even47 = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
        const lanes odd47 = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xDD);

        x[i] = _mm512_shuffle_f32x4(even03, even47, 0x88);
        x[i + 4] = _mm512_shuffle_f32x4(odd03, odd47, 0x88);
        x[i + 8] = _mm512_shuffle_f32x4(even03, even47, 0xDD);
        x[i + 12] = _mm512_shuffle_f32x4(odd03, odd47, 0xDD);
    }
}

/* Lane i from, or to, p[i * stride]. */
ALWAYS_INLINE lanes lanes_load_column(const real *p, int64_t stride)
{
    const __m512i at =
        _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                           _mm512_set1_epi32((int)stride));

    return _mm512_i32gather_ps(at, p, sizeof(real));
}

ALWAYS_INLINE void lanes_store_column(real *p, int64_t stride, lanes x)
{
    const __m512i at =
        _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                           _mm512_set1_epi32((int)stride));

    _mm512_i32scatter_ps(p, at, x, sizeof(real));
}

#endif
