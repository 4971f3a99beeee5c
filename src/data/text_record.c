/* Records and fields of delimited text. */
#include "data/text_source.h"

/* Field by field through a record that holds quotes. */
typedef struct walk {
    const qn_dialect *dialect;
    const char *at, *end;
} walk;

static bool walk_is_delimiter(const walk *w)
{
    const qn_dialect *d = w->dialect;

    if (w->at >= w->end || *w->at != d->delimiter[0])
        return false;
    return d->n_delimiter == 1 || (w->end - w->at > 1 && w->at[1] == d->delimiter[1]);
}

static void walk_blanks(walk *w)
{
    while (w->at < w->end && *w->at == ' ')
        w->at++;
}

/* Past the quote that closes; false if there is none. w->at stands behind the one that opens. */
static bool walk_quoted(walk *w, bool *has_escapes)
{
    *has_escapes = false;
    while (w->at < w->end) {
        const char *quote = memchr(w->at, '"', (size_t)(w->end - w->at));

        if (!quote)
            break;
        w->at = quote + 1;
        if (w->at == w->end || *w->at != '"')
            return true;
        *has_escapes = true;
        w->at++;
    }
    w->at = w->end;
    return false;
}

/* To the end of a line or a delimiter outside quotes. */
static void walk_plain(walk *w)
{
    while (w->at < w->end && *w->at != '\n' && !walk_is_delimiter(w))
        w->at++;
}

static bool walk_is_line_end(const walk *w)
{
    return w->at == w->end || *w->at == '\n' ||
           (*w->at == '\r' && (w->at + 1 == w->end || w->at[1] == '\n'));
}

/* End of the record (its newline, or w->end); NULL: a quote is broken, or the record goes on behind
 * w->end, which *is_open tells. */
static const char *walk_record(walk *w, bool *is_open)
{
    bool has_escapes;

    *is_open = false;
    for (;;) {
        const char *start = w->at;

        walk_blanks(w);
        if (w->at < w->end && *w->at == '"') {
            w->at++;
            if (!walk_quoted(w, &has_escapes)) {
                *is_open = true;
                return NULL;
            }
            walk_blanks(w);
            if (w->at + 1 >= w->end)
                *is_open = true; /* the byte that tells may still come */
            if (!walk_is_line_end(w) && !walk_is_delimiter(w))
                return NULL;
        } else {
            w->at = start;
        }
        walk_plain(w);
        if (!walk_is_delimiter(w))
            return w->at;
        *is_open = false;
        w->at += w->dialect->n_delimiter;
    }
}

static size_t without_cr(const char *text, size_t length)
{
    return length > 0 && text[length - 1] == '\r' ? length - 1 : length;
}

static qn_cut cut_at(qn_cut_kind kind, const char *text, size_t length, size_t n)
{
    const size_t next = length < n ? length + 1 : n;

    return (qn_cut){kind, without_cr(text, length), next};
}

/* The record holds a quote in its first line of `line` bytes. */
static qn_cut cut_quoted(const qn_dialect *dialect, const char *text, size_t n, bool at_end,
                         size_t line)
{
    const size_t max = (size_t)dialect->max_line;
    const bool is_all = at_end || n > max;
    walk w = {dialect, text, text + (n > max ? max + 1 : n)};
    bool is_open;
    const char *end = walk_record(&w, &is_open);

    if (end && (end < w.end || (at_end && n <= max)))
        return cut_at(QN_CUT_RECORD, text, (size_t)(end - text), n);
    if (!is_all && (end || is_open))
        return (qn_cut){QN_CUT_MORE, 0, 0};
    return cut_at(QN_CUT_BROKEN, text, line, n);
}

qn_cut qn_cut_record(const qn_dialect *dialect, const char *text, size_t n, bool at_end)
{
    const size_t max = (size_t)dialect->max_line;
    const char *newline = n ? memchr(text, '\n', n) : NULL;
    const size_t line = newline ? (size_t)(newline - text) : n;

    if (line > max)
        return (qn_cut){QN_CUT_LONG, 0, 0};
    if (dialect->quotes && line > 0 && memchr(text, '"', line))
        return newline || at_end ? cut_quoted(dialect, text, n, at_end, line)
                                 : (qn_cut){QN_CUT_MORE, 0, 0};
    if (!newline && !at_end)
        return (qn_cut){QN_CUT_MORE, 0, 0};
    return cut_at(QN_CUT_RECORD, text, line, n);
}

int32_t qn_cut_fields(const qn_dialect *dialect, const char *record, size_t length,
                      qn_text_field *field, int32_t capacity)
{
    walk w = {dialect, record, record + length};
    int32_t n = 0;

    for (;;) {
        qn_text_field f = {w.at, 0, false, false};

        if (dialect->quotes) {
            walk_blanks(&w);
            if (w.at < w.end && *w.at == '"') {
                f.is_quoted = true;
                f.text = ++w.at;
                walk_quoted(&w, &f.has_escapes);
                f.length = (size_t)(w.at - 1 - f.text);
            } else {
                w.at = f.text;
            }
        }
        while (w.at < w.end && !walk_is_delimiter(&w))
            w.at++;
        if (!f.is_quoted)
            f.length = (size_t)(w.at - f.text);
        if (n < capacity)
            field[n] = f;
        n++;
        if (w.at == w.end)
            return n;
        w.at += dialect->n_delimiter;
    }
}

bool qn_field_is_missing(const qn_text_field *field)
{
    const char *t = field->text;

    if (field->is_quoted)
        return false;
    switch (field->length) {
    case 0:
        return true;
    case 2:
        return memcmp(t, "NA", 2) == 0 || memcmp(t, "\\N", 2) == 0;
    case 4:
        return memcmp(t, "NULL", 4) == 0 || memcmp(t, "null", 4) == 0;
    default:
        return false;
    }
}

bool qn_record_is_blank(const qn_dialect *dialect, const char *record, size_t length)
{
    while (length > 0 && record[length - 1] == ' ' && dialect->delimiter[0] != ' ')
        length--;
    return length == 0;
}

qn_text_field qn_field_trim(qn_text_field field)
{
    while (field.length > 0 && (*field.text == ' ' || *field.text == '\t')) {
        field.text++;
        field.length--;
    }
    while (field.length > 0 &&
           (field.text[field.length - 1] == ' ' || field.text[field.length - 1] == '\t'))
        field.length--;
    return field;
}
