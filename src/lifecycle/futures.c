#include "lifecycle/futures.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "base/text.h"
#include "data/rating_by_date.h"

#define LINE_BYTES 64 /* a row is shorter: 10 + 11 + 11 + 16 bytes and what is between */

static const qn_param rows_of_table[] = {
    QN_PARAM_STRING(qn_futures_options, output, NULL, "FILE", "CSV file to write", .required = true,
                    .aliases = "csv_output_path"),
    QN_PARAM_FLAG(qn_futures_options, overwrite, "replace a file that is there"),
    QN_PARAM_STRING(qn_futures_options, rejects, NULL, "FILE",
                    "CSV of the rows that were dropped: file, line, reason, text"),
    QN_PARAM(qn_futures_options, max_bad_rows, -1, -1, 9e18,
             "stop with exit code 4 when more rows are bad; -1: any number", .metavar = "N"),
};
const qn_params qn_futures_table = {"futures", rows_of_table,
                                    sizeof rows_of_table / sizeof *rows_of_table,
                                    sizeof(qn_futures_options)};

/* ---- one line ---- */

static char *put_number(char *out, int64_t value)
{
    char digits[20];
    int32_t n = 0;

    if (value < 0)
        *out++ = '-';
    value = value < 0 ? -value : value;
    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (n > 0)
        *out++ = digits[--n];
    return out;
}

static char *put_padded(char *out, int32_t value, int32_t width)
{
    for (int32_t i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + width;
}

static char *put_rating(char *out, float rating)
{
    if (rating == (float)(int32_t)rating) /* in the rows of rating input all are below 2^25 */
        return put_number(out, (int32_t)rating);
    qn_format_float(rating, out);
    return out + strlen(out);
}

/* The last date and its text: most rows have that of the row before. */
typedef struct date_text {
    int32_t days;
    char text[16]; /* "2005-09-06," */
} date_text;

static char *put_date(char *out, int32_t days, date_text *last)
{
    if (days != last->days || !last->text[0]) {
        int32_t year, month, day;
        char *at = last->text;

        qn_date_from_days(days, &year, &month, &day);
        at = put_padded(at, year, 4);
        *at++ = '-';
        at = put_padded(at, month, 2);
        *at++ = '-';
        at = put_padded(at, day, 2);
        *at++ = ',';
        last->days = days;
    }
    memcpy(out, last->text, 11);
    return out + 11;
}

/* ---- the job ---- */

typedef struct futures_job {
    qn_context *ctx;
    qn_rows_by_date *rows;
    qn_out_file *out;
    qn_rejects_file *rejects;
    date_text date;
    int64_t n_written;
} futures_job;

static qn_status collect(void *arg, int32_t thread, const qn_rating_row *row, int64_t n)
{
    const futures_job *job = arg;

    return qn_rows_by_date_add(job->ctx, job->rows, thread, row, n);
}

static qn_status write_rows(void *arg, const qn_rating_row *row, int64_t n)
{
    futures_job *job = arg;
    char text[64 * LINE_BYTES];
    char *at = text;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n; i++) {
        if (at > text + sizeof text - LINE_BYTES) {
            QN_TRY(qn_out_write(job->out, text, (size_t)(at - text)));
            at = text;
        }
        at = put_date(at, row[i].days, &job->date);
        at = put_number(at, row[i].user);
        *at++ = ',';
        at = put_number(at, row[i].movie);
        *at++ = ',';
        at = put_rating(at, row[i].rating);
        *at++ = '\n';
    }
    QN_TRY(qn_out_write(job->out, text, (size_t)(at - text)));
    job->n_written += n;
done:
    return st;
}

/* Where what does not fit in memory goes when no folder is named: beside the output. */
static qn_status scratch_folder(qn_context *ctx, const char *output, char **folder)
{
    const char *slash = strrchr(output, '/');
    qn_status st = QN_OK;

    if (ctx->scratch_dir)
        return qn_strdup(ctx, ctx->scratch_dir, folder);
    QN_TRY(qn_strdup(ctx, slash ? output : ".", folder));
    if (slash)
        (*folder)[slash == output ? 1 : slash - output] = '\0';
done:
    return st;
}

static qn_status open_outputs(futures_job *job, const qn_futures_options *options)
{
    static const char header[] = "DATE,CUST_ID,MOVIE_ID,RATING\n";
    qn_context *ctx = job->ctx;
    char *folder = NULL;
    qn_status st = QN_OK;

    if (options->rejects && strcmp(options->rejects, options->output) == 0)
        return qn_fail(ctx, QN_EINVAL, "--output and --rejects are the same file, %s",
                       options->output);
    QN_TRY(qn_out_open(ctx, options->output, options->overwrite, &job->out));
    QN_TRY(qn_out_write(job->out, header, sizeof header - 1));
    if (options->rejects)
        QN_TRY(qn_rejects_file_create(ctx, options->rejects, options->overwrite, &job->rejects));
    QN_TRY(scratch_folder(ctx, options->output, &folder));
    QN_TRY(qn_rows_by_date_create(ctx, qn_context_memory(ctx) / 2, folder, &job->rows));
done:
    qn_free(folder);
    return st;
}

static int64_t rows_dropped(const qn_rating_input_counts *counts)
{
    return counts->rows_read - counts->rows_delivered;
}

static qn_status check_bad_rows(qn_context *ctx, const qn_futures_options *options,
                                const qn_rating_input_counts *counts)
{
    const int64_t bad = rows_dropped(counts);

    if (options->max_bad_rows < 0 || bad <= options->max_bad_rows)
        return QN_OK;
    return qn_fail(ctx, QN_EDATA,
                   "%" PRId64 " of %" PRId64 " rows are bad, more than --max-bad-rows %" PRId64
                   " allows; the first: %s%s",
                   bad, counts->rows_read, options->max_bad_rows, counts->first,
                   options->rejects ? "" : "; --rejects FILE lists them");
}

static void emit_counts(qn_context *ctx, const qn_futures_result *r)
{
    char name[64];

    qn_emit_count(ctx, "rows_read", r->counts.rows_read);
    for (int32_t k = 0; k < QN_DROP_REASONS; k++)
        if (r->counts.dropped[k] > 0) {
            snprintf(name, sizeof name, "rows_dropped.%s", qn_drop_name((qn_drop_reason)k));
            qn_emit_count(ctx, name, r->counts.dropped[k]);
        }
    qn_emit_count(ctx, "rows_written", r->rows_written);
}

static qn_status run(futures_job *job, const qn_futures_options *options, qn_rating_input *input,
                     qn_futures_result *result)
{
    qn_context *ctx = job->ctx;
    const double start = qn_seconds();
    qn_status st = QN_OK;

    QN_TRY(qn_rating_input_read(ctx, input, false, job->rejects, collect, job, &result->counts));
    if (job->rejects) {
        QN_TRY(qn_rejects_file_section(ctx, job->rejects, input, NULL));
        QN_TRY(qn_rejects_file_commit(ctx, &job->rejects));
    }
    QN_TRY(check_bad_rows(ctx, options, &result->counts));
    result->read_s = qn_seconds() - start;
    QN_TRY(qn_rows_by_date_each(ctx, job->rows, write_rows, job));
    QN_TRY(qn_out_commit(&job->out));
    result->rows_written = job->n_written;
    result->write_s = qn_seconds() - start - result->read_s;
done:
    return st;
}

qn_status qn_futures_run(qn_context *ctx, const qn_futures_options *options,
                         const qn_rating_input_options *input, qn_futures_result *result)
{
    const double start = qn_seconds();
    const qn_span span = qn_job_start(ctx, "futures");
    futures_job job = {.ctx = ctx};
    qn_rating_input *opened = NULL;
    qn_status st = QN_OK;

    *result = (qn_futures_result){0};
    if (input->input.n == 0) {
        st = qn_fail(ctx, QN_EINVAL, "--input is missing: name a file of ratings");
        goto done;
    }
    QN_TRY(qn_rating_input_open(ctx, input, &opened));
    QN_TRY(open_outputs(&job, options));
    QN_TRY(run(&job, options, opened, result));
    result->total_s = qn_seconds() - start;
    emit_counts(ctx, result);
done:
    qn_span_end(ctx, &span, st, NULL);
    qn_rejects_file_abandon(&job.rejects);
    qn_out_abandon(&job.out);
    qn_rows_by_date_free(job.rows);
    qn_rating_input_free(opened);
    return st;
}
