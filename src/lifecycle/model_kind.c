#include "lifecycle/model_kind.h"

#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "ml/model_dir.h"

/* The algorithm whose class an estimator's becomes by fitting: KMeans KMeansModel, and so on; NULL
 * if there is none. */
static const qn_algo *fitted_of(const char *class_name)
{
    static const char *const ends[][2] = {
        {"Classifier", "ClassificationModel"}, {"Regressor", "RegressionModel"}, {"", "Model"}};
    const size_t length = strlen(class_name);
    char fitted[256];

    for (size_t e = 0; e < sizeof ends / sizeof *ends; e++) {
        const size_t n = strlen(ends[e][0]);

        if (length < n || strcmp(class_name + length - n, ends[e][0]) != 0)
            continue;
        snprintf(fitted, sizeof fitted, "%.*s%s", (int)(length - n), class_name, ends[e][1]);
        return qn_algo_of_class(fitted);
    }
    return NULL;
}

qn_status qn_model_kind(qn_context *ctx, const char *path, const qn_algo **algo)
{
    char class_name[160];
    const char *short_name;
    const qn_status st = qn_model_class(ctx, path, class_name, sizeof class_name);

    *algo = NULL;
    if (st != QN_OK)
        return st;
    *algo = qn_algo_of_class(class_name);
    if (*algo)
        return QN_OK;
    if (fitted_of(class_name))
        return qn_fail(ctx, QN_EDATA,
                       "%s holds the settings of an estimator that was not fitted (%s): save the "
                       "fitted model",
                       path, class_name);
    short_name = strrchr(class_name, '.');
    return qn_fail(ctx, QN_EDATA, "%s holds a %s, which Quern cannot read", path,
                   short_name ? short_name + 1 : class_name);
}

qn_status qn_model_check_width(qn_context *ctx, const qn_model *model, const char *path,
                               const qn_features *features)
{
    qn_string names = {0};
    qn_status st = QN_OK;

    if (features->width == model->n_features)
        return QN_OK;
    for (int32_t j = 0; j < features->width && names.length < 200; j++) {
        char name[128];

        qn_features_name(features, j, name, sizeof name);
        qn_string_addf(&names, "%s%s", j ? ", " : "", name);
    }
    st = qn_fail(ctx, QN_EINVAL,
                 "the model in %s has %d features, the input gives %d (%s%s): name the columns in "
                 "the model's order with --features",
                 path, (int)model->n_features, (int)features->width, qn_string_text(&names),
                 names.length >= 200 ? " ..." : "");
    qn_string_release(&names);
    return st;
}
