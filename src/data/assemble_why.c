/* Why a row is incomplete, in words. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/assemble_impl.h"

/* What is missing; a lenient reader does not keep what it could not read. */
static const char *lack(const qn_assembler *a, int32_t request)
{
    return a->request[request].lenient ? "missing, or no number" : "missing";
}

/* The number that cannot be used; false: nothing is wrong with it. */
static bool describe_number(double value, bool is_float, char *out, size_t size)
{
    char text[32];

    if (isfinite(value) && (!is_float || isfinite((float)value)))
        return false;
    qn_format_double(value, text);
    snprintf(out, size,
             isfinite(value) ? "%s does not fit a float: use --precision double"
                             : "%s is not finite",
             text);
    return true;
}

static bool why_column(const qn_assembler *a, const qn_assembler_feature *f, int64_t r, char *out,
                       size_t size)
{
    const qn_column *c = &a->view[f->request];
    char what[96];

    if (!qn_is_valid(c, r))
        snprintf(what, sizeof what, "%s", lack(a, f->request));
    else if (!describe_number(qn_column_number(c, r), !a->is_double, what, sizeof what))
        return false;
    snprintf(out, size, "column %s: %s", f->feature->source, what);
    return true;
}

/* Names the first operand that is missing; else it is the arithmetic. */
static bool why_expression(const qn_assembler *a, const qn_assembler_feature *f, int64_t r,
                           char *out, size_t size)
{
    const double value =
        a->is_double ? ((const double *)f->own)[r] : (double)((const float *)f->own)[r];

    if (isfinite(value))
        return false;
    for (int32_t c = 0; c < qn_expr_n_columns(f->expr); c++) {
        const qn_expr_column *column = &qn_expr_columns(f->expr)[c];
        char element[24] = "";

        if (isfinite(a->number[f->number[c]].value[r]))
            continue;
        if (column->element >= 0)
            snprintf(element, sizeof element, "[%d]", column->element);
        snprintf(out, size, "feature %s: column %s%s is missing or not finite", f->feature->name,
                 column->name, element);
        return true;
    }
    snprintf(out, size,
             "feature %s: x / 0, or another result that is no number%s; coalesce(..., 0) gives one",
             f->feature->name, a->is_double ? "" : " a float holds");
    return true;
}

static bool why_items(const qn_assembler *a, const qn_assembler_feature *f, int64_t r, char *out,
                      size_t size)
{
    const qn_column *c = &a->view[f->request];
    char what[96];

    for (int64_t i = c->offsets[r]; i < (int64_t)c->offsets[r + 1]; i++) {
        const int64_t place = f->index_request < 0
                                  ? i - (int64_t)c->offsets[r]
                                  : (int64_t)qn_column_item(&a->view[f->index_request], i);

        if (describe_number(qn_column_item(c, i), !a->is_double, what, sizeof what)) {
            snprintf(out, size, "column %s[%lld]: %s", f->feature->source, (long long)place, what);
            return true;
        }
    }
    return false;
}

/* A list that cannot be the feature at all. */
static bool why_misfit(const qn_assembler *a, const qn_assembler_feature *f, int64_t r, char *out,
                       size_t size)
{
    const int32_t width = f->feature->width;

    if (f->feature->kind != QN_FEATURE_LIST || !qn_is_valid(&a->view[f->request], r))
        return false;
    const qn_column *c = &a->view[f->request];
    const int64_t length = (int64_t)c->offsets[r + 1] - (int64_t)c->offsets[r];

    if (f->index_request < 0 && length != width) {
        snprintf(out, size, "column %s: a list of %lld values where %d are expected",
                 f->feature->source, (long long)length, width);
        return true;
    }
    if (f->index_request >= 0 && length > 0) {
        const double last =
            qn_column_item(&a->view[f->index_request], (int64_t)c->offsets[r + 1] - 1);

        if (last >= (double)width) {
            snprintf(out, size, "column %s: index %.0f is beyond the %d features that are known",
                     f->feature->source, last + 1.0, width);
            return true;
        }
    }
    return false;
}

static bool why_list(const qn_assembler *a, const qn_assembler_feature *f, int64_t r, char *out,
                     size_t size)
{
    if (!qn_is_valid(&a->view[f->request], r)) {
        snprintf(out, size, "column %s: missing", f->feature->source);
        return true;
    }
    return why_misfit(a, f, r, out, size) || why_items(a, f, r, out, size);
}

static bool why_category(const qn_assembler *a, const qn_assembler_feature *f, int64_t r, char *out,
                         size_t size)
{
    const qn_column *c = &a->view[f->request];
    const int length = (int)(c->offsets[r + 1] - c->offsets[r]);
    uint32_t place;

    if (qn_assembler_category(f, c, r, &place))
        return false;
    if (!qn_is_valid(c, r))
        snprintf(out, size, "column %s: missing", f->feature->source);
    else
        snprintf(out, size, "column %s: \"%.*s\" is none of the %d categories that are known",
                 f->feature->source, length < 60 ? length : 60,
                 (const char *)c->data + c->offsets[r], f->feature->n_categories);
    return true;
}

static bool why_number(const qn_assembler *a, int32_t which, const char *what, int64_t r, char *out,
                       size_t size)
{
    char text[96];

    if (which < 0)
        return false;
    const qn_column *c = &a->view[a->number[which].request];
    const double value = qn_column_number(c, r);
    if (!qn_is_valid(c, r)) {
        snprintf(text, sizeof text, "%s", lack(a, a->number[which].request));
    } else if (!describe_number(value, false, text, sizeof text)) {
        if (which != a->weight || value >= 0.0)
            return false;
        qn_format_double(value, text);
        strncat(text, " is negative", sizeof text - strlen(text) - 1);
    }
    snprintf(out, size, "%s %s: %s", what, a->number[which].name, text);
    return true;
}

/* The raw values are fine, but one of them times its factor is not. */
static bool why_scaled(const qn_assembler *a, const qn_assembler_feature *f, int64_t r, char *out,
                       size_t size)
{
    for (int32_t j = 0; f->feature->scale && j < f->feature->width; j++) {
        const void *column = a->column[f->first + j];
        const double value =
            a->is_double ? ((const double *)column)[r] : (double)((const float *)column)[r];

        if (isfinite(value))
            continue;
        snprintf(out, size, "feature %s: too large once it is scaled", f->feature->name);
        return true;
    }
    return false;
}

void qn_assembler_why(const qn_assembler *a, int64_t r, char *out, size_t size)
{
    static bool (*const why[])(const qn_assembler *, const qn_assembler_feature *, int64_t, char *,
                               size_t) = {[QN_FEATURE_COLUMN] = why_column,
                                          [QN_FEATURE_EXPRESSION] = why_expression,
                                          [QN_FEATURE_LIST] = why_list,
                                          [QN_FEATURE_CATEGORY] = why_category};

    for (int32_t i = 0; a->incomplete[r] == QN_ROW_MISFIT && i < a->features->n; i++)
        if (why_misfit(a, &a->feature[i], r, out, size))
            return;
    for (int32_t i = 0; i < a->features->n; i++)
        if (why[a->feature[i].feature->kind](a, &a->feature[i], r, out, size))
            return;
    for (int32_t i = 0; i < a->features->n; i++)
        if (why_scaled(a, &a->feature[i], r, out, size))
            return;
    if (!why_number(a, a->label, "label", r, out, size) &&
        !why_number(a, a->weight, "weight", r, out, size) && size > 0)
        *out = '\0';
}
