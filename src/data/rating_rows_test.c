/* The pile, its sort and the merge of its runs: against qsort, with hardly any memory, and with
 * every allocation and write failing. */
#include "data/rating_rows.h"

#include <errno.h>

#include "base/file.h"
#include "base/pool.h"
#include "data/rating_rows_impl.h"
#include "folder.h"

#define FIRST_DAY (-40) /* 1969-11-22 */

static folder *open_folder(void **state, int32_t threads)
{
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&(qn_context_options){.threads = threads}, &ctx), QN_OK);
    *state = folder_make(ctx);
    return *state;
}

static int setup(void **state)
{
    open_folder(state, 3);
    return 0;
}

static int teardown(void **state)
{
    qn_context *ctx = ((folder *)*state)->ctx;

    folder_remove(*state);
    qn_context_free(ctx);
    return 0;
}

/* Row i of a made-up set: ids on both sides of zero, dates on both sides of 1970, some rows twice.
 */
static qn_rating_row made_row(int64_t i, int32_t days)
{
    const uint64_t x = (uint64_t)(i / 2 * 2 + (i % 7 != 0 && i % 2)) * UINT64_C(0x9E3779B97F4A7C15);

    return (qn_rating_row){.movie = (int32_t)(x >> 40 & 255) - 100,
                           .user = (int32_t)(x >> 20 & 0xFFFFF) - 70000,
                           .days = FIRST_DAY + (int32_t)((x >> 10 & 1023) % (uint64_t)days),
                           .rating = (float)((int32_t)(x >> 5 & 7) - 3) / 2,
                           .origin = qn_row_origin(3, i)};
}

static int compare(const void *a, const void *b)
{
    const qn_row_key x = qn_row_key_of(a), y = qn_row_key_of(b);

    return qn_row_key_less(y, x) - qn_row_key_less(x, y);
}

static bool same_values(const qn_rating_row *a, const qn_rating_row *b)
{
    return compare(a, b) == 0;
}

/* Rows in one block, and the room to sort them. */
typedef struct sortable {
    qn_row_block *block;
    qn_rating_row *room[2];
} sortable;

static sortable make_sortable(int64_t n)
{
    const size_t bytes = (size_t)n * sizeof(qn_rating_row);
    sortable s = {malloc(sizeof *s.block + bytes), {malloc(bytes + 1), malloc(bytes + 1)}};

    assert_true(s.block && s.room[0] && s.room[1]);
    s.block->next = NULL;
    s.block->n = n;
    return s;
}

static void free_sortable(sortable *s)
{
    free(s->block);
    free(s->room[0]);
    free(s->room[1]);
}

/* Sorts and compares with what qsort makes of the same rows. */
static void check_sorted(sortable *s)
{
    const int64_t n = s->block->n;
    qn_rating_row *expected = calloc((size_t)n + 1, sizeof *expected);

    assert_non_null(expected);
    memcpy(expected, s->block->row, (size_t)n * sizeof *expected);
    qsort(expected, (size_t)n, sizeof *expected, compare);
    qn_rows_sort(s->block, n, s->room);
    for (int64_t i = 0; i < n; i++)
        CHECK(same_values(&s->block->row[i], &expected[i]));
    free(expected);
}

static void keys_order_as_numbers_do(void **state)
{
    const float rating[] = {-2.5F, -1, 0, 0.5F, 5};
    const int32_t number[] = {INT32_MIN, -1, 0, 1, INT32_MAX};

    (void)state;
    for (int i = 0; i + 1 < 5; i++) {
        const qn_rating_row low = {number[i], 7, 0, 5, 0}, high = {number[i + 1], -7, -1, 1, 0};
        const qn_rating_row user_low = {1, number[i], 9, 5, 0},
                            user_high = {1, number[i + 1], -9, 1, 0};
        const qn_rating_row day_low = {1, 1, number[i], 5, 0},
                            day_high = {1, 1, number[i + 1], -5, 0};
        const qn_rating_row bad = {1, 1, 1, rating[i], 9}, good = {1, 1, 1, rating[i + 1], 0};

        CHECK(compare(&low, &high) < 0 && compare(&high, &low) > 0);
        CHECK(compare(&user_low, &user_high) < 0);
        CHECK(compare(&day_low, &day_high) < 0);
        CHECK(compare(&bad, &good) < 0);
        CHECK(compare(&bad, &bad) == 0);
    }
}

static void sorting_agrees_with_qsort_at_every_length(void **state)
{
    const int64_t lengths[] = {0, 1, 2, 47, 48, 49, 50, 200, 1000, 70000};

    (void)state;
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        sortable s = make_sortable(lengths[k]);

        for (int64_t i = 0; i < lengths[k]; i++)
            s.block->row[i] = made_row(i * 31 % 70001, 300);
        check_sorted(&s);
        free_sortable(&s);
    }
}

/* All rows but one in one bucket of the first digit. */
static void a_crowded_bucket_is_sorted(void **state)
{
    sortable s = make_sortable(3000);

    (void)state;
    for (int64_t i = 0; i < 3000; i++) {
        s.block->row[i] = made_row(i, 20);
        s.block->row[i].movie = i == 1500 ? 1 << 20 : 3;
    }
    check_sorted(&s);
    free_sortable(&s);
}

/* Ids over all of int32: more bits vary than a packed key has. */
static void ids_of_any_size_are_sorted(void **state)
{
    sortable s = make_sortable(5000);

    (void)state;
    for (int64_t i = 0; i < 5000; i++) {
        const uint64_t x = (uint64_t)(i / 3) * UINT64_C(0x9E3779B97F4A7C15);

        s.block->row[i] = (qn_rating_row){.movie = (int32_t)(x >> 32),
                                          .user = (int32_t)x,
                                          .days = (int32_t)(x >> 20) / 2,
                                          .rating = (float)(i % 5) - 2};
    }
    check_sorted(&s);
    free_sortable(&s);
}

static void rows_with_equal_keys_keep_their_order(void **state)
{
    sortable s = make_sortable(200);

    (void)state;
    for (int i = 0; i < 200; i++)
        s.block->row[i] =
            (qn_rating_row){.movie = 5 - i % 2, .user = 9, .rating = 3, .origin = (uint64_t)i};
    qn_rows_sort(s.block, 200, s.room);
    for (uint64_t i = 0; i < 200; i++)
        CHECK_EQ(s.block->row[i].origin, i < 100 ? 2 * i + 1 : 2 * (i - 100));
    free_sortable(&s);
}

/* Adds rows on all threads, a task a hundred. */
typedef struct adding {
    qn_context *ctx;
    qn_row_pile *pile;
    int64_t n;
    int32_t days;
} adding;

static qn_status add_hundred(void *arg, int64_t task, int32_t thread)
{
    const adding *job = arg;
    qn_rating_row row[100];
    int64_t n = job->n - task * 100;

    n = n < 100 ? n : 100;
    for (int64_t i = 0; i < n; i++)
        row[i] = made_row(task * 100 + i, job->days);
    return qn_row_pile_add(job->ctx, job->pile, thread, row, n);
}

static qn_status collect(folder *f, int64_t n, int32_t days, size_t memory, qn_row_pile **out,
                         const int32_t **part, int64_t *n_parts)
{
    adding job = {.ctx = f->ctx, .n = n, .days = days};
    qn_status st = QN_OK;

    *out = NULL;
    QN_TRY(qn_row_pile_create(f->ctx, QN_BY_YEAR_MONTH, memory, f->path, &job.pile));
    QN_TRY(qn_parallel(f->ctx, (n + 99) / 100, add_hundred, &job));
    QN_TRY(qn_row_pile_close(f->ctx, job.pile, part, n_parts));
    *out = job.pile;
    job.pile = NULL;
done:
    qn_row_pile_free(job.pile);
    return st;
}

/* Merges a part and checks it against what a sort of all rows gives. */
static void check_part(folder *f, const qn_row_pile *pile, int32_t part,
                       const qn_rating_row *sorted, int64_t n, int64_t *n_found)
{
    qn_row_merge merge = {0};
    const qn_rating_row *row;
    int64_t at = 0, got;

    CHECK_OK(f->ctx, qn_row_merge_add_part(f->ctx, &merge, qn_row_pile_find(pile, part)));
    CHECK_OK(f->ctx, qn_row_merge_start(f->ctx, &merge));
    do {
        CHECK_OK(f->ctx, qn_row_merge_next(f->ctx, &merge, &row, &got));
        for (int64_t i = 0; i < got; i++, at++) {
            while (at < n && qn_dataset_part(QN_BY_YEAR_MONTH, sorted->days) != part)
                sorted++;
            CHECK(same_values(&row[i], sorted));
            sorted++;
        }
    } while (got > 0);
    CHECK_EQ(at, qn_row_pile_part_rows(pile, part));
    *n_found += at;
    qn_row_merge_release(&merge);
}

static void check_pile(folder *f, int64_t n, int32_t days, size_t memory, bool spills)
{
    qn_rating_row *sorted = calloc((size_t)n + 1, sizeof *sorted);
    qn_row_pile *pile = NULL;
    const int32_t *part;
    int64_t n_parts, found = 0;

    assert_non_null(sorted);
    for (int64_t i = 0; i < n; i++)
        sorted[i] = made_row(i, days);
    qsort(sorted, (size_t)n, sizeof *sorted, compare);
    CHECK_OK(f->ctx, collect(f, n, days, memory, &pile, &part, &n_parts));
    CHECK_EQ(qn_row_pile_rows(pile), n);
    CHECK_EQ(qn_row_pile_spilled(pile) > 0, spills);
    for (int64_t p = 0; p < n_parts; p++) {
        CHECK(p == 0 || part[p - 1] < part[p]);
        check_part(f, pile, part[p], sorted, n, &found);
    }
    CHECK_EQ(found, n);
    CHECK_EQ(qn_row_pile_part_rows(pile, -77777), 0);
    CHECK_EQ(folder_count(f), 0); /* scratch files have no names */
    qn_row_pile_free(pile);
    free(sorted);
}

static void a_pile_gives_each_part_in_order(void **state)
{
    check_pile(*state, 0, 1, 64 << 20, false);
    check_pile(*state, 1, 1, 64 << 20, false);
    check_pile(*state, 20000, 1000, 64 << 20, false);
}

static void a_pile_with_little_memory_spills_and_gives_the_same(void **state)
{
    check_pile(*state, 20000, 1000, 200000, true);
    check_pile(*state, 20000, 1000, 20000, true);
    check_pile(*state, 3000, 1000, 0, true);
}

static void one_huge_part_is_merged_from_many_runs(void **state)
{
    check_pile(*state, 60000, 1, 100000, true);
    check_pile(*state, 300000, 1, 64 << 20, false);
}

static void threads_do_not_show(void **state)
{
    for (int32_t threads = 1; threads <= 2; threads++) {
        void *other = NULL;

        open_folder(&other, threads);
        check_pile(other, 9000, 200, 60000, true);
        teardown(&other);
    }
    (void)state;
}

static void parts_need_not_be_those_of_the_dates(void **state)
{
    folder *f = *state;
    const qn_rating_row row = {.movie = 1, .user = 2, .days = 12000, .rating = 3};
    const int32_t *part;
    int64_t n_parts;
    qn_row_pile *pile = NULL;

    CHECK_OK(f->ctx, qn_row_pile_create(f->ctx, QN_BY_YEAR, 1 << 20, NULL, &pile));
    CHECK_OK(f->ctx, qn_row_pile_add_to(f->ctx, pile, 0, 1969, &row));
    CHECK_OK(f->ctx, qn_row_pile_add_to(f->ctx, pile, 2, -5, &row));
    CHECK_OK(f->ctx, qn_row_pile_add(f->ctx, pile, 1, &row, 1));
    CHECK_OK(f->ctx, qn_row_pile_close(f->ctx, pile, &part, &n_parts));
    CHECK_EQ(n_parts, 3);
    CHECK_EQ(part[0], -5);
    CHECK_EQ(part[1], 1969);
    CHECK_EQ(part[2], 2002);
    qn_row_pile_free(pile);
}

static void many_parts_are_found_again(void **state)
{
    folder *f = *state;
    const int32_t *part;
    int64_t n_parts;
    qn_row_pile *pile = NULL;

    CHECK_OK(f->ctx, qn_row_pile_create(f->ctx, QN_BY_YEAR_MONTH, 4 << 20, f->path, &pile));
    for (int32_t i = 0; i < 20000; i++) {
        const qn_rating_row row = {
            .movie = i, .user = 2, .days = i % 5000 * 31 - 80000, .rating = 3};

        CHECK_OK(f->ctx, qn_row_pile_add(f->ctx, pile, i % 3, &row, 1));
    }
    CHECK_OK(f->ctx, qn_row_pile_close(f->ctx, pile, &part, &n_parts));
    CHECK(n_parts > 4900);
    CHECK_EQ(qn_row_pile_rows(pile), 20000);
    qn_row_pile_free(pile);
}

static void without_scratch_too_many_rows_are_refused(void **state)
{
    folder *f = *state;
    const qn_rating_row row = {.movie = 1, .user = 2, .days = 12000, .rating = 3};
    qn_row_pile *pile = NULL;
    qn_status st = QN_OK;

    CHECK_OK(f->ctx, qn_row_pile_create(f->ctx, QN_BY_YEAR, 100000, NULL, &pile));
    for (int i = 0; i < 10000 && st == QN_OK; i++)
        st = qn_row_pile_add(f->ctx, pile, 0, &row, 1);
    CHECK_EQ(st, QN_ENOMEM);
    CHECK_ERROR(f->ctx, "no scratch folder");
    qn_row_pile_free(pile);
    CHECK_OK(f->ctx, qn_row_pile_create(f->ctx, QN_BY_YEAR, 100000, "/no/such/folder", &pile));
    for (int i = 0; i < 10000 && (st == QN_OK || i == 0); i++)
        st = qn_row_pile_add(f->ctx, pile, 0, &row, 1);
    CHECK_EQ(st, QN_EIO);
    CHECK_ERROR(f->ctx, "/no/such/folder");
    qn_row_pile_free(pile);
}

static void a_pile_survives_every_failed_allocation(void **state)
{
    folder *f = *state;
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_row_pile *pile = NULL;
        const int32_t *part;
        int64_t n_parts;

        qn_alloc_fail_after(f->ctx, allowed);
        st = collect(f, 3000, 700, 60000, &pile, &part, &n_parts);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK((pile != NULL) == (st == QN_OK));
        qn_row_pile_free(pile);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
    }
}

static void a_full_scratch_disk_is_named_with_the_bytes(void **state)
{
    folder *f = *state;
    qn_status st = QN_EIO;
    int64_t failures = 0;

    for (int64_t allowed = 0; st != QN_OK; allowed += 1 + allowed / 2) {
        qn_row_pile *pile = NULL;
        const int32_t *part;
        int64_t n_parts;

        qn_write_fail_after(f->ctx, allowed, ENOSPC);
        st = collect(f, 3000, 700, 60000, &pile, &part, &n_parts);
        qn_write_fail_after(f->ctx, INT64_MAX, 0);
        if (st != QN_OK) {
            CHECK_EQ(st, QN_EIO);
            CHECK_ERROR(f->ctx, f->path);
            CHECK_ERROR(f->ctx, "disk is full");
            failures++;
        }
        qn_row_pile_free(pile);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
        CHECK_EQ(folder_count(f), 0);
    }
    CHECK(failures > 5);
}

static void a_cancelled_pile_stops(void **state)
{
    folder *f = *state;
    const qn_rating_row row = {.movie = 1, .user = 2, .days = 12000, .rating = 3};
    qn_row_pile *pile = NULL;
    qn_status st = QN_OK;

    CHECK_OK(f->ctx, qn_row_pile_create(f->ctx, QN_BY_YEAR, 100000, f->path, &pile));
    qn_context_cancel(f->ctx, 0);
    for (int i = 0; i < 10000 && st == QN_OK; i++)
        st = qn_row_pile_add(f->ctx, pile, 0, &row, 1);
    CHECK_EQ(st, QN_ECANCELLED);
    qn_row_pile_free(pile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_order_as_numbers_do),
        cmocka_unit_test(sorting_agrees_with_qsort_at_every_length),
        cmocka_unit_test(a_crowded_bucket_is_sorted),
        cmocka_unit_test(ids_of_any_size_are_sorted),
        cmocka_unit_test(rows_with_equal_keys_keep_their_order),
        cmocka_unit_test_setup_teardown(a_pile_gives_each_part_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pile_with_little_memory_spills_and_gives_the_same, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(one_huge_part_is_merged_from_many_runs, setup, teardown),
        cmocka_unit_test(threads_do_not_show),
        cmocka_unit_test_setup_teardown(parts_need_not_be_those_of_the_dates, setup, teardown),
        cmocka_unit_test_setup_teardown(many_parts_are_found_again, setup, teardown),
        cmocka_unit_test_setup_teardown(without_scratch_too_many_rows_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pile_survives_every_failed_allocation, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_scratch_disk_is_named_with_the_bytes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_pile_stops, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
