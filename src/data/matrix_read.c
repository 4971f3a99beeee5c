/* Reading: each thread takes splits and turns their rows into cells; when all are read, cells get
 * their numbers and the sums over them are made. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/matrix_job.h"
#include "data/source_impl.h"
#include "engine/comm.h"
#include "engine/store.h"

/* ---- bad rows ---- */

static void describe_reject(const qn_matrix_job *job, int64_t split, const qn_reject *reject,
                            char *out, size_t size)
{
    int32_t n = 0;
    const qn_column_request *request = qn_assembler_requests(job->thread[0].assembler, &n);
    char value[320];

    qn_reject_value(job->source, request, n, reject, value, sizeof value);
    qn_reject_place(job->ctx, job->source, split, reject, value, out, size);
}

static qn_status fail_bad_row(const qn_matrix_job *job, int64_t split, const qn_rejects *rejects)
{
    const qn_reject *first = &rejects->example[0];
    const bool may_widen =
        first->kind == QN_REJECT_RANGE && job->options->precision == QN_PRECISION_FLOAT;
    char where[512];

    describe_reject(job, split, first, where, sizeof where);
    return qn_fail(job->ctx, QN_EDATA,
                   "%s; use %s--on-bad-row skip to drop such rows (%" PRId64 " so far)", where,
                   may_widen ? "--precision double, or " : "", rejects->total);
}

/* ---- missing values ---- */

/* "file.csv, line 17" */
static void place_row(const qn_matrix_job *job, int64_t split, int64_t row, char *out, size_t size)
{
    int32_t n = 0;
    const qn_column_request *request = qn_assembler_requests(job->thread[0].assembler, &n);

    qn_row_place(job->ctx, job->source, split, request, n, row, out, size);
}

static void describe_missing(const qn_matrix_job *job, const qn_batch *batch, int64_t split,
                             int64_t r, int32_t thread, char *out, size_t size)
{
    char why[200], place[256];

    qn_assembler_why(job->thread[thread].assembler, r, why, sizeof why);
    place_row(job, split, batch->first_row + r, place, sizeof place);
    snprintf(out, size, "%s, %s", place, why);
}

/* A misfit is damage, whatever is said about missing values. */
static qn_status fail_misfit(const qn_matrix_job *job, const char *where)
{
    if (qn_source_format(job->source) == QN_FORMAT_LIBSVM)
        return qn_fail(job->ctx, QN_EDATA, "%s; %s", where,
                       job->use->features ? "give it the columns that the features were made of"
                                          : "raise --num-features, or leave it out to find it");
    return qn_fail(job->ctx, QN_EDATA,
                   "%s; lists of one column must be of one length: mend or remove the row", where);
}

static qn_status fail_missing(const qn_matrix_job *job, const char *where)
{
    return qn_fail(job->ctx, QN_EDATA, "%s; use --on-missing skip to leave such rows out%s", where,
                   job->use->allow_missing ? ", or keep to leave the values missing" : "");
}

static qn_status keep_room(const qn_matrix_job *job, qn_matrix_thread *t, int64_t n)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    if (n <= t->keep_capacity)
        return QN_OK;
    QN_GROW(ctx, t->keep, n, "marks of rows");
    t->keep_capacity = n;
done:
    return st;
}

static bool is_complete(const qn_matrix_job *job, const qn_assembled *rows, int64_t r)
{
    for (int32_t f = 0; f < job->shape.n_features; f++)
        if (!isfinite(job->shape.is_double ? ((const double *)rows->column[f])[r]
                                           : (double)((const float *)rows->column[f])[r]))
            return false;
    return true;
}

/* Whether a row that is marked as incomplete must go: not for the sake of a label that is only
 * counted, nor of values that may be missing. */
static bool is_unusable(const qn_matrix_job *job, const qn_assembled *rows, int64_t r)
{
    if (rows->weight && !(rows->weight[r] >= 0.0 && isfinite(rows->weight[r])))
        return true;
    if (job->shape.has_label && !isfinite(rows->label[r]))
        return true;
    return job->options->on_missing != QN_MISSING_KEEP && !is_complete(job, rows, r);
}

static qn_status drop_missing(const qn_matrix_job *job, qn_split_read *split, int32_t thread,
                              const qn_batch *batch, const qn_assembled *rows)
{
    uint8_t *keep = job->thread[thread].keep;
    char where[512];

    for (int64_t r = 0; r < rows->n_rows; r++) {
        const bool is_misfit = rows->incomplete[r] == QN_ROW_MISFIT;

        if (!rows->incomplete[r] || !keep[r] || !(is_misfit || is_unusable(job, rows, r)))
            continue;
        if (is_misfit) {
            describe_missing(job, batch, split->number, r, thread, where, sizeof where);
            return fail_misfit(job, where);
        }
        if (split->n_missing == 0 || job->options->on_missing == QN_MISSING_FAIL)
            describe_missing(job, batch, split->number, r, thread, where, sizeof where);
        if (job->options->on_missing == QN_MISSING_FAIL)
            return fail_missing(job, where);
        if (split->n_missing++ == 0) {
            const qn_status st = qn_strdup(job->ctx, where, &split->first_missing);

            if (st != QN_OK)
                return st;
        }
        keep[r] = 0;
    }
    return QN_OK;
}

/* Which rows stay; *keep is NULL where all do. */
static qn_status choose_rows(const qn_matrix_job *job, qn_split_read *split, int32_t thread,
                             const qn_batch *batch, const qn_assembled *rows, const uint8_t **keep)
{
    const bool by_row = qn_sample_is_by_row(job->options);
    qn_matrix_thread *t = &job->thread[thread];
    qn_status st = QN_OK;

    *keep = NULL;
    if (rows->n_incomplete == 0 && !by_row)
        return QN_OK;
    QN_TRY(keep_room(job, t, rows->n_rows));
    memset(t->keep, 1, (size_t)rows->n_rows);
    if (by_row) {
        QN_TRY(qn_sample_rows(job->ctx, job->options, rows, split->number, batch->first_row,
                              &t->strata, t->keep));
        for (int64_t r = 0; r < rows->n_rows; r++)
            split->n_sampled_out += !t->keep[r];
    }
    if (rows->n_incomplete > 0)
        QN_TRY(drop_missing(job, split, thread, batch, rows));
    *keep = t->keep;
done:
    return st;
}

/* ---- splits ---- */

static void count_labels(qn_label_set *labels, const qn_assembled *rows, const uint8_t *keep)
{
    for (int64_t r = 0; rows->label && r < rows->n_rows; r++)
        if ((!keep || keep[r]) && isfinite(rows->label[r]))
            qn_label_set_add(labels, rows->label[r], 1);
}

/* Cuts a batch where cells end. */
static qn_status add_to_cells(qn_matrix_thread *t, qn_split_read *split, const qn_batch *batch,
                              const qn_assembled *rows, const uint8_t *keep)
{
    const int64_t cell_rows = t->writer.shape.cell_rows;
    qn_status st = QN_OK;

    for (int64_t r = 0; r < rows->n_rows;) {
        const int64_t row = batch->first_row + r;
        const int64_t left = cell_rows - row % cell_rows;
        const int64_t end = left < rows->n_rows - r ? r + left : rows->n_rows;

        if (row % cell_rows == 0)
            QN_TRY(qn_cell_writer_end(&t->writer, &split->cells));
        QN_TRY(qn_cell_writer_add(&t->writer, rows, keep, r, end, split->number, row));
        r = end;
    }
done:
    return st;
}

static qn_status take_batch(qn_matrix_job *job, qn_split_read *split, int32_t thread,
                            const qn_batch *batch)
{
    qn_matrix_thread *t = &job->thread[thread];
    const uint8_t *keep = NULL;
    qn_assembled rows = {0};
    qn_status st = QN_OK;

    QN_TRY(qn_assemble(job->ctx, t->assembler, batch, &rows));
    QN_TRY(choose_rows(job, split, thread, batch, &rows, &keep));
    count_labels(&t->labels, &rows, keep);
    QN_TRY(add_to_cells(t, split, batch, &rows, keep));
    split->n_rows += batch->n_rows;
    qn_reading_rows(&job->reading, batch->n_rows);
done:
    return st;
}

static qn_status read_batches(qn_matrix_job *job, qn_split_read *split, int32_t thread,
                              qn_reader *reader)
{
    const qn_rejects *rejects = qn_reader_rejects(reader);
    qn_context *ctx = job->ctx;
    const qn_batch *batch = NULL;
    qn_status st = QN_OK;

    for (;;) {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_reader_next(ctx, reader, &batch));
        if (rejects->total > 0 && job->options->on_bad_row == QN_BAD_ROW_FAIL)
            return fail_bad_row(job, split->number, rejects);
        if (!batch)
            break;
        QN_TRY(take_batch(job, split, thread, batch));
    }
    QN_TRY(qn_cell_writer_end(&job->thread[thread].writer, &split->cells));
    split->is_read = true;
    qn_reading_split_done(&job->reading, split->number, rejects);
done:
    return st;
}

static qn_status read_split(void *arg, int64_t local, int32_t thread)
{
    qn_matrix_job *job = arg;
    qn_split_read *split = &job->own[local];
    const qn_column_request *request;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;
    int32_t n = 0;

    job->thread[thread].strata.n = 0;
    request = qn_assembler_requests(job->thread[thread].assembler, &n);
    QN_TRY(qn_source_open_split(job->ctx, job->source, split->number, request, n, &reader));
    st = read_batches(job, split, thread, reader);
done:
    qn_reader_close(reader);
    return st;
}

/* ---- before and after ---- */

/* What the options say of label and weight goes before what the model's features say; a label that
 * is only counted need not be there. */
static qn_status take_features(qn_matrix_job *job)
{
    const qn_matrix_options *options = job->options;
    qn_features *features = &job->matrix->features;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;
    int32_t field;

    QN_TRY(qn_features_copy(ctx, job->use->features, features));
    if (options->label) {
        qn_free(features->label);
        QN_TRY(qn_strdup(ctx, options->label, &features->label));
    } else if (features->label && !job->use->keep_label &&
               qn_source_column(ctx, job->source, features->label, &field) != QN_OK) {
        qn_error_clear(ctx);
        qn_free(features->label);
        features->label = NULL;
    }
    qn_free(features->weight);
    features->weight = NULL;
    if (options->weight)
        QN_TRY(qn_strdup(ctx, options->weight, &features->weight));
done:
    return st;
}

static qn_status check_use(const qn_matrix_job *job)
{
    if (job->options->on_missing == QN_MISSING_KEEP && !job->use->allow_missing)
        return qn_fail(job->ctx, QN_EINVAL,
                       "this algorithm cannot use missing values: use --on-missing skip");
    if (job->matrix->features.label)
        return QN_OK;
    if (job->use->keep_label)
        return qn_fail(job->ctx, QN_EINVAL, "--label is missing: name the column of labels");
    if (qn_sample_is_by_row(job->options) && job->options->sample == QN_SAMPLE_STRATIFIED)
        return qn_fail(job->ctx, QN_EINVAL,
                       "--sample stratified needs labels: name their column by --label");
    return QN_OK;
}

static qn_status prepare(qn_matrix_job *job)
{
    const int32_t n_threads = qn_context_threads(job->ctx);
    qn_context *ctx = job->ctx;
    qn_matrix *m = job->matrix;
    qn_status st = QN_OK;

    QN_TRY(check_use(job));
    m->n_features = m->features.width;
    m->is_double = job->options->precision == QN_PRECISION_DOUBLE;
    m->has_label = job->use->keep_label;
    m->has_weight = m->features.weight != NULL;
    qn_matrix_shape_init(&job->shape, m->n_features, m->is_double, m->has_label, m->has_weight,
                         ctx->cells.table_rows);
    QN_TRY(qn_matrix_check_budget(job));
    QN_TRY(qn_store_create(ctx, "rows of the matrix", &m->store));
    job->first_own = job->plan.n * qn_rank(ctx) / qn_size(ctx);
    job->n_own = job->plan.n * (qn_rank(ctx) + 1) / qn_size(ctx) - job->first_own;
    QN_NEW0(ctx, job->own, job->n_own, "splits");
    for (int64_t s = 0; s < job->n_own; s++)
        job->own[s].number = job->plan.split[job->first_own + s];
    QN_NEW0(ctx, job->thread, n_threads, "threads that read");
    job->n_threads = n_threads;
    for (int32_t t = 0; t < n_threads; t++) {
        QN_TRY(qn_assembler_open(ctx, &m->features, job->source, m->is_double,
                                 m->features.label != NULL, &job->thread[t].assembler));
        QN_TRY(qn_cell_writer_init(ctx, &job->thread[t].writer, &job->shape, m->store));
    }
    job->reading.source = job->source;
    job->reading.n_splits = job->n_own;
done:
    return st;
}

/* Counts of all ranks. Collective. */
static qn_status join_counts(qn_matrix_job *job)
{
    qn_matrix_counts *counts = &job->matrix->counts;
    const qn_reading *reading = &job->reading;
    qn_context *ctx = job->ctx;
    int64_t sums[2] = {0};
    qn_status st = QN_OK;

    for (int64_t s = 0; s < job->n_own; s++) {
        sums[0] += job->own[s].n_missing;
        sums[1] += job->own[s].n_sampled_out;
    }
    QN_TRY(qn_comm_sum_int64(ctx, sums, 2));
    counts->rows_missing = sums[0];
    counts->rows_sampled_out = sums[1];
    QN_TRY(qn_reading_join(&job->reading, &counts->rows_read, &counts->rejects));
    counts->rows_bad = counts->rejects.total;
    counts->files = job->plan.files;
    counts->files_total = job->plan.files_total;
    counts->splits = job->plan.n;
    counts->bytes_read = qn_source_bytes(job->source);
    if (reading->n_bad > 0)
        describe_reject(job, reading->bad[0].split, &reading->bad[0].reject, counts->first_reject,
                        sizeof counts->first_reject);
done:
    return st;
}

/* The first row that a missing value threw out, of the first rank that has one. Collective. */
static qn_status join_first_missing(qn_matrix_job *job)
{
    char first[sizeof job->matrix->counts.first_missing] = "";
    char *all = NULL;
    qn_status st = QN_OK;
    size_t bytes = 0;

    for (int64_t s = 0; s < job->n_own && !first[0]; s++)
        if (job->own[s].first_missing)
            snprintf(first, sizeof first, "%s", job->own[s].first_missing);
    QN_TRY(qn_comm_allgather(job->ctx, first, sizeof first, (void **)&all, &bytes));
    for (size_t at = 0; at < bytes && !job->matrix->counts.first_missing[0]; at += sizeof first)
        memcpy(job->matrix->counts.first_missing, all + at, sizeof first);
done:
    qn_free(all);
    return st;
}

static qn_status check_not_empty(const qn_matrix_job *job)
{
    const qn_matrix *m = job->matrix;
    const qn_matrix_counts *c = &m->counts;
    const char *path =
        qn_source_n_splits(job->source) > 0 ? qn_source_split_path(job->source, 0) : "the input";

    if (m->n_rows > 0)
        return QN_OK;
    if (c->rows_bad > 0)
        return qn_fail(job->ctx, QN_EDATA,
                       "%s: no rows are left: %" PRId64 " were bad, the first: %s", path,
                       c->rows_bad, c->first_reject);
    if (c->rows_missing > 0)
        return qn_fail(job->ctx, QN_EDATA,
                       "%s: no rows are left: %" PRId64 " have missing values, the first: %s", path,
                       c->rows_missing, c->first_missing);
    if (c->rows_sampled_out > 0 || job->plan.n < qn_source_n_splits(job->source))
        return qn_fail(job->ctx, QN_EDATA,
                       "%s: the sample holds no rows: raise --fraction or take another seed", path);
    return qn_fail(job->ctx, QN_EDATA, "%s: there are no rows", path);
}

static qn_status read_all(qn_matrix_job *job)
{
    qn_context *ctx = job->ctx;
    qn_matrix *m = job->matrix;
    qn_status st = QN_OK;

    if (job->use->features)
        QN_TRY_ALL(take_features(job));
    else
        QN_TRY(
            qn_features_find(ctx, job->source, job->options, job->use->categories, &m->features));
    QN_TRY_ALL(prepare(job));
    QN_TRY_ALL(qn_matrix_explain(job, qn_parallel(ctx, job->n_own, read_split, job)));
    QN_TRY(join_counts(job));
    QN_TRY(join_first_missing(job));
    QN_TRY(qn_matrix_finish(job));
    QN_TRY_ALL(check_not_empty(job));
    QN_TRY(qn_matrix_tell_sample(job));
done:
    return st;
}

static void job_release(qn_matrix_job *job)
{
    for (int32_t t = 0; t < job->n_threads; t++) {
        qn_assembler_free(job->thread[t].assembler);
        qn_cell_writer_release(&job->thread[t].writer);
        qn_free(job->thread[t].keep);
    }
    qn_free(job->thread);
    for (int64_t s = 0; job->own && s < job->n_own; s++) {
        qn_cell_list_release(&job->own[s].cells);
        qn_free(job->own[s].first_missing);
    }
    qn_free(job->own);
    qn_matrix_plan_release(&job->plan);
    qn_reading_release(&job->reading);
}

/* files_total > 0: the source has been opened with the files to read, of so many. */
static qn_status read_source(qn_context *ctx, qn_source *source, int64_t files_total,
                             const qn_matrix_options *options, const qn_matrix_use *use,
                             qn_matrix **matrix)
{
    qn_matrix_job job = {.ctx = ctx, .options = options, .use = use, .source = source};
    qn_status st = QN_OK;

    job.is_from_files = files_total > 0;
    job.reading.ctx = ctx;
    qn_reading_init(&job.reading);
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&job.matrix, 1, sizeof *job.matrix, "a matrix"));
    QN_TRY_ALL(qn_matrix_plan_make(ctx, source, options, files_total == 0, &job.plan));
    if (files_total > 0)
        job.plan.files_total = files_total;
    QN_TRY(read_all(&job));
    *matrix = job.matrix;
    job.matrix = NULL;
done:
    job_release(&job);
    qn_matrix_free(job.matrix);
    return st;
}

static void end_load(qn_context *ctx, const qn_span *span, qn_status st, const qn_matrix *matrix)
{
    qn_event totals = {0};

    if (matrix) {
        totals.rows = matrix->counts.rows_read;
        totals.bytes_read = matrix->counts.bytes_read;
    }
    qn_span_end(ctx, span, st, &totals);
}

qn_status qn_matrix_read(qn_context *ctx, const qn_matrix_options *options,
                         const qn_matrix_use *use, qn_matrix **matrix)
{
    const qn_span span = qn_job_start(ctx, "load");
    qn_source *source = NULL;
    int64_t files_total = 0;
    qn_status st = QN_OK;

    *matrix = NULL;
    QN_TRY_ALL(qn_matrix_source_open(ctx, options, &files_total, &source));
    QN_TRY(qn_source_agree(ctx, source));
    QN_TRY(read_source(ctx, source, files_total, options, use, matrix));
done:
    end_load(ctx, &span, st, *matrix);
    qn_source_free(source);
    return st;
}

qn_status qn_matrix_from_source(qn_context *ctx, qn_source *source,
                                const qn_matrix_options *options, const qn_matrix_use *use,
                                qn_matrix **matrix)
{
    const qn_span span = qn_job_start(ctx, "load");
    qn_status st;

    *matrix = NULL;
    st = read_source(ctx, source, 0, options, use, matrix);
    end_load(ctx, &span, st, *matrix);
    return st;
}
