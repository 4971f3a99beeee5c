/* Values of a panel row by row, and short runs of them as doubles: what label_sums needs beside the
 * registers of its set. After a lanes_panel_*.h. */
#ifndef QN_KERNELS_SPREAD_H
#define QN_KERNELS_SPREAD_H

/* The place of row r among the sixteen that spread_* write. */
#define ROW_SLOT(r) ((r) % 4 * 4 + (r) / 4)

/* As spread_four_f32, rows `stride` apart. */
ALWAYS_INLINE void spread_columns_f64(const int n, const int stride, const double *x, double *out)
{
    UNROLL_ALL
    for (int q = 0; q < 4; q++) {
        __m256d part[4];

        UNROLL_ALL
        for (int f = 0; f < 4; f++)
            part[f] = f < n ? _mm256_loadu_pd(x + f * 16 + q * 4) : _mm256_setzero_pd();
        const __m256d low01 = _mm256_unpacklo_pd(part[0], part[1]);
        const __m256d high01 = _mm256_unpackhi_pd(part[0], part[1]);
        const __m256d low23 = _mm256_unpacklo_pd(part[2], part[3]);
        const __m256d high23 = _mm256_unpackhi_pd(part[2], part[3]);

        _mm256_storeu_pd(out + q * stride, _mm256_permute2f128_pd(low01, low23, 0x20));
        _mm256_storeu_pd(out + (4 + q) * stride, _mm256_permute2f128_pd(high01, high23, 0x20));
        _mm256_storeu_pd(out + (8 + q) * stride, _mm256_permute2f128_pd(low01, low23, 0x31));
        _mm256_storeu_pd(out + (12 + q) * stride, _mm256_permute2f128_pd(high01, high23, 0x31));
    }
}

ALWAYS_INLINE void spread_four_f64(const int n, const double *x, double *out)
{
    spread_columns_f64(n, 4, x, out);
}

ALWAYS_INLINE void spread_whole_f64(const double *x, double *out)
{
    UNROLL_ALL
    for (int f = 0; f < DOUBLES; f += 4)
        spread_columns_f64(4, DOUBLES, x + f * 16, out + f);
}

ALWAYS_INLINE __m256d four_load_f32(const float *p)
{
    return _mm256_cvtps_pd(_mm_loadu_ps(p));
}

ALWAYS_INLINE __m256d four_load_f64(const double *p)
{
    return _mm256_loadu_pd(p);
}

ALWAYS_INLINE __m128d two_load_f32(const float *p)
{
    return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)p)));
}

ALWAYS_INLINE __m128d two_load_f64(const double *p)
{
    return _mm_loadu_pd(p);
}

#endif
