/* Predictions for pairs: one dot product each, as Spark computes it. */
#include <math.h>

#include "ml/als/als_impl.h"

/* Pairs a task scores. */
#define ALS_PREDICT_PAIRS 65536

typedef struct als_pairs {
    qn_context *ctx;
    const qn_als_model *model;
    int64_t n;
    const int64_t *user, *item;
    float *out;
} als_pairs;

static float als_cold_value(const qn_als_model *model, int64_t item)
{
    switch (model->params.cold_start) {
    case QN_COLD_MEAN:
        return model->mean_rating;
    case QN_COLD_POPULAR:
        return item >= 0 && model->item_mean ? model->item_mean[item] : model->mean_rating;
    default:
        return NAN;
    }
}

static qn_status als_bad_index(const als_pairs *p, int64_t i)
{
    return qn_fail(p->ctx, QN_EINVAL,
                   "pair %lld: user %lld, item %lld: a model of %lld users and %lld items takes "
                   "indices below those and -1 for unknown",
                   (long long)i, (long long)p->user[i], (long long)p->item[i],
                   (long long)p->model->users.n, (long long)p->model->items.n);
}

static qn_status als_predict_task(void *arg, int64_t task, int32_t thread)
{
    qn_status st = QN_OK;
    const als_pairs *p = arg;
    const qn_als_model *m = p->model;
    const int64_t first = task * ALS_PREDICT_PAIRS;
    const int64_t end = first + ALS_PREDICT_PAIRS < p->n ? first + ALS_PREDICT_PAIRS : p->n;

    (void)thread;
    QN_TRY(qn_check_cancel(p->ctx));
    for (int64_t i = first; i < end; i++) {
        const int64_t user = p->user[i];
        const int64_t item = p->item[i];

        if (user < -1 || user >= m->users.n || item < -1 || item >= m->items.n)
            return als_bad_index(p, i);
        p->out[i] = user < 0 || item < 0 ? als_cold_value(m, item)
                                         : qn_dot_spark(m->rank, m->user_factors + user * m->stride,
                                                        m->item_factors + item * m->stride);
    }
done:
    return st;
}

qn_status qn_als_predict(qn_context *ctx, const qn_als_model *model, int64_t n, const int64_t *user,
                         const int64_t *item, float *out)
{
    als_pairs pairs = {ctx, model, n, user, item, out};

    return qn_parallel(ctx, (n + ALS_PREDICT_PAIRS - 1) / ALS_PREDICT_PAIRS, als_predict_task,
                       &pairs);
}
