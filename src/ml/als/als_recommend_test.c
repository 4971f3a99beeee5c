#include "ml/als/als_testing.h"

static float small_users[3 * 16];
static float small_items[4 * 16];
static int64_t user_ids[] = {0, 1, 2};
static int64_t item_ids[] = {3, 4, 5, 6};

/* Spark's own: users 0 [6 4], 1 [3 4], 2 [3 6]; items 3 [5 6], 4 [6 2], 5 [3 6], 6 [4 1]. */
static qn_als_model small_model(void)
{
    const float users[3][2] = {{6, 4}, {3, 4}, {3, 6}};
    const float items[4][2] = {{5, 6}, {6, 2}, {3, 6}, {4, 1}};
    qn_als_model m = {.rank = 2, .stride = 16, .mean_rating = 3.5F};

    qn_params_init(&qn_als_table, &m.params);
    m.params.rank = 2;
    m.users = (qn_ids){.type = QN_ID_INT32, .n = 3, .number = user_ids};
    m.items = (qn_ids){.type = QN_ID_INT32, .n = 4, .number = item_ids};
    memset(small_users, 0, sizeof small_users);
    memset(small_items, 0, sizeof small_items);
    for (int i = 0; i < 4; i++)
        for (int f = 0; f < 2; f++) {
            small_items[i * 16 + f] = items[i][f];
            if (i < 3)
                small_users[i * 16 + f] = users[i][f];
        }
    m.user_factors = small_users;
    m.item_factors = small_items;
    return m;
}

/* Expected rows: ids and scores, best first. */
typedef struct best {
    int64_t id;
    float score;
} best;

static const best for_users[3][4] = {
    {{3, 54}, {4, 44}, {5, 42}, {6, 28}},
    {{3, 39}, {5, 33}, {4, 26}, {6, 16}},
    {{3, 51}, {5, 45}, {4, 30}, {6, 18}},
};
static const best for_items[4][3] = {
    {{0, 54}, {2, 51}, {1, 39}},
    {{0, 44}, {2, 30}, {1, 26}},
    {{2, 45}, {0, 42}, {1, 33}},
    {{0, 28}, {2, 18}, {1, 16}},
};

static void check_row(const best *expected, int32_t n_known, int32_t k, const qn_ids *ids,
                      const int64_t *index, const float *score)
{
    for (int32_t j = 0; j < k; j++) {
        if (j < n_known) {
            CHECK_EQ(ids->number[index[j]], expected[j].id);
            CHECK(score[j] == expected[j].score);
        } else {
            CHECK_EQ(index[j], -1);
            CHECK(isnan(score[j]));
        }
    }
}

static void all_users_get_sparks_answer_for_every_k(void **state)
{
    qn_context *ctx = *state;
    const qn_als_model m = small_model();
    const int64_t users[] = {0, 1, 2};
    const int64_t items[] = {0, 1, 2, 3};

    for (int32_t k = 2; k <= 6; k += 2) {
        int64_t index[4 * 6];
        float score[4 * 6];

        CHECK_OK(ctx, qn_als_recommend(ctx, &m, QN_SIDE_USER, users, 3, k, QN_TIES_ID_ASC, NULL,
                                       index, score));
        for (int u = 0; u < 3; u++)
            check_row(for_users[u], 4, k, &m.items, index + u * k, score + u * k);
        CHECK_OK(ctx, qn_als_recommend(ctx, &m, QN_SIDE_ITEM, items, 4, k, QN_TIES_ID_ASC, NULL,
                                       index, score));
        for (int i = 0; i < 4; i++)
            check_row(for_items[i], 3, k, &m.users, index + i * k, score + i * k);
    }
}

static void a_subset_gets_the_same_rows(void **state)
{
    qn_context *ctx = *state;
    const qn_als_model m = small_model();
    const int64_t users[] = {2, 0, 2};
    int64_t index[6];
    float score[6];

    CHECK_OK(ctx, qn_als_recommend(ctx, &m, QN_SIDE_USER, users, 3, 2, QN_TIES_ID_ASC, NULL, index,
                                   score));
    for (int i = 0; i < 3; i++)
        check_row(for_users[users[i]], 4, 2, &m.items, index + 2 * i, score + 2 * i);
}

static void ties_go_by_id_and_nan_comes_last(void **state)
{
    qn_context *ctx = *state;
    qn_als_model m = small_model();
    const int64_t user = 0;
    int64_t index[4];
    float score[4];

    for (int f = 0; f < 2; f++)
        small_items[2 * 16 + f] = small_items[0 + f] = small_items[3 * 16 + f];
    small_items[1 * 16] = NAN;
    CHECK_OK(ctx, qn_als_recommend(ctx, &m, QN_SIDE_USER, &user, 1, 4, QN_TIES_ID_ASC, NULL, index,
                                   score));
    CHECK(index[0] == 0 && index[1] == 2 && index[2] == 3 && index[3] == 1 && isnan(score[3]));
    CHECK_OK(ctx, qn_als_recommend(ctx, &m, QN_SIDE_USER, &user, 1, 2, QN_TIES_SPARK, NULL, index,
                                   score));
    CHECK(index[0] == 3 && index[1] == 2);
    for (int i = 0; i < 4; i++)
        small_items[i * 16] = NAN; /* nothing can be said: by id alone */
    CHECK_OK(ctx, qn_als_recommend(ctx, &m, QN_SIDE_USER, &user, 1, 2, QN_TIES_ID_ASC, NULL, index,
                                   score));
    CHECK(index[0] == 0 && index[1] == 1);
}

/* The seen ratings know other ids than the model: user 1 and item 4 of both, 9 and 100 of one. */
static void seen_pairs_are_left_out_by_id(void **state)
{
    qn_context *ctx = *state;
    const qn_als_model m = small_model();
    const test_rating list[] = {{1, 3, 1}, {1, 4, 1}, {1, 100, 1}, {9, 5, 1}, {2, 3, 1},
                                {2, 4, 1}, {2, 5, 1}, {2, 6, 1},   {1, 4, 5}};
    const int64_t users[] = {1, 0, 1, 2};
    const int64_t item = 1;
    qn_ratings *seen = NULL;
    int64_t index[12];
    float score[12];

    CHECK_OK(ctx, test_ratings(ctx, list, 9, 0, &seen));
    CHECK_OK(ctx, qn_als_recommend(ctx, &m, QN_SIDE_USER, users, 4, 3, QN_TIES_ID_ASC, seen, index,
                                   score));
    for (int i = 0; i <= 2; i += 2) {
        const best left[] = {{5, 33}, {6, 16}};

        check_row(left, 2, 3, &m.items, index + 3 * i, score + 3 * i);
    }
    check_row(for_users[0], 4, 3, &m.items, index + 3, score + 3);
    check_row(NULL, 0, 3, &m.items, index + 9, score + 9);
    CHECK_OK(ctx, qn_als_recommend(ctx, &m, QN_SIDE_ITEM, &item, 1, 2, QN_TIES_ID_ASC, seen, index,
                                   score));
    CHECK(index[0] == 0 && index[1] == -1);
    qn_ratings_free(seen);
}

/* Enough rows and items for several tasks and tiles; checked against sorting by hand. */
static void many_rows_agree_with_scoring_all(void **state)
{
    qn_context *ctx = *state;
    const int64_t n_users = 150;
    const int64_t n_items = 6001;
    const int32_t rank = 13;
    qn_als_model m = {.rank = rank, .stride = 16};
    float *factors = NULL;
    int64_t *ids = NULL;
    int64_t *index = NULL;
    float *score = NULL;
    uint64_t noise = 3;

    CHECK_OK(ctx, qn_calloc_array(ctx, (void **)&factors, (n_users + n_items) * 16, 4, "factors"));
    CHECK_OK(ctx, qn_alloc_array(ctx, (void **)&ids, n_items, 8, "ids"));
    CHECK_OK(ctx, qn_alloc_array(ctx, (void **)&index, n_users * 5, 8, "index"));
    CHECK_OK(ctx, qn_alloc_array(ctx, (void **)&score, n_users * 5, 4, "score"));
    for (int64_t i = 0; i < n_users + n_items; i++)
        for (int32_t f = 0; f < rank; f++)
            factors[i * 16 + f] = (float)test_noise(&noise, 7) - 3; /* many ties */
    for (int64_t i = 0; i < n_items; i++)
        ids[i] = i;
    m.users = (qn_ids){.type = QN_ID_INT32, .n = n_users, .number = ids};
    m.items = (qn_ids){.type = QN_ID_INT32, .n = n_items, .number = ids};
    m.user_factors = factors;
    m.item_factors = factors + n_users * 16;
    CHECK_OK(ctx, qn_als_recommend(ctx, &m, QN_SIDE_USER, ids, n_users, 5, QN_TIES_ID_ASC, NULL,
                                   index, score));
    for (int64_t u = 0; u < n_users; u++) {
        for (int32_t j = 0; j < 5; j++) {
            int64_t before = 0;

            for (int64_t i = 0; i < n_items; i++) {
                const float s =
                    qn_dot_spark(rank, m.user_factors + u * 16, m.item_factors + i * 16);

                before += s > score[u * 5 + j] || (s == score[u * 5 + j] && i < index[u * 5 + j]);
            }
            CHECK_EQ(before, j);
        }
    }
    qn_free(factors);
    qn_free(ids);
    qn_free(index);
    qn_free(score);
}

static void recommend_survives_every_failed_allocation(void **state)
{
    qn_context *ctx = *state;
    const qn_als_model m = small_model();
    const test_rating list[] = {{1, 3, 1}, {1, 4, 1}};
    const int64_t users[] = {0, 1, 2};
    qn_ratings *seen = NULL;
    qn_status st = QN_ENOMEM;
    int64_t live = 0;
    int64_t index[6];
    float score[6];

    CHECK_OK(ctx, test_ratings(ctx, list, 2, 0, &seen));
    live = qn_alloc_live(ctx);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(ctx, allowed);
        st = qn_als_recommend(ctx, &m, QN_SIDE_USER, users, 3, 2, QN_TIES_ID_ASC, seen, index,
                              score);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(ctx), live);
    }
    qn_ratings_free(seen);
}

static void rows_that_are_not_there_are_refused(void **state)
{
    qn_context *ctx = *state;
    const qn_als_model m = small_model();
    const int64_t user = 3;
    const int64_t known = 0;
    int64_t index = 0;
    float score = 0;

    CHECK_EQ(
        qn_als_recommend(ctx, &m, QN_SIDE_USER, &user, 1, 1, QN_TIES_ID_ASC, NULL, &index, &score),
        QN_EINVAL);
    CHECK_EQ(
        qn_als_recommend(ctx, &m, QN_SIDE_USER, &known, 1, 0, QN_TIES_ID_ASC, NULL, &index, &score),
        QN_EINVAL);
    CHECK_EQ(qn_als_similar(ctx, &m, QN_SIDE_ITEM, 4, 1, &index, &score), QN_EINVAL);
    CHECK_EQ(qn_als_predict(ctx, &m, 1, &user, &known, &score), QN_EINVAL);
}

static void unknown_pairs_follow_the_cold_start_rule(void **state)
{
    qn_context *ctx = *state;
    qn_als_model m = small_model();
    const int64_t user[] = {-1, 0, -1, 0};
    const int64_t item[] = {-1, -1, 1, 1};
    float item_mean[] = {1, 2, 3, 4};
    float out[4];

    CHECK_OK(ctx, qn_als_predict(ctx, &m, 4, user, item, out));
    CHECK(isnan(out[0]) && isnan(out[1]) && isnan(out[2]) && out[3] == 44);
    m.params.cold_start = QN_COLD_DROP;
    CHECK_OK(ctx, qn_als_predict(ctx, &m, 4, user, item, out));
    CHECK(isnan(out[0]) && isnan(out[1]) && isnan(out[2]) && out[3] == 44);
    m.params.cold_start = QN_COLD_MEAN;
    CHECK_OK(ctx, qn_als_predict(ctx, &m, 4, user, item, out));
    CHECK(out[0] == 3.5F && out[1] == 3.5F && out[2] == 3.5F && out[3] == 44);
    m.params.cold_start = QN_COLD_POPULAR;
    m.item_mean = item_mean;
    CHECK_OK(ctx, qn_als_predict(ctx, &m, 4, user, item, out));
    CHECK(out[0] == 3.5F && out[1] == 3.5F && out[2] == 2 && out[3] == 44);
    m.item_mean = NULL; /* a model of Spark's */
    m.mean_rating = NAN;
    CHECK_OK(ctx, qn_als_predict(ctx, &m, 4, user, item, out));
    CHECK(isnan(out[0]) && isnan(out[2]) && out[3] == 44);
}

static void similar_rows_are_those_of_least_angle(void **state)
{
    qn_context *ctx = *state;
    const qn_als_model m = small_model();
    int64_t index[5];
    float score[5];

    CHECK_OK(ctx, qn_als_similar(ctx, &m, QN_SIDE_ITEM, 0, 5, index, score));
    CHECK(index[0] == 2 && index[1] == 1 && index[2] == 3 && index[3] == -1);
    CHECK_NEAR(score[0], (15 + 36) / sqrt(61.0 * 45.0), 1e-6);
    CHECK_NEAR(score[1], (30 + 12) / sqrt(61.0 * 40.0), 1e-6);
    CHECK(isnan(score[3]));
    small_items[2 * 16] = small_items[2 * 16 + 1] = 0;
    CHECK_OK(ctx, qn_als_similar(ctx, &m, QN_SIDE_ITEM, 0, 3, index, score));
    CHECK(index[2] == 2 && score[2] == 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, test_context_setup, test_context_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(all_users_get_sparks_answer_for_every_k),
        CASE(a_subset_gets_the_same_rows),
        CASE(ties_go_by_id_and_nan_comes_last),
        CASE(seen_pairs_are_left_out_by_id),
        CASE(many_rows_agree_with_scoring_all),
        CASE(recommend_survives_every_failed_allocation),
        CASE(rows_that_are_not_there_are_refused),
        CASE(unknown_pairs_follow_the_cold_start_rule),
        CASE(similar_rows_are_those_of_least_angle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
