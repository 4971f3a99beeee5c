/* How the rows of a side are handed to threads: runs of segments of about equal cost, and apart
 * from them the rows of several cells. */
#include "ml/als/als_impl.h"

/* Ratings a task aims at; a solved row costs about as much as `rank` ratings more. */
#define ALS_TASK_COST 32768

static void als_add_part(const qn_segment *segment, int64_t block, int64_t s, als_plan *plan)
{
    if (plan->part) {
        plan->part[plan->n_parts] = (als_part){block, s};
        if (segment->part == 0)
            plan->long_row[plan->n_long] = (als_long_row){segment->row, plan->n_parts, 0};
    }
    plan->n_parts++;
    plan->n_long += segment->part == 0;
    if (plan->part) {
        als_long_row *row = &plan->long_row[plan->n_long - 1];

        if (++row->n_parts > plan->max_parts)
            plan->max_parts = row->n_parts;
    }
}

static void als_add_task(const als_task *task, als_plan *plan)
{
    if (task->first == task->end)
        return;
    if (plan->task)
        plan->task[plan->n_tasks] = *task;
    plan->n_tasks++;
}

/* Counts, and once there is room writes, the tasks of a block. */
static void als_plan_block(const qn_orientation *rows, const qn_ratings_block *view, int64_t block,
                           int64_t long_row, int32_t rank, als_plan *plan)
{
    als_task task = {.block = block, .partition = qn_store_block_partition(rows->store, block)};
    int64_t cost = 0;

    for (int64_t s = 0; s < view->n_segments; s++) {
        const qn_segment *segment = &view->segment[s];
        const bool is_long = rows->degree[segment->row] > long_row;

        if (is_long || cost >= ALS_TASK_COST) {
            task.end = s;
            als_add_task(&task, plan);
            task.first = is_long ? s + 1 : s;
            cost = 0;
        }
        if (is_long)
            als_add_part(segment, block, s, plan);
        else
            cost += segment->n + rank;
    }
    task.end = view->n_segments;
    als_add_task(&task, plan);
}

static qn_status als_plan_pass(qn_context *ctx, const qn_orientation *rows, int32_t rank,
                               als_plan *plan)
{
    qn_status st = QN_OK;

    plan->n_tasks = plan->n_long = plan->n_parts = 0;
    QN_TRY(qn_store_read_ahead(ctx, rows->store, NULL, -1));
    for (int64_t block = 0; block < qn_store_n_blocks(rows->store); block++) {
        qn_ratings_block view;

        QN_TRY(qn_ratings_block_pin(ctx, rows, block, &view));
        als_plan_block(rows, &view, block, ctx->cells.long_row, rank, plan);
        qn_store_unpin(rows->store, block);
    }
done:
    return st;
}

qn_status als_plan_make(qn_context *ctx, const qn_orientation *rows, int32_t rank, als_plan *plan)
{
    qn_status st = QN_OK;

    *plan = (als_plan){0};
    QN_TRY(als_plan_pass(ctx, rows, rank, plan));
    QN_NEW(ctx, plan->task, plan->n_tasks, "tasks of a half step");
    QN_NEW(ctx, plan->long_row, plan->n_long, "long rows");
    QN_NEW(ctx, plan->part, plan->n_parts, "cells of long rows");
    QN_TRY(als_plan_pass(ctx, rows, rank, plan));
done:
    return st;
}

void als_plan_release(als_plan *plan)
{
    qn_free(plan->task);
    qn_free(plan->long_row);
    qn_free(plan->part);
    *plan = (als_plan){0};
}

als_entries als_segment_entries(const qn_ratings_block *block, const qn_segment *segment,
                                const uint64_t *key)
{
    return (als_entries){
        .n = segment->n,
        .index = block->index + segment->start,
        .code = block->code ? block->code + segment->start : NULL,
        .value = block->value ? block->value + segment->start : NULL,
        .key = key ? key[segment->row] : 0,
    };
}

/* Rows of a long row's cells and of tasks alike, one visitor after the other. */
typedef struct als_visit {
    als_fit *fit;
    const als_side *side;
    als_row_body *body;
} als_visit;

static qn_status als_visit_segments(const als_visit *v, int64_t block, int64_t first, int64_t end)
{
    qn_status st = QN_OK;
    qn_ratings_block view;

    QN_TRY(qn_ratings_block_pin(v->fit->ctx, v->side->rows, block, &view));
    for (int64_t s = first; s < end; s++) {
        const als_entries entries =
            als_segment_entries(&view, &view.segment[s], v->fit->holdout.key[v->side->side]);

        v->body(v->fit, v->side, view.segment[s].row, &entries);
    }
    qn_store_unpin(v->side->rows->store, block);
done:
    return st;
}

static qn_status als_visit_task(void *arg, int64_t task, int32_t thread)
{
    qn_status st = QN_OK;
    const als_visit *v = arg;
    const als_plan *plan = &v->side->plan;

    (void)thread;
    QN_TRY(qn_check_cancel(v->fit->ctx));
    if (task < plan->n_tasks) {
        const als_task *t = &plan->task[task];

        st = als_visit_segments(v, t->block, t->first, t->end);
    } else {
        const als_long_row *row = &plan->long_row[task - plan->n_tasks];

        for (int64_t p = row->first_part; p < row->first_part + row->n_parts; p++)
            QN_TRY(als_visit_segments(v, plan->part[p].block, plan->part[p].segment,
                                      plan->part[p].segment + 1));
    }
done:
    return st;
}

qn_status als_visit_rows(als_fit *fit, qn_side side, als_row_body *body)
{
    als_visit visit = {fit, &fit->side[side], body};

    return qn_parallel(fit->ctx, visit.side->plan.n_tasks + visit.side->plan.n_long, als_visit_task,
                       &visit);
}
