/* gram_f64 of the AVX-512 set. */
#include "kernels/lanes_f64_avx512.h"

#include "kernels/gram_body.h"

void qn_gram_f64_avx512(const qn_gram_run *run, double *gram, double *rhs, void *scratch)
{
    sum_run(run, gram, rhs, scratch);
}
