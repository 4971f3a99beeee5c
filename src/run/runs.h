/* The runs in a folder. */
#ifndef QN_RUN_RUNS_H
#define QN_RUN_RUNS_H

#include "base/context.h"

typedef struct qn_run_info {
    char run_id[64], command[64];
    char status[16];            /* running, ok, failed, cancelled, died, unreadable */
    char started[32];           /* 2026-11-21T04:15:30Z */
    double total_s;             /* NaN: unknown */
    double rmse, ndcg;          /* NaN: none */
    int64_t rows, users, items; /* -1: unknown */
    int64_t peak_bytes, vm_hwm_bytes;
    char model_digest[33];
    char path[512]; /* of record.json */
} qn_run_info;

/* Newest first. A running record whose process is gone counts as died. Free with qn_free. A folder
 * that is not there holds no runs. */
qn_status qn_runs_list(qn_context *ctx, const char *runs_dir, qn_run_info **runs, int64_t *n);
/* The record of a run (id, beginning of an id, or "last") as JSON text; free with qn_free.
 * QN_ENOTFOUND names the nearest. */
qn_status qn_runs_show(qn_context *ctx, const char *runs_dir, const char *run_id, char **json);
/* Looks for runs that died: warns of each once (event), with its last size, and writes "died" into
 * its record. *n_died may be NULL. */
qn_status qn_runs_sweep(qn_context *ctx, const char *runs_dir, int64_t *n_died);

#endif
