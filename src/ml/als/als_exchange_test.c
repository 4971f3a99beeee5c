/* Rows by need: the same bits as by all rows and as on one rank, on any number of ranks and
 * threads, in memory and spilled; what a step tells that it moved is what the communicators count;
 * every allocation fails in turn. */
#include "ml/als/als_testing.h"

#include <stdatomic.h>

#include "base/file.h"

#define MAX_RANKS 7

/* Ratings of a shape, and one way to fit them. */
typedef struct job {
    int64_t n_users, n_items, n;
    qn_als_params params;
    int32_t partitions;
    size_t memory; /* 0: plenty */
    const char *scratch;
    int32_t failing_rank; /* -1: none */
    int64_t allowed;
    uint64_t bits[MAX_RANKS];
    qn_status status[MAX_RANKS];
    int64_t leaked[MAX_RANKS];
    atomic_llong spilled;
    atomic_llong items_moved; /* in stages that solve items */
    double items_told;        /* by steps */
    int32_t by_need, steps_by_need;
} job;

typedef struct watch {
    qn_context *ctx;
    job *j;
    bool is_items; /* the stage that runs */
} watch;

static void look_at_step(job *j, const char *text)
{
    char rows[2][16];
    double bytes[2];

    if (!text)
        return;
    CHECK_EQ(sscanf(text, "items\t%15[^\t]\t%lf\nusers\t%15[^\t]\t%lf\n", rows[0], &bytes[0],
                    rows[1], &bytes[1]),
             4);
    j->items_told += bytes[0];
    for (int32_t s = 0; s < 2; s++)
        j->steps_by_need += !strcmp(rows[s], "needed rows");
}

static void look(void *user, const qn_event *event)
{
    watch *w = user;

    if (event->kind == QN_EVENT_STAGE_START)
        w->is_items = !strncmp(event->name, "items ", 6);
    else if (event->kind == QN_EVENT_STAGE_END && w->is_items)
        atomic_fetch_add(&w->j->items_moved, event->bytes_moved);
    else if (qn_rank(w->ctx) != 0)
        return;
    else if (event->kind == QN_EVENT_STEP)
        look_at_step(w->j, event->text);
    else if (event->kind == QN_EVENT_FACT && !strncmp(event->name, "exchange_", 9))
        w->j->by_need += !strncmp(event->text, "needed rows:", 12);
}

static qn_status fit_rank(qn_context *ctx, void *arg)
{
    job *j = arg;
    const int32_t rank = qn_rank(ctx);
    const int64_t live = qn_alloc_live(ctx);
    test_rating *list = test_random(j->n_users, j->n_items, j->n, 23);
    watch w = {.ctx = ctx, .j = j};
    qn_ratings *ratings = NULL;
    qn_als_model *model = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_context_add_sink(ctx, look, &w));
    QN_TRY(test_ratings(ctx, list, j->n, j->partitions, &ratings));
    if (rank == j->failing_rank)
        qn_alloc_fail_after(ctx, j->allowed);
    st = qn_als_fit(ctx, &j->params, ratings, &model);
    qn_alloc_fail_after(ctx, QN_NEVER);
    CHECK((model != NULL) == (st == QN_OK));
    if (model)
        j->bits[rank] = test_model_bits(model);
    atomic_fetch_add(&j->spilled, (int64_t)qn_context_store_totals(ctx).bytes_spilled);
done:
    qn_als_free(model);
    qn_ratings_free(ratings);
    free(list);
    j->status[rank] = st;
    j->leaked[rank] = qn_alloc_live(ctx) - live;
    return st;
}

static qn_status run(job *j, int32_t ranks, int32_t threads)
{
    const qn_context_options options = {
        .threads = threads, .memory = j->memory, .scratch_dir = j->scratch};
    qn_context *ctx = NULL;
    qn_status st;

    CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells.rating_rows = 4;
    j->by_need = j->steps_by_need = 0;
    j->items_told = 0;
    atomic_store(&j->items_moved, 0);
    atomic_store(&j->spilled, 0);
    st = qn_run_thread_ranks(ctx, ranks, fit_rank, j);
    for (int32_t r = 0; r < ranks; r++)
        CHECK_EQ(j->leaked[r], 0);
    if (j->failing_rank < 0 && st != QN_OK)
        print_error("%s\n", qn_context_error(ctx));
    qn_context_free(ctx);
    return st;
}

/* n random ratings, to be fitted in plenty of memory, with nothing that fails. */
static job make_job(int64_t n_users, int64_t n_items, int64_t n, int32_t partitions,
                    qn_als_params params)
{
    return (job){.n_users = n_users,
                 .n_items = n_items,
                 .n = n,
                 .params = params,
                 .partitions = partitions,
                 .failing_rank = -1};
}

/* One or two ratings a row: rows go by need on every number of ranks but one. */
static job sparse_job(qn_als_params params)
{
    return make_job(900, 700, 1200, 23, params);
}

/* As many ratings a row as there are rows: all rows go to all. */
static job dense_job(qn_als_params params)
{
    return make_job(60, 50, 4000, 11, params);
}

/* Every number of ranks and threads; `by_need`: sides that must go by need on more than one. */
static void every_shape(job j, int32_t by_need)
{
    static const int32_t sizes[] = {1, 2, 3, 5, 7};
    uint64_t wanted = 0;

    for (size_t i = 0; i < 5; i++)
        for (int32_t threads = 1; threads <= 2; threads++) {
            CHECK_EQ(run(&j, sizes[i], threads), QN_OK);
            CHECK_EQ(j.by_need, sizes[i] > 1 ? by_need : 0);
            wanted = wanted ? wanted : j.bits[0];
            for (int32_t r = 0; r < sizes[i]; r++)
                CHECK(j.bits[r] == wanted);
        }
}

static void needed_rows_give_the_bits_of_all_rows(void **state)
{
    qn_als_params params = test_params(5, 4, 0.05);

    (void)state;
    every_shape(sparse_job(params), 2);
    every_shape(dense_job(params), 0);
    params.implicit_prefs = true;
    every_shape(sparse_job(params), 2);
    params.nonnegative = true;
    every_shape(sparse_job(params), 2);
    params = test_params(5, 4, 0.05);
    params.bias = QN_ALS_BIAS_FULL;
    every_shape(sparse_job(params), 2);
    every_shape(dense_job(params), 0);
    params.init = QN_ALS_INIT_SPARK;
    every_shape(sparse_job(params), 2);
}

/* All rows go once more than in other fits, so it takes more sweeps to pay. */
static void so_they_do_where_a_fit_may_stop_early(void **state)
{
    qn_als_params params = test_params(5, 30, 0.05);

    (void)state;
    params.early_stop = 2;
    params.validation = 0.2;
    every_shape(sparse_job(params), 2);
    params.init = QN_ALS_INIT_SPARK;
    params.bias = QN_ALS_BIAS_FULL;
    every_shape(sparse_job(params), 2);
}

static void few_sweeps_do_without(void **state)
{
    (void)state;
    every_shape(sparse_job(test_params(3, 0, 0.05)), 0);
    every_shape(sparse_job(test_params(3, 1, 0.05)), 1); /* the first users alone */
}

/* A quarter of the cells: some ranks own nothing. */
static void ranks_without_rows_are_in_it(void **state)
{
    job j = sparse_job(test_params(4, 4, 0.05));

    (void)state;
    j.partitions = 3;
    every_shape(j, 2);
    j.n_users = 7; /* two cells of users, by whom all items are rated */
    j.n_items = 900;
    for (int32_t ranks = 1; ranks <= 7; ranks += 2) {
        const uint64_t bits = j.bits[0];

        CHECK_EQ(run(&j, ranks, 2), QN_OK);
        CHECK(ranks == 1 || j.bits[0] == bits);
        for (int32_t r = 0; r < ranks; r++)
            CHECK(j.bits[r] == j.bits[0]);
    }
}

static void spilled_ratings_and_rounds_of_rows_give_the_same_bits(void **state)
{
    char scratch[64];
    job j = make_job(30000, 20000, 60000, 60, test_params(5, 3, 0.05));
    uint64_t wanted;

    (void)state;
    assert_non_null(disk_dir(scratch));
    CHECK_EQ(run(&j, 1, 1), QN_OK);
    CHECK_EQ(atomic_load(&j.spilled), 0);
    wanted = j.bits[0];
    j.scratch = scratch;
    for (int32_t ranks = 1; ranks <= 5; ranks += 2) { /* 3 MB are factors: less and less beside */
        for (j.memory = (size_t)(ranks > 1 ? 5376 : 6144) << 10; j.memory > 0; j.memory -= 65536) {
            CHECK_EQ(run(&j, ranks, 2), QN_OK);
            CHECK_EQ(j.by_need, ranks > 1 ? 2 : 0);
            CHECK(j.bits[0] == wanted);
            if (atomic_load(&j.spilled) > 0)
                break;
        }
    }
    CHECK_EQ(rmdir(scratch), 0);
}

static void steps_tell_what_the_communicators_counted(void **state)
{
    job by_need = sparse_job(test_params(5, 4, 0.05)), all = dense_job(test_params(5, 4, 0.05));

    (void)state;
    CHECK_EQ(run(&by_need, 3, 1), QN_OK);
    CHECK_EQ(by_need.steps_by_need, 2 * 3); /* in the last sweep all rows go to all */
    CHECK_EQ((int64_t)by_need.items_told, atomic_load(&by_need.items_moved));
    CHECK(by_need.items_told > 0);
    CHECK_EQ(run(&all, 3, 1), QN_OK);
    CHECK_EQ(all.steps_by_need, 0);
    CHECK_EQ((int64_t)all.items_told, atomic_load(&all.items_moved));
    CHECK(all.items_told > 0);
}

static void every_failed_allocation_ends_the_fit_on_all_ranks(void **state)
{
    job j = sparse_job(test_params(3, 2, 0.05));
    qn_status st = QN_ENOMEM;
    int64_t n = 0;

    (void)state;
    j.n_users = j.n_items = 90;
    j.n = 120;
    j.failing_rank = 1;
    for (j.allowed = 0; st != QN_OK; j.allowed++, n++) {
        st = run(&j, 3, 1);
        for (int32_t r = 0; r < 3; r++)
            CHECK_EQ(j.status[r], st);
        CHECK(st == QN_OK || st == QN_ENOMEM);
    }
    CHECK_EQ(j.by_need, 2);
    CHECK(n > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needed_rows_give_the_bits_of_all_rows),
        cmocka_unit_test(so_they_do_where_a_fit_may_stop_early),
        cmocka_unit_test(few_sweeps_do_without),
        cmocka_unit_test(ranks_without_rows_are_in_it),
        cmocka_unit_test(spilled_ratings_and_rounds_of_rows_give_the_same_bits),
        cmocka_unit_test(steps_tell_what_the_communicators_counted),
        cmocka_unit_test(every_failed_allocation_ends_the_fit_on_all_ranks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
