/* What a file is, from its first rows: format, delimiter, header, names and types. */
#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "data/text_source.h"

#define MAX_FIELDS (1 << 20)

static qn_status check_is_text(qn_context *ctx, const qn_text_sample *s)
{
    const size_t n = s->n < 65536 ? s->n : 65536;
    size_t zeros = 0, controls = 0;

    for (size_t i = 0; i < n; i++) {
        const unsigned char c = (unsigned char)s->text[i];

        zeros += c == 0;
        controls += c < 9 || (c > 13 && c < 32);
    }
    if ((n >= 2 && (memcmp(s->text, "\xff\xfe", 2) == 0 || memcmp(s->text, "\xfe\xff", 2) == 0)) ||
        (zeros * 5 > n * 2 && zeros * 5 < n * 3))
        return qn_fail(ctx, QN_EDATA,
                       "%s: looks like UTF-16; convert it with: iconv -f UTF-16 -t UTF-8", s->path);
    if (zeros > 0 || controls * 10 > n)
        return qn_fail(ctx, QN_EDATA, "%s: looks like a binary file, not text", s->path);
    if (memchr(s->text, '\r', s->n) && !memchr(s->text, '\n', s->n) &&
        !(s->is_whole && s->text[s->n - 1] == '\r'))
        return qn_fail(ctx, QN_EDATA,
                       "%s: its lines end in CR alone; convert them with: tr '\\r' '\\n'", s->path);
    return QN_OK;
}

/* Steps through the whole, sound and not blank records of a sample. */
typedef struct rows {
    const qn_dialect *dialect;
    const qn_text_sample *sample;
    size_t at;
} rows;

static const char *rows_next(rows *r, size_t *length)
{
    for (;;) {
        const char *record = r->sample->text + r->at;
        const size_t rest = r->sample->n - r->at;
        const qn_cut cut = qn_cut_record(r->dialect, record, rest, r->sample->is_whole);

        if (rest == 0 || cut.kind == QN_CUT_MORE)
            return NULL;
        if (cut.kind == QN_CUT_LONG) {
            const char *newline = memchr(record, '\n', rest);

            r->at = newline ? (size_t)(newline + 1 - r->sample->text) : r->sample->n;
            continue;
        }
        r->at += cut.next;
        *length = cut.length;
        if (cut.kind == QN_CUT_RECORD && !qn_record_is_blank(r->dialect, record, cut.length))
            return record;
    }
}

/* How evenly a delimiter cuts the rows: the number of fields that most have, if there are at least
 * two; *share is how many of 100 rows have it. */
static int32_t fields_of_most(const qn_dialect *dialect, const qn_text_sample *sample,
                              int32_t *share)
{
    enum { MOST = 64 };
    int32_t count[MOST] = {0};
    int32_t n_rows = 0, best = 0;
    size_t length;
    rows r = {dialect, sample, 0};

    for (const char *row; n_rows < 100 && (row = rows_next(&r, &length)); n_rows++) {
        const int32_t n = qn_cut_fields(dialect, row, length, NULL, 0);

        count[n < MOST ? n : MOST - 1]++;
    }
    for (int32_t i = 1; i < MOST; i++) {
        if (count[i] > count[best])
            best = i;
    }
    *share = n_rows ? count[best] * 100 / n_rows : 0;
    return best;
}

static qn_dialect dialect_of(const char *delimiter, bool quotes, int64_t max_line)
{
    qn_dialect d = {{delimiter[0], delimiter[1]}, delimiter[1] ? 2 : 1, quotes, max_line};

    return d;
}

/* The delimiter that cuts most rows alike, the one with more fields if two do. */
static qn_dialect find_delimiter(const qn_text_sample *sample, int64_t max_line)
{
    static const char *const choice[] = {"::", ",", "\t", ";", "|"};
    qn_dialect best = dialect_of(",", true, max_line);
    int32_t best_score = 0;

    for (size_t i = 0; i < sizeof choice / sizeof *choice; i++) {
        const qn_dialect d = dialect_of(choice[i], choice[i][0] != ':', max_line);
        int32_t share;
        const int32_t n = fields_of_most(&d, sample, &share);
        const int32_t score = n >= 2 ? share * 64 + n : 0;

        if (score > best_score) {
            best_score = score;
            best = d;
        }
    }
    return best;
}

static bool row_is_movie_header(const char *row, size_t length)
{
    size_t i = 0;

    while (length > 0 && row[length - 1] == ' ')
        length--;
    while (i < length && row[i] >= '0' && row[i] <= '9')
        i++;
    return i > 0 && i + 1 == length && row[i] == ':';
}

/* "1 3:0.5 7:2" */
static bool row_is_libsvm(const char *row, size_t length)
{
    double number;
    const char *blank = memchr(row, ' ', length);
    const char *end = row + length;

    if (!blank || !qn_parse_double(row, (size_t)(blank - row), &number))
        return false;
    while (blank < end && *blank == ' ')
        blank++;
    const char *colon = memchr(blank, ':', (size_t)(end - blank));
    int64_t index;
    return colon && colon + 1 < end && colon[1] != ':' &&
           qn_parse_int64(blank, (size_t)(colon - blank), &index);
}

#define NETFLIX_ROWS 64 /* that are looked at */

/* A movie header first, or, where the beginning is damaged, one among rows of three fields. */
static bool sample_is_netflix(const qn_text_sample *sample, int64_t max_line)
{
    const qn_dialect lines = dialect_of("\n", false, max_line);
    const qn_dialect commas = dialect_of(",", false, max_line);
    rows r = {&lines, sample, 0};
    bool has_header = false, has_row = false;
    size_t length;

    for (int32_t i = 0; i < NETFLIX_ROWS && !(has_header && has_row); i++) {
        const char *row = rows_next(&r, &length);

        if (!row)
            break;
        const bool is_header = row_is_movie_header(row, length);
        if (i == 0 && is_header)
            return true;
        has_header = has_header || is_header;
        has_row = has_row || qn_cut_fields(&commas, row, length, NULL, 0) == 3;
    }
    return has_header && has_row;
}

/* Format by what the text looks like; AUTO and CSV need the delimiter still. */
static qn_format find_format(const qn_text_sample *sample, int64_t max_line)
{
    const qn_dialect lines = dialect_of("\n", false, max_line);
    rows r = {&lines, sample, 0};
    size_t length;
    const char *row = rows_next(&r, &length);

    if (sample_is_netflix(sample, max_line))
        return QN_FORMAT_NETFLIX;
    if (row && row_is_libsvm(row, length))
        return QN_FORMAT_LIBSVM;
    return QN_FORMAT_CSV;
}

static void choose_format(const qn_source_options *o, const qn_text_sample *sample,
                          qn_text_source *s)
{
    const int64_t max_line = s->dialect.max_line;
    qn_format format = o->format;

    if (format == QN_FORMAT_AUTO)
        format = o->delimiter ? QN_FORMAT_CSV : find_format(sample, max_line);
    s->format = &qn_text_delimited;
    switch (format) {
    case QN_FORMAT_TSV:
        s->dialect = dialect_of("\t", true, max_line);
        break;
    case QN_FORMAT_DAT:
        s->dialect = dialect_of("::", false, max_line);
        break;
    case QN_FORMAT_NETFLIX:
        s->format = &qn_text_netflix;
        s->dialect = dialect_of(",", false, max_line);
        break;
    case QN_FORMAT_LIBSVM:
        s->format = &qn_text_libsvm;
        s->dialect = dialect_of(" ", false, max_line);
        break;
    case QN_FORMAT_LINES:
        s->format = &qn_text_lines;
        s->dialect = dialect_of("\n", false, max_line);
        break;
    default:
        s->dialect = o->delimiter ? dialect_of((char[]){o->delimiter, 0}, true, max_line)
                                  : find_delimiter(sample, max_line);
        if (o->format == QN_FORMAT_AUTO && s->dialect.n_delimiter == 2)
            format = QN_FORMAT_DAT;
        else if (o->format == QN_FORMAT_AUTO && s->dialect.delimiter[0] == '\t')
            format = QN_FORMAT_TSV;
    }
    s->base.format = format;
}

/* What the cells of a column have been so far. */
typedef struct guess {
    bool has_value, no_int, no_double, no_time;
    bool first_is_text; /* in the first row */
} guess;

static bool is_iso_time(const qn_text_field *f)
{
    int64_t seconds;

    return f->length >= 8 && memchr(f->text, '-', f->length) && f->text[0] != '-' &&
           qn_parse_time(f->text, f->length, &seconds);
}

static void guess_add(guess *g, const qn_text_field *cell)
{
    const qn_text_field f = qn_field_trim(*cell);
    int64_t i;
    double d;

    if (f.length == 0 || qn_field_is_missing(&f))
        return;
    g->has_value = true;
    g->no_int = g->no_int || !qn_parse_int64(f.text, f.length, &i);
    g->no_double = g->no_double || !qn_parse_double(f.text, f.length, &d);
    g->no_time = g->no_time || !is_iso_time(&f);
}

static qn_type guess_type(const guess *g)
{
    if (!g->has_value)
        return QN_TEXT;
    return !g->no_int ? QN_INT64 : !g->no_double ? QN_DOUBLE : !g->no_time ? QN_TIME : QN_TEXT;
}

/* Fields of a row: those of the first row with a header, else those of most rows. */
static int32_t count_fields(const qn_dialect *dialect, const qn_text_sample *sample, bool by_first)
{
    rows r = {dialect, sample, 0};
    size_t length;
    const char *row = rows_next(&r, &length);
    int32_t share;
    const int32_t first = row ? qn_cut_fields(dialect, row, length, NULL, 0) : 1;
    const int32_t most = fields_of_most(dialect, sample, &share);

    return by_first || first >= 63 || share <= 50 ? first : most;
}

qn_status qn_text_add_field(qn_context *ctx, qn_text_source *s, const qn_text_field *name,
                            qn_type type)
{
    const int32_t f = s->base.schema.n_fields;
    qn_status st = QN_OK;

    if (name && name->length > 0) {
        size_t n = 0;

        QN_NEW(ctx, s->name[f], (int64_t)name->length + 1, "name of a column");
        for (size_t i = 0; i < name->length; i++) {
            s->name[f][n++] = name->text[i];
            if (name->has_escapes && name->text[i] == '"')
                i++;
        }
        s->name[f][n] = '\0';
    } else {
        QN_NEW(ctx, s->name[f], 16, "name of a column");
        int32_t digits = 1;
        for (int32_t rest = f; rest >= 10; rest /= 10)
            digits++;
        s->name[f][digits] = '\0';
        for (int32_t rest = f; digits > 0; rest /= 10)
            s->name[f][--digits] = (char)('0' + rest % 10);
    }
    s->field[f] = (qn_field){s->name[f], type};
    s->base.schema.n_fields++;
done:
    return st;
}

static qn_status schema_alloc(qn_context *ctx, qn_text_source *s, int32_t n_fields)
{
    qn_status st = QN_OK;

    QN_NEW0(ctx, s->field, n_fields, "columns of a source");
    QN_NEW0(ctx, s->name, n_fields, "columns of a source");
    s->base.schema.field = s->field;
done:
    return st;
}

/* Formats whose columns are known. */
static qn_status schema_fixed(qn_context *ctx, qn_text_source *s)
{
    static const qn_field netflix[] = {
        {"movieId", QN_INT64}, {"userId", QN_INT64}, {"rating", QN_DOUBLE}, {"date", QN_TIME}};
    static const qn_field libsvm[] = {
        {"label", QN_DOUBLE}, {"index", QN_DOUBLE_LIST}, {"value", QN_DOUBLE_LIST}};
    static const qn_field lines[] = {{"line", QN_TEXT}};
    const qn_field *field = s->format == &qn_text_netflix  ? netflix
                            : s->format == &qn_text_libsvm ? libsvm
                                                           : lines;
    const int32_t n = field == netflix ? 4 : field == libsvm ? 3 : 1;
    qn_status st = QN_OK;

    QN_TRY(schema_alloc(ctx, s, n));
    for (int32_t i = 0; i < n; i++) {
        const qn_text_field name = {.text = field[i].name, .length = strlen(field[i].name)};

        QN_TRY(qn_text_add_field(ctx, s, &name, field[i].type));
    }
done:
    return st;
}

/* Guesses over the sample; cells [2 * n]: the first row stays in the first half. Returns rows. */
static int32_t guess_rows(const qn_dialect *dialect, const qn_text_sample *sample, int32_t n,
                          qn_text_field *cells, guess *rest)
{
    rows r = {dialect, sample, 0};
    size_t length;
    const char *row = rows_next(&r, &length);
    int32_t n_rows = 1;

    if (!row)
        return 0;
    if (qn_cut_fields(dialect, row, length, cells, n) < n)
        memset(cells, 0, (size_t)n * sizeof *cells);
    while (n_rows < QN_TEXT_SAMPLE_ROWS && (row = rows_next(&r, &length))) {
        n_rows++;
        if (qn_cut_fields(dialect, row, length, cells + n, n) != n)
            continue;
        for (int32_t i = 0; i < n; i++)
            guess_add(&rest[i], &cells[n + i]);
    }
    return n_rows;
}

/* No cell of the first row is a number, and below it some column is: or there is nothing below. */
static bool looks_like_header(const qn_text_field *first, const guess *rest, int32_t n,
                              int32_t n_rows)
{
    bool has_name = false, has_numbers = false;

    for (int32_t i = 0; i < n; i++) {
        guess g = {0};

        guess_add(&g, &first[i]);
        if (g.has_value && (!g.no_double || !g.no_time))
            return false;
        has_name = has_name || g.has_value;
        has_numbers = has_numbers || (rest[i].has_value && guess_type(&rest[i]) != QN_TEXT);
    }
    return has_name && (has_numbers || n_rows == 1);
}

static qn_status schema_guess(qn_context *ctx, const qn_source_options *o,
                              const qn_text_sample *sample, qn_text_source *s)
{
    const int32_t n = count_fields(&s->dialect, sample, o->header == 1);
    qn_text_field *cells = NULL;
    guess *rest = NULL;
    qn_status st = QN_OK;

    if (n > MAX_FIELDS)
        return qn_fail(ctx, QN_EDATA, "%s: has %d columns, more than %d", sample->path, n,
                       MAX_FIELDS);
    QN_NEW0(ctx, cells, 2 * (int64_t)n, "fields of the first rows");
    QN_NEW0(ctx, rest, n, "guesses of types");
    const int32_t n_rows = guess_rows(&s->dialect, sample, n, cells, rest);
    if (n_rows == 0) {
        st = qn_fail(ctx, QN_EDATA, "%s: holds no row that can be read", sample->path);
        goto done;
    }
    const bool has_header =
        o->header == 1 || (o->header < 0 && looks_like_header(cells, rest, n, n_rows));
    QN_TRY(schema_alloc(ctx, s, n));
    s->base.schema.has_names = has_header;
    for (int32_t i = 0; i < n; i++) {
        const qn_text_field name = qn_field_trim(cells[i]);

        if (!has_header && cells[i].text)
            guess_add(&rest[i], &cells[i]);
        QN_TRY(qn_text_add_field(ctx, s, has_header ? &name : NULL, guess_type(&rest[i])));
    }
done:
    qn_free(cells);
    qn_free(rest);
    return st;
}

qn_status qn_text_sniff(qn_context *ctx, const qn_source_options *options,
                        const qn_text_sample *sample, qn_text_source *source)
{
    qn_status st = QN_OK;

    QN_TRY(check_is_text(ctx, sample));
    choose_format(options, sample, source);
    if (source->format != &qn_text_delimited)
        return schema_fixed(ctx, source);
    return schema_guess(ctx, options, sample, source);
done:
    return st;
}
