#include "ml/als/als_testing.h"

/* Ratings of a model's row `row` of users, as a fold-in takes them. */
static int64_t ratings_of(const test_rating *list, int64_t n, const qn_als_model *m, int64_t user,
                          int64_t *item, float *rating)
{
    int64_t found = 0;

    for (int64_t i = 0; i < n; i++) {
        if (test_find(&m->users, list[i].user) != user)
            continue;
        item[found] = test_find(&m->items, list[i].item);
        rating[found++] = list[i].value;
    }
    return found;
}

/* The users of a fit are a half step from its items: folding one in again gives its factors. */
static void folds_back_to_the_fit(qn_context *ctx, const qn_als_params *params, double tolerance)
{
    enum { N = 800 };
    test_rating *list = test_random(25, 40, N, 8);
    qn_ratings *ratings = NULL;
    qn_als_model *m = NULL;
    int64_t item[N];
    float rating[N];
    float *factors = NULL;

    CHECK_OK(ctx, test_ratings(ctx, list, N, 0, &ratings));
    CHECK_OK(ctx, qn_als_fit(ctx, params, ratings, &m));
    CHECK_OK(ctx, qn_alloc_array(ctx, (void **)&factors, m->stride, sizeof *factors, "factors"));
    for (int64_t u = 0; u < m->users.n; u++) {
        const int64_t n = ratings_of(list, N, m, u, item, rating);

        CHECK_OK(ctx, qn_als_fold_in(ctx, m, QN_SIDE_USER, n, item, rating, factors));
        for (int64_t f = 0; f < m->stride; f++)
            CHECK_NEAR(factors[f], m->user_factors[u * m->stride + f], tolerance);
    }
    qn_free(factors);
    qn_als_free(m);
    qn_ratings_free(ratings);
    free(list);
}

static void a_folded_user_has_the_bits_of_the_fit(void **state)
{
    qn_context *ctx = *state;
    qn_als_params params = test_params(4, 3, 0.05);

    ctx->cells.rating_rows = 8;
    ctx->cells.long_row = 20; /* most users have two cells */
    folds_back_to_the_fit(ctx, &params, 0);
    params.implicit_prefs = true;
    folds_back_to_the_fit(ctx, &params, 0);
    params.precision = QN_ALS_DOUBLE;
    folds_back_to_the_fit(ctx, &params, 0);
    params = test_params(4, 3, 0.05);
    params.nonnegative = true;
    folds_back_to_the_fit(ctx, &params, 0);
    params = test_params(4, 3, 0.05);
    params.bias = QN_ALS_BIAS_FULL;
    folds_back_to_the_fit(ctx, &params, 0);
}

/* One more half step of items from the final users, by hand: fold each item in, compare with a fit
 * whose only item half step starts there is not at hand, so the normal equation itself is checked.
 */
static void a_folded_item_solves_its_equation(void **state)
{
    qn_context *ctx = *state;
    qn_als_params params = test_params(2, 4, 0.1);
    test_rating *list = test_random(25, 40, 800, 8);
    qn_ratings *ratings = NULL;
    qn_als_model *m = NULL;
    const int64_t users[] = {3, 0, 7};
    const float rating[] = {4, 1, 2.5F};
    float y[16];

    params.bias = QN_ALS_BIAS_FULL;
    CHECK_OK(ctx, test_ratings(ctx, list, 800, 0, &ratings));
    CHECK_OK(ctx, qn_als_fit(ctx, &params, ratings, &m));
    CHECK_OK(ctx, qn_als_fold_in(ctx, m, QN_SIDE_ITEM, 3, users, rating, y));
    CHECK(y[2] == 1);
    for (int unknown = 0; unknown < 3; unknown++) { /* two factors and the bias */
        double gradient = 3 * params.reg_param * (double)y[unknown < 2 ? unknown : 3];

        for (int i = 0; i < 3; i++) {
            const float *x = m->user_factors + users[i] * m->stride;
            const double error = (double)qn_dot_spark(m->rank, x, y) - (double)rating[i];

            gradient += error * (unknown < 2 ? (double)x[unknown] : 1);
        }
        CHECK_NEAR(gradient, 0, 1e-4);
    }
    qn_als_free(m);
    qn_ratings_free(ratings);
    free(list);
}

static void no_ratings_fold_in_to_zero(void **state)
{
    qn_context *ctx = *state;
    const qn_als_params params = test_params(2, 2, 0.1);
    const test_rating list[] = {{1, 1, 4}, {2, 1, 3}, {1, 2, 2}};
    qn_ratings *ratings = NULL;
    qn_als_model *m = NULL;
    float x[16];

    CHECK_OK(ctx, test_ratings(ctx, list, 3, 0, &ratings));
    CHECK_OK(ctx, qn_als_fit(ctx, &params, ratings, &m));
    CHECK_OK(ctx, qn_als_fold_in(ctx, m, QN_SIDE_USER, 0, NULL, NULL, x));
    CHECK(x[0] == 0 && x[1] == 0);
    qn_als_free(m);
    qn_ratings_free(ratings);
}

static void bad_ratings_of_a_new_user_are_refused(void **state)
{
    qn_context *ctx = *state;
    const qn_als_params params = test_params(2, 2, 0.1);
    const test_rating list[] = {{1, 1, 4}, {2, 1, 3}, {1, 2, 2}};
    const int64_t missing = 2;
    const int64_t item = 0;
    const float good = 1;
    const float bad = INFINITY;
    qn_ratings *ratings = NULL;
    qn_als_model *m = NULL;
    float x[16];

    CHECK_OK(ctx, test_ratings(ctx, list, 3, 0, &ratings));
    CHECK_OK(ctx, qn_als_fit(ctx, &params, ratings, &m));
    CHECK_EQ(qn_als_fold_in(ctx, m, QN_SIDE_USER, 1, &missing, &good, x), QN_EINVAL);
    CHECK_EQ(qn_als_fold_in(ctx, m, QN_SIDE_USER, 1, &item, &bad, x), QN_EDATA);
    CHECK_ERROR(ctx, "finite");
    qn_als_free(m);
    qn_ratings_free(ratings);
}

/* Contributions and base are the prediction of the folded-in user, for every item. */
static void explains_every_prediction(qn_context *ctx, const qn_als_params *params)
{
    enum { N = 400 };
    test_rating *list = test_random(20, 15, N, 8);
    qn_ratings *ratings = NULL;
    qn_als_model *m = NULL;
    int64_t item[N];
    float rating[N];
    double part[N];

    CHECK_OK(ctx, test_ratings(ctx, list, N, 0, &ratings));
    CHECK_OK(ctx, qn_als_fit(ctx, params, ratings, &m));
    for (int64_t u = 0; u < 5; u++) {
        const int64_t n = ratings_of(list, N, m, u, item, rating);
        float x[16];

        CHECK_OK(ctx, qn_als_fold_in(ctx, m, QN_SIDE_USER, n, item, rating, x));
        for (int64_t i = 0; i < m->items.n; i++) {
            double sum = 0;

            CHECK_OK(ctx, qn_als_explain(ctx, m, n, item, rating, i, part, &sum));
            for (int64_t j = 0; j < n; j++)
                sum += part[j];
            CHECK_NEAR(sum, qn_dot_spark(m->rank, x, m->item_factors + i * m->stride), 2e-3);
        }
    }
    qn_als_free(m);
    qn_ratings_free(ratings);
    free(list);
}

static void contributions_add_up_to_the_prediction(void **state)
{
    qn_context *ctx = *state;
    qn_als_params params = test_params(4, 3, 0.05);

    explains_every_prediction(ctx, &params);
    params.implicit_prefs = true;
    explains_every_prediction(ctx, &params);
    params = test_params(4, 3, 0.05);
    params.bias = QN_ALS_BIAS_FULL;
    explains_every_prediction(ctx, &params);
    params = test_params(4, 3, 0.05);
    params.nonnegative = true;
    explains_every_prediction(ctx, &params);
}

static void the_nearest_item_explains_most(void **state)
{
    qn_context *ctx = *state;
    const float items[3][2] = {{1, 0}, {0.9F, 0.1F}, {0, 1}};
    int64_t ids[] = {0, 1, 2};
    float factors[3 * 16] = {0};
    qn_als_model m = {.rank = 2, .stride = 16, .item_factors = factors};
    const int64_t rated[] = {2, 0};
    const float rating[] = {4, 4};
    double part[2];
    double base = 1;

    qn_params_init(&qn_als_table, &m.params);
    m.params.rank = 2;
    m.items = (qn_ids){.type = QN_ID_INT32, .n = 3, .number = ids};
    for (int i = 0; i < 3; i++)
        memcpy(factors + i * 16, items[i], sizeof items[i]);
    CHECK_OK(ctx, qn_als_explain(ctx, &m, 2, rated, rating, 1, part, &base));
    /* W = I / (1 + 0.2): each rating gives its y.y_target * 4 / 1.2 */
    CHECK_NEAR(part[0], 0.1 * 4 / 1.2, 1e-6);
    CHECK_NEAR(part[1], 0.9 * 4 / 1.2, 1e-6);
    CHECK(base == 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, test_context_setup, test_context_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_folded_user_has_the_bits_of_the_fit),
        CASE(a_folded_item_solves_its_equation),
        CASE(no_ratings_fold_in_to_zero),
        CASE(bad_ratings_of_a_new_user_are_refused),
        CASE(contributions_add_up_to_the_prediction),
        CASE(the_nearest_item_explains_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
