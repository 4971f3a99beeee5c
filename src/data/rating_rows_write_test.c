/* Generations: what each rule keeps, by small answers; the same bytes whatever the way; and what
 * fails. */
#include "data/rating_rows.h"

#include <errno.h>

#include "data/rating_rows_testing.h"

static void rows_are_sorted_and_parted_by_month(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row row[] = {row_of(2, 5, 2005, 9, 6, 4),   row_of(1, 9, 2005, 9, 30, 3),
                                 row_of(1, -4, 2005, 9, 30, 5), row_of(7, 7, 1969, 12, 31, 1),
                                 row_of(-3, 8, 2005, 10, 1, 2), row_of(1, 9, 2005, 9, 2, 1)};
    const qn_rating_row expected[] = {row[3], row[2], row[5], row[1], row[0], row[4]};
    qn_dataset_manifest manifest;
    char *dir = NULL;

    r->path = folder_file(f, "set");
    CHECK_OK(r->ctx, upsert(r, row, COUNT(row)));
    expect_rows(r, expected, COUNT(expected));
    CHECK_EQ(r->written.rows_new, 6);
    CHECK_EQ(r->written.rows_written, 6);
    CHECK_EQ(r->written.rows_old, 0);
    CHECK_EQ(r->written.parts_written, 3);
    CHECK_EQ(r->written.files_written, 3);
    read_manifest(r, &manifest, &dir);
    CHECK(strncmp(manifest.file[0].path, "year=1969/month=12/part-00000-", 30) == 0);
    CHECK(strncmp(manifest.file[1].path, "year=2005/month=9/part-00000-", 29) == 0);
    qn_dataset_manifest_release(&manifest);
    qn_free(dir);
    folder_remove(f);
}

/* One pair three times on one day, twice on another day of another month. */
static void write_duplicates(run *r, folder *f, int32_t rule)
{
    qn_rating_row row[] = {row_of(1, 1, 2005, 9, 6, 3),  row_of(1, 1, 2005, 9, 6, 5),
                           row_of(1, 1, 2005, 9, 6, 4),  row_of(1, 1, 2005, 11, 1, 2),
                           row_of(1, 1, 2005, 11, 1, 1), row_of(1, 2, 2005, 9, 6, 1)};

    for (int64_t i = 0; i < COUNT(row); i++)
        row[i].origin = qn_row_origin(0, i);
    r->path = folder_file(f, "set");
    r->on_duplicate = rule;
    CHECK_OK(r->ctx, upsert(r, row, COUNT(row)));
    CHECK_EQ(r->written.rows_dropped, r->n_dropped);
    CHECK_EQ(r->written.rows_written + r->n_dropped, COUNT(row));
}

static void max_rating_keeps_the_highest_of_each_day(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row expected[] = {row_of(1, 1, 2005, 9, 6, 5), row_of(1, 2, 2005, 9, 6, 1),
                                      row_of(1, 1, 2005, 11, 1, 2)};

    write_duplicates(r, f, QN_KEEP_MAX_RATING);
    expect_rows(r, expected, COUNT(expected));
    CHECK_EQ(r->n_dropped, 3);
    for (int i = 0; i < 3; i++)
        CHECK(r->winner[i].rating > r->dropped[i].rating);
    folder_remove(f);
}

static void latest_keeps_one_rating_of_a_pair(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row expected[] = {row_of(1, 2, 2005, 9, 6, 1), row_of(1, 1, 2005, 11, 1, 2)};

    write_duplicates(r, f, QN_KEEP_LATEST);
    expect_rows(r, expected, COUNT(expected));
    CHECK_EQ(r->n_dropped, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(r->winner[i].origin, qn_row_origin(0, 3));
    folder_remove(f);
}

static void keep_keeps_all(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row expected[] = {row_of(1, 1, 2005, 9, 6, 3),  row_of(1, 1, 2005, 9, 6, 4),
                                      row_of(1, 1, 2005, 9, 6, 5),  row_of(1, 2, 2005, 9, 6, 1),
                                      row_of(1, 1, 2005, 11, 1, 1), row_of(1, 1, 2005, 11, 1, 2)};

    write_duplicates(r, f, QN_KEEP_ALL);
    expect_rows(r, expected, COUNT(expected));
    CHECK_EQ(r->n_dropped, 0);
    folder_remove(f);
}

static void mean_makes_one_row_of_doubles(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row expected[] = {row_of(1, 1, 2005, 9, 6, 4), row_of(1, 2, 2005, 9, 6, 1),
                                      row_of(1, 1, 2005, 11, 1, 1.5F)};

    r->is_double = true;
    write_duplicates(r, f, QN_KEEP_MEAN);
    expect_rows(r, expected, COUNT(expected));
    CHECK_EQ(r->n_dropped, 3);
    folder_remove(f);
}

static void fail_names_the_first_two_rows(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row row[] = {row_of(4, 1, 2005, 9, 6, 3), row_of(4, 1, 2005, 9, 6, 5),
                                 row_of(9, 1, 1969, 9, 6, 4), row_of(9, 1, 1969, 9, 6, 2)};

    r->path = folder_file(f, "set");
    r->on_duplicate = QN_KEEP_FAIL;
    CHECK_EQ(upsert(r, row, COUNT(row)), QN_EDATA);
    CHECK_ERROR(r->ctx, "user 1 rates movie 9 twice on 1969-09-06 (2, and 4)");
    CHECK(!folder_has(f, "set"));
    folder_remove(f);
}

static void ties_go_to_the_stored_row_then_to_the_first(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    qn_rating_row row[] = {row_of(1, 1, 2005, 9, 6, 3), row_of(1, 1, 2005, 9, 6, 3)};

    row[0].origin = qn_row_origin(2, 8);
    row[1].origin = qn_row_origin(1, 9);
    r->path = folder_file(f, "set");
    CHECK_OK(r->ctx, upsert(r, row, 2));
    CHECK_EQ(r->n_dropped, 1);
    CHECK_EQ(r->winner[0].origin, row[1].origin);
    CHECK_EQ(r->dropped[0].origin, row[0].origin);
    CHECK_OK(r->ctx, upsert(r, row, 1));
    CHECK_EQ(r->n_dropped, 1);
    CHECK_EQ(r->winner[0].origin, QN_ORIGIN_STORED | qn_row_origin(0, 0));
    CHECK_EQ(r->dropped[0].origin, row[0].origin);
    CHECK_EQ(r->written.rows_old, 1);
    row[0].rating = 4;
    CHECK_OK(r->ctx, upsert(r, row, 1));
    CHECK_EQ(r->n_dropped, 1);
    CHECK_EQ(r->dropped[0].origin, QN_ORIGIN_STORED | qn_row_origin(0, 0));
    folder_remove(f);
}

static void untouched_months_are_linked(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row first[] = {row_of(1, 1, 2005, 9, 6, 3), row_of(1, 2, 2005, 9, 6, 3),
                                   row_of(1, 1, 2005, 10, 6, 3)};
    const qn_rating_row second[] = {row_of(1, 0, 2005, 10, 6, 3), row_of(1, 1, 2005, 11, 6, 3)};
    const qn_rating_row expected[] = {first[0], first[1], second[0], first[2], second[1]};

    r->path = folder_file(f, "set");
    CHECK_OK(r->ctx, upsert(r, first, COUNT(first)));
    CHECK_OK(r->ctx, upsert(r, second, COUNT(second)));
    expect_rows(r, expected, COUNT(expected));
    CHECK_EQ(r->written.files_linked, 1);
    CHECK_EQ(r->written.files_written, 2);
    CHECK_EQ(r->written.rows_old, 1);
    r->all = true;
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    CHECK_EQ(r->written.files_linked, 0);
    CHECK_EQ(r->written.rows_old, 5);
    expect_rows(r, expected, COUNT(expected));
    folder_remove(f);
}

static void latest_rewrites_only_months_that_hold_an_older_rating(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row first[] = {row_of(1, 1, 2005, 9, 6, 3), row_of(1, 2, 2005, 9, 6, 3),
                                   row_of(1, 3, 2005, 10, 6, 3), row_of(5, 5, 2005, 12, 1, 1)};
    const qn_rating_row second[] = {row_of(1, 1, 2005, 11, 6, 2), row_of(5, 5, 2005, 11, 1, 5)};
    const qn_rating_row expected[] = {first[1], first[2], second[0], first[3]};

    r->path = folder_file(f, "set");
    r->on_duplicate = QN_KEEP_LATEST;
    CHECK_OK(r->ctx, upsert(r, first, COUNT(first)));
    CHECK_OK(r->ctx, upsert(r, second, COUNT(second)));
    expect_rows(r, expected, COUNT(expected));
    CHECK_EQ(r->written.files_linked, 2); /* October, and December, whose row wins */
    CHECK_EQ(r->written.files_written, 2);
    CHECK_EQ(r->n_dropped, 2);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(r->winner[i].origin >> 63, r->dropped[i].movie == 5);
    folder_remove(f);
}

static void a_rule_that_changes_is_applied_to_all(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row expected[] = {row_of(1, 2, 2005, 9, 6, 1), row_of(1, 1, 2005, 11, 1, 2)};

    write_duplicates(r, f, QN_KEEP_ALL);
    r->on_duplicate = QN_KEEP_LATEST;
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    expect_rows(r, expected, COUNT(expected));
    CHECK_EQ(r->n_dropped, 4);
    folder_remove(f);
}

static void rows_of_a_removed_user_go(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row first[] = {row_of(1, 1, 2005, 9, 6, 3), row_of(1, 2, 2005, 9, 6, 3),
                                   row_of(1, 1, 2005, 10, 6, 3)};

    r->path = folder_file(f, "set");
    CHECK_OK(r->ctx, upsert(r, first, COUNT(first)));
    r->has_removed_user = r->all = true;
    r->removed_user = 1;
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    expect_rows(r, first + 1, 1);
    CHECK_EQ(r->written.rows_removed, 2);
    CHECK_EQ(r->n_dropped, 0);
    CHECK_EQ(r->written.files_written, 1); /* October is gone */
    folder_remove(f);
}

/* Many rows, in an order of their own: `salt` turns it. */
static qn_rating_row *many_rows(int64_t n, int64_t salt)
{
    qn_rating_row *row = calloc((size_t)n, sizeof *row);

    assert_non_null(row);
    for (int64_t i = 0; i < n; i++) {
        const uint64_t k = (uint64_t)((i * 7919 + salt * 131) % n);
        const uint64_t x = k * UINT64_C(0x9E3779B97F4A7C15);

        row[i] = (qn_rating_row){.movie = (int32_t)(x >> 40 & 63),
                                 .user = (int32_t)(x >> 20 & 1023),
                                 .days = 12500 + (int32_t)(x >> 10 & 127),
                                 .rating = (float)(1 + (x >> 5) % 5),
                                 .origin = k};
    }
    return row;
}

/* Threads, memory and the way of coming to these rows do not show in the bytes. */
static void the_same_rows_give_the_same_bytes(void **state)
{
    const int64_t n = 40000, half = n / 2;
    const struct {
        int32_t threads;
        size_t memory;
        int64_t salt, first;
    } ways[] = {{1, 8 << 20, 0, 0},  {2, 8 << 20, 5, 0},      {3, 100000, 9, 0},
                {2, 50000, 3, half}, {3, 8 << 20, 3, n - 10}, {2, 0, 4, 3000}};
    qn_string expected = {0}, text = {0};

    (void)state;
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        void *other = NULL;
        qn_rating_row *row = many_rows(n, ways[w].salt);
        folder *f;
        run *r;

        setup_threads(&other, ways[w].threads);
        r = other;
        f = folder_make(r->ctx);
        r->path = folder_file(f, "set");
        r->memory = ways[w].memory;
        r->file_size = 16000; /* 4,000 rows: several files a month */
        if (ways[w].first > 0)
            CHECK_OK(r->ctx, upsert(r, row, ways[w].first));
        CHECK_OK(r->ctx, upsert(r, row + ways[w].first, n - ways[w].first));
        digests(r, w == 0 ? &expected : &text);
        if (w > 0)
            CHECK_TEXT(qn_string_text(&text), qn_string_text(&expected));
        folder_remove(f);
        teardown(&other);
        free(row);
    }
    CHECK(strstr(qn_string_text(&expected), ":4000:") != NULL);
    qn_string_release(&expected);
    qn_string_release(&text);
}

/* Whether b, another row, takes a's place. */
static bool loses(int32_t rule, const qn_rating_row *a, const qn_rating_row *b, bool b_is_later)
{
    if (rule == QN_KEEP_ALL || a->movie != b->movie || a->user != b->user)
        return false;
    if (a->days != b->days)
        return rule == QN_KEEP_LATEST && a->days < b->days;
    return a->rating < b->rating || (a->rating == b->rating && !b_is_later);
}

/* Sorted as files are: by month, then as rows are. */
static int compare_in_files(const void *a, const void *b)
{
    const qn_rating_row *x = a, *y = b;
    const int32_t p = qn_dataset_part(QN_BY_YEAR_MONTH, x->days);
    const int32_t q = qn_dataset_part(QN_BY_YEAR_MONTH, y->days);
    const int64_t by[] = {p - q, x->movie - y->movie, x->user - y->user, x->days - y->days,
                          (int64_t)(2 * x->rating) - (int64_t)(2 * y->rating)};

    for (int i = 0; i < 5; i++)
        if (by[i] != 0)
            return by[i] < 0 ? -1 : 1;
    return 0;
}

/* Sixty rows of a dozen pairs over five months come in three upserts. */
static void rules_agree_with_comparing_each_row_to_each(void **state)
{
    const int32_t rules[] = {QN_KEEP_MAX_RATING, QN_KEEP_LATEST, QN_KEEP_ALL};
    run *r = *state;

    for (int round = 0; round < 9; round++) {
        folder *f = folder_make(r->ctx);
        qn_rating_row row[60], expected[60];
        int64_t n = 0;

        r->path = folder_file(f, "set");
        r->on_duplicate = rules[round % 3];
        for (int64_t i = 0; i < 60; i++) {
            const uint64_t x = (uint64_t)(i + 1 + 100 * round) * UINT64_C(0x9E3779B97F4A7C15) >> 13;

            row[i] = (qn_rating_row){.movie = (int32_t)(x % 3),
                                     .user = (int32_t)(x / 3 % 4),
                                     .days = -60 + (int32_t)(x / 12 % 30) * 5,
                                     .rating = (float)(1 + x / 4096 % 5),
                                     .origin = (uint64_t)i};
        }
        for (int64_t i = 0; i < 60; i++) {
            bool stays = true;

            for (int64_t k = 0; k < 60; k++)
                stays &= k == i || !loses(r->on_duplicate, &row[i], &row[k], k > i);
            if (stays)
                expected[n++] = row[i];
        }
        qsort(expected, (size_t)n, sizeof *expected, compare_in_files);
        for (int64_t i = 0; i < 3; i++)
            CHECK_OK(r->ctx, upsert(r, row + 20 * i, 20));
        expect_rows(r, expected, n);
        folder_remove(f);
    }
}

static void files_that_do_not_follow_the_cuts_are_compacted(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    qn_rating_row *row = many_rows(20000, 1);
    qn_string small = {0}, large = {0}, again = {0};

    r->path = folder_file(f, "set");
    CHECK_OK(r->ctx, upsert(r, row, 20000));
    digests(r, &large);
    r->file_size = 5000;
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    CHECK_EQ(r->written.files_written, 0);
    r->compact = true;
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    CHECK_EQ(r->written.files_linked, 0);
    CHECK(r->written.files_written > 8);
    digests(r, &small);
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    CHECK_EQ(r->written.files_written, 0);
    r->file_size = 1 << 20;
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    digests(r, &again);
    CHECK_TEXT(qn_string_text(&again), qn_string_text(&large));
    CHECK(strcmp(qn_string_text(&small), qn_string_text(&large)) != 0);
    qn_string_release(&small);
    qn_string_release(&large);
    qn_string_release(&again);
    free(row);
    folder_remove(f);
}

static void fractions_in_a_data_set_of_whole_numbers_are_refused(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row row = row_of(3, 4, 2005, 9, 6, 3.5F);

    r->path = folder_file(f, "set");
    CHECK_EQ(upsert(r, &row, 1), QN_EDATA);
    CHECK_ERROR(r->ctx, "user 4 rates movie 3 with 3.5");
    CHECK(!folder_has(f, "set"));
    folder_remove(f);
}

static void decimals_are_stored_as_written(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row row[] = {row_of(1, 1, 2005, 9, 6, 3.7F), row_of(1, 2, 2005, 9, 6, -0.1F),
                                 row_of(1, 3, 2005, 9, 6, 16777216.0F),
                                 row_of(1, 4, 2005, 9, 6, 3.3333333F)};
    qn_string one = {0}, two = {0};

    r->path = folder_file(f, "set");
    r->is_double = true;
    CHECK_OK(r->ctx, upsert(r, row, COUNT(row)));
    expect_rows(r, row, COUNT(row));
    digests(r, &one);
    r->all = true;
    CHECK_OK(r->ctx, upsert(r, NULL, 0));
    digests(r, &two);
    CHECK_TEXT(qn_string_text(&one), qn_string_text(&two));
    qn_string_release(&one);
    qn_string_release(&two);
    folder_remove(f);
}

static void every_failed_allocation_leaves_the_old_data_set(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row first[] = {row_of(1, 1, 2005, 9, 6, 3), row_of(1, 2, 2005, 9, 6, 3)};
    const qn_rating_row second[] = {row_of(1, 1, 2005, 9, 6, 4), row_of(1, 2, 2005, 10, 6, 3)};
    const qn_rating_row expected[] = {first[1], second[0], second[1]};
    qn_status st = QN_ENOMEM;

    r->path = folder_file(f, "set");
    r->on_duplicate = QN_KEEP_LATEST;
    CHECK_OK(r->ctx, upsert(r, first, 2));
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(r->ctx, allowed);
        st = upsert(r, second, 2);
        qn_alloc_fail_after(r->ctx, QN_NEVER);
        if (st != QN_OK) {
            CHECK_EQ(st, QN_ENOMEM);
            if (allowed % 16 == 0)
                expect_rows(r, first, 2);
        }
        CHECK_EQ(qn_alloc_live(r->ctx), 0);
    }
    expect_rows(r, (const qn_rating_row[]){expected[1], expected[2]}, 2);
    folder_remove(f);
}

static void every_failed_write_leaves_the_old_data_set(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row first[] = {row_of(1, 1, 2005, 9, 6, 3)};
    const qn_rating_row second[] = {row_of(1, 1, 2005, 9, 6, 4), row_of(1, 2, 2005, 10, 6, 3)};
    qn_status st = QN_EIO;

    r->path = folder_file(f, "set");
    CHECK_OK(r->ctx, upsert(r, first, 1));
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        found now;

        qn_write_fail_after(r->ctx, allowed, ENOSPC);
        st = upsert(r, second, 2);
        qn_write_fail_after(r->ctx, INT64_MAX, 0);
        read_back(r, &now);
        CHECK(now.n == 1 || now.n == 2);
        CHECK_NEAR((double)now.row[0].rating, now.n == 1 ? 3 : 4, 0);
        if (now.n == 2)
            break;
        CHECK_EQ(st, QN_EIO);
    }
    folder_remove(f);
}

static void a_cancelled_generation_is_none(void **state)
{
    run *r = *state;
    folder *f = folder_make(r->ctx);
    const qn_rating_row row = row_of(3, 4, 2005, 9, 6, 3);

    r->path = folder_file(f, "set");
    qn_context_cancel(r->ctx, 0);
    CHECK_EQ(upsert(r, &row, 1), QN_ECANCELLED);
    CHECK(!folder_has(f, "set"));
    folder_remove(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_are_sorted_and_parted_by_month, setup, teardown),
        cmocka_unit_test_setup_teardown(max_rating_keeps_the_highest_of_each_day, setup, teardown),
        cmocka_unit_test_setup_teardown(latest_keeps_one_rating_of_a_pair, setup, teardown),
        cmocka_unit_test_setup_teardown(keep_keeps_all, setup, teardown),
        cmocka_unit_test_setup_teardown(mean_makes_one_row_of_doubles, setup, teardown),
        cmocka_unit_test_setup_teardown(fail_names_the_first_two_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(ties_go_to_the_stored_row_then_to_the_first, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(untouched_months_are_linked, setup, teardown),
        cmocka_unit_test_setup_teardown(latest_rewrites_only_months_that_hold_an_older_rating,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_rule_that_changes_is_applied_to_all, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_of_a_removed_user_go, setup, teardown),
        cmocka_unit_test(the_same_rows_give_the_same_bytes),
        cmocka_unit_test_setup_teardown(rules_agree_with_comparing_each_row_to_each, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(files_that_do_not_follow_the_cuts_are_compacted, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fractions_in_a_data_set_of_whole_numbers_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(decimals_are_stored_as_written, setup, teardown),
        cmocka_unit_test_setup_teardown(every_failed_allocation_leaves_the_old_data_set, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_failed_write_leaves_the_old_data_set, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_generation_is_none, setup, teardown),
    };

    return has_module() ? cmocka_run_group_tests(tests, NULL, NULL) : 77;
}
