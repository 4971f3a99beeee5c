/* One column of a batch: values in, of any carrier, by the type that was asked for. */
#include "data/fill_column.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"

/* 0 or what is wrong, as in qn_verdict.reject. */
#define FINE  0
#define TYPE  ((uint8_t)(QN_REJECT_TYPE + 1))
#define RANGE ((uint8_t)(QN_REJECT_RANGE + 1))
#define EMPTY ((uint8_t)(QN_REJECT_NULL + 1))

static bool is_variable(qn_type type)
{
    return type == QN_TEXT || type == QN_FLOAT_LIST || type == QN_DOUBLE_LIST;
}

static size_t type_width(qn_type type)
{
    static const size_t widths[] = {
        [QN_INT32] = 4, [QN_INT64] = 8, [QN_FLOAT] = 4,      [QN_DOUBLE] = 8,
        [QN_TEXT] = 1,  [QN_TIME] = 8,  [QN_FLOAT_LIST] = 4, [QN_DOUBLE_LIST] = 8,
    };

    return widths[type];
}

qn_status qn_fill_column_init(qn_context *ctx, qn_fill_column *column,
                              const qn_column_request *request, int64_t rows)
{
    qn_status st = QN_OK;

    column->type = request->type;
    column->nullable = request->nullable;
    column->lenient = request->lenient && request->nullable && !is_variable(request->type);
    column->max_size = request->max_size;
    column->width = type_width(request->type);
    column->capacity = is_variable(request->type) ? 4096 : rows;
    QN_TRY(qn_alloc_array(ctx, (void **)&column->data, column->capacity, column->width,
                          "a column being read"));
    if (is_variable(request->type)) {
        QN_NEW(ctx, column->offsets, rows + 1, "a column being read");
        column->offsets[0] = 0;
    }
    if (request->nullable)
        QN_NEW0(ctx, column->validity, (rows + 63) / 64, "a column being read");
done:
    return st;
}

void qn_fill_column_release(qn_fill_column *column)
{
    qn_free(column->data);
    qn_free(column->offsets);
    qn_free(column->validity);
}

/* Of the reasons that a row has the first of malformed, missing, out of range counts, whatever the
 * order of the columns. */
static void judge(qn_verdict *verdict, uint8_t reject, int32_t column)
{
    const uint8_t old = verdict->reject;

    if (reject != FINE && (old == FINE || (old == RANGE && reject != RANGE) ||
                           (old == EMPTY && reject != RANGE && reject != EMPTY)))
        *verdict = (qn_verdict){reject, column};
}

/* One value into place `i` of `data`, by the type wanted. */
static uint8_t put_int(qn_type type, int64_t value, char *data, int64_t i)
{
    switch (type) {
    case QN_INT32:
        ((int32_t *)data)[i] = (int32_t)value;
        return value < INT32_MIN || value > INT32_MAX ? RANGE : FINE;
    case QN_FLOAT:
        ((float *)data)[i] = (float)value;
        return FINE;
    case QN_DOUBLE:
        ((double *)data)[i] = (double)value;
        return FINE;
    default:
        ((int64_t *)data)[i] = value;
        return FINE;
    }
}

static uint8_t put_real(qn_type type, double value, char *data, int64_t i)
{
    switch (type) {
    case QN_FLOAT:
        /* A finite number that floats cannot hold; infinities and NaN are the caller's to judge. */
        if (fabs(value) > (double)FLT_MAX && !isinf(value))
            return RANGE;
        ((float *)data)[i] = (float)value;
        return FINE;
    case QN_DOUBLE:
        ((double *)data)[i] = value;
        return FINE;
    default:
        if (!(value == floor(value)) || isinf(value))
            return TYPE;
        if (!(value >= -0x1p63 && value < 0x1p63))
            return RANGE;
        return put_int(type, (int64_t)value, data, i);
    }
}

static uint8_t put_text(qn_type type, const char *text, size_t length, char *data, int64_t i)
{
    double real;
    int64_t whole;

    if (type == QN_TIME)
        return qn_parse_time(text, length, (int64_t *)data + i) ? FINE : TYPE;
    if (type == QN_INT32 || type == QN_INT64) {
        if (qn_parse_int64(text, length, &whole))
            return put_int(type, whole, data, i);
        return qn_parse_double(text, length, &real) && fabs(real) >= 0x1p63 && !isinf(real) ? RANGE
                                                                                            : TYPE;
    }
    return qn_parse_double(text, length, &real) ? put_real(type, real, data, i) : TYPE;
}

static int64_t seconds_of(int64_t micros)
{
    return micros / 1000000 - (micros % 1000000 < 0);
}

/* Fixed-width values; missing ones were noted before and are left as zero. */
static void append_fixed(qn_fill_column *column, int32_t number, const qn_run *run, int64_t row,
                         int64_t n, const uint64_t *present, qn_verdict *verdict)
{
    const void *values = run->values;

    for (int64_t i = 0; i < n; i++) {
        uint8_t reject = FINE;

        if (present && !((present[i >> 6] >> (i & 63)) & 1)) {
            put_int(column->type, 0, column->data, row + i);
            continue;
        }
        switch (column->carrier) {
        case QN_CARRIER_INT32:
            reject = put_int(column->type, ((const int32_t *)values)[i], column->data, row + i);
            break;
        case QN_CARRIER_INT64:
            reject = put_int(column->type, ((const int64_t *)values)[i], column->data, row + i);
            break;
        case QN_CARRIER_MICROS:
            reject = put_int(column->type, seconds_of(((const int64_t *)values)[i]), column->data,
                             row + i);
            break;
        case QN_CARRIER_FLOAT:
            reject = put_real(column->type, ((const float *)values)[i], column->data, row + i);
            break;
        case QN_CARRIER_DOUBLE:
            reject = put_real(column->type, ((const double *)values)[i], column->data, row + i);
            break;
        default: {
            size_t length;
            const char *text = run->text(values, i, &length);

            reject = put_text(column->type, text, length, column->data, row + i);
            break;
        }
        }
        judge(&verdict[i], reject, number);
    }
}

/* Room for `more` values behind those in use. */
static qn_status column_reserve(qn_context *ctx, qn_fill_column *column, int64_t more)
{
    int64_t capacity = column->capacity;
    qn_status st;

    if (more > (int64_t)UINT32_MAX - column->used)
        return qn_fail(ctx, QN_EDATA, "values of 4 billion bytes in one batch of rows");
    if (column->used + more <= capacity)
        return QN_OK;
    while (capacity < column->used + more)
        capacity *= 2;
    st = qn_realloc_array(ctx, (void **)&column->data, capacity, column->width,
                          "a column being read");
    if (st == QN_OK)
        column->capacity = capacity;
    return st;
}

static qn_status append_texts(qn_context *ctx, qn_fill_column *column, const qn_run *run,
                              int64_t row, int64_t n, const uint64_t *present)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n && st == QN_OK; i++) {
        const bool is_there = !present || ((present[i >> 6] >> (i & 63)) & 1);
        size_t length = 0;
        const char *text = is_there ? run->text(run->values, i, &length) : NULL;

        st = column_reserve(ctx, column, (int64_t)length);
        if (st == QN_OK && length > 0)
            memcpy(column->data + column->used, text, length);
        column->used += st == QN_OK ? (int64_t)length : 0;
        column->offsets[row + i + 1] = (uint32_t)column->used;
    }
    return st;
}

/* Whether all of values [first, first + n) are present. */
static bool all_present(const uint64_t *present, uint64_t first, uint64_t n)
{
    for (uint64_t i = first; present && i < first + n; i++)
        if (!((present[i >> 6] >> (i & 63)) & 1))
            return false;
    return true;
}

static qn_status append_lists(qn_context *ctx, qn_fill_column *column, int32_t number,
                              const qn_run *run, int64_t row, int64_t n, const uint64_t *present,
                              qn_verdict *verdict)
{
    const char *values = run->child;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n && st == QN_OK; i++) {
        const bool is_there = !present || ((present[i >> 6] >> (i & 63)) & 1);
        uint64_t first = 0, length = 0;

        if (is_there)
            run->list(run->values, i, &first, &length);

        st = column_reserve(ctx, column, (int64_t)length);
        if (st == QN_OK && length > 0)
            memcpy(column->data + (size_t)column->used * column->width,
                   values + first * column->width, length * column->width);
        if (length > 0 && !all_present(run->child_present, first, length))
            judge(&verdict[i], EMPTY, number);
        column->used += st == QN_OK ? (int64_t)length : 0;
        column->offsets[row + i + 1] = (uint32_t)column->used;
    }
    return st;
}

/* Notes missing values: in the validity where the column may lack some, else as rejects. */
static void append_validity(qn_fill_column *column, int32_t number, int64_t row, int64_t n,
                            const uint64_t *present, qn_verdict *verdict)
{
    for (int64_t i = 0; i < n; i++) {
        const bool is_there = !present || ((present[i >> 6] >> (i & 63)) & 1);
        const uint64_t bit = UINT64_C(1) << ((row + i) & 63);

        if (!column->nullable) {
            if (!is_there)
                judge(&verdict[i], EMPTY, number);
        } else if (is_there) {
            column->validity[(row + i) >> 6] |= bit;
        } else {
            column->validity[(row + i) >> 6] &= ~bit;
            column->has_null = true;
        }
    }
}

/* Nothing to convert and nothing missing. */
static bool is_plain(const qn_fill_column *column)
{
    switch (column->carrier) {
    case QN_CARRIER_INT32:
        return column->type == QN_INT32;
    case QN_CARRIER_INT64:
        return column->type == QN_INT64 || column->type == QN_TIME;
    case QN_CARRIER_FLOAT:
        return column->type == QN_FLOAT;
    case QN_CARRIER_DOUBLE:
        return column->type == QN_DOUBLE;
    default:
        return false;
    }
}

bool qn_fill_column_can_reject(const qn_fill_column *column)
{
    return !is_plain(column) || column->max_size > 0.0;
}

void qn_fill_column_drop(qn_fill_column *column, int64_t row)
{
    memset(column->data + (size_t)row * column->width, 0, column->width);
    column->validity[row >> 6] &= ~(UINT64_C(1) << (row & 63));
    column->has_null = true;
}

/* Rejects what is no number, or larger than the caller can use. */
static void append_limit(const qn_fill_column *column, int32_t number, int64_t row, int64_t n,
                         const uint64_t *present, qn_verdict *verdict)
{
    if (column->max_size <= 0.0 || (column->type != QN_FLOAT && column->type != QN_DOUBLE))
        return;
    for (int64_t i = 0; i < n; i++) {
        const double value = column->type == QN_FLOAT
                                 ? (double)((const float *)(const void *)column->data)[row + i]
                                 : ((const double *)(const void *)column->data)[row + i];
        const bool is_there = !present || ((present[i >> 6] >> (i & 63)) & 1);

        if (is_there && !(fabs(value) <= column->max_size))
            judge(&verdict[i], RANGE, number);
    }
}

qn_status qn_fill_column_append(qn_context *ctx, qn_fill_column *column, int32_t number,
                                const qn_run *run, int64_t row, int64_t n, qn_verdict *verdict)
{
    const uint64_t *present = run->present;

    if (present || column->nullable)
        append_validity(column, number, row, n, present, verdict);
    if (column->type == QN_TEXT)
        return append_texts(ctx, column, run, row, n, present);
    if (column->carrier == QN_CARRIER_LIST)
        return append_lists(ctx, column, number, run, row, n, present, verdict);
    if (!present && is_plain(column))
        memcpy(column->data + (size_t)row * column->width, run->values, (size_t)n * column->width);
    else
        append_fixed(column, number, run, row, n, present, verdict);
    append_limit(column, number, row, n, present, verdict);
    return QN_OK;
}

static void move_value(qn_fill_column *column, int64_t from, int64_t to)
{
    const size_t width = column->width;

    if (column->offsets) {
        const uint32_t start = column->offsets[from], end = column->offsets[from + 1];

        memmove(column->data + column->offsets[to] * width, column->data + start * width,
                (end - start) * width);
        column->offsets[to + 1] = column->offsets[to] + (end - start);
    } else {
        memmove(column->data + (size_t)to * width, column->data + (size_t)from * width, width);
    }
    if (column->validity) {
        const uint64_t bit = (column->validity[from >> 6] >> (from & 63)) & 1;

        column->validity[to >> 6] &= ~(UINT64_C(1) << (to & 63));
        column->validity[to >> 6] |= bit << (to & 63);
    }
}

void qn_fill_column_compact(qn_fill_column *column, int64_t row, int64_t n,
                            const qn_verdict *verdict)
{
    int64_t to = row;

    for (int64_t i = 0; i < n; i++)
        if (!verdict[i].reject)
            move_value(column, row + i, to++);
    if (column->offsets)
        column->used = column->offsets[to];
}

size_t qn_fill_value_text(const qn_fill_column *column, const qn_run *run, int64_t i,
                          char text[QN_REJECT_TEXT])
{
    const void *values = run->values;
    const uint64_t *present = run->present;
    const char *string;
    size_t length;

    *text = '\0';
    if (present && !((present[i >> 6] >> (i & 63)) & 1))
        return 0;
    switch (column->carrier) {
    case QN_CARRIER_INT32:
        return (size_t)snprintf(text, QN_REJECT_TEXT, "%d", ((const int32_t *)values)[i]);
    case QN_CARRIER_INT64:
    case QN_CARRIER_MICROS:
        return (size_t)snprintf(text, QN_REJECT_TEXT, "%lld",
                                (long long)((const int64_t *)values)[i]);
    case QN_CARRIER_FLOAT:
        qn_format_float(((const float *)values)[i], text);
        return strlen(text);
    case QN_CARRIER_DOUBLE:
        qn_format_double(((const double *)values)[i], text);
        return strlen(text);
    case QN_CARRIER_TEXT:
        string = run->text(values, i, &length);
        length = length < QN_REJECT_TEXT ? length : QN_REJECT_TEXT - 1;
        memcpy(text, string, length);
        return length;
    default:
        return (size_t)snprintf(text, QN_REJECT_TEXT, "a list with missing values");
    }
}

qn_column qn_fill_column_view(const qn_fill_column *column)
{
    return (qn_column){.type = column->type,
                       .data = column->data,
                       .offsets = column->offsets,
                       .validity = column->has_null ? column->validity : NULL};
}
