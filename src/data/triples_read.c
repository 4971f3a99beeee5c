/* Reading: each thread takes splits, rows are kept by split as they come, ids become indices at the
 * end. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/reading.h"
#include "data/triples_columns.h"
#include "data/triples_impl.h"
#include "engine/comm.h"

typedef struct read_job {
    qn_context *ctx;
    const qn_ratings_options *options;
    qn_source *source;
    qn_rating_columns columns;
    qn_raw raw;
    qn_reading reading;
} read_job;

void qn_raw_release(qn_raw *raw)
{
    for (int64_t s = 0; raw->split && s < raw->n_splits; s++) {
        for (int32_t side = 0; side < 2; side++) {
            qn_free(raw->split[s].side[side].narrow);
            qn_free(raw->split[s].side[side].wide);
        }
        qn_free(raw->split[s].value);
        qn_free(raw->split[s].time);
    }
    qn_free(raw->split);
    for (int32_t side = 0; side < 2; side++) {
        for (int32_t t = 0; raw->texts[side] && t < raw->n_threads; t++)
            qn_text_set_release(&raw->texts[side][t]);
        qn_free(raw->texts[side]);
    }
    *raw = (qn_raw){0};
}

static int64_t split_number(const qn_context *ctx, int64_t local)
{
    return local * qn_size(ctx) + qn_rank(ctx);
}

/* Sets the room for rows to `capacity`; rows that are there stay. */
static qn_status set_capacity(read_job *job, qn_raw_split *split, int64_t capacity)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    for (int32_t side = 0; side < 2; side++) {
        if (split->side[side].wide)
            QN_GROW(ctx, split->side[side].wide, capacity, "ratings being read");
        else
            QN_GROW(ctx, split->side[side].narrow, capacity, "ratings being read");
    }
    QN_GROW(ctx, split->value, capacity, "ratings being read");
    if (job->columns.time >= 0)
        QN_GROW(ctx, split->time, capacity, "ratings being read");
    split->capacity = capacity;
done:
    return st;
}

static qn_status make_room(read_job *job, qn_raw_split *split, int64_t more)
{
    const int64_t needed = split->n + more;

    if (needed <= split->capacity)
        return QN_OK;
    return set_capacity(job, split, needed < 1024 ? 1024 : needed + needed / 2);
}

static qn_status widen(qn_context *ctx, qn_raw_split *split, int32_t side, int64_t n)
{
    qn_status st = QN_OK;
    qn_raw_ids *ids = &split->side[side];

    QN_NEW(ctx, ids->wide, split->capacity, "ratings being read");
    for (int64_t i = 0; i < n; i++)
        ids->wide[i] = ids->narrow[i];
    qn_free(ids->narrow);
    ids->narrow = NULL;
done:
    return st;
}

static qn_status take_numbers(qn_context *ctx, qn_raw_split *split, int32_t side,
                              const qn_column *column, int64_t n)
{
    qn_raw_ids *ids = &split->side[side];

    if (column->type == QN_INT32) {
        memcpy(ids->narrow + split->n, column->data, (size_t)n * sizeof *ids->narrow);
        return QN_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t id = ((const int64_t *)column->data)[i];

        if (!ids->wide && (id < INT32_MIN || id > INT32_MAX)) {
            const qn_status st = widen(ctx, split, side, split->n + i);

            if (st != QN_OK)
                return st;
        }
        if (ids->wide)
            ids->wide[split->n + i] = id;
        else
            ids->narrow[split->n + i] = (int32_t)id;
    }
    return QN_OK;
}

static qn_status take_texts(qn_context *ctx, qn_text_set *set, qn_raw_split *split, int32_t side,
                            const qn_column *column, int64_t n)
{
    qn_status st = QN_OK;

    for (int64_t i = 0; i < n; i++) {
        const char *text = (const char *)column->data + column->offsets[i];
        uint32_t number = 0;

        QN_TRY(
            qn_text_set_add(ctx, set, text, column->offsets[i + 1] - column->offsets[i], &number));
        split->side[side].narrow[split->n + i] = (int32_t)number;
    }
done:
    return st;
}

static void take_ratings(const read_job *job, qn_raw_split *split, const qn_batch *batch)
{
    const qn_column *column = job->columns.rating < 0 ? NULL : &batch->columns[job->columns.rating];
    float *out = split->value + split->n;

    for (int64_t i = 0; i < batch->n_rows; i++) {
        const double value = column ? ((const double *)column->data)[i] : 1.0;

        out[i] = (float)value + 0.0f; /* -0 becomes 0: one rating, one pattern of bits */
    }
}

static void take_times(qn_raw_split *split, const qn_column *column, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        split->time[split->n + i] =
            qn_is_valid(column, i) ? ((const int64_t *)column->data)[i] : QN_NO_TIME;
}

static qn_status take_batch(read_job *job, qn_raw_split *split, const qn_batch *batch)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY(make_room(job, split, batch->n_rows));
    for (int32_t side = 0; side < 2; side++) {
        const qn_column *column = &batch->columns[side];

        if (job->columns.type[side] == QN_ID_STRING)
            QN_TRY(take_texts(ctx, &job->raw.texts[side][split->thread], split, side, column,
                              batch->n_rows));
        else
            QN_TRY(take_numbers(ctx, split, side, column, batch->n_rows));
    }
    take_ratings(job, split, batch);
    if (job->columns.time >= 0)
        take_times(split, &batch->columns[job->columns.time], batch->n_rows);
    split->n += batch->n_rows;
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

static qn_status read_batches(read_job *job, qn_raw_split *split, int64_t number, qn_reader *reader)
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
        QN_TRY(take_batch(job, split, batch));
        qn_reading_rows(&job->reading, batch->n_rows);
    }
    qn_reading_split_done(&job->reading, number, rejects);
    QN_TRY(set_capacity(job, split, split->n));
done:
    return st;
}

static qn_status read_split(void *arg, int64_t local, int32_t thread)
{
    read_job *job = arg;
    const int64_t number = split_number(job->ctx, local);
    qn_raw_split *split = &job->raw.split[local];
    qn_reader *reader = NULL;
    qn_status st = QN_OK;

    split->thread = thread;
    QN_TRY(make_room(job, split, 1));
    QN_TRY(qn_source_open_split(job->ctx, job->source, number, job->columns.request, job->columns.n,
                                &reader));
    st = read_batches(job, split, number, reader);
done:
    qn_reader_close(reader);
    return st;
}

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

static qn_status open_source(read_job *job, bool want_time, bool need_time)
{
    qn_status st = qn_ratings_source_open(job->ctx, job->options, &job->source);

    if (st == QN_OK)
        st = qn_rating_columns_find(job->ctx, job->source, job->options, want_time, need_time,
                                    &job->columns);
    return st;
}

static qn_status prepare(read_job *job)
{
    qn_context *ctx = job->ctx;
    qn_raw *raw = &job->raw;
    qn_status st = QN_OK;

    raw->n_splits =
        (qn_source_n_splits(job->source) - qn_rank(ctx) + qn_size(ctx) - 1) / qn_size(ctx);
    job->reading.source = job->source;
    job->reading.n_splits = raw->n_splits;
    raw->n_threads = qn_context_threads(ctx);
    raw->with_time = job->columns.time >= 0;
    QN_NEW0(ctx, raw->split, raw->n_splits, "splits");
    for (int32_t side = 0; side < 2; side++) {
        raw->type[side] = job->columns.type[side];
        QN_NEW0(ctx, raw->texts[side], raw->n_threads, "text ids");
    }
done:
    return st;
}

/* Rows of each split get their place. */
static int64_t place_rows(qn_raw *raw)
{
    raw->n_rows = 0;
    for (int64_t s = 0; s < raw->n_splits; s++) {
        raw->split[s].first = raw->n_rows;
        raw->n_rows += raw->split[s].n;
    }
    return raw->n_rows;
}

typedef struct join_job {
    qn_raw *raw;
    qn_triples *triples;
} join_job;

static qn_status join_split(void *arg, int64_t s, int32_t thread)
{
    join_job *job = arg;
    qn_raw_split *split = &job->raw->split[s];

    (void)thread;
    if (split->n > 0) {
        memcpy(job->triples->value + split->first, split->value,
               (size_t)split->n * sizeof *split->value);
        if (job->raw->with_time)
            memcpy(job->triples->time + split->first, split->time,
                   (size_t)split->n * sizeof *split->time);
    }
    qn_free(split->value);
    qn_free(split->time);
    split->value = NULL;
    split->time = NULL;
    return QN_OK;
}

/* The values of all splits in one array, those of the splits freed on the way. */
static qn_status join_values(qn_context *ctx, qn_raw *raw, qn_triples *t)
{
    qn_status st = QN_OK;
    join_job job = {raw, t};

    QN_NEW(ctx, t->value, raw->n_rows, "ratings");
    if (raw->with_time)
        QN_NEW(ctx, t->time, raw->n_rows, "times of ratings");
    QN_TRY(qn_parallel(ctx, raw->n_splits, join_split, &job));
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

static qn_status read_all(read_job *job, bool want_time, bool need_time, qn_triples *t)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY_ALL(open_source(job, want_time, need_time));
    QN_TRY_ALL(prepare(job));
    QN_TRY_ALL(qn_parallel(ctx, job->raw.n_splits, read_split, job));
    t->n = place_rows(&job->raw);
    QN_TRY(join_counts(job, &t->counts));
    QN_TRY_ALL(check_not_empty(job, t));
    QN_TRY(qn_raw_index(ctx, &job->raw, 0, &t->users, &t->user));
    QN_TRY(qn_raw_index(ctx, &job->raw, 1, &t->items, &t->item));
    QN_TRY_ALL(join_values(ctx, &job->raw, t));
    emit_counts(ctx, t);
done:
    return st;
}

qn_status qn_triples_read(qn_context *ctx, const qn_ratings_options *options, bool want_time,
                          bool need_time, qn_triples **triples)
{
    read_job job = {.ctx = ctx, .options = options, .reading = {.ctx = ctx}};
    qn_status st = QN_OK;
    qn_triples *t = NULL;
    const qn_span span = qn_job_start(ctx, "load");
    qn_event totals = {0};

    *triples = NULL;
    qn_reading_init(&job.reading);
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&t, 1, sizeof *t, "ratings"));
    QN_TRY(read_all(&job, want_time, need_time, t));
    totals.rows = t->counts.rows_read;
    totals.bytes_read = t->counts.bytes_read;
    *triples = t;
    t = NULL;
done:
    qn_span_end(ctx, &span, st, &totals);
    qn_triples_free(t);
    qn_raw_release(&job.raw);
    qn_source_free(job.source);
    qn_reading_release(&job.reading);
    return st;
}
