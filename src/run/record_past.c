#include "run/record_past.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* The value as text without its first and last `strip` bytes. */
static bool add_compact(const json_t *value, size_t strip, qn_string *out)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(17));
    const size_t length = text ? strlen(text) : 0;

    if (length >= 2 * strip)
        qn_string_add_bytes(out, text + strip, length - 2 * strip);
    free(text);
    return length > 0;
}

static json_t *this_attempt(json_t *record)
{
    json_t *timings = json_object_get(record, "timings");
    json_t *attempt = json_object();
    const char *status = json_string_value(json_object_get(record, "status"));

    json_object_set(attempt, "started", json_object_get(record, "started"));
    json_object_set(attempt, "ended", json_object_get(record, "ended"));
    json_object_set(attempt, "status", json_object_get(record, "status"));
    if (status && !strcmp(status, "running"))
        json_object_set_new(attempt, "status", json_string("died"));
    json_object_set(attempt, "exit_code", json_object_get(record, "exit_code"));
    json_object_set(attempt, "total_s", json_object_get(timings, "total_s"));
    return attempt;
}

qn_status qn_record_past(qn_context *ctx, const char *record, char id[64], qn_string *iterations,
                         qn_string *attempts)
{
    json_t *json = json_loads(record, 0, NULL);
    const char *run_id = json_string_value(json_object_get(json, "run_id"));
    json_t *before = json_object_get(json, "attempts");
    json_t *steps = json_object_get(json, "iterations");
    json_t *all = json_is_array(before) ? json_incref(before) : json_array();
    qn_status st = QN_OK;

    json_array_append_new(all, this_attempt(json));
    if (!run_id || strlen(run_id) >= 64)
        st = qn_fail(ctx, QN_EDATA, "the record of the run to resume is damaged");
    else if ((json_is_array(steps) && !add_compact(steps, 1, iterations)) ||
             !add_compact(all, 0, attempts))
        st = qn_fail(ctx, QN_ENOMEM, "not enough memory for the run record");
    else
        snprintf(id, 64, "%s", run_id);
    json_decref(all);
    json_decref(json);
    return st;
}

void qn_record_past_cut(qn_json *iterations, int64_t last)
{
    qn_string *text = &iterations->out;
    char key[48];
    const char *at;

    snprintf(key, sizeof key, "{\"iteration\":%lld,", (long long)last + 1);
    at = text->text ? strstr(text->text, key) : NULL;
    if (!at)
        return;
    text->length = (size_t)(at - text->text);
    while (text->length > 1 && text->text[text->length - 1] == ',')
        text->length--;
    text->text[text->length] = '\0';
    iterations->need_comma = text->length > 1;
}
