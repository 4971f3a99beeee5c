/* Evaluation: each step works on a run of rows that stays in the first cache. */
#include <math.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "base/math.h"
#include "data/expr_impl.h"

/* Rows of one place of the stack. */
#define RUN ((int64_t)256)

void qn_expr_free(qn_expr *expr)
{
    if (!expr)
        return;
    for (int32_t c = 0; c < expr->n_columns; c++)
        qn_free((void *)expr->column[c].name);
    qn_free(expr->column);
    qn_free(expr->step);
    qn_free(expr);
}

int32_t qn_expr_n_columns(const qn_expr *expr)
{
    return expr->n_columns;
}

const qn_expr_column *qn_expr_columns(const qn_expr *expr)
{
    return expr->column;
}

int64_t qn_expr_scratch(const qn_expr *expr, int64_t n)
{
    return expr->height * (n < RUN ? n : RUN);
}

/* Missing unless finite. */
static inline double if_finite(double x)
{
    return x - x == 0.0 ? x : (double)NAN;
}

static inline double truth(bool holds, double a, double b)
{
    return a != a || b != b ? (double)NAN : holds ? 1.0 : 0.0;
}

static void step_one(qn_expr_op op, int64_t n, double *x)
{
    switch (op) {
    case QN_EXPR_NEGATE:
        for (int64_t i = 0; i < n; i++)
            x[i] = -x[i];
        break;
    case QN_EXPR_ABS:
        for (int64_t i = 0; i < n; i++)
            x[i] = fabs(x[i]);
        break;
    case QN_EXPR_LOG:
        for (int64_t i = 0; i < n; i++)
            x[i] = if_finite(qn_log(x[i]));
        break;
    case QN_EXPR_EXP:
        for (int64_t i = 0; i < n; i++)
            x[i] = if_finite(qn_exp(x[i]));
        break;
    case QN_EXPR_SQRT:
        for (int64_t i = 0; i < n; i++)
            x[i] = x[i] >= 0.0 ? sqrt(x[i]) : (double)NAN;
        break;
    case QN_EXPR_NOT:
        for (int64_t i = 0; i < n; i++)
            x[i] = truth(x[i] == 0.0, x[i], x[i]);
        break;
    case QN_EXPR_IS_NULL:
        for (int64_t i = 0; i < n; i++)
            x[i] = x[i] != x[i] ? 1.0 : 0.0;
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            x[i] = x[i] != x[i] ? 0.0 : 1.0;
    }
}

static void step_arithmetic(qn_expr_op op, int64_t n, double *x, const double *y)
{
    switch (op) {
    case QN_EXPR_ADD:
        for (int64_t i = 0; i < n; i++)
            x[i] = if_finite(x[i] + y[i]);
        break;
    case QN_EXPR_SUBTRACT:
        for (int64_t i = 0; i < n; i++)
            x[i] = if_finite(x[i] - y[i]);
        break;
    case QN_EXPR_MULTIPLY:
        for (int64_t i = 0; i < n; i++)
            x[i] = if_finite(x[i] * y[i]);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            x[i] = if_finite(x[i] / y[i]);
    }
}

static void step_compare(qn_expr_op op, int64_t n, double *x, const double *y)
{
    switch (op) {
    case QN_EXPR_LESS:
        for (int64_t i = 0; i < n; i++)
            x[i] = truth(x[i] < y[i], x[i], y[i]);
        break;
    case QN_EXPR_LESS_EQUAL:
        for (int64_t i = 0; i < n; i++)
            x[i] = truth(x[i] <= y[i], x[i], y[i]);
        break;
    case QN_EXPR_GREATER:
        for (int64_t i = 0; i < n; i++)
            x[i] = truth(x[i] > y[i], x[i], y[i]);
        break;
    case QN_EXPR_GREATER_EQUAL:
        for (int64_t i = 0; i < n; i++)
            x[i] = truth(x[i] >= y[i], x[i], y[i]);
        break;
    case QN_EXPR_EQUAL:
        for (int64_t i = 0; i < n; i++)
            x[i] = truth(x[i] == y[i], x[i], y[i]);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            x[i] = truth(x[i] != y[i], x[i], y[i]);
    }
}

/* One that decides alone does so even where the other is missing. */
static void step_logic(qn_expr_op op, int64_t n, double *x, const double *y)
{
    switch (op) {
    case QN_EXPR_AND:
        for (int64_t i = 0; i < n; i++)
            x[i] = x[i] == 0.0 || y[i] == 0.0 ? 0.0 : truth(true, x[i], y[i]);
        break;
    case QN_EXPR_OR:
        for (int64_t i = 0; i < n; i++) {
            const bool x_holds = x[i] == x[i] && x[i] != 0.0;
            const bool y_holds = y[i] == y[i] && y[i] != 0.0;

            x[i] = x_holds || y_holds ? 1.0 : truth(false, x[i], y[i]);
        }
        break;
    default: /* COALESCE */
        for (int64_t i = 0; i < n; i++)
            x[i] = x[i] != x[i] ? y[i] : x[i];
    }
}

/* result = value where `chosen`; all are places of the stack. */
static void choose(int64_t n, double *result, const double *chosen, const double *value)
{
    for (int64_t i = 0; i < n; i++)
        result[i] = chosen[i] != 0.0 ? value[i] : result[i];
}

/* The stack from below: result, whether undecided, condition, value; `top` is the first free
 * place. Returns the new one. */
static double *step_case(qn_expr_op op, int64_t n, double *top, int64_t stride)
{
    double *const above = top - stride;

    switch (op) {
    case QN_EXPR_CASE:
        for (int64_t i = 0; i < n; i++) {
            top[i] = (double)NAN;
            top[i + stride] = 1.0;
        }
        return top + 2 * stride;
    case QN_EXPR_WHEN:
        for (int64_t i = 0; i < n; i++) {
            double *const undecided = &above[i - stride];
            const bool holds = above[i] == above[i] && above[i] != 0.0 && *undecided != 0.0;

            above[i] = holds ? 1.0 : 0.0;
            *undecided = holds ? 0.0 : *undecided;
        }
        return top;
    case QN_EXPR_THEN:
        choose(n, above - 3 * stride, above - stride, above);
        return above - stride;
    default: /* ELSE */
        choose(n, above - 2 * stride, above - stride, above);
        return above - stride;
    }
}

/* Rows [first, first + n); the stack begins at `place`. */
static void evaluate_run(const qn_expr *expr, int64_t first, int64_t n, int64_t stride,
                         const double *const *column, double *place)
{
    double *top = place;

    for (int64_t s = 0; s < expr->n_steps; s++) {
        const qn_expr_step *step = &expr->step[s];

        if (step->op == QN_EXPR_NUMBER) {
            for (int64_t i = 0; i < n; i++)
                top[i] = step->number;
            top += stride;
        } else if (step->op == QN_EXPR_COLUMN) {
            const double *from = column[step->column] + first;

            for (int64_t i = 0; i < n; i++)
                top[i] = if_finite(from[i]);
            top += stride;
        } else if (step->op < QN_EXPR_ADD) {
            step_one(step->op, n, top - stride);
        } else if (step->op < QN_EXPR_CASE) {
            top -= stride;
            if (step->op < QN_EXPR_LESS)
                step_arithmetic(step->op, n, top - stride, top);
            else if (step->op < QN_EXPR_AND)
                step_compare(step->op, n, top - stride, top);
            else
                step_logic(step->op, n, top - stride, top);
        } else {
            top = step_case(step->op, n, top, stride);
        }
    }
}

void qn_expr_evaluate(const qn_expr *expr, int64_t n, const double *const *column, double *scratch,
                      double *out)
{
    const int64_t stride = n < RUN ? n : RUN;

    for (int64_t first = 0; first < n; first += stride) {
        const int64_t rows = n - first < stride ? n - first : stride;

        evaluate_run(expr, first, rows, stride, column, scratch);
        /* One pattern of bits for what is missing. */
        for (int64_t i = 0; i < rows; i++)
            out[first + i] = scratch[i] == scratch[i] ? scratch[i] : (double)NAN;
    }
}
