/* The kernels on panels of floats, of the AVX2 set. */
#include "kernels/lanes_f64_avx2.h"
#include "kernels/lanes_panel_avx2.h"
#include "kernels/sets.h"

typedef float number;
#define KERNEL(name)         qn_##name##_f32_avx2
#define numbers_shift        floats_shift_f32
#define numbers_load         doubles_load_f32
#define numbers_column       doubles_column_f32
#define numbers_spread_whole spread_whole_f32
#define numbers_spread_four  spread_four_f32
#define numbers_four         four_load_f32
#define numbers_two          two_load_f32

#include "kernels/panel_moves_body.h"
#include "kernels/panel_nearest_body.h"
#include "kernels/panel_products_body.h"
#include "kernels/panel_sums_body.h"
