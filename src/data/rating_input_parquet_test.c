/* Rating input from Parquet and JSON: rows have numbers there, which the rejects file tells. */
#include "data/rating_input_testing.h"

#include "base/file.h"
#include "data/parquet.h"
#include "folder.h"
#include "quern/sink.h"

#define ROWS  700000 /* several splits */
#define BATCH 50000

static void skip_without_module(qn_context *ctx)
{
    const char *version;

    if (qn_parquet_version(ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        skip();
    }
}

static const qn_field fields[] = {
    {"CUST_ID", QN_INT64}, {"RATING", QN_DOUBLE}, {"MOVIE_ID", QN_INT32}, {"DATE", QN_TIME}};

/* Row i is of user i; of each 1,000 rows one has no user, of each 70,000 one a user that is too
 * large, and of each 90,000 one a fraction. */
static void put_rows(qn_context *ctx, qn_sink *sink, int64_t n)
{
    static int64_t user[BATCH], time[BATCH];
    static double rating[BATCH];
    static int32_t movie[BATCH];
    static uint64_t there[BATCH / 64 + 1];
    const qn_column column[] = {{QN_INT64, user, NULL, there},
                                {QN_DOUBLE, rating, NULL, NULL},
                                {QN_INT32, movie, NULL, NULL},
                                {QN_TIME, time, NULL, NULL}};

    for (int64_t first = 0; first < n; first += BATCH) {
        const int64_t rows = n - first < BATCH ? n - first : BATCH;

        memset(there, 0xff, sizeof there);
        for (int64_t k = 0; k < rows; k++) {
            const int64_t i = first + k;

            user[k] = i % 70000 == 69999 ? INT64_C(3000000000) : i;
            rating[k] = i % 90000 == 7 ? 2.5 : (double)(i % 5 + 1);
            movie[k] = (int32_t)(i % 17);
            time[k] = (i % 3000) * 86400;
            if (i % 1000 == 500)
                there[k / 64] &= ~((uint64_t)1 << (k % 64));
        }
        CHECK_OK(ctx, qn_sink_write(ctx, sink, &(qn_batch){rows, 4, column, first}));
    }
}

/* What is expected of row i: -1: it is good. Every 777th is a duplicate. */
static int fate(int64_t i)
{
    return i % 1000 == 500         ? (int)QN_DROP_NULL
           : i % 70000 == 69999    ? (int)QN_DROP_RANGE
           : i % 90000 == 7        ? (int)QN_DROP_RANGE
           : i > 0 && i % 777 == 0 ? (int)QN_DROP_DUPLICATE
                                   : -1;
}

/* The number of each line is that of its row, in order, and none is left out. */
static void check_rejects(folder *f, const char *path, int64_t n, int64_t first_line)
{
    char *text = folder_get(f, "rejects.csv");
    char *line = strtok(text, "\n");
    int64_t i = 0;

    while ((line = strtok(NULL, "\n"))) {
        char expected[256];

        while (i < n && fate(i) < 0)
            i++;
        snprintf(expected, sizeof expected, "%s,%lld,%s,", path, (long long)(i + first_line),
                 qn_drop_name((qn_drop_reason)fate(i)));
        if (strncmp(line, expected, strlen(expected)) != 0)
            fail_msg("%s instead of %s", line, expected);
        if (fate(i) == QN_DROP_DUPLICATE) { /* it is told by its values: the user is the row */
            snprintf(expected, sizeof expected, "\"%lld,%lld,%lld,", (long long)(i % 17),
                     (long long)i, (long long)(i % 5 + 1));
            assert_non_null(strstr(line, expected));
        }
        i++;
    }
    while (i < n && fate(i) < 0)
        i++;
    CHECK_EQ(i, n);
    qn_free(text);
}

static void check_file(folder *f, const char *path, int64_t n, int64_t first_line)
{
    qn_context *ctx = f->ctx;
    taken_rows taken = {.lock = PTHREAD_MUTEX_INITIALIZER};
    qn_rejects_file *rejects = NULL;
    qn_rating_input *input = NULL;
    qn_rating_input_options options;
    qn_rating_input_counts counts;
    int64_t good = 0;

    qn_params_init(&qn_rating_input_table, &options);
    options.input = (qn_text_list){&path, 1};
    CHECK_OK(ctx, qn_rating_input_open(ctx, &options, &input));
    CHECK_OK(ctx, qn_rejects_file_create(ctx, folder_file(f, "rejects.csv"), true, &rejects));
    CHECK_OK(ctx, qn_rating_input_read(ctx, input, true, rejects, take_rows, &taken, &counts));
    CHECK_EQ(counts.rows_read, n);
    sort_taken(&taken);
    for (int64_t i = 0; i < n; i++) {
        if (fate(i) >= 0 && fate(i) != QN_DROP_DUPLICATE)
            continue;
        CHECK_EQ(taken.row[good].user, i);
        CHECK_EQ(taken.row[good].days, i % 3000);
        if (fate(i) == QN_DROP_DUPLICATE)
            CHECK_OK(ctx, qn_rejects_file_duplicate(rejects, &taken.row[good], &taken.row[good]));
        good++;
    }
    CHECK_EQ(taken.n, good);
    CHECK_OK(ctx, qn_rejects_file_section(ctx, rejects, input, NULL));
    CHECK_OK(ctx, qn_rejects_file_commit(ctx, &rejects));
    check_rejects(f, path, n, first_line);
    qn_rating_input_free(input);
    free(taken.row);
}

static void every_row_of_parquet_is_delivered_or_told_by_its_number(void **state)
{
    folder *f = *state;
    const qn_schema schema = {fields, 4, true};
    char path[128];
    qn_sink *sink = NULL;

    skip_without_module(f->ctx);
    snprintf(path, sizeof path, "%s", folder_file(f, "a.parquet"));
    CHECK_OK(f->ctx,
             qn_parquet_sink_open(f->ctx, &(qn_parquet_write){.path = path}, &schema, &sink));
    put_rows(f->ctx, sink, ROWS);
    CHECK_OK(f->ctx, qn_sink_commit(f->ctx, &sink));
    check_file(f, path, ROWS, 0);
}

static void every_row_of_json_is_delivered_or_told_by_its_line(void **state)
{
    folder *f = *state;
    const qn_schema schema = {fields, 4, true};
    char path[128];
    qn_sink *sink = NULL;

    skip_without_module(f->ctx);
    snprintf(path, sizeof path, "%s", folder_file(f, "a.jsonl"));
    CHECK_OK(f->ctx, qn_sink_open(f->ctx, &(qn_sink_options){.path = path}, &schema, &sink));
    put_rows(f->ctx, sink, 9000);
    CHECK_OK(f->ctx, qn_sink_commit(f->ctx, &sink));
    check_file(f, path, 9000, 1);
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
        cmocka_unit_test_setup_teardown(every_row_of_parquet_is_delivered_or_told_by_its_number,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_row_of_json_is_delivered_or_told_by_its_line, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
