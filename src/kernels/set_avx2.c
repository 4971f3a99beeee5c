/* The avx2 kernel set. */
#include "kernels/sets.h"

const qn_kernels qn_kernels_avx2 = {
    .name = "avx2",
    .level = 1,
    .gram_f32 = qn_gram_f32_avx2,
    .gram_f64 = qn_gram_f64_avx2,
    .cholesky_f32 = qn_cholesky_f32_avx2,
    .cholesky_f64 = qn_cholesky_f64_avx2,
    .gram_rows_f32 = qn_gram_rows_f32_avx2,
    .score_panel = qn_score_panel_avx2,
    .moments_f64 = qn_moments_f64_avx2,
    .nearest_f32 = qn_nearest_f32_avx2,
    .nearest_f64 = qn_nearest_f64_avx2,
    .label_sums_f32 = qn_label_sums_f32_avx2,
    .label_sums_f64 = qn_label_sums_f64_avx2,
    .label_moves_f32 = qn_label_moves_f32_avx2,
    .label_moves_f64 = qn_label_moves_f64_avx2,
    .label_distance_f32 = qn_label_distance_f32_avx2,
    .label_distance_f64 = qn_label_distance_f64_avx2,
    .products_f32 = qn_products_f32_avx2,
    .products_f64 = qn_products_f64_avx2,
    .text_marks = qn_text_marks_avx2,
    .text_floats = qn_text_floats_avx2,
    .text_doubles = qn_text_doubles_avx2,
};
