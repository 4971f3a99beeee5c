/* The nearest centre of new rows, in double. */
#include <string.h>

#include "ml/kmeans/kmeans_impl.h"

/* What a call of predict needs. */
typedef struct predictor {
    qn_context *ctx;
    const qn_kmeans_model *model;
    kmeans_centres centres;
    kmeans_rows rows;
} predictor;

static qn_status predictor_init(qn_context *ctx, const qn_kmeans_model *model, predictor *p)
{
    qn_status st = QN_OK;

    *p = (predictor){.ctx = ctx, .model = model};
    QN_TRY(kmeans_centres_of(ctx, model, NULL, &p->centres));
    QN_TRY(kmeans_rows_init(ctx, model->n_features, model->params.distance_measure,
                            kmeans_chunk_rows(model->n_features), &p->rows));
done:
    return st;
}

static void predictor_release(predictor *p)
{
    kmeans_centres_release(&p->centres);
    kmeans_rows_release(&p->rows);
}

/* One chunk, whose first row is `first` of the call. */
static qn_status predict_chunk(predictor *p, int64_t first, int64_t n, const double *x,
                               int32_t *label, double *distance)
{
    const double scale = kmeans_scale(p->model->params.distance_measure);
    const int64_t bad = kmeans_rows_take(&p->rows, n, true, x);

    if (bad >= 0)
        return qn_fail(p->ctx, QN_EDATA,
                       "row %lld: Cosine distance is not defined for zero-length vectors",
                       (long long)(first + bad));
    kmeans_nearest(&p->rows, &p->centres.view);
    memcpy(label + first, p->rows.label, (size_t)n * sizeof *label);
    if (!distance)
        return QN_OK;
    kmeans_distance(&p->rows, p->centres.centre);
    for (int64_t r = 0; r < n; r++)
        distance[first + r] = scale * p->rows.distance[r];
    return QN_OK;
}

qn_status kmeans_label_panels(qn_context *ctx, const qn_kmeans_model *model, int64_t n,
                              const double *x, int32_t *label, double *distance)
{
    qn_status st = QN_OK;
    predictor p;

    QN_TRY(predictor_init(ctx, model, &p));
    for (int64_t first = 0; first < n; first += p.rows.room) {
        const int64_t left = n - first;

        QN_TRY(predict_chunk(&p, first, left < p.rows.room ? left : p.rows.room,
                             x + first * model->n_features, label, distance));
    }
done:
    predictor_release(&p);
    return st;
}

qn_status qn_kmeans_predict(qn_context *ctx, const qn_kmeans_model *model, int64_t n,
                            const double *rows, int32_t *label, double *distance)
{
    qn_status st = QN_OK;
    const int64_t d = model->n_features;
    double *panels = NULL;
    predictor p;

    QN_TRY(predictor_init(ctx, model, &p));
    QN_NEW0(ctx, panels, p.rows.room * d, "rows to predict");
    for (int64_t first = 0; first < n; first += p.rows.room) {
        const int64_t count = n - first < p.rows.room ? n - first : p.rows.room;

        for (int64_t r = 0; r < count; r++)
            for (int64_t f = 0; f < d; f++)
                panels[(r / QN_PANEL * d + f) * QN_PANEL + r % QN_PANEL] =
                    rows[(first + r) * d + f];
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(predict_chunk(&p, first, count, panels, label, distance));
    }
done:
    predictor_release(&p);
    qn_free(panels);
    return st;
}
