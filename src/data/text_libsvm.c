/* libsvm: "label index:value index:value ...", indices from one and ascending, '#' begins a
 * comment. Columns: label, index (from zero, as lists of doubles, which hold every index exactly)
 * and value. */
#include <math.h>
#include <stdio.h>

#include "base/context.h"
#include "base/text.h"
#include "data/text_number.h"
#include "data/text_source.h"

enum { FIELD_LABEL, FIELD_INDEX, FIELD_VALUE };

#define INDEX_END ((int64_t)1 << 53) /* doubles hold all below */

typedef struct pair {
    int64_t index; /* from zero */
    double value;
    float value_float; /* rounded from the text, not from `value` */
} pair;

/* What is wrong with a pair, and what to do about it; NULL: nothing. */
typedef struct fault {
    qn_reject_kind kind;
    const char *what;
} fault;

static inline void list_add(qn_text_column *c, const pair *p)
{
    const bool is_index = c->field == FIELD_INDEX;

    if (c->type == QN_FLOAT_LIST)
        ((float *)c->values)[c->used++] = is_index ? (float)p->index : p->value_float;
    else
        ((double *)c->values)[c->used++] = is_index ? (double)p->index : p->value;
}

static void add_pair(qn_text_reader *r, const pair *p)
{
    for (int32_t i = 0; i < r->n_columns; i++) {
        if (r->column[i].field != FIELD_LABEL)
            list_add(&r->column[i], p);
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word of the line; length 0 at its end. */
static qn_text_field next_word(const char **at, const char *end)
{
    while (*at < end && is_blank(**at))
        (*at)++;
    const char *start = *at;
    while (*at < end && !is_blank(**at))
        (*at)++;
    return (qn_text_field){.text = start, .length = (size_t)(*at - start)};
}

/* Whether a column of values cannot take this one, as columns of numbers could not. */
static bool is_beyond(const qn_text_reader *r, const pair *p)
{
    for (int32_t i = 0; i < r->n_columns; i++) {
        const qn_text_column *c = &r->column[i];
        const bool is_float = c->type == QN_FLOAT_LIST;

        if (c->field != FIELD_VALUE)
            continue;
        if (is_float && isinf(p->value_float) && !isinf(p->value))
            return true;
        if (c->max_size > 0.0 &&
            !(fabs(is_float ? (double)p->value_float : p->value) <= c->max_size))
            return true;
    }
    return false;
}

static fault parse_index(const char *text, size_t length, int64_t before, int64_t *index)
{
    if (length == 3 && memcmp(text, "qid", 3) == 0)
        return (fault){QN_REJECT_MALFORMED, "queries are not read; take qid out"};
    if (!qn_parse_int64(text, length, index))
        return (fault){QN_REJECT_MALFORMED, "its index is no whole number"};
    if (*index == 0)
        return (fault){QN_REJECT_MALFORMED, "indices begin at 1; add 1 to each"};
    if (*index < 0)
        return (fault){QN_REJECT_MALFORMED, "its index is negative"};
    if (--*index >= INDEX_END)
        return (fault){QN_REJECT_MALFORMED, "its index is too large"};
    if (*index == before)
        return (fault){QN_REJECT_MALFORMED, "its index is there twice; leave one"};
    if (*index < before)
        return (fault){QN_REJECT_MALFORMED, "indices must ascend; sort the pairs"};
    return (fault){0};
}

static fault parse_pair(const qn_text_reader *r, const qn_text_field *word, int64_t before, pair *p)
{
    const char *colon = memchr(word->text, ':', word->length);
    fault f;

    if (!colon)
        return (fault){QN_REJECT_MALFORMED, "it has no ':'; write index:value"};
    f = parse_index(word->text, (size_t)(colon - word->text), before, &p->index);
    if (f.what)
        return f;
    const char *value = colon + 1;
    const size_t length = word->length - (size_t)(value - word->text);
    if (length == 0)
        return (fault){QN_REJECT_MALFORMED, "it has no value; leave it out if it is 0"};
    if (!qn_parse_double(value, length, &p->value) ||
        !qn_text_parse_float(value, length, &p->value_float)) {
        const bool is_large = qn_text_is_numeric(value, length, false);

        return is_large ? (fault){QN_REJECT_RANGE, "its value is too large for a number"}
                        : (fault){QN_REJECT_TYPE, "its value is no number"};
    }
    if (is_beyond(r, p))
        return (fault){QN_REJECT_RANGE, "its value does not fit"};
    return (fault){0};
}

static void reject_pair(qn_text_reader *r, const fault *f, int64_t number,
                        const qn_text_field *word, int64_t offset)
{
    char text[QN_REJECT_TEXT];
    const bool is_long = word->length > 40;
    const int n =
        snprintf(text, sizeof text, "pair %lld \"%.*s%s\": %s", (long long)number,
                 is_long ? 40 : (int)word->length, word->text, is_long ? "..." : "", f->what);

    qn_text_row_reject(r, f->kind, -1, offset, text, (size_t)n);
}

/* False: a pair is bad, and the row rejected. */
static bool take_pairs(qn_text_reader *r, const char *at, const char *end, int64_t offset)
{
    int64_t before = -1;

    for (int64_t number = 1;; number++) {
        const qn_text_field word = next_word(&at, end);
        pair p = {0};

        if (word.length == 0)
            return true;
        const fault f = parse_pair(r, &word, before, &p);
        if (f.what) {
            reject_pair(r, &f, number, &word, offset);
            return false;
        }
        before = p.index;
        add_pair(r, &p);
    }
}

static qn_status libsvm_take(qn_context *ctx, qn_text_reader *r, const char *line, size_t length,
                             int64_t offset)
{
    const char *comment = length ? memchr(line, '#', length) : NULL;
    const char *end = comment ? comment : line + length;
    const char *at = line;
    const qn_text_field label = next_word(&at, end);
    qn_reject_kind kind;
    qn_status st = QN_OK;

    if (label.length == 0)
        return QN_OK;
    /* A pair is at least "1:2 ", four bytes. */
    QN_TRY(qn_text_reserve(ctx, r, 2 * length, length / 3 + 1));
    if (!take_pairs(r, at, end, offset))
        return QN_OK;
    for (int32_t i = 0; i < r->n_columns; i++) {
        qn_text_column *c = &r->column[i];

        if (c->field != FIELD_LABEL) {
            c->offsets[r->n_rows + 1] = (uint32_t)c->used;
            continue;
        }
        kind = qn_text_forgive(r, i, qn_text_store(r, i, &label), offset, &label);
        if (kind != QN_REJECT_KINDS) {
            qn_text_row_reject(r, kind, i, offset, label.text, label.length);
            return QN_OK;
        }
    }
    qn_text_row_end(r);
done:
    return st;
}

static bool ends_word(char c)
{
    return is_blank(c) || c == '\n' || c == '\r';
}

/* A number up to the end of its word; NULL if the general way has to look at it. */
static inline const char *fast_number(const char *text, const char *limit, pair *p)
{
    const char *end = qn_fast_double(text, &p->value);
    qn_decimal d;

    if (end && ends_word(*end)) {
        const uint64_t half = 0x10000000, below = 0x1fffffff;
        uint64_t bits;

        memcpy(&bits, &p->value, sizeof bits);
        p->value_float = (float)p->value;
        return (bits & below) == half ? NULL : end;
    }
    for (end = text; end < limit && !ends_word(*end); end++) {
    }
    if (end == limit || !qn_decimal_take(text, (size_t)(end - text), &d) ||
        !qn_decimal_double(&d, &p->value) || !qn_decimal_float(&d, &p->value_float))
        return NULL;
    return end;
}

/* The pairs of a line up to its end; NULL: not in their simplest form, or no room for more. */
static inline const char *fast_pairs(qn_text_reader *r, const char *at, const char *limit,
                                     size_t room)
{
    int64_t before = 0;

    for (;;) {
        pair p;

        while (at < limit && is_blank(*at))
            at++;
        at += *at == '\r' && at[1] == '\n';
        if (*at == '\n')
            return at + 1;
        if (at >= limit || room-- == 0)
            return NULL;
        at = qn_fast_unsigned(at, &p.index);
        if (!at || *at != ':' || p.index <= before || p.index > INDEX_END)
            return NULL;
        before = p.index--;
        at = fast_number(at + 1, limit, &p);
        if (!at)
            return NULL;
        add_pair(r, &p);
    }
}

/* Pairs that every list has room for. */
static size_t list_room(const qn_text_reader *r)
{
    size_t room = SIZE_MAX;

    for (int32_t i = 0; i < r->n_columns; i++) {
        const qn_text_column *c = &r->column[i];

        if (c->field != FIELD_LABEL && c->capacity - c->used < room)
            room = c->capacity - c->used;
    }
    return room;
}

static const char *fast_line(qn_text_reader *r, const char *line, const char *limit)
{
    pair label = {0};
    const char *at = fast_number(line, limit, &label);

    at = at ? fast_pairs(r, at, limit, list_room(r)) : NULL;
    if (at && at - line > r->source->dialect.max_line)
        at = NULL;
    for (int32_t i = 0; i < r->n_columns; i++) {
        qn_text_column *c = &r->column[i];

        if (c->field != FIELD_LABEL && at)
            c->offsets[r->n_rows + 1] = (uint32_t)c->used;
        else if (c->field != FIELD_LABEL)
            c->used = c->offsets[r->n_rows];
        else if (c->type == QN_FLOAT)
            ((float *)c->values)[r->n_rows] = label.value_float;
        else
            ((double *)c->values)[r->n_rows] = label.value;
    }
    return at;
}

/* Whether rows in simplest form need no further look. */
static bool is_fast(const qn_text_reader *r)
{
    for (int32_t i = 0; i < r->n_columns; i++) {
        const qn_text_column *c = &r->column[i];
        const bool is_label = c->field == FIELD_LABEL;

        if (c->max_size > 0.0 || (is_label && c->type != QN_FLOAT && c->type != QN_DOUBLE))
            return false;
    }
    return true;
}

static size_t libsvm_take_fast(qn_text_reader *r, const char *text, size_t n)
{
    const char *at = text;

    if (n <= QN_FAST_SLACK || !is_fast(r))
        return 0;
    const char *limit = text + n - QN_FAST_SLACK;
    while (at < limit && r->n_rows < QN_TEXT_ROWS && !qn_text_is_full(r)) {
        const char *next = fast_line(r, at, limit);

        if (!next)
            break;
        at = next;
        r->n_rows++;
    }
    return (size_t)(at - text);
}

const qn_text_format qn_text_libsvm = {.take = libsvm_take, .take_fast = libsvm_take_fast};
