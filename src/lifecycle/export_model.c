#include "lifecycle/export_model.h"

#include "base/context.h"
#include "lifecycle/model_kind.h"

static const qn_param rows[] = {
    QN_PARAM_STRING(qn_export_model_options, model, NULL, "DIR", "saved model", .required = true),
    QN_PARAM_CHOICE_OF(qn_export_model_options, format, QN_EXPORT_TEXT, QN_EXPORT_FORMAT_CHOICES,
                       "text to read, json with every number, svg a picture of one tree, c a "
                       "header that predicts"),
    QN_PARAM_STRING(qn_export_model_options, output, "-", "FILE", "file; - is standard output",
                    .aliases = "out"),
    QN_PARAM_FLAG(qn_export_model_options, overwrite, "replace a file that is there"),
    QN_PARAM(qn_export_model_options, tree, -1, -1, INT32_MAX,
             "this tree alone, counted from 0; -1: all, of a picture the first"),
    QN_PARAM_STRING(qn_export_model_options, name, "model", "NAME",
                    "what names in a C header begin with"),
};
const qn_params qn_export_model_table = {"export", rows, sizeof rows / sizeof *rows,
                                         sizeof(qn_export_model_options)};

static qn_status fail_forms(qn_context *ctx, const char *path, const qn_algo *algo)
{
    qn_string able = {0};
    qn_status st;

    for (int64_t i = 0; i < qn_n_algos; i++)
        if (qn_algos[i]->table && qn_algos[i]->table->export_as)
            qn_string_addf(&able, "%s%s", able.length ? ", " : "", qn_algos[i]->name);
    st = qn_fail(ctx, QN_EINVAL,
                 "%s holds a model of %s, which has no form to be exported in; models of these "
                 "have: %s",
                 path, algo->name, able.length ? qn_string_text(&able) : "none");
    qn_string_release(&able);
    return st;
}

qn_status qn_export_model_run(qn_context *ctx, const qn_export_model_options *options)
{
    const qn_model_form what = {options->format, options->tree, options->name};
    const qn_algo *algo = NULL;
    qn_model *model = NULL;
    qn_out_file *out = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_model_kind(ctx, options->model, &algo));
    if (!algo->table || !algo->table->export_as) {
        st = fail_forms(ctx, options->model, algo);
        goto done;
    }
    QN_TRY(algo->table->load(ctx, options->model, &model));
    QN_TRY(qn_out_open(ctx, options->output, options->overwrite, &out));
    QN_TRY(algo->table->export_as(ctx, model, &what, out));
    QN_TRY(qn_out_commit(&out));
done:
    qn_out_abandon(&out);
    if (model)
        algo->table->free(model);
    return st;
}
