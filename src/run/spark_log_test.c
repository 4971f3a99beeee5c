/* Event logs line by line: what a run writes, in which order, and what is left when writing fails
 * or the run is broken off. */
#include "check.h"

#include <errno.h>

#include "base/file.h"
#include "run/evidence.h"
#include "run/export.h"
#include "run/runs_gc.h"
#include "run/spark_log.h"

#define MB ((int64_t)1 << 20)

typedef struct fixture {
    qn_context *ctx;
    char dir[64];
    char warning[QN_ERROR_BYTES];
    int32_t n_warnings;
    qn_spark_log *log;
} fixture;

static void keep_warning(void *user, const qn_event *event)
{
    fixture *f = user;

    if (event->kind != QN_EVENT_WARNING)
        return;
    f->n_warnings++;
    snprintf(f->warning, sizeof f->warning, "%s", event->text);
}

static int start(void **state)
{
    fixture *f = calloc(1, sizeof *f);

    *state = f;
    if (!f || qn_context_create(&(qn_context_options){.threads = 2, .memory = 64u << 20},
                                &f->ctx) != QN_OK)
        return -1;
    fresh_dir(f->dir);
    return qn_context_add_sink(f->ctx, keep_warning, f) == QN_OK ? 0 : -1;
}

static int stop(void **state)
{
    fixture *f = *state;

    qn_remove_tree(f->ctx, f->dir);
    qn_context_free(f->ctx);
    qn_spark_log_free(f->log);
    free(f);
    return 0;
}

static qn_status open_log(fixture *f, bool is_resumed)
{
    qn_string dir = {0};
    qn_spark_log_options options = {.run_id = "als-1", .name = "fit als"};
    qn_status st;

    qn_string_addf(&dir, "%s/%s", f->dir, QN_SPARK_LOG_FOLDER);
    options.dir = qn_string_text(&dir);
    st = is_resumed ? qn_spark_log_resume(f->ctx, &options, &f->log)
                    : qn_spark_log_open(f->ctx, &options, &f->log);
    qn_string_release(&dir);
    return st;
}

static void emit(fixture *f, qn_event event)
{
    event.time_us = event.time_us ? event.time_us : 5000000;
    qn_emit(f->ctx, &event);
}

static void add_worker(fixture *f, int32_t rank, const char *host)
{
    emit(f, (qn_event){.kind = QN_EVENT_WORKER_ADDED,
                       .rank = rank,
                       .text = host,
                       .done = 2,
                       .memory_bytes = 1000});
}

static char *read_log(fixture *f, const char *suffix)
{
    char path[128], *text = NULL;
    size_t length;

    snprintf(path, sizeof path, "%s/spark-events/als-1%s", f->dir, suffix);
    CHECK_OK(f->ctx, qn_read_file(f->ctx, path, (size_t)1 << 24, &text, &length));
    return text;
}

/* The names of the events of a log, one after the other, shortened. */
static void check_order(const char *text, const char *expected)
{
    static const char prefix[] = "{\"Event\":\"SparkListener";
    qn_string names = {0};

    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        CHECK(!strncmp(line, prefix, sizeof prefix - 1));
        CHECK(strchr(line, '\n') != NULL);
        qn_string_addf(&names, "%s%.*s", names.length ? " " : "",
                       (int)strcspn(line + sizeof prefix - 1, "\""), line + sizeof prefix - 1);
    }
    CHECK_TEXT(qn_string_text(&names), expected);
    qn_string_release(&names);
}

static void check_line(const char *text, const char *line)
{
    if (!strstr(text, line))
        print_error("not there: %s\nin:\n%s\n", line, text);
    CHECK(strstr(text, line) != NULL);
}

/* Events with ids and times of our own, as a supervisor hands them on. */
static void job(fixture *f, qn_event_kind kind, int64_t id, const char *name, const char *text)
{
    emit(f, (qn_event){.kind = kind, .id = id, .name = name, .text = text});
}

static void stage(fixture *f, qn_event_kind kind, int64_t id, const char *name, int64_t tasks)
{
    emit(f, (qn_event){.kind = kind, .id = id, .name = name, .total = tasks, .parent = 1});
}

static void task(fixture *f, qn_event_kind kind, int64_t stage_id, int64_t p, int32_t rank)
{
    emit(f, (qn_event){.kind = kind,
                       .id = p,
                       .parent = stage_id,
                       .rank = rank,
                       .rows = 7,
                       .duration_us = kind == QN_EVENT_TASK_END ? 4000 : 0});
}

static void every_line_is_as_written_by_hand(void **state)
{
    fixture *f = *state;
    char *text;

    CHECK_OK(f->ctx, open_log(f, false));
    add_worker(f, 0, "a");
    job(f, QN_EVENT_JOB_START, 1, "fit", "items 1\t2\nusers 1\t1\n");
    stage(f, QN_EVENT_STAGE_START, 2, "items 1", 2);
    task(f, QN_EVENT_TASK_START, 2, 1, 0);
    task(f, QN_EVENT_TASK_END, 2, 1, 0);
    task(f, QN_EVENT_TASK_END, 2, 0, 0); /* nobody told of its start */
    emit(f, (qn_event){.kind = QN_EVENT_STAGE_END,
                       .id = 2,
                       .bytes_moved = 11,
                       .bytes_spilled = 13,
                       .bytes_read = 17});
    job(f, QN_EVENT_JOB_END, 1, "fit", NULL);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    text = read_log(f, "");
    check_order(text, "LogStart BlockManagerAdded EnvironmentUpdate ApplicationStart ExecutorAdded "
                      "BlockManagerAdded JobStart StageSubmitted TaskStart TaskStart TaskEnd "
                      "TaskEnd StageCompleted JobEnd ApplicationEnd");
    check_line(text, "{\"Event\":\"SparkListenerExecutorAdded\",\"Timestamp\":");
    check_line(text, "\"Executor ID\":\"1\",\"Executor Info\":{\"Host\":\"a\",\"Total Cores\":2,"
                     "\"Log Urls\":{}}}\n");
    check_line(text, "\"Stage IDs\":[0,1],\"Properties\":{\"spark.job.description\":\"fit\","
                     "\"spark.jobGroup.id\":\"fit\"}}\n");
    check_line(text, "{\"Event\":\"SparkListenerTaskStart\",\"Stage ID\":0,\"Stage Attempt ID\":0,"
                     "\"Task Info\":{\"Task ID\":0,\"Index\":1,\"Attempt\":0,\"Partition ID\":1,"
                     "\"Launch Time\":5000,\"Executor ID\":\"1\",\"Host\":\"a\",\"Locality\":"
                     "\"PROCESS_LOCAL\",\"Speculative\":false,\"Getting Result Time\":0,"
                     "\"Finish Time\":0,\"Failed\":false,\"Killed\":false,\"Accumulables\":[]}}\n");
    /* What the worker did beyond its tasks is booked on its last one. */
    check_line(text,
               "\"Task Metrics\":{\"Executor Deserialize Time\":0,\"Executor Run Time\":4,"
               "\"Executor CPU Time\":4000000,\"Result Size\":0,\"JVM GC Time\":0,"
               "\"Result Serialization Time\":0,\"Memory Bytes Spilled\":13,"
               "\"Disk Bytes Spilled\":13,\"Shuffle Read Metrics\":{\"Remote Blocks Fetched\":"
               "1,\"Local Blocks Fetched\":0,\"Fetch Wait Time\":0,\"Remote Bytes Read\":11},"
               "\"Input Metrics\":{\"Bytes Read\":17,\"Records Read\":7}}}\n");
    check_line(text, "\"Memory Bytes Spilled\":0,\"Disk Bytes Spilled\":0,\"Input Metrics\":"
                     "{\"Bytes Read\":0,\"Records Read\":7}}}\n");
    check_line(text, "\"Job Result\":{\"Result\":\"JobSucceeded\"}}\n");
    qn_free(text);
}

static void a_job_without_stages_is_one_with_one_task(void **state)
{
    fixture *f = *state;
    char *text;

    CHECK_OK(f->ctx, open_log(f, false));
    add_worker(f, 0, "a");
    job(f, QN_EVENT_JOB_START, 1, "load", NULL);
    job(f, QN_EVENT_JOB_START, 2, "load", NULL); /* one inside the other */
    emit(f, (qn_event){.kind = QN_EVENT_PROGRESS, .name = "load"});
    emit(f, (qn_event){.kind = QN_EVENT_JOB_END, .id = 2, .rows = 9, .bytes_read = 99});
    job(f, QN_EVENT_JOB_END, 1, "load", NULL);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    text = read_log(f, "");
    check_order(text, "LogStart BlockManagerAdded EnvironmentUpdate ApplicationStart ExecutorAdded "
                      "BlockManagerAdded JobStart StageSubmitted TaskStart TaskEnd StageCompleted "
                      "JobEnd ApplicationEnd");
    check_line(text, "\"Input Metrics\":{\"Bytes Read\":99,\"Records Read\":9}");
    qn_free(text);
}

static void a_stage_of_one_task_that_told_of_none_is_that_task(void **state)
{
    fixture *f = *state;
    qn_evidence e;

    CHECK_OK(f->ctx, open_log(f, false));
    job(f, QN_EVENT_JOB_START, 1, "upsert", "read\t1\n");
    stage(f, QN_EVENT_STAGE_START, 2, "read", 1);
    emit(f, (qn_event){.kind = QN_EVENT_STAGE_END,
                       .id = 2,
                       .rows = 9,
                       .bytes_read = 99,
                       .bytes_spilled = 5,
                       .duration_us = 7000});
    job(f, QN_EVENT_JOB_END, 1, "upsert", NULL);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    CHECK_OK(f->ctx, qn_evidence_of_run(f->ctx, f->dir, "als-1", &e));
    CHECK_EQ(e.view.stage[0].done, 1);
    CHECK_EQ(e.view.stage[0].run_ms, 7);
    CHECK_EQ(e.view.stage[0].records, 9);
    CHECK_EQ(e.view.stage[0].bytes_read, 99);
    CHECK_EQ(e.bytes_spilled, 5);
    qn_evidence_release(&e);
}

static void sizes_of_blocks_are_told_as_differences(void **state)
{
    fixture *f = *state;
    const qn_event block = {.kind = QN_EVENT_STORAGE, .name = "ratings", .total = 2, .rows = 5};
    qn_event now = block;
    char *text;

    CHECK_OK(f->ctx, open_log(f, false));
    add_worker(f, 0, "a");
    now.memory_bytes = 100;
    emit(f, now); /* before any stage names the data set: told of with the first that does */
    job(f, QN_EVENT_JOB_START, 1, "fit", "s\t1\n");
    stage(f, QN_EVENT_STAGE_START, 2, "s", 1);
    emit(f, now); /* no change, no line */
    now.memory_bytes = 40;
    now.disk_bytes = 70;
    emit(f, now);
    now.disk_bytes = now.memory_bytes = 0;
    emit(f, now);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    text = read_log(f, "");
    check_order(text, "LogStart BlockManagerAdded EnvironmentUpdate ApplicationStart ExecutorAdded "
                      "BlockManagerAdded JobStart StageSubmitted BlockUpdated BlockUpdated "
                      "BlockUpdated StageCompleted JobEnd ApplicationEnd");
    check_line(text,
               "\"Block ID\":\"rdd_0_0\",\"Storage Level\":{\"Use Disk\":false,\"Use Memory\":"
               "true,\"Use Off Heap\":false,\"Deserialized\":false,\"Replication\":1},"
               "\"Memory Size\":100,\"Disk Size\":0,\"Records\":5}}\n");
    check_line(text,
               "{\"Use Disk\":true,\"Use Memory\":false,\"Use Off Heap\":false,"
               "\"Deserialized\":false,\"Replication\":1},\"Memory Size\":60,\"Disk Size\":70,");
    check_line(text,
               "{\"Use Disk\":false,\"Use Memory\":false,\"Use Off Heap\":false,"
               "\"Deserialized\":false,\"Replication\":1},\"Memory Size\":40,\"Disk Size\":70,");
    qn_free(text);
}

static void a_pulse_before_the_worker_told_of_itself_adds_no_worker(void **state)
{
    fixture *f = *state;
    char *text;

    CHECK_OK(f->ctx, open_log(f, false));
    emit(f, (qn_event){.kind = QN_EVENT_WORKER_PEAK, .rank = 1, .memory_bytes = 7});
    add_worker(f, 1, "b");
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    text = read_log(f, "");
    check_order(text, "LogStart BlockManagerAdded EnvironmentUpdate ApplicationStart ExecutorAdded "
                      "BlockManagerAdded ApplicationEnd");
    check_line(text, "\"Host\":\"b\",\"Port\":7080},\"Maximum Memory\":1000,");
    qn_free(text);
}

/* Worker 1 dies in a stage; a new one takes its place and the stage runs again. */
static void a_lost_worker_makes_a_new_attempt(void **state)
{
    fixture *f = *state;
    qn_evidence e;
    char *text;

    CHECK_OK(f->ctx, open_log(f, false));
    add_worker(f, 0, "a");
    add_worker(f, 1, "b");
    job(f, QN_EVENT_JOB_START, 1, "fit", "items 1\t2\nusers 1\t2\n");
    stage(f, QN_EVENT_STAGE_START, 2, "items 1", 2);
    task(f, QN_EVENT_TASK_START, 2, 0, 0);
    task(f, QN_EVENT_TASK_START, 2, 1, 1);
    emit(f, (qn_event){.kind = QN_EVENT_WORKER_LOST, .rank = 1, .text = "signal 9"});
    add_worker(f, 0, "a");
    add_worker(f, 1, "c");
    job(f, QN_EVENT_JOB_START, 1, "fit", "items 1\t2\nusers 1\t2\n");
    stage(f, QN_EVENT_STAGE_START, 2, "items 1", 2);
    task(f, QN_EVENT_TASK_END, 2, 0, 0);
    task(f, QN_EVENT_TASK_END, 2, 1, 1);
    stage(f, QN_EVENT_STAGE_END, 2, "items 1", 0);
    job(f, QN_EVENT_JOB_END, 1, "fit", NULL);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    text = read_log(f, "");
    check_line(text, "\"Reason\":\"ExecutorLostFailure\",\"Executor ID\":\"2\",\"Exit Caused By "
                     "App\":true,\"Loss Reason\":\"signal 9\"}");
    check_line(text, "\"Reason\":\"TaskKilled\",\"Kill Reason\":\"signal 9\"");
    check_line(text, "\"Failure Reason\":\"signal 9\"");
    check_line(text, "\"Removed Reason\":\"signal 9\"}\n");
    check_line(text, "\"Removed Reason\":\"ended because signal 9\"}\n");
    check_line(text, "\"Stage ID\":0,\"Stage Attempt ID\":1,\"Stage Name\":\"items 1\"");
    qn_free(text);

    CHECK_OK(f->ctx, qn_evidence_of_run(f->ctx, f->dir, "als-1", &e));
    CHECK_EQ(e.view.n_jobs, 1);
    CHECK_EQ(e.view.n_stages, 3); /* items 1 twice, users 1 */
    CHECK_EQ(e.view.stage[0].failed, 1);
    CHECK_EQ(e.view.stage[0].killed, 1);
    CHECK_EQ(e.view.stage[1].status, QN_LOG_SKIPPED);
    CHECK_EQ(e.view.stage[2].attempt, 1);
    CHECK_EQ(e.view.stage[2].done, 2);
    CHECK_EQ(e.view.last_task, 3); /* ids are new ones */
    CHECK_EQ(e.view.n_workers, 4);
    CHECK_EQ(e.parallelism.workers, 2);
    qn_evidence_release(&e);
}

static void a_stage_beyond_the_plan_is_a_job_of_its_own(void **state)
{
    fixture *f = *state;
    qn_evidence e;

    CHECK_OK(f->ctx, open_log(f, false));
    job(f, QN_EVENT_JOB_START, 1, "fit", NULL);
    for (int64_t id = 2; id < 4; id++) {
        stage(f, QN_EVENT_STAGE_START, id, "level", 1);
        task(f, QN_EVENT_TASK_END, id, 0, 0);
        stage(f, QN_EVENT_STAGE_END, id, "level", 1);
    }
    job(f, QN_EVENT_JOB_END, 1, "fit", NULL);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    CHECK_OK(f->ctx, qn_evidence_of_run(f->ctx, f->dir, "als-1", &e));
    CHECK_EQ(e.view.n_jobs, 2);
    CHECK_TEXT(e.view.job[1].name, "fit");
    CHECK_EQ(e.view.job[1].status, QN_LOG_SUCCEEDED);
    CHECK_EQ(e.view.stage[1].job, 1);
    qn_evidence_release(&e);
}

static void a_failure_says_why(void **state)
{
    fixture *f = *state;
    char *text;

    CHECK_OK(f->ctx, open_log(f, false));
    job(f, QN_EVENT_JOB_START, 1, "fit", "s\t2\n");
    stage(f, QN_EVENT_STAGE_START, 2, "s", 2);
    task(f, QN_EVENT_TASK_START, 2, 0, 0);
    qn_fail(f->ctx, QN_EDATA, "row 3 has a \"rating\"");
    emit(f, (qn_event){.kind = QN_EVENT_TASK_END, .id = 1, .parent = 2, .status = QN_EDATA});
    emit(f, (qn_event){.kind = QN_EVENT_STAGE_END, .id = 2, .status = QN_EDATA});
    emit(f, (qn_event){.kind = QN_EVENT_JOB_END, .id = 1, .status = QN_EDATA});
    qn_spark_log_close(f->ctx, f->log, QN_EDATA);
    text = read_log(f, "");
    check_line(text, "{\"Reason\":\"ExceptionFailure\",\"Class Name\":\"quern\",\"Description\":"
                     "\"row 3 has a \\\"rating\\\"\"");
    check_line(text, "\"Failure Reason\":\"row 3 has a \\\"rating\\\"\"");
    check_line(text, "{\"Result\":\"JobFailed\",\"Exception\":{\"Message\":\"row 3 has a "
                     "\\\"rating\\\"\",\"Stack Trace\":[]}}}\n");
    qn_free(text);
}

/* Jobs of a run whose process is killed, the last line half written. */
static void break_off(fixture *f)
{
    FILE *file;
    char *text;

    CHECK_OK(f->ctx, open_log(f, false));
    add_worker(f, 0, "a");
    job(f, QN_EVENT_JOB_START, 1, "fit", "items 1\t2\nusers 1\t2\n");
    stage(f, QN_EVENT_STAGE_START, 2, "items 1", 2);
    task(f, QN_EVENT_TASK_START, 2, 0, 0);
    stage(f, QN_EVENT_STAGE_START, 3, "users 1", 2); /* writes out what there is */
    file = fopen(qn_spark_log_path(f->log), "a");
    CHECK(file && fputs("{\"Event\":\"SparkListenerTask", file) >= 0 && fclose(file) == 0);
    text = read_log(f, ".inprogress");
    CHECK(strstr(text, "SparkListenerTaskStart") != NULL);
    qn_free(text);
    qn_context_free(f->ctx); /* the sink with it */
    qn_spark_log_free(f->log);
    f->log = NULL;
    CHECK_EQ(qn_context_create(&(qn_context_options){.threads = 2}, &f->ctx), QN_OK);
    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, keep_warning, f));
}

static void a_log_that_was_broken_off_goes_on(void **state)
{
    fixture *f = *state;
    qn_evidence e;
    char *text;

    break_off(f);
    CHECK_OK(f->ctx, open_log(f, true));
    add_worker(f, 0, "a");
    job(f, QN_EVENT_JOB_START, 1, "fit", "items 1\t2\nusers 1\t2\n");
    stage(f, QN_EVENT_STAGE_START, 2, "users 1", 2);
    task(f, QN_EVENT_TASK_END, 2, 0, 0);
    task(f, QN_EVENT_TASK_END, 2, 1, 0);
    stage(f, QN_EVENT_STAGE_END, 2, "users 1", 2);
    job(f, QN_EVENT_JOB_END, 1, "fit", NULL);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    text = read_log(f, "");
    CHECK(strstr(text, "ListenerTask\n") == NULL);
    check_line(text, "\"Loss Reason\":\"the run was broken off\"");
    check_line(text, "\"Message\":\"the run was broken off\"");
    qn_free(text);
    CHECK_OK(f->ctx, qn_evidence_of_run(f->ctx, f->dir, "als-1", &e));
    CHECK_EQ(e.view.n_jobs, 2);
    CHECK_EQ(e.view.job[0].status, QN_LOG_FAILED);
    CHECK_EQ(e.view.job[1].status, QN_LOG_SUCCEEDED);
    CHECK_EQ(e.view.job[1].id, 1);
    CHECK_EQ(e.view.stage[0].status, QN_LOG_FAILED);
    CHECK_EQ(e.view.stage[2].status, QN_LOG_SKIPPED); /* done before: a new id, never begun */
    CHECK_EQ(e.view.stage[2].id, 2);
    CHECK_EQ(e.view.stage[3].done, 2);
    CHECK_EQ(e.view.n_tasks, 0);
    CHECK_EQ(e.view.worker[0].is_live, false);
    CHECK_EQ(e.view.worker[1].executor, 2);
    qn_evidence_release(&e);
}

static void a_finished_log_that_goes_on_ends_once(void **state)
{
    fixture *f = *state;
    char *text, *first;

    CHECK_OK(f->ctx, open_log(f, false));
    qn_spark_log_close(f->ctx, f->log, QN_EIO);
    qn_spark_log_free(f->log);
    f->log = NULL;
    qn_context_free(f->ctx);
    CHECK_EQ(qn_context_create(NULL, &f->ctx), QN_OK);
    CHECK_OK(f->ctx, open_log(f, true));
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    text = read_log(f, "");
    first = strstr(text, "ApplicationEnd");
    CHECK(first != NULL && strstr(first + 1, "ApplicationEnd") == NULL);
    qn_free(text);
}

static void a_damaged_log_is_set_aside(void **state)
{
    fixture *f = *state;
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/spark-events", f->dir);
    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, path));
    snprintf(path, sizeof path, "%s/spark-events/als-1.inprogress", f->dir);
    file = fopen(path, "w");
    CHECK(file && fputs("{\"Event\":\"SparkListenerTaskEnd\"}\nx\n", file) >= 0);
    CHECK_EQ(fclose(file), 0);
    CHECK_OK(f->ctx, open_log(f, true));
    CHECK(strstr(f->warning, "line 1 is no whole event") != NULL);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    snprintf(path, sizeof path, "%s/spark-events/als-1.damaged", f->dir);
    CHECK(qn_path_exists(path));
}

/* A run of a job with two stages; none of its calls may fail. */
static void small_run(fixture *f)
{
    add_worker(f, 0, "a");
    for (int64_t id = 1; id < 3; id++) {
        job(f, QN_EVENT_JOB_START, 1, "fit", "items 1\t2\n");
        stage(f, QN_EVENT_STAGE_START, 2, "items 1", 2);
        task(f, QN_EVENT_TASK_END, 2, 0, 0);
        stage(f, QN_EVENT_STAGE_END, 2, "items 1", 2);
        job(f, QN_EVENT_JOB_END, 1, "fit", NULL);
    }
}

static void a_full_disk_is_told_once_and_leaves_whole_lines(void **state)
{
    fixture *f = *state;
    bool is_whole = false;

    for (int64_t allowed = 0; !is_whole; allowed++) {
        char *text, path[128];

        f->n_warnings = 0;
        qn_context_free(f->ctx);
        CHECK_EQ(qn_context_create(NULL, &f->ctx), QN_OK);
        CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, keep_warning, f));
        qn_write_fail_after(f->ctx, allowed, ENOSPC);
        CHECK_OK(f->ctx, open_log(f, false));
        small_run(f);
        qn_spark_log_close(f->ctx, f->log, QN_OK);
        qn_write_fail_after(f->ctx, INT64_MAX, 0);
        CHECK(allowed < 100);
        is_whole = f->n_warnings == 0;
        CHECK(f->n_warnings <= 1);
        if (!is_whole)
            CHECK(strstr(f->warning, "spark-events/als-1.inprogress") &&
                  strstr(f->warning, strerror(ENOSPC)));
        snprintf(path, sizeof path, "%s/spark-events/als-1.inprogress", f->dir);
        if (qn_path_exists(path)) {
            text = read_log(f, ".inprogress");
            CHECK(text[0] == '\0' || text[strlen(text) - 1] == '\n');
            qn_free(text);
            unlink(path);
        }
        qn_spark_log_free(f->log);
        f->log = NULL;
    }
}

static void a_folder_that_cannot_be_made_does_not_stop_the_run(void **state)
{
    fixture *f = *state;
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/spark-events", f->dir);
    file = fopen(path, "w");
    CHECK(file && fclose(file) == 0);
    CHECK_OK(f->ctx, open_log(f, false));
    small_run(f);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    CHECK_EQ(f->n_warnings, 1);
    CHECK(strstr(f->warning, "spark-events") != NULL);
}

static void failed_allocations_fail_no_events(void **state)
{
    fixture *f = *state;
    qn_status st = QN_ENOMEM;

    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_alloc_fail_after(f->ctx, allowed);
        st = open_log(f, false);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        CHECK((f->log != NULL) == (st == QN_OK));
    }
    small_run(f);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    CHECK_EQ(f->n_warnings, 0);
}

static void reading_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    qn_status st = QN_ENOMEM;

    CHECK_OK(f->ctx, open_log(f, false));
    small_run(f);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    for (int64_t allowed = 0; st != QN_OK; allowed++) {
        qn_evidence e;

        qn_alloc_fail_after(f->ctx, allowed);
        st = qn_evidence_of_run(f->ctx, f->dir, "als-1", &e);
        qn_alloc_fail_after(f->ctx, QN_NEVER);
        CHECK(st == QN_OK || st == QN_ENOMEM);
        qn_evidence_release(&e);
    }
}

static void an_id_that_no_log_can_have_is_refused(void **state)
{
    fixture *f = *state;
    const qn_spark_log_options options = {.dir = f->dir, .run_id = "als.1", .name = "fit als"};

    CHECK_EQ(qn_spark_log_open(f->ctx, &options, &f->log), QN_EINVAL);
    CHECK_ERROR(f->ctx, "letters, digits");
    CHECK(f->log == NULL);
}

/* 4 partitions of 10, 20, 30 and 60 records of 32 bytes in a worker of 1000 bytes. */
static void evidence_has_the_texts_and_numbers_of_the_reference(void **state)
{
    static const int64_t rows[] = {10, 20, 30, 60};
    fixture *f = *state;
    qn_string text = {0};
    qn_evidence e;

    CHECK_OK(f->ctx, open_log(f, false));
    add_worker(f, 0, "a");
    for (int64_t p = 0; p < 4; p++)
        emit(f, (qn_event){.kind = QN_EVENT_STORAGE,
                           .name = "ratings by user",
                           .id = p,
                           .total = 4,
                           .rows = rows[p],
                           .memory_bytes = MB});
    small_run(f);
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    CHECK_OK(f->ctx, qn_evidence_of_run(f->ctx, f->dir, "als-1", &e));
    CHECK_EQ(e.partitions.n, 4);
    CHECK_EQ(e.partitions.records, 120);
    CHECK_NEAR(e.partitions.deviation, 18.708286933869708, 1e-12); /* sqrt(350) */
    CHECK_NEAR(e.partitions.skew, 2, 1e-15);
    CHECK_NEAR(e.memory.raw_mb, 3840. / 1048576, 1e-15);
    CHECK_NEAR(e.memory.als_mb, 3 * e.memory.raw_mb, 1e-15);
    CHECK_NEAR(e.memory.memory_mb, 4, 1e-15);
    CHECK(e.memory.is_pressed);
    qn_evidence_text(&e, &text);
    check_line(qn_string_text(&text), "\nPARTITION STATISTICS (1 executors)\n");
    check_line(qn_string_text(&text), "\nTotal Partitions: 4\nTotal Records: 120\n");
    check_line(qn_string_text(&text), "Min: 10\nMax: 60\nAvg: 30\n");
    check_line(qn_string_text(&text), "*** MEMORY PRESSURE DETECTED ***\nDataset requires 11.5x "
                                      "available memory\nSpark will need to spill to disk!\n");
    check_line(qn_string_text(&text), "SPARK UI EVIDENCE – After ALS Training\nActive jobs: 0\n"
                                      "  Job 0 (fit): SUCCEEDED, stages [0]\n  Job 1 (fit): "
                                      "SUCCEEDED, stages [1]\nStorage:\n  RDD 0 "
                                      "(ratings by user): 4 partitions, memory 4.00 MB, disk 0.00 "
                                      "MB\n");
    qn_string_release(&text);
    qn_evidence_release(&e);
}

typedef struct places {
    int64_t of_0, of_1, of_others; /* counts "storage.d.worker_N.disk_bytes" */
} places;

static void keep_places(void *user, const qn_event *event)
{
    places *p = user;

    if (event->kind != QN_EVENT_COUNT || !strstr(event->name, "disk_bytes"))
        return;
    if (!strcmp(event->name, "storage.d.worker_0.disk_bytes"))
        p->of_0 = event->done;
    else if (!strcmp(event->name, "storage.d.worker_1.disk_bytes"))
        p->of_1 = event->done;
    else if (strstr(event->name, "worker"))
        p->of_others++;
}

/* Workers tell of themselves in any order; each start takes new numbers, worker 0 the first. */
static void executors_go_by_worker_and_the_record_names_workers(void **state)
{
    fixture *f = *state;
    places found = {0};
    qn_evidence e;
    qn_string shown = {0};
    char *text;

    CHECK_OK(f->ctx, open_log(f, false));
    add_worker(f, 1, "b");
    add_worker(f, 0, "a");
    emit(f, (qn_event){.kind = QN_EVENT_WORKER_LOST, .rank = 1, .text = "signal 9"});
    add_worker(f, 1, "d");
    add_worker(f, 0, "c");
    for (int32_t rank = 0; rank < 2; rank++)
        emit(f, (qn_event){.kind = QN_EVENT_STORAGE,
                           .name = "d",
                           .rank = rank,
                           .id = rank,
                           .total = 2,
                           .memory_bytes = MB,
                           .disk_bytes = 10 + rank});
    small_run(f);
    CHECK_OK(f->ctx, qn_context_add_sink(f->ctx, keep_places, &found));
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    text = read_log(f, "");
    check_line(text, "\"Executor ID\":\"1\",\"Executor Info\":{\"Host\":\"a\"");
    check_line(text, "\"Executor ID\":\"2\",\"Executor Info\":{\"Host\":\"b\"");
    check_line(text, "\"Executor ID\":\"3\",\"Executor Info\":{\"Host\":\"c\"");
    check_line(text, "\"Executor ID\":\"4\",\"Executor Info\":{\"Host\":\"d\"");
    qn_free(text);
    CHECK_EQ(found.of_0, 10);
    CHECK_EQ(found.of_1, 11);
    CHECK_EQ(found.of_others, 0);
    CHECK_OK(f->ctx, qn_evidence_of_run(f->ctx, f->dir, "als-1", &e));
    qn_evidence_text(&e, &shown);
    check_line(qn_string_text(&shown), "\n  Executor 2 on b (lost): 2 cores");
    check_line(qn_string_text(&shown), "\n  Executor 3 on c: 2 cores");
    check_line(qn_string_text(&e.kept.out), "{\"executor\":4,\"partitions\":1,");
    qn_string_release(&shown);
    qn_evidence_release(&e);
}

/* A run with a record, of which one log is kept. */
static void make_run(fixture *f, const char *id, const char *status, const char *started)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", f->dir, id);
    CHECK_OK(f->ctx, qn_make_dirs(f->ctx, path));
    snprintf(path, sizeof path, "%s/%s/record.json", f->dir, id);
    file = fopen(path, "w");
    CHECK(file != NULL);
    fprintf(file,
            "{\"run_id\":\"%s\",\"status\":\"%s\",\"started\":\"%s\",\"parameters\":{\"rank\":%zu},"
            "\"timings\":{\"fit_s\":%zu,\"deep\":{\"s\":2}},\"model_digest\":\"ab\"}",
            id, status, started, strlen(id), strlen(id));
    CHECK_EQ(fclose(file), 0);
}

static void old_runs_go_with_their_logs_and_live_ones_stay(void **state)
{
    fixture *f = *state;
    char log[128], out[96];
    const qn_export_options export = {.format = 3, .out = out};
    int64_t removed, live;
    qn_string path = {0};

    snprintf(out, sizeof out, "%s/out", f->dir);
    make_run(f, "als-1", "ok", "2026-01-01");
    make_run(f, "live", "running", "2026-01-02");
    make_run(f, "als-33", "ok", "2026-01-03");
    CHECK_OK(f->ctx, open_log(f, false));
    qn_spark_log_close(f->ctx, f->log, QN_OK);
    snprintf(log, sizeof log, "%s/spark-events/als-1", f->dir);
    CHECK_OK(f->ctx, qn_export_run(f->ctx, f->dir, "als-1", &export, &path));
    CHECK(qn_path_exists(log) && qn_path_exists(qn_string_text(&path)));
    CHECK(strstr(qn_string_text(&path), "/out/als-1") != NULL);
    CHECK_EQ(qn_export_run(f->ctx, f->dir, "als-33", &export, &path), QN_ENOTFOUND);
    CHECK_ERROR(f->ctx, "--event-log false");
    qn_string_release(&path);

    CHECK_OK(f->ctx, qn_runs_gc(f->ctx, f->dir, 1, &removed, &live));
    CHECK_EQ(removed, 1);
    CHECK_EQ(live, 1);
    CHECK(!qn_path_exists(log));
    snprintf(log, sizeof log, "%s/live/record.json", f->dir);
    CHECK(qn_path_exists(log));
    snprintf(log, sizeof log, "%s/als-33/record.json", f->dir);
    CHECK(qn_path_exists(log));
}

static void two_runs_are_shown_beside_one_another(void **state)
{
    fixture *f = *state;
    qn_string out = {0};

    make_run(f, "als-1", "ok", "2026-01-01");
    make_run(f, "als-222222", "ok", "2026-01-03");
    CHECK_OK(f->ctx, qn_runs_compare(f->ctx, f->dir, "als-1", "als-2", &out));
    CHECK_TEXT(qn_string_text(&out),
               "{\"a\":\"als-1\",\"b\":\"als-222222\",\"same_model\":true,"
               "\"differ\":{\"parameters.rank\":[5,10]},"
               "\"numbers\":{\"timings.fit_s\":[5,10,2.0],\"timings.deep.s\":[2,2,1.0]}}");
    CHECK_EQ(qn_runs_compare(f->ctx, f->dir, "als-1", "nothing", &out), QN_ENOTFOUND);
    qn_string_release(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_line_is_as_written_by_hand),
        TEST(a_job_without_stages_is_one_with_one_task),
        TEST(a_stage_of_one_task_that_told_of_none_is_that_task),
        TEST(sizes_of_blocks_are_told_as_differences),
        TEST(a_pulse_before_the_worker_told_of_itself_adds_no_worker),
        TEST(a_lost_worker_makes_a_new_attempt),
        TEST(a_stage_beyond_the_plan_is_a_job_of_its_own),
        TEST(a_failure_says_why),
        TEST(a_log_that_was_broken_off_goes_on),
        TEST(a_finished_log_that_goes_on_ends_once),
        TEST(a_damaged_log_is_set_aside),
        TEST(a_full_disk_is_told_once_and_leaves_whole_lines),
        TEST(a_folder_that_cannot_be_made_does_not_stop_the_run),
        TEST(failed_allocations_fail_no_events),
        TEST(reading_survives_every_failed_allocation),
        TEST(an_id_that_no_log_can_have_is_refused),
        TEST(old_runs_go_with_their_logs_and_live_ones_stay),
        TEST(two_runs_are_shown_beside_one_another),
        TEST(evidence_has_the_texts_and_numbers_of_the_reference),
        TEST(executors_go_by_worker_and_the_record_names_workers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
