#include "engine/checkpoint_manifest.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"

#define HEX_BYTES 17
#define MAX_ROW   ((int64_t)1 << 40) /* bytes of a row; keeps products within 63 bits */
#define MAX_BYTES ((int64_t)1 << 60)

/* The last member: XXH3 of all bytes before its comma. */
#define CHECKSUM       ",\"checksum\":\""
#define CHECKSUM_BYTES (sizeof CHECKSUM - 1 + 16 + 3) /* with "}\n */

static void hex(uint64_t value, char out[HEX_BYTES])
{
    snprintf(out, HEX_BYTES, "%016" PRIx64, value);
}

static bool parse_hex(const char *text, size_t length, uint64_t *value)
{
    *value = 0;
    if (length != 16 || strspn(text, "0123456789abcdef") < 16)
        return false;
    *value = strtoull(text, NULL, 16);
    return true;
}

static int by_row(const void *a, const void *b)
{
    const qn_manifest_part *x = a;
    const qn_manifest_part *y = b;

    if (x->array != y->array)
        return x->array < y->array ? -1 : 1;
    return (x->first_row > y->first_row) - (x->first_row < y->first_row);
}

static void lists_json(const qn_checkpoint_manifest *m, qn_json *j)
{
    char text[HEX_BYTES];

    qn_json_open(j, "arrays", '[');
    for (int32_t a = 0; a < m->n_arrays; a++) {
        qn_json_open(j, NULL, '{');
        qn_json_text(j, "name", m->array[a].name);
        qn_json_int(j, "rows", m->array[a].n_rows);
        qn_json_int(j, "row_bytes", m->array[a].row_bytes);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
    qn_json_open(j, "parts", '[');
    for (int64_t p = 0; p < m->n_parts; p++) {
        const qn_manifest_part *part = &m->part[p];

        qn_json_open(j, NULL, '{');
        qn_json_int(j, "array", part->array);
        qn_json_int(j, "first_row", part->first_row);
        qn_json_int(j, "rows", part->n_rows);
        qn_json_int(j, "file", part->file);
        qn_json_int(j, "offset", part->offset);
        hex(part->xxh3, text);
        qn_json_text(j, "xxh3", text);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
}

qn_status qn_checkpoint_manifest_text(qn_context *ctx, qn_checkpoint_manifest *m, char **text,
                                      size_t *length)
{
    qn_status st = QN_OK;
    char number[HEX_BYTES];
    qn_json j = {0};

    *text = NULL;
    if (m->n_parts > 1)
        qsort(m->part, (size_t)m->n_parts, sizeof *m->part, by_row);
    qn_json_open(&j, NULL, '{');
    qn_json_int(&j, "format", m->format);
    qn_json_text(&j, "quern", m->quern);
    qn_json_text(&j, "run_id", m->run_id);
    qn_json_text(&j, "command", m->command);
    qn_json_raw(&j, "options", m->options);
    qn_json_text(&j, "algorithm", m->algorithm);
    qn_json_raw(&j, "parameters", m->parameters);
    qn_json_text(&j, "kernel_set", m->kernel_set);
    hex(m->data_fingerprint, number);
    qn_json_text(&j, "data_fingerprint", number);
    qn_json_int(&j, "iteration", m->iteration);
    lists_json(m, &j);
    hex(XXH3_64bits(qn_string_text(&j.out), j.out.length), number);
    qn_string_addf(&j.out, CHECKSUM "%s\"}\n", number);
    if (j.out.failed)
        QN_TRY(qn_fail(ctx, QN_ENOMEM, "not enough memory for the manifest of a checkpoint"));
    QN_TRY(qn_strdup(ctx, j.out.text, text));
    *length = j.out.length;
done:
    qn_json_release(&j);
    return st;
}

typedef struct reading {
    qn_context *ctx;
    const char *name;
} reading;

static qn_status damaged(const reading *r, const char *what)
{
    return qn_fail(r->ctx, QN_EDATA, "%s is damaged: %s", r->name, what);
}

static qn_status take_int(const reading *r, const json_t *json, const char *key, int64_t max,
                          int64_t *out)
{
    const json_t *value = json_object_get(json, key);

    *out = 0;
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > max)
        return damaged(r, key);
    *out = json_integer_value(value);
    return QN_OK;
}

static qn_status take_text(const reading *r, const json_t *json, const char *key, char **out)
{
    const json_t *value = json_object_get(json, key);

    return json_is_string(value) ? qn_strdup(r->ctx, json_string_value(value), out)
                                 : damaged(r, key);
}

static qn_status take_hex(const reading *r, const json_t *json, const char *key, uint64_t *out)
{
    const json_t *value = json_object_get(json, key);
    const char *text = json_is_string(value) ? json_string_value(value) : "";

    return parse_hex(text, strlen(text), out) ? QN_OK : damaged(r, key);
}

/* An object as text that json_loads reads back. */
static qn_status take_object(const reading *r, const json_t *json, const char *key, char **out)
{
    const json_t *value = json_object_get(json, key);
    qn_status st = QN_OK;
    char *text = NULL;

    if (!json_is_object(value))
        return damaged(r, key);
    text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17));
    st = text ? qn_strdup(r->ctx, text, out)
              : qn_fail(r->ctx, QN_ENOMEM, "not enough memory for %s", r->name);
    free(text);
    return st;
}

static qn_status take_arrays(const reading *r, const json_t *json, qn_checkpoint_manifest *m)
{
    const json_t *list = json_object_get(json, "arrays");
    qn_status st = QN_OK;

    if (!json_is_array(list) || json_array_size(list) > QN_CHECKPOINT_MAX_ARRAYS)
        return damaged(r, "arrays");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const json_t *name = json_object_get(one, "name");
        qn_manifest_array *array = &m->array[i];

        if (!json_is_string(name) || json_string_length(name) >= sizeof array->name)
            QN_TRY(damaged(r, "the name of an array"));
        snprintf(array->name, sizeof array->name, "%s", json_string_value(name));
        QN_TRY(take_int(r, one, "row_bytes", MAX_ROW, &array->row_bytes));
        QN_TRY(take_int(r, one, "rows", MAX_BYTES / (array->row_bytes + 1), &array->n_rows));
        m->n_arrays++;
    }
done:
    return st;
}

static qn_status take_part(const reading *r, const json_t *json, const qn_checkpoint_manifest *m,
                           qn_manifest_part *part)
{
    qn_status st = QN_OK;

    QN_TRY(take_int(r, json, "array", m->n_arrays - 1, &part->array));
    QN_TRY(take_int(r, json, "file", INT32_MAX, &part->file));
    QN_TRY(take_int(r, json, "first_row", m->array[part->array].n_rows, &part->first_row));
    QN_TRY(
        take_int(r, json, "rows", m->array[part->array].n_rows - part->first_row, &part->n_rows));
    QN_TRY(take_int(r, json, "offset", MAX_BYTES, &part->offset));
    QN_TRY(take_hex(r, json, "xxh3", &part->xxh3));
done:
    return st;
}

/* Rows of each array one after the other, none twice, none missing. */
static bool parts_are_whole(const qn_checkpoint_manifest *m)
{
    int64_t p = 0;

    for (int32_t a = 0; a < m->n_arrays; a++) {
        int64_t row = 0;

        for (; p < m->n_parts && m->part[p].array == a; p++) {
            if (m->part[p].first_row != row || m->part[p].n_rows == 0)
                return false;
            row += m->part[p].n_rows;
        }
        if (row != m->array[a].n_rows)
            return false;
    }
    return p == m->n_parts;
}

static qn_status take_parts(const reading *r, const json_t *json, qn_checkpoint_manifest *m)
{
    const json_t *list = json_object_get(json, "parts");
    qn_status st = QN_OK;

    if (!json_is_array(list))
        return damaged(r, "parts");
    m->n_parts = (int64_t)json_array_size(list);
    QN_NEW0(r->ctx, m->part, m->n_parts, "parts of a checkpoint");
    for (int64_t p = 0; p < m->n_parts; p++)
        QN_TRY(take_part(r, json_array_get(list, (size_t)p), m, &m->part[p]));
    if (!parts_are_whole(m))
        st = damaged(r, "its parts are not all rows, each once");
done:
    return st;
}

static qn_status check_sum(const reading *r, const char *text, size_t length)
{
    const char *end = text + length - (length < CHECKSUM_BYTES ? length : CHECKSUM_BYTES);
    uint64_t expected = 0;

    if (length < CHECKSUM_BYTES || memcmp(end, CHECKSUM, sizeof CHECKSUM - 1) != 0 ||
        memcmp(text + length - 3, "\"}\n", 3) != 0 ||
        !parse_hex(end + sizeof CHECKSUM - 1, 16, &expected))
        return damaged(r, "it does not end with its checksum");
    if (XXH3_64bits(text, (size_t)(end - text)) != expected)
        return damaged(r, "its checksum is another");
    return QN_OK;
}

static qn_status take_all(const reading *r, const json_t *json, qn_checkpoint_manifest *m)
{
    qn_status st = QN_OK;

    QN_TRY(take_int(r, json, "format", INT32_MAX, &m->format));
    QN_TRY(take_text(r, json, "quern", &m->quern));
    if (m->format != QN_CHECKPOINT_FORMAT) {
        st = qn_fail(r->ctx, QN_EINVAL,
                     "%s has format %lld of Quern %s; this one, %s, reads format %d: finish the "
                     "run with that version, or fit anew",
                     r->name, (long long)m->format, m->quern, qn_version(), QN_CHECKPOINT_FORMAT);
        goto done;
    }
    QN_TRY(take_text(r, json, "run_id", &m->run_id));
    QN_TRY(take_text(r, json, "command", &m->command));
    QN_TRY(take_object(r, json, "options", &m->options));
    QN_TRY(take_text(r, json, "algorithm", &m->algorithm));
    QN_TRY(take_object(r, json, "parameters", &m->parameters));
    QN_TRY(take_text(r, json, "kernel_set", &m->kernel_set));
    QN_TRY(take_hex(r, json, "data_fingerprint", &m->data_fingerprint));
    QN_TRY(take_int(r, json, "iteration", INT32_MAX, &m->iteration));
    QN_TRY(take_arrays(r, json, m));
    QN_TRY(take_parts(r, json, m));
done:
    return st;
}

qn_status qn_checkpoint_manifest_parse(qn_context *ctx, const char *name, const char *text,
                                       size_t length, qn_checkpoint_manifest *m)
{
    const reading r = {.ctx = ctx, .name = name};
    json_error_t error;
    json_t *json = NULL;
    qn_status st = QN_OK;

    *m = (qn_checkpoint_manifest){0};
    QN_TRY(check_sum(&r, text, length));
    json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(json))
        QN_TRY(damaged(&r, json ? "it is not an object" : error.text));
    QN_TRY(take_all(&r, json, m));
done:
    json_decref(json);
    if (st != QN_OK)
        qn_checkpoint_manifest_release(m);
    return st;
}

void qn_checkpoint_manifest_release(qn_checkpoint_manifest *m)
{
    qn_free(m->quern);
    qn_free(m->run_id);
    qn_free(m->command);
    qn_free(m->options);
    qn_free(m->algorithm);
    qn_free(m->parameters);
    qn_free(m->kernel_set);
    qn_free(m->part);
    *m = (qn_checkpoint_manifest){0};
}
