/* Reading: each thread takes splits and keeps their rows in blocks, and the distinct ids that it
 * meets; ids become indices at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/reading.h"
#include "data/source_impl.h"
#include "data/triples_blocks.h"
#include "data/triples_columns.h"
#include "data/triples_impl.h"
#include "engine/comm.h"

typedef struct read_job {
    qn_context *ctx;
    const qn_ratings_options *options;
    qn_source *source;
    qn_rating_columns columns;
    int64_t n_splits; /* of this rank */
    qn_triples *raw;  /* blocks hold ids as they were read */
    qn_row_run *run;  /* [n_splits] */
    qn_raw_side side[2];
    qn_reading reading;
} read_job;

static void release_raw(read_job *job)
{
    for (int64_t s = 0; job->run && s < job->n_splits; s++)
        qn_row_run_release(&job->run[s]);
    qn_free(job->run);
    job->run = NULL;
    for (int32_t s = 0; s < 2; s++)
        qn_raw_side_release(&job->side[s]);
    qn_triples_free(job->raw);
    job->raw = NULL;
}

static int64_t split_number(const qn_context *ctx, int64_t local)
{
    return local * qn_size(ctx) + qn_rank(ctx);
}

/* ---- from batches to blocks ---- */

/* Ids that this thread has not met yet go into its set. */
static qn_status note_numbers(qn_context *ctx, qn_number_set *set, const qn_column *column,
                              int64_t n)
{
    if (column->type == QN_INT32)
        return qn_number_set_add32(ctx, set, column->data, n);
    return qn_number_set_add64(ctx, set, column->data, n);
}

static bool fits_int32(const qn_column *column, int64_t first, int64_t n)
{
    const int64_t *id = (const int64_t *)column->data + first;
    uint64_t high = 0;

    if (column->type == QN_INT32)
        return true;
    for (int64_t i = 0; i < n; i++)
        high |= ((uint64_t)id[i] + 0x80000000u) >> 32;
    return high == 0;
}

static void copy_numbers(const qn_column *column, int64_t first, int64_t n, bool is_wide, void *to,
                         int64_t at)
{
    const int32_t *narrow = column->data;
    const int64_t *wide = column->data;

    if (column->type == QN_INT32 && !is_wide)
        memcpy((int32_t *)to + at, narrow + first, (size_t)n * sizeof *narrow);
    else if (is_wide)
        for (int64_t i = 0; i < n; i++)
            ((int64_t *)to)[at + i] =
                column->type == QN_INT32 ? narrow[first + i] : wide[first + i];
    else
        for (int64_t i = 0; i < n; i++)
            ((int32_t *)to)[at + i] = (int32_t)wide[first + i];
}

static qn_status copy_texts(qn_context *ctx, qn_text_set *set, const qn_column *column,
                            int64_t first, int64_t n, int32_t *to)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n; i++) {
        const char *text = (const char *)column->data + column->offsets[first + i];
        uint32_t number = 0;

        QN_TRY(qn_text_set_add(
            ctx, set, text, column->offsets[first + i + 1] - column->offsets[first + i], &number));
        to[i] = (int32_t)number;
    }
done:
    return st;
}

static void copy_ratings(const read_job *job, const qn_batch *batch, int64_t first, int64_t n,
                         float *to)
{
    const qn_column *column = job->columns.rating < 0 ? NULL : &batch->columns[job->columns.rating];

    for (int64_t i = 0; i < n; i++) {
        const double value = column ? ((const double *)column->data)[first + i] : 1.0;

        to[i] = (float)value + 0.0f; /* -0 becomes 0: one rating, one pattern of bits */
    }
}

static void copy_times(const qn_column *column, int64_t first, int64_t n, int64_t *to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = qn_is_valid(column, first + i) ? ((const int64_t *)column->data)[first + i]
                                               : QN_NO_TIME;
}

/* From an id on that does not fit four bytes, blocks of this split hold eight. */
static qn_status widen(read_job *job, qn_row_run *run, const qn_batch *batch, int64_t first,
                       int64_t n)
{
    for (int32_t side = 0; side < 2; side++) {
        if (run->is_wide[side] || job->side[side].type == QN_ID_STRING ||
            fits_int32(&batch->columns[side], first, n))
            continue;
        run->is_wide[side] = true;
        return qn_row_run_end(job->ctx, job->raw, run);
    }
    return QN_OK;
}

/* Copies rows first .. first + n of the batch, which fit the open block. */
static qn_status copy_rows(read_job *job, qn_row_run *run, const qn_batch *batch, int64_t first,
                           int64_t n)
{
    const qn_row_columns *to = &run->columns;
    qn_status st = QN_OK;

    for (int32_t side = 0; side < 2; side++) {
        const qn_column *column = &batch->columns[side];

        if (job->side[side].type == QN_ID_STRING)
            QN_TRY(copy_texts(job->ctx, &job->side[side].texts[run->thread], column, first, n,
                              (int32_t *)to->id[side] + run->used));
        else
            copy_numbers(column, first, n, run->is_wide[side], to->id[side], run->used);
    }
    copy_ratings(job, batch, first, n, to->value + run->used);
    if (to->time)
        copy_times(&batch->columns[job->columns.time], first, n, to->time + run->used);
    run->used += n;
done:
    return st;
}

static qn_status take_batch(read_job *job, qn_row_run *run, const qn_batch *batch)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    for (int32_t side = 0; side < 2; side++)
        if (job->side[side].type != QN_ID_STRING)
            QN_TRY(note_numbers(ctx, &job->side[side].numbers[run->thread], &batch->columns[side],
                                batch->n_rows));
    for (int64_t first = 0; first < batch->n_rows;) {
        int64_t n;

        QN_TRY(qn_row_run_reserve(ctx, job->raw, run));
        n = run->room - run->used;
        n = n < batch->n_rows - first ? n : batch->n_rows - first;
        QN_TRY(widen(job, run, batch, first, n));
        if (run->room == 0)
            continue; /* once more, with another block */
        QN_TRY(copy_rows(job, run, batch, first, n));
        first += n;
    }
done:
    return st;
}

/* The row may be read by nobody else: the message is about the first one of the split. */
static qn_status fail_bad_row(read_job *job, int64_t number, const qn_rejects *rejects)
{
    char where[512];

    qn_reject_describe(job->ctx, job->source, number, &job->columns, &rejects->example[0], where,
                       sizeof where);
    return qn_fail(job->ctx, QN_EDATA,
                   "%s; use --on-bad-row skip to drop such rows (%" PRId64 " so far)", where,
                   rejects->total);
}

static qn_status read_batches(read_job *job, qn_row_run *run, int64_t number, qn_reader *reader)
{
    qn_context *ctx = job->ctx;
    const qn_rejects *rejects = qn_reader_rejects(reader);
    const qn_batch *batch = NULL;
    qn_status st = QN_OK;

    for (;;) {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_reader_next(ctx, reader, &batch));
        if (rejects->total > 0 && job->options->on_bad_row == QN_BAD_ROW_FAIL)
            return fail_bad_row(job, number, rejects);
        if (!batch)
            break;
        QN_TRY(take_batch(job, run, batch));
        qn_reading_rows(&job->reading, batch->n_rows);
    }
    qn_reading_split_done(&job->reading, number, rejects);
    QN_TRY(qn_row_run_end(ctx, job->raw, run));
done:
    return st;
}

static qn_status read_split(void *arg, int64_t local, int32_t thread)
{
    read_job *job = arg;
    const int64_t number = split_number(job->ctx, local);
    qn_row_run *run = &job->run[local];
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    run->thread = thread;
    QN_TRY(qn_source_open_split(job->ctx, job->source, number, job->columns.request, job->columns.n,
                                &reader));
    st = read_batches(job, run, number, reader);
done:
    qn_reader_close(reader);
    return st;
}

/* ---- the source ---- */

/* Text ids under text names look like any other row: types do not tell a header apart. The names
 * that are looked for do. Standard input cannot be opened twice. */
static qn_status find_header(qn_context *ctx, const qn_ratings_options *options,
                             qn_source_options *open, qn_source **source)
{
    const qn_schema *schema = qn_source_schema(*source);
    qn_source *named = NULL;
    qn_status st = QN_OK;

    if (open->header >= 0 || schema->has_names || schema->n_fields < 2 ||
        schema->field[0].type != QN_TEXT || qn_source_format(*source) == QN_FORMAT_NETFLIX)
        return QN_OK;
    for (int64_t i = 0; i < open->n_paths; i++)
        if (strcmp(open->path[i], "-") == 0)
            return QN_OK;
    open->header = 1;
    st = qn_source_open(ctx, open, &named);
    if (st == QN_EDATA) { /* no more than one row: then it is no header */
        qn_error_clear(ctx);
        return QN_OK;
    }
    if (st == QN_OK && qn_rating_columns_named(named, options)) {
        qn_source_free(*source);
        *source = named;
        named = NULL;
    }
    qn_source_free(named);
    return st;
}

qn_status qn_ratings_source_open(qn_context *ctx, const qn_ratings_options *options,
                                 qn_source **source)
{
    qn_source_options open = {
        .path = (const char *const *)options->input.item,
        .n_paths = options->input.n,
        .format = (qn_format)options->format,
        .header = options->header - 1,
    };
    qn_status st = QN_OK;

    *source = NULL;
    if (open.n_paths == 0)
        return qn_fail(ctx, QN_EINVAL, "--input is missing: name a file of ratings");
    QN_TRY(qn_delimiter_parse(ctx, options->delimiter, &open.delimiter));
    if (options->split_bytes > 0)
        open.split_bytes = options->split_bytes;
    QN_TRY(qn_source_open(ctx, &open, source));
    QN_TRY(find_header(ctx, options, &open, source));
done:
    if (st != QN_OK) {
        qn_source_free(*source);
        *source = NULL;
    }
    return st;
}

static qn_status prepare(read_job *job)
{
    qn_context *ctx = job->ctx;
    const int64_t n_splits = qn_source_n_splits(job->source);
    qn_status st = QN_OK;

    job->n_splits = (n_splits - qn_rank(ctx) + qn_size(ctx) - 1) / qn_size(ctx);
    job->reading.source = job->source;
    job->reading.n_splits = job->n_splits;
    QN_TRY(qn_triples_create(ctx, job->columns.time >= 0, &job->raw));
    QN_NEW0(ctx, job->run, job->n_splits, "splits");
    for (int32_t s = 0; s < 2; s++) {
        qn_raw_side *side = &job->side[s];

        side->type = job->columns.type[s];
        side->n_threads = qn_context_threads(ctx);
        if (side->type == QN_ID_STRING)
            QN_NEW0(ctx, side->texts, side->n_threads, "text ids");
        else
            QN_NEW0(ctx, side->numbers, side->n_threads, "distinct ids");
    }
done:
    return st;
}

/* Counts of all ranks; examples in the order of the files. Collective. */
static qn_status join_counts(read_job *job, qn_ratings_counts *counts)
{
    const qn_reading *reading = &job->reading;
    qn_status st = QN_OK;

    QN_TRY(qn_reading_join(&job->reading, &counts->rows_read, &counts->rejects));
    counts->rows_bad = counts->rejects.total;
    counts->bytes_read = qn_source_bytes(job->source);
    if (reading->n_bad > 0)
        qn_reject_describe(job->ctx, job->source, reading->bad[0].split, &job->columns,
                           &reading->bad[0].reject, counts->first_reject,
                           sizeof counts->first_reject);
done:
    return st;
}

static qn_status check_not_empty(read_job *job, const qn_triples *t)
{
    char bad[96] = "";

    if (t->counts.rows_read > 0)
        return QN_OK;
    if (t->counts.rows_bad > 0)
        snprintf(bad, sizeof bad, " (%" PRId64 " rows were bad, the first: ", t->counts.rows_bad);
    return qn_fail(job->ctx, QN_EDATA, "No ratings available from %s%s%s%s",
                   job->options->input.item[0], bad, bad[0] ? t->counts.first_reject : "",
                   bad[0] ? ")" : "");
}

static void emit_counts(qn_context *ctx, const qn_triples *t)
{
    static const char *const type[] = {"auto", "int32", "int64", "string"};
    char name[64];

    qn_emit_count(ctx, "rows", t->counts.rows_read);
    qn_emit_count(ctx, "rows_bad", t->counts.rows_bad);
    for (int32_t k = 0; k < QN_REJECT_KINDS; k++)
        if (t->counts.rejects.count[k] > 0) {
            snprintf(name, sizeof name, "bad_rows.%s", qn_reject_name((qn_reject_kind)k));
            qn_emit_count(ctx, name, t->counts.rejects.count[k]);
        }
    qn_emit_fact(ctx, "data.user_id_type", type[t->users.type]);
    qn_emit_fact(ctx, "data.item_id_type", type[t->items.type]);
    qn_emit_count(ctx, "users", t->users.n);
    qn_emit_count(ctx, "items", t->items.n);
    if (t->counts.first_reject[0])
        qn_emit_fact(ctx, "data.first_bad_row", t->counts.first_reject);
}

static qn_status read_rows(read_job *job)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY(qn_parallel(ctx, job->n_splits, read_split, job));
    QN_TRY(qn_row_runs_join(ctx, job->raw, job->run, job->n_splits));
done:
    return st;
}

static qn_status read_all(read_job *job, bool want_time, bool need_time, qn_triples **triples)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    if (!job->source)
        QN_TRY_ALL(qn_ratings_source_open(ctx, job->options, &job->source));
    QN_TRY_ALL(qn_rating_columns_find(ctx, job->source, job->options, want_time, need_time,
                                      &job->columns));
    QN_TRY(qn_source_agree(ctx, job->source));
    QN_TRY_ALL(prepare(job));
    QN_TRY_ALL(read_rows(job));
    QN_TRY_ALL(qn_triples_create(ctx, job->raw->has_time, triples));
    QN_TRY(join_counts(job, &(*triples)->counts));
    QN_TRY_ALL(check_not_empty(job, *triples));
    QN_TRY(qn_triples_index(ctx, job->raw, job->side, *triples));
    emit_counts(ctx, *triples);
done:
    return st;
}

qn_status qn_triples_read_source(qn_context *ctx, const qn_ratings_options *options,
                                 qn_source *source, bool want_time, bool need_time,
                                 qn_triples **triples)
{
    read_job job = {.ctx = ctx, .options = options, .source = source, .reading = {.ctx = ctx}};
    qn_status st = QN_OK;
    qn_triples *t = NULL;
    const qn_span span = qn_job_start(ctx, "load");
    qn_event totals = {0};

    *triples = NULL;
    qn_reading_init(&job.reading);
    QN_TRY(read_all(&job, want_time, need_time, &t));
    totals.rows = t->counts.rows_read;
    totals.bytes_read = t->counts.bytes_read;
    *triples = t;
    t = NULL;
done:
    qn_span_end(ctx, &span, st, &totals);
    qn_triples_free(t);
    release_raw(&job);
    qn_source_free(job.source);
    qn_reading_release(&job.reading);
    return st;
}

qn_status qn_triples_read(qn_context *ctx, const qn_ratings_options *options, bool want_time,
                          bool need_time, qn_triples **triples)
{
    return qn_triples_read_source(ctx, options, NULL, want_time, need_time, triples);
}
