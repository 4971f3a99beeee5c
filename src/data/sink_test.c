#include "base/file.h"
#include "check.h"
#include "dump.h"
#include "quern/quern.h"

typedef struct fixture {
    qn_context *ctx;
    char dir[64];
    char path[128];
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    fresh_dir(f->dir);
    return qn_context_create(NULL, &f->ctx) == QN_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    fixture *f = *state;

    CHECK_EQ(qn_alloc_live(f->ctx), 0);
    qn_remove_tree(f->ctx, f->dir);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

/* Six rows of an id, a float and a text; the float of row 1 and the text of row 2 are missing. */
static const int64_t id[] = {1, -2, 3, 4, 5, INT64_MAX};
static const float score[] = {0.1f, 0, 3.5f, 16777216.0f, 1e-7f, 3.4028235e38f};
static const char texts[] = "Toy, Story"
                            "say \"hi\""
                            ""
                            "NA"
                            "a\nb"
                            "caf\xc3\xa9";
static const uint32_t offsets[] = {0, 10, 18, 18, 20, 23, 28};
static const uint64_t score_valid[] = {0x3d}, text_valid[] = {0x3b};
static const qn_column columns[] = {
    {QN_INT64, id, NULL, NULL},
    {QN_FLOAT, score, NULL, score_valid},
    {QN_TEXT, texts, offsets, text_valid},
};
static const qn_field fields[] = {{"id", QN_INT64}, {"score", QN_FLOAT}, {"text", QN_TEXT}};
static const qn_schema schema = {fields, 3, true};
static const qn_batch batch = {6, 3, columns, 0};

static qn_status write_rows(fixture *f, const char *name, const qn_batch *rows, bool overwrite)
{
    qn_sink_options options = {.path = f->path, .overwrite = overwrite, .header = true};
    qn_sink *sink;
    qn_status st;

    snprintf(f->path, sizeof f->path, "%s/%s", f->dir, name);
    st = qn_sink_open(f->ctx, &options, &schema, &sink);
    if (st != QN_OK)
        return st;
    st = qn_sink_write(f->ctx, sink, rows);
    if (st == QN_OK)
        return qn_sink_commit(f->ctx, &sink);
    qn_sink_abandon(&sink);
    return st;
}

static void check_file(fixture *f, const char *expected)
{
    char *text;
    size_t n;

    CHECK_OK(f->ctx, qn_read_file(f->ctx, f->path, 1 << 20, &text, &n));
    CHECK_TEXT(text, expected);
    qn_free(text);
}

static void delimited_text_is_quoted_where_it_must(void **state)
{
    fixture *f = *state;

    CHECK_OK(f->ctx, write_rows(f, "out.csv", &batch, false));
    check_file(
        f, "id,score,text\n1,0.1,\"Toy, Story\"\n-2,,\"say \"\"hi\"\"\"\n3,3.5,\n"
           "4,16777216,\"NA\"\n5,1e-07,\"a\nb\"\n9223372036854775807,3.4028235e+38,caf\xc3\xa9\n");
}

static void what_is_written_reads_back(void **state)
{
    static const char expected[] =
        "1|0.1|Toy, Story\n-2|?|say \"hi\"\n3|3.5|?\n4|16777216|NA\n5|1e-07|a\nb\n"
        "9223372036854775807|3.4028235e+38|caf\xc3\xa9\n";
    static const char *const names[] = {"out.csv", "out.tsv"};
    fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        const char *path = f->path;
        const qn_source_options options = {.path = &path, .n_paths = 1, .header = -1};
        qn_string out = {0};

        CHECK_OK(f->ctx, write_rows(f, names[i], &batch, false));
        CHECK_OK(f->ctx, dump_options(f->ctx, &options, "id:int64 score:float? text:text?", &out));
        CHECK_TEXT(qn_string_text(&out), expected);
        qn_string_release(&out);
    }
}

static void an_empty_text_is_not_a_missing_one(void **state)
{
    static const uint32_t none[] = {0, 0, 0};
    static const uint64_t first[] = {1};
    const qn_column column = {QN_TEXT, texts, none, first};
    const qn_field field = {"t", QN_TEXT};
    const qn_schema one = {&field, 1, true};
    const qn_batch rows = {2, 1, &column, 0};
    fixture *f = *state;
    const qn_sink_options options = {.path = f->path, .header = true};
    const char *path = f->path;
    const qn_source_options in = {.path = &path, .n_paths = 1, .header = 1};
    qn_string out = {0};
    qn_sink *sink;

    snprintf(f->path, sizeof f->path, "%s/one.csv", f->dir);
    CHECK_OK(f->ctx, qn_sink_open(f->ctx, &options, &one, &sink));
    CHECK_OK(f->ctx, qn_sink_write(f->ctx, sink, &rows));
    CHECK_OK(f->ctx, qn_sink_commit(f->ctx, &sink));
    CHECK(sink == NULL);
    check_file(f, "t\n\"\"\nNULL\n");
    CHECK_OK(f->ctx, dump_options(f->ctx, &in, "t:text?", &out));
    CHECK_TEXT(qn_string_text(&out), "\n?\n");
    qn_string_release(&out);
}

static void json_lines_hold_one_object_each(void **state)
{
    fixture *f = *state;

    CHECK_OK(f->ctx, write_rows(f, "out.jsonl", &batch, false));
    char *text;
    size_t n;
    CHECK_OK(f->ctx, qn_read_file(f->ctx, f->path, 1 << 20, &text, &n));
    CHECK(strstr(text, "\"score\":null") || strstr(text, "\"score\": null"));
    CHECK(strstr(text, "a\\nb"));
    CHECK(strstr(text, "say \\\"hi\\\""));
    int64_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    CHECK_EQ(lines, 6);
    CHECK_EQ(text[n - 1], '\n');
    qn_free(text);
}

static void dat_refuses_what_it_cannot_hold(void **state)
{
    fixture *f = *state;
    const qn_batch first = {4, 3, columns, 0};

    CHECK_OK(f->ctx, write_rows(f, "ok.dat", &first, false));
    check_file(
        f, "id::score::text\n1::0.1::Toy, Story\n-2::::say \"hi\"\n3::3.5::\n4::16777216::NA\n");
    CHECK_EQ(write_rows(f, "out.dat", &batch, false), QN_EINVAL);
    CHECK_ERROR(f->ctx, "use .csv");
    CHECK(!qn_path_exists(f->path));
}

static void outputs_are_checked_before_work(void **state)
{
    fixture *f = *state;

    CHECK_OK(f->ctx, write_rows(f, "out.csv", &batch, false));
    CHECK_EQ(write_rows(f, "out.csv", &batch, false), QN_EEXISTS);
    CHECK_OK(f->ctx, write_rows(f, "out.csv", &batch, true));
    CHECK_EQ(write_rows(f, "no/such/out.csv", &batch, false), QN_EIO);
    CHECK_EQ(write_rows(f, "out.xyz", &batch, false), QN_EINVAL);
    CHECK_ERROR(f->ctx, ".csv");
}

static void writing_survives_every_failed_allocation(void **state)
{
    static const char *const names[] = {"out.csv", "out.jsonl"};
    fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        qn_status st = QN_ENOMEM;

        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            qn_alloc_fail_after(f->ctx, allowed);
            st = write_rows(f, names[i], &batch, false);
            qn_alloc_fail_after(f->ctx, QN_NEVER);
            CHECK(st == QN_OK || st == QN_ENOMEM);
            CHECK_EQ(qn_path_exists(f->path), st == QN_OK);
            CHECK_EQ(qn_alloc_live(f->ctx), 0);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(delimited_text_is_quoted_where_it_must),   TEST(what_is_written_reads_back),
        TEST(an_empty_text_is_not_a_missing_one),       TEST(json_lines_hold_one_object_each),
        TEST(dat_refuses_what_it_cannot_hold),          TEST(outputs_are_checked_before_work),
        TEST(writing_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
