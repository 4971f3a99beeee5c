/* libsvm: "label index:value index:value ...", indices from one and ascending, '#' begins a
 * comment. Columns: label, index (from zero, as lists of doubles, which hold every index exactly)
 * and value. */
#include "base/context.h"
#include "base/text.h"
#include "data/text_source.h"

enum { FIELD_LABEL, FIELD_INDEX, FIELD_VALUE };

typedef struct pair {
    int64_t index; /* from zero */
    double value;
} pair;

static void list_add(qn_text_column *c, double value)
{
    if (c->type == QN_FLOAT_LIST)
        ((float *)c->values)[c->used++] = (float)value;
    else
        ((double *)c->values)[c->used++] = value;
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

static bool parse_pair(const qn_text_field *word, pair *p)
{
    const char *colon = memchr(word->text, ':', word->length);

    if (!colon || !qn_parse_int64(word->text, (size_t)(colon - word->text), &p->index))
        return false;
    p->index--;
    colon++;
    return qn_parse_double(colon, word->length - (size_t)(colon - word->text), &p->value);
}

/* QN_REJECT_KINDS if the pairs were stored. */
static qn_reject_kind take_pairs(qn_text_reader *r, const char *at, const char *end)
{
    int64_t before = -1;

    for (;;) {
        const qn_text_field word = next_word(&at, end);
        pair p;

        if (word.length == 0)
            return QN_REJECT_KINDS;
        if (!parse_pair(&word, &p) || p.index <= before || p.index >= (int64_t)1 << 53)
            return QN_REJECT_MALFORMED;
        before = p.index;
        for (int32_t i = 0; i < r->n_columns; i++) {
            if (r->column[i].field == FIELD_INDEX)
                list_add(&r->column[i], (double)p.index);
            else if (r->column[i].field == FIELD_VALUE)
                list_add(&r->column[i], p.value);
        }
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
    kind = take_pairs(r, at, end);
    if (kind != QN_REJECT_KINDS) {
        qn_text_row_reject(r, kind, -1, offset, line, length);
        return QN_OK;
    }
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

const qn_text_format qn_text_libsvm = {.take = libsvm_take};
