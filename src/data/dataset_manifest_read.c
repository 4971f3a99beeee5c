/* The manifest from its text: nothing in it is believed that does not fit. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "data/dataset_impl.h"

#define MAX_BYTES ((size_t)256 << 20)

/* What is wrong, for the one message. */
typedef struct reading {
    qn_context *ctx;
    const char *name; /* of the file */
} reading;

static qn_status damaged(const reading *r, const char *format, const char *what)
{
    char why[200];

    snprintf(why, sizeof why, format, what);
    return qn_fail(r->ctx, QN_EDATA,
                   "%s is damaged (%s): `quern data rollback` goes back to the generation before, "
                   "`quern data history` lists what there is",
                   r->name, why);
}

static qn_status take_int(const reading *r, const json_t *json, const char *key, int64_t least,
                          int64_t most, int64_t *out)
{
    const json_t *value = json_object_get(json, key);

    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most)
        return damaged(r, "\"%s\" is not a number that can be", key);
    *out = json_integer_value(value);
    return QN_OK;
}

static qn_status take_text(const reading *r, const json_t *json, const char *key, size_t least,
                           size_t size, char *out)
{
    const json_t *value = json_object_get(json, key);
    const size_t length = json_string_length(value);

    if (!json_is_string(value) || length < least || length >= size ||
        memchr(json_string_value(value), '\0', length))
        return damaged(r, "\"%s\" is not a text that can be", key);
    memcpy(out, json_string_value(value), length + 1);
    return QN_OK;
}

/* A text of any length, borrowed of `json`. */
static qn_status take_name(const reading *r, const json_t *json, const char *key, char **out)
{
    const json_t *value = json_object_get(json, key);

    if (!json_is_string(value))
        return damaged(r, "\"%s\" is not a text", key);
    *out = (char *)json_string_value(value);
    return QN_OK;
}

static qn_status take_digest(const reading *r, const json_t *json, char out[33])
{
    qn_status st = take_text(r, json, "digest", 32, 33, out);

    if (st == QN_OK && strspn(out, "0123456789abcdef") != 32)
        st = damaged(r, "%s is not 32 hexadecimal digits", "\"digest\"");
    return st;
}

/* Place of a text among "a|b|c". */
static qn_status take_choice(const reading *r, const json_t *json, const char *key,
                             const char *choices, int32_t *out)
{
    char text[32];
    const char *at = choices;
    qn_status st = QN_OK;

    QN_TRY(take_text(r, json, key, 1, sizeof text, text));
    for (*out = 0; at; (*out)++) {
        const size_t length = strcspn(at, "|");

        if (strlen(text) == length && strncmp(at, text, length) == 0)
            goto done;
        at = at[length] ? at + length + 1 : NULL;
    }
    st = damaged(r, "\"%s\" is not one of its choices", key);
done:
    return st;
}

static qn_status take_list(const reading *r, const json_t *json, const char *key,
                           const json_t **out)
{
    *out = json_object_get(json, key);
    return json_is_array(*out) ? QN_OK : damaged(r, "\"%s\" is not a list", key);
}

static qn_status take_columns(const reading *r, const json_t *json, qn_dataset_manifest *manifest)
{
    const json_t *columns = json_object_get(json, "columns");
    qn_dataset_columns *c = &manifest->columns;
    char type[16];
    qn_status st = QN_OK;

    QN_TRY(take_text(r, columns, "user", 1, sizeof c->user, c->user));
    QN_TRY(take_text(r, columns, "item", 1, sizeof c->item, c->item));
    QN_TRY(take_text(r, columns, "rating", 1, sizeof c->rating, c->rating));
    QN_TRY(take_text(r, columns, "date", 0, sizeof c->date, c->date));
    QN_TRY(take_text(r, columns, "rating_type", 1, sizeof type, type));
    c->rating_is_double = strcmp(type, "double") == 0;
    if (!c->rating_is_double && strcmp(type, "int32") != 0)
        st = damaged(r, "%s is neither int32 nor double", "\"rating_type\"");
done:
    return st;
}

/* The path must be that of a file in the folder of its part: nothing outside is ever reached. */
static bool path_fits(const qn_dataset_manifest *manifest, const qn_dataset_file *file)
{
    char folder[64];
    const char *name = file->path;
    size_t length;

    qn_dataset_part_name(manifest->partition_by, file->part, folder, sizeof folder);
    length = strlen(folder);
    if (length > 0) {
        if (strncmp(name, folder, length) != 0 || name[length] != '/')
            return false;
        name += length + 1;
    }
    return name[0] && name[0] != '.' && name[0] != '_' && !strchr(name, '/');
}

static qn_status take_file(const reading *r, const json_t *json, qn_dataset_manifest *manifest)
{
    char path[512];
    qn_dataset_file file = {.path = path};
    const qn_dataset_file *last = manifest->n_files ? &manifest->file[manifest->n_files - 1] : NULL;
    int64_t part = 0;
    qn_status st = QN_OK;

    QN_TRY(take_text(r, json, "path", 1, sizeof path, path));
    QN_TRY(take_int(r, json, "part", INT32_MIN, INT32_MAX, &part));
    QN_TRY(take_int(r, json, "rows", 0, INT64_MAX >> 20, &file.rows));
    QN_TRY(take_int(r, json, "bytes", 0, INT64_MAX >> 8, &file.bytes));
    QN_TRY(take_digest(r, json, file.digest));
    file.part = (int32_t)part;
    if (!path_fits(manifest, &file))
        QN_TRY(damaged(r, "%s is not a file in the folder of its part", path));
    if (last &&
        (last->part > file.part || (last->part == file.part && strcmp(last->path, path) >= 0)))
        QN_TRY(damaged(r, "%s is not in its place among the files", path));
    QN_TRY(qn_dataset_add_file(r->ctx, manifest, &file));
done:
    return st;
}

static qn_status take_taken(const reading *r, const json_t *json, qn_dataset_manifest *manifest)
{
    qn_dataset_taken taken = {0};
    qn_status st = QN_OK;

    QN_TRY(take_name(r, json, "name", &taken.name));
    QN_TRY(take_int(r, json, "bytes", 0, INT64_MAX, &taken.bytes));
    QN_TRY(take_digest(r, json, taken.digest));
    QN_TRY(take_int(r, json, "generation", 0, INT64_MAX, &taken.generation));
    QN_TRY(qn_dataset_add_taken(r->ctx, manifest, &taken));
done:
    return st;
}

static qn_status take_change(const reading *r, const json_t *json, qn_dataset_manifest *manifest)
{
    qn_dataset_change change = {0};
    const struct {
        const char *key;
        int64_t *out;
    } count[] = {
        {"generation", &change.generation},
        {"rows_read", &change.rows_read},
        {"rows_malformed", &change.rows_malformed},
        {"rows_null", &change.rows_null},
        {"rows_out_of_range", &change.rows_out_of_range},
        {"rows_duplicate", &change.rows_duplicate},
        {"rows_before", &change.rows_before},
        {"rows_after", &change.rows_after},
        {"files_written", &change.files_written},
        {"files_linked", &change.files_linked},
    };
    qn_status st = QN_OK;

    QN_TRY(take_name(r, json, "command", &change.command));
    QN_TRY(take_int(r, json, "time", INT64_MIN, INT64_MAX, &change.time));
    for (size_t i = 0; i < sizeof count / sizeof *count; i++)
        QN_TRY(take_int(r, json, count[i].key, 0, INT64_MAX, count[i].out));
    QN_TRY(qn_dataset_add_change(r->ctx, manifest, &change));
done:
    return st;
}

static qn_status take_format(const reading *r, const json_t *json)
{
    int64_t format = 0;
    qn_status st = take_int(r, json, "format", 1, INT64_MAX, &format);

    if (st == QN_OK && format > QN_DATASET_FORMAT)
        st = qn_fail(r->ctx, QN_EDATA,
                     "%s has format %lld, which a newer Quern has written; this one reads up to "
                     "%d: use the newer one",
                     r->name, (long long)format, QN_DATASET_FORMAT);
    return st;
}

static qn_status take_lists(const reading *r, const json_t *json, qn_dataset_manifest *manifest)
{
    const json_t *list = NULL;
    int64_t rows = 0;
    qn_status st = QN_OK;

    QN_TRY(take_list(r, json, "files", &list));
    for (size_t i = 0; i < json_array_size(list); i++)
        QN_TRY(take_file(r, json_array_get(list, i), manifest));
    QN_TRY(take_list(r, json, "taken", &list));
    for (size_t i = 0; i < json_array_size(list); i++)
        QN_TRY(take_taken(r, json_array_get(list, i), manifest));
    QN_TRY(take_list(r, json, "changes", &list));
    for (size_t i = 0; i < json_array_size(list); i++)
        QN_TRY(take_change(r, json_array_get(list, i), manifest));
    QN_TRY(take_int(r, json, "rows", 0, INT64_MAX, &rows));
    if (rows != qn_dataset_rows(manifest))
        st = damaged(r, "%s is not the sum of the files' rows", "\"rows\"");
done:
    return st;
}

qn_status qn_dataset_manifest_parse(qn_context *ctx, const char *name, const char *text,
                                    size_t length, qn_dataset_manifest *manifest)
{
    const reading r = {.ctx = ctx, .name = name};
    json_error_t error;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    qn_status st = QN_OK;

    *manifest = (qn_dataset_manifest){0};
    if (!json_is_object(json))
        QN_TRY(damaged(&r, "%s", json ? "it is not an object" : error.text));
    QN_TRY(take_format(&r, json));
    QN_TRY(take_int(&r, json, "generation", 0, INT64_MAX >> 1, &manifest->generation));
    QN_TRY(take_columns(&r, json, manifest));
    QN_TRY(take_choice(&r, json, "partition_by", QN_PARTITION_BY_CHOICES, &manifest->partition_by));
    QN_TRY(take_choice(&r, json, "on_duplicate", QN_ON_DUPLICATE_ROWS_CHOICES,
                       &manifest->on_duplicate));
    QN_TRY(take_int(&r, json, "target_file_size", 1, INT64_MAX, &manifest->target_file_size));
    QN_TRY(take_text(&r, json, "codec", 1, sizeof manifest->codec, manifest->codec));
    QN_TRY(take_lists(&r, json, manifest));
done:
    json_decref(json);
    if (st != QN_OK)
        qn_dataset_manifest_release(manifest);
    return st;
}

qn_status qn_dataset_read(qn_context *ctx, const char *folder, qn_dataset_manifest *manifest)
{
    char *path = NULL, *text = NULL;
    size_t length = 0;
    qn_status st = QN_OK;

    *manifest = (qn_dataset_manifest){0};
    QN_TRY(qn_dataset_text(ctx, &path, "%s/" QN_DATASET_MANIFEST, folder));
    QN_TRY(qn_read_file(ctx, path, MAX_BYTES, &text, &length));
    QN_TRY(qn_dataset_manifest_parse(ctx, path, text, length, manifest));
done:
    qn_free(text);
    qn_free(path);
    return st;
}
