#include "data/triples_columns.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "base/text.h"
#include "data/reading.h"
#include "data/source_impl.h"
#include "data/triples.h"

/* Squares of larger ratings leave the range of a float. */
#define MAX_RATING 1e30

/* What a column is often called when it does not have the name that MovieLens gives it. */
typedef struct column_role {
    const char *name;     /* default of the option */
    const char *number;   /* where the file has no names */
    const char *alias[6]; /* case, '-' and '_' ignored */
} column_role;

static const column_role roles[QN_RATING_COLUMNS] = {
    {"userId", "0", {"user", "userid", "custid", "customerid"}},
    {"movieId", "1", {"item", "itemid", "movie", "movieid"}},
    {"rating", "2", {"score", "ratings", "rating"}},
    {"timestamp", "3", {"ts", "time", "date", "timestamp"}},
};

static bool is_alias(const column_role *role, const char *name)
{
    for (int32_t a = 0; a < 6 && role->alias[a]; a++)
        if (qn_name_equal(role->alias[a], name))
            return true;
    return false;
}

static int32_t find_exact(const qn_schema *schema, const char *name)
{
    for (int32_t f = 0; f < schema->n_fields; f++)
        if (strcmp(schema->field[f].name, name) == 0)
            return f;
    return -1;
}

/* The one column with a known other name; -1 if there is none or more than one. */
static int32_t find_alias(const qn_schema *schema, const column_role *role)
{
    int32_t found = -1;

    for (int32_t f = 0; f < schema->n_fields; f++) {
        if (!is_alias(role, schema->field[f].name))
            continue;
        if (found >= 0)
            return -1;
        found = f;
    }
    return found;
}

/* Whether columns are called by names: a header gives them, or the format itself. */
static bool has_names(const qn_source *source)
{
    return qn_source_schema(source)->has_names || qn_source_format(source) == QN_FORMAT_NETFLIX;
}

/* The column to which the manifest of a data set gives the role, -1 if there is none. */
static int32_t find_by_manifest(const qn_source *source, const column_role *role)
{
    const qn_dataset_columns *columns = &source->columns;
    const char *const name[QN_RATING_COLUMNS] = {columns->user, columns->item, columns->rating,
                                                 columns->date};

    return source->has_columns ? find_exact(qn_source_schema(source), name[role - roles]) : -1;
}

bool qn_rating_columns_named(const qn_source *source, const qn_ratings_options *options)
{
    const char *const wanted[2] = {options->user_col, options->item_col};
    const qn_schema *schema = qn_source_schema(source);

    for (int32_t side = 0; side < 2; side++)
        if (find_exact(schema, wanted[side]) < 0 &&
            (strcmp(wanted[side], roles[side].name) != 0 ||
             (find_by_manifest(source, &roles[side]) < 0 && find_alias(schema, &roles[side]) < 0)))
            return false;
    return schema->has_names;
}

/* Column of a role; *field is -1 where it is not there and `optional`. */
static qn_status find_column(qn_context *ctx, const qn_source *source, const column_role *role,
                             const char *wanted, bool optional, int32_t *field)
{
    const qn_schema *schema = qn_source_schema(source);
    const bool is_default = strcmp(wanted, role->name) == 0;

    *field = is_default ? find_by_manifest(source, role) : -1;
    if (*field < 0)
        *field = find_exact(schema, wanted);
    if (*field < 0 && is_default && !has_names(source))
        *field = find_exact(schema, role->number);
    if (*field < 0 && is_default && has_names(source)) {
        *field = find_alias(schema, role);
        if (*field >= 0)
            qn_emit_fact(ctx, role->name, schema->field[*field].name);
    }
    return *field >= 0 || optional ? QN_OK : qn_source_column(ctx, source, wanted, field);
}

static qn_status add_column(const qn_source *source, qn_rating_columns *columns, int32_t field,
                            qn_type type, bool nullable)
{
    columns->request[columns->n] = (qn_column_request){
        .field = field,
        .type = type,
        .nullable = nullable,
        .max_size = type == QN_DOUBLE ? MAX_RATING : 0.0,
    };
    columns->name[columns->n] = qn_source_schema(source)->field[field].name;
    columns->n++;
    return QN_OK;
}

static qn_status add_id_column(const qn_source *source, qn_rating_columns *columns, int32_t field,
                               qn_id_type wanted)
{
    const qn_type found = qn_source_schema(source)->field[field].type;
    const bool is_text =
        wanted == QN_ID_STRING || (wanted == QN_ID_AUTO && (found == QN_TEXT || found == QN_TIME));

    columns->type[columns->n] = is_text ? QN_ID_STRING : wanted;
    return add_column(source, columns, field,
                      is_text                 ? QN_TEXT
                      : wanted == QN_ID_INT32 ? QN_INT32
                                              : QN_INT64,
                      false);
}

static qn_type time_type(const qn_source *source, int32_t field)
{
    const qn_type found = qn_source_schema(source)->field[field].type;

    return found == QN_INT32 || found == QN_INT64 ? QN_INT64 : QN_TIME;
}

qn_status qn_rating_columns_find(qn_context *ctx, const qn_source *source,
                                 const qn_ratings_options *options, bool want_time, bool need_time,
                                 qn_rating_columns *columns)
{
    const char *wanted[2] = {options->user_col, options->item_col};
    qn_status st = QN_OK;
    int32_t field = -1;

    *columns = (qn_rating_columns){.rating = -1, .time = -1};
    columns->is_explicit_int32 = options->id_type == QN_ID_INT32;
    for (int32_t side = 0; side < 2; side++) {
        QN_TRY(find_column(ctx, source, &roles[side], wanted[side], false, &field));
        QN_TRY(add_id_column(source, columns, field, (qn_id_type)options->id_type));
    }
    if (options->rating_col && options->rating_col[0]) {
        QN_TRY(find_column(ctx, source, &roles[2], options->rating_col, false, &field));
        columns->rating = columns->n;
        QN_TRY(add_column(source, columns, field, QN_DOUBLE, false));
    }
    if (!want_time && !need_time)
        return QN_OK;
    QN_TRY(find_column(ctx, source, &roles[3], options->timestamp_col, true, &field));
    if (field < 0 && need_time) {
        if (qn_source_column(ctx, source, options->timestamp_col, &field) == QN_OK)
            return qn_fail(ctx, QN_EINTERNAL, "a column of times was there and was not");
        return qn_fail_prefix(ctx, QN_EINVAL,
                              "times are needed here (by --split or --on-duplicate latest): name "
                              "their column with --timestamp-col");
    }
    if (field >= 0) {
        columns->time = columns->n;
        QN_TRY(add_column(source, columns, field, time_type(source, field), !need_time));
    }
done:
    return st;
}

/* A rating that is a number, but none that can be learnt from. */
static void describe_rating(const char *text, const char *name, char *out, size_t size)
{
    double value = NAN;

    if (!qn_parse_double(text, strlen(text), &value) || isnan(value))
        snprintf(out, size, "column %s: ratings MUST NOT be Null or NaN, but got %s", name, text);
    else if (isinf(value))
        snprintf(out, size, "column %s: ratings MUST NOT be Infinity, but got %s", name, text);
    else
        snprintf(out, size, "column %s: %s is too large for a rating: at most 1e30 in size", name,
                 text);
}

static const char *expected(const qn_rating_columns *columns, int32_t column)
{
    if (column < 2 && columns->is_explicit_int32)
        return "ALS only supports values in Integer range (-2147483648 to 2147483647) without a "
               "fraction as int32 ids: try --id-type auto";
    if (column < 2)
        return "not a whole number, as ids were in the first rows: for text ids give --id-type "
               "string";
    return column == columns->rating ? "not a number" : "not a time (seconds or a date)";
}

static void describe_value(const qn_rating_columns *columns, const qn_reject *reject, char *out,
                           size_t size)
{
    const int32_t column = reject->column;
    const char *name = column >= 0 && column < columns->n ? columns->name[column] : "";

    if (column < 0)
        snprintf(out, size, "%s row: %s", qn_reject_name(reject->kind), reject->text);
    else if (reject->kind == QN_REJECT_NULL)
        snprintf(out, size, "column %s: a value is missing (%s)", name,
                 column < 2 ? "ids MUST NOT be Null" : "ratings MUST NOT be Null or NaN");
    else if (reject->kind == QN_REJECT_RANGE && column == columns->rating)
        describe_rating(reject->text, name, out, size);
    else if (reject->kind == QN_REJECT_TYPE || reject->kind == QN_REJECT_RANGE)
        snprintf(out, size, "column %s: \"%s\" is %s", name, reject->text,
                 expected(columns, column));
    else
        snprintf(out, size, "column %s: %s: %s", name, qn_reject_name(reject->kind), reject->text);
}

void qn_reject_describe(qn_context *ctx, const qn_source *source, int64_t split,
                        const qn_rating_columns *columns, const qn_reject *reject, char *out,
                        size_t size)
{
    char value[320];

    describe_value(columns, reject, value, sizeof value);
    qn_reject_place(ctx, source, split, reject, value, out, size);
}
