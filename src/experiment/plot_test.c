#include "experiment/plot.h"

#include <errno.h>
#include <math.h>
#include <sys/stat.h>

#include "base/file.h"
#include "check.h"
#include "engine/context_open.h"
#include "experiment/draw.h"
#include "experiment/plot_impl.h"

/* Three bars with notes; the last row has no y. */
static const double bar_x[] = {0, 1, 2, 3};
static const double bar_y[] = {12.5, 50, 37.5, NAN};
static const char *const bar_note[] = {"1", "4", "3", "say \"no\", don't"};
static const qn_plot_column bar_columns[] = {
    {.name = "cluster", .value = bar_x},
    {.name = "share, %", .value = bar_y},
    {.name = "note", .text = bar_note, .is_note = true},
    {.name = "text", .text = bar_note},
};
static const qn_plot_series bar_series[] = {
    {.kind = QN_PLOT_BARS, .x = 0, .y = 1, .by = QN_PLOT_NONE, .note = 2}};
static const qn_figure bars = {.name = "sizes",
                               .title = "Sizes",
                               .subtitle = "8 rows",
                               .x = {.title = "cluster", .is_whole = true},
                               .y = {.title = "rows, %"},
                               .column = bar_columns,
                               .n_columns = 4,
                               .n_rows = 4,
                               .series = bar_series,
                               .n_series = 1};

/* Two groups of points, the centre of each, and a line through the corners. */
static const double dot_x[] = {0, 1, 9, 10, 0.5, 9.5};
static const double dot_y[] = {0, 1, 9, 10, 0.5, 9.5};
static const double dot_group[] = {0, 0, 1, 1, NAN, NAN};
static const double dot_centre[] = {NAN, NAN, NAN, NAN, 0, 1};
static const qn_plot_column dot_columns[] = {
    {.name = "x", .value = dot_x},
    {.name = "y", .value = dot_y},
    {.name = "cluster", .value = dot_group},
    {.name = "centre", .value = dot_centre},
};
static const qn_plot_series dot_series[] = {
    {.kind = QN_PLOT_POINTS, .x = 0, .y = 1, .by = 2, .note = QN_PLOT_NONE},
    {.kind = QN_PLOT_MARKS, .x = 0, .y = 1, .by = 3, .note = 3}};
static const char *const dot_legend[] = {"near", "far"};
static const qn_figure dots = {.name = "dots",
                               .title = "Dots; it's \"quoted\"",
                               .x = {.title = "x, m"},
                               .y = {.title = "y, m"},
                               .column = dot_columns,
                               .n_columns = 4,
                               .n_rows = 6,
                               .series = dot_series,
                               .n_series = 2,
                               .legend = dot_legend,
                               .n_legend = 2};

/* Two labels by two predictions. */
static const double cell_x[] = {0, 1, 0, 1};
static const double cell_y[] = {0, 0, 1, 1};
static const double cell_share[] = {0.9, 0.1, 0, 1};
static const char *const cell_note[] = {"90.0 %\n18", "10.0 %\n2", "", "100.0 %\n5"};
static const char *const cell_name[] = {"ground", "a very long name of a class"};
static const qn_plot_column cell_columns[] = {
    {.name = "x", .value = cell_x},
    {.name = "y", .value = cell_y},
    {.name = "share", .value = cell_share},
    {.name = "note", .text = cell_note, .is_note = true},
};
static const qn_plot_series cell_series[] = {
    {.kind = QN_PLOT_CELLS, .x = 0, .y = 1, .by = QN_PLOT_NONE, .note = 3, .shade = 2}};
static const qn_figure cells = {.name = "cells",
                                .title = "Cells",
                                .x = {.title = "predicted", .name = cell_name, .n_names = 2},
                                .y = {.title = "label", .name = cell_name, .n_names = 2},
                                .column = cell_columns,
                                .n_columns = 4,
                                .n_rows = 4,
                                .series = cell_series,
                                .n_series = 1};

/* Two lines of three points, and a guide. */
static const double line_x[] = {0, 5, 10, 0, 5, 10};
static const double line_y[] = {0, 8, 10, 0, 2, 10};
static const double line_by[] = {0, 0, 0, 1, 1, 1};
static const double guide[] = {0, 10, NAN, NAN, NAN, NAN};
static const qn_plot_column line_columns[] = {
    {.name = "x", .value = line_x},
    {.name = "y", .value = line_y},
    {.name = "line", .value = line_by},
    {.name = "guide", .value = guide, .is_note = true},
};
static const qn_plot_series line_series[] = {
    {.kind = QN_PLOT_GUIDE, .x = 3, .y = 3, .by = QN_PLOT_NONE, .note = QN_PLOT_NONE},
    {.kind = QN_PLOT_LINE, .x = 0, .y = 1, .by = 2, .note = QN_PLOT_NONE}};
static const qn_figure lines = {.name = "lines",
                                .title = "Lines",
                                .x = {.title = "x", .is_bare = true},
                                .y = {.title = "y"},
                                .column = line_columns,
                                .n_columns = 4,
                                .n_rows = 6,
                                .series = line_series,
                                .n_series = 2,
                                .legend = dot_legend,
                                .n_legend = 2,
                                .has_equal_axes = true};

typedef struct fixture {
    qn_context *ctx;
    char buffer[64];
    char *dir;
} fixture;

static int start(void **state)
{
    static fixture f;
    const qn_context_options options = {.threads = 2, .memory = (size_t)64 << 20};

    assert_int_equal(qn_context_create(&options, &f.ctx), QN_OK);
    f.dir = fresh_dir(f.buffer);
    *state = &f;
    return f.dir ? 0 : -1;
}

static int stop(void **state)
{
    fixture *f = *state;

    qn_remove_tree(f->ctx, f->dir);
    CHECK_EQ(qn_alloc_live(f->ctx), 0);
    qn_context_free(f->ctx);
    return 0;
}

/* Names in the folder, each followed by a blank. */
static void list(const fixture *f, char out[256])
{
    char **names = NULL;
    int64_t n = 0;

    out[0] = '\0';
    CHECK_OK(f->ctx, qn_list_dir(f->ctx, f->dir, &names, &n));
    for (int64_t i = 0; i < n; i++)
        snprintf(out + strlen(out), 256 - strlen(out), "%s ", names[i]);
    qn_names_free(names, n);
}

static void read_named(const fixture *f, const char *name, char **text, size_t *length)
{
    char *path = qn_path_join(f->dir, name);

    CHECK_OK(f->ctx, qn_read_file(f->ctx, path, (size_t)1 << 24, text, length));
    free(path);
}

/* Skips where the machine has no gnuplot. */
static void needs_gnuplot(const fixture *f)
{
    const qn_string script = {.text = (char *)"print 1", .length = 7};
    qn_string picture = {0};
    const qn_status st = qn_draw(f->ctx, NULL, &script, &picture);

    qn_string_release(&picture);
    if (st == QN_EUNAVAILABLE) {
        print_message("skipped: gnuplot is not installed\n");
        skip();
    }
}

static void the_data_are_plain_csv_without_notes(void **state)
{
    qn_string out = {0};

    (void)state;
    qn_plot_csv(&bars, &out);
    CHECK_TEXT(qn_string_text(&out), "cluster,\"share, %\",text\n"
                                     "0,12.5,1\n"
                                     "1,50,4\n"
                                     "2,37.5,3\n"
                                     "3,,\"say \"\"no\"\", don't\"\n");
    qn_string_release(&out);
}

static void bars_lie_on_the_terminal_with_value_and_note(void **state)
{
    const qn_plot_screen screen = {.width = 60};
    const qn_plot_screen blocks = {.width = 60, .blocks = true};
    qn_string out = {0};

    (void)state;
    qn_plot_text(&bars, &screen, &out);
    CHECK_TEXT(qn_string_text(&out),
               "Sizes\n8 rows\n"
               "   cluster              note  rows, %\n"
               "         0        12.5     1  ########\n"
               "         1        50.0     4  ##############################\n"
               "         2        37.5     3  #######################\n");
    qn_string_clear(&out);
    qn_plot_text(&bars, &blocks, &out);
    CHECK(strstr(qn_string_text(&out), "12.5     1  ███████▌\n"));
    CHECK(!strstr(qn_string_text(&out), "\033"));
    qn_string_release(&out);
}

static void points_show_their_group_and_marks_their_number(void **state)
{
    const qn_plot_screen screen = {.width = 40};
    qn_string out = {0};
    const char *text;

    (void)state;
    qn_plot_text(&dots, &screen, &out);
    text = qn_string_text(&out);
    CHECK(strstr(text, "0 near\n1 far\ny, m\n"));
    CHECK(strstr(text, "       10 |                           1\n")); /* the corner (10, 10) */
    CHECK(strstr(text, "|                         [1]\n"));
    CHECK(strstr(text, "|[0]\n"));
    CHECK(strstr(text, "|0\n          +----------------------------\n"));
    CHECK(strstr(text, "           0          x, m           10\n"));
    qn_string_release(&out);
}

static void cells_are_a_table_with_names(void **state)
{
    const qn_plot_screen screen = {.width = 60};
    const qn_plot_screen colours = {.width = 60, .colour = true};
    qn_string out = {0};

    (void)state;
    qn_plot_text(&cells, &screen, &out);
    CHECK_TEXT(qn_string_text(&out), "Cells\n"
                                     "                   predicted\n"
                                     "             label         ground  a very long n. \n"
                                     "            ground         90.0 %          10.0 % \n"
                                     "                               18               2 \n"
                                     "a very long name .                        100.0 % \n"
                                     "                                                5 \n");
    qn_string_clear(&out);
    qn_plot_text(&cells, &colours, &out);
    CHECK(strstr(qn_string_text(&out), "\033[48;5;32m\033[38;5;231m        100.0 % \033[0m\n"));
    qn_string_release(&out);
}

static void more_cells_than_fit_are_said(void **state)
{
    const qn_plot_screen screen = {.width = 40};
    double x[30], y[30] = {0}, share[30];
    const qn_plot_column columns[] = {{"x", x}, {"y", y}, {"share", share}};
    const qn_plot_series series = {
        .kind = QN_PLOT_CELLS, .y = 1, .by = QN_PLOT_NONE, .note = QN_PLOT_NONE, .shade = 2};
    qn_figure figure = {.name = "many",
                        .title = "Many",
                        .column = columns,
                        .n_columns = 3,
                        .n_rows = 30,
                        .series = &series,
                        .n_series = 1};
    qn_string out = {0};

    (void)state;
    for (int i = 0; i < 30; i++) {
        x[i] = i;
        share[i] = i / 30.0;
    }
    qn_plot_text(&figure, &screen, &out);
    CHECK(strstr(qn_string_text(&out), "      0        1        2        3 \n"));
    CHECK(strstr(qn_string_text(&out), "(26 more columns do not fit)\n"));
    qn_string_clear(&out);
    figure.n_rows = 0;
    qn_plot_text(&figure, &screen, &out);
    CHECK_TEXT(qn_string_text(&out), "Many\n(nothing to show)\n");
    qn_string_release(&out);
}

static void bars_have_the_names_of_their_places(void **state)
{
    static const char *const name[] = {"ndvi", "a column with a name that is long", "z"};
    const qn_plot_screen screen = {.width = 60};
    qn_figure figure = bars;
    qn_string out = {0};

    (void)state;
    figure.x.name = name;
    figure.x.n_names = 3;
    qn_plot_text(&figure, &screen, &out);
    CHECK(strstr(qn_string_text(&out), "                        ndvi        12.5     1  ##"));
    CHECK(strstr(qn_string_text(&out), "a column with a name that i.        50.0     4  ####"));
    qn_string_release(&out);
}

static void lines_of_groups_are_joined_each_by_itself(void **state)
{
    const qn_plot_screen screen = {.width = 40};
    qn_string out = {0};
    const char *text;

    (void)state;
    qn_plot_text(&lines, &screen, &out);
    text = qn_string_text(&out);
    CHECK(strstr(text, "0 near\n1 far\ny\n"));
    CHECK(strstr(text, "|              0.     .. .\n")); /* upper line, guide, lower line */
    CHECK(strstr(text, "|    ...      .1\n"));
    CHECK(strstr(text, "         x         ") && !strstr(text, "0          x"));
    qn_string_clear(&out);
    qn_plot_script(&lines, QN_PLOT_SVG, &out);
    text = qn_string_text(&out);
    CHECK(strstr(text, "10\t10\t0\t29362\t\"\"\n\n0\t0\t0\t13983232\t"));
    CHECK(strstr(text, "set size ratio -1") && strstr(text, "unset xtics\n"));
    qn_string_release(&out);
}

static void colours_are_used_only_where_they_are_wanted(void **state)
{
    const qn_plot_screen screen = {.width = 40, .colour = true};
    qn_string out = {0};

    (void)state;
    qn_plot_text(&dots, &screen, &out);
    CHECK(strstr(qn_string_text(&out), "\033[38;5;166m1\033[0m"));
    qn_string_release(&out);
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    const qn_plot_screen screen = {.width = 40};
    qn_figure figure = dots;
    qn_string out = {0};

    (void)state;
    figure.title = "a\033[2Jb";
    figure.subtitle = "\007";
    qn_plot_text(&figure, &screen, &out);
    CHECK(!strchr(qn_string_text(&out), '\033') && !strchr(qn_string_text(&out), '\007'));
    CHECK(strstr(qn_string_text(&out), "a?[2Jb\n?\n"));
    qn_string_release(&out);
}

static void a_figure_without_rows_says_so(void **state)
{
    const qn_plot_screen screen = {.width = 40};
    qn_figure figure = dots;
    qn_string out = {0};

    (void)state;
    figure.n_rows = 0;
    qn_plot_text(&figure, &screen, &out);
    CHECK(strstr(qn_string_text(&out), "(nothing to show)"));
    qn_string_release(&out);
}

static void steps_are_round(void **state)
{
    (void)state;
    CHECK_NEAR(qn_plot_step(10, 5), 2, 0);
    CHECK_NEAR(qn_plot_step(10, 4), 5, 0);
    CHECK_NEAR(qn_plot_step(99, 25), 5, 0);
    CHECK_NEAR(qn_plot_step(0.7, 7), 0.1, 1e-12);
    CHECK_NEAR(qn_plot_step(0, 7), 1, 0);
}

static void pictures_stand_beside_their_data_and_nothing_else(void **state)
{
    fixture *f = *state;
    qn_plot_files files = {.dir = f->dir, .format = QN_PLOT_SVG};
    char names[256], *text = NULL;
    size_t length = 0;

    needs_gnuplot(f);
    CHECK_OK(f->ctx, qn_plot_write(f->ctx, &files, &bars));
    files.format = QN_PLOT_PNG;
    CHECK_OK(f->ctx, qn_plot_write(f->ctx, &files, &dots));
    list(f, names);
    CHECK_TEXT(names, "dots.csv dots.png sizes.csv sizes.svg ");
    read_named(f, "sizes.svg", &text, &length);
    CHECK(strstr(text, "<svg") && strstr(text, "</svg>") && strstr(text, "rows, %"));
    qn_free(text);
    read_named(f, "dots.png", &text, &length);
    CHECK(length > 5000 && memcmp(text, "\x89PNG", 4) == 0);
    qn_free(text);
    read_named(f, "dots.csv", &text, &length);
    CHECK_TEXT(text, "x,y,cluster,centre\n0,0,0,\n1,1,0,\n9,9,1,\n10,10,1,\n0.5,0.5,,0\n"
                     "9.5,9.5,,1\n");
    qn_free(text);
}

static void cells_and_lines_are_drawn(void **state)
{
    fixture *f = *state;
    const qn_plot_files files = {.dir = f->dir, .format = QN_PLOT_SVG};
    char *text = NULL;
    size_t length = 0;

    needs_gnuplot(f);
    CHECK_OK(f->ctx, qn_plot_write(f->ctx, &files, &cells));
    CHECK_OK(f->ctx, qn_plot_write(f->ctx, &files, &lines));
    read_named(f, "cells.svg", &text, &length);
    CHECK(strstr(text, "100.0 %") && strstr(text, "a very long name of a c."));
    CHECK(strstr(text, "rgb(  0,  85, 142)")); /* the darkest */
    qn_free(text);
    read_named(f, "cells.csv", &text, &length);
    CHECK_TEXT(text, "x,y,share\n0,0,0.9\n1,0,0.1\n0,1,0\n1,1,1\n");
    qn_free(text);
    read_named(f, "lines.svg", &text, &length);
    CHECK(strstr(text, "</svg>") && strstr(text, "far"));
    qn_free(text);
}

static void what_is_there_is_kept_unless_overwritten(void **state)
{
    fixture *f = *state;
    qn_plot_files files = {.dir = f->dir, .format = QN_PLOT_SVG};
    char *text = NULL;
    size_t length = 0;

    needs_gnuplot(f);
    CHECK_OK(f->ctx, qn_plot_check(f->ctx, &files, "sizes"));
    CHECK_OK(f->ctx, qn_plot_write(f->ctx, &files, &bars));
    CHECK_EQ(qn_plot_check(f->ctx, &files, "sizes"), QN_EEXISTS);
    CHECK_ERROR(f->ctx, "--overwrite");
    CHECK_EQ(qn_plot_write(f->ctx, &files, &bars), QN_EEXISTS);
    files.overwrite = true;
    CHECK_OK(f->ctx, qn_plot_check(f->ctx, &files, "sizes"));
    CHECK_OK(f->ctx, qn_plot_write(f->ctx, &files, &bars));
    read_named(f, "sizes.csv", &text, &length);
    CHECK(strncmp(text, "cluster,", 8) == 0);
    qn_free(text);
}

static void without_gnuplot_the_data_come_and_the_package_is_named(void **state)
{
    fixture *f = *state;
    const qn_plot_files files = {.dir = f->dir, .program = "/nowhere/gnuplot"};
    char names[256];

    CHECK_EQ(qn_plot_write(f->ctx, &files, &bars), QN_EUNAVAILABLE);
    CHECK_ERROR(f->ctx, "apt-get install gnuplot-nox");
    list(f, names);
    CHECK_TEXT(names, "sizes.csv ");
}

static void a_gnuplot_that_fails_is_quoted(void **state)
{
    fixture *f = *state;
    const qn_string script = {.text = (char *)"plot nothing_there\n", .length = 19};
    qn_string picture = {0};

    needs_gnuplot(f);
    CHECK_EQ(qn_draw(f->ctx, NULL, &script, &picture), QN_EIO);
    CHECK_ERROR(f->ctx, "gnuplot could not draw");
    CHECK_ERROR(f->ctx, "nothing_there");
    qn_string_release(&picture);
}

static void a_cancelled_run_does_not_wait(void **state)
{
    fixture *f = *state;
    const qn_string script = {.text = (char *)"pause 50\n", .length = 9};
    qn_string picture = {0};

    needs_gnuplot(f);
    qn_context_cancel(f->ctx, 2);
    CHECK_EQ(qn_draw(f->ctx, NULL, &script, &picture), QN_ECANCELLED);
    qn_string_release(&picture);
}

static void a_full_disk_leaves_nothing_half_written(void **state)
{
    fixture *f = *state;
    const qn_plot_files files = {.dir = f->dir, .format = QN_PLOT_SVG, .program = "cat"};
    qn_status st = QN_EIO;
    char names[256];

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_write_fail_after(f->ctx, allowed, ENOSPC);
        st = qn_plot_write(f->ctx, &files, &bars); /* cat refuses -d: never QN_OK by itself */
        qn_write_fail_after(f->ctx, INT64_MAX, 0);
        CHECK(st != QN_OK);
        list(f, names);
        if (names[0]) {
            CHECK_TEXT(names, "sizes.csv ");
            break;
        }
        CHECK_EQ(st, QN_EIO);
        CHECK_ERROR(f->ctx, "the disk is full");
        CHECK(allowed < 50);
    }
}

static void a_full_disk_spares_the_old_picture(void **state)
{
    fixture *f = *state;
    const qn_plot_files files = {.dir = f->dir, .format = QN_PLOT_SVG, .overwrite = true};
    qn_figure other = bars;
    qn_status st = QN_EIO;
    char *text = NULL;
    size_t length = 0;

    needs_gnuplot(f);
    CHECK_OK(f->ctx, qn_plot_write(f->ctx, &files, &bars));
    other.title = "Others";
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_write_fail_after(f->ctx, allowed, ENOSPC);
        st = qn_plot_write(f->ctx, &files, &other);
        qn_write_fail_after(f->ctx, INT64_MAX, 0);
        read_named(f, "sizes.svg", &text, &length);
        CHECK(strstr(text, "</svg>"));
        CHECK((strstr(text, "Others") != NULL) == (st == QN_OK));
        qn_free(text);
        CHECK(allowed < 50);
    }
}

static void every_failed_allocation_is_survived(void **state)
{
    fixture *f = *state;
    const qn_plot_files files = {.dir = f->dir, .overwrite = true};
    qn_status st = QN_ENOMEM;

    needs_gnuplot(f);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = qn_plot_write(f->ctx, &files, &bars);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK_EQ(qn_alloc_live(f->ctx), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_data_are_plain_csv_without_notes),
        TEST(bars_lie_on_the_terminal_with_value_and_note),
        TEST(points_show_their_group_and_marks_their_number),
        TEST(cells_are_a_table_with_names),
        TEST(more_cells_than_fit_are_said),
        TEST(bars_have_the_names_of_their_places),
        TEST(lines_of_groups_are_joined_each_by_itself),
        TEST(cells_and_lines_are_drawn),
        TEST(colours_are_used_only_where_they_are_wanted),
        TEST(control_characters_do_not_reach_the_terminal),
        TEST(a_figure_without_rows_says_so),
        TEST(steps_are_round),
        TEST(pictures_stand_beside_their_data_and_nothing_else),
        TEST(what_is_there_is_kept_unless_overwritten),
        TEST(without_gnuplot_the_data_come_and_the_package_is_named),
        TEST(a_gnuplot_that_fails_is_quoted),
        TEST(a_cancelled_run_does_not_wait),
        TEST(a_full_disk_leaves_nothing_half_written),
        TEST(a_full_disk_spares_the_old_picture),
        TEST(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
