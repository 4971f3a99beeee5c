/* cholesky_f32 of the AVX-512 set. */
#include "kernels/lanes_f32_avx512.h"

#include "kernels/cholesky_body.h"

int32_t qn_cholesky_f32_avx512(int32_t rank, int64_t stride, float *gram, float diagonal_add,
                               float *rhs)
{
    return solve_cholesky(rank, stride, gram, diagonal_add, rhs);
}
