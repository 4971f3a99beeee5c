/* The state of a fit after whole iterations: the centres and how far it is. Labels and sums, which
 * are whole numbers, come out the same when they are made anew. */
#include "engine/checkpoint.h"
#include "ml/kmeans/kmeans_impl.h"

/* Its bytes are written as they are. */
typedef struct kmeans_state {
    int64_t has_converged;
    double spread, training_cost;
} kmeans_state;

/* Rank 0 writes; every rank has all of it. */
static void state_of(const kmeans_fit *fit, kmeans_state *progress, int64_t k,
                     qn_checkpoint_array arrays[2])
{
    const bool is_first = qn_rank(fit->ctx) == 0;
    const size_t row_bytes = (size_t)fit->centres.view.d * sizeof *fit->centres.centre;

    arrays[0] =
        (qn_checkpoint_array){"centres", k, row_bytes, fit->centres.centre, 0, is_first ? k : 0};
    arrays[1] = (qn_checkpoint_array){"progress", 1, sizeof *progress, progress, 0, is_first};
}

qn_status kmeans_resume(kmeans_fit *fit, qn_kmeans_model *model, bool *is_resumed)
{
    qn_context *ctx = fit->ctx;
    qn_checkpoint *ck = qn_checkpoint_attached(ctx);
    const qn_checkpoint_key key = {"kmeans", &qn_kmeans_table, fit->params, "max_iter",
                                   fit->data->fingerprint};
    kmeans_state progress = {0};
    qn_checkpoint_array arrays[2];
    int32_t iteration = 0;
    int64_t k = 0;
    qn_status st = QN_OK;

    *is_resumed = false;
    QN_TRY(qn_checkpoint_begin(ctx, ck, &key, &iteration));
    if (iteration == 0)
        return QN_OK;
    k = qn_checkpoint_rows(ck, "centres");
    if (k < 1 || k > fit->params->k)
        QN_TRY(qn_fail(ctx, QN_EDATA, "a checkpoint of %lld centres where %d are wanted",
                       (long long)k, fit->params->k));
    state_of(fit, &progress, k, arrays);
    QN_TRY(qn_checkpoint_read(ctx, ck, arrays, 2));
    kmeans_centres_set(&fit->centres, (int32_t)k);
    fit->spread = progress.spread;
    model->iterations = iteration;
    model->training_cost = progress.training_cost;
    model->has_converged = progress.has_converged != 0;
    *is_resumed = true;
done:
    return st;
}

qn_status kmeans_save_state(const kmeans_fit *fit, const qn_kmeans_model *model)
{
    qn_checkpoint *ck = qn_checkpoint_attached(fit->ctx);
    kmeans_state progress = {model->has_converged, fit->spread, model->training_cost};
    qn_checkpoint_array arrays[2];
    qn_status st = QN_OK;
    bool due = false;

    state_of(fit, &progress, fit->centres.view.k, arrays);
    QN_TRY(qn_checkpoint_is_due(fit->ctx, ck, model->iterations, arrays, 2, &due));
    if (due)
        QN_TRY(qn_checkpoint_save(fit->ctx, ck, model->iterations, arrays, 2));
done:
    return st;
}
