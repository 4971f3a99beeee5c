/* The inside of the event log: the lines, the file, and what is open. The sink runs under the
 * context's lock, so nothing here takes memory from the budget: lists are qn_strings. */
#ifndef QN_RUN_SPARK_LOG_IMPL_H
#define QN_RUN_SPARK_LOG_IMPL_H

#include "base/context.h"
#include "base/text.h"
#include "run/spark_log.h"

#define SPARK_NAME 96

typedef struct spark_worker {
    int32_t rank;
    int32_t executor; /* "1", "2" ...; a worker that comes back is a new one */
    bool is_live;
    int64_t cores, memory;
    char host[256];
} spark_worker;

/* What a task has done. */
typedef struct spark_work {
    int64_t busy_us, rows, bytes_read, bytes_moved, bytes_spilled;
} spark_work;

typedef struct spark_task {
    int64_t id, index;
    int32_t attempt, worker; /* place in the list of workers */
    int64_t launch_us, end_us;
    bool is_open, is_held; /* held: it has ended, but its line waits for the worker's bytes */
    spark_work work;
} spark_task;

typedef enum spark_stage_state { SPARK_PLANNED, SPARK_RUNNING, SPARK_ENDED } spark_stage_state;

typedef struct spark_peak {
    int32_t worker;
    int64_t bytes;
} spark_peak;

typedef struct spark_stage {
    int64_t event_id; /* in the stream */
    int64_t id;       /* in the log */
    int32_t attempt;
    int64_t n_tasks;
    int64_t start_us;
    spark_stage_state state;
    bool is_last; /* of those that were planned: its tasks are result tasks */
    char name[SPARK_NAME];
    qn_string tasks; /* spark_task[] */
    qn_string slots; /* int32_t[], by index: place of its latest task plus 1 */
    qn_string peaks; /* spark_peak[] */
} spark_stage;

typedef struct spark_block {
    int32_t worker; /* -1: nowhere */
    int64_t rows, memory, disk;
    int64_t told_rows, told_memory, told_disk; /* what the log says */
    int32_t told_worker;
} spark_block;

typedef struct spark_data {
    int64_t id; /* of the RDD */
    char name[SPARK_NAME];
    bool is_told;     /* a submitted stage has named it: from then on blocks count */
    qn_string blocks; /* spark_block[], by partition */
} spark_data;

typedef enum spark_job_state {
    SPARK_NO_JOB,
    SPARK_WAITING,
    SPARK_OPEN,
    SPARK_BROKEN
} spark_job_state;

/* The outermost job. WAITING: nothing is written of it, since its stages are not known yet. BROKEN:
 * its workers were lost. */
typedef struct spark_job {
    spark_job_state state;
    int32_t depth; /* jobs inside one another */
    int64_t id, start_us;
    bool is_alone;   /* the job is its own only stage */
    bool is_retried; /* its workers were lost: stages that have run may run again */
    spark_work work; /* told of by the jobs inside it */
    char name[SPARK_NAME];
    qn_string stages; /* spark_stage[] */
} spark_job;

struct qn_spark_log {
    qn_context *ctx; /* until it is closed */
    char path[4096], live_path[4096 + 16];
    char run_id[128], name[SPARK_NAME];
    int fd;
    bool is_warned;
    int error;        /* errno of the first write that failed; 0: none */
    double bytes;     /* written, in whole lines */
    qn_string buffer; /* whole lines that are not written yet */
    qn_json line;
    int64_t flushed_us;
    int64_t last_us;   /* time of the latest event */
    qn_string workers; /* spark_worker[] */
    qn_string data;    /* spark_data[] */
    spark_job job;
    int64_t next_job, next_stage, next_task;
    int64_t first_executor, last_executor; /* worker 0 of this start; the greatest of all starts */
};

/* ---- lists ---- */
static inline int64_t spark_count(const qn_string *list, size_t size)
{
    return (int64_t)(list->length / size);
}
#define SPARK_COUNT(list, type) spark_count(&(list), sizeof(type))
#define SPARK_AT(list, type, i) ((type *)(void *)(list).text + (i))
/* The new element, NULL when out of memory. */
void *spark_add(qn_string *list, const void *element, size_t size);
#define SPARK_ADD(list, type, value) ((type *)spark_add(&(list), (value), sizeof(type)))

spark_stage *spark_stage_at(const qn_spark_log *log, int64_t i);
int64_t spark_n_stages(const qn_spark_log *log);
spark_worker *spark_worker_at(const qn_spark_log *log, int32_t i);
void spark_stages_clear(spark_job *job);

/* ---- lines: one event each, from what is known ---- */
void spark_line_start(qn_spark_log *log, const qn_spark_log_options *options, int64_t us);
void spark_line_worker(qn_spark_log *log, const spark_worker *worker, int64_t us);
void spark_line_worker_lost(qn_spark_log *log, const spark_worker *worker, int64_t us,
                            const char *reason);
void spark_line_job_start(qn_spark_log *log);
/* error NULL: it succeeded. */
void spark_line_job_end(qn_spark_log *log, int64_t us, const char *error);
void spark_line_stage_start(qn_spark_log *log, const spark_stage *stage);
void spark_line_stage_end(qn_spark_log *log, const spark_stage *stage, int64_t us,
                          const char *error);
void spark_line_stage_peak(qn_spark_log *log, const spark_stage *stage, const spark_peak *peak);
void spark_line_task_start(qn_spark_log *log, const spark_stage *stage, const spark_task *task);
typedef enum spark_reason { SPARK_SUCCESS, SPARK_FAILED, SPARK_KILLED, SPARK_LOST } spark_reason;
void spark_line_task_end(qn_spark_log *log, const spark_stage *stage, const spark_task *task,
                         spark_reason reason, const char *text);
/* What has changed of a block since it was last told of; up to two lines. */
void spark_line_block(qn_spark_log *log, const spark_data *data, int64_t partition);
void spark_line_end(qn_spark_log *log, int64_t us);

/* ---- the file ---- */
/* Opens the live name for appending. Returns an errno, which it keeps. */
int spark_file_open(qn_spark_log *log);
/* Ends a line: `line` goes to the buffer. */
void spark_file_line(qn_spark_log *log);
void spark_file_flush(qn_spark_log *log);
void spark_file_sync(qn_spark_log *log);
/* To the finished name. */
void spark_file_finish(qn_spark_log *log);

/* ---- workers, tasks and blocks ---- */
/* No memory: the log ends here, as with any write that fails. */
void spark_out_of_memory(qn_spark_log *log);
void spark_stage_release(spark_stage *stage);
void spark_worker_added(qn_spark_log *log, const qn_event *event);
/* Place of the live worker of a rank; -1: there is none. */
int32_t spark_find_worker(const qn_spark_log *log, int32_t rank);
/* Removes all live workers, `lost` (-1: not known) with the reason, the others because of it. */
void spark_end_workers(qn_spark_log *log, int32_t lost, const char *text);
spark_task *spark_task_at(const spark_stage *stage, int64_t i);
int64_t spark_n_tasks(const spark_stage *stage);
/* Where the number of the latest task of a partition stands, plus 1; NULL: no memory, no index. */
int32_t *spark_slot_of(qn_spark_log *log, spark_stage *stage, int64_t index);
spark_task *spark_start_task(qn_spark_log *log, spark_stage *stage, int64_t index, int32_t rank,
                             int64_t us);
void spark_add_work(spark_work *to, const qn_event *event);
void spark_end_task(qn_spark_log *log, spark_stage *stage, spark_task *task, spark_reason reason,
                    const char *text);
void spark_end_tasks(qn_spark_log *log, spark_stage *stage, spark_reason reason, const char *text);
/* Books what a worker did in a stage beyond what its tasks have told on its last task. */
void spark_share_work(qn_spark_log *log, spark_stage *stage, const qn_event *event);
void spark_storage(qn_spark_log *log, const qn_event *event);
/* Data sets that were not told of yet, now that a stage is submitted. */
void spark_tell_data(qn_spark_log *log);

/* ---- the sink ---- */
void spark_sink(void *user, const qn_event *event);
/* Ends open tasks, stages and the job; `reason` says why. */
void spark_close_open(qn_spark_log *log, spark_reason reason, const char *text);
/* A log with nothing in it yet; NULL when out of memory. */
qn_status spark_log_new(qn_context *ctx, const qn_spark_log_options *options, qn_spark_log **log);

#endif
