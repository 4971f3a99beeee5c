/* Expressions: any bytes are parsed or refused with a message; what was parsed is evaluated on rows
 * whose values come from the same bytes, at once and row by row with the same bits. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROWS 5

static void check(int holds)
{
    if (!holds)
        abort();
}

/* Any 8 bytes are a double; the first rows are plain. */
static double value_of(const uint8_t *data, size_t size, int32_t column, int64_t row)
{
    const size_t at = (size_t)(column * ROWS + (int32_t)row) % (size - 7);
    double value = (double)(column - row);

    if (row > 1)
        memcpy(&value, data + at, sizeof value);
    return value;
}

static void evaluate(const qn_expr *expr, const uint8_t *data, size_t size)
{
    const int32_t n = qn_expr_n_columns(expr);
    double *values = malloc((size_t)(n + 1) * ROWS * sizeof *values);
    const double **column = malloc((size_t)(n + 1) * sizeof *column);
    double *scratch = malloc((size_t)qn_expr_scratch(expr, ROWS) * sizeof *scratch);
    double out[ROWS], one;

    check(values && column && scratch);
    for (int32_t c = 0; c < n; c++) {
        const qn_expr_column *told = &qn_expr_columns(expr)[c];

        check(*told->name != '\0' && told->element >= -1);
        column[c] = values + c * ROWS;
        for (int64_t r = 0; r < ROWS; r++)
            values[c * ROWS + r] = value_of(data, size, c, r);
    }
    qn_expr_evaluate(expr, ROWS, column, scratch, out);
    for (int64_t r = 0; r < ROWS; r++) {
        check(out[r] != out[r] || out[r] - out[r] == 0.0);
        for (int32_t c = 0; c < n; c++)
            column[c] = values + c * ROWS + r;
        qn_expr_evaluate(expr, 1, column, scratch, &one);
        check(memcmp(&one, &out[r], sizeof one) == 0);
    }
    free(values);
    free(column);
    free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    qn_context *ctx = NULL;
    qn_expr *expr = NULL;
    char *text;

    if (size < 8 || qn_context_create(&(qn_context_options){.threads = 1}, &ctx) != QN_OK)
        return 0;
    text = malloc(size + 1);
    check(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    const qn_status st = qn_expr_parse(ctx, text, &expr);
    check((st == QN_OK) == (expr != NULL));
    check(st == QN_OK || (st == QN_EINVAL && *qn_context_error(ctx)));
    if (expr)
        evaluate(expr, data, size);
    qn_expr_free(expr);
    check(qn_alloc_live(ctx) == 0);
    qn_context_free(ctx);
    free(text);
    return 0;
}
