/* Pictures of small forests written down by hand. */
#include "ml/forest/forest_hand.h"

#include "engine/comm.h"
#include "experiment/plot_forest_impl.h"

/* What was handed out. */
typedef struct shown {
    int n;
    char name[8][32];
    qn_string csv[8], text[8];
} shown;

static qn_status take(void *arg, const qn_figure *figure)
{
    const qn_plot_screen screen = {.width = 78};
    shown *s = arg;

    snprintf(s->name[s->n], sizeof s->name[0], "%s", figure->name);
    qn_plot_csv(figure, &s->csv[s->n]);
    qn_plot_text(figure, &screen, &s->text[s->n]);
    s->n++;
    return QN_OK;
}

static void forget(shown *s)
{
    for (int i = 0; i < s->n; i++) {
        qn_string_release(&s->csv[i]);
        qn_string_release(&s->text[i]);
    }
    *s = (shown){0};
}

static const char *csv_of(const shown *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->name[i], name) == 0)
            return qn_string_text(&s->csv[i]);
    fail_msg("no figure %s", name);
    return NULL;
}

static const char *text_of(const shown *s, const char *name)
{
    for (int i = 0; i < s->n; i++)
        if (strcmp(s->name[i], name) == 0)
            return qn_string_text(&s->text[i]);
    fail_msg("no figure %s", name);
    return NULL;
}

/* Below 0.5 in feature 0: class 0; else below 2 in feature 1: class 1; else class 2. */
static const hand_node tree_rows[] = {
    {.left = 1, .right = 2, .threshold = 0.5, .gain = 0.3, .stats = {5, 3, 2}},
    HAND_LEAF(0, 0, 5, 1, 0),
    {.left = 3,
     .right = 4,
     .feature = 1,
     .threshold = 2,
     .gain = 0.25,
     .prediction = 1,
     .stats = {0, 2, 2}},
    HAND_LEAF(0, 1, 0, 2, 0),
    HAND_LEAF(0, 2, 0, 0, 2),
};
static const hand_shape tree_shape = {
    .is_tree = true, .is_classifier = true, .n_classes = 3, .n_features = 2, .n_trees = 1};
static const hand_node value_rows[] = {
    {.left = 1, .right = 2, .threshold = 0.5, .gain = 1, .stats = {4, 8, 20}},
    HAND_LEAF(0, 1, 2, 2, 2),
    HAND_LEAF(0, 3, 2, 6, 18),
};
static const hand_shape value_shape = {.is_tree = true, .n_features = 2, .n_trees = 1};

/* One row of class 0, two of 1 of which one is taken for 2, one of 2, and one of 1 taken for 0. */
static const char table[] = "x,a,y,b,label\n100,0,50,0,0\n101,1,50,1,1\n102,1,51,3,1\n"
                            "103,1,52,3,2\n104,0,53,3,1\n";

typedef struct fixture {
    folder *f;
    qn_forest_model *model;
    qn_plot_forest_options o;
    const char *item[4];
    shown s;
    qn_plot_forest_result result;
} fixture;

static int start(void **state)
{
    static fixture x;
    qn_context *ctx = NULL;

    if (qn_context_create(&(qn_context_options){.threads = 2}, &ctx) != QN_OK)
        return -1;
    x = (fixture){.f = folder_make(ctx)};
    x.model = HAND_MODEL(ctx, &tree_shape, tree_rows);
    CHECK_OK(ctx, forest_model_finish(ctx, x.model));
    qn_params_init(&qn_plot_forest_table, &x.o);
    x.o.model = "model";
    *state = &x;
    return 0;
}

static int stop(void **state)
{
    fixture *x = *state;
    qn_context *ctx = x->f->ctx;

    forget(&x->s);
    qn_forest_free(x->model);
    folder_remove(x->f);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return 0;
}

static void give_input(fixture *x, const char *text)
{
    x->item[0] = folder_put(x->f, "table.csv", text);
    x->item[1] = "a,b";
    x->o.input = (qn_text_list){x->item, 1};
    x->o.features = (qn_text_list){x->item + 1, 1};
    x->o.label = "label";
}

static void give_names(fixture *x, const char *names)
{
    x->item[2] = names;
    x->o.class_names = (qn_text_list){x->item + 2, 1};
}

static qn_status draw(fixture *x)
{
    forest_plot job = {.ctx = x->f->ctx,
                       .options = &x->o,
                       .result = &x->result,
                       .visit = take,
                       .arg = &x->s,
                       .model = x->model};
    qn_status st;

    forget(&x->s);
    st = forest_plot_run(&job);
    forest_plot_release(&job);
    return st;
}

static void a_model_alone_shows_its_importances(void **state)
{
    fixture *x = *state;

    CHECK_OK(x->f->ctx, draw(x));
    CHECK_EQ(x->s.n, 1);
    CHECK_TEXT(csv_of(&x->s, "importances"), "feature,column,importance\n0,0,0.75\n1,1,0.25\n");
    CHECK(strstr(text_of(&x->s, "importances"),
                 "1 tree; share of the fall in impurity, by the rows that pass a split\n"));
    CHECK_EQ(x->result.n_figures, 1);
    CHECK_EQ(x->result.n_rows, 0);
}

static void the_error_out_of_bag_is_drawn_where_it_is_kept(void **state)
{
    fixture *x = *state;
    qn_context *ctx = x->f->ctx;

    x->o.figure = QN_FOREST_OOB;
    CHECK_EQ(draw(x), QN_EINVAL);
    CHECK_ERROR(ctx, "model keeps no error out of bag");
    CHECK_OK(ctx, qn_alloc_array(ctx, (void **)&x->model->oob_curve, 1, sizeof(double), "a curve"));
    x->model->oob_curve[0] = x->model->oob_error = 0.125;
    x->model->oob_rows = 1234;
    CHECK_OK(ctx, draw(x));
    CHECK_TEXT(csv_of(&x->s, "oob"), "trees,error\n1,0.125\n");
    CHECK(strstr(text_of(&x->s, "oob"), "12.5 % with 1 tree; 1,234 rows"));
}

static void rows_with_labels_give_a_confusion_matrix(void **state)
{
    fixture *x = *state;
    const char *text;

    give_input(x, table);
    give_names(x, "ground,2=water,trees"); /* places count on: trees is label 2, too, and last */
    x->o.figure = QN_FOREST_CONFUSION;
    CHECK_OK(x->f->ctx, draw(x));
    CHECK_TEXT(csv_of(&x->s, "confusion"), "label,prediction,rows,share\n"
                                           "0,0,1,1\n0,1,0,0\n0,2,0,0\n"
                                           "1,0,1,0.3333333333333333\n1,1,1,0.3333333333333333\n"
                                           "1,2,1,0.3333333333333333\n2,0,0,0\n2,1,0,0\n2,2,1,1\n");
    text = text_of(&x->s, "confusion");
    CHECK(strstr(text, "5 rows; share of each label; accuracy 0.6000, macro F1 0.6111"));
    CHECK(strstr(text, "\nground 100.0 % "));
    CHECK(strstr(text, "\n     1  33.3 %   33.3 %   33.3 % \n"));
    CHECK(strstr(text, "\n trees                   100.0 % \n"));
    CHECK_EQ(x->result.n_rows, 5);
    CHECK_NEAR(x->result.accuracy, 0.6, 0);
}

static void each_class_has_its_curve(void **state)
{
    fixture *x = *state;
    const char *csv, *text;

    give_input(x, table);
    give_names(x, "0=ground,2=water");
    CHECK_OK(x->f->ctx, draw(x));
    CHECK_EQ(x->s.n, 3);
    csv = csv_of(&x->s, "roc");
    text = text_of(&x->s, "roc");
    CHECK(strstr(csv, "class,threshold,false_positive_rate,true_positive_rate\n0,,0,0\n") == csv);
    CHECK(strstr(csv, "\n2,1,0.25,1\n2,0,1,1\n")); /* one of four others is as water as water */
    CHECK(strstr(text, "2 water 0.8750\n"));
    CHECK(strstr(text, "0 ground 0.8750\n"));
}

static void two_classes_have_one_curve(void **state)
{
    static const hand_node rows[] = {
        {.left = 1, .right = 2, .threshold = 0.5, .gain = 0.3, .stats = {4, 4}},
        HAND_LEAF(0, 0, 3, 1),
        HAND_LEAF(0, 1, 1, 3),
    };
    static const hand_shape shape = {
        .is_tree = true, .is_classifier = true, .n_classes = 2, .n_features = 2, .n_trees = 1};
    fixture *x = *state;

    qn_forest_free(x->model);
    x->model = HAND_MODEL(x->f->ctx, &shape, rows);
    CHECK_OK(x->f->ctx, forest_model_finish(x->f->ctx, x->model));
    give_input(x, "a,b,label\n0,0,0\n1,0,0\n1,0,1\n0,0,1\n1,0,1\n");
    x->o.figure = QN_FOREST_ROC;
    CHECK_OK(x->f->ctx, draw(x));
    CHECK_TEXT(csv_of(&x->s, "roc"), "class,threshold,false_positive_rate,true_positive_rate\n"
                                     "1,,0,0\n1,0.75,0.5,0.6666666666666666\n1,0.25,1,1\n");
    CHECK(strstr(text_of(&x->s, "roc"), "5 rows; area 0.5833\n"));
}

/* With features that the model does not know, and with such that it does. */
static void a_map_shows_labels_beside_predictions(void **state)
{
    fixture *x = *state;
    qn_context *ctx = x->f->ctx;
    const char *const tail[] = {"100,50,0,0", "101,50,1,1", "102,51,1,2", "103,52,2,2",
                                "104,53,1,0"};

    for (int known = 0; known < 2; known++) {
        qn_matrix *m = NULL;
        qn_matrix_options options;
        const qn_matrix_use use = {.categories = QN_CATEGORIES_INDEX};

        give_input(x, table);
        x->o.x_col = "x";
        x->o.y_col = "y + 0";
        if (known) {
            qn_params_init(&qn_matrix_table, &options);
            options.input = x->o.input;
            options.features = x->o.features;
            options.label = "label";
            CHECK_OK(ctx, qn_matrix_read(ctx, &options, &use, &m));
            CHECK_OK(ctx, qn_features_copy(ctx, &m->features, &x->model->base.features));
            qn_matrix_free(m);
            x->o.features.n = 0;
            x->o.label = NULL;
        }
        x->o.figure = QN_FOREST_ALL;
        CHECK_OK(ctx, draw(x));
        CHECK_EQ(x->s.n, 4);
        for (int i = 0; i < 5; i++) {
            char line[64];

            snprintf(line, sizeof line, "\n%d,%s\n", i, tail[i]);
            CHECK(strstr(csv_of(&x->s, "tile"), line));
        }
        CHECK(
            strstr(text_of(&x->s, "tile"), "5 of 5 rows by lot, 4 x 3; 60.0 % of them are right"));
    }
    CHECK(strstr(csv_of(&x->s, "importances"), "a,0,0.75\nb,1,0.25\n"));
    x->o.features.n = 1;
    CHECK_EQ(draw(x), QN_EINVAL);
    CHECK_ERROR(ctx, "--features: the model in model knows its features");
}

static void labels_never_seen_have_a_row_of_their_own(void **state)
{
    fixture *x = *state;

    give_input(x, "x,y,a,b,label\n0,0,0,0,0\n0,1,0,0,9\n1,0,1,0,12\n");
    x->o.x_col = "x";
    x->o.y_col = "y";
    CHECK_OK(x->f->ctx, draw(x));
    CHECK(strstr(csv_of(&x->s, "confusion"), "\n,0,1,0.5\n,1,1,0.5\n,,0,0\n"));
    CHECK(strstr(text_of(&x->s, "confusion"), "\nnever seen     50.0 % "));
    CHECK(strstr(csv_of(&x->s, "tile"), "2,1,0,12,1\n"));
    CHECK(strstr(text_of(&x->s, "tile"), "2 never seen\n"));
}

static void numbers_have_no_confusion_matrix(void **state)
{
    fixture *x = *state;

    qn_forest_free(x->model);
    x->model = HAND_MODEL(x->f->ctx, &value_shape, value_rows);
    CHECK_OK(x->f->ctx, forest_model_finish(x->f->ctx, x->model));
    give_input(x, table);
    CHECK_OK(x->f->ctx, draw(x));
    CHECK_EQ(x->s.n, 1);
    x->o.figure = QN_FOREST_ROC;
    CHECK_EQ(draw(x), QN_EINVAL);
    CHECK_ERROR(x->f->ctx, "--figure roc shows classes, and model predicts numbers");
}

static void what_is_missing_is_named(void **state)
{
    fixture *x = *state;
    qn_context *ctx = x->f->ctx;

    x->o.figure = QN_FOREST_CONFUSION;
    CHECK_EQ(qn_plot_forest(ctx, &x->o, take, &x->s, &x->result), QN_EINVAL);
    CHECK_ERROR(ctx, "--figure confusion needs --input");
    x->o.figure = QN_FOREST_TILE;
    give_input(x, table);
    CHECK_EQ(qn_plot_forest(ctx, &x->o, take, &x->s, &x->result), QN_EINVAL);
    CHECK_ERROR(ctx, "--figure tile needs --input, --x-col and --y-col");
    x->o.figure = QN_FOREST_ALL;
    x->o.y_col = "y";
    CHECK_EQ(qn_plot_forest(ctx, &x->o, take, &x->s, &x->result), QN_EINVAL);
    CHECK_ERROR(ctx, "--y-col is given without --x-col");
    x->o.y_col = NULL;
    CHECK_EQ(qn_plot_forest(ctx, &x->o, take, &x->s, &x->result), QN_ENOTFOUND);
    x->item[1] = "a";
    CHECK_EQ(draw(x), QN_EINVAL);
    CHECK_ERROR(ctx, "the model in model has 2 features, the input 1");
    x->o.label = NULL;
    x->item[1] = "a,b";
    CHECK_EQ(draw(x), QN_EINVAL);
    CHECK_ERROR(ctx, "--label");
}

/* Rows of other ranks and blocks are found, and drawn alike. */
static qn_status draw_on_rank(qn_context *ctx, void *arg)
{
    const fixture *x = arg;
    qn_plot_forest_result result;
    shown mine = {0};
    forest_plot job = {.ctx = ctx,
                       .options = &x->o,
                       .result = &result,
                       .visit = take,
                       .arg = &mine,
                       .model = x->model};
    const qn_status st = forest_plot_run(&job);

    forest_plot_release(&job);
    if (st == QN_OK)
        for (int i = 0; i < x->s.n; i++)
            CHECK_TEXT(qn_string_text(&mine.csv[i]), qn_string_text(&x->s.csv[i]));
    forget(&mine);
    return st;
}

static void threads_and_ranks_draw_the_same(void **state)
{
    fixture *x = *state;
    qn_string text = {0};

    qn_string_add(&text, "x,y,a,b,label\n");
    for (int i = 0; i < 2000; i++)
        qn_string_addf(&text, "%d,%d,%d,%d,%d\n", i, i * 7 % 100, i % 3 == 0, i % 5, i % 4 % 3);
    give_input(x, text.text);
    qn_string_release(&text);
    x->o.x_col = "x";
    x->o.y_col = "y";
    x->o.points = 700;
    x->f->ctx->cells.table_rows = 64;
    CHECK_OK(x->f->ctx, draw(x));
    CHECK_EQ(x->s.n, 4);
    CHECK_OK(x->f->ctx, qn_run_thread_ranks(x->f->ctx, 3, draw_on_rank, x));
}

static qn_status count(void *arg, const qn_figure *figure)
{
    (void)figure;
    ++*(int *)arg;
    return QN_OK;
}

static void every_failed_allocation_is_survived(void **state)
{
    fixture *x = *state;
    qn_context *ctx = x->f->ctx;
    const int64_t live = qn_alloc_live(ctx);
    qn_status st = QN_ENOMEM;

    give_input(x, table);
    x->o.x_col = "x";
    x->o.y_col = "y";
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        int n = 0;
        forest_plot job = {.ctx = ctx,
                           .options = &x->o,
                           .result = &x->result,
                           .visit = count,
                           .arg = &n,
                           .model = x->model};

        qn_alloc_fail_after(ctx, allowed);
        st = forest_plot_run(&job);
        qn_alloc_fail_after(ctx, QN_NEVER);
        forest_plot_release(&job);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK(st != QN_OK || n == 4);
        CHECK_EQ(qn_alloc_live(ctx), live);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_model_alone_shows_its_importances),
        TEST(the_error_out_of_bag_is_drawn_where_it_is_kept),
        TEST(rows_with_labels_give_a_confusion_matrix),
        TEST(each_class_has_its_curve),
        TEST(two_classes_have_one_curve),
        TEST(a_map_shows_labels_beside_predictions),
        TEST(labels_never_seen_have_a_row_of_their_own),
        TEST(numbers_have_no_confusion_matrix),
        TEST(what_is_missing_is_named),
        TEST(threads_and_ranks_draw_the_same),
        TEST(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
