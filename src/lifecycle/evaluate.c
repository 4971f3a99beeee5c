#include "lifecycle/evaluate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/context.h"
#include "engine/comm.h"
#include "lifecycle/evaluate_impl.h"
#include "run/tree.h"

static qn_status choose_protocol(qn_context *ctx, const qn_ranking_options *options,
                                 const qn_ratings *train, qn_ranking_protocol *protocol)
{
    switch ((qn_protocol_choice)options->protocol) {
    case QN_PROTOCOL_CHOICE_SPARK:
        *protocol = QN_PROTOCOL_SPARK;
        return QN_OK;
    case QN_PROTOCOL_CHOICE_REFERENCE:
        *protocol = QN_PROTOCOL_REFERENCE;
        return QN_OK;
    case QN_PROTOCOL_CHOICE_HONEST:
        *protocol = QN_PROTOCOL_HONEST;
        if (!train)
            return qn_fail(ctx, QN_EINVAL,
                           "--protocol honest leaves out what users have already rated and needs "
                           "the training ratings: give --seen TRAIN, or --protocol reference");
        return QN_OK;
    case QN_PROTOCOL_CHOICE_AUTO:
        *protocol = train ? QN_PROTOCOL_HONEST : QN_PROTOCOL_REFERENCE;
        return QN_OK;
    }
    return qn_fail(ctx, QN_EINVAL, "%d is not a protocol", options->protocol);
}

static void clear_metrics(qn_ranking_result *r)
{
    const qn_metric none = {NAN, NAN, NAN};

    r->precision = r->recall = r->ndcg = r->map = r->map_at_k = none;
    r->reciprocal_rank = r->hit = none;
}

qn_status qn_evaluate_als(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                          const qn_ratings *train, const qn_ranking_options *options,
                          qn_evaluation *out)
{
    qn_status st = QN_OK;
    qn_test_set set = {0};

    memset(out, 0, sizeof *out);
    clear_metrics(&out->ranking);
    clear_metrics(&out->popularity);
    QN_TRY_ALL(qn_params_check(ctx, &qn_ranking_table, options));
    out->k = options->k;
    out->threshold = options->threshold;
    QN_TRY_ALL(choose_protocol(ctx, options, train, &out->protocol));
    QN_TRY(qn_test_set_make(ctx, model, test, &set));
    QN_TRY(qn_evaluate_errors(ctx, model, test, &set, train, out));
    if (options->ranking_users >= 0)
        QN_TRY(qn_evaluate_rankings(ctx, model, &set, train, options->ranking_users, out));
done:
    qn_test_set_release(&set);
    return st;
}

/* ---- the figures, once, for events and for JSON ---- */

typedef void figure_visit(void *arg, const char *path, double value, bool is_count);

typedef struct figures {
    figure_visit *visit;
    void *arg;
} figures;

static void say(const figures *f, const char *path, double value)
{
    f->visit(f->arg, path, value, false);
}

static void say_count(const figures *f, const char *path, int64_t count)
{
    f->visit(f->arg, path, (double)count, true);
}

static void say_interval(const figures *f, const char *name, qn_metric metric)
{
    char path[QN_TREE_PATH];

    snprintf(path, sizeof path, "intervals.%s[]", name);
    say(f, path, metric.low);
    say(f, path, metric.high);
}

static void say_coverage(const figures *f, const qn_coverage *c)
{
    say_count(f, "coverage.rows", c->rows);
    say_count(f, "coverage.rows_scored", c->rows_scored);
    say(f, "coverage.share", c->rows > 0 ? (double)c->rows_scored / (double)c->rows : NAN);
    say_count(f, "coverage.unknown_user", c->unknown_user);
    say_count(f, "coverage.unknown_item", c->unknown_item);
    say_count(f, "coverage.unknown_both", c->unknown_both);
    say_count(f, "coverage.users", c->users);
    say_count(f, "coverage.users_known", c->users_known);
    say_count(f, "coverage.items", c->items);
    say_count(f, "coverage.items_known", c->items_known);
}

static void say_baseline(const figures *f, const char *name, const qn_errors *errors)
{
    char path[QN_TREE_PATH];

    if (errors->n == 0)
        return;
    snprintf(path, sizeof path, "baselines.%s.rmse", name);
    say(f, path, errors->rmse.value);
    snprintf(path, sizeof path, "baselines.%s.mae", name);
    say(f, path, errors->mae.value);
}

static void say_popularity(const figures *f, const qn_ranking_result *p)
{
    if (p->users == 0)
        return;
    say(f, "baselines.popularity.precision_at_k", p->precision.value);
    say(f, "baselines.popularity.recall_at_k", p->recall.value);
    say(f, "baselines.popularity.ndcg_at_k", p->ndcg.value);
    say(f, "baselines.popularity.map", p->map.value);
}

static void say_ranking(const figures *f, const qn_ranking_result *r)
{
    say_count(f, "ranking.users", r->users);
    say_count(f, "ranking.without_truth", r->without_truth);
    say_count(f, "ranking.unknown_users", r->unknown_users);
    say_count(f, "ranking.not_sampled", r->not_sampled);
    say(f, "ranking.catalogue_share", r->catalogue_share);
}

static void say_all(const figures *f, const qn_evaluation *e)
{
    const qn_ranking_result *r = &e->ranking;

    say(f, "rmse", e->model.rmse.value);
    say(f, "mae", e->model.mae.value);
    say(f, "mse", e->model.mse);
    say(f, "r2", e->model.r2);
    say(f, "var", e->model.var);
    say(f, "precision_at_k", r->precision.value);
    say(f, "recall_at_k", r->recall.value);
    say(f, "ndcg_at_k", r->ndcg.value);
    say(f, "map", r->map.value);
    say(f, "map_at_k", r->map_at_k.value);
    say(f, "mrr", r->reciprocal_rank.value);
    say(f, "hit_rate", r->hit.value);
    say_count(f, "k", e->k);
    say(f, "rating_threshold", e->threshold);
    say_coverage(f, &e->coverage);
    if (e->has_ranking)
        say_ranking(f, r);
    say_interval(f, "rmse", e->model.rmse);
    say_interval(f, "mae", e->model.mae);
    say_interval(f, "precision_at_k", r->precision);
    say_interval(f, "recall_at_k", r->recall);
    say_interval(f, "ndcg_at_k", r->ndcg);
    say_interval(f, "map", r->map);
    say_baseline(f, "global_mean", &e->global_mean);
    say_baseline(f, "item_mean", &e->item_mean);
    say_baseline(f, "user_mean", &e->user_mean);
    say_popularity(f, &e->popularity);
}

static void emit_figure(void *arg, const char *path, double value, bool is_count)
{
    qn_emit_metric(arg, path, value, is_count ? "count" : NULL);
}

void qn_evaluation_emit(qn_context *ctx, const qn_evaluation *evaluation)
{
    const figures f = {emit_figure, ctx};

    say_all(&f, evaluation);
    qn_emit_fact(ctx, "metrics.protocol", qn_protocol_name(evaluation->protocol));
}

static void keep_figure(void *arg, const char *path, double value, bool is_count)
{
    qn_tree *tree = arg;
    char whole[QN_TREE_PATH];

    snprintf(whole, sizeof whole, "metrics.%s", path);
    if (is_count)
        qn_tree_int(tree, whole, (int64_t)value);
    else
        qn_tree_real(tree, whole, value);
}

void qn_evaluation_json(const qn_evaluation *evaluation, qn_json *j)
{
    qn_tree tree = {0};
    const figures f = {keep_figure, &tree};

    say_all(&f, evaluation);
    qn_tree_text(&tree, "metrics.protocol", qn_protocol_name(evaluation->protocol));
    qn_tree_members_json(&tree, "metrics", j);
    j->out.failed |= qn_tree_failed(&tree);
    qn_tree_release(&tree);
}

void qn_evaluation_reference_json(const qn_evaluation *evaluation, const qn_reference_run *run,
                                  qn_json *j)
{
    qn_json_text(j, "model_path", run->model_path);
    qn_json_text(j, "test_file", run->test_file);
    qn_json_int(j, "test_ratings_count", evaluation->coverage.rows);
    qn_json_int(j, "model_rank", run->rank);
    qn_json_real(j, "rmse", evaluation->model.rmse.value);
    qn_json_real(j, "mae", evaluation->model.mae.value);
    qn_json_real(j, "precision_at_K", evaluation->ranking.precision.value);
    qn_json_real(j, "recall_at_K", evaluation->ranking.recall.value);
    qn_json_real(j, "ndcg_at_K", evaluation->ranking.ndcg.value);
    qn_json_int(j, "k", evaluation->k);
    qn_json_real(j, "rating_threshold", evaluation->threshold);
}
