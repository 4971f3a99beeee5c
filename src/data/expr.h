/* Expressions over the columns of a table: one evaluator for every format, so that a model's
 * features mean the same wherever the rows come from.
 *
 *   number   null   column   "any name"   `any name`   column[i]   ( )   - +
 *   + - * /   < <= > >= = == != <>   is null   is not null   not   and   or
 *   case when C then A [when ...] [else B] end   coalesce(a, b, ...)   abs log exp sqrt
 *
 * A name begins with a letter or _ and goes on with digits and dots too; any other stands in
 * quotes, a doubled quote for one, and so do the numbers by which columns without names are called:
 * "0". Keywords and functions in any case.
 *
 * Every column is cast to double first. A missing value makes what is computed from it missing, but
 * coalesce takes the first that is not, and a side that decides `and` or `or` alone does. x / 0,
 * log of 0 or less, sqrt below 0 and whatever is not finite are missing. Truth is 1 or 0, any
 * number but 0 holds; a condition that is missing does not hold. */
#ifndef QN_DATA_EXPR_H
#define QN_DATA_EXPR_H

#include "quern/context.h"

typedef struct qn_expr qn_expr;

/* A column that the expression reads. */
typedef struct qn_expr_column {
    const char *name; /* borrowed from the expression; a column number where files have no names */
    int32_t element;  /* of a list column, -1: the column is a number */
} qn_expr_column;

/* QN_EINVAL names the place by column of the text, from 1, what was found and what was expected; a
 * text longer than 64 KiB, nested deeper than 200 or of more than 4,096 columns is refused. */
qn_status qn_expr_parse(qn_context *ctx, const char *text, qn_expr **expr);
void qn_expr_free(qn_expr *expr);

int32_t qn_expr_n_columns(const qn_expr *expr); /* distinct (name, element) pairs */
const qn_expr_column *qn_expr_columns(const qn_expr *expr);
/* Doubles of scratch that evaluating n rows needs. */
int64_t qn_expr_scratch(const qn_expr *expr, int64_t n);

/* out[i] for n rows; column[c][i] is the value of qn_expr_columns()[c], missing values are NaN, and
 * NaN comes out where the result is missing. Cannot fail. out may not overlap. */
void qn_expr_evaluate(const qn_expr *expr, int64_t n, const double *const *column, double *scratch,
                      double *out);

#endif
