/* What help, man pages and docs/params.md say of one row of a table. */
#include "base/params_out.h"
#include "cli/help.h"

static const char *value_name(const qn_param *param)
{
    if (param->metavar)
        return param->metavar;
    switch (param->type) {
    case QN_PARAM_INT32:
    case QN_PARAM_INT64:
        return "N";
    case QN_PARAM_DOUBLE:
        return "X";
    case QN_PARAM_BYTES:
        return "SIZE";
    case QN_PARAM_CHOICE:
        return param->choices;
    default:
        return "TEXT";
    }
}

void qn_help_option(const qn_param *param, qn_string *out)
{
    char name[64];

    qn_cli_option_name(param->name, name);
    qn_string_add(out, name);
    if (param->type == QN_PARAM_BOOL)
        return;
    qn_string_addf(out, " %s%s", value_name(param), param->type == QN_PARAM_LIST ? "..." : "");
}

void qn_help_default(const qn_param *param, qn_string *out)
{
    char text[256];

    qn_param_default(param, text, sizeof text);
    if (!param->required)
        qn_string_add(out, text);
}

void qn_help_range(const qn_param *param, qn_string *out)
{
    char text[96];

    if (param->type == QN_PARAM_INT32 || param->type == QN_PARAM_INT64 ||
        param->type == QN_PARAM_DOUBLE) {
        qn_param_range(param, text, sizeof text);
        qn_string_add(out, text);
    }
}

const char *qn_help_group(const qn_param *param)
{
    return param->group ? param->group : "Options";
}
