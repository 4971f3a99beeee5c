/* moments_f64 of the AVX2 set. */
#include "kernels/lanes_f64_avx2.h"

#include "kernels/moments_body.h"

void qn_moments_f64_avx2(int64_t n, const double *x, double *sum, double *sum_squares)
{
    sum_moments(n, x, sum, sum_squares);
}
