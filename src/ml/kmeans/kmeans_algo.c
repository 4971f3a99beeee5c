/* K-means as the commands see it: qn_algo_kmeans, and what it tells of a model. */
#include <math.h>
#include <stdio.h>

#include "ml/algo.h"
#include "ml/kmeans/kmeans_impl.h"

static const qn_kmeans_model *of(const qn_model *model)
{
    return (const qn_kmeans_model *)model;
}

static qn_status algo_fit(qn_context *ctx, const void *params, const qn_matrix *data,
                          qn_model **model)
{
    qn_kmeans_model *made = NULL;
    const qn_status st = qn_kmeans_fit(ctx, params, data, &made);

    *model = made ? &made->base : NULL;
    return st;
}

static void algo_free(qn_model *model)
{
    qn_kmeans_free((qn_kmeans_model *)model);
}

static qn_status algo_save(qn_context *ctx, const qn_model *model, const char *path, bool overwrite,
                           const char *record)
{
    return qn_kmeans_save(ctx, of(model), path, overwrite, record);
}

static qn_status algo_load(qn_context *ctx, const char *path, qn_model **model)
{
    qn_kmeans_model *loaded = NULL;
    const qn_status st = qn_kmeans_load(ctx, path, &loaded);

    *model = loaded ? &loaded->base : NULL;
    return st;
}

static void algo_digest(const qn_model *model, char digest[33])
{
    qn_kmeans_digest(of(model), digest);
}

static int32_t algo_outputs(const qn_model *model, qn_output output[QN_MAX_OUTPUTS])
{
    output[0] = (qn_output){model->prediction_col, QN_INT32, 1};
    return 1;
}

static qn_status algo_predict(qn_context *ctx, const qn_model *model, int64_t n_rows,
                              const double *x, void *const *values)
{
    return kmeans_label_panels(ctx, of(model), n_rows, x, values[0], NULL);
}

static const void *algo_params(const qn_model *model)
{
    return &of(model)->params;
}

/* ---- What it tells ---- */

static void json_sizes(const int64_t *size, int64_t n_rows, int32_t k, qn_json *j)
{
    qn_json_open(j, "cluster_sizes", '[');
    for (int32_t c = 0; c < k; c++)
        qn_json_int(j, NULL, size[c]);
    qn_json_close(j, ']');
    qn_json_open(j, "cluster_share", '[');
    for (int32_t c = 0; c < k; c++)
        qn_json_real(j, NULL, n_rows > 0 ? (double)size[c] / (double)n_rows : NAN);
    qn_json_close(j, ']');
}

static void json_reals(const char *key, const double *x, int32_t n, qn_json *j)
{
    qn_json_open(j, key, '[');
    for (int32_t i = 0; i < n; i++)
        qn_json_real(j, NULL, x[i]);
    qn_json_close(j, ']');
}

static qn_status algo_evaluate(qn_context *ctx, const qn_model *model, const qn_matrix *data,
                               qn_json *j)
{
    qn_kmeans_quality q;
    const qn_status st = qn_kmeans_evaluate(ctx, of(model), data, &q);

    if (st != QN_OK)
        return st;
    qn_json_int(j, "rows", q.n_rows);
    qn_json_real(j, "silhouette", q.silhouette);
    qn_json_real(j, "cost", q.cost);
    json_sizes(q.size, q.n_rows, of(model)->k, j);
    if (data->has_weight)
        json_reals("cluster_weight", q.weight, of(model)->k, j);
    json_reals("cluster_cost", q.cluster_cost, of(model)->k, j);
    if (!isnan(q.silhouette))
        qn_emit_metric(ctx, "silhouette", q.silhouette, NULL);
    qn_emit_metric(ctx, "cost", q.cost, NULL);
    qn_kmeans_quality_release(&q);
    return QN_OK;
}

static void json_fit(const qn_kmeans_model *model, qn_json *j)
{
    qn_json_int(j, "k", model->k);
    qn_json_int(j, "iterations", model->iterations);
    qn_json_bool(j, "converged", model->has_converged);
    qn_json_real(j, "training_cost", model->training_cost);
    qn_json_real(j, "cost", model->cost);
    if (model->size)
        json_sizes(model->size, model->n_rows, model->k, j);
}

static void feature_name(const qn_kmeans_model *model, int32_t j, char *out, size_t size)
{
    if (model->base.features.n > 0)
        qn_features_name(&model->base.features, j, out, size);
    else
        snprintf(out, size, "%d", j);
}

static void algo_describe(const qn_model *base, bool all, qn_json *j)
{
    const qn_kmeans_model *model = of(base);

    qn_json_int(j, "n_features", model->n_features);
    if (model->n_rows > 0) {
        qn_json_int(j, "rows", model->n_rows);
        json_fit(model, j);
    } else {
        qn_json_int(j, "k", model->k);
    }
    if (!all)
        return;
    qn_json_open(j, "feature_names", '[');
    for (int32_t f = 0; f < model->n_features; f++) {
        char name[256];

        feature_name(model, f, name, sizeof name);
        qn_json_text(j, NULL, name);
    }
    qn_json_close(j, ']');
    qn_json_open(j, "centres", '[');
    for (int64_t c = 0; c < model->k; c++)
        json_reals(NULL, model->centre + c * model->n_features, model->n_features, j);
    qn_json_close(j, ']');
}

static void algo_summary(qn_context *ctx, const qn_model *base, qn_json *j)
{
    const qn_kmeans_model *model = of(base);

    json_fit(model, j);
    qn_emit_count(ctx, "k", model->k);
    for (int32_t c = 0; model->size && c < model->k; c++)
        qn_emit_count(ctx, "cluster_sizes[]", model->size[c]);
    qn_emit_count(ctx, "iterations", model->iterations);
    qn_emit_fact(ctx, "converged", model->has_converged ? "true" : "false");
    qn_emit_metric(ctx, "training_cost", model->training_cost, NULL);
    qn_emit_metric(ctx, "cost", model->cost, NULL);
}

static bool algo_doubts(const qn_model *base, char *out, size_t size)
{
    const qn_kmeans_model *model = of(base);
    int32_t n_empty = 0;

    for (int32_t c = 0; model->size && c < model->k; c++)
        n_empty += model->size[c] == 0;
    if (model->k < model->params.k)
        snprintf(out, size, "%d clusters were asked for and %d made", model->params.k, model->k);
    else if (n_empty > 0)
        snprintf(out, size, "%d of %d clusters are empty", n_empty, model->k);
    return model->k < model->params.k || n_empty > 0;
}

static const qn_table_ops kmeans_ops = {
    .categories = QN_CATEGORIES_ONE_HOT,
    .fit = algo_fit,
    .free = algo_free,
    .save = algo_save,
    .load = algo_load,
    .digest = algo_digest,
    .outputs = algo_outputs,
    .predict = algo_predict,
    .evaluate = algo_evaluate,
    .describe = algo_describe,
    .summary = algo_summary,
    .params = algo_params,
    .doubts = algo_doubts,
};

const qn_algo qn_algo_kmeans = {
    .name = "kmeans",
    .title = "Cluster the rows of a table around k centres and save them",
    .spark_class = "org.apache.spark.ml.clustering.KMeansModel",
    .params = &qn_kmeans_table,
    .table = &kmeans_ops,
    .notes =
        "Rows are compared as they are: bring features to one scale first where their units "
        "differ, e.g. by --feature.\n\n"
        "The same rows, options and seed give the same centres, bit by bit, for any number of "
        "threads, workers and partitions. An empty cluster keeps its centre, and a tie goes to the "
        "lowest number, as in Spark.\n\n"
        "training_cost is Spark's: measured in the last iteration, to the centres before it moved "
        "them. cost is measured to the centres that are saved.",
    .examples =
        "quern fit kmeans --input susy.csv --label 0 --k 8 --model model\n"
        "quern fit kmeans --input pixels.parquet --feature 'ndvi=(Infrared-Red)/(Infrared+Red)' "
        "--k 4 --model land\n"
        "quern fit kmeans --input new.csv --k 8 --init-mode centres.csv --max-iter 5 --model next\n"
        "quern evaluate --model model --input test.csv",
};
