/* score_panel of the AVX2 set. */
#include "kernels/lanes_f32_avx2.h"

#include "kernels/score_body.h"

void qn_score_panel_avx2(int32_t n_users, int32_t rank, int64_t stride, const float *users,
                         const float *panel, float *out)
{
    score_all(n_users, rank, stride, users, panel, out);
}
