/* event_log_feed DIR: event logs of runs that are hard to bring about: made by giving the sink the
 * events of such runs. Prints one line of JSON: what we make of each log. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/context.h"
#include "run/evidence.h"
#include "run/spark_log.h"

#define MB ((int64_t)1 << 20)

typedef struct run {
    qn_context *ctx;
    qn_spark_log *log;
    const char *dir, *id;
} run;

static void must(const run *r, qn_status st)
{
    if (st == QN_OK)
        return;
    fprintf(stderr, "%s: %s\n", r->id, qn_context_error(r->ctx));
    exit(1);
}

static qn_spark_log_options options_of(const run *r, qn_string *dir)
{
    qn_string_addf(dir, "%s/%s", r->dir, QN_SPARK_LOG_FOLDER);
    return (qn_spark_log_options){
        .dir = qn_string_text(dir),
        .run_id = r->id,
        .name = "fit als",
        .master = "mpi://a,b,c",
        .parameters = "{\"rank\":10,\"split\":null,\"input\":[\"r.csv\"],\"text\":\"<b>\\u00e9\"}",
    };
}

static run begin(const char *dir, const char *id, bool is_resumed)
{
    const qn_context_options small = {.memory = (size_t)64 << 20, .threads = 1};
    run r = {.dir = dir, .id = id};
    qn_string folder = {0};
    qn_spark_log_options options;

    if (qn_context_create(&small, &r.ctx) != QN_OK)
        exit(1);
    options = options_of(&r, &folder);
    must(&r, is_resumed ? qn_spark_log_resume(r.ctx, &options, &r.log)
                        : qn_spark_log_open(r.ctx, &options, &r.log));
    qn_string_release(&folder);
    return r;
}

static void workers(const run *r, int32_t first, int32_t n)
{
    static const char *const host[] = {"node-a", "node-b", "node-c"};

    for (int32_t rank = first; rank < first + n; rank++)
        qn_emit(r->ctx, &(qn_event){.kind = QN_EVENT_WORKER_ADDED,
                                    .rank = rank,
                                    .text = host[rank],
                                    .done = 2,
                                    .memory_bytes = 512 * MB});
}

static void storage(const run *r, const char *name, int32_t ranks, int64_t memory, int64_t disk)
{
    for (int64_t p = 0; p < 4; p++)
        qn_emit(r->ctx, &(qn_event){.kind = QN_EVENT_STORAGE,
                                    .rank = (int32_t)p % ranks,
                                    .name = name,
                                    .id = p,
                                    .total = 4,
                                    .rows = 1000 + 10 * p,
                                    .memory_bytes = memory + p,
                                    .disk_bytes = disk});
}

static void task(const run *r, const qn_span *stage, int64_t p, int32_t rank, bool ends)
{
    qn_event event = {
        .kind = QN_EVENT_TASK_START, .rank = rank, .id = p, .parent = stage->id, .rows = 100};

    qn_emit(r->ctx, &event);
    event.kind = QN_EVENT_TASK_END;
    event.duration_us = 3000;
    if (ends)
        qn_emit(r->ctx, &event);
}

/* A stage of four partitions; what each rank moved and spilled comes with its end. */
static void stage(const run *r, const qn_span *job, const char *name, int32_t ranks, int64_t moved,
                  int64_t spilled)
{
    const qn_span span = qn_stage_start(r->ctx, job, name, 4);

    for (int64_t p = 0; p < 4; p++)
        task(r, &span, p, (int32_t)p % ranks, true);
    for (int32_t rank = ranks - 1; rank > 0; rank--) {
        qn_emit(r->ctx, &(qn_event){.kind = QN_EVENT_WORKER_PEAK,
                                    .rank = rank,
                                    .parent = span.id,
                                    .memory_bytes = (100 + rank) * MB});
        qn_emit(r->ctx, &(qn_event){.kind = QN_EVENT_STAGE_END,
                                    .rank = rank,
                                    .name = name,
                                    .id = span.id,
                                    .parent = job->id,
                                    .bytes_moved = moved,
                                    .bytes_spilled = spilled});
    }
    qn_span_end(r->ctx, &span, QN_OK,
                &(qn_event){.bytes_moved = moved, .bytes_spilled = spilled, .bytes_read = spilled});
}

static void load(const run *r, int64_t bytes)
{
    const qn_span job = qn_job_start(r->ctx, "load");

    qn_emit(r->ctx, &(qn_event){.kind = QN_EVENT_PROGRESS, .name = "load", .rows = 10});
    qn_span_end(r->ctx, &job, QN_OK, &(qn_event){.rows = 4060, .bytes_read = bytes});
}

static const char plan[] = "items 1\t4\nusers 1\t4\nitems 2\t4\nusers 2\t4\n";

static void finish(run *r, qn_status status, qn_json *j)
{
    qn_evidence evidence;

    qn_spark_log_close(r->ctx, r->log, status);
    must(r, qn_evidence_of_run(r->ctx, r->dir, r->id, &evidence));
    qn_json_open(j, r->id, '{');
    qn_evidence_json(&evidence, j);
    qn_json_close(j, '}');
    qn_evidence_release(&evidence);
    qn_context_free(r->ctx);
    qn_spark_log_free(r->log);
}

/* Blocks leave memory for the disk, come back, and one data set goes. */
static void spilled(const char *dir, qn_json *j)
{
    run r = begin(dir, "quern-spilled", false);
    qn_span job;

    workers(&r, 0, 2);
    load(&r, 77 * MB);
    storage(&r, "ratings by user", 2, 8 * MB, 0);
    storage(&r, "ratings by item", 2, 6 * MB, 3 * MB);
    job = qn_job_start_planned(r.ctx, "fit", plan);
    stage(&r, &job, "items 1", 2, 5 * MB, 20 * MB);
    storage(&r, "ratings by user", 2, 2 * MB, 8 * MB);
    stage(&r, &job, "users 1", 2, 5 * MB, 0);
    storage(&r, "ratings by user", 2, 5 * MB, 4 * MB);
    storage(&r, "ratings by item", 2, 5 * MB, 1 * MB);
    stage(&r, &job, "items 2", 2, 5 * MB, 0);
    for (int64_t p = 0; p < 4; p++)
        qn_emit(r.ctx, &(qn_event){.kind = QN_EVENT_STORAGE,
                                   .rank = (int32_t)p % 2,
                                   .name = "ratings by item",
                                   .id = p,
                                   .total = 4});
    qn_span_end(r.ctx, &job, QN_OK, NULL);
    finish(&r, QN_OK, j);
}

/* A worker dies in "users 1"; two go on from the checkpoint behind "items 1". */
static void lost(const char *dir, qn_json *j)
{
    run r = begin(dir, "quern-lost", false);
    qn_span job, broken;

    workers(&r, 0, 3);
    load(&r, 77 * MB);
    storage(&r, "ratings by user", 3, 8 * MB, 0);
    job = qn_job_start_planned(r.ctx, "fit", plan);
    stage(&r, &job, "items 1", 3, MB, 0);
    broken = qn_stage_start(r.ctx, &job, "users 1", 4);
    task(&r, &broken, 0, 0, true);
    task(&r, &broken, 1, 1, false);
    task(&r, &broken, 2, 2, false);
    qn_emit(r.ctx, &(qn_event){.kind = QN_EVENT_WORKER_LOST,
                               .rank = 2,
                               .text = "killed by signal 9 on node-c"});
    workers(&r, 0, 2);
    job = qn_job_start_planned(r.ctx, "fit", plan);
    storage(&r, "ratings by user", 2, 8 * MB, 0);
    stage(&r, &job, "users 1", 2, 2 * MB, 0);
    stage(&r, &job, "items 2", 2, 2 * MB, 0);
    stage(&r, &job, "users 2", 2, 2 * MB, 0);
    qn_span_end(r.ctx, &job, QN_OK, NULL);
    finish(&r, QN_OK, j);
}

/* The process is killed in "users 1", its last line half written; a later one goes on. */
static void resumed(const char *dir, qn_json *j)
{
    run r = begin(dir, "quern-resumed", false), again;
    qn_span job, broken;
    FILE *file;

    workers(&r, 0, 2);
    load(&r, 77 * MB);
    storage(&r, "ratings by user", 2, 8 * MB, 0);
    job = qn_job_start_planned(r.ctx, "fit", plan);
    stage(&r, &job, "items 1", 2, MB, 0);
    broken = qn_stage_start(r.ctx, &job, "users 1", 4);
    task(&r, &broken, 0, 0, true);
    task(&r, &broken, 1, 1, false);
    qn_stage_start(r.ctx, &job, "items 2", 4); /* what is written so far is whole */
    file = fopen(qn_spark_log_path(r.log), "a");
    if (!file || fputs("{\"Event\":\"SparkListenerTaskE", file) == EOF || fclose(file) != 0)
        exit(1);
    qn_context_free(r.ctx);
    qn_spark_log_free(r.log); /* as kill -9: not closed */

    again = begin(dir, "quern-resumed", true);
    workers(&again, 0, 2);
    load(&again, 77 * MB);
    storage(&again, "ratings by user", 2, 8 * MB, 0);
    job = qn_job_start_planned(again.ctx, "fit", plan);
    stage(&again, &job, "users 1", 2, MB, 0);
    stage(&again, &job, "items 2", 2, MB, 0);
    stage(&again, &job, "users 2", 2, MB, 0);
    qn_span_end(again.ctx, &job, QN_OK, NULL);
    finish(&again, QN_OK, j);
}

static void failed(const char *dir, qn_json *j)
{
    run r = begin(dir, "quern-failed", false);
    qn_span job, broken;

    workers(&r, 0, 1);
    load(&r, 77 * MB);
    job = qn_job_start_planned(r.ctx, "fit", plan);
    broken = qn_stage_start(r.ctx, &job, "items 1", 4);
    task(&r, &broken, 0, 0, true);
    task(&r, &broken, 1, 0, false);
    qn_fail(r.ctx, QN_EDATA, "user 17: no finite factors <b>\n\"solve\"");
    qn_emit(
        r.ctx,
        &(qn_event){.kind = QN_EVENT_TASK_END, .id = 2, .parent = broken.id, .status = QN_EDATA});
    qn_span_end(r.ctx, &broken, QN_EDATA, NULL);
    qn_span_end(r.ctx, &job, QN_EDATA, NULL);
    finish(&r, QN_EDATA, j);
}

/* Stages that nobody planned are jobs of their own, as in Spark. */
static void unplanned(const char *dir, qn_json *j)
{
    run r = begin(dir, "quern-unplanned", false);
    const qn_span job = qn_job_start(r.ctx, "fit");

    stage(&r, &job, "level 0", 1, 0, 0);
    stage(&r, &job, "level 1", 1, 0, 0);
    qn_span_end(r.ctx, &job, QN_OK, NULL);
    finish(&r, QN_OK, j);
}

int main(int argc, char **argv)
{
    qn_json j = {0};

    if (argc != 2)
        return 2;
    qn_json_open(&j, NULL, '{');
    spilled(argv[1], &j);
    lost(argv[1], &j);
    resumed(argv[1], &j);
    failed(argv[1], &j);
    unplanned(argv[1], &j);
    qn_json_close(&j, '}');
    puts(qn_string_text(&j.out));
    qn_json_release(&j);
    return 0;
}
