/* What the model itself keeps: importances, the error out of bag. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "experiment/plot_forest_impl.h"

#define MOST_FEATURES 30 /* that are drawn; the data hold all */

typedef struct worth {
    double importance;
    int32_t feature;
    char name[FOREST_NAME];
} worth;

static int by_falling_importance(const void *a, const void *b)
{
    const worth *x = a, *y = b;

    if (x->importance != y->importance)
        return x->importance < y->importance ? 1 : -1;
    return (x->feature > y->feature) - (x->feature < y->feature);
}

static void fill_worths(const qn_forest_model *model, worth *list)
{
    for (int32_t f = 0; f < model->n_features; f++) {
        list[f] = (worth){.importance = model->importance[f], .feature = f};
        if (model->base.features.n > 0)
            qn_features_name(&model->base.features, f, list[f].name, sizeof list[f].name);
        else
            snprintf(list[f].name, sizeof list[f].name, "%d", (int)f);
    }
    qsort(list, (size_t)model->n_features, sizeof *list, by_falling_importance);
}

qn_status forest_draw_importances(forest_plot *job)
{
    const qn_forest_model *model = job->model;
    const int32_t d = model->n_features, drawn = d < MOST_FEATURES ? d : MOST_FEATURES;
    char subtitle[160];
    double *column = NULL;
    const char **name = NULL;
    worth *list = NULL;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_NEW(ctx, list, d, "a figure");
    QN_NEW(ctx, name, d, "a figure");
    QN_NEW(ctx, column, 4 * (int64_t)d, "a figure");
    fill_worths(model, list);
    for (int32_t i = 0; i < d; i++) {
        name[i] = list[i].name;
        column[i] = i < drawn ? i : NAN;
        column[d + i] = list[i].importance;
        column[2 * d + i] = 100 * list[i].importance;
        column[3 * d + i] = list[i].feature;
    }
    snprintf(subtitle, sizeof subtitle,
             "%d %s; share of the fall in impurity, by the rows that pass a split%s",
             (int)model->n_trees, model->n_trees == 1 ? "tree" : "trees",
             drawn < d ? "; the first 30" : "");
    const qn_plot_column columns[] = {{"place", column, .is_note = true},
                                      {"feature", .text = name},
                                      {"column", column + 3 * (int64_t)d},
                                      {"importance", column + d},
                                      {"percent", column + 2 * (int64_t)d, .is_note = true}};
    const qn_plot_series series = {QN_PLOT_BARS, 0, 4, QN_PLOT_NONE, QN_PLOT_NONE};
    const qn_figure figure = {
        .name = "importances",
        .title = "What the features are worth",
        .subtitle = subtitle,
        .x = {.title = "feature", .is_whole = true, .name = name, .n_names = drawn},
        .y = {.title = "importance, %"},
        .column = columns,
        .n_columns = 5,
        .n_rows = d,
        .series = &series,
        .n_series = 1};
    QN_TRY(forest_hand_out(job, &figure));
done:
    qn_free(list);
    qn_free(name);
    qn_free(column);
    return st;
}

qn_status forest_draw_oob(forest_plot *job)
{
    const qn_forest_model *model = job->model;
    const int32_t n = model->n_trees;
    const double unit = model->is_classifier ? 100 : 1;
    char subtitle[160], rows[32];
    double *column = NULL;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    if (!model->oob_curve)
        return QN_OK; /* asked for with everything else */
    QN_NEW(ctx, column, 3 * (int64_t)n, "a figure");
    for (int32_t t = 0; t < n; t++) {
        column[t] = t + 1;
        column[n + t] = model->oob_curve[t];
        column[2 * n + t] = unit * model->oob_curve[t];
    }
    qn_format_count(model->oob_rows, rows);
    snprintf(subtitle, sizeof subtitle,
             "%.4g%s with %d %s; %s rows, each judged by the trees that did not see it",
             unit * model->oob_error, model->is_classifier ? " %" : "", (int)n,
             n == 1 ? "tree" : "trees", rows);
    const qn_plot_column columns[] = {{"trees", column},
                                      {"error", column + n},
                                      {"shown", column + 2 * (int64_t)n, .is_note = true}};
    const qn_plot_series series = {QN_PLOT_LINE, 0, 2, QN_PLOT_NONE, QN_PLOT_NONE};
    const qn_figure figure = {
        .name = "oob",
        .title = "Error out of bag",
        .subtitle = subtitle,
        .x = {.title = "trees", .is_whole = true},
        .y = {.title = model->is_classifier ? "wrong rows, %" : "mean squared error"},
        .column = columns,
        .n_columns = 3,
        .n_rows = n,
        .series = &series,
        .n_series = 1};
    QN_TRY(forest_hand_out(job, &figure));
done:
    qn_free(column);
    return st;
}
