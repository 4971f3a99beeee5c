/* Saving and loading: our own directories bit by bit, Spark's by its own predictions, and all that
 * can be wrong with one. */
#include <errno.h>

#include <jansson.h>

#include "data/parquet.h"
#include "ml/algo.h"
#include "ml/forest/forest_hand.h"

static void skip_without_module(qn_context *ctx)
{
    const char *version;

    if (qn_parquet_version(ctx, &version) != QN_OK) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        skip();
    }
}

/* A regression tree of five nodes, f1 with seven categories. */
static const hand_node hand_tree_rows[] = {
    {.left = 1,
     .right = 2,
     .feature = 1,
     .prediction = 1.0 / 3,
     .gain = 5e-324,
     .n_categories = 7,
     .left_category = {6, 0, 2, 3, -1},
     .stats = {5, 1.5, 1e22}},
    HAND_LEAF(0, -0.0, 2, -0.5, 0.125),
    {.left = 3,
     .right = 4,
     .feature = 0,
     .threshold = 0.1,
     .prediction = -2.5e-17,
     .gain = 0.5,
     .stats = {3, 2, 9}},
    HAND_LEAF(0, 1.7976931348623157e308, 1, 1, 1),
    HAND_LEAF(0, 0.1, 2, 1, 8),
};

/* The four kinds: a tree or a forest, of classes or of numbers. */
static qn_forest_model *make_model(qn_context *ctx, bool is_tree, bool is_classifier)
{
    const char *item[] = {"0.5", "0", "1.25"};
    const hand_shape shape = {.is_tree = is_tree,
                              .is_classifier = is_classifier,
                              .n_classes = is_classifier ? 3 : 0,
                              .n_features = 3,
                              .n_trees = is_classifier && !is_tree ? 2 : 1};
    qn_forest_model *m = is_classifier ? hand_model(ctx, &shape, hand_forest_rows, is_tree ? 5 : 10)
                                       : hand_model(ctx, &shape, hand_tree_rows, 5);
    qn_forest_params params;

    qn_params_init(is_tree ? &qn_tree_table : &qn_forest_table, &params);
    params.task = is_classifier ? QN_CLASSIFICATION : QN_REGRESSION;
    params.num_trees = shape.n_trees;
    params.max_depth = 2;
    params.impurity = is_classifier ? QN_IMPURITY_ENTROPY : QN_IMPURITY_AUTO;
    params.min_info_gain = 0.125;
    params.seed = INT64_MIN;
    params.feature_subset_strategy = is_tree ? params.feature_subset_strategy : "0.7";
    if (is_classifier)
        params.thresholds = (qn_text_list){item, 3};
    m->base.algo = is_tree ? &qn_algo_tree : &qn_algo_forest;
    CHECK_OK(ctx, forest_model_params(ctx, m, &params));
    CHECK_OK(ctx, forest_model_thresholds(ctx, m));
    CHECK_OK(ctx, forest_model_check(ctx, "made", m));
    CHECK_OK(ctx, forest_model_finish(ctx, m));
    return m;
}

/* What only a fit of ours knows. */
static void add_facts(qn_context *ctx, qn_forest_model *m)
{
    void *arity, *curve;

    CHECK_OK(ctx, qn_calloc_array(ctx, &arity, 3, sizeof *m->arity, "test"));
    CHECK_OK(ctx, qn_calloc_array(ctx, &curve, m->n_trees, sizeof *m->oob_curve, "test"));
    m->arity = arity;
    m->arity[1] = 7;
    m->oob_curve = curve;
    m->oob_curve[0] = 0.1;
    m->n_rows = 10;
    m->n_distinct_rows = 7;
    m->oob_error = 1.0 / 7;
    m->oob_rows = 3;
    m->bytes_moved = 12345;
    m->bytes_held = 67890;
    m->node[0].missing_left ^= 1;
    m->base.is_double = true;
    m->base.data_fingerprint = UINT64_C(0xFEDCBA9876543210);
    strcpy(m->base.prediction_col, "class \"no\"");
    strcpy(m->base.kernel_set, "avx2");
}

static void check_nodes(const qn_forest_model *a, const qn_forest_model *b)
{
    char one[33], two[33];

    CHECK_EQ(a->n_trees, b->n_trees);
    CHECK_EQ(a->n_features, b->n_features);
    CHECK_EQ(a->n_classes, b->n_classes);
    CHECK_EQ(a->n_stats, b->n_stats);
    CHECK_EQ(a->is_tree, b->is_tree);
    CHECK_EQ(a->is_classifier, b->is_classifier);
    CHECK_EQ(a->n_category_list, b->n_category_list);
    assert_memory_equal(a->first_node, b->first_node, (size_t)(a->n_trees + 1) * 8);
    for (int64_t i = 0; i < a->first_node[a->n_trees]; i++) {
        const qn_tree_node *x = a->node + i, *y = b->node + i;

        assert_memory_equal(&x->prediction, &y->prediction, 8);
        assert_memory_equal(&x->threshold, &y->threshold, 8);
        CHECK(x->impurity == y->impurity && x->gain == y->gain && x->raw_count == y->raw_count);
        CHECK(x->left == y->left && x->right == y->right && x->feature == y->feature);
        CHECK(x->n_categories == y->n_categories && x->missing_left == y->missing_left);
        CHECK_EQ(x->n_left_categories, y->n_left_categories);
        if (x->n_left_categories)
            assert_memory_equal(a->category + x->first_category, b->category + y->first_category,
                                (size_t)x->n_left_categories * 4);
    }
    assert_memory_equal(a->stats, b->stats, (size_t)(a->first_node[a->n_trees] * a->n_stats) * 8);
    assert_memory_equal(a->importance, b->importance, (size_t)a->n_features * 8);
    qn_forest_digest(a, one);
    qn_forest_digest(b, two);
    CHECK_TEXT(one, two);
}

static void check_facts(const qn_forest_model *a, const qn_forest_model *b)
{
    CHECK_EQ(a->n_rows, b->n_rows);
    CHECK_EQ(a->n_distinct_rows, b->n_distinct_rows);
    CHECK(a->oob_error == b->oob_error);
    CHECK_EQ(a->oob_rows, b->oob_rows);
    CHECK_EQ(a->bytes_moved, b->bytes_moved);
    CHECK_EQ(a->bytes_held, b->bytes_held);
    assert_memory_equal(a->oob_curve, b->oob_curve, (size_t)a->n_trees * 8);
    assert_memory_equal(a->arity, b->arity, (size_t)a->n_features * 4);
    CHECK_EQ(a->base.is_double, b->base.is_double);
    CHECK(a->base.data_fingerprint == b->base.data_fingerprint);
    CHECK_TEXT(a->base.prediction_col, b->base.prediction_col);
    CHECK_TEXT(a->base.kernel_set, b->base.kernel_set);
}

static void check_params(const qn_forest_model *a, const qn_forest_model *b)
{
    CHECK_EQ(a->params.task, b->params.task);
    CHECK_EQ(a->params.num_trees, b->params.num_trees);
    CHECK_EQ(a->params.max_depth, b->params.max_depth);
    CHECK_EQ(a->params.max_bins, b->params.max_bins);
    CHECK_EQ(a->params.impurity, b->params.impurity);
    CHECK(a->params.min_info_gain == b->params.min_info_gain);
    CHECK(a->params.seed == b->params.seed);
    if (!a->is_tree)
        CHECK_TEXT(a->params.feature_subset_strategy, b->params.feature_subset_strategy);
    CHECK_EQ(a->threshold != NULL, b->threshold != NULL);
    if (a->threshold)
        assert_memory_equal(a->threshold, b->threshold, (size_t)a->n_classes * 8);
    CHECK_EQ(a->base.algo == b->base.algo, 1);
}

static void all_four_kinds_come_back_bit_by_bit(void **state)
{
    folder *f = *state;

    skip_without_module(f->ctx);
    for (int32_t kind = 0; kind < 4; kind++) {
        qn_forest_model *m = make_model(f->ctx, kind & 1, kind & 2), *back = NULL;
        const char *path = folder_file(f, "model");

        add_facts(f->ctx, m);
        CHECK_OK(f->ctx, qn_forest_save(f->ctx, m, path, true, "{\"run_id\":\"r1\"}"));
        CHECK_OK(f->ctx, qn_forest_load(f->ctx, path, &back));
        check_nodes(m, back);
        check_facts(m, back);
        check_params(m, back);
        CHECK_EQ(folder_has(f, "model/treesMetadata"), !(kind & 1));
        qn_forest_free(m);
        qn_forest_free(back);
    }
}

static void without_quern_json_it_is_a_model_of_spark(void **state)
{
    folder *f = *state;

    skip_without_module(f->ctx);
    for (int32_t kind = 0; kind < 4; kind++) {
        qn_forest_model *m = make_model(f->ctx, kind & 1, kind & 2), *back = NULL;

        CHECK_OK(f->ctx, qn_forest_save(f->ctx, m, folder_file(f, "model"), true, NULL));
        CHECK_EQ(unlink(folder_file(f, "model/quern.json")), 0);
        CHECK_OK(f->ctx, qn_forest_load(f->ctx, folder_file(f, "model"), &back));
        check_nodes(m, back);
        m->params.impurity = kind & 2 ? m->params.impurity : QN_IMPURITY_VARIANCE;
        check_params(m, back);
        CHECK(back->n_rows == 0 && isnan(back->oob_error) && !back->oob_curve && !back->arity);
        qn_forest_free(m);
        qn_forest_free(back);
    }
}

static void spark_sees_what_it_knows(void **state)
{
    folder *f = *state;
    qn_forest_model *m;
    char *metadata;

    skip_without_module(f->ctx);
    m = make_model(f->ctx, false, true);
    CHECK_OK(f->ctx, qn_forest_save(f->ctx, m, folder_file(f, "model"), false, NULL));
    metadata = folder_get(f, "model/metadata/part-00000");
#define HAS(text) CHECK(strstr(metadata, text) != NULL)
    HAS("\"class\":\"org.apache.spark.ml.classification.RandomForestClassificationModel\"");
    HAS("\"sparkVersion\":\"3.5.0\",\"uid\":\"rfc_");
    HAS("\"maxDepth\":2,\"maxBins\":32,\"impurity\":\"entropy\"");
    HAS("\"numTrees\":2,\"featureSubsetStrategy\":\"0.7\"");
    HAS("\"thresholds\":[0.5,");
    HAS("},\"numFeatures\":3,\"numClasses\":3,\"numTrees\":2}");
    qn_free(metadata);
    qn_forest_free(m);
    m = make_model(f->ctx, true, false);
    CHECK_OK(f->ctx, qn_forest_save(f->ctx, m, folder_file(f, "model"), true, NULL));
    metadata = folder_get(f, "model/metadata/part-00000");
    HAS("\"class\":\"org.apache.spark.ml.regression.DecisionTreeRegressionModel\"");
    HAS("\"impurity\":\"variance\"");
    HAS("},\"numFeatures\":3}");
    CHECK(strstr(metadata, "numTrees") == NULL && strstr(metadata, "Strategy") == NULL);
    CHECK(strstr(metadata, "rawPredictionCol") == NULL);
#undef HAS
    qn_free(metadata);
    qn_forest_free(m);
}

/* ---- Spark's own ---- */

static void read_row(const json_t *x, int64_t n, double *row)
{
    const json_t *index = json_object_get(x, "indices"), *values = json_object_get(x, "values");

    for (int64_t i = 0; i < n; i++)
        row[i] = index ? 0 : json_number_value(json_array_get(x, (size_t)i));
    for (size_t i = 0; index && i < json_array_size(index); i++)
        row[json_integer_value(json_array_get(index, i))] =
            json_number_value(json_array_get(values, i));
}

static void check_list(const json_t *said, const char *key, const double *x, int32_t n)
{
    const json_t *list = json_object_get(said, key);

    CHECK_EQ(json_array_size(list), n);
    for (int32_t c = 0; c < n; c++)
        CHECK_NEAR(x[c], json_number_value(json_array_get(list, (size_t)c)), 1e-12);
}

static void check_predictions(const qn_forest_model *m, const json_t *root)
{
    const json_t *rows = json_object_get(root, "rows"), *all = json_object_get(root, "predictions");

    CHECK(json_array_size(rows) >= 20);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *said = json_array_get(all, i);
        double row[16], prediction, raw[8], probability[8], *x;

        CHECK(m->n_features <= 16 && m->n_classes <= 8);
        read_row(json_object_get(json_array_get(rows, i), "features"), m->n_features, row);
        qn_forest_predict(m, 1, row, &prediction, m->is_classifier ? probability : NULL);
        CHECK_NEAR(prediction, json_number_value(json_object_get(said, "prediction")), 1e-12);
        if (!m->is_classifier)
            continue;
        x = hand_panels(row, 1, m->n_features);
        forest_predict_panels(m, 1, x, &prediction, raw, NULL);
        check_list(said, "rawPrediction", raw, m->n_classes);
        check_list(said, "probability", probability, m->n_classes);
        free(x);
    }
}

static void models_of_spark_3_and_4_predict_as_spark_does(void **state)
{
    static const struct {
        const char *name;
        bool is_tree, is_classifier;
        int32_t n_trees, max_depth;
    } all[] = {
        {"dtc", true, true, 1, 2},          {"rfc", false, true, 3, 3},
        {"rfc_cat", false, true, 2, 3},     {"rfr", false, false, 3, 3},
        {"rfc_spark43", false, true, 3, 3},
    };
    folder *f = *state;

    SKIP_WITHOUT_SHARED();
    skip_without_module(f->ctx);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char path[512], expected[600];
        qn_forest_model *m = NULL, *back = NULL;
        json_t *root;

        snprintf(path, sizeof path, "%s/data/spark-models/%s", shared_dir(), all[i].name);
        snprintf(expected, sizeof expected, "%s/expected.json", path);
        CHECK_OK(f->ctx, qn_forest_load(f->ctx, path, &m));
        CHECK_EQ(m->is_tree, all[i].is_tree);
        CHECK_EQ(m->is_classifier, all[i].is_classifier);
        CHECK_EQ(m->n_trees, all[i].n_trees);
        CHECK_EQ(m->params.num_trees, all[i].n_trees);
        CHECK_EQ(m->params.max_depth, all[i].max_depth);
        CHECK_EQ(m->params.seed, 7);
        CHECK_EQ(m->params.impurity,
                 all[i].is_classifier ? QN_IMPURITY_GINI : QN_IMPURITY_VARIANCE);
        root = json_load_file(expected, 0, NULL);
        check_predictions(m, root);
        /* As ours it says the same. */
        CHECK_OK(f->ctx, qn_forest_save(f->ctx, m, folder_file(f, "model"), true, NULL));
        CHECK_OK(f->ctx, qn_forest_load(f->ctx, folder_file(f, "model"), &back));
        check_nodes(m, back);
        check_predictions(back, root);
        json_decref(root);
        qn_forest_free(m);
        qn_forest_free(back);
    }
}

static void other_models_of_spark_are_refused_by_name(void **state)
{
    folder *f = *state;
    qn_forest_model *m = NULL;
    char path[512];

    SKIP_WITHOUT_SHARED();
    skip_without_module(f->ctx);
    snprintf(path, sizeof path, "%s/data/spark-models/gbtr", shared_dir());
    CHECK_EQ(qn_forest_load(f->ctx, path, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "GBTRegressionModel: gradient-boosted trees are not read");
    snprintf(path, sizeof path, "%s/data/spark-models/kmeans", shared_dir());
    CHECK_EQ(qn_forest_load(f->ctx, path, &m), QN_EDATA);
    CHECK_ERROR(f->ctx, "KMeansModel, not a decision tree or random forest");
    CHECK(m == NULL);
}

/* ---- Damage ---- */

/* One row of a table of three columns, as SQL. Rows are numbered 0, 1 ... */
static void write_table(folder *f, const char *name, const char *const *row, int32_t n)
{
    static const int32_t index[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    static const qn_field field = {"i", QN_INT32};
    static const qn_schema schema = {&field, 1, true};
    const qn_column column = {QN_INT32, index, NULL, NULL};
    qn_string select = {0};
    qn_parquet_write write = {.path = folder_file(f, name), .overwrite = true};
    qn_sink *sink = NULL;

    qn_string_add(&select, "UNNEST(CASE i");
    for (int32_t i = 0; i < n; i++)
        qn_string_addf(&select, " WHEN %d THEN %s", i, row[i]);
    qn_string_add(&select, " END)");
    write.select = select.text;
    CHECK_OK(f->ctx, qn_parquet_sink_open(f->ctx, &write, &schema, &sink));
    CHECK_OK(f->ctx, qn_sink_write(f->ctx, sink, &(qn_batch){n, 1, &column, 0}));
    CHECK_OK(f->ctx, qn_sink_commit(f->ctx, &sink));
    qn_string_release(&select);
}

#define NODE(tree, id, prediction, stats, left, right, split)                                      \
    "{'treeID': " tree "::INTEGER, 'nodeData': {'id': " id "::INTEGER, 'prediction': " prediction  \
    "::DOUBLE, 'impurity': 0.5::DOUBLE, 'impurityStats': " stats                                   \
    "::DOUBLE[], 'rawCount': 4::BIGINT, 'gain': -1::DOUBLE, 'leftChild': " left                    \
    "::INTEGER, 'rightChild': " right "::INTEGER, 'split': " split                                 \
    "::STRUCT(\"featureIndex\" INTEGER, \"leftCategoriesOrThreshold\" DOUBLE[], "                  \
    "\"numCategories\" INTEGER)}}"
#define SPLIT(feature, at, categories)                                                             \
    "{'featureIndex': " feature ", 'leftCategoriesOrThreshold': " at                               \
    ", 'numCategories': " categories "}"
#define NO_SPLIT        SPLIT("-1", "[]", "-1")
#define LEAF(tree, id)  NODE(tree, id, "1", "[3, 1]", "-1", "-1", NO_SPLIT)
#define INNER(tree, id) NODE(tree, id, "0", "[4, 4]", "1", "2", SPLIT("0", "[0.5]", "-1"))

#define TREE_METADATA(class)                                                                       \
    "'{\"class\":\"org.apache.spark.ml.classification." class "\",\"timestamp\":1,"                \
                                                              "\"sparkVersion\":\"3.5.0\","        \
                                                              "\"uid\":\"t\",\"paramMap\":{},"     \
                                                              "\"defaultParamMap\":{}}'"
#define TREE(id, metadata, weight)                                                                 \
    "{'treeID': " id "::INTEGER, 'metadata': " metadata "::VARCHAR, 'weights': " weight "::"       \
    "DOUBLE}"
#define FINE_TREE(id) TREE(id, TREE_METADATA("DecisionTreeClassificationModel"), "1")

#define METADATA(class, params, extra)                                                             \
    "{\"class\":\"org.apache.spark.ml.classification." class "\",\"timestamp\":1,"                 \
                                                             "\"sparkVersion\":\"3.5.0\",\"uid\":" \
                                                             "\"x\",\"paramMap\":{" params         \
                                                             "},\"defaultParamMap\":{}"            \
                                                             "" extra "}\n"
#define FINE_EXTRA ",\"numFeatures\":2,\"numClasses\":2,\"numTrees\":2"

/* A forest of two trees as Spark would write it, rows in disorder. */
static void write_fine(folder *f)
{
    static const char *const nodes[] = {LEAF("0", "2"), INNER("0", "0"), LEAF("1", "0"),
                                        LEAF("0", "1")};
    static const char *const trees[] = {FINE_TREE("1"), FINE_TREE("0")};

    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, folder_file(f, "model/metadata")));
    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, folder_file(f, "model/data")));
    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, folder_file(f, "model/treesMetadata")));
    folder_put(f, "model/metadata/part-00000",
               METADATA("RandomForestClassificationModel", "", FINE_EXTRA));
    write_table(f, "model/data/part-00000.parquet", nodes, 4);
    write_table(f, "model/treesMetadata/part-00000.parquet", trees, 2);
}

static void rows_come_in_any_order(void **state)
{
    folder *f = *state;
    qn_forest_model *m = NULL;
    const double rows[] = {0.5, 0, 0.75, 0};
    double prediction[2], probability[4];

    skip_without_module(f->ctx);
    write_fine(f);
    CHECK_OK(f->ctx, qn_forest_load(f->ctx, folder_file(f, "model"), &m));
    CHECK_EQ(m->first_node[1], 3);
    CHECK_EQ(m->first_node[2], 4);
    CHECK_EQ(m->node[0].left, 1);
    CHECK_EQ(m->params.num_trees, 2);
    CHECK_EQ(m->params.max_depth, 5);
    CHECK_TEXT(m->params.feature_subset_strategy, "auto");
    qn_forest_predict(m, 2, rows, prediction, probability);
    CHECK(prediction[0] == 0 && probability[0] == 0.75 && probability[3] == 0.25);
    qn_forest_free(m);
}

static void check_refused(folder *f, const char *message)
{
    qn_forest_model *m = NULL;

    CHECK_EQ(qn_forest_load(f->ctx, folder_file(f, "model"), &m), QN_EDATA);
    CHECK_ERROR(f->ctx, message);
    CHECK_ERROR(f->ctx, "model");
    CHECK(m == NULL);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
}

static void damaged_nodes_are_named_by_file_and_row(void **state)
{
#define BAD_INNER(left, right, split)   NODE("0", "0", "0", "[4, 4]", left, right, split)
#define BAD_LEAF(id, prediction, stats) NODE("0", id, prediction, stats, "-1", "-1", NO_SPLIT)
    static const struct {
        const char *row; /* the second one, node 0 of tree 0 */
        const char *message;
    } bad[] = {
        {BAD_INNER("1", "3", SPLIT("0", "[0.5]", "-1")),
         "part-00000.parquet, row 1: tree 0, node 0: child 3 is not one of the tree's 3 nodes"},
        {BAD_INNER("1", "-1", SPLIT("0", "[0.5]", "-1")), "row 1: tree 0, node 0: child -1"},
        {BAD_INNER("0", "2", SPLIT("0", "[0.5]", "-1")), "row 1: tree 0, node 0: child 0 does not"},
        {BAD_INNER("1", "1", SPLIT("0", "[0.5]", "-1")), "row 1: tree 0, node 0: child 1 has anot"},
        {BAD_INNER("-1", "-1", NO_SPLIT), "row 3: tree 0, node 1: no node before it has it"},
        {BAD_INNER("1", "2", SPLIT("2", "[0.5]", "-1")), "row 1: tree 0, node 0: feature 2 is not"},
        {BAD_INNER("1", "2", SPLIT("0", "[]", "-1")),
         "row 1: leftCategoriesOrThreshold is not one"},
        {BAD_INNER("1", "2", SPLIT("0", "[1, 2]", "-1")),
         "row 1: leftCategoriesOrThreshold is not"},
        {BAD_INNER("1", "2", SPLIT("0", "['nan'::DOUBLE]", "-1")),
         "row 1: tree 0, node 0: the thr"},
        {BAD_INNER("1", "2", SPLIT("0", "[NULL]", "-1")), "row 1 is damaged"},
        {BAD_INNER("1", "2", SPLIT("0", "[3]", "3")),
         "row 1: leftCategoriesOrThreshold holds what"},
        {BAD_INNER("1", "2", SPLIT("0", "[-1]", "3")),
         "row 1: leftCategoriesOrThreshold holds what"},
        {BAD_INNER("1", "2", SPLIT("0", "[0.5]", "3")), "row 1: leftCategoriesOrThreshold holds"},
        {BAD_INNER("1", "2", SPLIT("0", "[0.5]", "0")), "row 1: numCategories is neither"},
        {BAD_INNER("1", "2", SPLIT("0", "[0.5]", "2000000000")), "row 1: numCategories is neither"},
        {BAD_INNER("1", "2", "NULL"), "row 1 is damaged (null)"},
        {BAD_LEAF("7", "0", "[4, 4]"), "row 1: id 7 of tree 0, which has 3 nodes"},
        {BAD_LEAF("-1", "0", "[4, 4]"), "row 1: id -1 of tree 0"},
        {BAD_LEAF("2", "0", "[4, 4]"), "row 1: node 2 of tree 0 is there twice"},
        {BAD_LEAF("0", "0", "[4]"), "row 1: impurityStats has not one number a class"},
        {BAD_LEAF("0", "0", "[4, 4, 4]"), "row 1: impurityStats has not one number a class"},
        {BAD_LEAF("0", "0", "NULL"), "row 1 is damaged (null)"},
        {BAD_LEAF("0", "0", "[4, NULL]"), "row 1 is damaged"},
        {BAD_LEAF("0", "0", "[4, -1]"), "row 1: tree 0, node 0: statistic 1 is -1"},
        {BAD_LEAF("0", "0", "[4, 'inf'::DOUBLE]"), "row 1: tree 0, node 0: statistic 1 is inf"},
        {BAD_LEAF("0", "'nan'", "[4, 4]"), "row 1: tree 0, node 0: the prediction is nan"},
        {BAD_LEAF("0", "NULL", "[4, 4]"), "row 1 is damaged (null)"},
        {NODE("2", "0", "0", "[4, 4]", "-1", "-1", NO_SPLIT), "row 1: treeID is not one of"},
        {NODE("-1", "0", "0", "[4, 4]", "-1", "-1", NO_SPLIT), "row 1: treeID is not one of"},
        {NODE("NULL", "0", "0", "[4, 4]", "-1", "-1", NO_SPLIT), "row 1 is damaged (null)"},
    };
    folder *f = *state;

    skip_without_module(f->ctx);
    write_fine(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const nodes[] = {LEAF("0", "2"), bad[i].row, LEAF("1", "0"), LEAF("0", "1")};

        write_table(f, "model/data/part-00000.parquet", nodes, 4);
        check_refused(f, bad[i].message);
    }
}

static void missing_trees_and_parts_are_named(void **state)
{
    static const char *const one_tree[] = {INNER("0", "0"), LEAF("0", "1"), LEAF("0", "2")};
    static const char *const one_node[] = {LEAF("0", "0")};
    static const char *const flat[] = {"{'treeID': 0, 'nodeData': {'id': 0}}"};
    folder *f = *state;

    skip_without_module(f->ctx);
    write_fine(f);
    write_table(f, "model/data/part-00000.parquet", one_tree, 3);
    check_refused(f, "model/data: tree 1 of 2 has no nodes");
    write_table(f, "model/data/part-00000.parquet", one_node, 1);
    check_refused(f, "model/data holds 1 nodes of 2 trees");
    write_table(f, "model/data/part-00000.parquet", flat, 1);
    check_refused(f, "table \"data\" of the model has no column \"nodeData.prediction\"");
    CHECK_EQ(unlink(folder_file(f, "model/data/part-00000.parquet")), 0);
    check_refused(f, "model/data");
}

static void damaged_trees_are_named_by_file_and_row(void **state)
{
    static const struct {
        const char *row; /* the second one, tree 1 */
        const char *message;
    } bad[] = {
        {FINE_TREE("2"), "part-00000.parquet, row 1: tree 2 is not one of 2"},
        {FINE_TREE("-1"), "row 1: tree -1 is not one of 2"},
        {FINE_TREE("0"), "row 1: tree 0 is there twice"},
        {TREE("1", "'{'", "1"), "row 1"},
        {TREE("1", TREE_METADATA("LinearSVCModel"), "1"), "LinearSVCModel"},
        {TREE("1", "NULL", "1"), "row 1 is damaged (null)"},
        {TREE("1", TREE_METADATA("DecisionTreeClassificationModel"), "'nan'"), "row 1: the weight"},
    };
    static const char *const one[] = {FINE_TREE("0")};
    folder *f = *state;

    skip_without_module(f->ctx);
    write_fine(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const trees[] = {FINE_TREE("0"), bad[i].row};

        write_table(f, "model/treesMetadata/part-00000.parquet", trees, 2);
        check_refused(f, bad[i].message);
    }
    write_table(f, "model/treesMetadata/part-00000.parquet", one, 1);
    check_refused(f, "treesMetadata tells of 1 trees, the metadata of 2");
}

static void damaged_metadata_are_named(void **state)
{
#define RFC "RandomForestClassificationModel"
    static const struct {
        const char *text, *message;
    } bad[] = {
        {METADATA(RFC, "", ",\"numFeatures\":2,\"numTrees\":2"), "\"numClasses\" is missing"},
        {METADATA(RFC, "", ",\"numFeatures\":2,\"numClasses\":2"), "\"numTrees\" is missing"},
        {METADATA(RFC, "", ",\"numClasses\":2,\"numTrees\":2"), "\"numFeatures\" is missing"},
        {METADATA(RFC, "", ",\"numFeatures\":0,\"numClasses\":2,\"numTrees\":2"),
         "\"numFeatures\" is 0"},
        {METADATA(RFC, "", ",\"numFeatures\":2,\"numClasses\":1000000,\"numTrees\":2"),
         "\"numClasses\" is 1000000, not 1 to 4096"},
        {METADATA(RFC, "", ",\"numFeatures\":2,\"numClasses\":2,\"numTrees\":2147483647"),
         "holds 4 nodes of 2147483647 trees"},
        {METADATA(RFC, "", ",\"numFeatures\":2,\"numClasses\":3,\"numTrees\":2"),
         "impurityStats has not one number a class"},
        {METADATA(RFC, "", ",\"numFeatures\":2,\"numClasses\":2,\"numTrees\":1"), "treeID is not"},
        {METADATA(RFC, "\"thresholds\":[1,2,3]", FINE_EXTRA), "3 numbers and there are 2 classes"},
        {METADATA(RFC, "\"thresholds\":[1,\"2\"]", FINE_EXTRA), "\"thresholds\" of the model"},
        {METADATA(RFC, "\"maxDepth\":\"two\"", FINE_EXTRA), "parameter \"max_depth\""},
        {METADATA("RandomForestClassifier", "", ""), "RandomForestClassifier"},
        {"{\"class\": ", "part-00000 is damaged"},
    };
    folder *f = *state;

    skip_without_module(f->ctx);
    write_fine(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        folder_put(f, "model/metadata/part-00000", bad[i].text);
        check_refused(f, bad[i].message);
    }
    CHECK_EQ(qn_forest_load(f->ctx, folder_file(f, "no"), &(qn_forest_model *){NULL}),
             QN_ENOTFOUND);
}

/* What Spark allows and our options do not is read. */
static void wider_parameters_of_spark_are_read(void **state)
{
    folder *f = *state;
    qn_forest_model *m = NULL;

    skip_without_module(f->ctx);
    write_fine(f);
    folder_put(f, "model/metadata/part-00000",
               METADATA(RFC, "\"maxBins\":100000,\"featureSubsetStrategy\":\"3\"", FINE_EXTRA));
    CHECK_OK(f->ctx, qn_forest_load(f->ctx, folder_file(f, "model"), &m));
    CHECK_EQ(m->params.max_bins, 100000);
    CHECK_TEXT(m->params.feature_subset_strategy, "3");
    qn_forest_free(m);
}

/* ---- Failures ---- */

static void a_failed_save_leaves_the_old_model(void **state)
{
    folder *f = *state;
    qn_forest_model *old = NULL, *m = NULL;
    qn_status st = QN_EIO;

    skip_without_module(f->ctx);
    old = make_model(f->ctx, true, true);
    m = make_model(f->ctx, false, true);
    CHECK_OK(f->ctx, qn_forest_save(f->ctx, old, folder_file(f, "model"), false, NULL));
    CHECK_EQ(qn_forest_save(f->ctx, m, folder_file(f, "model"), false, NULL), QN_EEXISTS);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_forest_model *back = NULL;

        qn_write_fail_after(f->ctx, allowed, allowed % 2 ? ENOSPC : EIO);
        st = qn_forest_save(f->ctx, m, folder_file(f, "model"), true, NULL);
        qn_write_fail_after(f->ctx, INT64_MAX, 0);
        CHECK(st == QN_OK || st == QN_EIO);
        CHECK_OK(f->ctx, qn_forest_load(f->ctx, folder_file(f, "model"), &back));
        /* The last writes come after the swap: the new one may be there whole. */
        CHECK(back->is_tree == (st != QN_OK) || (!back->is_tree && allowed > 5));
        qn_forest_free(back);
        CHECK_EQ(folder_count(f), 1);
    }
    qn_forest_free(old);
    qn_forest_free(m);
}

static void saving_and_loading_survive_every_failed_allocation(void **state)
{
    folder *f = *state;
    qn_forest_model *m = NULL;
    int64_t live = 0;

    skip_without_module(f->ctx);
    m = make_model(f->ctx, false, true);
    add_facts(f->ctx, m);
    live = qn_alloc_live(f->ctx);
    for (int step = 0; step < 2; step++) {
        qn_status st = QN_ENOMEM;

        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            qn_forest_model *back = NULL;

            qn_alloc_fail_after(f->ctx, allowed);
            st = step == 0 ? qn_forest_save(f->ctx, m, folder_file(f, "model"), true, NULL)
                           : qn_forest_load(f->ctx, folder_file(f, "model"), &back);
            qn_alloc_fail_after(f->ctx, QN_NEVER);
            CHECK(st == QN_OK || st == QN_ENOMEM);
            CHECK((back != NULL) == (step == 1 && st == QN_OK));
            qn_forest_free(back);
            CHECK_EQ(qn_alloc_live(f->ctx), live);
        }
    }
    qn_forest_free(m);
}

static int setup(void **state)
{
    qn_context *ctx = NULL;

    assert_int_equal(qn_context_create(NULL, &ctx), QN_OK);
    *state = folder_make(ctx);
    return 0;
}

static int teardown(void **state)
{
    folder *f = *state;
    qn_context *ctx = f->ctx;

    CHECK_EQ(qn_alloc_live(ctx), 0);
    folder_remove(f);
    qn_context_free(ctx);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_four_kinds_come_back_bit_by_bit),
        TEST(without_quern_json_it_is_a_model_of_spark),
        TEST(spark_sees_what_it_knows),
        TEST(models_of_spark_3_and_4_predict_as_spark_does),
        TEST(other_models_of_spark_are_refused_by_name),
        TEST(rows_come_in_any_order),
        TEST(damaged_nodes_are_named_by_file_and_row),
        TEST(missing_trees_and_parts_are_named),
        TEST(damaged_trees_are_named_by_file_and_row),
        TEST(damaged_metadata_are_named),
        TEST(wider_parameters_of_spark_are_read),
        TEST(a_failed_save_leaves_the_old_model),
        TEST(saving_and_loading_survive_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
