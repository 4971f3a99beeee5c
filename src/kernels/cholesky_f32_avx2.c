/* cholesky_f32 of the AVX2 set. */
#include "kernels/lanes_f32_avx2.h"

#include "kernels/cholesky_body.h"

int32_t qn_cholesky_f32_avx2(int32_t rank, int64_t stride, float *gram, float diagonal_add,
                             float *rhs)
{
    return solve_cholesky(rank, stride, gram, diagonal_add, rhs);
}
