/* What features are made of: names, copies, columns of a source. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/features_impl.h"

/* libsvm's fields. */
enum { LABEL_FIELD, INDEX_FIELD, VALUE_FIELD };

void qn_features_name(const qn_features *features, int32_t j, char *out, size_t size)
{
    for (int32_t i = 0; i < features->n; i++) {
        const qn_feature *f = &features->feature[i];

        if (j >= f->width) {
            j -= f->width;
            continue;
        }
        if (f->kind == QN_FEATURE_LIST)
            snprintf(out, size, "%s[%d]", f->name, j);
        else if (f->kind == QN_FEATURE_CATEGORY && features->categories == QN_CATEGORIES_ONE_HOT)
            snprintf(out, size, "%s=%s", f->name, f->category[j]);
        else
            snprintf(out, size, "%s", f->name);
        return;
    }
    if (size > 0)
        *out = '\0';
}

static void feature_release(qn_feature *f)
{
    for (int32_t c = 0; f->category && c < f->n_categories; c++)
        qn_free(f->category[c]);
    qn_free(f->category);
    qn_free(f->scale);
    qn_free(f->name);
    qn_free(f->source);
    *f = (qn_feature){0};
}

void qn_features_release(qn_features *features)
{
    for (int32_t i = 0; features->feature && i < features->n; i++)
        feature_release(&features->feature[i]);
    qn_free(features->feature);
    qn_free(features->label);
    qn_free(features->weight);
    *features = (qn_features){0};
}

static qn_status feature_copy(qn_context *ctx, const qn_feature *from, qn_feature *to)
{
    qn_status st = QN_OK;

    to->kind = from->kind;
    to->width = from->width;
    QN_TRY(qn_strdup(ctx, from->name, &to->name));
    QN_TRY(qn_strdup(ctx, from->source, &to->source));
    if (from->n_categories > 0) {
        QN_NEW0(ctx, to->category, from->n_categories, "categories");
        to->n_categories = from->n_categories;
    }
    for (int32_t c = 0; c < from->n_categories; c++)
        QN_TRY(qn_strdup(ctx, from->category[c], &to->category[c]));
    if (from->scale) {
        QN_NEW(ctx, to->scale, from->width, "factors of features");
        memcpy(to->scale, from->scale, (size_t)from->width * sizeof *to->scale);
    }
done:
    return st;
}

qn_status qn_features_copy(qn_context *ctx, const qn_features *from, qn_features *to)
{
    qn_features copy = {
        .width = from->width, .has_names = from->has_names, .categories = from->categories};
    qn_status st = QN_OK;

    *to = (qn_features){0};
    if (from->label)
        QN_TRY(qn_strdup(ctx, from->label, &copy.label));
    if (from->weight)
        QN_TRY(qn_strdup(ctx, from->weight, &copy.weight));
    QN_NEW0(ctx, copy.feature, from->n, "features");
    copy.n = from->n;
    for (int32_t i = 0; i < from->n; i++)
        QN_TRY(feature_copy(ctx, &from->feature[i], &copy.feature[i]));
    *to = copy;
    copy = (qn_features){0};
done:
    qn_features_release(&copy);
    return st;
}

qn_status qn_features_sum(qn_context *ctx, qn_features *features)
{
    int64_t width = 0;

    for (int32_t i = 0; i < features->n; i++) {
        qn_feature *f = &features->feature[i];

        if (f->kind == QN_FEATURE_CATEGORY)
            f->width = features->categories == QN_CATEGORIES_ONE_HOT ? f->n_categories : 1;
        width += f->width;
    }
    if (width > QN_MAX_WIDTH)
        return qn_fail(
            ctx, QN_EINVAL,
            "%lld features are more than the %d that a matrix may have: choose some with "
            "--features",
            (long long)width, QN_MAX_WIDTH);
    features->width = (int32_t)width;
    return QN_OK;
}

bool qn_source_has_names(const qn_source *source)
{
    const qn_format format = qn_source_format(source);

    return qn_source_schema(source)->has_names || format == QN_FORMAT_LIBSVM ||
           format == QN_FORMAT_NETFLIX || format == QN_FORMAT_LINES;
}

qn_feature_column qn_feature_column_at(const qn_source *source, int32_t field)
{
    const qn_field *f = &qn_source_schema(source)->field[field];
    qn_feature_column column = {field, -1, f->type, f->name};

    if (qn_source_format(source) == QN_FORMAT_LIBSVM && field != LABEL_FIELD)
        column = (qn_feature_column){VALUE_FIELD, INDEX_FIELD, QN_DOUBLE_LIST, "features"};
    return column;
}

qn_feature_column qn_feature_column_find(const qn_source *source, const char *name, int32_t hint)
{
    const qn_schema *schema = qn_source_schema(source);
    int32_t at = -1;

    if (qn_source_format(source) == QN_FORMAT_LIBSVM)
        at = qn_name_equal(name, "label")      ? LABEL_FIELD
             : qn_name_equal(name, "features") ? VALUE_FIELD
                                               : -1;
    else if (hint >= 0 && hint < schema->n_fields && strcmp(schema->field[hint].name, name) == 0)
        at = hint;
    else
        for (int32_t i = 0; i < schema->n_fields && at < 0; i++)
            if (strcmp(schema->field[i].name, name) == 0)
                at = i;
    if (at < 0 && schema->has_names)
        for (int32_t i = 0; i < schema->n_fields && at < 0; i++)
            if (qn_name_equal(schema->field[i].name, name))
                at = i;
    return at < 0 ? (qn_feature_column){.field = -1} : qn_feature_column_at(source, at);
}

void qn_feature_columns_list(const qn_source *source, qn_string *out)
{
    const qn_schema *schema = qn_source_schema(source);

    if (qn_source_format(source) == QN_FORMAT_LIBSVM) {
        qn_string_add(out, "label, features");
        return;
    }
    for (int32_t i = 0; i < schema->n_fields; i++) {
        if (out->length > 400) {
            qn_string_addf(out, " and %d more", schema->n_fields - i);
            return;
        }
        qn_string_addf(out, "%s%s", i ? ", " : "", schema->field[i].name);
    }
}

bool qn_category_of_number(const char *text, size_t length, char out[32])
{
    int64_t whole;
    double real;

    while (length > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        length--;
    }
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    if (qn_parse_int64(text, length, &whole)) {
        snprintf(out, 32, "%lld", (long long)whole);
        return true;
    }
    if (!qn_parse_double(text, length, &real) || !isfinite(real))
        return false;
    qn_format_double(real + 0.0, out); /* -0 is 0 */
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Equal numbers that are written in two ways stay apart. */
static int by_number(const void *a, const void *b)
{
    double x = 0.0, y = 0.0;

    qn_parse_double(*(char *const *)a, strlen(*(char *const *)a), &x);
    qn_parse_double(*(char *const *)b, strlen(*(char *const *)b), &y);
    return x < y ? -1 : x > y ? 1 : by_bytes(a, b);
}

static bool all_numbers(char *const *category, int64_t n)
{
    double value;

    for (int64_t i = 0; i < n; i++)
        if (!qn_parse_double(category[i], strlen(category[i]), &value) || !isfinite(value))
            return false;
    return true;
}

void qn_categories_sort(char **category, int64_t n)
{
    qsort(category, (size_t)n, sizeof *category, all_numbers(category, n) ? by_number : by_bytes);
}

bool qn_categories_ascend(char *const *category, int64_t n)
{
    int (*const compare)(const void *, const void *) =
        all_numbers(category, n) ? by_number : by_bytes;

    for (int64_t i = 1; i < n; i++)
        if (compare(&category[i - 1], &category[i]) >= 0)
            return false;
    return true;
}
