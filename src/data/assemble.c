/* Opening: which columns the features need of a source. */
#include "data/assemble_impl.h"

#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/source_impl.h"

/* What is needed while columns are looked for. */
typedef struct opening {
    qn_context *ctx;
    qn_assembler *a;
    const qn_source *source;
    int32_t *as_number, *as_list; /* [n_fields] request of the column as doubles, -1: none */
    int32_t hint;
    qn_string lacks; /* columns that the source lacks */
    const char *first_lack;
    int32_t n_lacks;
} opening;

void qn_assembler_free(qn_assembler *a)
{
    if (!a)
        return;
    for (int32_t i = 0; a->feature && i < a->features->n; i++) {
        qn_assembler_feature *f = &a->feature[i];

        qn_expr_free(f->expr);
        qn_free(f->number);
        qn_free(f->operand);
        qn_text_set_release(&f->category);
        qn_free(f->own);
    }
    for (int32_t i = 0; i < a->n_numbers; i++)
        qn_free(a->number[i].own);
    qn_free(a->feature);
    qn_free(a->number);
    qn_free(a->request);
    qn_free(a->column);
    qn_free(a->incomplete);
    qn_free(a->result);
    qn_free(a->scratch);
    qn_free(a->view);
    qn_free(a);
}

const qn_column_request *qn_assembler_requests(const qn_assembler *a, int32_t *n)
{
    *n = a->n_requests;
    return a->request;
}

void qn_assembler_be_lenient(qn_assembler *a)
{
    for (int32_t i = 0; i < a->n_requests; i++)
        a->request[i].lenient = true;
}

static void note_lack(opening *o, const char *name)
{
    if (o->n_lacks++ == 0)
        o->first_lack = name;
    if (o->lacks.length < 400)
        qn_string_addf(&o->lacks, "%s%s", o->n_lacks > 1 ? ", " : "", name);
    else if (o->lacks.text && o->lacks.text[o->lacks.length - 1] != '.')
        qn_string_add(&o->lacks, " ...");
}

static qn_feature_column find_column(opening *o, const char *name)
{
    const qn_feature_column column = qn_feature_column_find(o->source, name, o->hint);

    if (column.field < 0)
        note_lack(o, name);
    else
        o->hint = column.field + 1;
    return column;
}

static qn_status add_request(opening *o, int32_t field, qn_type type, int32_t *request)
{
    qn_assembler *a = o->a;
    qn_status st = QN_OK;

    if (a->n_requests == a->request_capacity) {
        const int32_t capacity = 2 * a->request_capacity + 16;

        QN_GROW(o->ctx, a->request, capacity, "columns to read");
        a->request_capacity = capacity;
    }
    *request = a->n_requests;
    a->request[a->n_requests++] =
        (qn_column_request){.field = field, .type = type, .nullable = true};
done:
    return st;
}

/* A request that expressions share. */
static qn_status add_shared(opening *o, int32_t field, qn_type type, int32_t *request)
{
    int32_t *known = qn_type_is_list(type) ? &o->as_list[field] : &o->as_number[field];
    qn_status st = QN_OK;

    if (*known < 0)
        QN_TRY(add_request(o, field, type, known));
    *request = *known;
done:
    return st;
}

static qn_status fail_kind(const opening *o, const qn_feature_column *column, const char *wanted)
{
    return qn_fail(o->ctx, QN_EINVAL, "%s: column %s holds %s, and the features take %s of it",
                   qn_source_split_path(o->source, 0), column->name,
                   qn_type_is_list(column->type) ? "lists" : "no lists", wanted);
}

/* *number -1: the source lacks the column. */
static qn_status add_number(opening *o, const qn_expr_column *wanted, int32_t *number)
{
    qn_assembler *a = o->a;
    const qn_feature_column column = find_column(o, wanted->name);
    qn_assembler_number made = {
        .request = -1, .index_request = -1, .element = wanted->element, .name = wanted->name};
    const bool is_list = column.field >= 0 && qn_type_is_list(column.type);
    qn_status st = QN_OK;

    *number = -1;
    if (column.field < 0)
        return QN_OK;
    if (is_list != (wanted->element >= 0))
        return fail_kind(o, &column, is_list ? "one number" : "an element");
    QN_TRY(add_shared(o, column.field,
                      is_list                  ? QN_DOUBLE_LIST
                      : column.type == QN_TIME ? QN_TIME
                                               : QN_DOUBLE,
                      &made.request));
    if (column.index_field >= 0)
        QN_TRY(add_shared(o, column.index_field, QN_DOUBLE_LIST, &made.index_request));
    for (int32_t i = 0; i < a->n_numbers; i++) {
        if (a->number[i].request == made.request && a->number[i].element == made.element) {
            *number = i;
            return QN_OK;
        }
    }
    if (a->n_numbers == a->number_capacity) {
        const int32_t capacity = 2 * a->number_capacity + 8;

        QN_GROW(o->ctx, a->number, capacity, "columns of expressions");
        a->number_capacity = capacity;
    }
    *number = a->n_numbers;
    a->number[a->n_numbers++] = made;
done:
    return st;
}

static qn_status open_expression(opening *o, qn_assembler_feature *f)
{
    qn_status st = QN_OK;

    st = qn_expr_parse(o->ctx, f->feature->source, &f->expr);
    if (st != QN_OK)
        return qn_fail_prefix(o->ctx, st, "feature %s", f->feature->name);
    const int32_t n = qn_expr_n_columns(f->expr);
    QN_NEW(o->ctx, f->number, n, "columns of an expression");
    QN_NEW0(o->ctx, f->operand, n, "columns of an expression");
    for (int32_t c = 0; c < n; c++)
        QN_TRY(add_number(o, &qn_expr_columns(f->expr)[c], &f->number[c]));
done:
    return st;
}

static qn_status open_category(opening *o, qn_assembler_feature *f, const qn_feature_column *column)
{
    uint32_t place = 0;
    qn_status st = QN_OK;

    if (qn_type_is_list(column->type))
        return fail_kind(o, column, "categories");
    QN_TRY(add_request(o, column->field, QN_TEXT, &f->request));
    for (int32_t c = 0; c < f->feature->n_categories; c++)
        QN_TRY(qn_text_set_add(o->ctx, &f->category, f->feature->category[c],
                               strlen(f->feature->category[c]), &place));
done:
    return st;
}

static qn_status open_feature(opening *o, qn_assembler_feature *f)
{
    const bool is_double = o->a->is_double, is_list = f->feature->kind == QN_FEATURE_LIST;
    qn_type type = is_double ? QN_DOUBLE : QN_FLOAT;
    qn_status st = QN_OK;

    if (f->feature->kind == QN_FEATURE_EXPRESSION)
        return open_expression(o, f);
    const qn_feature_column column = find_column(o, f->feature->source);
    if (column.field < 0)
        return QN_OK;
    if (f->feature->kind == QN_FEATURE_CATEGORY)
        return open_category(o, f, &column);
    if (is_list != qn_type_is_list(column.type))
        return fail_kind(o, &column, is_list ? "lists" : "one number");
    if (is_list)
        type = is_double ? QN_DOUBLE_LIST : QN_FLOAT_LIST;
    else if (column.type == QN_TIME)
        type = QN_TIME;
    QN_TRY(add_request(o, column.field, type, &f->request));
    if (column.index_field >= 0)
        QN_TRY(add_shared(o, column.index_field, QN_DOUBLE_LIST, &f->index_request));
done:
    return st;
}

/* The columns that the features are made of, for a message. */
static void list_wanted(const qn_features *features, qn_string *out)
{
    for (int32_t i = 0; i < features->n; i++) {
        if (out->length > 200) {
            qn_string_add(out, " ...");
            return;
        }
        qn_string_addf(out, "%s%s", i ? ", " : "", features->feature[i].source);
    }
}

/* Names where there are numbers, or numbers where there are names. */
static qn_status check_has_names(opening *o)
{
    const qn_features *features = o->a->features;
    const qn_schema *schema = qn_source_schema(o->source);
    const char *path = qn_source_split_path(o->source, 0);
    qn_string wanted = {0};
    qn_status st = QN_OK;

    if (features->has_names == qn_source_has_names(o->source))
        return QN_OK;
    list_wanted(features, &wanted);
    if (features->has_names)
        st = qn_fail(o->ctx, QN_EINVAL,
                     "%s has no header, only %d columns known by number; the features are made of "
                     "columns by name: %s. Give it a header, or say --header yes if its first line "
                     "is one",
                     path, schema->n_fields, qn_string_text(&wanted));
    else
        st = qn_fail(o->ctx, QN_EINVAL,
                     "%s has a header; the features are made of columns by number, of files "
                     "without header: %s. Take its header off, or say --header no if its first "
                     "line is a row",
                     path, qn_string_text(&wanted));
    qn_string_release(&wanted);
    return st;
}

static qn_status fail_lacks(opening *o)
{
    const qn_schema *schema = qn_source_schema(o->source);
    const char *path = qn_source_split_path(o->source, 0);
    qn_string has = {0};
    const char **names = NULL;
    qn_status st = QN_OK;

    if (!qn_source_has_names(o->source))
        return qn_fail(o->ctx, QN_EINVAL,
                       "%s has %d columns, 0 to %d, and lacks %s, which the features need", path,
                       schema->n_fields, schema->n_fields - 1, qn_string_text(&o->lacks));
    QN_NEW(o->ctx, names, schema->n_fields, "names of columns");
    for (int32_t i = 0; i < schema->n_fields; i++)
        names[i] = schema->field[i].name;
    const char *near = qn_source_format(o->source) == QN_FORMAT_LIBSVM
                           ? NULL
                           : qn_nearest(o->first_lack, names, schema->n_fields);
    qn_feature_columns_list(o->source, &has);
    st = qn_fail(o->ctx, QN_EINVAL, "%s lacks %s %s, which the features need%s%s%s; it has: %s",
                 path, o->n_lacks > 1 ? "columns" : "column", qn_string_text(&o->lacks),
                 near ? "; did it mean " : "", near ? near : "",
                 near && o->n_lacks > 1 ? " by the first" : "", qn_string_text(&has));
done:
    qn_free(names);
    qn_string_release(&has);
    return st;
}

static qn_status open_label_and_weight(opening *o, bool with_label)
{
    qn_assembler *a = o->a;
    const char *label = a->features->label, *weight = a->features->weight;
    qn_status st = QN_OK;

    a->label = a->weight = -1;
    if (with_label && !label)
        return qn_fail(o->ctx, QN_EINVAL, "no column is known as the label: name it by --label");
    if (with_label)
        QN_TRY(add_number(o, &(qn_expr_column){label, -1}, &a->label));
    if (weight && qn_feature_column_find(o->source, weight, -1).field >= 0)
        QN_TRY(add_number(o, &(qn_expr_column){weight, -1}, &a->weight));
done:
    return st;
}

static qn_status open_columns(opening *o, bool with_label)
{
    qn_assembler *a = o->a;
    const int32_t n_fields = qn_source_schema(o->source)->n_fields;
    int32_t first = 0, unread;
    qn_status st = QN_OK;

    QN_TRY(check_has_names(o));
    QN_NEW(o->ctx, o->as_number, n_fields, "columns to read");
    QN_NEW(o->ctx, o->as_list, n_fields, "columns to read");
    for (int32_t i = 0; i < n_fields; i++)
        o->as_number[i] = o->as_list[i] = -1;
    QN_NEW0(o->ctx, a->feature, a->features->n, "features");
    QN_NEW0(o->ctx, a->column, a->features->width, "columns of features");
    for (int32_t i = 0; i < a->features->n; i++) {
        qn_assembler_feature *f = &a->feature[i];

        f->feature = &a->features->feature[i];
        f->first = first;
        f->request = f->index_request = -1;
        first += f->feature->width;
        QN_TRY(open_feature(o, f));
    }
    QN_TRY(open_label_and_weight(o, with_label));
    if (o->n_lacks > 0)
        QN_TRY(fail_lacks(o));
    if (a->n_requests == 0) /* rows are there even if no feature reads them */
        QN_TRY(add_request(o, 0, QN_TEXT, &unread));
    QN_NEW0(o->ctx, a->view, a->n_requests, "views of columns");
done:
    return st;
}

qn_status qn_assembler_open(qn_context *ctx, const qn_features *features, const qn_source *source,
                            bool is_double, bool with_label, qn_assembler **assembler)
{
    opening o = {.ctx = ctx, .source = source};
    qn_status st = QN_OK;

    *assembler = NULL;
    QN_NEW0(ctx, o.a, 1, "an assembler");
    o.a->features = features;
    o.a->source = source;
    o.a->is_double = is_double;
    QN_TRY(open_columns(&o, with_label));
    *assembler = o.a;
    o.a = NULL;
done:
    qn_assembler_free(o.a);
    qn_free(o.as_number);
    qn_free(o.as_list);
    qn_string_release(&o.lacks);
    return st;
}
