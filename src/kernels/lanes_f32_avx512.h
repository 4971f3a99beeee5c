/* One vector register of the set, under names that the *_body.h files use: sixteen floats. */
#ifndef QN_KERNELS_LANES_H
#define QN_KERNELS_LANES_H

#include <immintrin.h>

typedef float real;
typedef __m512 lanes;

#define LANES 16
#define TILE_ROWS                                                                                  \
    8 /* rows of a tile: TILE_ROWS x 3 sums and what feeds them fill the registers                 \
       */
#define TARGET_COLUMNS 3 /* columns of a tile that also sums the right-hand side */

static inline lanes lanes_load(const real *p)
{
    return _mm512_loadu_ps(p);
}

static inline lanes lanes_from_floats(const float *p)
{
    return _mm512_loadu_ps(p);
}

static inline void lanes_store(real *p, lanes x)
{
    _mm512_storeu_ps(p, x);
}

static inline lanes lanes_all(real x)
{
    return _mm512_set1_ps(x);
}

static inline lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_ps(a, b);
}

static inline lanes lanes_mul(lanes a, lanes b)
{
    return _mm512_mul_ps(a, b);
}

static inline lanes lanes_div(lanes a, lanes b)
{
    return _mm512_div_ps(a, b);
}

static inline lanes lanes_sqrt(lanes a)
{
    return _mm512_sqrt_ps(a);
}

/* a * b + c and c - a * b, rounded once. */
static inline lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm512_fmadd_ps(a, b, c);
}

static inline lanes lanes_fnma(lanes a, lanes b, lanes c)
{
    return _mm512_fnmadd_ps(a, b, c);
}

#endif
