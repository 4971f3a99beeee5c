/* Known answers of Spark's RegressionMetricsSuite, and what NaN does. */
#include <math.h>

#include "check.h"

#include "quern/metrics.h"

#define N   9
#define EPS 1e-5

static const double label[N] = {77, 85, 62, 55, 63, 88, 57, 81, 51};

static void a_regression_with_an_intercept_has_sparks_metrics(void **state)
{
    (void)state;
    const double prediction[N] = {72.08, 91.88, 65.48, 52.28, 62.18, 81.98, 58.88, 78.68, 55.58};
    qn_regression_metrics m;

    qn_regression_evaluate(N, label, prediction, NULL, false, &m);
    CHECK_EQ(m.n, N);
    CHECK_NEAR(m.weight_sum, 9, 0);
    CHECK_NEAR(m.var, 157.3, EPS);
    CHECK_NEAR(m.mae, 3.7355556, EPS);
    CHECK_NEAR(m.mse, 17.539511, EPS);
    CHECK_NEAR(m.rmse, 4.18802, EPS);
    CHECK_NEAR(m.r2, .89968225, EPS);
}

static void a_regression_through_the_origin_has_sparks_metrics(void **state)
{
    (void)state;
    const double prediction[N] = {72.12, 99.17, 63.11, 45.08, 58.6, 85.65, 54.09, 81.14, 49.58};
    qn_regression_metrics m;

    qn_regression_evaluate(N, label, prediction, NULL, true, &m);
    CHECK_NEAR(m.var, 294.88167, EPS);
    CHECK_NEAR(m.mae, 4.5888889, EPS);
    CHECK_NEAR(m.mse, 39.958711, EPS);
    CHECK_NEAR(m.rmse, 6.3212903, EPS);
    CHECK_NEAR(m.r2, .99185395, EPS);
}

static void a_perfect_prediction_explains_everything(void **state)
{
    (void)state;
    qn_regression_metrics m;

    qn_regression_evaluate(N, label, label, NULL, false, &m);
    CHECK_NEAR(m.var, 174.83951, EPS);
    CHECK_NEAR(m.mae, 0, 0);
    CHECK_NEAR(m.rmse, 0, 0);
    CHECK_NEAR(m.r2, 1, 0);
}

static void one_nan_makes_every_metric_nan(void **state)
{
    (void)state;
    const double prediction[3] = {1, NAN, 3};
    qn_regression_metrics m;

    qn_regression_evaluate(3, label, prediction, NULL, false, &m);
    CHECK(isnan(m.mse) && isnan(m.rmse) && isnan(m.mae) && isnan(m.r2) && isnan(m.var));
}

static void no_rows_have_no_metrics(void **state)
{
    (void)state;
    qn_regression_metrics m;

    qn_regression_evaluate(0, label, label, NULL, false, &m);
    CHECK_EQ(m.n, 0);
    CHECK(isnan(m.rmse) && isnan(m.mae));
}

/* A weight of 2 on the errors is the row twice; by hand: (2 * 1 + 4) / 3. */
static void weights_count_rows_several_times(void **state)
{
    (void)state;
    const double y[2] = {1, 5}, p[2] = {2, 3}, w[2] = {2, 1};
    qn_regression_metrics m;

    qn_regression_evaluate(2, y, p, w, false, &m);
    CHECK_NEAR(m.weight_sum, 3, 0);
    CHECK_NEAR(m.mse, 2, 1e-12);
    CHECK_NEAR(m.mae, 4.0 / 3, 1e-12);
    /* mean 7/3: spread 2 (4/3)^2 + (8/3)^2 = 32/3; freedom 3 - 5/3; (W - 1) = 2; total 16 */
    CHECK_NEAR(m.r2, 1 - 6.0 / 16, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_regression_with_an_intercept_has_sparks_metrics),
        cmocka_unit_test(a_regression_through_the_origin_has_sparks_metrics),
        cmocka_unit_test(a_perfect_prediction_explains_everything),
        cmocka_unit_test(one_nan_makes_every_metric_nan),
        cmocka_unit_test(no_rows_have_no_metrics),
        cmocka_unit_test(weights_count_rows_several_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
