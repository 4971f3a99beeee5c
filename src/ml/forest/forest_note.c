/* quern.json of a forest: what Spark's directory has no place for. */
#include <math.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "ml/algo.h"
#include "ml/forest/forest_dir.h"

/* ---- Writing ---- */

static void write_reals(const char *key, const double *x, int64_t n, qn_json *j)
{
    qn_json_open(j, key, '[');
    for (int64_t i = 0; i < n; i++)
        qn_json_real(j, NULL, x[i]);
    qn_json_close(j, ']');
}

static bool sends_missing_as_spark(const qn_forest_model *model)
{
    for (int64_t i = 0; i < model->first_node[model->n_trees]; i++) {
        const qn_tree_node *node = model->node + i;

        if (node->left >= 0 && node->missing_left != forest_missing_left(node))
            return false;
    }
    return true;
}

/* A list a tree of the nodes that send a missing value left. */
static void write_missing(const qn_forest_model *model, qn_json *j)
{
    qn_json_open(j, "missing_left", '[');
    for (int32_t t = 0; t < model->n_trees; t++) {
        const int64_t first = model->first_node[t];

        qn_json_open(j, NULL, '[');
        for (int64_t i = first; i < model->first_node[t + 1]; i++)
            if (model->node[i].left >= 0 && model->node[i].missing_left)
                qn_json_int(j, NULL, i - first);
        qn_json_close(j, ']');
    }
    qn_json_close(j, ']');
}

void forest_note_write(const qn_forest_model *model, const char *digest, const char *record,
                       qn_json *j)
{
    qn_model_note(&model->base, digest, record, j);
    qn_json_int(j, "n_rows", model->n_rows);
    qn_json_int(j, "n_distinct_rows", model->n_distinct_rows);
    qn_json_real(j, "oob_error", model->oob_error);
    qn_json_int(j, "oob_rows", model->oob_rows);
    if (model->oob_curve)
        write_reals("oob_curve", model->oob_curve, model->n_trees, j);
    qn_json_int(j, "bytes_moved", model->bytes_moved);
    qn_json_int(j, "bytes_held", model->bytes_held);
    if (model->arity) {
        qn_json_open(j, "arity", '[');
        for (int32_t f = 0; f < model->n_features; f++)
            qn_json_int(j, NULL, model->arity[f]);
        qn_json_close(j, ']');
    }
    if (!sends_missing_as_spark(model))
        write_missing(model, j);
}

/* ---- Reading ---- */

static qn_status fail_note(qn_context *ctx, const qn_model_files *files, const char *key)
{
    return qn_fail(ctx, QN_EDATA, "%s/quern.json: \"%s\" does not fit the model: remove the file",
                   files->path, key);
}

static double real_of(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static qn_status read_curve(qn_context *ctx, const qn_model_files *files, qn_forest_model *model)
{
    const json_t *curve = json_object_get(files->quern, "oob_curve");
    qn_status st = QN_OK;

    if (!curve)
        return QN_OK;
    if (json_array_size(curve) != (size_t)model->n_trees)
        return fail_note(ctx, files, "oob_curve");
    QN_NEW(ctx, model->oob_curve, model->n_trees, "the out-of-bag errors of a model");
    for (int32_t t = 0; t < model->n_trees; t++)
        model->oob_curve[t] = real_of(json_array_get(curve, (size_t)t));
done:
    return st;
}

static qn_status read_arity(qn_context *ctx, const qn_model_files *files, qn_forest_model *model)
{
    const json_t *arity = json_object_get(files->quern, "arity");
    qn_status st = QN_OK;

    if (!arity)
        return QN_OK;
    if (json_array_size(arity) != (size_t)model->n_features)
        return fail_note(ctx, files, "arity");
    QN_NEW0(ctx, model->arity, model->n_features, "the features of a model");
    for (int32_t f = 0; f < model->n_features; f++) {
        const json_int_t n = json_integer_value(json_array_get(arity, (size_t)f));

        if (n < 0 || n > FOREST_MAX_CATEGORIES)
            return fail_note(ctx, files, "arity");
        model->arity[f] = (int32_t)n;
    }
done:
    return st;
}

static qn_status read_missing_tree(qn_context *ctx, const qn_model_files *files, const json_t *list,
                                   qn_forest_model *model, int32_t t)
{
    const int64_t first = model->first_node[t], end = model->first_node[t + 1];

    for (int64_t i = first; i < end; i++)
        model->node[i].missing_left = false;
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *id = json_array_get(list, k);
        const json_int_t i = json_integer_value(id);

        if (!json_is_integer(id) || i < 0 || i >= end - first || model->node[first + i].left < 0)
            return fail_note(ctx, files, "missing_left");
        model->node[first + i].missing_left = true;
    }
    return QN_OK;
}

static qn_status read_missing(qn_context *ctx, const qn_model_files *files, qn_forest_model *model)
{
    const json_t *lists = json_object_get(files->quern, "missing_left");
    qn_status st = QN_OK;

    if (!lists)
        return QN_OK;
    if (json_array_size(lists) != (size_t)model->n_trees)
        return fail_note(ctx, files, "missing_left");
    for (int32_t t = 0; t < model->n_trees; t++)
        QN_TRY(read_missing_tree(ctx, files, json_array_get(lists, (size_t)t), model, t));
done:
    return st;
}

qn_status forest_note_read(qn_context *ctx, const qn_model_files *files, qn_forest_model *model)
{
    const json_t *note = files->quern;
    qn_status st = QN_OK;

    QN_TRY(qn_model_note_read(ctx, files, &model->base));
    model->n_rows = json_integer_value(json_object_get(note, "n_rows"));
    model->n_distinct_rows = json_integer_value(json_object_get(note, "n_distinct_rows"));
    model->oob_error = real_of(json_object_get(note, "oob_error"));
    model->oob_rows = json_integer_value(json_object_get(note, "oob_rows"));
    model->bytes_moved = json_integer_value(json_object_get(note, "bytes_moved"));
    model->bytes_held = json_integer_value(json_object_get(note, "bytes_held"));
    QN_TRY(read_curve(ctx, files, model));
    QN_TRY(read_arity(ctx, files, model));
    QN_TRY(read_missing(ctx, files, model));
done:
    return st;
}

/* ---- Parameters ---- */

/* Numbers as the texts that they are as parameters; the caller frees both. */
static qn_status read_thresholds(qn_context *ctx, const qn_model_files *files, qn_text_list *list,
                                 char (**text)[32])
{
    const json_t *numbers = qn_model_files_param(files, "thresholds");
    const int64_t n = (int64_t)json_array_size(numbers);
    qn_status st = QN_OK;

    if (n == 0)
        return QN_OK;
    QN_NEW(ctx, *text, n, "thresholds");
    QN_NEW(ctx, list->item, n, "thresholds");
    for (; list->n < n; list->n++) {
        const json_t *number = json_array_get(numbers, (size_t)list->n);

        if (!json_is_number(number))
            return qn_fail(ctx, QN_EDATA, "%s: parameter \"thresholds\" of the model is damaged",
                           files->path);
        qn_format_double(json_number_value(number), (*text)[list->n]);
        list->item[list->n] = (*text)[list->n];
    }
done:
    return st;
}

/* `strategy` is borrowed from the files. */
static const char *read_strategy(const qn_model_files *files, const char *initial)
{
    const json_t *note = json_object_get(files->quern, "params");
    const char *text = json_string_value(json_object_get(note, "feature_subset_strategy"));

    if (!text)
        text = json_string_value(qn_model_files_param(files, "featureSubsetStrategy"));
    return text ? text : initial;
}

qn_status forest_params_read(qn_context *ctx, const qn_model_files *files, qn_forest_model *model)
{
    const qn_params *table = model->base.algo->params;
    qn_forest_params params;
    char(*text)[32] = NULL;
    qn_status st = QN_OK;

    qn_params_init(table, &params);
    params.thresholds = (qn_text_list){0};
    QN_TRY(qn_model_params_of(ctx, files, table, &params));
    params.feature_subset_strategy = read_strategy(files, params.feature_subset_strategy);
    params.num_trees = model->n_trees;
    params.task = model->is_classifier ? QN_CLASSIFICATION : QN_REGRESSION;
    QN_TRY(read_thresholds(ctx, files, &params.thresholds, &text));
    /* Spark takes more than ours do, more bins for one: its models are read whatever they say. */
    if (files->quern && qn_params_check(ctx, table, &params) != QN_OK) {
        st = qn_fail_prefix(ctx, QN_EDATA, "%s", files->path);
        goto done;
    }
    QN_TRY(forest_model_params(ctx, model, &params));
    if (forest_model_thresholds(ctx, model) == QN_EINVAL)
        st = qn_fail_prefix(ctx, QN_EDATA, "%s", files->path);
    else if (model->params.thresholds.n > 0 && model->is_classifier && !model->threshold)
        st = QN_ENOMEM;
done:
    qn_free(params.thresholds.item);
    qn_free(text);
    return st;
}
