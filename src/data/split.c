/* Which ratings are for training and which for testing. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "base/rng.h"
#include "base/text.h"
#include "data/ratings_sort.h"
#include "data/triples.h"
#include "engine/comm.h"

#define CHUNK ((int64_t)1 << 16)

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

typedef struct split_job {
    const qn_triples *t;
    const qn_split_spec *spec;
    uint8_t *part;
    uint64_t *key[2]; /* of every user, of every item */
} split_job;

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

static qn_status draw_chunk(void *arg, int64_t chunk, int32_t thread)
{
    const split_job *job = arg;
    const qn_triples *t = job->t;
    const int64_t end = (chunk + 1) * CHUNK < t->n ? (chunk + 1) * CHUNK : t->n;

    (void)thread;
    for (int64_t i = chunk * CHUNK; i < end; i++) {
        const qn_random random = qn_philox(job->spec->seed, QN_STREAM_SPLIT,
                                           job->key[0][t->user[i]], job->key[1][t->item[i]]);

        job->part[i] = qn_uniform(&random, 0) >= job->spec->train_fraction;
    }
    return QN_OK;
}

static qn_status split_random(qn_context *ctx, split_job *job)
{
    qn_status st = QN_OK;

    QN_TRY(make_keys(ctx, &job->t->users, &job->key[0]));
    QN_TRY(make_keys(ctx, &job->t->items, &job->key[1]));
    QN_TRY(qn_parallel(ctx, (job->t->n + CHUNK - 1) / CHUNK, draw_chunk, job));
done:
    return st;
}

/* ---- temporal: a radix select over all ranks ---- */

/* The place of a row in time is a number of ten digits to the base 65536: time, user, item, rating.
 */
#define DIGITS      10
#define DIGIT_RANGE 65536

static uint32_t row_digit(const qn_triples *t, int64_t i, int32_t digit)
{
    if (digit < 4)
        return (uint32_t)(qn_int64_order(t->time[i]) >> (48 - 16 * digit)) & 0xffff;
    if (digit < 6)
        return (t->user[i] >> (80 - 16 * digit)) & 0xffff;
    if (digit < 8)
        return (t->item[i] >> (112 - 16 * digit)) & 0xffff;
    return (qn_float_order(t->value[i]) >> (144 - 16 * digit)) & 0xffff;
}

/* Below, at or above the first n digits of the cut: -1, 0, 1. */
static int compare_digits(const qn_triples *t, int64_t i, const uint32_t *cut, int32_t n)
{
    for (int32_t d = 0; d < n; d++) {
        const uint32_t digit = row_digit(t, i, d);

        if (digit != cut[d])
            return digit < cut[d] ? -1 : 1;
    }
    return 0;
}

/* The row with `rank` rows before it (over all workers) in the order of time, digit by digit. */
static qn_status select_cut(qn_context *ctx, const qn_triples *t, int64_t rank,
                            uint32_t cut[DIGITS])
{
    qn_status st = QN_OK;
    int64_t *count = NULL;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&count, DIGIT_RANGE, sizeof *count, "times"));
    for (int32_t d = 0; d < DIGITS; d++) {
        memset(count, 0, DIGIT_RANGE * sizeof *count);
        for (int64_t i = 0; i < t->n; i++)
            if (compare_digits(t, i, cut, d) == 0)
                count[row_digit(t, i, d)]++;
        QN_TRY(qn_comm_sum_int64(ctx, count, DIGIT_RANGE));
        cut[d] = 0;
        while (cut[d] < DIGIT_RANGE - 1 && rank >= count[cut[d]])
            rank -= count[cut[d]++];
    }
done:
    qn_free(count);
    return st;
}

static qn_status fail_no_times(qn_context *ctx)
{
    return qn_fail(ctx, QN_EINVAL,
                   "this split needs times: name their column with --timestamp-col");
}

/* Rows from the cut on are for testing; several that are alike in everything stay together. */
static qn_status split_temporal(qn_context *ctx, split_job *job)
{
    const qn_triples *t = job->t;
    uint32_t cut[DIGITS] = {0};
    qn_status st = QN_OK;
    int64_t n = t->n;

    QN_TRY(qn_comm_sum_int64(ctx, &n, 1));
    QN_TRY(select_cut(ctx, t, (int64_t)llround((double)n * job->spec->train_fraction), cut));
    for (int64_t i = 0; i < t->n; i++)
        job->part[i] = compare_digits(t, i, cut, DIGITS) >= 0;
done:
    return st;
}

/* ---- leave one out ---- */

/* Greatest item, then greatest rating. */
static int64_t item_order(const qn_triples *t, int64_t i)
{
    return qn_int64_of_order((uint64_t)t->item[i] << 32 | qn_float_order(t->value[i]));
}

static qn_status split_leave_one_out(qn_context *ctx, split_job *job)
{
    const qn_triples *t = job->t;
    qn_status st = QN_OK;
    int64_t *time = NULL, *last = NULL;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&time, t->users.n, sizeof *time, "last ratings"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&last, t->users.n, sizeof *last, "last ratings"));
    for (int64_t u = 0; u < t->users.n; u++)
        time[u] = last[u] = INT64_MIN;
    for (int64_t i = 0; i < t->n; i++)
        if (t->time[i] > time[t->user[i]])
            time[t->user[i]] = t->time[i];
    QN_TRY(qn_comm_max_int64(ctx, time, t->users.n));
    for (int64_t i = 0; i < t->n; i++)
        if (t->time[i] == time[t->user[i]] && item_order(t, i) > last[t->user[i]])
            last[t->user[i]] = item_order(t, i);
    QN_TRY(qn_comm_max_int64(ctx, last, t->users.n));
    for (int64_t i = 0; i < t->n; i++)
        job->part[i] = t->time[i] == time[t->user[i]] && item_order(t, i) == last[t->user[i]];
done:
    qn_free(time);
    qn_free(last);
    return st;
}

qn_status qn_triples_split(qn_context *ctx, const qn_triples *triples, const qn_split_spec *spec,
                           uint8_t *part)
{
    split_job job = {.t = triples, .spec = spec, .part = part};
    qn_status st = QN_OK;

    if (spec->kind > QN_SPLIT_RANDOM && !triples->time)
        return fail_no_times(ctx);
    switch (spec->kind) {
    case QN_SPLIT_NONE:
        memset(part, 0, (size_t)triples->n);
        break;
    case QN_SPLIT_RANDOM:
        st = qn_comm_agree(ctx, split_random(ctx, &job));
        break;
    case QN_SPLIT_TEMPORAL:
        st = split_temporal(ctx, &job);
        break;
    case QN_SPLIT_LEAVE_ONE_OUT:
        st = split_leave_one_out(ctx, &job);
        break;
    }
    qn_free(job.key[0]);
    qn_free(job.key[1]);
    return st;
}
