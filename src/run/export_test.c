#include "run/export.h"

#include <errno.h>
#include <jansson.h>

#include "base/file.h"
#include "check.h"
#include "engine/context_open.h"
#include "run/record.h"

enum { KMEANS, ALS, FOREST };

/* As `quern fit kmeans --k 3 --tag night` leaves it, without what is not exported. */
static const char kmeans_record[] =
    "{\"run_id\":\"kmeans-20261121-041530-1a2b\",\"command\":\"fit kmeans\","
    "\"parameters\":{\"tag\":\"night\",\"k\":3,\"max_iter\":20,\"partitions\":0,\"fraction\":0.5},"
    "\"counts\":{\"rows\":12,\"train_records\":6,\"features\":2,\"partitions\":16,"
    "\"bytes\":2390000000,\"cluster_sizes\":[3,2,1]},"
    "\"timings\":{\"load_s\":1,\"fit_s\":0.125},\"metrics\":{\"training_cost\":32.1,\"cost\":32},"
    "\"resources\":{\"workers\":1},\"host\":{\"name\":\"node7\"},"
    "\"started\":\"2026-11-21T04:15:30.001Z\",\"ended\":\"2026-11-21T04:17:02.500Z\","
    "\"status\":\"ok\"}";

static const char als_record[] =
    "{\"run_id\":\"als-1\",\"command\":\"fit als\",\"parameters\":{\"partitions\":4},"
    "\"counts\":{\"train_records\":80,\"test_records\":20},"
    "\"timings\":{\"load_s\":0.5,\"fit_s\":0.25},\"metrics\":{\"rmse\":0.875},"
    "\"resources\":{\"workers\":2},\"ended\":\"2026-11-21T04:17:02.500Z\",\"status\":\"ok\"}";

static const char forest_record[] =
    "{\"run_id\":\"forest-1\",\"command\":\"fit forest\","
    "\"parameters\":{\"tag\":\"fractal-rf-e8g-x1-f0.1\",\"fraction\":0.1},"
    "\"counts\":{\"train_records\":800,\"val_records\":100,\"partitions\":4,\"num_trees\":40,"
    "\"nodes\":90,\"rows\":801,\"bytes\":5000},"
    "\"timings\":{\"fit_s\":1.23456,\"total_s\":2.5},"
    "\"metrics\":{\"val\":{\"accuracy\":0.80774999}},"
    "\"resources\":{\"workers\":2,\"threads\":3,\"budget_bytes\":8589934592,\"stages\":7,"
    "\"tasks\":28,\"stage_s\":1.2,\"busy_s\":2.2504,\"cpu_s\":2.3,\"spilled_bytes\":0,"
    "\"moved_bytes\":12,\"peak_bytes\":1000},"
    "\"ended\":\"2026-11-21T04:17:02.500Z\",\"status\":\"ok\"}";

typedef struct fixture {
    qn_context *ctx;
    qn_string name, text;
    char buffer[64];
    char *dir;
} fixture;

static int start(void **state)
{
    static fixture f;
    const qn_context_options options = {.threads = 1, .memory = (size_t)16 << 20};

    assert_int_equal(qn_context_create(&options, &f.ctx), QN_OK);
    f.dir = fresh_dir(f.buffer);
    *state = &f;
    return f.dir ? 0 : -1;
}

static int stop(void **state)
{
    fixture *f = *state;

    qn_remove_tree(f->ctx, f->dir);
    qn_string_release(&f->name);
    qn_string_release(&f->text);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
    qn_context_free(f->ctx);
    return 0;
}

static qn_status make(fixture *f, const char *record, int32_t format)
{
    qn_string_clear(&f->name);
    qn_string_clear(&f->text);
    return qn_export_make(f->ctx, record, format, &f->name, &f->text);
}

/* The record with `from`, which must be there, as `to`. */
static char *changed(const char *record, const char *from, const char *to)
{
    const char *at = strstr(record, from);
    const size_t size = strlen(record) + strlen(to) + 1;
    char *text = malloc(size);

    CHECK(at && text);
    snprintf(text, size, "%.*s%s%s", (int)(at - record), record, to, at + strlen(from));
    return text;
}

static void kmeans_has_exactly_the_keys_of_its_experiment(void **state)
{
    fixture *f = *state;

    CHECK_OK(f->ctx, make(f, kmeans_record, KMEANS));
    CHECK_TEXT(qn_string_text(&f->name), "night_20261121_041702.json");
    CHECK_TEXT(qn_string_text(&f->text), "{\n"
                                         "  \"tag\": \"night\",\n"
                                         "  \"hostname\": \"node7\",\n"
                                         "  \"workers\": 1,\n"
                                         "  \"k\": 3,\n"
                                         "  \"maxIter\": 20,\n"
                                         "  \"parts\": 16,\n"
                                         "  \"rows\": 6,\n"
                                         "  \"features\": 2,\n"
                                         "  \"size_gb\": 2.39,\n"
                                         "  \"fraction\": 0.5,\n"
                                         "  \"train_sec\": 0.125,\n"
                                         "  \"wssse\": 32.1,\n"
                                         "  \"cluster_sizes\": [3,2,1]\n"
                                         "}\n");
}

static void als_adds_load_and_fit_to_its_total(void **state)
{
    fixture *f = *state;

    CHECK_OK(f->ctx, make(f, als_record, ALS));
    CHECK_TEXT(qn_string_text(&f->name), "als_20261121_041702.json");
    CHECK_TEXT(qn_string_text(&f->text), "{\n"
                                         "  \"num_nodes\": 2,\n"
                                         "  \"load_time\": 0.5,\n"
                                         "  \"train_time\": 0.25,\n"
                                         "  \"total_time\": 0.75,\n"
                                         "  \"rmse\": 0.875,\n"
                                         "  \"train_records\": 80,\n"
                                         "  \"test_records\": 20,\n"
                                         "  \"partitions\": 4\n"
                                         "}\n");
}

static void forest_has_the_keys_of_its_experiment_and_thirty_counters(void **state)
{
    static const char head[] = "{\n"
                               "  \"train_count\": 800,\n"
                               "  \"val_count\": 100,\n"
                               "  \"test_count\": null,\n"
                               "  \"num_partitions\": 4,\n"
                               "  \"val_accuracy\": 0.8077,\n"
                               "  \"test_accuracy\": null,\n"
                               "  \"training_time_sec\": 1.23,\n"
                               "  \"total_time_sec\": 2.5,\n"
                               "  \"num_executors\": 2,\n"
                               "  \"executor_cores\": 3,\n"
                               "  \"sample_fraction\": 0.1,\n"
                               "  \"executor_memory\": 8.0,\n"
                               "  \"num_trees\": 40,\n"
                               "  \"total_cores\": 6,\n"
                               "  \"spark_metrics\": {\n"
                               "    \"numStages\": 7,\n"
                               "    \"numTasks\": 28,\n"
                               "    \"elapsedTime\": 2500,\n"
                               "    \"stageDuration\": 1200,\n"
                               "    \"executorRunTime\": 2250,\n";
    fixture *f = *state;
    json_t *counters, *root;

    CHECK_OK(f->ctx, make(f, forest_record, FOREST));
    CHECK_TEXT(qn_string_text(&f->name), "fractal-rf-e8g-x1-f0.1_20261121_041702.json");
    CHECK(strncmp(qn_string_text(&f->text), head, strlen(head)) == 0);
    root = json_loads(qn_string_text(&f->text), 0, NULL);
    counters = json_object_get(root, "spark_metrics");
    CHECK_EQ(json_object_size(counters), 30);
    CHECK_EQ(json_integer_value(json_object_get(counters, "recordsRead")), 801);
    CHECK_EQ(json_integer_value(json_object_get(counters, "shuffleRemoteBytesRead")), 12);
    CHECK_EQ(json_integer_value(json_object_get(counters, "jvmGCTime")), 0);
    json_decref(root);
}

static void without_test_ratings_there_is_no_rmse(void **state)
{
    fixture *f = *state;
    char *text = changed(als_record, "\"rmse\":0.875", "\"loss\":0.5");

    CHECK_OK(f->ctx, make(f, text, ALS));
    CHECK(strstr(qn_string_text(&f->text), "\"rmse\": null,"));
    free(text);
}

static void a_run_without_tag_is_called_run(void **state)
{
    fixture *f = *state;
    char *text = changed(kmeans_record, "\"night\"", "null");

    CHECK_OK(f->ctx, make(f, text, KMEANS));
    CHECK_TEXT(qn_string_text(&f->name), "run_20261121_041702.json");
    CHECK(strstr(qn_string_text(&f->text), "\"tag\": \"run\","));
    free(text);
}

static void a_tag_cannot_leave_the_folder(void **state)
{
    fixture *f = *state;
    char *text = changed(kmeans_record, "\"night\"", "\"../a b\"");

    CHECK_OK(f->ctx, make(f, text, KMEANS));
    CHECK_TEXT(qn_string_text(&f->name), "_._a_b_20261121_041702.json");
    CHECK(strstr(qn_string_text(&f->text), "\"tag\": \"../a b\","));
    free(text);
}

static void what_cannot_be_exported_says_why(void **state)
{
    static const struct {
        const char *from, *to, *why;
        qn_status status;
    } cases[] = {
        {"\"training_cost\":32.1,", "", "no metrics.training_cost, which wssse is made of",
         QN_EINVAL},
        {"[3,2,1]", "{}", "no counts.cluster_sizes", QN_EINVAL},
        {"[3,2,1]", "null", "no counts.cluster_sizes", QN_EINVAL},
        {"\"fit kmeans\"", "\"fit als\"", "is one of fit als; these keys are those of fit kmeans",
         QN_EINVAL},
        {"\"status\":\"ok\"", "\"status\":\"failed\"", "has no results: it is failed", QN_EINVAL},
        {"\"command\"", "\"commanb\"", "no run record", QN_EDATA},
        {"\"command\"", "command", "no run record", QN_EDATA},
    };
    fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = changed(kmeans_record, cases[i].from, cases[i].to);

        CHECK_EQ(make(f, text, KMEANS), cases[i].status);
        CHECK_ERROR(f->ctx, cases[i].why);
        free(text);
    }
    CHECK_EQ(make(f, als_record, KMEANS), QN_EINVAL);
    CHECK_EQ(make(f, "[]", ALS), QN_EDATA);
    CHECK_EQ(make(f, "", ALS), QN_EDATA);
}

/* A run of the recommending job as its events leave it, in DIR/runs. */
static void leave_a_run(fixture *f, char runs[96])
{
    const qn_record_options options = {.prefix = "als",
                                       .command = "fit als",
                                       .parameters = "{\"partitions\":0}",
                                       .runs_dir = runs};
    qn_record *record = NULL;
    qn_span job;

    snprintf(runs, 96, "%s/runs", f->dir);
    CHECK_OK(f->ctx, qn_record_open(f->ctx, &options, &record));
    qn_emit_count(f->ctx, "train_records", 3);
    qn_emit_count(f->ctx, "test_records", 1);
    job = qn_job_start(f->ctx, "load");
    qn_span_end(f->ctx, &job, QN_OK, NULL);
    job = qn_job_start(f->ctx, "fit");
    qn_span_end(f->ctx, &job, QN_OK, NULL);
    CHECK_OK(f->ctx, qn_record_close(f->ctx, record, QN_OK, 0));
    qn_record_free(record);
}

static void a_run_is_found_and_its_file_is_kept(void **state)
{
    fixture *f = *state;
    char runs[96], out[96];
    qn_export_options options = {.format = ALS, .out = out};
    qn_string path = {0}, again = {0};

    leave_a_run(f, runs);
    snprintf(out, sizeof out, "%s/a/b", f->dir);
    CHECK_EQ(qn_export_run(f->ctx, runs, "nothing", &options, &path), QN_ENOTFOUND);
    CHECK(!qn_path_exists(out));
    CHECK_OK(f->ctx, qn_export_run(f->ctx, runs, "als", &options, &path));
    CHECK(qn_path_exists(qn_string_text(&path)));
    CHECK_EQ(qn_export_run(f->ctx, runs, "last", &options, &again), QN_EEXISTS);
    CHECK_ERROR(f->ctx, "--overwrite");
    options.overwrite = true;
    CHECK_OK(f->ctx, qn_export_run(f->ctx, runs, "last", &options, &again));
    CHECK_TEXT(qn_string_text(&again), qn_string_text(&path));
    qn_string_release(&path);
    qn_string_release(&again);
}

static void a_full_disk_leaves_no_file(void **state)
{
    fixture *f = *state;
    char runs[96], out[96];
    const qn_export_options options = {.format = ALS, .out = out};
    qn_string path = {0};
    qn_status st = QN_EIO;

    leave_a_run(f, runs);
    snprintf(out, sizeof out, "%s/out", f->dir);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        char **names = NULL;
        int64_t n = 0;

        qn_write_fail_after(f->ctx, allowed, ENOSPC);
        st = qn_export_run(f->ctx, runs, "last", &options, &path);
        qn_write_fail_after(f->ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO);
        CHECK_OK(f->ctx, qn_list_dir(f->ctx, out, &names, &n));
        CHECK_EQ(n, st == QN_OK);
        qn_names_free(names, n);
        CHECK(allowed < 50);
    }
    qn_string_release(&path);
}

static void every_failed_allocation_is_survived(void **state)
{
    fixture *f = *state;
    char runs[96], out[96];
    const qn_export_options options = {.format = ALS, .out = out, .overwrite = true};
    qn_string path = {0};
    qn_status st = QN_ENOMEM;

    leave_a_run(f, runs);
    snprintf(out, sizeof out, "%s/out", f->dir);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = qn_export_run(f->ctx, runs, "als", &options, &path);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        /* Without memory for its record a run is listed as one that cannot be read. */
        CHECK(st == QN_OK || st == QN_ENOMEM);
    }
    qn_string_release(&path);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(kmeans_has_exactly_the_keys_of_its_experiment),
        TEST(als_adds_load_and_fit_to_its_total),
        TEST(forest_has_the_keys_of_its_experiment_and_thirty_counters),
        TEST(without_test_ratings_there_is_no_rmse),
        TEST(a_run_without_tag_is_called_run),
        TEST(a_tag_cannot_leave_the_folder),
        TEST(what_cannot_be_exported_says_why),
        TEST(a_run_is_found_and_its_file_is_kept),
        TEST(a_full_disk_leaves_no_file),
        TEST(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
