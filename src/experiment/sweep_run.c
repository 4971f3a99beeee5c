/* One run of a sweep as it is kept: a JSON object around the run's own record, written once and
 * read by the sweep that made it and by those that resume it alike. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiment/sweep_impl.h"

/* ---- writing ---- */

/* The last line that is an object: what the command printed with --json. "" if there is none. */
static const char *record_of(const sweep_child *child, size_t *length)
{
    const char *text = qn_string_text(&child->out);
    size_t end = child->out.length, start;

    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == '\r'))
        end--;
    for (start = end; start > 0 && text[start - 1] != '\n'; start--)
        ;
    *length = end > start && text[start] == '{' && text[end - 1] == '}' ? end - start : 0;
    return text + start;
}

/* The message in what a command wrote to standard error, on one line: its last "quern: ..." and the
 * lines of advice set in behind it. */
static void message_of(const sweep_child *child, qn_string *out)
{
    const char *text = qn_string_text(&child->err), *from = text, *next = text;

    while (next && *next) {
        if (strncmp(next, "quern: ", 7) == 0)
            from = next + 7;
        next = strchr(next, '\n');
        next = next ? next + 1 : NULL;
    }
    while (*from) {
        const size_t length = strcspn(from, "\n");
        const size_t blanks = strspn(from, " \t");

        if (blanks < length)
            qn_string_addf(out, "%s%.*s", out->length > 0 ? "; " : "", (int)(length - blanks),
                           from + blanks);
        from += length + (from[length] == '\n');
    }
}

static void why_failed(const sweep_child *child, double timeout, qn_string *why)
{
    qn_string text = {0};
    const char *message;

    message_of(child, &text);
    message = qn_string_text(&text);
    if (child->is_late)
        qn_string_addf(why, "not done after %g seconds (--timeout)", timeout);
    else if (child->exit_code == 137)
        qn_string_add(why, "killed (exit 137), which most often means more memory than the "
                           "container allows");
    else if (child->exit_code > 128)
        qn_string_addf(why, "ended by signal %d", (int)child->exit_code - 128);
    else if (child->exit_code != 0 && !message[0])
        qn_string_addf(why, "exit code %d without a message", (int)child->exit_code);
    if (message[0] && (child->exit_code != 0 || child->is_late))
        qn_string_addf(why, "%s%s", why->length > 0 ? ": " : "", message);
    qn_string_release(&text);
}

void sweep_run_describe(const qn_sweep_point *point, const qn_sweep_run *run,
                        const sweep_child *child, double timeout, const char *const *command,
                        qn_string *text)
{
    size_t length;
    const char *record = record_of(child, &length);
    qn_string why = {0}, one = {0};
    qn_json j = {0};

    why_failed(child, timeout, &why);
    qn_json_open(&j, NULL, '{');
    qn_json_text(&j, "point", point->name);
    qn_json_int(&j, "repeat", run->repeat);
    qn_json_int(&j, "workers", point->workers);
    qn_json_int(&j, "partitions", point->partitions);
    qn_json_text(&j, "memory", point->memory[0] ? point->memory : NULL);
    qn_json_int(&j, "exit_code", child->exit_code);
    qn_json_text(&j, "error", why.length > 0 ? qn_string_text(&why) : NULL);
    qn_json_real(&j, "seconds", child->seconds);
    qn_json_open(&j, "command", '[');
    for (int64_t i = 0; command[i]; i++)
        qn_json_text(&j, NULL, command[i]);
    qn_json_close(&j, ']');
    if (length > 0) {
        qn_string_add_bytes(&one, record, length);
        qn_json_raw(&j, "record", qn_string_text(&one));
    } else {
        qn_json_null(&j, "record");
    }
    qn_json_close(&j, '}');
    qn_string_add(&j.out, "\n");
    qn_string_add_bytes(text, qn_string_text(&j.out), j.out.length);
    text->failed |= j.out.failed || one.failed || why.failed;
    qn_json_release(&j);
    qn_string_release(&one);
    qn_string_release(&why);
}

/* ---- reading ---- */

static const json_t *member(const json_t *record, const char *section, const char *name)
{
    return json_object_get(json_object_get(record, section), name);
}

static void copy_text(const json_t *value, char *out, size_t size)
{
    snprintf(out, size, "%s", json_is_string(value) ? json_string_value(value) : "");
}

static double real_of(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static int64_t int_of(const json_t *value)
{
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
}

/* Workers on the host that has most; where the record names none, all are on one. */
static int32_t most_on_a_host(const json_t *workers, int32_t otherwise)
{
    int32_t most = 0;

    for (size_t i = 0; i < json_array_size(workers); i++) {
        const char *host = json_string_value(json_object_get(json_array_get(workers, i), "host"));
        int32_t n = 0;

        for (size_t k = 0; host && k < json_array_size(workers); k++) {
            const char *other =
                json_string_value(json_object_get(json_array_get(workers, k), "host"));

            n += other && strcmp(host, other) == 0;
        }
        most = n > most ? n : most;
    }
    return most > 0 ? most : otherwise;
}

/* What was used, as the record has observed it. */
static void take_resources(const json_t *record, qn_sweep_run *run)
{
    const json_t *resources = json_object_get(record, "resources");
    const json_t *observed = json_object_get(resources, "workers_observed");

    run->workers = (int32_t)int_of(observed ? observed : json_object_get(resources, "workers"));
    run->threads = (int32_t)int_of(json_object_get(resources, "threads"));
    run->cores = (int32_t)int_of(json_object_get(resources, "cores"));
    run->on_a_host = most_on_a_host(json_object_get(record, "workers"), run->workers);
    run->spilled_bytes = int_of(json_object_get(resources, "spilled_bytes"));
    run->moved_bytes = int_of(json_object_get(resources, "moved_bytes"));
    run->peak_bytes = int_of(json_object_get(resources, "peak_bytes"));
}

/* The number by which fits of this kind are judged: of a test file where there was one. */
static void take_quality(const json_t *record, qn_sweep_run *run)
{
    static const char *const metric[] = {"rmse", "accuracy", "cost", "oob_error"};

    run->quality = NAN;
    run->metric[0] = '\0';
    for (size_t i = 0; i < sizeof metric / sizeof *metric && isnan(run->quality); i++) {
        run->quality = real_of(member(record, "metrics", metric[i]));
        if (!isnan(run->quality))
            snprintf(run->metric, sizeof run->metric, "%s", metric[i]);
    }
}

static void take_record(const json_t *record, qn_sweep_run *run)
{
    const char *const timing[] = {"load_s", "fit_s", "evaluate_s", "total_s"};
    double *const seconds[] = {&run->load_s, &run->fit_s, &run->evaluate_s, &run->total_s};

    for (int i = 0; i < 4; i++)
        *seconds[i] = real_of(member(record, "timings", timing[i]));
    take_quality(record, run);
    copy_text(json_object_get(record, "model_digest"), run->digest, sizeof run->digest);
    copy_text(member(record, "data", "fingerprint"), run->fingerprint, sizeof run->fingerprint);
    copy_text(json_object_get(record, "kernel_set"), run->kernel_set, sizeof run->kernel_set);
    take_resources(record, run);
}

/* A run is ok if its process was, and did what was asked of it. */
static void judge(const json_t *kept, const qn_sweep_point *point, qn_sweep_run *run)
{
    run->exit_code = (int32_t)int_of(json_object_get(kept, "exit_code"));
    copy_text(json_object_get(kept, "error"), run->error, sizeof run->error);
    if (run->exit_code == 0 && !run->error[0] && !json_is_object(json_object_get(kept, "record")))
        snprintf(run->error, sizeof run->error, "ended well but printed no record");
    else if (run->exit_code == 0 && !run->error[0] && run->workers != point->workers)
        snprintf(run->error, sizeof run->error,
                 "asked for %d workers, its record observed %d: what was measured is not this "
                 "point",
                 (int)point->workers, (int)run->workers);
    run->is_ok = run->exit_code == 0 && !run->error[0];
    run->is_done = true;
}

qn_status sweep_run_parse(qn_context *ctx, const char *path, const char *text, size_t length,
                          const qn_sweep_point *point, qn_sweep_run *run)
{
    json_t *kept = json_loadb(text, length, 0, NULL);
    const json_t *name = json_object_get(kept, "point");
    qn_status st = QN_OK;

    if (!json_is_string(name) || strcmp(json_string_value(name), point->name) != 0 ||
        int_of(json_object_get(kept, "repeat")) != run->repeat ||
        !json_is_integer(json_object_get(kept, "exit_code"))) {
        st = qn_fail(ctx, QN_EDATA,
                     "%s is not what a sweep keeps of run %d of point %s: remove it to measure "
                     "that run again",
                     path, (int)run->repeat, point->name);
    } else {
        take_record(json_object_get(kept, "record"), run);
        judge(kept, point, run);
    }
    json_decref(kept);
    return st;
}
