/* From what the options ask for to features. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/features_impl.h"
#include "data/source_impl.h"
#include "engine/comm.h"

/* A --feature. */
typedef struct named_expr {
    char *name, *text;
    qn_expr *expr;
    bool is_placed; /* among --features */
} named_expr;

typedef struct finder {
    qn_context *ctx;
    qn_source *source;
    const qn_matrix_options *options;
    qn_features *features;
    int32_t capacity; /* of features->feature */
    named_expr *expr; /* [n_exprs] */
    int32_t n_exprs;
    bool *is_read;                     /* [n_fields] by a --feature */
    bool *is_category;                 /* [n_fields] */
    bool *is_taken;                    /* [n_fields] a feature of its own */
    int32_t label_field, weight_field; /* -1: none */
    int32_t hint;                      /* field behind the one that was found last */
} finder;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* text[0..length) without blanks around, and without the quotes around that. */
static qn_status copy_name(qn_context *ctx, const char *text, size_t length, bool unquote,
                           char **name)
{
    size_t used = 0;
    qn_status st = QN_OK;

    while (length > 0 && is_blank(*text)) {
        text++;
        length--;
    }
    while (length > 0 && is_blank(text[length - 1]))
        length--;
    QN_NEW(ctx, *name, (int64_t)length + 1, "a name");
    unquote = unquote && length > 2 && (*text == '"' || *text == '`') && text[length - 1] == *text;
    for (size_t i = unquote; i < length - unquote; i++) {
        (*name)[used++] = text[i];
        i += unquote && text[i] == *text && text[i + 1] == *text;
    }
    (*name)[used] = '\0';
done:
    return st;
}

/* Where the item that begins at text ends: at a comma that stands in no quotes and brackets. */
static size_t item_length(const char *text)
{
    int64_t depth = 0;
    char quote = '\0';
    size_t n = 0;

    for (; text[n] != '\0' && (text[n] != ',' || quote || depth > 0); n++) {
        if (quote)
            quote = text[n] == quote ? '\0' : quote;
        else if (text[n] == '"' || text[n] == '`')
            quote = text[n];
        else if (text[n] == '(' || text[n] == '[')
            depth++;
        else if (text[n] == ')' || text[n] == ']')
            depth--;
    }
    /* A quote that does not close is part of a name. */
    return quote ? strcspn(text, ",") : n;
}

void qn_names_release(qn_names *list)
{
    for (int64_t i = 0; i < list->n; i++)
        qn_free(list->item[i]);
    qn_free(list->item);
}

qn_status qn_names_split(qn_context *ctx, const qn_text_list *from, qn_names *list)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < from->n; i++) {
        for (const char *at = from->item[i]; *at != '\0';) {
            const size_t length = item_length(at);

            if (list->n == list->capacity) {
                const int64_t capacity = 2 * list->capacity + 16;

                QN_GROW(ctx, list->item, capacity, "names of columns");
                list->capacity = capacity;
            }
            QN_TRY(copy_name(ctx, at, length, false, &list->item[list->n]));
            if (*list->item[list->n] == '\0')
                qn_free(list->item[list->n]);
            else
                list->n++;
            at += length + (at[length] == ',');
        }
    }
done:
    return st;
}

/* The column an option names, by name or by number. */
static qn_status find_column(finder *f, const char *name, qn_feature_column *column)
{
    int32_t field = -1;
    qn_status st = QN_OK;

    *column = qn_feature_column_find(f->source, name, f->hint);
    if (column->field < 0 && qn_source_format(f->source) == QN_FORMAT_LIBSVM)
        return qn_fail(f->ctx, QN_ENOTFOUND,
                       "%s: there is no column \"%s\": rows of libsvm have label and features",
                       qn_source_split_path(f->source, 0), name);
    if (column->field < 0) {
        QN_TRY(qn_source_column(f->ctx, f->source, name, &field));
        *column = qn_feature_column_at(f->source, field);
    }
    f->hint = column->field + 1;
done:
    return st;
}

/* A column that an expression reads: by name alone, so that it is the same one in other files. */
static qn_status find_expr_column(finder *f, const qn_expr_column *wanted)
{
    qn_feature_column column = qn_feature_column_find(f->source, wanted->name, -1);
    const char *name = wanted->name;

    if (column.field < 0) {
        const qn_status st = find_column(f, name, &column);

        return st != QN_OK ? st
                           : qn_fail(f->ctx, QN_ENOTFOUND,
                                     "%s: there is no column \"%s\"; in an expression columns go "
                                     "by their names: this one's is \"%s\"",
                                     qn_source_split_path(f->source, 0), name, column.name);
    }
    if (qn_type_is_list(column.type) && wanted->element < 0)
        return qn_fail(f->ctx, QN_EINVAL,
                       "column %s holds lists: write %s[0] for the first value of each", name,
                       name);
    if (!qn_type_is_list(column.type) && wanted->element >= 0)
        return qn_fail(f->ctx, QN_EINVAL, "column %s holds no lists: write %s without [%d]", name,
                       name, wanted->element);
    f->is_read[column.field] = true;
    return QN_OK;
}

static qn_status check_expr(finder *f, const char *text, qn_expr **expr)
{
    qn_status st = QN_OK;

    QN_TRY(qn_expr_parse(f->ctx, text, expr));
    for (int32_t c = 0; c < qn_expr_n_columns(*expr); c++)
        QN_TRY(find_expr_column(f, &qn_expr_columns(*expr)[c]));
done:
    return st;
}

static qn_status parse_feature(finder *f, const char *item, named_expr *e)
{
    const char *equals = strchr(item, '=');
    qn_status st = QN_OK;

    if (!equals)
        return qn_fail(f->ctx, QN_EINVAL, "--feature %s: give it a name: --feature NAME=%s", item,
                       item);
    QN_TRY(copy_name(f->ctx, item, (size_t)(equals - item), true, &e->name));
    QN_TRY(copy_name(f->ctx, equals + 1, strlen(equals + 1), false, &e->text));
    if (*e->name == '\0')
        return qn_fail(f->ctx, QN_EINVAL, "--feature %s: no name before the =", item);
    st = check_expr(f, e->text, &e->expr);
    if (st != QN_OK)
        st = qn_fail_prefix(f->ctx, st, "--feature %s", e->name);
done:
    return st;
}

static qn_status find_expressions(finder *f)
{
    const qn_text_list *list = &f->options->feature;
    qn_status st = QN_OK;

    QN_NEW0(f->ctx, f->expr, list->n, "expressions");
    for (int64_t i = 0; i < list->n; i++) {
        f->n_exprs++;
        QN_TRY(parse_feature(f, list->item[i], &f->expr[i]));
    }
done:
    return st;
}

/* Label or weight: a number a row. */
static qn_status find_number(finder *f, const char *option, const char *name, int32_t *field,
                             char **out)
{
    qn_feature_column column;
    qn_status st = QN_OK;

    st = find_column(f, name, &column);
    if (st != QN_OK)
        return qn_fail_prefix(f->ctx, st, "--%s", option);
    if (column.type > QN_DOUBLE)
        return qn_fail(f->ctx, QN_EINVAL, "--%s: column %s holds %s, and a %s is a number", option,
                       column.name,
                       column.type == QN_TEXT   ? "text"
                       : column.type == QN_TIME ? "times"
                                                : "lists",
                       option);
    *field = column.field;
    QN_TRY(qn_strdup(f->ctx, column.name, out));
done:
    return st;
}

static bool is_given(const char *text)
{
    return text && *text != '\0';
}

static qn_status find_label_and_weight(finder *f)
{
    const char *label = f->options->label;
    qn_status st = QN_OK;

    f->label_field = f->weight_field = -1;
    if (!is_given(label) && qn_source_format(f->source) == QN_FORMAT_LIBSVM)
        label = "label";
    if (is_given(label))
        QN_TRY(find_number(f, "label", label, &f->label_field, &f->features->label));
    if (is_given(f->options->weight))
        QN_TRY(
            find_number(f, "weight", f->options->weight, &f->weight_field, &f->features->weight));
done:
    return st;
}

static qn_status find_categorical(finder *f)
{
    qn_names list = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_names_split(f->ctx, &f->options->categorical, &list));
    for (int64_t i = 0; i < list.n; i++) {
        qn_feature_column column;
        char *name = NULL;

        QN_TRY(copy_name(f->ctx, list.item[i], strlen(list.item[i]), true, &name));
        st = find_column(f, name, &column);
        qn_free(name);
        if (st != QN_OK)
            QN_TRY(qn_fail_prefix(f->ctx, st, "--categorical"));
        if (qn_type_is_list(column.type))
            QN_TRY(qn_fail(f->ctx, QN_EINVAL, "--categorical: column %s holds lists", column.name));
        f->is_category[column.field] = true;
    }
done:
    qn_names_release(&list);
    return st;
}

static qn_status add_feature(finder *f, qn_feature_kind kind, const char *name, const char *source)
{
    qn_features *all = f->features;
    qn_status st = QN_OK;

    if (all->n == f->capacity) {
        const int32_t capacity = 2 * f->capacity + 16;

        QN_GROW(f->ctx, all->feature, capacity, "features");
        f->capacity = capacity;
    }
    qn_feature *feature = &all->feature[all->n++];
    *feature = (qn_feature){.kind = kind, .width = 1};
    QN_TRY(qn_strdup(f->ctx, name, &feature->name));
    QN_TRY(qn_strdup(f->ctx, source, &feature->source));
done:
    return st;
}

static qn_status add_column(finder *f, const qn_feature_column *column)
{
    const bool is_list = qn_type_is_list(column->type);

    if (column->field == f->label_field || column->field == f->weight_field)
        return qn_fail(f->ctx, QN_EINVAL, "column %s is the %s and cannot be a feature too",
                       column->name, column->field == f->label_field ? "label" : "weight");
    f->is_taken[column->field] = true;
    if (f->is_category[column->field])
        return add_feature(f, QN_FEATURE_CATEGORY, column->name, column->name);
    if (column->type == QN_TEXT)
        return qn_fail(f->ctx, QN_EINVAL,
                       "column %s holds text, which is no feature: name it under --categorical "
                       "too, to take its values as categories",
                       column->name);
    return add_feature(f, is_list ? QN_FEATURE_LIST : QN_FEATURE_COLUMN, column->name,
                       column->name);
}

/* xyz[2] among --features. */
static qn_status add_element(finder *f, const char *item)
{
    qn_expr *expr = NULL;
    qn_status st = QN_OK;

    st = check_expr(f, item, &expr);
    if (st != QN_OK)
        QN_TRY(qn_fail_prefix(f->ctx, st, "--features %s", item));
    QN_TRY(add_feature(f, QN_FEATURE_EXPRESSION, item, item));
done:
    qn_expr_free(expr);
    return st;
}

static qn_status add_named(finder *f, const char *item)
{
    qn_feature_column column;
    char *name = NULL;
    qn_status st = QN_OK;

    QN_TRY(copy_name(f->ctx, item, strlen(item), true, &name));
    for (int32_t e = 0; e < f->n_exprs; e++) {
        if (strcmp(f->expr[e].name, name) == 0) {
            f->expr[e].is_placed = true;
            QN_TRY(add_feature(f, QN_FEATURE_EXPRESSION, name, f->expr[e].text));
            goto done;
        }
    }
    column = qn_feature_column_find(f->source, name, f->hint);
    if (column.field < 0 && strchr(item, '[')) {
        QN_TRY(add_element(f, item));
        goto done;
    }
    st = find_column(f, name, &column);
    if (st != QN_OK)
        QN_TRY(qn_fail_prefix(f->ctx, st, "--features"));
    QN_TRY(add_column(f, &column));
done:
    qn_free(name);
    return st;
}

static qn_status add_all_named(finder *f, const qn_names *list)
{
    const qn_schema *schema = qn_source_schema(f->source);
    qn_status st = QN_OK;

    for (int64_t i = 0; i < list->n; i++)
        QN_TRY(add_named(f, list->item[i]));
    for (int32_t i = 0; i < schema->n_fields; i++)
        if (f->is_category[i] && !f->is_taken[i])
            QN_TRY(qn_fail(f->ctx, QN_EINVAL,
                           "column %s is named under --categorical, but not under --features",
                           schema->field[i].name));
done:
    return st;
}

/* A column that a stray text or two make one of texts is worth a word of its own. */
static void warn_stray(const finder *f, const qn_feature_column *column)
{
    char what[512];

    if (column->type == QN_TEXT && qn_rank(f->ctx) == 0 &&
        qn_features_stray(f->ctx, f->source, column->field, what, sizeof what))
        qn_emit_warning(f->ctx,
                        "%s, and so the column is left out, though most of it is numbers; to use "
                        "it name it under --features, with --on-bad-row skip to drop such rows",
                        what);
}

/* Texts and times are left out, which is said once. */
static void warn_left_out(const finder *f, const qn_string *left_out)
{
    if (left_out->length > 0 && qn_rank(f->ctx) == 0)
        qn_emit_warning(f->ctx,
                        "columns of texts and times are no features: %s; name those that hold "
                        "categories under --categorical",
                        qn_string_text(left_out));
}

/* Every column of numbers, and those of categories. */
static qn_status add_default(finder *f)
{
    const qn_schema *schema = qn_source_schema(f->source);
    const bool is_libsvm = qn_source_format(f->source) == QN_FORMAT_LIBSVM;
    qn_string left_out = {0};
    qn_status st = QN_OK;

    for (int32_t i = is_libsvm ? 2 : 0; i < schema->n_fields; i++) {
        const qn_feature_column column = qn_feature_column_at(f->source, i);
        const bool is_number = column.type <= QN_DOUBLE || qn_type_is_list(column.type);

        if (i == f->label_field || i == f->weight_field)
            continue;
        if (f->is_category[i] || (is_number && !f->is_read[i])) {
            QN_TRY(add_column(f, &column));
        } else if (!is_number && !f->is_read[i] && left_out.length < 200) {
            qn_string_addf(&left_out, "%s%s", left_out.length ? ", " : "", column.name);
            warn_stray(f, &column);
        }
    }
    warn_left_out(f, &left_out);
done:
    qn_string_release(&left_out);
    return st;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static qn_status check_names(finder *f)
{
    const qn_features *all = f->features;
    char **name = NULL;
    qn_status st = QN_OK;

    if (all->n == 0 && f->source->n_rows == 0 && qn_source_format(f->source) == QN_FORMAT_CSV)
        return qn_fail(f->ctx, QN_EDATA, "%s holds no rows, only a header",
                       qn_source_split_path(f->source, 0));
    if (all->n == 0)
        return qn_fail(f->ctx, QN_EINVAL,
                       "%s has no column of numbers that could be a feature: name columns of "
                       "categories under --categorical",
                       qn_source_split_path(f->source, 0));
    QN_NEW(f->ctx, name, all->n, "names of features");
    for (int32_t i = 0; i < all->n; i++)
        name[i] = all->feature[i].name;
    qsort(name, (size_t)all->n, sizeof *name, compare_names);
    for (int32_t i = 1; i < all->n; i++)
        if (strcmp(name[i - 1], name[i]) == 0)
            QN_TRY(qn_fail(f->ctx, QN_EINVAL,
                           "two features are called %s: each needs a name of "
                           "its own",
                           name[i]));
done:
    qn_free(name);
    return st;
}

static qn_status find_all(finder *f)
{
    const int32_t n_fields = qn_source_schema(f->source)->n_fields;
    qn_names list = {0};
    qn_status st = QN_OK;

    QN_NEW0(f->ctx, f->is_read, n_fields, "columns that are read");
    QN_NEW0(f->ctx, f->is_category, n_fields, "columns of categories");
    QN_NEW0(f->ctx, f->is_taken, n_fields, "columns that are features");
    QN_TRY(find_expressions(f));
    QN_TRY(find_label_and_weight(f));
    QN_TRY(find_categorical(f));
    QN_TRY(qn_names_split(f->ctx, &f->options->features, &list));
    f->hint = 0;
    if (list.n > 0)
        QN_TRY(add_all_named(f, &list));
    else
        QN_TRY(add_default(f));
    for (int32_t e = 0; e < f->n_exprs; e++)
        if (!f->expr[e].is_placed)
            QN_TRY(add_feature(f, QN_FEATURE_EXPRESSION, f->expr[e].name, f->expr[e].text));
    QN_TRY(check_names(f));
done:
    qn_names_release(&list);
    return st;
}

static void finder_release(finder *f)
{
    for (int32_t e = 0; f->expr && e < f->n_exprs; e++) {
        qn_free(f->expr[e].name);
        qn_free(f->expr[e].text);
        qn_expr_free(f->expr[e].expr);
    }
    qn_free(f->expr);
    qn_free(f->is_read);
    qn_free(f->is_category);
    qn_free(f->is_taken);
}

qn_status qn_features_find(qn_context *ctx, qn_source *source, const qn_matrix_options *options,
                           qn_categories categories, qn_features *features)
{
    finder f = {.ctx = ctx, .source = source, .options = options, .features = features};
    qn_status st = QN_OK;

    *features = (qn_features){.has_names = qn_source_has_names(source), .categories = categories};
    QN_TRY_ALL(find_all(&f));
    QN_TRY(qn_features_scan(ctx, source, options->num_features, features));
    QN_TRY(qn_features_sum(ctx, features));
    QN_TRY_ALL(qn_features_mark_scaled(ctx, &options->scale, features));
done:
    finder_release(&f);
    return st;
}
