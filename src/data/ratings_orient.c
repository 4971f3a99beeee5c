#include "data/ratings_orient.h"

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/ratings_layout.h"
#include "data/ratings_sort.h"
#include "engine/cell.h"
#include "engine/comm.h"
#include "engine/store.h"

/* Entries that a block aims at: 2 MiB of them when coded. */
#define BLOCK_ENTRIES ((int64_t)400 << 10)

/* Where a segment's entries lie. */
struct qn_segment_place {
    uint32_t *index;
    void *value; /* uint8 or float */
};

/* Where the next entry of a row goes. */
struct qn_row_cursor {
    uint32_t *index;
    void *value;
    uint32_t left; /* in this segment */
    uint32_t next; /* segment of the row that comes then */
};

/* ---- degrees ---- */

typedef struct count_job {
    const uint32_t *row;
    int64_t n, n_rows, n_runs;
    uint32_t *degree;
} count_job;

/* A task counts the rows of its run: no two write the same place. */
static qn_status count_run(void *arg, int64_t run, int32_t thread)
{
    const count_job *job = arg;
    const uint32_t first = (uint32_t)(job->n_rows * run / job->n_runs);
    const uint32_t n = (uint32_t)(job->n_rows * (run + 1) / job->n_runs) - first;

    (void)thread;
    for (int64_t i = 0; i < job->n; i++)
        if (job->row[i] - first < n)
            job->degree[job->row[i]]++;
    return QN_OK;
}

qn_status qn_orient_count(qn_context *ctx, const uint32_t *row, int64_t n, int64_t n_rows,
                          uint32_t *degree)
{
    count_job job = {row, n, n_rows, qn_context_threads(ctx), degree};
    qn_status st = QN_OK;
    int64_t *sum = NULL;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&sum, n_rows, sizeof *sum, "degrees"));
    QN_TRY_ALL(qn_parallel(ctx, job.n_runs, count_run, &job));
    for (int64_t r = 0; r < n_rows; r++)
        sum[r] = degree[r];
    QN_TRY(qn_comm_sum_int64(ctx, sum, n_rows));
    for (int64_t r = 0; r < n_rows; r++) {
        if (sum[r] > UINT32_MAX)
            QN_TRY(qn_fail(ctx, QN_EDATA, "more than 4 billion ratings of one id"));
        degree[r] = (uint32_t)sum[r];
    }
done:
    qn_free(sum);
    return st;
}

/* ---- layout ---- */

static int64_t n_segments_of(const qn_orient *t, int64_t row)
{
    const int64_t long_row = t->ctx->cells.long_row;

    return ((int64_t)t->o->degree[row] + long_row - 1) / long_row;
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

static qn_status number_segments(qn_orient *t)
{
    qn_context *ctx = t->ctx;
    const int64_t n = t->end_row - t->first_row;
    qn_status st = QN_OK;

    QN_NEW0(ctx, t->cursor, n, "rows of ratings");
    QN_NEW0(ctx, t->first_segment, n + 1, "rows of ratings");
    for (int64_t i = 0; i < n; i++)
        t->first_segment[i + 1] = t->first_segment[i] + n_segments_of(t, t->first_row + i);
    QN_NEW0(ctx, t->place, t->first_segment[n], "segments of ratings");
done:
    return st;
}

/* Where the next block begins: a row and a segment of it. */
typedef struct block_start {
    int64_t row, part;
} block_start;

static int64_t segment_entries(const qn_orient *t, int64_t row, int64_t part)
{
    const int64_t long_row = t->ctx->cells.long_row;
    const int64_t left = (int64_t)t->o->degree[row] - part * long_row;

    return left < long_row ? left : long_row;
}

/* Takes segments from `at` on until the block is full or the partition ends. */
static block_start block_end(const qn_orient *t, block_start at, int64_t end_row,
                             int64_t *n_segments, int64_t *n_entries)
{
    *n_segments = *n_entries = 0;
    while (at.row < end_row) {
        const int64_t n = segment_entries(t, at.row, at.part);

        if (n > 0) {
            if (*n_segments > 0 && *n_entries + n > BLOCK_ENTRIES)
                break;
            ++*n_segments;
            *n_entries += n;
        }
        if (++at.part >= n_segments_of(t, at.row))
            at = (block_start){at.row + 1, 0};
    }
    return at;
}

static void write_segments(qn_orient *t, block_start at, char *block, int64_t n_segments,
                           int64_t n_entries)
{
    const size_t value_bytes = t->coded ? sizeof(uint8_t) : sizeof(float);
    qn_block_header *header = (void *)block;
    qn_block_parts parts;
    qn_segment *segment;
    int64_t start = 0;

    *header = (qn_block_header){n_segments, n_entries, t->coded};
    qn_block_layout(n_segments, n_entries, t->coded, &parts);
    segment = (void *)(block + parts.segment);
    for (int64_t s = 0; s < n_segments;) {
        const int64_t n = segment_entries(t, at.row, at.part);

        if (n > 0) {
            qn_segment_place *place = &t->place[t->first_segment[at.row - t->first_row] + at.part];

            segment[s++] =
                (qn_segment){(uint32_t)at.row, (uint32_t)n, (uint32_t)start, (uint32_t)at.part};
            place->index = (uint32_t *)(void *)(block + parts.index) + start;
            place->value = block + parts.value + (size_t)start * value_bytes;
            start += n;
        }
        if (++at.part >= n_segments_of(t, at.row))
            at = (block_start){at.row + 1, 0};
    }
}

static qn_status add_blocks(qn_orient *t, int64_t partition)
{
    const qn_partition *p = &t->o->partitioning->partition[partition];
    const int64_t end_row = p->first_row + p->n_rows;
    block_start at = {p->first_row, 0};
    qn_status st = QN_OK;

    while (at.row < end_row) {
        int64_t n_segments = 0, n_entries = 0;
        const block_start next = block_end(t, at, end_row, &n_segments, &n_entries);
        qn_block_parts parts;
        void *block = NULL;

        if (n_segments > 0) {
            QN_TRY(qn_store_add(t->ctx, t->o->store, partition,
                                qn_block_layout(n_segments, n_entries, t->coded, &parts), &block));
            write_segments(t, at, block, n_segments, n_entries);
        }
        at = next;
    }
done:
    return st;
}

static void start_cursors(qn_orient *t)
{
    for (int64_t i = 0; i < t->end_row - t->first_row; i++) {
        const uint32_t degree = t->o->degree[t->first_row + i];
        const int64_t long_row = t->ctx->cells.long_row;

        if (degree == 0)
            continue;
        t->cursor[i].index = t->place[t->first_segment[i]].index;
        t->cursor[i].value = t->place[t->first_segment[i]].value;
        t->cursor[i].left = (int64_t)degree < long_row ? degree : (uint32_t)long_row;
        t->cursor[i].next = 1;
    }
}

static qn_status lay_out(qn_orient *t, const char *name)
{
    qn_context *ctx = t->ctx;
    qn_orientation *o = t->o;
    qn_status st = QN_OK;

    QN_TRY(number_segments(t));
    QN_TRY(qn_store_create(ctx, name, &o->store));
    for (int64_t p = 0; p < o->partitioning->n_partitions; p++)
        if (o->partitioning->partition[p].owner == qn_rank(ctx))
            QN_TRY(add_blocks(t, p));
    start_cursors(t);
done:
    return st;
}

/* ---- piles ---- */

/* Entries of a pile: with their rows' places they stay in a core's second cache. */
#define PILE_ENTRIES ((int64_t)64 << 10)
#define MAX_PILES    512

static size_t bits_bytes(const qn_orient *t)
{
    return t->coded ? sizeof(uint8_t) : sizeof(uint32_t);
}

static void cut_piles(qn_orient *t, int64_t target)
{
    int64_t in_pile = 0;

    t->n_piles = 0;
    t->pile_start[0] = 0;
    t->pile_row[0] = t->first_row;
    for (int64_t r = t->first_row; r < t->end_row; r++) {
        in_pile += t->o->degree[r];
        t->pile_of[r - t->first_row] = (uint16_t)t->n_piles;
        if (in_pile < target && r + 1 < t->end_row)
            continue;
        t->n_piles++;
        t->pile_row[t->n_piles] = r + 1;
        t->pile_start[t->n_piles] = t->pile_start[t->n_piles - 1] + in_pile;
        in_pile = 0;
    }
    memcpy(t->pile_next, t->pile_start, (size_t)t->n_piles * sizeof *t->pile_next);
}

static qn_status make_piles(qn_orient *t)
{
    qn_context *ctx = t->ctx;
    qn_status st = QN_OK;
    int64_t n = 0;

    for (int64_t r = t->first_row; r < t->end_row; r++)
        n += t->o->degree[r];
    QN_NEW(ctx, t->pile_row, MAX_PILES + 2, "piles of ratings");
    QN_NEW(ctx, t->pile_start, MAX_PILES + 2, "piles of ratings");
    QN_NEW(ctx, t->pile_next, MAX_PILES + 2, "piles of ratings");
    QN_NEW(ctx, t->pile_of, t->end_row - t->first_row, "piles of ratings");
    cut_piles(t, n / MAX_PILES > PILE_ENTRIES ? n / MAX_PILES + 1 : PILE_ENTRIES);
    QN_NEW(ctx, t->row, n, "ratings being arranged");
    QN_NEW(ctx, t->other, n, "ratings being arranged");
    QN_TRY(qn_alloc_array(ctx, &t->bits, n, bits_bytes(t), "ratings being arranged"));
done:
    return st;
}

static qn_status prepare(qn_orient *t, int32_t partitions)
{
    const qn_status st = make_partitions(t, partitions);

    return st == QN_OK ? make_piles(t) : st;
}

qn_status qn_orient_open(qn_orient *orient, bool coded, int32_t partitions)
{
    orient->coded = coded;
    return qn_comm_agree(orient->ctx, prepare(orient, partitions));
}

static void drop_piles(qn_orient *t)
{
    qn_free(t->row);
    qn_free(t->other);
    qn_free(t->bits);
    t->row = t->other = NULL;
    t->bits = NULL;
}

void qn_orient_release(qn_orient *orient)
{
    drop_piles(orient);
    qn_free(orient->pile_row);
    qn_free(orient->pile_start);
    qn_free(orient->pile_next);
    qn_free(orient->pile_of);
    qn_free(orient->cursor);
    qn_free(orient->place);
    qn_free(orient->first_segment);
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

typedef struct take_job {
    qn_orient *t;
    const qn_entry *entry;
    int64_t n, n_runs;
} take_job;

/* A task takes the entries of its run of piles: each pile is written by one thread, in the order in
 * which entries come. */
static qn_status take_run(void *arg, int64_t run, int32_t thread)
{
    const take_job *job = arg;
    qn_orient *t = job->t;
    const uint32_t first = (uint32_t)t->pile_row[t->n_piles * run / job->n_runs];
    const uint32_t n_rows = (uint32_t)t->pile_row[t->n_piles * (run + 1) / job->n_runs] - first;
    uint8_t *code = t->coded ? t->bits : NULL;
    uint32_t *bits = t->coded ? NULL : t->bits;

    (void)thread;
    for (int64_t e = 0; e < job->n; e++) {
        const qn_entry *entry = &job->entry[e];
        int64_t at;

        if (entry->row - first >= n_rows)
            continue;
        at = t->pile_next[t->pile_of[entry->row - t->first_row]]++;
        t->row[at] = entry->row;
        t->other[at] = entry->other;
        if (code)
            code[at] = (uint8_t)entry->bits;
        else
            bits[at] = entry->bits;
    }
    return QN_OK;
}

qn_status qn_orient_take(qn_orient *orient, const qn_entry *entries, int64_t n)
{
    take_job job = {orient, entries, n, qn_context_threads(orient->ctx)};

    return n == 0 ? QN_OK : qn_parallel(orient->ctx, job.n_runs, take_run, &job);
}

/* ---- from piles to rows ---- */

typedef struct sort_job {
    qn_orient *t;
    uint64_t **keys; /* [threads], 2 * max_degree each; made when a thread comes first */
    int64_t max_degree;
    atomic_int_fast64_t repeats;
} sort_job;

static void next_segment(const qn_orient *t, qn_row_cursor *cursor, int64_t i)
{
    const qn_segment_place *place;
    const int64_t n_left =
        (int64_t)t->o->degree[t->first_row + i] - cursor->next * t->ctx->cells.long_row;

    if (n_left <= 0)
        return;
    place = &t->place[t->first_segment[i] + cursor->next];
    cursor->index = place->index;
    cursor->value = place->value;
    cursor->left = (uint32_t)(n_left < t->ctx->cells.long_row ? n_left : t->ctx->cells.long_row);
    cursor->next++;
}

static void scatter_pile(const qn_orient *t, int64_t pile)
{
    const bool coded = t->coded;

    for (int64_t e = t->pile_start[pile]; e < t->pile_start[pile + 1]; e++) {
        qn_row_cursor *cursor = &t->cursor[t->row[e] - t->first_row];

        *cursor->index++ = t->other[e];
        if (coded) {
            *(uint8_t *)cursor->value = ((const uint8_t *)t->bits)[e];
            cursor->value = (uint8_t *)cursor->value + 1;
        } else {
            *(uint32_t *)cursor->value = ((const uint32_t *)t->bits)[e];
            cursor->value = (uint32_t *)cursor->value + 1;
        }
        if (--cursor->left == 0)
            next_segment(t, cursor, t->row[e] - t->first_row);
    }
}

static uint32_t value_order(const qn_orient *t, const qn_segment_place *place, int64_t i)
{
    float value;

    if (t->coded)
        return ((const uint8_t *)place->value)[i];
    memcpy(&value, (const uint32_t *)place->value + i, sizeof value);
    return qn_float_order(value);
}

static void load_row(const qn_orient *t, int64_t i, uint64_t *keys)
{
    const int64_t row = t->first_row + i;

    for (int64_t part = 0; part < n_segments_of(t, row); part++) {
        const qn_segment_place *place = &t->place[t->first_segment[i] + part];
        const int64_t n = segment_entries(t, row, part);

        for (int64_t e = 0; e < n; e++)
            *keys++ = (uint64_t)place->index[e] << 32 | value_order(t, place, e);
    }
}

static void store_row(const qn_orient *t, int64_t i, const uint64_t *keys)
{
    const int64_t row = t->first_row + i;

    for (int64_t part = 0; part < n_segments_of(t, row); part++) {
        const qn_segment_place *place = &t->place[t->first_segment[i] + part];
        const int64_t n = segment_entries(t, row, part);

        for (int64_t e = 0; e < n; e++, keys++) {
            const float value = qn_float_of_order((uint32_t)*keys);

            place->index[e] = (uint32_t)(*keys >> 32);
            if (t->coded)
                ((uint8_t *)place->value)[e] = (uint8_t)*keys;
            else
                memcpy((uint32_t *)place->value + e, &value, sizeof value);
        }
    }
}

/* Returns the entries whose `other` stood before. */
static int64_t sort_row(const qn_orient *t, int64_t i, uint64_t *keys)
{
    const int64_t n = t->o->degree[t->first_row + i];
    int64_t repeats = 0;

    load_row(t, i, keys);
    if (!qn_keys_ascend(keys, n)) {
        qn_sort_keys(keys, n, keys + n);
        store_row(t, i, keys);
    }
    for (int64_t e = 1; e < n; e++)
        repeats += keys[e - 1] >> 32 == keys[e] >> 32;
    return repeats;
}

static qn_status arrange_pile(void *arg, int64_t pile, int32_t thread)
{
    sort_job *job = arg;
    const qn_orient *t = job->t;
    qn_context *ctx = t->ctx;
    qn_status st = QN_OK;
    int64_t repeats = 0;

    if (!job->keys[thread])
        QN_NEW(ctx, job->keys[thread], 2 * job->max_degree, "sorting a row");
    scatter_pile(t, pile);
    for (int64_t r = t->pile_row[pile]; r < t->pile_row[pile + 1]; r++)
        repeats += sort_row(t, r - t->first_row, job->keys[thread]);
    atomic_fetch_add_explicit(&job->repeats, repeats, memory_order_relaxed);
done:
    return st;
}

static qn_status arrange(qn_orient *t, const char *name, int64_t *n_repeats)
{
    qn_context *ctx = t->ctx;
    sort_job job = {.t = t};
    qn_status st = QN_OK;

    QN_TRY(lay_out(t, name));
    for (int64_t r = t->first_row; r < t->end_row; r++)
        if (t->o->degree[r] > job.max_degree)
            job.max_degree = t->o->degree[r];
    QN_NEW0(ctx, job.keys, qn_context_threads(ctx), "sorting rows");
    QN_TRY(qn_parallel(ctx, t->n_piles, arrange_pile, &job));
    drop_piles(t);
    QN_TRY(qn_store_seal(ctx, t->o->store));
    *n_repeats = job.repeats;
done:
    for (int32_t i = 0; job.keys && i < qn_context_threads(ctx); i++)
        qn_free(job.keys[i]);
    qn_free(job.keys);
    return st;
}

qn_status qn_orient_close(qn_orient *orient, const char *name, int64_t *n_repeats)
{
    *n_repeats = 0;
    return qn_comm_agree(orient->ctx, arrange(orient, name, n_repeats));
}
