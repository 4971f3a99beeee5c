/* The sample in the plane in which it spreads most, with the centres. */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "experiment/plot_kmeans_impl.h"
#include "experiment/sample.h"

/* Columns of the figure: `points` rows of the sample, then the k centres. */
typedef struct projection {
    int64_t n, points;
    double *row, *x, *y, *cluster, *centre; /* [n] */
    double *block;
    int32_t *label; /* [points] */
    qn_plane plane;
} projection;

static qn_status project(plot_job *job, projection *p)
{
    const qn_kmeans_model *model = job->model;
    const int32_t d = model->n_features;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    p->points = job->n < job->options->points ? job->n : job->options->points;
    p->n = p->points + model->k;
    QN_NEW(ctx, p->block, 5 * p->n, "a figure");
    QN_NEW(ctx, p->label, p->points, "a figure");
    p->row = p->block;
    p->x = p->row + p->n;
    p->y = p->x + p->n;
    p->cluster = p->y + p->n;
    p->centre = p->cluster + p->n;
    QN_TRY(qn_plane_make(ctx, job->n, d, job->x, &p->plane));
    QN_TRY(qn_kmeans_predict(ctx, model, p->points, job->x, p->label, NULL));
    for (int64_t i = 0; i < p->n; i++) {
        const int64_t j = i - p->points; /* number of the centre */
        double at[2];

        qn_plane_project(&p->plane, d, j < 0 ? job->x + i * d : model->centre + j * d, at);
        p->x[i] = at[0];
        p->y[i] = at[1];
        p->row[i] = j < 0 ? (double)job->row[i] : NAN;
        p->cluster[i] = j < 0 ? p->label[i] : NAN;
        p->centre[i] = j < 0 ? NAN : (double)j;
    }
done:
    return st;
}

static qn_status show_projection(plot_job *job, const projection *p)
{
    const double total = p->plane.total > 0 ? p->plane.total : 1;
    char drawn[32], all[32], subtitle[160], x_title[96], y_title[96];
    const qn_plot_column columns[] = {
        {"row", p->row},         {"component_1", p->x}, {"component_2", p->y},
        {"cluster", p->cluster}, {"centre", p->centre},
    };
    const qn_plot_series series[] = {{QN_PLOT_POINTS, 1, 2, 3, QN_PLOT_NONE},
                                     {QN_PLOT_MARKS, 1, 2, 4, 4}};
    const qn_figure figure = {.name = "projection",
                              .title = "Clusters in the plane in which the rows spread most",
                              .subtitle = subtitle,
                              .x = {.title = x_title},
                              .y = {.title = y_title},
                              .column = columns,
                              .n_columns = 5,
                              .n_rows = p->n,
                              .series = series,
                              .n_series = 2};

    qn_format_count(p->points, drawn);
    qn_format_count(job->data->n_rows, all);
    snprintf(subtitle, sizeof subtitle, "%s of %s rows by lot; rings are the %d centres", drawn,
             all, (int)job->model->k);
    snprintf(x_title, sizeof x_title, "1st principal component (%.3g %% of the variance)",
             100 * p->plane.variance[0] / total);
    snprintf(y_title, sizeof y_title, "2nd principal component (%.3g %%)",
             100 * p->plane.variance[1] / total);
    return kmeans_hand_out(job, &figure);
}

qn_status kmeans_draw_projection(plot_job *job)
{
    projection p = {0};
    qn_status st = QN_OK;

    QN_TRY(project(job, &p));
    QN_TRY(show_projection(job, &p));
done:
    qn_plane_release(&p.plane);
    qn_free(p.block);
    qn_free(p.label);
    return st;
}
