#include "engine/event_line.h"

#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* Every whole number of an event. A field that is added there is added here. */
typedef struct line_field {
    const char *key;
    size_t offset;
    bool is_wide; /* int64_t; otherwise int32_t */
} line_field;

#define WIDE(field)                                                                                \
    {                                                                                              \
#field, offsetof(qn_event, field), true                                                    \
    }
#define NARROW(field)                                                                              \
    {                                                                                              \
#field, offsetof(qn_event, field), false                                                   \
    }

static const line_field fields[] = {
    NARROW(rank),      NARROW(thread),      WIDE(time_us),      WIDE(id),          WIDE(parent),
    WIDE(done),        WIDE(total),         WIDE(rows),         WIDE(duration_us), WIDE(bytes_read),
    WIDE(bytes_moved), WIDE(bytes_spilled), WIDE(memory_bytes), WIDE(disk_bytes),
};
_Static_assert(sizeof(qn_event) == 4 * 4 + 8 + 2 * sizeof(char *) + 9 * 8 + 8 + 2 * 8,
               "a new field of qn_event must be in the table above");

static const char *const kind_names[] = {
#define KIND_NAME(name, text) text,
    QN_EVENT_LIST(KIND_NAME)
#undef KIND_NAME
};
#define N_KINDS ((int)(sizeof kind_names / sizeof *kind_names))

static int64_t field_get(const qn_event *event, const line_field *field)
{
    const char *at = (const char *)event + field->offset;

    return field->is_wide ? *(const int64_t *)at : *(const int32_t *)at;
}

static void field_set(qn_event *event, const line_field *field, int64_t value)
{
    char *at = (char *)event + field->offset;

    if (field->is_wide)
        *(int64_t *)at = value;
    else
        *(int32_t *)at = (int32_t)value;
}

void qn_event_line_add(qn_string *out, const qn_event *event)
{
    qn_json j = {0};

    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "kind", qn_event_kind_name(event->kind));
    if (event->status != QN_OK)
        qn_json_int(&j, "status", event->status);
    if (event->name)
        qn_json_text(&j, "name", event->name);
    if (event->text)
        qn_json_text(&j, "text", event->text);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (field_get(event, &fields[i]) != 0)
            qn_json_int(&j, fields[i].key, field_get(event, &fields[i]));
    if (isinf(event->value))
        qn_json_text(&j, "value", event->value > 0 ? "Infinity" : "-Infinity");
    else if (isnan(event->value) || event->value != 0 || signbit(event->value))
        qn_json_real(&j, "value", event->value); /* NaN is null */
    qn_json_close(&j, '}');
    qn_string_add_bytes(out, qn_string_text(&j.out), j.out.length);
    qn_string_add(out, "\n");
    out->failed |= j.out.failed;
    qn_json_release(&j);
}

static double parse_value(const json_t *value)
{
    const char *text = json_string_value(value);

    if (json_is_number(value))
        return json_number_value(value);
    if (text)
        return text[0] == '-' ? -INFINITY : INFINITY;
    return value ? NAN : 0;
}

bool qn_event_line_parse(const char *line, size_t length, qn_event *event, struct json_t **held)
{
    json_t *object = json_loadb(line, length, JSON_DISABLE_EOF_CHECK, NULL);
    const char *kind = json_string_value(json_object_get(object, "kind"));
    int k = 0;

    *event = (qn_event){0};
    *held = NULL;
    while (k < N_KINDS && (!kind || strcmp(kind, kind_names[k]) != 0))
        k++;
    if (k == N_KINDS) {
        json_decref(object);
        return false;
    }
    event->kind = (qn_event_kind)k;
    event->status = (qn_status)json_integer_value(json_object_get(object, "status"));
    event->name = json_string_value(json_object_get(object, "name"));
    event->text = json_string_value(json_object_get(object, "text"));
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        field_set(event, &fields[i], json_integer_value(json_object_get(object, fields[i].key)));
    event->value = parse_value(json_object_get(object, "value"));
    *held = object;
    return true;
}
