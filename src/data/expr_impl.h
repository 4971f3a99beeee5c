/* An expression as a list of steps for a stack machine. */
#ifndef QN_DATA_EXPR_IMPL_H
#define QN_DATA_EXPR_IMPL_H

#include "data/expr.h"

typedef enum qn_expr_op {
    QN_EXPR_NUMBER, /* push */
    QN_EXPR_COLUMN, /* push */
    QN_EXPR_NEGATE, /* of the top, as all down to IS_NOT_NULL */
    QN_EXPR_ABS,
    QN_EXPR_LOG,
    QN_EXPR_EXP,
    QN_EXPR_SQRT,
    QN_EXPR_NOT,
    QN_EXPR_IS_NULL,
    QN_EXPR_IS_NOT_NULL,
    QN_EXPR_ADD, /* of the two on top, as all down to COALESCE */
    QN_EXPR_SUBTRACT,
    QN_EXPR_MULTIPLY,
    QN_EXPR_DIVIDE,
    QN_EXPR_LESS,
    QN_EXPR_LESS_EQUAL,
    QN_EXPR_GREATER,
    QN_EXPR_GREATER_EQUAL,
    QN_EXPR_EQUAL,
    QN_EXPR_NOT_EQUAL,
    QN_EXPR_AND,
    QN_EXPR_OR,
    QN_EXPR_COALESCE,
    /* A case holds two places: its result so far, and 1 where no condition has held yet. */
    QN_EXPR_CASE, /* push both */
    QN_EXPR_WHEN, /* the top, a condition, becomes 1 where it is the first to hold */
    QN_EXPR_THEN, /* value and condition go into the result */
    QN_EXPR_ELSE  /* value goes into the result where no condition held; leaves the result */
} qn_expr_op;

typedef struct qn_expr_step {
    qn_expr_op op;
    int32_t column; /* COLUMN */
    double number;  /* NUMBER */
} qn_expr_step;

struct qn_expr {
    qn_expr_step *step;
    int64_t n_steps, step_capacity;
    qn_expr_column *column; /* names owned */
    int32_t n_columns, column_capacity;
    int64_t height; /* places that the stack needs */
};

#endif
