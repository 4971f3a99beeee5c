/* What is done with models, on several ranks as threads: the same lines, files and figures as on
 * one rank. And fits on tables. */
#include "lifecycle/ranks_testing.h"

#include "als_fit.h"

#include "base/file.h"
#include "engine/comm.h"
#include "lifecycle/fit_table.h"
#include "lifecycle/predict.h"
#include "lifecycle/recommend.h"
#include "lifecycle/tune.h"
#include "quern/forest.h"
#include "quern/kmeans.h"

static const int32_t rank_counts[] = {2, 5};
#define N_RANK_COUNTS (sizeof rank_counts / sizeof *rank_counts)

typedef struct fixture {
    qn_context *ctx;
    char dir[64], model[96], ratings[96], titles[96], new_rows[96], table[96], out[96];
    bool has_model; /* false: no module for Parquet */
    const char *input;
    qn_columns_options columns;
    qn_scoring_options scoring;
    qn_ranking_options ranking;
    qn_status status[MOST_RANKS];
    char error[MOST_RANKS][QN_ERROR_BYTES];
    int64_t leaked[MOST_RANKS];
    int64_t allowed; /* allocations of rank 1; 0: all */

    qn_recommend_options recommend;
    qn_explain_options explain;
    qn_evaluate_options evaluate;
    qn_predict_options predict;
    qn_tune_als_options tune;
    qn_fit_table_options fit;
    qn_matrix_options matrix;
    const qn_algo *algo;
    const void *params;
    /* What a job gave. */
    qn_string lines;             /* of rank 0 */
    char said[MOST_RANKS][8192]; /* by rank: JSON, digests */
    int64_t n_lines;
} fixture;

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    CHECK(file != NULL);
    fputs(text, file);
    CHECK_EQ(fclose(file), 0);
}

/* 1,700 rows of three clusters. */
static void write_table(const char *path)
{
    uint64_t seed = 9;
    FILE *file = fopen(path, "w");

    CHECK(file != NULL);
    fputs("x,y,z,label\n", file);
    for (int i = 0; i < 1700; i++) {
        const uint32_t kind = noise(&seed, 3);

        fprintf(file, "%.3f,%.3f,%.3f,%u\n", kind * 4 + noise(&seed, 3000) / 1000.0,
                kind * kind + noise(&seed, 4000) / 1000.0, noise(&seed, 1000) / 500.0,
                noise(&seed, 10) == 0 ? noise(&seed, 3) : kind);
    }
    CHECK_EQ(fclose(file), 0);
}

static qn_status fit_model(fixture *f)
{
    als_fit fit;
    qn_fit_als_result result;

    als_fit_for(&fit, f->input);
    fit.als.rank = 3;
    fit.als.max_iter = 3;
    fit.ranking = f->ranking;
    fit.options.model = f->model;
    return als_fit_run(f->ctx, &fit, &result);
}

static void name_files(fixture *f)
{
    fresh_dir(f->dir);
    snprintf(f->model, sizeof f->model, "%s/model", f->dir);
    snprintf(f->ratings, sizeof f->ratings, "%s/ratings.csv", f->dir);
    snprintf(f->titles, sizeof f->titles, "%s/movies.csv", f->dir);
    snprintf(f->new_rows, sizeof f->new_rows, "%s/new.csv", f->dir);
    snprintf(f->table, sizeof f->table, "%s/table.csv", f->dir);
    snprintf(f->out, sizeof f->out, "%s/out.csv", f->dir);
    f->input = f->ratings;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    qn_status st;

    *state = f;
    if (!f)
        return -1;
    f->ctx = small_cells(2);
    name_files(f);
    write_ratings(f->ratings);
    write_text(f->titles, "movieId,title\n10,\"Ten, The\"\n15,Fifteen\n20,Twenty\n");
    write_text(f->new_rows, "userId,movieId,rating\n7000,10,5\n7001,15,1\n7000,20,4\n7002,5,3\n"
                            "7000,999,5\n7003,10,2\n7003,25,5\n");
    qn_params_init(&qn_columns_table, &f->columns);
    qn_params_init(&qn_scoring_table, &f->scoring);
    qn_params_init(&qn_ranking_table, &f->ranking);
    qn_params_init(&qn_recommend_table, &f->recommend);
    qn_params_init(&qn_explain_table, &f->explain);
    qn_params_init(&qn_evaluate_table, &f->evaluate);
    qn_params_init(&qn_predict_table, &f->predict);
    qn_params_init(&qn_fit_table_table, &f->fit);
    qn_params_init(&qn_matrix_table, &f->matrix);
    f->ranking.k = 3;
    f->recommend.model = f->explain.model = f->evaluate.model = f->predict.model = f->model;
    f->recommend.k = 4;
    st = fit_model(f);
    f->has_model = st == QN_OK;
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

/* One rank's part of a job. */
typedef qn_status job_body(qn_context *ctx, fixture *f, int32_t rank);

typedef struct rank_job {
    fixture *f;
    job_body *body;
} rank_job;

static qn_status run_rank(qn_context *ctx, void *arg)
{
    const rank_job *job = arg;
    const int32_t rank = qn_rank(ctx);
    const int64_t live = qn_alloc_live(ctx);
    fixture *f = job->f;
    qn_status st;

    if (f->allowed > 0 && rank == 1)
        qn_alloc_fail_after(ctx, f->allowed);
    st = job->body(ctx, f, rank);
    qn_alloc_fail_after(ctx, QN_NEVER);
    f->status[rank] = st;
    snprintf(f->error[rank], sizeof f->error[rank], "%s", st == QN_OK ? "" : qn_context_error(ctx));
    f->leaked[rank] = qn_alloc_live(ctx) - live;
    return st;
}

static qn_status run(fixture *f, int32_t threads, int32_t ranks, job_body *body)
{
    rank_job job = {f, body};
    qn_context *ctx = small_cells(threads);
    qn_status st;

    qn_string_clear(&f->lines);
    f->n_lines = 0;
    remove(f->out);
    memset(f->said, 0, sizeof f->said);
    st = qn_run_thread_ranks(ctx, ranks, run_rank, &job);
    if (st != QN_OK && f->allowed == 0)
        print_message("%s\n", qn_context_error(ctx));
    qn_context_free(ctx);
    for (int32_t r = 0; r < ranks; r++) {
        CHECK_EQ(f->leaked[r], 0);
        CHECK_EQ(f->status[r], f->status[0]);
        CHECK_TEXT(f->error[r], f->error[0]);
    }
    return st;
}

/* The output file, or "". */
static char *output(fixture *f)
{
    char *copy, *text = NULL;
    size_t length = 0;

    if (!qn_path_exists(f->out))
        return strdup("");
    CHECK_OK(f->ctx, qn_read_file(f->ctx, f->out, 1 << 24, &text, &length));
    copy = strdup(text);
    qn_free(text);
    return copy;
}

/* Lines, output and figures of every shape of the work are those of one rank. */
static void every_shape_agrees(fixture *f, job_body *body)
{
    char *lines, *file, said[sizeof f->said[0]];

    CHECK_EQ(run(f, 1, 1, body), QN_OK);
    CHECK(f->said[0][0] || f->n_lines > 0 || qn_path_exists(f->out));
    lines = strdup(qn_string_text(&f->lines));
    file = output(f);
    memcpy(said, f->said[0], sizeof said);
    for (size_t i = 0; i < N_RANK_COUNTS; i++) {
        char *again;

        CHECK_EQ(run(f, 1 + (int32_t)i % 2, rank_counts[i], body), QN_OK);
        again = output(f);
        CHECK_TEXT(qn_string_text(&f->lines), lines);
        CHECK_TEXT(again, file);
        for (int32_t r = 0; r < rank_counts[i]; r++)
            CHECK_TEXT(f->said[r], said);
        free(again);
    }
    free(lines);
    free(file);
}

static qn_status keep_line(void *arg, const qn_recommendation *line)
{
    fixture *f = arg;

    qn_string_addf(&f->lines, "%s %d %s %a %s:", line->id, (int)line->rank, line->other,
                   (double)line->score, line->title ? line->title : "");
    for (int32_t i = 0; i < line->n_reasons; i++)
        qn_string_addf(&f->lines, " %s %a %a", line->reason[i].item, (double)line->reason[i].rating,
                       line->reason[i].contribution);
    qn_string_add(&f->lines, "\n");
    f->n_lines++;
    return QN_OK;
}

static qn_status recommend_rank(qn_context *ctx, fixture *f, int32_t rank)
{
    qn_recommend_result result;
    qn_status st = QN_OK;

    QN_TRY(qn_recommend_run(ctx, &f->recommend, &f->columns, keep_line, f, &result));
    snprintf(f->said[rank], sizeof f->said[rank], "%lld rows, %lld lines", (long long)result.rows,
             (long long)result.lines);
done:
    return st;
}

static void lists_for_all_users_are_written_in_order(void **state)
{
    fixture *f = *state;

    SKIP_WITHOUT_MODEL(f);
    f->recommend.all_users = true;
    f->recommend.output = f->out;
    every_shape_agrees(f, recommend_rank);
    CHECK(f->n_lines > 400);
    f->recommend.exclude_seen = (qn_text_list){&f->input, 1};
    f->recommend.titles = f->titles;
    f->recommend.reasons = 3;
    every_shape_agrees(f, recommend_rank);
    CHECK(f->n_lines > 200);
}

static void lists_for_items_and_for_new_users_too(void **state)
{
    fixture *f = *state;

    SKIP_WITHOUT_MODEL(f);
    f->recommend.all_items = true;
    f->recommend.exclude_seen = (qn_text_list){&f->input, 1};
    every_shape_agrees(f, recommend_rank);
    f->recommend.all_items = false;
    f->recommend.exclude_seen = (qn_text_list){0};
    f->recommend.new_user = f->new_rows;
    every_shape_agrees(f, recommend_rank);
    CHECK_EQ(f->n_lines, 4 * 4);
    CHECK(strstr(f->lines.text, "7003 1 ") != NULL);
}

static void an_output_that_is_there_ends_all_ranks(void **state)
{
    fixture *f = *state;

    SKIP_WITHOUT_MODEL(f);
    f->recommend.all_users = true;
    f->recommend.output = f->ratings;
    CHECK_EQ(run(f, 1, 3, recommend_rank), QN_EEXISTS);
    f->recommend.output = NULL;
    f->recommend.all_users = false;
    f->recommend.user = (qn_text_list){&(const char *){"777777"}, 1};
    CHECK_EQ(run(f, 1, 3, recommend_rank), QN_ENOTFOUND);
}

static void memory_that_one_rank_lacks_ends_all(void **state)
{
    fixture *f = *state;
    qn_status st = QN_ENOMEM;

    SKIP_WITHOUT_MODEL(f);
    f->recommend.new_user = f->new_rows;
    f->recommend.titles = f->titles;
    for (f->allowed = 1; st != QN_OK; f->allowed += 1 + f->allowed / 2) {
        st = run(f, 1, 2, recommend_rank);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK(f->allowed < 100000);
    }
    CHECK(f->allowed > 30);
}

static qn_status explain_rank(qn_context *ctx, fixture *f, int32_t rank)
{
    const qn_similar_options similar = {.model = f->model, .item = "15", .k = 3};
    qn_recommend_result neighbours;
    qn_explain_result result;
    qn_status st = QN_OK;

    QN_TRY(qn_similar_run(ctx, &similar, keep_line, f, &neighbours));
    QN_TRY(qn_explain_run(ctx, &f->explain, &f->columns, keep_line, f, &result));
    snprintf(f->said[rank], sizeof f->said[rank], "%a %a %lld %lld", (double)result.prediction,
             result.explained, (long long)result.n_ratings, (long long)neighbours.lines);
done:
    return st;
}

static void neighbours_and_reasons_are_the_same(void **state)
{
    fixture *f = *state;

    SKIP_WITHOUT_MODEL(f);
    f->explain.user = "30";
    f->explain.item = "15";
    f->explain.ratings = (qn_text_list){&f->input, 1};
    every_shape_agrees(f, explain_rank);
    CHECK(f->n_lines == 3 + 1);
}

static qn_status evaluate_rank(qn_context *ctx, fixture *f, int32_t rank)
{
    qn_evaluate_result result;
    qn_json j = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_evaluate_run(ctx, &f->evaluate, &f->columns, &f->ranking, &f->scoring, &result));
    qn_json_open(&j, NULL, '{');
    if (!result.algo->table)
        qn_evaluation_json(&result.evaluation, &j);
    qn_json_close(&j, '}');
    snprintf(f->said[rank], sizeof f->said[rank], "%s %s %s", result.digest, qn_string_text(&j.out),
             qn_string_text(&result.figures.out));
done:
    qn_json_release(&j);
    qn_evaluate_result_release(&result);
    return st;
}

static void a_saved_model_is_judged_alike_with_and_without_training_ratings(void **state)
{
    fixture *f = *state;

    SKIP_WITHOUT_MODEL(f);
    f->evaluate.input = (qn_text_list){&f->input, 1};
    every_shape_agrees(f, evaluate_rank);
    f->evaluate.seen = (qn_text_list){&f->input, 1};
    f->ranking.ranking_users = 20;
    every_shape_agrees(f, evaluate_rank);
}

static qn_status predict_rank(qn_context *ctx, fixture *f, int32_t rank)
{
    qn_predict_result result;
    qn_status st = qn_predict_run(ctx, &f->predict, &f->columns, &f->scoring, &result);

    (void)rank;
    return st;
}

static void predictions_go_to_one_file(void **state)
{
    fixture *f = *state;

    SKIP_WITHOUT_MODEL(f);
    f->predict.input = (qn_text_list){&f->input, 1};
    f->predict.output = f->out;
    every_shape_agrees(f, predict_rank);
    f->predict.output = f->ratings;
    CHECK_EQ(run(f, 1, 3, predict_rank), QN_EEXISTS);
}

static qn_status tune_rank(qn_context *ctx, fixture *f, int32_t rank)
{
    qn_ratings_options ratings;
    qn_als_params als;
    qn_tune_result r;
    qn_status st = QN_OK;

    qn_params_init(&qn_ratings_table, &ratings);
    qn_params_init(&qn_als_table, &als);
    als.rank = 3;
    als.max_iter = 2;
    ratings.input = (qn_text_list){&f->input, 1};
    ratings.split_bytes = 4096;
    QN_TRY(qn_tune_als_run(ctx, &f->tune, &ratings, &als, &f->ranking, &r));
    snprintf(f->said[rank], sizeof f->said[rank], "%lld ratings: %lld, %a %a, %a %a, %s",
             (long long)r.n_ratings, (long long)r.best, r.row[0].mean, r.row[0].ndcg, r.row[1].mean,
             r.row[1].std, r.digest);
    qn_tune_result_release(&r);
done:
    return st;
}

static void a_grid_is_tuned_alike(void **state)
{
    static const char *grid[] = {"reg_param=0.05,0.2"};
    fixture *f = *state;

    qn_params_init(&qn_tune_als_table, &f->tune);
    f->tune.grid = (qn_text_list){grid, 1};
    f->tune.folds = 2;
    f->tune.model = f->has_model ? f->model : NULL;
    f->tune.overwrite = true;
    every_shape_agrees(f, tune_rank);
    CHECK(strncmp(f->said[0], "3000 ratings: ", 14) == 0);
    f->tune.overwrite = false;
    if (f->has_model)
        CHECK_EQ(run(f, 1, 3, tune_rank), QN_EEXISTS);
}

/* ---- tables ---- */

static qn_status fit_table_rank(qn_context *ctx, fixture *f, int32_t rank)
{
    qn_fit_table_result r = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_fit_table_run(ctx, f->algo, &f->fit, &f->matrix, f->params, &r));
    snprintf(f->said[rank], sizeof f->said[rank], "%s %lld %s", r.digest, (long long)r.test_records,
             qn_string_text(&r.evaluation.out));
done:
    qn_fit_table_result_release(&r);
    return st;
}

static void fit_tables(fixture *f, const char *name, const void *params)
{
    static const char *features[] = {"x", "y", "z"};
    static const char *table;

    table = f->table;
    write_table(f->table);
    f->algo = qn_algo_find(name);
    f->params = params;
    f->matrix.input = f->fit.test = (qn_text_list){&table, 1};
    f->matrix.features = (qn_text_list){features, 3};
    f->matrix.label = "label";
    f->matrix.split_bytes = 4096;
    f->fit.model = f->has_model ? f->model : NULL;
    f->fit.overwrite = true;
    every_shape_agrees(f, fit_table_rank);
    CHECK(strstr(f->said[0], "{") != NULL);
    if (f->has_model) {
        f->evaluate.input = f->predict.input = f->matrix.input;
        qn_params_init(&qn_ranking_table, &f->ranking);
        f->scoring.label = "label";
        f->predict.output = f->out;
        every_shape_agrees(f, evaluate_rank);
        CHECK(strlen(f->said[0]) > 100);
        f->scoring.label = NULL;
        every_shape_agrees(f, predict_rank);
    }
    f->matrix.label = "none";
    CHECK(run(f, 1, 3, fit_table_rank) != QN_OK);
}

static void k_means_is_fitted_judged_and_saved_alike(void **state)
{
    qn_kmeans_params params;

    qn_params_init(&qn_kmeans_table, &params);
    params.k = 3;
    fit_tables(*state, "kmeans", &params);
}

static void forests_are_fitted_judged_and_saved_alike(void **state)
{
    qn_forest_params params;

    qn_params_init(&qn_forest_table, &params);
    params.num_trees = 4;
    params.max_depth = 4;
    fit_tables(*state, "forest", &params);
}

int main(void)
{
#define JOB_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        JOB_TEST(lists_for_all_users_are_written_in_order),
        JOB_TEST(lists_for_items_and_for_new_users_too),
        JOB_TEST(an_output_that_is_there_ends_all_ranks),
        JOB_TEST(memory_that_one_rank_lacks_ends_all),
        JOB_TEST(neighbours_and_reasons_are_the_same),
        JOB_TEST(a_saved_model_is_judged_alike_with_and_without_training_ratings),
        JOB_TEST(predictions_go_to_one_file),
        JOB_TEST(a_grid_is_tuned_alike),
        JOB_TEST(k_means_is_fitted_judged_and_saved_alike),
        JOB_TEST(forests_are_fitted_judged_and_saved_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
