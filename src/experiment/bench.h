/* How fast an algorithm's kernels are, beside what the machine can do: `quern bench NAME`. A new
 * algorithm writes a function as in bench_kmeans.c and adds its row to the table in bench.c. */
#ifndef QN_EXPERIMENT_BENCH_H
#define QN_EXPERIMENT_BENCH_H

#include "base/text.h"
#include "experiment/machine.h"
#include "quern/param.h"

/* Table: qn_bench_table. What a bench does not know it leaves alone. */
typedef struct qn_bench_options {
    int64_t rows;
    int32_t features;
    int32_t k;         /* clusters */
    int32_t precision; /* qn_precision */
    int32_t repeats;   /* passes that are timed */
    int64_t seed;      /* of the generated rows */
} qn_bench_options;
extern const qn_params qn_bench_table;

/* One kernel over all rows. Work is what the task needs: bytes that must be read or written once,
 * products and sums of its formula, whatever the kernel really does. */
typedef struct qn_bench_row {
    const char *kernel;
    qn_timing seconds; /* a pass */
    double bytes, flops;
    bool is_double; /* measured against the peak in double */
} qn_bench_row;

#define QN_BENCH_ROWS 16
typedef struct qn_bench_result {
    const char *name;
    const char *kernel_set;
    qn_bench_options options;
    qn_machine machine;
    int64_t data_bytes; /* of the generated rows */
    qn_bench_row row[QN_BENCH_ROWS];
    int32_t n_rows;
} qn_bench_result;

/* Shares of what the machine can do at most. */
typedef struct qn_bench_shares {
    double read, flops;
    bool is_memory; /* the bytes, not the products, bind */
    double limit;   /* seconds that the machine would need, over the seconds of the best pass */
} qn_bench_shares;
qn_bench_shares qn_bench_share(const qn_machine *machine, const qn_bench_row *row);

/* Measures the machine, then the kernels. QN_EINVAL: no such bench, the nearest is named; QN_ENOMEM
 * with the bytes needed; QN_ECANCELLED. */
qn_status qn_bench_run(qn_context *ctx, const char *name, const qn_bench_options *options,
                       qn_bench_result *result);
void qn_bench_json(const qn_bench_result *result, qn_json *j);
/* "kmeans, ..." */
void qn_bench_names(qn_string *out);

/* What a bench is: fills rows of `result`, whose options and machine are set. */
typedef qn_status qn_bench_function(qn_context *ctx, qn_bench_result *result);
qn_bench_function qn_bench_kmeans;

/* Times one kernel and adds its row. */
qn_status qn_bench_add(qn_context *ctx, qn_bench_result *result, const qn_bench_row *row,
                       int64_t n_tasks, qn_task *task, void *arg);

#endif
