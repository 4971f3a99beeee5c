#include "data/arrow_type.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static qn_arrow_kind scalar_kind(const char *format)
{
    static const struct {
        const char *format;
        qn_arrow_kind kind;
    } kinds[] = {
        {"n", QN_ARROW_NULL},     {"b", QN_ARROW_BOOL},       {"c", QN_ARROW_INT8},
        {"C", QN_ARROW_UINT8},    {"s", QN_ARROW_INT16},      {"S", QN_ARROW_UINT16},
        {"i", QN_ARROW_INT32},    {"I", QN_ARROW_UINT32},     {"l", QN_ARROW_INT64},
        {"L", QN_ARROW_UINT64},   {"f", QN_ARROW_FLOAT},      {"g", QN_ARROW_DOUBLE},
        {"u", QN_ARROW_TEXT},     {"U", QN_ARROW_LARGE_TEXT}, {"vu", QN_ARROW_TEXT_VIEW},
        {"tdD", QN_ARROW_DATE32}, {"tdm", QN_ARROW_TIME64},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(format, kinds[i].format) == 0)
            return kinds[i].kind;
    if (strncmp(format, "ts", 2) == 0 && format[2] && strchr("smun", format[2]))
        return QN_ARROW_TIME64;
    return QN_ARROW_OTHER;
}

static bool is_text(qn_arrow_kind kind)
{
    return kind == QN_ARROW_TEXT || kind == QN_ARROW_LARGE_TEXT || kind == QN_ARROW_TEXT_VIEW;
}

static bool is_number(qn_arrow_kind kind)
{
    return kind >= QN_ARROW_BOOL && kind <= QN_ARROW_DOUBLE;
}

static bool is_list(qn_arrow_kind kind)
{
    return kind >= QN_ARROW_LIST;
}

static int64_t ticks_of(const char *format)
{
    switch (format[1] == 'd' ? 'm' : format[2]) {
    case 's':
        return 1;
    case 'm':
        return 1000;
    case 'u':
        return 1000000;
    default:
        return 1000000000;
    }
}

static qn_arrow_kind list_kind(const char *format, int64_t *length)
{
    if (strcmp(format, "+l") == 0)
        return QN_ARROW_LIST;
    if (strcmp(format, "+L") == 0)
        return QN_ARROW_LARGE_LIST;
    if (strncmp(format, "+w:", 3) == 0) {
        *length = strtoll(format + 3, NULL, 10);
        return *length >= 0 ? QN_ARROW_FIXED_LIST : QN_ARROW_OTHER;
    }
    return QN_ARROW_OTHER;
}

qn_arrow_type qn_arrow_type_of(const struct ArrowSchema *schema)
{
    qn_arrow_type type = {.kind = scalar_kind(schema->format)};
    int precision = 0, scale = 0, bits = 128;

    if (type.kind == QN_ARROW_TIME64)
        type.per_second = ticks_of(schema->format);
    if (strncmp(schema->format, "d:", 2) == 0 &&
        sscanf(schema->format + 2, "%d,%d,%d", &precision, &scale, &bits) >= 2 && bits == 128 &&
        scale >= 0 && scale <= 38) {
        type.kind = QN_ARROW_DECIMAL;
        type.scale = scale;
    }
    if (schema->format[0] == '+') {
        type.kind = list_kind(schema->format, &type.length);
        if (type.kind != QN_ARROW_OTHER && schema->n_children == 1)
            type.child = scalar_kind(schema->children[0]->format);
        if (!is_number(type.child) || schema->children[0]->dictionary)
            type.kind = QN_ARROW_OTHER;
    }
    if (schema->dictionary) {
        type.is_dictionary = true;
        type.child = scalar_kind(schema->dictionary->format);
        if (!is_text(type.child) || !is_number(type.kind))
            type.kind = QN_ARROW_OTHER;
    }
    return type;
}

qn_type qn_arrow_column_type(const qn_arrow_type *type)
{
    if (type->is_dictionary)
        return QN_TEXT;
    switch (type->kind) {
    case QN_ARROW_NULL:
    case QN_ARROW_UINT64:
    case QN_ARROW_DOUBLE:
    case QN_ARROW_DECIMAL:
        return QN_DOUBLE;
    case QN_ARROW_BOOL:
    case QN_ARROW_INT8:
    case QN_ARROW_UINT8:
    case QN_ARROW_INT16:
    case QN_ARROW_UINT16:
    case QN_ARROW_INT32:
        return QN_INT32;
    case QN_ARROW_UINT32:
    case QN_ARROW_INT64:
        return QN_INT64;
    case QN_ARROW_FLOAT:
        return QN_FLOAT;
    case QN_ARROW_DATE32:
    case QN_ARROW_TIME64:
        return QN_TIME;
    case QN_ARROW_LIST:
    case QN_ARROW_LARGE_LIST:
    case QN_ARROW_FIXED_LIST:
        return type->child == QN_ARROW_FLOAT ? QN_FLOAT_LIST : QN_DOUBLE_LIST;
    default:
        return QN_TEXT;
    }
}

bool qn_arrow_array_fits(const qn_arrow_type *type, const struct ArrowArray *array)
{
    const qn_arrow_kind kind = type->kind;
    const int64_t n_buffers = kind == QN_ARROW_NULL         ? 0
                              : kind == QN_ARROW_FIXED_LIST ? 1
                              : is_text(kind)               ? 3
                                                            : 2;

    if (kind == QN_ARROW_OTHER)
        return true;
    if (array->length < 0 || array->offset < 0 || array->n_buffers < n_buffers)
        return false;
    if (is_list(kind) && (array->n_children != 1 || array->children[0]->n_buffers < 2))
        return false;
    return !type->is_dictionary || (array->dictionary && array->dictionary->n_buffers >= 3);
}

bool qn_arrow_is_valid(const struct ArrowArray *array, int64_t i)
{
    const uint8_t *bits = array->n_buffers > 0 ? array->buffers[0] : NULL;

    i += array->offset;
    return array->null_count == 0 || !bits || ((bits[i >> 3] >> (i & 7)) & 1);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t qn_arrow_int(const qn_arrow_type *type, const struct ArrowArray *array, int64_t i)
{
    const void *values = array->buffers[1];

    i += array->offset;
    switch (type->kind) {
    case QN_ARROW_BOOL:
        return (((const uint8_t *)values)[i >> 3] >> (i & 7)) & 1;
    case QN_ARROW_INT8:
        return ((const int8_t *)values)[i];
    case QN_ARROW_UINT8:
        return ((const uint8_t *)values)[i];
    case QN_ARROW_INT16:
        return ((const int16_t *)values)[i];
    case QN_ARROW_UINT16:
        return ((const uint16_t *)values)[i];
    case QN_ARROW_INT32:
        return ((const int32_t *)values)[i];
    case QN_ARROW_UINT32:
        return ((const uint32_t *)values)[i];
    case QN_ARROW_DATE32:
        return (int64_t)((const int32_t *)values)[i] * 86400;
    case QN_ARROW_TIME64:
        return floor_div(((const int64_t *)values)[i], type->per_second);
    default:
        return ((const int64_t *)values)[i];
    }
}

double qn_arrow_real(qn_arrow_kind kind, const struct ArrowArray *array, int64_t i)
{
    const void *values = array->buffers[1];

    switch (kind) {
    case QN_ARROW_FLOAT:
        return (double)((const float *)values)[i + array->offset];
    case QN_ARROW_DOUBLE:
        return ((const double *)values)[i + array->offset];
    case QN_ARROW_UINT64:
        return (double)((const uint64_t *)values)[i + array->offset];
    default:
        return (double)qn_arrow_int(&(qn_arrow_type){.kind = kind}, array, i);
    }
}

/* The digits of a 128-bit decimal with its point. */
static size_t decimal_text(const void *values, int64_t i, int32_t scale, char out[QN_ARROW_SCRATCH])
{
    unsigned __int128 magnitude;
    __int128 value;
    char digits[48];
    int32_t n = 0;
    size_t used = 0;

    memcpy(&value, (const char *)values + i * 16, sizeof value);
    magnitude = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
    do {
        digits[n++] = (char)('0' + (int)(magnitude % 10));
        magnitude /= 10;
    } while (magnitude > 0 || n <= scale);
    if (value < 0)
        out[used++] = '-';
    while (n > 0) {
        if (n == scale)
            out[used++] = '.';
        out[used++] = digits[--n];
    }
    return used;
}

static size_t time_text(const qn_arrow_type *type, int64_t seconds, char out[QN_ARROW_SCRATCH])
{
    const int64_t days = floor_div(seconds, 86400), rest = seconds - days * 86400;
    int32_t year, month, day;

    qn_date_from_days(days, &year, &month, &day);
    if (type->kind == QN_ARROW_DATE32)
        return (size_t)snprintf(out, QN_ARROW_SCRATCH, "%04d-%02d-%02d", year, month, day);
    return (size_t)snprintf(out, QN_ARROW_SCRATCH, "%04d-%02d-%02d %02d:%02d:%02d", year, month,
                            day, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
}

/* A text of one of the three layouts; i with the array's offset. */
static const char *stored_text(qn_arrow_kind kind, const struct ArrowArray *array, int64_t i,
                               size_t *length)
{
    const char *bytes = array->buffers[2];

    if (kind == QN_ARROW_TEXT) {
        const int32_t *offset = (const int32_t *)array->buffers[1] + i;

        *length = (size_t)(offset[1] - offset[0]);
        return bytes + offset[0];
    }
    if (kind == QN_ARROW_LARGE_TEXT) {
        const int64_t *offset = (const int64_t *)array->buffers[1] + i;

        *length = (size_t)(offset[1] - offset[0]);
        return bytes + offset[0];
    }
    /* Views: length; up to 12 bytes in place, or 4 of them, the number and offset of a buffer. */
    const char *view = (const char *)array->buffers[1] + i * 16;
    int32_t n, buffer, offset;

    memcpy(&n, view, 4);
    *length = (size_t)n;
    if (n <= 12)
        return view + 4;
    memcpy(&buffer, view + 8, 4);
    memcpy(&offset, view + 12, 4);
    return (const char *)array->buffers[2 + buffer] + offset;
}

const char *qn_arrow_text(const qn_arrow_type *type, const struct ArrowArray *array, int64_t i,
                          char scratch[QN_ARROW_SCRATCH], size_t *length)
{
    if (type->is_dictionary) {
        const struct ArrowArray *texts = array->dictionary;

        return stored_text(type->child, texts, qn_arrow_int(type, array, i) + texts->offset,
                           length);
    }
    if (is_text(type->kind))
        return stored_text(type->kind, array, i + array->offset, length);
    if (type->kind == QN_ARROW_DECIMAL) {
        *length = decimal_text(array->buffers[1], i + array->offset, type->scale, scratch);
    } else if (type->kind == QN_ARROW_DATE32 || type->kind == QN_ARROW_TIME64) {
        *length = time_text(type, qn_arrow_int(type, array, i), scratch);
    } else if (type->kind == QN_ARROW_UINT64) {
        const uint64_t value = ((const uint64_t *)array->buffers[1])[i + array->offset];

        *length = (size_t)snprintf(scratch, QN_ARROW_SCRATCH, "%llu", (unsigned long long)value);
    } else if (type->kind == QN_ARROW_FLOAT) {
        qn_format_float(((const float *)array->buffers[1])[i + array->offset], scratch);
        *length = strlen(scratch);
    } else if (type->kind == QN_ARROW_DOUBLE) {
        qn_format_double(((const double *)array->buffers[1])[i + array->offset], scratch);
        *length = strlen(scratch);
    } else {
        *length = (size_t)snprintf(scratch, QN_ARROW_SCRATCH, "%lld",
                                   (long long)qn_arrow_int(type, array, i));
    }
    return scratch;
}

void qn_arrow_list(const qn_arrow_type *type, const struct ArrowArray *array, int64_t i,
                   int64_t *first, int64_t *n)
{
    i += array->offset;
    if (type->kind == QN_ARROW_FIXED_LIST) {
        *first = i * type->length;
        *n = type->length;
    } else if (type->kind == QN_ARROW_LIST) {
        const int32_t *offset = (const int32_t *)array->buffers[1] + i;

        *first = offset[0];
        *n = offset[1] - offset[0];
    } else {
        const int64_t *offset = (const int64_t *)array->buffers[1] + i;

        *first = offset[0];
        *n = offset[1] - offset[0];
    }
}
