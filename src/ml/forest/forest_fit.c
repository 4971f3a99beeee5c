/* A forest, or a tree, from a table: labels, bins, codes, trees, model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ml/algo.h"
#include "ml/forest/forest_grow.h"

/* ---- parameters ---- */

static qn_status check_params(forest_fit *fit)
{
    const qn_forest_params *params = &fit->params;
    qn_context *ctx = fit->ctx;
    const bool is_number = params->impurity == QN_IMPURITY_VARIANCE;
    const bool is_regression = params->task == QN_REGRESSION;

    if (!fit->data->has_label)
        return qn_fail(ctx, QN_EINVAL, "there is no label to learn: name its column with --label");
    if (fit->data->n_rows <= 0)
        return qn_fail(ctx, QN_EDATA, "there are no rows to learn from");
    if (params->impurity != QN_IMPURITY_AUTO && is_number != is_regression)
        return qn_fail(ctx, QN_EINVAL, "--impurity %s is not for %s: use %s",
                       is_number                                 ? "variance"
                       : params->impurity == QN_IMPURITY_ENTROPY ? "entropy"
                                                                 : "gini",
                       is_regression ? "regression" : "classification",
                       is_regression ? "variance" : "gini or entropy");
    if (!fit->is_tree && !(params->subsampling_rate > 0))
        return qn_fail(ctx, QN_EINVAL, "--subsampling-rate %g: it must be above 0 and at most 1",
                       params->subsampling_rate);
    if (params->min_weight_fraction_per_node >= 0.5)
        return qn_fail(ctx, QN_EINVAL,
                       "--min-weight-fraction-per-node %g: it must be below 0.5, or no node has "
                       "two children",
                       params->min_weight_fraction_per_node);
    if (is_regression && params->class_weight != QN_CLASS_WEIGHT_NONE)
        return qn_fail(ctx, QN_EINVAL, "--class-weight is for classification, not for regression");
    if (is_regression && params->thresholds.n > 0)
        return qn_fail(ctx, QN_EINVAL, "--thresholds is for classification, not for regression");
    if (params->merge_rows && (is_regression || fit->data->has_weight))
        return qn_fail(ctx, QN_EINVAL, "--merge-rows is for classification without weights");
    return QN_OK;
}

/* Settles what a task or a single tree means. */
static void settle_params(forest_fit *fit)
{
    qn_forest_params *params = &fit->params;

    if (params->impurity == QN_IMPURITY_AUTO)
        params->impurity = params->task == QN_REGRESSION ? QN_IMPURITY_VARIANCE : QN_IMPURITY_GINI;
    if (fit->is_tree) {
        params->num_trees = 1;
        params->bootstrap = false;
        params->subsampling_rate = 1;
        params->feature_subset_strategy = "all";
    }
}

static qn_status prepare(forest_fit *fit, const qn_forest_params *params)
{
    qn_status st = QN_OK;
    int64_t n = 0;

    QN_TRY(qn_params_check(fit->ctx, fit->is_tree ? &qn_tree_table : &qn_forest_table, params));
    QN_TRY(check_params(fit));
    settle_params(fit);
    for (int64_t c = 0; c < fit->data->n_own_cells; c++)
        n += fit->data->cell[c].n_rows;
    fit->n_rows = fit->n_distinct = fit->data->n_rows;
    fit->rows.n = n;
    fit->rows.first_row = n > 0 ? fit->data->cell[0].first_row : 0;
    fit->oob_error = NAN;
done:
    return st;
}

static void release(forest_fit *fit)
{
    for (int32_t t = 0; fit->tree && t < fit->params.num_trees; t++) {
        qn_free(fit->tree[t].node);
        qn_free(fit->tree[t].stats);
    }
    qn_free(fit->tree);
    qn_free(fit->oob_curve);
    qn_free(fit->rule.scale);
    forest_bag_release(&fit->bag);
    forest_rows_release(&fit->rows);
    forest_bins_release(fit);
    forest_labels_release(&fit->labels);
}

/* ---- the fit ---- */

static qn_status finish(forest_fit *fit, const qn_forest_params *params, qn_forest_model **model)
{
    qn_forest_model *m = NULL;
    qn_status st = QN_OK;

    QN_TRY(forest_model_of(fit, model));
    m = *model;
    m->is_tree = fit->is_tree;
    m->base.algo = fit->is_tree ? &qn_algo_tree : &qn_algo_forest;
    m->is_classifier = fit->labels.is_classifier;
    m->n_classes = fit->labels.n_classes;
    m->n_rows = fit->n_rows;
    m->n_distinct_rows = fit->n_distinct;
    m->bytes_held = (int64_t)fit->most_held;
    m->oob_error = fit->oob_error;
    m->oob_rows = fit->oob_rows;
    m->oob_curve = fit->oob_curve;
    fit->oob_curve = NULL;
    m->base.is_double = fit->data->is_double;
    m->base.data_fingerprint = fit->data->fingerprint;
    snprintf(m->base.kernel_set, sizeof m->base.kernel_set, "%s", fit->ctx->kernels->name);
    QN_TRY(qn_features_copy(fit->ctx, &fit->data->features, &m->base.features));
    QN_TRY(forest_model_params(fit->ctx, m, params));
    if (fit->is_tree)
        m->params.num_trees = 1;
    QN_TRY(forest_model_thresholds(fit->ctx, m));
    QN_TRY(forest_model_finish(fit->ctx, m));
done:
    return st;
}

static qn_status fit_trees(forest_fit *fit)
{
    qn_context *ctx = fit->ctx;
    qn_status st = QN_OK;

    QN_TRY(forest_labels_read(fit));
    QN_TRY(forest_bins_make(fit));
    QN_TRY_ALL(forest_rule_make(fit));
    QN_TRY(forest_rows_make(fit));
    QN_TRY(forest_rows_gather(fit));
    QN_TRY(forest_rows_merge(fit));
    QN_TRY_ALL(forest_bag_make(fit));
    QN_TRY(forest_grow(fit));
    forest_prune(fit);
    QN_TRY(forest_out_of_bag(fit));
done:
    return st;
}

qn_status qn_forest_fit(qn_context *ctx, const qn_forest_params *params, bool is_tree,
                        const qn_matrix *data, qn_forest_model **model)
{
    qn_status st = QN_OK;
    qn_forest_model *made = NULL;
    forest_fit fit = {.ctx = ctx, .params = *params, .data = data, .is_tree = is_tree};
    const int64_t moved = ctx->comm->bytes_moved;
    const qn_event totals = {.rows = data->n_rows};

    *model = NULL;
    fit.held_before = qn_budget_used(ctx->budget);
    fit.job = qn_job_start(ctx, "fit");
    QN_TRY_ALL(prepare(&fit, params));
    QN_TRY(fit_trees(&fit));
    QN_TRY_ALL(finish(&fit, params, &made));
    made->bytes_moved = ctx->comm->bytes_moved - moved - fit.merge_bytes;
    *model = made;
    made = NULL; /* ownership has moved */
done:
    release(&fit);
    qn_forest_free(made);
    qn_span_end(ctx, &fit.job, st, &totals);
    return st;
}
