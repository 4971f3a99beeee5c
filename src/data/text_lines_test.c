/* Lines and libsvm. */
#include "base/file.h"
#include "check.h"
#include "dump.h"
#include "quern/quern.h"

static void check_rows(qn_context *ctx, qn_format format, const char *text, const char *wanted,
                       const char *expected)
{
    char dir[64], path_text[128];
    const char *path = path_text;

    fresh_dir(dir);
    snprintf(path_text, sizeof path_text, "%s/x.txt", dir);
    write_file(path, text, strlen(text));
    for (int64_t size = 0; size < 40; size++) {
        const qn_source_options options = {
            .path = &path, .n_paths = 1, .header = -1, .split_bytes = size, .format = format};
        qn_string out = {0};

        CHECK_OK(ctx, dump_options(ctx, &options, wanted, &out));
        CHECK_TEXT(qn_string_text(&out), expected);
        qn_string_release(&out);
    }
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
}

static void every_line_is_a_row_as_it_stands(void **state)
{
    check_rows(*state, QN_FORMAT_LINES, "a, \"b\n\nNULL\r\n  c  \nlast", "line:text",
               "a, \"b\n\nNULL\n  c  \nlast\n");
}

static void libsvm_rows_are_lists_counted_from_zero(void **state)
{
    check_rows(*state, QN_FORMAT_AUTO, "1 1:0.5 7:-2e3 # a comment\n# nothing\n\n-1.5 2:1\n0\n",
               "label:double index:doubles value:floats", "1|0 6|0.5 -2000\n-1.5|1|1\n0||\n");
    check_rows(*state, QN_FORMAT_LIBSVM, "3 10:1 11:0.1\n", "value:doubles label:float",
               "1 0.1|3\n");
}

static void bad_libsvm_rows_are_rejected_whole(void **state)
{
    check_rows(*state, QN_FORMAT_LIBSVM, "1 1:1\n1 2:1 2:1\n1 0:1\n1 3:x\n2 1:4\n",
               "label:double index:doubles value:doubles",
               "1|0|1\n2|0|4\n"
               "!malformed -1 6 pair 2 \"2:1\": its index is there twice; leave one\n"
               "!malformed -1 16 pair 1 \"0:1\": indices begin at 1; add 1 to each\n"
               "!type -1 22 pair 1 \"3:x\": its value is no number\n");
    check_rows(*state, QN_FORMAT_LIBSVM, "1 3:1 2:1\n1 1:1 5\n1 x:1\n1 -1:1\n1 2:\n",
               "label:double value:doubles",
               "!malformed -1 0 pair 2 \"2:1\": indices must ascend; sort the pairs\n"
               "!malformed -1 10 pair 2 \"5\": it has no ':'; write index:value\n"
               "!malformed -1 18 pair 1 \"x:1\": its index is no whole number\n"
               "!malformed -1 24 pair 1 \"-1:1\": its index is negative\n"
               "!malformed -1 31 pair 1 \"2:\": it has no value; leave it out if it is 0\n");
    check_rows(*state, QN_FORMAT_LIBSVM, "1 1:1e39 2:1\n1 1:1e400\n1 qid:7 1:2\n1 1:nan 2:-inf\n",
               "label:double value:floats",
               "1|nan -inf\n"
               "!outOfRange -1 0 pair 1 \"1:1e39\": its value does not fit\n"
               "!outOfRange -1 13 pair 1 \"1:1e400\": its value is too large for a number\n"
               "!malformed -1 23 pair 1 \"qid:7\": queries are not read; take qid out\n");
    check_rows(*state, QN_FORMAT_LIBSVM, "x 1:1\n2 1:4\n", "value:doubles label:double",
               "4|2\n!type 1 0 x\n");
}

/* Rows of the fast loop beside the same rows with a comment, which go the general way. */
static void long_libsvm_is_read_as_short(void **state)
{
    qn_string plain = {0}, commented = {0}, out = {0}, expected = {0};
    char path_text[128];
    char dir[64];
    const char *path = path_text;
    const qn_source_options options = {
        .path = &path, .n_paths = 1, .header = -1, .format = QN_FORMAT_LIBSVM};

    fresh_dir(dir);
    snprintf(path_text, sizeof path_text, "%s/t.libsvm", dir);
    for (int row = 0; row < 3000; row++) {
        qn_string line = {0};
        const char *newline = row % 7 == 0 ? "\r\n" : "\n";

        qn_string_addf(&line, "%d", row % 3 - 1);
        for (int i = 1; i < 40 + row % 11; i += 1 + (row + i) % 5)
            qn_string_addf(&line, i % 9 ? "  %d:%.*f" : "\t%d:%.*e", i, i % 9 ? i % 8 : 18,
                           (row - 1500) / 7.0 + i);
        if (row % 500 == 3)
            qn_string_add(&line, " 1:0");
        qn_string_addf(&plain, "%s%s", line.text, newline);
        qn_string_addf(&commented, "%s #%s", line.text, newline);
        qn_string_release(&line);
    }
    write_file(path, plain.text, plain.length);
    CHECK_OK(*state,
             dump_options(*state, &options, "label:float index:doubles value:floats", &out));
    write_file(path, commented.text, commented.length);
    CHECK_OK(*state,
             dump_options(*state, &options, "label:float index:doubles value:floats", &expected));
    *strchr(out.text, '!') = *strchr(expected.text, '!') = '\0'; /* offsets differ */
    CHECK_TEXT(out.text, expected.text);
    CHECK(strlen(out.text) > 100000);
    qn_string_release(&plain);
    qn_string_release(&commented);
    qn_string_release(&out);
    qn_string_release(&expected);
    qn_remove_tree(*state, dir);
}

static void real_libsvm_has_every_value(void **state)
{
    char path_text[512];
    const char *path = path_text;
    const qn_source_options options = {.path = &path, .n_paths = 1, .header = -1};
    const qn_column_request request[] = {{0, QN_DOUBLE, false}, {1, QN_DOUBLE_LIST, false}};
    const qn_batch *batch;
    qn_source *source;
    qn_reader *reader;

    SKIP_WITHOUT_SHARED();
    snprintf(path_text, sizeof path_text, "%s/data/spark/sample_libsvm_data.txt", shared_dir());
    CHECK_OK(*state, qn_source_open(*state, &options, &source));
    CHECK_EQ(qn_source_format(source), QN_FORMAT_LIBSVM);
    CHECK_OK(*state, qn_source_open_split(*state, source, 0, request, 2, &reader));
    CHECK_OK(*state, qn_reader_next(*state, reader, &batch));
    CHECK_EQ(batch->n_rows, 100);
    double greatest = 0;
    for (uint32_t i = 0; i < batch->columns[1].offsets[100]; i++) {
        const double index = ((const double *)batch->columns[1].data)[i];

        greatest = index > greatest ? index : greatest;
    }
    CHECK_EQ((int)greatest, 691); /* 692 features */
    qn_reader_close(reader);
    qn_source_free(source);
}

static int set_up(void **state)
{
    return qn_context_create(NULL, (qn_context **)state) == QN_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    CHECK_EQ(qn_alloc_live(*state), 0);
    qn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_a_row_as_it_stands),
        cmocka_unit_test(libsvm_rows_are_lists_counted_from_zero),
        cmocka_unit_test(bad_libsvm_rows_are_rejected_whole),
        cmocka_unit_test(long_libsvm_is_read_as_short),
        cmocka_unit_test(real_libsvm_has_every_value),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
