#include "data/ratings_summary.h"

#include "base/alloc.h"
#include "base/context.h"
#include "data/ratings_sort.h"
#include "data/row_counts.h"
#include "data/triples_record.h"
#include "engine/comm.h"

/* Least and greatest, as numbers that order alike, so that they can be compared over ranks. */
typedef struct extent {
    int64_t least, greatest;
} extent;

static const extent no_extent = {INT64_MAX, INT64_MIN};

/* What one thread has seen. */
typedef struct seen {
    _Alignas(64) extent value, time;
    uint64_t fingerprint;
} seen;

typedef struct summary_job {
    qn_context *ctx;
    const qn_triples *t;
    seen *seen;              /* [threads] */
    qn_value_set *set;       /* [threads] */
    qn_row_counts counts[2]; /* of users, of items */
} summary_job;

static void extend(extent *e, int64_t value)
{
    e->least = value < e->least ? value : e->least;
    e->greatest = value > e->greatest ? value : e->greatest;
}

static void join_extents(extent *to, const extent *from)
{
    to->least = from->least < to->least ? from->least : to->least;
    to->greatest = from->greatest > to->greatest ? from->greatest : to->greatest;
}

static void extend_values(extent *e, const float *value, int64_t n)
{
    uint32_t least = UINT32_MAX, greatest = 0;

    for (int64_t i = 0; i < n; i++) {
        const uint32_t order = qn_float_order(value[i]);

        least = order < least ? order : least;
        greatest = order > greatest ? order : greatest;
    }
    extend(e, least);
    extend(e, greatest);
}

static qn_status see_block(void *arg, const qn_triples_view *v, int64_t block, int32_t thread)
{
    summary_job *job = arg;
    seen *s = &job->seen[thread];
    qn_status st = QN_OK;

    (void)block;
    extend_values(&s->value, v->value, v->n);
    for (int64_t i = 0; v->time && i < v->n; i++)
        if (v->time[i] != QN_NO_TIME)
            extend(&s->time, v->time[i]);
    s->fingerprint += qn_records_hash(job->t, v);
    qn_value_set_add(&job->set[thread], v->value, v->n);
    QN_TRY(qn_row_counts_add(job->ctx, &job->counts[0], thread, v->user, v->n));
    QN_TRY(qn_row_counts_add(job->ctx, &job->counts[1], thread, v->item, v->n));
done:
    return st;
}

static qn_status prepare(summary_job *job, qn_ratings *r)
{
    qn_context *ctx = job->ctx;
    const int32_t threads = qn_context_threads(ctx);
    const qn_triples *t = job->t;
    qn_orientation *o[2] = {&r->by_user, &r->by_item};
    qn_status st = QN_OK;

    QN_NEW0(ctx, job->seen, threads, "summary of ratings");
    QN_NEW0(ctx, job->set, threads, "distinct ratings");
    for (int32_t i = 0; i < threads; i++)
        job->seen[i].value = job->seen[i].time = no_extent;
    for (int32_t side = 0; side < 2; side++) {
        o[side]->n_rows = side == 0 ? t->users.n : t->items.n;
        o[side]->n_others = side == 0 ? t->items.n : t->users.n;
        QN_NEW0(ctx, o[side]->degree, o[side]->n_rows, "degrees");
        QN_TRY(qn_row_counts_init(ctx, o[side]->n_rows, &job->counts[side]));
    }
done:
    return st;
}

/* From the threads to this rank, from the ranks to all. Collective. */
static qn_status join_seen(const summary_job *job, qn_ratings *r)
{
    qn_context *ctx = job->ctx;
    seen all = {.value = no_extent, .time = no_extent};
    int64_t least[2], greatest[2], fingerprint;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < qn_context_threads(ctx); i++) {
        const seen *s = &job->seen[i];

        join_extents(&all.value, &s->value);
        join_extents(&all.time, &s->time);
        all.fingerprint += s->fingerprint;
    }
    least[0] = all.value.least;
    least[1] = all.time.least;
    greatest[0] = all.value.greatest;
    greatest[1] = all.time.greatest;
    fingerprint = (int64_t)all.fingerprint;
    QN_TRY(qn_comm_min_int64(ctx, least, 2));
    QN_TRY(qn_comm_max_int64(ctx, greatest, 2));
    QN_TRY(qn_comm_sum_int64(ctx, &fingerprint, 1));
    r->min_rating = qn_float_of_order((uint32_t)least[0]);
    r->max_rating = qn_float_of_order((uint32_t)greatest[0]);
    r->min_time = least[1] <= greatest[1] ? least[1] : 0;
    r->max_time = least[1] <= greatest[1] ? greatest[1] : -1;
    r->fingerprint = (uint64_t)fingerprint;
done:
    return st;
}

static void take_values(const qn_value_set *values, qn_ratings *r)
{
    if (values->overflow)
        return;
    r->n_values = values->n;
    for (int32_t i = 0; i < values->n; i++) {
        r->value[i] = values->value[i];
        r->value_count[i] = values->count[i];
    }
}

qn_status qn_ratings_summarise(qn_context *ctx, const qn_triples *t, qn_value_set *values,
                               qn_ratings *r)
{
    summary_job job = {.ctx = ctx, .t = t};
    qn_status st = QN_OK;

    r->counts = t->counts;
    r->n_ratings = t->n;
    QN_TRY(qn_comm_sum_int64(ctx, &r->n_ratings, 1));
    if (r->n_ratings == 0)
        return qn_fail(ctx, QN_EDATA, "No ratings are left to arrange");
    QN_TRY_ALL(prepare(&job, r));
    QN_TRY_ALL(qn_triples_each(ctx, t, see_block, &job));
    QN_TRY(join_seen(&job, r));
    QN_TRY(qn_value_sets_join(ctx, job.set, qn_context_threads(ctx), values));
    take_values(values, r);
    QN_TRY(qn_row_counts_finish(ctx, &job.counts[0], r->by_user.degree));
    QN_TRY(qn_row_counts_finish(ctx, &job.counts[1], r->by_item.degree));
done:
    qn_free(job.seen);
    qn_free(job.set);
    qn_row_counts_release(&job.counts[0]);
    qn_row_counts_release(&job.counts[1]);
    return st;
}
