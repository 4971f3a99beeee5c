#include "base/file.h"
#include "base/text.h"
#include "check.h"
#include "data/text_fast.h"
#include "dump.h"
#include "quern/quern.h"

static const char wish[] = "movieId:int64 userId:int32 rating:float date:time";

/* Rows of `text`; the same for every size of split that leaves at most five rejects in each. */
static void check_rows(qn_context *ctx, const char *text, const char *wanted, const char *expected)
{
    char dir[64], path_text[128];
    const char *path = path_text;

    fresh_dir(dir);
    snprintf(path_text, sizeof path_text, "%s/combined_data_1.txt", dir);
    write_file(path, text, strlen(text));
    for (int64_t size = 0; size < 60; size++) {
        const qn_source_options options = {
            .path = &path, .n_paths = 1, .header = -1, .split_bytes = size};
        qn_string out = {0};

        CHECK_OK(ctx, dump_options(ctx, &options, wanted, &out));
        CHECK_TEXT(qn_string_text(&out), expected);
        qn_string_release(&out);
    }
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
}

static void rows_stand_under_the_last_movie(void **state)
{
    check_rows(*state,
               "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n885013,4,1969-12-31\n"
               "2:\n2059652,4,1970-01-02\n3:\n1,1,1970-01-01",
               wish,
               "1|1488844|3|1125964800\n1|822109|5|1115942400\n1|885013|4|-86400\n"
               "2|2059652|4|86400\n3|1|1|0\n");
}

static void marks_returns_blanks_and_blank_lines_do_no_harm(void **state)
{
    check_rows(*state,
               "\xef\xbb\xbf"
               "7:\r\n1,3,1970-01-01\r\n\r\n 2 , 4 ,1970-01-02\r\n8: \r\n3,5,1970-01-01\r\n",
               wish, "7|1|3|0\n7|2|4|86400\n8|3|5|0\n");
}

static void columns_go_by_their_other_names(void **state)
{
    check_rows(*state, "1:\n5,3,1970-01-02\n",
               "MOVIE_ID:text CUST_ID:int64 RATING:double DATE:text", "1|5|3|1970-01-02\n");
    check_rows(*state, "1:\n5,3,1970-01-02\n", "timestamp:int64? userId:text",
               "!type 0 3 1970-01-02\n");
    check_rows(*state, "1:\n5,3,1970-01-02\n", "timestamp:time userId:text", "86400|5\n");
}

static void a_header_that_is_no_number_voids_its_rows(void **state)
{
    check_rows(*state,
               "1:\n5,3,1970-01-01\nabc:\n6,4,1970-01-01\n7,4,1970-01-01\n2:\n8,5,1970-01-01\n",
               wish, "1|5|3|0\n2|8|5|0\n!badHeader -1 23 abc\n!badHeader -1 38 abc\n");
}

static void a_header_of_any_length_is_the_same_in_any_split(void **state)
{
    check_rows(*state,
               "1:\n5,3,1970-01-01\n"
               "1111111111111111111111111111111111111111111111111111111111111111111111111111:\n"
               "6,4,1970-01-01\n7,4,1970-01-01\n2:\n8,5,1970-01-01\n",
               "movieId:int64 userId:int64",
               "1|5\n2|8\n"
               "!badHeader -1 96 111111111111111111111111111111111111111~\n"
               "!badHeader -1 111 111111111111111111111111111111111111111~\n");
}

static void a_row_before_any_header_is_malformed(void **state)
{
    const qn_source_options given = {.format = QN_FORMAT_NETFLIX, .header = -1};
    char dir[64], path_text[128];
    const char *path = path_text;
    qn_source_options options = given;
    qn_string out = {0};

    fresh_dir(dir);
    snprintf(path_text, sizeof path_text, "%s/x.txt", dir);
    write_file(path, "5,3,1970-01-01\n1:\n6,3\n7,3,1970-01-01\n8,x,1970-01-01\n,1,1970-01-01\n",
               65);
    options.path = &path;
    options.n_paths = 1;
    CHECK_OK(*state, dump_options(*state, &options, wish, &out));
    CHECK_TEXT(qn_string_text(&out),
               "1|7|3|0\n!malformed -1 0 5,3,1970-01-01\n!malformed -1 18 6,3\n!type 2 37 x\n"
               "!null 1 52 ,1,1970-01-01\n");
    qn_string_release(&out);
    CHECK_OK(*state, qn_remove_tree(*state, dir));
}

static void a_movie_does_not_reach_into_the_next_file(void **state)
{
    char dir[64], first[128], second[128];
    const char *paths[] = {first, second};
    qn_string out = {0};

    fresh_dir(dir);
    snprintf(first, sizeof first, "%s/a.txt", dir);
    snprintf(second, sizeof second, "%s/b.txt", dir);
    write_file(first, "1:\n5,3,1970-01-01\n", 18);
    write_file(second, "6,3,1970-01-01\n2:\n7,1,1970-01-01\n", 33);
    for (int64_t size = 0; size < 20; size++) {
        const qn_source_options options = {
            .path = paths, .n_paths = 2, .header = -1, .split_bytes = size};

        qn_string_clear(&out);
        CHECK_OK(*state, dump_options(*state, &options, wish, &out));
        CHECK_TEXT(qn_string_text(&out), "1|5|3|0\n2|7|1|0\n!malformed -1 0 6,3,1970-01-01\n");
    }
    qn_string_release(&out);
    CHECK_OK(*state, qn_remove_tree(*state, dir));
}

static void text_whose_beginning_is_damaged_is_known_all_the_same(void **state)
{
    check_rows(*state, "5,3,1970-01-01\n\n:\n6,3,1970-01-01\n9:\n7,3,1970-01-02\n", wish,
               "9|7|3|86400\n!malformed -1 0 5,3,1970-01-01\n!badHeader -1 18 \n");
}

/* Every date of ten characters, and many that are none. */
static void the_fast_way_reads_dates_as_the_slow_one(void **state)
{
    char text[64] = "";
    int64_t fast, slow;

    (void)state;
    for (int32_t year = 0; year <= 9999; year += year < 1800 || year > 2200 ? 7 : 1)
        for (int32_t month = 0; month <= 13; month++)
            for (int32_t day = 0; day <= 39; day++) {
                snprintf(text, sizeof text, "%04d-%02d-%02d", year, month, day);
                const bool is_date = qn_parse_time(text, 10, &slow);

                if ((qn_fast_date(text, &fast) != NULL) != is_date ||
                    (is_date && fast * 86400 != slow))
                    fail_msg("%s", text);
            }
    for (int32_t at = 0; at < 10; at++)
        for (int32_t byte = 0; byte < 256; byte++) {
            memcpy(text, "2005-09-06,", 12);
            text[at] = (char)byte;
            if (qn_fast_date(text, &fast) &&
                (!qn_parse_time(text, 10, &slow) || fast * 86400 != slow))
                fail_msg("%s", text);
        }
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
        cmocka_unit_test(rows_stand_under_the_last_movie),
        cmocka_unit_test(marks_returns_blanks_and_blank_lines_do_no_harm),
        cmocka_unit_test(columns_go_by_their_other_names),
        cmocka_unit_test(a_header_that_is_no_number_voids_its_rows),
        cmocka_unit_test(a_header_of_any_length_is_the_same_in_any_split),
        cmocka_unit_test(a_row_before_any_header_is_malformed),
        cmocka_unit_test(a_movie_does_not_reach_into_the_next_file),
        cmocka_unit_test(text_whose_beginning_is_damaged_is_known_all_the_same),
        cmocka_unit_test(the_fast_way_reads_dates_as_the_slow_one),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
