/* From triples to the two orientations: by user from the triples, by item from the rows by user. */
#include "quern/ratings.h"

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/ratings_block.h"
#include "data/ratings_exchange.h"
#include "data/ratings_orient.h"
#include "data/ratings_summary.h"
#include "data/triples_blocks.h"
#include "engine/cell.h"
#include "engine/comm.h"
#include "engine/store.h"
#include "engine/tree_sum.h"

static void orientation_release(qn_orientation *o)
{
    qn_store_free(o->store);
    if (o->partitioning)
        qn_partitioning_release(o->partitioning);
    qn_free(o->partitioning);
    qn_free(o->degree);
    *o = (qn_orientation){0};
}

void qn_ratings_free(qn_ratings *ratings)
{
    if (!ratings)
        return;
    qn_ids_release(&ratings->users);
    qn_ids_release(&ratings->items);
    orientation_release(&ratings->by_user);
    orientation_release(&ratings->by_item);
    qn_free(ratings);
}

/* ---- entries on their way ---- */

/* Entries first .. end of a block by user: what one round takes. */
typedef struct block_part {
    int64_t block, first, end;
} block_part;

typedef struct build {
    qn_context *ctx;
    qn_triples *triples;
    qn_ratings *ratings;
    qn_value_set values;
    qn_orient orient; /* being filled */
    int64_t *round;   /* first block of the triples of each round */
    int64_t first;    /* block of the round being filled */
    int64_t *entries; /* [blocks by user] of each */
    block_part *part; /* [rounds] by item */
    block_part own;   /* the one being filled */
    qn_entry *entry;
    int32_t *rank;
    qn_ratings_block view;
} build;

static inline uint32_t entry_bits(const build *b, float value)
{
    uint32_t bits;

    if (b->orient.coded)
        return qn_value_code(&b->values, value);
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Turns a block of rows into entries; it will not be looked at again. */
static qn_status fill_from_triples(void *arg, int64_t task, int32_t thread)
{
    const build *b = arg;
    const qn_triples *t = b->triples;
    const int64_t block = b->first + task;
    const int64_t at = t->block[block].first - t->block[b->first].first;
    qn_triples_view v;
    const qn_status st = qn_triples_pin(b->ctx, t, block, &v);

    (void)thread;
    if (st != QN_OK)
        return st;
    for (int64_t i = 0; i < v.n; i++) {
        b->entry[at + i] = (qn_entry){v.user[i], v.item[i], entry_bits(b, v.value[i])};
        b->rank[at + i] = qn_orient_owner(&b->orient, v.user[i]);
    }
    qn_triples_unpin(t, block);
    qn_row_block_drop(t, block);
    return QN_OK;
}

static qn_status triples_round(void *arg, int64_t round, void *records, int32_t *rank, int64_t *n)
{
    build *b = arg;
    const qn_triples *t = b->triples;
    const int64_t end = b->round[round + 1];

    b->first = b->round[round];
    *n = t->block[end - 1].first + t->block[end - 1].n - t->block[b->first].first;
    b->entry = records;
    b->rank = rank;
    return qn_parallel(b->ctx, end - b->first, fill_from_triples, b);
}

/* Segments [first, end) of the block, turned: the item becomes the row. */
#define SEGMENTS_PER_TASK 256

static qn_status fill_from_block(void *arg, int64_t task, int32_t thread)
{
    const build *b = arg;
    const qn_ratings_block *v = &b->view;
    const int64_t end = (task + 1) * SEGMENTS_PER_TASK < v->n_segments
                            ? (task + 1) * SEGMENTS_PER_TASK
                            : v->n_segments;

    (void)thread;
    for (int64_t s = task * SEGMENTS_PER_TASK; s < end; s++) {
        const qn_segment *segment = &v->segment[s];
        const int64_t start = segment->start, stop = start + segment->n;

        for (int64_t i = start > b->own.first ? start : b->own.first;
             i < (stop < b->own.end ? stop : b->own.end); i++) {
            uint32_t bits;

            if (v->code)
                bits = v->code[i];
            else
                memcpy(&bits, &v->value[i], sizeof bits);
            b->entry[i - b->own.first] = (qn_entry){v->index[i], segment->row, bits};
            b->rank[i - b->own.first] = qn_orient_owner(&b->orient, v->index[i]);
        }
    }
    return QN_OK;
}

static qn_status block_round(void *arg, int64_t round, void *records, int32_t *rank, int64_t *n)
{
    build *b = arg;
    const qn_orientation *by_user = &b->ratings->by_user;
    qn_status st;

    b->own = b->part[round];
    st = qn_ratings_block_pin(b->ctx, by_user, b->own.block, &b->view);
    if (st != QN_OK)
        return st;
    b->entry = records;
    b->rank = rank;
    *n = b->own.end - b->own.first;
    st = qn_parallel(b->ctx, (b->view.n_segments + SEGMENTS_PER_TASK - 1) / SEGMENTS_PER_TASK,
                     fill_from_block, b);
    qn_store_unpin(by_user->store, b->own.block);
    return st;
}

static qn_status take_records(void *arg, const void *records, int64_t n)
{
    build *b = arg;

    return qn_orient_take(&b->orient, records, n);
}

/* ---- the two orientations ---- */

/* Triples that have given all their rows. */
static void drop_triples(build *b)
{
    qn_triples_free(b->triples);
    b->triples = NULL;
    qn_free(b->round);
    b->round = NULL;
}

/* Keeps how many entries each block by user has. */
static qn_status keep_entries(build *b)
{
    qn_context *ctx = b->ctx;
    qn_status st = QN_OK;

    QN_NEW(ctx, b->entries, b->orient.n_blocks, "blocks of ratings");
    for (int64_t i = 0; i < b->orient.n_blocks; i++)
        b->entries[i] = b->orient.block[i].n_entries;
done:
    return st;
}

/* Cuts the blocks by user into rounds that fit what the budget leaves: a block each, or parts. */
static qn_status cut_blocks(build *b, qn_exchange *exchange)
{
    const int64_t n_blocks = qn_store_n_blocks(b->ratings->by_user.store);
    qn_context *ctx = b->ctx;
    qn_status st = QN_OK;
    int64_t n = 0;

    exchange->capacity = qn_exchange_capacity(ctx, sizeof(qn_entry), 1024);
    for (int64_t i = 0; i < n_blocks; i++)
        n += (b->entries[i] + exchange->capacity - 1) / exchange->capacity;
    QN_NEW(ctx, b->part, n, "rounds of ratings");
    for (int64_t i = 0; i < n_blocks; i++)
        for (int64_t first = 0; first < b->entries[i]; first += exchange->capacity) {
            const int64_t end = first + exchange->capacity;

            b->part[exchange->n_rounds++] =
                (block_part){i, first, end < b->entries[i] ? end : b->entries[i]};
        }
done:
    return st;
}

/* Collective. */
static qn_status build_by_user(build *b, int32_t partitions)
{
    qn_context *ctx = b->ctx;
    qn_status st = QN_OK;
    int64_t repeats = 0;
    qn_exchange exchange = {
        .record_bytes = sizeof(qn_entry),
        .arg = b,
        .fill = triples_round,
        .receive = take_records,
    };

    b->orient = (qn_orient){.ctx = ctx, .o = &b->ratings->by_user};
    exchange.capacity =
        qn_exchange_capacity(ctx, sizeof(qn_entry), qn_triples_max_rows(b->triples));
    QN_TRY_ALL(
        qn_triples_rounds(ctx, b->triples, exchange.capacity, &b->round, &exchange.n_rounds));
    QN_TRY(qn_orient_open(&b->orient, b->ratings->n_values > 0, partitions));
    QN_TRY_ALL(qn_triples_read_ahead(ctx, b->triples));
    QN_TRY(qn_exchange_run(ctx, &exchange));
    drop_triples(b);
    QN_TRY(qn_orient_close(&b->orient, "ratings by user", &repeats));
    QN_TRY(qn_comm_sum_int64(ctx, &repeats, 1));
    b->ratings->counts.duplicates += repeats;
    QN_TRY_ALL(keep_entries(b));
done:
    qn_orient_release(&b->orient);
    return st;
}

/* Rows by user come in ascending order of users, so rows by item need no sorting where one rank
 * holds all; otherwise they are merged by it. Collective. */
static qn_status build_by_item(build *b, int32_t partitions)
{
    qn_context *ctx = b->ctx;
    struct qn_store *by_user = b->ratings->by_user.store;
    qn_status st = QN_OK;
    int64_t repeats = 0;
    qn_exchange exchange = {
        .record_bytes = sizeof(qn_entry),
        .arg = b,
        .fill = block_round,
        .receive = take_records,
    };

    b->orient = (qn_orient){.ctx = ctx, .o = &b->ratings->by_item};
    QN_TRY_ALL(cut_blocks(b, &exchange));
    QN_TRY(qn_orient_open(&b->orient, b->ratings->n_values > 0, partitions));
    QN_TRY_ALL(qn_store_read_ahead(ctx, by_user, NULL, -1));
    QN_TRY(qn_exchange_run(ctx, &exchange));
    QN_TRY(qn_orient_close(&b->orient, "ratings by item", &repeats));
done:
    qn_orient_release(&b->orient);
    return st;
}

/* ---- the sum, cell by cell ---- */

typedef struct sum_job {
    qn_context *ctx;
    const qn_ratings *ratings;
    qn_tree_sum *tree;
    int64_t *block; /* [n_partitions + 1] first block of each, counting this rank's only */
    double *cell;   /* [n_cells] */
} sum_job;

static qn_status sum_partition(void *arg, int64_t p, int32_t thread)
{
    const sum_job *job = arg;
    qn_context *ctx = job->ctx;
    const qn_orientation *o = &job->ratings->by_user;
    const qn_partition *partition = &o->partitioning->partition[p];
    qn_status st = QN_OK;

    (void)thread;
    if (partition->owner != qn_rank(ctx))
        return QN_OK;
    for (int64_t b = job->block[p]; b < job->block[p + 1]; b++) {
        qn_ratings_block v;

        QN_TRY(qn_ratings_block_pin(ctx, o, b, &v));
        for (int64_t s = 0; s < v.n_segments; s++) {
            double *sum = &job->cell[v.segment[s].row / o->partitioning->cell_rows];
            const int64_t start = v.segment[s].start;

            for (int64_t i = start; i < start + v.segment[s].n; i++)
                *sum += v.code ? job->ratings->value[v.code[i]] : v.value[i];
        }
        qn_store_unpin(o->store, b);
    }
    for (int64_t c = partition->first_cell; c < partition->first_cell + partition->n_cells; c++)
        QN_TRY(qn_tree_sum_add(ctx, job->tree, c, &job->cell[c]));
done:
    return st;
}

static qn_status prepare_sum(sum_job *job)
{
    qn_context *ctx = job->ctx;
    const qn_orientation *o = &job->ratings->by_user;
    const int64_t n_partitions = o->partitioning->n_partitions;
    qn_status st = QN_OK;

    QN_NEW0(ctx, job->block, n_partitions + 1, "sum of ratings");
    QN_NEW0(ctx, job->cell, o->partitioning->n_cells, "sum of ratings");
    for (int64_t b = 0; b < qn_store_n_blocks(o->store); b++)
        job->block[qn_store_block_partition(o->store, b) + 1]++;
    for (int64_t p = 0; p < n_partitions; p++)
        job->block[p + 1] += job->block[p];
    QN_TRY(qn_tree_sum_create(ctx, o->partitioning->n_cells, 1, &job->tree));
done:
    return st;
}

/* Collective. */
static qn_status sum_ratings(qn_context *ctx, qn_ratings *r)
{
    sum_job job = {.ctx = ctx, .ratings = r};
    qn_status st = QN_OK;

    QN_TRY_ALL(prepare_sum(&job));
    QN_TRY_ALL(qn_parallel(ctx, r->by_user.partitioning->n_partitions, sum_partition, &job));
    QN_TRY(qn_tree_sum_finish(ctx, job.tree, &r->sum_ratings));
done:
    qn_tree_sum_free(job.tree);
    qn_free(job.block);
    qn_free(job.cell);
    return st;
}

static qn_status build_all(build *b, int32_t partitions)
{
    qn_context *ctx = b->ctx;
    qn_triples *t = b->triples;
    qn_ratings *r = b->ratings;
    qn_status st = QN_OK;

    QN_TRY(qn_ratings_summarise(ctx, t, &b->values, r));
    r->users = t->users;
    r->items = t->items;
    t->users = t->items = (qn_ids){0};
    QN_TRY(build_by_user(b, partitions));
    QN_TRY(build_by_item(b, partitions));
    QN_TRY(sum_ratings(ctx, r));
done:
    return st;
}

/* What reading and arranging wrote to scratch and read back, where it did. */
static void emit_spilled(qn_context *ctx)
{
    const qn_store_stats totals = qn_context_store_totals(ctx);

    if (totals.bytes_spilled == 0)
        return;
    qn_emit_count(ctx, "load_bytes_spilled", (int64_t)totals.bytes_spilled);
    qn_emit_count(ctx, "load_bytes_read_back", (int64_t)totals.bytes_read);
}

qn_status qn_ratings_from_triples(qn_context *ctx, qn_triples **triples, int32_t partitions,
                                  qn_ratings **ratings)
{
    build b = {.ctx = ctx, .triples = *triples};
    qn_status st = QN_OK;

    *triples = NULL;
    *ratings = NULL;
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&b.ratings, 1, sizeof *b.ratings, "ratings"));
    QN_TRY(build_all(&b, partitions));
    qn_emit_count(ctx, "ratings", b.ratings->n_ratings);
    qn_emit_count(ctx, "duplicates", b.ratings->counts.duplicates);
    emit_spilled(ctx);
    *ratings = b.ratings;
    b.ratings = NULL;
done:
    qn_triples_free(b.triples);
    qn_free(b.round);
    qn_free(b.entries);
    qn_free(b.part);
    qn_ratings_free(b.ratings);
    return st;
}

qn_status qn_ratings_read(qn_context *ctx, const qn_ratings_options *options, qn_ratings **ratings)
{
    const bool need_time = options->on_duplicate == QN_DUPLICATE_LATEST;
    qn_status st = QN_OK;
    qn_triples *triples = NULL;

    *ratings = NULL;
    QN_TRY(qn_triples_read(ctx, options, need_time, need_time, &triples));
    QN_TRY(qn_triples_merge_duplicates(ctx, &triples, (qn_on_duplicate)options->on_duplicate));
    QN_TRY(qn_ratings_from_triples(ctx, &triples, options->partitions, ratings));
done:
    qn_triples_free(triples);
    return st;
}
