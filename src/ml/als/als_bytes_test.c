/* The model of bytes against what fits on 1 to 7 ranks hold and move, on three shapes of data. */
#include "ml/als/als_bytes.h"

#include "base/file.h"
#include "ml/als/als_testing.h"

#define PARTITIONS 56
#define ITERATIONS 2

typedef struct measured {
    const char *path;
    qn_als_params params;
    int64_t load_moved[8], fit_moved[8]; /* by rank */
    int64_t by_user[8], by_item[8];
    int64_t held[8];
    int64_t rows[2], ratings;
    bool is_coded;
    bool by_need[2]; /* as the first sweep tells, by qn_side */
    double half[2];  /* bytes */
} measured;

typedef struct listener {
    qn_context *ctx;
    measured *m;
    int64_t held;
} listener;

/* "items<TAB>needed rows<TAB>1234\nusers<TAB>all rows<TAB>5678\n" */
static void look_at_moved(const char *text, measured *m)
{
    char items[16], users[16];

    CHECK_EQ(sscanf(text, "items\t%15[^\t]\t%lf\nusers\t%15[^\t]\t%lf\n", items,
                    &m->half[QN_SIDE_ITEM], users, &m->half[QN_SIDE_USER]),
             4);
    m->by_need[QN_SIDE_ITEM] = !strcmp(items, "needed rows");
    m->by_need[QN_SIDE_USER] = !strcmp(users, "needed rows");
}

static void look_at_step(void *user, const qn_event *event)
{
    listener *l = user;

    if (event->kind != QN_EVENT_STEP)
        return;
    l->held = (int64_t)qn_budget_used(l->ctx->budget);
    CHECK((event->text != NULL) == (qn_size(l->ctx) > 1));
    if (event->done == 1 && qn_rank(l->ctx) == 0 && event->text)
        look_at_moved(event->text, l->m);
}

static qn_status measure_rank(qn_context *ctx, void *arg)
{
    measured *m = arg;
    const int32_t rank = qn_rank(ctx);
    listener seen = {ctx, m, 0};
    qn_ratings_options options;
    qn_ratings *ratings = NULL;
    qn_als_model *model = NULL;
    qn_status st = QN_OK;

    qn_params_init(&qn_ratings_table, &options);
    options.input = (qn_text_list){&m->path, 1};
    options.partitions = PARTITIONS;
    options.split_bytes = 64 << 10;
    QN_TRY(qn_context_add_sink(ctx, look_at_step, &seen));
    QN_TRY(qn_ratings_read(ctx, &options, &ratings));
    m->load_moved[rank] = ctx->comm->bytes_moved;
    m->by_user[rank] = (int64_t)qn_store_get_stats(ratings->by_user.store).bytes;
    m->by_item[rank] = (int64_t)qn_store_get_stats(ratings->by_item.store).bytes;
    QN_TRY(qn_als_fit(ctx, &m->params, ratings, &model));
    m->fit_moved[rank] = ctx->comm->bytes_moved - m->load_moved[rank];
    m->held[rank] = seen.held;
    if (rank == 0) {
        m->rows[0] = ratings->users.n;
        m->rows[1] = ratings->items.n;
        m->ratings = ratings->n_ratings;
        m->is_coded = ratings->n_values > 0;
    }
done:
    qn_als_free(model);
    qn_ratings_free(ratings);
    return st;
}

static double total(const int64_t *by_rank)
{
    double sum = 0;

    for (int32_t r = 0; r < 8; r++)
        sum += (double)by_rank[r];
    return sum;
}

static double most(const int64_t *by_rank)
{
    double most = 0;

    for (int32_t r = 0; r < 8; r++)
        most = fmax(most, (double)by_rank[r]);
    return most;
}

static void check_share(const char *what, int32_t ranks, double model, double found)
{
    if (fabs(model - found) > 0.05 * found)
        print_error("%s on %d ranks: %.0f by the model, %.0f measured (%+.1f %%)\n", what,
                    (int)ranks, model, found, 100 * (model / found - 1));
    CHECK(fabs(model - found) <= 0.05 * found);
}

static void compare(qn_context *ctx, const char *path, const qn_als_params *params, int32_t ranks,
                    int32_t *by_need)
{
    measured m = {.path = path, .params = *params};
    qn_als_layout layout = {.workers = ranks, .threads = 1, .partitions = PARTITIONS};
    qn_als_shape shape = {0};
    qn_als_bytes b;

    CHECK_OK(ctx, qn_run_thread_ranks(ctx, ranks, measure_rank, &m));
    shape.rows[0] = m.rows[0];
    shape.rows[1] = m.rows[1];
    shape.ratings = m.ratings;
    shape.is_coded = m.is_coded;
    qn_als_bytes_of(ctx, params, &shape, &layout, &b);
    check_share("ratings by user", ranks, b.data_all[QN_SIDE_USER], total(m.by_user));
    check_share("ratings by item", ranks, b.data_all[QN_SIDE_ITEM], total(m.by_item));
    check_share("held", ranks, b.held, most(m.held));
    if (ranks > 1) {
        check_share("moved at load", ranks,
                    b.load_ids_all + b.load_degrees_all + b.load_ratings_all, total(m.load_moved));
        check_share("moved by the fit", ranks, b.fit_all, total(m.fit_moved));
        for (int32_t s = 0; s < 2; s++) {
            CHECK(b.by_need[s] == m.by_need[s]);
            check_share(s ? "items, half a step" : "users, half a step", ranks,
                        b.by_need[s] ? b.needed_rows_all[s] : b.all_rows_all[s], m.half[s]);
        }
    } else {
        CHECK_EQ(b.load_ids_all + b.load_degrees_all + b.load_ratings_all, total(m.load_moved));
        CHECK_EQ(b.fit_all, total(m.fit_moved));
    }
    *by_need = b.by_need[0] + b.by_need[1];
}

/* Ratings in no order, of half stars or of any value. */
static void write_ratings(const char *path, int64_t users, int64_t items, int64_t n, bool stars)
{
    FILE *file = fopen(path, "w");
    uint64_t noise = 17;

    assert_non_null(file);
    fputs("userId,movieId,rating\n", file);
    for (int64_t i = 0; i < n; i++) {
        const uint32_t user = test_noise(&noise, (uint32_t)users);
        const uint32_t item = test_noise(&noise, (uint32_t)items);
        const uint32_t value = test_noise(&noise, stars ? 10 : 100000);

        fprintf(file, "%u,%u,%g\n", user, item, stars ? (value + 1) / 2.0 : value / 1000.0);
    }
    CHECK_EQ(fclose(file), 0);
}

/* `by_need`: sides whose rows go by need, all numbers of workers together. */
static void compare_shape(int64_t users, int64_t items, int64_t n, bool stars,
                          const qn_als_params *params, int32_t by_need)
{
    const qn_context_options options = {.threads = 1};
    const int32_t ranks[] = {1, 2, 3, 5, 7};
    int32_t found = 0, sum = 0;
    qn_context *ctx = NULL;
    char dir[64], path[96];

    CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
    ctx->cells.rating_rows = 32;
    assert_non_null(fresh_dir(dir));
    snprintf(path, sizeof path, "%s/ratings.csv", dir);
    write_ratings(path, users, items, n, stars);
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        compare(ctx, path, params, ranks[i], &found), sum += found;
    CHECK_EQ(sum, by_need);
    CHECK_OK(ctx, qn_remove_tree(ctx, dir));
    qn_context_free(ctx);
}

static void many_users_and_few_items_take_what_the_model_says(void **state)
{
    const qn_als_params params = test_params(10, ITERATIONS, 0.1);

    (void)state;
    compare_shape(20000, 4000, 400000, true, &params, 0);
    compare_shape(20000, 8000, 40000, true, &params, 6);
}

static void few_users_and_many_items_take_what_the_model_says(void **state)
{
    const qn_als_params params = test_params(50, ITERATIONS, 0.1);

    (void)state;
    compare_shape(4000, 12000, 300000, false, &params, 0);
    compare_shape(3000, 15000, 30000, false, &params, 5);
}

static void implicit_feedback_takes_what_the_model_says(void **state)
{
    qn_als_params params = test_params(20, ITERATIONS, 0.1);

    (void)state;
    params.implicit_prefs = true;
    compare_shape(15000, 15000, 300000, true, &params, 0);
    compare_shape(15000, 15000, 30000, true, &params, 8);
}

/* By hand: 8 users and 4 items in cells of 4 rows, two workers. */
static void a_small_shape_adds_up_by_hand(void **state)
{
    qn_context *ctx = *state;
    const qn_als_params params = test_params(3, 5, 0.1);
    const qn_als_shape shape = {.rows = {8, 4}, .ratings = 20, .is_coded = true};
    const qn_als_layout layout = {.workers = 2, .threads = 1, .partitions = 2};
    const double row = (double)qn_factor_stride(3) * 4;
    qn_als_bytes b;

    ctx->cells.rating_rows = 4;
    qn_als_bytes_of(ctx, &params, &shape, &layout, &b);
    CHECK_EQ(b.busy[QN_SIDE_USER], 2);
    CHECK_EQ(b.busy[QN_SIDE_ITEM], 1); /* one cell */
    CHECK_EQ(b.factors, 12 * row);
    CHECK_EQ(b.checkpoint, 12 * row);
    CHECK_EQ(b.half_all[QN_SIDE_USER], 8 * row); /* each worker gets the other's half */
    CHECK_EQ(b.half_all[QN_SIDE_ITEM], 4 * row); /* one solves, the other gets all */
    CHECK_EQ(b.dictionaries, 12 * (8 + 8 + 4));
    CHECK_EQ(b.load_ratings_all, 12 * 20 * (0.5 + 0.5));
    CHECK_EQ(b.spilled, 0);
}

static void what_does_not_fit_is_spilled(void **state)
{
    qn_context *ctx = *state;
    const qn_als_params params = test_params(10, 5, 0.1);
    const qn_als_shape shape = {.rows = {100000, 20000}, .ratings = 10000000, .is_coded = true};
    qn_als_layout layout = {.workers = 1, .threads = 2};
    qn_als_bytes whole, part;

    qn_als_bytes_of(ctx, &params, &shape, &layout, &whole);
    CHECK(whole.data > 100e6 && whole.data < 110e6); /* 5 bytes a rating, twice */
    CHECK_EQ(whole.spilled, 0);
    layout.memory = (size_t)(whole.fixed + whole.data / 4);
    qn_als_bytes_of(ctx, &params, &shape, &layout, &part);
    CHECK_NEAR(part.spilled, whole.data * 3 / 4, 1);
    CHECK_EQ(part.fixed, whole.fixed);
    CHECK(part.scratch_disk > part.spilled);
    CHECK(part.least < (double)layout.memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_small_shape_adds_up_by_hand, test_context_setup,
                                        test_context_teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_spilled, test_context_setup,
                                        test_context_teardown),
        cmocka_unit_test(many_users_and_few_items_take_what_the_model_says),
        cmocka_unit_test(few_users_and_many_items_take_what_the_model_says),
        cmocka_unit_test(implicit_feedback_takes_what_the_model_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
