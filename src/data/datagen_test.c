#include "folder.h"

#include "data/datagen.h"
#include "data/triples_testing.h"

enum { FORMAT_CSV = 1, FORMAT_DAT, FORMAT_NETFLIX, FORMAT_PARQUET };

static qn_datagen_options options_for(const folder *f, int64_t users, int64_t items,
                                      int64_t ratings)
{
    qn_datagen_options o;

    qn_params_init(&qn_datagen_table, &o);
    o.users = users;
    o.items = items;
    o.ratings = ratings;
    o.format = FORMAT_CSV;
    o.out = f->path;
    return o;
}

static qn_triples *read_back(qn_context *ctx, const char *path)
{
    qn_ratings_options options;
    qn_triples *t = NULL;

    qn_params_init(&qn_ratings_table, &options);
    options.input = (qn_text_list){&path, 1};
    CHECK_OK(ctx, qn_triples_read(ctx, &options, true, true, &t));
    return t;
}

/* Every id from 1 to n, and each pair once. */
static void check_whole(qn_context *ctx, const qn_triples *t, int64_t users, int64_t items,
                        int64_t ratings)
{
    flat_rows rows;
    uint8_t *seen = calloc((size_t)(users * items), 1);

    assert_non_null(seen);
    CHECK_EQ(t->n, ratings);
    CHECK_EQ(t->users.n, users);
    CHECK_EQ(t->items.n, items);
    CHECK_EQ(t->users.number[users - 1], users);
    CHECK_EQ(t->items.number[items - 1], items);
    flatten(ctx, t, &rows);
    for (int64_t i = 0; i < rows.n; i++) {
        uint8_t *pair = &seen[(int64_t)rows.user[i] * items + rows.item[i]];

        CHECK(!*pair);
        *pair = 1;
    }
    free(seen);
}

static void every_user_and_item_occurs_and_pairs_are_distinct(void **state)
{
    static const int64_t size[][3] = {{60, 90, 1800}, {700, 40, 9000}, {3, 500, 800},
                                      {10, 10, 60},   {50, 1, 30},     {2, 3, 3}};
    qn_context *ctx = *state;

    for (size_t s = 0; s < sizeof size / sizeof *size; s++) {
        folder *f = folder_make(ctx);
        qn_datagen_options o = options_for(f, size[s][0], size[s][1], size[s][2]);
        qn_datagen_result result;
        qn_triples *t;

        if (o.ratings < o.users) { /* told with the number that would do */
            CHECK_EQ(qn_datagen_ratings(ctx, &o, &result), QN_EINVAL);
            CHECK_ERROR(ctx, "fewer than 50");
        } else {
            CHECK_OK(ctx, qn_datagen_ratings(ctx, &o, &result));
            t = read_back(ctx, result.ratings_path);
            check_whole(ctx, t, o.users, o.items, o.ratings);
            CHECK_EQ(result.ratings, o.ratings);
            qn_triples_free(t);
        }
        folder_remove(f);
    }
    CHECK_EQ(qn_alloc_live(ctx), 0);
}

static void movielens_has_half_stars_and_twenty_ratings_a_user(void **state)
{
    qn_context *ctx = *state;
    folder *f = folder_make(ctx);
    const qn_datagen_options o = options_for(f, 200, 300, 9000);
    qn_datagen_result result;
    int32_t degree[200] = {0};
    bool has_half = false;
    double sum = 0;
    flat_rows rows;
    qn_triples *t;

    CHECK_OK(ctx, qn_datagen_ratings(ctx, &o, &result));
    t = read_back(ctx, result.ratings_path);
    flatten(ctx, t, &rows);
    for (int64_t i = 0; i < rows.n; i++) {
        const float twice = 2 * rows.value[i];

        CHECK(twice == (float)(int)twice && twice >= 1 && twice <= 10);
        has_half = has_half || rows.value[i] != (float)(int)rows.value[i];
        degree[rows.user[i]]++;
        sum += (double)rows.value[i];
    }
    CHECK(has_half);
    for (int32_t u = 0; u < 200; u++)
        CHECK(degree[u] >= 20);
    CHECK_NEAR(result.mean, sum / 9000, 1e-9);
    CHECK(result.mean > 3 && result.mean < 4);
    qn_triples_free(t);
    folder_remove(f);
}

/* 1,000 users are four runs of users, which three threads make at once. */
static char *bytes_with(int32_t threads, int64_t seed)
{
    qn_context *ctx = NULL;
    qn_datagen_result result;
    qn_datagen_options o;
    char *text, *copy;
    folder *f;

    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = threads}, &ctx), QN_OK);
    f = folder_make(ctx);
    o = options_for(f, 1000, 300, 30000);
    o.seed = seed;
    CHECK_OK(ctx, qn_datagen_ratings(ctx, &o, &result));
    text = folder_get(f, "ratings.csv");
    copy = strdup(text);
    qn_free(text);
    folder_remove(f);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return copy;
}

static void the_same_options_give_the_same_bytes_on_any_threads(void **state)
{
    char *one = bytes_with(1, 7), *three = bytes_with(3, 7), *other = bytes_with(1, 8);

    (void)state;
    CHECK_TEXT(one, three);
    CHECK(strcmp(one, other) != 0);
    free(one);
    free(three);
    free(other);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void titles_are_distinct(void **state)
{
    enum { ITEMS = 20000 };
    qn_context *ctx = *state;
    folder *f = folder_make(ctx);
    const qn_datagen_options o = options_for(f, 20, ITEMS, 30000);
    char **title = calloc(ITEMS, sizeof *title);
    qn_datagen_result result;
    char *text, *rest = NULL;
    int64_t n = 0;

    CHECK_OK(ctx, qn_datagen_ratings(ctx, &o, &result));
    text = folder_get(f, "movies.csv");
    CHECK_TEXT(strtok_r(text, "\n", &rest), "movieId,title,genres");
    for (char *line; (line = strtok_r(NULL, "\n", &rest));) {
        CHECK(n < ITEMS);
        CHECK_EQ(atoll(line), n + 1);
        *strrchr(line, ',') = '\0'; /* the genres */
        title[n++] = strchr(line, ',') + 1;
    }
    CHECK_EQ(n, ITEMS);
    qsort(title, ITEMS, sizeof *title, by_text);
    for (int64_t i = 1; i < n; i++)
        CHECK(strcmp(title[i - 1], title[i]) != 0);
    free(title);
    qn_free(text);
    folder_remove(f);
}

/* Netflix text holds whole stars and days. */
static void every_format_holds_the_same_ratings(void **state)
{
    static const int32_t format[] = {FORMAT_CSV, FORMAT_DAT, FORMAT_NETFLIX};
    uint64_t first = 0;
    int64_t first_days = 0;
    qn_context *ctx = *state;

    for (int32_t i = 0; i < 3; i++) {
        folder *f = folder_make(ctx);
        qn_datagen_options o = options_for(f, 300, 120, 5000);
        qn_datagen_result result;
        uint64_t fingerprint = 0;
        int64_t days = 0;
        flat_rows rows;
        qn_triples *t;

        o.shape = QN_SHAPE_NETFLIX;
        o.format = format[i];
        CHECK_OK(ctx, qn_datagen_ratings(ctx, &o, &result));
        t = read_back(ctx, result.ratings_path);
        check_whole(ctx, t, 300, 120, 5000);
        CHECK_OK(ctx, qn_triples_fingerprint(ctx, t, &fingerprint));
        flatten(ctx, t, &rows);
        for (int64_t r = 0; r < rows.n; r++) {
            CHECK(rows.value[r] == (float)(int)rows.value[r]);
            days += rows.time[r] / 86400;
        }
        if (i == 0) {
            first = fingerprint;
            first_days = days;
        }
        CHECK(fingerprint == first);
        CHECK_EQ(days, first_days);
        qn_triples_free(t);
        folder_remove(f);
    }
}

static void what_cannot_be_is_refused_with_the_numbers(void **state)
{
    qn_context *ctx = *state;
    folder *f = folder_make(ctx);
    qn_datagen_options o = options_for(f, 10, 20, 121);
    qn_datagen_result result;

    CHECK_EQ(qn_datagen_ratings(ctx, &o, &result), QN_EINVAL);
    CHECK_ERROR(ctx, "--ratings 121");
    CHECK_ERROR(ctx, "10 x 20");
    CHECK_ERROR(ctx, "at most 120");
    o.ratings = 19;
    CHECK_EQ(qn_datagen_ratings(ctx, &o, &result), QN_EINVAL);
    CHECK_ERROR(ctx, "fewer than 20");
    o.ratings = 100;
    o.format = FORMAT_NETFLIX;
    CHECK_EQ(qn_datagen_ratings(ctx, &o, &result), QN_EINVAL);
    CHECK_ERROR(ctx, "--shape netflix");
    CHECK_EQ(folder_count(f), 0);
    o.format = FORMAT_CSV;
    folder_put(f, "ratings.csv", "mine");
    CHECK_EQ(qn_datagen_ratings(ctx, &o, &result), QN_EEXISTS);
    folder_expect(f, "ratings.csv", "mine");
    CHECK_EQ(folder_count(f), 1);
    o.overwrite = true;
    CHECK_OK(ctx, qn_datagen_ratings(ctx, &o, &result));
    CHECK_EQ(folder_count(f), 2);
    folder_remove(f);
}

static void every_failed_allocation_and_write_leaves_no_file(void **state)
{
    qn_context *ctx = *state;

    for (int32_t kind = 0; kind < 4; kind++) { /* csv, netflix; allocations, writes */
        qn_status st = QN_ENOMEM;

        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            folder *f = folder_make(ctx);
            qn_datagen_options o = options_for(f, 20, 30, 200);
            qn_datagen_result result;

            o.shape = QN_SHAPE_NETFLIX;
            o.format = kind % 2 ? FORMAT_NETFLIX : FORMAT_CSV;
            if (kind < 2)
                qn_alloc_fail_after(ctx, allowed);
            else
                qn_write_fail_after(ctx, allowed, 28 /* ENOSPC */);
            st = qn_datagen_ratings(ctx, &o, &result);
            qn_alloc_fail_after(ctx, QN_NEVER);
            qn_write_fail_after(ctx, INT64_MAX, 0);
            CHECK(st == QN_OK || st == (kind < 2 ? QN_ENOMEM : QN_EIO));
            CHECK_EQ(folder_count(f), st == QN_OK ? 2 : 0);
            folder_remove(f);
            CHECK_EQ(qn_alloc_live(ctx), 0);
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
        cmocka_unit_test(every_user_and_item_occurs_and_pairs_are_distinct),
        cmocka_unit_test(movielens_has_half_stars_and_twenty_ratings_a_user),
        cmocka_unit_test(the_same_options_give_the_same_bytes_on_any_threads),
        cmocka_unit_test(titles_are_distinct),
        cmocka_unit_test(every_format_holds_the_same_ratings),
        cmocka_unit_test(what_cannot_be_is_refused_with_the_numbers),
        cmocka_unit_test(every_failed_allocation_and_write_leaves_no_file),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
