/* Cuts files into ranges that begin at records, by the files alone. */
#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/text_source.h"

/* One pass over [begin, end) of a file through windows. */
typedef struct scan {
    qn_stream *stream;
    size_t at;
} scan;

static qn_status scan_open(qn_context *ctx, const qn_source_file *file, int64_t begin, int64_t end,
                           scan *s)
{
    qn_status st = QN_OK;

    *s = (scan){0};
    QN_TRY(qn_stream_open_range(ctx, file, begin, end, &s->stream));
    QN_TRY(qn_stream_fill(ctx, s->stream, 0, 1));
done:
    return st;
}

/* The place behind the first `byte` in [begin, end), or -1. */
static qn_status find_byte(qn_context *ctx, const qn_source_file *file, int64_t begin, int64_t end,
                           char byte, int64_t *behind)
{
    qn_status st = QN_OK;
    scan s = {0};

    *behind = -1;
    QN_TRY(scan_open(ctx, file, begin, end, &s));
    for (;;) {
        const char *hit = s.stream->n ? memchr(s.stream->data, byte, s.stream->n) : NULL;

        if (hit) {
            *behind = s.stream->offset + (hit - s.stream->data) + 1;
            break;
        }
        if (s.stream->at_end)
            break;
        QN_TRY(qn_stream_fill(ctx, s.stream, s.stream->n, 1));
    }
done:
    qn_stream_close(s.stream);
    return st;
}

static qn_status add_split(qn_context *ctx, qn_text_source *s, int64_t file, int64_t begin,
                           int64_t end)
{
    qn_status st = QN_OK;

    if (s->n_splits == s->split_capacity) {
        const int64_t capacity = s->split_capacity ? 2 * s->split_capacity : 16;

        QN_GROW(ctx, s->split, capacity, "list of splits");
        s->split_capacity = capacity;
    }
    s->split[s->n_splits++] = (qn_text_split){.file = file, .begin = begin, .end = end};
done:
    return st;
}

/* Which ranges of a file hold a quote. */
typedef struct quote_task {
    qn_context *ctx;
    const qn_source_file *file;
    int64_t split_bytes;
    uint8_t *has_quote; /* [n_ranges] */
} quote_task;

static qn_status find_quotes(void *arg, int64_t range, int32_t thread)
{
    const quote_task *t = arg;
    const int64_t begin = range * t->split_bytes;
    const int64_t rest = t->file->size - begin;
    const int64_t end = begin + (rest < t->split_bytes ? rest : t->split_bytes);
    int64_t behind;
    const qn_status st = find_byte(t->ctx, t->file, begin, end, '"', &behind);

    (void)thread;
    t->has_quote[range] = behind >= 0;
    return st;
}

/* Record by record from *begin to the first that begins at or behind `target`. */
static qn_status scan_records(qn_context *ctx, const qn_text_source *source,
                              const qn_source_file *file, int64_t target, int64_t *begin)
{
    qn_status st = QN_OK;
    scan s = {0};
    bool is_skipping = false;

    QN_TRY(scan_open(ctx, file, *begin, file->size, &s));
    if (*begin == 0 && s.stream->n >= 3 && memcmp(s.stream->data, "\xef\xbb\xbf", 3) == 0)
        s.at = 3;
    for (;;) {
        qn_stream *stream = s.stream;
        const size_t rest = stream->n - s.at;
        qn_cut cut = {QN_CUT_MORE, 0, 0};

        *begin = stream->offset + (int64_t)s.at;
        if (*begin >= target && !is_skipping)
            break;
        if (rest == 0 && stream->at_end)
            break;
        if (is_skipping) {
            const char *newline = rest ? memchr(stream->data + s.at, '\n', rest) : NULL;

            is_skipping = !newline;
            s.at = newline ? (size_t)(newline + 1 - stream->data) : stream->n;
        } else {
            cut = qn_cut_record(&source->dialect, stream->data + s.at, rest, stream->at_end);
            is_skipping = cut.kind == QN_CUT_LONG;
            s.at += cut.next;
        }
        if (s.at == stream->n ? !stream->at_end : cut.kind == QN_CUT_MORE && !is_skipping && rest) {
            const size_t left = stream->n - s.at;

            QN_TRY(qn_stream_fill(ctx, stream, s.at, 2 * left + 1));
            s.at = 0;
        }
    }
done:
    qn_stream_close(s.stream);
    return st;
}

/* The start of the line that `target` - 1 lies in, given that a line begins at `begin`. */
static qn_status find_line(qn_context *ctx, const qn_source_file *file, int64_t begin,
                           int64_t target, int64_t *line)
{
    qn_status st = QN_OK;
    qn_stream *stream = NULL;

    *line = -1;
    for (int64_t step = 64 << 10; *line < 0; step *= 2) {
        const int64_t from = target - begin <= step ? begin : target - step;

        QN_TRY(qn_stream_open_range(ctx, file, from, target, &stream));
        QN_TRY(qn_stream_fill(ctx, stream, 0, (size_t)(target - from)));
        const char *newline = memrchr(stream->data, '\n', stream->n);
        if (newline)
            *line = from + (newline + 1 - stream->data);
        else if (from == begin)
            *line = begin;
        qn_stream_close(stream);
        stream = NULL;
    }
done:
    qn_stream_close(stream);
    return st;
}

/* Where the first record at or behind `target`, the end of a range, begins, given that one begins
 * at *begin in that range. */
static qn_status next_begin(qn_context *ctx, const qn_text_source *source,
                            const qn_source_file *file, const uint8_t *has_quote, int64_t target,
                            int64_t *begin)
{
    qn_status st = QN_OK;
    int64_t behind;

    if (has_quote) {
        /* Without a quote in the range its last line begins a record, which may hold quotes yet. */
        if (!has_quote[*begin / source->split_bytes])
            QN_TRY(find_line(ctx, file, *begin, target, begin));
        QN_TRY(scan_records(ctx, source, file, target, begin));
    } else {
        QN_TRY(find_byte(ctx, file, target - 1, file->size, '\n', &behind));
        *begin = behind < 0 ? file->size : behind;
    }
done:
    return st;
}

/* Where the rows of a file begin: behind its byte order mark, and behind the header that the reader
 * of the first split takes. */
static qn_status find_head(qn_context *ctx, const qn_text_source *source,
                           const qn_source_file *file, int64_t *head)
{
    bool is_found = !source->base.schema.has_names;
    qn_status st = QN_OK;
    scan s = {0};

    QN_TRY(scan_open(ctx, file, 0, file->size, &s));
    if (s.stream->n >= 3 && memcmp(s.stream->data, "\xef\xbb\xbf", 3) == 0)
        s.at = 3;
    while (!is_found) {
        const char *record = s.stream->data + s.at;
        const size_t rest = s.stream->n - s.at;

        if (rest == 0 && s.stream->at_end)
            break;
        const qn_cut cut = qn_cut_record(&source->dialect, record, rest, s.stream->at_end);
        if (cut.kind == QN_CUT_MORE) {
            QN_TRY(qn_stream_fill(ctx, s.stream, s.at, 2 * rest + 1));
            s.at = 0;
        } else if (cut.kind == QN_CUT_LONG) {
            int64_t begin = s.stream->offset + (int64_t)s.at;

            QN_TRY(scan_records(ctx, source, file, begin + 1, &begin));
            QN_TRY(qn_stream_fill(ctx, s.stream, (size_t)(begin - s.stream->offset), 1));
            s.at = 0;
        } else {
            s.at += cut.next;
            is_found = cut.kind == QN_CUT_RECORD &&
                       !qn_record_is_blank(&source->dialect, record, cut.length);
        }
    }
    *head = s.stream->offset + (int64_t)s.at;
done:
    qn_stream_close(s.stream);
    return st;
}

static qn_status cut_file(qn_context *ctx, qn_text_source *s, int64_t file_number)
{
    const qn_source_file *file = &s->files.file[file_number];
    const int64_t n_ranges = (file->size + s->split_bytes - 1) / s->split_bytes;
    quote_task task = {ctx, file, s->split_bytes, NULL};
    int64_t begin = 0, head = 0;
    qn_status st = QN_OK;

    if (s->dialect.quotes && n_ranges > 1) {
        QN_NEW0(ctx, task.has_quote, n_ranges, "ranges with quotes");
        QN_TRY(qn_parallel(ctx, n_ranges, find_quotes, &task));
    }
    if (n_ranges > 1)
        QN_TRY(find_head(ctx, s, file, &head));
    for (int64_t r = 1; r <= n_ranges && begin < file->size; r++) {
        const int64_t target = r * s->split_bytes;
        int64_t next = begin > head ? begin : head;

        if (target <= next && target < file->size)
            continue;
        if (target >= file->size)
            next = file->size;
        else
            QN_TRY(next_begin(ctx, s, file, task.has_quote, target, &next));
        QN_TRY(add_split(ctx, s, file_number, begin, next));
        begin = next;
    }
done:
    qn_free(task.has_quote);
    return st;
}

qn_status qn_text_cut_splits(qn_context *ctx, qn_text_source *s)
{
    qn_status st = QN_OK;

    for (int64_t f = 0; f < s->files.n; f++) {
        if (s->files.file[f].is_stream)
            QN_TRY(add_split(ctx, s, f, 0, INT64_MAX));
        else
            QN_TRY(cut_file(ctx, s, f));
    }
    if (s->format == &qn_text_netflix)
        QN_TRY(qn_netflix_find_headers(ctx, s));
done:
    return st;
}
