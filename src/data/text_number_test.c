/* Numbers out of text against the C library: every value must have its bits. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "check.h"
#include "data/text_number.h"
#include "data/text_source.h"

#define N_ROUNDS 20000

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* What is decided is right, and the slow way behind it decides all. */
static void check_number(const char *text)
{
    const size_t n = strlen(text);
    const float wanted_float = strtof(text, NULL);
    const double wanted = strtod(text, NULL);
    float as_float;
    double as_double;

    if (qn_text_real_float(text, n, &as_float) &&
        memcmp(&as_float, &wanted_float, sizeof as_float) != 0)
        fail_msg("float %s: %a, not %a", text, (double)as_float, (double)wanted_float);
    if (qn_text_real_double(text, n, &as_double) &&
        memcmp(&as_double, &wanted, sizeof as_double) != 0)
        fail_msg("double %s: %a, not %a", text, as_double, wanted);
    if (isfinite(wanted) && (!qn_text_parse_float(text, n, &as_float) ||
                             memcmp(&as_float, &wanted_float, sizeof as_float) != 0))
        fail_msg("slow float %s: %a, not %a", text, (double)as_float, (double)wanted_float);
}

static void check_format(const char *format, double value)
{
    char text[512];

    snprintf(text, sizeof text, format, value);
    check_number(text);
}

/* Any double, and what lies half way to the next. */
static void doubles_of_all_sizes_are_rounded_once(void **state)
{
    uint64_t seed = 88172645463325252;

    (void)state;
    for (int i = 0; i < N_ROUNDS; i++) {
        const uint64_t bits = next_random(&seed);
        char text[128];
        double value;

        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value) || !isfinite(nextafter(value, (double)INFINITY)))
            continue;
        check_format("%.17g", value);
        check_format("%.16e", value);
        check_format("%.18e", value);
        check_format("%.30e", value);
        const long double half =
            ((long double)value + (long double)nextafter(value, (double)INFINITY)) / 2;
        snprintf(text, sizeof text, "%.18Le", half);
        check_number(text);
        snprintf(text, sizeof text, "%.40Le", half);
        check_number(text);
    }
}

/* Any float, what lies half way to the next, and a little beside that. */
static void floats_half_way_are_rounded_once(void **state)
{
    uint64_t seed = 4101842887655102017;

    (void)state;
    for (int i = 0; i < N_ROUNDS; i++) {
        const uint32_t bits = (uint32_t)next_random(&seed);
        char text[256];
        float value;

        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value) || !isfinite(nextafterf(value, INFINITY)))
            continue;
        check_format("%.9g", (double)value);
        const double half = ((double)value + (double)nextafterf(value, INFINITY)) / 2;
        check_format("%.17g", half);
        check_format("%.18e", half);
        check_format("%.180e", half);
        check_format("%.120f", half);
        snprintf(text, sizeof text, "%.150e", half);
        char *e = strchr(text, 'e');
        char tail[16];
        snprintf(tail, sizeof tail, "%s", e);
        snprintf(e, (size_t)(text + sizeof text - e), "%s%s", i & 1 ? "000001" : "000000", tail);
        check_number(text);
    }
}

static void texts_of_all_shapes_are_read(void **state)
{
    uint64_t seed = 1181783497276652981;
    char text[256];

    (void)state;
    for (int i = 0; i < N_ROUNDS; i++) {
        uint64_t r[4];

        for (int k = 0; k < 4; k++) {
            r[k] = next_random(&seed);
            r[k] >>= next_random(&seed) & 63;
        }
        snprintf(text, sizeof text, "%s%llu.%0*llue%d", r[2] & 1 ? "-" : "+",
                 (unsigned long long)r[0], (int)(r[2] % 20), (unsigned long long)r[1],
                 (int)(next_random(&seed) % 700) - 350);
        check_number(text);
        snprintf(text, sizeof text, "%llu.%llu", (unsigned long long)r[0],
                 (unsigned long long)r[1]);
        check_number(text);
        snprintf(text, sizeof text, "-0.000000%llue%d", (unsigned long long)r[0],
                 (int)(next_random(&seed) % 80) - 50);
        check_number(text);
        snprintf(text, sizeof text, "000%llu", (unsigned long long)r[3]);
        check_number(text);
    }
}

static void edges_are_read(void **state)
{
    static const char *const number[] = {"0",
                                         "-0",
                                         "+0",
                                         "0.",
                                         "-.5",
                                         ".5",
                                         "5.",
                                         "1e5",
                                         "1E-5",
                                         "1e+0",
                                         "0e400",
                                         "0e-9999",
                                         "1e-9999",
                                         "00000000000000000000001",
                                         "0.00000000000000000000000000000000001",
                                         "16777217",
                                         "16777219",
                                         "9007199254740993",
                                         "9007199254740995",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "99999999999999999999",
                                         "4.9e-324",
                                         "2.4703282292062327e-324",
                                         "2.4703282292062328e-324",
                                         "7.0064923216240854e-46",
                                         "7.0064923216240853e-46",
                                         "7.0064923216240861e-46",
                                         "3.4028235677973366e+38",
                                         "3.4028235677973365e38",
                                         "1.7976931348623158e308",
                                         "1.7976931348623157e308",
                                         "2.2250738585072011e-308",
                                         "2.2250738585072014e-308",
                                         "1.17549435e-38",
                                         "1.1754942807573643e-38",
                                         "1.1754943508222875e-38",
                                         "8.5e-46",
                                         "1.000000059604644775390625",
                                         "1.000000059604644775390626",
                                         "1.00000005960464477539062499999999999999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        check_number(number[i]);
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const text[] = {"",     "-",   "+",     ".",   "-.",    "e5",      "1e",
                                       "1e+",  "1e-", "--1",   "+-1", "1.2.3", "1 ",      " 1",
                                       "0x10", "1f",  "1e5.0", "nan", "inf",   "1e99999", "1e400"};
    double as_double;
    float as_float;

    (void)state;
    for (size_t i = 0; i < sizeof text / sizeof *text; i++) {
        CHECK(!qn_text_real_float(text[i], strlen(text[i]), &as_float));
        CHECK(!qn_text_real_double(text[i], strlen(text[i]), &as_double));
    }
    CHECK(!qn_text_real_float("3.5e38", 6, &as_float));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_of_all_sizes_are_rounded_once),
        cmocka_unit_test(floats_half_way_are_rounded_once),
        cmocka_unit_test(texts_of_all_shapes_are_read),
        cmocka_unit_test(edges_are_read),
        cmocka_unit_test(what_is_no_number_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
