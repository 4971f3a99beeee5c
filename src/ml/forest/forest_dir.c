/* Writes Spark's directories of a tree or a forest:
 *
 *   metadata/part-00000             what Spark needs
 *   data/part-*.parquet             one row a node; of forests treeID, nodeData
 *   treesMetadata/part-*.parquet    forests: treeID, metadata, weights
 *   quern.json                      parameters, digest, features, what the fit found */
#include "ml/forest/forest_dir.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ml/algo.h"

/* Nodes of a part file; Spark's own are of this size. */
#define FILE_NODES   ((int64_t)7280000)
#define BATCH_VALUES ((int64_t)1 << 18)

#define CLASSIFICATION "org.apache.spark.ml.classification."
#define REGRESSION     "org.apache.spark.ml.regression."

static const forest_class classes[] = {
    {CLASSIFICATION "RandomForestClassificationModel",
     CLASSIFICATION "DecisionTreeClassificationModel", "rfc", false, true},
    {REGRESSION "RandomForestRegressionModel", REGRESSION "DecisionTreeRegressionModel", "rfr",
     false, false},
    {CLASSIFICATION "DecisionTreeClassificationModel", NULL, "dtc", true, true},
    {REGRESSION "DecisionTreeRegressionModel", NULL, "dtr", true, false},
};

const forest_class *forest_class_of(const qn_forest_model *model)
{
    return &classes[2 * model->is_tree + !model->is_classifier];
}

const forest_class *forest_class_named(const char *name)
{
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strcmp(classes[i].name, name) == 0)
            return &classes[i];
    return NULL;
}

/* ---- Metadata ---- */

/* The inside of an object: without its braces. */
static const char *inside(qn_json *json)
{
    json->out.text[json->out.length - 1] = '\0';
    return json->out.text + 1;
}

static const char *impurity_name(const qn_forest_model *model, int32_t impurity)
{
    if (!model->is_classifier)
        return "variance";
    return impurity == QN_IMPURITY_ENTROPY ? "entropy" : "gini";
}

/* As a class of the model's knows them; others fail its load. */
static void params_as_spark(const qn_forest_model *model, const qn_forest_params *params,
                            const char *prediction_col, qn_json *j)
{
    qn_json_open(j, NULL, '{');
    qn_json_text(j, "featuresCol", "features");
    qn_json_text(j, "labelCol", "label");
    qn_json_text(j, "predictionCol", prediction_col);
    if (model->is_classifier) {
        qn_json_text(j, "rawPredictionCol", "rawPrediction");
        qn_json_text(j, "probabilityCol", "probability");
    }
    qn_json_int(j, "maxDepth", params->max_depth);
    qn_json_int(j, "maxBins", params->max_bins);
    qn_json_text(j, "impurity", impurity_name(model, params->impurity));
    qn_json_int(j, "minInstancesPerNode", params->min_instances_per_node);
    qn_json_real(j, "minInfoGain", params->min_info_gain);
    qn_json_real(j, "minWeightFractionPerNode", params->min_weight_fraction_per_node);
    qn_json_int(j, "seed", params->seed);
    if (!model->is_tree) {
        qn_json_int(j, "numTrees", params->num_trees);
        if (params->feature_subset_strategy)
            qn_json_text(j, "featureSubsetStrategy", params->feature_subset_strategy);
        qn_json_real(j, "subsamplingRate", params->subsampling_rate);
        qn_json_bool(j, "bootstrap", params->bootstrap);
    }
}

static void threshold_as_spark(const qn_forest_model *model, qn_json *j)
{
    if (!model->threshold)
        return;
    qn_json_open(j, "thresholds", '[');
    for (int32_t c = 0; c < model->n_classes; c++)
        qn_json_real(j, NULL, model->threshold[c]);
    qn_json_close(j, ']');
}

static void extra_metadata(const qn_forest_model *model, qn_string *extra)
{
    qn_string_addf(extra, "\"numFeatures\":%d", model->n_features);
    if (model->is_classifier)
        qn_string_addf(extra, ",\"numClasses\":%d", model->n_classes);
    if (!model->is_tree)
        qn_string_addf(extra, ",\"numTrees\":%d", model->n_trees);
}

static qn_status write_metadata(qn_context *ctx, const qn_out_dir *dir,
                                const qn_forest_model *model, const char *digest)
{
    const forest_class *class = forest_class_of(model);
    qn_forest_params initial;
    qn_json params = {0}, defaults = {0};
    qn_string extra = {0};
    char uid[32];
    qn_status st;

    snprintf(uid, sizeof uid, "%s_%.12s", class->uid, digest);
    qn_params_init(model->base.algo->params, &initial);
    params_as_spark(model, &model->params, model->base.prediction_col, &params);
    threshold_as_spark(model, &params);
    qn_json_close(&params, '}');
    params_as_spark(model, &initial, "prediction", &defaults);
    qn_json_close(&defaults, '}');
    extra_metadata(model, &extra);
    if (params.out.failed || defaults.out.failed || extra.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for the metadata of a model");
    } else {
        const qn_spark_metadata metadata = {class->name, uid, inside(&params), inside(&defaults),
                                            extra.text};

        st = qn_model_dir_metadata(ctx, dir, &metadata);
    }
    qn_json_release(&params);
    qn_json_release(&defaults);
    qn_string_release(&extra);
    return st;
}

/* ---- Nodes ---- */

/* Columns of a batch of nodes. */
typedef struct node_rows {
    int64_t room, n;
    int32_t *tree, *id, *left, *right, *feature, *n_categories;
    double *prediction, *impurity, *gain, *at;
    int64_t *raw_count;
    uint32_t *stats_end, *at_end;
    int64_t at_room;
} node_rows;

static void rows_release(node_rows *rows)
{
    qn_free(rows->tree);
    qn_free(rows->id);
    qn_free(rows->left);
    qn_free(rows->right);
    qn_free(rows->feature);
    qn_free(rows->n_categories);
    qn_free(rows->prediction);
    qn_free(rows->impurity);
    qn_free(rows->gain);
    qn_free(rows->at);
    qn_free(rows->raw_count);
    qn_free(rows->stats_end);
    qn_free(rows->at_end);
}

static qn_status rows_init(qn_context *ctx, int64_t room, node_rows *rows)
{
    qn_status st = QN_OK;

    rows->room = room;
    QN_NEW(ctx, rows->tree, room, "nodes being written");
    QN_NEW(ctx, rows->id, room, "nodes being written");
    QN_NEW(ctx, rows->left, room, "nodes being written");
    QN_NEW(ctx, rows->right, room, "nodes being written");
    QN_NEW(ctx, rows->feature, room, "nodes being written");
    QN_NEW(ctx, rows->n_categories, room, "nodes being written");
    QN_NEW(ctx, rows->prediction, room, "nodes being written");
    QN_NEW(ctx, rows->impurity, room, "nodes being written");
    QN_NEW(ctx, rows->gain, room, "nodes being written");
    QN_NEW(ctx, rows->raw_count, room, "nodes being written");
    QN_NEW0(ctx, rows->stats_end, room + 1, "nodes being written");
    QN_NEW0(ctx, rows->at_end, room + 1, "nodes being written");
done:
    return st;
}

/* The threshold, or the categories that go left. */
static qn_status put_split(qn_context *ctx, const qn_forest_model *model, const qn_tree_node *node,
                           node_rows *rows)
{
    const int64_t from = rows->at_end[rows->n];
    const int64_t n = node->left < 0 ? 0 : node->n_categories < 0 ? 1 : node->n_left_categories;
    qn_status st = QN_OK;

    if (from + n > rows->at_room) {
        QN_GROW(ctx, rows->at, 2 * (from + n), "splits being written");
        rows->at_room = 2 * (from + n);
    }
    for (int64_t k = 0; k < n; k++)
        rows->at[from + k] = node->n_categories < 0
                                 ? node->threshold
                                 : (double)model->category[node->first_category + k];
    rows->at_end[rows->n + 1] = (uint32_t)(from + n);
done:
    return st;
}

static qn_status put_node(qn_context *ctx, const qn_forest_model *model, int32_t t, int64_t i,
                          node_rows *rows)
{
    const qn_tree_node *node = model->node + i;
    const bool is_leaf = node->left < 0;
    const int64_t n = rows->n;
    const qn_status st = put_split(ctx, model, node, rows);

    if (st != QN_OK)
        return st;
    rows->tree[n] = t;
    rows->id[n] = (int32_t)(i - model->first_node[t]);
    rows->prediction[n] = node->prediction;
    rows->impurity[n] = node->impurity;
    rows->raw_count[n] = node->raw_count;
    rows->gain[n] = is_leaf ? -1 : node->gain;
    rows->left[n] = is_leaf ? -1 : node->left;
    rows->right[n] = is_leaf ? -1 : node->right;
    rows->feature[n] = is_leaf ? -1 : node->feature;
    rows->n_categories[n] = is_leaf ? -1 : node->n_categories;
    rows->stats_end[n + 1] = (uint32_t)((n + 1) * model->n_stats);
    rows->n++;
    return QN_OK;
}

/* `stats` are those of the first row's node. */
static qn_status flush(qn_context *ctx, qn_sink *sink, node_rows *rows, const double *stats)
{
    const qn_column columns[] = {
        {QN_INT32, rows->tree, NULL, NULL},
        {QN_INT32, rows->id, NULL, NULL},
        {QN_DOUBLE, rows->prediction, NULL, NULL},
        {QN_DOUBLE, rows->impurity, NULL, NULL},
        {QN_DOUBLE_LIST, stats, rows->stats_end, NULL},
        {QN_INT64, rows->raw_count, NULL, NULL},
        {QN_DOUBLE, rows->gain, NULL, NULL},
        {QN_INT32, rows->left, NULL, NULL},
        {QN_INT32, rows->right, NULL, NULL},
        {QN_INT32, rows->feature, NULL, NULL},
        {QN_DOUBLE_LIST, rows->at ? rows->at : stats, rows->at_end, NULL},
        {QN_INT32, rows->n_categories, NULL, NULL},
    };
    const qn_status st =
        rows->n > 0 ? qn_sink_write(ctx, sink, &(qn_batch){rows->n, 12, columns, 0}) : QN_OK;

    rows->n = 0;
    return st;
}

/* Nodes of all trees in their order. */
static qn_status write_rows(qn_context *ctx, qn_sink *sink, const qn_forest_model *model,
                            node_rows *rows)
{
    qn_status st = QN_OK;

    for (int32_t t = 0; t < model->n_trees; t++)
        for (int64_t i = model->first_node[t]; i < model->first_node[t + 1]; i++) {
            if (rows->n == rows->room || rows->at_end[rows->n] > BATCH_VALUES) {
                QN_TRY(qn_check_cancel(ctx));
                QN_TRY(flush(ctx, sink, rows, model->stats + (i - rows->n) * model->n_stats));
            }
            QN_TRY(put_node(ctx, model, t, i, rows));
        }
    QN_TRY(flush(ctx, sink, rows,
                 model->stats + (model->first_node[model->n_trees] - rows->n) * model->n_stats));
done:
    return st;
}

#define NODE_SPLIT                                                                                 \
    "{'featureIndex': feature, 'leftCategoriesOrThreshold': decides, 'numCategories': categories}"

static qn_status write_nodes(qn_context *ctx, const qn_out_dir *dir, const qn_forest_model *model)
{
    static const qn_field fields[] = {
        {"tree", QN_INT32},          {"id", QN_INT32},
        {"prediction", QN_DOUBLE},   {"impurity", QN_DOUBLE},
        {"stats", QN_DOUBLE_LIST},   {"rawCount", QN_INT64},
        {"gain", QN_DOUBLE},         {"leftChild", QN_INT32},
        {"rightChild", QN_INT32},    {"feature", QN_INT32},
        {"decides", QN_DOUBLE_LIST}, {"categories", QN_INT32},
    };
    static const qn_schema schema = {fields, 12, true};
    const qn_model_table table = {
        .name = "data",
        .select = model->is_tree ? "id, prediction, impurity, stats AS \"impurityStats\", "
                                   "\"rawCount\", gain, \"leftChild\", "
                                   "\"rightChild\", " NODE_SPLIT " AS split"
                                 : "tree AS \"treeID\", {'id': id, 'prediction': prediction, "
                                   "'impurity': impurity, 'impurityStats': stats, 'rawCount': "
                                   "\"rawCount\", 'gain': gain, 'leftChild': \"leftChild\", "
                                   "'rightChild': \"rightChild\", 'split': " NODE_SPLIT
                                   "} AS \"nodeData\"",
        .rows_per_file = FILE_NODES,
    };
    const int64_t n_nodes = model->first_node[model->n_trees];
    const int64_t wide = BATCH_VALUES / model->n_stats + 1;
    node_rows rows = {0};
    qn_sink *sink = NULL;
    qn_status st = QN_OK;

    QN_TRY(rows_init(ctx, wide < n_nodes ? wide : n_nodes, &rows));
    QN_TRY(qn_model_dir_table(ctx, dir, &table, &schema, &sink));
    QN_TRY(write_rows(ctx, sink, model, &rows));
    QN_TRY(qn_sink_commit(ctx, &sink));
done:
    qn_sink_abandon(&sink);
    rows_release(&rows);
    return st;
}

/* ---- Trees ---- */

/* A tree's own metadata, as Spark reads it. */
static void add_tree_metadata(const qn_forest_model *model, int32_t t, qn_json *j)
{
    const forest_class *class = forest_class_of(model);
    char uid[32];

    snprintf(uid, sizeof uid, "%s_%d", model->is_classifier ? "dtc" : "dtr", t);
    qn_json_open(j, NULL, '{');
    qn_json_text(j, "class", class->tree_name);
    qn_json_int(j, "timestamp", qn_now_us() / 1000);
    qn_json_text(j, "sparkVersion", "3.5.0");
    qn_json_text(j, "uid", uid);
    qn_json_raw(j, "paramMap", "{}");
    qn_json_raw(j, "defaultParamMap", "{}");
    qn_json_int(j, "numFeatures", model->n_features);
    if (model->is_classifier)
        qn_json_int(j, "numClasses", model->n_classes);
    qn_json_close(j, '}');
}

static qn_status write_trees(qn_context *ctx, const qn_out_dir *dir, const qn_forest_model *model)
{
    static const qn_field fields[] = {
        {"treeID", QN_INT32}, {"metadata", QN_TEXT}, {"weights", QN_DOUBLE}};
    static const qn_schema schema = {fields, 3, true};
    static const qn_model_table table = {.name = "treesMetadata"};
    qn_json json = {0};
    int32_t *tree = NULL;
    uint32_t *ends = NULL;
    qn_sink *sink = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, tree, model->n_trees, "trees being written");
    QN_NEW0(ctx, ends, (int64_t)model->n_trees + 1, "trees being written");
    for (int32_t t = 0; t < model->n_trees; t++) {
        tree[t] = t;
        json.need_comma = false;
        add_tree_metadata(model, t, &json);
        ends[t + 1] = (uint32_t)json.out.length;
    }
    if (json.out.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for the metadata of trees");
        goto done;
    }
    {
        const qn_column columns[] = {{QN_INT32, tree, NULL, NULL},
                                     {QN_TEXT, json.out.text, ends, NULL},
                                     {QN_DOUBLE, model->tree_weight, NULL, NULL}};

        QN_TRY(qn_model_dir_table(ctx, dir, &table, &schema, &sink));
        QN_TRY(qn_sink_write(ctx, sink, &(qn_batch){model->n_trees, 3, columns, 0}));
        QN_TRY(qn_sink_commit(ctx, &sink));
    }
done:
    qn_sink_abandon(&sink);
    qn_json_release(&json);
    qn_free(tree);
    qn_free(ends);
    return st;
}

qn_status qn_forest_save(qn_context *ctx, const qn_forest_model *model, const char *path,
                         bool overwrite, const char *record)
{
    char digest[33];
    qn_out_dir dir = {0};
    qn_json note = {0};
    qn_status st = QN_OK;

    qn_forest_digest(model, digest);
    QN_TRY(qn_model_dir_open(ctx, path, overwrite, &dir));
    QN_TRY(write_metadata(ctx, &dir, model, digest));
    QN_TRY(write_nodes(ctx, &dir, model));
    if (!model->is_tree)
        QN_TRY(write_trees(ctx, &dir, model));
    forest_note_write(model, digest, record, &note);
    qn_json_close(&note, '}');
    if (note.out.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "no memory for what is kept with a model");
        goto done;
    }
    QN_TRY(qn_model_dir_commit(ctx, &dir, note.out.text));
done:
    qn_out_dir_abandon(&dir);
    qn_json_release(&note);
    return st;
}
