/* Rankings: lists of the model for test users, held against what they liked in the test; and the
 * same for the list of the most rated items. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "base/rng.h"
#include "engine/comm.h"
#include "engine/store.h"
#include "lifecycle/evaluate_impl.h"
#include "ml/als/als_seen.h"

/* Lists, what their users have seen and what is relevant to them are held for some users at a time:
 * for so many bytes at most, for fewer where little of the budget is left. */
#define BATCH_BYTES     ((int64_t)32 << 20)
#define BATCH_MIN_BYTES ((int64_t)1 << 20)
#define USERS_A_TASK    ((int64_t)64)

#define N_SCORES ((int32_t)(sizeof(qn_ranking_scores) / sizeof(double)))
_Static_assert(2 * (sizeof(qn_ranking_scores) / sizeof(double)) <= QN_TEST_SUMS, "sums of scores");

/* Rows of the set, user by user. */
typedef struct row_cursor {
    const qn_test_set *set;
    int64_t block; /* pinned; n_blocks: none is left */
    int64_t row;   /* of the block */
    qn_triples_view view;
    bool is_pinned;
} row_cursor;

typedef struct ranking_job {
    qn_context *ctx;
    const qn_als_model *model;
    const qn_test_set *set;
    int32_t k;
    double threshold;
    qn_ranking_protocol protocol;
    uint8_t *is_judged; /* [users of this rank] */
    int64_t *popular;   /* [items of the model] most rated first; NULL: not known */
    qn_als_seen *seen;  /* NULL: nothing is left out */
    uint8_t *shown;     /* [items of the model] */
    row_cursor cursor;
    int64_t next_user; /* of this rank, to be judged next */
    int64_t done, n;   /* users judged, to be judged */

    /* A batch. Relevant items are indices of the model; those that it does not know are below 0 and
     * all different: truth that cannot be hit. */
    int64_t slots, most_entries; /* of lists, of seen lists */
    int64_t batch;
    int64_t *user, *row;  /* [slots] of the test, of the model */
    int64_t *truth_start; /* [slots + 1] */
    int64_t *truth;       /* [truth_room] */
    int64_t truth_room;
    int64_t *list;            /* [slots x k] */
    float *list_score;        /* [slots x k] */
    int64_t *popular_list;    /* [threads x k] */
    qn_ranking_scores *score; /* [2 x slots] of the model, of popularity */
    qn_test_sums sums[2];
} ranking_job;

/* ---- rows ---- */

static void cursor_close(row_cursor *c)
{
    if (c->is_pinned)
        qn_triples_unpin(c->set->rows, c->block);
    c->is_pinned = false;
}

/* The row that the cursor is at, which is moved to the next block where one ends; false: no more.
 */
static qn_status cursor_peek(qn_context *ctx, row_cursor *c, bool *is_there)
{
    qn_status st = QN_OK;

    *is_there = false;
    while (c->block < qn_triples_n_blocks(c->set->rows)) {
        if (!c->is_pinned) {
            QN_TRY(qn_triples_pin(ctx, c->set->rows, c->block, &c->view));
            c->is_pinned = true;
        }
        if (c->row < c->view.n) {
            *is_there = true;
            break;
        }
        cursor_close(c);
        c->block++;
        c->row = 0;
    }
done:
    return st;
}

/* Moves over the rows of users up to `user`, and appends what is relevant to that one to
 * job->truth[*n]. Rows are in item order: several of one item make one truth. */
static qn_status collect_truth(ranking_job *job, int64_t user, int64_t *n)
{
    qn_context *ctx = job->ctx;
    row_cursor *c = &job->cursor;
    int64_t taken = -1;
    bool is_there;
    qn_status st = QN_OK;

    for (;;) {
        QN_TRY(cursor_peek(ctx, c, &is_there));
        if (!is_there || (int64_t)c->view.user[c->row] > user)
            break;
        const int64_t item = c->view.item[c->row];
        const bool is_liked = (double)c->view.value[c->row] >= job->threshold;

        if ((int64_t)c->view.user[c->row++] < user || !is_liked || item == taken)
            continue;
        if (*n == job->truth_room) {
            job->truth_room = 2 * job->truth_room + 1024;
            QN_GROW(ctx, job->truth, job->truth_room, "relevant items");
        }
        job->truth[(*n)++] = job->set->item[item] >= 0 ? job->set->item[item] : -2 - item;
        taken = item;
    }
done:
    return st;
}

/* ---- who is judged ---- */

/* Marks the users that have something relevant. */
static qn_status mark_users(ranking_job *job)
{
    const qn_test_set *set = job->set;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_NEW0(ctx, job->is_judged, set->end_user - set->first_user, "users being judged");
    for (int64_t b = 0; b < qn_triples_n_blocks(set->rows); b++) {
        qn_triples_view view;

        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_triples_pin(ctx, set->rows, b, &view));
        for (int64_t i = 0; i < view.n; i++)
            if ((double)view.value[i] >= job->threshold)
                job->is_judged[view.user[i] - set->first_user] = 1;
        qn_triples_unpin(set->rows, b);
    }
done:
    return st;
}

/* Test users that the protocol judges. Collective. */
static qn_status choose_users(ranking_job *job, qn_ranking_result *out)
{
    const qn_test_set *set = job->set;
    qn_context *ctx = job->ctx;
    int64_t count[3] = {0};
    qn_status st = QN_OK;

    QN_TRY_ALL(mark_users(job));
    for (int64_t u = 0; u < set->end_user - set->first_user; u++) {
        const bool is_known = set->user[u] >= 0;
        const bool has_truth = job->is_judged[u];

        job->is_judged[u] = is_known && (has_truth || job->protocol == QN_PROTOCOL_SPARK);
        count[0] += !is_known;
        count[1] += is_known && !has_truth;
        job->n += job->is_judged[u];
    }
    count[2] = job->n;
    QN_TRY(qn_comm_sum_int64(ctx, count, 3));
    out->unknown_users = count[0];
    out->without_truth = count[1];
    out->users = count[2];
done:
    return st;
}

typedef struct draw {
    double key;
    int64_t user;
} draw;

static int by_key(const void *a, const void *b)
{
    const draw *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->user > y->user) - (x->user < y->user);
}

static uint64_t id_key(const qn_ids *ids, int64_t i)
{
    return ids->type == QN_ID_STRING
               ? qn_text_key(ids->text + ids->offset[i], ids->offset[i + 1] - ids->offset[i])
               : (uint64_t)ids->number[i];
}

/* This rank's users in the order of their draws. */
static qn_status draw_users(const ranking_job *job, draw **draws)
{
    const qn_test_set *set = job->set;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;
    int64_t n = 0;

    QN_NEW(ctx, *draws, job->n, "a sample of users");
    for (int64_t u = 0; u < set->end_user - set->first_user; u++) {
        const int64_t user = set->first_user + u;
        const qn_random random = qn_philox(0, QN_STREAM_SAMPLE, id_key(set->user_ids, user), 0);

        if (job->is_judged[u])
            (*draws)[n++] = (draw){qn_uniform(&random, 0), user};
    }
    if (n > 0)
        qsort(*draws, (size_t)n, sizeof **draws, by_key);
done:
    return st;
}

/* Keeps `wanted` of the users, drawn by their ids: the same ones for any order of the file. The
 * last one drawn, of the first of every rank, parts them from the others. Collective. */
static qn_status sample_users(ranking_job *job, int64_t wanted, qn_ranking_result *out)
{
    const int64_t first_user = job->set->first_user;
    qn_context *ctx = job->ctx;
    draw *mine = NULL, *all = NULL;
    size_t bytes = 0;
    qn_status st = QN_OK;

    if (wanted <= 0 || out->users <= wanted)
        return QN_OK;
    QN_TRY_ALL(draw_users(job, &mine));
    QN_TRY(qn_comm_allgather(ctx, mine, (size_t)(job->n < wanted ? job->n : wanted) * sizeof *mine,
                             (void **)&all, &bytes));
    qsort(all, bytes / sizeof *all, sizeof *all, by_key);
    for (int64_t i = 0; i < job->n; i++)
        job->is_judged[mine[i].user - first_user] = by_key(&mine[i], &all[wanted - 1]) <= 0;
    job->n = 0;
    for (int64_t u = 0; u < job->set->end_user - first_user; u++)
        job->n += job->is_judged[u];
    out->not_sampled = out->users - wanted;
    out->users = wanted;
done:
    qn_free(mine);
    qn_free(all);
    return st;
}

/* ---- batches ---- */

static qn_status prepare_batches(ranking_job *job)
{
    qn_context *ctx = job->ctx;
    const int64_t left = (int64_t)(qn_context_room(ctx) / 16);
    const int64_t room = left < BATCH_MIN_BYTES ? BATCH_MIN_BYTES
                         : left > BATCH_BYTES   ? BATCH_BYTES
                                                : left;
    const int64_t slot_bytes = (int64_t)job->k * 12 + 150;
    qn_status st = QN_OK;

    job->slots = room / slot_bytes < 1 ? 1 : room / slot_bytes;
    job->slots = job->slots < job->n ? job->slots : job->n;
    job->most_entries = room / 16;
    QN_NEW(ctx, job->user, job->slots, "lists being judged");
    QN_NEW(ctx, job->row, job->slots, "lists being judged");
    QN_NEW(ctx, job->truth_start, job->slots + 1, "lists being judged");
    QN_NEW(ctx, job->list, job->slots * job->k, "lists being judged");
    QN_NEW(ctx, job->list_score, job->slots * job->k, "lists being judged");
    QN_NEW(ctx, job->popular_list, (int64_t)qn_context_threads(ctx) * job->k, "popular items");
    QN_NEW0(ctx, job->score, 2 * job->slots, "scores of users");
    QN_NEW0(ctx, job->shown, job->model->items.n, "items shown");
    for (int32_t i = 0; i < 2; i++)
        QN_TRY(qn_test_sums_open(ctx, job->set, &job->sums[i]));
done:
    return st;
}

/* The next users, as many as there is room for; at least one if one is left. */
static qn_status fill_batch(ranking_job *job)
{
    const qn_test_set *set = job->set;
    int64_t n_truth = 0, n_seen = 0;
    qn_status st = QN_OK;

    job->batch = 0;
    for (; set->first_user + job->next_user < set->end_user; job->next_user++) {
        const int64_t row = set->user[job->next_user];
        int64_t most;

        if (!job->is_judged[job->next_user])
            continue;
        most = job->seen ? qn_als_seen_most(job->seen, row) : 0;
        if (job->batch == job->slots ||
            (job->batch > 0 && n_seen + n_truth + most > job->most_entries))
            break;
        job->user[job->batch] = set->first_user + job->next_user;
        job->row[job->batch] = row;
        job->truth_start[job->batch] = n_truth;
        QN_TRY(collect_truth(job, set->first_user + job->next_user, &n_truth));
        n_seen += most;
        job->batch++;
    }
    job->truth_start[job->batch] = n_truth;
done:
    return st;
}

static void score_list(const ranking_job *job, int64_t i, const int64_t *list, int32_t n,
                       qn_ranking_scores *score)
{
    const qn_ranking_query query = {
        .predicted = list,
        .n_predicted = n,
        .truth = job->truth + job->truth_start[i],
        .n_truth = job->truth_start[i + 1] - job->truth_start[i],
    };

    qn_ranking_score(&query, job->k, job->protocol, score);
}

static void score_popular(const ranking_job *job, int64_t i, int32_t thread)
{
    const qn_als_seen *seen = job->seen;
    int64_t *list = job->popular_list + (int64_t)thread * job->k;
    const uint32_t *other = seen ? seen->other + seen->start[i] : NULL;
    const int64_t n_seen = seen ? seen->start[i + 1] - seen->start[i] : 0;
    const int32_t n =
        qn_popular_list(job->popular, job->model->items.n, other, n_seen, job->k, list);

    score_list(job, i, list, n, &job->score[job->slots + i]);
}

static qn_status score_users(void *arg, int64_t task, int32_t thread)
{
    ranking_job *job = arg;
    const int64_t end =
        (task + 1) * USERS_A_TASK < job->batch ? (task + 1) * USERS_A_TASK : job->batch;

    for (int64_t i = task * USERS_A_TASK; i < end; i++) {
        const int64_t *list = job->list + i * job->k;
        int32_t n = 0;

        while (n < job->k && list[n] >= 0)
            n++;
        score_list(job, i, list, n, &job->score[i]);
        if (job->popular)
            score_popular(job, i, thread);
    }
    return qn_check_cancel(job->ctx);
}

/* Sums of the scores, then of their squares. */
static void add_scores(ranking_job *job, int32_t which)
{
    for (int64_t i = 0; i < job->batch; i++) {
        const double *value = (const double *)&job->score[which * job->slots + i];
        double *sum = qn_test_sums_of(&job->sums[which], job->user[i]);

        for (int32_t s = 0; s < N_SCORES; s++) {
            sum[s] += value[s];
            sum[N_SCORES + s] += value[s] * value[s];
        }
    }
}

static qn_status judge_batch(ranking_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY(qn_als_recommend_unseen(ctx, job->model, QN_SIDE_USER, job->row, job->batch, job->k,
                                   QN_TIES_ID_ASC, job->seen, job->list, job->list_score));
    QN_TRY(qn_parallel(ctx, (job->batch + USERS_A_TASK - 1) / USERS_A_TASK, score_users, job));
    for (int64_t i = 0; i < job->batch * job->k; i++)
        if (job->list[i] >= 0)
            job->shown[job->list[i]] = 1;
    add_scores(job, 0);
    if (job->popular)
        add_scores(job, 1);
    job->done += job->batch;
    qn_emit(ctx, &(qn_event){.kind = QN_EVENT_PROGRESS,
                             .rank = qn_rank(ctx),
                             .name = "evaluate",
                             .done = job->done,
                             .total = job->n});
done:
    return st;
}

/* Ranks go on together, until none has users left. Collective. */
static qn_status judge(ranking_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY_ALL(prepare_batches(job));
    for (;;) {
        int64_t most = 0;

        QN_TRY_ALL(fill_batch(job));
        most = job->batch;
        QN_TRY(qn_comm_max_int64(ctx, &most, 1));
        if (most == 0)
            break;
        if (job->seen)
            QN_TRY(qn_als_seen_take(ctx, job->seen, job->row, job->batch));
        QN_TRY_ALL(judge_batch(job));
    }
done:
    return st;
}

/* ---- figures ---- */

static qn_metric mean_of(const double *sum, int64_t n, size_t offset)
{
    const size_t s = offset / sizeof(double);

    return qn_metric_of_mean(n, sum[s], sum[N_SCORES + s]);
}

/* Collective. */
static qn_status take_means(qn_test_sums *sums, int64_t n, qn_ranking_result *out)
{
    double sum[QN_TEST_SUMS];
    qn_status st = QN_OK;

    QN_TRY(qn_test_sums_finish(sums, sum));
    out->users = n;
    out->precision = mean_of(sum, n, offsetof(qn_ranking_scores, precision));
    out->recall = mean_of(sum, n, offsetof(qn_ranking_scores, recall));
    out->ndcg = mean_of(sum, n, offsetof(qn_ranking_scores, ndcg));
    out->map = mean_of(sum, n, offsetof(qn_ranking_scores, map));
    out->map_at_k = mean_of(sum, n, offsetof(qn_ranking_scores, map_at_k));
    out->reciprocal_rank = mean_of(sum, n, offsetof(qn_ranking_scores, reciprocal_rank));
    out->hit = mean_of(sum, n, offsetof(qn_ranking_scores, hit));
done:
    return st;
}

static qn_status pack_shown(const ranking_job *job, uint64_t **word)
{
    const int64_t n = job->model->items.n;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_NEW0(ctx, *word, n / 64 + 1, "items shown");
    for (int64_t i = 0; i < n; i++)
        (*word)[i / 64] |= (uint64_t)job->shown[i] << (i % 64);
done:
    return st;
}

/* Of the model's items, those that some rank has shown to someone. Collective. */
static qn_status share_shown(const ranking_job *job, double *share)
{
    const int64_t n = job->model->items.n, n_words = n / 64 + 1;
    qn_context *ctx = job->ctx;
    uint64_t *mine = NULL, *all = NULL;
    size_t bytes = 0;
    int64_t count = 0;
    qn_status st = QN_OK;

    QN_TRY_ALL(pack_shown(job, &mine));
    QN_TRY(qn_comm_allgather(ctx, mine, (size_t)n_words * sizeof *mine, (void **)&all, &bytes));
    for (int64_t w = 0; w < n_words; w++) {
        uint64_t word = 0;

        for (int32_t r = 0; r < qn_size(ctx); r++)
            word |= all[r * n_words + w];
        count += __builtin_popcountll(word);
    }
    *share = n > 0 ? (double)count / (double)n : 0;
done:
    qn_free(mine);
    qn_free(all);
    return st;
}

static void release(ranking_job *job)
{
    cursor_close(&job->cursor);
    for (int32_t i = 0; i < 2; i++)
        qn_test_sums_close(&job->sums[i]);
    qn_free(job->is_judged);
    qn_free(job->popular);
    qn_free(job->shown);
    qn_free(job->user);
    qn_free(job->row);
    qn_free(job->truth_start);
    qn_free(job->truth);
    qn_free(job->list);
    qn_free(job->list_score);
    qn_free(job->popular_list);
    qn_free(job->score);
}

qn_status qn_evaluate_rankings(qn_context *ctx, const qn_als_model *model, const qn_test_set *set,
                               const qn_ratings *train, int32_t max_users, qn_evaluation *out)
{
    ranking_job job = {.ctx = ctx,
                       .model = model,
                       .set = set,
                       .k = out->k,
                       .threshold = out->threshold,
                       .protocol = out->protocol,
                       .cursor = {.set = set}};
    qn_als_seen seen = {0};
    qn_status st = QN_OK;

    QN_TRY(choose_users(&job, &out->ranking));
    QN_TRY(sample_users(&job, max_users, &out->ranking));
    if (out->protocol == QN_PROTOCOL_HONEST) {
        QN_TRY_ALL(qn_als_seen_open(ctx, model, QN_SIDE_USER, train, false, &seen));
        job.seen = &seen;
    }
    if (train || model->item_count)
        QN_TRY_ALL(qn_popular_order(ctx, model, train, &job.popular));
    QN_TRY(judge(&job));
    QN_TRY(take_means(&job.sums[0], out->ranking.users, &out->ranking));
    QN_TRY(share_shown(&job, &out->ranking.catalogue_share));
    out->has_ranking = true;
    if (job.popular)
        QN_TRY(take_means(&job.sums[1], out->ranking.users, &out->popularity));
done:
    qn_als_seen_close(&seen);
    release(&job);
    return st;
}
