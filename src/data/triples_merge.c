/* Merging of rows that rate one item by one user. Rows of a user meet on one rank, are brought
 * together by counting, and within a user by sorting. */
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/ratings_exchange.h"
#include "data/ratings_sort.h"
#include "data/triples.h"
#include "engine/comm.h"

/* ---- rows of a user to one rank ---- */

typedef struct full_row {
    int64_t time;
    uint32_t user, item;
    float value;
    uint32_t pad;
} full_row;

typedef struct move_job {
    qn_context *ctx;
    const qn_triples *from;
    qn_triples moved;
    int64_t capacity;
} move_job;

static int32_t home_of(const qn_context *ctx, const qn_triples *t, uint32_t user)
{
    return (int32_t)((int64_t)user * qn_size(ctx) / (t->users.n > 0 ? t->users.n : 1));
}

static qn_status fill_rows(void *arg, int64_t round, void *records, int32_t *rank, int64_t *n)
{
    const move_job *job = arg;
    const qn_triples *t = job->from;
    const int64_t first = round * QN_ROUND_RECORDS;
    full_row *row = records;

    *n = t->n - first < QN_ROUND_RECORDS ? t->n - first : QN_ROUND_RECORDS;
    for (int64_t i = 0; i < *n; i++) {
        const int64_t at = first + i;

        row[i] = (full_row){t->time ? t->time[at] : 0, t->user[at], t->item[at], t->value[at], 0};
        rank[i] = home_of(job->ctx, t, t->user[at]);
    }
    return QN_OK;
}

static qn_status receive_rows(void *arg, const void *records, int64_t n)
{
    move_job *job = arg;
    qn_context *ctx = job->ctx;
    qn_triples *to = &job->moved;
    const full_row *row = records;
    qn_status st = QN_OK;

    if (to->n + n > job->capacity) {
        job->capacity = to->n + n + to->n / 2;
        QN_GROW(ctx, to->user, job->capacity, "ratings");
        QN_GROW(ctx, to->item, job->capacity, "ratings");
        QN_GROW(ctx, to->value, job->capacity, "ratings");
        if (job->from->time)
            QN_GROW(ctx, to->time, job->capacity, "times of ratings");
    }
    for (int64_t i = 0; i < n; i++, to->n++) {
        to->user[to->n] = row[i].user;
        to->item[to->n] = row[i].item;
        to->value[to->n] = row[i].value;
        if (to->time)
            to->time[to->n] = row[i].time;
    }
done:
    return st;
}

static void swap_rows(qn_triples *a, qn_triples *b)
{
    const qn_triples old = *a;

    a->n = b->n;
    a->user = b->user;
    a->item = b->item;
    a->value = b->value;
    a->time = b->time;
    b->user = old.user;
    b->item = old.item;
    b->value = old.value;
    b->time = old.time;
}

/* Nothing moves where all rows are at home. Collective. */
static qn_status bring_home(qn_context *ctx, qn_triples *t)
{
    move_job job = {.ctx = ctx, .from = t};
    const qn_exchange exchange = {
        .record_bytes = sizeof(full_row),
        .n_rounds = (t->n + QN_ROUND_RECORDS - 1) / QN_ROUND_RECORDS,
        .arg = &job,
        .fill = fill_rows,
        .receive = receive_rows,
    };
    qn_status st = QN_OK;
    int64_t n_away = 0;

    for (int64_t i = 0; i < t->n; i++)
        n_away += home_of(ctx, t, t->user[i]) != qn_rank(ctx);
    QN_TRY(qn_comm_sum_int64(ctx, &n_away, 1));
    if (n_away == 0)
        return QN_OK;
    QN_TRY(qn_exchange_run(ctx, &exchange));
    swap_rows(t, &job.moved);
done:
    qn_free(job.moved.user);
    qn_free(job.moved.item);
    qn_free(job.moved.value);
    qn_free(job.moved.time);
    return st;
}

/* ---- merging on a rank ---- */

typedef struct merge_job {
    qn_context *ctx;
    qn_triples *t;
    qn_on_duplicate rule;
    int64_t *start;  /* [n_users + 1] of a user's rows in `order` */
    uint32_t *order; /* [n] rows by user, each user's in the order of the files */
    uint8_t *keep;   /* [n] */
    uint64_t **keys; /* [threads] scratch of 3 * max_degree */
    int64_t max_degree;
    atomic_int_fast64_t merged;
    atomic_uint_fast64_t first_pair; /* least (user, item) that occurs twice */
} merge_job;

static qn_status order_by_user(merge_job *job)
{
    qn_context *ctx = job->ctx;
    const qn_triples *t = job->t;
    qn_status st = QN_OK;
    int64_t *next = NULL;

    if (t->n > UINT32_MAX)
        return qn_fail(ctx, QN_EDATA,
                       "more than 4 billion ratings on one worker: use more workers");
    QN_NEW0(ctx, job->start, t->users.n + 1, "rows by user");
    QN_NEW(ctx, job->order, t->n, "rows by user");
    QN_NEW(ctx, job->keep, t->n, "rows by user");
    QN_NEW(ctx, next, t->users.n + 1, "rows by user");
    memset(job->keep, 1, (size_t)t->n);
    for (int64_t i = 0; i < t->n; i++)
        job->start[t->user[i] + 1]++;
    for (int64_t u = 0; u < t->users.n; u++) {
        if (job->start[u + 1] > job->max_degree)
            job->max_degree = job->start[u + 1];
        job->start[u + 1] += job->start[u];
    }
    memcpy(next, job->start, (size_t)(t->users.n + 1) * sizeof *next);
    for (int64_t i = 0; i < t->n; i++)
        job->order[next[t->user[i]]++] = (uint32_t)i;
done:
    qn_free(next);
    return st;
}

/* The mean of a group: values ascending, so that the order of rows is of no account. */
static float group_mean(const qn_triples *t, const uint64_t *group, const uint32_t *row, int64_t n,
                        uint64_t *scratch)
{
    double sum = 0.0;

    for (int64_t i = 0; i < n; i++)
        scratch[i] = qn_float_order(t->value[row[(uint32_t)group[i]]]);
    qn_sort_keys(scratch, n, scratch + n);
    for (int64_t i = 0; i < n; i++)
        sum += qn_float_of_order((uint32_t)scratch[i]);
    return (float)(sum / (double)n);
}

/* Is row a the one to keep rather than row b? */
static bool is_better(const qn_triples *t, qn_on_duplicate rule, int64_t a, int64_t b)
{
    const int64_t time_a = t->time ? t->time[a] : 0, time_b = t->time ? t->time[b] : 0;

    if (rule == QN_DUPLICATE_LATEST && time_a != time_b)
        return time_a > time_b;
    if (rule != QN_DUPLICATE_MEAN && t->value[a] != t->value[b])
        return t->value[a] > t->value[b];
    return time_a > time_b;
}

/* Rows group[0..n) rate one item: the first in the files stays, with the value and time of the
 * best. */
static void merge_group(merge_job *job, const uint64_t *group, const uint32_t *row, int64_t n,
                        uint64_t *scratch)
{
    qn_triples *t = job->t;
    const int64_t first = row[(uint32_t)group[0]];
    const float mean =
        job->rule == QN_DUPLICATE_MEAN ? group_mean(t, group, row, n, scratch) : 0.0f;
    int64_t best = first;

    for (int64_t i = 1; i < n; i++) {
        const int64_t other = row[(uint32_t)group[i]];

        job->keep[other] = 0;
        if (is_better(t, job->rule, other, best))
            best = other;
    }
    t->value[first] = job->rule == QN_DUPLICATE_MEAN ? mean : t->value[best];
    if (t->time)
        t->time[first] = t->time[best];
}

static void note_pair(merge_job *job, uint32_t user, uint32_t item)
{
    const uint64_t pair = (uint64_t)user << 32 | item;
    uint64_t least = atomic_load(&job->first_pair);

    while (pair < least && !atomic_compare_exchange_weak(&job->first_pair, &least, pair))
        ;
}

static void merge_user(merge_job *job, int64_t user, uint64_t *keys)
{
    const qn_triples *t = job->t;
    const uint32_t *row = job->order + job->start[user];
    const int64_t n = job->start[user + 1] - job->start[user];
    uint64_t *scratch = keys + n;
    int64_t merged = 0;

    for (int64_t i = 0; i < n; i++)
        keys[i] = (uint64_t)t->item[row[i]] << 32 | (uint64_t)i;
    if (!qn_keys_ascend(keys, n))
        qn_sort_keys(keys, n, scratch);
    for (int64_t i = 0; i < n;) {
        int64_t end = i + 1;

        while (end < n && keys[end] >> 32 == keys[i] >> 32)
            end++;
        if (end - i > 1) {
            note_pair(job, (uint32_t)user, (uint32_t)(keys[i] >> 32));
            merged += end - i - 1;
            if (job->rule != QN_DUPLICATE_FAIL)
                merge_group(job, keys + i, row, end - i, scratch);
        }
        i = end;
    }
    if (merged > 0)
        atomic_fetch_add(&job->merged, merged);
}

#define USERS_PER_TASK 512

static qn_status merge_users(void *arg, int64_t task, int32_t thread)
{
    merge_job *job = arg;
    qn_context *ctx = job->ctx;
    const int64_t n_users = job->t->users.n;
    const int64_t end =
        (task + 1) * USERS_PER_TASK < n_users ? (task + 1) * USERS_PER_TASK : n_users;
    qn_status st = QN_OK;

    if (!job->keys[thread])
        QN_NEW(ctx, job->keys[thread], 3 * job->max_degree, "sorting a user's rows");
    for (int64_t u = task * USERS_PER_TASK; u < end; u++)
        merge_user(job, u, job->keys[thread]);
done:
    return st;
}

static void drop_merged(merge_job *job)
{
    qn_triples *t = job->t;
    int64_t at = 0;

    for (int64_t i = 0; i < t->n; i++) {
        if (!job->keep[i])
            continue;
        t->user[at] = t->user[i];
        t->item[at] = t->item[i];
        t->value[at] = t->value[i];
        if (t->time)
            t->time[at] = t->time[i];
        at++;
    }
    t->n = at;
}

static qn_status fail_pair(const merge_job *job)
{
    const qn_triples *t = job->t;
    const uint64_t pair = job->first_pair;
    char user[128], item[128];

    if (job->rule != QN_DUPLICATE_FAIL || pair == UINT64_MAX)
        return QN_OK;
    qn_ids_format(&t->users, (int64_t)(pair >> 32), user, sizeof user);
    qn_ids_format(&t->items, (int64_t)(uint32_t)pair, item, sizeof item);
    return qn_fail(job->ctx, QN_EDATA,
                   "user %s rates item %s more than once (%" PRId64
                   " such rows here): --on-duplicate keep, latest, max-rating or mean accepts that",
                   user, item, (int64_t)job->merged);
}

static qn_status merge_here(merge_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY(order_by_user(job));
    QN_NEW0(ctx, job->keys, qn_context_threads(ctx), "sorting users' rows");
    QN_TRY(qn_parallel(ctx, (job->t->users.n + USERS_PER_TASK - 1) / USERS_PER_TASK, merge_users,
                       job));
    QN_TRY(fail_pair(job));
    drop_merged(job);
done:
    return st;
}

qn_status qn_triples_merge_duplicates(qn_context *ctx, qn_triples *triples, qn_on_duplicate rule)
{
    merge_job job = {.ctx = ctx, .t = triples, .rule = rule, .first_pair = UINT64_MAX};
    qn_status st = QN_OK;
    int64_t merged;

    if (rule == QN_DUPLICATE_KEEP)
        return QN_OK;
    if (rule == QN_DUPLICATE_LATEST && !triples->time)
        return qn_fail(ctx, QN_EINVAL,
                       "--on-duplicate latest needs times: name their column with --timestamp-col");
    QN_TRY(bring_home(ctx, triples));
    QN_TRY_ALL(merge_here(&job));
    merged = job.merged;
    QN_TRY(qn_comm_sum_int64(ctx, &merged, 1));
    triples->counts.duplicates += merged;
done:
    for (int32_t i = 0; job.keys && i < qn_context_threads(ctx); i++)
        qn_free(job.keys[i]);
    qn_free(job.keys);
    qn_free(job.start);
    qn_free(job.order);
    qn_free(job.keep);
    return st;
}
