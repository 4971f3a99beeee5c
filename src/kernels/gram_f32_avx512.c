/* gram_f32 and gram_rows_f32 of the AVX-512 set. */
#include "kernels/lanes_f32_avx512.h"

#include "kernels/gram_body.h"
#include "kernels/gram_rows_body.h"

void qn_gram_f32_avx512(const qn_gram_run *run, float *gram, float *rhs, void *scratch)
{
    if (run->rank <= QN_GRAM_SMALL_RANK)
        qn_gram_small_avx512(run, gram, rhs);
    else
        sum_run(run, gram, rhs, scratch);
}

void qn_gram_rows_f32_avx512(int64_t n_rows, int32_t rank, int64_t stride, const float *rows,
                             float *gram)
{
    sum_rows(n_rows, rank, stride, rows, gram);
}
