/* Inside the assembler. */
#ifndef QN_DATA_ASSEMBLE_IMPL_H
#define QN_DATA_ASSEMBLE_IMPL_H

#include "data/expr.h"
#include "data/features_impl.h"
#include "data/triples_impl.h"

/* One double a row: what expressions read, the label, the weight. */
typedef struct qn_assembler_number {
    int32_t request, index_request; /* -1: not of libsvm's pairs */
    int32_t element;                /* of lists, else -1 */
    const char *name;               /* borrowed */
    double *own;                    /* [capacity] or NULL until needed */
    const double *value;            /* of the batch; missing values are NaN */
} qn_assembler_number;

typedef struct qn_assembler_feature {
    const qn_feature *feature;
    int32_t first;                  /* column of the matrix */
    int32_t request, index_request; /* -1: none */
    qn_expr *expr;                  /* EXPRESSION */
    int32_t *number;                /* EXPRESSION: [columns of expr] */
    const double **operand;         /* EXPRESSION: [columns of expr] values of the batch */
    qn_text_set category;           /* CATEGORY: a text's number is its place */
    void *own;                      /* [width x capacity] or NULL until needed */
} qn_assembler_feature;

struct qn_assembler {
    const qn_features *features;
    const qn_source *source;
    bool is_double;
    qn_column_request *request;
    int32_t n_requests, request_capacity;
    qn_assembler_number *number;
    int32_t n_numbers, number_capacity;
    qn_assembler_feature *feature; /* [features->n] */
    int32_t label, weight;         /* numbers, -1: none */
    int64_t capacity;              /* rows that the buffers hold */
    const void **column;           /* [features->width] */
    uint8_t *incomplete;           /* [capacity] */
    double *result, *scratch;      /* [capacity], and what expressions need */
    qn_column *view;               /* [n_requests] of the last batch */
};

static inline size_t qn_assembler_size(const qn_assembler *a)
{
    return a->is_double ? sizeof(double) : sizeof(float);
}

/* A number as it came, whatever its type; NaN if it is missing. */
static inline double qn_column_number(const qn_column *c, int64_t r)
{
    if (!qn_is_valid(c, r))
        return __builtin_nan("");
    switch (c->type) {
    case QN_FLOAT:
        return (double)((const float *)c->data)[r];
    case QN_DOUBLE:
        return ((const double *)c->data)[r];
    default: /* QN_TIME */
        return (double)((const int64_t *)c->data)[r];
    }
}

/* Value i of all lists of a column. */
static inline double qn_column_item(const qn_column *c, int64_t i)
{
    return c->type == QN_FLOAT_LIST ? (double)((const float *)c->data)[i]
                                    : ((const double *)c->data)[i];
}

/* Element of row r's list; NaN: the list is missing or too short. Of libsvm's pairs (index not
 * NULL) what is not there is 0. */
double qn_column_element(const qn_column *values, const qn_column *index, int64_t r,
                         int32_t element);
/* Place of row r's category; false: missing or unknown. */
bool qn_assembler_category(const qn_assembler_feature *f, const qn_column *c, int64_t r,
                           uint32_t *place);

#endif
