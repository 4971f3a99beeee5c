/* etl and upsert: every row accounted for, each rule, and nothing changed by what fails. */
#include "rating_set.h"

#include <errno.h>

#include "lifecycle/etl.h"

#define HEAD "DATE,CUST_ID,MOVIE_ID,RATING\n"

static const char train_text[] = "1:\n10,3,2005-01-05\n11,4,2005-01-06\n12,x,2005-02-01\n"
                                 "2:\n10,4,2005-02-03\n10,5,2005-02-03\n,3,2005-02-03\n";
static const char train_rows[] = "1 10 2005-01-05 3\n1 11 2005-01-06 4\n2 10 2005-02-03 5\n";

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

typedef struct etl_call {
    const char *train, *test;
    qn_etl_options etl;
    qn_rules_options rules;
    qn_upsert_options options;
    qn_etl_result result;
} etl_call;

static void etl_init(etl_call *c, folder *f)
{
    *c = (etl_call){0};
    qn_params_init(&qn_etl_table, &c->etl);
    qn_params_init(&qn_rules_table, &c->rules);
    qn_params_init(&qn_upsert_table, &c->options);
    c->train = folder_put(f, "train.txt", train_text);
    c->test = folder_put(f, "test.txt", "7:\n20,1,1969-12-31\n");
    c->etl.train_file = (qn_text_list){&c->train, 1};
    c->etl.test_file = (qn_text_list){&c->test, 1};
    c->etl.parquet_train_path = folder_file(f, "train");
    c->etl.parquet_test_path = folder_file(f, "test");
}

static qn_status etl_run(etl_call *c, folder *f)
{
    return qn_etl_run(f->ctx, &c->etl, &c->rules, &c->options, &c->result);
}

static void etl_makes_two_data_sets_and_accounts_for_every_row(void **state)
{
    folder *f = *state;
    const qn_upsert_result *r;
    qn_string rejects = {0};
    etl_call c;

    etl_init(&c, f);
    c.options.rejects = folder_file(f, "rejects.csv");
    CHECK_OK(f->ctx, etl_run(&c, f));
    r = &c.result.upsert[0];
    CHECK_EQ(r->input.rows_read, 6);
    CHECK_EQ(r->rows_written, 3);
    CHECK_EQ(r->input.dropped[QN_DROP_MALFORMED], 1);
    CHECK_EQ(r->input.dropped[QN_DROP_NULL], 1);
    CHECK_EQ(r->input.dropped[QN_DROP_RANGE], 0);
    CHECK_EQ(r->rows_duplicate, 1);
    CHECK(c.result.side[0].is_new);
    CHECK_EQ(c.result.side[0].rows_after, 3);
    rating_set_expect(f, "train", train_rows);
    rating_set_expect(f, "test", "7 20 1969-12-31 1\n");
    qn_string_addf(&rejects,
                   "file,line,reason,text\n%s,4,malformed,\"12,x,2005-02-01\"\n"
                   "%s,6,duplicate,\"10,4,2005-02-03\"\n%s,8,null,\",3,2005-02-03\"\n",
                   c.train, c.train, c.train);
    folder_expect(f, "rejects.csv", qn_string_text(&rejects));
    qn_string_release(&rejects);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void a_second_delivery_changes_nothing(void **state)
{
    folder *f = *state;
    etl_call c;

    etl_init(&c, f);
    CHECK_OK(f->ctx, etl_run(&c, f));
    etl_init(&c, f);
    CHECK_OK(f->ctx, etl_run(&c, f));
    CHECK_EQ(c.result.upsert[0].input.rows_read, 0);
    CHECK_EQ(c.result.upsert[0].files_known, 1);
    CHECK_EQ(c.result.side[0].generation, 0);
    rating_set_expect(f, "train", train_rows);
    /* a new file beside a known one: only it is read, and only its month is written */
    c.train = NULL;
    {
        const char *both[2] = {folder_file(f, "train.txt"),
                               folder_put(f, "more.txt", "2:\n10,1,2005-02-03\n9,2,2005-02-04\n")};

        c.etl.train_file = (qn_text_list){both, 2};
        CHECK_OK(f->ctx, etl_run(&c, f));
    }
    CHECK_EQ(c.result.upsert[0].input.rows_read, 2);
    CHECK_EQ(c.result.upsert[0].files_taken, 1);
    CHECK_EQ(c.result.upsert[0].rows_duplicate, 1);
    CHECK_EQ(c.result.side[0].rows_replaced, 0);
    CHECK_EQ(c.result.side[0].files_linked, 1);
    CHECK_EQ(c.result.side[0].files_written, 1);
    rating_set_expect(f, "train",
                      "1 10 2005-01-05 3\n1 11 2005-01-06 4\n2 9 2005-02-04 2\n"
                      "2 10 2005-02-03 5\n");
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

/* Two rows of one key, a better one of the same key later, and one of another date. */
static void expect_rule(folder *f, qn_on_duplicate_rows rule, const char *rows, int64_t duplicate,
                        int64_t replaced)
{
    const qn_rules_options rules = {.on_duplicate = 1 + (int32_t)rule};
    qn_data_upsert_result r;
    char name[32];

    snprintf(name, sizeof name, "set%d", (int)rule);
    CHECK_OK(f->ctx,
             rating_set_upsert(f, HEAD "2005-01-05,7,1,2\n2005-01-05,7,1,3\n", name, &rules, &r));
    CHECK_OK(f->ctx,
             rating_set_upsert(f, HEAD "2005-01-05,7,1,4\n2006-01-05,7,1,1\n", name, NULL, &r));
    rating_set_expect(f, name, rows);
    CHECK_EQ(r.upsert.input.rows_read, r.upsert.rows_written + r.upsert.rows_duplicate);
    CHECK_EQ(r.upsert.rows_duplicate, duplicate);
    CHECK_EQ(r.side.rows_replaced, replaced);
}

static void each_rule_keeps_what_it_says(void **state)
{
    folder *f = *state;

    expect_rule(f, QN_KEEP_MAX_RATING, "1 7 2005-01-05 4\n1 7 2006-01-05 1\n", 0, 1);
    expect_rule(f, QN_KEEP_LATEST, "1 7 2006-01-05 1\n", 1, 1);
    expect_rule(f, QN_KEEP_ALL,
                "1 7 2005-01-05 2\n1 7 2005-01-05 3\n1 7 2005-01-05 4\n1 7 2006-01-05 1\n", 0, 0);
}

static void fail_names_both_rows_and_changes_nothing(void **state)
{
    folder *f = *state;
    const qn_rules_options rules = {.on_duplicate = 1 + QN_KEEP_FAIL};
    qn_data_upsert_result r;

    CHECK_EQ(rating_set_upsert(f, HEAD "2005-01-05,7,1,2\n2005-01-05,7,1,3\n", "set", &rules, &r),
             QN_EDATA);
    CHECK(!folder_has(f, "set") && !folder_has(f, ".set.generations"));
    CHECK_OK(f->ctx, rating_set_upsert(f, HEAD "2005-01-05,7,1,2\n", "set", &rules, &r));
    CHECK_EQ(rating_set_upsert(f, HEAD "2005-01-05,7,1,3\n", "set", NULL, &r), QN_EDATA);
    rating_set_expect(f, "set", "1 7 2005-01-05 2\n");
}

static void a_data_set_keeps_its_rules(void **state)
{
    folder *f = *state;
    const qn_rules_options latest = {.on_duplicate = 1 + QN_KEEP_LATEST};
    const qn_rules_options year = {.partition_by = 1 + QN_BY_YEAR};
    const qn_rules_options zstd = {.compression = 2};
    qn_data_upsert_result r;

    CHECK_OK(f->ctx, rating_set_upsert(f, HEAD "2005-01-05,7,1,2\n", "set", NULL, &r));
    CHECK_EQ(rating_set_upsert(f, HEAD "2005-01-06,7,1,2\n", "set", &latest, &r), QN_EINVAL);
    CHECK_ERROR(f->ctx, "quern data compact");
    CHECK_ERROR(f->ctx, "--on-duplicate max-rating, not latest");
    CHECK_EQ(rating_set_upsert(f, HEAD "2005-01-06,7,1,2\n", "set", &year, &r), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--partition-by year,month, not year");
    CHECK_EQ(rating_set_upsert(f, HEAD "2005-01-06,7,1,2\n", "set", &zstd, &r), QN_EINVAL);
    rating_set_expect(f, "set", "1 7 2005-01-05 2\n");
}

static void fractions_make_ratings_doubles_only_in_a_new_data_set(void **state)
{
    folder *f = *state;
    qn_data_upsert_result r;

    CHECK_OK(f->ctx, rating_set_upsert(f, HEAD "2005-01-05,7,1,2.5\n", "halves", NULL, &r));
    rating_set_expect(f, "halves", "1 7 2005-01-05 2.5\n");
    CHECK_OK(f->ctx, rating_set_upsert(f, HEAD "2005-01-05,7,1,2\n", "whole", NULL, &r));
    CHECK_OK(f->ctx, rating_set_upsert(f, HEAD "2005-01-05,8,1,3.5\n2005-01-05,9,1,3\n", "whole",
                                       NULL, &r));
    CHECK_EQ(r.upsert.input.dropped[QN_DROP_RANGE], 1);
    rating_set_expect(f, "whole", "1 7 2005-01-05 2\n1 9 2005-01-05 3\n");
}

static void bad_rows_beyond_the_limit_change_nothing(void **state)
{
    folder *f = *state;
    etl_call c;

    etl_init(&c, f);
    c.options.max_bad_rows = 1;
    CHECK_EQ(etl_run(&c, f), QN_EDATA);
    CHECK_ERROR(f->ctx, "2 bad rows, --max-bad-rows allows 1");
    CHECK_ERROR(f->ctx, "train.txt, line 4");
    CHECK_EQ(folder_count(f), 2);
    c.options.max_bad_rows = 2;
    CHECK_OK(f->ctx, etl_run(&c, f));
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void a_dry_run_counts_and_changes_nothing(void **state)
{
    folder *f = *state;
    etl_call c;

    etl_init(&c, f);
    c.options.dry_run = true;
    c.etl.parquet_train_path = folder_file(f, "deep/er/train");
    CHECK_OK(f->ctx, etl_run(&c, f));
    CHECK_EQ(c.result.upsert[0].rows_written, 3);
    CHECK_EQ(c.result.side[0].generation, 0);
    CHECK_EQ(folder_count(f), 2);
}

static void input_without_a_row_makes_nothing(void **state)
{
    folder *f = *state;
    qn_data_upsert_result r;

    CHECK_EQ(rating_set_upsert(f, HEAD, "set", NULL, &r), QN_EDATA);
    CHECK_EQ(rating_set_upsert(f, HEAD "2005-01-05,7,1,x\n", "set", NULL, &r), QN_EDATA);
    CHECK_ERROR(f->ctx, "none of 1 rows can be used");
    CHECK_EQ(rating_set_upsert(f, "", "set", NULL, &r), QN_EDATA);
    CHECK_EQ(folder_count(f), 1);
    CHECK_OK(f->ctx, rating_set_upsert(f, HEAD "2005-01-05,7,1,2\n", "set", NULL, &r));
    CHECK_OK(f->ctx, rating_set_upsert(f, HEAD, "set", NULL, &r)); /* a day without ratings */
    rating_set_expect(f, "set", "1 7 2005-01-05 2\n");
}

/* As another program would have left it: the files, no link, no manifest. */
static void make_plain(folder *f, const char *csv)
{
    qn_data_upsert_result r;

    CHECK_OK(f->ctx, rating_set_upsert(f, csv, "set", NULL, &r));
    CHECK_EQ(unlink(folder_file(f, "set/_quern.json")), 0);
    CHECK_EQ(unlink(folder_file(f, "set")), 0);
    CHECK_EQ(rename(folder_file(f, ".set.generations/000001"), folder_file(f, "set")), 0);
    CHECK_OK(f->ctx, qn_remove_tree(f->ctx, folder_file(f, ".set.generations")));
}

static void a_plain_folder_is_adopted(void **state)
{
    folder *f = *state;
    qn_data_upsert_result r;

    make_plain(f, HEAD "2005-01-05,7,1,2\n2005-03-05,7,1,3\n");
    CHECK_OK(f->ctx, rating_set_upsert(f, HEAD "2005-01-05,7,1,4\n", "set", NULL, &r));
    CHECK(r.side.adopted);
    CHECK_EQ(r.side.rows_before, 2);
    CHECK_EQ(r.side.rows_replaced, 1);
    rating_set_expect(f, "set", "1 7 2005-01-05 4\n1 7 2005-03-05 3\n");
}

static void somebodys_folder_is_not_taken_for_a_data_set(void **state)
{
    folder *f = *state;
    qn_data_upsert_result r;

    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, folder_file(f, "home")));
    folder_put(f, "home/letter.txt", "dear");
    CHECK_EQ(rating_set_upsert(f, HEAD "2005-01-05,7,1,4\n", "home", NULL, &r), QN_EINVAL);
    CHECK_ERROR(f->ctx, "letter.txt");
    folder_expect(f, "home/letter.txt", "dear");
    CHECK_EQ(folder_count(f), 2);
}

static void paths_that_hold_each_other_are_refused(void **state)
{
    folder *f = *state;
    qn_context *ctx = f->ctx;
    const char *a = folder_file(f, "a"), *link = folder_file(f, "link");

    CHECK_OK(ctx, qn_make_dirs(ctx, folder_file(f, "a/b")));
    CHECK_EQ(symlink("a", link), 0);
    CHECK_OK(ctx, qn_paths_apart(ctx, "x", a, "y", folder_file(f, "ab")));
    CHECK_EQ(qn_paths_apart(ctx, "x", a, "y", link), QN_EINVAL);
    CHECK_ERROR(ctx, "are the same place");
    CHECK_EQ(qn_paths_apart(ctx, "x", a, "y", folder_file(f, "a//")), QN_EINVAL);
    CHECK_EQ(qn_paths_apart(ctx, "x", a, "y", folder_file(f, "link/b/../c")), QN_EINVAL);
    CHECK_ERROR(ctx, "lies in x");
    CHECK_EQ(qn_paths_apart(ctx, "x", folder_file(f, "link/new/deep"), "y", a), QN_EINVAL);
    CHECK_EQ(qn_paths_apart(ctx, "x", ".", "y", "./there/not"), QN_EINVAL);
    CHECK_EQ(qn_paths_apart(ctx, "x", "/", "y", a), QN_EINVAL);
    CHECK_OK(ctx, qn_paths_apart(ctx, "x", "here", "y", "there"));
}

static void options_as_json_are_read_or_refused(void **state)
{
    qn_context *ctx = ((folder *)*state)->ctx;
    qn_rules_options rules = {0};

    CHECK_OK(ctx, qn_rules_json(ctx, NULL, &rules));
    CHECK_OK(ctx,
             qn_rules_json(ctx, "{\"mergeSchema\":\"true\",\"compression\":\"ZSTD\"}", &rules));
    CHECK_EQ(rules.compression, 2);
    CHECK_EQ(qn_rules_json(ctx, "{\"compression\":\"snappy\"}", &rules), QN_EINVAL);
    CHECK_ERROR(ctx, "--compression says zstd");
    CHECK_EQ(qn_rules_json(ctx, "[1]", &rules), QN_EINVAL);
    CHECK_ERROR(ctx, "must be a JSON object");
    CHECK_EQ(qn_rules_json(ctx, "3", &rules), QN_EINVAL);
    CHECK_EQ(qn_rules_json(ctx, "{", &rules), QN_EINVAL);
    CHECK_ERROR(ctx, "is no JSON");
    CHECK_EQ(qn_rules_json(ctx, "{\"compresion\":1}", &rules), QN_EINVAL);
    CHECK_ERROR(ctx, "try: compression");
    CHECK_EQ(qn_rules_json(ctx, "{\"compression\":\"lzo\"}", &rules), QN_EINVAL);
    CHECK_EQ(qn_rules_json(ctx, "{\"compression\":true}", &rules), QN_EINVAL);
}

/* The data set is the old one or the new one, whole. */
static bool is_old_or_new(folder *f, const char *new_rows)
{
    qn_string text = rating_set_text(f, "train");
    const bool is_new = strcmp(qn_string_text(&text), new_rows) == 0;

    if (!is_new)
        CHECK_TEXT(qn_string_text(&text), train_rows);
    qn_string_release(&text);
    return is_new;
}

static const char in_files[] = "1 10 2005-01-05 3\n1 11 2005-01-06 4\n2 10 2005-02-03 5\n"
                               "1 11 2005-03-06 1\n";

static qn_status add_more(etl_call *c, folder *f)
{
    etl_init(c, f);
    c->train = folder_put(f, "train.txt", "1:\n11,1,2005-03-06\n");
    c->options.rejects = folder_file(f, "rejects.csv");
    c->options.overwrite = true;
    return etl_run(c, f);
}

static void a_failed_allocation_leaves_the_old_data_set(void **state)
{
    folder *f = *state;
    qn_status st = QN_ENOMEM;
    etl_call c;

    etl_init(&c, f);
    CHECK_OK(f->ctx, etl_run(&c, f));
    for (int64_t allowed = 0; st != QN_OK; allowed += 1 + allowed / 16) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = add_more(&c, f);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM || st == QN_EUNAVAILABLE);
        CHECK_EQ(is_old_or_new(f, in_files), st == QN_OK);
        CHECK_EQ(folder_has(f, "rejects.csv"), st == QN_OK);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
    }
}

static void a_failed_write_leaves_the_old_data_set(void **state)
{
    static const int error[] = {ENOSPC, EIO};
    folder *f = *state;
    bool is_new = false;
    etl_call c;

    etl_init(&c, f);
    CHECK_OK(f->ctx, etl_run(&c, f));
    for (int64_t allowed = 0; !is_new; allowed++) {
        qn_status st;

        qn_write_fail_after(f->ctx, allowed, error[allowed & 1]);
        st = add_more(&c, f);
        qn_write_fail_after(f->ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO);
        is_new = is_old_or_new(f, in_files);
        CHECK(is_new || st == QN_EIO);
        CHECK(allowed < 400);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
    }
    CHECK_OK(f->ctx, add_more(&c, f)); /* it cleans up, and adds nothing twice */
    CHECK(is_old_or_new(f, in_files));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(etl_makes_two_data_sets_and_accounts_for_every_row),
        TEST(a_second_delivery_changes_nothing),
        TEST(each_rule_keeps_what_it_says),
        TEST(fail_names_both_rows_and_changes_nothing),
        TEST(a_data_set_keeps_its_rules),
        TEST(fractions_make_ratings_doubles_only_in_a_new_data_set),
        TEST(bad_rows_beyond_the_limit_change_nothing),
        TEST(a_dry_run_counts_and_changes_nothing),
        TEST(input_without_a_row_makes_nothing),
        TEST(a_plain_folder_is_adopted),
        TEST(somebodys_folder_is_not_taken_for_a_data_set),
        TEST(paths_that_hold_each_other_are_refused),
        TEST(options_as_json_are_read_or_refused),
        TEST(a_failed_allocation_leaves_the_old_data_set),
        TEST(a_failed_write_leaves_the_old_data_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
