/* The members of a struct, from what DuckDB says its type is:
 *
 *   STRUCT(id INTEGER, "my name" VARCHAR, split STRUCT(feature INTEGER, "at" DOUBLE[]))  */
#include <string.h>

#include "base/context.h"
#include "data/duckdb/source.h"

/* Structs in structs; deeper ones are not looked into. */
#define MAX_DEPTH 16

/* A name as it stands, "in quotes" or bare; returns behind it. */
static const char *take_name(const char *at, qn_string *name)
{
    qn_string_clear(name);
    if (*at != '"') {
        const size_t length = strcspn(at, " ");

        qn_string_add_bytes(name, at, length);
        return at + length;
    }
    for (at++; *at && !(at[0] == '"' && at[1] != '"'); at++) {
        at += at[0] == '"'; /* doubled */
        qn_string_add_bytes(name, at, 1);
    }
    return *at ? at + 1 : at;
}

/* Up to the comma or bracket that ends a member's type; quotes hide both. */
static const char *take_type(const char *at, qn_string *type)
{
    const char *start = at;
    bool is_quoted = false;
    int32_t depth = 0;

    for (; *at; at++) {
        is_quoted ^= *at == '"' || *at == '\'';
        if (is_quoted)
            continue;
        if (depth == 0 && (*at == ',' || *at == ')'))
            break;
        depth += *at == '(';
        depth -= *at == ')';
    }
    qn_string_clear(type);
    qn_string_add_bytes(type, start, (size_t)(at - start));
    return at;
}

/* "STRUCT(...)", not a list of them. */
static bool is_struct(const char *type)
{
    const size_t length = strlen(type);

    return strncmp(type, "STRUCT(", 7) == 0 && type[length - 1] == ')';
}

static qn_status add_members(qn_context *ctx, qn_duck_schema *schema, const char *name,
                             const char *reference, const char *type, int32_t depth);

static qn_status add_member(qn_context *ctx, qn_duck_schema *schema, const qn_string *name,
                            const qn_string *reference, const qn_string *type, int32_t depth)
{
    qn_status st = QN_OK;

    if (name->failed || reference->failed || type->failed)
        return qn_fail(ctx, QN_ENOMEM, "no memory for a schema");
    if (qn_duck_schema_find(schema, name->text) < 0)
        QN_TRY(qn_duck_schema_add(ctx, schema, name->text, reference->text, qn_string_text(type)));
    QN_TRY(add_members(ctx, schema, name->text, reference->text, qn_string_text(type), depth + 1));
done:
    return st;
}

static qn_status add_members(qn_context *ctx, qn_duck_schema *schema, const char *name,
                             const char *reference, const char *type, int32_t depth)
{
    qn_string member = {0}, inner = {0}, whole = {0}, path = {0};
    qn_status st = QN_OK;

    if (!is_struct(type) || depth == MAX_DEPTH)
        return QN_OK;
    type += strlen("STRUCT");
    do {
        type = take_name(type + 1, &member);
        type += *type == ' ';
        type = take_type(type, &inner);
        qn_string_clear(&whole);
        qn_string_clear(&path);
        qn_string_addf(&whole, "%s.%s", name, qn_string_text(&member));
        qn_string_addf(&path, "struct_extract(%s, ", reference);
        qn_duck_add_text(&path, qn_string_text(&member));
        qn_string_add(&path, ")");
        whole.failed |= member.failed;
        QN_TRY(add_member(ctx, schema, &whole, &path, &inner, depth));
        type += *type == ',' && type[1] == ' ';
    } while (*type == ' ');
done:
    qn_string_release(&member);
    qn_string_release(&inner);
    qn_string_release(&whole);
    qn_string_release(&path);
    return st;
}

qn_status qn_duck_schema_add_members(qn_context *ctx, qn_duck_schema *schema, const char *name,
                                     const char *reference, const char *sql_type)
{
    return add_members(ctx, schema, name, reference, sql_type, 0);
}
