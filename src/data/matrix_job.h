/* One reading of a matrix, from its splits to the whole. */
#ifndef QN_DATA_MATRIX_JOB_H
#define QN_DATA_MATRIX_JOB_H

#include "data/matrix_impl.h"

/* What a split of this rank gave. */
typedef struct qn_split_read {
    int64_t number; /* in the source */
    int64_t n_rows; /* delivered */
    bool is_read;   /* to its end */
    int64_t n_missing, n_sampled_out;
    char *first_missing; /* NULL: none */
    qn_cell_list cells;
} qn_split_read;

typedef struct qn_matrix_thread {
    qn_assembler *assembler;
    qn_cell_writer writer;
    qn_label_set labels;
    qn_strata strata;
    uint8_t *keep; /* [keep_capacity] rows of a batch */
    int64_t keep_capacity;
} qn_matrix_thread;

typedef struct qn_matrix_job {
    qn_context *ctx;
    const qn_matrix_options *options;
    const qn_matrix_use *use;
    qn_source *source;
    qn_matrix *matrix; /* being made */
    qn_matrix_shape shape;
    qn_matrix_plan plan;
    bool is_from_files;       /* named by options->input */
    int64_t first_own, n_own; /* splits of the plan that this rank reads: one run */
    qn_split_read *own;       /* [n_own] */
    int32_t n_threads;
    qn_matrix_thread *thread; /* [n_threads] */
    qn_reading reading;
} qn_matrix_job;

/* Refuses, before anything is read, what is clearly larger than the budget. */
qn_status qn_matrix_check_budget(const qn_matrix_job *job);
/* Says of a failure while reading what the whole would need, if that is why there was no memory;
 * returns it. */
qn_status qn_matrix_explain(const qn_matrix_job *job, qn_status st);

/* Says what a sample is made of, and how the shares of labels in a sample of files differ from
 * those in files that it left out. Collective. */
qn_status qn_matrix_tell_sample(const qn_matrix_job *job);

/* Divides the features that are to be scaled by their deviations over all rows, whose means and
 * extremes are known, block by block; means and extremes follow.
 * Collective. */
qn_status qn_matrix_scale(qn_matrix_job *job);

/* Numbers the cells over all ranks, seals the store and makes what is known of the whole: means,
 * extremes, labels, fingerprint, where rows come from. The cells move into the matrix. Collective.
 */
qn_status qn_matrix_finish(qn_matrix_job *job);

/* Where the partitions of a finished matrix lie: data set "matrix". */
qn_status qn_matrix_emit_storage(qn_context *ctx, const qn_matrix *matrix);

#endif
