/* The lines of the event log. Every field here is one that the History Server needs, or shows. */
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "run/spark_log_impl.h"

/* The format of the log, and of the model directories. */
#define SPARK_VERSION "3.5.0"
#define DRIVER_PORT   7078 /* workers have the ones behind it: no port is opened */

static qn_json *begin(qn_spark_log *log, const char *event)
{
    qn_json *j = &log->line;

    qn_string_clear(&j->out);
    j->need_comma = false;
    qn_json_open(j, NULL, '{');
    qn_json_text(j, "Event", event);
    return j;
}

static void end(qn_spark_log *log)
{
    qn_json_close(&log->line, '}');
    spark_file_line(log);
}

static int64_t ms(int64_t us)
{
    return us / 1000;
}

static void executor_id(const spark_worker *worker, char out[16])
{
    snprintf(out, 16, "%d", worker->executor);
}

/* ---- the run ---- */

static void user_name(char *out, size_t size)
{
    struct passwd entry, *found = NULL;
    char bytes[4096];

    if (getpwuid_r(getuid(), &entry, bytes, sizeof bytes, &found) == 0 && found)
        snprintf(out, size, "%s", found->pw_name);
    else
        snprintf(out, size, "%lld", (long long)getuid());
}

/* A map of texts, whatever the parameters are. */
static void parameters_json(const char *parameters, qn_json *j)
{
    json_t *object = parameters ? json_loads(parameters, 0, NULL) : NULL;
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        char *text =
            json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        char name[128];

        snprintf(name, sizeof name, "quern.%s", key);
        if (json_is_string(value))
            qn_json_text(j, name, json_string_value(value));
        else if (text && !json_is_null(value))
            qn_json_text(j, name, text);
        free(text);
    }
    json_decref(object);
}

static void block_manager(qn_json *j, const char *id, const char *host, int32_t number)
{
    qn_json_open(j, "Block Manager ID", '{');
    qn_json_text(j, "Executor ID", id);
    qn_json_text(j, "Host", host);
    qn_json_int(j, "Port", DRIVER_PORT + number);
    qn_json_close(j, '}');
}

static void block_manager_added(qn_spark_log *log, const char *id, const char *host, int32_t number,
                                int64_t memory, int64_t us)
{
    qn_json *j = begin(log, "SparkListenerBlockManagerAdded");

    block_manager(j, id, host, number);
    qn_json_int(j, "Maximum Memory", memory);
    qn_json_int(j, "Timestamp", ms(us));
    qn_json_int(j, "Maximum Onheap Memory", memory);
    qn_json_int(j, "Maximum Offheap Memory", 0);
    end(log);
}

static void environment(qn_spark_log *log, const qn_spark_log_options *options)
{
    qn_json *j = begin(log, "SparkListenerEnvironmentUpdate");
    struct utsname system;
    char master[32], version[64];

    snprintf(version, sizeof version, "quern %s", qn_version());
    snprintf(master, sizeof master, "local[%d]", qn_context_threads(log->ctx));
    qn_json_open(j, "JVM Information", '{');
    qn_json_text(j, "Java Home", "none");
    qn_json_text(j, "Java Version", version);
    qn_json_text(j, "Scala Version", "none");
    qn_json_close(j, '}');
    qn_json_open(j, "Spark Properties", '{');
    qn_json_text(j, "spark.app.name", log->name);
    qn_json_text(j, "spark.app.id", log->run_id);
    qn_json_text(j, "spark.master", options->master ? options->master : master);
    qn_json_text(j, "quern.version", qn_version());
    qn_json_text(j, "quern.kernels", qn_context_kernels(log->ctx));
    parameters_json(options->parameters, j);
    qn_json_close(j, '}');
    qn_json_open(j, "Hadoop Properties", '{');
    qn_json_close(j, '}');
    qn_json_open(j, "System Properties", '{');
    if (uname(&system) == 0) {
        qn_json_text(j, "os.name", system.sysname);
        qn_json_text(j, "os.version", system.release);
        qn_json_text(j, "os.arch", system.machine);
    }
    qn_json_close(j, '}');
    qn_json_open(j, "Metrics Properties", '{');
    qn_json_close(j, '}');
    qn_json_open(j, "Classpath Entries", '{');
    qn_json_close(j, '}');
    end(log);
}

void spark_line_start(qn_spark_log *log, const qn_spark_log_options *options, int64_t us)
{
    qn_json *j = begin(log, "SparkListenerLogStart");
    char host[256] = "", user[256];

    qn_json_text(j, "Spark Version", SPARK_VERSION);
    end(log);
    if (gethostname(host, sizeof host - 1) != 0)
        snprintf(host, sizeof host, "localhost");
    block_manager_added(log, "driver", host, 0, 0, us);
    environment(log, options);
    j = begin(log, "SparkListenerApplicationStart");
    user_name(user, sizeof user);
    qn_json_text(j, "App Name", log->name);
    qn_json_text(j, "App ID", log->run_id);
    qn_json_int(j, "Timestamp", ms(us));
    qn_json_text(j, "User", user);
    end(log);
}

void spark_line_end(qn_spark_log *log, int64_t us)
{
    qn_json_int(begin(log, "SparkListenerApplicationEnd"), "Timestamp", ms(us));
    end(log);
}

/* ---- workers ---- */

void spark_line_worker(qn_spark_log *log, const spark_worker *worker, int64_t us)
{
    qn_json *j = begin(log, "SparkListenerExecutorAdded");
    char id[16];

    executor_id(worker, id);
    qn_json_int(j, "Timestamp", ms(us));
    qn_json_text(j, "Executor ID", id);
    qn_json_open(j, "Executor Info", '{');
    qn_json_text(j, "Host", worker->host);
    qn_json_int(j, "Total Cores", worker->cores);
    qn_json_open(j, "Log Urls", '{');
    qn_json_close(j, '}');
    qn_json_close(j, '}');
    end(log);
    block_manager_added(log, id, worker->host, worker->executor, worker->memory, us);
}

void spark_line_worker_lost(qn_spark_log *log, const spark_worker *worker, int64_t us,
                            const char *reason)
{
    qn_json *j = begin(log, "SparkListenerExecutorRemoved");
    char id[16];

    executor_id(worker, id);
    qn_json_int(j, "Timestamp", ms(us));
    qn_json_text(j, "Executor ID", id);
    qn_json_text(j, "Removed Reason", reason);
    end(log);
}

/* ---- stages and jobs ---- */

static void storage_level(qn_json *j, bool disk, bool memory)
{
    qn_json_open(j, "Storage Level", '{');
    qn_json_bool(j, "Use Disk", disk);
    qn_json_bool(j, "Use Memory", memory);
    qn_json_bool(j, "Use Off Heap", false);
    qn_json_bool(j, "Deserialized", false);
    qn_json_int(j, "Replication", 1);
    qn_json_close(j, '}');
}

static void rdd_json(const qn_spark_log *log, const spark_data *data, qn_json *j)
{
    char scope[256];
    qn_json text = {0};

    qn_json_open(&text, NULL, '{');
    snprintf(scope, sizeof scope, "%lld", (long long)data->id);
    qn_json_text(&text, "id", scope);
    qn_json_text(&text, "name", data->name);
    qn_json_close(&text, '}');
    qn_json_open(j, NULL, '{');
    qn_json_int(j, "RDD ID", data->id);
    qn_json_text(j, "Name", data->name);
    qn_json_text(j, "Scope", qn_string_text(&text.out)); /* a text that holds JSON */
    qn_json_text(j, "Callsite", log->name);
    qn_json_open(j, "Parent IDs", '[');
    qn_json_close(j, ']');
    storage_level(j, true, true);
    qn_json_bool(j, "Barrier", false);
    qn_json_text(j, "DeterministicLevel", "DETERMINATE");
    qn_json_int(j, "Number of Partitions", SPARK_COUNT(data->blocks, spark_block));
    qn_json_int(j, "Number of Cached Partitions", 0);
    qn_json_int(j, "Memory Size", 0);
    qn_json_int(j, "Disk Size", 0);
    qn_json_close(j, '}');
    j->out.failed |= text.out.failed;
    qn_json_release(&text);
}

/* end_us 0: it has not ended; error NULL: it went well. */
static void stage_info(const qn_spark_log *log, const spark_stage *stage, const char *key,
                       int64_t end_us, const char *error, qn_json *j)
{
    qn_json_open(j, key, '{');
    qn_json_int(j, "Stage ID", stage->id);
    qn_json_int(j, "Stage Attempt ID", stage->attempt);
    qn_json_text(j, "Stage Name", stage->name);
    qn_json_int(j, "Number of Tasks", stage->n_tasks);
    qn_json_open(j, "RDD Info", '[');
    for (int64_t i = 0; i < SPARK_COUNT(log->data, spark_data); i++)
        rdd_json(log, SPARK_AT(log->data, spark_data, i), j);
    qn_json_close(j, ']');
    qn_json_open(j, "Parent IDs", '[');
    qn_json_close(j, ']');
    qn_json_text(j, "Details", log->name);
    if (stage->state != SPARK_PLANNED)
        qn_json_int(j, "Submission Time", ms(stage->start_us));
    if (end_us)
        qn_json_int(j, "Completion Time", ms(end_us));
    if (error)
        qn_json_text(j, "Failure Reason", error);
    qn_json_open(j, "Accumulables", '[');
    qn_json_close(j, ']');
    qn_json_int(j, "Resource Profile Id", 0);
    qn_json_close(j, '}');
}

void spark_line_job_start(qn_spark_log *log)
{
    qn_json *j = begin(log, "SparkListenerJobStart");
    const spark_job *job = &log->job;
    const int64_t n = spark_n_stages(log);

    qn_json_int(j, "Job ID", job->id);
    qn_json_int(j, "Submission Time", ms(job->start_us));
    qn_json_open(j, "Stage Infos", '[');
    for (int64_t i = 0; i < n; i++)
        stage_info(log, spark_stage_at(log, i), NULL, 0, NULL, j);
    qn_json_close(j, ']');
    qn_json_open(j, "Stage IDs", '[');
    for (int64_t i = 0; i < n; i++)
        qn_json_int(j, NULL, spark_stage_at(log, i)->id);
    qn_json_close(j, ']');
    qn_json_open(j, "Properties", '{');
    qn_json_text(j, "spark.job.description", job->name);
    qn_json_text(j, "spark.jobGroup.id", job->name);
    qn_json_close(j, '}');
    end(log);
}

void spark_line_job_end(qn_spark_log *log, int64_t us, const char *error)
{
    qn_json *j = begin(log, "SparkListenerJobEnd");

    qn_json_int(j, "Job ID", log->job.id);
    qn_json_int(j, "Completion Time", ms(us));
    qn_json_open(j, "Job Result", '{');
    qn_json_text(j, "Result", error ? "JobFailed" : "JobSucceeded");
    if (error) {
        qn_json_open(j, "Exception", '{');
        qn_json_text(j, "Message", error);
        qn_json_open(j, "Stack Trace", '[');
        qn_json_close(j, ']');
        qn_json_close(j, '}');
    }
    qn_json_close(j, '}');
    end(log);
}

void spark_line_stage_start(qn_spark_log *log, const spark_stage *stage)
{
    qn_json *j = begin(log, "SparkListenerStageSubmitted");

    stage_info(log, stage, "Stage Info", 0, NULL, j);
    qn_json_open(j, "Properties", '{');
    qn_json_close(j, '}');
    end(log);
}

void spark_line_stage_end(qn_spark_log *log, const spark_stage *stage, int64_t us,
                          const char *error)
{
    qn_json *j = begin(log, "SparkListenerStageCompleted");

    stage_info(log, stage, "Stage Info", us, error, j);
    end(log);
}

void spark_line_stage_peak(qn_spark_log *log, const spark_stage *stage, const spark_peak *peak)
{
    qn_json *j = begin(log, "SparkListenerStageExecutorMetrics");
    char id[16];

    executor_id(spark_worker_at(log, peak->worker), id);
    qn_json_text(j, "Executor ID", id);
    qn_json_int(j, "Stage ID", stage->id);
    qn_json_int(j, "Stage Attempt ID", stage->attempt);
    qn_json_open(j, "Executor Metrics", '{');
    qn_json_int(j, "ProcessTreeOtherRSSMemory", peak->bytes);
    qn_json_close(j, '}');
    end(log);
}

/* ---- tasks ---- */

static void task_info(const qn_spark_log *log, const spark_task *task, spark_reason reason,
                      qn_json *j)
{
    const spark_worker *worker = spark_worker_at(log, task->worker);
    char id[16];

    executor_id(worker, id);
    qn_json_open(j, "Task Info", '{');
    qn_json_int(j, "Task ID", task->id);
    qn_json_int(j, "Index", task->index);
    qn_json_int(j, "Attempt", task->attempt);
    qn_json_int(j, "Partition ID", task->index);
    qn_json_int(j, "Launch Time", ms(task->launch_us));
    qn_json_text(j, "Executor ID", id);
    qn_json_text(j, "Host", worker->host);
    qn_json_text(j, "Locality", "PROCESS_LOCAL");
    qn_json_bool(j, "Speculative", false);
    qn_json_int(j, "Getting Result Time", 0);
    qn_json_int(j, "Finish Time", task->is_open ? 0 : ms(task->end_us));
    qn_json_bool(j, "Failed", reason == SPARK_FAILED || reason == SPARK_LOST);
    qn_json_bool(j, "Killed", reason == SPARK_KILLED);
    qn_json_open(j, "Accumulables", '[');
    qn_json_close(j, ']');
    qn_json_close(j, '}');
}

static void task_line(qn_json *j, const spark_stage *stage)
{
    qn_json_int(j, "Stage ID", stage->id);
    qn_json_int(j, "Stage Attempt ID", stage->attempt);
}

void spark_line_task_start(qn_spark_log *log, const spark_stage *stage, const spark_task *task)
{
    qn_json *j = begin(log, "SparkListenerTaskStart");

    task_line(j, stage);
    task_info(log, task, SPARK_SUCCESS, j);
    end(log);
}

static void task_reason(const qn_spark_log *log, const spark_task *task, spark_reason reason,
                        const char *text, qn_json *j)
{
    static const char *const names[] = {"Success", "ExceptionFailure", "TaskKilled",
                                        "ExecutorLostFailure"};
    char id[16];

    executor_id(spark_worker_at(log, task->worker), id);
    qn_json_open(j, "Task End Reason", '{');
    qn_json_text(j, "Reason", names[reason]);
    if (reason == SPARK_FAILED) {
        qn_json_text(j, "Class Name", "quern");
        qn_json_text(j, "Description", text);
        qn_json_open(j, "Stack Trace", '[');
        qn_json_close(j, ']');
        qn_json_text(j, "Full Stack Trace", text);
        qn_json_open(j, "Accumulator Updates", '[');
        qn_json_close(j, ']');
    } else if (reason == SPARK_KILLED) {
        qn_json_text(j, "Kill Reason", text);
        qn_json_open(j, "Accumulator Updates", '[');
        qn_json_close(j, ']');
    } else if (reason == SPARK_LOST) {
        qn_json_text(j, "Executor ID", id);
        qn_json_bool(j, "Exit Caused By App", true);
        qn_json_text(j, "Loss Reason", text);
    }
    qn_json_close(j, '}');
}

static void task_metrics(const spark_work *work, qn_json *j)
{
    qn_json_open(j, "Task Metrics", '{');
    qn_json_int(j, "Executor Deserialize Time", 0);
    qn_json_int(j, "Executor Run Time", ms(work->busy_us));
    qn_json_int(j, "Executor CPU Time", 1000 * work->busy_us);
    qn_json_int(j, "Result Size", 0);
    qn_json_int(j, "JVM GC Time", 0);
    qn_json_int(j, "Result Serialization Time", 0);
    qn_json_int(j, "Memory Bytes Spilled", work->bytes_spilled);
    qn_json_int(j, "Disk Bytes Spilled", work->bytes_spilled);
    if (work->bytes_moved > 0) {
        qn_json_open(j, "Shuffle Read Metrics", '{');
        qn_json_int(j, "Remote Blocks Fetched", 1);
        qn_json_int(j, "Local Blocks Fetched", 0);
        qn_json_int(j, "Fetch Wait Time", 0);
        qn_json_int(j, "Remote Bytes Read", work->bytes_moved);
        qn_json_close(j, '}');
    }
    if (work->bytes_read > 0 || work->rows > 0) {
        qn_json_open(j, "Input Metrics", '{');
        qn_json_int(j, "Bytes Read", work->bytes_read);
        qn_json_int(j, "Records Read", work->rows);
        qn_json_close(j, '}');
    }
    qn_json_close(j, '}');
}

void spark_line_task_end(qn_spark_log *log, const spark_stage *stage, const spark_task *task,
                         spark_reason reason, const char *text)
{
    qn_json *j = begin(log, "SparkListenerTaskEnd");

    task_line(j, stage);
    qn_json_text(j, "Task Type", stage->is_last ? "ResultTask" : "ShuffleMapTask");
    task_reason(log, task, reason, text ? text : "", j);
    task_info(log, task, reason, j);
    qn_json_open(j, "Task Executor Metrics", '{');
    qn_json_close(j, '}');
    if (reason == SPARK_SUCCESS || reason == SPARK_FAILED)
        task_metrics(&task->work, j);
    end(log);
}

/* ---- blocks ---- */

/* The server adds Memory Size to what it knows where Use Memory is set and takes it off where it is
 * not, and the same for the disk: so differences are written. A block with neither flag is gone. */
typedef struct block_change {
    int32_t worker;
    int64_t rows, memory, disk; /* differences */
    bool memory_flag, disk_flag;
} block_change;

static void block_line(qn_spark_log *log, const spark_data *data, int64_t partition,
                       const block_change *change)
{
    qn_json *j = begin(log, "SparkListenerBlockUpdated");
    const spark_worker *worker = spark_worker_at(log, change->worker);
    char id[64];

    qn_json_open(j, "Block Updated Info", '{');
    executor_id(worker, id);
    block_manager(j, id, worker->host, worker->executor);
    snprintf(id, sizeof id, "rdd_%lld_%lld", (long long)data->id, (long long)partition);
    qn_json_text(j, "Block ID", id);
    storage_level(j, change->disk_flag, change->memory_flag);
    qn_json_int(j, "Memory Size", llabs(change->memory));
    qn_json_int(j, "Disk Size", llabs(change->disk));
    qn_json_int(j, "Records", change->rows); /* ours: how many the partition has */
    qn_json_close(j, '}');
    end(log);
}

static void block_dropped(qn_spark_log *log, const spark_data *data, int64_t partition,
                          const spark_block *block)
{
    const block_change gone = {
        .worker = block->told_worker, .memory = block->told_memory, .disk = block->told_disk};

    if (block->told_worker >= 0 && spark_worker_at(log, block->told_worker)->is_live)
        block_line(log, data, partition, &gone);
}

void spark_line_block(qn_spark_log *log, const spark_data *data, int64_t partition)
{
    spark_block *b = SPARK_AT(data->blocks, spark_block, partition);
    block_change change;

    if (b->told_worker >= 0 && (b->told_worker != b->worker || b->memory + b->disk == 0)) {
        block_dropped(log, data, partition, b);
        b->told_memory = b->told_disk = 0;
        b->told_worker = -1;
    }
    if (b->worker < 0 || b->memory + b->disk == 0)
        return;
    change = (block_change){
        .worker = b->worker,
        .rows = b->rows,
        .memory = b->memory - b->told_memory,
        .disk = b->disk - b->told_disk,
    };
    if (b->told_worker == b->worker && change.memory == 0 && change.disk == 0 &&
        b->rows == b->told_rows)
        return;
    change.memory_flag = change.memory > 0 || (change.memory == 0 && b->memory > 0);
    change.disk_flag = change.disk > 0 || (change.disk == 0 && b->disk > 0);
    if (!change.memory_flag && !change.disk_flag) { /* less of both or one, but still there */
        const int64_t disk = change.disk;

        change.disk = 0;
        change.disk_flag = true;
        block_line(log, data, partition, &change);
        change.disk = disk;
        change.disk_flag = false;
        change.memory = 0;
        change.memory_flag = true;
        if (disk != 0)
            block_line(log, data, partition, &change);
    } else {
        block_line(log, data, partition, &change);
    }
    b->told_memory = b->memory;
    b->told_disk = b->disk;
    b->told_rows = b->rows;
    b->told_worker = b->worker;
}
