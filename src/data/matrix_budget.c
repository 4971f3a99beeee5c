/* Whether a matrix fits the budget: as early as that is known, with the bytes that it needs. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "data/matrix_job.h"
#include "data/source_impl.h"
#include "engine/comm.h"

/* Rows are guessed: only what is larger by this much is refused before it is read. */
#define CLEARLY 1.5

static double bytes_of_rows(const qn_matrix_job *job, double n_rows)
{
    const qn_matrix_shape *shape = &job->shape;
    const double row =
        (double)qn_matrix_block_bytes(shape, shape->block_rows) / (double)shape->block_rows;

    return n_rows * row;
}

/* Rows of all ranks, by the files; 0: unknown. */
static double rows_by_files(const qn_matrix_job *job)
{
    const int64_t n_splits = qn_source_n_splits(job->source);
    const double share = n_splits > 0 ? (double)job->plan.n / (double)n_splits : 0.0;
    const double rows = (double)job->source->n_rows * share;

    return qn_sample_is_by_row(job->options) ? rows * job->options->fraction : rows;
}

/* By the splits of this rank that have been read, where they say that the guess was wrong: of a
 * packed file, or of rows that were left out. */
static double rows_by_reading(const qn_matrix_job *job)
{
    const double guess = rows_by_files(job);
    int64_t rows = 0, n_read = 0;

    for (int64_t s = 0; s < job->n_own; s++) {
        const qn_split_read *split = &job->own[s];

        if (!split->is_read)
            continue;
        n_read++;
        rows += split->n_rows - split->n_missing - split->n_sampled_out;
    }
    const double found = n_read > 0 ? (double)rows / (double)n_read * (double)job->plan.n : guess;
    return found > CLEARLY * guess || found < guess / CLEARLY ? found : guess;
}

/* Of them, what cannot leave memory: all of it without a scratch folder. */
static double held_of_rows(const qn_matrix_job *job, double n_rows)
{
    const qn_matrix_use *use = job->use;

    if (!job->ctx->scratch_dir)
        return bytes_of_rows(job, n_rows);
    return n_rows * (use->value_bytes * job->shape.n_features + use->row_bytes);
}

static qn_status fail_held(const qn_matrix_job *job, double n_rows)
{
    char rows[32], need[32], limit[32];

    qn_format_count((int64_t)n_rows, rows);
    qn_format_bytes(held_of_rows(job, n_rows), need);
    qn_format_bytes((double)qn_budget_limit(job->ctx->budget), limit);
    return qn_fail(
        job->ctx, QN_ENOMEM,
        "a fit to about %s rows of %d features holds %s in memory%s, whatever the scratch "
        "folder takes, and the budget is %s%s: read a part with --fraction, take fewer "
        "columns with --features or raise --memory",
        rows, job->shape.n_features, need, qn_size(job->ctx) > 1 ? " over all workers" : "", limit,
        qn_size(job->ctx) > 1 ? " each" : "");
}

static qn_status fail_too_large(const qn_matrix_job *job, double n_rows)
{
    const qn_matrix_shape *shape = &job->shape;
    char rows[32], need[32], limit[32];
    const bool has_ranks = qn_size(job->ctx) > 1;

    qn_format_count((int64_t)n_rows, rows);
    qn_format_bytes(bytes_of_rows(job, n_rows), need);
    qn_format_bytes((double)qn_budget_limit(job->ctx->budget), limit);
    return qn_fail(job->ctx, QN_ENOMEM,
                   "the table needs about %s (%s rows of %d features as %s)%s, the budget is %s%s: "
                   "read a part with --fraction, %stake fewer columns with --features or raise "
                   "--memory",
                   need, rows, shape->n_features, shape->is_double ? "double" : "float",
                   has_ranks ? " over all workers" : "", limit, has_ranks ? " each" : "",
                   shape->is_double ? "hold half as much with --precision float, " : "");
}

qn_status qn_matrix_check_budget(const qn_matrix_job *job)
{
    const double n_rows = rows_by_files(job);
    const double limit = (double)qn_budget_limit(job->ctx->budget) * (double)qn_size(job->ctx);

    if (held_of_rows(job, n_rows) <= CLEARLY * limit)
        return QN_OK;
    return job->ctx->scratch_dir ? fail_held(job, n_rows) : fail_too_large(job, n_rows);
}

qn_status qn_matrix_explain(const qn_matrix_job *job, qn_status st)
{
    const double n_rows = rows_by_reading(job);
    const double limit = (double)qn_budget_limit(job->ctx->budget) * (double)qn_size(job->ctx);

    if (st != QN_ENOMEM || job->ctx->scratch_dir || bytes_of_rows(job, n_rows) < limit / 2)
        return st;
    return fail_too_large(job, n_rows);
}
