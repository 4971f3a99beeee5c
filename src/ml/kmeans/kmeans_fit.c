/* Lloyd's iterations: label every row by its nearest centre, move every centre to the mean of its
 * rows, until none moves. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "ml/kmeans/kmeans_impl.h"

/* Labels rows and moves those that changed between the sums; once sums the spread. */
static void move_rows(void *arg, kmeans_rows *rows, double *spread)
{
    kmeans_fit *fit = arg;

    if (isnan(fit->spread)) {
        kmeans_distance_to(rows, fit->centres.mean);
        for (int64_t r = 0; r < rows->n; r++)
            *spread += (rows->weight ? rows->weight[r] : 1) * rows->distance[r];
    }
    kmeans_nearest(rows, &fit->centres.view);
    kmeans_totals_move(&fit->totals, rows);
}

/* Cost of the rows to the centres that labelled them, from the sums alone. With m = the mean of all
 * rows,  sum w |x - c|^2 = sum w |x - m|^2 - 2 (c - m) . (S - W m) + W |c - m|^2. */
static double cost_of_sums(const kmeans_fit *fit)
{
    const qn_centres *centres = &fit->centres.view;
    const double *mean = fit->centres.mean;
    const double *centre = centres->centre;
    double cost = fit->spread;

    for (int32_t j = 0; j < centres->k; j++, centre += centres->d) {
        double product = 0;
        double square = 0;

        for (int32_t f = 0; f < centres->d; f++) {
            const double step = centre[f] - mean[f];

            product += step * kmeans_totals_value(&fit->totals, j, f);
            square += step * step;
        }
        cost += kmeans_totals_weight(&fit->totals, j) * square - 2 * product;
    }
    return (cost > 0 ? cost : 0) * kmeans_scale(fit->params->distance_measure);
}

/* The mean of a centre's rows, where it has any; false: the centre stays. */
static bool mean_of_sum(const kmeans_fit *fit, int64_t j, double *mean)
{
    const int32_t d = fit->centres.view.d;
    const double weight = kmeans_totals_weight(&fit->totals, j);

    if (!(weight > 0))
        return false;
    for (int32_t f = 0; f < d; f++)
        mean[f] = fit->centres.mean[f] + kmeans_totals_value(&fit->totals, j, f) / weight;
    return fit->params->distance_measure != QN_COSINE || kmeans_to_unit(d, mean);
}

/* True when no centre moved farther than tol: of the distance, or of 1 - cos, as in Spark. */
static bool move_centres(kmeans_fit *fit)
{
    const int32_t k = fit->centres.view.k;
    const int32_t d = fit->centres.view.d;
    const double tol = fit->params->tol;
    const double limit = fit->params->distance_measure == QN_COSINE ? 2 * tol : tol * tol;
    bool is_still = true;

    for (int64_t j = 0; j < k; j++) {
        double *centre = fit->centres.centre + j * d;

        if (!mean_of_sum(fit, j, fit->moved))
            continue;
        is_still = is_still && kmeans_square_distance(d, fit->moved, centre) <= limit;
        memcpy(centre, fit->moved, (size_t)d * sizeof *centre);
    }
    kmeans_centres_set(&fit->centres, k);
    return is_still;
}

static void emit_step(const kmeans_fit *fit, const qn_kmeans_model *model, double seconds)
{
    const qn_event event = {
        .kind = QN_EVENT_STEP,
        .rank = qn_rank(fit->ctx),
        .name = "kmeans",
        .done = model->iterations,
        .total = fit->params->max_iter,
        .rows = fit->data->n_rows,
        .value = model->training_cost,
        .duration_us = (int64_t)(seconds * 1e6),
    };

    qn_emit(fit->ctx, &event);
}

/* From where a checkpoint left off, or from the start. */
static qn_status iterate(kmeans_fit *fit, qn_kmeans_model *model)
{
    qn_status st = QN_OK;
    bool is_resumed = false;

    fit->spread = NAN;
    QN_TRY(kmeans_resume(fit, model, &is_resumed));
    if (!is_resumed)
        QN_TRY(kmeans_start(fit));
    while (model->iterations < fit->params->max_iter && !model->has_converged) {
        const double start = qn_seconds();
        char name[32];

        snprintf(name, sizeof name, "iteration %d", model->iterations + 1);
        QN_TRY(kmeans_scan_run(&fit->scan, &fit->job, name, move_rows, fit, fit->total));
        if (model->iterations == 0)
            fit->spread = fit->total[0];
        QN_TRY(kmeans_totals_sum(fit->ctx, &fit->totals));
        model->training_cost = cost_of_sums(fit);
        model->has_converged = move_centres(fit);
        model->iterations++;
        emit_step(fit, model, qn_seconds() - start);
        QN_TRY(kmeans_save_state(fit, model));
    }
done:
    return st;
}

static void count_rows(void *arg, kmeans_rows *rows, double *sums)
{
    const qn_centres *centres = arg;

    kmeans_nearest(rows, centres);
    kmeans_distance(rows, centres->centre);
    for (int64_t r = 0; r < rows->n; r++) {
        sums[rows->label[r]] += 1;
        sums[centres->k + rows->label[r]] +=
            (rows->weight ? rows->weight[r] : 1) * rows->distance[r];
    }
}

qn_status kmeans_count(kmeans_scan *scan, const qn_span *job, const char *name,
                       const qn_centres *centres, double *total)
{
    return kmeans_scan_run(scan, job, name, count_rows, (void *)centres, total);
}

/* The model from the last centres, with sizes and cost of one more pass. */
static qn_status finish(kmeans_fit *fit, qn_kmeans_model *model)
{
    qn_status st = QN_OK;
    const int32_t k = fit->centres.view.k;
    double cost = 0;

    QN_TRY(kmeans_count(&fit->scan, &fit->job, "cost", &fit->centres.view, fit->total));
    for (int32_t j = 0; j < k; j++) {
        model->size[j] = (int64_t)fit->total[j];
        cost += fit->total[k + j];
    }
    model->k = k;
    model->cost = cost * kmeans_scale(fit->params->distance_measure);
    if (model->iterations == 0)
        model->training_cost = model->cost;
    model->n_rows = fit->data->n_rows;
    memcpy(model->centre, fit->centres.centre,
           (size_t)k * (size_t)model->n_features * sizeof *model->centre);
done:
    return st;
}

static void warn(const kmeans_fit *fit, const qn_kmeans_model *model)
{
    int32_t n_empty = 0;

    for (int32_t j = 0; j < model->k; j++)
        n_empty += model->size[j] == 0;
    if (model->k < fit->params->k)
        qn_emit_warning(fit->ctx,
                        "%d clusters were asked for and %d made: the start found no more distinct "
                        "rows; lower --k or raise --init-steps",
                        fit->params->k, model->k);
    if (n_empty > 0)
        qn_emit_warning(fit->ctx,
                        "%d of %d clusters hold no rows and keep the centre they had: lower --k or "
                        "try another --seed",
                        n_empty, model->k);
}

/* Checks, then allocates; local to the rank. */
static qn_status prepare(kmeans_fit *fit, qn_kmeans_model **model)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const qn_kmeans_params *params = fit->params;
    const qn_matrix *data = fit->data;

    QN_TRY(qn_params_check(ctx, &qn_kmeans_table, params));
    if (data->n_rows <= 0)
        return qn_fail(ctx, QN_EDATA, "there are no rows to cluster");
    QN_TRY(kmeans_centres_init(ctx, params->k, data->n_features,
                               kmeans_mean(data, params->distance_measure), &fit->centres));
    QN_TRY(
        kmeans_scan_init(ctx, data, params->distance_measure, 2 * (int64_t)params->k, &fit->scan));
    QN_NEW(ctx, fit->total, fit->scan.width, "sums of all rows");
    QN_NEW(ctx, fit->moved, data->n_features, "a centre");
    QN_TRY(kmeans_totals_init(ctx, data, params->distance_measure, params->k, fit->centres.mean,
                              &fit->totals));
    QN_TRY(kmeans_model_create(ctx, params, params->k, data->n_features, model));
    QN_TRY(qn_features_copy(ctx, &data->features, &(*model)->base.features));
    (*model)->base.is_double = data->is_double;
    (*model)->base.data_fingerprint = data->fingerprint;
    snprintf((*model)->base.kernel_set, sizeof(*model)->base.kernel_set, "%s", ctx->kernels->name);
done:
    return st;
}

/* The fit's job, with the passes that it may make: rounds of the start, iterations, the cost. */
static void start_job(kmeans_fit *fit)
{
    const qn_kmeans_params *params = fit->params;
    const long long parts = (long long)fit->data->n_partitions;
    qn_string stages = {0};

    if (params->init_mode && !strcmp(params->init_mode, "k-means||")) {
        for (int32_t round = 1; round <= params->init_steps; round++)
            qn_string_addf(&stages, "k-means|| %d\t%lld\n", round, parts);
        qn_string_addf(&stages, "k-means|| weights\t%lld\n", parts);
    }
    for (int32_t i = 1; i <= params->max_iter; i++)
        qn_string_addf(&stages, "iteration %d\t%lld\n", i, parts);
    qn_string_addf(&stages, "cost\t%lld\n", parts);
    fit->job = qn_job_start_planned(fit->ctx, "fit", qn_string_text(&stages));
    qn_string_release(&stages);
}

qn_status qn_kmeans_fit(qn_context *ctx, const qn_kmeans_params *params, const qn_matrix *data,
                        qn_kmeans_model **model)
{
    qn_status st = QN_OK;
    qn_kmeans_model *made = NULL;
    kmeans_fit fit = {.ctx = ctx, .params = params, .data = data};
    const qn_event totals = {.rows = data->n_rows};

    *model = NULL;
    start_job(&fit);
    QN_TRY_ALL(prepare(&fit, &made));
    QN_TRY(iterate(&fit, made));
    QN_TRY(finish(&fit, made));
    warn(&fit, made);
    *model = made;
    made = NULL; /* ownership has moved */
done:
    kmeans_scan_release(&fit.scan);
    kmeans_totals_release(&fit.totals);
    kmeans_centres_release(&fit.centres);
    qn_free(fit.total);
    qn_free(fit.moved);
    qn_kmeans_free(made);
    qn_span_end(ctx, &fit.job, st, &totals);
    return st;
}
