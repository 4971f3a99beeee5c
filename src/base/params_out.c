#include "base/params_out.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH     100
#define HELP_FROM 30 /* column of the help texts */
#define MAX_NAME  64

void qn_param_cli_name(const char *name, char *out, size_t size)
{
    snprintf(out, size, "--%s", name);
    for (char *p = out; *p; p++)
        if (*p == '_')
            *p = '-';
}

void qn_param_spark_name(const char *name, char *out, size_t size)
{
    size_t n = 0;
    bool is_upper = false;

    for (; *name && n + 1 < size; name++) {
        if (*name == '_') {
            is_upper = true;
            continue;
        }
        out[n++] = is_upper && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
        is_upper = false;
    }
    if (size > 0)
        out[n] = '\0';
}

const char *qn_param_type_name(qn_param_type type)
{
    switch (type) {
    case QN_PARAM_BOOL:
        return "bool";
    case QN_PARAM_INT32:
        return "int32";
    case QN_PARAM_INT64:
        return "int64";
    case QN_PARAM_DOUBLE:
        return "double";
    case QN_PARAM_CHOICE:
        return "choice";
    case QN_PARAM_TEXT:
        return "text";
    case QN_PARAM_LIST:
        return "list";
    case QN_PARAM_BYTES:
        return "bytes";
    }
    return "unknown";
}

const char *qn_param_choice(const qn_param *param, int32_t index, size_t *length)
{
    const char *p = param->choices;

    for (; p && index > 0; index--) {
        p = strchr(p, '|');
        p = p ? p + 1 : NULL;
    }
    if (p)
        *length = strcspn(p, "|");
    return p;
}

static bool is_number(const qn_param *param)
{
    return param->type == QN_PARAM_INT32 || param->type == QN_PARAM_INT64 ||
           param->type == QN_PARAM_DOUBLE || param->type == QN_PARAM_BYTES;
}

/* A limit counts if the type itself does not already draw it. */
static bool has_min(const qn_param *param)
{
    const double least = param->type == QN_PARAM_INT32    ? (double)INT32_MIN
                         : param->type == QN_PARAM_INT64  ? -0x1p63
                         : param->type == QN_PARAM_DOUBLE ? -1.7976931348623157e308
                                                          : 0.0;

    return is_number(param) && (param->min != 0.0 || param->max != 0.0) && param->min > least;
}

static bool has_max(const qn_param *param)
{
    const double most = param->type == QN_PARAM_INT32    ? (double)INT32_MAX
                        : param->type == QN_PARAM_DOUBLE ? 1.7976931348623157e308
                        : param->type == QN_PARAM_BYTES  ? 1e18 /* an exabyte is no limit */
                                                         : 0x1p63;

    return is_number(param) && (param->min != 0.0 || param->max != 0.0) && param->max < most;
}

/* 1000000, 1e+09, 0.1: plain as long as that is short. */
static void format_limit(const qn_param *param, double value, char out[32])
{
    if (param->type == QN_PARAM_BYTES)
        qn_format_bytes(value, out);
    else if (value == floor(value) && fabs(value) < 1e9)
        snprintf(out, 32, "%.0f", value);
    else if (param->type != QN_PARAM_DOUBLE && fabs(value) < 0x1p63)
        snprintf(out, 32, "%lld", (long long)value);
    else
        qn_format_double(value, out);
}

void qn_param_range(const qn_param *param, char *out, size_t size)
{
    /* No size is negative: that is worth saying only beside an upper limit. */
    const bool is_low = has_min(param) || (param->type == QN_PARAM_BYTES && has_max(param));
    char low[32], high[32];

    format_limit(param, param->min, low);
    format_limit(param, param->max, high);
    if (is_low && has_max(param))
        snprintf(out, size, "%s to %s", low, high);
    else if (is_low)
        snprintf(out, size, "at least %s", low);
    else if (has_max(param))
        snprintf(out, size, "at most %s", high);
    else
        snprintf(out, size, "%s", "");
}

void qn_param_default(const qn_param *param, char *out, size_t size)
{
    char number[32];
    size_t length = 0;
    const char *choice;

    snprintf(out, size, "%s", "");
    switch (param->type) {
    case QN_PARAM_BOOL:
        snprintf(out, size, "%s", param->number != 0.0 ? "true" : "false");
        break;
    case QN_PARAM_CHOICE:
        choice = qn_param_choice(param, (int32_t)param->number, &length);
        if (choice)
            snprintf(out, size, "%.*s", (int)length, choice);
        break;
    case QN_PARAM_INT32:
    case QN_PARAM_INT64:
        snprintf(out, size, "%.0f", param->number);
        break;
    case QN_PARAM_DOUBLE:
        qn_format_double(param->number, number);
        snprintf(out, size, "%s", number);
        break;
    case QN_PARAM_BYTES:
        qn_format_bytes(param->number, number);
        if (param->number > 0.0)
            snprintf(out, size, "%s", number);
        break;
    case QN_PARAM_TEXT:
        if (param->text)
            snprintf(out, size, "%s", param->text);
        break;
    case QN_PARAM_LIST:
        break;
    }
}

static void json_number(qn_json *j, const char *key, const qn_param *param, double value)
{
    if (param->type == QN_PARAM_DOUBLE)
        qn_json_real(j, key, value);
    else
        qn_json_int(j, key, value >= 0x1p63 ? INT64_MAX : (int64_t)value);
}

static void json_default(qn_json *j, const qn_param *param)
{
    char text[256];

    if (param->type == QN_PARAM_BOOL)
        qn_json_bool(j, "default", param->number != 0.0);
    else if (is_number(param))
        json_number(j, "default", param, param->number);
    else if (param->type == QN_PARAM_CHOICE) {
        qn_param_default(param, text, sizeof text);
        qn_json_text(j, "default", text);
    } else {
        qn_json_text(j, "default", param->text);
    }
}

/* The words of a text as an array; none if it is NULL. */
static void json_words(qn_json *j, const char *key, const char *text, const char *separator)
{
    qn_json_open(j, key, '[');
    for (const char *p = text; p && *p;) {
        const size_t length = strcspn(p, separator);

        if (length > 0)
            qn_json_bytes(j, NULL, p, length);
        p += length + (p[length] != '\0');
    }
    qn_json_close(j, ']');
}

static void json_param(qn_json *j, const qn_param *param)
{
    char name[MAX_NAME];

    qn_json_open(j, NULL, '{');
    qn_json_text(j, "name", param->name);
    qn_param_cli_name(param->name, name, sizeof name);
    qn_json_text(j, "cli", name);
    qn_param_spark_name(param->name, name, sizeof name);
    qn_json_text(j, "spark", name);
    qn_json_text(j, "type", qn_param_type_name(param->type));
    json_default(j, param);
    if (has_min(param))
        json_number(j, "min", param, param->min);
    else
        qn_json_null(j, "min");
    if (has_max(param))
        json_number(j, "max", param, param->max);
    else
        qn_json_null(j, "max");
    json_words(j, "choices", param->choices, "|");
    qn_json_text(j, "metavar", param->metavar);
    qn_json_text(j, "help", param->help);
    json_words(j, "aliases", param->aliases, " ");
    qn_json_text(j, "group", param->group ? param->group : "Options");
    qn_json_bool(j, "required", param->required);
    qn_json_bool(j, "hidden", param->hidden);
    qn_json_close(j, '}');
}

void qn_params_json(const qn_params *table, qn_json *j)
{
    qn_json_open(j, NULL, '{');
    qn_json_text(j, "name", table->name);
    qn_json_open(j, "params", '[');
    for (int64_t i = 0; i < table->n; i++)
        json_param(j, &table->param[i]);
    qn_json_close(j, ']');
    qn_json_close(j, '}');
}

void qn_param_value_json(const qn_param *param, const void *values, qn_json *j)
{
    const void *field = (const char *)values + param->offset;
    const qn_text_list *list = field;
    const char *choice;
    size_t length = 0;

    switch (param->type) {
    case QN_PARAM_BOOL:
        qn_json_bool(j, param->name, *(const bool *)field);
        break;
    case QN_PARAM_INT32:
        qn_json_int(j, param->name, *(const int32_t *)field);
        break;
    case QN_PARAM_INT64:
        qn_json_int(j, param->name, *(const int64_t *)field);
        break;
    case QN_PARAM_DOUBLE:
        qn_json_real(j, param->name, *(const double *)field);
        break;
    case QN_PARAM_BYTES:
        qn_json_int(j, param->name, (int64_t) * (const size_t *)field);
        break;
    case QN_PARAM_TEXT:
        qn_json_text(j, param->name, *(const char *const *)field);
        break;
    case QN_PARAM_CHOICE:
        choice = qn_param_choice(param, *(const int32_t *)field, &length);
        qn_json_bytes(j, param->name, choice ? choice : "", choice ? length : 0);
        break;
    case QN_PARAM_LIST:
        qn_json_open(j, param->name, '[');
        for (int64_t i = 0; i < list->n; i++)
            qn_json_text(j, NULL, list->item[i]);
        qn_json_close(j, ']');
        break;
    }
}

/* What stands for the value: "N", "X", "SIZE", the choices. */
static const char *metavar_of(const qn_param *param)
{
    if (param->metavar)
        return param->metavar;
    switch (param->type) {
    case QN_PARAM_BOOL:
        return "";
    case QN_PARAM_INT32:
    case QN_PARAM_INT64:
        return "N";
    case QN_PARAM_DOUBLE:
        return "X";
    case QN_PARAM_CHOICE:
        return param->choices;
    case QN_PARAM_BYTES:
        return "SIZE";
    case QN_PARAM_TEXT:
        return "TEXT";
    case QN_PARAM_LIST:
        return "TEXT...";
    }
    return "";
}

/* "latent factors (1 to 4096, default 10)" */
static void help_text(const qn_param *param, qn_string *out)
{
    char range[96], fallback[256];
    const char *comma = "";

    qn_param_range(param, range, sizeof range);
    qn_param_default(param, fallback, sizeof fallback);
    if (param->type == QN_PARAM_BOOL && param->number == 0.0)
        fallback[0] = '\0';
    qn_string_add(out, param->help ? param->help : "");
    if (!range[0] && !fallback[0] && !param->required)
        return;
    qn_string_add(out, " (");
    if (param->required) {
        qn_string_add(out, "required");
        comma = ", ";
    }
    if (range[0]) {
        qn_string_addf(out, "%s%s", comma, range);
        comma = ", ";
    }
    if (fallback[0] && !param->required)
        qn_string_addf(out, "%sdefault %s", comma, fallback);
    qn_string_add(out, ")");
}

static void add_blanks(qn_string *out, size_t n)
{
    qn_string_addf(out, "%*s", (int)n, "");
}

/* Words from column HELP_FROM on, wrapped before column WIDTH. */
static void add_wrapped(qn_string *out, const char *text)
{
    size_t column = HELP_FROM;

    for (const char *p = text; *p;) {
        const size_t length = strcspn(p, " ");

        if (column > HELP_FROM && column + 1 + length > WIDTH) {
            qn_string_add(out, "\n");
            add_blanks(out, HELP_FROM);
            column = HELP_FROM;
        } else if (column > HELP_FROM) {
            qn_string_add(out, " ");
            column++;
        }
        qn_string_add_bytes(out, p, length);
        column += length;
        p += length + strspn(p + length, " ");
    }
    qn_string_add(out, "\n");
}

static void help_row(const qn_param *param, qn_string *out)
{
    char name[MAX_NAME];
    qn_string left = {0}, text = {0};

    qn_param_cli_name(param->name, name, sizeof name);
    qn_string_addf(&left, "  %s %s", name, metavar_of(param));
    while (left.length > 0 && left.text[left.length - 1] == ' ')
        left.length--;
    qn_string_add_bytes(out, qn_string_text(&left), left.length);
    if (left.length + 2 > HELP_FROM) {
        qn_string_add(out, "\n");
        left.length = 0;
    }
    add_blanks(out, HELP_FROM - left.length);
    help_text(param, &text);
    add_wrapped(out, qn_string_text(&text));
    qn_string_release(&left);
    qn_string_release(&text);
}

static const char *group_of(const qn_param *param)
{
    return param->group ? param->group : "Options";
}

/* Whether an earlier row has already opened this row's group. */
static bool is_group_seen(const qn_params *table, int64_t i)
{
    for (int64_t k = 0; k < i; k++)
        if (!table->param[k].hidden &&
            !strcmp(group_of(&table->param[k]), group_of(&table->param[i])))
            return true;
    return false;
}

void qn_params_help(const qn_params *table, qn_string *out)
{
    for (int64_t i = 0; i < table->n; i++) {
        if (table->param[i].hidden || is_group_seen(table, i))
            continue;
        qn_string_addf(out, "%s%s:\n", out->length ? "\n" : "", group_of(&table->param[i]));
        for (int64_t k = i; k < table->n; k++)
            if (!table->param[k].hidden &&
                !strcmp(group_of(&table->param[k]), group_of(&table->param[i])))
                help_row(&table->param[k], out);
    }
}
