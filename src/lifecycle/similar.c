/* Neighbours of an item or a user, and why a prediction is what it is. */
#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/triples.h"
#include "engine/comm.h"
#include "lifecycle/reasons.h"
#include "lifecycle/recommend.h"

/* Index of an id that must be known. */
static qn_status find_known(qn_context *ctx, const qn_ids *ids, const char *what, const char *id,
                            int64_t *index)
{
    *index = qn_ids_find(ids, id);
    if (*index >= 0)
        return QN_OK;
    return qn_fail(ctx, QN_ENOTFOUND,
                   "the model knows no %s \"%s\": it was not among the training ratings", what, id);
}

static qn_status visit_similar(const qn_similar_options *options, const qn_ids *ids,
                               const qn_titles *titles, int64_t row, const int64_t *index,
                               const float *score, qn_recommend_visit *visit, void *arg,
                               qn_recommend_result *result)
{
    const bool is_user = options->user != NULL;
    char id[256], other[256];
    qn_status st = QN_OK;

    qn_ids_format(ids, row, id, sizeof id);
    for (int32_t i = 0; i < options->k && index[i] >= 0 && st == QN_OK; i++) {
        const qn_recommendation line = {
            .side = is_user ? QN_SIDE_USER : QN_SIDE_ITEM,
            .id = id,
            .other = other,
            .id_is_number = ids->type != QN_ID_STRING,
            .other_is_number = ids->type != QN_ID_STRING,
            .id_title = is_user ? NULL : qn_title(titles, row),
            .title = is_user ? NULL : qn_title(titles, index[i]),
            .rank = i + 1,
            .score = score[i],
        };

        qn_ids_format(ids, index[i], other, sizeof other);
        result->lines++;
        if (visit)
            st = visit(arg, &line);
    }
    return st;
}

static qn_status similar_rows(qn_context *ctx, const qn_similar_options *options,
                              const qn_als_model *model, qn_recommend_visit *visit, void *arg,
                              qn_recommend_result *result)
{
    const bool is_user = options->user != NULL;
    const qn_ids *ids = is_user ? &model->users : &model->items;
    qn_titles *titles = NULL;
    int64_t *index = NULL, row = -1;
    float *score = NULL;
    qn_status st = QN_OK;

    QN_TRY(find_known(ctx, ids, is_user ? "user" : "item", is_user ? options->user : options->item,
                      &row));
    QN_NEW(ctx, index, options->k, "similar rows");
    QN_NEW(ctx, score, options->k, "similar rows");
    if (options->titles && !is_user)
        QN_TRY(qn_titles_read(ctx, options->titles, model->item_col, ids, &titles));
    QN_TRY(qn_als_similar(ctx, model, is_user ? QN_SIDE_USER : QN_SIDE_ITEM, row, options->k, index,
                          score));
    QN_TRY(visit_similar(options, ids, titles, row, index, score, qn_rank(ctx) == 0 ? visit : NULL,
                         arg, result));
    result->rows = 1;
done:
    qn_titles_free(titles);
    qn_free(index);
    qn_free(score);
    return st;
}

qn_status qn_similar_run(qn_context *ctx, const qn_similar_options *options,
                         qn_recommend_visit *visit, void *arg, qn_recommend_result *result)
{
    const double start = qn_seconds();
    qn_als_model *model = NULL;
    qn_status st = QN_OK;

    *result = (qn_recommend_result){0};
    if (!options->user == !options->item)
        return qn_fail(ctx, QN_EINVAL, "give --item or --user, one of them");
    QN_TRY_ALL(qn_als_load(ctx, options->model, &model));
    result->load_s = qn_seconds() - start;
    QN_TRY_ALL(similar_rows(ctx, options, model, visit, arg, result));
    result->total_s = qn_seconds() - start;
    result->recommend_s = result->total_s - result->load_s;
done:
    qn_als_free(model);
    return st;
}

/* -- explain ------------------------------------------------------------------------------------
 */

typedef struct explain_job {
    const qn_explain_options *options;
    qn_als_model *model;
    qn_ratings *ratings;
    qn_als_seen rated; /* by the user alone */
    qn_titles *titles;
    qn_reasons reasons;
    int64_t user, item;
} explain_job;

/* What the user has rated, on every rank. Collective. */
static qn_status read_ratings(qn_context *ctx, const qn_columns_options *columns, explain_job *job)
{
    qn_ratings_options options;
    qn_triples *triples = NULL;
    qn_status st = QN_OK;

    qn_columns_ratings(columns, job->model, &job->options->ratings, &options);
    QN_TRY(qn_triples_read(ctx, &options, false, false, &triples));
    QN_TRY(qn_ratings_from_triples(ctx, &triples, 0, &job->ratings));
    QN_TRY_ALL(qn_als_seen_open(ctx, job->model, QN_SIDE_USER, job->ratings, true, &job->rated));
    QN_TRY(qn_als_seen_take(ctx, &job->rated, &job->user, 1));
done:
    qn_triples_free(triples);
    return st;
}

/* The model, and the places of user and item in it. */
static qn_status load(qn_context *ctx, explain_job *job)
{
    const qn_explain_options *o = job->options;
    qn_status st = QN_OK;

    QN_TRY(qn_als_load(ctx, o->model, &job->model));
    QN_TRY(find_known(ctx, &job->model->users, "user", o->user, &job->user));
    QN_TRY(find_known(ctx, &job->model->items, "item", o->item, &job->item));
    if (o->titles)
        QN_TRY(
            qn_titles_read(ctx, o->titles, job->model->item_col, &job->model->items, &job->titles));
    QN_TRY(qn_reasons_open(ctx, job->model, o->k, &job->reasons));
done:
    return st;
}

static qn_status tell(qn_context *ctx, explain_job *job, qn_recommend_visit *visit, void *arg,
                      qn_explain_result *result)
{
    const qn_als_model *m = job->model;
    char user[256], item[256];
    qn_recommendation line = {
        .side = QN_SIDE_USER,
        .id = user,
        .other = item,
        .id_is_number = m->users.type != QN_ID_STRING,
        .other_is_number = m->items.type != QN_ID_STRING,
        .title = qn_title(job->titles, job->item),
        .rank = 1,
    };
    qn_status st = QN_OK;

    qn_ids_format(&m->users, job->user, user, sizeof user);
    qn_ids_format(&m->items, job->item, item, sizeof item);
    QN_TRY(qn_als_predict(ctx, m, 1, &job->user, &job->item, &result->prediction));
    QN_TRY(qn_reasons_find(ctx, &job->reasons, &job->rated, 0, job->item, true));
    qn_reasons_tell(&job->reasons, job->titles, job->reasons.found, job->reasons.n);
    result->explained = job->reasons.explained;
    result->n_ratings = job->rated.start[1];
    line.score = result->prediction;
    line.reason = job->reasons.reason;
    line.n_reasons = job->reasons.n;
    if (result->n_ratings == 0)
        st = qn_fail(ctx, QN_ENOTFOUND, "user \"%s\" has no ratings of known items in these files",
                     user);
    else if (visit && qn_rank(ctx) == 0)
        st = visit(arg, &line);
done:
    return st;
}

qn_status qn_explain_run(qn_context *ctx, const qn_explain_options *options,
                         const qn_columns_options *columns, qn_recommend_visit *visit, void *arg,
                         qn_explain_result *result)
{
    explain_job job = {.options = options};
    const double start = qn_seconds();
    qn_status st = QN_OK;

    *result = (qn_explain_result){.prediction = NAN, .explained = NAN};
    QN_TRY_ALL(load(ctx, &job));
    QN_TRY(read_ratings(ctx, columns, &job));
    QN_TRY_ALL(tell(ctx, &job, visit, arg, result));
    result->total_s = qn_seconds() - start;
done:
    qn_reasons_close(&job.reasons);
    qn_als_seen_close(&job.rated);
    qn_ratings_free(job.ratings);
    qn_titles_free(job.titles);
    qn_als_free(job.model);
    return st;
}
