/* What every model on tables keeps in quern.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/context.h"
#include "base/params_out.h"
#include "data/assemble.h"
#include "ml/algo.h"
#include "ml/model_dir.h"

void qn_model_note(const qn_model *model, const char *digest, const char *record, qn_json *j)
{
    const qn_algo *algo = model->algo;
    char fingerprint[17];

    snprintf(fingerprint, sizeof fingerprint, "%016llx",
             (unsigned long long)model->data_fingerprint);
    qn_json_open(j, NULL, '{');
    qn_json_text(j, "algorithm", algo->name);
    qn_json_text(j, "quern_version", qn_version());
    qn_json_text(j, "model_digest", digest);
    if (model->data_fingerprint)
        qn_json_text(j, "data_fingerprint", fingerprint);
    qn_json_text(j, "kernel_set", model->kernel_set);
    qn_json_text(j, "precision", model->is_double ? "double" : "float");
    qn_json_text(j, "prediction_col", model->prediction_col);
    qn_json_int(j, "n_features", model->n_features);
    if (model->features.n > 0)
        qn_features_json(&model->features, j, "features");
    qn_json_open(j, "params", '{');
    qn_model_params_write(algo->params, algo->table->params(model), j);
    qn_json_close(j, '}');
    if (record && *record)
        qn_json_raw(j, "run", record);
}

static void copy_text(char *out, size_t size, const json_t *value, const char *otherwise)
{
    const char *text = json_string_value(value);

    snprintf(out, size, "%s", text ? text : otherwise);
}

qn_status qn_model_note_read(qn_context *ctx, const qn_model_files *files, qn_model *model)
{
    const json_t *note = files->quern;
    const json_t *features = json_object_get(note, "features");
    const char *fingerprint = json_string_value(json_object_get(note, "data_fingerprint"));
    const char *precision = json_string_value(json_object_get(note, "precision"));
    qn_status st = QN_OK;

    copy_text(model->prediction_col, sizeof model->prediction_col,
              qn_model_files_param(files, "predictionCol"), "prediction");
    if (!note)
        return QN_OK;
    copy_text(model->kernel_set, sizeof model->kernel_set, json_object_get(note, "kernel_set"), "");
    model->data_fingerprint = fingerprint ? strtoull(fingerprint, NULL, 16) : 0;
    model->is_double = precision && strcmp(precision, "double") == 0;
    if (!features)
        return QN_OK;
    QN_TRY(qn_features_parse(ctx, features, &model->features));
    if (model->features.width != model->n_features)
        st = qn_fail(ctx, QN_EDATA, "%s: quern.json tells of %d features, the model has %d",
                     files->path, model->features.width, model->n_features);
done:
    return st;
}

void qn_model_base_release(qn_model *model)
{
    qn_features_release(&model->features);
}

qn_status qn_model_params_of(qn_context *ctx, const qn_model_files *files, const qn_params *table,
                             void *values)
{
    json_t *spark = json_object();
    qn_status st = QN_OK;

    if (!spark)
        return qn_fail(ctx, QN_ENOMEM, "no memory for the parameters of a model");
    for (int64_t i = 0; i < table->n; i++) {
        char name[64];

        qn_param_spark_name(table->param[i].name, name, sizeof name);
        if (qn_model_files_param(files, name) &&
            json_object_set(spark, table->param[i].name, qn_model_files_param(files, name)) != 0) {
            st = qn_fail(ctx, QN_ENOMEM, "no memory for the parameters of a model");
            goto done;
        }
    }
    QN_TRY(qn_model_params_read(ctx, table, spark, values));
    QN_TRY(qn_model_params_read(ctx, table, json_object_get(files->quern, "params"), values));
done:
    json_decref(spark);
    return st;
}
