/* The loop that all readers of text share. */
#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "data/text_grid.h"
#include "data/text_source.h"

static bool is_long(qn_type type)
{
    return type == QN_TEXT || type == QN_FLOAT_LIST || type == QN_DOUBLE_LIST;
}

static void batch_begin(qn_text_reader *r)
{
    r->first_row += r->n_rows;
    r->n_rows = 0;
    for (int32_t i = 0; i < r->n_columns; i++) {
        qn_text_column *c = &r->column[i];

        c->used = 0;
        if (c->has_missing)
            memset(c->validity, 0xff, QN_TEXT_ROWS / 8);
        c->has_missing = false;
        if (c->offsets)
            c->offsets[0] = 0;
    }
}

static void batch_end(qn_text_reader *r)
{
    for (int32_t i = 0; i < r->n_columns; i++) {
        const qn_text_column *c = &r->column[i];

        r->view[i] =
            (qn_column){c->type, c->values, c->offsets, c->has_missing ? c->validity : NULL};
    }
    r->batch = (qn_batch){r->n_rows, r->n_columns, r->view, r->first_row};
}

bool qn_text_is_full(const qn_text_reader *r)
{
    if (r->n_rows == QN_TEXT_ROWS)
        return true;
    for (int32_t i = 0; i < r->n_columns; i++) {
        const qn_text_column *c = &r->column[i];

        if (c->used * qn_text_value_size(c->type) >= QN_TEXT_BATCH_BYTES)
            return true;
    }
    return false;
}

qn_status qn_text_reserve(qn_context *ctx, qn_text_reader *r, size_t bytes, size_t values)
{
    qn_status st = QN_OK;

    for (int32_t i = 0; i < r->n_columns; i++) {
        qn_text_column *c = &r->column[i];
        const size_t more = c->type == QN_TEXT ? bytes : values;
        const size_t value_size = qn_text_value_size(c->type);
        size_t capacity = c->capacity ? c->capacity : 4096;

        if (!is_long(c->type) || c->used + more <= c->capacity)
            continue;
        while (capacity < c->used + more)
            capacity *= 2;
        QN_TRY(qn_realloc_array(ctx, &c->values, (int64_t)capacity, value_size,
                                "texts of a batch of rows"));
        c->capacity = capacity;
    }
done:
    return st;
}

void qn_text_row_end(qn_text_reader *r)
{
    r->n_rows++;
}

void qn_text_row_reject(qn_text_reader *r, qn_reject_kind kind, int32_t column, int64_t offset,
                        const char *text, size_t length)
{
    for (int32_t i = 0; i < r->n_columns; i++) {
        qn_text_column *c = &r->column[i];

        if (c->validity)
            c->validity[r->n_rows >> 6] |= (uint64_t)1 << (r->n_rows & 63);
        if (c->offsets)
            c->used = c->offsets[r->n_rows];
    }
    qn_reader_reject(&r->base, kind, column, offset, text, length);
}

/* Two files of one source must be cut alike: columns are known by their place. */
static qn_status check_header(qn_context *ctx, qn_text_reader *r, const char *record, size_t length)
{
    const qn_text_source *s = r->source;
    const char *path = s->files.file[r->split->file].path;
    const int32_t n = qn_cut_fields(&s->dialect, record, length, r->cell, r->n_cells);

    if (n != s->base.schema.n_fields)
        return qn_fail(ctx, QN_EDATA, "%s: its header has %d columns, that of %s has %d", path, n,
                       s->files.file[0].path, s->base.schema.n_fields);
    for (int32_t i = 0; i < n; i++) {
        const qn_text_field cell = qn_field_trim(r->cell[i]);
        const char *name = s->name[i];

        if (cell.length == 0 || cell.has_escapes)
            continue;
        if (strlen(name) != cell.length || memcmp(name, cell.text, cell.length) != 0)
            return qn_fail(
                ctx, QN_EDATA,
                "%s: column %d is called \"%.*s\" in its header but \"%s\" in %s; all files "
                "of one input must have the same columns",
                path, i, (int)(cell.length < 80 ? cell.length : 80), cell.text, name,
                s->files.file[0].path);
    }
    return QN_OK;
}

static int64_t count_lines(const char *text, size_t n)
{
    int64_t lines = 0;

    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    return lines;
}

/* The record that is taken next; nothing to do where rejects are not told. */
static void note_record(qn_text_reader *r, const char *record, size_t length, size_t next)
{
    qn_reader *base = &r->base;

    if (!base->on_reject)
        return;
    base->place = (qn_record_place){.offset = r->stream->offset + (record - r->stream->data),
                                    .line = base->lines + 1,
                                    .text = record,
                                    .length = length};
    base->lines += count_lines(record, next);
}

static qn_status take_record(qn_context *ctx, qn_text_reader *r, const qn_cut *cut)
{
    const char *record = r->stream->data + r->at;
    const int64_t offset = r->stream->offset + (int64_t)r->at;

    note_record(r, record, cut->length, cut->next);
    r->at += cut->next;
    if (!r->source->format->keeps_blank_lines &&
        qn_record_is_blank(&r->source->dialect, record, cut->length))
        return QN_OK;
    if (cut->kind == QN_CUT_BROKEN) {
        qn_text_row_reject(r, QN_REJECT_MALFORMED, -1, offset, record, cut->length);
        return QN_OK;
    }
    if (r->needs_header) {
        r->needs_header = false;
        return check_header(ctx, r, record, cut->length);
    }
    return r->source->format->take(ctx, r, record, cut->length, offset);
}

/* Passes over the rest of a line that is too long. */
static qn_status skip_line(qn_context *ctx, qn_text_reader *r)
{
    qn_stream *s = r->stream;
    const size_t rest = s->n - r->at;
    const char *newline = rest ? memchr(s->data + r->at, '\n', rest) : NULL;
    qn_status st = QN_OK;

    if (newline) {
        r->at = (size_t)(newline + 1 - s->data);
        r->is_skipping = false;
        r->base.lines++;
    } else if (s->at_end) {
        r->at = s->n;
        r->is_skipping = false;
    } else {
        QN_TRY(qn_stream_fill(ctx, s, s->n, 1));
        r->at = 0;
    }
done:
    return st;
}

/* One record, or more bytes. */
static qn_status advance(qn_context *ctx, qn_text_reader *r)
{
    qn_stream *s = r->stream;
    const size_t rest = s->n - r->at;
    qn_status st = QN_OK;

    if (r->is_skipping)
        return skip_line(ctx, r);
    if (rest == 0 && s->at_end) {
        r->is_done = true;
        return QN_OK;
    }
    const qn_cut cut = qn_cut_record(&r->source->dialect, s->data + r->at, rest, s->at_end);
    if (cut.kind == QN_CUT_MORE) {
        QN_TRY(qn_stream_fill(ctx, s, r->at, 2 * rest + 1));
        r->at = 0;
    } else if (cut.kind == QN_CUT_LONG) {
        const char *line = s->data + r->at;
        const char *newline = memchr(line, '\n', rest);
        const size_t length = newline ? (size_t)(newline - line) : rest;

        note_record(r, line, length, 0);
        qn_text_row_reject(r, QN_REJECT_TOO_LONG, -1, s->offset + (int64_t)r->at, line, length);
        r->is_skipping = true;
    } else {
        QN_TRY(take_record(ctx, r, &cut));
    }
done:
    return st;
}

static void skip_byte_order_mark(qn_text_reader *r)
{
    if (r->stream->offset == 0 && r->stream->n >= 3 &&
        memcmp(r->stream->data, "\xef\xbb\xbf", 3) == 0)
        r->at = 3;
}

static qn_status reader_start(qn_context *ctx, qn_text_reader *r)
{
    qn_text_source *s = r->source;
    qn_status st = QN_OK;

    if (!r->stream->data && !r->stream->at_end)
        QN_TRY(qn_stream_fill(ctx, r->stream, 0, 1));
    skip_byte_order_mark(r);
    r->needs_header = s->base.schema.has_names && r->split->begin == 0;
    if (s->format->start)
        QN_TRY(s->format->start(ctx, r));
done:
    return st;
}

/* Rows in their simplest form, each of one line. */
static void take_fast(qn_text_reader *r)
{
    const char *text = r->stream->data + r->at;
    const int64_t before = r->n_rows;

    r->at += r->source->format->take_fast(r, text, r->stream->n - r->at);
    r->base.lines += r->n_rows - before;
}

static qn_status text_next(qn_context *ctx, qn_reader *reader, const qn_batch **batch)
{
    qn_text_reader *r = (qn_text_reader *)reader;
    const qn_text_format *format = r->source->format;
    qn_status st = QN_OK;

    *batch = NULL;
    QN_TRY(qn_check_cancel(ctx));
    batch_begin(r);
    while (!r->is_done && !qn_text_is_full(r)) {
        if (format->take_fast && !r->needs_header && !r->is_skipping) {
            take_fast(r);
            if (r->n_rows == QN_TEXT_ROWS)
                break;
        }
        QN_TRY(advance(ctx, r));
    }
    batch_end(r);
    if (r->n_rows > 0)
        *batch = &r->batch;
done:
    if (st != QN_OK)
        r->is_done = true;
    return st;
}

static void text_close(qn_reader *reader)
{
    qn_text_reader *r = (qn_text_reader *)reader;

    for (int32_t i = 0; r->column && i < r->n_columns; i++) {
        qn_free(r->column[i].values);
        qn_free(r->column[i].offsets);
        qn_free(r->column[i].validity);
    }
    qn_free(r->column);
    qn_free(r->view);
    qn_free(r->cell);
    qn_free(r->plan);
    qn_text_grid_free(r->grid);
    qn_stream_close(r->stream);
    qn_free(r);
}

static const qn_reader_ops text_reader_ops = {text_next, text_close};

static qn_status column_init(qn_context *ctx, const qn_text_source *s,
                             const qn_column_request *request, qn_text_column *c)
{
    const bool is_list = request->type == QN_FLOAT_LIST || request->type == QN_DOUBLE_LIST;
    qn_status st = QN_OK;

    if (request->field < 0 || request->field >= s->base.schema.n_fields)
        return qn_fail(ctx, QN_EINVAL, "%s: there is no column %d", s->files.file[0].path,
                       request->field);
    const qn_field *field = &s->field[request->field];
    const bool has_list = field->type == QN_FLOAT_LIST || field->type == QN_DOUBLE_LIST;
    if (is_list != has_list)
        return qn_fail(ctx, QN_EINVAL, "%s: column \"%s\" cannot be read as %s",
                       s->files.file[0].path, field->name, qn_type_name(request->type));
    c->field = request->field;
    c->type = request->type;
    c->nullable = request->nullable;
    c->max_size = request->max_size;
    c->lenient = request->lenient && request->nullable && !is_long(request->type);
    if (is_long(c->type)) {
        QN_NEW(ctx, c->offsets, QN_TEXT_ROWS + 1, "offsets of texts");
    } else {
        QN_TRY(qn_alloc_array(ctx, &c->values, QN_TEXT_ROWS, qn_text_value_size(c->type),
                              "values of a batch of rows"));
    }
    if (c->nullable) {
        QN_NEW(ctx, c->validity, QN_TEXT_ROWS / 64, "marks of missing values");
        memset(c->validity, 0xff, QN_TEXT_ROWS / 8);
    }
done:
    return st;
}

static qn_status reader_open_stream(qn_context *ctx, qn_text_reader *r)
{
    qn_text_source *s = r->source;
    const qn_source_file *file = &s->files.file[r->split->file];

    if (s->waiting && r->split->file == 0) {
        r->stream = s->waiting;
        s->waiting = NULL;
        return QN_OK;
    }
    if (file->is_once && file == &s->files.file[0])
        return qn_fail(ctx, QN_EINVAL, "%s: %s can be read only once; save it as a file first",
                       file->path, strcmp(file->path, "-") == 0 ? "standard input" : "a pipe");
    if (file->is_stream)
        return qn_stream_open_packed(ctx, file, &r->stream);
    return qn_stream_open_range(ctx, file, r->split->begin, r->split->end, &r->stream);
}

qn_status qn_text_reader_open(qn_context *ctx, qn_source *source, int64_t split,
                              const qn_column_request *request, int32_t n_columns,
                              qn_reader **reader)
{
    qn_text_source *s = (qn_text_source *)source;
    qn_text_reader *r = NULL;
    qn_status st = QN_OK;

    *reader = NULL;
    if (split < 0 || split >= s->n_splits)
        return qn_fail(ctx, QN_EINVAL, "%s: there is no split %lld", s->files.file[0].path,
                       (long long)split);
    QN_NEW0(ctx, r, 1, "reader of text");
    r->base.ops = &text_reader_ops;
    r->source = s;
    r->split = &s->split[split];
    r->n_columns = n_columns;
    r->n_cells = s->base.schema.n_fields;
    QN_NEW0(ctx, r->column, n_columns, "columns of a reader");
    QN_NEW0(ctx, r->view, n_columns, "columns of a reader");
    QN_NEW0(ctx, r->cell, r->n_cells, "fields of a row");
    for (int32_t i = 0; i < n_columns; i++)
        QN_TRY(column_init(ctx, s, &request[i], &r->column[i]));
    QN_TRY(qn_text_reserve(ctx, r, 1, 1));
    QN_TRY(reader_open_stream(ctx, r));
    QN_TRY(reader_start(ctx, r));
    *reader = &r->base;
    r = NULL;
done:
    if (r)
        text_close(&r->base);
    return st;
}

/* Which rows are looked for, and the last that was found. */
typedef struct row_search {
    int64_t wanted; /* -1: no more */
    qn_on_row *on_row;
    void *arg;
} row_search;

static void search_found(row_search *search, const qn_record_place *place)
{
    const int64_t next = search->on_row(search->arg, search->wanted, place);

    search->wanted = next > search->wanted ? next : -1;
}

/* Rows in their simplest form are one line each. */
static void search_fast(qn_text_reader *r, row_search *search)
{
    const char *line = r->stream->data + r->at;
    const char *end;
    int64_t row = r->first_row + r->n_rows;
    qn_record_place place = {.line = r->base.lines + 1};

    take_fast(r);
    end = r->stream->data + r->at;
    for (; search->wanted >= row && search->wanted < r->first_row + r->n_rows && line < end;
         row++) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));

        newline = newline ? newline : end;
        if (row == search->wanted) {
            place.offset = r->stream->offset + (line - r->stream->data);
            place.text = line;
            place.length = (size_t)(newline - line);
            place.length -= place.length > 0 && newline[-1] == '\r';
            search_found(search, &place);
        }
        place.line++;
        line = newline + 1;
    }
}

static void ignore_reject(void *arg, qn_reject_kind kind, int32_t column,
                          const qn_record_place *place)
{
    (void)arg;
    (void)kind;
    (void)column;
    (void)place;
}

qn_status qn_text_find_rows(qn_context *ctx, qn_source *source, int64_t split,
                            const qn_column_request *request, int32_t n_columns, int64_t first,
                            qn_on_row *on_row, void *arg)
{
    row_search search = {first, on_row, arg};
    qn_reader *reader = NULL;
    qn_text_reader *r;
    qn_status st = QN_OK;

    QN_TRY(qn_text_reader_open(ctx, source, split, request, n_columns, &reader));
    qn_reader_on_reject(reader, ignore_reject, NULL); /* so that places are noted */
    r = (qn_text_reader *)reader;
    batch_begin(r);
    while (!r->is_done && search.wanted >= 0) {
        if (qn_text_is_full(r)) {
            QN_TRY(qn_check_cancel(ctx));
            batch_begin(r);
        }
        if (r->source->format->take_fast && !r->grid && !r->needs_header && !r->is_skipping)
            search_fast(r, &search);
        if (qn_text_is_full(r))
            continue;
        QN_TRY(advance(ctx, r));
        if (search.wanted >= 0 && r->first_row + r->n_rows > search.wanted)
            search_found(&search, &r->base.place);
    }
done:
    qn_reader_close(reader);
    return st;
}
