/* Forests and trees as the commands see them: qn_algo_forest, qn_algo_tree. One set of operations;
 * only the fit differs. What is told of a model is in forest_tell.c. */
#include <math.h>
#include <stdio.h>

#include "ml/algo.h"
#include "ml/forest/forest_show.h"
#include "ml/forest/forest_tell.h"
#include "ml/table_metrics.h"

static const qn_forest_model *of(const qn_model *model)
{
    return (const qn_forest_model *)model;
}

static qn_status fit(qn_context *ctx, const void *params, bool is_tree, const qn_matrix *data,
                     qn_model **model)
{
    qn_forest_model *made = NULL;
    const qn_status st = qn_forest_fit(ctx, params, is_tree, data, &made);

    *model = made ? &made->base : NULL;
    return st;
}

static qn_status forest_fit(qn_context *ctx, const void *params, const qn_matrix *data,
                            qn_model **model)
{
    return fit(ctx, params, false, data, model);
}

static qn_status tree_fit(qn_context *ctx, const void *params, const qn_matrix *data,
                          qn_model **model)
{
    return fit(ctx, params, true, data, model);
}

static void algo_free(qn_model *model)
{
    qn_forest_free((qn_forest_model *)model);
}

static qn_status algo_save(qn_context *ctx, const qn_model *model, const char *path, bool overwrite,
                           const char *record)
{
    return qn_forest_save(ctx, of(model), path, overwrite, record);
}

static qn_status algo_load(qn_context *ctx, const char *path, qn_model **model)
{
    qn_forest_model *loaded = NULL;
    const qn_status st = qn_forest_load(ctx, path, &loaded);

    *model = loaded ? &loaded->base : NULL;
    return st;
}

static void algo_digest(const qn_model *model, char digest[33])
{
    qn_forest_digest(of(model), digest);
}

/* Spark's columns: all doubles; a classifier's probabilities and votes are lists. */
static int32_t algo_outputs(const qn_model *model, qn_output output[QN_MAX_OUTPUTS])
{
    const int32_t n_classes = of(model)->n_classes;

    output[0] = (qn_output){model->prediction_col, QN_DOUBLE, 1};
    if (!of(model)->is_classifier)
        return 1;
    output[1] = (qn_output){"probability", QN_DOUBLE_LIST, n_classes};
    output[2] = (qn_output){"rawPrediction", QN_DOUBLE_LIST, n_classes};
    return 3;
}

static qn_status algo_predict(qn_context *ctx, const qn_model *model, int64_t n_rows,
                              const double *x, void *const *values)
{
    const bool is_classifier = of(model)->is_classifier;

    forest_predict_panels(of(model), n_rows, x, values[0], is_classifier ? values[2] : NULL,
                          is_classifier ? values[1] : NULL);
    return qn_check_cancel(ctx);
}

static void predict_for_judge(const void *model, int64_t n_rows, const double *x,
                              double *prediction, double *probability)
{
    forest_predict_panels(model, n_rows, x, prediction, NULL, probability);
}

static qn_status algo_evaluate(qn_context *ctx, const qn_model *model, const qn_matrix *data,
                               qn_json *j)
{
    const qn_table_judge judge = {
        .n_classes = of(model)->n_classes, .predict = predict_for_judge, .model = model};

    if (data->n_features != model->n_features)
        return qn_fail(ctx, QN_EINVAL, "the model has %d features, the table %d", model->n_features,
                       data->n_features);
    return qn_table_judge_tell(ctx, &judge, data, j);
}

static const void *algo_params(const qn_model *model)
{
    return &of(model)->params;
}

static bool algo_keeps_missing(const void *params)
{
    return ((const qn_forest_params *)params)->missing == QN_TREE_MISSING_NATIVE;
}

#define FOREST_OPS(fit_op)                                                                         \
    {                                                                                              \
        .needs_label = true, .uses_label = true, .takes_missing = true, .value_bytes = 1,          \
        .row_bytes = 4, .keeps_missing = algo_keeps_missing, .categories = QN_CATEGORIES_INDEX,    \
        .fit = (fit_op), .free = algo_free, .save = algo_save, .load = algo_load,                  \
        .digest = algo_digest, .outputs = algo_outputs, .predict = algo_predict,                   \
        .evaluate = algo_evaluate, .describe = forest_describe, .summary = forest_summary,         \
        .params = algo_params, .doubts = forest_doubts, .export_as = forest_export,                \
    }

static const qn_table_ops forest_ops = FOREST_OPS(forest_fit);
static const qn_table_ops tree_ops = FOREST_OPS(tree_fit);

#define NOTES                                                                                      \
    "Labels are 0, 1, 2 ...; a category is known by its place among those that the rows hold. "    \
    "Splits lie between bins, at most --max-bins a feature; x <= threshold goes left.\n\n"         \
    "The same files, options and seed give the same trees, bit by bit, for any number of "         \
    "threads, workers and partitions.\n\n"                                                         \
    "predict adds prediction and, to .jsonl and .parquet, the lists probability and "              \
    "rawPrediction; delimited text cannot hold lists."

const qn_algo qn_algo_forest = {
    .name = "forest",
    .title = "Grow a random forest that classifies or predicts a number",
    .spark_class = "org.apache.spark.ml.classification.RandomForestClassificationModel",
    .spark_regressor = "org.apache.spark.ml.regression.RandomForestRegressionModel",
    .params = &qn_forest_table,
    .table = &forest_ops,
    .notes = NOTES
    "\n\nThe rows that a tree was not grown on judge it: oob_error needs no test files. The first "
    "trees of a larger forest are the smaller forest.",
    .examples =
        "quern fit forest --input train --label class --num-trees 40 --max-depth 6 --model model\n"
        "quern fit forest --input lidar/train --features z,Intensity,ndvi --feature 'z=xyz[2]' "
        "--feature 'ndvi=case when Infrared+Red>0 then (Infrared-Red)/(Infrared+Red) else 0 end' "
        "--scale z=std --label Classification --val lidar/val --test lidar/test --model land\n"
        "quern fit forest --task regression --input homes.csv --label price --categorical town "
        "--model homes\n"
        "quern evaluate --model model --input test",
};

const qn_algo qn_algo_tree = {
    .name = "tree",
    .title = "Grow one decision tree that classifies or predicts a number",
    .spark_class = "org.apache.spark.ml.classification.DecisionTreeClassificationModel",
    .spark_regressor = "org.apache.spark.ml.regression.DecisionTreeRegressionModel",
    .params = &qn_tree_table,
    .table = &tree_ops,
    .notes = NOTES,
    .examples = "quern fit tree --input train.csv --label class --max-depth 4 --model model\n"
                "quern fit tree --task regression --input homes.csv --label price --model homes\n"
                "quern inspect model --json",
};
