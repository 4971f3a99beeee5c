#include "experiment/plot_kmeans.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "experiment/plot_kmeans_impl.h"
#include "experiment/sample.h"

#define PICTURE .group = "Pictures"
#define INPUT   .group = "Input"
static const qn_param rows_of_table[] = {
    QN_PARAM_STRING(qn_plot_kmeans_options, model, NULL, "DIR", "model directory",
                    .required = true),
    QN_PARAM_CHOICE_OF(qn_plot_kmeans_options, figure, QN_FIGURE_ALL, QN_KMEANS_FIGURE_CHOICES,
                       "what to draw; all: what the model, --input and --against allow"),
    QN_PARAM_STRING(qn_plot_kmeans_options, against, NULL, "DIR",
                    "other models, for the drift of the centres"),
    QN_PARAM_STRING(qn_plot_kmeans_options, elbow_k, NULL, "K",
                    "numbers of clusters to fit for the elbow [2,3,4,5,6,8,10,12,16,20]"),
    QN_PARAM(qn_plot_kmeans_options, sample_rows, 100000, 3, 1e9,
             "rows by lot, for elbow and projection", .metavar = "N"),
    QN_PARAM(qn_plot_kmeans_options, points, 4000, 1, 1000000, "rows of them to draw",
             .metavar = "N"),
    QN_PARAM(qn_plot_kmeans_options, seed, 42, INT64_MIN, INT64_MAX, "seed of the lot",
             .metavar = "N"),
    QN_PARAM_STRING(qn_plot_kmeans_options, out, NULL, "DIR",
                    "folder for pictures and their data; if not given, they are shown only",
                    PICTURE),
    QN_PARAM_CHOICE_OF(qn_plot_kmeans_options, format, QN_PLOT_SVG, QN_PLOT_FORMAT_CHOICES,
                       "of the pictures", PICTURE),
    QN_PARAM_FLAG(qn_plot_kmeans_options, overwrite, "replace files that are there", PICTURE),
    QN_PARAM_STRING(qn_plot_kmeans_options, input, NULL, "FILE",
                    "rows to show the model on: files, folders, or - for standard input", INPUT),
    QN_PARAM_CHOICE_OF(qn_plot_kmeans_options, input_format, QN_FORMAT_AUTO, QN_FORMAT_CHOICES,
                       "format of the input, found out by name and first bytes if not given",
                       INPUT),
    QN_PARAM_CHOICE_OF(qn_plot_kmeans_options, header, 0, "auto|no|yes",
                       "whether the first line names the columns", INPUT),
    QN_PARAM_STRING(qn_plot_kmeans_options, delimiter, NULL, "CHAR",
                    "character between fields, found out if not given", .aliases = "sep", INPUT),
    QN_PARAM_STRING(qn_plot_kmeans_options, features, NULL, "COL",
                    "columns of the features, for a model that does not know them",
                    .aliases = "features_col", INPUT),
    QN_PARAM(qn_plot_kmeans_options, fraction, 1.0, 1e-9, 1, "share of the input to read",
             .aliases = "sample_fraction", .metavar = "F", INPUT),
    QN_PARAM_CHOICE_OF(qn_plot_kmeans_options, sample, QN_SAMPLE_FILES, QN_SAMPLE_CHOICES,
                       "what a fraction is made of", INPUT),
    QN_PARAM_CHOICE_OF(qn_plot_kmeans_options, on_missing, QN_MISSING_SKIP, "fail|skip",
                       "what to do with a row in which a value is missing or not finite", INPUT),
    QN_PARAM_CHOICE_OF(qn_plot_kmeans_options, on_bad_row, QN_BAD_ROW_FAIL, QN_ON_BAD_ROW_CHOICES,
                       "what to do with a row that cannot be read", INPUT),
};
const qn_params qn_plot_kmeans_table = {"plot kmeans", rows_of_table,
                                        sizeof rows_of_table / sizeof *rows_of_table,
                                        sizeof(qn_plot_kmeans_options)};

const char *qn_kmeans_figure_name(int32_t figure)
{
    static const char *const name[] = {"all", "sizes", "elbow", "projection", "drift"};

    return name[figure];
}

static bool is_possible(const qn_plot_kmeans_options *o, int32_t figure)
{
    if (figure == QN_FIGURE_DRIFT)
        return o->against.n > 0;
    return figure == QN_FIGURE_SIZES || o->input.n > 0;
}

bool qn_plot_kmeans_wants(const qn_plot_kmeans_options *options, int32_t figure)
{
    return options->figure == figure ||
           (options->figure == QN_FIGURE_ALL && is_possible(options, figure));
}

static qn_status check(const plot_job *job)
{
    const qn_plot_kmeans_options *o = job->options;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY(qn_params_check(ctx, &qn_plot_kmeans_table, o));
    if (o->figure != QN_FIGURE_ALL && !is_possible(o, o->figure))
        return qn_fail(ctx, QN_EINVAL, "--figure %s needs %s", qn_kmeans_figure_name(o->figure),
                       o->figure == QN_FIGURE_DRIFT ? "--against: another model"
                                                    : "--input: rows to show the model on");
    if (o->against.n > QN_MOST_AGAINST)
        return qn_fail(ctx, QN_EINVAL, "--against: %" PRId64 " models are more than %d",
                       o->against.n, QN_MOST_AGAINST);
done:
    return st;
}

static qn_status read_input(plot_job *job)
{
    const qn_plot_kmeans_options *o = job->options;
    const qn_features *known = &job->model->base.features;
    const qn_matrix_use use = {.features = known->n > 0 ? known : NULL};
    qn_context *ctx = job->ctx;
    qn_matrix_options options;
    qn_status st = QN_OK;

    qn_params_init(&qn_matrix_table, &options);
    options.input = o->input;
    options.format = o->input_format;
    options.header = o->header;
    options.delimiter = o->delimiter;
    options.fraction = o->fraction;
    options.sample = o->sample;
    options.sample_seed = o->seed;
    options.on_missing = o->on_missing;
    options.on_bad_row = o->on_bad_row;
    options.precision = job->model->base.is_double ? QN_PRECISION_DOUBLE : QN_PRECISION_FLOAT;
    if (known->n > 0 && o->features.n > 0)
        return qn_fail(ctx, QN_EINVAL, "--features: the model in %s knows its features", o->model);
    options.features = o->features;
    QN_TRY(qn_matrix_read(ctx, &options, &use, &job->data));
    if (job->data->n_features != job->model->n_features)
        return qn_fail(ctx, QN_EINVAL,
                       "the input gives %d features, the model in %s has %d: name its columns "
                       "with --features",
                       (int)job->data->n_features, o->model, (int)job->model->n_features);
    job->result->n_rows = job->data->n_rows;
done:
    return st;
}

/* Cosine looks at directions alone. */
static void to_unit(int32_t d, double *x)
{
    double length = 0;

    for (int32_t f = 0; f < d; f++)
        length += x[f] * x[f];
    length = sqrt(length);
    for (int32_t f = 0; length > 0 && f < d; f++)
        x[f] /= length;
}

/* The sample's rows, in an order by lot, so that no cluster is drawn over another. */
static qn_status draw_sample(plot_job *job)
{
    const int64_t total = job->data->n_rows;
    const int32_t d = job->data->n_features;
    qn_context *ctx = job->ctx;
    int64_t *ascending = NULL, *order = NULL;
    double *rows = NULL;
    qn_status st = QN_OK;

    job->n = total < job->options->sample_rows ? total : job->options->sample_rows;
    QN_NEW(ctx, ascending, job->n, "the sample");
    QN_NEW(ctx, order, job->n, "the sample");
    QN_NEW(ctx, job->row, job->n, "the sample");
    QN_NEW(ctx, rows, job->n * d, "rows of the sample");
    QN_NEW(ctx, job->x, job->n * d, "rows of the sample");
    qn_pick_rows(job->options->seed, total, job->n, ascending);
    QN_TRY(qn_matrix_rows(ctx, job->data, job->n, ascending, rows));
    QN_TRY(qn_pick_order(ctx, job->options->seed, job->n, order));
    for (int64_t i = 0; i < job->n; i++) {
        job->row[i] = ascending[order[i]];
        memcpy(job->x + i * d, rows + order[i] * d, (size_t)d * sizeof *rows);
        if (job->model->params.distance_measure == QN_COSINE)
            to_unit(d, job->x + i * d);
    }
    job->result->sample_rows = job->n;
done:
    qn_free(ascending);
    qn_free(order);
    qn_free(rows);
    return st;
}

static qn_status run(plot_job *job)
{
    static qn_status (*const draw[QN_KMEANS_FIGURES])(plot_job * job) = {
        [QN_FIGURE_SIZES] = kmeans_draw_sizes,
        [QN_FIGURE_ELBOW] = kmeans_draw_elbow,
        [QN_FIGURE_PROJECTION] = kmeans_draw_projection,
        [QN_FIGURE_DRIFT] = kmeans_draw_drift,
    };
    const qn_plot_kmeans_options *o = job->options;
    const bool needs_rows =
        qn_plot_kmeans_wants(o, QN_FIGURE_ELBOW) || qn_plot_kmeans_wants(o, QN_FIGURE_PROJECTION);
    qn_status st = QN_OK;

    QN_TRY(check(job));
    QN_TRY(qn_kmeans_load(job->ctx, o->model, &job->model));
    if (o->input.n > 0 && (needs_rows || qn_plot_kmeans_wants(o, QN_FIGURE_SIZES)))
        QN_TRY(read_input(job));
    if (needs_rows)
        QN_TRY(draw_sample(job));
    for (int32_t figure = QN_FIGURE_SIZES; figure < QN_KMEANS_FIGURES; figure++)
        if (qn_plot_kmeans_wants(o, figure))
            QN_TRY(draw[figure](job));
done:
    return st;
}

qn_status kmeans_hand_out(plot_job *job, const qn_figure *figure)
{
    job->result->n_figures++;
    return job->visit(job->arg, figure);
}

qn_status qn_plot_kmeans(qn_context *ctx, const qn_plot_kmeans_options *options,
                         qn_figure_visit *visit, void *arg, qn_plot_kmeans_result *result)
{
    plot_job job = {.ctx = ctx, .options = options, .result = result, .visit = visit, .arg = arg};
    qn_status st;

    *result = (qn_plot_kmeans_result){.largest_drift = NAN};
    st = run(&job);
    qn_matrix_free(job.data);
    qn_kmeans_free(job.model);
    qn_free(job.row);
    qn_free(job.x);
    return st;
}
