/* Which ratings are for training and which for testing. */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/text.h"
#include "data/ratings_sort.h"
#include "data/sides.h"
#include "data/split.h"
#include "data/triples_blocks.h"
#include "engine/comm.h"

static qn_status fail_split(qn_context *ctx, const char *text)
{
    return qn_fail(ctx, QN_EINVAL,
                   "--split \"%s\" is not a split: random:0.8, temporal:0.8 (shares kept for "
                   "training, above 0 and below 1) or leave-one-out",
                   text);
}

qn_status qn_split_parse(qn_context *ctx, const char *text, int64_t seed, qn_split_spec *spec)
{
    const char *colon = strchr(text, ':');
    const size_t length = colon ? (size_t)(colon - text) : strlen(text);

    *spec = (qn_split_spec){.seed = seed, .train_fraction = 0.8};
    if (length == 6 && memcmp(text, "random", 6) == 0)
        spec->kind = QN_SPLIT_RANDOM;
    else if (length == 8 && memcmp(text, "temporal", 8) == 0)
        spec->kind = QN_SPLIT_TEMPORAL;
    else if (!colon && qn_name_equal(text, "leave-one-out"))
        spec->kind = QN_SPLIT_LEAVE_ONE_OUT;
    else
        return fail_split(ctx, text);
    if (colon && (!qn_parse_double(colon + 1, strlen(colon + 1), &spec->train_fraction) ||
                  !(spec->train_fraction > 0.0 && spec->train_fraction < 1.0)))
        return fail_split(ctx, text);
    return QN_OK;
}

/* The place of a row in time is a number of ten digits to the base 65536: time, user, item, rating.
 */
#define DIGITS      10
#define DIGIT_RANGE 65536

struct qn_split {
    qn_split_spec spec;
    const qn_ids *ids[2];
    uint64_t *key[2];     /* random: of every user, of every item */
    uint32_t cut[DIGITS]; /* temporal: the first row for testing */
    int64_t *time, *last; /* leave one out: of each user, the latest row's time and order */
};

/* ---- random ---- */

static qn_status make_keys(qn_context *ctx, const qn_ids *ids, uint64_t **key)
{
    qn_status st = QN_OK;

    QN_NEW(ctx, *key, ids->n, "keys of ids");
    for (int64_t i = 0; i < ids->n; i++)
        (*key)[i] = ids->type == QN_ID_STRING ? qn_text_key(ids->text + ids->offset[i],
                                                            ids->offset[i + 1] - ids->offset[i])
                                              : (uint64_t)ids->number[i];
done:
    return st;
}

static qn_status open_random(qn_context *ctx, qn_split *split)
{
    qn_status st = QN_OK;

    for (int32_t side = 0; side < 2; side++)
        QN_TRY(make_keys(ctx, split->ids[side], &split->key[side]));
done:
    return st;
}

static void draw_rows(const qn_split *split, const qn_triples_view *v, uint8_t *part)
{
    for (int64_t i = 0; i < v->n; i++) {
        const qn_random random = qn_philox(split->spec.seed, QN_STREAM_SPLIT,
                                           split->key[0][v->user[i]], split->key[1][v->item[i]]);

        part[i] = qn_uniform(&random, 0) >= split->spec.train_fraction;
    }
}

/* ---- temporal: a radix select over all ranks ---- */

static inline uint32_t row_digit(const qn_triples_view *v, int64_t i, int32_t digit)
{
    if (digit < 4)
        return (uint32_t)(qn_int64_order(v->time[i]) >> (48 - 16 * digit)) & 0xffff;
    if (digit < 6)
        return (v->user[i] >> (80 - 16 * digit)) & 0xffff;
    if (digit < 8)
        return (v->item[i] >> (112 - 16 * digit)) & 0xffff;
    return (qn_float_order(v->value[i]) >> (144 - 16 * digit)) & 0xffff;
}

/* Below, at or above the first n digits of the cut: -1, 0, 1. */
static inline int compare_digits(const qn_triples_view *v, int64_t i, const uint32_t *cut,
                                 int32_t n)
{
    for (int32_t d = 0; d < n; d++) {
        const uint32_t digit = row_digit(v, i, d);

        if (digit != cut[d])
            return digit < cut[d] ? -1 : 1;
    }
    return 0;
}

/* One pass: counts of a digit over the rows that share the digits before it with the cut. */
typedef struct digit_job {
    qn_context *ctx;
    const qn_triples *t;
    const uint32_t *cut;
    int32_t digit;
    int64_t *place, n_places; /* blocks that still hold such rows, ascending */
    uint8_t *holds;           /* [blocks] */
    _Atomic int64_t *count;   /* [DIGIT_RANGE], by all threads */
    int64_t *sum;             /* [DIGIT_RANGE] over all ranks */
} digit_job;

/* Adds runs of one digit at once: high digits hardly change, and threads would be in each other's
 * way. */
static qn_status count_block(void *arg, int64_t task, int32_t thread)
{
    digit_job *job = arg;
    const int64_t block = job->place[task];
    qn_triples_view v;
    const qn_status st = qn_triples_pin(job->ctx, job->t, block, &v);
    uint32_t last = 0;
    int64_t run = 0, n = 0;

    (void)thread;
    if (st != QN_OK)
        return st;
    for (int64_t i = 0; i < v.n; i++) {
        uint32_t digit;

        if (compare_digits(&v, i, job->cut, job->digit) != 0)
            continue;
        digit = row_digit(&v, i, job->digit);
        n++;
        if (digit == last) {
            run++;
            continue;
        }
        atomic_fetch_add_explicit(&job->count[last], run, memory_order_relaxed);
        last = digit;
        run = 1;
    }
    atomic_fetch_add_explicit(&job->count[last], run, memory_order_relaxed);
    qn_triples_unpin(job->t, block);
    job->holds[block] = n > 0;
    return QN_OK;
}

/* Counts, and forgets the blocks without a row that counts. */
static qn_status count_digit(digit_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;
    int64_t n = 0;

    for (int64_t i = 0; i < DIGIT_RANGE; i++)
        atomic_store_explicit(&job->count[i], 0, memory_order_relaxed);
    QN_TRY(qn_triples_read_ahead(ctx, job->t));
    QN_TRY(qn_parallel(ctx, job->n_places, count_block, job));
    for (int64_t i = 0; i < DIGIT_RANGE; i++)
        job->sum[i] = atomic_load_explicit(&job->count[i], memory_order_relaxed);
    for (int64_t p = 0; p < job->n_places; p++)
        if (job->holds[job->place[p]])
            job->place[n++] = job->place[p];
    job->n_places = n;
done:
    return st;
}

static qn_status prepare_digits(digit_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    job->n_places = job->t->n_blocks;
    QN_NEW(ctx, job->place, job->n_places, "times");
    QN_NEW0(ctx, job->holds, job->n_places, "times");
    QN_NEW(ctx, job->count, DIGIT_RANGE, "times");
    QN_NEW(ctx, job->sum, DIGIT_RANGE, "times");
    for (int64_t b = 0; b < job->n_places; b++)
        job->place[b] = b;
done:
    return st;
}

static void digits_release(digit_job *job)
{
    qn_free((void *)job->count);
    qn_free(job->sum);
    qn_free(job->holds);
    qn_free(job->place);
}

/* The row with `rank` rows before it (over all workers) in the order of time, digit by digit. */
static qn_status select_cut(qn_context *ctx, const qn_triples *t, int64_t rank,
                            uint32_t cut[DIGITS])
{
    digit_job job = {.ctx = ctx, .t = t, .cut = cut};
    qn_status st = QN_OK;

    QN_TRY_ALL(prepare_digits(&job));
    for (int32_t d = 0; d < DIGITS; d++) {
        job.digit = d;
        QN_TRY_ALL(count_digit(&job));
        QN_TRY(qn_comm_sum_int64(ctx, job.sum, DIGIT_RANGE));
        cut[d] = 0;
        while (cut[d] < DIGIT_RANGE - 1 && rank >= job.sum[cut[d]])
            rank -= job.sum[cut[d]++];
    }
done:
    digits_release(&job);
    return st;
}

/* Rows from the cut on are for testing; several that are alike in everything stay together. */
static qn_status open_temporal(qn_context *ctx, const qn_triples *t, qn_split *split)
{
    qn_status st = QN_OK;
    int64_t n = t->n;

    QN_TRY(qn_comm_sum_int64(ctx, &n, 1));
    QN_TRY(
        select_cut(ctx, t, (int64_t)llround((double)n * split->spec.train_fraction), split->cut));
done:
    return st;
}

/* ---- leave one out ---- */

/* Greatest item, then greatest rating. */
static inline int64_t item_order(const qn_triples_view *v, int64_t i)
{
    return qn_int64_of_order((uint64_t)v->item[i] << 32 | qn_float_order(v->value[i]));
}

static qn_status last_times(void *arg, const qn_triples_view *v, int64_t block, int32_t thread)
{
    qn_split *split = arg;

    (void)block;
    (void)thread;
    for (int64_t i = 0; i < v->n; i++)
        if (v->time[i] > split->time[v->user[i]])
            split->time[v->user[i]] = v->time[i];
    return QN_OK;
}

static qn_status last_rows(void *arg, const qn_triples_view *v, int64_t block, int32_t thread)
{
    qn_split *split = arg;

    (void)block;
    (void)thread;
    for (int64_t i = 0; i < v->n; i++)
        if (v->time[i] == split->time[v->user[i]] && item_order(v, i) > split->last[v->user[i]])
            split->last[v->user[i]] = item_order(v, i);
    return QN_OK;
}

static qn_status open_leave_one_out(qn_context *ctx, const qn_triples *t, qn_split *split)
{
    qn_status st = QN_OK;
    const int64_t n = t->users.n;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&split->time, n, sizeof *split->time, "last ratings"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&split->last, n, sizeof *split->last, "last ratings"));
    for (int64_t u = 0; u < n; u++)
        split->time[u] = split->last[u] = INT64_MIN;
    QN_TRY_ALL(qn_triples_each_in_order(ctx, t, last_times, split));
    QN_TRY(qn_comm_max_int64(ctx, split->time, n));
    QN_TRY_ALL(qn_triples_each_in_order(ctx, t, last_rows, split));
    QN_TRY(qn_comm_max_int64(ctx, split->last, n));
done:
    return st;
}

/* ---- all kinds ---- */

static qn_status check_times(qn_context *ctx, const qn_triples *t, const qn_split_spec *spec)
{
    if (spec->kind <= QN_SPLIT_RANDOM || t->has_time)
        return QN_OK;
    return qn_fail(ctx, QN_EINVAL,
                   "this split needs times: name their column with --timestamp-col");
}

void qn_split_close(qn_split *split)
{
    if (!split)
        return;
    qn_free(split->key[0]);
    qn_free(split->key[1]);
    qn_free(split->time);
    qn_free(split->last);
    qn_free(split);
}

qn_status qn_split_open(qn_context *ctx, const qn_triples *triples, const qn_split_spec *spec,
                        qn_split **split)
{
    qn_status st = QN_OK;
    qn_split *s = NULL;

    *split = NULL;
    QN_TRY_ALL(check_times(ctx, triples, spec));
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&s, 1, sizeof *s, "split"));
    s->spec = *spec;
    s->ids[0] = &triples->users;
    s->ids[1] = &triples->items;
    if (spec->kind == QN_SPLIT_RANDOM)
        QN_TRY_ALL(open_random(ctx, s));
    else if (spec->kind == QN_SPLIT_TEMPORAL)
        QN_TRY(open_temporal(ctx, triples, s));
    else if (spec->kind == QN_SPLIT_LEAVE_ONE_OUT)
        QN_TRY(open_leave_one_out(ctx, triples, s));
    *split = s;
    s = NULL;
done:
    qn_split_close(s);
    return st;
}

void qn_split_rows(const qn_split *split, const qn_triples_view *v, uint8_t *part)
{
    switch (split->spec.kind) {
    case QN_SPLIT_NONE:
        memset(part, 0, (size_t)v->n);
        break;
    case QN_SPLIT_RANDOM:
        draw_rows(split, v, part);
        break;
    case QN_SPLIT_TEMPORAL:
        for (int64_t i = 0; i < v->n; i++)
            part[i] = compare_digits(v, i, split->cut, DIGITS) >= 0;
        break;
    case QN_SPLIT_LEAVE_ONE_OUT:
        for (int64_t i = 0; i < v->n; i++)
            part[i] = v->time[i] == split->time[v->user[i]] &&
                      item_order(v, i) == split->last[v->user[i]];
        break;
    }
}

typedef struct split_job {
    qn_context *ctx;
    const qn_split *split;
    qn_sides *sides;
    int64_t max_rows;
    uint8_t **part; /* [threads] of a block; made when a thread comes first */
} split_job;

static qn_status split_block(void *arg, const qn_triples_view *v, int64_t block, int32_t thread)
{
    const split_job *job = arg;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    if (!job->part[thread])
        QN_NEW(ctx, job->part[thread], job->max_rows, "parts of rows");
    qn_split_rows(job->split, v, job->part[thread]);
    QN_TRY(qn_sides_put(ctx, job->sides, block, job->part[thread]));
done:
    return st;
}

qn_status qn_triples_split(qn_context *ctx, const qn_triples *triples, const qn_split_spec *spec,
                           qn_sides **sides)
{
    const int32_t n_threads = qn_context_threads(ctx);
    split_job job = {.ctx = ctx, .max_rows = qn_triples_max_rows(triples)};
    qn_split *split = NULL;
    qn_status st = QN_OK;

    *sides = NULL;
    QN_TRY(qn_split_open(ctx, triples, spec, &split));
    job.split = split;
    QN_TRY_ALL(qn_sides_create(ctx, triples, 2, &job.sides));
    QN_TRY_ALL(
        qn_calloc_array(ctx, (void **)&job.part, n_threads, sizeof *job.part, "parts of rows"));
    QN_TRY_ALL(qn_triples_each(ctx, triples, split_block, &job));
    *sides = job.sides;
    job.sides = NULL;
done:
    for (int32_t t = 0; job.part && t < n_threads; t++)
        qn_free(job.part[t]);
    qn_free(job.part);
    qn_sides_free(job.sides);
    qn_split_close(split);
    return st;
}
