#include "lifecycle/fit_table.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/assemble.h"
#include "data/matrix_kept.h"
#include "engine/checkpoint.h"
#include "engine/comm.h"
#include "lifecycle/events.h"
#include "lifecycle/loaded.h"
#include "ml/model_dir.h"

static const qn_param rows_of_table[] = {
    QN_PARAM_STRING(qn_fit_table_options, model, NULL, "DIR",
                    "model directory to write (Spark's format); nothing is saved if not given",
                    .aliases = "model_save_path"),
    QN_PARAM_FLAG(qn_fit_table_options, overwrite, "replace a model that is there"),
    QN_PARAM_FLAG(qn_fit_table_options, strict,
                  "exit with 4 and save nothing where the fit leaves doubts about the model"),
    QN_PARAM_STRING(qn_fit_table_options, val, NULL, "FILE",
                    "judge on these files too; they change nothing in the model",
                    .group = "Judging"),
    QN_PARAM_STRING(qn_fit_table_options, test, NULL, "FILE", "judge on these files too",
                    .group = "Judging"),
    QN_PARAM_STRING(qn_fit_table_options, tag, NULL, "NAME",
                    "name of the run in its record and in exports"),
};
const qn_params qn_fit_table_table = {"fit", rows_of_table,
                                      sizeof rows_of_table / sizeof *rows_of_table,
                                      sizeof(qn_fit_table_options)};

/* Files to judge on. */
typedef struct judging {
    const char *name; /* "test": before its figures in the record */
    const qn_text_list *files;
    int64_t *records;
    qn_json *figures;
} judging;

/* What the job holds on its way. */
typedef struct fit_job {
    qn_context *ctx;
    const qn_algo *algo;
    const qn_fit_table_options *options;
    const qn_matrix_options *input;
    const void *params;
    qn_fit_table_result *result;
    qn_matrix *matrix;
    qn_model *model;
} fit_job;

/* Whether missing values may be in the matrix. */
static bool may_miss(const fit_job *job)
{
    const qn_table_ops *ops = job->algo->table;

    return ops->takes_missing && (!ops->keeps_missing || ops->keeps_missing(job->params));
}

/* Whether labels are held: rows of libsvm have one that needs no name. */
static bool keeps_label(const fit_job *job)
{
    return job->algo->table->needs_label || (job->algo->table->uses_label && job->input->label);
}

/* Everything that can be known to be wrong before the first byte is read. */
static qn_status check(const fit_job *job)
{
    const qn_fit_table_options *o = job->options;
    const qn_table_ops *ops = job->algo->table;
    qn_context *ctx = job->ctx;
    qn_out_dir dir = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_params_check(ctx, &qn_matrix_table, job->input));
    QN_TRY(qn_params_check(ctx, job->algo->params, job->params));
    if (job->input->on_missing == QN_MISSING_KEEP && !may_miss(job))
        return qn_fail(
            ctx, QN_EINVAL,
            "--on-missing keep: %s cannot use missing values%s; skip leaves such rows out",
            job->algo->name, ops->takes_missing ? " unless its own options ask for them" : "");
    if (o->model && qn_rank(ctx) == 0) {
        QN_TRY(qn_model_dir_open(ctx, o->model, o->overwrite, &dir));
        qn_out_dir_abandon(&dir);
    }
done:
    return st;
}

/* Rows of each partition, of all ranks. */
static qn_status count_partitions(fit_job *job)
{
    const qn_matrix *m = job->matrix;
    qn_context *ctx = job->ctx;
    int64_t *rows = NULL;
    qn_status st = QN_OK;

    QN_TRY_ALL(
        qn_calloc_array(ctx, (void **)&rows, m->n_partitions, sizeof *rows, "rows of partitions"));
    for (int64_t c = 0; c < m->n_own_cells; c++)
        rows[qn_matrix_partition(m, c)] += m->cell[c].n_rows;
    QN_TRY(qn_comm_sum_int64(ctx, rows, m->n_partitions));
    job->result->partition_rows = rows;
    rows = NULL;
done:
    qn_free(rows);
    return st;
}

static qn_status take_counts(fit_job *job)
{
    const qn_matrix *m = job->matrix;
    qn_fit_table_result *out = job->result;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    out->counts = m->counts;
    out->n_rows = m->n_rows;
    out->n_cells = m->n_cells;
    out->n_partitions = m->n_partitions;
    out->n_features = m->n_features;
    out->is_double = m->is_double;
    out->bytes = m->bytes;
    out->data_fingerprint = m->fingerprint;
    out->n_labels = m->n_labels;
    for (int32_t l = 0; l < m->n_labels; l++) {
        out->label_value[l] = m->label_value[l];
        out->label_count[l] = m->label_count[l];
    }
    QN_TRY_ALL(qn_features_copy(ctx, &m->features, &out->features));
    QN_TRY(count_partitions(job));
done:
    return st;
}

/* What the run record keeps of the data. */
static void emit_data(const fit_job *job)
{
    const qn_fit_table_result *r = job->result;
    qn_context *ctx = job->ctx;
    char text[128];

    if (job->options->tag)
        qn_emit_fact(ctx, "tag", job->options->tag);
    qn_emit_table_input(ctx, &job->input->input, &r->counts);
    qn_emit_fingerprint(ctx, r->data_fingerprint);
    for (int32_t j = 0; j < r->n_features; j++) {
        qn_features_name(&r->features, j, text, sizeof text);
        qn_emit_fact(ctx, "data.features[]", text);
    }
    if (r->features.label)
        qn_emit_fact(ctx, "data.label", r->features.label);
    for (int32_t l = 0; l < r->n_labels; l++) {
        qn_format_double(r->label_value[l], text);
        qn_emit_fact(ctx, "data.label_values[]", text);
        qn_emit_count(ctx, "label_counts[]", r->label_count[l]);
    }
    qn_emit_count(ctx, "train_records", r->n_rows);
    qn_emit_count(ctx, "features", r->n_features);
    qn_emit_count(ctx, "cells", r->n_cells);
    qn_emit_count(ctx, "partitions", r->n_partitions);
    for (int64_t p = 0; p < r->n_partitions; p++)
        qn_emit_count(ctx, "partition_rows[]", r->partition_rows[p]);
    qn_emit_count(ctx, "matrix_bytes", (int64_t)r->bytes);
}

static qn_status describe_loaded(void *data, qn_kept *book)
{
    return qn_matrix_kept(book, &((fit_job *)data)->matrix);
}

static void release_loaded(void *data)
{
    fit_job *job = data;

    qn_matrix_free(job->matrix);
    job->matrix = NULL;
}

static qn_status load(fit_job *job)
{
    const qn_table_ops *ops = job->algo->table;
    qn_context *ctx = job->ctx;
    const qn_matrix_use use = {.categories = ops->categories,
                               .keep_label = keeps_label(job),
                               .allow_missing = may_miss(job),
                               .value_bytes = ops->value_bytes,
                               .row_bytes = ops->row_bytes};
    const qn_span span = qn_job_start(ctx, "load");
    char text[96];
    qn_loaded loaded = {.table = &qn_matrix_table,
                        .options = job->input,
                        .more = text,
                        .files = {&job->input->input},
                        .data = job,
                        .describe = describe_loaded,
                        .release = release_loaded};
    bool found;
    qn_status st = QN_OK;

    snprintf(text, sizeof text, "%s %d %d", job->algo->name, use.keep_label, use.allow_missing);
    QN_TRY(qn_loaded_take(ctx, &loaded, &found));
    if (!found) {
        QN_TRY(qn_matrix_read(ctx, job->input, &use, &job->matrix));
        QN_TRY(qn_loaded_keep(ctx, &loaded));
    }
    QN_TRY(take_counts(job));
    emit_data(job);
done:
    job->result->load_s = qn_span_end(ctx, &span, st,
                                      &(qn_event){.rows = job->result->counts.rows_read,
                                                  .bytes_read = job->result->counts.bytes_read});
    return st;
}

/* Files whole, as the same features. */
static qn_status read_like(fit_job *job, const qn_text_list *files, qn_matrix **matrix)
{
    const qn_table_ops *ops = job->algo->table;
    const qn_matrix_use use = {.features = &job->matrix->features,
                               .categories = ops->categories,
                               .keep_label = keeps_label(job),
                               .allow_missing = may_miss(job)};
    qn_matrix_options options = *job->input;

    options.input = *files;
    options.features = options.feature = options.categorical = options.scale = (qn_text_list){0};
    options.fraction = 1;
    return qn_matrix_read(job->ctx, &options, &use, matrix);
}

static qn_status fit(fit_job *job)
{
    const qn_table_ops *ops = job->algo->table;
    qn_fit_table_result *result = job->result;
    qn_context *ctx = job->ctx;
    const double start = qn_seconds();
    char doubt[512];
    qn_status st = QN_OK;

    QN_TRY(ops->fit(ctx, job->params, job->matrix, &job->model));
    result->fit_s = qn_seconds() - start;
    if (job->options->strict && ops->doubts(job->model, doubt, sizeof doubt))
        return qn_fail(ctx, QN_EDATA, "--strict: %s; nothing was saved", doubt);
    ops->digest(job->model, result->digest);
    qn_emit_fact(ctx, "model_digest", result->digest);
done:
    return st;
}

/* What the algorithm says of its fit. After the test files, so that of two figures with one name
 * the record keeps that of the fit. */
static qn_status summarise(fit_job *job)
{
    qn_json *summary = &job->result->summary;

    qn_json_open(summary, NULL, '{');
    job->algo->table->summary(job->ctx, job->model, summary);
    qn_json_close(summary, '}');
    return summary->out.failed
               ? qn_fail(job->ctx, QN_ENOMEM, "no memory for the summary of the fit")
               : QN_OK;
}

static void emit_number(qn_context *ctx, const char *set, const char *key, const char *array,
                        const json_t *value)
{
    char name[96];

    snprintf(name, sizeof name, "%s.%s%s", set, key, array);
    if (json_is_number(value))
        qn_emit_metric(ctx, name, json_number_value(value),
                       json_is_integer(value) ? "count" : NULL);
}

/* The figures of files for the run record, where they stand below "test" or "val". */
static qn_status emit_figures(qn_context *ctx, const judging *set)
{
    json_t *root = json_loads(qn_string_text(&set->figures->out), 0, NULL);
    json_t *value, *element;
    const char *key;
    size_t i;

    if (set->figures->out.failed || !root)
        return qn_fail(ctx, QN_ENOMEM, "no memory for the figures");
    json_object_foreach(root, key, value)
    {
        emit_number(ctx, set->name, key, "", value);
        json_array_foreach(value, i, element) emit_number(ctx, set->name, key, "[]", element);
    }
    json_decref(root);
    return QN_OK;
}

static qn_status judge(fit_job *job, const judging *set)
{
    qn_json *figures = set->figures;
    qn_context *ctx = job->ctx;
    qn_matrix *rows = NULL;
    char count[32];
    qn_status st = QN_OK;

    QN_TRY(read_like(job, set->files, &rows));
    *set->records = rows->n_rows;
    snprintf(count, sizeof count, "%s_records", set->name);
    qn_emit_count(ctx, count, rows->n_rows);
    qn_json_open(figures, NULL, '{');
    QN_TRY(job->algo->table->evaluate(ctx, job->model, rows, figures));
    qn_json_close(figures, '}');
    QN_TRY_ALL(emit_figures(ctx, set));
done:
    if (st != QN_OK)
        qn_json_release(figures);
    qn_matrix_free(rows);
    return st;
}

/* The files of --val, then those of --test. */
static qn_status evaluate(fit_job *job)
{
    qn_fit_table_result *r = job->result;
    const judging set[] = {{"val", &job->options->val, &r->val_records, &r->validation},
                           {"test", &job->options->test, &r->test_records, &r->evaluation}};
    const qn_span span = qn_job_start(job->ctx, "evaluate");
    qn_status st = QN_OK;

    for (size_t i = 0; i < sizeof set / sizeof *set && st == QN_OK; i++)
        if (set[i].files->n > 0)
            st = judge(job, &set[i]);
    r->evaluate_s = qn_span_end(job->ctx, &span, st, NULL);
    return st;
}

/* What quern.json keeps of the run. */
static void describe_run(const fit_job *job, qn_json *j)
{
    const qn_fit_table_result *r = job->result;
    qn_string command = {0};

    qn_string_addf(&command, "fit %s", job->algo->name);
    qn_json_open(j, NULL, '{');
    qn_json_text(j, "command", qn_string_text(&command));
    if (qn_checkpoint_attached(job->ctx))
        qn_json_text(j, "run_id", qn_checkpoint_run_id(qn_checkpoint_attached(job->ctx)));
    qn_json_open(j, "inputs", '[');
    for (int64_t i = 0; i < job->input->input.n; i++)
        qn_json_text(j, NULL, job->input->input.item[i]);
    qn_json_close(j, ']');
    if (job->options->tag)
        qn_json_text(j, "tag", job->options->tag);
    if (job->input->fraction < 1)
        qn_json_real(j, "fraction", job->input->fraction);
    qn_json_int(j, "train_records", r->n_rows);
    qn_json_raw(j, "summary", qn_string_text(&r->summary.out));
    if (r->validation.out.length > 0) {
        qn_json_int(j, "val_records", r->val_records);
        qn_json_raw(j, "val_metrics", qn_string_text(&r->validation.out));
    }
    if (r->evaluation.out.length > 0) {
        qn_json_int(j, "test_records", r->test_records);
        qn_json_raw(j, "metrics", qn_string_text(&r->evaluation.out));
    }
    qn_json_close(j, '}');
    j->out.failed |= command.failed;
    qn_string_release(&command);
}

static qn_status save(fit_job *job)
{
    qn_context *ctx = job->ctx;
    const qn_span span = qn_job_start(ctx, "save");
    qn_json j = {0};
    qn_status st = QN_OK;

    /* Every rank has the whole model: the first writes it, the others learn how that went. */
    if (qn_rank(ctx) == 0) {
        describe_run(job, &j);
        st = j.out.failed ? qn_fail(ctx, QN_ENOMEM, "no memory for what the model keeps of its run")
                          : job->algo->table->save(ctx, job->model, job->options->model,
                                                   job->options->overwrite, qn_string_text(&j.out));
    }
    st = qn_comm_agree(ctx, st);
    qn_json_release(&j);
    job->result->save_s = qn_span_end(ctx, &span, st, NULL);
    return st;
}

static qn_status run(fit_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY_ALL(check(job)); /* one rank alone may fail */
    QN_TRY(load(job));
    QN_TRY(fit(job));
    if (job->options->val.n > 0 || job->options->test.n > 0)
        QN_TRY(evaluate(job));
    QN_TRY_ALL(summarise(job));
    if (job->options->model)
        QN_TRY(save(job));
done:
    return st;
}

qn_status qn_fit_table_run(qn_context *ctx, const qn_algo *algo,
                           const qn_fit_table_options *options, const qn_matrix_options *input,
                           const void *params, qn_fit_table_result *result)
{
    qn_matrix_options reading = *input;
    fit_job job = {.ctx = ctx,
                   .algo = algo,
                   .options = options,
                   .input = &reading,
                   .params = params,
                   .result = result};
    const double start = qn_seconds();
    qn_status st;

    memset(result, 0, sizeof *result);
    if (input->on_missing == QN_MISSING_FAIL && algo->table->keeps_missing &&
        algo->table->keeps_missing(params))
        reading.on_missing = QN_MISSING_KEEP;
    st = run(&job);
    result->total_s = qn_seconds() - start;
    algo->table->free(job.model);
    qn_matrix_free(job.matrix);
    return st;
}

void qn_fit_table_result_release(qn_fit_table_result *result)
{
    qn_features_release(&result->features);
    qn_free(result->partition_rows);
    qn_json_release(&result->summary);
    qn_json_release(&result->validation);
    qn_json_release(&result->evaluation);
    memset(result, 0, sizeof *result);
}

void qn_fit_table_json(const qn_fit_table_result *result, qn_json *j)
{
    qn_json_open(j, "labels", '[');
    for (int32_t l = 0; l < result->n_labels; l++) {
        qn_json_open(j, NULL, '{');
        qn_json_real(j, "label", result->label_value[l]);
        qn_json_int(j, "count", result->label_count[l]);
        qn_json_real(j, "share", (double)result->label_count[l] / (double)result->n_rows);
        qn_json_close(j, '}');
    }
    qn_json_close(j, ']');
    qn_features_json(&result->features, j, "features");
    qn_json_open(j, "partition_rows", '[');
    for (int64_t p = 0; p < result->n_partitions; p++)
        qn_json_int(j, NULL, result->partition_rows[p]);
    qn_json_close(j, ']');
    qn_json_raw(j, "summary", qn_string_text(&result->summary.out));
    if (result->validation.out.length > 0)
        qn_json_raw(j, "validation", qn_string_text(&result->validation.out));
    if (result->evaluation.out.length > 0)
        qn_json_raw(j, "evaluation", qn_string_text(&result->evaluation.out));
}
