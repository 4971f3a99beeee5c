/* Writes what was told of one input: split by split, what readers told and rows lost later merged
 * by their place. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "data/rejects_file_impl.h"

#define BUFFER_ROWS 2048 /* of each run being merged */

/* ---- rows lost later, in the order of their origin ---- */

typedef struct lost_cursor {
    reject_lost *row; /* [BUFFER_ROWS], or all of the last run, which is in memory */
    bool is_owned;
    int64_t at, n;        /* in `row` */
    int64_t offset, left; /* in scratch */
} lost_cursor;

typedef struct lost_merge {
    qn_rejects_file *rejects;
    lost_cursor *cursor;
    int64_t n_cursors;
    reject_lost next;
    bool is_end;
} lost_merge;

static qn_status cursor_fill(qn_rejects_file *r, lost_cursor *c)
{
    const int64_t n = c->left < BUFFER_ROWS ? c->left : BUFFER_ROWS;
    qn_status st = QN_OK;

    if (c->at < c->n || n == 0)
        return QN_OK;
    QN_TRY(qn_rejects_file_load(r, c->offset, c->row, (size_t)n * sizeof *c->row));
    c->offset += n * (int64_t)sizeof *c->row;
    c->left -= n;
    c->at = 0;
    c->n = n;
done:
    return st;
}

/* Sets m->next to the row with the least origin. There are few runs. */
static qn_status merge_next(lost_merge *m)
{
    lost_cursor *least = NULL;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < m->n_cursors; i++) {
        lost_cursor *c = &m->cursor[i];

        QN_TRY(cursor_fill(m->rejects, c));
        if (c->at < c->n &&
            (!least || qn_reject_lost_compare(&c->row[c->at], &least->row[least->at]) < 0))
            least = c;
    }
    m->is_end = !least;
    if (least)
        m->next = least->row[least->at++];
done:
    return st;
}

static qn_status merge_open(qn_rejects_file *r, lost_merge *m)
{
    qn_status st = QN_OK;

    m->rejects = r;
    if (r->n_lost > 0)
        qsort(r->lost, (size_t)r->n_lost, sizeof *r->lost, qn_reject_lost_compare);
    QN_NEW0(r->ctx, m->cursor, r->n_lost_runs + 1, "runs of rejected rows");
    m->n_cursors = r->n_lost_runs + 1;
    m->cursor[r->n_lost_runs] = (lost_cursor){.row = r->lost, .n = r->n_lost};
    for (int64_t i = 0; i < r->n_lost_runs; i++) {
        lost_cursor *c = &m->cursor[i];

        *c = (lost_cursor){.offset = r->lost_run[i].offset, .left = r->lost_run[i].n};
        QN_NEW(r->ctx, c->row, BUFFER_ROWS, "rejected rows");
        c->is_owned = true;
    }
    QN_TRY(merge_next(m));
done:
    return st;
}

static void merge_close(lost_merge *m)
{
    for (int64_t i = 0; i < m->n_cursors; i++)
        if (m->cursor[i].is_owned)
            qn_free(m->cursor[i].row);
    qn_free(m->cursor);
}

/* ---- what readers told, in the order of splits ---- */

typedef struct told_walk {
    qn_rejects_file *rejects;
    int64_t piece; /* the one in `bytes` */
    const char *bytes;
    size_t at, n;
    char *loaded;
} told_walk;

static int compare_pieces(const void *a, const void *b)
{
    const reject_piece *x = a, *y = b;

    if (x->split != y->split)
        return x->split < y->split ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* The next of `split` in *told and *text; *text is NULL when there is none. */
static qn_status told_peek(told_walk *w, int64_t split, reject_told *told, const char **text)
{
    qn_rejects_file *r = w->rejects;
    qn_status st = QN_OK;

    *text = NULL;
    while (w->at == w->n) {
        const reject_piece *piece = &r->piece[w->piece];

        if (w->piece == r->n_pieces || piece->split != split)
            return QN_OK;
        w->bytes = piece->bytes;
        if (!piece->bytes) {
            QN_GROW(r->ctx, w->loaded, (int64_t)piece->n, "rejected rows");
            QN_TRY(qn_rejects_file_load(r, piece->offset, w->loaded, piece->n));
            w->bytes = w->loaded;
        }
        w->at = 0;
        w->n = piece->n;
        w->piece++;
    }
    if (r->piece[w->piece - 1].split != split)
        return QN_OK;
    memcpy(told, w->bytes + w->at, sizeof *told);
    *text = w->bytes + w->at + sizeof *told;
done:
    return st;
}

/* ---- lines ---- */

typedef struct section {
    qn_context *ctx;
    qn_rejects_file *rejects;
    qn_rating_input *input;
    const qn_dataset_manifest *old;
    lost_merge merge;
    told_walk walk;
    int64_t split;
    int64_t first_line;   /* lines of the file before the split */
    const char *file;     /* that `file_field` is of */
    qn_string file_field; /* as it stands in CSV */
    qn_string line;
    qn_status status; /* of what happened inside a callback */
} section;

/* Length of the UTF-8 character at text, 0: none. */
static size_t utf8_length(const unsigned char *text, size_t n)
{
    const size_t length = *text < 0x80   ? 1
                          : *text < 0xc2 ? 0
                          : *text < 0xe0 ? 2
                          : *text < 0xf0 ? 3
                          : *text < 0xf5 ? 4
                                         : 0;

    if (length == 0 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static bool is_plain(unsigned char c)
{
    return c >= ' ' && c < 0x7f && c != '"';
}

/* A field in quotes where it needs them; a row stays one line: bytes that do not print become \xNN.
 */
static void add_field(qn_string *out, const char *text, size_t n, bool is_cut)
{
    const unsigned char *in = (const unsigned char *)text;
    bool quotes = is_cut;

    for (size_t i = 0; i < n && !quotes; i++)
        quotes = in[i] == ',' || in[i] == ' ' || !is_plain(in[i]);
    if (quotes)
        qn_string_add_bytes(out, "\"", 1);
    for (size_t i = 0; i < n;) {
        size_t length = 0;

        while (i + length < n && is_plain(in[i + length]))
            length++;
        if (length == 0 && in[i] >= 0x80)
            length = utf8_length(in + i, n - i);
        qn_string_add_bytes(out, text + i, length);
        i += length;
        if (length > 0)
            continue;
        if (in[i] == '"')
            qn_string_add_bytes(out, "\"\"", 2);
        else
            qn_string_addf(out, "\\x%02x", in[i]);
        i++;
    }
    if (is_cut)
        qn_string_add(out, "...");
    if (quotes)
        qn_string_add_bytes(out, "\"", 1);
}

static void add_number(qn_string *out, int64_t number)
{
    char digits[20];
    size_t n = sizeof digits;

    for (; number > 0 || n == sizeof digits; number /= 10)
        digits[--n] = (char)('0' + number % 10);
    qn_string_add_bytes(out, digits + n, sizeof digits - n);
}

/* file,line,reason,text; line < 0: unknown. `file` is remembered by its address. */
static qn_status put_line(section *s, const char *file, int64_t line, int64_t reason,
                          const char *text, size_t n, bool is_cut)
{
    qn_string *out = &s->line;

    if (file != s->file) {
        qn_string_clear(&s->file_field);
        add_field(&s->file_field, file, strlen(file), false);
        s->file = file;
    }
    qn_string_clear(out);
    qn_string_add_bytes(out, s->file_field.text, s->file_field.length);
    qn_string_add_bytes(out, ",", 1);
    if (line >= 0)
        add_number(out, line);
    qn_string_add_bytes(out, ",", 1);
    qn_string_add(out, qn_drop_name((qn_drop_reason)reason));
    qn_string_add_bytes(out, ",", 1);
    add_field(out, text, n, is_cut);
    qn_string_add_bytes(out, "\n", 1);
    if (out->failed || s->file_field.failed)
        return qn_fail(s->ctx, QN_ENOMEM, "no memory for a line of the rejects file");
    return qn_out_write(s->rejects->out, out->text, out->length);
}

/* Rows that have no line of text are told by their values, in the order of a data set's columns. */
static size_t row_text(const qn_rating_row *row, char out[96])
{
    int32_t year, month, day;
    char rating[32];

    qn_format_float(row->rating, rating);
    qn_date_from_days(row->days, &year, &month, &day);
    return (size_t)snprintf(out, 96, "%d,%d,%s,%04d-%02d-%02d", row->movie, row->user, rating, year,
                            month, day);
}

/* The number of a line of the file; where there are no lines that of the row, from 0. */
static int64_t place_number(const section *s, int64_t line, int64_t offset)
{
    if (line > 0)
        return s->first_line + line;
    return offset + (s->input->source->format == QN_FORMAT_JSON); /* a row of it is a line */
}

static qn_status put_lost(section *s, const char *file, const qn_record_place *place)
{
    const reject_lost *lost = &s->merge.next;
    const bool is_known = place->offset >= 0;
    const bool is_stored = (lost->row.origin & QN_ORIGIN_STORED) != 0;
    const int64_t line =
        !is_known || is_stored ? place->offset : place_number(s, place->line, place->offset);
    char values[96];

    if (place->text)
        return put_line(s, file, line, lost->reason, place->text,
                        place->length < 1000 ? place->length : 1000, place->length > 1000);
    const size_t n = row_text(&lost->row, values);
    return put_line(s, file, line, lost->reason, values, n, false);
}

/* What was told of the split before byte (or row) `end`. */
static qn_status put_told(section *s, int64_t end)
{
    const char *file = qn_source_split_path(s->input->source, s->split);
    reject_told told;
    const char *text;
    qn_status st = QN_OK;

    for (;;) {
        QN_TRY(told_peek(&s->walk, s->split, &told, &text));
        if (!text || told.offset >= end)
            break;
        QN_TRY(put_line(s, file, place_number(s, told.line, told.offset), told.reason, text,
                        told.length, told.is_cut));
        s->walk.at += sizeof told + told.length;
    }
done:
    return st;
}

static bool has_lost(const section *s)
{
    const uint64_t origin = s->merge.next.row.origin;

    return !s->merge.is_end && !(origin & QN_ORIGIN_STORED) && qn_origin_split(origin) == s->split;
}

/* A lost row was found: it goes out behind what was told before it. */
static int64_t on_row(void *arg, int64_t row, const qn_record_place *place)
{
    section *s = arg;
    qn_status st = QN_OK;

    QN_TRY(put_told(s, place->offset));
    while (has_lost(s) && qn_origin_row(s->merge.next.row.origin) == row) {
        QN_TRY(put_lost(s, qn_source_split_path(s->input->source, s->split), place));
        QN_TRY(merge_next(&s->merge));
    }
done:
    s->status = st;
    return st == QN_OK && has_lost(s) ? qn_origin_row(s->merge.next.row.origin) : -1;
}

static qn_status put_split(section *s)
{
    const qn_rating_columns *c = &s->input->columns;
    const char *file = qn_source_split_path(s->input->source, s->split);
    const qn_record_place unknown = {.offset = -1};
    qn_status st = QN_OK;

    if (has_lost(s) && !s->input->source->is_once) {
        QN_TRY(qn_source_find_rows(s->ctx, s->input->source, s->split, c->request, c->n,
                                   qn_origin_row(s->merge.next.row.origin), on_row, s));
        QN_TRY(s->status);
        if (has_lost(s))
            return qn_fail(s->ctx, QN_EDATA, "%s changed while it was read: run it again", file);
    }
    QN_TRY(put_told(s, INT64_MAX));
    while (has_lost(s)) { /* of a pipe, which cannot be read again */
        QN_TRY(put_lost(s, file, &unknown));
        QN_TRY(merge_next(&s->merge));
    }
done:
    return st;
}

static qn_status put_splits(section *s)
{
    const qn_source *source = s->input->source;
    const int64_t n_splits = qn_source_n_splits(source);
    const char *file = NULL;
    qn_status st = QN_OK;

    for (s->split = 0; s->split < n_splits; s->split++) {
        const char *path = qn_source_split_path(source, s->split);

        if (path != file)
            s->first_line = 0;
        file = path;
        QN_TRY(put_split(s));
        s->first_line += s->input->lines ? s->input->lines[s->split] : 0;
    }
done:
    return st;
}

/* Rows of the old generation that lost to new ones. */
static qn_status put_stored(section *s)
{
    qn_status st = QN_OK;

    while (!s->merge.is_end) {
        const uint64_t origin = s->merge.next.row.origin;
        const int64_t file = qn_origin_split(origin);
        const qn_record_place place = {.offset = qn_origin_row(origin)};

        if (!(origin & QN_ORIGIN_STORED) || !s->old || file >= s->old->n_files)
            return qn_fail(s->ctx, QN_EINTERNAL, "a rejected row is of no file");
        QN_TRY(put_lost(s, s->old->file[file].path, &place));
        QN_TRY(merge_next(&s->merge));
    }
done:
    return st;
}

qn_status qn_rejects_file_section(qn_context *ctx, qn_rejects_file *rejects, qn_rating_input *input,
                                  const qn_dataset_manifest *old)
{
    section s = {.ctx = ctx, .rejects = rejects, .input = input, .old = old};
    qn_status st = QN_OK;

    if (rejects->n_pieces > 0)
        qsort(rejects->piece, (size_t)rejects->n_pieces, sizeof *rejects->piece, compare_pieces);
    s.walk.rejects = rejects;
    QN_TRY(merge_open(rejects, &s.merge));
    QN_TRY(put_splits(&s));
    QN_TRY(put_stored(&s));
    qn_rejects_file_clear(rejects);
done:
    merge_close(&s.merge);
    qn_free(s.walk.loaded);
    qn_string_release(&s.file_field);
    qn_string_release(&s.line);
    return st;
}
