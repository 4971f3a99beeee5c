/* Categories that share a bin: where there are more than bins, the rarest share the last one. */
#include <stdlib.h>
#include <string.h>

#include "ml/forest/forest_grow.h"

typedef struct counting {
    const forest_fit *fit;
    int32_t feature;
    int64_t **count; /* [threads] of [arity] */
} counting;

static qn_status count_cell(void *arg, int64_t c, int32_t thread)
{
    const counting *job = arg;
    const qn_matrix *data = job->fit->data;
    const int32_t arity = job->fit->feature[job->feature].arity;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < data->cell[c].n_blocks; i++) {
        qn_matrix_block block;

        QN_TRY(qn_check_cancel(job->fit->ctx));
        QN_TRY(qn_matrix_pin(job->fit->ctx, data, c, i, &block));
        for (int64_t r = 0; r < block.n_rows; r++) {
            const int64_t at =
                (r / QN_PANEL * data->n_features + job->feature) * QN_PANEL + r % QN_PANEL;
            const double x = data->is_double ? ((const double *)block.x)[at]
                                             : (double)((const float *)block.x)[at];

            if (x >= 0 && x < arity)
                job->count[thread][(int32_t)x]++;
        }
        qn_matrix_unpin(data, c, i);
    }
done:
    return st;
}

static qn_status count_own(counting *job, int32_t n_threads)
{
    const forest_fit *fit = job->fit;
    const int32_t arity = fit->feature[job->feature].arity;
    qn_status st = QN_OK;

    for (int32_t t = 0; t < n_threads; t++)
        QN_NEW0(fit->ctx, job->count[t], arity, "counts of categories");
    QN_TRY(qn_parallel(fit->ctx, fit->data->n_own_cells, count_cell, job));
    for (int32_t t = 1; t < n_threads; t++)
        for (int32_t c = 0; c < arity; c++)
            job->count[0][c] += job->count[t][c];
done:
    return st;
}

typedef struct ranked {
    int64_t count;
    int32_t category;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->category > y->category) - (x->category < y->category);
}

/* The most frequent n_bins - 1 keep a bin of their own, in their order; the others share the last.
 */
static qn_status assign_bins(const forest_fit *fit, forest_feature *feature, const int64_t *count,
                             int32_t n_bins)
{
    ranked *list = NULL;
    int32_t next = 0;
    qn_status st = QN_OK;

    QN_NEW(fit->ctx, list, feature->arity, "counts of categories");
    QN_NEW(fit->ctx, feature->bin_of, feature->arity, "bins of categories");
    for (int32_t c = 0; c < feature->arity; c++)
        list[c] = (ranked){count[c], c};
    qsort(list, (size_t)feature->arity, sizeof *list, compare_ranked);
    memset(feature->bin_of, n_bins - 1, (size_t)feature->arity);
    for (int32_t i = 0; i < n_bins - 1; i++)
        feature->bin_of[list[i].category] = 0;
    for (int32_t c = 0; c < feature->arity; c++)
        if (feature->bin_of[c] == 0 && n_bins > 1)
            feature->bin_of[c] = (uint8_t)next++;
    feature->n_bins = n_bins;
done:
    qn_free(list);
    return st;
}

qn_status forest_bins_group(forest_fit *fit, int32_t f, int32_t n_bins)
{
    qn_context *ctx = fit->ctx;
    const int32_t n_threads = qn_context_threads(ctx);
    counting job = {.fit = fit, .feature = f};
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&job.count, n_threads, sizeof *job.count,
                               "counts of categories"));
    QN_TRY_ALL(count_own(&job, n_threads));
    QN_TRY(qn_comm_sum_int64(ctx, job.count[0], fit->feature[f].arity));
    QN_TRY_ALL(assign_bins(fit, &fit->feature[f], job.count[0], n_bins));
done:
    for (int32_t t = 0; job.count && t < n_threads; t++)
        qn_free(job.count[t]);
    qn_free(job.count);
    return st;
}
