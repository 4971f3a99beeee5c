#include "kernels_check.h"

#include <math.h>

#define MOST_RANK 129

/* A = sum of y yT over rank + 3 random rows, in long double rounded once, plus its ridge. */
typedef struct system_case {
    int32_t rank;
    int64_t stride;
    double a[MOST_RANK][MOST_RANK];
    double b[MOST_RANK];
} system_case;

static void system_case_init(system_case *s, int32_t rank)
{
    static double m[MOST_RANK + 3][MOST_RANK];
    uint64_t seed = (uint64_t)rank;

    s->rank = rank;
    s->stride = qn_factor_stride(rank);
    for (int32_t j = 0; j < rank + 3; j++) {
        for (int32_t i = 0; i < rank; i++)
            m[j][i] = next_number(&seed);
    }
    for (int32_t i = 0; i < rank; i++) {
        s->b[i] = next_number(&seed);
        for (int32_t k = i; k < rank; k++) {
            double sum = 0.0;

            for (int32_t j = 0; j < rank + 3; j++)
                sum += m[j][i] * m[j][k];
            s->a[i][k] = s->a[k][i] = (float)sum;
        }
    }
}

/* |A x - b| (A with the ridge), against n eps (|A| |x| + |b|): what a stable solver leaves. */
static void check_residual(const system_case *s, double ridge, const double *x, double epsilon)
{
    for (int32_t i = 0; i < s->rank; i++) {
        double residual = s->b[i];
        double size = fabs(s->b[i]);

        for (int32_t k = 0; k < s->rank; k++) {
            const double a = s->a[i][k] + (i == k ? ridge : 0.0);

            residual -= a * x[k];
            size += fabs(a * x[k]);
        }
        if (!(fabs(residual) <= 4.0 * (s->rank + 4) * epsilon * size)) {
            print_error("rank %d, row %d: residual %g of %g\n", s->rank, i, residual, size);
            fail();
        }
    }
}

/* NaN fills what the solver may not depend on: lower triangle and padding. */
#define FILL_CASE(type, name)                                                                      \
    static void name(const system_case *s, type *gram, type *rhs)                                  \
    {                                                                                              \
        for (int32_t i = 0; i < s->rank; i++) {                                                    \
            for (int64_t k = 0; k < s->stride; k++)                                                \
                gram[i * s->stride + k] = k >= i && k < s->rank ? (type)s->a[i][k] : (type)NAN;    \
            rhs[i] = (type)s->b[i];                                                                \
        }                                                                                          \
        for (int64_t k = s->rank; k < s->stride; k++)                                              \
            rhs[k] = (type)NAN;                                                                    \
    }
FILL_CASE(float, fill_f32)
FILL_CASE(double, fill_f64)

static void check_f32(const qn_kernels *set, const system_case *s)
{
    const size_t gram_bytes = (size_t)(s->rank * s->stride) * sizeof(float);
    const size_t rhs_bytes = (size_t)s->stride * sizeof(float);
    float *gram = guarded_alloc(gram_bytes);
    float *rhs = guarded_alloc(rhs_bytes);
    double x[MOST_RANK];

    fill_f32(s, gram, rhs);
    CHECK_EQ(set->cholesky_f32(s->rank, s->stride, gram, 0.5F, rhs), 0);
    for (int32_t i = 0; i < s->rank; i++)
        x[i] = rhs[i];
    for (int64_t i = s->rank; i < s->stride; i++)
        CHECK(rhs[i] == 0.0F);
    check_residual(s, 0.5, x, 0x1p-24);
    guarded_free(gram, gram_bytes);
    guarded_free(rhs, rhs_bytes);
}

static void check_f64(const qn_kernels *set, const system_case *s)
{
    const size_t gram_bytes = (size_t)(s->rank * s->stride) * sizeof(double);
    const size_t rhs_bytes = (size_t)s->stride * sizeof(double);
    double *gram = guarded_alloc(gram_bytes);
    double *rhs = guarded_alloc(rhs_bytes);

    fill_f64(s, gram, rhs);
    CHECK_EQ(set->cholesky_f64(s->rank, s->stride, gram, 0.5, rhs), 0);
    for (int64_t i = s->rank; i < s->stride; i++)
        CHECK(rhs[i] == 0.0);
    check_residual(s, 0.5, rhs, 0x1p-53);
    guarded_free(gram, gram_bytes);
    guarded_free(rhs, rhs_bytes);
}

static void every_solution_leaves_a_residual_of_rounding_size(void **state)
{
    static system_case s;

    (void)state;
    for (int32_t k = 0; k < N_SETS; k++) {
        const qn_kernels *set = set_or_skip(k);

        for (int32_t i = 0; set && i < N_RANKS; i++) {
            system_case_init(&s, awkward_ranks[i]);
            check_f32(set, &s);
            check_f64(set, &s);
        }
    }
}

/* The identity with one bad pivot; `bad` is the value that it has when its turn comes. */
static void check_bad_pivot(const qn_kernels *set, int32_t rank, int32_t at, double bad)
{
    const int64_t stride = qn_factor_stride(rank);
    float *gram = guarded_alloc((size_t)(rank * stride) * sizeof(float));
    double *wide = guarded_alloc((size_t)(rank * stride) * sizeof(double));
    float *rhs = guarded_alloc((size_t)stride * sizeof(float));
    double *wide_rhs = guarded_alloc((size_t)stride * sizeof(double));

    for (int32_t i = 0; i < rank; i++)
        gram[i * stride + i] = (float)(wide[i * stride + i] = i == at ? bad : 2.0);
    CHECK_EQ(set->cholesky_f32(rank, stride, gram, 0.0F, rhs), at + 1);
    CHECK_EQ(set->cholesky_f64(rank, stride, wide, 0.0, wide_rhs), at + 1);
    guarded_free(gram, (size_t)(rank * stride) * sizeof(float));
    guarded_free(wide, (size_t)(rank * stride) * sizeof(double));
    guarded_free(rhs, (size_t)stride * sizeof(float));
    guarded_free(wide_rhs, (size_t)stride * sizeof(double));
}

static void the_first_pivot_that_is_not_positive_is_named(void **state)
{
    (void)state;
    for (int32_t k = 0; k < N_SETS; k++) {
        const qn_kernels *set = set_or_skip(k);

        for (int32_t i = 0; set && i < N_RANKS; i++) {
            const int32_t rank = awkward_ranks[i];

            check_bad_pivot(set, rank, 0, 0.0);
            check_bad_pivot(set, rank, rank / 2, -1.0);
            check_bad_pivot(set, rank, rank - 1, 0.0);
            check_bad_pivot(set, rank, rank - 1, NAN);
        }
    }
}

static void spark_s_known_systems_are_solved(void **state)
{
    /* Rows [1,2] -> 4, [1,3] -> 9, [1,4] -> 16: A = [3 9; 9 29], b = (29, 99). */
    static const double wanted[2][2] = {{-8.333333, 6.0}, {-0.1155556, 3.28}};
    static const double ridge[2] = {0.0, 1.5};

    (void)state;
    for (int32_t k = 0; k < N_SETS * 2; k++) {
        const qn_kernels *set = set_or_skip(k / 2);
        double gram[2 * 16] = {3, 9, [17] = 29};
        double rhs[16] = {29, 99};
        float single[2 * 16] = {3, 9, [17] = 29};
        float single_rhs[16] = {29, 99};

        if (!set)
            continue;
        CHECK_EQ(set->cholesky_f64(2, 16, gram, ridge[k % 2], rhs), 0);
        CHECK_EQ(set->cholesky_f32(2, 16, single, (float)ridge[k % 2], single_rhs), 0);
        for (int32_t i = 0; i < 2; i++) {
            CHECK_NEAR(rhs[i], wanted[k % 2][i], 1e-6 * fabs(wanted[k % 2][i]));
            CHECK_NEAR(single_rhs[i], wanted[k % 2][i], 1e-4 * fabs(wanted[k % 2][i]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spark_s_known_systems_are_solved),
        cmocka_unit_test(every_solution_leaves_a_residual_of_rounding_size),
        cmocka_unit_test(the_first_pivot_that_is_not_positive_is_named),
    };

    return cmocka_run_group_tests_name("cholesky", tests, NULL, NULL);
}
