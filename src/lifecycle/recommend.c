#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/source_impl.h"
#include "data/triples.h"
#include "engine/comm.h"
#include "lifecycle/recommend_impl.h"

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
    if (o->k < 1)
        return qn_fail(ctx, QN_EINVAL, "k is %d: ask for at least 1", o->k);
    job->side = users ? QN_SIDE_USER : QN_SIDE_ITEM;
    job->is_named = o->user.n > 0 || o->item.n > 0 || o->new_user || o->new_item;
    return QN_OK;
}

/* Rows of the side, each asked for once, in the same order on every rank. */
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

/* The model with the ids of the file's rows in the place of its own. */
static qn_status view_new_rows(recommend_job *job, const qn_triples *triples)
{
    const bool is_user = job->side == QN_SIDE_USER;
    qn_status st = QN_OK;

    QN_TRY(qn_ids_copy(job->ctx, is_user ? &triples->users : &triples->items, &job->new_ids));
    if (is_user)
        job->view.users = job->new_ids;
    else
        job->view.items = job->new_ids;
done:
    return st;
}

/* Ratings to leave out, of rows that the model knows or of new ones, and for new ones to fold in.
 * Collective. */
static qn_status gather(recommend_job *job)
{
    const qn_recommend_options *o = job->options;
    const char *file = o->new_user ? o->new_user : o->new_item;
    const qn_text_list files = {.item = &file, .n = 1};
    const int32_t most = o->reasons >= 0 ? o->reasons : job->is_named ? 2 : 0;
    qn_context *ctx = job->ctx;
    qn_triples *triples = NULL;
    qn_status st = QN_OK;

    if (!file && o->exclude_seen.n == 0)
        return QN_OK;
    QN_TRY(read_ratings(job, file ? &files : &o->exclude_seen, &triples));
    if (file)
        QN_TRY_ALL(view_new_rows(job, triples));
    if (job->side == QN_SIDE_USER)
        job->most_reasons = most;
    QN_TRY(qn_ratings_from_triples(ctx, &triples, 0, &job->seen));
    QN_TRY_ALL(qn_als_seen_open(ctx, &job->view, job->side, job->seen,
                                file || job->most_reasons > 0, &job->rated));
    if (file)
        QN_TRY(qn_recommend_fold_in(job));
done:
    qn_triples_free(triples);
    return st;
}

/* What rank 0 needs for its lines. */
static qn_status open_lines(recommend_job *job)
{
    const qn_recommend_options *o = job->options;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    if (qn_rank(ctx) != 0)
        return QN_OK;
    if (o->titles)
        QN_TRY(
            qn_titles_read(ctx, o->titles, job->model->item_col, &job->view.items, &job->titles));
    QN_TRY(qn_line_out_open(ctx, o, job->model, job->side, job->most_reasons > 0, &job->out));
    job->out->visit = job->visit;
    job->out->arg = job->arg;
done:
    return st;
}

static qn_status close_lines(recommend_job *job)
{
    return job->out ? qn_line_out_finish(job->ctx, job->out) : QN_OK;
}

static qn_status run_job(recommend_job *job)
{
    qn_context *ctx = job->ctx;
    const double start = qn_seconds();
    bool is_new;
    qn_status st = QN_OK;

    QN_TRY_ALL(check_options(ctx, job->options, job));
    QN_TRY_ALL(qn_als_load(ctx, job->options->model, &job->model));
    job->view = *job->model;
    is_new = job->options->new_user || job->options->new_item;
    if (is_new)
        QN_TRY(gather(job));
    QN_TRY_ALL(find_rows(job));
    if (!is_new) /* those that are not known are told of before what was seen is read */
        QN_TRY(gather(job));
    job->result->load_s = qn_seconds() - start;
    QN_TRY_ALL(open_lines(job));
    QN_TRY(qn_recommend_answer(job));
    QN_TRY_ALL(close_lines(job));
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
    qn_als_seen_close(&job.rated);
    qn_titles_free(job.titles);
    qn_ratings_free(job.seen);
    qn_ids_release(&job.new_ids);
    qn_free(job.folded);
    qn_free(job.row);
    qn_als_free(job.model);
    qn_span_end(ctx, &span, st, NULL);
    return st;
}
