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
               "1|0|1\n2|0|4\n!malformed -1 6 1 2:1 2:1\n!malformed -1 16 1 0:1\n"
               "!malformed -1 22 1 3:x\n");
    check_rows(*state, QN_FORMAT_LIBSVM, "x 1:1\n2 1:4\n", "value:doubles label:double",
               "4|2\n!type 1 0 x\n");
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
        cmocka_unit_test(real_libsvm_has_every_value),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
