/* What is done with a saved model, on ratings whose taste is seen by eye: users 1-4 like items
 * 10-13 and not 20-23, users 5-8 the other way round. One pair of each user is left for asking. */
#include <math.h>

#include "als_fit.h"

#include "base/file.h"
#include "base/text.h"
#include "lifecycle/inspect.h"
#include "lifecycle/predict.h"
#include "lifecycle/recommend.h"
#include "lifecycle/split.h"

#define N_USERS 8

typedef struct fixture {
    qn_context *ctx;
    char dir[64], model[96], train[96], titles[96], out[96];
    bool has_model; /* false: no Parquet module, so nothing to load */
    const char *input;
    qn_columns_options columns;
    qn_scoring_options scoring;
    /* lines of the last answer */
    qn_string lines;
    int64_t n_lines, n_reasons;
} fixture;

static void write_text(const char *path, const char *text)
{
    FILE *stream = fopen(path, "w");

    CHECK(stream != NULL);
    fputs(text, stream);
    CHECK_EQ(fclose(stream), 0);
}

static void write_train(fixture *f)
{
    qn_string text = {0};

    qn_string_add(&text, "userId,movieId,rating,note\n");
    for (int user = 1; user <= N_USERS; user++)
        for (int item = 0; item < 8; item++) {
            const int id = item < 4 ? 10 + item : 20 + item - 4;
            const bool likes = (user <= 4) == (item < 4);

            if (item != (user - 1) % 8)
                qn_string_addf(&text, "%d,%d,%d,\"u%d, i%d\"\n", user, id, likes ? 5 : 1, user, id);
        }
    write_text(f->train, text.text);
    qn_string_release(&text);
}

static qn_status fit_model(fixture *f)
{
    als_fit fit;
    qn_fit_als_result result;

    als_fit_for(&fit, f->input);
    fit.als.rank = 2;
    fit.als.reg_param = .01;
    fit.als.cold_start = QN_COLD_DROP;
    fit.options.model = f->model;
    return als_fit_run(f->ctx, &fit, &result);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    qn_status st;

    *state = f;
    if (!f || qn_context_create(&(qn_context_options){.threads = 2}, &f->ctx) != QN_OK)
        return -1;
    fresh_dir(f->dir);
    snprintf(f->model, sizeof f->model, "%s/model", f->dir);
    snprintf(f->train, sizeof f->train, "%s/train.csv", f->dir);
    snprintf(f->titles, sizeof f->titles, "%s/movies.csv", f->dir);
    snprintf(f->out, sizeof f->out, "%s/out.csv", f->dir);
    f->input = f->train;
    qn_params_init(&qn_columns_table, &f->columns);
    qn_params_init(&qn_scoring_table, &f->scoring);
    write_train(f);
    write_text(f->titles, "movieId,title,genres\n10,\"Ten, The\",A\n11,Eleven,A\n20,Twenty,B\n");
    st = fit_model(f);
    f->has_model = st == QN_OK;
    if (st != QN_OK && st != QN_EUNAVAILABLE)
        print_error("%s\n", qn_context_error(f->ctx));
    return st == QN_OK || st == QN_EUNAVAILABLE ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    qn_remove_tree(f->ctx, f->dir);
    qn_string_release(&f->lines);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

#define SKIP_WITHOUT_MODEL(f)                                                                      \
    do {                                                                                           \
        if (!(f)->has_model) {                                                                     \
            print_message("skipped: no module for Parquet\n");                                     \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

static void read_text(fixture *f, const char *path, char **text)
{
    size_t length = 0;

    CHECK_OK(f->ctx, qn_read_file(f->ctx, path, 1 << 20, text, &length));
}

static double number_behind(const char *text, const char *mark)
{
    const char *at = strstr(text, mark);

    return at ? strtod(at + strlen(mark), NULL) : NAN;
}

/* "1>10 11>..." in the order of the lines. */
static qn_status keep_line(void *arg, const qn_recommendation *line)
{
    fixture *f = arg;

    qn_string_addf(&f->lines, "%s>%s(%s) ", line->id, line->other, line->title ? line->title : "");
    f->n_lines++;
    f->n_reasons += line->n_reasons;
    return QN_OK;
}

static void predictions_keep_columns_and_order_and_drop_cold_rows(void **state)
{
    fixture *f = *state;
    char pairs[96], *text;
    const char *input = pairs;
    qn_predict_options options;
    qn_predict_result result;

    SKIP_WITHOUT_MODEL(f);
    snprintf(pairs, sizeof pairs, "%s/pairs.csv", f->dir);
    write_text(pairs, "note,movieId,userId\n\"a, b\",10,1\nx,99,1\ny,20,1\nz,20,77\nw,99,77\n");
    qn_params_init(&qn_predict_table, &options);
    options.model = f->model;
    options.input = (qn_text_list){&input, 1};
    options.output = f->out;
    CHECK_OK(f->ctx, qn_predict_run(f->ctx, &options, &f->columns, &f->scoring, &result));
    CHECK_EQ(result.rows_read, 5);
    CHECK_EQ(result.rows_written, 2);
    CHECK_EQ(result.rows_dropped, 3);
    CHECK_EQ(result.unknown_item, 1);
    CHECK_EQ(result.unknown_user, 1);
    CHECK_EQ(result.unknown_both, 1);
    read_text(f, f->out, &text);
    CHECK(strncmp(text, "note,movieId,userId,prediction\n\"a, b\",10,1,", 43) == 0);
    CHECK(strstr(text, "\ny,20,1,") != NULL);
    CHECK(number_behind(text, "10,1,") > 4);
    CHECK(number_behind(text, "20,1,") < 2);
    qn_free(text);
    CHECK_EQ(qn_predict_run(f->ctx, &options, &f->columns, &f->scoring, &result), QN_EEXISTS);
    options.overwrite = true;
    options.cold = 1 + QN_COLD_NAN;
    CHECK_OK(f->ctx, qn_predict_run(f->ctx, &options, &f->columns, &f->scoring, &result));
    CHECK_EQ(result.rows_written, 5);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void recommendations_leave_out_what_was_seen_and_carry_titles(void **state)
{
    fixture *f = *state;
    const char *users[] = {"5", "2", "5", "77"};
    qn_recommend_options options;
    qn_recommend_result result;

    SKIP_WITHOUT_MODEL(f);
    qn_params_init(&qn_recommend_table, &options);
    options.model = f->model;
    options.user = (qn_text_list){users, 4};
    options.k = 3;
    options.exclude_seen = (qn_text_list){&f->input, 1};
    options.titles = f->titles;
    CHECK_OK(f->ctx, qn_recommend_run(f->ctx, &options, &f->columns, keep_line, f, &result));
    CHECK_TEXT(f->lines.text, "5>20(Twenty) 2>11(Eleven) "); /* the only ones they have not rated */
    CHECK_EQ(result.rows, 2);
    CHECK_EQ(result.unknown, 1);
    CHECK_TEXT(result.first_unknown, "77");
    CHECK(f->n_reasons > 0);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void all_users_go_to_a_file(void **state)
{
    fixture *f = *state;
    qn_recommend_options options;
    qn_recommend_result result;
    char *text;

    SKIP_WITHOUT_MODEL(f);
    qn_params_init(&qn_recommend_table, &options);
    options.model = f->model;
    options.all_users = true;
    options.k = 2;
    options.output = f->out;
    CHECK_OK(f->ctx, qn_recommend_run(f->ctx, &options, &f->columns, NULL, NULL, &result));
    CHECK_EQ(result.rows, N_USERS);
    CHECK_EQ(result.lines, 2 * N_USERS);
    read_text(f, f->out, &text);
    CHECK(strstr(text, "\n1,1,1") != NULL);
    CHECK(strstr(text, "\n8,2,2") != NULL);
    qn_free(text);
}

static void a_new_user_is_folded_in_and_gets_what_the_taste_suggests(void **state)
{
    fixture *f = *state;
    char ratings[96];
    qn_recommend_options options;
    qn_recommend_result result;

    SKIP_WITHOUT_MODEL(f);
    snprintf(ratings, sizeof ratings, "%s/new.csv", f->dir);
    write_text(ratings, "userId,movieId,rating\n900,20,5\n900,21,5\n900,10,1\n900,11,1\n");
    qn_params_init(&qn_recommend_table, &options);
    options.model = f->model;
    options.new_user = ratings;
    options.k = 2;
    CHECK_OK(f->ctx, qn_recommend_run(f->ctx, &options, &f->columns, keep_line, f, &result));
    CHECK_EQ(f->n_lines, 2);
    CHECK(strstr(f->lines.text, "900>22()") != NULL);
    CHECK(strstr(f->lines.text, "900>23()") != NULL);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void nobody_known_is_an_error(void **state)
{
    fixture *f = *state;
    const char *user = "77";
    qn_recommend_options options;
    qn_recommend_result result;

    SKIP_WITHOUT_MODEL(f);
    qn_params_init(&qn_recommend_table, &options);
    options.model = f->model;
    options.user = (qn_text_list){&user, 1};
    CHECK_EQ(qn_recommend_run(f->ctx, &options, &f->columns, keep_line, f, &result), QN_ENOTFOUND);
    CHECK_ERROR(f->ctx, "\"77\"");
    options.all_users = true;
    CHECK_EQ(qn_recommend_run(f->ctx, &options, &f->columns, keep_line, f, &result), QN_EINVAL);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void similar_items_are_those_of_the_same_taste(void **state)
{
    fixture *f = *state;
    qn_similar_options options;
    qn_recommend_result result;

    SKIP_WITHOUT_MODEL(f);
    qn_params_init(&qn_similar_table, &options);
    options.model = f->model;
    options.item = "21";
    options.k = 3;
    CHECK_OK(f->ctx, qn_similar_run(f->ctx, &options, keep_line, f, &result));
    CHECK_EQ(f->n_lines, 3);
    CHECK(strstr(f->lines.text, ">1") == NULL); /* none of 10-13 */
    CHECK(strstr(f->lines.text, ">21") == NULL);
}

static void an_explanation_adds_up_to_the_prediction(void **state)
{
    fixture *f = *state;
    qn_explain_options options;
    qn_explain_result result;

    SKIP_WITHOUT_MODEL(f);
    qn_params_init(&qn_explain_table, &options);
    options.model = f->model;
    options.user = "1";
    options.item = "10";
    options.ratings = (qn_text_list){&f->input, 1};
    CHECK_OK(f->ctx, qn_explain_run(f->ctx, &options, &f->columns, keep_line, f, &result));
    CHECK_EQ(result.n_ratings, 7);
    CHECK_NEAR(result.explained, (double)result.prediction, 1e-3);
    CHECK(f->n_reasons > 0);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void a_split_keeps_columns_quotes_and_order(void **state)
{
    fixture *f = *state;
    qn_split_options options;
    qn_ratings_options ratings;
    qn_split_result result;
    char test[96], *a, *b;

    snprintf(test, sizeof test, "%s/test.csv", f->dir);
    qn_params_init(&qn_split_table, &options);
    qn_params_init(&qn_ratings_table, &ratings);
    ratings.input = (qn_text_list){&f->input, 1};
    options.train = f->out;
    options.test = test;
    options.split = "random:0.5";
    CHECK_OK(f->ctx, qn_split_run(f->ctx, &options, &ratings, &result));
    CHECK_EQ(result.train_records + result.test_records, 56);
    CHECK(result.train_records > 15 && result.test_records > 15);
    read_text(f, f->out, &a);
    read_text(f, test, &b);
    CHECK(strncmp(a, "userId,movieId,rating,note\n", 27) == 0);
    CHECK(strncmp(b, "userId,movieId,rating,note\n", 27) == 0);
    CHECK((strstr(a, "1,11,5,\"u1, i11\"\n") != NULL) !=
          (strstr(b, "1,11,5,\"u1, i11\"\n") != NULL));
    CHECK(a[strlen(a) - 1] == '\n' && b[strlen(b) - 1] == '\n');
    qn_free(a);
    qn_free(b);
    options.test = options.train;
    options.overwrite = true;
    CHECK_EQ(qn_split_run(f->ctx, &options, &ratings, &result), QN_EINVAL);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void inspecting_ratings_counts_them(void **state)
{
    fixture *f = *state;
    qn_inspect_options options;
    qn_ratings_options ratings;
    qn_inspect_result r;

    qn_params_init(&qn_inspect_table, &options);
    qn_params_init(&qn_ratings_table, &ratings);
    ratings.input = (qn_text_list){&f->input, 1};
    CHECK_OK(f->ctx, qn_inspect_run(f->ctx, &options, &ratings, &r));
    CHECK_EQ(r.kind, QN_INSPECT_RATINGS);
    CHECK_EQ(r.n_columns, 4);
    CHECK_EQ(r.n_ratings, 56);
    CHECK_EQ(r.n_users, 8);
    CHECK_EQ(r.n_items, 8);
    CHECK_EQ(r.n_values, 2);
    CHECK_NEAR(r.density, 56. / 64, 1e-12);
    CHECK_NEAR(r.mean_rating, (24 * 5 + 32 * 1) / 56., .5);
    CHECK_NEAR(r.item_skew.gini, 0, 1e-12); /* every item has seven */
    CHECK_EQ(r.user_skew.median, 7);
    qn_inspect_result_release(&r);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void inspecting_a_model_tells_its_size(void **state)
{
    fixture *f = *state;
    const char *path = f->model;
    qn_inspect_options options;
    qn_ratings_options ratings;
    qn_inspect_result r;

    SKIP_WITHOUT_MODEL(f);
    qn_params_init(&qn_inspect_table, &options);
    qn_params_init(&qn_ratings_table, &ratings);
    ratings.input = (qn_text_list){&path, 1};
    CHECK_OK(f->ctx, qn_inspect_run(f->ctx, &options, &ratings, &r));
    CHECK_EQ(r.kind, QN_INSPECT_MODEL);
    CHECK_EQ(r.model->users.n, 8);
    CHECK_EQ(r.model->params.rank, 2);
    CHECK_EQ(strlen(r.digest), 32);
    qn_inspect_result_release(&r);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void a_saved_model_is_evaluated_by_name(void **state)
{
    fixture *f = *state;
    qn_evaluate_options options;
    qn_ranking_options ranking;
    qn_evaluate_result r;

    SKIP_WITHOUT_MODEL(f);
    qn_params_init(&qn_evaluate_table, &options);
    qn_params_init(&qn_ranking_table, &ranking);
    options.model = f->model;
    options.input = (qn_text_list){&f->input, 1};
    CHECK_OK(f->ctx, qn_evaluate_run(f->ctx, &options, &f->columns, &ranking, &f->scoring, &r));
    CHECK(r.evaluation.model.rmse.value < .3);
    CHECK_EQ(r.evaluation.protocol, QN_PROTOCOL_REFERENCE);
    CHECK_NEAR(r.evaluation.ranking.hit.value, 1, 0);
    ranking.protocol = QN_PROTOCOL_CHOICE_HONEST;
    CHECK_EQ(qn_evaluate_run(f->ctx, &options, &f->columns, &ranking, &f->scoring, &r), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--seen");
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

int main(void)
{
#define JOB_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        JOB_TEST(predictions_keep_columns_and_order_and_drop_cold_rows),
        JOB_TEST(recommendations_leave_out_what_was_seen_and_carry_titles),
        JOB_TEST(all_users_go_to_a_file),
        JOB_TEST(a_new_user_is_folded_in_and_gets_what_the_taste_suggests),
        JOB_TEST(nobody_known_is_an_error),
        JOB_TEST(similar_items_are_those_of_the_same_taste),
        JOB_TEST(an_explanation_adds_up_to_the_prediction),
        JOB_TEST(a_split_keeps_columns_quotes_and_order),
        JOB_TEST(inspecting_ratings_counts_them),
        JOB_TEST(inspecting_a_model_tells_its_size),
        JOB_TEST(a_saved_model_is_evaluated_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
