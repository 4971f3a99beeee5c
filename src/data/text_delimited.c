/* Delimited text: CSV, TSV, "::". Rows of plain numbers go through a loop that looks at each byte
 * once; everything else is cut into fields first. */
#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "data/text_fast.h"
#include "data/text_grid.h"
#include "data/text_source.h"

typedef enum step_kind {
    STEP_SKIP,
    STEP_INT32,
    STEP_INT64,
    STEP_TIME,
    STEP_FLOAT,
    STEP_DOUBLE
} step_kind;

struct qn_text_step {
    step_kind kind;
    void *values;
};

static inline bool is_plain(char c)
{
    return c != '"' && c != '\n' && c != '\r';
}

static inline const char *fast_skip(const char *text, const char *limit, char delimiter)
{
    while (text < limit && *text != delimiter && is_plain(*text))
        text++;
    return text < limit ? text : NULL;
}

/* One field into its column; NULL if it is not in its simplest form. */
static inline const char *fast_step(const struct qn_text_step *step, int64_t row, const char *text,
                                    const char *limit, char delimiter)
{
    int64_t value = 0;

    switch (step->kind) {
    case STEP_SKIP:
        return fast_skip(text, limit, delimiter);
    case STEP_INT64:
        text = qn_fast_integer(text, &value);
        ((int64_t *)step->values)[row] = value;
        return text;
    case STEP_INT32:
        text = qn_fast_integer(text, &value);
        ((int32_t *)step->values)[row] = (int32_t)value;
        return text && value == (int32_t)value ? text : NULL;
    case STEP_TIME: /* a date or whole seconds */
        if (text[4] == '-' && text[0] != '-') {
            text = qn_fast_date(text, &value);
            value *= 86400;
        } else {
            text = qn_fast_integer(text, &value);
        }
        ((int64_t *)step->values)[row] = value;
        return text;
    case STEP_FLOAT:
        return qn_fast_float(text, (float *)step->values + row);
    case STEP_DOUBLE:
        return qn_fast_double(text, (double *)step->values + row);
    }
    return NULL;
}

/* One row; NULL if it is not in its simplest form. */
static inline const char *fast_row(const qn_text_reader *r, const char *text, const char *limit)
{
    const qn_dialect *d = &r->source->dialect;
    const char delimiter = d->delimiter[0];
    const int32_t last = r->n_cells - 1;

    for (int32_t f = 0; f < last; f++) {
        text = fast_step(&r->plan[f], r->n_rows, text, limit, delimiter);
        if (!text || *text != delimiter)
            return NULL;
        if (d->n_delimiter == 2 && text[1] != d->delimiter[1])
            return NULL;
        text += d->n_delimiter;
        if (text >= limit)
            return NULL;
    }
    text = fast_step(&r->plan[last], r->n_rows, text, limit, delimiter);
    if (!text)
        return NULL;
    text += *text == '\r';
    return *text == '\n' ? text + 1 : NULL;
}

static size_t delimited_take_fast(qn_text_reader *r, const char *text, size_t n)
{
    const int64_t max_line = r->source->dialect.max_line;
    const char *at = text;

    if (r->grid)
        return qn_text_grid_take(r, text, n);
    if (!r->plan || n <= QN_FAST_SLACK)
        return 0;
    const char *limit = text + n - QN_FAST_SLACK;
    while (r->n_rows < QN_TEXT_ROWS && at < limit) {
        const char *next = fast_row(r, at, limit);

        if (!next || next - at > max_line)
            break;
        at = next;
        r->n_rows++;
    }
    return (size_t)(at - text);
}

static step_kind step_of(qn_type type)
{
    switch (type) {
    case QN_INT32:
        return STEP_INT32;
    case QN_INT64:
        return STEP_INT64;
    case QN_TIME:
        return STEP_TIME;
    case QN_FLOAT:
        return STEP_FLOAT;
    case QN_DOUBLE:
        return STEP_DOUBLE;
    default:
        return STEP_SKIP;
    }
}

/* Numbers that are read fast are below this in size: the limit of a column need not be looked at.
 */
#define FAST_SIZE 1e16

static bool is_fast(const qn_text_column *c)
{
    return step_of(c->type) != STEP_SKIP && !(c->max_size > 0.0 && c->max_size < FAST_SIZE);
}

/* Plans the fast loop: columns of numbers, none asked for twice. */
static qn_status delimited_start(qn_context *ctx, qn_text_reader *r)
{
    bool is_all_real = r->n_columns > 0;
    qn_status st = QN_OK;

    if (r->n_columns == 0 && r->n_cells == 1)
        return QN_OK; /* blank lines would pass for rows */
    for (int32_t i = 0; i < r->n_columns; i++) {
        const qn_text_column *c = &r->column[i];

        if (!is_fast(c))
            return QN_OK;
        is_all_real = is_all_real && (c->type == QN_FLOAT || c->type == QN_DOUBLE);
    }
    if (is_all_real && qn_text_grid_serves(&r->source->dialect))
        return qn_text_grid_create(ctx, r);
    for (int32_t i = 0; i < r->n_columns; i++) {
        for (int32_t j = 0; j < i; j++) {
            if (r->column[j].field == r->column[i].field)
                return QN_OK;
        }
    }
    QN_NEW0(ctx, r->plan, r->n_cells, "plan of a reader");
    for (int32_t i = 0; i < r->n_columns; i++) {
        struct qn_text_step *step = &r->plan[r->column[i].field];

        step->kind = step_of(r->column[i].type);
        step->values = r->column[i].values;
    }
done:
    return st;
}

static qn_status delimited_take(qn_context *ctx, qn_text_reader *r, const char *record,
                                size_t length, int64_t offset)
{
    const int32_t n = qn_cut_fields(&r->source->dialect, record, length, r->cell, r->n_cells);
    qn_status st = QN_OK;

    if (n != r->n_cells) {
        qn_text_row_reject(r, QN_REJECT_MALFORMED, -1, offset, record, length);
        return QN_OK;
    }
    QN_TRY(qn_text_reserve(ctx, r, 2 * length, 0));
    qn_text_row_store(r, r->cell, record, length, offset);
done:
    return st;
}

const qn_text_format qn_text_delimited = {
    .take = delimited_take,
    .take_fast = delimited_take_fast,
    .start = delimited_start,
};
