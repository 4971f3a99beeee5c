/* Ratings larger than the budget: from rows or from a file to both orientations, through merging
 * and splits, with a quarter and an eighth of the bytes that they take. The same blocks as in
 * memory, for any number of ranks; every allocation and every write fails in turn. */
#include "check.h"

#include <errno.h>

#include <xxhash.h>

#include "base/file.h"
#include "base/rng.h"
#include "data/ratings_block.h"
#include "data/triples.h"
#include "engine/comm.h"
#include "engine/scratch.h"
#include "engine/store.h"

#define USERS      4000
#define ITEMS      900
#define ROWS       ((int64_t)1000000)
#define FEW_ROWS   ((int64_t)60000)
#define PARTITIONS 240
#define MAX_RANKS  5
/* Both orientations: an index and a code of one byte an entry. */
#define DATA_BYTES ((size_t)ROWS * 10)

typedef struct answer {
    uint64_t by_user, by_item, fingerprint;
    double sum;
    int64_t n, n_test, duplicates;
    uint64_t test;
} answer;

typedef struct job {
    int64_t rows;
    const char *file; /* read instead of made; NULL: made */
    qn_on_duplicate rule;
    const char *split; /* NULL: none */
    answer answer[MAX_RANKS];
    int64_t spilled[MAX_RANKS];
} job;

static qn_context *open_context(size_t memory, const char *scratch)
{
    const qn_context_options options = {.threads = 2, .memory = memory, .scratch_dir = scratch};
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells.rating_rows = 4;
    ctx->cells.block_rows = 4096;
    return ctx;
}

static int make_folder(void **state)
{
    char *dir = malloc(64);

    *state = dir;
    return dir && disk_dir(dir) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char *dir = *state;
    const int failed = rmdir(dir); /* fails where something is left */

    free(dir);
    return failed;
}

typedef struct made_row {
    uint32_t user, item;
    float value;
    int64_t time;
} made_row;

/* Row i of the data; about one in a hundred repeats the pair of another. */
static made_row row_of(int64_t i, int64_t rows)
{
    const qn_random r = qn_philox(7, QN_STREAM_SAMPLE, (uint64_t)(i % (rows - rows / 100)), 0);
    const qn_random v = qn_philox(8, QN_STREAM_SAMPLE, (uint64_t)i, 0);

    return (made_row){(uint32_t)(qn_uniform(&r, 0) * qn_uniform(&r, 1) * USERS),
                      (uint32_t)(qn_uniform(&r, 2) * ITEMS),
                      (float)(1 + (int)(qn_uniform(&v, 0) * 10)) / 2,
                      (int64_t)(qn_uniform(&v, 1) * 100000)};
}

static qn_status make_ids(qn_context *ctx, int64_t n, qn_ids *ids)
{
    qn_status st = QN_OK;

    QN_NEW(ctx, ids->number, n, "ids");
    ids->type = QN_ID_INT32;
    ids->n = n;
    for (int64_t i = 0; i < n; i++)
        ids->number[i] = i;
done:
    return st;
}

/* Each rank brings every size-th run of rows. */
static qn_status make_rows(qn_context *ctx, const job *j, qn_triples **out)
{
    qn_status st = QN_OK;
    qn_triples *t = NULL;
    uint32_t user[1000], item[1000];
    float value[1000];
    int64_t time[1000];

    QN_TRY(qn_triples_create(ctx, true, &t));
    QN_TRY(make_ids(ctx, USERS, &t->users));
    QN_TRY(make_ids(ctx, ITEMS, &t->items));
    for (int64_t first = 1000 * qn_rank(ctx); first < j->rows; first += 1000 * qn_size(ctx)) {
        for (int64_t i = 0; i < 1000; i++) {
            const made_row row = row_of(first + i, j->rows);

            user[i] = row.user;
            item[i] = row.item;
            value[i] = row.value;
            time[i] = row.time;
        }
        QN_TRY(qn_triples_append(ctx, t, 1000, user, item, value, time));
    }
    *out = t;
    t = NULL;
done:
    qn_triples_free(t);
    return st;
}

static qn_status read_rows(qn_context *ctx, const job *j, qn_triples **out)
{
    qn_ratings_options options;
    const char *input = j->file;

    qn_params_init(&qn_ratings_table, &options);
    options.input = (qn_text_list){&input, 1};
    options.split_bytes = 50000;
    return qn_triples_read(ctx, &options, true, true, out);
}

/* Sum over entries of a hash of (row, place in the row, other, rating). */
static qn_status orientation_digest(qn_context *ctx, const qn_ratings *r, const qn_orientation *o,
                                    uint64_t *sum)
{
    qn_status st = QN_OK;

    *sum = 0;
    for (int64_t b = 0; b < qn_store_n_blocks(o->store); b++) {
        qn_ratings_block v;

        QN_TRY(qn_ratings_block_pin(ctx, o, b, &v));
        for (int64_t s = 0; s < v.n_segments; s++)
            for (uint32_t i = 0; i < v.segment[s].n; i++) {
                const uint32_t at = v.segment[s].start + i;
                const struct {
                    uint32_t row, part, place, other;
                    float value;
                    uint32_t block;
                } record = {v.segment[s].row,
                            v.segment[s].part,
                            i,
                            v.index[at],
                            v.code ? r->value[v.code[at]] : v.value[at],
                            (uint32_t)qn_store_block_partition(o->store, b)};

                *sum += XXH3_64bits(&record, sizeof record);
            }
        qn_store_unpin(o->store, b);
    }
done:
    return st;
}

static qn_status cut_test(qn_context *ctx, const job *j, qn_triples **t, answer *a)
{
    qn_triples *all = *t, *test = NULL;
    qn_split_spec spec;
    qn_status st = QN_OK;

    QN_TRY(qn_split_parse(ctx, j->split, 42, &spec));
    *t = NULL;
    QN_TRY(qn_triples_cut(ctx, &all, &spec, t, &test));
    QN_TRY(qn_triples_fingerprint(ctx, test, &a->test));
    a->n_test = test->n;
    QN_TRY(qn_comm_sum_int64(ctx, &a->n_test, 1));
done:
    qn_triples_free(test);
    return st;
}

static qn_status build_on_rank(qn_context *ctx, void *arg)
{
    job *j = arg;
    answer *a = &j->answer[qn_rank(ctx)];
    qn_status st = QN_OK;
    qn_triples *t = NULL;
    qn_ratings *r = NULL;
    int64_t sums[2];

    if (j->file)
        QN_TRY(read_rows(ctx, j, &t));
    else
        QN_TRY_ALL(make_rows(ctx, j, &t));
    QN_TRY(qn_triples_merge_duplicates(ctx, &t, j->rule));
    if (j->split)
        QN_TRY(cut_test(ctx, j, &t, a));
    QN_TRY(qn_ratings_from_triples(ctx, &t, PARTITIONS, &r));
    QN_TRY_ALL(orientation_digest(ctx, r, &r->by_user, (uint64_t *)&sums[0]));
    QN_TRY_ALL(orientation_digest(ctx, r, &r->by_item, (uint64_t *)&sums[1]));
    QN_TRY(qn_comm_sum_int64(ctx, sums, 2));
    a->by_user = (uint64_t)sums[0];
    a->by_item = (uint64_t)sums[1];
    a->fingerprint = r->fingerprint;
    a->sum = r->sum_ratings;
    a->n = r->n_ratings;
    a->duplicates = r->counts.duplicates;
    j->spilled[qn_rank(ctx)] = (int64_t)qn_context_store_totals(ctx).bytes_spilled;
done:
    qn_triples_free(t);
    qn_ratings_free(r);
    return st;
}

/* Builds with a budget a rank; *spilled: bytes of rank 0. */
static answer build(job j, size_t memory, const char *scratch, int32_t ranks, int64_t *spilled)
{
    qn_context *ctx = open_context(memory, scratch);

    memset(j.answer, 0, sizeof j.answer);
    if (ranks == 1)
        CHECK_OK(ctx, build_on_rank(ctx, &j));
    else
        CHECK_OK(ctx, qn_run_thread_ranks(ctx, ranks, build_on_rank, &j));
    for (int32_t r = 1; r < ranks; r++)
        assert_memory_equal(&j.answer[0], &j.answer[r], sizeof(answer));
    CHECK_EQ(qn_alloc_live(ctx), 0);
    *spilled = j.spilled[0];
    qn_context_free(ctx);
    return j.answer[0];
}

static void a_quarter_and_an_eighth_of_the_bytes_give_the_same_blocks(void **state)
{
    static const char *const splits[] = {NULL, "random:0.8", "temporal:0.8", "leave-one-out"};
    const char *scratch = *state;

    for (int32_t s = 0; s < 4; s++) {
        const job j = {.rows = ROWS,
                       .split = splits[s],
                       .rule = s == 2   ? QN_DUPLICATE_LATEST
                               : s == 3 ? QN_DUPLICATE_MEAN
                                        : QN_DUPLICATE_KEEP};
        int64_t spilled = 0;
        const answer whole = build(j, (size_t)1 << 30, scratch, 1, &spilled);

        CHECK_EQ(spilled, 0);
        CHECK(whole.n + whole.n_test > ROWS / 2);
        CHECK(whole.duplicates > ROWS / 100);
        CHECK((whole.n_test > 0) == (s > 0));
        for (size_t share = 4; share <= (s == 0 ? 8 : 4); share *= 2) {
            const answer held = build(j, DATA_BYTES / share, scratch, 1, &spilled);

            assert_memory_equal(&whole, &held, sizeof whole);
            CHECK(spilled > (int64_t)DATA_BYTES / 2);
        }
    }
}

static void ranks_with_little_memory_each_give_the_same_blocks(void **state)
{
    static const int32_t ranks[] = {2, 5};
    const job j = {.rows = ROWS, .split = "random:0.7", .rule = QN_DUPLICATE_MAX_RATING};
    int64_t spilled = 0;
    const answer whole = build(j, (size_t)1 << 30, NULL, 1, &spilled);

    for (int32_t r = 0; r < 2; r++) {
        const answer held = build(j, DATA_BYTES / 4, *state, ranks[r], &spilled);

        assert_memory_equal(&whole, &held, sizeof whole);
        CHECK(spilled > 0 || ranks[r] == 5);
    }
}

/* Rows as a CSV file in the folder. */
static void write_file(const char *path, int64_t rows)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs("userId,movieId,rating,timestamp\n", file);
    for (int64_t i = 0; i < rows; i++) {
        const made_row row = row_of(i, rows);

        fprintf(file, "%u,%u,%g,%lld\n", row.user * 3 + 1, row.item, (double)row.value,
                (long long)row.time);
    }
    fclose(file);
}

static void a_file_larger_than_the_budget_is_read(void **state)
{
    char path[128], *scratch = *state;
    job j = {.rows = ROWS / 2, .file = path, .split = "leave-one-out"};
    int64_t spilled = 0;
    answer whole, held;

    snprintf(path, sizeof path, "%s.csv", scratch);
    write_file(path, j.rows);
    whole = build(j, (size_t)1 << 30, scratch, 1, &spilled);
    CHECK_EQ(whole.n + whole.n_test, j.rows);
    held = build(j, (size_t)2 << 20, scratch, 1, &spilled); /* two thirds of the orientations */
    unlink(path);
    assert_memory_equal(&whole, &held, sizeof whole);
    CHECK(spilled > 1 << 20);
}

static void without_a_folder_what_does_not_fit_is_refused(void **state)
{
    job j = {.rows = ROWS};
    qn_context *ctx = open_context(DATA_BYTES / 4, NULL);

    (void)state;
    CHECK_EQ(build_on_rank(ctx, &j), QN_ENOMEM);
    CHECK_ERROR(ctx, "--scratch");
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
}

static void a_disk_that_fails_at_any_write_ends_in_an_error(void **state)
{
    static const int errors[] = {ENOSPC, EIO};
    const job small = {.rows = 100000, .split = "random:0.5", .rule = QN_DUPLICATE_MEAN};
    qn_status st = QN_EIO;

    for (int64_t allowed = 0; st != QN_OK; allowed = allowed * 3 + 1) {
        qn_context *ctx = open_context((size_t)1500 << 10, *state);
        job j = small;

        qn_write_fail_after(ctx, allowed, errors[allowed % 2]);
        st = build_on_rank(ctx, &j);
        qn_write_fail_after(ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO || st == QN_ENOMEM);
        CHECK(allowed > 0 || st != QN_OK);
        CHECK_EQ(qn_alloc_live(ctx), 0);
        qn_context_free(ctx);
    }
}

static void spilling_survives_failed_allocations(void **state)
{
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed = allowed * 2 + 1) {
        qn_context *ctx = open_context((size_t)1500 << 10, *state);
        job j = {.rows = FEW_ROWS, .split = "leave-one-out", .rule = QN_DUPLICATE_LATEST};

        CHECK(allowed < 1 << 20); /* by then it does not fit at all */
        qn_alloc_fail_after(ctx, allowed);
        st = build_on_rank(ctx, &j);
        qn_alloc_fail_after(ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(ctx), 0);
        qn_context_free(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quarter_and_an_eighth_of_the_bytes_give_the_same_blocks),
        cmocka_unit_test(ranks_with_little_memory_each_give_the_same_blocks),
        cmocka_unit_test(a_file_larger_than_the_budget_is_read),
        cmocka_unit_test(without_a_folder_what_does_not_fit_is_refused),
        cmocka_unit_test(a_disk_that_fails_at_any_write_ends_in_an_error),
        cmocka_unit_test(spilling_survives_failed_allocations),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
