/* A model of three users and four items whose lists are known by eye (Spark's ALSSuite), and seven
 * test rows: four can be scored, each one off by one. scores  user 0: item 3 54, 4 44, 5 42, 6 28
 * users 1, 2: items in the order 3 5 4 6 */
#include <math.h>

#include "check.h"

#include "base/text.h"
#include "lifecycle/evaluate.h"

#define N_TEST  7
#define N_TRAIN 5

static const int64_t test_user_ids[] = {0, 1, 2, 9}, test_item_ids[] = {3, 4, 5, 6, 77};
static const struct qn_rating test_rows[N_TEST] = {
    {0, 1, 43}, {0, 3, 27}, {1, 3, 17}, {2, 2, 44}, {3, 0, 50}, {0, 4, 50}, {3, 4, 1},
};
static const int64_t train_user_ids[] = {0, 1, 2}, train_item_ids[] = {3, 4, 5};
static const struct qn_rating train_rows[N_TRAIN] = {
    {0, 0, 40}, {1, 0, 40}, {2, 0, 40}, {1, 1, 10}, {1, 2, 20},
};

static qn_status make_ids(qn_context *ctx, const int64_t *id, int64_t n, qn_ids *ids)
{
    qn_status st = QN_OK;

    *ids = (qn_ids){.type = QN_ID_INT32, .n = n};
    QN_NEW(ctx, ids->number, n, "ids");
    memcpy(ids->number, id, (size_t)n * sizeof *id);
done:
    return st;
}

static qn_status make_triples(qn_context *ctx, const qn_rating *row, int64_t n, bool reversed,
                              qn_triples **out)
{
    qn_status st = QN_OK;
    qn_triples *t = NULL;
    const bool is_test = n == N_TEST;

    QN_TRY(qn_triples_create(ctx, false, &t));
    QN_TRY(make_ids(ctx, is_test ? test_user_ids : train_user_ids, is_test ? 4 : 3, &t->users));
    QN_TRY(make_ids(ctx, is_test ? test_item_ids : train_item_ids, is_test ? 5 : 3, &t->items));
    for (int64_t i = 0; i < n; i++) {
        const qn_rating *r = &row[reversed ? n - 1 - i : i];

        QN_TRY(qn_triples_append(ctx, t, 1, &r->user, &r->item, &r->value, NULL));
    }
    *out = t;
    t = NULL;
done:
    qn_triples_free(t);
    return st;
}

static qn_status make_model(qn_context *ctx, qn_als_model **out)
{
    static const float users[3][2] = {{6, 4}, {3, 4}, {3, 6}};
    static const float items[4][2] = {{5, 6}, {6, 2}, {3, 6}, {4, 1}};
    qn_status st = QN_OK;
    qn_als_model *m = NULL;

    QN_NEW0(ctx, m, 1, "a model");
    qn_params_init(&qn_als_table, &m->params);
    m->rank = m->params.rank = 2;
    m->stride = 16;
    m->mean_rating = 30;
    QN_TRY(make_ids(ctx, train_user_ids, 3, &m->users));
    QN_TRY(make_ids(ctx, test_item_ids, 4, &m->items));
    QN_NEW0(ctx, m->user_factors, 3 * m->stride, "factors");
    QN_NEW0(ctx, m->item_factors, 4 * m->stride, "factors");
    for (int64_t i = 0; i < 4; i++)
        for (int64_t f = 0; f < 2; f++) {
            if (i < 3)
                m->user_factors[i * m->stride + f] = users[i][f];
            m->item_factors[i * m->stride + f] = items[i][f];
        }
    *out = m;
    m = NULL;
done:
    qn_als_free(m);
    return st;
}

typedef struct fixture {
    qn_als_model *model;
    qn_triples *test;
    qn_ratings *train;
} fixture;

static void fixture_release(fixture *f)
{
    qn_als_free(f->model);
    qn_triples_free(f->test);
    qn_ratings_free(f->train);
}

static qn_status fixture_make(qn_context *ctx, bool reversed, bool with_train, fixture *f)
{
    qn_status st = QN_OK;
    qn_triples *triples = NULL;

    QN_TRY(make_model(ctx, &f->model));
    QN_TRY(make_triples(ctx, test_rows, N_TEST, reversed, &f->test));
    if (with_train) {
        QN_TRY(make_triples(ctx, train_rows, N_TRAIN, reversed, &triples));
        QN_TRY(qn_ratings_from_triples(ctx, &triples, 0, &f->train));
    }
done:
    return st;
}

static qn_ranking_options options_for(qn_protocol_choice protocol)
{
    qn_ranking_options options;

    qn_params_init(&qn_ranking_table, &options);
    options.k = 2;
    options.threshold = 30;
    options.protocol = protocol;
    return options;
}

static qn_evaluation evaluate(qn_context *ctx, qn_protocol_choice protocol, bool reversed,
                              bool with_train)
{
    const qn_ranking_options options = options_for(protocol);
    qn_evaluation e;
    fixture f = {0};

    CHECK_OK(ctx, fixture_make(ctx, reversed, with_train, &f));
    CHECK_OK(ctx, qn_evaluate_als(ctx, f.model, f.test, f.train, &options, &e));
    fixture_release(&f);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    return e;
}

static void errors_are_over_the_rows_that_could_be_scored(void **state)
{
    const qn_evaluation e = evaluate(*state, QN_PROTOCOL_CHOICE_AUTO, false, true);

    CHECK_EQ(e.model.n, 4);
    CHECK_NEAR(e.model.rmse.value, 1, 1e-12);
    CHECK_NEAR(e.model.mae.value, 1, 1e-12);
    CHECK_NEAR(e.model.rmse.low, 1, 1e-9); /* every error is 1: no doubt about the mean */
    CHECK_NEAR(e.model.rmse.high, 1, 1e-9);
}

static void coverage_tells_what_could_not_be_scored_and_why(void **state)
{
    const qn_evaluation e = evaluate(*state, QN_PROTOCOL_CHOICE_AUTO, false, true);

    CHECK_EQ(e.coverage.rows, 7);
    CHECK_EQ(e.coverage.rows_scored, 4);
    CHECK_EQ(e.coverage.unknown_user, 1);
    CHECK_EQ(e.coverage.unknown_item, 1);
    CHECK_EQ(e.coverage.unknown_both, 1);
    CHECK_EQ(e.coverage.users, 4);
    CHECK_EQ(e.coverage.users_known, 3);
    CHECK_EQ(e.coverage.items, 5);
    CHECK_EQ(e.coverage.items_known, 4);
}

/* Means of training: all 30, items 40, 10, 20, item 6 unseen (30), users 40, 70/3, 40. */
static void baselines_are_judged_on_the_same_rows(void **state)
{
    const qn_evaluation e = evaluate(*state, QN_PROTOCOL_CHOICE_AUTO, false, true);

    CHECK_EQ(e.global_mean.n, 4);
    CHECK_NEAR(e.global_mean.mae.value, (13. + 3 + 13 + 14) / 4, 1e-12);
    CHECK_NEAR(e.item_mean.mae.value, (33. + 3 + 13 + 24) / 4, 1e-12);
    CHECK_NEAR(e.user_mean.mae.value, (3 + 13 + 19. / 3 + 4) / 4, 1e-12);
}

static void without_training_ratings_the_models_own_mean_serves(void **state)
{
    const qn_evaluation e = evaluate(*state, QN_PROTOCOL_CHOICE_AUTO, false, false);

    CHECK_EQ(e.protocol, QN_PROTOCOL_REFERENCE);
    CHECK_NEAR(e.global_mean.mae.value, (13. + 3 + 13 + 14) / 4, 1e-12);
    CHECK_EQ(e.item_mean.n, 0);
    CHECK_EQ(e.user_mean.n, 0);
    CHECK_EQ(e.popularity.users, 0);
}

/* User 0: list 3 4, relevant 4 77. User 2: list 3 5, relevant 5. User 1 has nothing relevant. */
static void the_reference_leaves_users_without_truth_out(void **state)
{
    const qn_evaluation e = evaluate(*state, QN_PROTOCOL_CHOICE_REFERENCE, false, true);

    CHECK_EQ(e.ranking.users, 2);
    CHECK_EQ(e.ranking.without_truth, 1);
    CHECK_EQ(e.ranking.unknown_users, 1);
    CHECK_NEAR(e.ranking.precision.value, .5, 1e-12);
    CHECK_NEAR(e.ranking.recall.value, .75, 1e-12);
    CHECK_NEAR(e.ranking.catalogue_share, .75, 1e-12);
    CHECK_NEAR(e.popularity.precision.value, .25, 1e-12); /* 3 4 for everyone */
}

static void spark_counts_users_without_truth_as_zero(void **state)
{
    const qn_evaluation e = evaluate(*state, QN_PROTOCOL_CHOICE_SPARK, false, true);

    CHECK_EQ(e.ranking.users, 3);
    CHECK_NEAR(e.ranking.precision.value, 1. / 3, 1e-12);
    CHECK_NEAR(e.ranking.recall.value, .5, 1e-12);
    CHECK(e.ranking.precision.low < 1. / 3 && e.ranking.precision.high > 1. / 3);
}

/* Item 3 is seen by all. User 0: 4 5; user 2: 5 4. Popular: 4 5 for both. */
static void honest_lists_leave_out_what_was_seen(void **state)
{
    const qn_evaluation e = evaluate(*state, QN_PROTOCOL_CHOICE_HONEST, false, true);
    const double second = 1 / log2(3);

    CHECK_EQ(e.ranking.users, 2);
    CHECK_NEAR(e.ranking.precision.value, .5, 1e-12);
    CHECK_NEAR(e.ranking.recall.value, .75, 1e-12);
    CHECK_NEAR(e.ranking.ndcg.value, (1 / (1 + second) + 1) / 2, 1e-12);
    CHECK_NEAR(e.popularity.precision.value, .5, 1e-12);
    CHECK_NEAR(e.popularity.ndcg.value, (1 / (1 + second) + second) / 2, 1e-12);
}

static void honest_needs_the_training_ratings(void **state)
{
    qn_context *ctx = *state;
    const qn_ranking_options options = options_for(QN_PROTOCOL_CHOICE_HONEST);
    qn_evaluation e;
    fixture f = {0};

    CHECK_OK(ctx, fixture_make(ctx, false, false, &f));
    CHECK_EQ(qn_evaluate_als(ctx, f.model, f.test, NULL, &options, &e), QN_EINVAL);
    CHECK_ERROR(ctx, "--seen");
    fixture_release(&f);
}

static void the_order_of_the_rows_changes_no_bit(void **state)
{
    const qn_evaluation a = evaluate(*state, QN_PROTOCOL_CHOICE_HONEST, false, true);
    const qn_evaluation b = evaluate(*state, QN_PROTOCOL_CHOICE_HONEST, true, true);

    assert_memory_equal(&a.model, &b.model, sizeof a.model);
    assert_memory_equal(&a.user_mean, &b.user_mean, sizeof a.user_mean);
    assert_memory_equal(&a.ranking, &b.ranking, sizeof a.ranking);
    assert_memory_equal(&a.popularity, &b.popularity, sizeof a.popularity);
}

static void a_sample_of_users_is_told(void **state)
{
    qn_context *ctx = *state;
    qn_ranking_options options = options_for(QN_PROTOCOL_CHOICE_SPARK);
    qn_evaluation e;
    fixture f = {0};

    options.ranking_users = 2;
    CHECK_OK(ctx, fixture_make(ctx, false, true, &f));
    CHECK_OK(ctx, qn_evaluate_als(ctx, f.model, f.test, f.train, &options, &e));
    CHECK_EQ(e.ranking.users, 2);
    CHECK_EQ(e.ranking.not_sampled, 1);
    options.ranking_users = -1;
    CHECK_OK(ctx, qn_evaluate_als(ctx, f.model, f.test, f.train, &options, &e));
    CHECK(!e.has_ranking && isnan(e.ranking.ndcg.value));
    fixture_release(&f);
}

static void the_figures_are_json_with_the_reference_keys(void **state)
{
    const qn_evaluation e = evaluate(*state, QN_PROTOCOL_CHOICE_REFERENCE, false, true);
    const qn_reference_run run = {"m", "t.csv", 2};
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_evaluation_json(&e, &j);
    qn_json_close(&j, '}');
    CHECK(strstr(j.out.text, "\"rmse\":1.0,") != NULL);
    CHECK(strstr(j.out.text, "\"precision_at_k\":0.5,") != NULL);
    CHECK(strstr(j.out.text, "\"coverage\":{\"rows\":7,\"rows_scored\":4,") != NULL);
    CHECK(strstr(j.out.text, "\"intervals\":{\"rmse\":[") != NULL);
    CHECK(strstr(j.out.text, "\"baselines\":{\"global_mean\":{\"rmse\":") != NULL);
    CHECK(strstr(j.out.text, "\"protocol\":\"reference\"") != NULL);
    qn_json_release(&j);
    j = (qn_json){0};
    qn_evaluation_reference_json(&e, &run, &j);
    CHECK(strstr(j.out.text,
                 "\"model_path\":\"m\",\"test_file\":\"t.csv\",\"test_ratings_count\":7,"
                 "\"model_rank\":2,\"rmse\":1.0,\"mae\":1.0,\"precision_at_K\":0.5,"
                 "\"recall_at_K\":0.75,\"ndcg_at_K\":") != NULL);
    qn_json_release(&j);
}

static void evaluation_survives_every_failed_allocation(void **state)
{
    qn_context *ctx = *state;
    const qn_ranking_options options = options_for(QN_PROTOCOL_CHOICE_HONEST);
    qn_status st = QN_ENOMEM;
    fixture f = {0};

    CHECK_OK(ctx, fixture_make(ctx, false, true, &f));
    const int64_t live = qn_alloc_live(ctx);

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_evaluation e;

        qn_alloc_fail_after(ctx, allowed);
        st = qn_evaluate_als(ctx, f.model, f.test, f.train, &options, &e);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(ctx), live);
        CHECK(allowed < 1000);
    }
    fixture_release(&f);
}

static int set_up(void **state)
{
    qn_context *ctx = NULL;
    const qn_status st = qn_context_create(&(qn_context_options){.threads = 2}, &ctx);

    *state = ctx;
    return st == QN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    qn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_over_the_rows_that_could_be_scored),
        cmocka_unit_test(coverage_tells_what_could_not_be_scored_and_why),
        cmocka_unit_test(baselines_are_judged_on_the_same_rows),
        cmocka_unit_test(without_training_ratings_the_models_own_mean_serves),
        cmocka_unit_test(the_reference_leaves_users_without_truth_out),
        cmocka_unit_test(spark_counts_users_without_truth_as_zero),
        cmocka_unit_test(honest_lists_leave_out_what_was_seen),
        cmocka_unit_test(honest_needs_the_training_ratings),
        cmocka_unit_test(the_order_of_the_rows_changes_no_bit),
        cmocka_unit_test(a_sample_of_users_is_told),
        cmocka_unit_test(the_figures_are_json_with_the_reference_keys),
        cmocka_unit_test(evaluation_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
