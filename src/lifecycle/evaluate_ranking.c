/* Rankings: lists of the model for test users, held against what they liked in the test; and the
 * same for the list of the most rated items. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "base/rng.h"
#include "lifecycle/evaluate_impl.h"

/* Scores kept at a time: lists of so many slots are made in one call. */
#define BATCH_SLOTS  ((int64_t)1 << 20)
#define USERS_A_TASK ((int64_t)256)

/* Relevant items of every test user, as indices of the model; items that the model does not know
 * are below 0 and all different: they count as truth that cannot be hit. */
typedef struct truth_set {
    int64_t *start; /* [n_users + 1] of the test */
    int64_t *item;  /* [start[n_users]] */
} truth_set;

typedef struct ranking_job {
    const qn_test_set *set;
    const truth_set *truth;
    const int64_t *user; /* [n] test users that are judged */
    int64_t n;
    const int64_t *list; /* [batch x k] */
    int64_t first, batch;
    int32_t k;
    qn_ranking_protocol protocol;
    qn_ranking_scores *score; /* [n] */
} ranking_job;

static void truth_release(truth_set *truth)
{
    qn_free(truth->start);
    qn_free(truth->item);
    *truth = (truth_set){0};
}

/* One user's rows are in item order: several of one item make one truth. */
static int64_t collect_truth(const qn_test_set *set, int64_t user, double threshold, int64_t *item)
{
    int64_t n = 0;
    bool is_taken = false;

    for (int64_t i = set->start[user]; i < set->start[user + 1]; i++) {
        const uint32_t of_test = set->rating[i].item;

        if (i > set->start[user] && set->rating[i - 1].item != of_test)
            is_taken = false;
        if (is_taken || (double)set->rating[i].value < threshold)
            continue;
        item[n++] = set->item[of_test] >= 0 ? set->item[of_test] : -2 - (int64_t)of_test;
        is_taken = true;
    }
    return n;
}

static qn_status truth_make(qn_context *ctx, const qn_test_set *set, double threshold,
                            truth_set *truth)
{
    qn_status st = QN_OK;

    QN_NEW(ctx, truth->start, set->n_users + 1, "relevant items");
    QN_NEW(ctx, truth->item, set->n, "relevant items");
    truth->start[0] = 0;
    for (int64_t u = 0; u < set->n_users; u++)
        truth->start[u + 1] =
            truth->start[u] + collect_truth(set, u, threshold, truth->item + truth->start[u]);
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

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t id_key(const qn_ids *ids, int64_t i)
{
    return ids->type == QN_ID_STRING
               ? qn_text_key(ids->text + ids->offset[i], ids->offset[i + 1] - ids->offset[i])
               : (uint64_t)ids->number[i];
}

/* Keeps `wanted` of the users, drawn by their ids: the same ones for any order of the file. */
static qn_status sample_users(qn_context *ctx, const qn_test_set *set, int64_t wanted,
                              int64_t *user, int64_t *n)
{
    qn_status st = QN_OK;
    draw *draws = NULL;

    if (wanted <= 0 || *n <= wanted)
        return QN_OK;
    QN_NEW(ctx, draws, *n, "a sample of users");
    for (int64_t i = 0; i < *n; i++) {
        const qn_random random = qn_philox(0, QN_STREAM_SAMPLE, id_key(set->user_ids, user[i]), 0);

        draws[i] = (draw){qn_uniform(&random, 0), user[i]};
    }
    qsort(draws, (size_t)*n, sizeof *draws, by_key);
    *n = wanted;
    for (int64_t i = 0; i < wanted; i++)
        user[i] = draws[i].user;
    qsort(user, (size_t)wanted, sizeof *user, by_number);
done:
    qn_free(draws);
    return st;
}

/* Test users that the protocol judges. */
static int64_t choose_users(const qn_test_set *set, const truth_set *truth,
                            qn_ranking_protocol protocol, int64_t *user, qn_ranking_result *out)
{
    int64_t n = 0;

    for (int64_t u = 0; u < set->n_users; u++) {
        const bool is_known = set->user[u] >= 0;
        const bool has_truth = truth->start[u + 1] > truth->start[u];

        out->unknown_users += !is_known;
        out->without_truth += is_known && !has_truth;
        if (is_known && (has_truth || protocol == QN_PROTOCOL_SPARK))
            user[n++] = u;
    }
    return n;
}

static void score_list(void *arg, int64_t i, const int64_t *list, int32_t n)
{
    const ranking_job *job = arg;
    const int64_t user = job->user[i];
    const qn_ranking_query query = {
        .predicted = list,
        .n_predicted = n,
        .truth = job->truth->item + job->truth->start[user],
        .n_truth = job->truth->start[user + 1] - job->truth->start[user],
    };

    qn_ranking_score(&query, job->k, job->protocol, &job->score[i]);
}

static qn_status score_users(void *arg, int64_t task, int32_t thread)
{
    ranking_job *job = arg;
    const int64_t end =
        (task + 1) * USERS_A_TASK < job->batch ? (task + 1) * USERS_A_TASK : job->batch;

    (void)thread;
    for (int64_t i = task * USERS_A_TASK; i < end; i++) {
        const int64_t *list = job->list + i * job->k;
        int32_t n = 0;

        while (n < job->k && list[n] >= 0)
            n++;
        score_list(job, job->first + i, list, n);
    }
    return QN_OK;
}

static qn_metric mean_of(const ranking_job *job, size_t offset)
{
    double sum = 0, squares = 0;

    for (int64_t i = 0; i < job->n; i++) {
        const double value = *(const double *)((const char *)&job->score[i] + offset);

        sum += value;
        squares += value * value;
    }
    return qn_metric_of_mean(job->n, sum, squares);
}

static void take_means(const ranking_job *job, qn_ranking_result *out)
{
    out->users = job->n;
    out->precision = mean_of(job, offsetof(qn_ranking_scores, precision));
    out->recall = mean_of(job, offsetof(qn_ranking_scores, recall));
    out->ndcg = mean_of(job, offsetof(qn_ranking_scores, ndcg));
    out->map = mean_of(job, offsetof(qn_ranking_scores, map));
    out->map_at_k = mean_of(job, offsetof(qn_ranking_scores, map_at_k));
    out->reciprocal_rank = mean_of(job, offsetof(qn_ranking_scores, reciprocal_rank));
    out->hit = mean_of(job, offsetof(qn_ranking_scores, hit));
}

/* Lists of `model` for the chosen users, judged batch by batch. `shown` marks items of the model.
 */
static qn_status judge(qn_context *ctx, const qn_als_model *model, const qn_ratings *seen,
                       ranking_job *job, uint8_t *shown)
{
    const int64_t slots = BATCH_SLOTS / job->k;
    const int64_t size = slots < 1 ? 1 : slots < job->n ? slots : job->n;
    qn_status st = QN_OK;
    int64_t *row = NULL, *list = NULL;
    float *score = NULL;

    QN_NEW(ctx, row, size, "lists being judged");
    QN_NEW(ctx, list, size * job->k, "lists being judged");
    QN_NEW(ctx, score, size * job->k, "lists being judged");
    job->list = list;
    for (job->first = 0; job->first < job->n; job->first += job->batch) {
        job->batch = job->n - job->first < size ? job->n - job->first : size;
        for (int64_t i = 0; i < job->batch; i++)
            row[i] = job->set->user[job->user[job->first + i]];
        QN_TRY(qn_als_recommend(ctx, model, QN_SIDE_USER, row, job->batch, job->k, QN_TIES_ID_ASC,
                                seen, list, score));
        QN_TRY(qn_parallel(ctx, (job->batch + USERS_A_TASK - 1) / USERS_A_TASK, score_users, job));
        for (int64_t i = 0; shown && i < job->batch * job->k; i++)
            if (list[i] >= 0)
                shown[list[i]] = 1;
        qn_emit(ctx, &(qn_event){.kind = QN_EVENT_PROGRESS,
                                 .name = "evaluate",
                                 .done = job->first + job->batch,
                                 .total = job->n});
    }
done:
    job->list = NULL;
    qn_free(row);
    qn_free(list);
    qn_free(score);
    return st;
}

static qn_status judge_popularity(qn_context *ctx, const qn_als_model *model,
                                  const qn_ratings *train, ranking_job *job, qn_ranking_result *out)
{
    qn_popular_users users = {
        .n = job->n, .k = job->k, .leave_out_seen = job->protocol == QN_PROTOCOL_HONEST};
    int64_t *row = NULL;
    qn_status st = QN_OK;

    if (!train && !model->item_count)
        return QN_OK;
    QN_NEW(ctx, row, job->n, "users being judged");
    for (int64_t i = 0; i < job->n; i++)
        row[i] = job->set->user[job->user[i]];
    users.row = row;
    QN_TRY(qn_popular_lists(ctx, model, train, &users, score_list, job));
    take_means(job, out);
done:
    qn_free(row);
    return st;
}

static double share_shown(const uint8_t *shown, int64_t n)
{
    int64_t count = 0;

    for (int64_t i = 0; i < n; i++)
        count += shown[i];
    return n > 0 ? (double)count / (double)n : 0;
}

qn_status qn_evaluate_rankings(qn_context *ctx, const qn_als_model *model, const qn_test_set *set,
                               const qn_ratings *train, int32_t max_users, qn_evaluation *out)
{
    const qn_ratings *seen = out->protocol == QN_PROTOCOL_HONEST ? train : NULL;
    qn_status st = QN_OK;
    truth_set truth = {0};
    ranking_job job = {.set = set, .truth = &truth, .k = out->k, .protocol = out->protocol};
    int64_t *user = NULL;
    uint8_t *shown = NULL;

    QN_TRY(truth_make(ctx, set, out->threshold, &truth));
    QN_NEW(ctx, user, set->n_users, "users being judged");
    job.n = choose_users(set, &truth, out->protocol, user, &out->ranking);
    out->ranking.not_sampled = job.n;
    QN_TRY(sample_users(ctx, set, max_users, user, &job.n));
    out->ranking.not_sampled -= job.n;
    job.user = user;
    QN_NEW(ctx, job.score, job.n, "scores of users");
    QN_NEW0(ctx, shown, model->items.n, "items shown");
    QN_TRY(judge(ctx, model, seen, &job, shown));
    take_means(&job, &out->ranking);
    out->ranking.catalogue_share = share_shown(shown, model->items.n);
    out->has_ranking = true;
    QN_TRY(judge_popularity(ctx, model, train, &job, &out->popularity));
done:
    truth_release(&truth);
    qn_free(user);
    qn_free(shown);
    qn_free(job.score);
    return st;
}
