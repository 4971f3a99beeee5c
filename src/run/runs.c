#include "run/runs.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/system.h"
#include "base/text.h"
#include "run/process.h"
#include "run/workers.h"

#define RECORD_LIMIT ((size_t)64 << 20)

/* Member of an object of an object, NULL if there is none. */
static json_t *member(json_t *record, const char *section, const char *name)
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

static bool is_dead(json_t *record)
{
    qn_process process = {0};
    const json_t *status = json_object_get(record, "status");

    if (!json_is_string(status) || strcmp(json_string_value(status), "running") != 0)
        return false;
    copy_text(member(record, "host", "name"), process.host, sizeof process.host);
    copy_text(member(record, "host", "boot_id"), process.boot_id, sizeof process.boot_id);
    process.pid = int_of(member(record, "host", "pid"));
    process.start_ticks = int_of(member(record, "host", "start_ticks"));
    return !qn_process_may_live(&process);
}

static void fill_info(json_t *record, qn_run_info *info)
{
    copy_text(json_object_get(record, "command"), info->command, sizeof info->command);
    copy_text(json_object_get(record, "status"), info->status, sizeof info->status);
    copy_text(json_object_get(record, "started"), info->started, sizeof info->started);
    copy_text(json_object_get(record, "model_digest"), info->model_digest,
              sizeof info->model_digest);
    if (is_dead(record))
        snprintf(info->status, sizeof info->status, "died");
    info->total_s = real_of(member(record, "timings", "total_s"));
    info->rmse = real_of(member(record, "metrics", "rmse"));
    info->ndcg = real_of(member(record, "metrics", "ndcg_at_k"));
    info->rows = int_of(member(record, "counts", "rows"));
    info->users = int_of(member(record, "counts", "users"));
    info->items = int_of(member(record, "counts", "items"));
    info->peak_bytes = int_of(member(record, "resources", "peak_bytes"));
    info->vm_hwm_bytes = int_of(member(record, "resources", "vm_hwm_bytes"));
}

/* Text and object of RUNS_DIR/name/record.json; *record is NULL if it cannot be read. */
static qn_status read_record(qn_context *ctx, const char *path, char **text, json_t **record)
{
    size_t length = 0;
    const qn_status st = qn_read_file(ctx, path, RECORD_LIMIT, text, &length);

    *record = NULL;
    if (st == QN_OK)
        *record = json_loadb(*text, length, 0, NULL);
    return st;
}

static void record_path(const char *runs_dir, const char *name, char *out, size_t size)
{
    snprintf(out, size, "%s/%s/record.json", runs_dir, name);
}

static int newer_first(const void *a, const void *b)
{
    const qn_run_info *x = a, *y = b;
    const int order = strcmp(y->started, x->started);

    return order ? order : strcmp(y->run_id, x->run_id);
}

static void read_info(qn_context *ctx, const char *runs_dir, const char *name, qn_run_info *info)
{
    char *text = NULL;
    json_t *record = NULL;

    memset(info, 0, sizeof *info);
    info->total_s = info->rmse = info->ndcg = NAN;
    info->rows = info->users = info->items = info->peak_bytes = info->vm_hwm_bytes = -1;
    snprintf(info->run_id, sizeof info->run_id, "%s", name);
    record_path(runs_dir, name, info->path, sizeof info->path);
    if (read_record(ctx, info->path, &text, &record) == QN_OK && json_is_object(record))
        fill_info(record, info);
    else
        snprintf(info->status, sizeof info->status, "unreadable");
    json_decref(record);
    qn_free(text);
}

qn_status qn_runs_list(qn_context *ctx, const char *runs_dir, qn_run_info **runs, int64_t *n)
{
    qn_status st = QN_OK;
    qn_run_info *list = NULL;
    char **names = NULL, path[sizeof list->path];
    int64_t n_names = 0, found = 0;

    *runs = NULL;
    *n = 0;
    if (qn_path_exists(runs_dir))
        QN_TRY(qn_list_dir(ctx, runs_dir, &names, &n_names));
    QN_NEW(ctx, list, n_names, "the list of runs");
    for (int64_t i = 0; i < n_names; i++) {
        record_path(runs_dir, names[i], path, sizeof path);
        if (qn_path_exists(path))
            read_info(ctx, runs_dir, names[i], &list[found++]);
    }
    qn_error_clear(ctx);
    if (found > 0)
        qsort(list, (size_t)found, sizeof *list, newer_first);
    *runs = list;
    *n = found;
    list = NULL;
done:
    qn_names_free(names, n_names);
    qn_free(list);
    return st;
}

static qn_status no_such_run(qn_context *ctx, const char *runs_dir, const char *run_id,
                             const qn_run_info *runs, int64_t n)
{
    qn_status st = QN_OK;
    const char **names = NULL, *near;

    if (n == 0)
        return qn_fail(ctx, QN_ENOTFOUND, "there are no runs in %s", runs_dir);
    QN_NEW(ctx, names, n, "the names of runs");
    for (int64_t i = 0; i < n; i++)
        names[i] = runs[i].run_id;
    near = qn_nearest(run_id, names, n);
    st = qn_fail(ctx, QN_ENOTFOUND, "no run \"%s\" in %s; %s is %s", run_id, runs_dir,
                 near ? "the nearest" : "the latest", near ? near : names[0]);
done:
    qn_free(names);
    return st;
}

qn_status qn_runs_show(qn_context *ctx, const char *runs_dir, const char *run_id, char **json)
{
    qn_status st = QN_OK;
    qn_run_info *runs = NULL;
    int64_t n = 0, found = -1, n_found = 0;
    size_t length;

    *json = NULL;
    QN_TRY(qn_runs_list(ctx, runs_dir, &runs, &n));
    for (int64_t i = n - 1; i >= 0; i--) {
        if (!strcmp(run_id, "last") || !strcmp(run_id, runs[i].run_id)) {
            found = !strcmp(run_id, "last") ? 0 : i;
            n_found = 1;
            break;
        }
        if (!strncmp(run_id, runs[i].run_id, strlen(run_id))) {
            found = i;
            n_found++;
        }
    }
    if (n_found == 0)
        st = no_such_run(ctx, runs_dir, run_id, runs, n);
    else if (n_found > 1)
        st = qn_fail(ctx, QN_EINVAL, "%lld runs in %s begin with \"%s\"; say more of the id",
                     (long long)n_found, runs_dir, run_id);
    else
        st = qn_read_file(ctx, runs[found].path, RECORD_LIMIT, json, &length);
done:
    qn_free(runs);
    return st;
}

static qn_status write_died(qn_context *ctx, const char *path, json_t *record)
{
    qn_status st = QN_OK;
    char *line = NULL;
    qn_out_file *out = NULL;

    json_object_set_new(record, "status", json_string("died"));
    line = json_dumps(record, JSON_COMPACT);
    if (!line) {
        st = qn_fail(ctx, QN_ENOMEM, "not enough memory for the record %s", path);
        goto done;
    }
    QN_TRY(qn_out_open(ctx, path, true, &out));
    QN_TRY(qn_out_write(out, line, strlen(line)));
    QN_TRY(qn_out_write(out, "\n", 1));
    QN_TRY(qn_out_commit(&out));
done:
    qn_out_abandon(&out);
    free(line);
    return st;
}

/* Of several, the one that held most tells the story. */
static json_t *largest_worker(json_t *workers)
{
    json_t *largest = json_array_get(workers, 0);

    for (size_t w = 1; w < json_array_size(workers); w++) {
        json_t *worker = json_array_get(workers, w);

        if (int_of(json_object_get(worker, "peak_bytes")) >
            int_of(json_object_get(largest, "peak_bytes")))
            largest = worker;
    }
    return largest;
}

/* What the record of a dead run last knew of its memory; false: nothing. */
static bool read_last_use(const qn_run_info *run, json_t *record, qn_worker_use *use)
{
    json_t *worker = largest_worker(json_object_get(record, "workers"));

    *use = (qn_worker_use){0};
    use->held = int_of(json_object_get(worker, "held_bytes"));
    use->peak = int_of(json_object_get(worker, "peak_bytes"));
    use->limit = int_of(json_object_get(worker, "limit_bytes"));
    use->oom_kills = int_of(json_object_get(worker, "oom_kills"));
    if (use->peak < run->peak_bytes) /* at the end of a job, after its last sign of life */
        use->peak = run->peak_bytes;
    return use->peak > 0;
}

/* It was on this machine: whether the system has ended a process for memory since its last sign of
 * life. The count begins anew with each container. */
static bool has_oom_kill_since(const qn_worker_use *use)
{
    qn_system now;

    qn_system_read(&now);
    return now.oom_kills > use->oom_kills;
}

static void warn_of_death(qn_context *ctx, const qn_run_info *run, json_t *record)
{
    char count[32];
    qn_string text = {0};
    qn_worker_use use;

    qn_string_addf(&text, "run %s (%s, started %s) died without a word", run->run_id, run->command,
                   run->started);
    if (run->rows > 0) {
        qn_format_count(run->rows, count);
        qn_string_addf(&text, " with %s rows read", count);
    }
    qn_string_add(&text, "; ");
    if (read_last_use(run, record, &use)) {
        qn_worker_why(&use, 0, has_oom_kill_since(&use), &text);
    } else {
        char size[32] = "an unknown size";

        if (run->peak_bytes > 0)
            qn_format_bytes((double)run->peak_bytes, size);
        qn_string_addf(&text, "it last held %s. If the system killed it for memory, give --memory",
                       size);
    }
    if (member(record, "parameters", "resume")) /* its command can go on where it was broken off */
        qn_string_addf(&text, "; go on with: quern %s --resume %s", run->command, run->run_id);
    qn_string_addf(&text, "; its record is %s", run->path);
    qn_emit_warning(ctx, "%s", qn_string_text(&text));
    qn_string_release(&text);
}

/* Tells of a dead run, unless its record says so already or cannot be read, and writes it there. */
static qn_status report_death(qn_context *ctx, const qn_run_info *run, bool *is_new)
{
    qn_status st = QN_OK;
    char *text = NULL, status[16] = "";
    json_t *record = NULL;

    if (read_record(ctx, run->path, &text, &record) != QN_OK)
        qn_error_clear(ctx);
    copy_text(json_object_get(record, "status"), status, sizeof status);
    *is_new = !strcmp(status, "running");
    if (*is_new) {
        warn_of_death(ctx, run, record);
        st = write_died(ctx, run->path, record);
    }
    json_decref(record);
    qn_free(text);
    return st;
}

qn_status qn_runs_sweep(qn_context *ctx, const char *runs_dir, int64_t *n_died)
{
    qn_status st = QN_OK;
    qn_run_info *runs = NULL;
    int64_t n = 0, died = 0;

    QN_TRY(qn_runs_list(ctx, runs_dir, &runs, &n));
    for (int64_t i = 0; i < n; i++) {
        bool is_new = false;

        if (!strcmp(runs[i].status, "died"))
            QN_TRY(report_death(ctx, &runs[i], &is_new));
        died += is_new;
    }
done:
    if (n_died)
        *n_died = died;
    qn_free(runs);
    return st;
}
