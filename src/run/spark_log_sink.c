/* From the stream to the log: which job and stage an event belongs to. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/spark_log_impl.h"

#define FLUSH_US 1000000 /* a line waits no longer for others */

/* ---- stages ---- */

static spark_stage *add_stage(qn_spark_log *log, const char *name, size_t length, int64_t tasks)
{
    spark_stage stage = {.id = log->next_stage++, .n_tasks = tasks > 0 ? tasks : 1};
    spark_stage *made;

    snprintf(stage.name, sizeof stage.name, "%.*s", (int)length, name);
    made = SPARK_ADD(log->job.stages, spark_stage, &stage);
    if (!made)
        spark_out_of_memory(log);
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
    spark_tell_data(log);
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
    spark_start_task(log, stage, 0, 0, job->start_us);
    log->last_us = now;
}

static void end_stage(qn_spark_log *log, spark_stage *stage, spark_reason reason, const char *text)
{
    const char *error = reason == SPARK_SUCCESS ? NULL : text;

    spark_end_tasks(log, stage, reason, text);
    for (int64_t i = 0; i < SPARK_COUNT(stage->peaks, spark_peak); i++)
        spark_line_stage_peak(log, stage, SPARK_AT(stage->peaks, spark_peak, i));
    spark_line_stage_end(log, stage, log->last_us, error);
    stage->state = SPARK_ENDED;
    spark_stage_release(stage);
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
    spark_task *task = spark_start_task(log, stage, 0, 0, stage->start_us);

    if (!task)
        return;
    task->work = (spark_work){.busy_us = event->duration_us, .rows = event->rows};
    spark_end_task(log, stage, task,
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
    if (event->rank == 0 && spark_n_tasks(stage) == 0 && stage->n_tasks == 1)
        whole_task(log, stage, event);
    spark_share_work(log, stage, event);
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
        spark_start_task(log, stage, event->id, event->rank, event->time_us);
}

static void on_task_end(qn_spark_log *log, const qn_event *event)
{
    spark_stage *stage = stage_of_event(log, event->parent);
    int32_t *slot = stage ? spark_slot_of(log, stage, event->id) : NULL;
    spark_task *task = slot && *slot ? spark_task_at(stage, *slot - 1) : NULL;
    int64_t start;

    if (!slot)
        return;
    if (!task || !task->is_open) { /* nobody told of its start */
        start = event->time_us - event->duration_us;
        start = start > stage->start_us ? start : stage->start_us;
        task = spark_start_task(log, stage, event->id, event->rank, start);
    }
    if (!task)
        return;
    spark_add_work(&task->work, event);
    if (event->status == QN_OK)
        spark_end_task(log, stage, task, SPARK_SUCCESS, NULL);
    else
        spark_end_task(log, stage, task,
                       event->status == QN_ECANCELLED ? SPARK_KILLED : SPARK_FAILED,
                       reason_of(log, event));
}

static void on_peak(qn_spark_log *log, const qn_event *event)
{
    spark_stage *stage = stage_of_event(log, event->parent);
    const spark_peak peak = {spark_find_worker(log, event->rank), event->memory_bytes};

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
        spark_out_of_memory(log);
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

    if (stage->state != SPARK_RUNNING || spark_n_tasks(stage) == 0)
        return;
    spark_task_at(stage, 0)->work = log->job.work;
    spark_end_task(log, stage, spark_task_at(stage, 0),
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

/* Ends everything that runs: with a worker lost, nothing goes on. The job itself may, on others. */
static void on_worker_lost(qn_spark_log *log, const qn_event *event)
{
    const char *text = event->text ? event->text : "lost";
    const int32_t lost = spark_find_worker(log, event->rank);
    spark_job *job = &log->job;

    if (job->state == SPARK_WAITING)
        be_alone(log);
    for (int64_t i = 0; i < spark_n_stages(log); i++) {
        spark_stage *stage = spark_stage_at(log, i);

        for (int64_t t = 0; stage->state == SPARK_RUNNING && t < spark_n_tasks(stage); t++)
            if (spark_task_at(stage, t)->is_open)
                spark_end_task(log, stage, spark_task_at(stage, t),
                               spark_task_at(stage, t)->worker == lost ? SPARK_LOST : SPARK_KILLED,
                               text);
    }
    end_stages(log, SPARK_KILLED, text);
    if (job->state == SPARK_OPEN)
        job->state = SPARK_BROKEN;
    job->depth = 0;
    spark_end_workers(log, lost, text);
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
        spark_storage(log, event);
        break;
    case QN_EVENT_WORKER_ADDED:
        spark_worker_added(log, event);
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
