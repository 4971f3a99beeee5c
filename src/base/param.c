#include "quern/param.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/params_out.h"
#include "base/text.h"

#define MAX_CHOICES 32
#define MAX_NAME    64

static void *field_of(const qn_param *param, void *values)
{
    return (char *)values + param->offset;
}

/* Limits reach 2^63 and doubles cannot say 2^63 - 1. */
static int64_t to_int64(double number)
{
    if (number >= 0x1p63)
        return INT64_MAX;
    if (number <= -0x1p63)
        return INT64_MIN;
    return (int64_t)number;
}

void qn_params_init(const qn_params *table, void *values)
{
    memset(values, 0, table->struct_size);
    for (int64_t i = 0; i < table->n; i++) {
        const qn_param *param = &table->param[i];
        void *field = field_of(param, values);

        switch (param->type) {
        case QN_PARAM_BOOL:
            *(bool *)field = param->number != 0.0;
            break;
        case QN_PARAM_INT32:
        case QN_PARAM_CHOICE:
            *(int32_t *)field = (int32_t)param->number;
            break;
        case QN_PARAM_INT64:
            *(int64_t *)field = to_int64(param->number);
            break;
        case QN_PARAM_DOUBLE:
            *(double *)field = param->number;
            break;
        case QN_PARAM_TEXT:
            *(const char **)field = param->text;
            break;
        case QN_PARAM_LIST:
            break;
        case QN_PARAM_BYTES:
            *(size_t *)field = (size_t)param->number;
            break;
        }
    }
}

static bool is_alias(const char *aliases, const char *name)
{
    char word[MAX_NAME];

    for (const char *p = aliases; p && *p;) {
        const size_t length = strcspn(p, " ");

        if (length > 0 && length < sizeof word) {
            memcpy(word, p, length);
            word[length] = '\0';
            if (qn_name_equal(word, name))
                return true;
        }
        p += length + (p[length] == ' ');
    }
    return false;
}

const qn_param *qn_params_find(const qn_params *table, const char *name)
{
    /* Names go before aliases: an alias never hides a parameter. */
    for (int64_t i = 0; i < table->n; i++)
        if (qn_name_equal(table->param[i].name, name))
            return &table->param[i];
    for (int64_t i = 0; i < table->n; i++)
        if (is_alias(table->param[i].aliases, name))
            return &table->param[i];
    return NULL;
}

static bool has_limits(const qn_param *param)
{
    return param->min != 0.0 || param->max != 0.0;
}

static qn_status fail_kind(qn_context *ctx, const qn_param *param, const char *text,
                           const char *wanted)
{
    char name[MAX_NAME];

    qn_param_cli_name(param->name, name, sizeof name);
    return qn_fail(ctx, QN_EINVAL, "%s \"%s\" is not %s", name, text, wanted);
}

static qn_status fail_range(qn_context *ctx, const qn_param *param, const char *text)
{
    char name[MAX_NAME], range[96];

    qn_param_range(param, range, sizeof range);
    if (!range[0]) /* only the type draws a limit */
        return fail_kind(ctx, param, text,
                         param->type == QN_PARAM_INT32   ? "a number of 32 bits"
                         : param->type == QN_PARAM_INT64 ? "a number of 64 bits"
                                                         : "a number");
    qn_param_cli_name(param->name, name, sizeof name);
    return qn_fail(ctx, QN_EINVAL, "%s %s is out of range: %s", name, text, range);
}

static bool int64_fits(const qn_param *param, int64_t value)
{
    if (param->type == QN_PARAM_INT32 && (value < INT32_MIN || value > INT32_MAX))
        return false;
    return !has_limits(param) ||
           (value >= to_int64(ceil(param->min)) && value <= to_int64(floor(param->max)));
}

static bool double_fits(const qn_param *param, double value)
{
    return !isnan(value) && (!has_limits(param) || (value >= param->min && value <= param->max));
}

static qn_status set_bool(qn_context *ctx, const qn_param *param, bool *field, const char *text)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        const bool is_yes = qn_name_equal(text, yes[i]);

        if (is_yes || qn_name_equal(text, no[i])) {
            *field = is_yes;
            return QN_OK;
        }
    }
    return fail_kind(ctx, param, text, "true or false");
}

/* Whole numbers may also come as 1e6 or 5.0, as other systems print them. */
static qn_status set_integer(qn_context *ctx, const qn_param *param, void *field, const char *text)
{
    const size_t length = strlen(text);
    int64_t value = 0;
    double real = 0.0;

    if (!qn_parse_int64(text, length, &value)) {
        if (!qn_parse_double(text, length, &real) || isnan(real) || real != floor(real))
            return fail_kind(ctx, param, text, "a whole number");
        if (fabs(real) > 0x1p53)
            return fail_range(ctx, param, text);
        value = (int64_t)real;
    }
    if (!int64_fits(param, value))
        return fail_range(ctx, param, text);
    if (param->type == QN_PARAM_INT32)
        *(int32_t *)field = (int32_t)value;
    else
        *(int64_t *)field = value;
    return QN_OK;
}

static qn_status set_double(qn_context *ctx, const qn_param *param, double *field, const char *text)
{
    double value = 0.0;

    if (!qn_parse_double(text, strlen(text), &value) || isnan(value))
        return fail_kind(ctx, param, text, "a number");
    if (!double_fits(param, value))
        return fail_range(ctx, param, text);
    *field = value;
    return QN_OK;
}

static qn_status set_bytes(qn_context *ctx, const qn_param *param, size_t *field, const char *text)
{
    size_t value = 0;

    if (!qn_parse_bytes(text, &value))
        return fail_kind(ctx, param, text, "a size like 512m or 1.5g");
    if (!double_fits(param, (double)value))
        return fail_range(ctx, param, text);
    *field = value;
    return QN_OK;
}

/* Copies of the choices into `text`, their starts into `list`. Returns how many. */
static int32_t split_choices(const qn_param *param, char text[256], const char *list[MAX_CHOICES])
{
    size_t used = 0, length = 0;
    int32_t n = 0;

    for (const char *choice; n < MAX_CHOICES && (choice = qn_param_choice(param, n, &length));
         n++) {
        if (used + length + 1 > 256)
            break;
        memcpy(text + used, choice, length);
        text[used + length] = '\0';
        list[n] = text + used;
        used += length + 1;
    }
    return n;
}

static qn_status set_choice(qn_context *ctx, const qn_param *param, int32_t *field,
                            const char *text)
{
    char copies[256], name[MAX_NAME];
    const char *list[MAX_CHOICES];
    const int32_t n = split_choices(param, copies, list);
    const char *nearest = qn_nearest(text, list, n);
    qn_string known = {0};

    for (int32_t i = 0; i < n; i++) {
        if (qn_name_equal(text, list[i])) {
            *field = i;
            qn_string_release(&known);
            return QN_OK;
        }
        qn_string_addf(&known, "%s%s", i ? ", " : "", list[i]);
    }
    qn_param_cli_name(param->name, name, sizeof name);
    if (nearest)
        qn_fail(ctx, QN_EINVAL, "%s \"%s\" is none of %s: did you mean %s?", name, text,
                qn_string_text(&known), nearest);
    else
        qn_fail(ctx, QN_EINVAL, "%s \"%s\" is none of %s", name, text, qn_string_text(&known));
    qn_string_release(&known);
    return QN_EINVAL;
}

/* Room doubles: it is full whenever n is a power of two. */
static qn_status add_to_list(qn_context *ctx, qn_text_list *list, const char *text)
{
    qn_status st = QN_OK;

    if ((list->n & (list->n - 1)) == 0)
        QN_GROW(ctx, list->item, list->n ? list->n * 2 : 1, "values of an option");
    list->item[list->n++] = text;
done:
    return st;
}

qn_status qn_param_set(qn_context *ctx, const qn_param *param, void *values, const char *text)
{
    void *field = field_of(param, values);

    if (!text && param->type == QN_PARAM_BOOL)
        text = "true"; /* a flag that stands alone */
    if (!text)
        return fail_kind(ctx, param, "", "complete: a value is missing");
    switch (param->type) {
    case QN_PARAM_BOOL:
        return set_bool(ctx, param, field, text);
    case QN_PARAM_INT32:
    case QN_PARAM_INT64:
        return set_integer(ctx, param, field, text);
    case QN_PARAM_DOUBLE:
        return set_double(ctx, param, field, text);
    case QN_PARAM_CHOICE:
        return set_choice(ctx, param, field, text);
    case QN_PARAM_TEXT:
        *(const char **)field = text;
        return QN_OK;
    case QN_PARAM_LIST:
        return add_to_list(ctx, field, text);
    case QN_PARAM_BYTES:
        return set_bytes(ctx, param, field, text);
    }
    return qn_fail(ctx, QN_EINTERNAL, "parameter %s has no known type", param->name);
}

static qn_status fail_missing(qn_context *ctx, const qn_param *param)
{
    char name[MAX_NAME];

    qn_param_cli_name(param->name, name, sizeof name);
    return qn_fail(ctx, QN_EINVAL, "%s is missing: %s", name, param->help);
}

static qn_status check_one(qn_context *ctx, const qn_param *param, const void *field)
{
    char text[32] = "";
    size_t length = 0;

    switch (param->type) {
    case QN_PARAM_BOOL:
        return QN_OK;
    case QN_PARAM_INT32:
    case QN_PARAM_INT64: {
        const int64_t value =
            param->type == QN_PARAM_INT32 ? *(const int32_t *)field : *(const int64_t *)field;

        snprintf(text, sizeof text, "%lld", (long long)value);
        return int64_fits(param, value) ? QN_OK : fail_range(ctx, param, text);
    }
    case QN_PARAM_DOUBLE:
        qn_format_double(*(const double *)field, text);
        return double_fits(param, *(const double *)field) ? QN_OK : fail_range(ctx, param, text);
    case QN_PARAM_CHOICE:
        snprintf(text, sizeof text, "%d", *(const int32_t *)field);
        return *(const int32_t *)field >= 0 &&
                       qn_param_choice(param, *(const int32_t *)field, &length)
                   ? QN_OK
                   : fail_kind(ctx, param, text, "the number of a choice");
    case QN_PARAM_TEXT:
        return param->required && !*(const char *const *)field ? fail_missing(ctx, param) : QN_OK;
    case QN_PARAM_LIST:
        return param->required && ((const qn_text_list *)field)->n == 0 ? fail_missing(ctx, param)
                                                                        : QN_OK;
    case QN_PARAM_BYTES:
        qn_format_bytes((double)*(const size_t *)field, text);
        return double_fits(param, (double)*(const size_t *)field) ? QN_OK
                                                                  : fail_range(ctx, param, text);
    }
    return QN_OK;
}

qn_status qn_params_check(qn_context *ctx, const qn_params *table, const void *values)
{
    for (int64_t i = 0; i < table->n; i++) {
        const qn_param *param = &table->param[i];
        const qn_status st = check_one(ctx, param, (const char *)values + param->offset);

        if (st != QN_OK)
            return st;
    }
    return QN_OK;
}
