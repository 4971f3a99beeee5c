#include "base/rng.h"

#include <math.h>

#include "base/math.h"
#include "check.h"

static void check_words(qn_random r, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    const uint32_t wanted[] = {a, b, c, d};

    for (int i = 0; i < 4; i++)
        CHECK_EQ(r.word[i], wanted[i]);
}

/* Stream 0 is no stream of ours; with it the key is the seed and Random123's vectors hold. */
static void philox_gives_the_published_numbers(void **state)
{
    const qn_stream none = (qn_stream)0;

    (void)state;
    check_words(qn_philox(0, none, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
    check_words(qn_philox(-1, none, UINT64_MAX, UINT64_MAX), 0x408f276d, 0x41c83b0e, 0xa20bc7c6,
                0x6d5451fd);
    check_words(qn_philox(0x299f31d0a4093822, none, 0x85a308d3243f6a88, 0x0370734413198a2e),
                0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
}

static void streams_seeds_and_counters_differ(void **state)
{
    const qn_random base = qn_philox(7, QN_STREAM_SPLIT, 1, 2);
    const qn_random other[] = {
        qn_philox(8, QN_STREAM_SPLIT, 1, 2), qn_philox(7, QN_STREAM_FACTORS, 1, 2),
        qn_philox(7, QN_STREAM_SPLIT, 2, 2), qn_philox(7, QN_STREAM_SPLIT, 1, 3),
        qn_philox(7, QN_STREAM_SPLIT, 2, 1)};
    const qn_random again = qn_philox(7, QN_STREAM_SPLIT, 1, 2);

    (void)state;
    CHECK(memcmp(&base, &again, sizeof base) == 0);
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        CHECK(memcmp(&base, &other[i], sizeof base) != 0);
    CHECK(qn_text_key("abc", 3) != qn_text_key("abd", 3));
    CHECK(qn_text_key("abcd", 3) == qn_text_key("abc", 3));
}

static void uniform_numbers_fill_the_unit_interval(void **state)
{
    const qn_random least = {{0, 0, 31, 63}};
    const qn_random most = {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}};
    double sum = 0.0, squares = 0.0;
    const int n = 200000;

    (void)state;
    CHECK(qn_uniform(&least, 0) == 0.0 && qn_uniform(&least, 2) == 0.0);
    CHECK(qn_uniform(&most, 0) == 1.0 - 0x1p-53);
    for (int i = 0; i < n; i++) {
        const qn_random r = qn_philox(3, QN_STREAM_SAMPLE, (uint64_t)i, 0);

        sum += qn_uniform(&r, 0);
        squares += qn_uniform(&r, 0) * qn_uniform(&r, 0);
    }
    CHECK_NEAR(sum / n, 0.5, 0.003);
    CHECK_NEAR(squares / n, 1.0 / 3.0, 0.003);
}

static void normal_numbers_have_the_right_moments(void **state)
{
    const int n = 200000;
    double m1 = 0.0, m2 = 0.0, m3 = 0.0, m4 = 0.0, cross = 0.0;

    (void)state;
    for (int i = 0; i < n; i++) {
        const qn_random r = qn_philox(4, QN_STREAM_FACTORS, (uint64_t)i, 0);
        double x[2];

        qn_normal_pair(&r, x);
        m1 += x[0] + x[1];
        m2 += x[0] * x[0] + x[1] * x[1];
        m3 += x[0] * x[0] * x[0] + x[1] * x[1] * x[1];
        m4 += pow(x[0], 4) + pow(x[1], 4);
        cross += x[0] * x[1];
    }
    CHECK_NEAR(m1 / (2 * n), 0.0, 0.01);
    CHECK_NEAR(m2 / (2 * n), 1.0, 0.02);
    CHECK_NEAR(m3 / (2 * n), 0.0, 0.04);
    CHECK_NEAR(m4 / (2 * n), 3.0, 0.1);
    CHECK_NEAR(cross / n, 0.0, 0.01);
}

/* The bits are a promise: a change here changes every model that starts from random factors. */
static void the_bits_of_a_normal_pair_are_fixed(void **state)
{
    const qn_random r = qn_philox(42, QN_STREAM_FACTORS, 1, 2);
    double x[2];

    (void)state;
    qn_normal_pair(&r, x);
    CHECK(x[0] == -0x1.e4fa622fb0929p-1);
    CHECK(x[1] == -0x1.db68bf6662c94p-5);
}

/* Distance to the true value in units of the last place of the result. */
static double log_error_ulps(double x)
{
    const double value = qn_log(x);
    const long double truth = logl((long double)x);
    const double ulp = nextafter(fabs(value), HUGE_VAL) - fabs(value);

    return (double)(fabsl((long double)value - truth) / (long double)ulp);
}

static void the_logarithm_is_within_one_unit(void **state)
{
    double worst = 0.0;

    (void)state;
    for (uint64_t i = 0; i < 300000; i++) {
        const qn_random r = qn_philox(5, QN_STREAM_SAMPLE, i, 0);
        const double near_one = 0.5 + 1.5 * qn_uniform(&r, 0);
        const double any = ldexp(1.0 + qn_uniform(&r, 0), (int)(r.word[2] % 2090) - 1070);
        const double very_near = 1.0 + ldexp(qn_uniform(&r, 2) - 0.5, -(int)(r.word[0] % 50));

        if (near_one != 1.0)
            worst = fmax(worst, log_error_ulps(near_one));
        worst = fmax(worst, log_error_ulps(any));
        if (very_near != 1.0)
            worst = fmax(worst, log_error_ulps(very_near));
    }
    print_message("worst logarithm: %.3f ulp\n", worst);
    CHECK(worst < 1.0);
    CHECK(qn_log(1.0) == 0.0);
    CHECK(qn_log(0.0) == -HUGE_VAL && qn_log(HUGE_VAL) == HUGE_VAL && isnan(qn_log(-1.0)));
    CHECK(qn_log(2.0) == 0x1.62e42fefa39efp-1);
}

static double exp_error_ulps(double x)
{
    const double value = qn_exp(x);
    const long double truth = expl((long double)x);
    const double ulp = nextafter(value, HUGE_VAL) - value;

    return (double)(fabsl((long double)value - truth) / (long double)ulp);
}

static void the_exponential_is_within_one_unit(void **state)
{
    double worst = 0.0;

    (void)state;
    for (uint64_t i = 0; i < 300000; i++) {
        const qn_random r = qn_philox(8, QN_STREAM_SAMPLE, i, 0);
        const double any = -745.1 + 1454.8 * qn_uniform(&r, 0);
        const double near_zero = 2.0 * qn_uniform(&r, 2) - 1.0;
        const double very_near = ldexp(near_zero, -(int)(r.word[0] % 60));
        /* Where the nearest multiple of ln 2 changes. */
        const double between = 0.69314718055994531 * ((double)(r.word[1] % 2000) - 999.5);

        worst = fmax(worst, exp_error_ulps(any));
        worst = fmax(worst, exp_error_ulps(near_zero));
        worst = fmax(worst, exp_error_ulps(very_near));
        worst = fmax(worst, exp_error_ulps(between));
    }
    print_message("worst exponential: %.3f ulp\n", worst);
    CHECK(worst < 1.0);
}

static void the_exponential_has_its_limits_and_fixed_bits(void **state)
{
    (void)state;
    CHECK(qn_exp(0.0) == 1.0 && qn_exp(-0.0) == 1.0);
    CHECK(qn_exp(1.0) == 0x1.5bf0a8b145769p+1);
    CHECK(qn_exp(-1.0) == 0x1.78b56362cef38p-2);
    CHECK(qn_exp(0x1.62e42fefa39efp+9) < HUGE_VAL && qn_exp(709.79) == HUGE_VAL);
    CHECK(qn_exp(HUGE_VAL) == HUGE_VAL && qn_exp(1e300) == HUGE_VAL);
    CHECK(qn_exp(-745.1) == 0x1p-1074 && qn_exp(-745.14) == 0.0);
    CHECK(qn_exp(-HUGE_VAL) == 0.0 && qn_exp(-1e300) == 0.0);
    CHECK(isnan(qn_exp((double)NAN)));
}

static void sine_and_cosine_of_turns_are_close(void **state)
{
    const long double two_pi = 6.283185307179586476925286766559L;
    double sine, cosine, worst = 0.0;

    (void)state;
    for (uint64_t i = 0; i < 300000; i++) {
        const qn_random r = qn_philox(6, QN_STREAM_SAMPLE, i, 0);
        const double turns = qn_uniform(&r, 0);

        qn_sincos2pi(turns, &sine, &cosine);
        worst = fmax(worst, (double)fabsl((long double)sine - sinl(two_pi * (long double)turns)));
        worst = fmax(worst, (double)fabsl((long double)cosine - cosl(two_pi * (long double)turns)));
    }
    print_message("worst sine or cosine: %.3g\n", worst);
    CHECK(worst < 4e-16);
    for (int quarter = -4; quarter <= 8; quarter++) {
        static const double wanted[] = {0.0, 1.0, 0.0, -1.0, 0.0};

        qn_sincos2pi(0.25 * quarter, &sine, &cosine);
        CHECK(sine == wanted[(quarter + 8) % 4] && cosine == wanted[(quarter + 8) % 4 + 1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_numbers),
        cmocka_unit_test(streams_seeds_and_counters_differ),
        cmocka_unit_test(uniform_numbers_fill_the_unit_interval),
        cmocka_unit_test(normal_numbers_have_the_right_moments),
        cmocka_unit_test(the_bits_of_a_normal_pair_are_fixed),
        cmocka_unit_test(the_logarithm_is_within_one_unit),
        cmocka_unit_test(the_exponential_is_within_one_unit),
        cmocka_unit_test(the_exponential_has_its_limits_and_fixed_bits),
        cmocka_unit_test(sine_and_cosine_of_turns_are_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
