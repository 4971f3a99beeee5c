/* Validation ratings. They stay where they are in both orientations and are passed over when
 * ratings are decoded; which they are is a function of their two ids and the seed, so duplicates
 * share a fate. A row left without training ratings gets factors of 0, and pairs with such a row
 * are not scored. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "ml/als/als_impl.h"

bool als_holdout_has(const als_holdout *holdout, qn_side side, uint64_t row_key, uint32_t other)
{
    const uint64_t other_key =
        holdout->key[side == QN_SIDE_USER ? QN_SIDE_ITEM : QN_SIDE_USER][other];
    const uint64_t user = side == QN_SIDE_USER ? row_key : other_key;
    const uint64_t item = side == QN_SIDE_USER ? other_key : row_key;
    const qn_random random = qn_philox(holdout->seed, QN_STREAM_VALIDATION, user, item);

    return qn_uniform(&random, 0) < holdout->share;
}

void als_holdout_release(als_holdout *holdout)
{
    qn_free(holdout->key[QN_SIDE_USER]);
    qn_free(holdout->key[QN_SIDE_ITEM]);
    *holdout = (als_holdout){0};
}

static float als_entry_value(const als_fit *fit, const als_entries *part, int64_t i)
{
    return part->code ? fit->ratings->value[part->code[i]] : part->value[i];
}

/* Training ratings of each row, and for users their sum. */
static void als_count_row(als_fit *fit, const als_side *side, uint32_t row, const als_entries *part)
{
    double *sum = side->side == QN_SIDE_USER ? &fit->row_value[row - side->first_row] : NULL;

    for (int64_t i = 0; i < part->n; i++) {
        if (als_holdout_has(&fit->holdout, side->side, part->key, part->index[i]))
            continue;
        side->n_training[row]++;
        if (sum)
            *sum += (double)als_entry_value(fit, part, i);
    }
}

static qn_status als_count_training(als_fit *fit, als_side *side)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;

    QN_TRY_ALL(als_visit_rows(fit, side->side, als_count_row));
    QN_TRY(als_share_rows(fit, side, side->n_training, sizeof *side->n_training));
done:
    return st;
}

static qn_status als_holdout_alloc(als_fit *fit)
{
    qn_status st = QN_OK;

    for (int32_t s = 0; s < 2; s++) {
        als_side *side = &fit->side[s];

        QN_NEW(fit->ctx, fit->holdout.key[s], side->ids->n, "keys of ids");
        QN_NEW0(fit->ctx, side->n_training, side->ids->n, "counts of training ratings");
        for (int64_t i = 0; i < side->ids->n; i++)
            fit->holdout.key[s][i] = als_id_key(side->ids, i);
    }
done:
    return st;
}

qn_status als_holdout_make(als_fit *fit)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    double sum = fit->ratings->sum_ratings;

    fit->n_training = fit->ratings->n_ratings;
    if (fit->params->early_stop > 0) {
        fit->holdout.seed = fit->params->seed;
        fit->holdout.share = fit->params->validation;
        QN_TRY_ALL(als_holdout_alloc(fit));
        QN_TRY(als_count_training(fit, &fit->side[QN_SIDE_USER]));
        QN_TRY(als_count_training(fit, &fit->side[QN_SIDE_ITEM]));
        QN_TRY(als_sum_rows(fit, fit->row_value, &sum));
        fit->n_training = 0;
        for (int64_t u = 0; u < fit->ratings->users.n; u++)
            fit->n_training += fit->side[QN_SIDE_USER].n_training[u];
        if (fit->n_training == 0 || fit->n_training == fit->ratings->n_ratings)
            QN_TRY(qn_fail(ctx, QN_EINVAL,
                           "validation %g of %lld ratings leaves none to %s: give more ratings or "
                           "another --validation, or leave out --early-stop",
                           fit->params->validation, (long long)fit->ratings->n_ratings,
                           fit->n_training == 0 ? "train with" : "validate with"));
        fit->eq.holdout = &fit->holdout;
    }
    fit->eq.mean = (float)(sum / (double)fit->n_training);
done:
    return st;
}

/* Sum of an item's training ratings, in order. */
static void als_sum_item(als_fit *fit, const als_side *side, uint32_t row, const als_entries *part)
{
    for (int64_t i = 0; i < part->n; i++)
        if (!fit->eq.holdout ||
            !als_holdout_has(&fit->holdout, side->side, part->key, part->index[i]))
            fit->item_sum[row - side->first_row] += (double)als_entry_value(fit, part, i);
}

qn_status als_count_items(als_fit *fit, qn_als_model *model)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const als_side *items = &fit->side[QN_SIDE_ITEM];
    const uint32_t *count = fit->eq.holdout ? items->n_training : items->rows->degree;

    memcpy(model->item_count, count, (size_t)model->items.n * sizeof *count);
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&fit->item_sum, items->end_row - items->first_row,
                               sizeof *fit->item_sum, "sums of items"));
    QN_TRY_ALL(als_visit_rows(fit, QN_SIDE_ITEM, als_sum_item));
    for (int64_t i = items->first_row; i < items->end_row; i++)
        if (count[i] > 0)
            model->item_mean[i] = (float)(fit->item_sum[i - items->first_row] / count[i]);
        else
            model->item_mean[i] = fit->eq.mean;
    QN_TRY(als_share_rows(fit, items, model->item_mean, sizeof *model->item_mean));
done:
    qn_free(fit->item_sum);
    fit->item_sum = NULL;
    return st;
}

static double als_dot(int64_t n, const float *x, const float *y)
{
    double sum = 0;

    for (int64_t f = 0; f < n; f++)
        sum += (double)x[f] * (double)y[f];
    return sum;
}

/* Squared errors of a user's validation ratings. */
static void als_score_row(als_fit *fit, const als_side *side, uint32_t row, const als_entries *part)
{
    const als_side *items = &fit->side[QN_SIDE_ITEM];
    const int64_t stride = fit->eq.stride;
    const int32_t rank = fit->params->rank;
    const float *x = side->factors + row * stride;

    if (side->n_training[row] == 0)
        return;
    for (int64_t i = 0; i < part->n; i++) {
        const float *y = items->factors + part->index[i] * stride;
        const float rating = als_entry_value(fit, part, i);
        double error = fit->params->implicit_prefs ? (double)(rating > 0) : (double)rating;

        if (items->n_training[part->index[i]] == 0 ||
            !als_holdout_has(&fit->holdout, side->side, part->key, part->index[i]))
            continue;
        error -= als_dot(rank, x, y);
        if (fit->params->bias == QN_ALS_BIAS_FULL)
            error -= (double)fit->eq.mean + (double)x[rank + 1] + (double)y[rank + 1];
        fit->row_value[row - side->first_row] += error * error;
        fit->row_scored[row - side->first_row]++;
    }
}

qn_status als_holdout_rmse(als_fit *fit, double *rmse)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const als_side *users = &fit->side[QN_SIDE_USER];
    const int64_t n = users->end_row - users->first_row;
    int64_t scored = 0;
    double sum = 0;

    memset(fit->row_value, 0, (size_t)n * sizeof *fit->row_value);
    memset(fit->row_scored, 0, (size_t)n * sizeof *fit->row_scored);
    QN_TRY_ALL(als_visit_rows(fit, QN_SIDE_USER, als_score_row));
    QN_TRY(als_sum_rows(fit, fit->row_value, &sum));
    for (int64_t i = 0; i < n; i++)
        scored += fit->row_scored[i];
    QN_TRY(qn_comm_sum_int64(ctx, &scored, 1));
    if (scored == 0)
        QN_TRY(qn_fail(ctx, QN_EINVAL,
                       "none of the validation ratings is of a user and an item with training "
                       "ratings: lower --validation (it is %g) or leave out --early-stop",
                       fit->params->validation));
    *rmse = sqrt(sum / (double)scored);
    memset(fit->row_value, 0, (size_t)n * sizeof *fit->row_value);
done:
    return st;
}
