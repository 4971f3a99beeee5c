#include "folder.h"

#include "lifecycle/split.h"

/* Columns that nobody asked for, numbers in their own writing, a comma inside quotes. */
#define HEADER "userId,movieId,rating,timestamp,note\n"
static const char ratings_csv[] = HEADER "1,10,4.0,100,first\n"
                                         "1,20,3,200,\"a, b\"\n"
                                         "2,10,5.00,150,\n"
                                         "2,30,1e0,150,x\n"
                                         "3,20,0.5,50,last\n";

typedef struct cut {
    qn_split_options options;
    qn_ratings_options ratings;
    const char *input;
    qn_split_result result;
} cut;

static void cut_init(cut *c, folder *f, const char *how)
{
    qn_params_init(&qn_split_table, &c->options);
    qn_params_init(&qn_ratings_table, &c->ratings);
    c->options.split = how;
    c->options.train = folder_file(f, "train.csv");
    c->options.test = folder_file(f, "test.csv");
    c->input = folder_file(f, "ratings.csv");
    c->ratings.input = (qn_text_list){&c->input, 1};
}

static qn_status cut_run(cut *c, folder *f)
{
    return qn_split_run(f->ctx, &c->options, &c->ratings, &c->result);
}

static void temporal_puts_the_last_rows_into_test_as_they_were(void **state)
{
    folder *f = folder_make(*state);
    cut c;

    folder_put(f, "ratings.csv", ratings_csv);
    cut_init(&c, f, "temporal:0.6");
    CHECK_OK(*state, cut_run(&c, f));
    /* Times 50 100 150 150 200: three are kept; of the two at 150, user 2's item 10 comes first. */
    folder_expect(f, "train.csv", HEADER "1,10,4.0,100,first\n2,10,5.00,150,\n3,20,0.5,50,last\n");
    folder_expect(f, "test.csv", HEADER "1,20,3,200,\"a, b\"\n2,30,1e0,150,x\n");
    CHECK_EQ(c.result.train_records, 3);
    CHECK_EQ(c.result.test_records, 2);
    CHECK_EQ(c.result.counts.rows_read, 5);
    folder_remove(f);
    CHECK_EQ(qn_alloc_live(*state), 0);
}

static void leave_one_out_takes_the_latest_of_each_user(void **state)
{
    folder *f = folder_make(*state);
    cut c;

    folder_put(f, "ratings.csv", ratings_csv);
    cut_init(&c, f, "leave-one-out");
    CHECK_OK(*state, cut_run(&c, f));
    folder_expect(f, "train.csv", HEADER "1,10,4.0,100,first\n2,10,5.00,150,\n");
    folder_expect(f, "test.csv", HEADER "1,20,3,200,\"a, b\"\n2,30,1e0,150,x\n3,20,0.5,50,last\n");
    folder_remove(f);
}

/* 30 users by 20 items, in the order of `step` (coprime to 600: every pair once). */
static char *make_rows(int64_t step, const char *separator)
{
    qn_string text = {0};
    char *copy;

    for (int64_t i = 0; i < 600; i++) {
        const int64_t pair = i * step % 600;

        qn_string_addf(&text, "%d%s%d%s%d\n", (int)(pair / 20 + 1), separator, (int)(pair % 20 + 1),
                       separator, (int)(pair % 5 + 1));
    }
    copy = strdup(qn_string_text(&text));
    qn_string_release(&text);
    return copy;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Lines in byte order, separators as blanks: what the halves of two formats have in common. */
static char *sorted_rows(folder *f, const char *name)
{
    char *text = folder_get(f, name), *rest = NULL, *line[600];
    qn_string out = {0};
    int64_t n = 0;

    for (char *c = text; (c = strpbrk(c, ":,\t"));)
        *c = ' ';
    for (char *c = strtok_r(text, "\n", &rest); c; c = strtok_r(NULL, "\n", &rest)) {
        CHECK(n < 600);
        line[n++] = c;
    }
    qsort(line, (size_t)n, sizeof *line, by_text);
    for (int64_t i = 0; i < n; i++)
        qn_string_addf(&out, "%s\n", line[i]);
    qn_free(text);
    text = strdup(qn_string_text(&out));
    qn_string_release(&out);
    return text;
}

static char *random_test_rows(qn_context *ctx, int64_t step, const char *separator, int64_t seed,
                              size_t split_bytes)
{
    folder *f = folder_make(ctx);
    char *rows = make_rows(step, separator), *test;
    cut c;

    folder_put(f, "ratings.csv", rows);
    cut_init(&c, f, "random:0.75");
    c.options.split_seed = seed;
    c.ratings.split_bytes = split_bytes;
    CHECK_OK(ctx, cut_run(&c, f));
    CHECK_EQ(c.result.train_records + c.result.test_records, 600);
    CHECK(c.result.test_records > 100 && c.result.test_records < 200);
    test = sorted_rows(f, "test.csv");
    folder_remove(f);
    free(rows);
    return test;
}

static void a_random_split_depends_on_ids_and_seed_alone(void **state)
{
    char *one = random_test_rows(*state, 1, ",", 42, 0);
    char *shuffled = random_test_rows(*state, 7, "\t", 42, 100);
    char *other = random_test_rows(*state, 1, ",", 43, 0);

    CHECK_TEXT(one, shuffled);
    CHECK(strcmp(one, other) != 0);
    free(one);
    free(shuffled);
    free(other);
}

/* Merging the halves by the input's order must give the input. */
static void every_row_goes_to_one_side_in_the_old_order(void **state)
{
    folder *f = folder_make(*state);
    char *rows = make_rows(7, ","), *side[2], *at[2];
    cut c;

    folder_put(f, "ratings.csv", rows);
    cut_init(&c, f, "random:0.5");
    c.ratings.split_bytes = 64; /* a split is a few rows */
    CHECK_OK(*state, cut_run(&c, f));
    at[0] = side[0] = folder_get(f, "train.csv");
    at[1] = side[1] = folder_get(f, "test.csv");
    for (const char *row = rows; *row;) {
        const size_t length = strcspn(row, "\n") + 1;
        const int which = strncmp(at[0], row, length) != 0;

        CHECK_EQ(strncmp(at[which], row, length), 0);
        at[which] += length;
        row += length;
    }
    CHECK_TEXT(at[0], "");
    CHECK_TEXT(at[1], "");
    qn_free(side[0]);
    qn_free(side[1]);
    free(rows);
    folder_remove(f);
}

static void bad_rows_are_counted_and_in_neither_half(void **state)
{
    folder *f = folder_make(*state);
    cut c;

    folder_put(f, "ratings.csv", HEADER "1,10,4.0,100,a\n1,15,good,100,b\n1,20,3.5,200,c\n");
    cut_init(&c, f, "temporal:0.5");
    CHECK_EQ(cut_run(&c, f), QN_EDATA);
    CHECK_ERROR(*state, "line 3");
    CHECK_EQ(folder_count(f), 1);
    c.ratings.on_bad_row = QN_BAD_ROW_SKIP;
    CHECK_OK(*state, cut_run(&c, f));
    CHECK_EQ(c.result.counts.rows_bad, 1);
    folder_expect(f, "train.csv", HEADER "1,10,4.0,100,a\n");
    folder_expect(f, "test.csv", HEADER "1,20,3.5,200,c\n");
    folder_remove(f);
}

static void wrong_requests_are_refused_before_reading(void **state)
{
    static const char *const wrong[] = {"random:1", "random:0", "half", "temporal:x", ""};
    folder *f = folder_make(*state);
    cut c;

    folder_put(f, "ratings.csv", ratings_csv);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cut_init(&c, f, wrong[i]);
        CHECK_EQ(cut_run(&c, f), QN_EINVAL);
        CHECK_ERROR(*state, "random:0.8");
    }
    cut_init(&c, f, "random:0.5");
    c.options.test = c.options.train;
    CHECK_EQ(cut_run(&c, f), QN_EINVAL);
    CHECK_ERROR(*state, "same file");
    cut_init(&c, f, "random:0.5");
    c.input = "-";
    CHECK_EQ(cut_run(&c, f), QN_EINVAL);
    CHECK_ERROR(*state, "standard input");
    cut_init(&c, f, "temporal:0.5");
    c.ratings.timestamp_col = "when";
    CHECK(cut_run(&c, f) != QN_OK);
    CHECK_ERROR(*state, "when");
    CHECK_EQ(folder_count(f), 1);
    folder_put(f, "test.csv", "mine");
    cut_init(&c, f, "random:0.5");
    CHECK_EQ(cut_run(&c, f), QN_EEXISTS);
    folder_expect(f, "test.csv", "mine");
    CHECK_EQ(folder_count(f), 2);
    folder_remove(f);
    CHECK_EQ(qn_alloc_live(*state), 0);
}

static void both_files_appear_or_neither(void **state)
{
    qn_context *ctx = *state;

    for (int32_t kind = 0; kind < 2; kind++) { /* allocations, writes */
        qn_status st = QN_ENOMEM;

        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            folder *f = folder_make(ctx);
            cut c;

            folder_put(f, "ratings.csv", ratings_csv);
            cut_init(&c, f, "random:0.5");
            if (kind == 0)
                qn_alloc_fail_after(ctx, allowed);
            else
                qn_write_fail_after(ctx, allowed, 5 /* EIO */);
            st = cut_run(&c, f);
            qn_alloc_fail_after(ctx, QN_NEVER);
            qn_write_fail_after(ctx, INT64_MAX, 0);
            CHECK(st == QN_OK || st == (kind == 0 ? QN_ENOMEM : QN_EIO));
            CHECK_EQ(folder_count(f), st == QN_OK ? 3 : 1);
            CHECK_EQ(qn_alloc_live(ctx), 0);
            folder_remove(f);
            CHECK(allowed < 1000);
        }
    }
}

static int set_up(void **state)
{
    qn_context *ctx = NULL;
    const qn_status st = qn_context_create(&(qn_context_options){.threads = 2}, &ctx);

    *state = ctx;
    return st == QN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    qn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temporal_puts_the_last_rows_into_test_as_they_were),
        cmocka_unit_test(leave_one_out_takes_the_latest_of_each_user),
        cmocka_unit_test(a_random_split_depends_on_ids_and_seed_alone),
        cmocka_unit_test(every_row_goes_to_one_side_in_the_old_order),
        cmocka_unit_test(bad_rows_are_counted_and_in_neither_half),
        cmocka_unit_test(wrong_requests_are_refused_before_reading),
        cmocka_unit_test(both_files_appear_or_neither),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
