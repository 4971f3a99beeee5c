/* How far the centres of other models lie from the model's. */
#include <math.h>

#include "base/alloc.h"
#include "experiment/plot_kmeans_impl.h"

static double distance(const qn_kmeans_model *model, int32_t i, int32_t j)
{
    const double *a = model->centre + (int64_t)i * model->n_features;
    const double *b = model->centre + (int64_t)j * model->n_features;
    double square = 0, aa = 0, bb = 0, ab = 0;

    for (int32_t f = 0; f < model->n_features; f++) {
        square += (a[f] - b[f]) * (a[f] - b[f]);
        aa += a[f] * a[f];
        bb += b[f] * b[f];
        ab += a[f] * b[f];
    }
    return model->params.distance_measure == QN_COSINE ? 1 - ab / sqrt(aa * bb) : sqrt(square);
}

/* Over all pairs of centres: what drift is measured against. */
static double mean_distance(const qn_kmeans_model *model)
{
    const double pairs = (double)model->k * (model->k - 1) / 2;
    double sum = 0;

    for (int32_t i = 0; i < model->k; i++)
        for (int32_t j = 0; j < i; j++)
            sum += distance(model, i, j);
    return pairs > 0 ? sum / pairs : NAN;
}

/* Columns of the figure: k rows for each other model. */
typedef struct drift {
    int64_t n;
    double mean;
    double *block;
    double *cluster, *model, *matched, *distance, *percent; /* [n] */
    const char **name;                                      /* [n] */
    int32_t *match;                                         /* [k] */
} drift;

static qn_status measure_drift(plot_job *job, int64_t m, drift *w)
{
    const int32_t k = job->model->k;
    const char *path = job->options->against.item[m];
    qn_plot_kmeans_result *result = job->result;
    qn_kmeans_model *other = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_kmeans_load(job->ctx, path, &other));
    QN_TRY(qn_kmeans_drift(job->ctx, job->model, other, w->match, w->distance + m * k));
    for (int32_t j = 0; j < k; j++) {
        const int64_t i = m * k + j;

        w->cluster[i] = j;
        w->model[i] = (double)m;
        w->name[i] = path;
        w->matched[i] = w->match[j] >= 0 ? w->match[j] : NAN;
        w->percent[i] = 100 * w->distance[i] / w->mean;
        result->n_unmatched += w->match[j] < 0;
        if (!(w->percent[i] / 100 <= result->largest_drift) && !isnan(w->percent[i]))
            result->largest_drift = w->percent[i] / 100;
    }
done:
    qn_kmeans_free(other);
    return st;
}

static qn_status show_drift(plot_job *job, const drift *w)
{
    const qn_text_list *against = &job->options->against;
    qn_string subtitle = {0};
    const qn_plot_column columns[] = {
        {"cluster", w->cluster},         {"against", .text = w->name},
        {"matched_cluster", w->matched}, {"distance", w->distance},
        {"percent", w->percent},         {"model", w->model, .is_note = true}};
    const qn_plot_series series = {QN_PLOT_BARS, 0, 4, 5, QN_PLOT_NONE};
    qn_figure figure = {.name = "drift",
                        .title = "How far the centres lie from those of other models",
                        .x = {.title = "cluster", .is_whole = true},
                        .y = {.title = "drift, %"},
                        .column = columns,
                        .n_columns = 6,
                        .n_rows = w->n,
                        .series = &series,
                        .n_series = 1};
    qn_status st;

    if (against->n > 1) {
        figure.legend = against->item;
        figure.n_legend = (int32_t)against->n;
    }
    qn_string_addf(&subtitle,
                   "%s against %s: %% of the mean distance between centres; largest %.3g %%",
                   job->options->model, against->n > 1 ? "others" : against->item[0],
                   100 * job->result->largest_drift);
    figure.subtitle = qn_string_text(&subtitle);
    st = kmeans_hand_out(job, &figure);
    qn_string_release(&subtitle);
    return st;
}

qn_status kmeans_draw_drift(plot_job *job)
{
    const int32_t k = job->model->k;
    const int64_t n_models = job->options->against.n;
    qn_context *ctx = job->ctx;
    drift w = {.n = n_models * k, .mean = mean_distance(job->model)};
    qn_status st = QN_OK;

    QN_NEW(ctx, w.block, 5 * w.n, "a figure");
    QN_NEW(ctx, w.name, w.n, "a figure");
    QN_NEW(ctx, w.match, k, "a figure");
    w.cluster = w.block;
    w.model = w.cluster + w.n;
    w.matched = w.model + w.n;
    w.distance = w.matched + w.n;
    w.percent = w.distance + w.n;
    for (int64_t m = 0; m < n_models; m++)
        QN_TRY(measure_drift(job, m, &w));
    QN_TRY(show_drift(job, &w));
done:
    qn_free(w.block);
    qn_free(w.name);
    qn_free(w.match);
    return st;
}
