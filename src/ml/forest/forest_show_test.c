/* A forest as text, JSON, picture and C header. */
#include <errno.h>

#include <jansson.h>

#include "ml/forest/forest_hand.h"
#include "ml/forest/forest_show.h"

static qn_status export_to(folder *f, const qn_forest_model *m, const char *name, int32_t format,
                           int32_t tree)
{
    const qn_model_form options = {format, tree, "toy"};
    qn_out_file *out = NULL;
    qn_status st = qn_out_open(f->ctx, folder_file(f, name), true, &out);

    if (st == QN_OK)
        st = forest_export(f->ctx, &m->base, &options, out);
    if (st == QN_OK)
        st = qn_out_commit(&out);
    qn_out_abandon(&out);
    return st;
}

/* f1 is called colour; its categories have names. */
static void add_names(qn_context *ctx, qn_forest_model *m)
{
    static char *const colours[] = {"red", "gr<e>en", "blue", "*/ \"x\"", "\xC3\xA9mail"};
    static char *const names[] = {"z", "colour", "a&b"};
    const qn_feature feature[] = {
        {names[0], names[0], QN_FEATURE_COLUMN, 1, NULL, 0},
        {names[1], names[1], QN_FEATURE_CATEGORY, 1, (char **)(uintptr_t)colours, 5},
        {names[2], names[2], QN_FEATURE_COLUMN, 1, NULL, 0}};
    const qn_features features = {.feature = (qn_feature *)(uintptr_t)feature,
                                  .n = 3,
                                  .width = 3,
                                  .has_names = true,
                                  .categories = QN_CATEGORIES_INDEX};

    CHECK_OK(ctx, qn_features_copy(ctx, &features, &m->base.features));
}

static void text_reads_like_the_tree(void **state)
{
    folder *f = *state;
    qn_forest_model *m = hand_forest(f->ctx);

    add_names(f->ctx, m);
    CHECK_OK(f->ctx, export_to(f, m, "m.txt", QN_EXPORT_TEXT, 0));
    folder_expect(f, "m.txt",
                  "RandomForestClassificationModel: 2 trees, 3 features, 3 classes\n"
                  "features, with their importance:\n"
                  "  0  z  0.4\n"
                  "  1  colour  0.5\n"
                  "  2  a&b  0.1\n"
                  "Tree 0: 5 nodes, depth 2\n"
                  "  If z <= 0.5\n"
                  "    Predict 0  5 rows  [5, 0, 0]\n"
                  "  Else z > 0.5\n"
                  "    If colour in {red, */ \"x\"}\n"
                  "      Predict 1  3 rows  [0, 3, 0]\n"
                  "    Else colour not in {red, */ \"x\"}\n"
                  "      Predict 0  2 rows  [1, 0, 1]\n");
    m->node[0].missing_left = true;
    CHECK_OK(f->ctx, export_to(f, m, "m.txt", QN_EXPORT_TEXT, -1));
    {
        char *text = folder_get(f, "m.txt");

        CHECK(strstr(text, "  If z <= 0.5 or missing\n") != NULL);
        CHECK(strstr(text, "  Else z > 0.5\n") != NULL);
        CHECK(strstr(text, "    Else colour not in {red, */ \"x\"} or missing\n") != NULL);
        CHECK(strstr(text, "Tree 1: 5 nodes, depth 2\n  If colour in {red, gr<e>en,") != NULL);
        qn_free(text);
    }
    qn_forest_free(m);
}

static void json_has_every_number(void **state)
{
    folder *f = *state;
    qn_forest_model *m = hand_forest(f->ctx);
    const json_t *node;
    json_t *root;

    CHECK_OK(f->ctx, export_to(f, m, "m.json", QN_EXPORT_JSON, -1));
    root = json_load_file(folder_file(f, "m.json"), 0, NULL);
    assert_non_null(root);
    CHECK_TEXT(json_string_value(json_object_get(root, "class")),
               "org.apache.spark.ml.classification.RandomForestClassificationModel");
    CHECK_EQ(json_array_size(json_object_get(root, "trees")), 2);
    for (int32_t t = 0; t < 2; t++) {
        const json_t *nodes =
            json_object_get(json_array_get(json_object_get(root, "trees"), (size_t)t), "nodes");

        CHECK_EQ(json_array_size(nodes), 5);
        for (int32_t i = 0; i < 5; i++) {
            const qn_tree_node *has = m->node + 5 * t + i;

            node = json_array_get(nodes, (size_t)i);
            CHECK_EQ(json_integer_value(json_object_get(node, "id")), i);
            CHECK_NEAR(json_number_value(json_object_get(node, "prediction")), has->prediction, 0);
            CHECK_EQ(json_array_size(json_object_get(node, "stats")), 3);
            CHECK_EQ(json_object_get(node, "left") != NULL, has->left >= 0);
            if (has->left < 0)
                continue;
            CHECK_EQ(json_integer_value(json_object_get(node, "left")), has->left);
            CHECK_EQ(json_integer_value(json_object_get(node, "feature")), has->feature);
            CHECK_EQ(json_array_size(json_object_get(node, "left_categories")),
                     has->n_left_categories);
            CHECK_EQ(json_object_get(node, "threshold") != NULL, has->n_categories < 0);
        }
    }
    json_decref(root);
    CHECK_OK(f->ctx, export_to(f, m, "m.json", QN_EXPORT_JSON, 1));
    root = json_load_file(folder_file(f, "m.json"), 0, NULL);
    CHECK_EQ(json_array_size(json_object_get(root, "trees")), 1);
    json_decref(root);
    qn_forest_free(m);
}

static int64_t count(const char *text, const char *what)
{
    int64_t n = 0;

    for (const char *p = text; (p = strstr(p, what)); p++)
        n++;
    return n;
}

static void a_picture_has_every_node(void **state)
{
    folder *f = *state;
    qn_forest_model *m = hand_forest(f->ctx);
    char *text;

    add_names(f->ctx, m);
    CHECK_OK(f->ctx, export_to(f, m, "m.svg", QN_EXPORT_SVG, 1));
    text = folder_get(f, "m.svg");
    CHECK_EQ(count(text, "<g><title>"), 5);
    CHECK_EQ(count(text, "<path d="), 4);
    CHECK_EQ(count(text, "</g>"), 5);
    CHECK_EQ(count(text, "<"), count(text, ">"));
    CHECK(strstr(text, "Tree 1 of 2") != NULL);
    CHECK(strstr(text, "a&amp;b &lt;= -1.5") != NULL);
    CHECK(strstr(text, "gr&lt;e&gt;en") != NULL);
    CHECK(strstr(text, "nan") == NULL && strstr(text, "inf") == NULL);
    qn_free(text);
    qn_forest_free(m);
}

static void what_does_not_fit_is_refused(void **state)
{
    folder *f = *state;
    qn_forest_model *m = hand_forest(f->ctx);
    qn_model_form options = {QN_EXPORT_C, -1, "2nd"};
    qn_out_file *out = NULL;

    CHECK_EQ(export_to(f, m, "m", QN_EXPORT_SVG, 2), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--tree 2: the model has 2 trees, counted from 0");
    CHECK_EQ(export_to(f, m, "m", QN_EXPORT_C, 0), QN_EINVAL);
    CHECK_ERROR(f->ctx, "holds all trees");
    CHECK_OK(f->ctx, qn_out_open(f->ctx, folder_file(f, "m"), true, &out));
    CHECK_EQ(forest_export(f->ctx, &m->base, &options, out), QN_EINVAL);
    CHECK_ERROR(f->ctx, "\"2nd\" is no name that C takes");
    options.name = "a b";
    CHECK_EQ(forest_export(f->ctx, &m->base, &options, out), QN_EINVAL);
    qn_out_abandon(&out);
    CHECK_EQ(folder_count(f), 0);
    qn_forest_free(m);
}

/* ---- The C header ---- */

static const char program[] =
    "#include \"toy.h\"\n#include <stdio.h>\nint main(void)\n{\n"
    "    double row[toy_FEATURES];\n    int i;\n"
    "#ifdef toy_CLASSES\n    double out[toy_CLASSES + 1];\n#else\n    double out[1];\n#endif\n"
    "    while (fread(row, sizeof row, 1, stdin) == 1) {\n"
    "#ifdef toy_CLASSES\n        double again = toy_predict(row, 0);\n"
    "        out[toy_CLASSES] = toy_predict(row, out);\n"
    "        if (again != out[toy_CLASSES])\n            return 1;\n"
    "#else\n        out[0] = toy_predict(row);\n#endif\n"
    "        i = (int)fwrite(out, sizeof out, 1, stdout);\n        if (i != 1)\n"
    "            return 1;\n    }\n    return 0;\n}\n";

/* Compiles the header as C99 with every warning an error, and compares bits on rows of all kinds.
 */
static void check_header(folder *f, const qn_forest_model *m)
{
    enum { N = 400 };
    static const double odd[] = {0,  0.5, 1, 2,   3,        4,         5,   6,    7,
                                 -1, 1.5, 9, 1e9, INFINITY, -INFINITY, NAN, 0.75, -1.5};
    const int64_t d = m->n_features, width = m->is_classifier ? m->n_classes + 1 : 1;
    double rows[N * 8], out[N * 8], prediction, probability[8];
    uint64_t noise = 3;
    char command[512];
    FILE *file;

    assert_true(d <= 8 && width <= 8);
    for (int64_t i = 0; i < N * d; i++) {
        noise = noise * UINT64_C(6364136223846793005) + 1442695040888963407U;
        rows[i] = odd[(noise >> 33) % (sizeof odd / sizeof *odd)];
    }
    CHECK_OK(f->ctx, export_to(f, m, "toy.h", QN_EXPORT_C, -1));
    folder_put(f, "toy.c", program);
    file = fopen(folder_file(f, "rows"), "wb");
    CHECK_EQ(fwrite(rows, (size_t)d * 8, N, file), N);
    CHECK_EQ(fclose(file), 0);
    snprintf(command, sizeof command,
             "cd %s && cc -std=c99 -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror -o toy toy.c "
             "&& ./toy <rows >out",
             f->path);
    CHECK_EQ(system(command), 0);
    file = fopen(folder_file(f, "out"), "rb");
    CHECK_EQ(fread(out, (size_t)width * 8, N, file), N);
    CHECK_EQ(fclose(file), 0);
    for (int64_t r = 0; r < N; r++) {
        const double *said = out + r * width;

        qn_forest_predict(m, 1, rows + r * d, &prediction, m->is_classifier ? probability : NULL);
        assert_memory_equal(&prediction, &said[width - 1], 8);
        if (m->is_classifier)
            assert_memory_equal(probability, said, (size_t)m->n_classes * 8);
    }
}

static void the_header_predicts_to_the_last_bit(void **state)
{
    static const hand_node numbers[] = {
        {.tree = 0, .left = 1, .right = 2, .gain = 1, .threshold = 0.1, .stats = {3, 6, 14}},
        HAND_LEAF(0, 0.1, 1, 0.1, 0.01),
        {.tree = 0,
         .left = 3,
         .right = 4,
         .feature = 1,
         .gain = 1,
         .n_categories = 40,
         .left_category = {0, 31, 3, 5, 39, -1},
         .stats = {2, 1, 1}},
        HAND_LEAF(0, 1.0 / 3, 1, 1.4, 0.98),
        HAND_LEAF(0, -1e-300, 1, 1.4, 0.98),
        {.tree = 1, .left = 1, .right = 2, .gain = 1, .threshold = INFINITY, .stats = {3, 6, 14}},
        HAND_LEAF(1, 0.2, 3, 0.6, 0.12),
        HAND_LEAF(1, -4, 3, -12, 48),
        HAND_LEAF(2, 0, 3, 0, 0),
    };
    const hand_shape shape = {.n_features = 2, .n_trees = 3};
    hand_shape one = hand_forest_shape;
    const char *item[] = {"0.5", "0", "1.25"};
    const qn_forest_params params = {.thresholds = {item, 3}};
    folder *f = *state;
    qn_forest_model *m = hand_forest(f->ctx);

    if (system("cc --version >/dev/null 2>&1") != 0) {
        qn_forest_free(m);
        print_message("skipped: there is no cc\n");
        skip();
    }
    add_names(f->ctx, m);
    check_header(f, m);
    m->node[0].missing_left = true;
    CHECK_OK(f->ctx, forest_model_params(f->ctx, m, &params));
    CHECK_OK(f->ctx, forest_model_thresholds(f->ctx, m));
    check_header(f, m);
    qn_forest_free(m);
    one.n_trees = 1;
    one.is_tree = true;
    m = hand_model(f->ctx, &one, hand_forest_rows, 5);
    CHECK_OK(f->ctx, forest_model_finish(f->ctx, m));
    check_header(f, m);
    qn_forest_free(m);
    m = HAND_MODEL(f->ctx, &shape, numbers);
    CHECK_OK(f->ctx, forest_model_check(f->ctx, "numbers", m));
    CHECK_OK(f->ctx, forest_model_finish(f->ctx, m));
    check_header(f, m);
    qn_forest_free(m);
}

/* ---- Failures ---- */

static void failed_writes_leave_no_file(void **state)
{
    folder *f = *state;
    qn_forest_model *m = hand_forest(f->ctx);

    for (int32_t format = 0; format < 4; format++) {
        qn_status st = QN_EIO;

        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            qn_write_fail_after(f->ctx, allowed, ENOSPC);
            st = export_to(f, m, "m", format, -1);
            qn_write_fail_after(f->ctx, INT64_MAX, 0);
            CHECK(st == QN_OK || st == QN_EIO);
            CHECK_EQ(folder_count(f), folder_has(f, "m"));
            if (st != QN_OK && folder_has(f, "m")) /* the folder's own sync came last */
                CHECK_EQ(unlink(folder_file(f, "m")), 0);
        }
        CHECK_EQ(unlink(folder_file(f, "m")), 0);
    }
    qn_forest_free(m);
}

static void every_failed_allocation_is_survived(void **state)
{
    folder *f = *state;
    qn_forest_model *m = hand_forest(f->ctx);
    const int64_t live = qn_alloc_live(f->ctx);

    for (int32_t format = 0; format < 4; format++) {
        qn_status st = QN_ENOMEM;

        for (int64_t allowed = 0; st != QN_OK; allowed++) {
            qn_alloc_fail_after(f->ctx, allowed);
            st = export_to(f, m, "m", format, -1);
            qn_alloc_fail_after(f->ctx, QN_NEVER);
            CHECK(st == QN_OK || st == QN_ENOMEM);
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
        TEST(text_reads_like_the_tree),
        TEST(json_has_every_number),
        TEST(a_picture_has_every_node),
        TEST(what_does_not_fit_is_refused),
        TEST(the_header_predicts_to_the_last_bit),
        TEST(failed_writes_leave_no_file),
        TEST(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
