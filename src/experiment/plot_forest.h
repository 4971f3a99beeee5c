/* Pictures of a decision tree or a forest: what its features are worth, its error out of bag, and
 * on rows with labels its confusion matrix, its ROC curves and a map of labels beside predictions.
 */
#ifndef QN_EXPERIMENT_PLOT_FOREST_H
#define QN_EXPERIMENT_PLOT_FOREST_H

#include "experiment/plot.h"
#include "quern/forest.h"

#define QN_FOREST_FIGURE_CHOICES "all|importances|oob|confusion|roc|tile"
typedef enum qn_forest_figure {
    QN_FOREST_ALL, /* what the model, --input and --x-col allow */
    QN_FOREST_IMPORTANCES,
    QN_FOREST_OOB,
    QN_FOREST_CONFUSION,
    QN_FOREST_ROC,
    QN_FOREST_TILE,
    QN_FOREST_FIGURES
} qn_forest_figure;

/* Table: qn_plot_forest_table. */
typedef struct qn_plot_forest_options {
    const char *model;
    int32_t figure;            /* qn_forest_figure */
    qn_text_list class_names;  /* "ground" of label 0, 1 ... in turn, or "2=ground"; also comma
                                  separated */
    const char *x_col, *y_col; /* columns of the map, or expressions; NULL: no map */
    int32_t points;            /* rows of it */
    int64_t seed;              /* of the lot */
    const char *out;           /* folder; NULL: shown only */
    int32_t format;            /* qn_plot_format */
    bool overwrite;
    qn_text_list input;
    int32_t input_format; /* qn_format */
    int32_t header;
    const char *delimiter;
    const char *label;     /* NULL: the model's */
    qn_text_list features; /* for models that do not know their columns */
    double fraction;
    int32_t sample;     /* qn_sample */
    int32_t on_missing; /* qn_on_missing */
    int32_t on_bad_row; /* qn_on_bad_row */
} qn_plot_forest_options;
extern const qn_params qn_plot_forest_table;

typedef struct qn_plot_forest_result {
    int64_t n_rows;  /* of the input; 0: none was read */
    double accuracy; /* on it; NaN: none was read */
    int32_t n_figures;
} qn_plot_forest_result;

/* Makes the figures one by one and hands them to `visit`, which borrows them.
 * Errors      QN_EINVAL a figure needs --input or --x-col, or a classifier, or a model that keeps
 * what it shows; QN_ENOTFOUND, QN_EDATA as in loading models and reading tables; what `visit`
 * returns.
 */
qn_status qn_plot_forest(qn_context *ctx, const qn_plot_forest_options *options,
                         qn_figure_visit *visit, void *arg, qn_plot_forest_result *result);

/* Whether `figure` (not QN_FOREST_ALL) is asked for and, as far as the options tell, possible; and
 * its name, "roc". */
bool qn_plot_forest_wants(const qn_plot_forest_options *options, int32_t figure);
const char *qn_forest_figure_name(int32_t figure);

#endif
