/* Known answers, and the same bits however the work is spread. */
#include "forest_testing.h"

/* Trees of Spark's own tests: four rows that the second feature decides. */
static void a_tree_of_four_rows_splits_once(void **state)
{
    static const double rows[] = {0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1};
    const test_table t = {.n = 4, .columns = 3, .x = rows};
    qn_forest_params params = test_params(true);
    qn_forest_model *model;

    params.max_depth = 1;
    model = test_fit(*state, &params, true, &t);
    CHECK_EQ(model->n_trees, 1);
    CHECK_EQ(model->first_node[1], 3);
    CHECK_EQ(model->node[0].feature, 1);
    CHECK_NEAR(model->node[0].threshold, 0.5, 0);
    CHECK_NEAR(model->node[0].gain, 0.5, 0);
    CHECK_NEAR(model->node[0].impurity, 0.5, 0);
    CHECK_EQ(model->node[0].raw_count, 4);
    CHECK_NEAR(model->node[1].prediction, 0, 0);
    CHECK_NEAR(model->node[2].prediction, 1, 0);
    CHECK_NEAR(model->node[1].impurity, 0, 0);
    CHECK_NEAR(model->node[2].gain, -1, 0);
    CHECK_NEAR(model->importance[1], 1, 0);
    qn_forest_free(model);
}

static void constant_features_leave_one_leaf(void **state)
{
    static const double rows[] = {0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0};
    const test_table t = {.n = 4, .columns = 3, .x = rows};
    qn_forest_params params = test_params(true);
    folder *f = *state;
    heard h = {0};
    qn_forest_model *model;

    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, listen, &h));
    model = test_fit(f, &params, true, &t);
    CHECK_EQ(model->first_node[1], 1);
    CHECK_NEAR(model->node[0].prediction, 1, 0);
    CHECK_NEAR(model->node[0].impurity, -1, 0);
    CHECK_NEAR(model->stats[0], 1, 0);
    CHECK_NEAR(model->stats[1], 3, 0);
    assert_non_null(strstr(h.warning, "2 of 2 features"));
    qn_forest_free(model);
}

/* ---- thresholds: RandomForestSuite of Spark ---- */

static void check_splits(int64_t n, const double *x, int32_t bins, int32_t n_wanted,
                         const double *wanted)
{
    forest_value value[64];
    double threshold[64];

    for (int64_t i = 0; i < n; i++)
        value[i] = (forest_value){x[i], 1};
    CHECK_EQ(forest_find_splits(n, value, bins - 1, threshold), n_wanted);
    for (int32_t i = 0; i < n_wanted; i++)
        CHECK_NEAR(threshold[i], wanted[i], 0);
}

#define SPLITS(bins, wanted, ...)                                                                  \
    check_splits(sizeof((const double[]){__VA_ARGS__}) / sizeof(double),                           \
                 (const double[]){__VA_ARGS__}, bins, sizeof(wanted) / sizeof(double), wanted)

static void thresholds_are_those_of_spark(void **state)
{
    static const double a[] = {0.5}, b[] = {0.5, 2.5}, c[] = {1.5, 2.5}, d[] = {2.5, 3.5};
    static const double e[] = {1.5};
    forest_value heavy[] = {{0, 10}, {1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}};
    double threshold[8];

    (void)state;
    SPLITS(3, a, 0, 1, 0, 0, 1, 0, 1, 1);
    SPLITS(3, b, 0, 0, 1, 1, 2, 2, 3, 3);
    SPLITS(5, c, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3);
    SPLITS(3, d, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4, 5);
    SPLITS(2, e, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2);
    CHECK_EQ(forest_find_splits(7, heavy, 6, threshold), 6);
    CHECK_EQ(forest_find_splits(7, heavy, 2, threshold), 2); /* sorted and distinct already */
    CHECK_NEAR(threshold[0], 0.5, 0);
    CHECK_NEAR(threshold[1], 1.5, 0);
}

/* ---- the same bits ---- */

typedef struct spread {
    const char *path;
    const test_table *table;
    const qn_forest_params *params;
    bool is_tree;
    char digest[33];
    int64_t bytes_moved;
} spread;

static qn_status fit_on_rank(qn_context *ctx, void *arg)
{
    spread *s = arg;
    qn_matrix *matrix = NULL;
    qn_forest_model *model = NULL;
    qn_status st = QN_OK;

    QN_TRY(test_read(ctx, s->path, s->table, &matrix));
    QN_TRY(qn_forest_fit(ctx, s->params, s->is_tree, matrix, &model));
    if (qn_rank(ctx) == 0) {
        qn_forest_digest(model, s->digest);
        s->bytes_moved = model->bytes_moved;
    }
done:
    qn_forest_free(model);
    qn_matrix_free(matrix);
    return st;
}

static void check_spread(folder *f, test_table t, const qn_forest_params *params, bool is_tree)
{
    const char *path = folder_file(f, "rows.csv");
    spread one = {path, &t, params, is_tree, "", 0};

    test_write(path, &t);
    CHECK_OK(f->ctx, qn_run_thread_ranks(f->ctx, 1, fit_on_rank, &one));
    for (int32_t n = 2; n <= 5; n++) {
        spread many = {path, &t, params, is_tree, "", 0};

        t.partitions = n;
        CHECK_OK(f->ctx, qn_run_thread_ranks(f->ctx, n, fit_on_rank, &many));
        CHECK_TEXT(many.digest, one.digest);
        CHECK(many.bytes_moved > 0);
    }
}

static void ranks_and_partitions_change_no_bit(void **state)
{
    double *rows = test_rows(1000, 5, 3, 0, 1);
    const test_table t = {.n = 1000, .columns = 5, .x = rows};
    qn_forest_params params = test_params(false);

    params.num_trees = 6;
    check_spread(*state, t, &params, false);
    free(rows);
}

static void weights_categories_and_numbers_change_no_bit_either(void **state)
{
    double *rows = test_rows(700, 6, 3, 5, 3);
    double *numbers = test_rows(700, 5, 97, 0, 4);
    test_table t = {.n = 700, .columns = 6, .x = rows, .has_weight = true, .n_categorical = 2};
    qn_forest_params params = test_params(false);

    params.num_trees = 4;
    check_spread(*state, t, &params, false); /* the label is the fifth column */
    t = (test_table){.n = 700, .columns = 5, .x = numbers};
    params.task = QN_REGRESSION;
    check_spread(*state, t, &params, false);
    params.max_depth = 9;
    check_spread(*state, t, &params, true);
    free(rows);
    free(numbers);
}

static void merged_rows_change_no_bit_by_rank(void **state)
{
    double *rows = test_rows(900, 4, 3, 4, 5);
    const test_table t = {.n = 900, .columns = 4, .x = rows};
    qn_forest_params params = test_params(false);
    qn_forest_model *model;

    params.num_trees = 6;
    params.merge_rows = true;
    check_spread(*state, t, &params, false);
    model = test_fit(*state, &params, false, &t);
    CHECK_EQ(model->n_rows, 900);
    CHECK(model->n_distinct_rows <= 4 * 4 * 4 * 3);
    CHECK(model->n_distinct_rows > 60);
    CHECK(isnan(model->oob_error));
    CHECK(model->node[0].raw_count > 700 && model->node[0].raw_count < 1100);
    qn_forest_free(model);
    free(rows);
}

/* Without draws merging changes nothing at all. */
static void a_tree_of_merged_rows_is_the_tree_of_all(void **state)
{
    double *rows = test_rows(900, 4, 3, 4, 6);
    const test_table t = {.n = 900, .columns = 4, .x = rows};
    qn_forest_params params = test_params(true);
    qn_forest_model *plain = test_fit(*state, &params, true, &t), *merged;
    char one[33], other[33];

    params.merge_rows = true;
    merged = test_fit(*state, &params, true, &t);
    test_digest(plain, one);
    test_digest(merged, other);
    CHECK_TEXT(other, one);
    CHECK(merged->n_distinct_rows < 900);
    qn_forest_free(plain);
    qn_forest_free(merged);
    free(rows);
}

/* A budget that lets few trees grow at once. */
static void memory_and_threads_change_no_bit(void **state)
{
    double *rows = test_rows(3000, 5, 3, 0, 7);
    const test_table t = {.n = 3000, .columns = 5, .x = rows};
    const char *path = folder_file(*state, "rows.csv");
    qn_forest_params params = test_params(false);
    char digest[3][33];
    int stages[3];

    params.num_trees = 60;
    test_write(path, &t);
    for (int i = 0; i < 3; i++) {
        const qn_context_options options = {.threads = i == 1 ? 5 : 1,
                                            .memory = i == 2 ? (size_t)4200 << 10 : 0};
        heard h = {0};
        qn_context *ctx = NULL;
        qn_matrix *matrix = NULL;
        qn_forest_model *model = NULL;

        CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
        CHECK_OK(ctx, qn_context_add_sink(ctx, listen, &h));
        CHECK_OK(ctx, test_read(ctx, path, &t, &matrix));
        CHECK_OK(ctx, qn_forest_fit(ctx, &params, false, matrix, &model));
        test_digest(model, digest[i]);
        stages[i] = h.n_stages;
        qn_forest_free(model);
        qn_matrix_free(matrix);
        qn_context_free(ctx);
    }
    CHECK_TEXT(digest[1], digest[0]);
    CHECK_TEXT(digest[2], digest[0]);
    CHECK(stages[2] > stages[0]);
    free(rows);
}

static void a_deeper_tree_begins_like_a_shallow_one(void **state)
{
    double *rows = test_rows(800, 5, 3, 0, 8);
    const test_table t = {.n = 800, .columns = 5, .x = rows};
    qn_forest_params params = test_params(false);
    qn_forest_model *shallow, *deep;

    params.num_trees = 2;
    params.prune = false;
    params.max_depth = 2;
    shallow = test_fit(*state, &params, false, &t);
    params.max_depth = 8;
    deep = test_fit(*state, &params, false, &t);
    CHECK_EQ(deep->node[0].feature, shallow->node[0].feature);
    CHECK_NEAR(deep->node[0].threshold, shallow->node[0].threshold, 0);
    CHECK_EQ(deep->node[1].feature, shallow->node[1].feature);
    CHECK_EQ(deep->node[deep->node[0].right].feature,
             shallow->node[shallow->node[0].right].feature);
    qn_forest_free(shallow);
    qn_forest_free(deep);
    free(rows);
}

static void the_first_trees_of_more_are_the_same(void **state)
{
    double *rows = test_rows(500, 5, 3, 0, 2);
    const test_table t = {.n = 500, .columns = 5, .x = rows};
    qn_forest_params params = test_params(false);
    qn_forest_model *few, *many;

    params.num_trees = 3;
    few = test_fit(*state, &params, false, &t);
    params.num_trees = 10;
    many = test_fit(*state, &params, false, &t);
    CHECK_EQ(many->first_node[3], few->first_node[3]);
    assert_memory_equal(few->stats, many->stats,
                        (size_t)(few->first_node[3] * few->n_stats) * sizeof *few->stats);
    CHECK(many->first_node[10] > many->first_node[3]);
    qn_forest_free(few);
    qn_forest_free(many);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_tree_of_four_rows_splits_once, test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(constant_features_leave_one_leaf, test_setup,
                                        test_teardown),
        cmocka_unit_test(thresholds_are_those_of_spark),
        cmocka_unit_test_setup_teardown(ranks_and_partitions_change_no_bit, test_setup,
                                        test_teardown),
        cmocka_unit_test_setup_teardown(weights_categories_and_numbers_change_no_bit_either,
                                        test_setup, test_teardown),
        cmocka_unit_test_setup_teardown(merged_rows_change_no_bit_by_rank, test_setup,
                                        test_teardown),
        cmocka_unit_test_setup_teardown(a_tree_of_merged_rows_is_the_tree_of_all, test_setup,
                                        test_teardown),
        cmocka_unit_test_setup_teardown(memory_and_threads_change_no_bit, test_setup,
                                        test_teardown),
        cmocka_unit_test_setup_teardown(a_deeper_tree_begins_like_a_shallow_one, test_setup,
                                        test_teardown),
        cmocka_unit_test_setup_teardown(the_first_trees_of_more_are_the_same, test_setup,
                                        test_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
