/* Rows of each cluster. */
#include <stdio.h>

#include "base/alloc.h"
#include "experiment/plot_kmeans_impl.h"

typedef struct count_text {
    char text[32];
} count_text;

static qn_status show_sizes(plot_job *job, const int64_t *size, const char *subtitle)
{
    const int32_t k = job->model->k;
    double *column = NULL, total = 0;
    count_text *text = NULL;
    const char **note = NULL;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_NEW(ctx, column, 3 * (int64_t)k, "a figure");
    QN_NEW(ctx, text, k, "a figure");
    QN_NEW(ctx, note, k, "a figure");
    for (int32_t j = 0; j < k; j++)
        total += (double)size[j];
    for (int32_t j = 0; j < k; j++) {
        column[j] = j;
        column[k + j] = (double)size[j];
        column[2 * k + j] = total > 0 ? 100 * (double)size[j] / total : 0;
        qn_format_count(size[j], text[j].text);
        note[j] = text[j].text;
    }
    const qn_plot_column columns[] = {{"cluster", column},
                                      {"rows", column + k},
                                      {"percent", column + 2 * (int64_t)k},
                                      {"rows", .text = note, .is_note = true}};
    const qn_plot_series series = {QN_PLOT_BARS, 0, 2, QN_PLOT_NONE, 3};
    const qn_figure figure = {.name = "sizes",
                              .title = "Sizes of the clusters",
                              .subtitle = subtitle,
                              .x = {.title = "cluster", .is_whole = true},
                              .y = {.title = "share of rows, %"},
                              .column = columns,
                              .n_columns = 4,
                              .n_rows = k,
                              .series = &series,
                              .n_series = 1};
    QN_TRY(kmeans_hand_out(job, &figure));
done:
    qn_free(column);
    qn_free(text);
    qn_free(note);
    return st;
}

/* Of the input where there is one, else of what the model was fitted on. */
qn_status kmeans_draw_sizes(plot_job *job)
{
    const qn_kmeans_model *model = job->model;
    qn_kmeans_quality quality = {0};
    char count[32], subtitle[256];
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    if (job->data) {
        QN_TRY(qn_kmeans_evaluate(ctx, model, job->data, &quality));
        qn_format_count(quality.n_rows, count);
        snprintf(subtitle, sizeof subtitle,
                 "%s rows of the input; mean %s distance %.4g, "
                 "silhouette %.3f",
                 count, model->params.distance_measure == QN_COSINE ? "cosine" : "squared",
                 quality.cost / job->data->weight_sum, quality.silhouette);
        QN_TRY(show_sizes(job, quality.size, subtitle));
    } else if (model->size) {
        qn_format_count(model->n_rows, count);
        snprintf(subtitle, sizeof subtitle, "%s rows that the model was fitted on", count);
        QN_TRY(show_sizes(job, model->size, subtitle));
    } else {
        st = qn_fail(ctx, QN_EINVAL, "%s keeps no sizes: give --input, the rows to count",
                     job->options->model);
    }
done:
    qn_kmeans_quality_release(&quality);
    return st;
}
