/* One vector register of the set, under names that the *_body.h files use: four doubles. */
#ifndef QN_KERNELS_LANES_H
#define QN_KERNELS_LANES_H

#include <immintrin.h>

typedef double real;
typedef __m256d lanes;

#define LANES 4
#define TILE_ROWS                                                                                  \
    4 /* rows of a tile: TILE_ROWS x 3 sums and what feeds them fill the registers                 \
       */
#define TARGET_COLUMNS 2 /* columns of a tile that also sums the right-hand side */

static inline lanes lanes_load(const real *p)
{
    return _mm256_loadu_pd(p);
}

static inline lanes lanes_from_floats(const float *p)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(p));
}

static inline void lanes_store(real *p, lanes x)
{
    _mm256_storeu_pd(p, x);
}

static inline lanes lanes_all(real x)
{
    return _mm256_set1_pd(x);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return _mm256_add_pd(a, b);
}

static inline lanes lanes_mul(lanes a, lanes b)
{
    return _mm256_mul_pd(a, b);
}

static inline lanes lanes_div(lanes a, lanes b)
{
    return _mm256_div_pd(a, b);
}

static inline lanes lanes_sqrt(lanes a)
{
    return _mm256_sqrt_pd(a);
}

/* a * b + c and c - a * b, rounded once. */
static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm256_fmadd_pd(a, b, c);
}

static inline lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    return _mm256_fnmadd_pd(a, b, c);
}

#endif
