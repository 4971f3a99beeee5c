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
    static const double g[] = {1.5, 2.5, 3.5, 4.5, 5.5};
    forest_value heavy[] = {{0, 10}, {1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}};
    double threshold[8];

    (void)state;
    SPLITS(3, a, 0, 1, 0, 0, 1, 0, 1, 1);
    SPLITS(3, b, 0, 0, 1, 1, 2, 2, 3, 3);
    SPLITS(5, c, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3);
    SPLITS(3, d, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 4, 5);
    SPLITS(2, e, 0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2);
    (void)g;
    CHECK(forest_find_splits(7, heavy, 2, threshold) <= 2);
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
        cmocka_unit_test_setup_teardown(the_first_trees_of_more_are_the_same, test_setup,
                                        test_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
