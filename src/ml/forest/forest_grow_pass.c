/* One way over own rows: blocks over threads, events by partition. */
#include <stdatomic.h>

#include "engine/event_gather.h"
#include "ml/forest/forest_grow.h"

typedef struct progress {
    atomic_int_fast64_t left; /* blocks of a partition that are not done */
    atomic_int_fast64_t busy_us, rows;
} progress;

typedef struct pass {
    const forest_fit *fit;
    qn_span stage;
    forest_visit *visit;
    void *arg;
    progress *progress; /* [partitions] from `first` on */
    int64_t first;
} pass;

/* The last block of a partition sends the event. */
static void block_done(const pass *p, const forest_block *block, double seconds, int32_t thread)
{
    progress *of = &p->progress[block->partition - p->first];
    const int64_t us = (int64_t)(seconds * 1e6);
    const int64_t busy = atomic_fetch_add(&of->busy_us, us) + us;
    const int64_t rows = atomic_fetch_add(&of->rows, block->n) + block->n;

    if (atomic_fetch_sub(&of->left, 1) == 1) {
        const qn_event event = {
            .kind = QN_EVENT_TASK_END,
            .rank = qn_rank(p->fit->ctx),
            .thread = thread,
            .name = p->stage.name,
            .id = block->partition,
            .parent = p->stage.id,
            .rows = rows,
            .duration_us = busy,
        };

        qn_emit(p->fit->ctx, &event);
    }
}

static qn_status visit_block(void *arg, int64_t b, int32_t thread)
{
    const pass *p = arg;
    const forest_block *block = &p->fit->rows.block[b];
    const double start = qn_seconds();
    qn_status st = QN_OK;

    QN_TRY(qn_check_cancel(p->fit->ctx));
    QN_TRY(p->visit(p->arg, block, thread));
    block_done(p, block, qn_seconds() - start, thread);
done:
    return st;
}

/* Partitions of a rank are a run. */
static qn_status pass_prepare(pass *p)
{
    const forest_rows *rows = &p->fit->rows;
    int64_t n = 0;
    qn_status st = QN_OK;

    if (rows->n_blocks > 0) {
        p->first = rows->block[0].partition;
        n = rows->block[rows->n_blocks - 1].partition - p->first + 1;
    }
    QN_NEW0(p->fit->ctx, p->progress, n, "progress of partitions");
    for (int64_t b = 0; b < rows->n_blocks; b++)
        atomic_fetch_add(&p->progress[rows->block[b].partition - p->first].left, 1);
done:
    return st;
}

qn_status forest_pass(const forest_fit *fit, const char *name, forest_visit *visit, void *arg)
{
    qn_context *ctx = fit->ctx;
    const int64_t moved = ctx->comm->bytes_moved;
    pass p = {.fit = fit, .visit = visit, .arg = arg};
    qn_event totals = {.rows = fit->rows.n};
    qn_status st = QN_OK;

    p.stage = qn_stage_start(ctx, &fit->job, name, fit->data->n_partitions);
    QN_TRY_ALL(pass_prepare(&p));
    QN_TRY_ALL(qn_parallel(ctx, fit->rows.n_blocks, visit_block, &p));
done:
    totals.bytes_moved = ctx->comm->bytes_moved - moved;
    qn_free(p.progress);
    return qn_stage_end(ctx, &p.stage, st, &totals);
}
