/* The sweeps of ALS: items from users, then users from items, as Spark does. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "data/ratings_events.h"
#include "ml/als/als_bytes.h"
#include "ml/als/als_impl.h"

/* Memory for the sums of long rows aims below this; a row needs one Gram a cell at least. */
#define ALS_CELLS_BYTES ((size_t)64 << 20)

static qn_status als_check_params(qn_context *ctx, const qn_als_params *params,
                                  const qn_ratings *ratings)
{
    qn_status st = QN_OK;
    const int64_t n_rows =
        ratings->users.n < ratings->items.n ? ratings->users.n : ratings->items.n;

    QN_TRY(qn_params_check(ctx, &qn_als_table, params));
    if (params->bias == QN_ALS_BIAS_FULL && params->implicit_prefs)
        return qn_fail(ctx, QN_EINVAL,
                       "bias full models ratings, implicit feedback has none: use "
                       "--bias none with --implicit-prefs");
    if (params->bias == QN_ALS_BIAS_FULL && params->nonnegative)
        return qn_fail(ctx, QN_EINVAL,
                       "bias full needs biases of either sign: use --bias none with "
                       "--nonnegative");
    if (params->early_stop > 0 && params->validation <= 0)
        return qn_fail(ctx, QN_EINVAL,
                       "early-stop needs validation ratings: give --validation a "
                       "share above 0, e.g. 0.05");
    if (ratings->n_ratings <= 0)
        return qn_fail(ctx, QN_EDATA, "there are no ratings to train on");
    if (params->rank > n_rows)
        qn_emit_warning(ctx, "rank %d is more than the %lld %s can use: lower --rank", params->rank,
                        (long long)n_rows, n_rows == ratings->users.n ? "users" : "items");
done:
    return st;
}

static void als_side_init(als_fit *fit, qn_side which, float *factors)
{
    const bool is_user = which == QN_SIDE_USER;
    als_side *side = &fit->side[which];
    const qn_partitioning *cut = NULL;

    side->side = which;
    side->name = is_user ? "users" : "items";
    side->rows = is_user ? &fit->ratings->by_user : &fit->ratings->by_item;
    side->ids = is_user ? &fit->ratings->users : &fit->ratings->items;
    side->factors = factors;
    cut = side->rows->partitioning;
    qn_partition_rows_of_rank(cut, qn_rank(fit->ctx), &side->first_row, &side->end_row);
    side->first_cell = (side->first_row + cut->cell_rows - 1) / cut->cell_rows;
    side->end_cell = (side->end_row + cut->cell_rows - 1) / cut->cell_rows;
}

/* Cells for the long rows of either side: all of them if that is little, at least those of one row.
 */
static int64_t als_cells_wanted(const als_fit *fit)
{
    const size_t each = als_cell_bytes(&fit->eq);
    int64_t wanted = 0;

    for (int32_t s = 0; s < 2; s++) {
        const als_plan *plan = &fit->side[s].plan;
        const int64_t room = (int64_t)(ALS_CELLS_BYTES / each);
        int64_t cells = plan->n_parts < room ? plan->n_parts : room;

        cells = cells > plan->max_parts ? cells : plan->max_parts;
        wanted = wanted > cells ? wanted : cells;
    }
    return wanted;
}

static qn_status als_alloc_scratch(als_fit *fit)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const als_side *users = &fit->side[QN_SIDE_USER];
    const int64_t own_users = users->end_row - users->first_row;

    fit->n_threads = qn_context_threads(ctx);
    fit->n_cells = als_cells_wanted(fit);
    QN_TRY(als_check_room(ctx, &fit->eq, fit->ratings->users.n + fit->ratings->items.n,
                          fit->n_cells, qn_context_room(ctx)));
    QN_NEW0(ctx, fit->work, fit->n_threads, "scratch of threads");
    for (int32_t t = 0; t < fit->n_threads; t++)
        QN_TRY(als_work_init(ctx, &fit->eq, &fit->work[t]));
    QN_TRY(als_cells_create(ctx, &fit->eq, fit->n_cells, &fit->cells));
    QN_NEW0(ctx, fit->row_value, own_users, "sums of users");
    if (fit->params->implicit_prefs) {
        QN_NEW(ctx, fit->packed, fit->n_threads * als_packed_size(fit->eq.rank), "Grams of cells");
        QN_NEW0(ctx, fit->gramian, fit->eq.rank * fit->eq.stride, "the Gram of a side");
    }
    if (fit->params->early_stop > 0) {
        QN_NEW(ctx, fit->row_scored, own_users, "counts of users");
        for (int32_t s = 0; s < 2; s++)
            QN_NEW(ctx, fit->best[s], fit->side[s].ids->n * fit->eq.stride, "the best factors");
    }
done:
    return st;
}

static void als_fit_release(als_fit *fit)
{
    for (int32_t t = 0; fit->work && t < fit->n_threads; t++)
        als_work_release(&fit->work[t]);
    for (int32_t s = 0; s < 2; s++) {
        als_plan_release(&fit->side[s].plan);
        qn_free(fit->side[s].n_training);
        qn_free(fit->best[s]);
    }
    als_exchange_release(fit);
    als_holdout_release(&fit->holdout);
    qn_free(fit->work);
    qn_free(fit->cells);
    qn_free(fit->row_value);
    qn_free(fit->row_scored);
    qn_free(fit->packed);
    qn_free(fit->gramian);
}

/* Checks, then allocates; local to the rank. */
static qn_status als_prepare(als_fit *fit, qn_als_model **model)
{
    qn_status st = QN_OK;
    qn_als_model *m = NULL;

    QN_TRY(als_check_params(fit->ctx, fit->params, fit->ratings));
    fit->eq = als_equation_of(fit->ctx, fit->params, qn_factor_stride(als_columns(fit->params)));
    fit->eq.value = fit->ratings->value;
    for (int32_t s = 0; s < 2; s++) {
        als_side_init(fit, s, NULL);
        QN_TRY(als_plan_make(fit->ctx, fit->side[s].rows, fit->eq.rank, &fit->side[s].plan));
    }
    QN_TRY(als_alloc_scratch(fit));
    QN_TRY(als_model_create(fit->ctx, fit->params, fit->ratings, model));
    m = *model;
    fit->side[QN_SIDE_USER].factors = m->user_factors;
    fit->side[QN_SIDE_ITEM].factors = m->item_factors;
done:
    return st;
}

typedef struct als_start_work {
    const als_start *start;
    const als_side *side;
    int64_t cell_rows;
} als_start_work;

static qn_status als_start_task(void *arg, int64_t task, int32_t thread)
{
    const als_start_work *w = arg;
    const int64_t first = w->side->first_row + task * w->cell_rows;
    const int64_t end = first + w->cell_rows;

    (void)thread;
    als_init_random(w->start, first, end < w->side->end_row ? end : w->side->end_row);
    return QN_OK;
}

/* Collective. Sweeps begin with items, from users: no one looks at the first items unless there are
 * no sweeps. */
static qn_status als_start_side(als_fit *fit, qn_side which)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    als_side *side = &fit->side[which];
    const int64_t stride = fit->eq.stride;
    const als_start start = {fit->params,        which,  side->ids,
                             side->rows->degree, stride, side->factors};
    als_start_work work = {&start, side, side->rows->partitioning->cell_rows};
    const int64_t n_tasks = (side->end_row - side->first_row + work.cell_rows - 1) / work.cell_rows;
    const bool is_used = which == QN_SIDE_USER || fit->params->max_iter == 0;

    if (fit->params->init == QN_ALS_INIT_SPARK) {
        QN_TRY_ALL(als_init_spark(ctx, &start));
    } else if (is_used) {
        QN_TRY_ALL(qn_parallel(ctx, n_tasks, als_start_task, &work));
        QN_TRY(als_give_rows(fit, side, fit->params->max_iter == 0));
    }
    if (fit->params->bias == QN_ALS_BIAS_FULL)
        for (int64_t i = 0; i < side->ids->n; i++)
            side->factors[i * stride + fit->params->rank] = 1.0F;
done:
    return st;
}

/* A step's errors as the step event gives them. Rounding may bring a perfect fit below 0. */
static double als_loss_value(const als_fit *fit, double squares)
{
    const double mean = squares / (double)fit->n_training;

    if (fit->params->implicit_prefs)
        return mean;
    return mean > 0 ? sqrt(mean) : 0;
}

/* What each half step moved: "items<TAB>needed rows<TAB>1234\n". */
static void als_tell_moved(const als_fit *fit, char *text, size_t size)
{
    const als_exchange *items = &fit->side[QN_SIDE_ITEM].exchange;
    const als_exchange *users = &fit->side[QN_SIDE_USER].exchange;

    snprintf(text, size, "items\t%s\t%.0f\nusers\t%s\t%.0f\n",
             als_exchange_name(items->last_by_need), items->last_bytes,
             als_exchange_name(users->last_by_need), users->last_bytes);
}

static void als_emit_step(const als_fit *fit, int32_t done, double value, double seconds)
{
    char moved[160];
    qn_event event = {
        .kind = QN_EVENT_STEP,
        .rank = qn_rank(fit->ctx),
        .name = "als",
        .done = done,
        .total = fit->params->max_iter,
        .rows = fit->n_training,
        .value = value,
        .duration_us = (int64_t)(seconds * 1e6),
    };

    if (fit->side[QN_SIDE_USER].exchange.bytes.all > 0) {
        als_tell_moved(fit, moved, sizeof moved);
        event.text = moved;
    }
    qn_emit(fit->ctx, &event);
}

static void als_copy_factors(als_fit *fit, bool keep)
{
    for (int32_t s = 0; s < 2; s++) {
        const size_t bytes = (size_t)(fit->side[s].ids->n * fit->eq.stride) * sizeof(float);

        memcpy(keep ? fit->best[s] : fit->side[s].factors,
               keep ? fit->side[s].factors : fit->best[s], bytes);
    }
}

/* Whether the sweeps that are done have gone long enough without gain. */
static bool als_is_enough(const als_fit *fit, const als_progress *done)
{
    return fit->params->early_stop > 0 && done->sweep > 0 &&
           done->sweep - done->best_sweep >= fit->params->early_stop;
}

/* Scores the sweep that is done. Collective. */
static qn_status als_watch(als_fit *fit, als_progress *done)
{
    qn_status st = QN_OK;
    double rmse = 0;

    if (fit->params->early_stop <= 0)
        return QN_OK;
    QN_TRY(als_holdout_rmse(fit, &rmse));
    qn_emit_metric(fit->ctx, "validationRmse", rmse, "rmse");
    if (done->best_sweep == 0 || rmse < done->best_rmse) {
        done->best_sweep = done->sweep;
        done->best_rmse = rmse;
        done->best_loss = done->loss;
        als_copy_factors(fit, true);
    }
done:
    return st;
}

static qn_status als_sweep(als_fit *fit, als_progress *done)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const int32_t sweep = (int32_t)done->sweep + 1;
    const double start = qn_seconds();
    double squares = 0;

    QN_TRY(als_solve_side(fit, QN_SIDE_ITEM, sweep, NULL));
    QN_TRY(als_solve_side(fit, QN_SIDE_USER, sweep, &squares));
    done->sweep = sweep;
    done->loss = als_loss_value(fit, squares);
    als_emit_step(fit, sweep, done->loss, qn_seconds() - start);
    QN_TRY_ALL(als_emit_storage(fit));
    QN_TRY(als_watch(fit, done));
    QN_TRY(als_save_state(fit, done));
done:
    return st;
}

/* From where a checkpoint left off, or from the start. */
static qn_status als_sweeps(als_fit *fit, qn_als_model *model)
{
    qn_status st = QN_OK;
    als_progress done = {0};

    QN_TRY(als_resume(fit, &done));
    if (done.sweep == 0) {
        QN_TRY(als_start_side(fit, QN_SIDE_USER));
        QN_TRY(als_start_side(fit, QN_SIDE_ITEM));
    }
    while (done.sweep < fit->params->max_iter && !als_is_enough(fit, &done))
        QN_TRY(als_sweep(fit, &done));
    if (done.best_sweep > 0)
        als_copy_factors(fit, false);
    QN_TRY(als_complete(fit));
    if (done.sweep > 0) {
        model->iterations = (int32_t)(done.best_sweep > 0 ? done.best_sweep : done.sweep);
        model->loss = done.best_sweep > 0 ? done.best_loss : done.loss;
    }
done:
    return st;
}

/* One warning for all singular rows. Collective. */
static qn_status als_warn_ridged(als_fit *fit)
{
    qn_status st = QN_OK;

    QN_TRY(qn_comm_sum_int64(fit->ctx, &fit->n_ridged, 1));
    if (fit->n_ridged > 0)
        qn_emit_warning(fit->ctx,
                        "%lld singular equations (all sweeps together) were solved with "
                        "the smallest ridge that makes them regular: raise --reg-param",
                        (long long)fit->n_ridged);
done:
    return st;
}

static qn_status als_run(als_fit *fit, qn_als_model *model)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;

    QN_TRY_ALL(qn_ratings_emit_storage(ctx, fit->ratings));
    QN_TRY(als_holdout_make(fit));
    QN_TRY(als_count_items(fit, model));
    QN_TRY(als_exchange_make(fit));
    QN_TRY(als_sweeps(fit, model));
    QN_TRY(als_warn_ridged(fit));
    als_model_close_biases(model, fit->eq.mean);
    model->mean_rating = fit->eq.mean;
done:
    return st;
}

qn_status qn_als_fit(qn_context *ctx, const qn_als_params *params, const qn_ratings *ratings,
                     qn_als_model **model)
{
    qn_status st = QN_OK;
    qn_als_model *m = NULL;
    als_fit fit = {.ctx = ctx, .params = params, .ratings = ratings};
    const qn_event totals = {.rows = ratings->n_ratings};

    *model = NULL;
    als_start_job(&fit);
    QN_TRY_ALL(als_prepare(&fit, &m));
    QN_TRY(als_run(&fit, m));
    *model = m;
    m = NULL; /* ownership has moved */
done:
    als_fit_release(&fit);
    qn_als_free(m);
    qn_span_end(ctx, &fit.job, st, &totals);
    return st;
}
