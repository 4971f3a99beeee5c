#include <math.h>

#include "check.h"
#include "data/expr.h"
#include "quern/quern.h"

#define MISSING ((double)NAN)

static int set_up(void **state)
{
    return qn_context_create(&(qn_context_options){.threads = 1}, (qn_context **)state) == QN_OK
               ? 0
               : 1;
}

static int tear_down(void **state)
{
    CHECK_EQ(qn_alloc_live(*state), 0);
    qn_context_free(*state);
    return 0;
}

/* The value of `text` where columns a, b, c (and a list's xyz[2]) hold these. */
static double value_of(qn_context *ctx, const char *text, double a, double b, double c)
{
    const double value[3] = {a, b, c};
    const double *column[8];
    qn_expr *expr = NULL;
    double *scratch = NULL, out = -1.0;

    CHECK_OK(ctx, qn_expr_parse(ctx, text, &expr));
    CHECK(qn_expr_n_columns(expr) <= 8);
    for (int32_t i = 0; i < qn_expr_n_columns(expr); i++) {
        const char first = *qn_expr_columns(expr)[i].name;

        column[i] = &value[first == 'b' ? 1 : first == 'c' || first == 'x' ? 2 : 0];
    }
    scratch = malloc((size_t)qn_expr_scratch(expr, 1) * sizeof *scratch);
    qn_expr_evaluate(expr, 1, column, scratch, &out);
    free(scratch);
    qn_expr_free(expr);
    return out;
}

/* a = 3, b = 2, c missing. */
static void expect(qn_context *ctx, const char *text, double expected)
{
    const double value = value_of(ctx, text, 3.0, 2.0, MISSING);

    if (isnan(expected) ? !isnan(value) : value != expected)
        print_error("%s is %.17g, not %.17g\n", text, value, expected);
    CHECK(isnan(expected) ? isnan(value) : value == expected);
}

static void operators_bind_as_in_sql(void **state)
{
    expect(*state, "1 + 2 * 3", 7.0);
    expect(*state, "(1 + 2) * 3", 9.0);
    expect(*state, "10 - 4 - 3", 3.0);
    expect(*state, "16 / 4 / 2", 2.0);
    expect(*state, "-a * -b", 6.0);
    expect(*state, "- - a", 3.0);
    expect(*state, "+a-+b", 1.0);
    expect(*state, "a+b>4 and a>b", 1.0);
    expect(*state, "not a < b and a > b", 1.0);
    expect(*state, "not (a < b or a > b)", 0.0);
    expect(*state, "1 or 0 and 0", 1.0);
    expect(*state, "1.5e2 + .5 + 2E-1", 150.7);
    expect(*state, "a + c is null", 1.0);
    expect(*state, "c is not null is null", 0.0);
}

static void each_comparison_gives_one_or_zero(void **state)
{
    expect(*state, "a < 3", 0.0);
    expect(*state, "a <= 3", 1.0);
    expect(*state, "a > 3", 0.0);
    expect(*state, "a >= 3", 1.0);
    expect(*state, "a = 3", 1.0);
    expect(*state, "a == 3", 1.0);
    expect(*state, "a != 3", 0.0);
    expect(*state, "a <> 3", 0.0);
    expect(*state, "a<>b", 1.0);
}

static void functions_take_any_case(void **state)
{
    expect(*state, "ABS(b - a)", 1.0);
    expect(*state, "Sqrt(a * a)", 3.0);
    expect(*state, "log(exp(0)) + exp(log(1))", 1.0);
    expect(*state, "COALESCE(c, c, a, b)", 3.0);
    expect(*state, "coalesce(b)", 2.0);
}

static void what_is_missing_stays_missing_but_in_coalesce(void **state)
{
    expect(*state, "c", MISSING);
    expect(*state, "a + c", MISSING);
    expect(*state, "0 * c", MISSING);
    expect(*state, "c = c", MISSING);
    expect(*state, "not c", MISSING);
    expect(*state, "-c", MISSING);
    expect(*state, "null", MISSING);
    expect(*state, "coalesce(c, null)", MISSING);
    expect(*state, "coalesce(a / 0, 0)", 0.0);
    expect(*state, "c is null", 1.0);
    expect(*state, "a is null", 0.0);
    expect(*state, "c is not null", 0.0);
    expect(*state, "a is not null", 1.0);
}

static void what_is_not_finite_is_missing(void **state)
{
    expect(*state, "a / 0", MISSING);
    expect(*state, "0 / 0", MISSING);
    expect(*state, "a / -0", MISSING);
    expect(*state, "log(0)", MISSING);
    expect(*state, "log(-1)", MISSING);
    expect(*state, "sqrt(-1)", MISSING);
    expect(*state, "sqrt(-0)", 0.0);
    expect(*state, "exp(1000)", MISSING);
    expect(*state, "1e308 * 10", MISSING);
    expect(*state, "1e308 + 1e308", MISSING);
    CHECK(isnan(value_of(*state, "a", (double)INFINITY, 0.0, 0.0)));
    CHECK(isnan(value_of(*state, "1 / a", -(double)INFINITY, 0.0, 0.0)));
}

static void one_side_can_decide_and_and_or(void **state)
{
    expect(*state, "c and 0", 0.0);
    expect(*state, "0 and c", 0.0);
    expect(*state, "c and 1", MISSING);
    expect(*state, "c or 5", 1.0);
    expect(*state, "5 or c", 1.0);
    expect(*state, "c or 0", MISSING);
    expect(*state, "c or c", MISSING);
    expect(*state, "2 and -1", 1.0);
}

static void case_takes_the_first_condition_that_holds(void **state)
{
    expect(*state, "case when a > b then 1 when a > 0 then 2 else 3 end", 1.0);
    expect(*state, "case when a < b then 1 when a > 0 then 2 else 3 end", 2.0);
    expect(*state, "case when a < b then 1 when a < 0 then 2 else 3 end", 3.0);
    expect(*state, "case when a < b then 1 end", MISSING);
    expect(*state, "CASE WHEN c THEN 1 ELSE 2 END", 2.0);
    expect(*state, "case when 1 then c else 2 end", MISSING);
    expect(*state, "case when 1 then c when 1 then 7 else 2 end", MISSING);
    expect(*state, "1 + case when a then case when 0 then 5 else b end else 9 end * 10", 21.0);
}

static void an_index_of_vegetation_is_zero_where_its_sum_is(void **state)
{
    const char *text = "coalesce((b - a) / (b + a), 0)";

    CHECK_NEAR(value_of(*state, text, 30.0, 90.0, 0.0), 0.5, 0.0);
    CHECK_NEAR(value_of(*state, text, 0.0, 0.0, 0.0), 0.0, 0.0);
}

static void columns_are_told_once_each(void **state)
{
    qn_expr *expr = NULL;
    const qn_expr_column *c;

    CHECK_OK(*state, qn_expr_parse(*state,
                                   "xyz[2] + xyz[0] + xyz[2] + \"a \"\"b\"\" c\" + `end` + \"0\" + "
                                   "s.x + \"xyz\"[2] + \xc3\xa9",
                                   &expr));
    c = qn_expr_columns(expr);
    CHECK_EQ(qn_expr_n_columns(expr), 7);
    CHECK_TEXT(c[0].name, "xyz");
    CHECK_EQ(c[0].element, 2);
    CHECK_TEXT(c[1].name, "xyz");
    CHECK_EQ(c[1].element, 0);
    CHECK_TEXT(c[2].name, "a \"b\" c");
    CHECK_EQ(c[2].element, -1);
    CHECK_TEXT(c[3].name, "end");
    CHECK_TEXT(c[4].name, "0");
    CHECK_TEXT(c[5].name, "s.x");
    CHECK_TEXT(c[6].name, "\xc3\xa9");
    qn_expr_free(expr);
    qn_expr_free(NULL);
}

static void a_text_that_is_no_expression_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"", "ends where a number, a column, a function or ( should follow (column 1)"},
        {"a +", "ends where a number, a column, a function or ( should follow (column 4)"},
        {"a + * b", "column 5 of the expression: found *, expected a number"},
        {"(a", "ends where ) should follow (column 3)"},
        {"a)", "column 2 of the expression: found ), expected an operator or the end"},
        {"2x", "column 2 of the expression: found x, expected an operator"},
        {"a b", "column 3 of the expression: found b, expected an operator"},
        {"a < b < c", "column 7 of the expression: found <, expected an operator"},
        {"xyz[a]", "column 5 of the expression: found a, expected a whole number"},
        {"xyz[-1]", "column 5 of the expression: found -, expected a whole number"},
        {"xyz[1.0]", "found 1.0, expected a whole number"},
        {"xyz[100000000]", "expected a place of at most 99999999"},
        {"xyz[2", "ends where ] should follow"},
        {"a is b", "column 6 of the expression: found b, expected null or not null"},
        {"a is not 3", "found 3, expected null"},
        {"sqr(a)", "column 1 of the expression: there is no function sqr, did you mean sqrt?"},
        {"median(a)", "there is no function median; there are abs"},
        {"abs(a, b)", "found ,, expected )"},
        {"coalesce()", "found ), expected a number"},
        {"coalesce(a; b)", "found ;, expected , or )"},
        {"case a then b end", "column 6 of the expression: found a, expected when"},
        {"case when a b", "found b, expected then"},
        {"case when a then b", "ends where when, else or end should follow"},
        {"end + 1", "column 1 of the expression: found end, expected a number"},
        {"'red'", "texts have no place in an expression"},
        {"\"a", "column 1 of the expression: the quote \" is not closed"},
        {"a + ``", "found ``, expected a name between the quotes"},
        {"a ^ 2", "column 3 of the expression: found ^, expected an operator"},
        {"a \x01", "found a byte of value 1"},
        {"1e999", "found 1e999, expected a number that a double holds"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        qn_expr *expr = NULL;

        CHECK_EQ(qn_expr_parse(*state, bad[i].text, &expr), QN_EINVAL);
        CHECK(expr == NULL);
        CHECK_ERROR(*state, bad[i].message);
    }
}

/* n times `part`, then `rest`. */
static char *repeat(const char *part, int64_t n, const char *rest)
{
    const size_t length = strlen(part);
    char *text = malloc(length * (size_t)n + strlen(rest) + 1);

    for (int64_t i = 0; i < n; i++)
        memcpy(text + length * (size_t)i, part, length);
    memcpy(text + length * (size_t)n, rest, strlen(rest) + 1);
    return text;
}

static void depth_and_length_have_limits(void **state)
{
    static const char *const part[] = {"(", "-", "not ", "abs(", "case when "};
    qn_expr *expr = NULL;
    char *text;

    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        text = repeat(part[i], 5000, "a");
        CHECK_EQ(qn_expr_parse(*state, text, &expr), QN_EINVAL);
        CHECK_ERROR(*state, "nested deeper than 200");
        free(text);
    }
    text = repeat("-", 198, "a");
    CHECK_NEAR(value_of(*state, text, 3.0, 0.0, 0.0), 3.0, 0.0);
    free(text);
    text = repeat("1+", 20000, "1");
    CHECK_NEAR(value_of(*state, text, 0.0, 0.0, 0.0), 20001.0, 0.0);
    free(text);
    text = repeat(" ", 65536, "a");
    CHECK_EQ(qn_expr_parse(*state, text, &expr), QN_EINVAL);
    CHECK_ERROR(*state, "the expression has 65537 bytes; at most 65536 are taken");
    free(text);
}

static void many_columns_are_refused(void **state)
{
    char *text = malloc(60000);
    size_t n = 0;
    qn_expr *expr = NULL;

    for (int32_t i = 0; i < 4096; i++)
        n += (size_t)sprintf(text + n, "%sx%d", i ? "+" : "", i);
    CHECK_OK(*state, qn_expr_parse(*state, text, &expr));
    CHECK_EQ(qn_expr_n_columns(expr), 4096);
    qn_expr_free(expr);
    sprintf(text + n, "+y");
    CHECK_EQ(qn_expr_parse(*state, text, &expr), QN_EINVAL);
    CHECK_ERROR(*state, "more than 4096 columns");
    free(text);
}

/* Many rows are the same as one row many times, at lengths around the run of the evaluator. */
static void rows_do_not_see_each_other(void **state)
{
    static const int64_t length[] = {0, 1, 255, 256, 257, 1000};
    const char *text = "case when a > b then log(a) when a = b then c else coalesce(a / c, -b) end";
    double a[1000], b[1000], c[1000], out[1000];
    const double *column[] = {a, b, c};
    qn_expr *expr = NULL;

    for (int64_t i = 0; i < 1000; i++) {
        a[i] = (double)(i % 7) - 2.0;
        b[i] = (double)(i % 5) - 1.0;
        c[i] = i % 3 ? (double)(i % 11) : MISSING;
    }
    CHECK_OK(*state, qn_expr_parse(*state, text, &expr));
    for (size_t l = 0; l < sizeof length / sizeof *length; l++) {
        const int64_t n = length[l];
        double *scratch = malloc((size_t)(qn_expr_scratch(expr, n) + 1) * sizeof *scratch);

        memset(out, 0x5a, sizeof out);
        qn_expr_evaluate(expr, n, column, scratch, out);
        for (int64_t i = 0; i < n; i++) {
            const double one = value_of(*state, text, a[i], b[i], c[i]);

            CHECK(memcmp(&one, &out[i], sizeof one) == 0);
        }
        if (n < 1000)
            CHECK_EQ(*(unsigned char *)&out[n], 0x5a);
        free(scratch);
    }
    qn_expr_free(expr);
}

static void parsing_survives_every_failed_allocation(void **state)
{
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_expr *expr = NULL;

        qn_alloc_fail_after(*state, allowed);
        st = qn_expr_parse(*state, "case when a + \"b\" > c[1] then d else e / f * g - h end",
                           &expr);
        qn_alloc_fail_after(*state, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK((expr != NULL) == (st == QN_OK));
        qn_expr_free(expr);
        CHECK_EQ(qn_alloc_live(*state), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_bind_as_in_sql),
        cmocka_unit_test(each_comparison_gives_one_or_zero),
        cmocka_unit_test(functions_take_any_case),
        cmocka_unit_test(what_is_missing_stays_missing_but_in_coalesce),
        cmocka_unit_test(what_is_not_finite_is_missing),
        cmocka_unit_test(one_side_can_decide_and_and_or),
        cmocka_unit_test(case_takes_the_first_condition_that_holds),
        cmocka_unit_test(an_index_of_vegetation_is_zero_where_its_sum_is),
        cmocka_unit_test(columns_are_told_once_each),
        cmocka_unit_test(a_text_that_is_no_expression_is_refused_with_its_place),
        cmocka_unit_test(depth_and_length_have_limits),
        cmocka_unit_test(many_columns_are_refused),
        cmocka_unit_test(rows_do_not_see_each_other),
        cmocka_unit_test(parsing_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests_name("data/expr", tests, set_up, tear_down);
}
