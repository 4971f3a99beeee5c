/* Predictions by hand, and panels beside rows. */
#include "ml/forest/forest_hand.h"

/* By the definition: the model's own nodes, Spark's rules. */
static int32_t plain_leaf(const qn_forest_model *model, int32_t t, const double *row)
{
    const qn_tree_node *tree = model->node + model->first_node[t];
    int32_t at = 0;

    while (tree[at].left >= 0) {
        const qn_tree_node *node = tree + at;
        const double x = row[node->feature];
        bool is_left = x <= node->threshold;

        if (isnan(x)) {
            is_left = node->missing_left;
        } else if (node->n_categories >= 0) {
            is_left = node->n_left_categories > node->n_categories / 2;
            if (x >= 0 && x < node->n_categories && x == floor(x)) {
                is_left = false;
                for (int32_t k = 0; k < node->n_left_categories; k++)
                    is_left |= x == model->category[node->first_category + k];
            }
        }
        at = is_left ? node->left : node->right;
    }
    return at;
}

static void a_row_goes_where_it_is_seen_to_go(void **state)
{
    /* f0 and f1 lead in tree 0, f1 and f2 in tree 1. Category 7 and 1.5 are none: the left list
     * of tree 0 (2 of 5) is the shorter one, so they go right; that of tree 1 (3 of 5) is not. */
    static const struct {
        double row[3], raw[3], prediction;
        int32_t leaf[2];
    } all[] = {
        {{0.5, 0, 0}, {1 + 0.8, 0.2, 0}, 0, {1, 1}},
        {{0.5, 2, -1.5}, {1, 0, 1}, 0, {1, 3}},
        {{0.75, 3, 0}, {0, 2, 0}, 1, {3, 4}},
        {{0.75, 2, -2}, {0.5, 0, 1.5}, 2, {4, 3}},
        {{0.75, 4, 0}, {0.5 + 0.8, 0.2, 0.5}, 0, {4, 1}},
        {{0.75, 7, 0}, {0.5 + 0.8, 0.2, 0.5}, 0, {4, 1}},
        {{0.75, 1.5, 0}, {0.5 + 0.8, 0.2, 0.5}, 0, {4, 1}},
        {{0.75, -1, 0}, {0.5 + 0.8, 0.2, 0.5}, 0, {4, 1}},
        {{NAN, 1, 0}, {0.5 + 0.8, 0.2, 0.5}, 0, {4, 1}},
        {{NAN, NAN, 0}, {0.5 + 0.8, 0.2, 0.5}, 0, {4, 1}},
        {{INFINITY, INFINITY, 0}, {0.5 + 0.8, 0.2, 0.5}, 0, {4, 1}},
        {{-INFINITY, 2, NAN}, {1, 1, 0}, 0, {1, 4}},
    };
    qn_context *ctx = *state;
    qn_forest_model *model = hand_forest(ctx);

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        double prediction, probability[3];
        int32_t leaf[2];

        qn_forest_predict(model, 1, all[i].row, &prediction, probability);
        qn_forest_leaves(model, all[i].row, leaf);
        CHECK_NEAR(prediction, all[i].prediction, 0);
        for (int32_t c = 0; c < 3; c++)
            CHECK_NEAR(probability[c], all[i].raw[c] / 2, 1e-16);
        for (int32_t t = 0; t < 2; t++) {
            CHECK_EQ(leaf[t], all[i].leaf[t]);
            CHECK_EQ(leaf[t], plain_leaf(model, t, all[i].row));
        }
        qn_forest_predict(model, 1, all[i].row, &prediction, NULL);
        CHECK_NEAR(prediction, all[i].prediction, 0);
    }
    qn_forest_free(model);
}

static void missing_values_go_where_the_fit_sent_them(void **state)
{
    qn_context *ctx = *state;
    qn_forest_model *model = hand_forest(ctx);
    const double row[] = {NAN, NAN, NAN};
    int32_t leaf[2];

    model->node[0].missing_left = true; /* continuous */
    model->node[5].missing_left = false;
    model->node[7].missing_left = true;
    CHECK_OK(ctx, forest_model_finish(ctx, model));
    qn_forest_leaves(model, row, leaf);
    CHECK_EQ(leaf[0], 1);
    CHECK_EQ(leaf[1], 3);
    qn_forest_free(model);
}

static void thresholds_choose_by_probability_over_threshold(void **state)
{
    qn_context *ctx = *state;
    qn_forest_model *model = hand_forest(ctx);
    const double row[] = {0.5, 0, 0}; /* .9, .1, 0 */
    const struct {
        const char *item[3];
        double prediction;
    } all[] = {
        {{"0.5", "0.5", "0.5"}, 0}, {{"0.9", "0.05", "1"}, 1},
        {{"1", "0", "1"}, 1}, /* a threshold of 0 wins where its class is possible */
        {{"1", "1", "0"}, 0}, /* and not where it is not */
        {{"0.9", "0.1", "1"}, 0},
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        double prediction, panel_prediction, probability[3];
        const char *item[] = {all[i].item[0], all[i].item[1], all[i].item[2]};
        const qn_forest_params params = {.thresholds = {item, 3}};
        double *x = hand_panels(row, 1, 3);

        CHECK_OK(ctx, forest_model_params(ctx, model, &params));
        CHECK_OK(ctx, forest_model_thresholds(ctx, model));
        qn_forest_predict(model, 1, row, &prediction, probability);
        forest_predict_panels(model, 1, x, &panel_prediction, NULL, NULL);
        CHECK_NEAR(prediction, all[i].prediction, 0);
        CHECK_NEAR(panel_prediction, all[i].prediction, 0);
        CHECK_NEAR(probability[0], 0.9, 1e-15);
        free(x);
    }
    qn_forest_free(model);
}

static void a_single_tree_gives_its_counts_as_raw(void **state)
{
    const hand_shape shape = {
        .is_tree = true, .is_classifier = true, .n_classes = 3, .n_features = 3, .n_trees = 1};
    qn_context *ctx = *state;
    qn_forest_model *model = hand_model(ctx, &shape, hand_forest_rows, 5);
    const double row[] = {0.75, 2, 0};
    double *x = hand_panels(row, 1, 3), prediction, raw[3], probability[3];

    CHECK_OK(ctx, forest_model_check(ctx, "hand", model));
    CHECK_OK(ctx, forest_model_finish(ctx, model));
    forest_predict_panels(model, 1, x, &prediction, raw, probability);
    CHECK(prediction == 0 && raw[0] == 1 && raw[1] == 0 && raw[2] == 1 && probability[2] == 0.5);
    free(x);
    qn_forest_free(model);
}

static void regression_is_the_mean_of_the_trees(void **state)
{
    static const hand_node rows[] = {
        {.tree = 0, .left = 1, .right = 2, .gain = 1, .threshold = 0, .stats = {3, 6, 14}},
        HAND_LEAF(0, 0.1, 1, 0.1, 0.01),
        HAND_LEAF(0, 0.7, 2, 1.4, 0.98),
        HAND_LEAF(1, 0.2, 3, 0.6, 0.12),
        HAND_LEAF(2, -4, 3, -12, 48),
    };
    const hand_shape shape = {.n_features = 1, .n_trees = 3}, single = {
                                                                  .is_tree = true,
                                                                  .n_features = 1,
                                                                  .n_trees = 1,
                                                              };
    const double values[] = {-1, 1};
    qn_context *ctx = *state;
    qn_forest_model *model = HAND_MODEL(ctx, &shape, rows);
    qn_forest_model *tree = hand_model(ctx, &single, rows, 3);
    double prediction[2], again[2], *x = hand_panels(values, 2, 1);

    CHECK_OK(ctx, forest_model_check(ctx, "hand", model));
    CHECK_OK(ctx, forest_model_finish(ctx, model));
    CHECK_OK(ctx, forest_model_finish(ctx, tree));
    qn_forest_predict(model, 2, values, prediction, NULL);
    forest_predict_panels(model, 2, x, again, NULL, NULL);
    CHECK(prediction[0] == (0.1 + 0.2 + -4.0) / 3 && prediction[1] == (0.7 + 0.2 + -4.0) / 3);
    assert_memory_equal(prediction, again, sizeof again);
    qn_forest_predict(tree, 2, values, prediction, NULL);
    CHECK(prediction[0] == 0.1 && prediction[1] == 0.7);
    free(x);
    qn_forest_free(model);
    qn_forest_free(tree);
}

/* ---- Panels beside rows ---- */

static uint32_t next(uint64_t *noise)
{
    *noise = *noise * UINT64_C(6364136223846793005) + 1442695040888963407U;
    return (uint32_t)(*noise >> 33);
}

/* Full trees of this depth with odd splits; every third feature has 70 categories. */
static qn_forest_model *noisy_forest(qn_context *ctx, int32_t n_trees, int32_t depth,
                                     int32_t n_classes, bool has_categories)
{
    const int64_t size = (INT64_C(2) << depth) - 1;
    const forest_shape shape = {.n_trees = n_trees,
                                .n_features = 7,
                                .n_stats = n_classes,
                                .n_nodes = n_trees * size,
                                .n_category_list = n_trees * size * 20};
    uint64_t noise = 5;
    qn_forest_model *model = NULL;

    CHECK_OK(ctx, forest_model_create(ctx, &shape, &model));
    model->is_classifier = true;
    model->n_classes = n_classes;
    for (int32_t t = 0; t < n_trees; t++) {
        model->first_node[t + 1] = (t + 1) * size;
        for (int64_t i = 0; i < size; i++) {
            qn_tree_node *node = model->node + t * size + i;
            const bool is_leaf = 2 * i + 2 >= size;
            const int32_t feature = (int32_t)(next(&noise) % 7);

            *node = (qn_tree_node){.left = is_leaf ? -1 : (int32_t)(2 * i + 1),
                                   .right = is_leaf ? -1 : (int32_t)(2 * i + 2),
                                   .feature = is_leaf ? -1 : feature,
                                   .threshold = next(&noise) % 70,
                                   .n_categories = -1,
                                   .missing_left = next(&noise) % 2,
                                   .first_category = (int32_t)((t * size + i) * 20)};
            if (!is_leaf && has_categories && feature % 3 == 0) {
                node->n_categories = 70;
                node->n_left_categories = 20;
            }
            for (int32_t k = 0; k < 20; k++)
                model->category[node->first_category + k] = (int32_t)(next(&noise) % 70);
            for (int32_t c = 0; c < n_classes; c++)
                model->stats[(t * size + i) * n_classes + c] = next(&noise) % 100;
        }
    }
    CHECK_OK(ctx, forest_model_check(ctx, "noise", model));
    CHECK_OK(ctx, forest_model_finish(ctx, model));
    return model;
}

static void check_panels(const qn_forest_model *model, int64_t n, bool has_missing)
{
    const int64_t d = model->n_features, k = model->n_classes;
    double *rows = calloc((size_t)(n * d), sizeof *rows), *x;
    double *one = calloc((size_t)(n * (3 * k + 2)), sizeof *one), *two = one + n;
    double *raw = two + n, *p = raw + n * k, *q = p + n * k;
    uint64_t noise = 77;
    int32_t *leaf = calloc((size_t)model->n_trees, sizeof *leaf);

    assert_true(rows && one && leaf);
    for (int64_t i = 0; i < n * d; i++)
        rows[i] = has_missing && next(&noise) % 5 == 0 ? NAN : next(&noise) % 75;
    x = hand_panels(rows, n, d);
    qn_forest_predict(model, n, rows, one, p);
    forest_predict_panels(model, n, x, two, raw, q);
    assert_memory_equal(one, two, (size_t)n * sizeof *one);
    assert_memory_equal(p, q, (size_t)(n * k) * sizeof *p);
    forest_predict_panels(model, n, x, two, NULL, NULL);
    assert_memory_equal(one, two, (size_t)n * sizeof *one);
    forest_predict_panels(model, n, x, two, NULL, q);
    assert_memory_equal(p, q, (size_t)(n * k) * sizeof *p);
    for (int64_t r = 0; r < n; r++) {
        double sum = 0;

        qn_forest_leaves(model, rows + r * d, leaf);
        for (int32_t t = 0; t < model->n_trees; t++) {
            const double *stats = model->stats + (model->first_node[t] + leaf[t]) * k;
            double total = 0;

            CHECK_EQ(leaf[t], plain_leaf(model, t, rows + r * d));
            for (int64_t c = 0; c < k; c++)
                total += stats[c];
            sum += total != 0 ? stats[0] / total : 0;
        }
        CHECK(sum == raw[r * k]);
    }
    free(rows);
    free(x);
    free(one);
    free(leaf);
}

static void panels_and_rows_agree_bit_by_bit(void **state)
{
    static const int64_t lengths[] = {1, 7, 15, 16, 17, 255, 256, 257, 300};
    qn_context *ctx = *state;

    for (int32_t has_categories = 0; has_categories < 2; has_categories++) {
        qn_forest_model *model = noisy_forest(ctx, 11, 4, 3, has_categories);

        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            check_panels(model, lengths[i], false);
            check_panels(model, lengths[i], true);
        }
        qn_forest_free(model);
    }
}

static void many_classes_are_predicted_too(void **state)
{
    static const int32_t classes[] = {2, 100, 256, 257, FOREST_MAX_CLASSES};
    qn_context *ctx = *state;

    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        qn_forest_model *model = noisy_forest(ctx, 3, 2, classes[i], true);

        check_panels(model, 35, true);
        qn_forest_free(model);
    }
}

static int setup(void **state)
{
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(NULL, &ctx), QN_OK);
    *state = ctx;
    return 0;
}

static int teardown(void **state)
{
    CHECK_EQ(qn_alloc_live(*state), 0);
    qn_context_free(*state);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_row_goes_where_it_is_seen_to_go),
        TEST(missing_values_go_where_the_fit_sent_them),
        TEST(thresholds_choose_by_probability_over_threshold),
        TEST(a_single_tree_gives_its_counts_as_raw),
        TEST(regression_is_the_mean_of_the_trees),
        TEST(panels_and_rows_agree_bit_by_bit),
        TEST(many_classes_are_predicted_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
