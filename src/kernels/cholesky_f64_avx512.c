/* cholesky_f64 of the AVX-512 set. */
#include "kernels/lanes_f64_avx512.h"

#include "kernels/cholesky_body.h"

int32_t qn_cholesky_f64_avx512(int32_t rank, int64_t stride, double *gram, double diagonal_add,
                               double *rhs)
{
    return solve_cholesky(rank, stride, gram, diagonal_add, rhs);
}
