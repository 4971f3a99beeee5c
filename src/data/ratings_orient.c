/* From entries in any order to piles, and which blocks there will be. */
#include "data/ratings_orient.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/ratings_layout.h"
#include "engine/cell.h"
#include "engine/comm.h"
#include "engine/store.h"

/* Entries that a block aims at: 2 MiB of them when coded. */
#define BLOCK_ENTRIES ((int64_t)400 << 10)
/* Entries of a pile where memory is no matter. */
#define PILE_ENTRIES ((int64_t)256 << 10)

/* ---- layout ---- */

int64_t qn_orient_n_segments(const qn_orient *t, int64_t row)
{
    const int64_t long_row = t->ctx->cells.long_row;

    return ((int64_t)t->o->degree[row] + long_row - 1) / long_row;
}

int64_t qn_orient_segment_entries(const qn_orient *t, int64_t row, int64_t part)
{
    const int64_t long_row = t->ctx->cells.long_row;
    const int64_t left = (int64_t)t->o->degree[row] - part * long_row;

    return left < long_row ? left : long_row;
}

static qn_status make_partitions(qn_orient *t, int32_t partitions)
{
    qn_context *ctx = t->ctx;
    const int64_t cell_rows = ctx->cells.rating_rows;
    qn_orientation *o = t->o;
    qn_status st = QN_OK;
    int64_t *weight = NULL;

    QN_NEW0(ctx, weight, (o->n_rows + cell_rows - 1) / cell_rows, "partitions");
    for (int64_t r = 0; r < o->n_rows; r++)
        weight[r / cell_rows] += o->degree[r];
    QN_NEW0(ctx, o->partitioning, 1, "partitions");
    QN_TRY(qn_partitioning_make(ctx, o->n_rows, cell_rows, weight, partitions, o->partitioning));
    qn_partition_rows_of_rank(o->partitioning, qn_rank(ctx), &t->first_row, &t->end_row);
    QN_NEW0(ctx, t->rank_end, qn_size(ctx), "partitions");
    for (int32_t r = 0; r < qn_size(ctx); r++) {
        int64_t first = 0;

        qn_partition_rows_of_rank(o->partitioning, r, &first, &t->rank_end[r]);
    }
done:
    qn_free(weight);
    return st;
}

/* Where the next block begins: a row and a segment of it. */
typedef struct block_start {
    int64_t row, part;
} block_start;

/* Takes segments from `at` on until the block is full or the partition ends. */
static block_start block_end(const qn_orient *t, block_start at, int64_t end_row,
                             int64_t *n_segments, int64_t *n_entries)
{
    *n_segments = *n_entries = 0;
    while (at.row < end_row) {
        const int64_t n = qn_orient_segment_entries(t, at.row, at.part);

        if (n > 0) {
            if (*n_segments > 0 && *n_entries + n > BLOCK_ENTRIES)
                break;
            ++*n_segments;
            *n_entries += n;
        }
        if (++at.part >= qn_orient_n_segments(t, at.row))
            at = (block_start){at.row + 1, 0};
    }
    return at;
}

static qn_status add_block(qn_orient *t, int64_t *capacity, const qn_orient_block *block)
{
    qn_context *ctx = t->ctx;
    qn_status st = QN_OK;

    if (t->n_blocks == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 64;
        QN_GROW(ctx, t->block, *capacity, "blocks of ratings");
    }
    t->block[t->n_blocks++] = *block;
done:
    return st;
}

/* All blocks of this rank, partition by partition. */
static qn_status list_blocks(qn_orient *t)
{
    const qn_partitioning *all = t->o->partitioning;
    qn_status st = QN_OK;
    int64_t capacity = 0;

    for (int64_t p = 0; p < all->n_partitions; p++) {
        const int64_t end_row = all->partition[p].first_row + all->partition[p].n_rows;
        block_start at = {all->partition[p].first_row, 0};

        if (all->partition[p].owner != qn_rank(t->ctx))
            continue;
        while (at.row < end_row) {
            qn_orient_block block = {.partition = p, .row = at.row, .part = at.part};

            at = block_end(t, at, end_row, &block.n_segments, &block.n_entries);
            if (block.n_segments > 0)
                QN_TRY(add_block(t, &capacity, &block));
        }
    }
done:
    return st;
}

/* ---- piles ---- */

static size_t bits_bytes(const qn_orient *t)
{
    return t->coded ? sizeof(uint8_t) : sizeof(uint32_t);
}

/* Groups blocks into piles that begin with a row; returns how many. Without arrays it counts. */
static int64_t cut_piles(qn_orient *t, int64_t target, int64_t *total)
{
    int64_t n = 0, in_pile = 0;

    for (int64_t b = 0; b < t->n_blocks; b++) {
        const bool is_last = b + 1 == t->n_blocks;

        in_pile += t->block[b].n_entries;
        if (!is_last && (in_pile < target || t->block[b + 1].part > 0))
            continue;
        if (total) {
            total[n] = in_pile;
            t->pile_block[n + 1] = b + 1;
            t->pile_row[n + 1] = is_last ? t->end_row : t->block[b + 1].row;
        }
        n++;
        in_pile = 0;
    }
    return n;
}

static qn_status make_piles(qn_orient *t, const char *name)
{
    qn_context *ctx = t->ctx;
    const size_t entry_bytes = 2 * sizeof(uint32_t) + bits_bytes(t);
    qn_status st = QN_OK;
    int64_t *total = NULL;
    int64_t n = 0, n_piles;
    qn_pile_plan plan;

    for (int64_t b = 0; b < t->n_blocks; b++)
        n += t->block[b].n_entries;
    plan = qn_piles_plan(ctx, n, entry_bytes, entry_bytes - sizeof(uint32_t), PILE_ENTRIES);
    n_piles = cut_piles(t, plan.pile_records, NULL);
    QN_NEW(ctx, total, n_piles, "piles of ratings");
    QN_NEW0(ctx, t->pile_block, n_piles + 1, "piles of ratings");
    QN_NEW(ctx, t->pile_row, n_piles + 1, "piles of ratings");
    QN_NEW(ctx, t->pile_of, t->end_row - t->first_row, "piles of ratings");
    t->pile_row[0] = t->first_row;
    cut_piles(t, plan.pile_records, total);
    for (int64_t p = 0; p < n_piles; p++)
        for (int64_t r = t->pile_row[p]; r < t->pile_row[p + 1]; r++)
            t->pile_of[r - t->first_row] = (uint16_t)p;
    t->work_bytes = plan.work_bytes;
    QN_TRY(qn_piles_init(ctx, name, total, n_piles, &plan, entry_bytes, &t->piles));
done:
    qn_free(total);
    return st;
}

static qn_status prepare(qn_orient *t, int32_t partitions)
{
    qn_status st = QN_OK;

    QN_TRY(make_partitions(t, partitions));
    QN_TRY(list_blocks(t));
    QN_TRY(make_piles(t, "ratings being arranged"));
done:
    return st;
}

qn_status qn_orient_open(qn_orient *orient, bool coded, int32_t partitions)
{
    orient->coded = coded;
    return qn_comm_agree(orient->ctx, prepare(orient, partitions));
}

void qn_orient_release(qn_orient *orient)
{
    qn_piles_release(&orient->piles);
    qn_free(orient->block);
    qn_free(orient->pile_block);
    qn_free(orient->pile_row);
    qn_free(orient->pile_of);
    qn_free(orient->rank_end);
    *orient = (qn_orient){0};
}

int32_t qn_orient_owner(const qn_orient *orient, uint32_t row)
{
    int32_t rank = 0;

    while ((int64_t)row >= orient->rank_end[rank])
        rank++;
    return rank;
}

/* ---- taking entries ---- */

typedef struct take_job {
    qn_orient *t;
    const qn_entry *entry;
    int64_t n, n_runs;
} take_job;

/* Columns of a chunk of `room` entries: rows, others, codes or floats. */
static inline void put_entry(qn_pile *pile, const qn_entry *entry, bool coded)
{
    uint32_t *row = pile->open;
    uint32_t *other = row + pile->room;
    uint32_t *bits = other + pile->room;
    const int64_t at = pile->used++;

    row[at] = entry->row;
    other[at] = entry->other;
    if (coded)
        ((uint8_t *)bits)[at] = (uint8_t)entry->bits;
    else
        bits[at] = entry->bits;
}

/* A task takes the entries of its run of piles: each pile is written by one thread, in the order in
 * which entries come. */
static qn_status take_run(void *arg, int64_t run, int32_t thread)
{
    const take_job *job = arg;
    qn_orient *t = job->t;
    const uint32_t first = (uint32_t)t->pile_row[t->piles.n * run / job->n_runs];
    const uint32_t n_rows = (uint32_t)t->pile_row[t->piles.n * (run + 1) / job->n_runs] - first;
    qn_status st = QN_OK;

    (void)thread;
    for (int64_t e = 0; e < job->n; e++) {
        const qn_entry *entry = &job->entry[e];
        int64_t number;

        if (entry->row - first >= n_rows)
            continue;
        number = t->pile_of[entry->row - t->first_row];
        QN_TRY(qn_piles_reserve(&t->piles, number));
        put_entry(&t->piles.pile[number], entry, t->coded);
    }
done:
    return st;
}

qn_status qn_orient_take(qn_orient *orient, const qn_entry *entries, int64_t n)
{
    take_job job = {orient, entries, n, qn_context_threads(orient->ctx)};

    return n == 0 ? QN_OK : qn_parallel(orient->ctx, job.n_runs, take_run, &job);
}

/* ---- from piles to blocks ---- */

typedef struct fill_job {
    const qn_orient *t;
    int64_t first_pile;
    qn_orient_keys *keys; /* [threads] */
    atomic_int_fast64_t repeats;
} fill_job;

static qn_status fill_pile(void *arg, int64_t task, int32_t thread)
{
    fill_job *job = arg;
    int64_t repeats = 0;
    const qn_status st =
        qn_orient_fill_pile(job->t, job->first_pile + task, &job->keys[thread], &repeats);

    atomic_fetch_add_explicit(&job->repeats, repeats, memory_order_relaxed);
    return st;
}

/* Makes the blocks of the next piles, as many as may be filled at a time; returns how many piles.
 */
static qn_status open_blocks(qn_orient *t, int64_t first_pile, int64_t *n_piles)
{
    qn_status st = QN_OK;
    size_t bytes = 0;

    for (*n_piles = 0; first_pile + *n_piles < t->piles.n; ++*n_piles) {
        const int64_t pile = first_pile + *n_piles;

        if (*n_piles > 0 && bytes > t->work_bytes)
            break;
        for (int64_t b = t->pile_block[pile]; b < t->pile_block[pile + 1]; b++) {
            const qn_orient_block *block = &t->block[b];
            qn_block_parts parts;
            const size_t size =
                qn_block_layout(block->n_segments, block->n_entries, t->coded, &parts);
            void *data = NULL;

            QN_TRY(qn_store_add(t->ctx, t->o->store, block->partition, size, &data));
            bytes += size;
        }
    }
done:
    return st;
}

static qn_status fill_blocks(qn_orient *t, const char *name, int64_t *n_repeats)
{
    qn_context *ctx = t->ctx;
    fill_job job = {.t = t};
    qn_status st = QN_OK;
    int64_t n_piles = 0;

    QN_TRY(qn_piles_seal(&t->piles));
    QN_TRY(qn_store_create(ctx, name, &t->o->store));
    QN_NEW0(ctx, job.keys, qn_context_threads(ctx), "sorting rows");
    QN_TRY(qn_store_read_ahead(ctx, t->piles.store, t->piles.chunk, t->piles.n_chunks));
    for (; job.first_pile < t->piles.n; job.first_pile += n_piles) {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(open_blocks(t, job.first_pile, &n_piles));
        QN_TRY(qn_parallel(ctx, n_piles, fill_pile, &job));
    }
    QN_TRY(qn_store_seal(ctx, t->o->store));
    *n_repeats = job.repeats;
done:
    for (int32_t i = 0; job.keys && i < qn_context_threads(ctx); i++)
        qn_free(job.keys[i].keys);
    qn_free(job.keys);
    return st;
}

qn_status qn_orient_close(qn_orient *orient, const char *name, int64_t *n_repeats)
{
    *n_repeats = 0;
    return qn_comm_agree(orient->ctx, fill_blocks(orient, name, n_repeats));
}
