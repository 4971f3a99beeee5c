/* Sizes, costs and Spark's silhouette, in two passes over the rows. */
#include <math.h>
#include <string.h>

#include "ml/kmeans/kmeans_impl.h"

/* What the passes share. */
typedef struct quality_work {
    const kmeans_centres *centres;
    const int32_t *label; /* of this rank's rows; NULL: the nearest centre's */
    int64_t first_row;    /* of this rank */
    double *weight;       /* [k] */
    double *mean;         /* [k x d] of the rows of a cluster */
    double *variance;     /* [k] mean squared distance of a cluster's rows to their mean */
} quality_work;

static double row_weight(const kmeans_rows *rows, int64_t r)
{
    return rows->weight ? rows->weight[r] : 1;
}

static void label_rows(const quality_work *w, kmeans_rows *rows)
{
    if (w->label)
        memcpy(rows->label, w->label + (rows->first_row - w->first_row),
               (size_t)rows->n * sizeof *w->label);
    else
        kmeans_nearest(rows, &w->centres->view);
}

/* First pass: [k] rows, [k] weight x squared distance to the centre, [k] weight,
 * [k x d] weight x row. */
static void sum_clusters(void *arg, kmeans_rows *rows, double *sums)
{
    const quality_work *w = arg;
    const int32_t k = w->centres->view.k;

    label_rows(w, rows);
    kmeans_distance(rows, w->centres->centre);
    for (int64_t r = 0; r < rows->n; r++) {
        sums[rows->label[r]] += 1;
        sums[k + rows->label[r]] += row_weight(rows, r) * rows->distance[r];
    }
    kmeans_add_sums(rows, sums + 3 * (int64_t)k, sums + 2 * (int64_t)k);
}

/* The mean of a cluster and the spread around it. Taking the spread from the costs to the centre,
 * which is near the mean, loses no digits as sums of squares would. */
static void clusters_of_sums(quality_work *w, const double *sums)
{
    const int32_t k = w->centres->view.k;
    const int32_t d = w->centres->view.d;

    for (int64_t j = 0; j < k; j++) {
        const double *centre = w->centres->centre + j * d;
        double *mean = w->mean + j * d;

        w->weight[j] = sums[2 * k + j];
        if (!(w->weight[j] > 0))
            continue;
        for (int32_t f = 0; f < d; f++)
            mean[f] = sums[3 * k + j * d + f] / w->weight[j];
        w->variance[j] = sums[k + j] / w->weight[j] - kmeans_square_distance(d, mean, centre);
        w->variance[j] = w->variance[j] > 0 ? w->variance[j] : 0;
    }
}

/* Of one row, from its mean squared distances to its own cluster and to the nearest other. The
 * row itself is taken out of its own; alone in it, it counts 0. */
static double silhouette_of(double own, double other, double cluster_weight, double weight)
{
    const double a = own * cluster_weight / (cluster_weight - weight);

    if (cluster_weight == weight)
        return 0;
    return a < other ? 1 - a / other : a > other ? other / a - 1 : 0;
}

/* Second pass: weight x silhouette. The mean squared distance of a row to a cluster is that to its
 * mean, plus the cluster's own spread. */
static void sum_silhouettes(void *arg, kmeans_rows *rows, double *sums)
{
    const quality_work *w = arg;
    const int32_t k = w->centres->view.k;
    kmeans_rows panel = *rows;

    label_rows(w, rows);
    for (int64_t first = 0; first < rows->n; first += QN_PANEL) {
        const size_t value = rows->is_double ? sizeof(double) : sizeof(float);
        const int32_t *label = rows->label + first;
        double own[QN_PANEL] = {0};
        double other[QN_PANEL];

        panel.n = rows->n - first < QN_PANEL ? rows->n - first : QN_PANEL;
        panel.x = (const char *)rows->x + (size_t)first * (size_t)rows->d * value;
        for (int32_t r = 0; r < QN_PANEL; r++)
            other[r] = INFINITY;
        for (int32_t j = 0; j < k; j++) {
            if (!(w->weight[j] > 0))
                continue;
            kmeans_distance_to(&panel, w->mean + (int64_t)j * rows->d);
            for (int64_t r = 0; r < panel.n; r++) {
                const double mean = panel.distance[r] + w->variance[j];

                if (label[r] == j)
                    own[r] = mean;
                else if (mean < other[r])
                    other[r] = mean;
            }
        }
        for (int64_t r = 0; r < panel.n; r++)
            sums[0] +=
                row_weight(rows, first + r) *
                silhouette_of(own[r], other[r], w->weight[label[r]], row_weight(rows, first + r));
    }
}

static qn_status quality_alloc(qn_context *ctx, int32_t k, int32_t d, quality_work *w,
                               double **sums, qn_kmeans_quality *quality)
{
    qn_status st = QN_OK;

    QN_NEW0(ctx, w->weight, k, "weights of clusters");
    QN_NEW0(ctx, w->mean, (int64_t)k * d, "means of clusters");
    QN_NEW0(ctx, w->variance, k, "spreads of clusters");
    QN_NEW(ctx, *sums, (int64_t)k * (d + 3), "sums of clusters");
    QN_NEW0(ctx, quality->size, k, "sizes of clusters");
    QN_NEW0(ctx, quality->weight, k, "weights of clusters");
    QN_NEW0(ctx, quality->cluster_cost, k, "costs of clusters");
done:
    return st;
}

/* Clusters that hold weight. */
static int32_t fill_quality(const quality_work *w, const double *sums, int32_t measure,
                            qn_kmeans_quality *quality)
{
    const int32_t k = w->centres->view.k;
    int32_t n = 0;

    for (int32_t j = 0; j < k; j++) {
        quality->size[j] = (int64_t)sums[j];
        quality->weight[j] = w->weight[j];
        quality->cluster_cost[j] = sums[k + j] * kmeans_scale(measure);
        quality->cost += quality->cluster_cost[j];
        quality->n_rows += quality->size[j];
        n += w->weight[j] > 0;
    }
    return n;
}

qn_status kmeans_quality(qn_context *ctx, const qn_matrix *data, int32_t measure,
                         const kmeans_centres *centres, const int32_t *label,
                         qn_kmeans_quality *quality)
{
    qn_status st = QN_OK;
    const int32_t k = centres->view.k;
    const int32_t d = centres->view.d;
    const qn_span job = qn_job_start(ctx, "evaluate");
    quality_work w = {.centres = centres, .label = label};
    kmeans_scan first = {0}, second = {0};
    double *sums = NULL;
    double silhouettes = 0;
    double total_weight = 0;

    w.first_row = data->n_own_cells > 0 ? data->cell[0].first_row : 0;
    QN_TRY_ALL(quality_alloc(ctx, k, d, &w, &sums, quality));
    QN_TRY_ALL(kmeans_scan_init(ctx, data, measure, (int64_t)k * (d + 3), &first));
    QN_TRY_ALL(kmeans_scan_init(ctx, data, measure, 1, &second));
    QN_TRY(kmeans_scan_run(&first, &job, "clusters", sum_clusters, &w, sums));
    clusters_of_sums(&w, sums);
    for (int32_t j = 0; j < k; j++)
        total_weight += w.weight[j];
    quality->silhouette = NAN;
    if (fill_quality(&w, sums, measure, quality) >= 2) {
        QN_TRY(kmeans_scan_run(&second, &job, "silhouette", sum_silhouettes, &w, &silhouettes));
        quality->silhouette = silhouettes / total_weight;
    }
done:
    kmeans_scan_release(&first);
    kmeans_scan_release(&second);
    qn_free(w.weight);
    qn_free(w.mean);
    qn_free(w.variance);
    qn_free(sums);
    qn_span_end(ctx, &job, st, NULL);
    return st;
}

qn_status qn_kmeans_evaluate(qn_context *ctx, const qn_kmeans_model *model, const qn_matrix *data,
                             qn_kmeans_quality *quality)
{
    qn_status st = QN_OK;
    const int32_t measure = model->params.distance_measure;
    kmeans_centres centres = {0};

    *quality = (qn_kmeans_quality){.silhouette = NAN};
    if (data->n_features != model->n_features)
        return qn_fail(ctx, QN_EINVAL, "the model has %d features, the table %d", model->n_features,
                       data->n_features);
    QN_TRY_ALL(kmeans_centres_of(ctx, model, kmeans_mean(data, measure), &centres));
    QN_TRY(kmeans_quality(ctx, data, measure, &centres, NULL, quality));
done:
    kmeans_centres_release(&centres);
    if (st != QN_OK)
        qn_kmeans_quality_release(quality);
    return st;
}

void qn_kmeans_quality_release(qn_kmeans_quality *quality)
{
    qn_free(quality->size);
    qn_free(quality->weight);
    qn_free(quality->cluster_cost);
    *quality = (qn_kmeans_quality){.silhouette = NAN};
}
