/* A batch's rows: every column of the matrix as floats or doubles, NaN where a value is missing. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/assemble_impl.h"

/* Rows of lists that are turned at once. */
#define TILE 64

static inline bool is_finite(double x)
{
    return x - x == 0.0;
}

/* Rounds to the matrix's type; NaN unless it is finite there. */
static inline bool put(void *column, bool is_double, int64_t r, double value)
{
    const float narrow = (float)value;
    const bool fits = is_double ? is_finite(value) : is_finite((double)narrow);

    if (is_double)
        ((double *)column)[r] = fits ? value : (double)NAN;
    else
        ((float *)column)[r] = fits ? narrow : NAN;
    return fits;
}

static void mark(uint8_t *incomplete, int64_t r, uint8_t why)
{
    if (incomplete[r] < why)
        incomplete[r] = why;
}

static bool all_finite_f32(const float *x, int64_t n)
{
    int32_t bad = 0;

    for (int64_t i = 0; i < n; i++)
        bad |= !(x[i] - x[i] == 0.0F);
    return !bad;
}

static bool all_finite_f64(const double *x, int64_t n)
{
    int64_t bad = 0;

    for (int64_t i = 0; i < n; i++)
        bad |= !(x[i] - x[i] == 0.0);
    return !bad;
}

/* The feature's columns, one behind the other. */
static qn_status take_buffer(qn_context *ctx, const qn_assembler *a, qn_assembler_feature *f)
{
    const int32_t width = f->feature->width;

    if (!f->own) {
        const qn_status st = qn_alloc_array(ctx, &f->own, width * a->capacity, qn_assembler_size(a),
                                            "rows of features");

        if (st != QN_OK)
            return qn_fail_prefix(ctx, st, "feature %s, %d columns", f->feature->name, width);
    }
    for (int32_t j = 0; j < width; j++)
        a->column[f->first + j] = (char *)f->own + (size_t)(j * a->capacity) * qn_assembler_size(a);
    return QN_OK;
}

/* Column j of a feature, to be written. */
static void *column_of(const qn_assembler *a, const qn_assembler_feature *f, int32_t j)
{
    return (char *)f->own + (size_t)(j * a->capacity) * qn_assembler_size(a);
}

static qn_status assemble_column(qn_context *ctx, qn_assembler *a, qn_assembler_feature *f,
                                 int64_t n)
{
    const qn_column *c = &a->view[f->request];
    qn_status st = QN_OK;

    if (!c->validity && c->type == (a->is_double ? QN_DOUBLE : QN_FLOAT) &&
        (a->is_double ? all_finite_f64(c->data, n) : all_finite_f32(c->data, n))) {
        a->column[f->first] = c->data;
        return QN_OK;
    }
    QN_TRY(take_buffer(ctx, a, f));
    for (int64_t r = 0; r < n; r++)
        if (!put(f->own, a->is_double, r, qn_column_number(c, r)))
            mark(a->incomplete, r, QN_ROW_MISSING);
done:
    return st;
}

static qn_status assemble_expression(qn_context *ctx, qn_assembler *a, qn_assembler_feature *f,
                                     int64_t n)
{
    qn_status st = QN_OK;

    QN_TRY(take_buffer(ctx, a, f));
    for (int32_t c = 0; c < qn_expr_n_columns(f->expr); c++)
        f->operand[c] = a->number[f->number[c]].value;
    qn_expr_evaluate(f->expr, n, f->operand, a->scratch, a->result);
    for (int64_t r = 0; r < n; r++)
        if (!put(f->own, a->is_double, r, a->result[r]))
            mark(a->incomplete, r, QN_ROW_MISSING);
done:
    return st;
}

/* Rows [first, end) of lists, at most TILE. */
static void turn_lists(const qn_assembler *a, const qn_assembler_feature *f, int64_t first,
                       int64_t end)
{
    const qn_column *c = &a->view[f->request];
    const int32_t width = f->feature->width;
    int64_t start[TILE];

    for (int64_t r = first; r < end; r++) {
        const int64_t length = (int64_t)c->offsets[r + 1] - (int64_t)c->offsets[r];

        start[r - first] = length == width && qn_is_valid(c, r) ? (int64_t)c->offsets[r] : -1;
        if (start[r - first] < 0)
            mark(a->incomplete, r, qn_is_valid(c, r) ? QN_ROW_MISFIT : QN_ROW_MISSING);
    }
    for (int32_t j = 0; j < width; j++) {
        void *column = column_of(a, f, j);

        for (int64_t r = first; r < end; r++) {
            const int64_t at = start[r - first];
            const double value = at < 0 ? (double)NAN : qn_column_item(c, at + j);

            if (!put(column, a->is_double, r, value))
                mark(a->incomplete, r, QN_ROW_MISSING);
        }
    }
}

/* Row r of a feature that cannot be made of it. */
static void put_nothing(const qn_assembler *a, const qn_assembler_feature *f, int64_t r)
{
    for (int32_t j = 0; j < f->feature->width; j++)
        put(column_of(a, f, j), a->is_double, r, (double)NAN);
}

/* libsvm: what a row does not name is 0. */
static void scatter_pairs(const qn_assembler *a, const qn_assembler_feature *f, int64_t n)
{
    const qn_column *c = &a->view[f->request], *index = &a->view[f->index_request];
    const int32_t width = f->feature->width;

    for (int32_t j = 0; j < width; j++)
        memset(column_of(a, f, j), 0, (size_t)n * qn_assembler_size(a));
    for (int64_t r = 0; r < n; r++) {
        for (int64_t i = c->offsets[r]; i < (int64_t)c->offsets[r + 1]; i++) {
            const double at = qn_column_item(index, i);

            if (!(at >= 0.0 && at < (double)width))
                mark(a->incomplete, r, QN_ROW_MISFIT);
            else if (!put(column_of(a, f, (int32_t)at), a->is_double, r, qn_column_item(c, i)))
                mark(a->incomplete, r, QN_ROW_MISSING);
        }
        if (a->incomplete[r] == QN_ROW_MISFIT)
            put_nothing(a, f, r);
    }
}

static qn_status assemble_list(qn_context *ctx, qn_assembler *a, qn_assembler_feature *f, int64_t n)
{
    qn_status st = QN_OK;

    QN_TRY(take_buffer(ctx, a, f));
    if (f->index_request >= 0)
        scatter_pairs(a, f, n);
    else
        for (int64_t r = 0; r < n; r += TILE)
            turn_lists(a, f, r, r + TILE < n ? r + TILE : n);
done:
    return st;
}

bool qn_assembler_category(const qn_assembler_feature *f, const qn_column *c, int64_t r,
                           uint32_t *place)
{
    const char *text = (const char *)c->data + c->offsets[r];
    const size_t length = c->offsets[r + 1] - c->offsets[r];
    char number[32];

    return qn_is_valid(c, r) && (qn_text_set_find(&f->category, text, length, place) ||
                                 (qn_category_of_number(text, length, number) &&
                                  qn_text_set_find(&f->category, number, strlen(number), place)));
}

static qn_status assemble_category(qn_context *ctx, qn_assembler *a, qn_assembler_feature *f,
                                   int64_t n)
{
    const qn_column *c = &a->view[f->request];
    const bool is_index = a->features->categories == QN_CATEGORIES_INDEX;
    uint32_t place = 0;
    qn_status st = QN_OK;

    QN_TRY(take_buffer(ctx, a, f));
    for (int32_t j = 0; j < f->feature->width; j++)
        memset(column_of(a, f, j), 0, (size_t)n * qn_assembler_size(a));
    for (int64_t r = 0; r < n; r++) {
        if (qn_assembler_category(f, c, r, &place)) {
            put(column_of(a, f, is_index ? 0 : (int32_t)place), a->is_double, r,
                is_index ? (double)place : 1.0);
            continue;
        }
        mark(a->incomplete, r, QN_ROW_MISSING);
        put_nothing(a, f, r);
    }
done:
    return st;
}

double qn_column_element(const qn_column *values, const qn_column *index, int64_t r,
                         int32_t element)
{
    const int64_t end = values->offsets[r + 1];
    int64_t low = values->offsets[r], high = end;

    if (!index)
        return qn_is_valid(values, r) && element < end - low ? qn_column_item(values, low + element)
                                                             : (double)NAN;
    while (low < high) { /* indices ascend */
        const int64_t middle = low + (high - low) / 2;

        if (qn_column_item(index, middle) < (double)element)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && qn_column_item(index, low) == (double)element ? qn_column_item(values, low)
                                                                      : 0.0;
}

static qn_status own_number(qn_context *ctx, const qn_assembler *a, qn_assembler_number *number)
{
    qn_status st = QN_OK;

    if (!number->own)
        QN_NEW(ctx, number->own, a->capacity, "a column of numbers");
done:
    return st;
}

static qn_status take_number(qn_context *ctx, const qn_assembler *a, qn_assembler_number *number,
                             int64_t n)
{
    const qn_column *c = &a->view[number->request];
    const qn_column *index = number->index_request < 0 ? NULL : &a->view[number->index_request];
    qn_status st = QN_OK;

    if (c->type == QN_DOUBLE && !c->validity) {
        number->value = c->data;
        return QN_OK;
    }
    QN_TRY(own_number(ctx, a, number));
    number->value = number->own;
    if (number->element < 0)
        for (int64_t r = 0; r < n; r++)
            number->own[r] = qn_column_number(c, r);
    else
        for (int64_t r = 0; r < n; r++)
            number->own[r] = qn_column_element(c, index, r, number->element);
done:
    return st;
}

/* Label or weight: what cannot be used becomes NaN. */
static qn_status check_number(qn_context *ctx, qn_assembler *a, int32_t which, int64_t n)
{
    qn_assembler_number *number;
    const bool is_weight = which == a->weight;
    bool is_good = true;
    qn_status st = QN_OK;

    if (which < 0)
        return QN_OK;
    number = &a->number[which];
    for (int64_t r = 0; r < n && is_good; r++)
        is_good = is_finite(number->value[r]) && (!is_weight || number->value[r] >= 0.0);
    if (is_good)
        return QN_OK;
    QN_TRY(own_number(ctx, a, number));
    for (int64_t r = 0; r < n; r++) {
        const double value = number->value[r];

        number->own[r] = value;
        if (!is_finite(value) || (is_weight && value < 0.0)) {
            number->own[r] = (double)NAN;
            mark(a->incomplete, r, QN_ROW_MISSING);
        }
    }
    number->value = number->own;
done:
    return st;
}

/* Buffers for a batch that is larger than those before. */
static qn_status make_room(qn_context *ctx, qn_assembler *a, int64_t n)
{
    int64_t scratch = 1;
    qn_status st = QN_OK;

    if (n <= a->capacity)
        return QN_OK;
    a->capacity = 0;
    for (int32_t i = 0; i < a->features->n; i++) {
        qn_assembler_feature *f = &a->feature[i];
        const int64_t needed = f->expr ? qn_expr_scratch(f->expr, n) : 0;

        qn_free(f->own);
        f->own = NULL;
        scratch = needed > scratch ? needed : scratch;
    }
    for (int32_t i = 0; i < a->n_numbers; i++) {
        qn_free(a->number[i].own);
        a->number[i].own = NULL;
    }
    QN_GROW(ctx, a->incomplete, n, "rows of features");
    QN_GROW(ctx, a->result, n, "rows of features");
    QN_GROW(ctx, a->scratch, scratch, "rows of expressions");
    a->capacity = n;
done:
    return st;
}

static qn_status assemble_feature(qn_context *ctx, qn_assembler *a, qn_assembler_feature *f,
                                  int64_t n)
{
    switch (f->feature->kind) {
    case QN_FEATURE_COLUMN:
        return assemble_column(ctx, a, f, n);
    case QN_FEATURE_EXPRESSION:
        return assemble_expression(ctx, a, f, n);
    case QN_FEATURE_LIST:
        return assemble_list(ctx, a, f, n);
    default:
        return assemble_category(ctx, a, f, n);
    }
}

/* Values as the matrix holds them, times the model's factors: so a row is the same whether it is
 * scaled while it is read or when all rows have been. */
static qn_status scale_feature(qn_context *ctx, qn_assembler *a, qn_assembler_feature *f, int64_t n)
{
    const double *scale = f->feature->scale;
    qn_status st = QN_OK;

    if (!scale)
        return QN_OK;
    if (a->column[f->first] != f->own) { /* a column that was taken as it lies */
        const void *raw = a->column[f->first];

        QN_TRY(take_buffer(ctx, a, f));
        memcpy(f->own, raw, (size_t)n * qn_assembler_size(a));
    }
    for (int32_t j = 0; j < f->feature->width; j++) {
        void *column = column_of(a, f, j);

        for (int64_t r = 0; r < n; r++) {
            const double value =
                a->is_double ? ((const double *)column)[r] : (double)((const float *)column)[r];

            if (!put(column, a->is_double, r, value * scale[j]))
                mark(a->incomplete, r, QN_ROW_MISSING);
        }
    }
done:
    return st;
}

static void count_incomplete(qn_assembled *out)
{
    for (int64_t r = 0; r < out->n_rows; r++) {
        out->n_incomplete += out->incomplete[r] != 0;
        out->n_misfits += out->incomplete[r] == QN_ROW_MISFIT;
    }
}

qn_status qn_assemble(qn_context *ctx, qn_assembler *a, const qn_batch *batch, qn_assembled *out)
{
    const int64_t n = batch->n_rows;
    qn_status st = QN_OK;

    *out = (qn_assembled){0};
    QN_TRY(make_room(ctx, a, n));
    for (int32_t i = 0; i < a->n_requests; i++)
        a->view[i] = batch->columns[i];
    memset(a->incomplete, 0, (size_t)n);
    for (int32_t i = 0; i < a->n_numbers; i++)
        QN_TRY(take_number(ctx, a, &a->number[i], n));
    for (int32_t i = 0; i < a->features->n; i++)
        QN_TRY(assemble_feature(ctx, a, &a->feature[i], n));
    for (int32_t i = 0; i < a->features->n; i++)
        QN_TRY(scale_feature(ctx, a, &a->feature[i], n));
    /* After the expressions, which may read the same columns. */
    QN_TRY(check_number(ctx, a, a->label, n));
    QN_TRY(check_number(ctx, a, a->weight, n));
    *out = (qn_assembled){.n_rows = n,
                          .column = a->column,
                          .label = a->label < 0 ? NULL : a->number[a->label].value,
                          .weight = a->weight < 0 ? NULL : a->number[a->weight].value,
                          .incomplete = a->incomplete};
    count_incomplete(out);
done:
    return st;
}
