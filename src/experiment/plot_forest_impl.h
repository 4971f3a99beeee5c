/* Between the files that draw a forest. */
#ifndef QN_EXPERIMENT_PLOT_FOREST_IMPL_H
#define QN_EXPERIMENT_PLOT_FOREST_IMPL_H

#include "experiment/plot_forest.h"
#include "ml/table_metrics.h"

#define FOREST_NAME 64

typedef struct forest_class {
    int32_t number; /* of the judgement; its last one may be "never seen" */
    char name[FOREST_NAME];
} forest_class;

/* What the figures share. */
typedef struct forest_plot {
    qn_context *ctx;
    const qn_plot_forest_options *options;
    qn_plot_forest_result *result;
    qn_figure_visit *visit;
    void *arg;
    qn_forest_model *model;
    qn_matrix *data; /* NULL: no input; behind the model's features stand x and y of the map */
    qn_judgement judgement;
    forest_class *shown; /* [n_shown] classes that rows have or are predicted */
    int32_t n_shown;
    const char **name; /* [n_shown] of the same */
    int32_t *place;    /* [classes of the judgement] in `shown`; -1: not shown */
} forest_plot;

/* The steps of qn_plot_forest behind loading the model, which tests make by hand. */
qn_status forest_plot_run(forest_plot *job);
void forest_plot_release(forest_plot *job); /* not the model */

/* Hands a figure to the visitor. */
qn_status forest_hand_out(forest_plot *job, const qn_figure *figure);

qn_status forest_draw_importances(forest_plot *job);
qn_status forest_draw_oob(forest_plot *job);
qn_status forest_draw_confusion(forest_plot *job);
qn_status forest_draw_roc(forest_plot *job);
qn_status forest_draw_tile(forest_plot *job);

#endif
