/* The record of a made-up run, and the runs of a folder: one done, one failed, one that died. */
#include "check.h"

#include <jansson.h>
#include <math.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "run/record.h"
#include "run/runs.h"

typedef struct fixture {
    qn_context *ctx;
    char dir[64], runs[96];
    char warning[QN_ERROR_BYTES]; /* the last one */
} fixture;

static void keep_warning(void *user, const qn_event *event)
{
    fixture *f = user;

    if (event->kind == QN_EVENT_WARNING)
        snprintf(f->warning, sizeof f->warning, "%s", event->text);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (!f || qn_context_create(&(qn_context_options){.threads = 2}, &f->ctx) != QN_OK)
        return -1;
    fresh_dir(f->dir);
    snprintf(f->runs, sizeof f->runs, "%s/runs", f->dir);
    return qn_context_add_sink(f->ctx, keep_warning, f) == QN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    qn_remove_tree(f->ctx, f->dir);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

static void run_events(qn_context *ctx)
{
    qn_span job = qn_job_start(ctx, "load"), inner = qn_job_start(ctx, "load");

    usleep(20000);
    qn_span_end(ctx, &inner, QN_OK, NULL); /* must not count twice */
    qn_emit_count(ctx, "rows", 12);
    qn_emit_count(ctx, "bad_rows.type", 1);
    qn_emit_fact(ctx, "data.fingerprint", "00ff");
    qn_emit_fact(ctx, "data.files[]", "r.csv");
    qn_span_end(ctx, &job, QN_OK, NULL);
    job = qn_job_start(ctx, "fit");
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_STEP,
                             .name = "als",
                             .done = 1,
                             .total = 2,
                             .value = 0.75,
                             .duration_us = 2500});
    qn_emit_warning(ctx, "one \"quoted\" warning");
    qn_span_end(ctx, &job, QN_OK, NULL);
    qn_emit_fact(ctx, "model_digest", "abcd");
    qn_emit_metric(ctx, "rmse", 0.875, "rating");
    qn_emit_metric(ctx, "coverage.rows_scored", 10, "rows");
    qn_emit_metric(ctx, "nothing", NAN, "");
}

static qn_record *open_record(fixture *f, const char *prefix)
{
    const qn_record_options options = {.runs_dir = f->runs,
                                       .prefix = prefix,
                                       .command = "fit als",
                                       .parameters = "{\"rank\":10}",
                                       .workers_requested = 3,
                                       .threads_requested = 2};
    qn_record *record = NULL;

    CHECK_OK(f->ctx, qn_record_open(f->ctx, &options, &record));
    return record;
}

static json_t *load_record(const char *path)
{
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);

    if (!json)
        print_error("%s: %s\n", path, error.text);
    CHECK(json != NULL);
    return json;
}

/* The record as it stands in memory; the caller frees it. */
static json_t *json_of(qn_context *ctx, qn_record *record)
{
    qn_string text = {0};
    json_t *json;

    CHECK_OK(ctx, qn_record_json(ctx, record, &text));
    json = json_loads(text.text, 0, NULL);
    CHECK(json != NULL);
    qn_string_release(&text);
    return json;
}

static const char *text_at(json_t *record, const char *section, const char *name)
{
    return json_string_value(section ? json_object_get(json_object_get(record, section), name)
                                     : json_object_get(record, name));
}

static double number_at(json_t *record, const char *section, const char *name)
{
    return json_number_value(json_object_get(json_object_get(record, section), name));
}

static void check_keys(json_t *record)
{
    static const char *const keys[] = {
        "run_id",  "command",    "parameters", "data",         "counts",     "timings",  "metrics",
        "facts",   "iterations", "warnings",   "resources",    "kernel_set", "versions", "host",
        "started", "ended",      "status",     "model_digest", "exit_code",  "error"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!json_object_get(record, keys[i]))
            print_error("no %s in the record\n", keys[i]);
        CHECK(json_object_get(record, keys[i]) != NULL);
    }
}

static void a_record_holds_what_the_events_said(void **state)
{
    fixture *f = *state;
    qn_record *record = open_record(f, "als");
    char path[4096];
    json_t *json, *step;

    snprintf(path, sizeof path, "%s", qn_record_path(record));
    run_events(f->ctx);
    CHECK_OK(f->ctx, qn_record_close(f->ctx, record, QN_OK, 0));
    json = load_record(path);
    check_keys(json);
    CHECK_TEXT(text_at(json, NULL, "run_id"), qn_record_id(record));
    CHECK_TEXT(text_at(json, NULL, "status"), "ok");
    CHECK_TEXT(text_at(json, NULL, "model_digest"), "abcd");
    CHECK_TEXT(text_at(json, "data", "fingerprint"), "00ff");
    CHECK_NEAR(number_at(json, "parameters", "rank"), 10, 0);
    CHECK_NEAR(number_at(json, "counts", "rows"), 12, 0);
    CHECK_NEAR(number_at(json, "metrics", "rmse"), 0.875, 0);
    CHECK(json_is_null(json_object_get(json_object_get(json, "metrics"), "nothing")));
    CHECK(number_at(json, "timings", "load_s") >= 0);
    CHECK(number_at(json, "timings", "load_s") >= 0.02);
    CHECK(number_at(json, "timings", "total_s") >= number_at(json, "timings", "load_s"));
    CHECK(number_at(json, "resources", "vm_hwm_bytes") > 1e5);
    CHECK_EQ((int)number_at(json, "resources", "threads"), 2);
    CHECK_EQ((int)number_at(json, "resources", "workers"), 1);
    CHECK_EQ((int)number_at(json, "resources", "workers_requested"), 3);
    step = json_array_get(json_object_get(json, "iterations"), 0);
    CHECK_NEAR(json_number_value(json_object_get(step, "loss")), 0.75, 0);
    CHECK_NEAR(json_number_value(json_object_get(step, "seconds")), 0.0025, 1e-12);
    CHECK_TEXT(json_string_value(json_array_get(json_object_get(json, "warnings"), 0)),
               "one \"quoted\" warning");
    json_decref(json);
    qn_record_free(record);
}

static void a_failed_run_keeps_its_message_and_exit_code(void **state)
{
    fixture *f = *state;
    qn_record *record = open_record(f, "als");
    const qn_status failure = qn_fail(f->ctx, QN_EDATA, "file.csv, line 3: no");
    json_t *json;

    CHECK_OK(f->ctx, qn_record_close(f->ctx, record, failure, 4));
    json = load_record(qn_record_path(record));
    CHECK_TEXT(text_at(json, NULL, "status"), "failed");
    CHECK_TEXT(text_at(json, NULL, "error"), "file.csv, line 3: no");
    CHECK_EQ(json_integer_value(json_object_get(json, "exit_code")), 4);
    json_decref(json);
    qn_record_free(record);
}

/* Two workers with a stage of one task each: one stage, two tasks, 3 ms of work in 2 ms. */
static void workers_share_a_stage(void **state)
{
    fixture *f = *state;
    const qn_record_options options = {
        .command = "fit als", .is_supervisor = true, .workers_requested = 2};
    qn_record *record = NULL;
    json_t *json;

    CHECK_OK(f->ctx, qn_record_open(f->ctx, &options, &record));
    for (int32_t w = 0; w < 2; w++) {
        qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_WORKER_ADDED, .rank = w, .done = 4});
        qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_WORKER_PEAK, .rank = w, .rows = 1});
    }
    for (int32_t w = 0; w < 2; w++) {
        qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_STAGE_START, .rank = w, .total = 9});
        qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_TASK_END, .rank = w, .duration_us = 1500});
        qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_STAGE_END,
                                    .rank = w,
                                    .duration_us = 2000,
                                    .bytes_moved = 7,
                                    .bytes_spilled = 2});
    }
    for (int32_t w = 0; w < 2; w++) /* so far, not since the last */
        qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_WORKER_PEAK,
                                    .rank = w,
                                    .rows = 1,
                                    .bytes_moved = 7,
                                    .bytes_spilled = 3,
                                    .bytes_read = 5});
    qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_COUNT, .name = "memory.raw_bytes", .done = 1});
    CHECK_OK(f->ctx, qn_record_close(f->ctx, record, QN_OK, 0));
    json = json_of(f->ctx, record);
    CHECK_EQ((int)number_at(json, "resources", "stages"), 1);
    CHECK_EQ((int)number_at(json, "resources", "tasks"), 2);
    CHECK_NEAR(number_at(json, "resources", "stage_s"), 0.002, 1e-12);
    CHECK_NEAR(number_at(json, "resources", "parallelism_observed"), 1.5, 1e-12);
    CHECK_EQ((int)number_at(json, "resources", "moved_bytes"), 14);
    CHECK_EQ((int)number_at(json, "resources", "spilled_bytes"), 6);
    CHECK_EQ((int)number_at(json, "memory", "spilled_bytes"), 6);
    CHECK_EQ((int)number_at(json, "resources", "read_back_bytes"), 10);
    CHECK_EQ((int)number_at(json, "memory", "read_bytes"), 10);
    CHECK_TEXT(json_string_value(json_array_get(json_object_get(json, "warnings"), 0)),
               "4 threads were to work and 1 did, on up to 9 tasks: look whether the machine is "
               "shared or the container allows fewer cores");
    json_decref(json);
    qn_record_free(record);
}

/* Two workers of four threads each have used so many seconds of cores, each. */
static void tell_cores(qn_context *ctx, int64_t seconds)
{
    for (int32_t w = 0; w < 2; w++) {
        qn_emit(ctx, &(qn_event){.kind = QN_EVENT_WORKER_ADDED, .rank = w, .done = 4});
        qn_emit(
            ctx,
            &(qn_event){.kind = QN_EVENT_WORKER_PEAK, .rank = w, .duration_us = seconds * 1000000});
    }
}

/* Two records of the same second and more: one is closed when as many cores were at work as there
 * are threads, the other when there were many more. */
static void more_cores_at_work_than_threads_are_told(void **state)
{
    fixture *f = *state;
    const qn_record_options options = {.command = "fit als", .is_supervisor = true};
    qn_record *quiet = NULL, *loud = NULL;
    json_t *json;
    double cores, total_s;
    int threads[2];

    CHECK_OK(f->ctx, qn_record_open(f->ctx, &options, &quiet));
    CHECK_OK(f->ctx, qn_record_open(f->ctx, &options, &loud));
    usleep(1050000);
    tell_cores(f->ctx, 4);
    CHECK_OK(f->ctx, qn_record_close(f->ctx, quiet, QN_OK, 0));
    CHECK_TEXT(f->warning, "");
    tell_cores(f->ctx, 1000);
    CHECK_OK(f->ctx, qn_record_close(f->ctx, loud, QN_OK, 0));
    CHECK_EQ(sscanf(f->warning,
                    "%lf cores were at work where %d threads were to: a library has started "
                    "threads of its own, so times of this run are not those of %d threads",
                    &cores, &threads[0], &threads[1]),
             3);
    CHECK_EQ(threads[0], 8);
    CHECK_EQ(threads[1], 8);
    json = json_of(f->ctx, loud);
    total_s = number_at(json, "timings", "total_s"); /* looked at once more, after the warning */
    CHECK(cores <= 2000 / 1.05 + 0.1 && cores >= 2000 / total_s - 0.1);
    CHECK_TEXT(json_string_value(json_array_get(json_object_get(json, "warnings"), 0)), f->warning);
    json_decref(json);
    qn_record_free(quiet);
    qn_record_free(loud);
}

static void tell_traffic(qn_context *ctx, int64_t spilled)
{
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_WORKER_ADDED, .done = 1});
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_WORKER_PEAK, .bytes_spilled = spilled});
}

static void what_lost_workers_spilled_counts(void **state)
{
    fixture *f = *state;
    qn_record *record = NULL;
    json_t *json;

    CHECK_OK(f->ctx, qn_record_open(f->ctx, &(qn_record_options){.command = "fit als"}, &record));
    tell_traffic(f->ctx, 40);
    qn_emit(f->ctx, &(qn_event){.kind = QN_EVENT_WORKER_LOST, .text = "gone"});
    tell_traffic(f->ctx, 2);
    CHECK_OK(f->ctx, qn_record_close(f->ctx, record, QN_OK, 0));
    json = json_of(f->ctx, record);
    CHECK_EQ((int)number_at(json, "resources", "spilled_bytes"), 42);
    CHECK(json_object_get(json, "memory") == NULL ||
          !json_object_get(json_object_get(json, "memory"), "spilled_bytes"));
    json_decref(json);
    qn_record_free(record);
}

static void without_a_folder_the_record_is_kept_in_memory_only(void **state)
{
    fixture *f = *state;
    qn_record *record = NULL;
    qn_string text = {0};
    json_t *json;

    CHECK_OK(f->ctx, qn_record_open(f->ctx, &(qn_record_options){.command = "evaluate"}, &record));
    run_events(f->ctx);
    CHECK_OK(f->ctx, qn_record_close(f->ctx, record, QN_OK, 0));
    CHECK(qn_record_path(record) == NULL);
    CHECK_OK(f->ctx, qn_record_json(f->ctx, record, &text));
    CHECK(strchr(text.text, '\n') == NULL);
    json = json_loads(text.text, 0, NULL);
    check_keys(json);
    json_decref(json);
    qn_string_release(&text);
    qn_record_free(record);
}

static void a_folder_that_cannot_be_written_is_told_at_once(void **state)
{
    fixture *f = *state;
    qn_record *record = NULL;
    char file[96];
    FILE *stream;

    snprintf(file, sizeof file, "%s/file", f->dir);
    stream = fopen(file, "w");
    CHECK(stream != NULL);
    fclose(stream);
    CHECK(qn_record_open(f->ctx, &(qn_record_options){.runs_dir = file}, &record) != QN_OK);
    CHECK(record == NULL);
    CHECK_ERROR(f->ctx, file);
}

/* The child ends without closing its record, as a killed run would. */
static void die_in_a_child(fixture *f)
{
    const pid_t child = fork();
    int status = 0;

    if (child == 0) {
        fixture own = *f;

        if (qn_context_create(&(qn_context_options){.threads = 1}, &own.ctx) != QN_OK)
            _exit(1);
        open_record(&own, "dead");
        run_events(own.ctx);
        _exit(0);
    }
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_run_that_died_is_reported_once_with_its_size(void **state)
{
    fixture *f = *state;
    qn_run_info *runs = NULL;
    int64_t n = 0, died = 0;

    die_in_a_child(f);
    CHECK_OK(f->ctx, qn_runs_list(f->ctx, f->runs, &runs, &n));
    CHECK_EQ(n, 1);
    CHECK_TEXT(runs[0].status, "died");
    CHECK_EQ(runs[0].rows, 12);
    CHECK(runs[0].peak_bytes > 0);
    qn_free(runs);
    CHECK_OK(f->ctx, qn_runs_sweep(f->ctx, f->runs, &died));
    CHECK_EQ(died, 1);
    CHECK(strstr(f->warning, "12 rows") != NULL);
    CHECK(strstr(f->warning, "dead-") != NULL);
    CHECK_OK(f->ctx, qn_runs_sweep(f->ctx, f->runs, &died));
    CHECK_EQ(died, 0);
}

/* Killed and not yet waited for: a zombie still has its number. */
static void a_zombie_counts_as_dead(void **state)
{
    fixture *f = *state;
    qn_run_info *runs = NULL;
    int64_t n = 0;
    int status = 0;
    const pid_t child = fork();

    if (child == 0) {
        fixture own = *f;

        if (qn_context_create(&(qn_context_options){.threads = 1}, &own.ctx) != QN_OK)
            _exit(1);
        open_record(&own, "zombie");
        _exit(0);
    }
    CHECK(child > 0);
    CHECK_EQ(waitid(P_PID, (id_t)child, &(siginfo_t){0}, WEXITED | WNOWAIT), 0);
    CHECK_OK(f->ctx, qn_runs_list(f->ctx, f->runs, &runs, &n));
    CHECK_EQ(n, 1);
    CHECK_TEXT(runs[0].status, "died");
    qn_free(runs);
    CHECK_EQ(waitpid(child, &status, 0), child);
}

static void a_run_under_way_does_not_count_as_dead(void **state)
{
    fixture *f = *state;
    qn_record *record = open_record(f, "als");
    qn_run_info *runs = NULL;
    int64_t n = 0, died = 0;

    CHECK_OK(f->ctx, qn_runs_sweep(f->ctx, f->runs, &died));
    CHECK_EQ(died, 0);
    CHECK_OK(f->ctx, qn_runs_list(f->ctx, f->runs, &runs, &n));
    CHECK_TEXT(runs[0].status, "running");
    qn_free(runs);
    CHECK_OK(f->ctx, qn_record_close(f->ctx, record, QN_OK, 0));
    qn_record_free(record);
}

static void runs_are_listed_newest_first_and_shown_by_a_part_of_their_id(void **state)
{
    fixture *f = *state;
    qn_record *first = open_record(f, "als"), *second;
    qn_run_info *runs = NULL;
    char *json = NULL, junk[160];
    int64_t n = 0;
    FILE *stream;

    CHECK_OK(f->ctx, qn_record_close(f->ctx, first, QN_OK, 0));
    usleep(2000);
    second = open_record(f, "tune");
    CHECK_OK(f->ctx, qn_record_close(f->ctx, second, QN_ECANCELLED, 130));
    snprintf(junk, sizeof junk, "%s/broken", f->runs);
    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, junk));
    snprintf(junk, sizeof junk, "%s/broken/record.json", f->runs);
    stream = fopen(junk, "w");
    CHECK(stream != NULL);
    fputs("{\"run_id\": ", stream);
    fclose(stream);

    CHECK_OK(f->ctx, qn_runs_list(f->ctx, f->runs, &runs, &n));
    CHECK_EQ(n, 3);
    CHECK_TEXT(runs[0].run_id, qn_record_id(second));
    CHECK_TEXT(runs[0].status, "cancelled");
    CHECK_TEXT(runs[1].run_id, qn_record_id(first));
    CHECK_TEXT(runs[2].status, "unreadable");
    qn_free(runs);
    CHECK_OK(f->ctx, qn_runs_show(f->ctx, f->runs, "als-", &json));
    CHECK(strstr(json, qn_record_id(first)) != NULL);
    qn_free(json);
    CHECK_OK(f->ctx, qn_runs_show(f->ctx, f->runs, "last", &json));
    CHECK(strstr(json, qn_record_id(second)) != NULL);
    qn_free(json);
    CHECK_EQ(qn_runs_show(f->ctx, f->runs, "brokem", &json), QN_ENOTFOUND);
    CHECK_ERROR(f->ctx, "broken");
    CHECK(json == NULL);
    qn_record_free(first);
    qn_record_free(second);
}

static void a_folder_that_is_not_there_holds_no_runs(void **state)
{
    fixture *f = *state;
    qn_run_info *runs = NULL;
    int64_t n = -1;

    CHECK_OK(f->ctx, qn_runs_list(f->ctx, "/nonexistent/runs", &runs, &n));
    CHECK_EQ(n, 0);
    qn_free(runs);
}

int main(void)
{
#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RUN_TEST(a_record_holds_what_the_events_said),
        RUN_TEST(a_failed_run_keeps_its_message_and_exit_code),
        RUN_TEST(without_a_folder_the_record_is_kept_in_memory_only),
        RUN_TEST(a_folder_that_cannot_be_written_is_told_at_once),
        RUN_TEST(a_run_that_died_is_reported_once_with_its_size),
        RUN_TEST(workers_share_a_stage),
        RUN_TEST(more_cores_at_work_than_threads_are_told),
        RUN_TEST(what_lost_workers_spilled_counts),
        RUN_TEST(a_zombie_counts_as_dead),
        RUN_TEST(a_run_under_way_does_not_count_as_dead),
        RUN_TEST(runs_are_listed_newest_first_and_shown_by_a_part_of_their_id),
        RUN_TEST(a_folder_that_is_not_there_holds_no_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
