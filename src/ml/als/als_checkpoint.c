/* The state of a fit after whole sweeps, saved and taken up. Everything else is made anew from the
 * ratings and the parameters. */
#include "engine/checkpoint.h"
#include "ml/als/als_impl.h"

#define ALS_STATE_ARRAYS 5

/* Rows of this rank, to be saved; `progress` is written by rank 0. Returns how many arrays. */
static int32_t als_state(const als_fit *fit, als_progress *progress,
                         qn_checkpoint_array arrays[ALS_STATE_ARRAYS])
{
    static const char *const name[2][2] = {{"users", "items"}, {"best_users", "best_items"}};
    const size_t row_bytes = (size_t)fit->eq.stride * sizeof(float);
    int32_t n = 0;

    for (int32_t best = 0; best < 2; best++)
        for (int32_t s = 0; s < 2; s++) {
            const als_side *side = &fit->side[s];
            float *factors = best ? fit->best[s] : side->factors;

            if (factors)
                arrays[n++] = (qn_checkpoint_array){name[best][s], side->ids->n,    row_bytes,
                                                    factors,       side->first_row, side->end_row};
        }
    arrays[n++] =
        (qn_checkpoint_array){"progress", 1, sizeof *progress, progress, 0, qn_rank(fit->ctx) == 0};
    return n;
}

qn_status als_resume(als_fit *fit, als_progress *progress)
{
    qn_checkpoint *ck = qn_checkpoint_attached(fit->ctx);
    const qn_checkpoint_key key = {"als", &qn_als_table, fit->params, "max_iter",
                                   fit->ratings->fingerprint};
    qn_checkpoint_array arrays[ALS_STATE_ARRAYS];
    qn_status st = QN_OK;
    int32_t sweep = 0;

    *progress = (als_progress){0};
    QN_TRY(qn_checkpoint_begin(fit->ctx, ck, &key, &sweep));
    if (sweep > 0) {
        QN_TRY(qn_checkpoint_read(fit->ctx, ck, arrays, als_state(fit, progress, arrays)));
        fit->n_ridged = qn_rank(fit->ctx) == 0 ? progress->n_ridged : 0;
    }
done:
    return st;
}

qn_status als_save_state(als_fit *fit, als_progress *progress)
{
    qn_checkpoint *ck = qn_checkpoint_attached(fit->ctx);
    qn_checkpoint_array arrays[ALS_STATE_ARRAYS];
    const int32_t n = als_state(fit, progress, arrays);
    const int32_t sweep = (int32_t)progress->sweep;
    qn_status st = QN_OK;
    bool due = false;

    QN_TRY(qn_checkpoint_is_due(fit->ctx, ck, sweep, arrays, n, &due));
    if (!due)
        return QN_OK;
    progress->n_ridged = fit->n_ridged;
    QN_TRY(qn_comm_sum_int64(fit->ctx, &progress->n_ridged, 1));
    QN_TRY(qn_checkpoint_save(fit->ctx, ck, sweep, arrays, n));
done:
    return st;
}
