/* Features as members of quern.json, and back. */
#include <math.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/features_impl.h"

static const char *const kind_name[] = {
    [QN_FEATURE_COLUMN] = "column",
    [QN_FEATURE_EXPRESSION] = "expression",
    [QN_FEATURE_LIST] = "list",
    [QN_FEATURE_CATEGORY] = "category",
};
static const char *const layout_name[] = {
    [QN_CATEGORIES_ONE_HOT] = "one-hot",
    [QN_CATEGORIES_INDEX] = "index",
};

static void feature_json(const qn_feature *f, qn_json *j)
{
    qn_json_open(j, NULL, '{');
    qn_json_text(j, "name", f->name);
    qn_json_text(j, "kind", kind_name[f->kind]);
    qn_json_text(j, "source", f->source);
    if (f->kind == QN_FEATURE_LIST)
        qn_json_int(j, "width", f->width);
    if (f->kind == QN_FEATURE_CATEGORY) {
        qn_json_open(j, "category", '[');
        for (int32_t c = 0; c < f->n_categories; c++)
            qn_json_text(j, NULL, f->category[c]);
        qn_json_close(j, ']');
    }
    if (f->scale) {
        qn_json_open(j, "scale", '[');
        for (int32_t i = 0; i < f->width; i++)
            qn_json_real(j, NULL, f->scale[i]);
        qn_json_close(j, ']');
    }
    qn_json_close(j, '}');
}

void qn_features_json(const qn_features *features, qn_json *j, const char *key)
{
    qn_json_open(j, key, '{');
    qn_json_bool(j, "has_names", features->has_names);
    qn_json_text(j, "categories", layout_name[features->categories]);
    qn_json_text(j, "label", features->label);
    qn_json_text(j, "weight", features->weight);
    qn_json_open(j, "feature", '[');
    for (int32_t i = 0; i < features->n; i++)
        feature_json(&features->feature[i], j);
    qn_json_close(j, ']');
    qn_json_close(j, '}');
}

/* A text member; a missing one or null is NULL where it may be. */
static qn_status take_text(qn_context *ctx, const json_t *json, const char *key, bool is_optional,
                           char **out)
{
    const json_t *value = json_object_get(json, key);
    qn_status st = QN_OK;

    if (is_optional && (!value || json_is_null(value)))
        return QN_OK;
    if (!json_is_string(value))
        return qn_fail(ctx, QN_EDATA, "\"%s\" of the features is no text", key);
    QN_TRY(qn_strdup(ctx, json_string_value(value), out));
done:
    return st;
}

/* Place of a text member among n names. */
static qn_status take_choice(qn_context *ctx, const json_t *json, const char *key,
                             const char *const *name, int32_t n, int32_t *out)
{
    const char *text = json_string_value(json_object_get(json, key));

    for (int32_t i = 0; text && i < n; i++) {
        if (strcmp(text, name[i]) == 0) {
            *out = i;
            return QN_OK;
        }
    }
    return qn_fail(ctx, QN_EDATA, "\"%s\" of the features is %s%.40s%s", key,
                   text ? "\"" : "not there", text ? text : "",
                   text ? "\", which is not known" : "");
}

static qn_status take_categories(qn_context *ctx, const json_t *json, qn_feature *f)
{
    const json_t *list = json_object_get(json, "category");
    const size_t n = json_array_size(list);
    qn_status st = QN_OK;

    if (n < 1 || n > QN_MAX_CATEGORIES)
        return qn_fail(ctx, QN_EDATA, "feature %s has %zu categories; 1 to %d are taken", f->name,
                       n, QN_MAX_CATEGORIES);
    QN_NEW0(ctx, f->category, (int64_t)n, "categories");
    f->n_categories = (int32_t)n;
    for (size_t c = 0; c < n; c++) {
        const char *text = json_string_value(json_array_get(list, c));

        if (!text)
            QN_TRY(qn_fail(ctx, QN_EDATA, "a category of feature %s is no text", f->name));
        QN_TRY(qn_strdup(ctx, text, &f->category[c]));
    }
    if (!qn_categories_ascend(f->category, f->n_categories))
        st = qn_fail(ctx, QN_EDATA, "the categories of feature %s do not ascend", f->name);
done:
    return st;
}

static qn_status take_width(qn_context *ctx, const json_t *json, qn_feature *f)
{
    const json_t *width = json_object_get(json, "width");

    if (!json_is_integer(width) || json_integer_value(width) < 1 ||
        json_integer_value(width) > QN_MAX_WIDTH)
        return qn_fail(ctx, QN_EDATA, "the width of feature %s is not a number from 1 to %d",
                       f->name, QN_MAX_WIDTH);
    f->width = (int32_t)json_integer_value(width);
    return QN_OK;
}

/* As many factors as the feature is wide; none at all is fine. */
static qn_status take_scale(qn_context *ctx, const json_t *json, qn_feature *f)
{
    const json_t *list = json_object_get(json, "scale");
    qn_status st = QN_OK;

    if (!list)
        return QN_OK;
    if (f->kind == QN_FEATURE_CATEGORY || json_array_size(list) != (size_t)f->width)
        return qn_fail(ctx, QN_EDATA, "feature %s: \"scale\" is no list of %d factors", f->name,
                       f->kind == QN_FEATURE_CATEGORY ? 0 : f->width);
    QN_NEW(ctx, f->scale, f->width, "factors of features");
    for (int32_t i = 0; i < f->width; i++) {
        const json_t *factor = json_array_get(list, (size_t)i);

        f->scale[i] = json_number_value(factor);
        if (!json_is_number(factor) || !isfinite(f->scale[i]) || f->scale[i] < 0)
            return qn_fail(ctx, QN_EDATA, "feature %s: a factor of \"scale\" is no number from 0",
                           f->name);
    }
done:
    return st;
}

static qn_status check_expression(qn_context *ctx, const qn_feature *f)
{
    qn_expr *expr = NULL;
    const qn_status st = qn_expr_parse(ctx, f->source, &expr);

    qn_expr_free(expr);
    return st == QN_EINVAL ? qn_fail_prefix(ctx, QN_EDATA, "feature %s", f->name) : st;
}

static qn_status take_feature(qn_context *ctx, const json_t *json, qn_feature *f)
{
    int32_t kind = 0;
    qn_status st = QN_OK;

    f->width = 1;
    QN_TRY(take_text(ctx, json, "name", false, &f->name));
    QN_TRY(take_choice(ctx, json, "kind", kind_name, 4, &kind));
    f->kind = (qn_feature_kind)kind;
    QN_TRY(take_text(ctx, json, "source", false, &f->source));
    if (f->kind == QN_FEATURE_EXPRESSION)
        QN_TRY(check_expression(ctx, f));
    else if (f->kind == QN_FEATURE_LIST)
        QN_TRY(take_width(ctx, json, f));
    else if (f->kind == QN_FEATURE_CATEGORY)
        QN_TRY(take_categories(ctx, json, f));
    QN_TRY(take_scale(ctx, json, f));
done:
    return st;
}

qn_status qn_features_parse(qn_context *ctx, const json_t *json, qn_features *features)
{
    const json_t *list = json_object_get(json, "feature");
    const json_t *has_names = json_object_get(json, "has_names");
    const size_t n = json_array_size(list);
    int32_t layout = 0;
    qn_status st = QN_OK;

    *features = (qn_features){0};
    if (!json_is_object(json))
        return qn_fail(ctx, QN_EDATA, "the features are no JSON object");
    if (!json_is_boolean(has_names))
        return qn_fail(ctx, QN_EDATA, "\"has_names\" of the features is neither true nor false");
    if (n < 1 || n > QN_MAX_WIDTH)
        return qn_fail(ctx, QN_EDATA, "there are %zu features; 1 to %d are taken", n, QN_MAX_WIDTH);
    features->has_names = json_is_true(has_names);
    QN_TRY(take_choice(ctx, json, "categories", layout_name, 2, &layout));
    features->categories = (qn_categories)layout;
    QN_TRY(take_text(ctx, json, "label", true, &features->label));
    QN_TRY(take_text(ctx, json, "weight", true, &features->weight));
    QN_NEW0(ctx, features->feature, (int64_t)n, "features");
    for (size_t i = 0; i < n; i++) {
        features->n++;
        QN_TRY(take_feature(ctx, json_array_get(list, i), &features->feature[i]));
    }
    st = qn_features_sum(ctx, features);
    if (st == QN_EINVAL)
        st = qn_fail_prefix(ctx, QN_EDATA, "the features");
done:
    if (st != QN_OK)
        qn_features_release(features);
    return st;
}
