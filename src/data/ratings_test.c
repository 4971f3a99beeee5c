/* The two orientations from triples made by hand: known answers, and the same blocks whatever the
 * order of rows, threads, ranks and partitions. */
#include "check.h"

#include <xxhash.h>

#include "base/pool.h"
#include "data/ratings_block.h"
#include "data/ratings_sort.h"
#include "data/triples_testing.h"
#include "engine/cell.h"
#include "engine/comm.h"
#include "engine/store.h"

typedef struct row {
    int64_t user, item; /* ids */
    float value;
    int64_t time;
} row;

static qn_context *open_context(int32_t threads)
{
    const qn_context_options options = {.threads = threads, .memory = (size_t)1 << 30};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells = (qn_cell_sizes){.rating_rows = 4, .long_row = 8, .table_rows = 4};
    return ctx;
}

static int compare_ids(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Dictionary of the ids of one side: field 0 the user, 1 the item. */
static qn_status make_ids(qn_context *ctx, const row *rows, int64_t n, int32_t field, qn_ids *ids)
{
    qn_status st = QN_OK;
    qn_ids made = {.type = QN_ID_INT32};

    QN_NEW(ctx, made.number, n, "ids");
    for (int64_t i = 0; i < n; i++)
        made.number[i] = field ? rows[i].item : rows[i].user;
    qsort(made.number, (size_t)n, sizeof *made.number, compare_ids);
    for (int64_t i = 0; i < n; i++)
        if (made.n == 0 || made.number[made.n - 1] != made.number[i])
            made.number[made.n++] = made.number[i];
    *ids = made;
done:
    return st;
}

/* The rows i with i mod size == rank. */
static qn_status make_triples(qn_context *ctx, const row *rows, int64_t n, qn_triples **triples)
{
    qn_status st = QN_OK;
    qn_triples *t = NULL;
    flat_rows *list = NULL;
    int64_t n_own = 0;

    *triples = NULL;
    QN_TRY(qn_triples_create(ctx, true, &t));
    QN_TRY(make_ids(ctx, rows, n, 0, &t->users));
    QN_TRY(make_ids(ctx, rows, n, 1, &t->items));
    QN_NEW(ctx, list, 1, "triples");
    for (int64_t i = qn_rank(ctx); i < n; i += qn_size(ctx), n_own++) {
        list->user[n_own] = (uint32_t)qn_ids_find_number(&t->users, rows[i].user);
        list->item[n_own] = (uint32_t)qn_ids_find_number(&t->items, rows[i].item);
        list->value[n_own] = rows[i].value;
        list->time[n_own] = rows[i].time;
    }
    QN_TRY(qn_triples_append(ctx, t, n_own, list->user, list->item, list->value, list->time));
    *triples = t;
    t = NULL;
done:
    qn_free(list);
    qn_triples_free(t);
    return st;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* 900 rows of 50 users and 40 items; user 7 rates much, some pairs stand twice. */
#define N_ROWS 900
static void make_rows(row *rows, int n_values)
{
    uint64_t state = 5;

    for (int64_t i = 0; i < N_ROWS; i++)
        rows[i] = (row){
            .user = i < 22 ? 7 : 3 * (int64_t)(next_random(&state) % 50) + 1,
            .item = i < 22 ? 10 * i : 10 * (int64_t)(next_random(&state) % 40) - 100,
            .value = (float)(next_random(&state) % (uint64_t)n_values + 1) / 2.0f,
            .time = (int64_t)(next_random(&state) % 500),
        };
}

static void shuffle(row *rows, int64_t n, uint64_t seed)
{
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = (int64_t)(next_random(&seed) % (uint64_t)(i + 1));
        const row swap = rows[i];

        rows[i] = rows[j];
        rows[j] = swap;
    }
}

/* Sum over entries of a hash of (place in the whole, row, other, rating, part). */
static uint64_t orientation_digest(qn_context *ctx, const qn_ratings *r, const qn_orientation *o)
{
    uint64_t sum = 0;

    for (int64_t b = 0; b < qn_store_n_blocks(o->store); b++) {
        qn_ratings_block v;

        CHECK_OK(ctx, qn_ratings_block_pin(ctx, o, b, &v));
        for (int64_t s = 0; s < v.n_segments; s++) {
            int64_t place = v.segment[s].part * ctx->cells.long_row;

            CHECK(v.segment[s].n > 0 && v.segment[s].n <= ctx->cells.long_row);
            for (uint32_t q = 0; q < v.segment[s].row; q++)
                place += o->degree[q];
            for (uint32_t i = 0; i < v.segment[s].n; i++, place++) {
                const uint32_t at = v.segment[s].start + i;
                const float value = v.code ? r->value[v.code[at]] : v.value[at];
                const struct {
                    int64_t place;
                    uint32_t row, other;
                    float value;
                    uint32_t part;
                } record = {place, v.segment[s].row, v.index[at], value, v.segment[s].part};

                sum += XXH3_64bits(&record, sizeof record);
            }
        }
        qn_store_unpin(o->store, b);
    }
    return sum;
}

typedef struct answer {
    uint64_t by_user, by_item, fingerprint;
    double sum;
    int64_t n, duplicates;
    int32_t n_values;
} answer;

typedef struct rank_input {
    const row *rows;
    int64_t n;
    int32_t partitions;
    qn_on_duplicate rule;
    answer answer[4];
} rank_input;

static qn_status build_on_rank(qn_context *ctx, void *arg)
{
    rank_input *input = arg;
    answer *a = &input->answer[qn_rank(ctx)];
    qn_status st = QN_OK;
    qn_triples *triples = NULL;
    qn_ratings *r = NULL;
    int64_t digest[2];

    QN_TRY_ALL(make_triples(ctx, input->rows, input->n, &triples));
    QN_TRY(qn_triples_merge_duplicates(ctx, &triples, input->rule));
    QN_TRY(qn_ratings_from_triples(ctx, &triples, input->partitions, &r));
    CHECK(triples == NULL);
    digest[0] = (int64_t)orientation_digest(ctx, r, &r->by_user);
    digest[1] = (int64_t)orientation_digest(ctx, r, &r->by_item);
    QN_TRY(qn_comm_sum_int64(ctx, digest, 2));
    *a = (answer){(uint64_t)digest[0], (uint64_t)digest[1],  r->fingerprint, r->sum_ratings,
                  r->n_ratings,        r->counts.duplicates, r->n_values};
done:
    qn_triples_free(triples);
    qn_ratings_free(r);
    return st;
}

static answer build(int32_t threads, int32_t ranks, const row *rows, int32_t partitions,
                    qn_on_duplicate rule)
{
    qn_context *ctx = open_context(threads);
    rank_input input = {.rows = rows, .n = N_ROWS, .partitions = partitions, .rule = rule};

    if (ranks == 1)
        CHECK_OK(ctx, build_on_rank(ctx, &input));
    else
        CHECK_OK(ctx, qn_run_thread_ranks(ctx, ranks, build_on_rank, &input));
    for (int32_t r = 1; r < ranks; r++)
        assert_memory_equal(&input.answer[0], &input.answer[r], sizeof(answer));
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return input.answer[0];
}

static void check_same(const answer *a, const answer *b)
{
    CHECK(a->by_user == b->by_user);
    CHECK(a->by_item == b->by_item);
    CHECK(a->fingerprint == b->fingerprint);
    CHECK(a->sum == b->sum);
    CHECK_EQ(a->n, b->n);
    CHECK_EQ(a->duplicates, b->duplicates);
    CHECK_EQ(a->n_values, b->n_values);
}

static void sources_1_0_2_and_3_0_give_pointers_0_2_3_4_5(void **state)
{
    /* Spark's in-block example: destination 0 has sources 1, 0, 2 and destination 1 has 3, 0. */
    static const row rows[] = {{1, 10, 1}, {0, 10, 2}, {2, 10, 3}, {3, 11, 4}, {0, 11, 5}};
    static const int64_t pointer[] = {0, 2, 3, 4, 5};
    static const uint32_t item[] = {0, 1, 0, 0, 1};
    static const float rating[] = {2, 5, 1, 3, 4};
    qn_context *ctx = open_context(2);
    qn_triples *triples = NULL;
    qn_ratings *r = NULL;
    qn_ratings_block v;
    int64_t end = 0;

    (void)state;
    CHECK_OK(ctx, make_triples(ctx, rows, 5, &triples));
    CHECK_OK(ctx, qn_ratings_from_triples(ctx, &triples, 0, &r));
    CHECK_EQ(r->users.n, 4);
    CHECK_EQ(qn_store_n_blocks(r->by_user.store), 1);
    CHECK_OK(ctx, qn_ratings_block_pin(ctx, &r->by_user, 0, &v));
    CHECK_EQ(v.n_segments, 4);
    CHECK_EQ(v.n_entries, 5);
    for (int64_t s = 0; s < 4; s++) {
        CHECK_EQ(r->users.number[s], s);
        CHECK_EQ(v.segment[s].row, s);
        CHECK_EQ(v.segment[s].start, pointer[s]);
        end = v.segment[s].start + v.segment[s].n;
        CHECK_EQ(end, pointer[s + 1]);
    }
    for (int64_t e = 0; e < 5; e++) {
        CHECK_EQ(v.index[e], item[e]);
        CHECK(r->value[v.code[e]] == rating[e]);
    }
    qn_store_unpin(r->by_user.store, 0);
    CHECK_EQ(r->n_values, 5);
    CHECK(r->min_rating == 1 && r->max_rating == 5 && r->sum_ratings == 15);
    CHECK_EQ(r->counts.duplicates, 0);
    qn_ratings_free(r);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void one_set_of_blocks_for_any_order_threads_ranks_and_partitions(void **state)
{
    static const int32_t threads[] = {1, 2, 3, 8}, partitions[] = {0, 1, 5, 1000};
    row rows[N_ROWS];
    answer first;

    (void)state;
    for (int n_values = 10; n_values <= 700; n_values += 690) {
        make_rows(rows, n_values);
        first = build(1, 1, rows, 0, QN_DUPLICATE_KEEP);
        CHECK_EQ(first.n_values, n_values == 10 ? 10 : 0);
        CHECK(first.duplicates > 20);
        for (int32_t i = 0; i < 4; i++)
            for (int32_t ranks = 1; ranks <= 3; ranks++) {
                const answer other =
                    build(threads[i], ranks, rows, partitions[(i + ranks) % 4], QN_DUPLICATE_KEEP);

                check_same(&first, &other);
                shuffle(rows, N_ROWS, (uint64_t)(10 * i + ranks));
            }
    }
}

static void another_rating_gives_another_fingerprint_and_digest(void **state)
{
    row rows[N_ROWS];
    answer first, second;

    (void)state;
    make_rows(rows, 10);
    first = build(1, 1, rows, 0, QN_DUPLICATE_KEEP);
    rows[5].value += 0.5f;
    second = build(1, 1, rows, 0, QN_DUPLICATE_KEEP);
    CHECK(first.fingerprint != second.fingerprint);
    CHECK(first.by_user != second.by_user);
    CHECK(first.by_item != second.by_item);
}

static void a_long_row_comes_in_segments_of_one_cell_each(void **state)
{
    row rows[21];
    qn_context *ctx = open_context(2);
    qn_triples *triples = NULL;
    qn_ratings *r = NULL;
    qn_ratings_block v;

    (void)state;
    for (int64_t i = 0; i < 21; i++) /* user 5 rates items 20, 19 ... 1; user 6 one */
        rows[i] = (row){i < 20 ? 5 : 6, i < 20 ? 20 - i : 3, (float)(i % 3), 0};
    CHECK_OK(ctx, make_triples(ctx, rows, 21, &triples));
    CHECK_OK(ctx, qn_ratings_from_triples(ctx, &triples, 0, &r));
    CHECK_OK(ctx, qn_ratings_block_pin(ctx, &r->by_user, 0, &v));
    CHECK_EQ(v.n_segments, 4);
    for (int64_t s = 0; s < 3; s++) {
        CHECK_EQ(v.segment[s].row, 0);
        CHECK_EQ(v.segment[s].part, s);
        CHECK_EQ(v.segment[s].n, s < 2 ? 8 : 4);
        CHECK_EQ(v.segment[s].start, 8 * s);
    }
    CHECK_EQ(v.segment[3].row, 1);
    CHECK_EQ(v.segment[3].part, 0);
    for (uint32_t e = 0; e < 20; e++) {
        CHECK_EQ(v.index[e], e);
        CHECK(r->value[v.code[e]] == (float)((19 - e) % 3));
    }
    CHECK_EQ((uintptr_t)v.index % 64, 0);
    CHECK_EQ((uintptr_t)v.code % 64, 0);
    qn_store_unpin(r->by_user.store, 0);
    qn_ratings_free(r);
    qn_context_free(ctx);
}

/* Ratings of user 1 for item 1: 3 at time 5, 4 at time 9, 2 at time 9; then one for item 2. */
static const row repeated[] = {{1, 1, 3, 5}, {1, 1, 4, 9}, {1, 2, 1, 1}, {1, 1, 2, 9}};

static float merged_value(qn_on_duplicate rule, int64_t *n, int64_t *duplicates)
{
    qn_context *ctx = open_context(1);
    qn_triples *t = NULL;
    flat_rows rows;

    CHECK_OK(ctx, make_triples(ctx, repeated, 4, &t));
    CHECK_OK(ctx, qn_triples_merge_duplicates(ctx, &t, rule));
    flatten(ctx, t, &rows);
    *n = rows.n;
    *duplicates = t->counts.duplicates;
    qn_triples_free(t);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return rows.value[0];
}

static void each_rule_merges_duplicates_its_way(void **state)
{
    int64_t n = 0, duplicates = 0;

    (void)state;
    CHECK(merged_value(QN_DUPLICATE_KEEP, &n, &duplicates) == 3);
    CHECK_EQ(n, 4);
    CHECK(merged_value(QN_DUPLICATE_LATEST, &n, &duplicates) == 4);
    CHECK_EQ(n, 2);
    CHECK_EQ(duplicates, 2);
    CHECK(merged_value(QN_DUPLICATE_MAX_RATING, &n, &duplicates) == 4);
    CHECK_EQ(duplicates, 2);
    CHECK(merged_value(QN_DUPLICATE_MEAN, &n, &duplicates) == 3);
    CHECK_EQ(duplicates, 2);
}

static void fail_names_the_pair_that_stands_twice(void **state)
{
    qn_context *ctx = open_context(2);
    qn_triples *t = NULL;

    (void)state;
    CHECK_OK(ctx, make_triples(ctx, repeated, 4, &t));
    CHECK_EQ(qn_triples_merge_duplicates(ctx, &t, QN_DUPLICATE_FAIL), QN_EDATA);
    CHECK_ERROR(ctx, "user 1 rates item 1 more than once (2 such rows here)");
    assert_null(t);
    CHECK_OK(ctx, qn_triples_create(ctx, false, &t));
    CHECK_EQ(qn_triples_merge_duplicates(ctx, &t, QN_DUPLICATE_LATEST), QN_EINVAL);
    CHECK_ERROR(ctx, "--timestamp-col");
    assert_null(t);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void merging_gives_one_answer_for_any_ranks_and_order(void **state)
{
    static const qn_on_duplicate rules[] = {QN_DUPLICATE_LATEST, QN_DUPLICATE_MAX_RATING,
                                            QN_DUPLICATE_MEAN};
    row rows[N_ROWS];

    (void)state;
    make_rows(rows, 10);
    for (int32_t k = 0; k < 3; k++) {
        const answer first = build(1, 1, rows, 0, rules[k]);

        CHECK(first.n + first.duplicates == N_ROWS);
        for (int32_t ranks = 1; ranks <= 3; ranks++) {
            const answer other = build(ranks, ranks, rows, 3, rules[k]);

            check_same(&first, &other);
            shuffle(rows, N_ROWS, (uint64_t)ranks);
        }
    }
}

static void arranging_survives_every_failed_allocation(void **state)
{
    qn_context *ctx = open_context(2);
    row rows[N_ROWS];
    qn_status st = QN_ENOMEM;

    (void)state;
    make_rows(rows, 700);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        rank_input input = {.rows = rows, .n = N_ROWS, .rule = QN_DUPLICATE_MEAN};

        qn_alloc_fail_after(ctx, allowed);
        st = build_on_rank(ctx, &input);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(ctx), 0);
    }
    qn_context_free(ctx);
}

static void a_cancelled_build_stops_and_leaves_nothing(void **state)
{
    qn_context *ctx = open_context(2);
    row rows[N_ROWS];
    rank_input input = {.rows = rows, .n = N_ROWS};

    (void)state;
    make_rows(rows, 10);
    qn_context_cancel(ctx, 2);
    CHECK_EQ(build_on_rank(ctx, &input), QN_ECANCELLED);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void keys_sort_at_awkward_lengths(void **state)
{
    static const int64_t lengths[] = {0, 1, 2, 31, 32, 33, 100, 257, 3000};
    uint64_t keys[6000], random = 9;

    (void)state;
    for (int32_t l = 0; l < 9; l++)
        for (int32_t wide = 0; wide < 2; wide++) {
            uint64_t sum = 0;

            for (int64_t i = 0; i < lengths[l]; i++) {
                keys[i] = next_random(&random);
                keys[i] = wide ? keys[i] << 40 ^ next_random(&random) : keys[i] % 50;
                sum += keys[i];
            }
            qn_sort_keys(keys, lengths[l], keys + 3000);
            CHECK(qn_keys_ascend(keys, lengths[l]));
            for (int64_t i = 0; i < lengths[l]; i++)
                sum -= keys[i];
            CHECK(sum == 0);
        }
    for (float f = -3.5f; f <= 3.5f; f += 0.5f) {
        CHECK(qn_float_of_order(qn_float_order(f)) == f);
        CHECK(qn_float_order(f) < qn_float_order(f + 0.5f));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_1_0_2_and_3_0_give_pointers_0_2_3_4_5),
        cmocka_unit_test(one_set_of_blocks_for_any_order_threads_ranks_and_partitions),
        cmocka_unit_test(another_rating_gives_another_fingerprint_and_digest),
        cmocka_unit_test(a_long_row_comes_in_segments_of_one_cell_each),
        cmocka_unit_test(each_rule_merges_duplicates_its_way),
        cmocka_unit_test(fail_names_the_pair_that_stands_twice),
        cmocka_unit_test(merging_gives_one_answer_for_any_ranks_and_order),
        cmocka_unit_test(arranging_survives_every_failed_allocation),
        cmocka_unit_test(a_cancelled_build_stops_and_leaves_nothing),
        cmocka_unit_test(keys_sort_at_awkward_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
