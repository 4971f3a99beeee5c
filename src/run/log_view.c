#include "run/log_view.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define MAX_PARTITIONS ((int64_t)1 << 20)

const char *qn_log_status_name(qn_log_status status)
{
    static const char *const names[] = {"PENDING", "RUNNING", "SUCCEEDED", "FAILED", "SKIPPED"};

    return names[status];
}

/* ---- members of a line; what is missing makes the line a damaged one ---- */

typedef struct line_reader {
    qn_context *ctx;
    qn_log_view *view;
    json_t *event;
    bool is_damaged;
} line_reader;

static int64_t int_at(line_reader *r, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value))
        r->is_damaged = true;
    return (int64_t)json_integer_value(value);
}

/* The same where it may be missing. */
static int64_t int_or(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);

    return json_is_integer(value) ? (int64_t)json_integer_value(value) : otherwise;
}

static const char *text_at(line_reader *r, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value))
        r->is_damaged = true;
    return json_is_string(value) ? json_string_value(value) : "";
}

static json_t *object_at(line_reader *r, const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    if (!json_is_object(value))
        r->is_damaged = true;
    return value;
}

static bool flag_at(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static void see_time(qn_log_view *view, int64_t ms)
{
    if (ms > view->last_ms)
        view->last_ms = ms;
}

/* ---- lists ---- */

#define NEW_ROW(r, list, n, what)                                                                  \
    do {                                                                                           \
        qn_context *ctx_ = (r)->ctx;                                                               \
        if (((n) & ((n)-1)) == 0)                                                                  \
            QN_GROW(ctx_, (list), (n) ? 2 * (n) : 1, what);                                        \
        memset(&(list)[(n)], 0, sizeof *(list));                                                   \
    } while (0)

static int64_t find_worker(const qn_log_view *view, const char *id)
{
    const int64_t number = strtoll(id, NULL, 10);

    for (int64_t w = view->n_workers - 1; w >= 0 && number > 0; w--)
        if (view->worker[w].executor == number)
            return w;
    return -1;
}

static int64_t find_job(const qn_log_view *view, int64_t id)
{
    for (int64_t i = view->n_jobs - 1; i >= 0; i--)
        if (view->job[i].id == id)
            return i;
    return -1;
}

static int64_t find_stage(const qn_log_view *view, int64_t id, int64_t attempt)
{
    for (int64_t i = view->n_stages - 1; i >= 0; i--)
        if (view->stage[i].id == id && view->stage[i].attempt == attempt)
            return i;
    return -1;
}

static int64_t find_data(const qn_log_view *view, int64_t id)
{
    for (int64_t i = 0; i < view->n_data; i++)
        if (view->data[i].id == id)
            return i;
    return -1;
}

/* ---- workers ---- */

static qn_status worker_added(line_reader *r)
{
    qn_status st = QN_OK;
    qn_log_view *view = r->view;
    const json_t *info = object_at(r, r->event, "Executor Info");
    qn_log_worker *worker;

    NEW_ROW(r, view->worker, view->n_workers, "workers of an event log");
    worker = &view->worker[view->n_workers++];
    worker->executor = strtoll(text_at(r, r->event, "Executor ID"), NULL, 10);
    worker->cores = int_at(r, info, "Total Cores");
    worker->is_live = true;
    snprintf(worker->host, sizeof worker->host, "%s", text_at(r, info, "Host"));
    if (worker->executor > view->last_executor)
        view->last_executor = worker->executor;
    see_time(view, int_at(r, r->event, "Timestamp"));
done:
    return st;
}

static void store_added(line_reader *r)
{
    const json_t *id = object_at(r, r->event, "Block Manager ID");
    const int64_t worker = find_worker(r->view, text_at(r, id, "Executor ID"));
    const int64_t memory = int_at(r, r->event, "Maximum Memory");

    if (worker >= 0)
        r->view->worker[worker].memory = memory;
}

static void worker_removed(line_reader *r)
{
    qn_log_view *view = r->view;
    const int64_t worker = find_worker(view, text_at(r, r->event, "Executor ID"));

    see_time(view, int_at(r, r->event, "Timestamp"));
    if (worker < 0)
        return;
    view->worker[worker].is_live = false;
    for (int64_t d = 0; d < view->n_data; d++)
        for (int64_t p = 0; p < view->data[d].n_partitions; p++)
            if (view->data[d].block[p].worker == worker)
                view->data[d].block[p] = (qn_log_block){.worker = -1};
}

/* ---- jobs and stages ---- */

static qn_status take_stage(line_reader *r, const json_t *info, int64_t job, int64_t *place)
{
    qn_status st = QN_OK;
    qn_log_view *view = r->view;
    const int64_t id = int_at(r, info, "Stage ID"), attempt = int_or(info, "Stage Attempt ID", 0);
    qn_log_stage *stage;

    *place = find_stage(view, id, attempt);
    if (*place < 0) {
        const int64_t first = find_stage(view, id, 0);

        NEW_ROW(r, view->stage, view->n_stages, "stages of an event log");
        *place = view->n_stages++;
        view->stage[*place].job = job >= 0 ? job : first >= 0 ? view->stage[first].job : -1;
    }
    stage = &view->stage[*place];
    stage->id = id;
    stage->attempt = attempt;
    stage->n_tasks = int_at(r, info, "Number of Tasks");
    snprintf(stage->name, sizeof stage->name, "%s", text_at(r, info, "Stage Name"));
    if (id > view->last_stage)
        view->last_stage = id;
done:
    return st;
}

static qn_status job_start(line_reader *r)
{
    qn_status st = QN_OK;
    qn_log_view *view = r->view;
    const json_t *infos = json_object_get(r->event, "Stage Infos");
    const json_t *name =
        json_object_get(json_object_get(r->event, "Properties"), "spark.job.description");
    qn_log_job *job;
    int64_t place;

    NEW_ROW(r, view->job, view->n_jobs, "jobs of an event log");
    job = &view->job[view->n_jobs];
    job->id = int_at(r, r->event, "Job ID");
    job->start_ms = int_or(r->event, "Submission Time", 0);
    job->status = QN_LOG_RUNNING;
    snprintf(job->name, sizeof job->name, "%s",
             json_is_string(name) ? json_string_value(name) : "");
    view->n_jobs++;
    see_time(view, job->start_ms);
    for (size_t i = 0; i < json_array_size(infos); i++)
        QN_TRY(take_stage(r, json_array_get(infos, i), view->n_jobs - 1, &place));
done:
    return st;
}

static void job_end(line_reader *r)
{
    qn_log_view *view = r->view;
    const int64_t job = find_job(view, int_at(r, r->event, "Job ID"));
    const json_t *result = object_at(r, r->event, "Job Result");
    const bool ok = strcmp(text_at(r, result, "Result"), "JobSucceeded") == 0;

    if (job < 0)
        return;
    view->job[job].status = ok ? QN_LOG_SUCCEEDED : QN_LOG_FAILED;
    view->job[job].end_ms = int_or(r->event, "Completion Time", 0);
    see_time(view, view->job[job].end_ms);
    for (int64_t s = 0; s < view->n_stages; s++)
        if (view->stage[s].job == job && view->stage[s].status == QN_LOG_PENDING)
            view->stage[s].status = QN_LOG_SKIPPED;
}

static qn_status take_data(line_reader *r, const json_t *info)
{
    qn_status st = QN_OK;
    qn_log_view *view = r->view;
    const int64_t id = int_at(r, info, "RDD ID");
    qn_log_data *data;

    if (find_data(view, id) >= 0)
        return QN_OK;
    NEW_ROW(r, view->data, view->n_data, "data sets of an event log");
    data = &view->data[view->n_data++];
    data->id = id;
    snprintf(data->name, sizeof data->name, "%s", text_at(r, info, "Name"));
done:
    return st;
}

static qn_status stage_start(line_reader *r)
{
    qn_status st = QN_OK;
    qn_log_view *view = r->view;
    const json_t *info = object_at(r, r->event, "Stage Info");
    const json_t *data = json_object_get(info, "RDD Info");
    int64_t place;

    QN_TRY(take_stage(r, info, -1, &place));
    view->stage[place].status = QN_LOG_RUNNING;
    view->stage[place].start_ms = int_or(info, "Submission Time", 0);
    see_time(view, view->stage[place].start_ms);
    for (size_t i = 0; i < json_array_size(data); i++)
        QN_TRY(take_data(r, json_array_get(data, i)));
done:
    return st;
}

static qn_status stage_end(line_reader *r)
{
    qn_status st = QN_OK;
    const json_t *info = object_at(r, r->event, "Stage Info");
    qn_log_stage *stage;
    int64_t place;

    QN_TRY(take_stage(r, info, -1, &place));
    stage = &r->view->stage[place];
    stage->status = json_object_get(info, "Failure Reason") ? QN_LOG_FAILED : QN_LOG_SUCCEEDED;
    stage->start_ms = int_or(info, "Submission Time", stage->start_ms);
    stage->end_ms = int_or(info, "Completion Time", stage->start_ms);
    see_time(r->view, stage->end_ms);
done:
    return st;
}

static void stage_peak(line_reader *r)
{
    const int64_t worker = find_worker(r->view, text_at(r, r->event, "Executor ID"));
    const json_t *metrics = object_at(r, r->event, "Executor Metrics");
    const int64_t bytes = int_or(metrics, "ProcessTreeOtherRSSMemory", 0);

    if (worker >= 0 && bytes > r->view->worker[worker].peak_bytes)
        r->view->worker[worker].peak_bytes = bytes;
}

/* ---- tasks ---- */

static qn_status task_start(line_reader *r)
{
    qn_status st = QN_OK;
    qn_log_view *view = r->view;
    const json_t *info = object_at(r, r->event, "Task Info");
    qn_log_task *task;

    NEW_ROW(r, view->task, view->n_tasks, "tasks of an event log");
    task = &view->task[view->n_tasks++];
    task->id = int_at(r, info, "Task ID");
    task->index = int_at(r, info, "Index");
    task->attempt = int_or(info, "Attempt", 0);
    task->launch_ms = int_at(r, info, "Launch Time");
    task->worker = find_worker(view, text_at(r, info, "Executor ID"));
    task->stage =
        find_stage(view, int_at(r, r->event, "Stage ID"), int_or(r->event, "Stage Attempt ID", 0));
    if (task->id > view->last_task)
        view->last_task = task->id;
    see_time(view, task->launch_ms);
done:
    return st;
}

static void add_metrics(const json_t *metrics, qn_log_stage *stage)
{
    const json_t *input = json_object_get(metrics, "Input Metrics");
    const json_t *moved = json_object_get(metrics, "Shuffle Read Metrics");

    stage->run_ms += int_or(metrics, "Executor Run Time", 0);
    stage->bytes_spilled += int_or(metrics, "Disk Bytes Spilled", 0);
    stage->records += int_or(input, "Records Read", 0);
    stage->bytes_read += int_or(input, "Bytes Read", 0);
    stage->bytes_moved +=
        int_or(moved, "Remote Bytes Read", 0) + int_or(moved, "Local Bytes Read", 0);
}

static void task_end(line_reader *r)
{
    qn_log_view *view = r->view;
    const json_t *info = object_at(r, r->event, "Task Info");
    const int64_t id = int_at(r, info, "Task ID");
    const int64_t place =
        find_stage(view, int_at(r, r->event, "Stage ID"), int_or(r->event, "Stage Attempt ID", 0));
    const char *reason = text_at(r, object_at(r, r->event, "Task End Reason"), "Reason");

    see_time(view, int_or(info, "Finish Time", 0));
    for (int64_t t = view->n_tasks - 1; t >= 0; t--)
        if (view->task[t].id == id) {
            view->task[t] = view->task[--view->n_tasks];
            break;
        }
    if (place < 0)
        return;
    view->stage[place].done += !strcmp(reason, "Success");
    view->stage[place].killed += !strcmp(reason, "TaskKilled");
    view->stage[place].failed += strcmp(reason, "Success") && strcmp(reason, "TaskKilled");
    add_metrics(json_object_get(r->event, "Task Metrics"), &view->stage[place]);
}

/* ---- blocks ---- */

static qn_status grow_data(line_reader *r, qn_log_data *data, int64_t n)
{
    qn_status st = QN_OK;

    if (n <= data->n_partitions)
        return QN_OK;
    QN_GROW(r->ctx, data->block, n, "blocks of an event log");
    for (int64_t p = data->n_partitions; p < n; p++)
        data->block[p] = (qn_log_block){.worker = -1};
    data->n_partitions = n;
done:
    return st;
}

/* Sizes are differences: more where the flag is set, less where it is not. */
static qn_status block_updated(line_reader *r)
{
    qn_status st = QN_OK;
    qn_log_view *view = r->view;
    const json_t *info = object_at(r, r->event, "Block Updated Info");
    const json_t *level = object_at(r, info, "Storage Level");
    const bool in_memory = flag_at(level, "Use Memory"), on_disk = flag_at(level, "Use Disk");
    const int64_t memory = int_at(r, info, "Memory Size"), disk = int_at(r, info, "Disk Size");
    const json_t *manager = object_at(r, info, "Block Manager ID");
    const int64_t worker = find_worker(view, text_at(r, manager, "Executor ID"));
    long long id, partition;
    qn_log_block *block;
    int64_t place;

    if (sscanf(text_at(r, info, "Block ID"), "rdd_%lld_%lld", &id, &partition) != 2)
        return QN_OK;
    view->is_block = true;
    place = find_data(view, id);
    if (place < 0 || worker < 0)
        return QN_OK;
    if (partition < 0 || partition >= MAX_PARTITIONS) {
        r->is_damaged = true;
        return QN_OK;
    }
    QN_TRY(grow_data(r, &view->data[place], partition + 1));
    block = &view->data[place].block[partition];
    if (!in_memory && !on_disk) {
        *block = (qn_log_block){.worker = -1};
        return QN_OK;
    }
    block->worker = worker;
    block->records = int_or(info, "Records", block->records);
    block->memory += in_memory ? memory : -memory;
    block->disk += on_disk ? disk : -disk;
    block->memory = block->memory > 0 ? block->memory : 0;
    block->disk = block->disk > 0 ? block->disk : 0;
done:
    return st;
}

/* ---- lines ---- */

static void app_start(line_reader *r)
{
    qn_log_view *view = r->view;

    snprintf(view->app_id, sizeof view->app_id, "%s", text_at(r, r->event, "App ID"));
    snprintf(view->app_name, sizeof view->app_name, "%s", text_at(r, r->event, "App Name"));
    view->start_ms = int_at(r, r->event, "Timestamp");
    see_time(view, view->start_ms);
}

static qn_status take_event(line_reader *r, const char *name)
{
    static const struct {
        const char *name;
        qn_status (*take)(line_reader *r);
        void (*see)(line_reader *r);
    } known[] = {
        {"TaskEnd", NULL, task_end},
        {"TaskStart", task_start, NULL},
        {"BlockUpdated", block_updated, NULL},
        {"StageSubmitted", stage_start, NULL},
        {"StageCompleted", stage_end, NULL},
        {"StageExecutorMetrics", NULL, stage_peak},
        {"JobStart", job_start, NULL},
        {"JobEnd", NULL, job_end},
        {"ExecutorAdded", worker_added, NULL},
        {"ExecutorRemoved", NULL, worker_removed},
        {"BlockManagerAdded", NULL, store_added},
        {"ApplicationStart", NULL, app_start},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) != 0)
            continue;
        if (known[i].take)
            return known[i].take(r);
        known[i].see(r);
        return QN_OK;
    }
    if (!strcmp(name, "ApplicationEnd"))
        r->view->end_ms = int_at(r, r->event, "Timestamp");
    return QN_OK;
}

qn_status qn_log_view_line(qn_context *ctx, qn_log_view *view, const char *line, size_t length)
{
    static const char prefix[] = "SparkListener";
    line_reader r = {.ctx = ctx, .view = view};
    const char *name;
    qn_status st = QN_OK;

    view->is_block = false;
    if (view->n_lines++ == 0)
        view->last_task = view->last_stage = -1;
    r.event = json_loadb(line, length, 0, NULL);
    name = text_at(&r, r.event, "Event");
    if (!r.is_damaged && !strncmp(name, prefix, sizeof prefix - 1))
        st = take_event(&r, name + sizeof prefix - 1);
    if (st == QN_OK && r.is_damaged)
        st = qn_fail(ctx, QN_EDATA, "line %lld is no whole event of a log",
                     (long long)view->n_lines);
    json_decref(r.event);
    return st;
}

qn_status qn_log_view_read(qn_context *ctx, qn_log_view *view, const char *text, size_t length,
                           qn_log_after *after, void *arg)
{
    qn_status st = QN_OK;

    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '\n', length - at);

        if (!end)
            break;
        QN_TRY(qn_log_view_line(ctx, view, text + at, (size_t)(end - (text + at))));
        at = (size_t)(end - text) + 1;
        if (after)
            after(arg, view);
    }
done:
    return st;
}

void qn_log_view_release(qn_log_view *view)
{
    for (int64_t d = 0; d < view->n_data; d++)
        qn_free(view->data[d].block);
    qn_free(view->worker);
    qn_free(view->job);
    qn_free(view->stage);
    qn_free(view->task);
    qn_free(view->data);
    *view = (qn_log_view){0};
}
