/* Errors of predicted ratings, over the rows that the model can score, and of three baselines over
 * the same rows. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/ratings_block.h"
#include "engine/cell.h"
#include "engine/comm.h"
#include "engine/store.h"
#include "lifecycle/evaluate_impl.h"

#define CHUNK     ((int64_t)1 << 18)
#define NORMAL_95 1.959963984540054

/* Means of the training ratings in the test's numbering; NaN where there are none. */
typedef struct baselines {
    double global;
    double *item; /* [n_items]; NULL: unknown */
    double *user; /* [users of this rank]; NULL: unknown */
} baselines;

/* Who predicts. */
enum { BY_MODEL, BY_GLOBAL_MEAN, BY_ITEM_MEAN, BY_USER_MEAN, N_BY };

/* Sums of the first pass: of labels, then of each predictor's errors squared, absolute and to the
 * fourth; of the second: spreads of the labels and of each prediction around the mean label. */
enum {
    SUM_LABEL,
    SUM_SQUARES,
    SUM_ABSOLUTES = SUM_SQUARES + N_BY,
    SUM_FOURTHS = SUM_ABSOLUTES + N_BY,
    SPREAD_LABEL = 0,
    SPREAD_EXPLAINED
};
_Static_assert(SUM_FOURTHS + N_BY <= QN_TEST_SUMS, "sums of errors");

/* A run of rows on its way through the model. */
typedef struct chunk {
    int64_t user[CHUNK], item[CHUNK];
    float prediction[CHUNK];
} chunk;

/* A pass over the rows of this rank. */
typedef struct pass {
    qn_context *ctx;
    const qn_als_model *model;
    const qn_test_set *set;
    const baselines *base;
    chunk *chunk;
    qn_test_sums sums;
    qn_coverage *coverage; /* counts of this rank's rows; NULL in the second pass */
    double mean;           /* of the labels, in the second pass */
} pass;

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

/* ---- baselines ---- */

/* Adds the training ratings up by row of one orientation, the rows of this rank. Entries of a row
 * lie in a fixed order, so the sums have the same bits whatever the partitions. */
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

/* Each rank's rows to all. Collective. */
static qn_status share_rows(qn_context *ctx, const qn_orientation *o, double *sum)
{
    const int32_t n_ranks = qn_size(ctx);
    qn_status st = QN_OK;
    size_t *bytes = NULL;
    int64_t first = 0, end = 0;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&bytes, n_ranks, sizeof *bytes, "sums of workers"));
    for (int32_t r = 0; r < n_ranks; r++) {
        qn_partition_rows_of_rank(o->partitioning, r, &first, &end);
        bytes[r] = (size_t)(end - first) * sizeof *sum;
    }
    qn_partition_rows_of_rank(o->partitioning, qn_rank(ctx), &first, &end);
    QN_TRY(qn_comm_allgatherv(ctx, sum + first, bytes[qn_rank(ctx)], sum, bytes));
done:
    qn_free(bytes);
    return st;
}

typedef struct id_range {
    const qn_ids *ids;
    int64_t first, end;
} id_range;

static qn_status take_means(qn_context *ctx, const qn_orientation *o, const qn_ids *train_ids,
                            const id_range *test, const double *sum, double **mean)
{
    const int64_t n = test->end - test->first;
    qn_status st = QN_OK;
    double *out = NULL;
    int64_t *map = NULL;

    QN_NEW(ctx, out, n, "mean training ratings");
    QN_NEW(ctx, map, n, "test ids in training");
    qn_ids_map(test->ids, test->first, test->end, train_ids, map);
    for (int64_t i = 0; i < n; i++)
        out[i] = map[i] >= 0 && o->degree[map[i]] ? sum[map[i]] / (double)o->degree[map[i]] : NAN;
    *mean = out;
    out = NULL;
done:
    qn_free(out);
    qn_free(map);
    return st;
}

/* Mean training rating of each of these ids of the test, through the numbering of the training
 * ratings. Collective. */
static qn_status mean_by_id(qn_context *ctx, const qn_ratings *train, const qn_orientation *o,
                            const qn_ids *train_ids, const id_range *test, double **mean)
{
    qn_status st = QN_OK;
    double *sum = NULL;

    QN_TRY_ALL(
        qn_alloc_array(ctx, (void **)&sum, o->n_rows, sizeof *sum, "sums of training ratings"));
    QN_TRY_ALL(sum_rows(ctx, train, o, sum));
    QN_TRY(share_rows(ctx, o, sum));
    QN_TRY_ALL(take_means(ctx, o, train_ids, test, sum, mean));
done:
    qn_free(sum);
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

/* Collective. */
static qn_status baselines_make(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                                const qn_test_set *set, const qn_ratings *train, baselines *b)
{
    const id_range items = {&test->items, 0, set->n_items};
    const id_range users = {&test->users, set->first_user, set->end_user};
    qn_status st = QN_OK;

    *b = (baselines){.global = NAN};
    if (!train) {
        QN_TRY_ALL(baselines_of_model(ctx, model, set, b));
        return QN_OK;
    }
    b->global = train->n_ratings > 0 ? train->sum_ratings / (double)train->n_ratings : NAN;
    QN_TRY(mean_by_id(ctx, train, &train->by_item, &train->items, &items, &b->item));
    QN_TRY(mean_by_id(ctx, train, &train->by_user, &train->users, &users, &b->user));
done:
    return st;
}

static double or_global(const baselines *b, const double *mean, int64_t i)
{
    return mean && !isnan(mean[i]) ? mean[i] : b->global;
}

/* ---- passes over the rows ---- */

static void add_errors(pass *p, const double *prediction, double label, double *sums)
{
    (void)p;
    sums[SUM_LABEL] += label;
    for (int32_t by = 0; by < N_BY; by++) {
        const double error = label - prediction[by];

        sums[SUM_SQUARES + by] += error * error;
        sums[SUM_ABSOLUTES + by] += fabs(error);
        sums[SUM_FOURTHS + by] += error * error * error * error;
    }
}

static void add_spreads(pass *p, const double *prediction, double label, double *sums)
{
    sums[SPREAD_LABEL] += (label - p->mean) * (label - p->mean);
    for (int32_t by = 0; by < N_BY; by++)
        sums[SPREAD_EXPLAINED + by] += (prediction[by] - p->mean) * (prediction[by] - p->mean);
}

static void count_row(qn_coverage *coverage, bool no_user, bool no_item, bool is_scored)
{
    coverage->rows_scored += is_scored;
    coverage->unknown_both += no_user && no_item;
    coverage->unknown_user += no_user && !no_item;
    coverage->unknown_item += no_item && !no_user;
}

static qn_status pass_chunk(pass *p, const qn_triples_view *view, int64_t first, int64_t n)
{
    const qn_test_set *set = p->set;
    chunk *c = p->chunk;
    qn_status st = QN_OK;

    QN_TRY(qn_check_cancel(p->ctx));
    for (int64_t i = 0; i < n; i++) {
        c->user[i] = set->user[view->user[first + i] - set->first_user];
        c->item[i] = set->item[view->item[first + i]];
    }
    QN_TRY(qn_als_predict(p->ctx, p->model, n, c->user, c->item, c->prediction));
    for (int64_t i = 0; i < n; i++) {
        const uint32_t user = view->user[first + i], item = view->item[first + i];
        const bool is_scored = !isnan(c->prediction[i]);
        double said[N_BY];

        if (p->coverage)
            count_row(p->coverage, c->user[i] < 0, c->item[i] < 0, is_scored);
        if (!is_scored)
            continue;
        said[BY_MODEL] = (double)c->prediction[i];
        said[BY_GLOBAL_MEAN] = p->base->global;
        said[BY_ITEM_MEAN] = or_global(p->base, p->base->item, item);
        said[BY_USER_MEAN] = or_global(p->base, p->base->user, user - set->first_user);
        if (p->coverage)
            add_errors(p, said, (double)view->value[first + i], qn_test_sums_of(&p->sums, user));
        else
            add_spreads(p, said, (double)view->value[first + i], qn_test_sums_of(&p->sums, user));
    }
done:
    return st;
}

static qn_status pass_rows(pass *p)
{
    const qn_triples *rows = p->set->rows;
    qn_status st = QN_OK;

    for (int64_t b = 0; b < qn_triples_n_blocks(rows) && st == QN_OK; b++) {
        qn_triples_view view;

        QN_TRY(qn_triples_pin(p->ctx, rows, b, &view));
        for (int64_t first = 0; first < view.n && st == QN_OK; first += CHUNK)
            st = pass_chunk(p, &view, first, view.n - first < CHUNK ? view.n - first : CHUNK);
        qn_triples_unpin(rows, b);
    }
done:
    return st;
}

/* Collective. */
static qn_status pass_all(pass *p, double *total)
{
    qn_context *ctx = p->ctx;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_test_sums_open(ctx, p->set, &p->sums));
    QN_TRY_ALL(pass_rows(p));
    QN_TRY(qn_test_sums_finish(&p->sums, total));
done:
    qn_test_sums_close(&p->sums);
    return st;
}

/* ---- figures ---- */

/* qn_regression_evaluate's definitions, all weights 1. */
static void take_errors(int64_t n, const double *sum, const double *spread, int32_t by,
                        qn_errors *out)
{
    const double count = (double)n, freedom = count - count / count;
    const double squares = sum[SUM_SQUARES + by], absolutes = sum[SUM_ABSOLUTES + by];

    out->n = n;
    out->mse = squares / count;
    out->r2 = 1 - squares / (spread[SPREAD_LABEL] / freedom * (count - 1));
    out->var = spread[SPREAD_EXPLAINED + by] / count;
    out->rmse = root_of(qn_metric_of_mean(n, squares, sum[SUM_FOURTHS + by]));
    out->mae = qn_metric_of_mean(n, absolutes, squares);
    out->rmse.value = sqrt(out->mse);
    out->mae.value = absolutes / count;
}

static void take_all(int64_t n, const baselines *b, const double *sum, const double *spread,
                     qn_evaluation *out)
{
    take_errors(n, sum, spread, BY_MODEL, &out->model);
    if (isnan(b->global) || n == 0)
        return;
    take_errors(n, sum, spread, BY_GLOBAL_MEAN, &out->global_mean);
    if (b->item)
        take_errors(n, sum, spread, BY_ITEM_MEAN, &out->item_mean);
    if (b->user)
        take_errors(n, sum, spread, BY_USER_MEAN, &out->user_mean);
}

/* Counts of this rank become those of all. Collective. */
static qn_status sum_coverage(qn_context *ctx, const qn_test_set *set, qn_coverage *coverage)
{
    int64_t count[5] = {coverage->rows_scored, coverage->unknown_user, coverage->unknown_item,
                        coverage->unknown_both, 0};
    qn_status st = QN_OK;

    for (int64_t u = 0; u < set->end_user - set->first_user; u++)
        count[4] += set->user[u] >= 0;
    QN_TRY(qn_comm_sum_int64(ctx, count, 5));
    *coverage = (qn_coverage){.rows = set->n_rows,
                              .rows_scored = count[0],
                              .unknown_user = count[1],
                              .unknown_item = count[2],
                              .unknown_both = count[3],
                              .users = set->n_users,
                              .users_known = count[4],
                              .items = set->n_items};
    for (int64_t i = 0; i < set->n_items; i++)
        coverage->items_known += set->item[i] >= 0;
done:
    return st;
}

qn_status qn_evaluate_errors(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                             const qn_test_set *set, const qn_ratings *train, qn_evaluation *out)
{
    qn_status st = QN_OK;
    baselines b = {0};
    pass p = {.ctx = ctx, .model = model, .set = set, .base = &b, .coverage = &out->coverage};
    double sum[QN_TEST_SUMS], spread[QN_TEST_SUMS];

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&p.chunk, 1, sizeof *p.chunk, "rows being scored"));
    QN_TRY(baselines_make(ctx, model, test, set, train, &b));
    QN_TRY(pass_all(&p, sum));
    QN_TRY(sum_coverage(ctx, set, &out->coverage));
    p.coverage = NULL;
    p.mean = sum[SUM_LABEL] / (double)out->coverage.rows_scored;
    QN_TRY(pass_all(&p, spread));
    take_all(out->coverage.rows_scored, &b, sum, spread, out);
done:
    baselines_release(&b);
    qn_free(p.chunk);
    return st;
}
