#include "experiment/plot_kmeans.h"

#include <math.h>

#include "data/parquet.h"
#include "engine/context_open.h"
#include "folder.h"

/* Three crosses: 4 rows around (0, 0), 2 around (10, 0), 6 around (0, 20). */
static const char rows_text[] = "1,0\n-1,0\n0,1\n0,-1\n"
                                "10,1\n10,-1\n"
                                "2,20\n-2,20\n0,22\n0,18\n0,21\n0,19\n";
/* The same, a tenth further to the right. */
static const char moved_text[] = "1.1,0\n-0.9,0\n0.1,1\n0.1,-1\n"
                                 "10.1,1\n10.1,-1\n"
                                 "2.1,20\n-1.9,20\n0.1,22\n0.1,18\n0.1,21\n0.1,19\n";

typedef struct fixture {
    qn_context *ctx;
    folder *folder;
    char rows[128], model[128], moved[128];
    const char *input[1], *against[2];
    qn_plot_kmeans_options options;
    qn_plot_kmeans_result result;
    qn_string csv; /* of all figures, each after "# name: title" */
} fixture;

static bool has_parquet(qn_context *ctx)
{
    const char *version;

    if (qn_parquet_version(ctx, &version) == QN_OK)
        return true;
    print_message("skipped: %s\n", qn_context_error(ctx));
    return false;
}

/* Fits three centres from given ones, so that their order is known, and saves them. */
static void save_model(fixture *f, const char *text, const char *starts, char path[128])
{
    const char *input = folder_put(f->folder, "fit.csv", text);
    const qn_matrix_use use = {0};
    qn_matrix_options options;
    qn_kmeans_params params;
    qn_kmeans_model *model = NULL;
    qn_matrix *data = NULL;

    qn_params_init(&qn_matrix_table, &options);
    options.input = (qn_text_list){&input, 1};
    options.header = 1; /* no */
    options.precision = QN_PRECISION_DOUBLE;
    CHECK_OK(f->ctx, qn_matrix_read(f->ctx, &options, &use, &data));
    qn_params_init(&qn_kmeans_table, &params);
    params.k = 3;
    params.init_mode = folder_put(f->folder, "starts.csv", starts);
    CHECK_OK(f->ctx, qn_kmeans_fit(f->ctx, &params, data, &model));
    CHECK_OK(f->ctx, qn_kmeans_save(f->ctx, model, path, false, "{}"));
    qn_kmeans_free(model);
    qn_matrix_free(data);
}

static int start_threads(void **state, int32_t threads)
{
    fixture *f = calloc(1, sizeof *f);
    const qn_context_options options = {.threads = threads, .memory = (size_t)256 << 20};

    assert_non_null(f);
    assert_int_equal(qn_context_create(&options, &f->ctx), QN_OK);
    f->folder = folder_make(f->ctx);
    *state = f;
    snprintf(f->model, sizeof f->model, "%s", folder_file(f->folder, "model"));
    snprintf(f->moved, sizeof f->moved, "%s", folder_file(f->folder, "moved"));
    snprintf(f->rows, sizeof f->rows, "%s", folder_put(f->folder, "rows.csv", rows_text));
    if (has_parquet(f->ctx)) {
        save_model(f, rows_text, "0,0\n10,0\n0,20\n", f->model);
        save_model(f, moved_text, "0,20\n0,0\n10,0\n", f->moved);
    }
    qn_params_init(&qn_plot_kmeans_table, &f->options);
    f->options.model = f->model;
    f->options.header = 1;
    f->input[0] = f->rows;
    f->against[0] = f->moved;
    f->against[1] = f->model;
    return 0;
}

static int start(void **state)
{
    return start_threads(state, 2);
}

static int stop(void **state)
{
    fixture *f = *state;

    qn_string_release(&f->csv);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
    folder_remove(f->folder);
    qn_context_free(f->ctx);
    free(f);
    return 0;
}

static qn_status visit(void *arg, const qn_figure *figure)
{
    fixture *f = arg;
    const qn_plot_screen screen = {.width = 80};
    qn_string text = {0};

    qn_string_addf(&f->csv, "# %s: %s\n", figure->name, figure->subtitle);
    qn_plot_csv(figure, &f->csv);
    qn_plot_text(figure, &screen, &text); /* whatever is made can be shown */
    CHECK(strstr(qn_string_text(&text), figure->title) == qn_string_text(&text));
    qn_string_release(&text);
    return QN_OK;
}

static qn_status draw(fixture *f, qn_kmeans_figure figure)
{
    qn_string_clear(&f->csv);
    f->options.figure = (int32_t)figure;
    return qn_plot_kmeans(f->ctx, &f->options, visit, f, &f->result);
}

static void give_input(fixture *f)
{
    f->options.input = (qn_text_list){f->input, 1};
}

#define NEEDS_PARQUET(f)                                                                           \
    do {                                                                                           \
        if (!has_parquet((f)->ctx))                                                                \
            skip();                                                                                \
    } while (0)

static void sizes_come_from_the_model_where_there_is_no_input(void **state)
{
    fixture *f = *state;

    NEEDS_PARQUET(f);
    CHECK_OK(f->ctx, draw(f, QN_FIGURE_ALL));
    CHECK_EQ(f->result.n_figures, 1);
    CHECK_TEXT(qn_string_text(&f->csv), "# sizes: 12 rows that the model was fitted on\n"
                                        "cluster,rows,percent\n"
                                        "0,4,33.333333333333336\n"
                                        "1,2,16.666666666666668\n"
                                        "2,6,50\n");
}

static void sizes_of_an_input_are_counted_on_it(void **state)
{
    fixture *f = *state;

    NEEDS_PARQUET(f);
    f->input[0] = folder_put(f->folder, "few.csv", "9,0\n0,19\n0,20\n0,21\n");
    give_input(f);
    CHECK_OK(f->ctx, draw(f, QN_FIGURE_SIZES));
    CHECK(strstr(qn_string_text(&f->csv),
                 "# sizes: 4 rows of the input; mean squared distance 0.75"));
    CHECK(strstr(qn_string_text(&f->csv), "cluster,rows,percent\n0,0,0\n1,1,25\n2,3,75\n"));
    CHECK_EQ(f->result.n_rows, 4);
}

static void the_elbow_is_at_the_planted_number(void **state)
{
    static const char *const k[] = {"4,2", "3"};
    fixture *f = *state;
    double cost = 0;
    const char *line;

    NEEDS_PARQUET(f);
    give_input(f);
    f->options.elbow_k = (qn_text_list){(const char **)(uintptr_t)k, 2};
    CHECK_OK(f->ctx, draw(f, QN_FIGURE_ELBOW));
    CHECK(strstr(qn_string_text(&f->csv), "# elbow: a fit for each k on 12 of 12 rows\n"
                                          "k,centres,cost,mean_distance,iterations\n2,2,"));
    line = strstr(qn_string_text(&f->csv), "\n3,3,");
    CHECK(line && sscanf(line, "\n3,3,%lf", &cost) == 1);
    CHECK_NEAR(cost, 4 + 2 + 18, 1e-9); /* squares of the crosses' arms */
    CHECK_EQ(f->result.knee, 3);
    CHECK_EQ(f->result.sample_rows, 12);
}

static void the_projection_keeps_distances_in_a_plane(void **state)
{
    fixture *f = *state;
    double x[15], y[15];
    int64_t n = 0, seen[12] = {0};

    NEEDS_PARQUET(f);
    give_input(f);
    CHECK_OK(f->ctx, draw(f, QN_FIGURE_PROJECTION));
    CHECK(strstr(qn_string_text(&f->csv), "12 of 12 rows by lot; rings are the 3 centres\n"
                                          "row,component_1,component_2,cluster,centre\n"));
    for (char *line = strtok(strstr(f->csv.text, "centre\n") + 7, "\n"); line && n < 15;
         line = strtok(NULL, "\n"), n++) {
        int row, cluster, centre;

        if (n < 12) {
            CHECK_EQ(sscanf(line, "%d,%lf,%lf,%d,", &row, &x[n], &y[n], &cluster), 4);
            CHECK_EQ(seen[row]++, 0);
            CHECK_EQ(cluster, row < 4 ? 0 : row < 6 ? 1 : 2);
        } else {
            CHECK_EQ(sscanf(line, ",%lf,%lf,,%d", &x[n], &y[n], &centre), 3);
            CHECK_EQ(centre, n - 12);
        }
    }
    CHECK_EQ(n, 15);
    CHECK_NEAR(hypot(x[12] - x[13], y[12] - y[13]), 10, 1e-9);
    CHECK_NEAR(hypot(x[12] - x[14], y[12] - y[14]), 20, 1e-9);
}

static void fewer_points_than_rows_are_drawn(void **state)
{
    fixture *f = *state;

    NEEDS_PARQUET(f);
    give_input(f);
    f->options.sample_rows = 6;
    f->options.points = 4;
    CHECK_OK(f->ctx, draw(f, QN_FIGURE_PROJECTION));
    CHECK(strstr(qn_string_text(&f->csv), "4 of 12 rows by lot"));
    CHECK_EQ(f->result.sample_rows, 6);
}

static void drift_matches_the_centres_first(void **state)
{
    fixture *f = *state;
    double distance = 0, percent = 0;
    const char *line;
    char expected[160];

    NEEDS_PARQUET(f);
    f->options.against = (qn_text_list){f->against, 2};
    CHECK_OK(f->ctx, draw(f, QN_FIGURE_DRIFT));
    CHECK(strstr(qn_string_text(&f->csv), "cluster,against,matched_cluster,distance,percent\n"));
    /* The other model's centres stand in another order: its first is our last. */
    snprintf(expected, sizeof expected, "\n2,%s,0,", f->moved);
    line = strstr(qn_string_text(&f->csv), expected);
    CHECK(line && sscanf(line + strlen(expected), "%lf,%lf", &distance, &percent) == 2);
    CHECK_NEAR(distance, 0.1, 1e-12);
    CHECK_NEAR(percent, 100 * 0.1 / ((10 + 20 + sqrt(500)) / 3), 1e-9);
    snprintf(expected, sizeof expected, "\n1,%s,1,0,0\n", f->model);
    CHECK(strstr(qn_string_text(&f->csv), expected));
    CHECK_NEAR(f->result.largest_drift, 0.1 / ((10 + 20 + sqrt(500)) / 3), 1e-12);
    CHECK_EQ(f->result.n_unmatched, 0);
}

static void knees_are_far_below_the_chord(void **state)
{
    (void)state;
    CHECK_EQ(qn_knee(4, (const double[]){2, 4, 8, 16}, (const double[]){30, 10, 8, 7}), 1);
    CHECK_EQ(qn_knee(3, (const double[]){2, 3, 4}, (const double[]){3, 2, 1}), -1);
    CHECK_EQ(qn_knee(2, (const double[]){2, 3}, (const double[]){3, 2}), -1);
}

static void what_cannot_be_drawn_says_what_is_missing(void **state)
{
    static const char *const bad[] = {"1", "2,x", "2", "2,,3"};
    fixture *f = *state;

    NEEDS_PARQUET(f);
    CHECK_EQ(draw(f, QN_FIGURE_ELBOW), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--figure elbow needs --input");
    CHECK_EQ(draw(f, QN_FIGURE_PROJECTION), QN_EINVAL);
    CHECK_EQ(draw(f, QN_FIGURE_DRIFT), QN_EINVAL);
    CHECK_ERROR(f->ctx, "--figure drift needs --against");
    give_input(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        f->options.elbow_k = (qn_text_list){(const char **)(uintptr_t)&bad[i], 1};
        CHECK_EQ(draw(f, QN_FIGURE_ELBOW), QN_EINVAL);
        CHECK_ERROR(f->ctx, "--elbow-k");
    }
    f->options.elbow_k = (qn_text_list){0};
    f->options.model = "/nowhere";
    CHECK_EQ(draw(f, QN_FIGURE_SIZES), QN_ENOTFOUND);
    f->options.model = f->model;
    f->input[0] = folder_put(f->folder, "one.csv", "1\n2\n3\n");
    CHECK(draw(f, QN_FIGURE_SIZES) != QN_OK);
}

static void any_number_of_threads_gives_the_same_data(void **state)
{
    qn_string first = {0};

    (void)state;
    for (int32_t threads = 1; threads <= 3; threads += 2) {
        fixture *f = NULL;

        start_threads((void **)&f, threads);
        if (has_parquet(f->ctx)) {
            give_input(f);
            CHECK_OK(f->ctx, draw(f, QN_FIGURE_ALL));
            CHECK_EQ(f->result.n_figures, 3);
            if (threads == 1)
                qn_string_add(&first, qn_string_text(&f->csv));
            else
                CHECK_TEXT(qn_string_text(&f->csv), qn_string_text(&first));
        }
        stop((void **)&f);
    }
    qn_string_release(&first);
}

static void failed_allocations_are_survived(void **state)
{
    fixture *f = *state;
    qn_status st = QN_ENOMEM;
    int64_t live;

    NEEDS_PARQUET(f);
    give_input(f);
    f->options.against = (qn_text_list){f->against, 1};
    live = qn_alloc_live(f->ctx);
    for (int64_t allowed = 0; st != QN_OK; allowed += 1 + allowed / 8) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = draw(f, QN_FIGURE_ALL);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(f->ctx), live);
    }
    CHECK_EQ(f->result.n_figures, 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sizes_come_from_the_model_where_there_is_no_input),
        TEST(sizes_of_an_input_are_counted_on_it),
        TEST(the_elbow_is_at_the_planted_number),
        TEST(the_projection_keeps_distances_in_a_plane),
        TEST(fewer_points_than_rows_are_drawn),
        TEST(drift_matches_the_centres_first),
        TEST(knees_are_far_below_the_chord),
        TEST(what_cannot_be_drawn_says_what_is_missing),
        cmocka_unit_test(any_number_of_threads_gives_the_same_data),
        TEST(failed_allocations_are_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
