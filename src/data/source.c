#include "quern/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "base/text.h"
#include "data/parquet.h"
#include "data/source_files.h"
#include "data/source_impl.h"
#include "data/text_source.h"
#include "engine/comm.h"

const char *qn_type_name(qn_type type)
{
    static const char *const name[] = {
        [QN_INT32] = "int32",
        [QN_INT64] = "int64",
        [QN_FLOAT] = "float",
        [QN_DOUBLE] = "double",
        [QN_TEXT] = "text",
        [QN_TIME] = "time",
        [QN_FLOAT_LIST] = "list of float",
        [QN_DOUBLE_LIST] = "list of double",
    };

    return (size_t)type < sizeof name / sizeof *name ? name[type] : "unknown";
}

const char *qn_reject_name(qn_reject_kind kind)
{
    static const char *const name[] = {
#define REJECT_NAME(value, text, help) text,
        QN_REJECT_LIST(REJECT_NAME)
#undef REJECT_NAME
    };

    return (size_t)kind < QN_REJECT_KINDS ? name[kind] : "unknown";
}

/* Bytes that do not print become \xNN; a text that does not fit ends in "...". */
static void printable(const char *text, size_t length, char out[QN_REJECT_TEXT])
{
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        const bool prints = c >= 32 && c < 127;

        if (used + (prints ? 1 : 4) > QN_REJECT_TEXT - 4) {
            memcpy(out + used, "...", 4);
            return;
        }
        if (prints)
            out[used++] = (char)c;
        else
            used += (size_t)snprintf(out + used, 5, "\\x%02x", c);
    }
    out[used] = '\0';
}

void qn_reject_add(qn_rejects *rejects, qn_reject_kind kind, int32_t column, int64_t offset,
                   const char *text, size_t length)
{
    rejects->count[kind]++;
    rejects->total++;
    if (rejects->n_examples == QN_REJECT_EXAMPLES)
        return;
    qn_reject *example = &rejects->example[rejects->n_examples++];
    example->kind = kind;
    example->column = column;
    example->offset = offset;
    printable(text, length, example->text);
}

void qn_reader_reject(qn_reader *reader, qn_reject_kind kind, int32_t column, int64_t offset,
                      const char *text, size_t length)
{
    const qn_record_place value = {.offset = offset, .text = text, .length = length};

    qn_reject_add(&reader->rejects, kind, column, offset, text, length);
    if (reader->on_reject)
        reader->on_reject(reader->on_reject_arg, kind, column,
                          reader->place.text ? &reader->place : &value);
}

void qn_reader_on_reject(qn_reader *reader, qn_on_reject *on_reject, void *arg)
{
    reader->on_reject = on_reject;
    reader->on_reject_arg = arg;
}

int64_t qn_reader_lines(const qn_reader *reader)
{
    return reader->lines;
}

static bool ends_with(const char *path, const char *end)
{
    const size_t n = strlen(path), m = strlen(end);

    return n >= m && strcasecmp(path + n - m, end) == 0;
}

/* By the end of the name, packed or not; AUTO: look inside. */
static qn_format format_by_name(const char *path)
{
    static const struct {
        const char *end;
        qn_format format;
    } known[] = {
        {".parquet", QN_FORMAT_PARQUET}, {".parq", QN_FORMAT_PARQUET}, {".json", QN_FORMAT_JSON},
        {".jsonl", QN_FORMAT_JSON},      {".ndjson", QN_FORMAT_JSON},  {".tsv", QN_FORMAT_TSV},
        {".libsvm", QN_FORMAT_LIBSVM},   {".svm", QN_FORMAT_LIBSVM},
    };
    static const char *const packed[] = {"", ".gz", ".zst", ".bz2", ".xz", ".zip"};
    char name[64];

    for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
        for (size_t p = 0; p < sizeof packed / sizeof *packed; p++) {
            snprintf(name, sizeof name, "%s%s", known[k].end, packed[p]);
            if (ends_with(path, name))
                return known[k].format;
        }
    }
    return QN_FORMAT_AUTO;
}

/* What the first bytes of a plain file say. */
static qn_format format_by_content(const char *path)
{
    char head[64];
    FILE *file = fopen(path, "rbe");
    size_t at = 0;

    if (!file)
        return QN_FORMAT_AUTO;
    const size_t n = fread(head, 1, sizeof head, file);
    fclose(file);
    if (n >= 4 && memcmp(head, "PAR1", 4) == 0)
        return QN_FORMAT_PARQUET;
    while (at < n && (head[at] == ' ' || head[at] == '\n' || head[at] == '\r' || head[at] == '\t'))
        at++;
    return at + 1 < n && head[at] == '{' && strchr("\"} \t\r\n", head[at + 1]) ? QN_FORMAT_JSON
                                                                               : QN_FORMAT_AUTO;
}

/* Who reads a file. */
typedef enum file_kind { KIND_TEXT, KIND_PARQUET, KIND_JSON, KINDS } file_kind;

static file_kind kind_of(qn_format format)
{
    return format == QN_FORMAT_PARQUET ? KIND_PARQUET
           : format == QN_FORMAT_JSON  ? KIND_JSON
                                       : KIND_TEXT;
}

/* All files are of the kind of most of them (of two as many: the first one's); those whose names
 * tell nothing are taken to be as the first such file is inside. */
static qn_status find_format(qn_context *ctx, const qn_source_options *options,
                             const qn_file_list *files, qn_format *format)
{
    static const char *const name[KINDS] = {"text", "Parquet", "JSON"};
    const qn_source_file *unnamed = NULL, *first[KINDS] = {NULL}, *odd = NULL;
    qn_format inside = QN_FORMAT_AUTO, first_format[KINDS] = {QN_FORMAT_AUTO};
    int64_t count[KINDS] = {0};
    file_kind most = KIND_TEXT;

    *format = options->format;
    if (*format != QN_FORMAT_AUTO)
        return QN_OK;
    for (int64_t f = 0; f < files->n; f++) {
        const qn_source_file *file = &files->file[f];
        qn_format found = format_by_name(file->path);

        if (found == QN_FORMAT_AUTO && !unnamed) {
            unnamed = file;
            inside = file->is_stream ? QN_FORMAT_AUTO : format_by_content(file->path);
        }
        found = found == QN_FORMAT_AUTO ? inside : found;
        const file_kind kind = kind_of(found);
        if (count[kind]++ == 0) {
            first[kind] = file;
            first_format[kind] = found;
        }
        if (f == 0 || count[kind] > count[most])
            most = kind;
    }
    for (int32_t kind = 0; kind < KINDS; kind++)
        if (kind != (int32_t)most && first[kind])
            odd = first[kind];
    if (odd)
        return qn_fail(ctx, QN_EINVAL,
                       "%s is no %s, as %lld of the %lld files are: move it away, give it a name "
                       "that begins with '_', or name the files to read",
                       odd->path, name[most], (long long)count[most], (long long)files->n);
    *format = first_format[most];
    if (*format == QN_FORMAT_TSV && options->delimiter)
        *format = QN_FORMAT_CSV;
    return QN_OK;
}

qn_status qn_source_open(qn_context *ctx, const qn_source_options *options, qn_source **source)
{
    qn_source_options open = *options;
    qn_file_list files = {0};
    qn_dataset_columns columns;
    uint64_t print = 0;
    bool has_columns;
    qn_status st = QN_OK;

    *source = NULL;
    QN_TRY(qn_file_list_fill(ctx, options->path, options->n_paths, &files));
    has_columns = files.has_columns;
    columns = files.columns;
    if (qn_size(ctx) > 1) /* workers compare; the source takes the list over */
        print = qn_file_list_print(&files);
    QN_TRY(find_format(ctx, options, &files, &open.format));
    if (open.format == QN_FORMAT_PARQUET || open.format == QN_FORMAT_JSON)
        st = qn_parquet_source_open(ctx, &open, source);
    else
        st = qn_text_source_open(ctx, &open, &files, source);
    if (st == QN_OK) {
        (*source)->has_columns = has_columns;
        (*source)->columns = columns;
        (*source)->print = print;
    }
done:
    st = qn_source_explain_missing(ctx, st);
    qn_file_list_release(&files);
    return st;
}

void qn_source_free(qn_source *source)
{
    if (source)
        source->ops->free(source);
}

const qn_schema *qn_source_schema(const qn_source *source)
{
    return &source->schema;
}

qn_format qn_source_format(const qn_source *source)
{
    return source->format;
}

/* The columns' names in a row for a message, cut where they are many. */
static void list_columns(const qn_schema *schema, qn_string *out)
{
    for (int32_t i = 0; i < schema->n_fields; i++) {
        if (out->length > 400) {
            qn_string_addf(out, " and %d more", schema->n_fields - i);
            return;
        }
        qn_string_addf(out, "%s%s", i ? ", " : "", schema->field[i].name);
    }
}

static qn_status column_not_found(qn_context *ctx, const qn_source *source, const char *name)
{
    const qn_schema *schema = &source->schema;
    const char *path = qn_source_n_splits(source) ? qn_source_split_path(source, 0) : "input";
    qn_string columns = {0};
    const char **names = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, names, schema->n_fields, "names of columns");
    for (int32_t i = 0; i < schema->n_fields; i++)
        names[i] = schema->field[i].name;
    list_columns(schema, &columns);
    const char *near = schema->has_names ? qn_nearest(name, names, schema->n_fields) : NULL;
    if (!schema->has_names && source->format != QN_FORMAT_NETFLIX)
        st = qn_fail(ctx, QN_ENOTFOUND,
                     "%s: there is no column \"%s\": the file has no header; columns are called by "
                     "number: %s",
                     path, name, qn_string_text(&columns));
    else
        st = qn_fail(ctx, QN_ENOTFOUND, "%s: there is no column \"%s\"%s%s%s; there are: %s", path,
                     name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"" : "",
                     qn_string_text(&columns));
done:
    qn_free(names);
    qn_string_release(&columns);
    return st;
}

/* Other names that Netflix data go by. */
static const char *netflix_name(const char *name)
{
    static const char *const alias[][2] = {{"MOVIE_ID", "movieId"},  {"CUST_ID", "userId"},
                                           {"customerId", "userId"}, {"customer", "userId"},
                                           {"itemId", "movieId"},    {"timestamp", "date"}};

    for (size_t i = 0; i < sizeof alias / sizeof *alias; i++) {
        if (qn_name_equal(name, alias[i][0]))
            return alias[i][1];
    }
    return name;
}

qn_status qn_source_column(qn_context *ctx, const qn_source *source, const char *name,
                           int32_t *field)
{
    const qn_schema *schema = &source->schema;
    const char *wanted = source->format == QN_FORMAT_NETFLIX ? netflix_name(name) : name;
    char *end;

    *field = -1;
    for (int32_t i = 0; i < schema->n_fields && *field < 0; i++) {
        if (strcmp(schema->field[i].name, wanted) == 0)
            *field = i;
    }
    for (int32_t i = 0; i < schema->n_fields && *field < 0; i++) {
        if (qn_name_equal(schema->field[i].name, wanted))
            *field = i;
    }
    if (*field >= 0)
        return QN_OK;
    const long number = *name >= '0' && *name <= '9' ? strtol(name, &end, 10) : -1;
    if (number >= 0 && *end == '\0' && number < schema->n_fields) {
        *field = (int32_t)number;
        return QN_OK;
    }
    return column_not_found(ctx, source, name);
}

int64_t qn_source_n_splits(const qn_source *source)
{
    return source->ops->n_splits(source);
}

int64_t qn_source_bytes(const qn_source *source)
{
    return source->bytes;
}

const char *qn_source_split_path(const qn_source *source, int64_t split)
{
    return source->ops->split_path(source, split);
}

qn_status qn_source_open_split(qn_context *ctx, qn_source *source, int64_t split,
                               const qn_column_request *request, int32_t n_columns,
                               qn_reader **reader)
{
    return source->ops->open_split(ctx, source, split, request, n_columns, reader);
}

qn_status qn_reader_next(qn_context *ctx, qn_reader *reader, const qn_batch **batch)
{
    return reader->ops->next(ctx, reader, batch);
}

const qn_rejects *qn_reader_rejects(const qn_reader *reader)
{
    return &reader->rejects;
}

void qn_reader_close(qn_reader *reader)
{
    if (reader)
        reader->ops->close(reader);
}

int64_t qn_source_line_number(qn_context *ctx, const qn_source *source, int64_t split,
                              int64_t offset)
{
    if (!source->ops->line_number)
        return 0;
    return source->ops->line_number(ctx, source, split, offset);
}

static int64_t keep_offset(void *arg, int64_t row, const qn_record_place *place)
{
    (void)row;
    *(int64_t *)arg = place->offset;
    return -1;
}

int64_t qn_source_row_offset(qn_context *ctx, qn_source *source, int64_t split,
                             const qn_column_request *request, int32_t n_columns, int64_t row)
{
    int64_t offset = -1;

    if (source->ops->row_offset)
        return source->ops->row_offset(ctx, source, split, request, n_columns, row);
    if (source->ops->find_rows && source->ops->find_rows(ctx, source, split, request, n_columns,
                                                         row, keep_offset, &offset) != QN_OK)
        return -1;
    return offset;
}
