/* What an algorithm says in JSON, for a person: names and values in lines, numbers of an array in
 * one line, an array of objects as a table, and so are arrays of one length whose names begin with
 * one word ("cluster_sizes", "cluster_share"). Knows no algorithm. */
#include <math.h>
#include <string.h>

#include <jansson.h>

#include "cli/show.h"

#define NAME_COLUMNS 10 /* as the other lines of a command */
#define MAX_NAME     28
#define MAX_NUMBERS  64 /* of a line; of more the first FEW */
#define FEW          16
#define MAX_CELLS    32 /* of a table */

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), n = strlen(end);

    return length >= n && strcmp(text + length - n, end) == 0;
}

/* A number by what its name says of it: a share, seconds, bytes, or just a number. */
static void add_number(qn_string *out, const char *key, const json_t *value)
{
    const double number = json_number_value(value);

    if (ends_with(key, "share") || ends_with(key, "shares"))
        qn_string_addf(out, "%.4g %%", 100 * number);
    else if (ends_with(key, "_s") || ends_with(key, "seconds"))
        qn_string_add(out, qn_show_seconds(number).text);
    else if (ends_with(key, "bytes"))
        qn_string_add(out, qn_show_bytes(number).text);
    else if (json_is_integer(value) && !ends_with(key, "seed"))
        qn_string_add(out, qn_show_count(json_integer_value(value)).text);
    else if (json_is_integer(value))
        qn_string_addf(out, "%lld", (long long)json_integer_value(value));
    else
        qn_string_addf(out, "%.6g", number);
}

static void add_scalar(qn_string *out, const char *key, const json_t *value)
{
    if (json_is_number(value))
        add_number(out, key, value);
    else if (json_is_string(value))
        qn_string_add_escaped(out, json_string_value(value));
    else if (json_is_boolean(value))
        qn_string_add(out, json_is_true(value) ? "yes" : "no");
    else
        qn_string_add(out, "-");
}

static void add_list(qn_string *out, const char *key, const json_t *array)
{
    const size_t n = json_array_size(array), shown = n > MAX_NUMBERS ? FEW : n;

    for (size_t i = 0; i < shown; i++) {
        qn_string_add(out, i ? " " : "");
        add_scalar(out, key, json_array_get(array, i));
    }
    if (shown < n)
        qn_string_addf(out, " ... (%s values)", qn_show_count((int64_t)n).text);
}

static void add_value(qn_string *out, const char *key, const json_t *value)
{
    if (json_is_array(value))
        add_list(out, key, value);
    else
        add_scalar(out, key, value);
}

/* An object, or an array whose members are objects or arrays: shown below its name. */
static bool is_nested(const json_t *value)
{
    const json_t *first = json_array_get(value, 0);

    return json_is_object(value) || json_is_object(first) || json_is_array(first);
}

/* "cluster_sizes" -> "cluster sizes" */
static void readable(const char *key, char name[64])
{
    snprintf(name, 64, "%s", key);
    for (char *c = name; *c; c++)
        *c = *c == '_' ? ' ' : *c;
}

static void show_table(const qn_terminal *out, const json_t *array, const char *indent)
{
    char align[MAX_CELLS + 1] = "";
    const char *key;
    json_t *row, *value;
    size_t i, n = 0;
    qn_text_table rows;

    json_object_foreach(json_array_get(array, 0), key, value) if (n < MAX_CELLS) align[n++] =
        json_is_number(value) ? 'r' : 'l';
    qn_text_table_init(&rows, align);
    n = 0;
    json_object_foreach(json_array_get(array, 0), key, value)
    {
        char name[64];

        readable(key, name);
        if (n++ < MAX_CELLS)
            qn_text_table_add(&rows, name);
    }
    json_array_foreach(array, i, row)
    {
        n = 0;
        json_object_foreach(json_array_get(array, 0), key, value)
        {
            qn_string cell = {0};

            add_value(&cell, key, json_object_get(row, key));
            if (n++ < MAX_CELLS)
                qn_text_table_add(&rows, qn_string_text(&cell));
            qn_string_release(&cell);
        }
    }
    qn_text_table_print(&rows, out, true, indent);
    qn_text_table_release(&rows);
}

static void show_matrix(const qn_terminal *out, const char *key, const json_t *array, int32_t depth)
{
    size_t i;
    json_t *row;

    json_array_foreach(array, i, row)
    {
        qn_string line = {0};

        add_value(&line, key, row);
        fprintf(out->stream, "%*s%4zu  ", 2 * (int)depth, "", i);
        qn_print_folded(out->stream, qn_string_text(&line), out->width, 2 * depth + 6);
        qn_string_release(&line);
    }
}

/* Arrays of one length whose names begin with the same word: columns of one table. */
static bool are_columns(const char *a, const json_t *x, const char *b, const json_t *y)
{
    const size_t word = strcspn(a, "_");

    return a[word] == '_' && strncmp(a, b, word + 1) == 0 && json_array_size(x) > 0 &&
           json_array_size(x) == json_array_size(y) && !is_nested(x) && !is_nested(y);
}

/* The first of the columns that `key` is one of; NULL: it is none. */
static const char *first_column(const json_t *object, const char *key, const json_t *value)
{
    const char *other, *first = NULL;
    json_t *with;
    int n = 0;

    json_object_foreach((json_t *)object, other, with)
    {
        if (!are_columns(key, value, other, with))
            continue;
        first = first ? first : other;
        n++;
    }
    return n > 1 ? first : NULL;
}

/* "cluster_share" -> "share"; sizes are counted in rows. */
static void column_name(const char *key, char name[64])
{
    const char *rest = key + strcspn(key, "_") + 1;

    readable(strcmp(rest, "sizes") == 0 ? "rows" : rest, name);
}

/* The columns that begin with `key`, beside a column of their places. */
static void show_columns(const qn_terminal *out, const json_t *object, const char *key,
                         const char *indent)
{
    const json_t *first = json_object_get(object, key);
    const size_t n = json_array_size(first), shown = n > MAX_NUMBERS ? FEW : n;
    const char *column[MAX_CELLS], *other;
    char align[MAX_CELLS + 2] = "r", name[64];
    size_t n_columns = 0;
    json_t *value;
    qn_text_table rows;

    json_object_foreach((json_t *)object, other, value)
    {
        if (n_columns == MAX_CELLS || !are_columns(key, first, other, value))
            continue;
        column[n_columns++] = other;
        align[n_columns] = json_is_string(json_array_get(value, 0)) ? 'l' : 'r';
    }
    qn_text_table_init(&rows, align);
    qn_text_table_addf(&rows, "%.*s", (int)strcspn(key, "_"), key);
    for (size_t c = 0; c < n_columns; c++) {
        column_name(column[c], name);
        qn_text_table_add(&rows, name);
    }
    for (size_t i = 0; i < shown; i++) {
        qn_text_table_addf(&rows, "%zu", i);
        for (size_t c = 0; c < n_columns; c++) {
            qn_string cell = {0};

            add_scalar(&cell, column[c], json_array_get(json_object_get(object, column[c]), i));
            qn_text_table_add(&rows, qn_string_text(&cell));
            qn_string_release(&cell);
        }
    }
    qn_text_table_print(&rows, out, true, indent);
    qn_text_table_release(&rows);
    if (shown < n)
        fprintf(out->stream, "%s... (%s rows)\n", indent, qn_show_count((int64_t)n).text);
}

static int32_t name_width(const json_t *object)
{
    int32_t width = NAME_COLUMNS - 2;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        if (!is_nested(value) && !first_column(object, key, value) && (int32_t)strlen(key) > width)
            width = (int32_t)strlen(key);
    }
    return width < MAX_NAME ? width : MAX_NAME;
}

static void show_object(const qn_terminal *out, const json_t *object, int32_t depth);

static void show_member(const qn_terminal *out, const char *key, const json_t *value, int32_t width,
                        int32_t depth)
{
    char name[64], indent[64];
    qn_string line = {0};

    readable(key, name);
    fprintf(out->stream, "%*s", 2 * (int)depth, "");
    if (!is_nested(value)) {
        add_value(&line, key, value);
        fprintf(out->stream, "%-*s  ", (int)width, name);
        qn_print_folded(out->stream, qn_string_text(&line), out->width, 2 * depth + width + 2);
        qn_string_release(&line);
        return;
    }
    fprintf(out->stream, "%s\n", name);
    snprintf(indent, sizeof indent, "%*s", 2 * (int)depth + 2, "");
    if (json_is_object(value))
        show_object(out, value, depth + 1);
    else if (json_is_object(json_array_get(value, 0)))
        show_table(out, value, indent);
    else
        show_matrix(out, key, value, depth + 1);
}

static void show_object(const qn_terminal *out, const json_t *object, int32_t depth)
{
    const int32_t width = name_width(object);
    const char *key;
    json_t *value;

    if (depth > 16)
        return;
    json_object_foreach((json_t *)object, key, value)
    {
        const char *first = first_column(object, key, value);
        char indent[64];

        snprintf(indent, sizeof indent, "%*s", 2 * (int)depth, "");
        if (!first)
            show_member(out, key, value, width, depth);
        else if (strcmp(first, key) == 0)
            show_columns(out, object, key, indent);
    }
}

void qn_show_json(const qn_terminal *out, const char *json)
{
    json_t *object = json_loads(json, 0, NULL);

    if (json_is_object(object))
        show_object(out, object, 0);
    json_decref(object);
}
