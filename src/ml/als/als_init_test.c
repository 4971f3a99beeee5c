/* The starts: the random one by id alone, Spark's against a run of Spark's. */
#include <jansson.h>

#include "data/parquet.h"
#include "ml/als/als_testing.h"

#define N_SAMPLE 1501

/* spark/als/sample_movielens_ratings.txt: user::item::rating::time */
static int64_t read_sample(test_rating *list)
{
    char path[512];
    char line[128];
    FILE *file = NULL;
    int64_t n = 0;

    snprintf(path, sizeof path, "%s/data/spark/als/sample_movielens_ratings.txt", shared_dir());
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        long user = 0;
        long item = 0;
        float value = 0;

        CHECK_EQ(sscanf(line, "%ld::%ld::%f", &user, &item, &value), 3);
        CHECK(n < N_SAMPLE);
        list[n++] = (test_rating){user, item, value};
    }
    fclose(file);
    return n;
}

/* Spark 3.5.9: rank 4, maxIter 5, regParam 0.1, seed 42, 2 user and 2 item blocks. */
static qn_als_model *fit_like_spark(qn_context *ctx)
{
    static test_rating list[N_SAMPLE];
    qn_als_params params = test_params(4, 5, 0.1);
    qn_ratings *ratings = NULL;
    qn_als_model *m = NULL;

    CHECK_EQ(read_sample(list), N_SAMPLE);
    params.seed = 42;
    params.num_user_blocks = params.num_item_blocks = 2;
    params.init = QN_ALS_INIT_SPARK;
    params.precision = QN_ALS_DOUBLE;
    CHECK_OK(ctx, test_ratings(ctx, list, N_SAMPLE, 0, &ratings));
    CHECK_OK(ctx, qn_als_fit(ctx, &params, ratings, &m));
    qn_ratings_free(ratings);
    return m;
}

static void check_factors(const qn_ids *ids, const float *factors, int64_t stride, int64_t id,
                          const double expected[4])
{
    const int64_t row = test_find(ids, id);

    for (int f = 0; f < 4; f++)
        CHECK_NEAR(factors[row * stride + f], expected[f], 1e-4 * fabs(expected[f]));
}

/* Four rows of the model that Spark saved. */
static void factors_follow_a_run_of_spark(void **state)
{
    const double user0[] = {-0.10546530038118362, -0.26817387342453003, 1.0674071311950684,
                            -0.2887836694717407};
    const double user1[] = {0.44936344027519226, 0.16903658211231232, 1.0988084077835083,
                            -0.08995795994997025};
    const double item0[] = {-0.29197949171066284, -0.46560415625572205, 1.0735223293304443,
                            0.030854249373078346};
    const double item1[] = {0.37003302574157715, -0.7469625473022461, 0.9001564979553223,
                            0.10524982959032059};
    qn_als_model *m = NULL;

    SKIP_WITHOUT_SHARED();
    m = fit_like_spark(*state);
    CHECK_EQ(m->users.n, 30);
    CHECK_EQ(m->items.n, 100);
    check_factors(&m->users, m->user_factors, m->stride, 0, user0);
    check_factors(&m->users, m->user_factors, m->stride, 1, user1);
    check_factors(&m->items, m->item_factors, m->stride, 0, item0);
    check_factors(&m->items, m->item_factors, m->stride, 1, item1);
    qn_als_free(m);
}

static void check_side(const qn_ids *ids, const float *a, const float *b, int64_t stride)
{
    for (int64_t i = 0; i < ids->n; i++)
        for (int64_t f = 0; f < 4; f++) {
            const double wanted = (double)b[i * stride + f];

            CHECK_NEAR(a[i * stride + f], wanted, 1e-4 * fmax(fabs(wanted), 0.01));
        }
}

/* All rows of it, where the Parquet module is there to read them. */
static void every_factor_follows_a_run_of_spark(void **state)
{
    qn_context *ctx = *state;
    const char *version = NULL;
    char path[512];
    qn_als_model *m = NULL;
    qn_als_model *spark = NULL;

    SKIP_WITHOUT_SHARED();
    if (qn_parquet_version(ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        skip();
    }
    snprintf(path, sizeof path, "%s/data/spark-models/als", shared_dir());
    CHECK_OK(ctx, qn_als_load(ctx, path, &spark));
    m = fit_like_spark(ctx);
    CHECK_EQ(spark->users.n, m->users.n);
    CHECK_EQ(spark->items.n, m->items.n);
    CHECK_EQ(spark->stride, m->stride);
    check_side(&m->users, m->user_factors, spark->user_factors, m->stride);
    check_side(&m->items, m->item_factors, spark->item_factors, m->stride);
    qn_als_free(m);
    qn_als_free(spark);
}

static void predictions_follow_a_run_of_spark(void **state)
{
    qn_context *ctx = *state;
    char path[512];
    qn_als_model *m = NULL;
    json_t *expected = NULL;
    size_t n = 0;

    SKIP_WITHOUT_SHARED();
    m = fit_like_spark(ctx);
    snprintf(path, sizeof path, "%s/data/spark-models/als/expected.json", shared_dir());
    expected = json_load_file(path, 0, NULL);
    assert_non_null(expected);
    n = json_array_size(json_object_get(expected, "rows"));
    CHECK_EQ(n, 20);
    for (size_t i = 0; i < n; i++) {
        json_t *row = json_array_get(json_object_get(expected, "rows"), i);
        json_t *answer = json_array_get(json_object_get(expected, "predictions"), i);
        const int64_t user =
            test_find(&m->users, json_integer_value(json_object_get(row, "userId")));
        const int64_t item =
            test_find(&m->items, json_integer_value(json_object_get(row, "movieId")));
        float value = 0;

        CHECK_OK(ctx, qn_als_predict(ctx, m, 1, &user, &item, &value));
        if (json_is_object(answer)) {
            const double wanted = json_real_value(json_object_get(answer, "prediction"));

            CHECK_NEAR(value, wanted, 1e-4 * fabs(wanted));
        } else {
            CHECK(isnan(value)); /* Spark dropped the row */
        }
    }
    json_decref(expected);
    qn_als_free(m);
}

/* A row's start must not depend on which other ids there are, nor on which side's rows come first.
 */
static void random_start_depends_on_side_id_and_seed_alone(void **state)
{
    int64_t few[] = {-5, 40};
    int64_t many[] = {-70, -5, 0, 40, 41};
    const uint32_t degree[] = {1, 1, 1, 1, 1};
    const qn_ids few_ids = {.type = QN_ID_INT32, .n = 2, .number = few};
    const qn_ids many_ids = {.type = QN_ID_INT64, .n = 5, .number = many};
    qn_als_params params = test_params(7, 0, 0.1);
    float a[2 * 16] = {0};
    float b[5 * 16] = {0};
    float c[2 * 16] = {0};
    const als_start one = {&params, QN_SIDE_USER, &few_ids, degree, 16, a};
    const als_start two = {&params, QN_SIDE_USER, &many_ids, degree, 16, b};
    const als_start item = {&params, QN_SIDE_ITEM, &few_ids, degree, 16, c};

    (void)state;
    als_init_random(&one, 0, 2);
    als_init_random(&two, 0, 5);
    CHECK(memcmp(a, b + 16, 16 * sizeof *a) == 0);
    CHECK(memcmp(a + 16, b + 3 * 16, 16 * sizeof *a) == 0);
    als_init_random(&item, 0, 2);
    CHECK(memcmp(a, c, 16 * sizeof *a) != 0);
    params.seed++;
    als_init_random(&item, 0, 2);
    memset(b, 0, sizeof b);
    als_init_random(&two, 1, 2);
    CHECK(memcmp(a, b + 16, 16 * sizeof *a) != 0);
    CHECK(b[0] == 0 && b[2 * 16] == 0); /* rows outside are not touched */
}

static void rows_without_ratings_start_at_zero(void **state)
{
    int64_t number[] = {1, 2, 3, 4};
    const uint32_t degree[] = {2, 0, 1, 0};
    const qn_ids ids = {.type = QN_ID_INT32, .n = 4, .number = number};
    const qn_als_params params = test_params(3, 0, 0.1);
    float rows[4 * 16] = {0};
    float spark[4 * 16] = {0};
    const als_start start = {&params, QN_SIDE_USER, &ids, degree, 16, rows};
    const als_start spark_start = {&params, QN_SIDE_USER, &ids, degree, 16, spark};

    als_init_random(&start, 0, 4);
    CHECK_OK(*state, als_init_spark(*state, &spark_start));
    for (int f = 0; f < 3; f++) {
        CHECK(rows[f] != 0 && rows[16 + f] == 0 && rows[3 * 16 + f] == 0);
        CHECK(spark[f] != 0 && spark[16 + f] == 0 && spark[3 * 16 + f] == 0);
    }
}

static void sparks_start_needs_sparks_ids(void **state)
{
    qn_context *ctx = *state;
    int64_t number[] = {1};
    const uint32_t degree[] = {1};
    const qn_ids ids = {.type = QN_ID_INT64, .n = 1, .number = number};
    const qn_als_params params = test_params(3, 0, 0.1);
    float rows[16] = {0};
    const als_start start = {&params, QN_SIDE_USER, &ids, degree, 16, rows};

    CHECK_EQ(als_init_spark(ctx, &start), QN_EINVAL);
    CHECK_ERROR(ctx, "int32");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, test_context_setup, test_context_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(factors_follow_a_run_of_spark),
        CASE(every_factor_follows_a_run_of_spark),
        CASE(predictions_follow_a_run_of_spark),
        CASE(random_start_depends_on_side_id_and_seed_alone),
        CASE(rows_without_ratings_start_at_zero),
        CASE(sparks_start_needs_sparks_ids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
