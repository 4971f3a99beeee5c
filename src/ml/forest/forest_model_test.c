/* A forest in memory: what is checked of it, its importances and its digest. */
#include "ml/forest/forest_hand.h"

static double gini(const double *stats)
{
    const double n = stats[0] + stats[1] + stats[2];
    double impurity = 1;

    for (int32_t c = 0; c < 3; c++)
        impurity -= stats[c] / n * (stats[c] / n);
    return impurity;
}

static double size_of(const double *stats)
{
    return stats[0] + stats[1] + stats[2];
}

static double gain(const double *parent, const double *left, const double *right)
{
    const double n = size_of(parent);

    return gini(parent) - size_of(left) / n * gini(left) - size_of(right) / n * gini(right);
}

static const double left_stats[] = {3, 2, 1}, right_stats[] = {1, 2, 5}, side_stats[] = {1, 6, 1};
static const double parent_stats[] = {4, 4, 6}, grand_stats[] = {5, 10, 7};

/* Spark's own case: a parent that splits feature 0, alone and below one that splits feature 1. */
static qn_forest_model *importance_model(qn_context *ctx, bool with_parent, bool with_grand)
{
    const hand_shape shape = {.is_classifier = true,
                              .n_classes = 3,
                              .n_features = 2,
                              .n_trees = with_parent + with_grand};
    const hand_node parent[] = {
        {.left = 1,
         .right = 2,
         .threshold = 0.5,
         .gain = gain(parent_stats, left_stats, right_stats),
         .stats = {4, 4, 6}},
        HAND_LEAF(0, 0, 3, 2, 1),
        HAND_LEAF(0, 2, 1, 2, 5),
    };
    const hand_node grand[] = {
        {.left = 1,
         .right = 2,
         .feature = 1,
         .threshold = 1,
         .gain = gain(grand_stats, side_stats, parent_stats),
         .stats = {5, 10, 7}},
        HAND_LEAF(0, 0, 1, 6, 1),
        {.left = 3, .right = 4, .threshold = 0.5, .gain = parent[0].gain, .stats = {4, 4, 6}},
        HAND_LEAF(0, 0, 3, 2, 1),
        HAND_LEAF(0, 2, 1, 2, 5),
    };
    hand_node rows[8];
    int64_t n = 0;
    qn_forest_model *model;

    for (int32_t i = 0; with_parent && i < 3; i++)
        rows[n++] = parent[i];
    for (int32_t i = 0; with_grand && i < 5; i++) {
        rows[n] = grand[i];
        rows[n++].tree = with_parent;
    }
    model = hand_model(ctx, &shape, rows, n);
    CHECK_OK(ctx, forest_model_check(ctx, "hand", model));
    CHECK_OK(ctx, forest_model_finish(ctx, model));
    return model;
}

static void importances_are_those_of_sparks_own_cases(void **state)
{
    qn_context *ctx = *state;
    const double f0 = 1.2261904762, f1 = 1.6980519481;
    qn_forest_model *parent = importance_model(ctx, true, false);
    qn_forest_model *grand = importance_model(ctx, false, true);
    qn_forest_model *both = importance_model(ctx, true, true);

    CHECK_NEAR(14 * parent->node[0].gain, f0, 1e-10);
    CHECK_NEAR(22 * grand->node[0].gain, f1, 1e-10);
    CHECK_NEAR(parent->importance[0], 1, 1e-15);
    CHECK_NEAR(parent->importance[1], 0, 0);
    CHECK_NEAR(grand->importance[0], f0 / (f0 + f1), 1e-10);
    CHECK_NEAR(grand->importance[1], f1 / (f0 + f1), 1e-10);
    CHECK_NEAR(both->importance[0], 0.7096595115, 1e-10);
    CHECK_NEAR(both->importance[1], 0.2903404885, 1e-10);
    qn_forest_free(parent);
    qn_forest_free(grand);
    qn_forest_free(both);
}

static void a_forest_of_leaves_has_no_importances(void **state)
{
    static const hand_node rows[] = {HAND_LEAF(0, 1, 1, 5), HAND_LEAF(1, 0, 4, 2)};
    const hand_shape shape = {.is_classifier = true, .n_classes = 2, .n_features = 2, .n_trees = 2};
    qn_context *ctx = *state;
    qn_forest_model *model = HAND_MODEL(ctx, &shape, rows);

    CHECK_OK(ctx, forest_model_check(ctx, "hand", model));
    CHECK_OK(ctx, forest_model_finish(ctx, model));
    CHECK_NEAR(model->importance[0], 0, 0);
    CHECK_NEAR(model->importance[1], 0, 0);
    qn_forest_free(model);
}

static void the_digest_sees_every_part_of_a_node(void **state)
{
    qn_context *ctx = *state;
    qn_forest_model *model = hand_forest(ctx);
    char was[33], is[33];

    qn_forest_digest(model, was);
    qn_forest_digest(model, is);
    CHECK_TEXT(was, is);
    CHECK_EQ(strlen(was), 32);
#define SEES(change, back)                                                                         \
    do {                                                                                           \
        change;                                                                                    \
        qn_forest_digest(model, is);                                                               \
        CHECK(strcmp(was, is) != 0);                                                               \
        back;                                                                                      \
    } while (0)
    SEES(model->node[0].threshold = 0.25, model->node[0].threshold = 0.5);
    SEES(model->node[1].prediction = 2, model->node[1].prediction = 0);
    SEES(model->node[2].missing_left ^= 1, model->node[2].missing_left ^= 1);
    SEES(model->category[1] = 2, model->category[1] = 3);
    SEES(model->stats[4] += 1e-15, model->stats[4] = 0);
    SEES(model->n_features++, model->n_features--);
#undef SEES
    qn_forest_digest(model, is);
    CHECK_TEXT(was, is);
    qn_forest_free(model);
}

/* ---- What is no forest ---- */

typedef struct damage {
    int64_t node;
    qn_tree_node becomes;
    const char *message;
} damage;

#define SPLIT(l, r, f, k, ...)                                                                     \
    {                                                                                              \
        .left = (l), .right = (r), .feature = (f), .n_categories = (k), __VA_ARGS__                \
    }

static void what_is_no_forest_is_named(void **state)
{
    static const damage all[] = {
        {0, SPLIT(1, 5, 0, -1), "tree 0, node 0: child 5 is not one of the tree's 5 nodes"},
        {0, SPLIT(1, -2, 0, -1), "tree 0, node 0: child -2 is not one of"},
        {0, SPLIT(-1, 2, 0, -1), "tree 0, node 0: child -1 is not one of"},
        {2, SPLIT(3, 0, 0, -1), "tree 0, node 2: child 0 does not stand behind it"},
        {2, SPLIT(2, 4, 0, -1), "tree 0, node 2: child 2 does not stand behind it"},
        {0, SPLIT(2, 2, 0, -1), "tree 0, node 0: child 2 has another parent too"},
        {0, SPLIT(2, 3, 0, -1), "tree 0, node 1: no node before it has it"},
        {2, SPLIT(3, 4, 3, -1), "tree 0, node 2: feature 3 is not one of 3"},
        {2, SPLIT(3, 4, -1, -1), "tree 0, node 2: feature -1 is not one of 3"},
        {2, SPLIT(3, 4, 0, -1, .threshold = NAN), "tree 0, node 2: the threshold is missing"},
        {2, SPLIT(3, 4, 0, -1, .gain = INFINITY), "tree 0, node 2: the gain is inf"},
        {2, SPLIT(3, 4, 0, -1, .prediction = NAN), "tree 0, node 2: the prediction is nan"},
        {2, SPLIT(3, 4, 0, -1, .prediction = 3),
         "node 2: the prediction is 3, not one of 3 classes"},
        {2, SPLIT(3, 4, 1, 3, .first_category = 0, .n_left_categories = 2),
         "tree 0, node 2: category 3 is not one of 3"},
        {2, SPLIT(3, 4, 1, 5, .first_category = 3, .n_left_categories = 3),
         "tree 0, node 2: its 3 categories are not in the model"},
        {8, SPLIT(3, 4, 0, -1), "tree 1, node 3: child 3 does not stand behind it"},
    };
    qn_context *ctx = *state;

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        qn_forest_model *model = hand_forest(ctx);

        model->node[all[i].node] = all[i].becomes;
        CHECK_EQ(forest_model_check(ctx, "model/data", model), QN_EDATA);
        CHECK_ERROR(ctx, "model/data: ");
        CHECK_ERROR(ctx, all[i].message);
        qn_forest_free(model);
    }
}

static void wrong_counts_are_named(void **state)
{
    qn_context *ctx = *state;
    qn_forest_model *model = hand_forest(ctx);

    model->stats[7] = -1;
    CHECK_EQ(forest_model_check(ctx, "m", model), QN_EDATA);
    CHECK_ERROR(ctx, "m: tree 0, node 2: statistic 1 is -1");
    model->stats[7] = INFINITY;
    CHECK_EQ(forest_model_check(ctx, "m", model), QN_EDATA);
    model->stats[7] = 3;
    model->n_classes = 4;
    CHECK_EQ(forest_model_check(ctx, "m", model), QN_EDATA);
    CHECK_ERROR(ctx, "3 statistics, not 4");
    model->n_classes = FOREST_MAX_CLASSES + 1;
    CHECK_EQ(forest_model_check(ctx, "m", model), QN_EDATA);
    CHECK_ERROR(ctx, "classes, not 1 to");
    model->n_classes = 3;
    model->is_tree = true;
    CHECK_EQ(forest_model_check(ctx, "m", model), QN_EDATA);
    CHECK_ERROR(ctx, "2 trees");
    model->is_tree = false;
    model->first_node[1] = 0;
    CHECK_EQ(forest_model_check(ctx, "m", model), QN_EDATA);
    CHECK_ERROR(ctx, "tree 0 has 0 nodes");
    model->first_node[1] = 5;
    CHECK_OK(ctx, forest_model_check(ctx, "m", model));
    qn_forest_free(model);
}

static void parameters_are_the_models_own(void **state)
{
    qn_context *ctx = *state;
    qn_forest_model *model = hand_forest(ctx);
    char strategy[] = "sqrt", one[] = "0.5", two[] = "2", three[] = "0";
    const char *item[] = {one, two, three};
    qn_forest_params params = {.feature_subset_strategy = strategy, .thresholds = {item, 3}};

    CHECK_OK(ctx, forest_model_params(ctx, model, &params));
    CHECK_OK(ctx, forest_model_thresholds(ctx, model));
    strategy[0] = one[0] = 'x';
    CHECK_TEXT(model->params.feature_subset_strategy, "sqrt");
    CHECK_TEXT(model->params.thresholds.item[0], "0.5");
    CHECK(model->threshold[0] == 0.5 && model->threshold[1] == 2 && model->threshold[2] == 0);
    CHECK_OK(ctx, forest_model_params(ctx, model, &params));
    CHECK_EQ(forest_model_thresholds(ctx, model), QN_EINVAL);
    CHECK_ERROR(ctx, "\"x.5\" is not a number");
    CHECK(model->threshold == NULL);
    one[0] = '-';
    CHECK_OK(ctx, forest_model_params(ctx, model, &params));
    CHECK_EQ(forest_model_thresholds(ctx, model), QN_EINVAL);
    strcpy(one, "0");
    CHECK_OK(ctx, forest_model_params(ctx, model, &params));
    CHECK_EQ(forest_model_thresholds(ctx, model), QN_EINVAL);
    CHECK_ERROR(ctx, "2 of them are 0");
    params.thresholds.n = 2;
    CHECK_OK(ctx, forest_model_params(ctx, model, &params));
    CHECK_EQ(forest_model_thresholds(ctx, model), QN_EINVAL);
    CHECK_ERROR(ctx, "2 numbers and there are 3 classes");
    qn_forest_free(model);
}

static void every_failed_allocation_is_survived(void **state)
{
    const forest_shape shape = {.n_trees = 2,
                                .n_features = 3,
                                .n_stats = 3,
                                .n_nodes = 10,
                                .n_category_list = 5,
                                .has_arity = true};
    const char *item[] = {"1", "2", "3"};
    const qn_forest_params params = {.feature_subset_strategy = "all", .thresholds = {item, 3}};
    qn_context *ctx = *state;
    qn_forest_model *good = hand_forest(ctx);
    const int64_t live = qn_alloc_live(ctx);
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_forest_model *model = NULL;

        qn_alloc_fail_after(ctx, allowed);
        st = forest_model_create(ctx, &shape, &model);
        CHECK((model != NULL) == (st == QN_OK));
        if (st == QN_OK) {
            model->is_classifier = true;
            model->n_classes = 3;
            model->first_node[1] = 5;
            model->first_node[2] = 10;
            memcpy(model->node, good->node, 10 * sizeof *model->node);
            memcpy(model->category, good->category, 5 * sizeof *model->category);
            st = forest_model_params(ctx, model, &params);
            st = st == QN_OK ? forest_model_thresholds(ctx, model) : st;
            st = st == QN_OK ? forest_model_check(ctx, "m", model) : st;
            st = st == QN_OK ? forest_model_finish(ctx, model) : st;
        }
        CHECK(st == QN_OK || st == QN_ENOMEM);
        qn_alloc_fail_after(ctx, QN_NEVER);
        qn_forest_free(model);
        CHECK_EQ(qn_alloc_live(ctx), live);
    }
    qn_forest_free(good);
    CHECK_EQ(qn_alloc_live(ctx), 0);
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
    qn_context_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(importances_are_those_of_sparks_own_cases),
        cmocka_unit_test(a_forest_of_leaves_has_no_importances),
        cmocka_unit_test(the_digest_sees_every_part_of_a_node),
        cmocka_unit_test(what_is_no_forest_is_named),
        cmocka_unit_test(wrong_counts_are_named),
        cmocka_unit_test(parameters_are_the_models_own),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
