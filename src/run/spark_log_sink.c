/* From the stream to the log: which job, stage and worker an event belongs to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/spark_log_impl.h"

#define FLUSH_US 1000000 /* a line waits no longer for others */

void *spark_add(qn_string *list, const void *element, size_t size)
{
    qn_string_add_bytes(list, element, size);
    return list->failed ? NULL : list->text + list->length - size;
}

spark_stage *spark_stage_at(const qn_spark_log *log, int64_t i)
{
    return SPARK_AT(log->job.stages, spark_stage, i);
}

int64_t spark_n_stages(const qn_spark_log *log)
{
    return SPARK_COUNT(log->job.stages, spark_stage);
}

spark_worker *spark_worker_at(const qn_spark_log *log, int32_t i)
{
    return SPARK_AT(log->workers, spark_worker, i);
}

static void stage_release(spark_stage *stage)
{
    qn_string_release(&stage->tasks);
    qn_string_release(&stage->slots);
    qn_string_release(&stage->peaks);
}

void spark_stages_clear(spark_job *job)
{
    for (int64_t i = 0; i < SPARK_COUNT(job->stages, spark_stage); i++)
        stage_release(SPARK_AT(job->stages, spark_stage, i));
    qn_string_clear(&job->stages);
}

/* No memory: the log ends here, as with any write that fails. */
static void out_of_memory(qn_spark_log *log)
{
    log->line.out.failed = true;
    spark_file_line(log);
}

/* ---- workers ---- */

static int32_t add_worker(qn_spark_log *log, int32_t rank, const char *host, int64_t cores,
                          int64_t memory)
{
    spark_worker worker = {
        .rank = rank,
        .number = (int32_t)++log->next_worker,
        .is_live = true,
        .cores = cores,
        .memory = memory,
    };

    snprintf(worker.host, sizeof worker.host, "%s", host);
    if (!SPARK_ADD(log->workers, spark_worker, &worker)) {
        out_of_memory(log);
        return -1;
    }
    spark_line_worker(log, &worker, log->last_us);
    return (int32_t)SPARK_COUNT(log->workers, spark_worker) - 1;
}

static int32_t find_worker(const qn_spark_log *log, int32_t rank)
{
    for (int32_t w = (int32_t)SPARK_COUNT(log->workers, spark_worker) - 1; w >= 0; w--)
        if (spark_worker_at(log, w)->rank == rank && spark_worker_at(log, w)->is_live)
            return w;
    return -1;
}

/* The worker of a rank; one that nobody has told of is taken to be like this process. */
static int32_t worker_of(qn_spark_log *log, int32_t rank)
{
    const int32_t found = find_worker(log, rank);
    char host[256] = "";

    if (found >= 0)
        return found;
    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "localhost");
    return add_worker(log, rank, host, qn_context_threads(log->ctx),
                      (int64_t)qn_context_memory(log->ctx));
}

static void on_worker_added(qn_spark_log *log, const qn_event *event)
{
    if (find_worker(log, event->rank) < 0)
        add_worker(log, event->rank, event->text ? event->text : "unknown", event->done,
                   event->memory_bytes);
}

/* ---- tasks ---- */

static spark_task *task_at(const spark_stage *stage, int64_t i)
{
    return SPARK_AT(stage->tasks, spark_task, i);
}

static int64_t n_tasks(const spark_stage *stage)
{
    return SPARK_COUNT(stage->tasks, spark_task);
}

static int32_t *slot_of(qn_spark_log *log, spark_stage *stage, int64_t index)
{
    static const int32_t none;

    if (index < 0 || index > INT32_MAX)
        return NULL;
    while (SPARK_COUNT(stage->slots, int32_t) <= index)
        if (!SPARK_ADD(stage->slots, int32_t, &none)) {
            out_of_memory(log);
            return NULL;
        }
    return SPARK_AT(stage->slots, int32_t, index);
}

static spark_task *start_task(qn_spark_log *log, spark_stage *stage, int64_t index, int32_t rank,
                              int64_t us)
{
    int32_t *slot = slot_of(log, stage, index);
    spark_task task = {.index = index, .launch_us = us, .is_open = true}, *made;

    task.worker = worker_of(log, rank);
    if (!slot || task.worker < 0)
        return NULL;
    task.id = log->next_task++;
    task.attempt = *slot ? task_at(stage, *slot - 1)->attempt + 1 : 0;
    made = SPARK_ADD(stage->tasks, spark_task, &task);
    if (!made) {
        out_of_memory(log);
        return NULL;
    }
    *slot = (int32_t)n_tasks(stage);
    spark_line_task_start(log, stage, made);
    return made;
}

static void add_work(spark_work *to, const qn_event *event)
{
    to->busy_us += event->duration_us;
    to->rows += event->rows;
    to->bytes_read += event->bytes_read;
    to->bytes_moved += event->bytes_moved;
    to->bytes_spilled += event->bytes_spilled;
}

static void write_held(qn_spark_log *log, const spark_stage *stage, spark_task *task)
{
    task->is_held = false;
    spark_line_task_end(log, stage, task, SPARK_SUCCESS, NULL);
}

static void end_task(qn_spark_log *log, spark_stage *stage, spark_task *task, spark_reason reason,
                     const char *text)
{
    task->is_open = false;
    task->end_us = log->last_us > task->launch_us ? log->last_us : task->launch_us;
    if (reason != SPARK_SUCCESS) {
        spark_line_task_end(log, stage, task, reason, text);
        return;
    }
    /* The worker's bytes of this stage are known at its end: the last task carries them. */
    for (int64_t i = 0; i < n_tasks(stage); i++)
        if (task_at(stage, i)->is_held && task_at(stage, i)->worker == task->worker)
            write_held(log, stage, task_at(stage, i));
    task->is_held = true;
}

static void end_tasks(qn_spark_log *log, spark_stage *stage, spark_reason reason, const char *text)
{
    for (int64_t i = 0; i < n_tasks(stage); i++) {
        spark_task *task = task_at(stage, i);

        if (task->is_open)
            end_task(log, stage, task, reason, text);
        if (task->is_held)
            write_held(log, stage, task);
    }
}

/* What a worker did in a stage beyond what its tasks have told. */
static void share_work(qn_spark_log *log, spark_stage *stage, const qn_event *event)
{
    const int32_t worker = find_worker(log, event->rank);
    spark_work told = {0}, *to = NULL;

    for (int64_t i = 0; i < n_tasks(stage); i++) {
        spark_task *task = task_at(stage, i);

        if (task->is_held && (!to || task->worker == worker))
            to = &task->work;
        if (task->worker == worker) {
            told.bytes_read += task->work.bytes_read;
            told.bytes_moved += task->work.bytes_moved;
            told.bytes_spilled += task->work.bytes_spilled;
        }
    }
    if (!to)
        return;
    if (event->bytes_read > told.bytes_read)
        to->bytes_read += event->bytes_read - told.bytes_read;
    if (event->bytes_moved > told.bytes_moved)
        to->bytes_moved += event->bytes_moved - told.bytes_moved;
    if (event->bytes_spilled > told.bytes_spilled)
        to->bytes_spilled += event->bytes_spilled - told.bytes_spilled;
}

/* ---- data sets ---- */

static void tell_data(qn_spark_log *log)
{
    for (int64_t i = 0; i < SPARK_COUNT(log->data, spark_data); i++) {
        spark_data *data = SPARK_AT(log->data, spark_data, i);

        if (data->is_told)
            continue;
        data->is_told = true;
        for (int64_t p = 0; p < SPARK_COUNT(data->blocks, spark_block); p++)
            spark_line_block(log, data, p);
    }
}

static spark_data *data_named(qn_spark_log *log, const char *name)
{
    spark_data made = {.id = SPARK_COUNT(log->data, spark_data)};

    for (int64_t i = 0; i < made.id; i++)
        if (!strcmp(SPARK_AT(log->data, spark_data, i)->name, name))
            return SPARK_AT(log->data, spark_data, i);
    snprintf(made.name, sizeof made.name, "%s", name);
    return SPARK_ADD(log->data, spark_data, &made);
}

static void on_storage(qn_spark_log *log, const qn_event *event)
{
    static const spark_block nowhere = {.worker = -1, .told_worker = -1};
    spark_data *data = data_named(log, event->name ? event->name : "data");
    const int64_t wanted = event->total > event->id ? event->total : event->id + 1;
    const int32_t worker = worker_of(log, event->rank);
    spark_block *block;

    while (data && event->id >= 0 && SPARK_COUNT(data->blocks, spark_block) < wanted)
        if (!SPARK_ADD(data->blocks, spark_block, &nowhere))
            data = NULL;
    if (!data || event->id < 0 || worker < 0) {
        out_of_memory(log);
        return;
    }
    block = SPARK_AT(data->blocks, spark_block, event->id);
    block->worker = worker;
    block->rows = event->rows;
    block->memory = event->memory_bytes;
    block->disk = event->disk_bytes;
    if (data->is_told)
        spark_line_block(log, data, event->id);
}

/* ---- stages ---- */

static spark_stage *add_stage(qn_spark_log *log, const char *name, size_t length, int64_t tasks)
{
    spark_stage stage = {.id = log->next_stage++, .n_tasks = tasks > 0 ? tasks : 1};
    spark_stage *made;

    snprintf(stage.name, sizeof stage.name, "%.*s", (int)length, name);
    made = SPARK_ADD(log->job.stages, spark_stage, &stage);
    if (!made)
        out_of_memory(log);
    return made;
}

/* Lines of "name<TAB>tasks". */
static void plan_stages(qn_spark_log *log, const char *text)
{
    while (text && *text) {
        const size_t length = strcspn(text, "\n");
        const size_t name = strcspn(text, "\t\n");
        const int64_t tasks = name < length ? strtoll(text + name + 1, NULL, 10) : 1;

        if (name > 0 && !add_stage(log, text, name, tasks))
            return;
        text += length + (text[length] == '\n');
    }
}

static void write_job(qn_spark_log *log)
{
    const int64_t n = spark_n_stages(log);

    if (n > 0)
        spark_stage_at(log, n - 1)->is_last = true;
    spark_line_job_start(log);
    log->job.state = SPARK_OPEN;
}

static void submit(qn_spark_log *log, spark_stage *stage, int64_t event_id)
{
    stage->event_id = event_id;
    stage->start_us = log->last_us;
    stage->state = SPARK_RUNNING;
    spark_line_stage_start(log, stage);
    tell_data(log);
}

/* A job that tells of no stages is one, with one task. */
static void be_alone(qn_spark_log *log)
{
    spark_job *job = &log->job;
    spark_stage *stage = add_stage(log, job->name, strlen(job->name), 1);
    const int64_t now = log->last_us;

    if (!stage)
        return;
    write_job(log);
    job->is_alone = true;
    log->last_us = job->start_us;
    submit(log, stage, 0);
    start_task(log, stage, 0, 0, job->start_us);
    log->last_us = now;
}

static void end_stage(qn_spark_log *log, spark_stage *stage, spark_reason reason, const char *text)
{
    const char *error = reason == SPARK_SUCCESS ? NULL : text;

    end_tasks(log, stage, reason, text);
    for (int64_t i = 0; i < SPARK_COUNT(stage->peaks, spark_peak); i++)
        spark_line_stage_peak(log, stage, SPARK_AT(stage->peaks, spark_peak, i));
    spark_line_stage_end(log, stage, log->last_us, error);
    stage->state = SPARK_ENDED;
    stage_release(stage);
}

static void end_stages(qn_spark_log *log, spark_reason reason, const char *text)
{
    for (int64_t i = 0; i < spark_n_stages(log); i++)
        if (spark_stage_at(log, i)->state == SPARK_RUNNING)
            end_stage(log, spark_stage_at(log, i), reason, text);
}

static spark_stage *stage_of_event(const qn_spark_log *log, int64_t event_id)
{
    for (int64_t i = spark_n_stages(log) - 1; i >= 0; i--)
        if (spark_stage_at(log, i)->state == SPARK_RUNNING &&
            spark_stage_at(log, i)->event_id == event_id)
            return spark_stage_at(log, i);
    return NULL;
}

/* The planned stage of a name, or after a loss the one that is to be run again. */
static spark_stage *stage_to_run(const qn_spark_log *log, const char *name)
{
    for (int32_t state = SPARK_PLANNED; state <= SPARK_ENDED; state++)
        for (int64_t i = 0; i < spark_n_stages(log); i++) {
            spark_stage *stage = spark_stage_at(log, i);

            if ((int32_t)stage->state == state && !strncmp(stage->name, name, SPARK_NAME - 1) &&
                (state == SPARK_PLANNED || (state == SPARK_ENDED && log->job.is_retried)))
                return stage;
        }
    return NULL;
}

/* A stage that was not planned cannot be added to a job whose start is written: as in Spark, it is
 * then a job of its own, in the same group. */
static void next_job(qn_spark_log *log)
{
    spark_job *job = &log->job;

    end_stages(log, SPARK_SUCCESS, NULL);
    spark_line_job_end(log, log->last_us, NULL);
    spark_stages_clear(job);
    job->id = log->next_job++;
    job->start_us = log->last_us;
    job->is_alone = false;
    job->state = SPARK_WAITING;
}

static void begin_job(qn_spark_log *log, const char *name)
{
    spark_job *job = &log->job;

    spark_stages_clear(job);
    snprintf(job->name, sizeof job->name, "%s", name);
    job->id = log->next_job++;
    job->start_us = log->last_us;
    job->state = SPARK_WAITING;
    job->is_alone = job->is_retried = false;
    job->work = (spark_work){0};
}

static void on_stage_start(qn_spark_log *log, const qn_event *event)
{
    const char *name = event->name ? event->name : "stage";
    spark_job *job = &log->job;
    spark_stage *stage;

    if (job->state == SPARK_NO_JOB)
        begin_job(log, name);
    stage = job->state == SPARK_OPEN ? stage_to_run(log, name) : NULL;
    if (!stage) {
        if (job->state == SPARK_OPEN)
            next_job(log);
        stage = add_stage(log, name, strlen(name), event->total);
        if (!stage)
            return;
        write_job(log);
    }
    if (stage->state == SPARK_ENDED)
        stage->attempt++;
    stage->n_tasks = event->total > 0 ? event->total : 1;
    submit(log, stage, event->id);
    spark_file_flush(log);
}

/* Why something failed: what the event says, or the context, whose lock the sink holds. */
static const char *reason_of(const qn_spark_log *log, const qn_event *event)
{
    if (event->text)
        return event->text;
    if (event->status == QN_ECANCELLED)
        return "cancelled";
    return log->ctx->error[0] && log->ctx->error_status == event->status
               ? log->ctx->error
               : qn_status_text(event->status);
}

static spark_reason kind_of_end(const qn_event *event)
{
    return event->status == QN_OK ? SPARK_SUCCESS : SPARK_KILLED;
}

/* A stage of one task that has told of none is that task. */
static void whole_task(qn_spark_log *log, spark_stage *stage, const qn_event *event)
{
    spark_task *task = start_task(log, stage, 0, 0, stage->start_us);

    if (!task)
        return;
    task->work = (spark_work){.busy_us = event->duration_us, .rows = event->rows};
    end_task(log, stage, task,
             event->status == QN_OK           ? SPARK_SUCCESS
             : event->status == QN_ECANCELLED ? SPARK_KILLED
                                              : SPARK_FAILED,
             event->status == QN_OK ? NULL : reason_of(log, event));
}

static void on_stage_end(qn_spark_log *log, const qn_event *event)
{
    spark_stage *stage = stage_of_event(log, event->id);

    if (!stage)
        return;
    if (event->rank == 0 && n_tasks(stage) == 0 && stage->n_tasks == 1)
        whole_task(log, stage, event);
    share_work(log, stage, event);
    if (event->rank != 0)
        return;
    end_stage(log, stage, kind_of_end(event),
              event->status == QN_OK ? NULL : reason_of(log, event));
    spark_file_flush(log);
}

static void on_task_start(qn_spark_log *log, const qn_event *event)
{
    spark_stage *stage = stage_of_event(log, event->parent);

    if (stage)
        start_task(log, stage, event->id, event->rank, event->time_us);
}

static void on_task_end(qn_spark_log *log, const qn_event *event)
{
    spark_stage *stage = stage_of_event(log, event->parent);
    int32_t *slot = stage ? slot_of(log, stage, event->id) : NULL;
    spark_task *task = slot && *slot ? task_at(stage, *slot - 1) : NULL;
    int64_t start;

    if (!slot)
        return;
    if (!task || !task->is_open) { /* nobody told of its start */
        start = event->time_us - event->duration_us;
        start = start > stage->start_us ? start : stage->start_us;
        task = start_task(log, stage, event->id, event->rank, start);
    }
    if (!task)
        return;
    add_work(&task->work, event);
    if (event->status == QN_OK)
        end_task(log, stage, task, SPARK_SUCCESS, NULL);
    else
        end_task(log, stage, task, event->status == QN_ECANCELLED ? SPARK_KILLED : SPARK_FAILED,
                 reason_of(log, event));
}

static void on_peak(qn_spark_log *log, const qn_event *event)
{
    spark_stage *stage = stage_of_event(log, event->parent);
    const spark_peak peak = {find_worker(log, event->rank), event->memory_bytes};

    if (!stage || peak.worker < 0) /* a pulse may come before the worker has told of itself */
        return;
    for (int64_t i = 0; i < SPARK_COUNT(stage->peaks, spark_peak); i++) {
        spark_peak *before = SPARK_AT(stage->peaks, spark_peak, i);

        if (before->worker == peak.worker) {
            before->bytes = before->bytes > peak.bytes ? before->bytes : peak.bytes;
            return;
        }
    }
    if (!SPARK_ADD(stage->peaks, spark_peak, &peak))
        out_of_memory(log);
}

/* ---- jobs ---- */

static void on_job_start(qn_spark_log *log, const qn_event *event)
{
    const char *name = event->name ? event->name : "job";
    spark_job *job = &log->job;

    if (job->depth++ == 0) {
        if (job->state == SPARK_BROKEN && !strcmp(job->name, name)) { /* goes on with new workers */
            job->state = SPARK_OPEN;
            job->is_retried = true;
            return;
        }
        if (job->state != SPARK_NO_JOB)
            spark_close_open(log, SPARK_LOST, "another job was begun");
        begin_job(log, name);
    }
    if (event->text && job->state == SPARK_OPEN && !job->is_retried)
        next_job(log);
    if (event->text && job->state == SPARK_WAITING) {
        plan_stages(log, event->text);
        write_job(log);
    }
    spark_file_flush(log);
}

/* The job's bytes and rows are those of its only task. */
static void end_alone(qn_spark_log *log, const qn_event *event)
{
    spark_stage *stage = spark_stage_at(log, 0);
    const bool ok = event->status == QN_OK;

    if (stage->state != SPARK_RUNNING || n_tasks(stage) == 0)
        return;
    task_at(stage, 0)->work = log->job.work;
    end_task(log, stage, task_at(stage, 0),
             ok                               ? SPARK_SUCCESS
             : event->status == QN_ECANCELLED ? SPARK_KILLED
                                              : SPARK_FAILED,
             ok ? NULL : reason_of(log, event));
    end_stage(log, stage, kind_of_end(event), ok ? NULL : reason_of(log, event));
}

static void on_job_end(qn_spark_log *log, const qn_event *event)
{
    spark_job *job = &log->job;
    const bool is_outer = job->depth == 1;

    if (job->depth == 0)
        return;
    job->depth--;
    if (event->rows > 0)
        job->work.rows = event->rows;
    if (event->bytes_read > 0)
        job->work.bytes_read += event->bytes_read;
    job->work.bytes_spilled += event->bytes_spilled;
    job->work.bytes_moved += event->bytes_moved;
    if (!is_outer)
        return;
    job->work.busy_us = event->duration_us;
    if (job->state == SPARK_WAITING)
        be_alone(log);
    if (job->is_alone)
        end_alone(log, event);
    end_stages(log, kind_of_end(event), event->status == QN_OK ? NULL : reason_of(log, event));
    if (job->state == SPARK_OPEN)
        spark_line_job_end(log, log->last_us,
                           event->status == QN_OK ? NULL : reason_of(log, event));
    job->state = SPARK_NO_JOB;
    spark_stages_clear(job);
    spark_file_sync(log);
}

/* The lost worker is told of with its reason; the others end with it, since nothing goes on without
 * it: new ones take their places. `lost` -1: nobody knows which it was. */
static void end_workers(qn_spark_log *log, int32_t lost, const char *text)
{
    qn_string with = {0};

    qn_string_addf(&with, "ended because %s", text);
    for (int32_t w = 0; w < (int32_t)SPARK_COUNT(log->workers, spark_worker); w++) {
        spark_worker *worker = spark_worker_at(log, w);

        if (!worker->is_live)
            continue;
        spark_line_worker_lost(log, worker, log->last_us, w == lost ? text : qn_string_text(&with));
        worker->is_live = false;
    }
    qn_string_release(&with);
    for (int64_t i = 0; i < SPARK_COUNT(log->data, spark_data); i++) {
        const spark_data *data = SPARK_AT(log->data, spark_data, i);

        for (int64_t p = 0; p < SPARK_COUNT(data->blocks, spark_block); p++)
            *SPARK_AT(data->blocks, spark_block, p) =
                (spark_block){.worker = -1, .told_worker = -1};
    }
}

/* Ends everything that runs: with a worker lost, nothing goes on. The job itself may, on others. */
static void on_worker_lost(qn_spark_log *log, const qn_event *event)
{
    const char *text = event->text ? event->text : "lost";
    const int32_t lost = find_worker(log, event->rank);
    spark_job *job = &log->job;

    if (job->state == SPARK_WAITING)
        be_alone(log);
    for (int64_t i = 0; i < spark_n_stages(log); i++) {
        spark_stage *stage = spark_stage_at(log, i);

        for (int64_t t = 0; stage->state == SPARK_RUNNING && t < n_tasks(stage); t++)
            if (task_at(stage, t)->is_open)
                end_task(log, stage, task_at(stage, t),
                         task_at(stage, t)->worker == lost ? SPARK_LOST : SPARK_KILLED, text);
    }
    end_stages(log, SPARK_KILLED, text);
    if (job->state == SPARK_OPEN)
        job->state = SPARK_BROKEN;
    job->depth = 0;
    end_workers(log, lost, text);
    spark_file_sync(log);
}

void spark_close_open(qn_spark_log *log, spark_reason reason, const char *text)
{
    spark_job *job = &log->job;

    if (job->state == SPARK_WAITING)
        be_alone(log);
    end_stages(log, reason, text);
    if (job->state != SPARK_NO_JOB)
        spark_line_job_end(log, log->last_us, text);
    job->state = SPARK_NO_JOB;
    spark_stages_clear(job);
}

/* Something goes on in a job that has told of no stages. */
static void on_progress(qn_spark_log *log)
{
    if (log->job.state == SPARK_WAITING)
        be_alone(log);
}

static void take(qn_spark_log *log, const qn_event *event)
{
    const bool is_first = event->rank == 0;

    switch (event->kind) {
    case QN_EVENT_JOB_START:
        if (is_first)
            on_job_start(log, event);
        break;
    case QN_EVENT_JOB_END:
        if (is_first)
            on_job_end(log, event);
        break;
    case QN_EVENT_STAGE_START:
        if (is_first)
            on_stage_start(log, event);
        break;
    case QN_EVENT_STAGE_END:
        on_stage_end(log, event);
        break;
    case QN_EVENT_TASK_START:
        on_task_start(log, event);
        break;
    case QN_EVENT_TASK_END:
        on_task_end(log, event);
        break;
    case QN_EVENT_STORAGE:
        on_storage(log, event);
        break;
    case QN_EVENT_WORKER_ADDED:
        on_worker_added(log, event);
        break;
    case QN_EVENT_WORKER_LOST:
        on_worker_lost(log, event);
        break;
    case QN_EVENT_WORKER_PEAK:
        on_peak(log, event);
        break;
    case QN_EVENT_PROGRESS:
    case QN_EVENT_STEP:
        on_progress(log);
        break;
    default:
        break;
    }
}

void spark_sink(void *user, const qn_event *event)
{
    qn_spark_log *log = user;

    if (!log->ctx || log->error)
        return;
    if (event->time_us > log->last_us)
        log->last_us = event->time_us;
    take(log, event);
    if (log->last_us - log->flushed_us > FLUSH_US)
        spark_file_flush(log);
}
