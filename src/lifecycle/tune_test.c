/* The grid, and a search on real ratings. */
#include <math.h>

#include "check.h"

#include "lifecycle/tune_grid.h"

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

static qn_als_params defaults(void)
{
    qn_als_params params;

    qn_params_init(&qn_als_table, &params);
    return params;
}

static void a_grid_is_every_combination_the_first_name_slowest(void **state)
{
    const char *texts[] = {"rank=5,10", "reg-param=.02,.1,1e-3"};
    const qn_text_list grid = {texts, 2};
    const qn_als_params base = defaults();
    qn_tune_row *row = NULL;
    int64_t n = 0;

    CHECK_OK(*state, qn_tune_grid(*state, &grid, &base, &row, &n));
    CHECK_EQ(n, 6);
    CHECK_TEXT(row[0].point, "rank=5 reg-param=.02");
    CHECK_TEXT(row[5].point, "rank=10 reg-param=1e-3");
    CHECK_EQ(row[3].params.rank, 10);
    CHECK_NEAR(row[3].params.reg_param, .02, 0);
    CHECK_NEAR(row[5].params.reg_param, 1e-3, 0);
    CHECK_EQ(row[5].params.max_iter, base.max_iter);
    qn_free(row);
}

static void check_refused(qn_context *ctx, const char *text, const char *word)
{
    const qn_text_list grid = {&text, 1};
    const qn_als_params base = defaults();
    qn_tune_row *row = NULL;
    int64_t n = 0;

    CHECK_EQ(qn_tune_grid(ctx, &grid, &base, &row, &n), QN_EINVAL);
    CHECK_ERROR(ctx, word);
    CHECK(row == NULL);
    CHECK_EQ(qn_alloc_live(ctx), 0);
}

static void a_wrong_grid_is_refused_with_what_to_write(void **state)
{
    check_refused(*state, "rank", "rank=10,20,50");
    check_refused(*state, "rang=1", "did you mean rank");
    check_refused(*state, "rank=5,,10", "empty");
    check_refused(*state, "rank=5,x", "x");
    check_refused(*state, "rank=0", "0");
}

static void a_name_given_twice_is_refused(void **state)
{
    const char *texts[] = {"rank=5", "als-rank=10"};
    const qn_text_list grid = {texts, 2};
    const qn_als_params base = defaults();
    qn_tune_row *row = NULL;
    int64_t n = 0;

    CHECK_EQ(qn_tune_grid(*state, &grid, &base, &row, &n), QN_EINVAL);
    CHECK_ERROR(*state, "twice");
}

typedef struct search {
    qn_tune_als_options options;
    qn_ratings_options ratings;
    qn_als_params als;
    qn_ranking_options ranking;
    const char *grid[2];
    char path[512];
    const char *input;
} search;

static void search_init(search *s)
{
    qn_params_init(&qn_tune_als_table, &s->options);
    qn_params_init(&qn_ratings_table, &s->ratings);
    qn_params_init(&qn_als_table, &s->als);
    qn_params_init(&qn_ranking_table, &s->ranking);
    s->als.max_iter = 3;
    s->ranking.ranking_users = -1;
    s->grid[0] = "rank=2,4";
    s->grid[1] = "reg-param=.0001,.1";
    s->options.grid = (qn_text_list){s->grid, 2};
    if (shared_dir())
        snprintf(s->path, sizeof s->path, "%s/data/ml-latest-small/ratings.csv", shared_dir());
    s->input = s->path;
    s->ratings.input = (qn_text_list){&s->input, 1};
}

static void too_little_regularisation_loses_on_real_ratings(void **state)
{
    SKIP_WITHOUT_SHARED();
    search s = {0};
    qn_tune_result result;

    search_init(&s);
    CHECK_OK(*state, qn_tune_als_run(*state, &s.options, &s.ratings, &s.als, &s.ranking, &result));
    CHECK_EQ(result.n_rows, 4);
    CHECK(result.best == 1 || result.best == 3);
    CHECK(result.row[1].rmse < result.row[0].rmse);
    CHECK(result.row[result.best].mean > .85 && result.row[result.best].mean < .95);
    CHECK(isnan(result.row[0].std));
    CHECK(result.row[0].rows_scored > 18000 && result.row[0].rows_scored < 20500);
    qn_tune_result_release(&result);
    CHECK_EQ(qn_alloc_live(*state), 0);
}

static void folds_judge_every_rating_once(void **state)
{
    SKIP_WITHOUT_SHARED();
    search s = {0};
    qn_tune_result result;

    search_init(&s);
    s.options.folds = 3;
    s.grid[0] = "rank=2";
    s.als.max_iter = 10;
    s.grid[1] = "reg-param=.1";
    CHECK_OK(*state, qn_tune_als_run(*state, &s.options, &s.ratings, &s.als, &s.ranking, &result));
    CHECK_EQ(result.folds, 3);
    CHECK_EQ(result.n_ratings, 100836);
    CHECK(result.row[0].rows_scored > 95000 && result.row[0].rows_scored <= 100836);
    CHECK(result.row[0].std > 0 && result.row[0].std < .02);
    qn_tune_result_release(&result);
}

static void options_that_exclude_each_other_are_refused(void **state)
{
    search s = {0};
    qn_tune_result result;

    search_init(&s);
    s.options.folds = 3;
    s.options.split = "random:0.5";
    CHECK_EQ(qn_tune_als_run(*state, &s.options, &s.ratings, &s.als, &s.ranking, &result),
             QN_EINVAL);
    s.options.split = NULL;
    s.options.folds = 1;
    CHECK_EQ(qn_tune_als_run(*state, &s.options, &s.ratings, &s.als, &s.ranking, &result),
             QN_EINVAL);
    CHECK_ERROR(*state, "2 or more");
    s.options.folds = 0;
    s.options.metric = 5; /* ndcg, but no rankings are judged */
    CHECK_EQ(qn_tune_als_run(*state, &s.options, &s.ratings, &s.als, &s.ranking, &result),
             QN_EINVAL);
    CHECK(result.row == NULL);
    CHECK_EQ(qn_alloc_live(*state), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grid_is_every_combination_the_first_name_slowest),
        cmocka_unit_test(a_wrong_grid_is_refused_with_what_to_write),
        cmocka_unit_test(a_name_given_twice_is_refused),
        cmocka_unit_test(too_little_regularisation_loses_on_real_ratings),
        cmocka_unit_test(folds_judge_every_rating_once),
        cmocka_unit_test(options_that_exclude_each_other_are_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
