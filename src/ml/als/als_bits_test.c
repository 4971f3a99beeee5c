/* The same bits for any number of threads, partitions and ranks, with small cells, long rows and
 * duplicate pairs; and with each kernel set. */
#include "ml/als/als_testing.h"

#include "kernels/kernels.h"

#define N_RATINGS 6000

/* One fit of the standard ratings, in one shape of the work. */
typedef struct shape {
    int32_t threads, ranks, partitions;
    const char *kernels;
    qn_als_params params;
    bool many_values; /* more than 256 distinct ratings: not coded */
    uint64_t bits[8]; /* by rank */
    double loss[8];
    int64_t n_long; /* long rows of the item side */
    int32_t threads_used;
} shape;

static void keep_loss(void *user, const qn_event *event)
{
    if (event->kind == QN_EVENT_STEP)
        *(double *)user = event->value;
}

static test_rating *standard_ratings(bool many_values)
{
    test_rating *list = test_random(300, 260, N_RATINGS, 11);
    uint64_t noise = 4;

    for (int64_t i = 0; i < N_RATINGS; i += 6) /* an item that a sixth of the ratings are of */
        list[i].item = 35;
    for (int64_t i = 0; i < 40; i++) /* pairs three times */
        list[i + 100] = list[i + 200] = list[i];
    for (int64_t i = 0; many_values && i < N_RATINGS; i++)
        list[i].value += (float)test_noise(&noise, 1000) / 1000.0F;
    return list;
}

static qn_status fit_rank(qn_context *ctx, void *arg)
{
    qn_status st = QN_OK;
    shape *s = arg;
    test_rating *list = standard_ratings(s->many_values);
    qn_ratings *ratings = NULL;
    qn_als_model *model = NULL;

    QN_TRY(qn_context_add_sink(ctx, keep_loss, &s->loss[qn_rank(ctx)]));
    QN_TRY(test_ratings(ctx, list, N_RATINGS, s->partitions, &ratings));
    for (int64_t i = 0; qn_rank(ctx) == 0 && i < ratings->items.n; i++)
        s->n_long += ratings->by_item.degree[i] > 3 * ctx->cells.long_row;
    QN_TRY(qn_als_fit(ctx, &s->params, ratings, &model));
    s->bits[qn_rank(ctx)] = test_model_bits(model);
    if (qn_rank(ctx) == 0)
        s->threads_used = qn_pool_threads_used(ctx->pool);
done:
    qn_als_free(model);
    qn_ratings_free(ratings);
    free(list);
    return st;
}

static void run(shape *s)
{
    const qn_context_options options = {.threads = s->threads, .kernels = s->kernels};
    qn_context *ctx = NULL;

    CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells.rating_rows = 4; /* 75 cells of users, 65 of items */
    ctx->cells.long_row = 300;  /* the frequent item has four cells */
    CHECK_OK(ctx, qn_run_thread_ranks(ctx, s->ranks, fit_rank, s));
    CHECK_EQ(s->n_long, 1);
    for (int32_t rank = 1; rank < s->ranks; rank++) {
        CHECK(s->bits[rank] == s->bits[0]);
        CHECK(s->loss[rank] == s->loss[0]);
    }
    qn_context_free(ctx);
}

static shape plain_shape(const qn_als_params *params)
{
    return (shape){.threads = 1, .ranks = 1, .partitions = 1, .params = *params};
}

static void expect_same(const shape *expected, shape s)
{
    run(&s);
    CHECK(s.bits[0] == expected->bits[0]);
    CHECK(s.loss[0] == expected->loss[0]);
}

/* All shapes of the work for one kind of fit. */
static void every_shape(qn_als_params params, bool many_values)
{
    const int32_t threads[] = {2, 3, 8};
    shape one = plain_shape(&params);

    one.many_values = many_values;
    run(&one);
    for (size_t i = 0; i < 3; i++) {
        shape s = plain_shape(&params);

        s.many_values = many_values;
        s.threads = threads[i];
        s.partitions = 7;
        expect_same(&one, s);
    }
    for (int32_t ranks = 2; ranks <= 3; ranks++) {
        for (int32_t partitions = 1; partitions <= 7; partitions += 3) {
            shape s = plain_shape(&params);

            s.many_values = many_values;
            s.ranks = ranks;
            s.threads = ranks;
            s.partitions = partitions;
            expect_same(&one, s);
        }
    }
}

static void explicit_bits_do_not_depend_on_the_shape_of_the_work(void **state)
{
    (void)state;
    every_shape(test_params(5, 3, 0.05), false);
    every_shape(test_params(20, 2, 0.05), true);
}

static void implicit_bits_do_not_depend_on_the_shape_of_the_work(void **state)
{
    qn_als_params params = test_params(5, 3, 0.05);

    (void)state;
    params.implicit_prefs = true;
    every_shape(params, false);
}

static void double_bits_do_not_depend_on_the_shape_of_the_work(void **state)
{
    qn_als_params params = test_params(5, 2, 0.05);

    (void)state;
    params.precision = QN_ALS_DOUBLE;
    every_shape(params, false);
    params.implicit_prefs = true;
    every_shape(params, true);
}

static void biased_bits_do_not_depend_on_the_shape_of_the_work(void **state)
{
    qn_als_params params = test_params(5, 3, 0.05);

    (void)state;
    params.bias = QN_ALS_BIAS_FULL;
    every_shape(params, false);
}

static void nonnegative_bits_do_not_depend_on_the_shape_of_the_work(void **state)
{
    qn_als_params params = test_params(5, 2, 0.05);

    (void)state;
    params.nonnegative = true;
    every_shape(params, false);
}

static void early_stopped_bits_do_not_depend_on_the_shape_of_the_work(void **state)
{
    qn_als_params params = test_params(5, 8, 0.02);

    (void)state;
    params.early_stop = 1;
    every_shape(params, true);
}

static void each_partition_count_gives_the_same_bits(void **state)
{
    const qn_als_params params = test_params(3, 2, 0.05);
    shape one = plain_shape(&params);

    (void)state;
    run(&one);
    for (int32_t partitions = 2; partitions <= 7; partitions++) {
        shape s = plain_shape(&params);

        s.partitions = partitions;
        expect_same(&one, s);
    }
}

/* A second thread that a busy machine does not wake in one fit must work in one of many. */
static void two_threads_really_work(void **state)
{
    const qn_als_params params = test_params(20, 20, 0.05);
    int32_t most = 0;

    (void)state;
    for (int tries = 0; most < 2 && tries < 100; tries++) {
        shape s = plain_shape(&params);

        s.threads = 2;
        run(&s);
        most = s.threads_used;
    }
    CHECK_EQ(most, 2);
}

/* Sets round differently but find the same model. */
static void every_kernel_set_fits(void **state)
{
    const qn_als_params params = test_params(5, 3, 0.05);
    const char *names[3] = {0};
    const int32_t n = qn_kernels_available(names);
    double loss = 0;

    (void)state;
    for (int32_t i = 0; i < n; i++) {
        shape one = plain_shape(&params);
        shape two = plain_shape(&params);

        one.kernels = two.kernels = names[i];
        two.threads = 2;
        two.partitions = 5;
        run(&one);
        expect_same(&one, two);
        if (i > 0)
            CHECK_NEAR(one.loss[0], loss, 1e-4);
        loss = one.loss[0];
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explicit_bits_do_not_depend_on_the_shape_of_the_work),
        cmocka_unit_test(implicit_bits_do_not_depend_on_the_shape_of_the_work),
        cmocka_unit_test(double_bits_do_not_depend_on_the_shape_of_the_work),
        cmocka_unit_test(biased_bits_do_not_depend_on_the_shape_of_the_work),
        cmocka_unit_test(nonnegative_bits_do_not_depend_on_the_shape_of_the_work),
        cmocka_unit_test(early_stopped_bits_do_not_depend_on_the_shape_of_the_work),
        cmocka_unit_test(each_partition_count_gives_the_same_bits),
        cmocka_unit_test(two_threads_really_work),
        cmocka_unit_test(every_kernel_set_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
