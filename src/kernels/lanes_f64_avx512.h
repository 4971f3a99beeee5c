/* One vector register of the set, under names that the *_body.h files use: eight doubles. */
#ifndef QN_KERNELS_LANES_H
#define QN_KERNELS_LANES_H

#include <stdint.h>

#include <immintrin.h>

#include "kernels/inline.h"

typedef double real;
typedef __m512d lanes;

#define LANES 8
#define TILE_ROWS                                                                                  \
    8 /* rows of a tile: TILE_ROWS x 3 sums and what feeds them fill the registers                 \
       */
#define TARGET_COLUMNS 3 /* columns of a tile that also sums the right-hand side */

ALWAYS_INLINE lanes lanes_load(const real *p)
{
    return _mm512_loadu_pd(p);
}

ALWAYS_INLINE lanes lanes_from_floats(const float *p)
{
    return _mm512_cvtps_pd(_mm256_loadu_ps(p));
}

ALWAYS_INLINE void lanes_store(real *p, lanes x)
{
    _mm512_storeu_pd(p, x);
}

ALWAYS_INLINE lanes lanes_all(real x)
{
    return _mm512_set1_pd(x);
}

ALWAYS_INLINE lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_pd(a, b);
}

ALWAYS_INLINE lanes lanes_sub(lanes a, lanes b)
{
    return _mm512_sub_pd(a, b);
}

ALWAYS_INLINE lanes lanes_mul(lanes a, lanes b)
{
    return _mm512_mul_pd(a, b);
}

ALWAYS_INLINE lanes lanes_div(lanes a, lanes b)
{
    return _mm512_div_pd(a, b);
}

ALWAYS_INLINE lanes lanes_sqrt(lanes a)
{
    return _mm512_sqrt_pd(a);
}

/* a * b + c and c - a * b, rounded once. */
ALWAYS_INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm512_fmadd_pd(a, b, c);
}

ALWAYS_INLINE lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    return _mm512_fnmadd_pd(a, b, c);
}

/* Lane i everywhere; i is a constant where this is called. */
ALWAYS_INLINE lanes lanes_pick(lanes x, int i)
{
    return _mm512_permutexvar_pd(_mm512_set1_epi64(i), x);
}

/* x with lane i of y. */
ALWAYS_INLINE lanes lanes_put(lanes x, lanes y, int i)
{
    return _mm512_mask_mov_pd(x, (__mmask8)(1U << i), y);
}

/* The first n lanes (0 <= n <= LANES) and zeros; and the lanes after the first n. */
ALWAYS_INLINE lanes lanes_first(lanes x, int n)
{
    return _mm512_maskz_mov_pd((__mmask8)((1U << n) - 1U), x);
}

ALWAYS_INLINE lanes lanes_after(lanes x, int n)
{
    return _mm512_maskz_mov_pd((__mmask8) ~((1U << n) - 1U), x);
}

/* 1 / x everywhere, of an x that is the same everywhere: one division is sooner done than eight. */
ALWAYS_INLINE lanes lanes_inverse(lanes x)
{
    return _mm512_set1_pd(1.0 / _mm512_cvtsd_f64(x));
}

/* Bit i is set where lane i is not > 0. */
ALWAYS_INLINE unsigned lanes_not_positive(lanes x)
{
    return _mm512_cmp_pd_mask(x, _mm512_setzero_pd(), _CMP_NGT_UQ);
}

/* Pairs of rows give pairs of columns; then pairs of lanes move. */
ALWAYS_INLINE void lanes_transpose(lanes x[LANES])
{
    lanes t[LANES];

    UNROLL_ALL
    for (int i = 0; i < LANES; i += 2) {
        t[i] = _mm512_unpacklo_pd(x[i], x[i + 1]);
        t[i + 1] = _mm512_unpackhi_pd(x[i], x[i + 1]);
    }
    UNROLL_ALL
    for (int i = 0; i < 2; i++) {
        const lanes even03 = _mm512_shuffle_f64x2(t[i], t[i + 2], 0x88);
        const lanes odd03 = _mm512_shuffle_f64x2(t[i], t[i + 2], 0xDD);
        const lanes even47 = _mm512_shuffle_f64x2(t[i + 4], t[i + 6], 0x88);
        const lanes odd47 = _mm512_shuffle_f64x2(t[i + 4], t[i + 6], 0xDD);

        x[i] = _mm512_shuffle_f64x2(even03, even47, 0x88);
        x[i + 2] = _mm512_shuffle_f64x2(odd03, odd47, 0x88);
        x[i + 4] = _mm512_shuffle_f64x2(even03, even47, 0xDD);
        x[i + 6] = _mm512_shuffle_f64x2(odd03, odd47, 0xDD);
    }
}

/* Lane i from, or to, p[i * stride]. */
ALWAYS_INLINE lanes lanes_load_column(const real *p, int64_t stride)
{
    const __m256i at = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                          _mm256_set1_epi32((int)stride));

    return _mm512_i32gather_pd(at, p, sizeof(real));
}

ALWAYS_INLINE void lanes_store_column(real *p, int64_t stride, lanes x)
{
    const __m256i at = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                          _mm256_set1_epi32((int)stride));

    _mm512_i32scatter_pd(p, at, x, sizeof(real));
}

#endif
