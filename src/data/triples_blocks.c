#include "data/triples_blocks.h"

#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "engine/store.h"

#define BLOCK_ROWS ((int64_t)64 << 10)

static size_t align64(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* Places of the columns of a block of n rows at `data`, which may be NULL; returns its bytes. */
static size_t lay_out(void *data, int64_t n, const bool is_wide[2], bool has_time,
                      qn_row_columns *columns)
{
    const size_t rows = (size_t)n;
    const size_t item = align64(rows * (is_wide[0] ? 8 : 4));
    const size_t value = item + align64(rows * (is_wide[1] ? 8 : 4));
    const size_t time = value + align64(rows * sizeof(float));
    char *base = data;

    if (data)
        *columns = (qn_row_columns){
            .id = {base, base + item},
            .value = (float *)(void *)(base + value),
            .time = has_time ? (int64_t *)(void *)(base + time) : NULL,
        };
    return time + (has_time ? align64(rows * sizeof(int64_t)) : 0);
}

int64_t qn_row_block_rows(const qn_context *ctx)
{
    return ctx->cells.block_rows > 0 ? ctx->cells.block_rows : BLOCK_ROWS;
}

size_t qn_row_bytes(const qn_triples *t)
{
    return 2 * sizeof(uint32_t) + sizeof(float) + (t->has_time ? sizeof(int64_t) : 0);
}

/* ---- writing ---- */

qn_status qn_row_run_open(qn_context *ctx, qn_triples *t, qn_row_run *run, int64_t rows)
{
    qn_row_block block = {.thread = run->thread, .is_wide = {run->is_wide[0], run->is_wide[1]}};
    qn_status st = QN_OK;
    void *data = NULL;
    size_t bytes;

    QN_TRY(qn_row_run_end(ctx, t, run));
    if (run->n_blocks == run->capacity) {
        const int64_t capacity = run->capacity ? 2 * run->capacity : 8;

        QN_GROW(ctx, run->block, capacity, "blocks of ratings");
        run->capacity = capacity;
    }
    bytes = lay_out(NULL, rows, block.is_wide, t->has_time, NULL);
    QN_TRY(qn_store_add_any(ctx, t->store, 0, bytes, &block.number, &data));
    lay_out(data, rows, block.is_wide, t->has_time, &run->columns);
    run->block[run->n_blocks++] = block;
    run->room = rows;
    run->used = 0;
done:
    return st;
}

qn_status qn_row_run_reserve(qn_context *ctx, qn_triples *t, qn_row_run *run)
{
    if (run->used < run->room)
        return QN_OK;
    return qn_row_run_open(ctx, t, run, qn_row_block_rows(ctx));
}

/* Moves the columns of an open block together and gives back what is behind them. */
static qn_status shrink(qn_context *ctx, qn_triples *t, qn_row_run *run, qn_row_block *block)
{
    const qn_row_columns from = run->columns;
    const size_t n = (size_t)run->used;
    const size_t bytes = lay_out(NULL, run->used, block->is_wide, t->has_time, NULL);
    qn_row_columns to = {0};
    void *data = from.id[0];

    lay_out(data, run->used, block->is_wide, t->has_time, &to);
    memmove(to.id[1], from.id[1], n * (block->is_wide[1] ? 8 : 4));
    memmove(to.value, from.value, n * sizeof *to.value);
    if (t->has_time)
        memmove(to.time, from.time, n * sizeof *to.time);
    return qn_store_shrink(ctx, t->store, block->number, bytes, &data);
}

qn_status qn_row_run_end(qn_context *ctx, qn_triples *t, qn_row_run *run)
{
    qn_row_block *block = run->room > 0 ? &run->block[run->n_blocks - 1] : NULL;
    qn_status st = QN_OK;

    if (!block)
        return QN_OK;
    if (run->used == 0) {
        qn_store_drop_block(t->store, block->number);
        run->n_blocks--;
    } else {
        block->n = run->used;
        if (run->used < run->room)
            QN_TRY(shrink(ctx, t, run, block));
        QN_TRY(qn_store_seal_block(ctx, t->store, block->number));
    }
    run->room = run->used = 0;
done:
    return st;
}

void qn_row_run_release(qn_row_run *run)
{
    qn_free(run->block);
    *run = (qn_row_run){0};
}

qn_status qn_row_runs_join(qn_context *ctx, qn_triples *t, const qn_row_run *runs, int64_t n)
{
    qn_status st = QN_OK;
    int64_t n_blocks = t->n_blocks;

    for (int64_t r = 0; r < n; r++)
        n_blocks += runs[r].n_blocks;
    QN_GROW(ctx, t->block, n_blocks, "blocks of ratings");
    for (int64_t r = 0; r < n; r++)
        for (int64_t b = 0; b < runs[r].n_blocks; b++) {
            qn_row_block *block = &t->block[t->n_blocks++];

            *block = runs[r].block[b];
            block->first = t->n;
            t->n += block->n;
        }
done:
    return st;
}

qn_status qn_triples_create(qn_context *ctx, bool has_time, qn_triples **triples)
{
    qn_status st = QN_OK;
    qn_triples *t = NULL;

    *triples = NULL;
    QN_NEW0(ctx, t, 1, "ratings");
    t->has_time = has_time;
    QN_TRY(qn_store_create(ctx, "ratings as rows", &t->store));
    *triples = t;
    t = NULL;
done:
    qn_triples_free(t);
    return st;
}

void qn_triples_free(qn_triples *triples)
{
    if (!triples)
        return;
    qn_ids_release(&triples->users);
    qn_ids_release(&triples->items);
    qn_store_free(triples->store);
    qn_free(triples->block);
    qn_free(triples);
}

qn_status qn_triples_append(qn_context *ctx, qn_triples *t, int64_t n, const uint32_t *user,
                            const uint32_t *item, const float *value, const int64_t *time)
{
    qn_row_run run = {0};
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n; i++) {
        QN_TRY(qn_row_run_reserve(ctx, t, &run));
        ((uint32_t *)run.columns.id[0])[run.used] = user[i];
        ((uint32_t *)run.columns.id[1])[run.used] = item[i];
        run.columns.value[run.used] = value[i];
        if (t->has_time)
            run.columns.time[run.used] = time ? time[i] : QN_NO_TIME;
        run.used++;
    }
    QN_TRY(qn_row_run_end(ctx, t, &run));
    QN_TRY(qn_row_runs_join(ctx, t, &run, 1));
done:
    qn_row_run_release(&run);
    return st;
}

/* ---- looking at blocks ---- */

int64_t qn_triples_n_blocks(const qn_triples *t)
{
    return t->n_blocks;
}

qn_status qn_row_block_pin(qn_context *ctx, const qn_triples *t, int64_t b, qn_row_columns *columns)
{
    const qn_row_block *block = &t->block[b];
    const void *data = NULL;
    const qn_status st = qn_store_pin(ctx, t->store, block->number, &data);

    *columns = (qn_row_columns){0};
    if (st == QN_OK)
        lay_out((void *)(uintptr_t)data, block->n, block->is_wide, t->has_time, columns);
    return st;
}

qn_status qn_triples_pin(qn_context *ctx, const qn_triples *t, int64_t b, qn_triples_view *view)
{
    qn_row_columns columns;
    const qn_status st = qn_row_block_pin(ctx, t, b, &columns);

    *view = (qn_triples_view){0};
    if (st == QN_OK)
        *view = (qn_triples_view){.first = t->block[b].first,
                                  .n = t->block[b].n,
                                  .user = columns.id[0],
                                  .item = columns.id[1],
                                  .value = columns.value,
                                  .time = columns.time};
    return st;
}

void qn_triples_unpin(const qn_triples *t, int64_t b)
{
    qn_store_unpin(t->store, t->block[b].number);
}

void qn_row_block_drop(const qn_triples *t, int64_t b)
{
    qn_store_drop_block(t->store, t->block[b].number);
}

qn_status qn_triples_read_ahead(qn_context *ctx, const qn_triples *t)
{
    qn_status st = QN_OK;
    int64_t *order = NULL;

    QN_NEW(ctx, order, t->n_blocks, "order of blocks");
    for (int64_t b = 0; b < t->n_blocks; b++)
        order[b] = t->block[b].number;
    QN_TRY(qn_store_read_ahead(ctx, t->store, order, t->n_blocks));
done:
    qn_free(order);
    return st;
}

typedef struct each_job {
    qn_context *ctx;
    const qn_triples *t;
    qn_triples_visit *visit;
    void *arg;
} each_job;

static qn_status visit_block(void *arg, int64_t b, int32_t thread)
{
    const each_job *job = arg;
    qn_triples_view view;
    qn_status st = qn_triples_pin(job->ctx, job->t, b, &view);

    if (st == QN_OK) {
        st = job->visit(job->arg, &view, b, thread);
        qn_triples_unpin(job->t, b);
    }
    return st;
}

qn_status qn_triples_each(qn_context *ctx, const qn_triples *t, qn_triples_visit *visit, void *arg)
{
    each_job job = {ctx, t, visit, arg};
    qn_status st = QN_OK;

    QN_TRY(qn_triples_read_ahead(ctx, t));
    QN_TRY(qn_parallel(ctx, t->n_blocks, visit_block, &job));
done:
    return st;
}

qn_status qn_triples_each_in_order(qn_context *ctx, const qn_triples *t, qn_triples_visit *visit,
                                   void *arg)
{
    each_job job = {ctx, t, visit, arg};
    qn_status st = QN_OK;

    QN_TRY(qn_triples_read_ahead(ctx, t));
    for (int64_t b = 0; b < t->n_blocks; b++) {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(visit_block(&job, b, 0));
    }
done:
    return st;
}

int64_t qn_triples_max_rows(const qn_triples *t)
{
    int64_t rows = 0;

    for (int64_t b = 0; b < t->n_blocks; b++)
        rows = t->block[b].n > rows ? t->block[b].n : rows;
    return rows;
}

qn_status qn_triples_rounds(qn_context *ctx, const qn_triples *t, int64_t rows, int64_t **first,
                            int64_t *n_rounds)
{
    qn_status st = QN_OK;
    int64_t n = 0, in_round = 0;

    *first = NULL;
    QN_NEW(ctx, *first, t->n_blocks + 1, "rounds of ratings");
    for (int64_t b = 0; b < t->n_blocks; b++) {
        if (b == 0 || in_round + t->block[b].n > rows) {
            (*first)[n++] = b;
            in_round = 0;
        }
        in_round += t->block[b].n;
    }
    (*first)[n] = t->n_blocks;
    *n_rounds = n;
done:
    return st;
}

size_t qn_ratings_room(qn_context *ctx)
{
    const size_t least = qn_budget_limit(ctx->budget) / 16, room = qn_context_room(ctx);

    return room > least ? room : least;
}
