/* From the text of a cell to a value in a column. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "data/text_number.h"
#include "data/text_source.h"

/* Digits that can matter for the rounding of a float; one more says whether any follow. */
#define MAX_DIGITS 160

/* [+-], at most 18 digits. */
static bool plain_integer(const char *text, size_t length, int64_t *value)
{
    const char *end = text + length;
    const bool is_negative = length > 0 && *text == '-';
    int64_t sum = 0;

    if (length > 0 && (*text == '-' || *text == '+'))
        text++;
    if (end - text < 1 || end - text > 18)
        return false;
    for (; text < end; text++) {
        const unsigned digit = (unsigned char)*text - (unsigned)'0';

        if (digit > 9)
            return false;
        sum = sum * 10 + (int64_t)digit;
    }
    *value = is_negative ? -sum : sum;
    return true;
}

/* By the C library in the C locale. The text is known to be a number. */
static bool float_of_digits(const char *text, size_t length, float *value)
{
    const char *end = text + length;
    char copy[MAX_DIGITS + 32];
    size_t n = 0;
    int64_t exponent = 0, written = 0;
    bool has_point = false, is_more = false;
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);

    if (!c_locale)
        return false;
    if (*text == '-' || *text == '+')
        copy[n++] = *text++;
    const size_t first = n;
    for (; text < end && (*text == '.' || (*text >= '0' && *text <= '9')); text++) {
        if (*text == '.') {
            has_point = true;
            continue;
        }
        exponent -= has_point;
        if (n == first && *text == '0')
            continue;
        if (n < MAX_DIGITS) {
            copy[n++] = *text;
        } else {
            is_more = is_more || *text != '0';
            exponent++;
        }
    }
    if (is_more) {
        copy[n++] = '1';
        exponent--;
    }
    if (text < end && qn_parse_int64(text + 1, (size_t)(end - text - 1), &written))
        exponent += written;
    else if (text < end)
        exponent = text[1] == '-' ? -100000 : 100000;
    exponent = exponent > 100000 ? 100000 : exponent < -100000 ? -100000 : exponent;
    snprintf(copy + n, sizeof copy - n, "e%d", (int)exponent);
    *value = strtof_l(copy, NULL, c_locale);
    freelocale(c_locale);
    return true;
}

bool qn_text_parse_float(const char *text, size_t length, float *value)
{
    double wide;

    if (qn_text_real_float(text, length, value))
        return true;
    if (!qn_parse_double(text, length, &wide))
        return false;
    *value = (float)wide;
    return !isfinite(wide) || wide == 0.0 || float_of_digits(text, length, value);
}

bool qn_text_is_numeric(const char *text, size_t length, bool is_integer)
{
    size_t i = 0, digits = 0;

    if (i < length && (text[i] == '-' || text[i] == '+'))
        i++;
    for (; i < length && text[i] >= '0' && text[i] <= '9'; i++)
        digits++;
    if (digits == 0)
        return false;
    if (i < length && text[i] == '.') {
        i++;
        while (i < length && (is_integer ? text[i] == '0' : text[i] >= '0' && text[i] <= '9'))
            i++;
    }
    if (!is_integer && i + 1 < length && (text[i] | 32) == 'e') {
        i += text[i + 1] == '-' || text[i + 1] == '+' ? 2 : 1;
        while (i < length && text[i] >= '0' && text[i] <= '9')
            i++;
    }
    return i == length;
}

static qn_reject_kind value_int64(const qn_text_field *cell, int64_t *value)
{
    if (plain_integer(cell->text, cell->length, value) ||
        qn_parse_int64(cell->text, cell->length, value))
        return QN_REJECT_KINDS;
    return qn_text_is_numeric(cell->text, cell->length, true) ? QN_REJECT_RANGE : QN_REJECT_TYPE;
}

static qn_reject_kind value_int32(const qn_text_field *cell, int32_t *value)
{
    int64_t wide = 0;
    const qn_reject_kind kind = value_int64(cell, &wide);

    if (kind != QN_REJECT_KINDS)
        return kind;
    if (wide < INT32_MIN || wide > INT32_MAX)
        return QN_REJECT_RANGE;
    *value = (int32_t)wide;
    return QN_REJECT_KINDS;
}

static qn_reject_kind value_double(const qn_text_field *cell, double *value)
{
    if (qn_text_real_double(cell->text, cell->length, value) ||
        qn_parse_double(cell->text, cell->length, value))
        return QN_REJECT_KINDS;
    return qn_text_is_numeric(cell->text, cell->length, false) ? QN_REJECT_RANGE : QN_REJECT_TYPE;
}

static qn_reject_kind value_float(const qn_text_field *cell, float *value)
{
    if (!qn_text_parse_float(cell->text, cell->length, value))
        return qn_text_is_numeric(cell->text, cell->length, false) ? QN_REJECT_RANGE
                                                                   : QN_REJECT_TYPE;
    if (isinf(*value) && qn_text_is_numeric(cell->text, cell->length, false))
        return QN_REJECT_RANGE;
    return QN_REJECT_KINDS;
}

static qn_reject_kind value_time(const qn_text_field *cell, int64_t *value)
{
    return qn_parse_time(cell->text, cell->length, value) ? QN_REJECT_KINDS : QN_REJECT_TYPE;
}

/* Length of the well-formed UTF-8 character at text, 0 if there is none. */
static size_t utf8_length(const unsigned char *text, size_t n)
{
    const unsigned char lead = text[0];
    const size_t length = lead < 0x80   ? 1
                          : lead < 0xc2 ? 0
                          : lead < 0xe0 ? 2
                          : lead < 0xf0 ? 3
                          : lead < 0xf5 ? 4
                                        : 0;

    if (length == 0 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f) ||
        (lead == 0xf0 && text[1] < 0x90) || (lead == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

static bool has_high_byte(const char *text, size_t n)
{
    unsigned char all = 0;

    for (size_t i = 0; i < n; i++)
        all |= (unsigned char)text[i];
    return all >= 0x80;
}

/* Copies; doubled quotes become one if `has_escapes`, bytes that are no UTF-8 their Latin-1
 * character. */
static size_t copy_text(const qn_text_field *cell, char *out)
{
    const unsigned char *in = (const unsigned char *)cell->text;
    const size_t n = cell->length;
    size_t used = 0;

    if (!cell->has_escapes && !has_high_byte(cell->text, n)) {
        memcpy(out, cell->text, n);
        return n;
    }
    for (size_t i = 0; i < n;) {
        const size_t length = utf8_length(in + i, n - i);

        if (length == 0) {
            out[used++] = (char)(0xc0 | in[i] >> 6);
            out[used++] = (char)(0x80 | (in[i] & 0x3f));
            i++;
            continue;
        }
        memcpy(out + used, in + i, length);
        used += length;
        i += length;
        if (cell->has_escapes && in[i - 1] == '"' && i < n && in[i] == '"')
            i++;
    }
    return used;
}

static void value_missing(qn_text_column *c, int64_t row)
{
    c->validity[row >> 6] &= ~((uint64_t)1 << (row & 63));
    c->has_missing = true;
    switch (c->type) {
    case QN_INT32:
    case QN_FLOAT:
        memset((char *)c->values + 4 * row, 0, 4);
        break;
    case QN_TEXT:
    case QN_FLOAT_LIST:
    case QN_DOUBLE_LIST:
        c->offsets[row + 1] = (uint32_t)c->used;
        break;
    default:
        memset((char *)c->values + 8 * row, 0, 8);
    }
}

static qn_reject_kind value_text(qn_text_column *c, int64_t row, const qn_text_field *cell)
{
    c->used += copy_text(cell, (char *)c->values + c->used);
    c->offsets[row + 1] = (uint32_t)c->used;
    return QN_REJECT_KINDS;
}

/* What parsed may still be no number, or larger than the caller can use. */
static qn_reject_kind limit(const qn_text_column *c, double value, qn_reject_kind kind)
{
    if (kind == QN_REJECT_KINDS && c->max_size > 0.0 && !(fabs(value) <= c->max_size))
        return QN_REJECT_RANGE;
    return kind;
}

static qn_reject_kind store_real(qn_text_column *c, int64_t row, const qn_text_field *cell)
{
    qn_reject_kind kind;

    if (c->type == QN_FLOAT) {
        kind = value_float(cell, (float *)c->values + row);
        return limit(c, (double)((float *)c->values)[row], kind);
    }
    kind = value_double(cell, (double *)c->values + row);
    return limit(c, ((double *)c->values)[row], kind);
}

qn_reject_kind qn_text_store(qn_text_reader *reader, int32_t column, const qn_text_field *cell)
{
    qn_text_column *c = &reader->column[column];
    const int64_t row = reader->n_rows;
    const qn_text_field trimmed = qn_field_trim(*cell);
    const bool is_empty_number = c->type != QN_TEXT && trimmed.length == 0;

    if (is_empty_number || qn_field_is_missing(&trimmed)) {
        if (!c->nullable)
            return QN_REJECT_NULL;
        value_missing(c, row);
        return QN_REJECT_KINDS;
    }
    switch (c->type) {
    case QN_INT32:
        return value_int32(&trimmed, (int32_t *)c->values + row);
    case QN_INT64:
        return value_int64(&trimmed, (int64_t *)c->values + row);
    case QN_FLOAT:
    case QN_DOUBLE:
        return store_real(c, row, &trimmed);
    case QN_TIME:
        return value_time(&trimmed, (int64_t *)c->values + row);
    case QN_TEXT:
        return value_text(c, row, cell);
    default:
        return QN_REJECT_TYPE;
    }
}

qn_reject_kind qn_text_forgive(qn_text_reader *reader, int32_t column, qn_reject_kind kind,
                               int64_t offset, const qn_text_field *cell)
{
    qn_text_column *c = &reader->column[column];

    if (kind == QN_REJECT_KINDS || !c->lenient)
        return kind;
    value_missing(c, reader->n_rows);
    qn_reject_add(&reader->base.rejects, kind, column, offset, cell->text, cell->length);
    reader->base.rejects.n_kept++;
    return QN_REJECT_KINDS;
}

/* The greater, the sooner it is the reason of a row that has several. */
static int32_t weight(qn_reject_kind kind)
{
    return kind == QN_REJECT_KINDS   ? 0
           : kind == QN_REJECT_RANGE ? 1
           : kind == QN_REJECT_NULL  ? 2
                                     : 3;
}

void qn_text_row_store(qn_text_reader *reader, const qn_text_field *cell, const char *record,
                       size_t length, int64_t offset)
{
    qn_reject_kind reason = QN_REJECT_KINDS;
    int32_t column = -1;

    for (int32_t i = 0; i < reader->n_columns; i++) {
        const qn_text_field *c = &cell[reader->column[i].field];
        qn_reject_kind kind;

        if (reason != QN_REJECT_KINDS && reader->column[i].lenient)
            continue; /* the row is lost: its other values are not counted */
        kind = qn_text_forgive(reader, i, qn_text_store(reader, i, c), offset, c);
        if (weight(kind) > weight(reason)) {
            reason = kind;
            column = i;
        }
    }
    if (reason == QN_REJECT_KINDS) {
        qn_text_row_end(reader);
    } else if (reason == QN_REJECT_NULL) {
        qn_text_row_reject(reader, reason, column, offset, record, length);
    } else {
        const qn_text_field *c = &cell[reader->column[column].field];

        qn_text_row_reject(reader, reason, column, offset, c->text, c->length);
    }
}
