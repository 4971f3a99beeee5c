/* The experiment: one command at every point of a grid of workers, partitions and memory, each run
 * a process of its own, several times, in a shuffled order. What was measured is kept run by run,
 * so a sweep that was interrupted goes on where it stopped. */
#ifndef QN_EXPERIMENT_SWEEP_H
#define QN_EXPERIMENT_SWEEP_H

#include "base/context.h"
#include "base/text.h"
#include "quern/param.h"

#define QN_SWEEP_RUNS 100000

/* Table: qn_sweep_table. Lists are of values, of values with commas between them, or both. */
typedef struct qn_sweep_options {
    qn_text_list workers, partitions, memory; /* none: 1, by size, the default of the command */
    qn_text_list pairs; /* "workers:partitions"; in place of workers and partitions */
    const char *hosts;  /* "a,b:2": a point of n workers works on the first n places; NULL: here */
    int32_t repeats;
    int64_t order_seed;
    double timeout; /* seconds a run; 0: none */
    const char *out;
    bool resume;
} qn_sweep_options;
extern const qn_params qn_sweep_table;

/* What is run: word[0] is the program; --workers, --partitions, --memory, --runs-dir and --json
 * are added behind the last word. */
typedef struct qn_sweep_command {
    const char *const *word;
    int64_t n;
} qn_sweep_command;

typedef struct qn_sweep_point {
    int32_t workers, partitions; /* partitions 0: by size */
    char memory[24];             /* as it was given; "": not given */
    char name[80];               /* "w2-p8-m1g" */
} qn_sweep_point;

/* One run of a point; numbers that its record does not have are NaN and -1. */
typedef struct qn_sweep_run {
    int64_t point;
    int32_t repeat; /* from 1 */
    bool is_done, is_ok;
    bool is_kept; /* measured by the sweep that this one resumes */
    int32_t exit_code;
    char error[512];                 /* "" if it is ok */
    int32_t workers, threads, cores; /* observed: workers, threads of each, cores of a host */
    int32_t on_a_host;               /* workers on the host that has most */
    double load_s, fit_s, evaluate_s, total_s, quality;
    char metric[16]; /* what the quality is: "rmse", "accuracy", "cost"; "": there is none */
    int64_t spilled_bytes, moved_bytes, peak_bytes; /* peak: of the worker that held most */
    char digest[40], fingerprint[24], kernel_set[16];
} qn_sweep_run;

typedef struct qn_sweep_range {
    double median, least, greatest; /* NaN: nothing measured */
} qn_sweep_range;

/* What the runs of one point say together. */
typedef struct qn_sweep_row {
    int32_t n_ok, n_failed;
    int64_t failed; /* first run that failed; -1: none */
    qn_sweep_range load, fit, evaluate, total;
    double quality;
    qn_sweep_range spilled, moved, peak; /* bytes */
    int32_t threads, cores;              /* of a worker, of a host; -1: no run was ok */
    bool shares_cores;                   /* workers x threads are more than the cores they run on */
    int64_t base;                        /* point that speed_up compares to; -1: none */
    double speed_up;   /* median fit time of the base over that of this; NaN: not claimed */
    double efficiency; /* speed_up over the share of workers; NaN: not claimed */
} qn_sweep_row;

typedef struct qn_sweep_result {
    qn_sweep_point *point;
    qn_sweep_row *row; /* [n_points] */
    int64_t n_points;
    qn_sweep_run *run; /* point by point, repeat by repeat */
    int64_t n_runs;
    char dir[4096];      /* of what is kept; "": nothing is */
    char metric[16];     /* of the first run that has one */
    char digest[40];     /* of the first run that is ok */
    bool digests_differ; /* of runs that are ok: the promise is broken */
    bool data_differs;   /* runs read other rows: files have changed under the sweep */
    int64_t n_ok, n_failed, n_kept;
} qn_sweep_result;

/* Measures every point that is not measured yet. `dir` (NULL: nothing is kept) is made; in it
 * sweep.json says what is measured, points/NAME-rN.json keeps each run, runs/ their run records,
 * sweep.csv and results.json the table. A run that fails is a result, and the sweep goes on.
 * Events   job sweep, progress in runs, a warning for each failed run.
 * Errors   QN_EINVAL options, or other options than those of the sweep to resume; QN_EEXISTS a
 * sweep is there and `resume` is false; QN_EBUSY another process works in it; QN_EIO; QN_ENOMEM;
 * QN_ECANCELLED, and what was done is kept. Release *result whatever happens. */
qn_status qn_sweep_run_all(qn_context *ctx, const qn_sweep_options *options,
                           const qn_sweep_command *command, const char *dir,
                           qn_sweep_result *result);
void qn_sweep_result_release(qn_sweep_result *result);

/* Workers of the largest point. QN_EINVAL as above. */
qn_status qn_sweep_most_workers(qn_context *ctx, const qn_sweep_options *options, int32_t *most);
/* Members of an open object: points, runs, digest, digests_equal. */
void qn_sweep_json(const qn_sweep_result *result, qn_json *j);
/* A header line and a line a point. The column of the quality has the name of the metric. */
void qn_sweep_csv(const qn_sweep_result *result, qn_string *out);

#endif
