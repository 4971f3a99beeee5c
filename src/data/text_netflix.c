/* Netflix text: a line "17:" sets the movie of the lines "customer,rating,YYYY-MM-DD" below it. */
#include "base/context.h"
#include "base/text.h"
#include "data/text_fast.h"
#include "data/text_source.h"

enum { FIELD_MOVIE, FIELD_USER, FIELD_RATING, FIELD_DATE, N_FIELDS };

/* Keeps a header line without its colon; one that does not fit is cut and gets a letter at its end,
 * as it is no number either. Returns its length. */
static size_t header_copy(char out[QN_TEXT_HEADER], const char *line, size_t length)
{
    const size_t kept = length < QN_TEXT_HEADER ? length : QN_TEXT_HEADER;

    memcpy(out, line, kept);
    if (kept < length)
        out[kept - 1] = '~';
    return kept;
}

/* Length of a header line without the colon and blanks, or SIZE_MAX for another line. */
static size_t header_length(const char *line, size_t length)
{
    while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    return length > 0 && line[length - 1] == ':' ? length - 1 : SIZE_MAX;
}

static bool header_is_number(const qn_text_field *header)
{
    int64_t movie;

    return qn_parse_int64(header->text, header->length, &movie);
}

static qn_status netflix_start(qn_context *ctx, qn_text_reader *r)
{
    (void)ctx;
    r->is_under_header = r->split->is_under_header;
    r->header_length = r->split->header_length;
    memcpy(r->header, r->split->header, QN_TEXT_HEADER);
    return QN_OK;
}

static qn_status netflix_take(qn_context *ctx, qn_text_reader *r, const char *line, size_t length,
                              int64_t offset)
{
    const size_t header = header_length(line, length);
    qn_text_field cell[N_FIELDS];
    qn_status st = QN_OK;

    if (header != SIZE_MAX) {
        r->header_length = header_copy(r->header, line, header);
        r->is_under_header = true;
        return QN_OK;
    }
    cell[FIELD_MOVIE] =
        qn_field_trim((qn_text_field){.text = r->header, .length = r->header_length});
    if (!r->is_under_header || qn_cut_fields(&r->source->dialect, line, length, cell + FIELD_USER,
                                             N_FIELDS - 1) != N_FIELDS - 1) {
        qn_text_row_reject(r, QN_REJECT_MALFORMED, -1, offset, line, length);
        return QN_OK;
    }
    if (!header_is_number(&cell[FIELD_MOVIE])) {
        qn_text_row_reject(r, QN_REJECT_HEADER, -1, offset, r->header, r->header_length);
        return QN_OK;
    }
    QN_TRY(qn_text_reserve(ctx, r, 2 * (length + QN_TEXT_HEADER), 0));
    qn_text_row_store(r, cell, line, length, offset);
done:
    return st;
}

/* Columns of a row in its simplest form: where each field goes, NULL where it is not asked for. */
typedef struct fast_columns {
    int64_t *movie, *date;
    int64_t *user;
    int32_t *movie32, *user32;
    float *rating;
    double *rating_double;
} fast_columns;

/* False: a column is asked for as something that the fast loop does not write, or twice. */
static bool fast_columns_of(const qn_text_reader *r, fast_columns *f)
{
    uint32_t seen = 0;

    *f = (fast_columns){0};
    for (int32_t i = 0; i < r->n_columns; i++) {
        const qn_text_column *c = &r->column[i];
        const bool is_long = c->type == QN_INT64 || c->type == QN_TIME;

        if (seen & 1u << c->field)
            return false;
        seen |= 1u << c->field;
        if (c->field == FIELD_MOVIE && is_long)
            f->movie = c->values;
        else if (c->field == FIELD_MOVIE && c->type == QN_INT32)
            f->movie32 = c->values;
        else if (c->field == FIELD_USER && is_long)
            f->user = c->values;
        else if (c->field == FIELD_USER && c->type == QN_INT32)
            f->user32 = c->values;
        else if (c->field == FIELD_RATING && c->type == QN_FLOAT)
            f->rating = c->values;
        else if (c->field == FIELD_RATING && c->type == QN_DOUBLE)
            f->rating_double = c->values;
        else if (c->field == FIELD_DATE && c->type == QN_TIME)
            f->date = c->values;
        else
            return false;
    }
    return true;
}

/* One row under a movie that is a number. */
static inline const char *fast_row(const fast_columns *f, int64_t row, int64_t movie,
                                   const char *text)
{
    int64_t user = 0, days = 0;
    double rating = 0;

    text = qn_fast_integer(text, &user);
    if (!text || *text != ',' || (f->user32 && user != (int32_t)user))
        return NULL;
    if (text[2] == ',' && text[1] >= '0' && text[1] <= '9') {
        rating = text[1] - '0';
        text += 2;
    } else {
        text = qn_fast_double(text + 1, &rating);
        if (!text || *text != ',' || rating != (double)(float)rating)
            return NULL;
    }
    text = qn_fast_date(text + 1, &days);
    if (!text)
        return NULL;
    text += *text == '\r';
    if (*text != '\n')
        return NULL;
    if (f->movie)
        f->movie[row] = movie;
    if (f->movie32)
        f->movie32[row] = (int32_t)movie;
    if (f->user)
        f->user[row] = user;
    if (f->user32)
        f->user32[row] = (int32_t)user;
    if (f->rating)
        f->rating[row] = (float)rating;
    if (f->rating_double)
        f->rating_double[row] = rating;
    if (f->date)
        f->date[row] = days * 86400;
    return text + 1;
}

static size_t netflix_take_fast(qn_text_reader *r, const char *text, size_t n)
{
    const qn_text_field header = {.text = r->header, .length = r->header_length};
    const int64_t max_line = r->source->dialect.max_line;
    const qn_text_field movie_text = qn_field_trim(header);
    const char *at = text;
    fast_columns f;
    int64_t movie;

    if (n <= QN_FAST_SLACK || !r->is_under_header || max_line < QN_FAST_SLACK ||
        !qn_parse_int64(movie_text.text, movie_text.length, &movie) || !fast_columns_of(r, &f) ||
        (f.movie32 && movie != (int32_t)movie))
        return 0;
    const char *limit = text + n - QN_FAST_SLACK;
    while (r->n_rows < QN_TEXT_ROWS && at < limit) {
        const char *next = fast_row(&f, r->n_rows, movie, at);

        if (!next)
            break;
        at = next;
        r->n_rows++;
    }
    return (size_t)(at - text);
}

/* Looks for the last header among the lines of text, which begins at a line if `is_whole`. Tells in
 * *is_seen whether all lines have been looked at. */
static bool find_header(const qn_dialect *dialect, const char *text, size_t n, bool is_whole,
                        qn_text_split *split, bool *is_seen)
{
    *is_seen = false;
    while (n > 0) {
        const char *before = n > 1 ? memrchr(text, '\n', n - 1) : NULL;

        if (!before && !is_whole)
            return false;
        const char *line = before ? before + 1 : text;
        size_t length = (size_t)(text + n - 1 - line);
        const bool is_long = length > (size_t)dialect->max_line;

        n = (size_t)(line - text);
        length -= length > 0 && line[length - 1] == '\r';
        const size_t header = header_length(line, length);
        if (header != SIZE_MAX && !is_long) {
            split->header_length = header_copy(split->header, line, header);
            split->is_under_header = true;
            return true;
        }
    }
    *is_seen = true;
    return false;
}

/* Back from the beginning of `split` to that of the one before it, in steps that double. */
static qn_status find_split_header(qn_context *ctx, const qn_text_source *s, int64_t begin,
                                   qn_text_split *split)
{
    const qn_source_file *file = &s->files.file[split->file];
    qn_stream *stream = NULL;
    bool is_seen = false;
    qn_status st = QN_OK;

    for (int64_t step = 256 << 10; !is_seen; step *= 2) {
        const bool is_whole = split->begin - begin <= step;
        const int64_t from = is_whole ? begin : split->begin - step;

        QN_TRY(qn_stream_open_range(ctx, file, from, split->begin, &stream));
        QN_TRY(qn_stream_fill(ctx, stream, 0, (size_t)(split->begin - from)));
        const size_t mark =
            from == 0 && stream->n >= 3 && memcmp(stream->data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
        if (find_header(&s->dialect, stream->data + mark, stream->n - mark, is_whole, split,
                        &is_seen))
            break;
        qn_stream_close(stream);
        stream = NULL;
    }
done:
    qn_stream_close(stream);
    return st;
}

qn_status qn_netflix_find_headers(qn_context *ctx, qn_text_source *s)
{
    qn_status st = QN_OK;

    for (int64_t i = 1; i < s->n_splits; i++) {
        const qn_text_split *before = &s->split[i - 1];
        qn_text_split *split = &s->split[i];

        if (split->file != before->file)
            continue;
        memcpy(split->header, before->header, QN_TEXT_HEADER);
        split->header_length = before->header_length;
        split->is_under_header = before->is_under_header;
        QN_TRY(find_split_header(ctx, s, before->begin, split));
    }
done:
    return st;
}

const qn_text_format qn_text_netflix = {
    .take = netflix_take, .take_fast = netflix_take_fast, .start = netflix_start};
