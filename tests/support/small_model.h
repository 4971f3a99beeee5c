/* A saved model of two users and three items whose predictions are known by eye:
 *            10 (x)  20 (y)  30 (z)
 * 1 (ann)      4       3       2
 * 2 (bob)      1       2       5
 * item means   4.5     2.5     2      mean of all 3.5 */
#ifndef QN_TESTS_SMALL_MODEL_H
#define QN_TESTS_SMALL_MODEL_H

#include "check.h"

#include "quern/als.h"

static inline qn_status small_ids(qn_context *ctx, const int64_t *number, const char *letters,
                                  int64_t width, int64_t n, bool is_text, qn_ids *ids)
{
    qn_status st = QN_OK;

    *ids = (qn_ids){.type = is_text ? QN_ID_STRING : QN_ID_INT32, .n = n};
    if (!is_text) {
        QN_NEW(ctx, ids->number, n, "ids");
        memcpy(ids->number, number, (size_t)n * sizeof *number);
        return QN_OK;
    }
    QN_NEW(ctx, ids->text, n * width, "ids");
    QN_NEW(ctx, ids->offset, n + 1, "ids");
    memcpy(ids->text, letters, (size_t)(n * width));
    for (int64_t i = 0; i <= n; i++)
        ids->offset[i] = i * width;
done:
    return st;
}

static inline qn_status small_model_make(qn_context *ctx, bool is_text, qn_als_model **out)
{
    static const float users[2][2] = {{1, 0}, {0, 1}}, items[3][2] = {{4, 1}, {3, 2}, {2, 5}};
    static const float means[] = {4.5F, 2.5F, 2};
    qn_als_model *m = NULL;
    qn_status st = QN_OK;

    QN_NEW0(ctx, m, 1, "a model");
    qn_params_init(&qn_als_table, &m->params);
    m->rank = m->params.rank = 2;
    m->stride = 16;
    m->mean_rating = 3.5F;
    m->iterations = 10;
    m->loss = 0.5;
    snprintf(m->user_col, sizeof m->user_col, "userId");
    snprintf(m->item_col, sizeof m->item_col, "movieId");
    snprintf(m->rating_col, sizeof m->rating_col, "rating");
    snprintf(m->prediction_col, sizeof m->prediction_col, "prediction");
    snprintf(m->kernel_set, sizeof m->kernel_set, "reference");
    QN_TRY(small_ids(ctx, (const int64_t[]){1, 2}, "annbob", 3, 2, is_text, &m->users));
    QN_TRY(small_ids(ctx, (const int64_t[]){10, 20, 30}, "xyz", 1, 3, is_text, &m->items));
    QN_NEW0(ctx, m->user_factors, 2 * m->stride, "factors");
    QN_NEW0(ctx, m->item_factors, 3 * m->stride, "factors");
    QN_NEW(ctx, m->item_count, 3, "counts");
    QN_NEW(ctx, m->item_mean, 3, "means");
    for (int64_t i = 0; i < 3; i++) {
        if (i < 2)
            memcpy(m->user_factors + i * m->stride, users[i], sizeof users[i]);
        memcpy(m->item_factors + i * m->stride, items[i], sizeof items[i]);
        m->item_count[i] = 2;
        m->item_mean[i] = means[i];
    }
    *out = m;
    m = NULL;
done:
    qn_als_free(m);
    return st;
}

/* Saves it; false where models cannot be saved, which is said. */
static inline bool small_model_save(qn_context *ctx, const char *path, bool is_text)
{
    qn_als_model *m = NULL;
    qn_status st;

    CHECK_OK(ctx, small_model_make(ctx, is_text, &m));
    st = qn_als_save(ctx, m, path, false, NULL);
    qn_als_free(m);
    if (st == QN_EUNAVAILABLE) {
        print_message("skipped: %s\n", qn_context_error(ctx));
        return false;
    }
    CHECK_OK(ctx, st);
    return true;
}

#endif
