/* Predicting with a model on tables: every row of the input with the model's columns behind, in
 * order; a row that lacks a feature keeps its line with empty predictions. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/assemble.h"
#include "data/reading.h"
#include "engine/comm.h"
#include "kernels/kernels.h"
#include "lifecycle/model_kind.h"
#include "lifecycle/predict.h"
#include "lifecycle/rows.h"

/* One column that the model adds. */
typedef struct added {
    qn_output output;
    int32_t number;   /* among all that the model has */
    size_t row_bytes; /* of a row's values */
    void *
        of_complete; /* [capacity x width] of the rows that have all features, behind one another */
    void *of_all;    /* the same of all rows; lists stay behind one another */
    uint32_t *offsets; /* lists: [capacity + 1] */
} added;

typedef struct table_job {
    const qn_table_ops *ops;
    const qn_model *model;
    const char *model_path;
    qn_on_missing on_missing;
    qn_features features; /* the model's or found; label and weight are not asked for */
    qn_features found;    /* owned; n 0: the model knows its features */
    qn_assembler *assembler;
    qn_sink *sink;
    added added[QN_MAX_OUTPUTS];
    int32_t n_added;
    double *x;        /* panels of the complete rows */
    uint8_t *keep;    /* [capacity] */
    uint64_t *valid;  /* bits of [capacity] */
    int64_t capacity; /* rows, a multiple of QN_PANEL */
    qn_predict_result *result;
} table_job;

static size_t type_bytes(qn_type type)
{
    return type == QN_INT32 ? sizeof(int32_t) : sizeof(double);
}

static qn_status reserve(qn_context *ctx, table_job *job, int64_t n)
{
    const int64_t capacity = (n + QN_PANEL - 1) / QN_PANEL * QN_PANEL;
    qn_status st = QN_OK;

    if (capacity <= job->capacity)
        return QN_OK;
    QN_GROW(ctx, job->x, capacity * job->model->n_features, "rows to predict");
    QN_GROW(ctx, job->keep, capacity, "rows to predict");
    QN_GROW(ctx, job->valid, capacity / 64 + 1, "rows to predict");
    for (int32_t i = 0; i < job->n_added; i++) {
        added *a = &job->added[i];

        QN_TRY(qn_realloc_array(ctx, &a->of_complete, capacity, a->row_bytes, "predictions"));
        QN_TRY(qn_realloc_array(ctx, &a->of_all, capacity, a->row_bytes, "predictions"));
        QN_GROW(ctx, a->offsets, capacity + 1, "predictions");
    }
    job->capacity = capacity;
done:
    return st;
}

/* "file.csv, line 17, feature ndvi: ...", once. */
static void tell_missing(qn_context *ctx, const table_job *job, const qn_rows *rows, int64_t row,
                         int64_t r)
{
    char where[256], why[250];
    char *out = job->result->first_missing;

    qn_assembler_why(job->assembler, r, why, sizeof why);
    qn_row_place(ctx, rows->source, rows->split, rows->request, rows->n_key + rows->n_fields, row,
                 where, sizeof where);
    snprintf(out, sizeof job->result->first_missing, "%s, %s", where, why);
}

/* Which rows of the batch are predicted; counts the others, or fails. */
static qn_status sort_out(qn_context *ctx, table_job *job, const qn_rows *rows, int64_t first_row,
                          const qn_assembled *assembled)
{
    qn_predict_result *result = job->result;

    for (int64_t r = 0; r < assembled->n_rows; r++) {
        const uint8_t why = assembled->incomplete[r];

        job->keep[r] = why == 0 || (why == QN_ROW_MISSING && job->on_missing == QN_MISSING_KEEP);
        if (job->keep[r])
            continue;
        if (result->rows_missing++ == 0 || why == QN_ROW_MISFIT)
            tell_missing(ctx, job, rows, first_row + r, r);
        if (why == QN_ROW_MISFIT)
            return qn_fail(ctx, QN_EDATA,
                           "%s; rows must have the shape that the model was fitted on",
                           result->first_missing);
        if (job->on_missing == QN_MISSING_FAIL)
            return qn_fail(ctx, QN_EDATA, "%s; --on-missing skip leaves its prediction empty",
                           result->first_missing);
    }
    return QN_OK;
}

/* Values of the complete rows to their places among all rows. */
static void spread_numbers(const table_job *job, const added *a, int64_t n)
{
    const char *from = a->of_complete;
    char *to = a->of_all;

    memset(to, 0, (size_t)n * a->row_bytes);
    for (int64_t r = 0; r < n; r++)
        if (job->keep[r]) {
            memcpy(to + (size_t)r * a->row_bytes, from, a->row_bytes);
            from += a->row_bytes;
        }
}

static qn_column spread(const table_job *job, added *a, int64_t n)
{
    qn_column column = {.type = a->output.type, .validity = job->valid};
    uint32_t end = 0;

    if (a->output.type != QN_DOUBLE_LIST) {
        spread_numbers(job, a, n);
        column.data = a->of_all;
        return column;
    }
    a->offsets[0] = 0;
    for (int64_t r = 0; r < n; r++) {
        end += job->keep[r] ? (uint32_t)a->output.width : 0;
        a->offsets[r + 1] = end;
    }
    column.data = a->of_complete;
    column.offsets = a->offsets;
    return column;
}

static void set_valid(table_job *job, int64_t n)
{
    memset(job->valid, 0, (size_t)(n / 64 + 1) * sizeof *job->valid);
    for (int64_t r = 0; r < n; r++)
        job->valid[r / 64] |= (uint64_t)(job->keep[r] != 0) << (r % 64);
}

static qn_status predict_batch(qn_context *ctx, void *arg, const qn_rows *rows,
                               const qn_batch *batch)
{
    table_job *job = arg;
    void *values[QN_MAX_OUTPUTS] = {0};
    qn_column extra[QN_MAX_OUTPUTS];
    qn_assembled assembled;
    int64_t n_complete;
    qn_status st = QN_OK;

    QN_TRY(reserve(ctx, job, batch->n_rows));
    QN_TRY(qn_assemble(ctx, job->assembler, batch, &assembled));
    QN_TRY(sort_out(ctx, job, rows, batch->first_row, &assembled));
    n_complete = qn_panels_fill(&assembled, job->model->n_features, true, job->keep, 0,
                                batch->n_rows, job->x, 0);
    for (int32_t i = 0; i < job->n_added; i++)
        values[job->added[i].number] = job->added[i].of_complete;
    QN_TRY(job->ops->predict(ctx, job->model, n_complete, job->x, values));
    set_valid(job, batch->n_rows);
    for (int32_t i = 0; i < job->n_added; i++)
        extra[i] = spread(job, &job->added[i], batch->n_rows);
    QN_TRY(qn_rows_write(ctx, rows, batch, NULL, extra, job->sink));
    job->result->rows_read += batch->n_rows;
    job->result->rows_written += batch->n_rows;
done:
    return st;
}

/* The model's features; of a model that does not know them (Spark's) the columns that were named,
 * or all number columns in order. Collective. */
static qn_status choose_features(qn_context *ctx, table_job *job, qn_source *source,
                                 const qn_matrix_options *options)
{
    qn_status st = QN_OK;

    if (job->model->features.n > 0) {
        if (options->features.n > 0)
            return qn_fail(ctx, QN_EINVAL,
                           "--features: the model in %s knows its features; leave it out",
                           job->model_path);
        job->features = job->model->features;
    } else {
        QN_TRY(qn_features_find(ctx, source, options, job->ops->categories, &job->found));
        QN_TRY_ALL(qn_model_check_width(ctx, job->model, job->model_path, &job->found));
        job->features = job->found;
    }
    job->features.label = job->features.weight = NULL;
done:
    return st;
}

/* Lists are left out where the format cannot hold them. */
static qn_status plan_outputs(qn_context *ctx, table_job *job, const qn_predict_options *options,
                              qn_field field[QN_MAX_OUTPUTS], bool holds_lists)
{
    qn_output output[QN_MAX_OUTPUTS];
    const int32_t n = job->ops->outputs(job->model, output);

    for (int32_t i = 0; i < n; i++) {
        if (i == 0 && options->prediction_col)
            output[i].name = options->prediction_col;
        for (int32_t other = 0; other < i; other++)
            if (strcmp(output[other].name, output[i].name) == 0)
                return qn_fail(ctx, QN_EINVAL,
                               "--prediction-col %s is what another column of the model is called",
                               output[i].name);
        if (output[i].type == QN_DOUBLE_LIST && !holds_lists)
            continue;
        job->added[job->n_added] =
            (added){.output = output[i],
                    .number = i,
                    .row_bytes = type_bytes(output[i].type) * (size_t)output[i].width};
        field[job->n_added++] = (qn_field){output[i].name, output[i].type};
    }
    return QN_OK;
}

static void job_release(table_job *job)
{
    qn_sink_abandon(&job->sink);
    qn_assembler_free(job->assembler);
    qn_features_release(&job->found);
    for (int32_t i = 0; i < job->n_added; i++) {
        qn_free(job->added[i].of_complete);
        qn_free(job->added[i].of_all);
        qn_free(job->added[i].offsets);
    }
    qn_free(job->x);
    qn_free(job->keep);
    qn_free(job->valid);
}

/* What goes in and out of the streaming. */
typedef struct table_files {
    qn_field field[QN_MAX_OUTPUTS];
    qn_rows_out out;
    qn_matrix_options matrix;
    qn_source *source;
    qn_rows rows;
} table_files;

static qn_status open_source(qn_context *ctx, const qn_predict_options *options,
                             const qn_columns_options *columns, const qn_scoring_options *scoring,
                             table_job *job, table_files *files)
{
    const qn_sink_options sink = {.path = options->output,
                                  .format = (qn_format)options->output_format};
    qn_status st = QN_OK;

    files->out =
        (qn_rows_out){.format = qn_sink_format(&sink), .extra = files->field, .lenient = true};
    qn_columns_matrix(columns, scoring, &options->input, &files->matrix);
    QN_TRY(plan_outputs(ctx, job, options, files->field, qn_rows_hold_lists(files->out.format)));
    files->out.n_extra = job->n_added;
    QN_TRY(qn_columns_source(ctx, columns, &options->input, &files->source));
done:
    return st;
}

/* Reads the columns that the features need, predicts, writes. */
static qn_status stream(qn_context *ctx, const qn_predict_options *options,
                        qn_on_bad_row on_bad_row, table_job *job, table_files *files)
{
    qn_predict_result *result = job->result;
    const qn_column_request *key;
    int32_t n_key;
    qn_status st = QN_OK;

    QN_TRY(qn_assembler_open(ctx, &job->features, files->source, true, false, &job->assembler));
    qn_assembler_be_lenient(job->assembler);
    key = qn_assembler_requests(job->assembler, &n_key);
    QN_TRY(qn_rows_open(ctx, &files->source, key, n_key, &files->out, &files->rows));
    for (int32_t i = 0; i < job->n_added; i++)
        QN_TRY(qn_rows_check_name(ctx, &files->rows, files->field[i].name,
                                  i == 0 ? "name the new one with --prediction-col"
                                         : "the model adds one of this name: rename it first"));
    QN_TRY(qn_rows_sink(ctx, &files->rows, options->output, files->out.format, options->overwrite,
                        &job->sink));
    QN_TRY(qn_rows_each(ctx, &files->rows, on_bad_row, &result->rejects, predict_batch, job));
    result->rows_bad = result->rejects.total - result->rejects.n_kept;
    QN_TRY(qn_sink_commit(ctx, &job->sink));
done:
    return st;
}

/* Collective. */
static qn_status run_job(qn_context *ctx, const qn_predict_options *options,
                         const qn_columns_options *columns, const qn_scoring_options *scoring,
                         table_job *job)
{
    const qn_on_bad_row on_bad_row = (qn_on_bad_row)columns->on_bad_row;
    table_files files = {0};
    qn_status st = QN_OK;

    QN_TRY_ALL(open_source(ctx, options, columns, scoring, job, &files));
    QN_TRY(choose_features(ctx, job, files.source, &files.matrix));
    QN_TRY_ALL(qn_rank(ctx) == 0 ? stream(ctx, options, on_bad_row, job, &files) : QN_OK);
done:
    job_release(job); /* before the rows, whose source the assembler looks at */
    qn_rows_close(&files.rows);
    qn_source_free(files.source);
    return st;
}

qn_status qn_predict_on_table(qn_context *ctx, const qn_algo *algo,
                              const qn_predict_options *options, const qn_columns_options *columns,
                              const qn_scoring_options *scoring, qn_predict_result *result)
{
    const qn_table_ops *ops = algo->table;
    const double start = qn_seconds();
    qn_model *model = NULL;
    qn_status st = QN_OK;

    if (scoring->on_missing == QN_MISSING_KEEP && !ops->takes_missing)
        return qn_fail(ctx, QN_EINVAL,
                       "--on-missing keep: a model of %s cannot use missing values; skip leaves "
                       "their predictions empty",
                       algo->name);
    QN_TRY_ALL(ops->load(ctx, options->model, &model));
    result->load_s = qn_seconds() - start;
    {
        table_job job = {.ops = ops,
                         .model = model,
                         .model_path = options->model,
                         .on_missing = (qn_on_missing)scoring->on_missing,
                         .result = result};

        st = run_job(ctx, options, columns, scoring, &job);
    }
done:
    ops->free(model);
    return st;
}
