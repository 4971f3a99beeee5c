/* A run as its event log tells of it: what the History Server shows, by the same rules. Read line
 * by line, so that a run can be looked at as it was at any point. */
#ifndef QN_RUN_LOG_VIEW_H
#define QN_RUN_LOG_VIEW_H

#include "base/context.h"

typedef enum qn_log_status {
    QN_LOG_PENDING, /* stages: listed by a job, not begun */
    QN_LOG_RUNNING,
    QN_LOG_SUCCEEDED,
    QN_LOG_FAILED,
    QN_LOG_SKIPPED
} qn_log_status;
/* "RUNNING" ...; never NULL. */
const char *qn_log_status_name(qn_log_status status);

typedef struct qn_log_worker {
    int64_t executor; /* its id; 0: another one, such as the driver */
    char host[256];
    int64_t cores, memory; /* limit in bytes */
    bool is_live;
    int64_t peak_bytes; /* 0: unknown */
} qn_log_worker;

typedef struct qn_log_job {
    int64_t id, start_ms, end_ms;
    qn_log_status status;
    char name[96];
} qn_log_job;

typedef struct qn_log_stage {
    int64_t id, attempt, job; /* job: place in the list, -1: none */
    int64_t n_tasks, done, failed, killed;
    int64_t start_ms, end_ms;
    int64_t run_ms; /* of all tasks */
    int64_t records, bytes_read, bytes_moved, bytes_spilled;
    qn_log_status status;
    char name[96];
} qn_log_stage;

typedef struct qn_log_task {                              /* begun and not ended */
    int64_t id, index, attempt, stage, worker, launch_ms; /* stage, worker: places in the lists */
} qn_log_task;

typedef struct qn_log_block {
    int64_t records, memory, disk;
    int64_t worker; /* place in the list; -1: nowhere */
} qn_log_block;

typedef struct qn_log_data {
    int64_t id;
    char name[96];
    qn_log_block *block;
    int64_t n_partitions;
} qn_log_data;

typedef struct qn_log_view {
    char app_id[128], app_name[96];
    int64_t start_ms, end_ms, last_ms;
    qn_log_worker *worker;
    int64_t n_workers;
    qn_log_job *job;
    int64_t n_jobs;
    qn_log_stage *stage; /* attempts of one stage each have their own */
    int64_t n_stages;
    qn_log_task *task;
    int64_t n_tasks;
    qn_log_data *data;
    int64_t n_data;
    int64_t last_task, last_stage, last_executor; /* greatest ids; -1, -1, 0: none */
    int64_t n_lines;
    bool is_block; /* the last line told of a block */
} qn_log_view;

/* Takes one line without its newline. QN_EDATA, with the line's number: no event, or one that lacks
 * what it needs. Events that are not known are passed over. */
qn_status qn_log_view_line(qn_context *ctx, qn_log_view *view, const char *line, size_t length);
/* All lines of a text; what is behind the last newline is left out. `after` (may be NULL) is called
 * behind each line. */
typedef void qn_log_after(void *arg, const qn_log_view *view);
qn_status qn_log_view_read(qn_context *ctx, qn_log_view *view, const char *text, size_t length,
                           qn_log_after *after, void *arg);
void qn_log_view_release(qn_log_view *view);

#endif
