/* Rows go to the rank that owns their user, there to piles of users, and pile by pile into order:
 * no more is held at a time than the piles that threads work on. */
#include "data/triples_gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/ratings_exchange.h"
#include "data/ratings_piles.h"
#include "data/ratings_sort.h"
#include "data/row_counts.h"
#include "data/triples_blocks.h"
#include "engine/comm.h"
#include "engine/store.h"

/* Records of a pile where memory is no matter. */
#define PILE_ROWS ((int64_t)256 << 10)
/* Bytes that a row of a pile takes while it is sorted: the row, its place in order, its block. */
#define WORK_BYTES (sizeof(qn_full_row) + sizeof(uint32_t) + 24)

/* What a thread needs to put a user's rows in order. */
typedef struct user_scratch {
    int64_t capacity;
    qn_full_row *row;
    uint64_t *keys; /* [2 capacity] */
} user_scratch;

typedef struct gather_job {
    qn_context *ctx;
    const qn_gather *gather;
    qn_triples *to;
    uint32_t *degree; /* [users] over all ranks */
    qn_row_counts counts;

    qn_piles piles;
    int64_t *pile_user; /* [piles + 1] first user of each */
    uint32_t *pile_of;  /* [users] of those that this rank owns */
    qn_row_run *run;    /* [piles] */
    user_scratch *own;  /* [threads] */

    int64_t *round; /* first block of each round */
    int64_t first;  /* block of the round being filled */
    qn_full_row *record;
    int32_t *rank;
} gather_job;

static int32_t owner_of(const gather_job *job, uint32_t user)
{
    const int64_t n = job->gather->from->users.n;

    if (job->gather->owner)
        return job->gather->owner[user];
    return (int32_t)((int64_t)user * qn_size(job->ctx) / (n > 0 ? n : 1));
}

/* ---- piles ---- */

static qn_status count_block(void *arg, const qn_triples_view *v, int64_t block, int32_t thread)
{
    gather_job *job = arg;

    (void)block;
    return qn_row_counts_add(job->ctx, &job->counts, thread, v->user, v->n);
}

/* Rows of each user. Collective. */
static qn_status count_users(gather_job *job)
{
    const qn_triples *from = job->gather->from;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&job->degree, from->users.n, sizeof *job->degree,
                              "ratings of each user"));
    QN_TRY_ALL(qn_row_counts_init(ctx, from->users.n, &job->counts));
    QN_TRY_ALL(qn_triples_each(ctx, from, count_block, job));
    QN_TRY(qn_row_counts_finish(ctx, &job->counts, job->degree));
done:
    return st;
}

/* Cuts the users into piles; total: records of each. Returns how many; without arrays it counts. */
static int64_t cut_piles(gather_job *job, int64_t target, int64_t *total)
{
    const int64_t n_users = job->gather->from->users.n;
    int64_t n = 0, in_pile = 0;

    for (int64_t u = 0; u < n_users; u++) {
        if (owner_of(job, (uint32_t)u) == qn_rank(job->ctx))
            in_pile += job->degree[u];
        if (total)
            job->pile_of[u] = (uint32_t)n;
        if (in_pile < target && u + 1 < n_users)
            continue;
        if (total) {
            total[n] = in_pile;
            job->pile_user[n + 1] = u + 1;
        }
        n++;
        in_pile = 0;
    }
    return n;
}

static qn_status make_piles(gather_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;
    int64_t *total = NULL;
    int64_t n = 0, n_piles;
    qn_pile_plan plan;

    for (int64_t u = 0; u < job->gather->from->users.n; u++)
        if (owner_of(job, (uint32_t)u) == qn_rank(ctx))
            n += job->degree[u];
    plan = qn_piles_plan(ctx, n, sizeof(qn_full_row), WORK_BYTES, PILE_ROWS);
    n_piles = cut_piles(job, plan.pile_records, NULL);
    QN_NEW(ctx, job->pile_of, job->gather->from->users.n, "piles of ratings");
    QN_NEW0(ctx, job->pile_user, n_piles + 1, "piles of ratings");
    QN_NEW(ctx, total, n_piles, "piles of ratings");
    cut_piles(job, plan.pile_records, total);
    QN_NEW0(ctx, job->run, n_piles, "piles of ratings");
    QN_NEW0(ctx, job->own, qn_context_threads(ctx), "sorting a user's rows");
    QN_TRY(qn_piles_init(ctx, "ratings by user, being gathered", total, n_piles, &plan,
                         sizeof(qn_full_row), &job->piles));
done:
    qn_free(total);
    return st;
}

/* ---- rows on their way ---- */

static qn_status fill_block(void *arg, int64_t task, int32_t thread)
{
    const gather_job *job = arg;
    const qn_triples *from = job->gather->from;
    const int64_t block = job->first + task;
    const int64_t at = from->block[block].first - from->block[job->first].first;
    qn_triples_view v;
    const qn_status st = qn_triples_pin(job->ctx, from, block, &v);

    (void)thread;
    if (st != QN_OK)
        return st;
    for (int64_t i = 0; i < v.n; i++) {
        job->record[at + i] =
            (qn_full_row){v.time ? v.time[i] : 0, v.user[i], v.item[i], v.value[i], 0};
        job->rank[at + i] = owner_of(job, v.user[i]);
    }
    qn_triples_unpin(from, block);
    if (job->gather->consume)
        qn_row_block_drop(from, block);
    return QN_OK;
}

static qn_status fill_round(void *arg, int64_t round, void *records, int32_t *rank, int64_t *n)
{
    gather_job *job = arg;
    const qn_triples *from = job->gather->from;
    const int64_t end = job->round[round + 1];

    job->first = job->round[round];
    job->record = records;
    job->rank = rank;
    *n = from->block[end - 1].first + from->block[end - 1].n - from->block[job->first].first;
    return qn_parallel(job->ctx, end - job->first, fill_block, job);
}

typedef struct receive_job {
    gather_job *gather;
    const qn_full_row *row;
    int64_t n, n_runs;
} receive_job;

/* A task takes the rows of its run of piles: each pile is written by one thread. */
static qn_status receive_run(void *arg, int64_t run, int32_t thread)
{
    const receive_job *job = arg;
    qn_piles *piles = &job->gather->piles;
    const uint32_t *pile_of = job->gather->pile_of;
    const uint32_t first = (uint32_t)(piles->n * run / job->n_runs);
    const uint32_t n = (uint32_t)(piles->n * (run + 1) / job->n_runs) - first;
    qn_status st = QN_OK;

    (void)thread;
    for (int64_t i = 0; i < job->n; i++) {
        const uint32_t number = pile_of[job->row[i].user];
        qn_pile *pile = &piles->pile[number];

        if (number - first >= n)
            continue;
        QN_TRY(qn_piles_reserve(piles, number));
        ((qn_full_row *)pile->open)[pile->used++] = job->row[i];
    }
done:
    return st;
}

static qn_status receive_rows(void *arg, const void *records, int64_t n)
{
    gather_job *job = arg;
    receive_job receive = {job, records, n, qn_context_threads(job->ctx)};

    return n == 0 ? QN_OK : qn_parallel(job->ctx, receive.n_runs, receive_run, &receive);
}

/* Collective. */
static qn_status move_rows(gather_job *job)
{
    qn_context *ctx = job->ctx;
    const qn_triples *from = job->gather->from;
    qn_exchange exchange = {
        .record_bytes = sizeof(qn_full_row),
        .arg = job,
        .fill = fill_round,
        .receive = receive_rows,
    };
    qn_status st = QN_OK;

    exchange.capacity = qn_exchange_capacity(ctx, sizeof(qn_full_row), qn_triples_max_rows(from));
    QN_TRY_ALL(qn_triples_rounds(ctx, from, exchange.capacity, &job->round, &exchange.n_rounds));
    QN_TRY_ALL(qn_triples_read_ahead(ctx, from));
    QN_TRY(qn_exchange_run(ctx, &exchange));
    QN_TRY_ALL(qn_piles_seal(&job->piles));
done:
    return st;
}

/* ---- from piles to blocks ---- */

/* A pile in memory. */
typedef struct loaded {
    qn_full_row *row; /* [n] as they came */
    uint32_t *order;  /* [n] by user */
    int64_t *end;     /* [users of the pile + 1]; of user u, from its first, it is end[u] */
    int64_t n;
} loaded;

static qn_status load_rows(const gather_job *job, int64_t pile, loaded *l)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;
    int64_t at = 0;

    QN_NEW(ctx, l->row, l->n, "rows of a pile");
    for (int64_t c = 0; c < qn_piles_n_chunks(&job->piles, pile); c++) {
        const int64_t n = qn_piles_chunk_records(&job->piles, pile, c);
        const void *data = NULL;

        QN_TRY(qn_piles_pin(&job->piles, pile, c, &data));
        memcpy(l->row + at, data, (size_t)n * sizeof *l->row);
        qn_piles_drop(&job->piles, pile, c);
        at += n;
    }
done:
    return st;
}

/* Counting sort by user, keeping the order of rows. */
static qn_status order_rows(const gather_job *job, int64_t pile, loaded *l)
{
    qn_context *ctx = job->ctx;
    const int64_t first = job->pile_user[pile];
    const int64_t n_users = job->pile_user[pile + 1] - first;
    qn_status st = QN_OK;

    if (l->n > UINT32_MAX)
        return qn_fail(ctx, QN_EDATA, "more than 4 billion ratings of one user");
    QN_NEW(ctx, l->order, l->n, "rows of a pile");
    QN_NEW0(ctx, l->end, n_users + 1, "rows of a pile");
    for (int64_t i = 0; i < l->n; i++)
        l->end[l->row[i].user - first + 1]++;
    for (int64_t u = 0; u < n_users; u++)
        l->end[u + 1] += l->end[u];
    for (int64_t i = 0; i < l->n; i++) /* moves every start to its end */
        l->order[l->end[l->row[i].user - first]++] = (uint32_t)i;
done:
    return st;
}

static int by_rating_then_time(const void *a, const void *b)
{
    const qn_full_row *x = a, *y = b;

    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->time > y->time) - (x->time < y->time);
}

/* A user's rows into scratch->row, by item, rating and time. */
static void sort_user(user_scratch *scratch, const qn_full_row *row, const uint32_t *order,
                      int64_t n)
{
    uint64_t *keys = scratch->keys;
    qn_full_row *out = scratch->row;

    for (int64_t i = 0; i < n; i++)
        keys[i] = (uint64_t)row[order[i]].item << 32 | (uint64_t)i;
    if (!qn_keys_ascend(keys, n))
        qn_sort_keys(keys, n, keys + n);
    for (int64_t i = 0; i < n; i++)
        out[i] = row[order[(uint32_t)keys[i]]];
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && out[end].item == out[i].item;)
            end++;
        if (end - i > 1)
            qsort(out + i, (size_t)(end - i), sizeof *out, by_rating_then_time);
    }
}

static qn_status scratch_reserve(qn_context *ctx, user_scratch *scratch, int64_t n)
{
    qn_status st = QN_OK;

    if (n <= scratch->capacity)
        return QN_OK;
    scratch->capacity = 0;
    QN_GROW(ctx, scratch->row, n, "sorting a user's rows");
    QN_GROW(ctx, scratch->keys, 2 * n, "sorting a user's rows");
    scratch->capacity = n;
done:
    return st;
}

/* Rows of one user behind the others, all in one block. */
static qn_status write_rows(gather_job *job, qn_row_run *run, const qn_full_row *row, int64_t n)
{
    const int64_t usual = qn_row_block_rows(job->ctx);
    qn_status st = QN_OK;
    uint32_t *user, *item;

    if (n > run->room - run->used)
        QN_TRY(qn_row_run_open(job->ctx, job->to, run, n > usual ? n : usual));
    user = (uint32_t *)run->columns.id[0] + run->used;
    item = (uint32_t *)run->columns.id[1] + run->used;
    for (int64_t i = 0; i < n; i++) {
        user[i] = row[i].user;
        item[i] = row[i].item;
        run->columns.value[run->used + i] = row[i].value;
        if (job->to->has_time)
            run->columns.time[run->used + i] = row[i].time;
    }
    run->used += n;
done:
    return st;
}

static qn_status write_pile(gather_job *job, const loaded *l, int64_t n_users,
                            user_scratch *scratch, qn_row_run *run)
{
    const qn_gather *gather = job->gather;
    qn_status st = QN_OK;

    for (int64_t u = 0, start = 0; u < n_users; u++) {
        int64_t n = l->end[u] - start;

        if (n == 0)
            continue;
        QN_TRY(scratch_reserve(job->ctx, scratch, n));
        sort_user(scratch, l->row, l->order + start, n);
        start = l->end[u];
        if (gather->user)
            n = gather->user(gather->arg, scratch->row, n);
        QN_TRY(write_rows(job, run, scratch->row, n));
    }
    QN_TRY(qn_row_run_end(job->ctx, job->to, run));
done:
    return st;
}

static qn_status arrange_pile(void *arg, int64_t pile, int32_t thread)
{
    gather_job *job = arg;
    loaded l = {.n = job->piles.pile[pile].total};
    qn_status st = QN_OK;

    QN_TRY(load_rows(job, pile, &l));
    QN_TRY(order_rows(job, pile, &l));
    QN_TRY(write_pile(job, &l, job->pile_user[pile + 1] - job->pile_user[pile], &job->own[thread],
                      &job->run[pile]));
done:
    qn_free(l.row);
    qn_free(l.order);
    qn_free(l.end);
    return st;
}

static qn_status arrange(gather_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY(qn_store_read_ahead(ctx, job->piles.store, job->piles.chunk, job->piles.n_chunks));
    QN_TRY(qn_parallel(ctx, job->piles.n, arrange_pile, job));
    QN_TRY(qn_row_runs_join(ctx, job->to, job->run, job->piles.n));
    job->to->counts = job->gather->from->counts;
done:
    return st;
}

static void gather_release(gather_job *job)
{
    for (int64_t p = 0; job->run && p < job->piles.n; p++)
        qn_row_run_release(&job->run[p]);
    for (int32_t t = 0; job->own && t < qn_context_threads(job->ctx); t++) {
        qn_free(job->own[t].row);
        qn_free(job->own[t].keys);
    }
    qn_free(job->run);
    qn_free(job->own);
    qn_free(job->degree);
    qn_free(job->pile_of);
    qn_free(job->pile_user);
    qn_free(job->round);
    qn_row_counts_release(&job->counts);
    qn_piles_release(&job->piles);
    qn_triples_free(job->to);
}

qn_status qn_triples_gather(qn_context *ctx, const qn_gather *gather, qn_triples **out)
{
    gather_job job = {.ctx = ctx, .gather = gather};
    qn_status st = QN_OK;

    *out = NULL;
    QN_TRY_ALL(qn_triples_create(ctx, gather->from->has_time, &job.to));
    QN_TRY(count_users(&job));
    QN_TRY_ALL(make_piles(&job));
    QN_TRY(move_rows(&job));
    QN_TRY_ALL(arrange(&job));
    *out = job.to;
    job.to = NULL;
done:
    gather_release(&job);
    return st;
}

qn_status qn_triples_by_user(qn_context *ctx, const qn_triples *from, const int32_t *owner,
                             qn_triples **out)
{
    const qn_gather gather = {.from = from, .owner = owner};

    return qn_triples_gather(ctx, &gather, out);
}
