/* The list of the most rated items for each user, less what the user has rated: what every
 * recommender is to be held against. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/ratings_block.h"
#include "engine/store.h"
#include "lifecycle/evaluate_impl.h"

typedef struct counted {
    uint32_t count;
    int64_t item;
} counted;

typedef struct popular_job {
    const qn_als_model *model;
    const qn_popular_users *users;
    qn_list_visit *visit;
    void *arg;
    counted *order;    /* [items.n] of the model, most rated first */
    int64_t *place;    /* [users.n] of the model: number among the users asked for, -1: none */
    int64_t *user_map; /* [train users] index in the model */
    int64_t *item_map; /* [train items] */
    uint32_t *stamp;   /* [items.n] 1 + place of the last user who was found to have seen it */
    uint8_t *is_done;  /* [n] */
    int64_t *list;     /* [k] */
    int64_t current;   /* place of the user whose ratings are being read, -1: none */
} popular_job;

static int most_rated_first(const void *a, const void *b)
{
    const counted *x = a, *y = b;

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->item > y->item) - (x->item < y->item); /* indices are in id order */
}

static qn_status make_order(qn_context *ctx, popular_job *job, const qn_ratings *train)
{
    const int64_t n = job->model->items.n;
    qn_status st = QN_OK;

    QN_NEW(ctx, job->order, n, "items by popularity");
    for (int64_t i = 0; i < n; i++)
        job->order[i] = (counted){train ? 0 : job->model->item_count[i], i};
    for (int64_t i = 0; train && i < train->items.n; i++)
        if (job->item_map[i] >= 0)
            job->order[job->item_map[i]].count = train->by_item.degree[i];
    if (n > 0)
        qsort(job->order, (size_t)n, sizeof *job->order, most_rated_first);
done:
    return st;
}

static qn_status prepare(qn_context *ctx, popular_job *job, const qn_ratings *train)
{
    const qn_als_model *m = job->model;
    qn_status st = QN_OK;

    QN_NEW(ctx, job->user_map, train ? train->users.n : 0, "training users");
    QN_NEW(ctx, job->item_map, train ? train->items.n : 0, "training items");
    QN_NEW(ctx, job->place, m->users.n, "users being judged");
    QN_NEW0(ctx, job->stamp, m->items.n, "items seen");
    QN_NEW0(ctx, job->is_done, job->users->n, "users being judged");
    QN_NEW(ctx, job->list, job->users->k, "a list");
    if (train) {
        qn_ids_map(&train->users, &m->users, job->user_map);
        qn_ids_map(&train->items, &m->items, job->item_map);
    }
    for (int64_t u = 0; u < m->users.n; u++)
        job->place[u] = -1;
    for (int64_t i = 0; i < job->users->n; i++)
        job->place[job->users->row[i]] = i;
    QN_TRY(make_order(ctx, job, train));
done:
    return st;
}

static void release(popular_job *job)
{
    qn_free(job->order);
    qn_free(job->place);
    qn_free(job->user_map);
    qn_free(job->item_map);
    qn_free(job->stamp);
    qn_free(job->is_done);
    qn_free(job->list);
}

/* The first k items that do not bear the user's stamp. */
static void give_list(popular_job *job, int64_t place)
{
    int32_t n = 0;

    for (int64_t i = 0; i < job->model->items.n && n < job->users->k; i++)
        if (job->stamp[job->order[i].item] != (uint32_t)(place + 1))
            job->list[n++] = job->order[i].item;
    job->is_done[place] = 1;
    job->visit(job->arg, place, job->list, n);
}

/* Segments of one row come one after another, so a user is complete when the next one begins. */
static void take_segment(popular_job *job, const qn_ratings_block *block, const qn_segment *segment)
{
    const int64_t user = job->user_map[segment->row];
    const int64_t place = user >= 0 ? job->place[user] : -1;

    if (place != job->current && job->current >= 0)
        give_list(job, job->current);
    job->current = place;
    for (uint32_t e = segment->start; place >= 0 && e < segment->start + segment->n; e++)
        if (job->item_map[block->index[e]] >= 0)
            job->stamp[job->item_map[block->index[e]]] = (uint32_t)(place + 1);
}

static qn_status read_seen(qn_context *ctx, popular_job *job, const qn_orientation *by_user)
{
    qn_status st = QN_OK;

    job->current = -1;
    for (int64_t b = 0; b < qn_store_n_blocks(by_user->store); b++) {
        qn_ratings_block block;

        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_ratings_block_pin(ctx, by_user, b, &block));
        for (int64_t s = 0; s < block.n_segments; s++)
            take_segment(job, &block, &block.segment[s]);
        qn_store_unpin(by_user->store, b);
    }
    if (job->current >= 0)
        give_list(job, job->current);
done:
    return st;
}

qn_status qn_popular_lists(qn_context *ctx, const qn_als_model *model, const qn_ratings *train,
                           const qn_popular_users *users, qn_list_visit *visit, void *arg)
{
    popular_job job = {.model = model, .users = users, .visit = visit, .arg = arg};
    qn_status st = QN_OK;

    QN_TRY(prepare(ctx, &job, train));
    if (users->leave_out_seen)
        QN_TRY(read_seen(ctx, &job, &train->by_user));
    for (int64_t i = 0; i < users->n; i++)
        if (!job.is_done[i])
            give_list(&job, i);
done:
    release(&job);
    return st;
}
