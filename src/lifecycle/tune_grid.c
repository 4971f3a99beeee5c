#include "lifecycle/tune_grid.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/params_out.h"

#define VALUE_BYTES 64

/* One "name=v1,v2". */
typedef struct axis {
    const qn_param *param;
    const char *values; /* behind the "=" */
    int64_t n;
} axis;

static qn_status no_such_parameter(qn_context *ctx, const char *name)
{
    const char *names[64], *near;
    int64_t n = 0;

    for (int64_t i = 0; i < qn_als_table.n && n < 64; i++)
        if (!qn_als_table.param[i].hidden)
            names[n++] = qn_als_table.param[i].name;
    near = qn_nearest(name, names, n);
    return qn_fail(ctx, QN_EINVAL, "--grid: als has no parameter \"%s\"%s%s%s", name,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static qn_status axis_parse(qn_context *ctx, const char *text, axis *out)
{
    const char *equals = strchr(text, '=');
    char name[64];

    if (!equals || equals == text || !equals[1])
        return qn_fail(ctx, QN_EINVAL,
                       "--grid \"%s\" is not of the form name=value,value: rank=10,20,50", text);
    snprintf(name, sizeof name, "%.*s", (int)(equals - text), text);
    out->param = qn_params_find(&qn_als_table, name);
    if (!out->param)
        return no_such_parameter(ctx, name);
    out->values = equals + 1;
    out->n = 1;
    for (const char *c = out->values; *c; c++)
        out->n += *c == ',';
    return QN_OK;
}

/* Value `index` of an axis into the parameters and the name of the point. */
static qn_status axis_apply(qn_context *ctx, const axis *a, int64_t index, qn_tune_row *row)
{
    const char *start = a->values;
    char value[VALUE_BYTES], name[VALUE_BYTES];
    const size_t used = strlen(row->point);
    size_t length;

    for (; index > 0; index--)
        start = strchr(start, ',') + 1;
    length = strcspn(start, ",");
    if (length == 0 || length >= sizeof value)
        return qn_fail(ctx, QN_EINVAL, "--grid %s=%s has an empty or overlong value",
                       a->param->name, a->values);
    snprintf(value, sizeof value, "%.*s", (int)length, start);
    qn_param_cli_name(a->param->name, name, sizeof name);
    snprintf(row->point + used, sizeof row->point - used, "%s%s=%s", used ? " " : "",
             name + strspn(name, "-"), value);
    return qn_param_set(ctx, a->param, &row->params, value);
}

static qn_status row_fill(qn_context *ctx, const axis *axes, int64_t n_axes, int64_t number,
                          const qn_als_params *base, qn_tune_row *row)
{
    qn_status st = QN_OK;

    memset(row, 0, sizeof *row);
    row->params = *base;
    row->mean = row->std = row->rmse = row->mae = NAN;
    row->precision = row->recall = row->ndcg = row->map = NAN;
    for (int64_t a = 0; a < n_axes; a++) {
        int64_t below = 1;

        for (int64_t b = a + 1; b < n_axes; b++)
            below *= axes[b].n;
        QN_TRY(axis_apply(ctx, &axes[a], number / below % axes[a].n, row));
    }
    if (n_axes == 0)
        snprintf(row->point, sizeof row->point, "as given");
done:
    return st;
}

static qn_status count_points(qn_context *ctx, const qn_text_list *grid, axis *axes, int64_t *n)
{
    qn_status st = QN_OK;

    *n = 1;
    for (int64_t a = 0; a < grid->n; a++) {
        QN_TRY(axis_parse(ctx, grid->item[a], &axes[a]));
        for (int64_t b = 0; b < a; b++)
            if (axes[b].param == axes[a].param)
                return qn_fail(ctx, QN_EINVAL, "--grid gives %s twice; put all its values in one",
                               axes[a].param->name);
        if (axes[a].n > QN_TUNE_POINTS / *n)
            return qn_fail(ctx, QN_EINVAL, "--grid has more than %d points", QN_TUNE_POINTS);
        *n *= axes[a].n;
    }
done:
    return st;
}

qn_status qn_tune_grid(qn_context *ctx, const qn_text_list *grid, const qn_als_params *base,
                       qn_tune_row **rows, int64_t *n)
{
    qn_status st = QN_OK;
    axis *axes = NULL;
    qn_tune_row *list = NULL;
    int64_t count = 0;

    *rows = NULL;
    *n = 0;
    QN_NEW(ctx, axes, grid->n, "the grid");
    QN_TRY(count_points(ctx, grid, axes, &count));
    QN_NEW(ctx, list, count, "the points of the grid");
    for (int64_t i = 0; i < count; i++)
        QN_TRY(row_fill(ctx, axes, grid->n, i, base, &list[i]));
    *rows = list;
    *n = count;
    list = NULL;
done:
    qn_free(axes);
    qn_free(list);
    return st;
}
