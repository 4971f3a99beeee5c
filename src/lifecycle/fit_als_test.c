/* The main job end to end on real ratings, with its record. */
#include <jansson.h>
#include <math.h>

#include "als_fit.h"

#include "base/file.h"
#include "run/record.h"

typedef struct fixture {
    qn_context *ctx;
    char dir[64], model[96], runs[96], path[512];
    als_fit fit;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (!f || qn_context_create(&(qn_context_options){.threads = 2}, &f->ctx) != QN_OK)
        return -1;
    fresh_dir(f->dir);
    snprintf(f->model, sizeof f->model, "%s/model", f->dir);
    snprintf(f->runs, sizeof f->runs, "%s/runs", f->dir);
    if (shared_dir())
        snprintf(f->path, sizeof f->path, "%s/data/ml-latest-small/ratings.csv", shared_dir());
    als_fit_for(&f->fit, f->path);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    qn_remove_tree(f->ctx, f->dir);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

static qn_status fit(fixture *f, qn_fit_als_result *result)
{
    return als_fit_run(f->ctx, &f->fit, result);
}

/* Writes a file of ratings below the fixture's folder. */
static const char *write_file(fixture *f, const char *name, const char *text)
{
    FILE *stream;

    snprintf(f->path, sizeof f->path, "%s/%s", f->dir, name);
    stream = fopen(f->path, "w");
    CHECK(stream != NULL);
    fputs(text, stream);
    CHECK_EQ(fclose(stream), 0);
    return f->path;
}

static void a_random_split_of_real_ratings_is_judged_sanely(void **state)
{
    SKIP_WITHOUT_SHARED();
    fixture *f = *state;
    qn_fit_als_result r;

    f->fit.options.split = "random:0.8";
    CHECK_OK(f->ctx, fit(f, &r));
    CHECK_EQ(r.train_records + r.test_records, 100836);
    CHECK(r.train_records > 80000 && r.train_records < 81500);
    CHECK(r.has_evaluation);
    CHECK(r.evaluation.model.rmse.value > .86 && r.evaluation.model.rmse.value < .89);
    CHECK(r.evaluation.model.rmse.low < r.evaluation.model.rmse.value);
    CHECK(r.evaluation.model.rmse.value < r.evaluation.item_mean.rmse.value);
    CHECK(r.evaluation.item_mean.rmse.value < r.evaluation.global_mean.rmse.value);
    CHECK_EQ(r.evaluation.coverage.rows, r.test_records);
    CHECK_EQ(r.evaluation.coverage.rows - r.evaluation.coverage.rows_scored,
             r.evaluation.coverage.unknown_item + r.evaluation.coverage.unknown_user +
                 r.evaluation.coverage.unknown_both);
    CHECK(r.evaluation.coverage.unknown_item > 300);
    CHECK_EQ(r.evaluation.protocol, QN_PROTOCOL_HONEST);
    CHECK(r.evaluation.popularity.ndcg.value > .1);
    CHECK_EQ(r.iterations, 10);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void every_split_and_every_protocol_runs(void **state)
{
    SKIP_WITHOUT_SHARED();
    fixture *f = *state;
    qn_fit_als_result r;

    f->fit.als.max_iter = 2;
    f->fit.options.split = "leave-one-out";
    f->fit.ratings.on_bad_row = QN_BAD_ROW_SKIP;
    for (int32_t p = QN_PROTOCOL_CHOICE_SPARK; p <= QN_PROTOCOL_CHOICE_HONEST; p++) {
        f->fit.ranking.protocol = p;
        CHECK_OK(f->ctx, fit(f, &r));
        CHECK_EQ(r.test_records, 610);
        CHECK_EQ((int32_t)r.evaluation.protocol, p - QN_PROTOCOL_CHOICE_SPARK);
    }
}

static void implicit_feedback_ranks_better_than_chance_and_near_popularity(void **state)
{
    SKIP_WITHOUT_SHARED();
    fixture *f = *state;
    qn_fit_als_result r;

    f->fit.options.split = "random:0.8";
    f->fit.als.implicit_prefs = true;
    f->fit.ranking.threshold = 0;
    CHECK_OK(f->ctx, fit(f, &r));
    CHECK(r.evaluation.ranking.precision.value > .2);
    CHECK(r.evaluation.ranking.ndcg.value > r.evaluation.popularity.ndcg.value);
}

/* 80 thousand ratings: Spark's users would reckon with 32 bytes each, three times. */
static void partitions_and_bytes_are_measured(void **state)
{
    SKIP_WITHOUT_SHARED();
    fixture *f = *state;
    qn_fit_als_result r;
    int64_t held;

    f->fit.als.max_iter = 1;
    f->fit.ratings.partitions = 3;
    CHECK_OK(f->ctx, fit(f, &r));
    CHECK_EQ(r.space.items.n, 3);
    CHECK_EQ(r.space.items.records, 100836);
    CHECK(r.space.items.least <= 100836 / 3 && r.space.items.most >= 100836 / 3);
    CHECK_NEAR(r.space.items.mean, 100836. / 3, 1e-9);
    CHECK_NEAR(r.space.items.skew, (double)r.space.items.most / r.space.items.mean, 1e-12);
    CHECK_EQ(r.space.users.n, 1); /* 610 users are one cell */
    CHECK_EQ(r.space.users.most, 100836);
    CHECK(r.space.users.deviation == 0);
    CHECK_EQ(r.space.raw_bytes, 100836 * 32);
    CHECK_EQ(r.space.estimated_bytes, 3 * r.space.raw_bytes);
    held = 2 * 100836 * 5; /* index and code, in both orientations */
    CHECK(r.space.ratings_bytes > held && r.space.ratings_bytes < held + held / 4);
    CHECK_EQ(r.space.memory_bytes, r.space.ratings_bytes);
    CHECK_EQ(r.space.disk_bytes, 0);
    CHECK_EQ(r.space.factors_bytes, (610 + 9724) * 16 * 4);
}

static qn_record *start_record(fixture *f)
{
    const qn_record_options options = {
        .runs_dir = f->runs, .prefix = "als", .command = "fit als", .parameters = "{}"};
    qn_record *record = NULL;

    CHECK_OK(f->ctx, qn_record_open(f->ctx, &options, &record));
    return record;
}

static double number_at(json_t *record, const char *section, const char *name)
{
    json_t *value = json_object_get(json_object_get(record, section), name);

    if (!json_is_number(value))
        print_error("no number %s.%s\n", section, name);
    CHECK(json_is_number(value));
    return json_number_value(value);
}

static void check_record(json_t *record, const qn_fit_als_result *r)
{
    static const char *const timings[] = {"load_s", "fit_s", "evaluate_s", "save_s", "total_s"};
    static const char *const metrics[] = {"rmse",        "mae",       "precision_at_k",
                                          "recall_at_k", "ndcg_at_k", "map"};
    static const char *const resources[] = {"threads", "peak_bytes", "vm_hwm_bytes"};

    for (size_t i = 0; i < sizeof timings / sizeof *timings; i++)
        CHECK(number_at(record, "timings", timings[i]) > 0);
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++)
        CHECK(number_at(record, "metrics", metrics[i]) > 0);
    for (size_t i = 0; i < sizeof resources / sizeof *resources; i++)
        CHECK(number_at(record, "resources", resources[i]) > 0);
    CHECK_NEAR(number_at(record, "metrics", "rmse"), r->evaluation.model.rmse.value, 0);
    CHECK_EQ((int64_t)number_at(record, "counts", "rows"), 100836);
    CHECK_EQ((int64_t)number_at(record, "counts", "users"), r->n_users);
    CHECK_EQ((int64_t)number_at(record, "counts", "items"), r->n_items);
    CHECK_EQ((int64_t)number_at(record, "counts", "rows_bad"), 0);
    CHECK_EQ((int64_t)json_array_size(json_object_get(record, "iterations")), 10);
    CHECK_TEXT(json_string_value(json_object_get(record, "model_digest")), r->digest);
    CHECK(json_is_object(json_object_get(json_object_get(record, "metrics"), "coverage")));
    CHECK(json_is_string(json_object_get(json_object_get(record, "data"), "fingerprint")));
}

static void the_main_job_leaves_a_model_and_a_whole_record(void **state)
{
    SKIP_WITHOUT_SHARED();
    fixture *f = *state;
    qn_record *record = start_record(f);
    qn_als_model *model = NULL;
    qn_fit_als_result r;
    char digest[33];
    json_t *json;
    qn_status st;

    f->fit.options.split = "random:0.8";
    f->fit.options.model = f->model;
    st = fit(f, &r);
    CHECK_OK(f->ctx, qn_record_close(f->ctx, record, QN_OK, 0));
    if (st == QN_EUNAVAILABLE) {
        qn_record_free(record);
        print_message("skipped: %s\n", qn_context_error(f->ctx));
        skip();
    }
    CHECK_OK(f->ctx, st);
    json = json_load_file(qn_record_path(record), 0, NULL);
    CHECK(json != NULL);
    check_record(json, &r);
    json_decref(json);
    qn_record_free(record);
    CHECK_OK(f->ctx, qn_als_load(f->ctx, f->model, &model));
    qn_als_digest(model, digest);
    CHECK_TEXT(digest, r.digest);
    CHECK_TEXT(model->user_col, "userId");
    qn_als_free(model);
}

static void a_model_that_is_there_is_found_before_reading(void **state)
{
    fixture *f = *state;
    qn_fit_als_result r;

    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, f->model));
    snprintf(f->path, sizeof f->path, "/nonexistent/ratings.csv");
    f->fit.options.model = f->model;
    CHECK_EQ(fit(f, &r), QN_EEXISTS);
    CHECK_ERROR(f->ctx, f->model);
}

static void a_split_and_a_test_file_exclude_each_other(void **state)
{
    fixture *f = *state;
    qn_fit_als_result r;

    f->fit.options.split = "random:0.8";
    f->fit.options.test = f->fit.ratings.input;
    CHECK_EQ(fit(f, &r), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--test");
}

static void a_test_file_judges_and_its_unknown_ids_are_counted(void **state)
{
    fixture *f = *state;
    qn_fit_als_result r;
    char train[512];
    const char *paths[2];

    snprintf(train, sizeof train, "%s",
             write_file(f, "train.csv",
                        "userId,movieId,rating\n1,10,5\n1,11,1\n2,10,4\n2,12,2\n3,11,3\n3,12,3\n"));
    paths[0] = train;
    paths[1] = write_file(f, "test.csv", "userId,movieId,rating\n1,12,2\n2,99,5\n7,10,4\n");
    f->fit.ratings.input = (qn_text_list){&paths[0], 1};
    f->fit.options.test = (qn_text_list){&paths[1], 1};
    f->fit.als.rank = 2;
    CHECK_OK(f->ctx, fit(f, &r));
    CHECK_EQ(r.train_records, 6);
    CHECK_EQ(r.test_records, 3);
    CHECK_EQ(r.evaluation.coverage.rows_scored, 1);
    CHECK_EQ(r.evaluation.coverage.unknown_item, 1);
    CHECK_EQ(r.evaluation.coverage.unknown_user, 1);
    CHECK_EQ(r.counts.rows_read, 6);
}

static void a_missing_file_is_named(void **state)
{
    fixture *f = *state;
    qn_fit_als_result r;

    snprintf(f->path, sizeof f->path, "%s/none.csv", f->dir);
    CHECK_EQ(fit(f, &r), QN_ENOTFOUND);
    CHECK_ERROR(f->ctx, "none.csv");
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void the_main_job_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    qn_status st = QN_ENOMEM;
    qn_fit_als_result r;

    write_file(f, "small.csv", "userId,movieId,rating\n1,10,5\n1,11,1\n2,10,4\n2,12,2\n3,11,3\n");
    f->fit.options.split = "random:0.6";
    f->fit.als.rank = 2;
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = fit(f, &r);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
        CHECK(allowed < 5000);
    }
}

static void the_keys_of_the_reference_experiments_are_there(void **state)
{
    (void)state;
    qn_fit_als_result r = {
        .load_s = 1, .fit_s = 2, .total_s = 3, .train_records = 4, .test_records = 1};
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_fit_als_reference_json(&r, 1, 8, &j);
    qn_json_close(&j, '}');
    CHECK_TEXT(j.out.text,
               "{\"num_nodes\":1,\"load_time\":1.0,\"train_time\":2.0,\"total_time\":3.0,"
               "\"rmse\":null,\"train_records\":4,\"test_records\":1,\"partitions\":8}");
    qn_json_release(&j);
}

int main(void)
{
#define FIT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        FIT_TEST(a_random_split_of_real_ratings_is_judged_sanely),
        FIT_TEST(every_split_and_every_protocol_runs),
        FIT_TEST(partitions_and_bytes_are_measured),
        FIT_TEST(implicit_feedback_ranks_better_than_chance_and_near_popularity),
        FIT_TEST(the_main_job_leaves_a_model_and_a_whole_record),
        FIT_TEST(a_model_that_is_there_is_found_before_reading),
        FIT_TEST(a_split_and_a_test_file_exclude_each_other),
        FIT_TEST(a_test_file_judges_and_its_unknown_ids_are_counted),
        FIT_TEST(a_missing_file_is_named),
        FIT_TEST(the_main_job_survives_every_failed_allocation),
        FIT_TEST(the_keys_of_the_reference_experiments_are_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
