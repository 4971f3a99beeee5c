/* What the columns of a table hold, in one pass: splits in any order on all threads, joined in
 * theirs, so that every figure has the same bits for any number of threads. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/reading.h"
#include "lifecycle/inspect.h"

typedef struct moments {
    int64_t n, missing;
    double min, max, mean, squares; /* squares: of the differences from the mean */
} moments;

typedef struct statistics {
    qn_context *ctx;
    qn_source *source;
    qn_inspect_result *result;
    qn_column_request *request; /* [n] */
    int32_t *column;            /* [n] of the result */
    int32_t n;
    int32_t label;     /* place in the request, -1: none */
    moments *of_split; /* [n_splits x n] */
    qn_reading reading;
} statistics;

/* Chan, Golub and LeVeque 1979. */
static void moments_join(moments *a, const moments *b)
{
    const double n = (double)(a->n + b->n), difference = b->mean - a->mean;

    a->missing += b->missing;
    if (b->n == 0)
        return;
    a->min = a->n == 0 || b->min < a->min ? b->min : a->min;
    a->max = a->n == 0 || b->max > a->max ? b->max : a->max;
    a->squares += b->squares + difference * difference * ((double)a->n * (double)b->n / n);
    a->mean += difference * ((double)b->n / n);
    a->n += b->n;
}

static bool is_number_at(const qn_column *column, int64_t row)
{
    return qn_is_valid(column, row) && isfinite(((const double *)column->data)[row]);
}

/* Of a batch's column; what is not finite counts as missing. */
static moments moments_take(const qn_column *column, int64_t n_rows)
{
    const double *value = column->data;
    moments m = {.min = INFINITY, .max = -INFINITY};
    double sum = 0;

    for (int64_t r = 0; r < n_rows; r++) {
        if (!is_number_at(column, r)) {
            m.missing++;
            continue;
        }
        m.n++;
        sum += value[r];
        m.min = value[r] < m.min ? value[r] : m.min;
        m.max = value[r] > m.max ? value[r] : m.max;
    }
    m.mean = m.n > 0 ? sum / (double)m.n : 0;
    for (int64_t r = 0; r < n_rows; r++)
        if (is_number_at(column, r))
            m.squares += (value[r] - m.mean) * (value[r] - m.mean);
    return m;
}

/* Place of `value` among the labels, ascending; made if it is new. -1: no room. */
static int32_t label_place(qn_inspect_result *r, double value)
{
    int32_t low = 0, high = r->n_labels;

    while (low < high) {
        const int32_t middle = (low + high) / 2;

        if (r->label_value[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < r->n_labels && r->label_value[low] == value)
        return low;
    if (r->n_labels == QN_INSPECT_VALUES)
        return -1;
    memmove(r->label_value + low + 1, r->label_value + low,
            (size_t)(r->n_labels - low) * sizeof *r->label_value);
    memmove(r->label_count + low + 1, r->label_count + low,
            (size_t)(r->n_labels - low) * sizeof *r->label_count);
    r->label_value[low] = value;
    r->label_count[low] = 0;
    r->n_labels++;
    return low;
}

static void count_labels(statistics *s, const qn_column *column, int64_t n_rows)
{
    qn_inspect_result *r = s->result;

    pthread_mutex_lock(&s->reading.lock);
    for (int64_t i = 0; i < n_rows && r->n_labels >= 0; i++) {
        int32_t place;

        if (!is_number_at(column, i))
            continue;
        place = label_place(r, ((const double *)column->data)[i]);
        if (place < 0)
            r->n_labels = -1;
        else
            r->label_count[place]++;
    }
    pthread_mutex_unlock(&s->reading.lock);
}

static qn_status read_split(void *arg, int64_t split, int32_t thread)
{
    statistics *s = arg;
    moments *mine = s->of_split + split * s->n;
    qn_context *ctx = s->ctx;
    const qn_batch *batch = NULL;
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    (void)thread;
    QN_TRY(qn_source_open_split(ctx, s->source, split, s->request, s->n, &reader));
    for (;;) {
        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_reader_next(ctx, reader, &batch));
        if (!batch)
            break;
        for (int32_t c = 0; c < s->n; c++) {
            const moments m = moments_take(&batch->columns[c], batch->n_rows);

            moments_join(&mine[c], &m);
        }
        if (s->label >= 0)
            count_labels(s, &batch->columns[s->label], batch->n_rows);
        qn_reading_rows(&s->reading, batch->n_rows);
    }
    qn_reading_split_done(&s->reading, split, qn_reader_rejects(reader));
done:
    qn_reader_close(reader);
    return st;
}

static bool is_number_type(qn_type type)
{
    return type == QN_INT32 || type == QN_INT64 || type == QN_FLOAT || type == QN_DOUBLE;
}

/* Every column of numbers, and the label. */
static qn_status plan(statistics *s, const char *label)
{
    const int32_t n_columns = s->result->n_columns;
    int32_t label_field = -1;
    qn_context *ctx = s->ctx;
    qn_status st = QN_OK;

    if (label) {
        QN_TRY(qn_source_column(ctx, s->source, label, &label_field));
        if (!is_number_type(s->result->column[label_field].type))
            return qn_fail(ctx, QN_EINVAL, "--label %s: its values are no numbers but %s", label,
                           qn_type_name(s->result->column[label_field].type));
        snprintf(s->result->label, sizeof s->result->label, "%s",
                 s->result->column[label_field].name);
    }
    QN_NEW0(ctx, s->request, n_columns, "columns");
    QN_NEW(ctx, s->column, n_columns, "columns");
    for (int32_t c = 0; c < n_columns; c++) {
        if (!is_number_type(s->result->column[c].type))
            continue;
        s->result->column[c].is_number = true;
        s->request[s->n] =
            (qn_column_request){.field = c, .type = QN_DOUBLE, .nullable = true, .lenient = true};
        if (c == label_field)
            s->label = s->n;
        s->column[s->n++] = c;
    }
done:
    return st;
}

/* The splits in their order. */
static void join(statistics *s, int64_t n_splits)
{
    for (int32_t c = 0; c < s->n; c++) {
        qn_inspect_column *column = &s->result->column[s->column[c]];
        moments all = {0};

        for (int64_t split = 0; split < n_splits; split++)
            moments_join(&all, &s->of_split[split * s->n + c]);
        column->n = all.n;
        column->missing = all.missing;
        column->min = all.n > 0 ? all.min : NAN;
        column->max = all.n > 0 ? all.max : NAN;
        column->mean = all.n > 0 ? all.mean : NAN;
        column->deviation = all.n > 1 ? sqrt(all.squares / (double)(all.n - 1)) : NAN;
    }
}

static qn_status take_counts(statistics *s)
{
    qn_inspect_result *r = s->result;
    qn_ratings_counts *counts = &r->counts;
    qn_status st = QN_OK;

    QN_TRY(qn_reading_join(&s->reading, &r->n_rows, &counts->rejects));
    counts->rows_read = r->n_rows;
    counts->rows_bad = counts->rejects.total - counts->rejects.n_kept;
    counts->bytes_read = r->bytes;
    if (s->reading.n_bad > 0) {
        const qn_bad_row *bad = &s->reading.bad[0];
        const qn_reject *reject = &bad->reject;
        char value[320];

        if (reject->column < 0)
            snprintf(value, sizeof value, "%s row: %s", qn_reject_name(reject->kind), reject->text);
        else
            snprintf(value, sizeof value, "column %s: \"%s\" is no number",
                     r->column[s->column[reject->column]].name, reject->text);
        qn_reject_place(s->ctx, s->source, bad->split, reject, value, counts->first_reject,
                        sizeof counts->first_reject);
    }
done:
    return st;
}

qn_status qn_inspect_statistics(qn_context *ctx, const qn_inspect_options *options,
                                qn_source *source, qn_inspect_result *result)
{
    statistics s = {.ctx = ctx, .source = source, .result = result, .label = -1};
    const int64_t n_splits = qn_source_n_splits(source);
    qn_status st = QN_OK;

    s.reading = (qn_reading){.ctx = ctx, .source = source, .n_splits = n_splits};
    qn_reading_init(&s.reading);
    QN_TRY(plan(&s, options->label));
    if (s.n == 0)
        goto done;
    QN_NEW0(ctx, s.of_split, n_splits * s.n, "statistics of splits");
    QN_TRY(qn_parallel(ctx, n_splits, read_split, &s));
    QN_TRY(take_counts(&s));
    join(&s, n_splits);
    result->has_statistics = true;
done:
    qn_reading_release(&s.reading);
    qn_free(s.of_split);
    qn_free(s.request);
    qn_free(s.column);
    return st;
}
