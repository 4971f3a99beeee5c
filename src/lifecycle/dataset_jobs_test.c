/* Deliveries that are tried again, merges, and the jobs on whole data sets. */
#include "rating_set.h"

#include <sys/stat.h>

#include "lifecycle/dataset_jobs.h"
#include "lifecycle/delivery.h"
#include "lifecycle/merge.h"

#define HEAD "DATE,CUST_ID,MOVIE_ID,RATING\n"

static int setup(void **state)
{
    const qn_context_options options = {.threads = 2, .memory = (size_t)512 << 20};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    *state = folder_make(ctx);
    skip_without_parquet(ctx);
    return 0;
}

static int teardown(void **state)
{
    qn_context *ctx = ((folder *)*state)->ctx;

    folder_remove(*state);
    qn_context_free(ctx);
    return 0;
}

/* ---- process ---- */

/* A hundred rows, of which the last is bad. */
static void put_day(folder *f, int32_t first)
{
    qn_string csv = {0};

    qn_string_add(&csv, HEAD);
    for (int32_t i = first; i < first + 99; i++)
        qn_string_addf(&csv, "2005-0%d-11,%d,%d,%d\n", 1 + i % 3, i, i % 7, 1 + i % 5);
    qn_string_add(&csv, "2005-01-01,,1,1\n");
    folder_put(f, "day.csv", qn_string_text(&csv));
    qn_string_release(&csv);
}

static qn_status process(folder *f, const char *output, qn_process_source source, int64_t seed,
                         qn_process_result *result)
{
    static const qn_rating_input_options input = {.format = QN_FORMAT_AUTO};
    const qn_rules_options rules = {.on_duplicate = 1 + QN_KEEP_ALL};
    qn_upsert_options options;
    qn_process_options process;

    qn_params_init(&qn_process_table, &process);
    qn_params_init(&qn_upsert_table, &options);
    process.csv = folder_file(f, "day.csv");
    process.output = folder_file(f, output);
    process.source = source;
    process.seed = seed;
    return qn_process_run(f->ctx, &process, &input, &rules, &options, result);
}

static void process_gives_each_row_to_one_side_and_then_moves_the_source(void **state)
{
    folder *f = *state;
    qn_process_result r;

    put_day(f, 0);
    CHECK_OK(f->ctx, process(f, "s", QN_SOURCE_MOVE, 42, &r));
    CHECK_EQ(r.upsert.input.rows_read, 100);
    CHECK_EQ(r.upsert.input.dropped[QN_DROP_NULL], 1);
    CHECK_EQ(r.side[0].rows_written + r.side[1].rows_written, 99);
    CHECK(r.side[0].rows_written > 65 && r.side[0].rows_written < 92);
    CHECK(!folder_has(f, "day.csv") && folder_has(f, "s/taken/day.csv"));
    put_day(f, 0); /* it comes again */
    CHECK_OK(f->ctx, process(f, "s", QN_SOURCE_DELETE, 42, &r));
    CHECK_EQ(r.upsert.files_known, 1);
    CHECK_EQ(r.upsert.input.rows_read, 0);
    CHECK(!folder_has(f, "day.csv"));
    put_day(f, 100);
    CHECK_OK(f->ctx, process(f, "s", QN_SOURCE_MOVE, 42, &r));
    CHECK(folder_has(f, "s/taken/day.csv.2"));
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void process_after_a_crash_between_the_sides_adds_nothing_twice(void **state)
{
    folder *f = *state;
    qn_process_result r;
    qn_string train, test;

    put_day(f, 0);
    CHECK_OK(f->ctx, process(f, "s", QN_SOURCE_KEEP, 42, &r));
    train = rating_set_text(f, "s/train");
    test = rating_set_text(f, "s/test");
    CHECK_OK(f->ctx, qn_remove_tree(f->ctx, folder_file(f, "s/.test.generations")));
    CHECK_EQ(unlink(folder_file(f, "s/test")), 0);
    CHECK_EQ(process(f, "s", QN_SOURCE_DELETE, 43, &r), QN_EINVAL);
    CHECK_ERROR(f->ctx, "seed 42");
    CHECK(folder_has(f, "day.csv"));
    CHECK_OK(f->ctx, process(f, "s", QN_SOURCE_DELETE, 42, &r)); /* by rule keep */
    rating_set_expect(f, "s/train", qn_string_text(&train));
    rating_set_expect(f, "s/test", qn_string_text(&test));
    CHECK_EQ(r.upsert.input.rows_read, 100);
    CHECK_EQ(r.upsert.rows_written + r.upsert.rows_duplicate, 99);
    CHECK(r.side[0].rows_written == 0 && r.side[1].rows_duplicate == 0);
    CHECK(!folder_has(f, "day.csv"));
    qn_string_release(&train);
    qn_string_release(&test);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void the_source_stays_when_a_side_cannot_be_written(void **state)
{
    folder *f = *state;
    qn_process_result r;
    qn_status st = QN_EIO;
    int64_t failures = 0;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        put_day(f, 0);
        qn_write_fail_after(f->ctx, allowed, 28);
        st = process(f, "s", QN_SOURCE_DELETE, 42, &r);
        qn_write_fail_after(f->ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || folder_has(f, "day.csv"));
        failures += st != QN_OK;
        CHECK(allowed < 400);
    }
    CHECK(failures > 10);
    CHECK(!folder_has(f, "day.csv"));
    put_day(f, 0);
    CHECK_OK(f->ctx, process(f, "s", QN_SOURCE_KEEP, 42, &r));
    CHECK_EQ(r.upsert.files_known, 1);
}

/* ---- merge ---- */

static qn_status merge(folder *f, bool keep, bool dry_run, qn_merge_result *result)
{
    const qn_rules_options rules = {.on_duplicate = 1 + QN_KEEP_ALL};
    qn_upsert_options options;
    const qn_merge_options merge = {
        .streaming = folder_file(f, "s"), .processed = folder_file(f, "p"), .keep_streaming = keep};

    qn_params_init(&qn_upsert_table, &options);
    options.dry_run = dry_run;
    return qn_merge_run(f->ctx, &merge, &rules, &options, result);
}

static void merge_adds_removes_and_skips_what_is_missing(void **state)
{
    folder *f = *state;
    qn_process_result p;
    qn_merge_result r;
    qn_string before;

    CHECK_OK(f->ctx, merge(f, false, false, &r));
    CHECK(r.side[0].missing && r.side[1].missing && !r.side[0].merged);
    CHECK_EQ(folder_count(f), 0);
    put_day(f, 0);
    CHECK_OK(f->ctx, process(f, "s", QN_SOURCE_KEEP, 42, &p));
    before = rating_set_text(f, "s/train");
    CHECK_OK(f->ctx, merge(f, false, true, &r));
    CHECK(!r.side[0].merged && !folder_has(f, "p") && folder_has(f, "s/train"));
    CHECK_OK(f->ctx, merge(f, true, false, &r));
    CHECK(r.side[0].merged && r.side[1].merged && folder_has(f, "s/train"));
    rating_set_expect(f, "p/train", qn_string_text(&before));
    CHECK_OK(f->ctx, merge(f, false, false, &r)); /* by rule keep: taken before, only removed now */
    CHECK(r.side[0].merged && r.side[0].removed && !folder_has(f, "s/train"));
    CHECK_EQ(r.side[0].upsert.input.rows_read, 0);
    CHECK(!folder_has(f, "s/.train.generations") && !folder_has(f, "s/test"));
    rating_set_expect(f, "p/train", qn_string_text(&before));
    qn_string_release(&before);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void merge_waits_for_no_writer_and_changes_nothing_then(void **state)
{
    folder *f = *state;
    qn_dataset_writer writer;
    qn_process_result p;
    qn_merge_result r;

    put_day(f, 0);
    CHECK_OK(f->ctx, process(f, "s", QN_SOURCE_KEEP, 42, &p));
    CHECK_OK(f->ctx, qn_dataset_write_open(f->ctx, folder_file(f, "s/test"), &writer));
    CHECK_EQ(merge(f, false, false, &r), QN_EBUSY);
    CHECK_ERROR(f->ctx, "s/test is being written by process");
    CHECK(!folder_has(f, "p"));
    qn_dataset_write_close(&writer);
    CHECK_OK(f->ctx, merge(f, false, false, &r));
}

/* ---- jobs on a whole data set ---- */

static void make_set(folder *f)
{
    qn_data_upsert_result r;

    CHECK_OK(f->ctx,
             rating_set_upsert(f, HEAD "2005-01-05,7,1,2\n2005-01-05,8,1,3\n", "set", NULL, &r));
    CHECK_OK(f->ctx,
             rating_set_upsert(f, HEAD "2005-02-05,7,1,4\n2005-02-05,9,2,4\n", "set", NULL, &r));
}

/* Path of file `i` of the data set. */
static void file_of(folder *f, int64_t i, char out[512])
{
    qn_history_result r;

    CHECK_OK(f->ctx, qn_dataset_history(f->ctx, folder_file(f, "set"), &r));
    snprintf(out, 512, "%s/%s", folder_file(f, "set"), r.manifest.file[i].path);
    qn_history_result_release(&r);
}

static void verify_finds_what_is_wrong(void **state)
{
    folder *f = *state;
    const char *set = folder_file(f, "set");
    qn_verify_result r;
    char path[512];
    FILE *file;

    CHECK_EQ(qn_dataset_verify(f->ctx, set, &r), QN_ENOTFOUND);
    make_set(f);
    CHECK_OK(f->ctx, qn_dataset_verify(f->ctx, set, &r));
    CHECK_EQ(r.rows, 4);
    CHECK_EQ(r.files, 2);
    CHECK_EQ(r.parts, 2);
    CHECK_EQ(r.generation, 2);
    file_of(f, 1, path);
    file = fopen(path, "r+b");
    assert_non_null(file);
    CHECK_EQ(fseek(file, 40, SEEK_SET), 0);
    CHECK(fputc(0x5A, file) != EOF);
    CHECK_EQ(fclose(file), 0);
    CHECK_EQ(qn_dataset_verify(f->ctx, set, &r), QN_EDATA);
    CHECK_ERROR(f->ctx, "its content is not what was written");
    CHECK_ERROR(f->ctx, "month=2");
    CHECK_EQ(truncate(path, 100), 0);
    CHECK_EQ(qn_dataset_verify(f->ctx, set, &r), QN_EDATA);
    CHECK_ERROR(f->ctx, "has 100 bytes, not");
    file_of(f, 0, path);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(qn_dataset_verify(f->ctx, set, &r), QN_EDATA);
    CHECK_ERROR(f->ctx, "month=1"); /* the first fault */
    CHECK_ERROR(f->ctx, "is not there");
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void compact_changes_the_rule_and_else_nothing(void **state)
{
    folder *f = *state;
    const char *set = folder_file(f, "set");
    const qn_rules_options none = {0};
    qn_rules_options rules = {.on_duplicate = 1 + QN_KEEP_LATEST, .partition_by = 1 + QN_BY_YEAR};
    qn_rewrite_result r;
    qn_verify_result v;

    make_set(f);
    CHECK_OK(f->ctx, qn_dataset_compact(f->ctx, set, &none, false, &r));
    CHECK_EQ(r.generation, 0);
    CHECK_EQ(r.files_linked, 2);
    CHECK_OK(f->ctx, qn_dataset_compact(f->ctx, set, &rules, true, &r));
    CHECK_EQ(r.rows_duplicate, 1);
    CHECK_EQ(r.generation, 0);
    CHECK_OK(f->ctx, qn_dataset_compact(f->ctx, set, &rules, false, &r));
    CHECK_EQ(r.generation, 3);
    CHECK_EQ(r.files_written, 1);
    rating_set_expect(f, "set", "1 7 2005-02-05 4\n1 8 2005-01-05 3\n2 9 2005-02-05 4\n");
    CHECK_OK(f->ctx, qn_dataset_verify(f->ctx, set, &v));
    rules = (qn_rules_options){.on_duplicate = 1 + QN_KEEP_MEAN};
    CHECK_OK(f->ctx, qn_dataset_compact(f->ctx, set, &rules, false, &r));
    CHECK_EQ(r.rows_after, 3);
    CHECK_OK(f->ctx, qn_dataset_verify(f->ctx, set, &v));
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void a_user_is_removed_from_every_generation(void **state)
{
    folder *f = *state;
    const char *set = folder_file(f, "set");
    int64_t *generation, n, from, to;
    qn_rewrite_result r;

    make_set(f);
    CHECK_OK(f->ctx, qn_dataset_delete_user(f->ctx, set, 1234, false, &r));
    CHECK_EQ(r.rows_removed, 0);
    CHECK_EQ(r.generation, 0);
    CHECK_OK(f->ctx, qn_dataset_delete_user(f->ctx, set, 7, true, &r));
    CHECK_EQ(r.rows_removed, 2);
    CHECK_EQ(r.generation, 0);
    CHECK_OK(f->ctx, qn_dataset_delete_user(f->ctx, set, 7, false, &r));
    CHECK_EQ(r.rows_removed, 2);
    CHECK_EQ(r.rows_after, 2);
    rating_set_expect(f, "set", "1 8 2005-01-05 3\n2 9 2005-02-05 4\n");
    CHECK_OK(f->ctx, qn_dataset_list(f->ctx, set, &generation, &n));
    CHECK_EQ(n, 1);
    qn_free(generation);
    /* user 9 is in no row of generation 3 of another set, but in the one that it rolled back from
     */
    CHECK_OK(f->ctx, qn_remove_tree(f->ctx, folder_file(f, ".set.generations")));
    CHECK_EQ(unlink(set), 0);
    make_set(f);
    CHECK_OK(f->ctx, qn_dataset_rollback(f->ctx, set, -1, &from, &to));
    CHECK_OK(f->ctx, qn_dataset_delete_user(f->ctx, set, 9, false, &r));
    CHECK_EQ(r.rows_removed, 0);
    CHECK_EQ(r.generations_removed, 2);
    CHECK_EQ(qn_dataset_rollback(f->ctx, set, -1, &from, &to), QN_ENOTFOUND);
    rating_set_expect(f, "set", "1 7 2005-01-05 2\n1 8 2005-01-05 3\n");
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void history_tells_every_change(void **state)
{
    folder *f = *state;
    qn_history_result r;

    make_set(f);
    CHECK_OK(f->ctx, qn_dataset_history(f->ctx, folder_file(f, "set"), &r));
    CHECK_EQ(r.manifest.n_changes, 2);
    CHECK_TEXT(r.manifest.change[1].command, "data upsert");
    CHECK_EQ(r.manifest.change[1].rows_before, 2);
    CHECK_EQ(r.manifest.change[1].rows_after, 4);
    CHECK_EQ(r.manifest.change[1].files_linked, 1);
    CHECK_EQ(r.n_generations, 2);
    qn_history_result_release(&r);
    CHECK_EQ(unlink(folder_file(f, "set/_quern.json")), 0);
    CHECK_EQ(qn_dataset_history(f->ctx, folder_file(f, "set"), &r), QN_EINVAL);
    CHECK_ERROR(f->ctx, "without a manifest");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(process_gives_each_row_to_one_side_and_then_moves_the_source),
        TEST(process_after_a_crash_between_the_sides_adds_nothing_twice),
        TEST(the_source_stays_when_a_side_cannot_be_written),
        TEST(merge_adds_removes_and_skips_what_is_missing),
        TEST(merge_waits_for_no_writer_and_changes_nothing_then),
        TEST(verify_finds_what_is_wrong),
        TEST(compact_changes_the_rule_and_else_nothing),
        TEST(a_user_is_removed_from_every_generation),
        TEST(history_tells_every_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
