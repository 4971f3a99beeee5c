#include "lifecycle/split.h"

#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "data/sides.h"
#include "lifecycle/rows.h"

static const qn_param rows_of_table[] = {
    QN_PARAM_STRING(qn_split_options, train, NULL, "FILE", "training rows go here",
                    .required = true),
    QN_PARAM_STRING(qn_split_options, test, NULL, "FILE", "test rows go here", .required = true),
    QN_PARAM_FLAG(qn_split_options, overwrite, "replace files that are there"),
    QN_PARAM_STRING(qn_split_options, split, "random:0.8", "HOW",
                    "random:SHARE, temporal:SHARE (kept for training) or leave-one-out"),
    QN_PARAM(qn_split_options, split_seed, 42, INT64_MIN, INT64_MAX, "seed of a random split"),
};
const qn_params qn_split_table = {
    "split", rows_of_table, sizeof rows_of_table / sizeof *rows_of_table, sizeof(qn_split_options)};

typedef struct split_job {
    qn_sides *sides; /* 1: test */
    int64_t n, done;
    int64_t n_test;
    uint8_t *part, *keep; /* [capacity] */
    int64_t capacity;
    qn_sink *sink[2];
} split_job;

/* The second reading: the same rows in the same order as the triples. */
static qn_status write_batch(qn_context *ctx, void *arg, const qn_rows *rows, const qn_batch *batch)
{
    split_job *job = arg;
    qn_status st = QN_OK;

    if (job->done + batch->n_rows > job->n)
        return qn_fail(ctx, QN_EDATA, "the input changed while it was read: run it again");
    if (batch->n_rows > job->capacity) {
        QN_GROW(ctx, job->part, batch->n_rows, "a batch of rows");
        QN_GROW(ctx, job->keep, batch->n_rows, "a batch of rows");
        job->capacity = batch->n_rows;
    }
    QN_TRY(qn_sides_get(ctx, job->sides, job->done, batch->n_rows, job->part));
    for (int64_t r = 0; r < batch->n_rows; r++)
        job->n_test += job->part[r];
    for (uint8_t side = 0; side < 2; side++) {
        for (int64_t r = 0; r < batch->n_rows; r++)
            job->keep[r] = job->part[r] == side;
        QN_TRY(qn_rows_write(ctx, rows, batch, job->keep, NULL, job->sink[side]));
    }
    job->done += batch->n_rows;
done:
    return st;
}

/* Opens both outputs before the long work, so that a wrong path is found at once. */
static qn_status open_sinks(qn_context *ctx, const qn_split_options *options, const qn_rows *rows,
                            split_job *job)
{
    const char *path[2] = {options->train, options->test};
    qn_status st = QN_OK;

    if (strcmp(path[0], path[1]) == 0)
        return qn_fail(ctx, QN_EINVAL, "--train and --test are the same file, %s", path[0]);
    for (int32_t side = 0; side < 2; side++) {
        const qn_sink_options sink = {.path = path[side]};

        QN_TRY(qn_rows_sink(ctx, rows, path[side], qn_sink_format(&sink), options->overwrite,
                            &job->sink[side]));
    }
done:
    return st;
}

static qn_status check_input(qn_context *ctx, const qn_ratings_options *ratings)
{
    for (int64_t i = 0; i < ratings->input.n; i++)
        if (strcmp(ratings->input.item[i], "-") == 0)
            return qn_fail(ctx, QN_EINVAL,
                           "split reads its input twice and cannot take standard input: write it "
                           "to a file first");
    return QN_OK;
}

static qn_status cut(qn_context *ctx, const qn_split_options *options,
                     const qn_ratings_options *ratings, const qn_split_spec *spec, qn_rows *rows,
                     qn_split_result *result)
{
    const bool need_time = spec->kind != QN_SPLIT_RANDOM;
    const double start = qn_seconds();
    split_job job = {0};
    qn_triples *triples = NULL;
    qn_rejects rejects;
    qn_status st = QN_OK;

    QN_TRY(open_sinks(ctx, options, rows, &job));
    QN_TRY(qn_triples_read(ctx, ratings, need_time, need_time, &triples));
    QN_TRY(qn_triples_split(ctx, triples, spec, &job.sides));
    result->counts = triples->counts;
    result->load_s = qn_seconds() - start;
    job.n = triples->n;
    qn_triples_free(triples);
    triples = NULL;
    QN_TRY(qn_rows_each(ctx, rows, QN_BAD_ROW_SKIP, &rejects, write_batch, &job));
    if (job.done != job.n) {
        st = qn_fail(ctx, QN_EDATA,
                     "only %lld of %lld rows could be read with all their columns: a column holds "
                     "values of different types; write .csv, which keeps them as they are",
                     (long long)job.done, (long long)job.n);
        goto done;
    }
    result->test_records = job.n_test;
    result->train_records = job.n - job.n_test;
    QN_TRY(qn_sink_commit(ctx, &job.sink[0]));
    st = qn_sink_commit(ctx, &job.sink[1]);
    if (st != QN_OK && !options->overwrite)
        unlink(options->train); /* both or neither */
    if (st != QN_OK)
        goto done;
    result->write_s = qn_seconds() - start - result->load_s;
done:
    for (int32_t side = 0; side < 2; side++)
        qn_sink_abandon(&job.sink[side]);
    qn_free(job.part);
    qn_free(job.keep);
    qn_sides_free(job.sides);
    qn_triples_free(triples);
    return st;
}

qn_status qn_split_run(qn_context *ctx, const qn_split_options *options,
                       const qn_ratings_options *ratings, qn_split_result *result)
{
    const qn_sink_options train = {.path = options->train};
    const qn_rows_out out = {.format = qn_sink_format(&train)};
    const double start = qn_seconds();
    const qn_span span = qn_job_start(ctx, "split");
    qn_split_spec spec;
    qn_rows rows = {0};
    qn_status st = QN_OK;

    *result = (qn_split_result){0};
    QN_TRY(check_input(ctx, ratings));
    QN_TRY(qn_split_parse(ctx, options->split, options->split_seed, &spec));
    QN_TRY(qn_rows_open_ratings(ctx, ratings, spec.kind != QN_SPLIT_RANDOM, &out, &rows));
    QN_TRY(cut(ctx, options, ratings, &spec, &rows, result));
    result->total_s = qn_seconds() - start;
    qn_emit_count(ctx, "train_records", result->train_records);
    qn_emit_count(ctx, "test_records", result->test_records);
done:
    qn_span_end(ctx, &span, st, NULL);
    qn_rows_close(&rows);
    return st;
}
