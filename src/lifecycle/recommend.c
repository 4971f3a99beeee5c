#include "lifecycle/recommend.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/source_impl.h"
#include "data/triples.h"
#include "lifecycle/reasons.h"
#include "lifecycle/recommend_out.h"

/* Rows asked for at a time: bounds what is held, whatever the number of users. */
#define ROWS_AT_ONCE 1024

typedef struct recommend_job {
    qn_context *ctx;
    const qn_recommend_options *options;
    const qn_columns_options *columns;
    qn_recommend_result *result;
    qn_recommend_visit *visit;
    void *arg;
    qn_als_model *model;
    qn_als_model view; /* the model, or with rows folded in; borrows what it does not own */
    float *folded;     /* factors of new rows */
    qn_triples *new_rows;
    qn_side side;
    bool is_named;
    int64_t *row; /* [n] indices asked for, in the order asked */
    int64_t n;
    qn_ratings *seen;
    qn_history history; /* n_rows 0: not at hand */
    qn_titles *titles;
    qn_reasons reasons;
    qn_line_out *out;
} recommend_job;

/* -- whom for ---------------------------------------------------------------------------------- */

static qn_status check_options(qn_context *ctx, const qn_recommend_options *o, recommend_job *job)
{
    const bool users = o->user.n > 0 || o->users || o->all_users || o->new_user;
    const int given = (o->user.n > 0) + (o->item.n > 0) + (o->users != NULL) + (o->items != NULL) +
                      o->all_users + o->all_items + (o->new_user != NULL) + (o->new_item != NULL);

    if (given != 1)
        return qn_fail(ctx, QN_EINVAL,
                       "%s of --user, --users, --all-users, --item, --items, --all-items, "
                       "--new-user, --new-item: give one",
                       given == 0 ? "none" : "more than one");
    if (o->exclude_seen.n > 0 && (o->new_user || o->new_item))
        return qn_fail(ctx, QN_EINVAL,
                       "--exclude-seen does not go with --new-user and --new-item: what their "
                       "ratings hold is left out anyway");
    job->side = users ? QN_SIDE_USER : QN_SIDE_ITEM;
    job->is_named = o->user.n > 0 || o->item.n > 0 || o->new_user || o->new_item;
    return QN_OK;
}

/* Rows of the side, each asked for once. */
typedef struct asked_rows {
    recommend_job *job;
    const qn_ids *ids;
    uint8_t *is_asked; /* [ids->n] */
} asked_rows;

static void ask(asked_rows *asked, const char *text)
{
    qn_recommend_result *result = asked->job->result;
    const int64_t index = qn_ids_find(asked->ids, text);

    if (index < 0) {
        if (result->unknown++ == 0)
            snprintf(result->first_unknown, sizeof result->first_unknown, "%.127s", text);
        return;
    }
    if (asked->is_asked[index])
        return;
    asked->is_asked[index] = 1;
    asked->job->row[asked->job->n++] = index;
}

/* The column of ids: called as in the model, else as the manifest of a data set says, else the
 * first. */
static int32_t id_field(const qn_source *source, const char *id_col, bool is_user)
{
    const qn_schema *schema = qn_source_schema(source);
    const char *name[2] = {id_col, is_user ? source->columns.user : source->columns.item};

    for (int32_t k = 0; k < (source->has_columns ? 2 : 1); k++)
        for (int32_t f = 0; f < schema->n_fields; f++)
            if (strcmp(schema->field[f].name, name[k]) == 0)
                return f;
    return 0;
}

static qn_status ask_file(asked_rows *asked, const char *path, const char *id_col)
{
    qn_context *ctx = asked->job->ctx;
    const qn_source_options options = {.path = &path, .n_paths = 1, .header = -1};
    const qn_batch *batch = NULL;
    qn_source *source = NULL;
    qn_reader *reader = NULL;
    qn_column_request request = {0, QN_TEXT, false};
    char id[256];
    qn_status st = QN_OK;

    QN_TRY(qn_source_open(ctx, &options, &source));
    request.field = id_field(source, id_col, asked->job->side == QN_SIDE_USER);
    for (int64_t s = 0; s < qn_source_n_splits(source); s++) {
        QN_TRY(qn_source_open_split(ctx, source, s, &request, 1, &reader));
        for (;;) {
            QN_TRY(qn_reader_next(ctx, reader, &batch));
            if (!batch)
                break;
            for (int64_t r = 0; r < batch->n_rows; r++) {
                const uint32_t *at = batch->columns[0].offsets + r;

                snprintf(id, sizeof id, "%.*s", (int)(at[1] - at[0]),
                         (const char *)batch->columns[0].data + at[0]);
                ask(asked, id);
            }
        }
        qn_reader_close(reader);
        reader = NULL;
    }
done:
    qn_reader_close(reader);
    qn_source_free(source);
    return st;
}

static qn_status find_rows(recommend_job *job)
{
    qn_context *ctx = job->ctx;
    const qn_recommend_options *o = job->options;
    const bool is_user = job->side == QN_SIDE_USER;
    const qn_ids *ids = is_user ? &job->view.users : &job->view.items;
    const qn_text_list *list = is_user ? &o->user : &o->item;
    const char *file = is_user ? o->users : o->items;
    asked_rows asked = {.job = job, .ids = ids};
    qn_status st = QN_OK;

    QN_NEW(ctx, job->row, ids->n, "rows to recommend for");
    QN_NEW0(ctx, asked.is_asked, ids->n, "rows to recommend for");
    for (int64_t i = 0; i < list->n; i++)
        ask(&asked, list->item[i]);
    if (file)
        QN_TRY(ask_file(&asked, file, is_user ? job->model->user_col : job->model->item_col));
    if (o->all_users || o->all_items || o->new_user || o->new_item)
        for (int64_t i = 0; i < ids->n; i++)
            job->row[job->n++] = i;
    if (job->n == 0 && job->result->unknown > 0)
        st = qn_fail(
            ctx, QN_ENOTFOUND,
            "the model knows none of the %lld ids asked for; the first is \"%s\": were they "
            "in the training ratings? --new-user takes ratings of people it has not seen",
            (long long)job->result->unknown, job->result->first_unknown);
done:
    qn_free(asked.is_asked);
    return st;
}

/* -- what is at hand ----------------------------------------------------------------------------
 */

static qn_status read_ratings(recommend_job *job, const qn_text_list *files, qn_triples **triples)
{
    qn_ratings_options options;

    qn_columns_ratings(job->columns, job->model, files, &options);
    return qn_triples_read(job->ctx, &options, false, false, triples);
}

/* Factors of the rows of the file, one half-step each. */
static qn_status fold_in(recommend_job *job, const qn_history *history)
{
    qn_context *ctx = job->ctx;
    const int64_t stride = job->model->stride;
    qn_status st = QN_OK;

    QN_NEW0(ctx, job->folded, history->n_rows * stride, "factors of new rows");
    for (int64_t r = 0; r < history->n_rows; r++) {
        const int64_t start = history->start[r];

        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_als_fold_in(ctx, job->model, job->side, history->start[r + 1] - start,
                              history->other + start, history->rating + start,
                              job->folded + r * stride));
    }
done:
    return st;
}

/* The model with the file's rows in the place of its own. */
static qn_status add_new_rows(recommend_job *job)
{
    const char *file = job->options->new_user ? job->options->new_user : job->options->new_item;
    const qn_text_list files = {.item = &file, .n = 1};
    const bool is_user = job->side == QN_SIDE_USER;
    qn_history history = {0};
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    job->view = *job->model;
    if (!file)
        return QN_OK;
    QN_TRY(read_ratings(job, &files, &job->new_rows));
    if (is_user)
        job->view.users = job->new_rows->users;
    else
        job->view.items = job->new_rows->items;
    QN_TRY(qn_history_make(ctx, job->new_rows, &job->view.users, &job->view.items, job->side,
                           &history));
    QN_TRY(fold_in(job, &history));
    if (is_user)
        job->view.user_factors = job->folded;
    else
        job->view.item_factors = job->folded;
done:
    qn_history_release(&history);
    return st;
}

/* Ratings to leave out, and what users have rated, for reasons. */
static qn_status take_seen(recommend_job *job, qn_triples **triples, bool want_history)
{
    qn_status st = QN_OK;

    if (want_history)
        QN_TRY(qn_history_make(job->ctx, *triples, &job->view.users, &job->view.items, QN_SIDE_USER,
                               &job->history));
    QN_TRY(qn_ratings_from_triples(job->ctx, triples, 0, &job->seen));
done:
    return st;
}

static qn_status gather(recommend_job *job)
{
    const qn_recommend_options *o = job->options;
    qn_context *ctx = job->ctx;
    const int32_t most = o->reasons >= 0 ? o->reasons : job->is_named ? 2 : 0;
    const bool want_history = most > 0 && job->side == QN_SIDE_USER;
    qn_triples *triples = NULL;
    qn_status st = QN_OK;

    if (o->titles)
        QN_TRY(
            qn_titles_read(ctx, o->titles, job->model->item_col, &job->view.items, &job->titles));
    if (o->exclude_seen.n > 0)
        QN_TRY(read_ratings(job, &o->exclude_seen, &triples));
    /* A copy: the ids of new rows stay needed after the triples are gone. */
    if (job->new_rows)
        QN_TRY(qn_triples_take(ctx, job->new_rows, NULL, 0, false, &triples));
    if (triples)
        QN_TRY(take_seen(job, &triples, want_history));
    if (job->history.n_rows > 0)
        QN_TRY(qn_reasons_open(ctx, &job->view, &job->history, job->titles, most, &job->reasons));
done:
    qn_triples_free(triples);
    return st;
}

/* -- answers ------------------------------------------------------------------------------------
 */

static qn_status answer_row(recommend_job *job, int64_t row, const int64_t *index,
                            const float *score)
{
    const bool is_user = job->side == QN_SIDE_USER;
    const qn_ids *ids = is_user ? &job->view.users : &job->view.items;
    const qn_ids *others = is_user ? &job->view.items : &job->view.users;
    char id[256], other[256];
    qn_status st = QN_OK;

    qn_ids_format(ids, row, id, sizeof id);
    for (int32_t i = 0; i < job->options->k && index[i] >= 0; i++) {
        qn_recommendation line = {
            .side = job->side,
            .id = id,
            .other = other,
            .id_is_number = ids->type != QN_ID_STRING,
            .other_is_number = others->type != QN_ID_STRING,
            .id_title = is_user ? NULL : qn_title(job->titles, row),
            .title = is_user ? qn_title(job->titles, index[i]) : NULL,
            .rank = i + 1,
            .score = score[i],
        };

        qn_ids_format(others, index[i], other, sizeof other);
        if (job->reasons.most > 0) {
            QN_TRY(qn_reasons_find(job->ctx, &job->reasons, row, index[i], false));
            line.reason = job->reasons.reason;
            line.n_reasons = job->reasons.n;
        }
        QN_TRY(qn_line_out_add(job->ctx, job->out, &line));
    }
    job->result->rows++;
done:
    return st;
}

static qn_status answer(recommend_job *job)
{
    qn_context *ctx = job->ctx;
    const int32_t k = job->options->k;
    int64_t *index = NULL;
    float *score = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, index, (int64_t)ROWS_AT_ONCE * k, "recommendations");
    QN_NEW(ctx, score, (int64_t)ROWS_AT_ONCE * k, "recommendations");
    for (int64_t first = 0; first < job->n; first += ROWS_AT_ONCE) {
        const int64_t n = job->n - first < ROWS_AT_ONCE ? job->n - first : ROWS_AT_ONCE;

        QN_TRY(qn_als_recommend(ctx, &job->view, job->side, job->row + first, n, k,
                                (qn_ties)job->options->ties, job->seen, index, score));
        for (int64_t r = 0; r < n; r++)
            QN_TRY(answer_row(job, job->row[first + r], index + r * k, score + r * k));
        qn_emit(ctx, &(qn_event){.kind = QN_EVENT_PROGRESS,
                                 .name = "recommend",
                                 .done = first + n,
                                 .total = job->n,
                                 .rows = first + n});
    }
done:
    qn_free(index);
    qn_free(score);
    return st;
}

static qn_status run_job(recommend_job *job)
{
    qn_context *ctx = job->ctx;
    const double start = qn_seconds();
    qn_status st = QN_OK;

    QN_TRY(check_options(ctx, job->options, job));
    QN_TRY(qn_als_load(ctx, job->options->model, &job->model));
    QN_TRY(add_new_rows(job));
    QN_TRY(find_rows(job));
    QN_TRY(gather(job));
    job->result->load_s = qn_seconds() - start;
    QN_TRY(qn_line_out_open(ctx, job->options, job->model, job->side, job->reasons.most > 0,
                            &job->out));
    job->out->visit = job->visit;
    job->out->arg = job->arg;
    QN_TRY(answer(job));
    QN_TRY(qn_line_out_finish(ctx, job->out));
    job->result->lines = job->out->n_all;
    qn_emit_count(ctx, "rows", job->result->rows);
    qn_emit_count(ctx, "unknown", job->result->unknown);
    qn_emit_count(ctx, "lines", job->result->lines);
done:
    return st;
}

qn_status qn_recommend_run(qn_context *ctx, const qn_recommend_options *options,
                           const qn_columns_options *columns, qn_recommend_visit *visit, void *arg,
                           qn_recommend_result *result)
{
    recommend_job job = {.ctx = ctx,
                         .options = options,
                         .columns = columns,
                         .result = result,
                         .visit = visit,
                         .arg = arg};
    const double start = qn_seconds();
    const qn_span span = qn_job_start(ctx, "recommend");
    qn_status st;

    *result = (qn_recommend_result){0};
    st = run_job(&job);
    result->total_s = qn_seconds() - start;
    result->recommend_s = result->total_s - result->load_s;
    qn_line_out_close(job.out);
    qn_reasons_close(&job.reasons);
    qn_history_release(&job.history);
    qn_titles_free(job.titles);
    qn_ratings_free(job.seen);
    qn_triples_free(job.new_rows);
    qn_free(job.folded);
    qn_free(job.row);
    qn_als_free(job.model);
    qn_span_end(ctx, &span, st, NULL);
    return st;
}
