#include "kernels/kernels.h"

#include "check.h"

#define MAX_N 20

/* 1/2 xT A x - xT b. */
static double objective(int32_t n, const double *a, const double *b, const double *x)
{
    double value = 0.0;

    for (int32_t i = 0; i < n; i++) {
        for (int32_t j = 0; j < n; j++)
            value += 0.5 * x[i] * a[i * n + j] * x[j];
        value -= x[i] * b[i];
    }
    return value;
}

static void nnls_finds_the_known_answer(void **state)
{
    const double a[25] = {4.377, -3.531, -1.306, -.139, 3.418, -3.531, 4.344, .934, .305,
                          -2.14, -1.306, .934,   2.644, -.203, -.17,   -.139, .305, -.203,
                          5.883, 1.428,  3.418,  -2.14, -.17,  1.428,  4.684};
    const double b[5] = {-1.632, 2.115, 1.094, -1.025, -.636};
    const double wanted[5] = {0.13025, 0.54506, 0.2874, 0.0, 0.028628};
    double x[5];
    double scratch[25];

    (void)state;
    CHECK(qn_nnls(5, a, b, x, scratch) < 400);
    for (int32_t i = 0; i < 5; i++) {
        CHECK_NEAR(x[i], wanted[i], 1e-3);
        CHECK(x[i] >= 0.0);
    }
}

static void nnls_reaches_the_objective_of_a_hard_case(void **state)
{
    const double upper[15] = {517399.13534,  242529.67289,  -153644.98976, 130802.84503,
                              -798452.29283, 126017.69765,  -75944.21743,  81785.36128,
                              -405290.60884, 46986.44577,   -45401.12659,  247059.51049,
                              67457.31310,   -253747.03819, 1310939.40814};
    const double b[5] = {-31755.05710, 13047.14813, -20191.24443, 25993.77580, 11963.55017};
    const double reference[5] = {34.90751, 103.96254, 0.0, 27.82094, 58.79627};
    double a[25];
    double x[5];
    double scratch[25];
    int32_t next = 0;

    (void)state;
    for (int32_t i = 0; i < 5; i++) {
        for (int32_t j = i; j < 5; j++) {
            a[i * 5 + j] = upper[next];
            a[j * 5 + i] = upper[next++];
        }
    }
    qn_nnls(5, a, b, x, scratch);
    for (int32_t i = 0; i < 5; i++)
        CHECK(x[i] >= 0.0);
    CHECK(objective(5, a, b, x) <= objective(5, a, b, reference) + 1e-5);
}

/* A small generator of our own: numbers in [0, 1) that no library changes. */
static double next_uniform(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (double)(*seed >> 11) / 9007199254740992.0;
}

/* A = MT M of a random M, b = A times a vector of ones. */
static void make_problem(uint64_t *seed, double *a, double *b)
{
    double m[MAX_N * MAX_N];

    for (int32_t i = 0; i < MAX_N * MAX_N; i++)
        m[i] = next_uniform(seed);
    for (int32_t i = 0; i < MAX_N; i++) {
        b[i] = 0.0;
        for (int32_t j = 0; j < MAX_N; j++) {
            double sum = 0.0;

            for (int32_t k = 0; k < MAX_N; k++)
                sum += m[k * MAX_N + i] * m[k * MAX_N + j];
            a[i * MAX_N + j] = sum;
            b[i] += sum;
        }
    }
}

static void nnls_solves_most_random_systems_whose_answer_is_all_ones(void **state)
{
    uint64_t seed = 7;
    int32_t n_solved = 0;

    (void)state;
    for (int32_t trial = 0; trial < 100; trial++) {
        double a[MAX_N * MAX_N];
        double b[MAX_N];
        double x[MAX_N];
        double scratch[5 * MAX_N];
        int32_t n_near = 0;

        make_problem(&seed, a, b);
        qn_nnls(MAX_N, a, b, x, scratch);
        for (int32_t i = 0; i < MAX_N; i++)
            n_near += x[i] > 0.99 && x[i] < 1.01;
        n_solved += n_near == MAX_N;
    }
    CHECK(n_solved > 50);
}

static void nnls_of_a_zero_system_is_zero(void **state)
{
    const double a[4] = {0};
    const double b[2] = {0};
    double x[2] = {5.0, 5.0};
    double scratch[10];

    (void)state;
    qn_nnls(2, a, b, x, scratch);
    CHECK(x[0] == 0.0 && x[1] == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nnls_finds_the_known_answer),
        cmocka_unit_test(nnls_reaches_the_objective_of_a_hard_case),
        cmocka_unit_test(nnls_solves_most_random_systems_whose_answer_is_all_ones),
        cmocka_unit_test(nnls_of_a_zero_system_is_zero),
    };

    return cmocka_run_group_tests_name("nnls", tests, NULL, NULL);
}
