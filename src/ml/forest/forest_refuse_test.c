/* What a fit does with bad rows, bad options, no memory, and a wish to stop. */
#include "forest_testing.h"

static void check_refused(folder *f, const test_table *t, const qn_forest_params *params,
                          bool is_tree, qn_status wanted, const char *text)
{
    qn_matrix *matrix = test_matrix(f, t);
    qn_forest_model *model = (qn_forest_model *)(void *)f;

    CHECK_EQ(qn_forest_fit(f->ctx, params, is_tree, matrix, &model), wanted);
    CHECK_ERROR(f->ctx, text);
    CHECK(model == NULL);
    qn_matrix_free(matrix);
}

static void labels_that_are_no_classes_are_named(void **state)
{
    static const double negative[] = {1, 0, 2, -3}, fraction[] = {1, 0, 2, 1.5};
    static const double large[] = {1, 0, 2, 10000};
    const qn_forest_params params = test_params(false);
    test_table t = {.n = 2, .columns = 2, .x = negative};

    check_refused(*state, &t, &params, false, QN_EDATA, "row 1: label -3 is not a class");
    t.x = fraction;
    check_refused(*state, &t, &params, false, QN_EDATA, "label 1.5 is not a class");
    t.x = large;
    check_refused(*state, &t, &params, false, QN_EDATA, "label 10000 is too large for a class");
}

static void options_that_do_not_fit_are_named(void **state)
{
    static const double rows[] = {1, 0, 1, 2, 1, 1};
    const test_table t = {.n = 2, .columns = 3, .x = rows};
    qn_forest_params params = test_params(false);

    params.impurity = QN_IMPURITY_VARIANCE;
    check_refused(*state, &t, &params, false, QN_EINVAL, "--impurity variance");
    params = test_params(false);
    params.feature_subset_strategy = "0";
    check_refused(*state, &t, &params, false, QN_EINVAL, "--feature-subset-strategy \"0\"");
    params.feature_subset_strategy = "-.1";
    check_refused(*state, &t, &params, false, QN_EINVAL, "--feature-subset-strategy");
    params.feature_subset_strategy = "1.1";
    check_refused(*state, &t, &params, false, QN_EINVAL, "--feature-subset-strategy");
    params = test_params(false);
    params.subsampling_rate = 0;
    check_refused(*state, &t, &params, false, QN_EINVAL, "--subsampling-rate 0");
    params = test_params(false);
    params.min_weight_fraction_per_node = 0.5;
    check_refused(*state, &t, &params, false, QN_EINVAL, "below 0.5");
    params = test_params(false);
    params.task = QN_REGRESSION;
    params.merge_rows = true;
    check_refused(*state, &t, &params, false, QN_EINVAL, "--merge-rows");
    params.merge_rows = false;
    params.class_weight = QN_CLASS_WEIGHT_BALANCED;
    check_refused(*state, &t, &params, false, QN_EINVAL, "--class-weight");
    params = test_params(false);
    params.max_depth = 31;
    check_refused(*state, &t, &params, false, QN_EINVAL, "31");
}

static void too_many_categories_are_named_or_grouped(void **state)
{
    double *rows = test_rows(400, 3, 2, 40, 9);
    const test_table t = {.n = 400, .columns = 3, .x = rows, .n_categorical = 2};
    qn_forest_params params = test_params(true);
    qn_forest_model *model;

    check_refused(*state, &t, &params, true, QN_EDATA, "column 0 has 40 categories");
    params.too_many_categories = QN_CATEGORIES_GROUP;
    model = test_fit(*state, &params, true, &t);
    CHECK(model->first_node[1] > 1);
    CHECK_EQ(model->node[0].n_categories, 40);
    CHECK(model->node[0].n_left_categories > 0 && model->node[0].n_left_categories < 40);
    qn_forest_free(model);
    free(rows);
}

static void missing_values_are_refused_or_used(void **state)
{
    static const double rows[] = {NAN, 1, NAN, 1, 1, 0, 2, 0, 3, 0, NAN, 1, 4, 1, 5, 1};
    const test_table t = {.n = 8, .columns = 2, .x = rows};
    qn_forest_params params = test_params(true);
    qn_forest_model *model;

    check_refused(*state, &t, &params, true, QN_EDATA, "row 0, column 0: the value is missing");
    params.missing = QN_TREE_MISSING_NATIVE;
    model = test_fit(*state, &params, true, &t);
    CHECK_EQ(model->first_node[1], 3); /* 1, 2, 3 | 4, 5, missing */
    CHECK_NEAR(model->node[0].threshold, 3.5, 0);
    CHECK(!model->node[0].missing_left);
    CHECK_EQ(model->node[1].raw_count, 3);
    CHECK_EQ(model->node[2].raw_count, 5);
    qn_forest_free(model);
}

static void missing_values_go_left_where_that_gains(void **state)
{
    static const double rows[] = {NAN, 0, NAN, 0, 1, 0, 2, 0, 3, 1, NAN, 0, 4, 1, 5, 1};
    const test_table t = {.n = 8, .columns = 2, .x = rows};
    qn_forest_params params = test_params(true);
    qn_forest_model *model;

    params.missing = QN_TREE_MISSING_NATIVE;
    model = test_fit(*state, &params, true, &t);
    CHECK_EQ(model->first_node[1], 3);
    CHECK_NEAR(model->node[0].threshold, 2.5, 0);
    CHECK(model->node[0].missing_left);
    CHECK_EQ(model->node[1].raw_count, 5);
    qn_forest_free(model);
}

static void missing_alone_can_part_rows(void **state)
{
    static const double rows[] = {NAN, 0, 1, 1, NAN, 0, 1, 1};
    const test_table t = {.n = 4, .columns = 2, .x = rows};
    qn_forest_params params = test_params(true);
    qn_forest_model *model;
    const double present = 7, missing = NAN;
    double prediction;

    params.missing = QN_TREE_MISSING_NATIVE;
    model = test_fit(*state, &params, true, &t);
    CHECK_EQ(model->first_node[1], 3);
    qn_forest_predict(model, 1, &present, &prediction, NULL);
    CHECK_NEAR(prediction, 1, 0);
    qn_forest_predict(model, 1, &missing, &prediction, NULL);
    CHECK_NEAR(prediction, 0, 0);
    qn_forest_free(model);
}

static void one_class_is_a_leaf_and_a_warning(void **state)
{
    static const double rows[] = {1, 0, 2, 0, 3, 0};
    const test_table t = {.n = 3, .columns = 2, .x = rows};
    const qn_forest_params params = test_params(false);
    folder *f = *state;
    heard h = {0};
    qn_forest_model *model;

    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, listen, &h));
    model = test_fit(f, &params, false, &t);
    CHECK_EQ(model->n_classes, 2);
    CHECK_EQ(model->first_node[20], 20);
    CHECK_NEAR(model->node[0].prediction, 0, 0);
    assert_non_null(strstr(h.warning, "all rows have label 0"));
    qn_forest_free(model);
}

static void labels_keep_their_numbers(void **state)
{
    static const double rows[] = {1, 3, 2, 3, 3, 9, 4, 9};
    const test_table t = {.n = 4, .columns = 2, .x = rows};
    const qn_forest_params params = test_params(true);
    qn_forest_model *model = test_fit(*state, &params, true, &t);

    CHECK_EQ(model->n_classes, 10);
    CHECK_EQ(model->n_stats, 10);
    CHECK_NEAR(model->stats[3], 2, 0);
    CHECK_NEAR(model->stats[9], 2, 0);
    CHECK_NEAR(model->node[1].prediction, 3, 0);
    CHECK_NEAR(model->node[2].prediction, 9, 0);
    qn_forest_free(model);
}

/* Weights n / (k n_c): both classes weigh the same. */
static void balanced_classes_weigh_the_same(void **state)
{
    static const double rows[] = {1, 0, 1, 0, 1, 0, 1, 1};
    const test_table t = {.n = 4, .columns = 2, .x = rows};
    qn_forest_params params = test_params(true);
    qn_forest_model *model;

    params.class_weight = QN_CLASS_WEIGHT_BALANCED;
    model = test_fit(*state, &params, true, &t);
    CHECK_NEAR(model->stats[0], 2, 1e-15);
    CHECK_NEAR(model->stats[1], 2, 1e-15);
    CHECK_EQ(model->node[0].raw_count, 4);
    qn_forest_free(model);
}

static void fit_stops_when_asked(void **state)
{
    double *rows = test_rows(300, 4, 3, 0, 10);
    const test_table t = {.n = 300, .columns = 4, .x = rows};
    const qn_forest_params params = test_params(false);
    folder *f = *state;
    heard h = {.cancel = f->ctx};
    qn_matrix *matrix = test_matrix(f, &t);
    qn_forest_model *model = NULL;

    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, listen, &h));
    CHECK_EQ(qn_forest_fit(f->ctx, &params, false, matrix, &model), QN_ECANCELLED);
    CHECK(model == NULL);
    CHECK_EQ(h.n_steps, 1);
    qn_matrix_free(matrix);
    free(rows);
}

static void check_allocations(folder *f, const test_table *t, const qn_forest_params *params)
{
    qn_matrix *matrix = test_matrix(f, t);
    const int64_t held = qn_alloc_live(f->ctx);
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_forest_model *model = NULL;

        qn_alloc_fail_after(f->ctx, allowed);
        st = qn_forest_fit(f->ctx, params, false, matrix, &model);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK((model != NULL) == (st == QN_OK));
        qn_forest_free(model);
        CHECK_EQ(qn_alloc_live(f->ctx), held);
    }
    qn_matrix_free(matrix);
}

static void fit_survives_every_failed_allocation(void **state)
{
    double *rows = test_rows(60, 4, 3, 12, 11);
    double *numbers = test_rows(60, 4, 50, 0, 12);
    test_table t = {.n = 60, .columns = 4, .x = rows, .n_categorical = 2};
    qn_forest_params params = test_params(false);

    params.num_trees = 2;
    params.max_depth = 3;
    params.max_bins = 8;
    params.too_many_categories = QN_CATEGORIES_GROUP;
    params.merge_rows = true;
    check_allocations(*state, &t, &params);
    t = (test_table){.n = 60, .columns = 4, .x = numbers, .has_weight = true};
    params.merge_rows = false;
    params.task = QN_REGRESSION;
    check_allocations(*state, &t, &params);
    free(rows);
    free(numbers);
}

static void too_little_memory_names_the_bytes(void **state)
{
    double *rows = test_rows(20000, 3, 2, 0, 13);
    const test_table t = {.n = 20000, .columns = 3, .x = rows};
    const char *path = folder_file(*state, "rows.csv");
    const qn_context_options options = {.threads = 2, .memory = (size_t)8 << 20};
    qn_forest_params params = test_params(false);
    qn_context *ctx = NULL;
    qn_matrix *matrix = NULL;
    qn_forest_model *model = NULL;
    char *rest = NULL;

    params.max_depth = 30;
    test_write(path, &t);
    CHECK_EQ(qn_context_create(&options, &ctx), QN_OK);
    CHECK_OK(ctx, test_read(ctx, path, &t, &matrix));
    CHECK_OK(ctx, qn_alloc_array(ctx, (void **)&rest, (int64_t)6 << 20, 1, "ballast"));
    CHECK_EQ(qn_forest_fit(ctx, &params, false, matrix, &model), QN_ENOMEM);
    qn_free(rest);
    CHECK(strstr(qn_context_error(ctx), "no room for") != NULL);
    qn_matrix_free(matrix);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    free(rows);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)
    const struct CMUnitTest tests[] = {
        TEST(labels_that_are_no_classes_are_named),     TEST(options_that_do_not_fit_are_named),
        TEST(too_many_categories_are_named_or_grouped), TEST(missing_values_are_refused_or_used),
        TEST(missing_values_go_left_where_that_gains),  TEST(missing_alone_can_part_rows),
        TEST(one_class_is_a_leaf_and_a_warning),        TEST(labels_keep_their_numbers),
        TEST(balanced_classes_weigh_the_same),          TEST(fit_stops_when_asked),
        TEST(fit_survives_every_failed_allocation),     TEST(too_little_memory_names_the_bytes),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
