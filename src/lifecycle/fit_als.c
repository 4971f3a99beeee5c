#include "lifecycle/fit_als.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/ratings_kept.h"
#include "data/triples_columns.h"
#include "engine/checkpoint.h"
#include "engine/comm.h"
#include "engine/phase.h"
#include "lifecycle/events.h"
#include "lifecycle/fit_als_room.h"
#include "lifecycle/loaded.h"
#include "ml/model_dir.h"

static const qn_param rows_of_table[] = {
    QN_PARAM_STRING(qn_fit_als_options, model, NULL, "DIR",
                    "model directory to write (Spark's format); nothing is saved if not given",
                    .aliases = "model_save_path"),
    QN_PARAM_FLAG(qn_fit_als_options, overwrite, "replace a model that is there"),
    QN_PARAM_STRING(qn_fit_als_options, split, NULL, "HOW",
                    "judge on a part: random:0.8, temporal:0.8 (shares kept for training) or "
                    "leave-one-out",
                    .group = "Judging"),
    QN_PARAM(qn_fit_als_options, split_seed, 42, INT64_MIN, INT64_MAX, "seed of a random split",
             .group = "Judging"),
    QN_PARAM_STRING(qn_fit_als_options, test, NULL, "FILE", "judge on these ratings",
                    .group = "Judging", .aliases = "test_parquet"),
};
const qn_params qn_fit_als_table = {"fit als", rows_of_table,
                                    sizeof rows_of_table / sizeof *rows_of_table,
                                    sizeof(qn_fit_als_options)};

/* What the job holds on its way. */
typedef struct fit_job {
    qn_context *ctx;
    const qn_fit_als_options *options;
    const qn_ratings_options *input;
    const qn_als_params *als;
    const qn_ranking_options *ranking;
    qn_fit_als_result *result;
    qn_split_spec split;
    qn_triples *train, *test;
    qn_ratings *ratings;
    qn_als_model *model;
} fit_job;

/* Everything that can be known to be wrong before the first byte is read. */
static qn_status check(fit_job *job)
{
    const qn_fit_als_options *o = job->options;
    qn_context *ctx = job->ctx;
    qn_out_dir dir = {0};
    qn_status st = QN_OK;

    if (o->split && o->test.n > 0)
        return qn_fail(ctx, QN_EINVAL,
                       "--split and --test exclude each other: judge on a part of "
                       "the input, or on other files");
    QN_TRY(qn_params_check(ctx, &qn_als_table, job->als));
    if (o->split)
        QN_TRY(qn_split_parse(ctx, o->split, o->split_seed, &job->split));
    QN_TRY(qn_fit_als_room_of_options(ctx, job->als, o->model != NULL));
    if (o->model && qn_rank(ctx) == 0) {
        QN_TRY(qn_model_dir_open(ctx, o->model, o->overwrite, &dir));
        qn_out_dir_abandon(&dir);
    }
done:
    return st;
}

/* Reads the test files with ids of the training ratings' types. */
static qn_status read_test(fit_job *job)
{
    qn_ratings_options options = *job->input;

    options.input = job->options->test;
    if (job->train->users.type == QN_ID_STRING && job->train->items.type == QN_ID_STRING)
        options.id_type = QN_ID_STRING;
    return qn_triples_read(job->ctx, &options, false, false, &job->test);
}

static qn_status cut(fit_job *job)
{
    qn_triples *all = job->train;

    job->train = NULL;
    return qn_triples_cut(job->ctx, &all, &job->split, &job->train, &job->test);
}

static void take_counts(fit_job *job)
{
    const qn_ratings *r = job->ratings;
    qn_fit_als_result *out = job->result;

    out->counts = r->counts;
    out->n_users = r->users.n;
    out->n_items = r->items.n;
    out->train_records = r->n_ratings;
    out->min_rating = r->min_rating;
    out->max_rating = r->max_rating;
    out->mean_rating = r->sum_ratings / (double)r->n_ratings;
    out->n_values = r->n_values;
    memcpy(out->value, r->value, sizeof out->value);
    memcpy(out->value_count, r->value_count, sizeof out->value_count);
    out->min_time = r->min_time;
    out->max_time = r->max_time;
    out->data_fingerprint = r->fingerprint;
    qn_emit_input(job->ctx, &job->input->input, &out->counts);
    qn_emit_fingerprint(job->ctx, out->data_fingerprint);
    qn_emit_count(job->ctx, "users", out->n_users);
    qn_emit_count(job->ctx, "items", out->n_items);
    qn_emit_count(job->ctx, "train_records", out->train_records);
    qn_emit_count(job->ctx, "test_records", out->test_records);
    qn_space_estimate(job->ctx, r, &out->space);
    qn_space_emit_cuts(job->ctx, r, &out->space);
}

/* The input is opened once: a pipe has but one head. */
static qn_status read_input(fit_job *job)
{
    qn_context *ctx = job->ctx;
    const bool need_time = job->input->on_duplicate == QN_DUPLICATE_LATEST ||
                           job->split.kind == QN_SPLIT_TEMPORAL ||
                           job->split.kind == QN_SPLIT_LEAVE_ONE_OUT;
    qn_source *source = NULL, *looked_at;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_ratings_source_open(ctx, job->input, &source));
    QN_TRY_ALL(qn_fit_als_room_of_sample(ctx, source, job->input, job->als, &job->split,
                                         job->options->model != NULL));
    looked_at = source;
    source = NULL;
    QN_TRY(qn_triples_read_source(ctx, job->input, looked_at, need_time, need_time, &job->train));
done:
    qn_source_free(source);
    return st;
}

/* From files to both orientations, and the rows to judge on. */
static qn_status read_and_arrange(fit_job *job)
{
    qn_context *ctx = job->ctx;
    const qn_on_duplicate rule = (qn_on_duplicate)job->input->on_duplicate;
    int64_t n[2];
    qn_status st = QN_OK;

    QN_TRY(read_input(job));
    QN_TRY(qn_triples_merge_duplicates(ctx, &job->train, rule));
    if (job->options->test.n > 0)
        QN_TRY(read_test(job));
    else if (job->options->split)
        QN_TRY(cut(job));
    n[0] = job->train->n;
    n[1] = job->test ? job->test->n : 0;
    QN_TRY(qn_comm_sum_int64(ctx, n, 2));
    if (n[0] == 0) {
        st =
            qn_fail(ctx, QN_EDATA, "--split %s leaves no ratings to train on", job->options->split);
        goto done;
    }
    job->result->test_records = n[1];
    QN_TRY_ALL(qn_fit_als_room_of_ids(ctx, job->als, job->train));
    QN_TRY(qn_ratings_from_triples(ctx, &job->train, job->input->partitions, &job->ratings));
done:
    return st;
}

static qn_status describe_loaded(void *data, qn_kept *book)
{
    fit_job *job = data;
    qn_status st = QN_OK;

    QN_TRY(qn_kept_bytes(book, &job->result->test_records, sizeof job->result->test_records));
    QN_TRY(qn_ratings_kept(book, &job->ratings));
    QN_TRY(qn_triples_kept(book, &job->test));
done:
    return st;
}

static void release_loaded(void *data)
{
    fit_job *job = data;

    qn_ratings_free(job->ratings);
    qn_triples_free(job->test);
    job->ratings = NULL;
    job->test = NULL;
}

static qn_status load(fit_job *job)
{
    qn_context *ctx = job->ctx;
    const qn_fit_als_options *o = job->options;
    const qn_phase phase = qn_phase_job_start(ctx, "load", NULL);
    qn_string split = {0};
    qn_loaded loaded = {.table = &qn_ratings_table,
                        .options = job->input,
                        .files = {&job->input->input, &o->test},
                        .data = job,
                        .describe = describe_loaded,
                        .release = release_loaded};
    bool found;
    qn_status st = QN_OK;

    qn_string_addf(&split, "%s %lld", o->split ? o->split : "", (long long)o->split_seed);
    loaded.more = qn_string_text(&split);
    QN_TRY(qn_loaded_take(ctx, &loaded, &found));
    if (!found) {
        QN_TRY(read_and_arrange(job));
        QN_TRY(qn_loaded_keep(ctx, &loaded));
    }
    take_counts(job);
done:
    qn_string_release(&split);
    job->result->load_s = qn_phase_end(ctx, &phase, st, 0);
    return st;
}

static qn_status evaluate(fit_job *job)
{
    qn_context *ctx = job->ctx;
    const qn_span span = qn_job_start(ctx, "evaluate");
    qn_status st = QN_OK;

    QN_TRY(qn_evaluate_als(ctx, job->model, job->test, job->ratings, job->ranking,
                           &job->result->evaluation));
    job->result->has_evaluation = true;
    qn_evaluation_emit(ctx, &job->result->evaluation);
done:
    job->result->evaluate_s = qn_span_end(ctx, &span, st, NULL);
    return st;
}

/* What quern.json keeps of the run. */
static void describe_run(const fit_job *job, qn_json *j)
{
    const qn_fit_als_result *r = job->result;

    qn_json_open(j, NULL, '{');
    qn_json_text(j, "command", "fit als");
    if (qn_checkpoint_attached(job->ctx))
        qn_json_text(j, "run_id", qn_checkpoint_run_id(qn_checkpoint_attached(job->ctx)));
    qn_json_open(j, "inputs", '[');
    for (int64_t i = 0; i < job->input->input.n; i++)
        qn_json_text(j, NULL, job->input->input.item[i]);
    qn_json_close(j, ']');
    qn_json_text(j, "split", job->options->split);
    qn_json_int(j, "train_records", r->train_records);
    qn_json_int(j, "test_records", r->test_records);
    qn_json_open(j, "metrics", '{');
    qn_json_real(j, "loss", r->loss);
    if (r->has_evaluation)
        qn_evaluation_json(&r->evaluation, j);
    qn_json_close(j, '}');
    qn_json_close(j, '}');
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
        st = qn_als_save(ctx, job->model, job->options->model, job->options->overwrite,
                         qn_string_text(&j.out));
    }
    st = qn_comm_agree(ctx, st);
    qn_json_release(&j);
    job->result->save_s = qn_span_end(ctx, &span, st, NULL);
    return st;
}

static qn_status run(fit_job *job)
{
    qn_context *ctx = job->ctx;
    qn_fit_als_result *result = job->result;
    double start;
    qn_status st = QN_OK;

    QN_TRY_ALL(check(job)); /* one rank alone may fail */
    QN_TRY(load(job));
    start = qn_seconds();
    QN_TRY(qn_als_fit(ctx, job->als, job->ratings, &job->model));
    result->fit_s = qn_seconds() - start;
    qn_model_name_columns(job->model, job->input);
    result->iterations = job->model->iterations;
    result->loss = job->model->loss;
    qn_als_digest(job->model, result->digest);
    qn_emit_fact(ctx, "model_digest", result->digest);
    QN_TRY(qn_space_measure(ctx, job->ratings, job->model, &result->space));
    qn_space_emit_memory(ctx, &result->space);
    if (result->test_records > 0)
        QN_TRY(evaluate(job));
    if (job->options->model)
        QN_TRY(save(job));
done:
    return st;
}

qn_status qn_fit_als_run(qn_context *ctx, const qn_fit_als_options *options,
                         const qn_ratings_options *ratings, const qn_als_params *als,
                         const qn_ranking_options *ranking, qn_fit_als_result *result)
{
    fit_job job = {.ctx = ctx,
                   .options = options,
                   .input = ratings,
                   .als = als,
                   .ranking = ranking,
                   .result = result};
    const double start = qn_seconds();
    qn_status st;

    *result = (qn_fit_als_result){.loss = NAN, .max_time = -1};
    st = run(&job);
    result->total_s = qn_seconds() - start;
    qn_triples_free(job.train);
    qn_triples_free(job.test);
    qn_ratings_free(job.ratings);
    qn_als_free(job.model);
    return st;
}

void qn_fit_als_reference_json(const qn_fit_als_result *result, int32_t nodes, int64_t partitions,
                               qn_json *j)
{
    qn_json_int(j, "num_nodes", nodes);
    qn_json_real(j, "load_time", result->load_s);
    qn_json_real(j, "train_time", result->fit_s);
    qn_json_real(j, "total_time", result->load_s + result->fit_s);
    qn_json_real(j, "rmse", result->has_evaluation ? result->evaluation.model.rmse.value : NAN);
    qn_json_int(j, "train_records", result->train_records);
    qn_json_int(j, "test_records", result->test_records);
    qn_json_int(j, "partitions", partitions);
}
