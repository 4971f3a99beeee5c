#include "experiment/plot_forest.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "experiment/plot_forest_impl.h"
#include "kernels/kernels.h"
#include "ml/forest/forest_impl.h"

#define PICTURE .group = "Pictures"
#define INPUT   .group = "Input"
static const qn_param rows_of_table[] = {
    QN_PARAM_STRING(qn_plot_forest_options, model, NULL, "DIR", "model directory",
                    .required = true),
    QN_PARAM_CHOICE_OF(qn_plot_forest_options, figure, QN_FOREST_ALL, QN_FOREST_FIGURE_CHOICES,
                       "what to draw; all: what the model, --input and --x-col allow"),
    QN_PARAM_STRING(qn_plot_forest_options, class_names, NULL, "NAME",
                    "names of the labels 0, 1 ... in turn, or LABEL=NAME"),
    QN_PARAM_STRING(qn_plot_forest_options, x_col, NULL, "COL",
                    "column of the map from left to right, \"x\" or \"xyz[0]\"; also an "
                    "expression",
                    .aliases = "x"),
    QN_PARAM_STRING(qn_plot_forest_options, y_col, NULL, "COL", "column of the map upwards",
                    .aliases = "y"),
    QN_PARAM(qn_plot_forest_options, points, 20000, 1, 1000000, "rows by lot that the map shows",
             .metavar = "N"),
    QN_PARAM(qn_plot_forest_options, seed, 42, INT64_MIN, INT64_MAX, "seed of the lot",
             .metavar = "N"),
    QN_PARAM_STRING(qn_plot_forest_options, out, NULL, "DIR",
                    "folder for pictures and their data; if not given, they are shown only",
                    PICTURE),
    QN_PARAM_CHOICE_OF(qn_plot_forest_options, format, QN_PLOT_SVG, QN_PLOT_FORMAT_CHOICES,
                       "of the pictures", PICTURE),
    QN_PARAM_FLAG(qn_plot_forest_options, overwrite, "replace files that are there", PICTURE),
    QN_PARAM_STRING(qn_plot_forest_options, input, NULL, "FILE",
                    "rows to show the model on: files, folders, or - for standard input",
                    .aliases = "data", INPUT),
    QN_PARAM_CHOICE_OF(qn_plot_forest_options, input_format, QN_FORMAT_AUTO, QN_FORMAT_CHOICES,
                       "format of the input, found out by name and first bytes if not given",
                       INPUT),
    QN_PARAM_CHOICE_OF(qn_plot_forest_options, header, 0, "auto|no|yes",
                       "whether the first line names the columns", INPUT),
    QN_PARAM_STRING(qn_plot_forest_options, delimiter, NULL, "CHAR",
                    "character between fields, found out if not given", .aliases = "sep", INPUT),
    QN_PARAM_STRING(qn_plot_forest_options, label, NULL, "COL",
                    "column of the labels, the model's if not given", .aliases = "label_col",
                    INPUT),
    QN_PARAM_STRING(qn_plot_forest_options, features, NULL, "COL",
                    "columns of the features, for a model that does not know them",
                    .aliases = "features_col", INPUT),
    QN_PARAM(qn_plot_forest_options, fraction, 1.0, 1e-9, 1, "share of the input to read",
             .aliases = "sample_fraction", .metavar = "F", INPUT),
    QN_PARAM_CHOICE_OF(qn_plot_forest_options, sample, QN_SAMPLE_FILES, QN_SAMPLE_CHOICES,
                       "what a fraction is made of", INPUT),
    QN_PARAM_CHOICE_OF(qn_plot_forest_options, on_missing, QN_MISSING_SKIP, QN_ON_MISSING_CHOICES,
                       "what to do with a row in which a value is missing or not finite", INPUT),
    QN_PARAM_CHOICE_OF(qn_plot_forest_options, on_bad_row, QN_BAD_ROW_FAIL, QN_ON_BAD_ROW_CHOICES,
                       "what to do with a row that cannot be read", INPUT),
};
const qn_params qn_plot_forest_table = {"plot forest", rows_of_table,
                                        sizeof rows_of_table / sizeof *rows_of_table,
                                        sizeof(qn_plot_forest_options)};

const char *qn_forest_figure_name(int32_t figure)
{
    static const char *const name[] = {"all", "importances", "oob", "confusion", "roc", "tile"};

    return name[figure];
}

static bool is_possible(const qn_plot_forest_options *o, int32_t figure)
{
    if (figure == QN_FOREST_TILE)
        return o->input.n > 0 && o->x_col && o->y_col;
    return figure == QN_FOREST_IMPORTANCES || figure == QN_FOREST_OOB || o->input.n > 0;
}

bool qn_plot_forest_wants(const qn_plot_forest_options *options, int32_t figure)
{
    return options->figure == figure ||
           (options->figure == QN_FOREST_ALL && is_possible(options, figure));
}

static qn_status check(const forest_plot *job)
{
    const qn_plot_forest_options *o = job->options;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY(qn_params_check(ctx, &qn_plot_forest_table, o));
    if (o->figure != QN_FOREST_ALL && !is_possible(o, o->figure))
        return qn_fail(
            ctx, QN_EINVAL, "--figure %s needs %s", qn_forest_figure_name(o->figure),
            o->figure == QN_FOREST_TILE
                ? "--input, --x-col and --y-col: rows to show the model on, and their places"
                : "--input: rows with labels to show the model on");
    if (!o->x_col != !o->y_col)
        return qn_fail(ctx, QN_EINVAL, "--%s is given without --%s", o->x_col ? "x-col" : "y-col",
                       o->x_col ? "y-col" : "x-col");
done:
    return st;
}

/* What the model itself cannot show. */
static qn_status check_model(const forest_plot *job)
{
    const qn_plot_forest_options *o = job->options;
    const bool needs_classes = o->figure >= QN_FOREST_CONFUSION;

    if (needs_classes && !job->model->is_classifier)
        return qn_fail(job->ctx, QN_EINVAL, "--figure %s shows classes, and %s predicts numbers",
                       qn_forest_figure_name(o->figure), o->model);
    if (o->figure == QN_FOREST_OOB && !job->model->oob_curve)
        return qn_fail(job->ctx, QN_EINVAL,
                       "%s keeps no error out of bag: a fit does with --bootstrap, or with a "
                       "--subsampling-rate below 1",
                       o->model);
    return QN_OK;
}

/* ---- The input ---- */

static qn_status append(qn_context *ctx, const char *name, const char *source,
                        qn_features *features)
{
    qn_feature *feature;
    qn_status st = QN_OK;

    QN_GROW(ctx, features->feature, features->n + 1, "features");
    feature = &features->feature[features->n++];
    *feature = (qn_feature){.kind = QN_FEATURE_EXPRESSION, .width = 1};
    features->width++;
    QN_TRY(qn_strdup(ctx, name, &feature->name));
    QN_TRY(qn_strdup(ctx, source, &feature->source));
done:
    return st;
}

static void fill_options(const qn_plot_forest_options *o, qn_matrix_options *options)
{
    qn_params_init(&qn_matrix_table, options);
    options->input = o->input;
    options->format = o->input_format;
    options->header = o->header;
    options->delimiter = o->delimiter;
    options->label = o->label;
    options->features = o->features;
    options->fraction = o->fraction;
    options->sample = o->sample;
    options->sample_seed = o->seed;
    options->on_missing = o->on_missing;
    options->on_bad_row = o->on_bad_row;
    options->precision = QN_PRECISION_DOUBLE; /* maps have large numbers */
}

/* Where the model knows its features, x and y go behind them; else the options say all. */
static qn_status read_with(forest_plot *job, const qn_features *features, qn_matrix_options *m)
{
    const qn_plot_forest_options *o = job->options;
    qn_matrix_use use = {.features = features,
                         .categories = QN_CATEGORIES_INDEX,
                         .keep_label = true,
                         .allow_missing = true};
    const int32_t behind = o->x_col ? 2 : 0;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    if (!m->label)
        m->label = job->model->base.features.label;
    QN_TRY(qn_matrix_read(ctx, m, &use, &job->data));
    job->result->n_rows = job->data->n_rows;
    if (job->data->n_features != job->model->n_features + behind)
        st = qn_fail(ctx, QN_EINVAL, "the model in %s has %d features, the input %d", o->model,
                     job->model->n_features, job->data->n_features - behind);
done:
    return st;
}

static qn_status read_known(forest_plot *job, qn_matrix_options *m)
{
    const qn_plot_forest_options *o = job->options;
    qn_features features = {0};
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    if (o->features.n > 0)
        return qn_fail(ctx, QN_EINVAL, "--features: the model in %s knows its features", o->model);
    QN_TRY(qn_features_copy(ctx, &job->model->base.features, &features));
    if (o->x_col) {
        QN_TRY(append(ctx, "x of the map", o->x_col, &features));
        QN_TRY(append(ctx, "y of the map", o->y_col, &features));
    }
    QN_TRY(read_with(job, &features, m));
done:
    qn_features_release(&features);
    return st;
}

static qn_status read_unknown(forest_plot *job, qn_matrix_options *m)
{
    const qn_plot_forest_options *o = job->options;
    qn_string x = {0}, y = {0};
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    qn_string_addf(&x, "x of the map=%s", o->x_col ? o->x_col : "");
    qn_string_addf(&y, "y of the map=%s", o->y_col ? o->y_col : "");
    if (x.failed || y.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for names of columns");
        goto done;
    }
    const char *item[] = {x.text, y.text};
    if (o->x_col)
        m->feature = (qn_text_list){item, 2};
    QN_TRY(read_with(job, NULL, m));
done:
    qn_string_release(&x);
    qn_string_release(&y);
    return st;
}

/* Rows of the input in panels; behind the model's features there may be more. */
static void predict(const void *arg, int64_t n_rows, const double *x, double *prediction,
                    double *probability)
{
    const forest_plot *job = arg;
    const int64_t d = job->data->n_features, k = job->model->n_classes;

    if (d == job->model->n_features) {
        forest_predict_panels(job->model, n_rows, x, prediction, NULL, probability);
        return;
    }
    for (int64_t first = 0; first < n_rows; first += QN_PANEL)
        forest_predict_panels(job->model, n_rows - first < QN_PANEL ? n_rows - first : QN_PANEL,
                              x + first * d, prediction + first, NULL, probability + first * k);
}

/* ---- Classes and their names ---- */

/* "2=ground" names label 2; else the text names label `turn`. */
static bool is_name_of(const char *text, size_t length, int64_t turn, int32_t label,
                       const char **name, size_t *name_length)
{
    const char *equals = memchr(text, '=', length);
    int64_t number;

    *name = text;
    *name_length = length;
    if (!equals || !qn_parse_int64(text, (size_t)(equals - text), &number))
        return turn == label;
    *name = equals + 1;
    *name_length = length - (size_t)(equals + 1 - text);
    return number == label;
}

static void name_class(const forest_plot *job, int32_t label, char out[FOREST_NAME])
{
    const qn_text_list *list = &job->options->class_names;
    int64_t turn = 0;

    snprintf(out, FOREST_NAME, "%d", (int)label);
    if (label >= job->model->n_classes)
        snprintf(out, FOREST_NAME, "never seen");
    for (int64_t i = 0; i < list->n && label < job->model->n_classes; i++) {
        for (const char *at = list->item[i]; *at; turn++) {
            const size_t length = strcspn(at, ",");
            size_t name_length;
            const char *name;

            if (is_name_of(at, length, turn, label, &name, &name_length))
                snprintf(out, FOREST_NAME, "%.*s", (int)name_length, name);
            at += length + (at[length] == ',');
        }
    }
}

static qn_status list_classes(forest_plot *job)
{
    const qn_class_metrics *m = &job->judgement.classes;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_NEW(ctx, job->shown, m->n_classes, "names of classes");
    QN_NEW(ctx, job->name, m->n_classes, "names of classes");
    QN_NEW(ctx, job->place, m->n_classes, "names of classes");
    for (int32_t c = 0; c < m->n_classes; c++) {
        job->place[c] = -1;
        if (m->rows[c] == 0 && !(m->predicted[c] > 0))
            continue;
        job->place[c] = job->n_shown;
        job->shown[job->n_shown].number = c;
        name_class(job, c, job->shown[job->n_shown].name);
        job->name[job->n_shown] = job->shown[job->n_shown].name;
        job->n_shown++;
    }
done:
    return st;
}

static qn_status judge_input(forest_plot *job)
{
    const qn_table_judge judge = {
        .n_classes = job->model->n_classes, .predict = predict, .model = job};
    qn_context *ctx = job->ctx;
    qn_matrix_options m;
    qn_status st = QN_OK;

    fill_options(job->options, &m);
    if (job->model->base.features.n > 0)
        QN_TRY(read_known(job, &m));
    else
        QN_TRY(read_unknown(job, &m));
    QN_TRY(qn_table_judge_run(ctx, &judge, job->data, &job->judgement));
    job->result->accuracy = job->judgement.classes.accuracy;
    QN_TRY(list_classes(job));
done:
    return st;
}

/* ---- The job ---- */

qn_status forest_plot_run(forest_plot *job)
{
    static qn_status (*const draw[QN_FOREST_FIGURES])(forest_plot * job) = {
        [QN_FOREST_IMPORTANCES] = forest_draw_importances,
        [QN_FOREST_OOB] = forest_draw_oob,
        [QN_FOREST_CONFUSION] = forest_draw_confusion,
        [QN_FOREST_ROC] = forest_draw_roc,
        [QN_FOREST_TILE] = forest_draw_tile,
    };
    const qn_plot_forest_options *o = job->options;
    const bool has_classes = job->model->is_classifier;
    qn_status st = QN_OK;

    QN_TRY(check_model(job));
    if (o->input.n > 0 && has_classes &&
        (o->figure == QN_FOREST_ALL || o->figure >= QN_FOREST_CONFUSION))
        QN_TRY(judge_input(job));
    for (int32_t figure = QN_FOREST_IMPORTANCES; figure < QN_FOREST_FIGURES; figure++)
        if (qn_plot_forest_wants(o, figure) && (figure < QN_FOREST_CONFUSION || has_classes))
            QN_TRY(draw[figure](job));
done:
    return st;
}

void forest_plot_release(forest_plot *job)
{
    qn_judgement_release(&job->judgement);
    qn_matrix_free(job->data);
    qn_free(job->shown);
    qn_free(job->name);
    qn_free(job->place);
}

qn_status forest_hand_out(forest_plot *job, const qn_figure *figure)
{
    job->result->n_figures++;
    return job->visit(job->arg, figure);
}

qn_status qn_plot_forest(qn_context *ctx, const qn_plot_forest_options *options,
                         qn_figure_visit *visit, void *arg, qn_plot_forest_result *result)
{
    forest_plot job = {
        .ctx = ctx, .options = options, .result = result, .visit = visit, .arg = arg};
    qn_status st = QN_OK;

    *result = (qn_plot_forest_result){.accuracy = NAN};
    QN_TRY(check(&job));
    QN_TRY(qn_forest_load(ctx, options->model, &job.model));
    QN_TRY(forest_plot_run(&job));
done:
    forest_plot_release(&job);
    qn_forest_free(job.model);
    return st;
}
