#include "data/reading.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/source_impl.h"
#include "engine/comm.h"

qn_status qn_delimiter_parse(qn_context *ctx, const char *text, char *delimiter)
{
    *delimiter = '\0';
    if (!text || !text[0])
        return QN_OK;
    if (strcmp(text, "\\t") == 0 || strcmp(text, "tab") == 0)
        *delimiter = '\t';
    else if (text[1] == '\0')
        *delimiter = text[0];
    else
        return qn_fail(ctx, QN_EINVAL,
                       "--delimiter \"%s\" is not one character; for \"::\" use --format dat",
                       text);
    return QN_OK;
}

void qn_reading_init(qn_reading *reading)
{
    pthread_mutex_init(&reading->lock, NULL);
}

void qn_reading_release(qn_reading *reading)
{
    pthread_mutex_destroy(&reading->lock);
}

/* The lock is held. */
static void emit_progress(const qn_reading *reading)
{
    const int64_t bytes = qn_source_bytes(reading->source);
    qn_event event = {.kind = QN_EVENT_PROGRESS, .name = "load", .total = bytes};

    event.rank = qn_rank(reading->ctx);
    event.rows = reading->rows_done;
    event.done = (int64_t)((double)bytes * (double)reading->splits_done /
                           (double)(reading->n_splits > 0 ? reading->n_splits : 1));
    qn_emit(reading->ctx, &event);
}

void qn_reading_rows(qn_reading *reading, int64_t rows)
{
    pthread_mutex_lock(&reading->lock);
    reading->rows_done += rows;
    emit_progress(reading);
    pthread_mutex_unlock(&reading->lock);
}

static void note_rejects(qn_reading *reading, int64_t split, const qn_rejects *rejects)
{
    qn_bad_row *bad = reading->bad;

    for (int32_t k = 0; k < QN_REJECT_KINDS; k++)
        reading->rejects.count[k] += rejects->count[k];
    reading->rejects.total += rejects->total;
    for (int32_t e = 0; e < rejects->n_examples; e++) {
        int32_t at = reading->n_bad;

        while (at > 0 && bad[at - 1].split > split)
            at--;
        if (at == QN_REJECT_EXAMPLES)
            break;
        if (reading->n_bad < QN_REJECT_EXAMPLES)
            reading->n_bad++;
        memmove(&bad[at + 1], &bad[at], (size_t)(reading->n_bad - 1 - at) * sizeof *bad);
        bad[at] = (qn_bad_row){split, rejects->example[e]};
    }
}

void qn_reading_split_done(qn_reading *reading, int64_t split, const qn_rejects *rejects)
{
    pthread_mutex_lock(&reading->lock);
    note_rejects(reading, split, rejects);
    reading->splits_done++;
    emit_progress(reading);
    pthread_mutex_unlock(&reading->lock);
}

qn_status qn_reading_join(qn_reading *reading, int64_t *rows, qn_rejects *rejects)
{
    qn_context *ctx = reading->ctx;
    int64_t sums[2 + QN_REJECT_KINDS] = {reading->rows_done, reading->rejects.total};
    qn_bad_row *all = NULL;
    qn_status st = QN_OK;
    size_t bytes = 0;

    *rejects = (qn_rejects){0};
    memcpy(sums + 2, reading->rejects.count, sizeof reading->rejects.count);
    QN_TRY(qn_comm_sum_int64(ctx, sums, 2 + QN_REJECT_KINDS));
    QN_TRY(qn_comm_allgather(ctx, reading->bad, (size_t)reading->n_bad * sizeof *reading->bad,
                             (void **)&all, &bytes));
    *rows = sums[0];
    reading->n_bad = 0;
    for (int64_t i = 0; i < (int64_t)(bytes / sizeof *all); i++) { /* merges: each is ascending */
        const qn_rejects one = {.n_examples = 1, .example = {all[i].reject}};

        note_rejects(reading, all[i].split, &one);
    }
    rejects->total = sums[1];
    memcpy(rejects->count, sums + 2, sizeof rejects->count);
    for (int32_t i = 0; i < reading->n_bad; i++)
        rejects->example[i] = reading->bad[i].reject;
    rejects->n_examples = reading->n_bad;
done:
    qn_free(all);
    return st;
}

/* What an offset counts where there is no line: text that cannot be read again has bytes, a stream
 * of batches, which has no format, rows. */
static const char *place_word(const qn_source *source, int64_t line)
{
    const bool is_piped_text = source->is_once && source->format != QN_FORMAT_AUTO;

    return line > 0 ? "line" : is_piped_text ? "byte" : "row";
}

void qn_row_place(qn_context *ctx, qn_source *source, int64_t split,
                  const qn_column_request *request, int32_t n_columns, int64_t row, char *out,
                  size_t size)
{
    const char *path = qn_source_split_path(source, split);
    const int64_t offset = qn_source_row_offset(ctx, source, split, request, n_columns, row);
    const int64_t line = offset < 0 ? 0 : qn_source_line_number(ctx, source, split, offset);

    if (offset < 0)
        snprintf(out, size, "%s, row %" PRId64 " of split %" PRId64, path, row, split);
    else
        snprintf(out, size, "%s, %s %" PRId64, path, place_word(source, line),
                 line > 0 ? line : offset);
}

void qn_reject_value(const qn_source *source, const qn_column_request *request, int32_t n_columns,
                     const qn_reject *reject, char *out, size_t size)
{
    const int32_t c = reject->column < n_columns ? reject->column : -1;
    const char *name = c >= 0 ? qn_source_schema(source)->field[request[c].field].name : "";

    if (c < 0 && reject->kind == QN_REJECT_TYPE) /* of libsvm, which says which pair */
        snprintf(out, size, "%s", reject->text);
    else if (c < 0)
        snprintf(out, size, "%s row: %s", qn_reject_name(reject->kind), reject->text);
    else if (reject->kind == QN_REJECT_NULL)
        snprintf(out, size, "column %s: a value is missing", name);
    else if (reject->kind == QN_REJECT_TYPE)
        snprintf(out, size, "column %s: \"%s\" is not a number", name, reject->text);
    else if (reject->kind == QN_REJECT_RANGE)
        snprintf(out, size, "column %s: %s does not fit a value of type %s", name, reject->text,
                 qn_type_name(request[c].type));
    else
        snprintf(out, size, "column %s: %s: %s", name, qn_reject_name(reject->kind), reject->text);
}

void qn_reject_place(qn_context *ctx, const qn_source *source, int64_t split,
                     const qn_reject *reject, const char *value, char *out, size_t size)
{
    const int64_t line = qn_source_line_number(ctx, source, split, reject->offset);

    snprintf(out, size, "%s, %s %" PRId64 ": %s", qn_source_split_path(source, split),
             place_word(source, line), line > 0 ? line : reject->offset, value);
}
