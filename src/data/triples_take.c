/* Parts of triples: the rows that a choice puts on one side or on both, block by block. */
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/sides.h"
#include "data/split.h"
#include "data/triples_blocks.h"
#include "engine/comm.h"

typedef _Atomic uint64_t used_word;

/* The triples of one side in the making. */
typedef struct side_rows {
    qn_triples *to; /* NULL: not wanted */
    bool compact;
    used_word *used[2];     /* bits of the users, items that occur here */
    uint32_t *new_index[2]; /* NULL: as before */
    qn_row_run *run;        /* [blocks of `from`] */
} side_rows;

typedef struct take_job {
    qn_context *ctx;
    const qn_triples *from;
    const qn_choice *choice; /* its rows are part 0, others are left; NULL: `sides` says it */
    qn_sides *sides;
    bool consume;
    side_rows part[2];
    uint8_t **own; /* [threads] sides of a block's rows; made when a thread comes first */
    int64_t max_rows;
} take_job;

/* Side of each row of a block. */
static qn_status choose(take_job *job, const qn_triples_view *v, int32_t thread,
                        const uint8_t **sides)
{
    const qn_choice *c = job->choice;
    qn_context *ctx = job->ctx;
    uint8_t *own;
    qn_status st = QN_OK;

    if (!job->own[thread])
        QN_NEW(ctx, job->own[thread], job->max_rows, "parts of rows");
    own = job->own[thread];
    QN_TRY(qn_sides_get(ctx, c ? c->sides : job->sides, v->first, v->n, own));
    for (int64_t i = 0; c && i < v->n; i++)
        own[i] = (own[i] == c->part) == c->others;
    *sides = own;
done:
    return st;
}

/* ---- ids in use ---- */

/* Looks before it writes: most ids have been seen. */
static inline void mark(used_word *used, uint32_t index)
{
    const uint64_t bit = (uint64_t)1 << (index & 63);

    if (!(atomic_load_explicit(&used[index >> 6], memory_order_relaxed) & bit))
        atomic_fetch_or_explicit(&used[index >> 6], bit, memory_order_relaxed);
}

static qn_status mark_block(void *arg, const qn_triples_view *v, int64_t block, int32_t thread)
{
    take_job *job = arg;
    const uint8_t *sides;
    const qn_status st = choose(job, v, thread, &sides);

    (void)block;
    for (int64_t i = 0; st == QN_OK && i < v->n; i++) {
        const side_rows *p = sides[i] < 2 ? &job->part[sides[i]] : NULL;

        if (!p || !p->compact)
            continue;
        mark(p->used[0], v->user[i]);
        mark(p->used[1], v->item[i]);
    }
    return st;
}

/* Bits of all ranks. Collective. */
static qn_status share_used(qn_context *ctx, used_word *used, int64_t n_words)
{
    qn_status st = QN_OK;
    uint64_t *all = NULL;
    size_t bytes = 0;

    QN_TRY(qn_comm_allgather(ctx, (const void *)used, (size_t)n_words * sizeof *used, (void **)&all,
                             &bytes));
    for (int64_t w = 0; w < (int64_t)(bytes / sizeof *all); w++)
        used[w % n_words] |= all[w];
done:
    qn_free(all);
    return st;
}

static bool is_used(const used_word *used, int64_t i)
{
    return (atomic_load_explicit(&used[i >> 6], memory_order_relaxed) >> (i & 63)) & 1;
}

/* The dictionary of the ids in use, and where each old index goes. */
static qn_status compact_ids(qn_context *ctx, const qn_ids *from, const used_word *used, qn_ids *to,
                             uint32_t **new_index)
{
    const bool is_text = from->type == QN_ID_STRING;
    qn_status st = QN_OK;
    int64_t bytes = 0;

    to->type = from->type;
    QN_NEW(ctx, *new_index, from->n, "indices of ids");
    for (int64_t i = 0; i < from->n; i++) {
        (*new_index)[i] = (uint32_t)to->n;
        if (!is_used(used, i))
            continue;
        to->n++;
        bytes += is_text ? from->offset[i + 1] - from->offset[i] : 0;
    }
    if (is_text) {
        QN_NEW(ctx, to->text, bytes, "text ids");
        QN_NEW0(ctx, to->offset, to->n + 1, "text ids");
    } else {
        QN_NEW(ctx, to->number, to->n, "ids");
    }
    for (int64_t i = 0, at = 0; i < from->n; i++) {
        if (!is_used(used, i))
            continue;
        if (is_text) {
            const int64_t n = from->offset[i + 1] - from->offset[i];

            memcpy(to->text + to->offset[at], from->text + from->offset[i], (size_t)n);
            to->offset[at + 1] = to->offset[at] + n;
        } else {
            to->number[at] = from->number[i];
        }
        at++;
    }
done:
    return st;
}

static int64_t n_words(const qn_ids *ids)
{
    return ids->n / 64 + 1;
}

static qn_status prepare_used(take_job *job)
{
    const qn_ids *ids[2] = {&job->from->users, &job->from->items};
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    for (int32_t p = 0; p < 2; p++)
        for (int32_t side = 0; side < 2 && job->part[p].compact; side++)
            QN_NEW0(ctx, job->part[p].used[side], n_words(ids[side]), "ids in use");
done:
    return st;
}

/* Dictionaries of a part. Collective. */
static qn_status part_ids(take_job *job, side_rows *p)
{
    const qn_ids *old[2] = {&job->from->users, &job->from->items};
    qn_ids *made[2] = {&p->to->users, &p->to->items};
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    for (int32_t side = 0; side < 2; side++) {
        if (!p->compact) {
            QN_TRY_ALL(qn_ids_copy(ctx, old[side], made[side]));
            continue;
        }
        QN_TRY(share_used(ctx, p->used[side], n_words(old[side])));
        QN_TRY_ALL(compact_ids(ctx, old[side], p->used[side], made[side], &p->new_index[side]));
        qn_free(p->used[side]);
        p->used[side] = NULL;
    }
done:
    return st;
}

/* ---- rows ---- */

static void copy_ids(uint32_t *to, const uint32_t *from, int64_t n, const uint8_t *sides,
                     uint8_t side, const uint32_t *new_index)
{
    for (int64_t i = 0, at = 0; i < n; i++)
        if (sides[i] == side)
            to[at++] = new_index ? new_index[from[i]] : from[i];
}

static qn_status copy_side(take_job *job, const qn_triples_view *v, const uint8_t *sides,
                           uint8_t side, qn_row_run *run)
{
    const side_rows *p = &job->part[side];
    qn_status st = QN_OK;
    int64_t n = 0, at = 0;

    for (int64_t i = 0; i < v->n; i++)
        n += sides[i] == side;
    if (n == 0)
        return QN_OK;
    QN_TRY(qn_row_run_open(job->ctx, p->to, run, n));
    copy_ids(run->columns.id[0], v->user, v->n, sides, side, p->new_index[0]);
    copy_ids(run->columns.id[1], v->item, v->n, sides, side, p->new_index[1]);
    for (int64_t i = 0; i < v->n; i++) {
        if (sides[i] != side)
            continue;
        run->columns.value[at] = v->value[i];
        if (v->time)
            run->columns.time[at] = v->time[i];
        at++;
    }
    run->used = n;
    QN_TRY(qn_row_run_end(job->ctx, p->to, run));
done:
    return st;
}

static qn_status take_block(void *arg, int64_t block, int32_t thread)
{
    take_job *job = arg;
    qn_triples_view v;
    const uint8_t *sides;
    qn_status st = qn_triples_pin(job->ctx, job->from, block, &v);

    if (st != QN_OK)
        return st;
    st = choose(job, &v, thread, &sides);
    for (uint8_t side = 0; side < 2 && st == QN_OK; side++)
        if (job->part[side].to)
            st = copy_side(job, &v, sides, side, &job->part[side].run[block]);
    qn_triples_unpin(job->from, block);
    if (job->consume)
        qn_row_block_drop(job->from, block);
    return st;
}

static qn_status take_rows(take_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    for (int32_t p = 0; p < 2; p++)
        if (job->part[p].to)
            QN_NEW0(ctx, job->part[p].run, job->from->n_blocks, "blocks of ratings");
    QN_TRY(qn_triples_read_ahead(ctx, job->from));
    QN_TRY(qn_parallel(ctx, job->from->n_blocks, take_block, job));
    for (int32_t p = 0; p < 2; p++) {
        if (!job->part[p].to)
            continue;
        QN_TRY(qn_row_runs_join(ctx, job->part[p].to, job->part[p].run, job->from->n_blocks));
        job->part[p].to->counts = job->from->counts;
    }
done:
    return st;
}

static qn_status prepare(take_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    for (int64_t b = 0; b < job->from->n_blocks; b++)
        if (job->from->block[b].n > job->max_rows)
            job->max_rows = job->from->block[b].n;
    QN_NEW0(ctx, job->own, qn_context_threads(ctx), "sides of rows");
    QN_TRY(prepare_used(job));
done:
    return st;
}

static void part_release(side_rows *p, int64_t n_blocks)
{
    for (int64_t b = 0; p->run && b < n_blocks; b++)
        qn_row_run_release(&p->run[b]);
    qn_free(p->run);
    for (int32_t side = 0; side < 2; side++) {
        qn_free(p->used[side]);
        qn_free(p->new_index[side]);
    }
    qn_triples_free(p->to);
}

/* Fills the parts that are there. Collective. */
static qn_status take_all(take_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY_ALL(prepare(job));
    if (job->part[0].compact || job->part[1].compact)
        QN_TRY_ALL(qn_triples_each(ctx, job->from, mark_block, job));
    for (int32_t p = 0; p < 2; p++)
        if (job->part[p].to)
            QN_TRY(part_ids(job, &job->part[p]));
    QN_TRY_ALL(take_rows(job));
done:
    return st;
}

static void take_release(take_job *job)
{
    for (int32_t t = 0; job->own && t < qn_context_threads(job->ctx); t++)
        qn_free(job->own[t]);
    qn_free(job->own);
    for (int32_t p = 0; p < 2; p++)
        part_release(&job->part[p], job->from->n_blocks);
}

qn_status qn_triples_take(qn_context *ctx, const qn_triples *from, const qn_choice *choice,
                          bool compact, qn_triples **out)
{
    take_job job = {.ctx = ctx, .from = from, .choice = choice};
    qn_status st = QN_OK;

    *out = NULL;
    QN_TRY_ALL(qn_triples_create(ctx, from->has_time, &job.part[0].to));
    job.part[0].compact = compact;
    QN_TRY(take_all(&job));
    *out = job.part[0].to;
    job.part[0].to = NULL;
done:
    take_release(&job);
    return st;
}

qn_status qn_triples_cut(qn_context *ctx, qn_triples **from, const qn_split_spec *spec,
                         qn_triples **train, qn_triples **test)
{
    take_job job = {.ctx = ctx, .from = *from, .consume = true};
    qn_status st = QN_OK;

    *train = *test = NULL;
    QN_TRY(qn_triples_split(ctx, job.from, spec, &job.sides));
    job.part[0].compact = true;
    for (int32_t p = 0; p < 2; p++)
        QN_TRY_ALL(qn_triples_create(ctx, job.from->has_time, &job.part[p].to));
    QN_TRY(take_all(&job));
    *train = job.part[0].to;
    *test = job.part[1].to;
    job.part[0].to = job.part[1].to = NULL;
done:
    take_release(&job);
    qn_sides_free(job.sides);
    qn_triples_free(*from);
    *from = NULL;
    return st;
}
