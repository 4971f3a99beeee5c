#include "lifecycle/futures.h"

#include <errno.h>

#include "base/text.h"
#include "folder.h"

static const char text[] =
    "2:\n5,3,2005-01-02\n9,1,1969-12-31\nx\n1:\n5,3,2005-01-02\n4,2,2005-01-02\n";
static const char wanted[] = "DATE,CUST_ID,MOVIE_ID,RATING\n1969-12-31,9,2,1\n2005-01-02,4,1,2\n"
                             "2005-01-02,5,1,3\n2005-01-02,5,2,3\n";

/* Both outputs of the folder; `bad`: --max-bad-rows. */
static qn_status run(folder *f, int64_t bad, qn_futures_result *result)
{
    char in[128], out[128], rejects[128];
    const char *path = in;
    qn_rating_input_options input;
    const qn_futures_options options = {
        .output = out, .rejects = rejects, .overwrite = true, .max_bad_rows = bad};

    snprintf(in, sizeof in, "%s", folder_put(f, "in.txt", text));
    snprintf(out, sizeof out, "%s", folder_file(f, "out.csv"));
    snprintf(rejects, sizeof rejects, "%s", folder_file(f, "rejects.csv"));
    qn_params_init(&qn_rating_input_table, &input);
    input.input = (qn_text_list){&path, 1};
    return qn_futures_run(f->ctx, &options, &input, result);
}

static void rows_come_by_date_customer_and_movie(void **state)
{
    folder *f = *state;
    qn_futures_result result;

    CHECK_OK(f->ctx, run(f, 1, &result));
    folder_expect(f, "out.csv", wanted);
    CHECK_EQ(result.rows_written, 4);
    CHECK_EQ(result.counts.rows_read, 5);
    CHECK_EQ(result.counts.dropped[QN_DROP_MALFORMED], 1);
}

static void too_many_bad_rows_leave_the_rejects_alone(void **state)
{
    folder *f = *state;
    qn_futures_result result;

    CHECK_EQ(run(f, 0, &result), QN_EDATA);
    CHECK_ERROR(f->ctx, "1 of 5 rows are bad");
    CHECK_ERROR(f->ctx, "line 4");
    CHECK(!folder_has(f, "out.csv"));
    CHECK(folder_has(f, "rejects.csv"));
}

static void every_failed_allocation_and_write_leaves_no_output(void **state)
{
    folder *f = *state;
    qn_futures_result result;
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = run(f, -1, &result);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        if (st != QN_OK && st != QN_ENOMEM)
            fail_msg("after %lld: %s", (long long)allowed, qn_context_error(f->ctx));
        CHECK_EQ(folder_has(f, "out.csv"), st == QN_OK);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
    }
    CHECK_EQ(unlink(folder_file(f, "out.csv")), 0);
    st = QN_EIO;
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_write_fail_after(f->ctx, allowed, ENOSPC);
        st = run(f, -1, &result);
        qn_write_fail_after(f->ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO);
        if (folder_has(f, "out.csv"))
            folder_expect(f, "out.csv", wanted);
        CHECK(folder_count(f) <= 3);
    }
}

/* Rows that do not fit in memory come back the same. */
static void little_memory_gives_the_same_file(void **state)
{
    static const qn_context_options sizes[] = {{.memory = (size_t)1 << 30, .threads = 1},
                                               {.memory = (size_t)12 << 20, .threads = 2}};
    folder *f = *state;
    qn_string rows = {0};
    char *first = NULL;

    for (int i = 0; i < 400000; i++) {
        if (i % 100 == 0)
            qn_string_addf(&rows, "%d:\n", i % 1000 * 7919 % 1000 + i / 100000);
        qn_string_addf(&rows, "%d,%d,2005-%02d-%02d\n", i * 31 % 5000, i % 5 + 1, i % 12 + 1,
                       i / 7 % 28 + 1);
    }
    for (size_t s = 0; s < 2; s++) {
        folder small = *f;
        char in[128], out[128];
        const char *path = in;
        qn_rating_input_options input;
        const qn_futures_options options = {.output = out, .overwrite = true, .max_bad_rows = -1};
        qn_futures_result result;
        char *got;

        CHECK_EQ(qn_context_create(&sizes[s], &small.ctx), QN_OK);
        snprintf(in, sizeof in, "%s", folder_put(f, "in.txt", qn_string_text(&rows)));
        snprintf(out, sizeof out, "%s", folder_file(f, "out.csv"));
        qn_params_init(&qn_rating_input_table, &input);
        input.input = (qn_text_list){&path, 1};
        CHECK_OK(small.ctx, qn_futures_run(small.ctx, &options, &input, &result));
        CHECK_EQ(result.rows_written, 400000);
        got = folder_get(f, "out.csv");
        if (first)
            CHECK(strcmp(first, got) == 0);
        qn_free(first);
        first = got;
        qn_context_free(small.ctx);
    }
    qn_free(first);
    qn_string_release(&rows);
}

static int set_up(void **state)
{
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&(qn_context_options){.threads = 2}, &ctx), QN_OK);
    *state = folder_make(ctx);
    return 0;
}

static int tear_down(void **state)
{
    folder *f = *state;
    qn_context *ctx = f->ctx;

    folder_remove(f);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(rows_come_by_date_customer_and_movie),
        TEST(too_many_bad_rows_leave_the_rejects_alone),
        TEST(every_failed_allocation_and_write_leaves_no_output),
        TEST(little_memory_gives_the_same_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
