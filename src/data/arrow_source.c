/* A source over a stream of Arrow record batches: one split, one array in memory at a time. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "data/arrow_type.h"
#include "data/source_impl.h"

typedef struct arrow_source {
    qn_source base;
    struct ArrowArrayStream stream;
    qn_field *field;     /* [n_fields] what base.schema points to */
    qn_arrow_type *type; /* [n_fields] */
    bool was_read;       /* a stream can be read once */
} arrow_source;

/* A run of one column on its way: values, when the array does not have them as they are needed. */
typedef struct arrow_column {
    int32_t field;
    const qn_arrow_type *type;
    const struct ArrowArray *array;
    int64_t first; /* the run's first row in the array */
    int64_t values[QN_FILL_RUN];
    uint64_t present[QN_FILL_RUN / 64];
    char text[QN_ARROW_SCRATCH];
    double *child; /* floats or doubles of all lists of the run */
    uint64_t *child_present;
    int64_t n_child, child_capacity, child_first;
} arrow_column;

typedef struct arrow_reader {
    qn_reader base;
    arrow_source *source;
    struct ArrowArray array; /* release NULL: none is open */
    int64_t at;              /* rows of it taken */
    arrow_column *column;
    qn_run *run;
    qn_fill fill;
} arrow_reader;

static void source_free(qn_source *base)
{
    arrow_source *source = (arrow_source *)base;

    if (!source)
        return;
    if (source->stream.release)
        source->stream.release(&source->stream);
    for (int32_t i = 0; source->field && i < source->base.schema.n_fields; i++)
        qn_free((void *)source->field[i].name);
    qn_free(source->field);
    qn_free(source->type);
    qn_free(source);
}

static int64_t source_n_splits(const qn_source *base)
{
    (void)base;
    return 1;
}

static const char *source_split_path(const qn_source *base, int64_t split)
{
    (void)base;
    (void)split;
    return "Arrow stream";
}

/* Rejects are numbered by row. */
static int64_t source_line_number(qn_context *ctx, const qn_source *base, int64_t split,
                                  int64_t offset)
{
    (void)ctx;
    (void)base;
    (void)split;
    (void)offset;
    return 0;
}

static qn_status fail_stream(qn_context *ctx, arrow_source *source, int error_number)
{
    const char *text = source->stream.get_last_error(&source->stream);

    return qn_fail(ctx, QN_EIO, "Arrow stream: %s", text ? text : strerror(error_number));
}

/* -- runs ----------------------------------------------------------------------------------------
 */

static const char *run_text(const void *values, int64_t i, size_t *length)
{
    arrow_column *column = (arrow_column *)values;

    return qn_arrow_text(column->type, column->array, column->first + i, column->text, length);
}

static void run_list(const void *values, int64_t i, uint64_t *first, uint64_t *n)
{
    const arrow_column *column = values;
    int64_t from, length;

    qn_arrow_list(column->type, column->array, column->first + i, &from, &length);
    *first = (uint64_t)(from - column->child_first);
    *n = (uint64_t)length;
}

static bool is_there(const arrow_reader *reader, const arrow_column *column, int64_t i)
{
    const struct ArrowArray *array = column->array;

    if (!qn_arrow_is_valid(&reader->array, reader->at + i) ||
        !qn_arrow_is_valid(array, column->first + i))
        return false;
    return !column->type->is_dictionary ||
           qn_arrow_is_valid(array->dictionary,
                             qn_arrow_int(column->type, array, column->first + i));
}

/* True if a value is missing. */
static bool note_present(const arrow_reader *reader, arrow_column *column, int64_t n)
{
    bool has_missing = column->type->kind == QN_ARROW_NULL;

    memset(column->present, 0, sizeof column->present);
    for (int64_t i = 0; column->type->kind != QN_ARROW_NULL && i < n; i++) {
        const bool there = is_there(reader, column, i);

        column->present[i >> 6] |= (uint64_t)there << (i & 63);
        has_missing = has_missing || !there;
    }
    return has_missing;
}

/* Copies the values of the run's lists; a run's lists lie one behind the other. */
static qn_status take_lists(qn_context *ctx, arrow_column *column, qn_type wanted, int64_t n,
                            qn_run *run)
{
    const struct ArrowArray *child = column->array->children[0];
    int64_t first = 0, end = 0, from, length;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n; i++) {
        qn_arrow_list(column->type, column->array, column->first + i, &from, &length);
        first = i == 0 || from < first ? from : first;
        end = from + length > end ? from + length : end;
    }
    column->child_first = first;
    if (end - first > column->child_capacity) {
        QN_GROW(ctx, column->child, end - first, "lists being read");
        QN_GROW(ctx, column->child_present, (end - first + 63) / 64, "lists being read");
        column->child_capacity = end - first;
    }
    for (int64_t j = first; j < end; j++) {
        const double value = qn_arrow_real(column->type->child, child, j);
        const uint64_t bit = UINT64_C(1) << ((j - first) & 63);

        if (wanted == QN_FLOAT_LIST)
            ((float *)column->child)[j - first] = (float)value;
        else
            column->child[j - first] = value;
        if (qn_arrow_is_valid(child, j))
            column->child_present[(j - first) >> 6] |= bit;
        else
            column->child_present[(j - first) >> 6] &= ~bit;
    }
    run->child = column->child;
    run->child_present = child->null_count == 0 ? NULL : column->child_present;
done:
    return st;
}

/* The carrier of a type for what is wanted of it. */
static qn_carrier carrier_of(const qn_arrow_type *type, qn_type wanted)
{
    if (wanted == QN_FLOAT_LIST || wanted == QN_DOUBLE_LIST)
        return QN_CARRIER_LIST;
    if (wanted == QN_TEXT || type->is_dictionary)
        return QN_CARRIER_TEXT;
    switch (type->kind) {
    case QN_ARROW_INT32:
        return QN_CARRIER_INT32;
    case QN_ARROW_FLOAT:
        return QN_CARRIER_FLOAT;
    case QN_ARROW_DOUBLE:
        return QN_CARRIER_DOUBLE;
    case QN_ARROW_UINT64: /* their digits, so that what is too large is told */
    case QN_ARROW_DECIMAL:
    case QN_ARROW_TEXT:
    case QN_ARROW_LARGE_TEXT:
    case QN_ARROW_TEXT_VIEW:
        return QN_CARRIER_TEXT;
    default:
        return QN_CARRIER_INT64;
    }
}

static qn_status take_run(qn_context *ctx, arrow_reader *reader, int32_t c, int64_t n)
{
    const qn_fill_column *fill = &reader->fill.column[c];
    arrow_column *column = &reader->column[c];
    const struct ArrowArray *array = reader->array.children[column->field];
    qn_run *run = &reader->run[c];

    column->array = array;
    column->first = reader->array.offset + reader->at;
    *run = (qn_run){.values = column, .text = run_text, .list = run_list};
    if (note_present(reader, column, n))
        run->present = column->present;
    switch (fill->carrier) {
    case QN_CARRIER_INT32:
    case QN_CARRIER_FLOAT:
        run->values = (const float *)array->buffers[1] + array->offset + column->first;
        break;
    case QN_CARRIER_DOUBLE:
        run->values = (const double *)array->buffers[1] + array->offset + column->first;
        break;
    case QN_CARRIER_INT64:
        run->values = column->values;
        for (int64_t i = 0; column->type->kind != QN_ARROW_NULL && i < n; i++)
            column->values[i] = qn_arrow_int(column->type, array, column->first + i);
        break;
    case QN_CARRIER_LIST:
        return take_lists(ctx, column, fill->type, n, run);
    default:
        break;
    }
    return QN_OK;
}

/* -- arrays --------------------------------------------------------------------------------------
 */

static void close_array(arrow_reader *reader)
{
    if (reader->array.release)
        reader->array.release(&reader->array);
    reader->array.release = NULL;
}

/* A record batch of another shape than the schema would lead us out of its buffers. */
static qn_status check_array(qn_context *ctx, const arrow_reader *reader)
{
    const struct ArrowArray *array = &reader->array;
    const arrow_source *source = reader->source;

    if (array->n_children != source->base.schema.n_fields)
        return qn_fail(ctx, QN_EDATA, "Arrow stream: %lld columns in a batch, %d in the schema",
                       (long long)array->n_children, (int)source->base.schema.n_fields);
    for (int32_t f = 0; f < source->base.schema.n_fields; f++)
        if (!qn_arrow_array_fits(&source->type[f], array->children[f]) ||
            array->children[f]->length < array->offset + array->length)
            return qn_fail(ctx, QN_EDATA,
                           "Arrow stream: column \"%s\" of a batch is not of the schema's type",
                           source->field[f].name);
    return QN_OK;
}

/* Opens the next array that holds rows; *is_end when there is none. */
static qn_status next_array(qn_context *ctx, arrow_reader *reader, bool *is_end)
{
    struct ArrowArrayStream *stream = &reader->source->stream;

    *is_end = false;
    while (!reader->array.release || reader->at == reader->array.length) {
        close_array(reader);
        reader->at = 0;
        const int error_number = stream->get_next(stream, &reader->array);
        qn_status st;

        if (error_number) {
            reader->array.release = NULL;
            return fail_stream(ctx, reader->source, error_number);
        }
        if (!reader->array.release) {
            *is_end = true;
            return QN_OK;
        }
        st = check_array(ctx, reader);
        if (st != QN_OK)
            return st;
    }
    return QN_OK;
}

static qn_status reader_next(qn_context *ctx, qn_reader *base, const qn_batch **batch)
{
    arrow_reader *reader = (arrow_reader *)base;
    bool is_end = false;
    qn_status st = QN_OK;

    *batch = NULL;
    qn_fill_start(&reader->fill);
    while (qn_fill_has_room(&reader->fill)) {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(next_array(ctx, reader, &is_end));
        if (is_end)
            break;
        const int64_t left = reader->array.length - reader->at;
        const int64_t n = left < QN_FILL_RUN ? left : QN_FILL_RUN;

        for (int32_t c = 0; c < reader->fill.n_columns; c++)
            QN_TRY(take_run(ctx, reader, c, n));
        QN_TRY(qn_fill_rows(ctx, &reader->fill, reader->run, NULL, "", n));
        reader->at += n;
    }
    if (reader->fill.n_rows > 0 || !is_end)
        *batch = qn_fill_end(&reader->fill);
done:
    return st;
}

static void reader_close(qn_reader *base)
{
    arrow_reader *reader = (arrow_reader *)base;

    if (!reader)
        return;
    close_array(reader);
    for (int32_t c = 0; reader->column && c < reader->fill.n_columns; c++) {
        qn_free(reader->column[c].child);
        qn_free(reader->column[c].child_present);
    }
    qn_fill_release(&reader->fill);
    qn_free(reader->column);
    qn_free(reader->run);
    qn_free(reader);
}

static const qn_reader_ops reader_ops = {reader_next, reader_close};

static qn_status check_request(qn_context *ctx, const arrow_source *source,
                               const qn_column_request *request)
{
    const qn_arrow_type *type = &source->type[request->field];
    const bool wants_list = request->type == QN_FLOAT_LIST || request->type == QN_DOUBLE_LIST;
    const bool is_list = type->kind >= QN_ARROW_LIST;

    if (type->kind == QN_ARROW_OTHER)
        return qn_fail(ctx, QN_EDATA,
                       "Arrow stream: column \"%s\" is of a type that is not read: cast it to "
                       "numbers or text",
                       source->field[request->field].name);
    if (wants_list != is_list)
        return qn_fail(ctx, QN_EDATA, "Arrow stream: column \"%s\" is %s, not %s",
                       source->field[request->field].name, qn_type_name(qn_arrow_column_type(type)),
                       qn_type_name(request->type));
    return QN_OK;
}

static qn_status source_open_split(qn_context *ctx, qn_source *base, int64_t split,
                                   const qn_column_request *request, int32_t n_columns,
                                   qn_reader **out)
{
    arrow_source *source = (arrow_source *)base;
    arrow_reader *reader = NULL;
    qn_status st = QN_OK;

    (void)split;
    *out = NULL;
    if (source->was_read)
        return qn_fail(
            ctx, QN_EINVAL,
            "an Arrow stream is read once, and this job needs its rows twice (categories "
            "and lists are looked through first): hand over a fresh stream or a file");
    for (int32_t c = 0; c < n_columns; c++)
        QN_TRY(check_request(ctx, source, &request[c]));
    QN_NEW0(ctx, reader, 1, "a reader");
    reader->base.ops = &reader_ops;
    reader->source = source;
    QN_NEW0(ctx, reader->column, n_columns, "columns being read");
    QN_NEW0(ctx, reader->run, n_columns, "columns being read");
    QN_TRY(qn_fill_init(ctx, &reader->fill, request, n_columns, &reader->base));
    for (int32_t c = 0; c < n_columns; c++) {
        reader->column[c].field = request[c].field;
        reader->column[c].type = &source->type[request[c].field];
        reader->fill.column[c].carrier = carrier_of(reader->column[c].type, request[c].type);
    }
    source->was_read = true;
    *out = &reader->base;
    reader = NULL;
done:
    reader_close(reader ? &reader->base : NULL);
    return st;
}

static const qn_source_ops source_ops = {
    .free = source_free,
    .n_splits = source_n_splits,
    .split_path = source_split_path,
    .open_split = source_open_split,
    .line_number = source_line_number,
};

static qn_status take_schema(qn_context *ctx, arrow_source *source,
                             const struct ArrowSchema *schema)
{
    qn_status st = QN_OK;

    if (strcmp(schema->format, "+s") != 0 || schema->n_children > INT32_MAX)
        return qn_fail(ctx, QN_EDATA,
                       "Arrow stream: the schema is \"%.40s\", not a struct of columns",
                       schema->format);
    QN_NEW0(ctx, source->field, schema->n_children, "a schema");
    QN_NEW0(ctx, source->type, schema->n_children, "a schema");
    for (int32_t f = 0; f < (int32_t)schema->n_children; f++) {
        const struct ArrowSchema *child = schema->children[f];
        char *name = NULL;

        QN_TRY(qn_strdup(ctx, child->name ? child->name : "", &name));
        source->type[f] = qn_arrow_type_of(child);
        source->field[f] = (qn_field){name, qn_arrow_column_type(&source->type[f])};
        source->base.schema = (qn_schema){source->field, f + 1, true};
    }
done:
    return st;
}

qn_status qn_source_from_arrow(qn_context *ctx, struct ArrowArrayStream *stream, qn_source **out)
{
    struct ArrowArrayStream moved = *stream;
    struct ArrowSchema schema = {.release = NULL};
    arrow_source *source = NULL;
    int error_number;
    qn_status st = QN_OK;

    *out = NULL;
    stream->release = NULL;
    QN_NEW0(ctx, source, 1, "an Arrow source");
    source->stream = moved;
    moved.release = NULL;
    source->base.ops = &source_ops;
    source->base.format = QN_FORMAT_AUTO;
    source->base.is_once = true;
    error_number = source->stream.get_schema(&source->stream, &schema);
    if (error_number) {
        schema.release = NULL;
        st = fail_stream(ctx, source, error_number);
        goto done;
    }
    QN_TRY(take_schema(ctx, source, &schema));
    *out = &source->base;
    source = NULL;
done:
    if (schema.release)
        schema.release(&schema);
    if (moved.release)
        moved.release(&moved);
    source_free(source ? &source->base : NULL);
    return st;
}
