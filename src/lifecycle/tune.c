#include "lifecycle/tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "base/rng.h"
#include "data/sides.h"
#include "data/triples_blocks.h"
#include "engine/comm.h"
#include "lifecycle/events.h"
#include "lifecycle/tune_grid.h"
#include "ml/model_dir.h"

static const qn_param tune_als_params[] = {
    QN_PARAM_STRING(qn_tune_als_options, grid, NULL, "NAME=V,V",
                    "values to try of a parameter of als; may be given several times",
                    .required = true),
    QN_PARAM_STRING(qn_tune_als_options, split, NULL, "HOW",
                    "judge on a part: random:0.8, temporal:0.8 or leave-one-out; random:0.8 if "
                    "neither this nor --folds is given",
                    .group = "Judging"),
    QN_PARAM(qn_tune_als_options, split_seed, 42, INT64_MIN, INT64_MAX,
             "seed of a random split and of folds", .group = "Judging"),
    QN_PARAM(qn_tune_als_options, folds, 0, 0, 100,
             "cross-validate with that many folds, 2 or more; 0: a split", .aliases = "num_folds",
             .group = "Judging"),
    QN_PARAM_CHOICE_OF(qn_tune_als_options, metric, 0, QN_TUNE_METRIC_CHOICES,
                       "what decides; auto: rmse, for implicit feedback ndcg; where an error "
                       "decides, rankings are judged for implicit feedback alone",
                       .group = "Judging"),
    QN_PARAM_STRING(qn_tune_als_options, model, NULL, "DIR",
                    "fit the best again on all ratings and save it here"),
    QN_PARAM_FLAG(qn_tune_als_options, overwrite, "replace a model that is there"),
};

const qn_params qn_tune_als_table = {
    .name = "tune als",
    .param = tune_als_params,
    .n = (int64_t)(sizeof tune_als_params / sizeof tune_als_params[0]),
    .struct_size = sizeof(qn_tune_als_options),
};

/* In the order of QN_TUNE_METRIC_CHOICES. */
enum {
    METRIC_AUTO,
    METRIC_RMSE,
    METRIC_MAE,
    METRIC_PRECISION,
    METRIC_RECALL,
    METRIC_NDCG,
    METRIC_MAP
};

typedef struct tune_job {
    qn_context *ctx;
    const qn_tune_als_options *options;
    const qn_ratings_options *input;
    const qn_als_params *als;
    const qn_ranking_options *ranking;
    qn_tune_result *result;
    qn_split_spec split;
    qn_triples *all;
    int64_t n_ratings; /* of all ranks */
    qn_sides *fold;    /* 0 .. folds - 1; of a split: 1 test */
    uint8_t **drawn;   /* [threads] of a block; made when a thread comes first */
    double *score;     /* [points x folds] of the metric */
} tune_job;

static qn_status check(tune_job *job)
{
    const qn_tune_als_options *o = job->options;
    qn_context *ctx = job->ctx;
    qn_tune_result *result = job->result;
    qn_out_dir dir = {0};
    qn_status st = QN_OK;

    if (o->split && o->folds > 0)
        return qn_fail(ctx, QN_EINVAL, "--split and --folds exclude each other");
    if (o->folds == 1)
        return qn_fail(ctx, QN_EINVAL, "--folds 1 leaves nothing to train on: give 2 or more");
    QN_TRY(qn_params_check(ctx, &qn_als_table, job->als));
    QN_TRY(qn_params_check(ctx, &qn_ranking_table, job->ranking));
    if (o->folds == 0)
        QN_TRY(qn_split_parse(ctx, o->split ? o->split : "random:0.8", o->split_seed, &job->split));
    QN_TRY(qn_tune_grid(ctx, &o->grid, job->als, &result->row, &result->n_rows));
    result->folds = o->folds > 0 ? o->folds : 1;
    result->metric = o->metric;
    if (o->metric == METRIC_AUTO)
        result->metric = result->row[0].params.implicit_prefs ? METRIC_NDCG : METRIC_RMSE;
    if (result->metric >= METRIC_PRECISION && job->ranking->ranking_users < 0)
        return qn_fail(ctx, QN_EINVAL, "a ranking metric decides, but --ranking-users is -1: none");
    if (o->model && qn_rank(ctx) == 0) {
        QN_TRY(qn_model_dir_open(ctx, o->model, o->overwrite, &dir));
        qn_out_dir_abandon(&dir);
    }
done:
    return st;
}

static uint64_t id_key(const qn_ids *ids, uint32_t i)
{
    return ids->type == QN_ID_STRING
               ? qn_text_key(ids->text + ids->offset[i], ids->offset[i + 1] - ids->offset[i])
               : (uint64_t)ids->number[i];
}

/* The fold of a rating depends on its ids alone. */
static qn_status draw_folds(void *arg, const qn_triples_view *view, int64_t block, int32_t thread)
{
    const tune_job *job = arg;
    const qn_triples *t = job->all;
    qn_context *ctx = job->ctx;
    uint8_t *drawn;
    qn_status st = QN_OK;

    if (!job->drawn[thread])
        QN_NEW(ctx, job->drawn[thread], qn_triples_max_rows(t), "folds of ratings");
    drawn = job->drawn[thread];
    for (int64_t i = 0; i < view->n; i++) {
        const qn_random random =
            qn_philox(job->options->split_seed, QN_STREAM_FOLD, id_key(&t->users, view->user[i]),
                      id_key(&t->items, view->item[i]));

        drawn[i] = (uint8_t)(qn_uniform(&random, 0) * job->options->folds);
    }
    QN_TRY(qn_sides_put(ctx, job->fold, block, drawn));
done:
    return st;
}

static qn_status make_room(tune_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    if (job->options->folds > 0)
        QN_TRY(qn_sides_create(ctx, job->all, job->options->folds, &job->fold));
    QN_NEW0(ctx, job->drawn, qn_context_threads(ctx), "folds of ratings");
    QN_NEW(ctx, job->score, job->result->n_rows * job->result->folds, "scores of the grid");
done:
    return st;
}

/* Collective. */
static qn_status read_all(tune_job *job)
{
    qn_context *ctx = job->ctx;
    const qn_on_duplicate rule = (qn_on_duplicate)job->input->on_duplicate;
    const bool need_time = rule == QN_DUPLICATE_LATEST || job->split.kind == QN_SPLIT_TEMPORAL ||
                           job->split.kind == QN_SPLIT_LEAVE_ONE_OUT;
    qn_tune_result *result = job->result;
    qn_status st = QN_OK;

    QN_TRY(qn_triples_read(ctx, job->input, need_time, need_time, &job->all));
    QN_TRY(qn_triples_merge_duplicates(ctx, &job->all, rule));
    QN_TRY_ALL(make_room(job));
    if (job->options->folds > 0)
        QN_TRY_ALL(qn_triples_each(ctx, job->all, draw_folds, job));
    else
        QN_TRY(qn_triples_split(ctx, job->all, &job->split, &job->fold));
    job->n_ratings = job->all->n;
    QN_TRY(qn_comm_sum_int64(ctx, &job->n_ratings, 1));
    result->counts = job->all->counts;
    result->n_users = job->all->users.n;
    result->n_items = job->all->items.n;
    result->n_ratings = job->n_ratings;
done:
    return st;
}

/* Training ratings and test triples of one fold. Collective. */
static qn_status cut_fold(tune_job *job, int32_t fold, qn_ratings **train, qn_triples **test)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;
    const uint8_t tested = job->options->folds > 0 ? (uint8_t)fold : 1;
    const qn_choice out = {job->fold, tested, false}, in = {job->fold, tested, true};
    qn_triples *rest = NULL;
    int64_t n[2];

    QN_TRY(qn_triples_take(ctx, job->all, &out, false, test));
    QN_TRY(qn_triples_take(ctx, job->all, &in, true, &rest));
    n[0] = rest->n;
    n[1] = (*test)->n;
    QN_TRY(qn_comm_sum_int64(ctx, n, 2));
    if (n[0] == 0 || n[1] == 0)
        st = qn_fail(ctx, QN_EDATA, "%lld ratings are too few to cut: a part is empty",
                     (long long)job->n_ratings);
    else
        QN_TRY(qn_ratings_from_triples(ctx, &rest, job->input->partitions, train));
done:
    qn_triples_free(rest);
    return st;
}

static double metric_of(const qn_evaluation *e, int32_t metric)
{
    switch (metric) {
    case METRIC_RMSE:
        return e->model.rmse.value;
    case METRIC_MAE:
        return e->model.mae.value;
    case METRIC_PRECISION:
        return e->ranking.precision.value;
    case METRIC_RECALL:
        return e->ranking.recall.value;
    case METRIC_MAP:
        return e->ranking.map.value;
    default:
        return e->ranking.ndcg.value;
    }
}

/* A fold that could not be judged makes the mean NaN. */
static void add_mean(double *mean, double value, int32_t fold, int32_t folds)
{
    *mean = (fold == 0 ? 0 : *mean) + value / folds;
}

static void take_scores(tune_job *job, int64_t point, int32_t fold, const qn_evaluation *e)
{
    qn_tune_result *result = job->result;
    qn_tune_row *row = &result->row[point];

    add_mean(&row->rmse, metric_of(e, METRIC_RMSE), fold, result->folds);
    add_mean(&row->mae, metric_of(e, METRIC_MAE), fold, result->folds);
    add_mean(&row->precision, metric_of(e, METRIC_PRECISION), fold, result->folds);
    add_mean(&row->recall, metric_of(e, METRIC_RECALL), fold, result->folds);
    add_mean(&row->ndcg, metric_of(e, METRIC_NDCG), fold, result->folds);
    add_mean(&row->map, metric_of(e, METRIC_MAP), fold, result->folds);
    row->rows_scored += e->coverage.rows_scored;
    job->score[point * result->folds + fold] = metric_of(e, result->metric);
}

static qn_status judge_point(tune_job *job, int64_t point, int32_t fold, const qn_ratings *train,
                             const qn_triples *test)
{
    qn_context *ctx = job->ctx;
    qn_tune_row *row = &job->result->row[point];
    const double start = qn_seconds();
    qn_status st = QN_OK;
    qn_als_model *model = NULL;
    qn_ranking_options ranking = *job->ranking;
    qn_evaluation evaluation;
    qn_span span;
    double fit_s;

    /* Lists for everyone cost more than many a fit: not where the error decides. */
    if (job->result->metric < METRIC_PRECISION && !row->params.implicit_prefs)
        ranking.ranking_users = -1;
    st = qn_als_fit(ctx, &row->params, train, &model);
    fit_s = qn_seconds() - start;
    row->fit_s += fit_s;
    job->result->fit_s += fit_s;
    if (st == QN_OK) {
        span = qn_job_start(ctx, "evaluate");
        st = qn_evaluate_als(ctx, model, test, train, &ranking, &evaluation);
        job->result->evaluate_s += qn_span_end(ctx, &span, st, NULL);
    }
    if (st == QN_OK)
        take_scores(job, point, fold, &evaluation);
    else if (st != QN_ECANCELLED && row->status == QN_OK) {
        row->rmse = row->mae = row->precision = row->recall = row->ndcg = row->map = NAN;
        row->status = st;
        snprintf(row->error, sizeof row->error, "%.250s", qn_context_error(ctx));
        qn_emit_warning(ctx, "%s: %s", row->point, row->error);
    }
    qn_als_free(model);
    return st == QN_ECANCELLED ? st : QN_OK;
}

static qn_status judge_folds(tune_job *job)
{
    qn_context *ctx = job->ctx;
    qn_tune_result *result = job->result;
    qn_status st = QN_OK;

    for (int32_t fold = 0; fold < result->folds && st == QN_OK; fold++) {
        qn_ratings *train = NULL;
        qn_triples *test = NULL;

        st = cut_fold(job, fold, &train, &test);
        for (int64_t p = 0; p < result->n_rows && st == QN_OK; p++)
            if (result->row[p].status == QN_OK)
                st = judge_point(job, p, fold, train, test);
        if (st == QN_OK)
            st = qn_comm_agree(ctx, qn_check_cancel(ctx));
        qn_ratings_free(train);
        qn_triples_free(test);
    }
    return st;
}

/* Mean and standard deviation of the metric over the folds, and the best point: the first of
 * equals. */
static void rank_points(tune_job *job)
{
    qn_tune_result *result = job->result;
    const bool is_less_better = result->metric == METRIC_RMSE || result->metric == METRIC_MAE;

    result->best = -1;
    for (int64_t p = 0; p < result->n_rows; p++) {
        qn_tune_row *row = &result->row[p];
        const double *score = job->score + p * result->folds;
        double sum = 0, spread = 0, best;

        if (row->status != QN_OK)
            continue;
        for (int32_t f = 0; f < result->folds; f++)
            sum += score[f];
        row->mean = sum / result->folds;
        for (int32_t f = 0; f < result->folds; f++)
            spread += (score[f] - row->mean) * (score[f] - row->mean);
        row->std = result->folds > 1 ? sqrt(spread / (result->folds - 1)) : NAN;
        best = result->best < 0 ? NAN : result->row[result->best].mean;
        if (!isnan(row->mean) &&
            (result->best < 0 || (is_less_better ? row->mean < best : row->mean > best)))
            result->best = p;
    }
}

static void emit_points(tune_job *job)
{
    const qn_tune_result *result = job->result;
    const qn_tune_row *best = &result->row[result->best];
    char text[400];

    for (int64_t p = 0; p < result->n_rows; p++) {
        const qn_tune_row *row = &result->row[p];

        snprintf(text, sizeof text, "%s: %.6g", row->point, row->mean);
        qn_emit_fact(job->ctx, "tune.points[]", text);
    }
    qn_emit_fact(job->ctx, "tune.best", best->point);
    qn_emit_metric(job->ctx, "rmse", best->rmse, NULL);
    qn_emit_metric(job->ctx, "mae", best->mae, NULL);
    qn_emit_metric(job->ctx, "precision_at_k", best->precision, NULL);
    qn_emit_metric(job->ctx, "recall_at_k", best->recall, NULL);
    qn_emit_metric(job->ctx, "ndcg_at_k", best->ndcg, NULL);
    qn_emit_metric(job->ctx, "map", best->map, NULL);
}

/* The best point once more, on all ratings. */
static qn_status fit_best(tune_job *job)
{
    qn_context *ctx = job->ctx;
    qn_tune_result *result = job->result;
    const qn_ratings_options *in = job->input;
    qn_status st = QN_OK;
    qn_ratings *ratings = NULL;
    qn_als_model *model = NULL;
    qn_span span;

    QN_TRY(qn_ratings_from_triples(ctx, &job->all, in->partitions, &ratings));
    QN_TRY(qn_als_fit(ctx, &result->row[result->best].params, ratings, &model));
    qn_model_name_columns(model, in);
    qn_als_digest(model, result->digest);
    qn_emit_fact(ctx, "model_digest", result->digest);
    qn_emit_fingerprint(ctx, ratings->fingerprint);
    span = qn_job_start(ctx, "save");
    if (qn_rank(ctx) == 0)
        st = qn_als_save(ctx, model, job->options->model, job->options->overwrite, NULL);
    st = qn_comm_agree(ctx, st);
    result->save_s = qn_span_end(ctx, &span, st, NULL);
done:
    qn_ratings_free(ratings);
    qn_als_free(model);
    return st;
}

static qn_status run(tune_job *job)
{
    qn_context *ctx = job->ctx;
    qn_tune_result *result = job->result;
    qn_status st = QN_OK;
    qn_span span;

    QN_TRY_ALL(check(job)); /* one rank alone may fail */
    span = qn_job_start(ctx, "load");
    st = read_all(job);
    result->load_s = qn_span_end(ctx, &span, st, NULL);
    QN_TRY(st);
    qn_emit_input(ctx, &job->input->input, &result->counts);
    qn_emit_count(ctx, "users", result->n_users);
    qn_emit_count(ctx, "items", result->n_items);
    QN_TRY(judge_folds(job));
    rank_points(job);
    if (result->best < 0) {
        st =
            qn_fail(ctx, QN_EDATA, "no point of the grid could be judged; the first: %s",
                    result->row[0].error[0] ? result->row[0].error : "no test row could be scored");
        goto done;
    }
    emit_points(job);
    if (job->options->model)
        QN_TRY(fit_best(job));
done:
    return st;
}

qn_status qn_tune_als_run(qn_context *ctx, const qn_tune_als_options *options,
                          const qn_ratings_options *ratings, const qn_als_params *als,
                          const qn_ranking_options *ranking, qn_tune_result *result)
{
    tune_job job = {.ctx = ctx,
                    .options = options,
                    .input = ratings,
                    .als = als,
                    .ranking = ranking,
                    .result = result};
    const double start = qn_seconds();
    qn_status st;

    *result = (qn_tune_result){.best = -1};
    st = run(&job);
    result->total_s = qn_seconds() - start;
    if (st != QN_OK)
        qn_tune_result_release(result);
    qn_triples_free(job.all);
    qn_sides_free(job.fold);
    for (int32_t i = 0; job.drawn && i < qn_context_threads(ctx); i++)
        qn_free(job.drawn[i]);
    qn_free(job.drawn);
    qn_free(job.score);
    return st;
}

void qn_tune_result_release(qn_tune_result *result)
{
    qn_free(result->row);
    result->row = NULL;
    result->n_rows = 0;
}
