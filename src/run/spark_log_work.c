/* Who works on what in an event log: the workers, the tasks of a stage, the blocks that data sets
 * take. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run/spark_log_impl.h"

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

void spark_stage_release(spark_stage *stage)
{
    qn_string_release(&stage->tasks);
    qn_string_release(&stage->slots);
    qn_string_release(&stage->peaks);
}

void spark_stages_clear(spark_job *job)
{
    for (int64_t i = 0; i < SPARK_COUNT(job->stages, spark_stage); i++)
        spark_stage_release(SPARK_AT(job->stages, spark_stage, i));
    qn_string_clear(&job->stages);
}

/* No memory: the log ends here, as with any write that fails. */
void spark_out_of_memory(qn_spark_log *log)
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
        .executor = (int32_t)(log->first_executor + rank),
        .is_live = true,
        .cores = cores,
        .memory = memory,
    };

    snprintf(worker.host, sizeof worker.host, "%s", host);
    if (!SPARK_ADD(log->workers, spark_worker, &worker)) {
        spark_out_of_memory(log);
        return -1;
    }
    if (worker.executor > log->last_executor)
        log->last_executor = worker.executor;
    spark_line_worker(log, &worker, log->last_us);
    return (int32_t)SPARK_COUNT(log->workers, spark_worker) - 1;
}

int32_t spark_find_worker(const qn_spark_log *log, int32_t rank)
{
    for (int32_t w = (int32_t)SPARK_COUNT(log->workers, spark_worker) - 1; w >= 0; w--)
        if (spark_worker_at(log, w)->rank == rank && spark_worker_at(log, w)->is_live)
            return w;
    return -1;
}

/* The worker of a rank; one that nobody has told of is taken to be like this process. */
static int32_t worker_of(qn_spark_log *log, int32_t rank)
{
    const int32_t found = spark_find_worker(log, rank);
    char host[256] = "";

    if (found >= 0)
        return found;
    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "localhost");
    return add_worker(log, rank, host, qn_context_threads(log->ctx),
                      (int64_t)qn_context_memory(log->ctx));
}

void spark_worker_added(qn_spark_log *log, const qn_event *event)
{
    if (spark_find_worker(log, event->rank) < 0)
        add_worker(log, event->rank, event->text ? event->text : "unknown", event->done,
                   event->memory_bytes);
}

/* ---- tasks ---- */

spark_task *spark_task_at(const spark_stage *stage, int64_t i)
{
    return SPARK_AT(stage->tasks, spark_task, i);
}

int64_t spark_n_tasks(const spark_stage *stage)
{
    return SPARK_COUNT(stage->tasks, spark_task);
}

int32_t *spark_slot_of(qn_spark_log *log, spark_stage *stage, int64_t index)
{
    static const int32_t none;

    if (index < 0 || index > INT32_MAX)
        return NULL;
    while (SPARK_COUNT(stage->slots, int32_t) <= index)
        if (!SPARK_ADD(stage->slots, int32_t, &none)) {
            spark_out_of_memory(log);
            return NULL;
        }
    return SPARK_AT(stage->slots, int32_t, index);
}

spark_task *spark_start_task(qn_spark_log *log, spark_stage *stage, int64_t index, int32_t rank,
                             int64_t us)
{
    int32_t *slot = spark_slot_of(log, stage, index);
    spark_task task = {.index = index, .launch_us = us, .is_open = true}, *made;

    task.worker = worker_of(log, rank);
    if (!slot || task.worker < 0)
        return NULL;
    task.id = log->next_task++;
    task.attempt = *slot ? spark_task_at(stage, *slot - 1)->attempt + 1 : 0;
    made = SPARK_ADD(stage->tasks, spark_task, &task);
    if (!made) {
        spark_out_of_memory(log);
        return NULL;
    }
    *slot = (int32_t)spark_n_tasks(stage);
    spark_line_task_start(log, stage, made);
    return made;
}

void spark_add_work(spark_work *to, const qn_event *event)
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

void spark_end_task(qn_spark_log *log, spark_stage *stage, spark_task *task, spark_reason reason,
                    const char *text)
{
    task->is_open = false;
    task->end_us = log->last_us > task->launch_us ? log->last_us : task->launch_us;
    if (reason != SPARK_SUCCESS) {
        spark_line_task_end(log, stage, task, reason, text);
        return;
    }
    /* The worker's bytes of this stage are known at its end: the last task carries them. */
    for (int64_t i = 0; i < spark_n_tasks(stage); i++)
        if (spark_task_at(stage, i)->is_held && spark_task_at(stage, i)->worker == task->worker)
            write_held(log, stage, spark_task_at(stage, i));
    task->is_held = true;
}

void spark_end_tasks(qn_spark_log *log, spark_stage *stage, spark_reason reason, const char *text)
{
    for (int64_t i = 0; i < spark_n_tasks(stage); i++) {
        spark_task *task = spark_task_at(stage, i);

        if (task->is_open)
            spark_end_task(log, stage, task, reason, text);
        if (task->is_held)
            write_held(log, stage, task);
    }
}

/* What a worker did in a stage beyond what its tasks have told. */
void spark_share_work(qn_spark_log *log, spark_stage *stage, const qn_event *event)
{
    const int32_t worker = spark_find_worker(log, event->rank);
    spark_work told = {0}, *to = NULL;

    for (int64_t i = 0; i < spark_n_tasks(stage); i++) {
        spark_task *task = spark_task_at(stage, i);

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

void spark_tell_data(qn_spark_log *log)
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

void spark_storage(qn_spark_log *log, const qn_event *event)
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
        spark_out_of_memory(log);
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

/* The lost worker is told of with its reason; the others end with it, since nothing goes on without
 * it: new ones take their places. `lost` -1: nobody knows which it was. */
void spark_end_workers(qn_spark_log *log, int32_t lost, const char *text)
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
    log->first_executor = log->last_executor + 1;
    qn_string_release(&with);
    for (int64_t i = 0; i < SPARK_COUNT(log->data, spark_data); i++) {
        const spark_data *data = SPARK_AT(log->data, spark_data, i);

        for (int64_t p = 0; p < SPARK_COUNT(data->blocks, spark_block); p++)
            *SPARK_AT(data->blocks, spark_block, p) =
                (spark_block){.worker = -1, .told_worker = -1};
    }
}
