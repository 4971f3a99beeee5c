/* One row's equation: Spark's unit numbers, and the hard cases. */
#include "ml/als/als_testing.h"

typedef struct bench {
    als_equation eq;
    als_work work;
    float fixed[8 * 16];
} bench;

static void bench_open(qn_context *ctx, bench *b, const qn_als_params *params,
                       const float rows[][2], int64_t n)
{
    memset(b, 0, sizeof *b);
    b->eq = als_equation_of(ctx, params, 16);
    b->eq.fixed = b->fixed;
    b->eq.want_loss = true;
    for (int64_t i = 0; i < n; i++)
        memcpy(b->fixed + i * 16, rows[i], sizeof rows[i]);
    CHECK_OK(ctx, als_work_init(ctx, &b->eq, &b->work));
    als_cell_clear(&b->eq, &b->work.cell);
}

static const uint32_t in_order[] = {0, 1, 2, 3, 4, 5, 6, 7};

/* add([1,2], b 3), add([4,5], b 12, c 2) gives [33 42 54], [51 66] in Spark: weights of 1 and c.
 * With ratings 1 and 2 and alpha 1, implicit feedback weighs the same rows by 1 and 2. */
static void normal_equation_has_sparks_numbers(void **state)
{
    qn_context *ctx = *state;
    const float rows[][2] = {{1, 2}, {4, 5}, {7, 8}};
    const float rating[] = {1, 2, 1};
    qn_als_params params = test_params(2, 1, 0.1);
    bench b;
    const double *gram = NULL;

    params.implicit_prefs = true;
    params.precision = QN_ALS_DOUBLE;
    bench_open(ctx, &b, &params, rows, 3);
    gram = b.work.cell.gram;
    als_cell_add(&b.eq, &b.work, &(als_entries){.n = 2, .index = in_order, .value = rating},
                 &b.work.cell);
    CHECK_NEAR(gram[0], 33, 1e-8);
    CHECK_NEAR(gram[1], 42, 1e-8);
    CHECK_NEAR(gram[17], 54, 1e-8);
    als_cell_add(&b.eq, &b.work, &(als_entries){.n = 1, .index = in_order + 2, .value = rating + 2},
                 &b.work.cell);
    CHECK_NEAR(gram[0], 82, 1e-8);
    CHECK_NEAR(gram[1], 98, 1e-8);
    CHECK_NEAR(gram[17], 118, 1e-8);
    CHECK_EQ(b.work.cell.n, 3);
    als_work_release(&b.work);
}

/* Right-hand sides 51, 66 and then 114, 138: explicit ratings 3, 12 and 9 of the same rows. */
static void right_hand_side_has_sparks_numbers(void **state)
{
    qn_context *ctx = *state;
    const float rows[][2] = {{1, 2}, {4, 5}, {7, 8}};
    const float rating[] = {3, 12, 9};
    qn_als_params params = test_params(2, 1, 0.1);
    bench b;
    const double *rhs = NULL;

    params.precision = QN_ALS_DOUBLE;
    bench_open(ctx, &b, &params, rows, 3);
    rhs = b.work.cell.rhs;
    als_cell_add(&b.eq, &b.work, &(als_entries){.n = 2, .index = in_order, .value = rating},
                 &b.work.cell);
    CHECK_NEAR(rhs[0], 51, 1e-8);
    CHECK_NEAR(rhs[1], 66, 1e-8);
    als_cell_add(&b.eq, &b.work, &(als_entries){.n = 1, .index = in_order + 2, .value = rating + 2},
                 &b.work.cell);
    CHECK_NEAR(rhs[0], 114, 1e-8);
    CHECK_NEAR(rhs[1], 138, 1e-8);
    als_work_release(&b.work);
}

/* Rows [1 2] -> 4, [1 3] -> 9, [1 4] -> 16 with a ridge of `lambda` in all. */
static void solves(qn_context *ctx, double lambda, double x0, double x1)
{
    const float rows[][2] = {{1, 2}, {1, 3}, {1, 4}};
    const float rating[] = {4, 9, 16};
    qn_als_params params = test_params(2, 1, lambda / 3);

    for (int precision = 0; precision < 2; precision++) {
        float x[16] = {0};
        double loss = 0;
        double expected = 0;
        bench b;

        params.precision = precision;
        bench_open(ctx, &b, &params, rows, 3);
        als_cell_add(&b.eq, &b.work, &(als_entries){.n = 3, .index = in_order, .value = rating},
                     &b.work.cell);
        CHECK_EQ(als_cell_solve(&b.eq, &b.work, &b.work.cell, x, &loss), ALS_SOLVED);
        CHECK_NEAR(x[0], x0, 1e-5 * fabs(x0));
        CHECK_NEAR(x[1], x1, 1e-6 * fabs(x1));
        for (int i = 0; i < 3; i++)
            expected += pow((double)(rows[i][0] * x[0] + rows[i][1] * x[1] - rating[i]), 2);
        CHECK_NEAR(loss, expected, 1e-3);
        als_work_release(&b.work);
    }
}

static void cholesky_has_sparks_numbers(void **state)
{
    solves(*state, 0, -8.333333, 6.0);
    solves(*state, 1.5, -0.1155556, 3.28);
}

static void a_singular_row_gets_the_smallest_ridge(void **state)
{
    qn_context *ctx = *state;
    const float rows[][2] = {{1, 2}, {2, 4}};
    const float rating[] = {5, 10};
    const qn_als_params params = test_params(2, 1, 0);
    float x[16] = {0};
    bench b;

    bench_open(ctx, &b, &params, rows, 2);
    als_cell_add(&b.eq, &b.work, &(als_entries){.n = 2, .index = in_order, .value = rating},
                 &b.work.cell);
    CHECK_EQ(als_cell_solve(&b.eq, &b.work, &b.work.cell, x, NULL), ALS_RIDGED);
    CHECK_NEAR(x[0], 1, 1e-3); /* the shortest of all solutions */
    CHECK_NEAR(x[1], 2, 1e-3);
    als_work_release(&b.work);
}

static void a_row_of_zero_factors_is_zero(void **state)
{
    qn_context *ctx = *state;
    const float rows[][2] = {{0, 0}};
    const float rating[] = {5};
    const qn_als_params params = test_params(2, 1, 0);
    float x[16] = {7, 7};
    bench b;

    bench_open(ctx, &b, &params, rows, 1);
    als_cell_add(&b.eq, &b.work, &(als_entries){.n = 1, .index = in_order, .value = rating},
                 &b.work.cell);
    CHECK_EQ(als_cell_solve(&b.eq, &b.work, &b.work.cell, x, NULL), ALS_RIDGED);
    CHECK(x[0] == 0 && x[1] == 0);
    als_work_release(&b.work);
}

static void overflow_is_said(void **state)
{
    qn_context *ctx = *state;
    const float rows[][2] = {{1e30F, 1}, {1, 1e30F}};
    const float rating[] = {5, 4};
    const qn_als_params params = test_params(2, 1, 0.1);
    float x[16] = {0};
    bench b;

    bench_open(ctx, &b, &params, rows, 2);
    als_cell_add(&b.eq, &b.work, &(als_entries){.n = 2, .index = in_order, .value = rating},
                 &b.work.cell);
    CHECK_EQ(als_cell_solve(&b.eq, &b.work, &b.work.cell, x, NULL), ALS_NOT_FINITE);
    als_work_release(&b.work);
}

/* 2,500 ratings are decoded in three chunks; coded and plain ratings give the same bits. */
static void coded_and_plain_ratings_give_the_same_bits(void **state)
{
    qn_context *ctx = *state;
    enum { N = 2500 };
    const float rows[][2] = {{1, 2}, {0.5F, 3}, {2, -1}, {0.25F, 0.75F}};
    const float value[256] = {0.5F, 1, 1.5F, 2, 2.5F};
    const qn_als_params params = test_params(2, 1, 0.1);
    static uint32_t index[N];
    static uint8_t code[N];
    static float rating[N];
    float x[2][16] = {{0}};
    double loss[2];

    for (uint32_t i = 0; i < N; i++) {
        index[i] = i % 4;
        code[i] = (uint8_t)(i % 5);
        rating[i] = value[code[i]];
    }
    for (int coded = 0; coded < 2; coded++) {
        bench b;

        bench_open(ctx, &b, &params, rows, 4);
        b.eq.value = value;
        als_cell_add(&b.eq, &b.work,
                     &(als_entries){.n = N,
                                    .index = index,
                                    .code = coded ? code : NULL,
                                    .value = coded ? NULL : rating},
                     &b.work.cell);
        CHECK_EQ(b.work.cell.n, N);
        CHECK_EQ(als_cell_solve(&b.eq, &b.work, &b.work.cell, x[coded], &loss[coded]), ALS_SOLVED);
        als_work_release(&b.work);
    }
    CHECK(memcmp(x[0], x[1], sizeof x[0]) == 0);
    CHECK(loss[0] == loss[1]);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, test_context_setup, test_context_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(normal_equation_has_sparks_numbers),
        CASE(right_hand_side_has_sparks_numbers),
        CASE(cholesky_has_sparks_numbers),
        CASE(a_singular_row_gets_the_smallest_ridge),
        CASE(a_row_of_zero_factors_is_zero),
        CASE(overflow_is_said),
        CASE(coded_and_plain_ratings_give_the_same_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
