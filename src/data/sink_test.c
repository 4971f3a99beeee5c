#include "check.h"

#include "base/file.h"
#include "quern/sink.h"

static const qn_field fields[] = {{"id", QN_INT64}, {"name", QN_TEXT}, {"score", QN_FLOAT}};
static const qn_schema schema = {fields, 3, true};

static qn_context *make_context(void)
{
    const qn_context_options options = {.memory = (size_t)64 << 20, .threads = 1};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    return ctx;
}

/* Three rows: plain; a name with a comma and quotes; a name with a line end and no score. */
static qn_status write_rows(qn_context *ctx, const char *path, bool overwrite)
{
    static const int64_t id[] = {1, -2, 3};
    static const char names[] = "Heata \"b\", cx\ny";
    static const uint32_t offsets[] = {0, 4, 12, 15};
    static const float score[] = {4.5F, 0.1F, 0};
    static const uint64_t valid[] = {3};
    const qn_column columns[] = {{QN_INT64, id, NULL, NULL},
                                 {QN_TEXT, names, offsets, NULL},
                                 {QN_FLOAT, score, NULL, valid}};
    const qn_batch batch = {3, 3, columns, 0};
    const qn_sink_options options = {path, QN_FORMAT_AUTO, overwrite, true};
    qn_sink *sink = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_sink_open(ctx, &options, &schema, &sink));
    QN_TRY(qn_sink_write(ctx, sink, &batch));
    QN_TRY(qn_sink_commit(ctx, &sink));
done:
    qn_sink_abandon(&sink);
    return st;
}

static void expect_file(qn_context *ctx, const char *path, const char *expected)
{
    char *text = NULL;
    size_t length = 0;

    CHECK_OK(ctx, qn_read_file(ctx, path, 1 << 20, &text, &length));
    CHECK_TEXT(text, expected);
    qn_free(text);
}

static void csv_is_quoted_where_it_must_be(void **state)
{
    qn_context *ctx = make_context();
    char dir[64], path[128];

    (void)state;
    fresh_dir(dir);
    snprintf(path, sizeof path, "%s/rows.csv", dir);
    CHECK_OK(ctx, write_rows(ctx, path, false));
    expect_file(ctx, path, "id,name,score\n1,Heat,4.5\n-2,\"a \"\"b\"\", c\",0.1\n3,\"x\ny\",\n");
    CHECK_EQ(write_rows(ctx, path, false), QN_EEXISTS);
    CHECK_OK(ctx, write_rows(ctx, path, true));
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void json_is_one_object_a_line(void **state)
{
    qn_context *ctx = make_context();
    char dir[64], path[128];

    (void)state;
    fresh_dir(dir);
    snprintf(path, sizeof path, "%s/rows.jsonl", dir);
    CHECK_OK(ctx, write_rows(ctx, path, false));
    expect_file(ctx, path,
                "{\"id\":1,\"name\":\"Heat\",\"score\":4.5}\n"
                "{\"id\":-2,\"name\":\"a \\\"b\\\", c\",\"score\":0.1}\n"
                "{\"id\":3,\"name\":\"x\\ny\",\"score\":null}\n");
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
    qn_context_free(ctx);
}

static void what_a_format_cannot_hold_is_refused(void **state)
{
    qn_context *ctx = make_context();
    char dir[64], path[128];

    (void)state;
    fresh_dir(dir);
    snprintf(path, sizeof path, "%s/rows.dat", dir);
    CHECK_EQ(write_rows(ctx, path, false), QN_EINVAL);
    CHECK_ERROR(ctx, "use .csv");
    CHECK(!qn_path_exists(path));
    snprintf(path, sizeof path, "%s/rows.xls", dir);
    CHECK_EQ(write_rows(ctx, path, false), QN_EINVAL);
    CHECK_ERROR(ctx, "does not tell the format");
    snprintf(path, sizeof path, "%s/missing/rows.csv", dir);
    CHECK_EQ(write_rows(ctx, path, false), QN_EIO);
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void every_failed_allocation_and_write_leaves_nothing(void **state)
{
    qn_context *ctx = make_context();
    qn_status st = QN_ENOMEM;
    char dir[64], path[128], **names;
    int64_t n;

    (void)state;
    fresh_dir(dir);
    snprintf(path, sizeof path, "%s/rows.csv", dir);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(ctx, allowed);
        st = write_rows(ctx, path, false);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || (st == QN_ENOMEM && !qn_path_exists(path)));
        CHECK_EQ(qn_alloc_live(ctx), 0);
    }
    unlink(path);
    st = QN_EIO;
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_write_fail_after(ctx, allowed, 28 /* ENOSPC */);
        st = write_rows(ctx, path, false);
        qn_write_fail_after(ctx, QN_NEVER, 0);
        CHECK(st == QN_OK || st == QN_EIO);
    }
    CHECK_OK(ctx, qn_list_dir(ctx, dir, &names, &n));
    CHECK_EQ(n, 1);
    qn_names_free(names, n);
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
    qn_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_is_quoted_where_it_must_be),
        cmocka_unit_test(json_is_one_object_a_line),
        cmocka_unit_test(what_a_format_cannot_hold_is_refused),
        cmocka_unit_test(every_failed_allocation_and_write_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
