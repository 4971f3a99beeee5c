#include "lifecycle/predict.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/text.h"
#include "engine/comm.h"
#include "lifecycle/model_kind.h"
#include "lifecycle/rows.h"

static const qn_param rows_of_table[] = {
    QN_PARAM_STRING(qn_predict_options, model, NULL, "DIR", "model directory", .required = true,
                    .aliases = "model_path"),
    QN_PARAM_STRING(qn_predict_options, input, NULL, "FILE", "rows to predict", .required = true),
    QN_PARAM_STRING(qn_predict_options, output, "-", "FILE",
                    "where to; the format by extension, - is standard output"),
    QN_PARAM_FLAG(qn_predict_options, overwrite, "replace an output that is there"),
    QN_PARAM_CHOICE_OF(qn_predict_options, output_format, QN_FORMAT_AUTO, QN_FORMAT_CHOICES,
                       "format of the output; auto: by extension"),
    QN_PARAM_CHOICE_OF(qn_predict_options, cold, QN_COLD_CHOICE_MODEL,
                       "model|nan|drop|mean|popular",
                       "als: for users and items the model does not know; model: as it was fitted",
                       .aliases = "cold_start cold_start_strategy"),
    QN_PARAM_STRING(qn_predict_options, prediction_col, NULL, "COL",
                    "name of the new column; the model's if not given"),
};
const qn_params qn_predict_table = {"predict", rows_of_table,
                                    sizeof rows_of_table / sizeof *rows_of_table,
                                    sizeof(qn_predict_options)};

typedef struct predict_job {
    const qn_als_model *model;
    qn_cold_start cold;
    qn_sink *sink;
    int64_t *user, *item; /* [capacity] indices in the model */
    float *prediction;
    uint8_t *keep;
    int64_t capacity;
    qn_predict_result *result;
} predict_job;

static qn_status reserve(qn_context *ctx, predict_job *job, int64_t n)
{
    qn_status st = QN_OK;

    if (n <= job->capacity)
        return QN_OK;
    QN_GROW(ctx, job->user, n, "predictions");
    QN_GROW(ctx, job->item, n, "predictions");
    QN_GROW(ctx, job->prediction, n, "predictions");
    QN_GROW(ctx, job->keep, n, "predictions");
    job->capacity = n;
done:
    return st;
}

/* Index of the id in a row; ids of another type than the model's meet by their text. */
static int64_t find_id(const qn_ids *ids, const qn_column *column, int64_t row)
{
    const bool is_text = column->type == QN_TEXT;
    const char *text = column->data;
    char digits[32];
    int64_t number = 0;

    if (is_text) {
        const size_t length = column->offsets[row + 1] - column->offsets[row];

        text += column->offsets[row];
        return qn_ids_find_bytes(ids, text, length);
    }
    number = column->type == QN_INT32 ? ((const int32_t *)column->data)[row]
                                      : ((const int64_t *)column->data)[row];
    if (ids->type != QN_ID_STRING)
        return qn_ids_find_number(ids, number);
    snprintf(digits, sizeof digits, "%lld", (long long)number);
    return qn_ids_find_text(ids, digits, strlen(digits));
}

static void find_ids(const qn_ids *ids, const qn_column *column, int64_t n, int64_t *index)
{
    for (int64_t r = 0; r < n; r++)
        index[r] = find_id(ids, column, r);
}

static void count_cold(predict_job *job, int64_t n)
{
    qn_predict_result *result = job->result;

    for (int64_t r = 0; r < n; r++) {
        const bool no_user = job->user[r] < 0, no_item = job->item[r] < 0;

        result->unknown_both += no_user && no_item;
        result->unknown_user += no_user && !no_item;
        result->unknown_item += no_item && !no_user;
        job->keep[r] = !(job->cold == QN_COLD_DROP && (no_user || no_item));
        result->rows_dropped += !job->keep[r];
        result->rows_written += job->keep[r];
    }
}

static qn_status predict_batch(qn_context *ctx, void *arg, const qn_rows *rows,
                               const qn_batch *batch)
{
    predict_job *job = arg;
    qn_column prediction = {.type = QN_FLOAT};
    qn_status st = QN_OK;

    QN_TRY(reserve(ctx, job, batch->n_rows));
    find_ids(&job->model->users, &batch->columns[0], batch->n_rows, job->user);
    find_ids(&job->model->items, &batch->columns[1], batch->n_rows, job->item);
    QN_TRY(qn_als_predict(ctx, job->model, batch->n_rows, job->user, job->item, job->prediction));
    job->result->rows_read += batch->n_rows;
    count_cold(job, batch->n_rows);
    prediction.data = job->prediction;
    QN_TRY(qn_rows_write(ctx, rows, batch, job->keep, &prediction, job->sink));
done:
    return st;
}

static void job_release(predict_job *job)
{
    qn_sink_abandon(&job->sink);
    qn_free(job->user);
    qn_free(job->item);
    qn_free(job->prediction);
    qn_free(job->keep);
}

static qn_status run_job(qn_context *ctx, const qn_predict_options *options,
                         const qn_columns_options *columns, qn_als_model *model,
                         qn_predict_result *result)
{
    const char *name = options->prediction_col ? options->prediction_col : model->prediction_col;
    const qn_field extra = {name, QN_FLOAT};
    const qn_sink_options sink = {.path = options->output,
                                  .format = (qn_format)options->output_format};
    const qn_rows_out out = {.format = qn_sink_format(&sink), .extra = &extra, .n_extra = 1};
    predict_job job = {
        .model = model, .cold = (qn_cold_start)model->params.cold_start, .result = result};
    qn_ratings_options ratings;
    qn_rows rows = {0};
    qn_status st = QN_OK;

    if (options->cold != QN_COLD_CHOICE_MODEL)
        model->params.cold_start = job.cold = (qn_cold_start)(options->cold - 1);
    qn_columns_ratings(columns, model, &options->input, &ratings);
    ratings.rating_col = NULL;
    /* Only here may ranks differ: rows go from file to file through the first of them. */
    if (qn_rank(ctx) != 0)
        return QN_OK;
    QN_TRY(qn_rows_open_ratings(ctx, &ratings, false, &out, &rows));
    QN_TRY(qn_rows_check_name(ctx, &rows, name, "name the new one with --prediction-col"));
    QN_TRY(qn_rows_sink(ctx, &rows, options->output, out.format, options->overwrite, &job.sink));
    QN_TRY(qn_rows_each(ctx, &rows, (qn_on_bad_row)columns->on_bad_row, &result->rejects,
                        predict_batch, &job));
    result->rows_bad = result->rejects.total;
    QN_TRY(qn_sink_commit(ctx, &job.sink));
done:
    job_release(&job);
    qn_rows_close(&rows);
    return st;
}

static qn_status predict_als(qn_context *ctx, const qn_predict_options *options,
                             const qn_columns_options *columns, qn_predict_result *result)
{
    const double start = qn_seconds();
    qn_als_model *model = NULL;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_als_load(ctx, options->model, &model));
    result->load_s = qn_seconds() - start;
    QN_TRY_ALL(run_job(ctx, options, columns, model, result));
done:
    qn_als_free(model);
    return st;
}

/* What was asked for must mean something for such a model. */
static qn_status check_options(qn_context *ctx, const qn_algo *algo,
                               const qn_predict_options *options, const qn_columns_options *columns,
                               const qn_scoring_options *scoring)
{
    qn_status st = QN_OK;

    if (!algo->table)
        return qn_options_refuse(ctx, &qn_scoring_table, scoring, NULL, algo->name);
    QN_TRY(qn_options_refuse(ctx, &qn_columns_table, columns,
                             "user_col item_col rating_col timestamp_col", algo->name));
    QN_TRY(qn_options_refuse(ctx, &qn_predict_table, options, "cold", algo->name));
done:
    return st;
}

qn_status qn_predict_with(qn_context *ctx, const qn_algo *algo, const qn_predict_options *options,
                          const qn_columns_options *columns, const qn_scoring_options *scoring,
                          qn_predict_result *result)
{
    const double start = qn_seconds();
    const qn_span job = qn_job_start(ctx, "predict");
    qn_status st = QN_OK;

    *result = (qn_predict_result){.algo = algo};
    QN_TRY_ALL(check_options(ctx, algo, options, columns, scoring));
    QN_TRY(algo->table ? qn_predict_on_table(ctx, algo, options, columns, scoring, result)
                       : predict_als(ctx, options, columns, result));
    result->total_s = qn_seconds() - start;
    result->predict_s = result->total_s - result->load_s;
    qn_emit_count(ctx, "rows", result->rows_read);
    qn_emit_count(ctx, "rows_bad", result->rows_bad);
    qn_emit_count(ctx, "rows_written", result->rows_written);
    qn_emit_count(ctx, algo->table ? "rows_missing" : "rows_dropped",
                  algo->table ? result->rows_missing : result->rows_dropped);
done:
    qn_span_end(ctx, &job, st, NULL);
    return st;
}

qn_status qn_predict_run(qn_context *ctx, const qn_predict_options *options,
                         const qn_columns_options *columns, const qn_scoring_options *scoring,
                         qn_predict_result *result)
{
    const qn_algo *algo = NULL;
    qn_status st;

    *result = (qn_predict_result){0};
    st = qn_comm_agree(ctx, qn_model_kind(ctx, options->model, &algo));
    return st == QN_OK ? qn_predict_with(ctx, algo, options, columns, scoring, result) : st;
}
