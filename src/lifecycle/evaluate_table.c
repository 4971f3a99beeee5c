/* `quern evaluate` for models on tables, whatever their algorithm. */
#include <string.h>

#include "base/context.h"
#include "engine/comm.h"
#include "lifecycle/evaluate.h"
#include "lifecycle/events.h"
#include "lifecycle/model_kind.h"

typedef struct table_job {
    qn_context *ctx;
    const qn_algo *algo;
    const qn_evaluate_options *options;
    qn_matrix_options input;
    qn_model *model;
    qn_matrix *matrix;
    qn_evaluate_result *result;
} table_job;

static qn_status check(const table_job *job, const qn_columns_options *columns,
                       const qn_ranking_options *ranking)
{
    const char *kind = job->algo->name;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY(qn_options_refuse(ctx, &qn_columns_table, columns,
                             "user_col item_col rating_col timestamp_col", kind));
    QN_TRY(qn_options_refuse(ctx, &qn_ranking_table, ranking, NULL, kind));
    QN_TRY(qn_options_refuse(ctx, &qn_evaluate_table, job->options, "seen", kind));
done:
    return st;
}

static qn_status load(table_job *job)
{
    const qn_table_ops *ops = job->algo->table;
    qn_context *ctx = job->ctx;
    qn_matrix_use use = {.categories = ops->categories, .allow_missing = ops->takes_missing};
    qn_status st = QN_OK;

    QN_TRY_ALL(ops->load(ctx, job->options->model, &job->model));
    if (!job->input.label && ops->needs_label)
        job->input.label = job->model->features.label;
    use.keep_label = ops->uses_label && job->input.label;
    if (job->model->features.n > 0) {
        if (job->input.features.n > 0)
            return qn_fail(ctx, QN_EINVAL,
                           "--features: the model in %s knows its features; leave it out",
                           job->options->model);
        use.features = &job->model->features;
    }
    QN_TRY(qn_matrix_read(ctx, &job->input, &use, &job->matrix));
    QN_TRY_ALL(qn_model_check_width(ctx, job->model, job->options->model, &job->matrix->features));
done:
    return st;
}

static void take_result(table_job *job)
{
    qn_evaluate_result *result = job->result;
    qn_context *ctx = job->ctx;

    result->table_counts = job->matrix->counts;
    result->n_rows = job->matrix->n_rows;
    result->n_features = job->matrix->n_features;
    job->algo->table->digest(job->model, result->digest);
    qn_emit_fact(ctx, "model_digest", result->digest);
    qn_emit_table_input(ctx, &job->options->input, &result->table_counts);
    qn_emit_fingerprint(ctx, job->matrix->fingerprint);
    qn_emit_count(ctx, "test_records", result->n_rows);
}

static qn_status judge(table_job *job)
{
    qn_json *figures = &job->result->figures;
    qn_context *ctx = job->ctx;
    const qn_span span = qn_job_start(ctx, "evaluate");
    qn_status st = QN_OK;

    qn_json_open(figures, NULL, '{');
    QN_TRY(job->algo->table->evaluate(ctx, job->model, job->matrix, figures));
    qn_json_close(figures, '}');
    QN_TRY_ALL(figures->out.failed ? qn_fail(ctx, QN_ENOMEM, "no memory for the figures") : QN_OK);
done:
    job->result->evaluate_s = qn_span_end(ctx, &span, st, NULL);
    return st;
}

static qn_status run(table_job *job)
{
    qn_context *ctx = job->ctx;
    const qn_span span = qn_job_start(ctx, "load");
    qn_status st = load(job);

    job->result->load_s = qn_span_end(
        ctx, &span, st, job->matrix ? &(qn_event){.rows = job->matrix->counts.rows_read} : NULL);
    if (st != QN_OK)
        return st;
    take_result(job);
    return judge(job);
}

qn_status qn_evaluate_on_table(qn_context *ctx, const qn_algo *algo,
                               const qn_evaluate_options *options,
                               const qn_columns_options *columns, const qn_ranking_options *ranking,
                               const qn_scoring_options *scoring, qn_evaluate_result *result)
{
    const double start = qn_seconds();
    table_job job = {.ctx = ctx, .algo = algo, .options = options, .result = result};
    qn_status st;

    memset(result, 0, sizeof *result);
    result->algo = algo;
    qn_columns_matrix(columns, scoring, &options->input, &job.input);
    job.input.precision = options->precision;
    st = check(&job, columns, ranking);
    st = qn_comm_agree(ctx, st);
    if (st == QN_OK)
        st = run(&job);
    result->total_s = qn_seconds() - start;
    algo->table->free(job.model);
    qn_matrix_free(job.matrix);
    return st;
}
