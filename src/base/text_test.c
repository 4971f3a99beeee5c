#include "base/text.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>

#include "base/rng.h"
#include "check.h"

#define CHECK_FORMAT(function, value, wanted)                                                      \
    do {                                                                                           \
        char text_[64];                                                                            \
        function((value), text_);                                                                  \
        CHECK_TEXT(text_, (wanted));                                                               \
    } while (0)

static void a_string_grows(void **state)
{
    qn_string s = {0};

    (void)state;
    CHECK_TEXT(qn_string_text(&s), "");
    qn_string_add(&s, "ab");
    qn_string_addf(&s, "%d-%s", 12, "x");
    qn_string_add_bytes(&s, "c\0d", 3);
    CHECK_EQ(s.length, 9);
    CHECK(memcmp(s.text, "ab12-xc\0d", 10) == 0);
    qn_string_clear(&s);
    CHECK_TEXT(qn_string_text(&s), "");
    for (int i = 0; i < 1000; i++)
        qn_string_addf(&s, "%03d,", i);
    CHECK_EQ(s.length, 4000);
    CHECK(memcmp(s.text + 3996, "999,", 5) == 0);
    CHECK(!s.failed);
    qn_string_release(&s);
    CHECK(s.text == NULL);
}

static void numbers_are_written_short(void **state)
{
    (void)state;
    CHECK_FORMAT(qn_format_double, 0.1, "0.1");
    CHECK_FORMAT(qn_format_double, 1.0 / 3.0, "0.3333333333333333");
    CHECK_FORMAT(qn_format_double, 0.1 + 0.2, "0.30000000000000004");
    CHECK_FORMAT(qn_format_double, -0.0, "-0");
    CHECK_FORMAT(qn_format_double, 1e300, "1e+300");
    CHECK_FORMAT(qn_format_double, (double)NAN, "NaN");
    CHECK_FORMAT(qn_format_double, -HUGE_VAL, "-Infinity");
    CHECK_FORMAT(qn_format_float, 3.5F, "3.5");
    CHECK_FORMAT(qn_format_float, 0.1F, "0.1");
    CHECK_FORMAT(qn_format_float, 16777216.0F, "16777216");
    CHECK_FORMAT(qn_format_float, HUGE_VALF, "Infinity");
    CHECK_FORMAT(qn_format_count, 0, "0");
    CHECK_FORMAT(qn_format_count, 999, "999");
    CHECK_FORMAT(qn_format_count, 1234567, "1,234,567");
    CHECK_FORMAT(qn_format_count, -1234, "-1,234");
    CHECK_FORMAT(qn_format_count, INT64_MIN, "-9,223,372,036,854,775,808");
}

static void sizes_and_times_are_written_for_people(void **state)
{
    (void)state;
    CHECK_FORMAT(qn_format_bytes, 0.0, "0 B");
    CHECK_FORMAT(qn_format_bytes, 1023.0, "1023 B");
    CHECK_FORMAT(qn_format_bytes, 1610612736.0, "1.5 GB");
    CHECK_FORMAT(qn_format_bytes, 300.0 * 1048576, "300 MB");
    CHECK_FORMAT(qn_format_bytes, 1073741824.0, "1 GB");
    CHECK_FORMAT(qn_format_bytes, 1e300, "more than 1e15 ZB");
    CHECK_FORMAT(qn_format_time, 1795286571623000, "2026-11-21T18:42:51.623Z");
    CHECK_FORMAT(qn_format_time, 0, "1970-01-01T00:00:00.000Z");
    CHECK_FORMAT(qn_format_seconds, 0.0123, "12 ms");
    CHECK_FORMAT(qn_format_seconds, 75.0, "1 min 15 s");
    CHECK_FORMAT(qn_format_seconds, 0.0000123, "12 us");
    CHECK_FORMAT(qn_format_seconds, 2.04, "2 s");
    CHECK_FORMAT(qn_format_seconds, 2.06, "2.1 s");
    CHECK_FORMAT(qn_format_seconds, 59.99, "1 min 0 s");
    CHECK_FORMAT(qn_format_seconds, 7260.0, "2 h 1 min");
    CHECK_FORMAT(qn_format_seconds, (double)NAN, "unknown");
}

static void every_number_reads_back_the_same(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        const qn_random random = qn_philox(1, QN_STREAM_SAMPLE, i, 0);
        double value, back = 0.0;
        float single;
        char text[32];

        memcpy(&value, random.word, sizeof value);
        memcpy(&single, random.word + 2, sizeof single);
        if (isfinite(value)) {
            qn_format_double(value, text);
            CHECK(qn_parse_double(text, strlen(text), &back) && back == value);
        }
        if (isfinite(single)) {
            qn_format_float(single, text);
            CHECK(strtof(text, NULL) == single);
            CHECK(qn_parse_double(text, strlen(text), &back) && (float)back == single);
        }
    }
}

/* What printf writes with the fewest digits that read back. */
static void check_as_printf(double value, bool is_float)
{
    char text[32], wanted[32];
    int digits = is_float ? 6 : 15;

    for (;; digits++) {
        snprintf(wanted, sizeof wanted, "%.*g", digits, value);
        if (is_float ? (float)strtod(wanted, NULL) == (float)value : strtod(wanted, NULL) == value)
            break;
    }
    if (is_float)
        qn_format_float((float)value, text);
    else
        qn_format_double(value, text);
    if (strcmp(text, wanted) != 0)
        fail_msg("%a is %s, %s was written", value, wanted, text);
}

static void numbers_are_written_as_printf_writes_them(void **state)
{
    (void)state;
    for (int e = -40; e <= 40; e++)
        for (int sign = -1; sign <= 1; sign += 2)
            for (int m = 1; m < 40; m++) {
                const double power =
                    strtod((char[]){'1', 'e', e < 0 ? '-' : '+', (char)('0' + abs(e) / 10),
                                    (char)('0' + abs(e) % 10), 0},
                           NULL);

                check_as_printf(sign * m * power, false);
                check_as_printf(nextafter(sign * m * power, 0.0), false);
                check_as_printf(ldexp(sign * m, e), false);
                check_as_printf((double)(float)ldexp(sign * m, e), true);
                check_as_printf((double)nextafterf((float)(sign * m * power * 1e-2), 0.0F), true);
            }
    for (uint64_t i = 0; i < 100000; i++) {
        const qn_random r = qn_philox(8, QN_STREAM_SAMPLE, i, 0);
        const double scaled = ldexp(qn_uniform(&r, 0), (int)(r.word[3] % 120) - 60);

        check_as_printf(scaled, false);
        check_as_printf((double)(float)scaled, true);
        check_as_printf(r.word[0] % 100000 / 1000.0, false);
        check_as_printf((double)((float)(r.word[0] % 100000) / 1000.0F), true);
    }
}

static bool parses_int(const char *text, int64_t wanted)
{
    int64_t value = 0;

    return qn_parse_int64(text, strlen(text), &value) && value == wanted;
}

static void whole_numbers_are_read(void **state)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "+",
                                      " 1",
                                      "1 ",
                                      "1.5",
                                      "1.",
                                      ".0",
                                      "0x1",
                                      "1e3",
                                      "--1",
                                      "1,000",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999",
                                      "1.0x"};
    int64_t value = 42;

    (void)state;
    CHECK(parses_int("12", 12) && parses_int("-3", -3) && parses_int("+4", 4));
    CHECK(parses_int("5.0", 5) && parses_int("-5.000", -5) && parses_int("007", 7));
    CHECK(parses_int("9223372036854775807", INT64_MAX));
    CHECK(parses_int("-9223372036854775808", INT64_MIN));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (qn_parse_int64(bad[i], strlen(bad[i]), &value))
            fail_msg("\"%s\" was taken", bad[i]);
    CHECK_EQ(value, 42);
    CHECK(qn_parse_int64("123456", 3, &value) && value == 123); /* the length decides */
}

static bool same_double(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0;
}

/* Against the C library, which rounds correctly. */
static void check_double(const char *text)
{
    double value = 0.0, wanted;

    errno = 0;
    wanted = strtod(text, NULL);
    if (errno == ERANGE && fabs(wanted) == HUGE_VAL) {
        if (qn_parse_double(text, strlen(text), &value))
            fail_msg("\"%s\" does not fit, %.17g was read", text, value);
        return;
    }
    if (!qn_parse_double(text, strlen(text), &value) || !same_double(value, wanted))
        fail_msg("\"%s\" is %.17g, %.17g was read", text, wanted, value);
}

static void real_numbers_are_rounded_correctly(void **state)
{
    static const char *const good[] = {
        "0",
        "-0",
        "1",
        "4.5",
        "3.",
        ".5",
        "1e5",
        "1E-5",
        "+1.5e+3",
        "1e22",
        "1e23",
        "123456789012345",
        "9007199254740993",
        "9007199254740992.5",
        "0.1e-300",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "1e309",
        "1e999999999999999999999",
        "1e-99999",
        "0e999999",
        "0.000000000000000000000000000000000000000000000000000000001e57",
        "100000000000000000000000000000000000000000000000000000000000000e-62",
        "6929495644600919.5",
        "3.518437208883201171875",
        "1.00000000000000011102230246251565404",
        "1.00000000000000011102230246251565405"};
    char text[1300];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        check_double(good[i]);
    /* A tie that only the 1200th digit breaks. */
    memset(text, '0', sizeof text);
    memcpy(text, "1.00000000000000011102230246251565404236316680908203125", 55);
    text[1200] = '\0';
    check_double(text);
    text[1199] = '1';
    check_double(text);
}

static void random_texts_read_as_the_c_library_reads_them(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        const qn_random r = qn_philox(2, QN_STREAM_SAMPLE, i, 0);
        const uint64_t digits = (uint64_t)r.word[0] << 32 | r.word[1];
        const int shape = (int)(r.word[2] % 5);
        char text[96];

        if (shape == 0)
            snprintf(text, sizeof text, "%s%u.%u", r.word[3] & 1 ? "-" : "", r.word[0] % 100,
                     r.word[1] % 1000);
        else if (shape == 1)
            snprintf(text, sizeof text, "%llu.%05u", (unsigned long long)digits, r.word[3]);
        else if (shape == 2)
            snprintf(text, sizeof text, "0.%llu%llu", (unsigned long long)digits,
                     (unsigned long long)digits);
        else if (shape == 3)
            snprintf(text, sizeof text, "%llu.%ue%d", (unsigned long long)digits % 100000,
                     r.word[1], (int)(r.word[3] % 700) - 350);
        else
            snprintf(text, sizeof text, "%lluE%d", (unsigned long long)digits,
                     (int)(r.word[3] % 60) - 30);
        check_double(text);
    }
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const bad[] = {"",      ".",     "-",   "e5",  "1e",  "1e+",
                                      "1.2.3", " 1",    "1 ",  "0x1", "1_0", "infi",
                                      "nanx",  "1e5.0", "+-1", "--1", "1,5", "n"};
    double value = 42.0;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (qn_parse_double(bad[i], strlen(bad[i]), &value))
            fail_msg("\"%s\" was taken", bad[i]);
    CHECK(value == 42.0);
    CHECK(qn_parse_double("-INF", 4, &value) && value == -HUGE_VAL);
    CHECK(qn_parse_double("Infinity", 8, &value) && value == HUGE_VAL);
    CHECK(qn_parse_double("NaN", 3, &value) && isnan(value));
    CHECK(qn_parse_double("1.25999", 4, &value) && value == 1.25); /* the length decides */
}

/* A host program may set a locale with a decimal comma; skipped where none is installed. */
static void a_decimal_comma_changes_nothing(void **state)
{
    double value = 0.0;

    (void)state;
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8")) {
        print_message("skipped: no locale with a decimal comma\n");
        skip();
    }
    CHECK_FORMAT(qn_format_double, 0.1 + 0.2, "0.30000000000000004");
    CHECK_FORMAT(qn_format_bytes, 1610612736.0, "1.5 GB");
    CHECK(qn_parse_double("0.30000000000000004", 19, &value) && value == 0.1 + 0.2);
    setlocale(LC_ALL, "C");
}

static void sizes_are_read(void **state)
{
    static const char *const bad[] = {"",    "g",   "1x",           "-1g", "1.5",
                                      "nan", "1gg", "99999999999g", "infg"};
    size_t value = 42;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (qn_parse_bytes(bad[i], &value))
            fail_msg("\"%s\" was taken", bad[i]);
    CHECK(qn_parse_bytes("1g", &value) && value == (size_t)1 << 30);
    CHECK(qn_parse_bytes("512M", &value) && value == (size_t)512 << 20);
    CHECK(qn_parse_bytes("64kb", &value) && value == (size_t)64 << 10);
    CHECK(qn_parse_bytes("1.5g", &value) && value == (size_t)3 << 29);
    CHECK(qn_parse_bytes("1.5 GB", &value) && value == (size_t)3 << 29);
    CHECK(qn_parse_bytes("2GiB", &value) && value == (size_t)1 << 31);
    CHECK(qn_parse_bytes("1073741824", &value) && value == (size_t)1 << 30);
    CHECK(qn_parse_bytes("7b", &value) && value == 7);
    CHECK(qn_parse_bytes("0", &value) && value == 0);
}

static bool parses_time(const char *text, int64_t wanted)
{
    int64_t value = 0;

    return qn_parse_time(text, strlen(text), &value) && value == wanted;
}

static void times_are_read(void **state)
{
    static const char *const bad[] = {"",
                                      "2005-9-6",
                                      "2005-13-01",
                                      "2005-02-29",
                                      "2005-09-06x",
                                      "2005-09-06T",
                                      "2005-09-06 25:00:00",
                                      "2005-09-06 12:60:00",
                                      "2005-00-10",
                                      "2005-09-00",
                                      "2005-09-06 12:30:00 ",
                                      "1.5"};
    int64_t value = 42;

    (void)state;
    CHECK(parses_time("2005-09-06", 1125964800));
    CHECK(parses_time("2005-09-06 12:30:00", 1126009800));
    CHECK(parses_time("2005-09-06T12:30:00Z", 1126009800));
    CHECK(parses_time("2005-09-06T12:30:00.987Z", 1126009800));
    CHECK(parses_time("2005-09-06T14:30:00+02:00", 1126009800));
    CHECK(parses_time("2005-09-06T07:00-0530", 1126009800));
    CHECK(parses_time("1969-12-31 23:59:59", -1));
    CHECK(parses_time("1900-01-01", -2208988800));
    CHECK(parses_time("2000-02-29", 951782400));
    CHECK(parses_time("964982703", 964982703) && parses_time("-5", -5));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (qn_parse_time(bad[i], strlen(bad[i]), &value))
            fail_msg("\"%s\" was taken", bad[i]);
}

static void dates_count_days_both_ways(void **state)
{
    int32_t year = -401, month = 1, day = 1;

    (void)state;
    CHECK_EQ(qn_days_from_date(1970, 1, 1), 0);
    CHECK_EQ(qn_days_from_date(1969, 12, 31), -1);
    CHECK_EQ(qn_days_from_date(2000, 3, 1), 11017);
    CHECK_EQ(qn_days_from_date(1600, 1, 1), -135140);
    /* Day after day over 1,600 years: each follows the one before as a calendar says. */
    for (int64_t days = qn_days_from_date(year, month, day); days < 400000; days++) {
        static const int32_t length[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
        const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        int32_t y, m, d;

        qn_date_from_days(days, &y, &m, &d);
        if (y != year || m != month || d != day || qn_days_from_date(y, m, d) != days)
            fail_msg("day %lld is %d-%d-%d", (long long)days, y, m, d);
        if (++day > length[month - 1] + (month == 2 && is_leap)) {
            day = 1;
            year += month == 12;
            month = month % 12 + 1;
        }
    }
}

static void json_is_written_in_order(void **state)
{
    qn_json j = {0};

    (void)state;
    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "name", "a \"b\" \\ \n\t\x01 \xC3\xA4");
    qn_json_text(&j, "none", NULL);
    qn_json_int(&j, "n", INT64_MIN);
    qn_json_real(&j, "x", 0.1);
    qn_json_real(&j, "whole", 3.0);
    qn_json_real(&j, "nan", (double)NAN);
    qn_json_float(&j, "f", 0.1F);
    qn_json_bool(&j, "yes", true);
    qn_json_open(&j, "list", '[');
    qn_json_int(&j, NULL, 1);
    qn_json_open(&j, NULL, '{');
    qn_json_close(&j, '}');
    qn_json_raw(&j, NULL, "[2]");
    qn_json_close(&j, ']');
    qn_json_null(&j, "z");
    qn_json_close(&j, '}');
    CHECK_TEXT(
        qn_string_text(&j.out),
        "{\"name\":\"a \\\"b\\\" \\\\ \\n\\t\\u0001 \xC3\xA4\",\"none\":null,"
        "\"n\":-9223372036854775808,\"x\":0.1,\"whole\":3.0,\"nan\":null,\"f\":0.1,\"yes\":true,"
        "\"list\":[1,{},[2]],\"z\":null}");
    qn_json_release(&j);
}

static void bad_utf8_becomes_the_replacement_character(void **state)
{
    static const struct {
        const char *bytes, *wanted;
    } cases[] = {{"a\xFFz", "\"a\xEF\xBF\xBDz\""},
                 {"\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                 /* overlong */
                 {"\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* surrogate */
                 {"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                 /* cut off */
                 {"\xF0\x9F\x98\x80", "\"\xF0\x9F\x98\x80\""}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        qn_json j = {0};

        qn_json_text(&j, NULL, cases[i].bytes);
        CHECK_TEXT(qn_string_text(&j.out), cases[i].wanted);
        qn_json_release(&j);
    }
}

static void near_names_are_found(void **state)
{
    static const char *const names[] = {"rank", "reg_param", "max_iter", "memory", "item_col"};
    const int64_t n = 5;

    (void)state;
    CHECK(qn_name_equal("reg-param", "regParam") && qn_name_equal("reg_param", "REG_PARAM"));
    CHECK(!qn_name_equal("reg", "regParam") && !qn_name_equal("a", "b"));
    CHECK_TEXT(qn_nearest("rnak", names, n), "rank");
    CHECK_TEXT(qn_nearest("ranks", names, n), "rank");
    CHECK_TEXT(qn_nearest("regparm", names, n), "reg_param");
    CHECK_TEXT(qn_nearest("max-iterations", names, n), "max_iter");
    CHECK_TEXT(qn_nearest("mem", names, n), "memory");
    CHECK_TEXT(qn_nearest("itemCol", names, n), "item_col");
    CHECK(qn_nearest("zebra", names, n) == NULL);
    CHECK(qn_nearest("", names, n) == NULL);
    CHECK(qn_nearest("rank", names, 0) == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_string_grows),
        cmocka_unit_test(numbers_are_written_short),
        cmocka_unit_test(sizes_and_times_are_written_for_people),
        cmocka_unit_test(every_number_reads_back_the_same),
        cmocka_unit_test(numbers_are_written_as_printf_writes_them),
        cmocka_unit_test(whole_numbers_are_read),
        cmocka_unit_test(real_numbers_are_rounded_correctly),
        cmocka_unit_test(random_texts_read_as_the_c_library_reads_them),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(a_decimal_comma_changes_nothing),
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(dates_count_days_both_ways),
        cmocka_unit_test(json_is_written_in_order),
        cmocka_unit_test(bad_utf8_becomes_the_replacement_character),
        cmocka_unit_test(near_names_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
