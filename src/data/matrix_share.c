/* What a sample is made of. The first files by name need not be like the others: the shares of
 * labels tell. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "base/text.h"
#include "data/matrix_job.h"
#include "engine/comm.h"

/* Shares that differ by more than both are worth a warning. */
#define WORTH_RELATIVE 0.1
#define WORTH_POINTS   0.005

/* Labels of files that were left out. */
typedef struct probe {
    qn_context *ctx;
    qn_source *source;
    int64_t first; /* split of this rank */
    int32_t field;
    qn_label_set *labels; /* [threads] */
} probe;

static qn_status probe_split(void *arg, int64_t local, int32_t thread)
{
    const probe *p = arg;
    const qn_column_request request = {.field = p->field, .type = QN_DOUBLE, .nullable = true};
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_source_open_split(p->ctx, p->source, p->first + local, &request, 1, &reader));
    QN_TRY(qn_reader_next(p->ctx, reader, &batch));
    while (batch) {
        const qn_column *column = &batch->columns[0];

        for (int64_t r = 0; r < batch->n_rows; r++) {
            const double label = ((const double *)column->data)[r];

            if (qn_is_valid(column, r) && isfinite(label))
                qn_label_set_add(&p->labels[thread], label, 1);
        }
        QN_TRY(qn_reader_next(p->ctx, reader, &batch));
    }
done:
    qn_reader_close(reader);
    return st;
}

/* The label column alone, each rank some splits. */
static qn_status probe_labels(const qn_matrix_job *job, int64_t *n_files, qn_label_set *labels)
{
    qn_context *ctx = job->ctx;
    probe p = {.ctx = ctx};
    qn_status st = QN_OK;
    int64_t n;

    QN_TRY(qn_matrix_probe_open(ctx, job->options, n_files, &p.source));
    if (!p.source)
        return QN_OK;
    QN_TRY(qn_source_column(ctx, p.source, job->matrix->features.label, &p.field));
    QN_NEW0(ctx, p.labels, qn_context_threads(ctx), "labels");
    n = qn_source_n_splits(p.source);
    p.first = n * qn_rank(ctx) / qn_size(ctx);
    QN_TRY(qn_parallel(ctx, n * (qn_rank(ctx) + 1) / qn_size(ctx) - p.first, probe_split, &p));
    for (int32_t t = 0; t < qn_context_threads(ctx); t++)
        qn_label_set_merge(labels, &p.labels[t]);
done:
    qn_free(p.labels);
    qn_source_free(p.source);
    return st;
}

static int64_t total(const qn_label_set *set)
{
    int64_t n = 0;

    for (int32_t i = 0; i < set->n; i++)
        n += set->count[i];
    return n;
}

static double share(const qn_label_set *set, double label)
{
    for (int32_t i = 0; i < set->n; i++)
        if (set->value[i] == label)
            return (double)set->count[i] / (double)total(set);
    return 0.0;
}

/* Facts of all labels, a warning about the one that has moved most. */
static void compare_shares(const qn_matrix_job *job, const qn_label_set *sample,
                           const qn_label_set *probed, int64_t n_files)
{
    double worst = 0.0, moved = 0.0;
    qn_label_set all = *sample;
    char name[64], text[128], label[32];

    qn_label_set_merge(&all, probed);
    for (int32_t i = 0; i < all.n; i++) {
        const double here = share(sample, all.value[i]), there = share(probed, all.value[i]);
        const double difference = fabs(here - there);

        qn_format_double(all.value[i], label);
        snprintf(name, sizeof name, "sample.share.%s", label);
        snprintf(text, sizeof text, "%.2f%% of the sample, %.2f%% of the files left out",
                 100.0 * here, 100.0 * there);
        qn_emit_fact(job->ctx, name, text);
        if (difference > WORTH_POINTS && difference > WORTH_RELATIVE * there &&
            difference > worst) {
            worst = difference;
            moved = all.value[i];
        }
    }
    if (worst == 0.0)
        return;
    qn_format_double(moved, label);
    qn_emit_warning(job->ctx,
                    "the first %" PRId64 " of %" PRId64
                    " files are not like the others: label %s is %.2f%% of their rows but %.2f%% "
                    "in %" PRId64
                    " files that were left out; --sample row-groups, rows or stratified draws from "
                    "all files",
                    job->plan.files, job->plan.files_total, label, 100.0 * share(sample, moved),
                    100.0 * share(probed, moved), n_files);
}

/* A file that was left out and cannot be read does not stop the work. Collective. */
static qn_status tell_shares(const qn_matrix_job *job)
{
    const qn_matrix *m = job->matrix;
    qn_context *ctx = job->ctx;
    qn_label_set *set = NULL; /* of the files left out, of the sample */
    int64_t n_files = 0;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&set, 2, sizeof *set, "labels"));
    st = qn_comm_agree(ctx, probe_labels(job, &n_files, &set[0]));
    if (st == QN_EDATA || st == QN_EIO || st == QN_ENOTFOUND || st == QN_EINVAL) {
        qn_emit_warning(ctx, "how labels are shared in the files left out is not known: %s",
                        qn_context_error(ctx));
        qn_error_clear(ctx);
        st = QN_OK;
        goto done;
    }
    QN_TRY(st);
    QN_TRY(qn_label_set_join(ctx, &set[0]));
    for (int32_t i = 0; i < m->n_labels; i++)
        qn_label_set_add(&set[1], m->label_value[i], m->label_count[i]);
    if (set[0].n > 0 && set[1].n > 0)
        compare_shares(job, &set[1], &set[0], n_files);
done:
    qn_free(set);
    return st;
}

qn_status qn_matrix_tell_sample(const qn_matrix_job *job)
{
    const qn_matrix_options *options = job->options;
    const double percent = 100.0 * options->fraction;
    const bool is_by_file = options->sample == QN_SAMPLE_FILES;
    char text[128];

    if (options->fraction >= 1.0)
        return QN_OK;
    if (is_by_file)
        snprintf(text, sizeof text, "Loading %" PRId64 "/%" PRId64 " files (%g%%)", job->plan.files,
                 job->plan.files_total,
                 100.0 * (double)job->plan.files / (double)job->plan.files_total);
    else if (options->sample == QN_SAMPLE_ROW_GROUPS)
        snprintf(text, sizeof text, "Loading %" PRId64 "/%" PRId64 " pieces (%g%% by lot)",
                 job->plan.n, qn_source_n_splits(job->source), percent);
    else
        snprintf(text, sizeof text, "Loading %g%% of the rows%s by lot", percent,
                 options->sample == QN_SAMPLE_STRATIFIED ? " of each label" : "");
    qn_emit_fact(job->ctx, "sample", text);
    return is_by_file && job->is_from_files && job->matrix->n_labels > 0 &&
                   job->plan.files < job->plan.files_total
               ? tell_shares(job)
               : QN_OK;
}
