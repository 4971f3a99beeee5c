/* A half step: every row of one side is solved against the other side, which is held fixed. Tasks
 * are runs of rows in a block. A row of several cells is summed cell by cell, the cells by any
 * thread, and solved from their tree sum. */
#include <stdatomic.h>
#include <stdio.h>

#include "engine/phase.h"
#include "ml/als/als_impl.h"

/* Progress of one partition, for its task event. */
typedef struct als_partition_done {
    atomic_llong left, busy_us;
    atomic_bool has_started;
} als_partition_done;

typedef struct als_half {
    als_fit *fit;
    als_equation eq;
    als_side *side;
    double *loss;       /* [rows of this rank], NULL: not wanted */
    int64_t first_long; /* of this wave */
    qn_phase phase;
    als_partition_done *done; /* [partitions] */
    atomic_llong n_ridged;
} als_half;

static qn_status als_row_failed(const als_half *h, uint32_t row)
{
    char id[64];

    qn_ids_format(h->side->ids, row, id, sizeof id);
    return qn_fail(h->fit->ctx, QN_EDATA,
                   "%s %s: no finite factors solve its %u ratings; look for huge ratings, or raise "
                   "--reg-param (it is %g)",
                   h->side->side == QN_SIDE_USER ? "user" : "item", id, h->side->rows->degree[row],
                   h->fit->params->reg_param);
}

static qn_status als_solve_cell(als_half *h, als_work *work, als_cell *cell, uint32_t row)
{
    const als_solved solved =
        als_cell_solve(&h->eq, work, cell, h->side->factors + (int64_t)row * h->eq.stride,
                       h->loss ? &h->loss[row - h->side->first_row] : NULL);

    if (solved == ALS_NOT_FINITE)
        return als_row_failed(h, row);
    if (solved == ALS_RIDGED)
        atomic_fetch_add_explicit(&h->n_ridged, 1, memory_order_relaxed);
    return QN_OK;
}

/* The first task of a partition sends the event. */
static void als_task_begun(als_half *h, int64_t partition, int32_t thread)
{
    const qn_event event = {
        .kind = QN_EVENT_TASK_START,
        .rank = qn_rank(h->fit->ctx),
        .thread = thread,
        .name = h->phase.span.name,
        .id = partition,
        .parent = h->phase.span.id,
    };

    if (!atomic_exchange(&h->done[partition].has_started, true))
        qn_emit(h->fit->ctx, &event);
}

/* Books time on a partition; the last task of it sends the event. */
static void als_task_done(als_half *h, int64_t partition, double seconds, int32_t thread)
{
    als_partition_done *done = &h->done[partition];
    const int64_t us = (int64_t)(seconds * 1e6);
    const int64_t busy = atomic_fetch_add(&done->busy_us, us) + us;

    if (atomic_fetch_sub(&done->left, 1) == 1) {
        const qn_event event = {
            .kind = QN_EVENT_TASK_END,
            .rank = qn_rank(h->fit->ctx),
            .thread = thread,
            .name = h->phase.span.name,
            .id = partition,
            .parent = h->phase.span.id,
            .rows = h->side->rows->partitioning->partition[partition].n_rows,
            .duration_us = busy,
        };

        qn_emit(h->fit->ctx, &event);
    }
}

static qn_status als_solve_task(void *arg, int64_t number, int32_t thread)
{
    qn_status st = QN_OK;
    als_half *h = arg;
    const als_task *task = &h->side->plan.task[number];
    als_work *work = &h->fit->work[thread];
    const double start = qn_seconds();
    qn_ratings_block view;

    QN_TRY(qn_check_cancel(h->fit->ctx));
    als_task_begun(h, task->partition, thread);
    QN_TRY(qn_ratings_block_pin(h->fit->ctx, h->side->rows, task->block, &view));
    for (int64_t s = task->first; st == QN_OK && s < task->end; s++) {
        const als_entries entries =
            als_segment_entries(&view, &view.segment[s], h->fit->holdout.key[h->side->side]);

        als_cell_clear(&h->eq, &work->cell);
        als_cell_add(&h->eq, work, &entries, &work->cell);
        st = als_solve_cell(h, work, &work->cell, view.segment[s].row);
    }
    qn_store_unpin(h->side->rows->store, task->block);
    als_task_done(h, task->partition, qn_seconds() - start, thread);
done:
    return st;
}

/* One cell of a long row of this wave. */
static qn_status als_sum_part(void *arg, int64_t number, int32_t thread)
{
    qn_status st = QN_OK;
    als_half *h = arg;
    const als_plan *plan = &h->side->plan;
    const als_part *part = &plan->part[plan->long_row[h->first_long].first_part + number];
    als_cell *cell = &h->fit->cells[number];
    const int64_t partition = qn_store_block_partition(h->side->rows->store, part->block);
    const double start = qn_seconds();
    qn_ratings_block view;

    QN_TRY(qn_check_cancel(h->fit->ctx));
    als_task_begun(h, partition, thread);
    QN_TRY(qn_ratings_block_pin(h->fit->ctx, h->side->rows, part->block, &view));
    {
        const als_entries entries = als_segment_entries(&view, &view.segment[part->segment],
                                                        h->fit->holdout.key[h->side->side]);

        als_cell_clear(&h->eq, cell);
        als_cell_add(&h->eq, &h->fit->work[thread], &entries, cell);
    }
    qn_store_unpin(h->side->rows->store, part->block);
    als_task_done(h, partition, qn_seconds() - start, thread);
done:
    return st;
}

static qn_status als_solve_long(void *arg, int64_t number, int32_t thread)
{
    als_half *h = arg;
    const als_plan *plan = &h->side->plan;
    const als_long_row *row = &plan->long_row[h->first_long + number];
    als_cell *cells = &h->fit->cells[row->first_part - plan->long_row[h->first_long].first_part];

    als_cells_merge(&h->eq, cells, row->n_parts);
    return als_solve_cell(h, &h->fit->work[thread], cells, row->row);
}

/* Long rows, as many at a time as there are cells to sum them in. */
static qn_status als_solve_long_rows(als_half *h)
{
    qn_status st = QN_OK;
    const als_plan *plan = &h->side->plan;
    int64_t end = 0;

    for (h->first_long = 0; h->first_long < plan->n_long; h->first_long = end) {
        int64_t n_parts = 0;

        for (end = h->first_long; end < plan->n_long; end++) {
            if (n_parts + plan->long_row[end].n_parts > h->fit->n_cells)
                break;
            n_parts += plan->long_row[end].n_parts;
        }
        QN_TRY(qn_parallel(h->fit->ctx, n_parts, als_sum_part, h));
        QN_TRY(qn_parallel(h->fit->ctx, end - h->first_long, als_solve_long, h));
    }
done:
    return st;
}

/* Cells of the fixed side, for its YtY. */
typedef struct als_gramian_sum {
    als_fit *fit;
    const als_equation *eq;
    const als_side *side;
    qn_tree_sum *tree;
} als_gramian_sum;

static qn_status als_gramian_task(void *arg, int64_t number, int32_t thread)
{
    const als_gramian_sum *g = arg;
    const int64_t cell_rows = g->side->rows->partitioning->cell_rows;
    const int64_t cell = g->side->first_cell + number;
    const int64_t first = cell * cell_rows;
    const int64_t left = g->side->rows->n_rows - first;
    double *packed = g->fit->packed + thread * als_packed_size(g->eq->rank);

    als_gramian_cell(g->eq, &g->fit->work[thread], g->side->factors + first * g->eq->stride,
                     left < cell_rows ? left : cell_rows, packed);
    return qn_tree_sum_add(g->fit->ctx, g->tree, cell, packed);
}

/* YtY of the fixed side into fit->gramian. Collective. */
static qn_status als_gramian(als_fit *fit, const als_equation *eq, const als_side *side)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    als_gramian_sum sum = {fit, eq, side, NULL};

    QN_TRY_ALL(qn_tree_sum_create(ctx, side->rows->partitioning->n_cells, als_packed_size(eq->rank),
                                  &sum.tree));
    QN_TRY_ALL(qn_parallel(ctx, side->end_cell - side->first_cell, als_gramian_task, &sum));
    QN_TRY(qn_tree_sum_finish(ctx, sum.tree, fit->packed));
    als_gramian_unpack(eq, fit->packed, fit->gramian);
done:
    qn_tree_sum_free(sum.tree);
    return st;
}

qn_status als_share_rows(als_fit *fit, const als_side *side, void *rows, size_t bytes)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const int32_t size = qn_size(ctx);
    size_t *recv = NULL;
    size_t own = (size_t)(side->end_row - side->first_row) * bytes;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&recv, size, sizeof *recv, "sizes of messages"));
    for (int32_t rank = 0; rank < size; rank++) {
        int64_t first = 0;
        int64_t end = 0;

        qn_partition_rows_of_rank(side->rows->partitioning, rank, &first, &end);
        recv[rank] = (size_t)(end - first) * bytes;
    }
    QN_TRY(qn_comm_allgatherv(ctx, (const char *)rows + (size_t)side->first_row * bytes, own, rows,
                              recv));
done:
    qn_free(recv);
    return st;
}

typedef struct als_row_sum {
    const als_fit *fit;
    const als_side *side;
    const double *row_value;
    qn_tree_sum *tree;
} als_row_sum;

static qn_status als_sum_cell(void *arg, int64_t number, int32_t thread)
{
    const als_row_sum *s = arg;
    const int64_t cell_rows = s->side->rows->partitioning->cell_rows;
    const int64_t cell = s->side->first_cell + number;
    const int64_t first = cell * cell_rows;
    const int64_t left = s->side->rows->n_rows - first;
    double sum = 0;

    (void)thread;
    for (int64_t row = first; row < first + (left < cell_rows ? left : cell_rows); row++)
        sum += s->row_value[row - s->side->first_row];
    return qn_tree_sum_add(s->fit->ctx, s->tree, cell, &sum);
}

qn_status als_sum_rows(als_fit *fit, const double *row_value, double *total)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const als_side *side = &fit->side[QN_SIDE_USER];
    als_row_sum sum = {fit, side, row_value, NULL};

    QN_TRY_ALL(qn_tree_sum_create(ctx, side->rows->partitioning->n_cells, 1, &sum.tree));
    QN_TRY_ALL(qn_parallel(ctx, side->end_cell - side->first_cell, als_sum_cell, &sum));
    QN_TRY(qn_tree_sum_finish(ctx, sum.tree, total));
done:
    qn_tree_sum_free(sum.tree);
    return st;
}

/* Tasks that each partition waits for. */
static void als_count_tasks(als_half *h)
{
    const als_plan *plan = &h->side->plan;

    for (int64_t t = 0; t < plan->n_tasks; t++)
        atomic_fetch_add(&h->done[plan->task[t].partition].left, 1);
    for (int64_t p = 0; p < plan->n_parts; p++)
        atomic_fetch_add(
            &h->done[qn_store_block_partition(h->side->rows->store, plan->part[p].block)].left, 1);
}

static qn_status als_solve_rows(als_half *h)
{
    qn_status st = QN_OK;

    QN_NEW0(h->fit->ctx, h->done, h->side->rows->partitioning->n_partitions,
            "progress of partitions");
    als_count_tasks(h);
    QN_TRY(als_solve_long_rows(h));
    QN_TRY(qn_store_read_ahead(h->fit->ctx, h->side->rows->store, NULL, -1));
    QN_TRY(qn_parallel(h->fit->ctx, h->side->plan.n_tasks, als_solve_task, h));
done:
    qn_free(h->done);
    h->done = NULL;
    return st;
}

qn_status als_solve_side(als_fit *fit, qn_side side, int32_t step, double *loss)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const als_side *fixed = &fit->side[als_other(side)];
    /* The model takes every row of the last sweep, where it is known to be the last. */
    const bool is_last = step == fit->params->max_iter && fit->params->early_stop <= 0;
    als_half half = {.fit = fit, .eq = fit->eq, .side = &fit->side[side]};
    char name[48];

    snprintf(name, sizeof name, "%s %d", half.side->name, step);
    half.phase = qn_phase_start(ctx, &fit->job, name, half.side->rows->partitioning->n_partitions);
    half.eq.side = side;
    half.eq.fixed = fixed->factors;
    half.eq.want_loss = loss != NULL;
    half.loss = loss ? fit->row_value : NULL;
    if (fit->params->implicit_prefs) {
        half.eq.gramian = fit->gramian;
        QN_TRY(als_gramian(fit, &half.eq, fixed));
    }
    QN_TRY_ALL(als_solve_rows(&half));
    QN_TRY(als_give_rows(fit, half.side, is_last));
    if (loss)
        QN_TRY(als_sum_rows(fit, fit->row_value, loss));
done:
    fit->n_ridged += atomic_load(&half.n_ridged);
    return qn_phase_end_stage(ctx, &half.phase, st, half.side->end_row - half.side->first_row);
}
