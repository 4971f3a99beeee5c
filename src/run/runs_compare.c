/* Two runs beside one another: what was asked for and came in differently, and all numbers. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "run/runs.h"
#include "run/runs_gc.h"

static qn_status read_run(qn_context *ctx, const char *runs_dir, const char *run, json_t **record)
{
    char *text = NULL;
    qn_status st = QN_OK;

    *record = NULL;
    QN_TRY(qn_runs_show(ctx, runs_dir, run, &text));
    *record = json_loads(text, 0, NULL);
    if (!json_is_object(*record))
        st = qn_fail(ctx, QN_EDATA, "the record of run %s is no JSON", run);
done:
    qn_free(text);
    return st;
}

static void value_json(const json_t *value, qn_json *j)
{
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    qn_json_raw(j, NULL, text ? text : "null");
    free(text);
}

static void pair_json(const json_t *x, const json_t *y, const char *name, bool numbers, qn_json *j)
{
    if (numbers ? !json_is_number(x) || !json_is_number(y)
                : x && y && json_equal((json_t *)x, (json_t *)y))
        return;
    qn_json_open(j, name, '[');
    value_json(x, j);
    value_json(y, j);
    if (numbers)
        qn_json_real(j, NULL,
                     json_number_value(x) != 0 ? json_number_value(y) / json_number_value(x) : NAN);
    qn_json_close(j, ']');
}

/* Members of either object by dotted name: pairs that differ, or all pairs of numbers. The depth
 * bounds the recursion. */
static void pairs_json(const json_t *a, const json_t *b, const char *prefix, bool numbers,
                       int32_t depth, qn_json *j)
{
    json_t *both = json_object();
    const char *key;
    json_t *value;

    json_object_update(both, (json_t *)a);
    json_object_update_missing(both, (json_t *)b);
    json_object_foreach(both, key, value)
    {
        const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
        qn_string name = {0};

        qn_string_addf(&name, "%s.%s", prefix, key);
        if (json_is_object(value) && depth > 0)
            pairs_json(x, y, qn_string_text(&name), numbers, depth - 1, j);
        else
            pair_json(x, y, qn_string_text(&name), numbers, j);
        j->out.failed |= name.failed;
        qn_string_release(&name);
    }
    json_decref(both);
}

static void sections_json(const json_t *a, const json_t *b, const char *const *section, size_t n,
                          bool numbers, qn_json *j)
{
    for (size_t i = 0; i < n; i++)
        pairs_json(json_object_get(a, section[i]), json_object_get(b, section[i]), section[i],
                   numbers, 4, j);
}

static void id_json(const json_t *record, const char *key, qn_json *j)
{
    const json_t *id = json_object_get(record, "run_id");

    qn_json_text(j, key, json_is_string(id) ? json_string_value(id) : NULL);
}

qn_status qn_runs_compare(qn_context *ctx, const char *runs_dir, const char *a, const char *b,
                          qn_string *out)
{
    static const char *const asked[] = {"parameters", "data", "versions", "facts"};
    static const char *const seen[] = {"counts", "timings", "metrics", "resources"};
    json_t *x = NULL, *y = NULL;
    const json_t *model;
    qn_json j = {0};
    qn_status st = QN_OK;

    QN_TRY(read_run(ctx, runs_dir, a, &x));
    QN_TRY(read_run(ctx, runs_dir, b, &y));
    model = json_object_get(x, "model_digest");
    qn_json_open(&j, NULL, '{');
    id_json(x, "a", &j);
    id_json(y, "b", &j);
    if (json_is_string(model) && json_is_string(json_object_get(y, "model_digest")))
        qn_json_bool(&j, "same_model", json_equal(model, json_object_get(y, "model_digest")));
    else
        qn_json_null(&j, "same_model");
    qn_json_open(&j, "differ", '{');
    sections_json(x, y, asked, sizeof asked / sizeof *asked, false, &j);
    qn_json_close(&j, '}');
    qn_json_open(&j, "numbers", '{');
    sections_json(x, y, seen, sizeof seen / sizeof *seen, true, &j);
    qn_json_close(&j, '}');
    qn_json_close(&j, '}');
    if (j.out.failed) {
        st = qn_fail(ctx, QN_ENOMEM, "not enough memory to compare two runs");
        goto done;
    }
    qn_string_release(out);
    *out = j.out; /* ownership has moved */
    j.out = (qn_string){0};
done:
    qn_json_release(&j);
    json_decref(x);
    json_decref(y);
    return st;
}
