/* `quern evaluate`: a saved model and a test file. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "engine/comm.h"
#include "lifecycle/evaluate.h"
#include "lifecycle/events.h"
#include "lifecycle/model_kind.h"

static const qn_param evaluate_params[] = {
    QN_PARAM_STRING(qn_evaluate_options, model, NULL, "DIR", "model directory",
                    .aliases = "model_path", .required = true),
    QN_PARAM_STRING(qn_evaluate_options, input, NULL, "FILE", "rows to judge on",
                    .aliases = "test test_parquet", .required = true),
    QN_PARAM_STRING(
        qn_evaluate_options, seen, NULL, "FILE",
        "als: training ratings, left out of the lists under honest, and for the baselines",
        .aliases = "train"),
    QN_PARAM_CHOICE_OF(qn_evaluate_options, precision, QN_PRECISION_FLOAT, QN_PRECISION_CHOICES,
                       "tables: type that features are held in", .group = "Tables"),
};

const qn_params qn_evaluate_table = {
    .name = "evaluate",
    .param = evaluate_params,
    .n = (int64_t)(sizeof evaluate_params / sizeof evaluate_params[0]),
    .struct_size = sizeof(qn_evaluate_options),
};

typedef struct evaluate_data {
    qn_als_model *model;
    qn_triples *test;
    qn_ratings *train; /* NULL: not given */
} evaluate_data;

static void data_release(evaluate_data *data)
{
    qn_als_free(data->model);
    qn_triples_free(data->test);
    qn_ratings_free(data->train);
}

static qn_status load(qn_context *ctx, const qn_evaluate_options *options,
                      const qn_columns_options *columns, evaluate_data *data)
{
    qn_status st = QN_OK;
    qn_ratings_options ratings;

    QN_TRY_ALL(qn_als_load(ctx, options->model, &data->model));
    qn_columns_ratings(columns, data->model, &options->input, &ratings);
    QN_TRY(qn_triples_read(ctx, &ratings, false, false, &data->test));
    if (options->seen.n == 0)
        return QN_OK;
    qn_columns_ratings(columns, data->model, &options->seen, &ratings);
    QN_TRY(qn_ratings_read(ctx, &ratings, &data->train));
done:
    return st;
}

/* Collective. */
static qn_status take_result(qn_context *ctx, const evaluate_data *data, qn_evaluate_result *result)
{
    int64_t n_rows = data->test->n;
    qn_status st = QN_OK;

    QN_TRY(qn_comm_sum_int64(ctx, &n_rows, 1));
    result->counts = data->test->counts;
    result->rank = data->model->params.rank;
    result->implicit_prefs = data->model->params.implicit_prefs;
    qn_als_digest(data->model, result->digest);
    qn_emit_fact(ctx, "model_digest", result->digest);
    qn_emit_count(ctx, "users", data->test->users.n);
    qn_emit_count(ctx, "items", data->test->items.n);
    qn_emit_count(ctx, "test_records", n_rows);
done:
    return st;
}

static qn_status evaluate_als(qn_context *ctx, const qn_evaluate_options *options,
                              const qn_columns_options *columns, const qn_ranking_options *ranking,
                              qn_evaluate_result *result)
{
    qn_status st = QN_OK;
    evaluate_data data = {0};
    qn_span job;

    QN_TRY_ALL(qn_params_check(ctx, &qn_ranking_table, ranking));
    if (ranking->protocol == QN_PROTOCOL_CHOICE_HONEST && options->seen.n == 0) {
        st = qn_fail(ctx, QN_EINVAL,
                     "--protocol honest leaves out what users have already rated: give the "
                     "training ratings with --seen, or --protocol reference");
        goto done;
    }
    job = qn_job_start(ctx, "load");
    st = load(ctx, options, columns, &data);
    result->load_s = qn_span_end(
        ctx, &job, st, data.test ? &(qn_event){.rows = data.test->counts.rows_read} : NULL);
    QN_TRY(st);
    qn_emit_input(ctx, &options->input, &data.test->counts);
    QN_TRY(take_result(ctx, &data, result));
    job = qn_job_start(ctx, "evaluate");
    st = qn_evaluate_als(ctx, data.model, data.test, data.train, ranking, &result->evaluation);
    result->evaluate_s = qn_span_end(ctx, &job, st, NULL);
    QN_TRY(st);
    qn_evaluation_emit(ctx, &result->evaluation);
done:
    data_release(&data);
    return st;
}

qn_status qn_evaluate_run(qn_context *ctx, const qn_evaluate_options *options,
                          const qn_columns_options *columns, const qn_ranking_options *ranking,
                          const qn_scoring_options *scoring, qn_evaluate_result *result)
{
    const double start = qn_seconds();
    const qn_algo *algo = NULL;
    qn_status st = QN_OK;

    memset(result, 0, sizeof *result);
    QN_TRY_ALL(qn_model_kind(ctx, options->model, &algo));
    if (algo->table) {
        st = qn_evaluate_on_table(ctx, algo, options, columns, ranking, scoring, result);
    } else {
        result->algo = algo;
        QN_TRY(qn_options_refuse(ctx, &qn_scoring_table, scoring, NULL, algo->name));
        QN_TRY(qn_options_refuse(ctx, &qn_evaluate_table, options, "precision", algo->name));
        st = evaluate_als(ctx, options, columns, ranking, result);
    }
done:
    result->total_s = qn_seconds() - start;
    return st;
}

void qn_evaluate_result_release(qn_evaluate_result *result)
{
    qn_json_release(&result->figures);
}
