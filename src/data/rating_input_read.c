/* Reads all splits on all threads and turns batches into rows. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/pool.h"
#include "base/text.h"
#include "data/rating_input_impl.h"
#include "data/reading.h"

#define CHUNK_ROWS 8192 /* rows that are handed over at once: they stay in cache */

/* Days of the years 1 to 9999, which is what a date of ten characters can say. */
#define FIRST_DAY INT64_C(-719162)
#define LAST_DAY  INT64_C(2932896)

/* One thread's part. */
typedef struct read_thread {
    qn_rating_row *row; /* [CHUNK_ROWS] */
    qn_reject_run run;
    int64_t n_delivered, n_out_of_range;
    bool has_fraction;
    qn_rating_row first; /* of those out of range the one with the least origin */
    double first_rating; /* as it was read */
    int64_t first_seconds;
    char padding[64]; /* threads do not share a line of cache */
} read_thread;

typedef struct read_job {
    qn_context *ctx;
    qn_rating_input *input;
    bool rating_whole;
    qn_rejects_file *rejects;
    qn_rating_input_rows *rows;
    void *arg;
    qn_reading reading;
    read_thread *thread;
} read_job;

/* Columns of a batch. */
typedef struct batch_values {
    const int32_t *user, *movie;
    const double *rating;
    const int64_t *seconds; /* NULL: the input has no dates */
} batch_values;

static int64_t day_of(int64_t seconds)
{
    return seconds / 86400 - (seconds % 86400 < 0);
}

static bool is_fraction(double rating)
{
    return rating != (double)(int32_t)rating;
}

/* Whether it fits; a fraction does where ratings are doubles. */
static bool is_good_rating(double rating, bool whole)
{
    return fabs(rating) <= QN_RATING_SIZE && !(whole && is_fraction(rating));
}

/* Row i of the batch does not fit: it is told and counted. */
static qn_status lose_row(read_job *job, read_thread *t, const batch_values *v, int64_t i,
                          const qn_rating_row *row)
{
    if (t->n_out_of_range++ == 0 || row->origin < t->first.origin) {
        t->first = *row;
        t->first_rating = v->rating[i];
        t->first_seconds = v->seconds ? v->seconds[i] : 0;
    }
    return job->rejects ? qn_rejects_file_lost(job->rejects, QN_DROP_RANGE, row) : QN_OK;
}

/* Rows [begin, end) of a batch into t->row; *n: how many fit. */
static qn_status convert(read_job *job, read_thread *t, const batch_values *v, uint64_t origin,
                         int64_t begin, int64_t end, int64_t *n)
{
    const bool whole = job->rating_whole;
    bool has_fraction = false;
    qn_status st = QN_OK;

    *n = 0;
    for (int64_t i = begin; i < end; i++) {
        const double rating = v->rating[i];
        const int64_t days = v->seconds ? day_of(v->seconds[i]) : 0;
        qn_rating_row *row = &t->row[*n];

        *row = (qn_rating_row){.movie = v->movie[i],
                               .user = v->user[i],
                               .days = (int32_t)days,
                               .rating = (float)rating + 0.0f, /* -0 becomes 0 */
                               .origin = origin + (uint64_t)i};
        if (is_good_rating(rating, false) && days >= FIRST_DAY && days <= LAST_DAY) {
            const bool is_part = is_fraction(rating);

            if (!(is_part && whole)) {
                has_fraction |= is_part;
                ++*n;
                continue;
            }
        }
        QN_TRY(lose_row(job, t, v, i, row));
    }
done:
    t->has_fraction |= has_fraction;
    return st;
}

static qn_status take_batch(read_job *job, const qn_batch *batch, int64_t split, int32_t thread)
{
    const qn_rating_columns *c = &job->input->columns;
    const batch_values values = {
        .user = batch->columns[0].data,
        .movie = batch->columns[1].data,
        .rating = batch->columns[c->rating].data,
        .seconds = c->time >= 0 ? batch->columns[c->time].data : NULL,
    };
    const uint64_t origin = qn_row_origin(split, batch->first_row);
    read_thread *t = &job->thread[thread];
    qn_status st = QN_OK;

    for (int64_t begin = 0; begin < batch->n_rows; begin += CHUNK_ROWS) {
        const int64_t rest = batch->n_rows - begin;
        int64_t n = 0;

        QN_TRY(convert(job, t, &values, origin, begin,
                       begin + (rest < CHUNK_ROWS ? rest : CHUNK_ROWS), &n));
        if (n > 0)
            QN_TRY(job->rows(job->arg, thread, t->row, n));
        t->n_delivered += n;
    }
done:
    return st;
}

static qn_status read_split(void *arg, int64_t split, int32_t thread)
{
    read_job *job = arg;
    qn_context *ctx = job->ctx;
    const qn_rating_columns *c = &job->input->columns;
    qn_reject_run *run = &job->thread[thread].run;
    qn_reader *reader = NULL;
    const qn_batch *batch = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_source_open_split(ctx, job->input->source, split, c->request, c->n, &reader));
    run->split = split;
    if (job->rejects)
        qn_reader_on_reject(reader, qn_reject_run_tell, run);
    for (;;) {
        QN_TRY(qn_reader_next(ctx, reader, &batch));
        QN_TRY(run->status);
        if (!batch)
            break;
        QN_TRY(take_batch(job, batch, split, thread));
        qn_reading_rows(&job->reading, batch->n_rows);
    }
    if (job->rejects) {
        job->input->lines[split] = qn_reader_lines(reader);
        QN_TRY(qn_reject_run_end(run));
    }
    qn_reading_split_done(&job->reading, split, qn_reader_rejects(reader));
done:
    qn_reader_close(reader);
    return st;
}

/* ---- what was dropped first, for a message ---- */

static const char *expected(const qn_rating_columns *columns, int32_t column)
{
    if (column < 2)
        return "not a whole number, as ids are";
    return column == columns->rating
               ? "not a number"
               : "no date such as 2005-09-06, with or without a time, nor seconds since 1970";
}

static void describe_reject(const qn_rating_columns *columns, const qn_reject *reject, char *out,
                            size_t size)
{
    const int32_t c = reject->column;

    if (c < 0 || c >= columns->n)
        snprintf(out, size, "%s row: %s", qn_reject_name(reject->kind), reject->text);
    else if (reject->kind == QN_REJECT_NULL)
        snprintf(out, size, "column %s: a value is missing", columns->name[c]);
    else if (reject->kind == QN_REJECT_RANGE)
        snprintf(out, size, "column %s: %s does not fit %s", columns->name[c], reject->text,
                 c < 2 ? "an id of 32 bits" : "a rating");
    else
        snprintf(out, size, "column %s: \"%s\" is %s", columns->name[c], reject->text,
                 expected(columns, c));
}

static void describe_lost(const read_job *job, const read_thread *t, char *out, size_t size)
{
    const qn_rating_columns *c = &job->input->columns;
    char number[32];

    qn_format_double(t->first_rating, number);
    if (!is_good_rating(t->first_rating, false))
        snprintf(out, size, "column %s: %s is too large for a rating", c->name[c->rating], number);
    else if (!is_good_rating(t->first_rating, job->rating_whole))
        snprintf(out, size, "column %s: %s is not a whole number, as ratings are here",
                 c->name[c->rating], number);
    else
        snprintf(out, size,
                 "column %s: %" PRId64 " seconds since 1970 lie outside of the years 1 to 9999; "
                 "are these milliseconds?",
                 c->name[c->time], t->first_seconds);
}

/* The first of all rows that were out of range here, NULL if there is none. */
static const read_thread *first_lost(const read_job *job)
{
    const read_thread *first = NULL;

    for (int32_t t = 0; t < qn_context_threads(job->ctx); t++)
        if (job->thread[t].n_out_of_range > 0 &&
            (!first || job->thread[t].first.origin < first->first.origin))
            first = &job->thread[t];
    return first;
}

static void describe_first(read_job *job, qn_rating_input_counts *counts)
{
    const qn_rating_columns *c = &job->input->columns;
    qn_source *source = job->input->source;
    const qn_bad_row *bad = job->reading.n_bad > 0 ? &job->reading.bad[0] : NULL;
    const read_thread *lost = first_lost(job);
    char value[320];

    if (lost) {
        const int64_t split = qn_origin_split(lost->first.origin);
        qn_reject place = {.offset = qn_source_row_offset(job->ctx, source, split, c->request, c->n,
                                                          qn_origin_row(lost->first.origin))};

        if (!bad || split < bad->split ||
            (split == bad->split && place.offset < bad->reject.offset)) {
            describe_lost(job, lost, value, sizeof value);
            if (place.offset < 0)
                snprintf(counts->first, sizeof counts->first, "%s: %s",
                         qn_source_split_path(source, split), value);
            else
                qn_reject_place(job->ctx, source, split, &place, value, counts->first,
                                sizeof counts->first);
            return;
        }
    }
    if (!bad)
        return;
    describe_reject(c, &bad->reject, value, sizeof value);
    qn_reject_place(job->ctx, source, bad->split, &bad->reject, value, counts->first,
                    sizeof counts->first);
}

static void add_up(read_job *job, qn_rating_input_counts *counts)
{
    const qn_rejects *rejects = &job->reading.rejects;

    for (int32_t t = 0; t < qn_context_threads(job->ctx); t++) {
        counts->rows_delivered += job->thread[t].n_delivered;
        counts->dropped[QN_DROP_RANGE] += job->thread[t].n_out_of_range;
        counts->has_fraction |= job->thread[t].has_fraction;
    }
    for (int32_t k = 0; k < QN_REJECT_KINDS; k++)
        counts->dropped[qn_drop_of((qn_reject_kind)k)] += rejects->count[k];
    counts->rows_read = counts->rows_delivered;
    for (int32_t r = 0; r < QN_DROP_REASONS; r++)
        counts->rows_read += counts->dropped[r];
    counts->files = job->input->n_files;
    counts->bytes = qn_source_bytes(job->input->source);
}

static qn_status prepare(read_job *job)
{
    qn_context *ctx = job->ctx;
    const int32_t threads = qn_context_threads(ctx);
    qn_status st = QN_OK;

    QN_NEW0(ctx, job->thread, threads, "threads that read");
    for (int32_t t = 0; t < threads; t++) {
        QN_NEW(ctx, job->thread[t].row, CHUNK_ROWS, "rows on their way");
        job->thread[t].run.rejects = job->rejects;
    }
    if (job->rejects && !job->input->lines)
        QN_NEW0(ctx, job->input->lines, job->reading.n_splits, "lines of splits");
done:
    return st;
}

static void release(read_job *job)
{
    for (int32_t t = 0; job->thread && t < qn_context_threads(job->ctx); t++) {
        qn_free(job->thread[t].row);
        qn_reject_run_release(&job->thread[t].run);
    }
    qn_free(job->thread);
    qn_reading_release(&job->reading);
}

qn_status qn_rating_input_read(qn_context *ctx, qn_rating_input *input, bool rating_whole,
                               qn_rejects_file *rejects, qn_rating_input_rows *rows, void *arg,
                               qn_rating_input_counts *counts)
{
    read_job job = {.ctx = ctx,
                    .input = input,
                    .rating_whole = rating_whole || input->source->format == QN_FORMAT_NETFLIX,
                    .rejects = rejects,
                    .rows = rows,
                    .arg = arg,
                    .reading = {.ctx = ctx, .source = input->source}};
    qn_status st = QN_OK;

    *counts = (qn_rating_input_counts){0};
    job.reading.n_splits = qn_source_n_splits(input->source);
    qn_reading_init(&job.reading);
    QN_TRY(prepare(&job));
    QN_TRY(qn_parallel(ctx, job.reading.n_splits, read_split, &job));
    add_up(&job, counts);
    describe_first(&job, counts);
done:
    release(&job);
    return st;
}
