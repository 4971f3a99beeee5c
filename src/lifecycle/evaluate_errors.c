/* Errors of predicted ratings, over the rows that the model can score, and of three baselines over
 * the same rows. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/ratings_block.h"
#include "engine/store.h"
#include "lifecycle/evaluate_impl.h"

#define CHUNK     ((int64_t)1 << 16)
#define NORMAL_95 1.959963984540054

/* Means of the training ratings in the test's numbering; NaN where there are none. */
typedef struct baselines {
    double global;
    double *item, *user; /* [n_items], [n_users] of the test; NULL: unknown */
} baselines;

/* Rows that were scored, as qn_regression_evaluate takes them. */
typedef struct scored {
    int64_t n;
    double *label, *prediction; /* [rows] */
    double *baseline;           /* [rows] scratch */
    uint32_t *user, *item;      /* [rows] of the test */
} scored;

qn_metric qn_metric_of_mean(int64_t n, double sum, double sum_squares)
{
    qn_metric m = {NAN, NAN, NAN};
    double mean, variance, half;

    if (n <= 0)
        return m;
    mean = sum / (double)n;
    m.value = mean;
    if (n == 1)
        return m;
    variance = (sum_squares - sum * mean) / (double)(n - 1);
    half = NORMAL_95 * sqrt(fmax(variance, 0) / (double)n);
    m.low = fmax(mean - half, 0); /* no metric here can be below 0 */
    m.high = mean + half;
    return m;
}

/* From mse's interval to rmse's: a small step of the root is the step over twice the root. */
static qn_metric root_of(qn_metric mse)
{
    const double root = sqrt(mse.value);
    const double half = root > 0 ? (mse.high - mse.value) / (2 * root) : mse.high - mse.value;

    return (qn_metric){root, fmax(root - half, 0), root + half};
}

static void measure(const scored *s, const double *prediction, qn_errors *out)
{
    qn_regression_metrics m;
    double squares = 0, fourths = 0, absolutes = 0;

    memset(out, 0, sizeof *out);
    qn_regression_evaluate(s->n, s->label, prediction, NULL, false, &m);
    for (int64_t i = 0; i < s->n; i++) {
        const double error = s->label[i] - prediction[i];

        squares += error * error;
        fourths += error * error * error * error;
        absolutes += fabs(error);
    }
    out->n = s->n;
    out->mse = m.mse;
    out->r2 = m.r2;
    out->var = m.var;
    out->rmse = root_of(qn_metric_of_mean(s->n, squares, fourths));
    out->mae = qn_metric_of_mean(s->n, absolutes, squares);
    out->rmse.value = m.rmse;
    out->mae.value = m.mae;
}

/* Adds the training ratings up by row of one orientation: sum[n_rows]. Entries of a row lie in a
 * fixed order, so the sums have the same bits whatever the partitions. */
static qn_status sum_rows(qn_context *ctx, const qn_ratings *train, const qn_orientation *o,
                          double *sum)
{
    qn_status st = QN_OK;

    memset(sum, 0, (size_t)o->n_rows * sizeof *sum);
    for (int64_t b = 0; b < qn_store_n_blocks(o->store); b++) {
        qn_ratings_block block;

        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_ratings_block_pin(ctx, o, b, &block));
        for (int64_t s = 0; s < block.n_segments; s++) {
            const qn_segment *segment = &block.segment[s];

            for (uint32_t e = segment->start; e < segment->start + segment->n; e++)
                sum[segment->row] +=
                    block.code ? (double)train->value[block.code[e]] : (double)block.value[e];
        }
        qn_store_unpin(o->store, b);
    }
done:
    return st;
}

/* Mean training rating of each id of the test, through the numbering of the training ratings. */
static qn_status mean_by_id(qn_context *ctx, const qn_ratings *train, const qn_orientation *o,
                            const qn_ids *train_ids, const qn_ids *test_ids, double **mean)
{
    qn_status st = QN_OK;
    double *sum = NULL, *out = NULL;
    int64_t *map = NULL;

    QN_NEW(ctx, sum, o->n_rows, "sums of training ratings");
    QN_NEW(ctx, out, test_ids->n, "mean training ratings");
    QN_NEW(ctx, map, test_ids->n, "test ids in training");
    QN_TRY(sum_rows(ctx, train, o, sum));
    qn_ids_map(test_ids, train_ids, map);
    for (int64_t i = 0; i < test_ids->n; i++)
        out[i] = map[i] >= 0 && o->degree[map[i]] ? sum[map[i]] / (double)o->degree[map[i]] : NAN;
    *mean = out;
    out = NULL;
done:
    qn_free(sum);
    qn_free(out);
    qn_free(map);
    return st;
}

static void baselines_release(baselines *b)
{
    qn_free(b->item);
    qn_free(b->user);
    *b = (baselines){0};
}

/* What the model itself remembers of its training ratings. */
static qn_status baselines_of_model(qn_context *ctx, const qn_als_model *model,
                                    const qn_test_set *set, baselines *b)
{
    qn_status st = QN_OK;

    b->global = (double)model->mean_rating;
    if (!model->item_mean)
        return QN_OK;
    QN_NEW(ctx, b->item, set->n_items, "mean ratings of items");
    for (int64_t i = 0; i < set->n_items; i++)
        b->item[i] = set->item[i] >= 0 ? (double)model->item_mean[set->item[i]] : NAN;
done:
    return st;
}

static qn_status baselines_make(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                                const qn_test_set *set, const qn_ratings *train, baselines *b)
{
    qn_status st = QN_OK;

    *b = (baselines){.global = NAN};
    if (!train)
        return baselines_of_model(ctx, model, set, b);
    b->global = train->n_ratings > 0 ? train->sum_ratings / (double)train->n_ratings : NAN;
    QN_TRY(mean_by_id(ctx, train, &train->by_item, &train->items, &test->items, &b->item));
    QN_TRY(mean_by_id(ctx, train, &train->by_user, &train->users, &test->users, &b->user));
done:
    return st;
}

static void measure_baselines(const scored *s, const baselines *b, qn_evaluation *out)
{
    if (isnan(b->global) || s->n == 0)
        return;
    for (int64_t i = 0; i < s->n; i++)
        s->baseline[i] = b->global;
    measure(s, s->baseline, &out->global_mean);
    if (b->item) {
        for (int64_t i = 0; i < s->n; i++)
            s->baseline[i] = isnan(b->item[s->item[i]]) ? b->global : b->item[s->item[i]];
        measure(s, s->baseline, &out->item_mean);
    }
    if (b->user) {
        for (int64_t i = 0; i < s->n; i++)
            s->baseline[i] = isnan(b->user[s->user[i]]) ? b->global : b->user[s->user[i]];
        measure(s, s->baseline, &out->user_mean);
    }
}

/* A run of rows on its way through the model. */
typedef struct chunk {
    int64_t n;
    int64_t user[CHUNK], item[CHUNK];
    float prediction[CHUNK], label[CHUNK];
    uint32_t test_user[CHUNK], test_item[CHUNK];
} chunk;

static qn_status score_chunk(qn_context *ctx, const qn_als_model *model, chunk *c, scored *s,
                             qn_coverage *coverage)
{
    qn_status st = QN_OK;

    QN_TRY(qn_check_cancel(ctx));
    QN_TRY(qn_als_predict(ctx, model, c->n, c->user, c->item, c->prediction));
    for (int64_t i = 0; i < c->n; i++) {
        const bool no_user = c->user[i] < 0, no_item = c->item[i] < 0;
        const bool is_scored = !isnan(c->prediction[i]);

        coverage->unknown_both += no_user && no_item;
        coverage->unknown_user += no_user && !no_item;
        coverage->unknown_item += no_item && !no_user;
        if (!is_scored)
            continue;
        s->label[s->n] = (double)c->label[i];
        s->prediction[s->n] = (double)c->prediction[i];
        s->user[s->n] = c->test_user[i];
        s->item[s->n] = c->test_item[i];
        s->n++;
    }
    c->n = 0;
done:
    return st;
}

static qn_status score_rows(qn_context *ctx, const qn_als_model *model, const qn_test_set *set,
                            scored *s, qn_coverage *coverage)
{
    qn_status st = QN_OK;
    chunk *c = NULL;

    QN_NEW(ctx, c, 1, "rows being scored");
    c->n = 0;
    for (int64_t u = 0; u < set->n_users; u++)
        for (int64_t i = set->start[u]; i < set->start[u + 1]; i++) {
            c->user[c->n] = set->user[u];
            c->item[c->n] = set->item[set->rating[i].item];
            c->label[c->n] = set->rating[i].value;
            c->test_user[c->n] = (uint32_t)u;
            c->test_item[c->n] = set->rating[i].item;
            if (++c->n == CHUNK)
                QN_TRY(score_chunk(ctx, model, c, s, coverage));
        }
    QN_TRY(score_chunk(ctx, model, c, s, coverage));
    coverage->rows = set->n;
    coverage->rows_scored = s->n;
done:
    qn_free(c);
    return st;
}

static void count_ids(const qn_test_set *set, qn_coverage *coverage)
{
    coverage->users = set->n_users;
    coverage->items = set->n_items;
    for (int64_t u = 0; u < set->n_users; u++)
        coverage->users_known += set->user[u] >= 0;
    for (int64_t i = 0; i < set->n_items; i++)
        coverage->items_known += set->item[i] >= 0;
}

qn_status qn_evaluate_errors(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                             const qn_test_set *set, const qn_ratings *train, qn_evaluation *out)
{
    qn_status st = QN_OK;
    scored s = {0};
    baselines b = {0};

    QN_NEW(ctx, s.label, set->n, "scored rows");
    QN_NEW(ctx, s.prediction, set->n, "scored rows");
    QN_NEW(ctx, s.baseline, set->n, "scored rows");
    QN_NEW(ctx, s.user, set->n, "scored rows");
    QN_NEW(ctx, s.item, set->n, "scored rows");
    count_ids(set, &out->coverage);
    QN_TRY(score_rows(ctx, model, set, &s, &out->coverage));
    measure(&s, s.prediction, &out->model);
    QN_TRY(baselines_make(ctx, model, test, set, train, &b));
    measure_baselines(&s, &b, out);
done:
    baselines_release(&b);
    qn_free(s.label);
    qn_free(s.prediction);
    qn_free(s.baseline);
    qn_free(s.user);
    qn_free(s.item);
    return st;
}
