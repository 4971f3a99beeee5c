/* Cost against the number of clusters. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiment/plot_kmeans_impl.h"
#include "experiment/rows_source.h"

#define MOST_K 64 /* values of --elbow-k */

int32_t qn_knee(int32_t n, const double *x, const double *y)
{
    double most = 0;
    int32_t knee = -1;

    for (int32_t i = 1; i < n - 1; i++) {
        const double along = (x[i] - x[0]) / (x[n - 1] - x[0]);
        const double below = y[0] + along * (y[n - 1] - y[0]) - y[i];

        if (below > most) {
            most = below;
            knee = i;
        }
    }
    return knee;
}

/* "2,4,8" "16" -> 2 4 8 16, ascending, each once. */
static qn_status parse_k(const plot_job *job, double k[MOST_K], int32_t *n)
{
    static const char *const usual[] = {"2,3,4,5,6,8,10,12,16,20"};
    const qn_text_list *given = &job->options->elbow_k;
    const char *const *item = given->n > 0 ? given->item : usual;

    *n = 0;
    for (int64_t i = 0; i < (given->n > 0 ? given->n : 1); i++)
        for (const char *text = item[i]; *text; text += *text == ',') {
            const size_t length = strcspn(text, ",");
            int32_t at = 0;
            int64_t value;

            if (!qn_parse_int64(text, length, &value) || value < 2 || value > 1000000)
                return qn_fail(job->ctx, QN_EINVAL,
                               "--elbow-k %s: \"%.*s\" is no number of clusters, 2 or more",
                               item[i], (int)length, text);
            while (at < *n && k[at] < (double)value)
                at++;
            text += length;
            if (at < *n && k[at] == (double)value)
                continue;
            if (*n == MOST_K)
                return qn_fail(job->ctx, QN_EINVAL, "--elbow-k takes %d numbers at most", MOST_K);
            memmove(k + at + 1, k + at, (size_t)(*n - at) * sizeof *k);
            k[at] = (double)value;
            ++*n;
        }
    if (*n < 2)
        return qn_fail(job->ctx, QN_EINVAL, "--elbow-k: give two numbers of clusters or more");
    return QN_OK;
}

/* What one fit of the elbow found. */
typedef struct elbow {
    int32_t n;
    double k[MOST_K], centres[MOST_K], cost[MOST_K], mean[MOST_K], iterations[MOST_K];
    double knee[MOST_K]; /* the mean, at the knee alone */
    const char *note[MOST_K];
    char text[32];
} elbow;

static qn_status fit_elbow(plot_job *job, const qn_matrix *data, elbow *e)
{
    qn_kmeans_params params = job->model->params;
    qn_context *ctx = job->ctx;
    int32_t knee;

    if (!params.init_mode || strcmp(params.init_mode, "random") != 0)
        params.init_mode = "k-means||"; /* a file of k rows serves no other k */
    for (int32_t i = 0; i < e->n; i++) {
        qn_kmeans_model *model = NULL;
        qn_status st;

        params.k = (int32_t)e->k[i];
        st = qn_kmeans_fit(ctx, &params, data, &model);
        if (st != QN_OK)
            return st;
        e->centres[i] = model->k;
        e->cost[i] = model->cost;
        e->mean[i] = model->cost / data->weight_sum;
        e->iterations[i] = model->iterations;
        e->knee[i] = NAN;
        qn_kmeans_free(model);
    }
    knee = qn_knee(e->n, e->k, e->mean);
    if (knee >= 0) {
        e->knee[knee] = e->mean[knee];
        snprintf(e->text, sizeof e->text, "knee: k = %d", (int)e->k[knee]);
        e->note[knee] = e->text;
        job->result->knee = (int32_t)e->k[knee];
    }
    return QN_OK;
}

static qn_status show_elbow(plot_job *job, const elbow *e)
{
    const bool is_cosine = job->model->params.distance_measure == QN_COSINE;
    char used[32], all[32], subtitle[128];
    const qn_plot_column columns[] = {{"k", e->k},
                                      {"centres", e->centres},
                                      {"cost", e->cost},
                                      {"mean_distance", e->mean},
                                      {"iterations", e->iterations},
                                      {"knee", e->knee, .is_note = true},
                                      {"note", .text = e->note, .is_note = true}};
    const qn_plot_series series[] = {{QN_PLOT_LINE, 0, 3, QN_PLOT_NONE, QN_PLOT_NONE},
                                     {QN_PLOT_MARKS, 0, 5, QN_PLOT_NONE, 6}};
    const qn_figure figure = {
        .name = "elbow",
        .title = "Cost against the number of clusters",
        .subtitle = subtitle,
        .x = {.title = "number of clusters k", .is_whole = true},
        .y = {.title = is_cosine ? "mean cosine distance" : "mean squared distance"},
        .column = columns,
        .n_columns = 7,
        .n_rows = e->n,
        .series = series,
        .n_series = 2};

    qn_format_count(job->n, used);
    qn_format_count(job->data->n_rows, all);
    snprintf(subtitle, sizeof subtitle, "a fit for each k on %s of %s rows", used, all);
    return kmeans_hand_out(job, &figure);
}

qn_status kmeans_draw_elbow(plot_job *job)
{
    const qn_matrix_use use = {0};
    qn_matrix_options options;
    qn_source *source = NULL;
    qn_matrix *data = NULL;
    elbow e = {0};
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY(parse_k(job, e.k, &e.n));
    qn_params_init(&qn_matrix_table, &options);
    options.precision = job->data->is_double ? QN_PRECISION_DOUBLE : QN_PRECISION_FLOAT;
    QN_TRY(qn_rows_source(ctx, job->n, job->data->n_features, job->x, &source));
    QN_TRY(qn_matrix_from_source(ctx, source, &options, &use, &data));
    QN_TRY(fit_elbow(job, data, &e));
    QN_TRY(show_elbow(job, &e));
done:
    qn_matrix_free(data);
    qn_source_free(source);
    return st;
}
