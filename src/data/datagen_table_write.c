#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/file.h"
#include "base/pool.h"
#include "data/datagen_table_impl.h"
#include "quern/sink.h"

#define CHUNK_VALUES      16384
#define CHUNK_ROWS        4096
#define CHUNKS_PER_THREAD 2
#define NUMBER_BYTES      19 /* "-9000000000.000000" and what ends it */
#define MOST_MILLIONTHS   9e15

/* Consecutive rows, made by one task. */
typedef struct chunk {
    int64_t first_row, n; /* of the whole table */
    double *value;        /* [n_values] of the row under way */
    int64_t *count;       /* [n_classes] */
    char *text;           /* of text formats */
    size_t length;
    void **column; /* of others: [n_fields] values of a column, each a block */
} chunk;

struct qn_gen_writer {
    qn_context *ctx;
    const qn_generator *generator;
    qn_gen_plan *plan;
    bool is_text;
    int64_t chunk_rows, n_chunks; /* n_chunks: of a half */
    chunk *chunk;                 /* [2 x n_chunks]: one half is made while the other is written */
    chunk *made, *ready;
    int64_t n_ready;
    uint32_t *list_end;      /* [chunk_rows + 1] offsets of a list column */
    qn_column *view;         /* [n_fields] */
    const qn_gen_file *file; /* under way */
    qn_out_file *out;
    qn_sink *sink;
};

int64_t qn_gen_millionths(double value)
{
    const double n = value * 1e6 + 0.5;
    int64_t whole;

    if (!(n > -MOST_MILLIONTHS && n < MOST_MILLIONTHS))
        return (int64_t)(n > 0.0 ? MOST_MILLIONTHS : -MOST_MILLIONTHS);
    whole = (int64_t)n; /* floor() is a call on the plainest processors */
    return whole - ((double)whole > n);
}

double qn_gen_round(double value)
{
    return (double)qn_gen_millionths(value) / 1e6;
}

/* -- text -------------------------------------------------------------------------------------- */

static char *put_two(char *out, uint32_t value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
    return out + 2;
}

static char *put_integer(char *out, int64_t value)
{
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char digits[20];
    int32_t n = 0;

    if (value < 0)
        *out++ = '-';
    for (; left > 9; left /= 10)
        digits[n++] = (char)('0' + left % 10);
    *out++ = (char)('0' + left);
    while (n > 0)
        *out++ = digits[--n];
    return out;
}

static char *put_number(char *out, double value)
{
    const int64_t n = qn_gen_millionths(value);
    const uint64_t size = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    const uint32_t rest = (uint32_t)(size % 1000000);

    if (n < 0)
        *out++ = '-';
    out = put_integer(out, (int64_t)(size / 1000000));
    *out++ = '.';
    out = put_two(out, rest / 10000);
    out = put_two(out, rest / 100 % 100);
    return put_two(out, rest % 100);
}

static void put_text_row(const qn_gen_plan *plan, chunk *c)
{
    char *out = c->text + c->length;

    for (int32_t i = 0; i < plan->n_fields; i++) {
        out = plan->field[i].type == QN_INT32 ? put_integer(out, (int64_t)c->value[i])
                                              : put_number(out, c->value[i]);
        *out++ = i + 1 < plan->n_fields ? ',' : '\n';
    }
    c->length = (size_t)(out - c->text);
}

static qn_status put_header(qn_context *ctx, const qn_gen_plan *plan, qn_out_file *out)
{
    qn_status st = QN_OK;

    for (int32_t i = 0; i < plan->n_fields; i++) {
        QN_TRY(qn_out_write(out, plan->field[i].name, strlen(plan->field[i].name)));
        QN_TRY(qn_out_write(out, i + 1 < plan->n_fields ? "," : "\n", 1));
    }
done:
    (void)ctx;
    return st;
}

/* -- columns ----------------------------------------------------------------------------------- */

static void put_column_row(const qn_gen_plan *plan, chunk *c, int64_t row)
{
    const double *value = c->value;

    for (int32_t i = 0; i < plan->n_fields; i++) {
        switch (plan->field[i].type) {
        case QN_INT32:
            ((int32_t *)c->column[i])[row] = (int32_t)*value++;
            break;
        case QN_DOUBLE_LIST:
            for (int32_t k = 0; k < QN_GEN_LIST; k++)
                ((double *)c->column[i])[row * QN_GEN_LIST + k] = qn_gen_round(*value++);
            break;
        default:
            ((double *)c->column[i])[row] = qn_gen_round(*value++);
        }
    }
}

static qn_status write_columns(qn_gen_writer *w, const chunk *c)
{
    const qn_gen_plan *plan = w->plan;
    const qn_batch batch = {.n_rows = c->n,
                            .n_columns = plan->n_fields,
                            .columns = w->view,
                            .first_row = c->first_row - w->file->first_row};

    for (int32_t i = 0; i < plan->n_fields; i++)
        w->view[i] =
            (qn_column){.type = plan->field[i].type,
                        .data = c->column[i],
                        .offsets = plan->field[i].type == QN_DOUBLE_LIST ? w->list_end : NULL};
    return qn_sink_write(w->ctx, w->sink, &batch);
}

/* -- chunks ------------------------------------------------------------------------------------ */

static void make_chunk(qn_gen_writer *w, chunk *c)
{
    const qn_gen_plan *plan = w->plan;

    c->length = 0;
    if (plan->n_classes > 0)
        memset(c->count, 0, (size_t)plan->n_classes * sizeof *c->count);
    for (int64_t r = 0; r < c->n; r++) {
        const int32_t class = w->generator->row(plan, w->file, c->first_row + r, c->value);

        if (plan->n_classes > 0)
            c->count[class]++;
        if (w->is_text)
            put_text_row(plan, c);
        else
            put_column_row(plan, c, r);
    }
}

/* The half that is ready, in the order of rows. */
static qn_status write_ready(qn_gen_writer *w)
{
    qn_gen_plan *plan = w->plan;
    qn_status st = QN_OK;

    for (int64_t i = 0; i < w->n_ready; i++) {
        const chunk *c = &w->ready[i];

        QN_TRY(w->is_text ? qn_out_write(w->out, c->text, c->length) : write_columns(w, c));
        for (int32_t k = 0; k < plan->n_classes; k++)
            plan->count[w->file->index * plan->n_classes + k] += c->count[k];
    }
done:
    return st;
}

/* Task 0 writes what is ready while the others make what comes next. */
static qn_status run_task(void *arg, int64_t task, int32_t thread)
{
    qn_gen_writer *w = arg;

    (void)thread;
    if (task == 0)
        return write_ready(w);
    make_chunk(w, &w->made[task - 1]);
    return QN_OK;
}

static void tell_progress(const qn_gen_writer *w, int64_t rows)
{
    const qn_gen_file *last = &w->plan->file[w->plan->n_files - 1];

    qn_emit(w->ctx, &(qn_event){.kind = QN_EVENT_PROGRESS,
                                .name = "generate",
                                .done = rows,
                                .total = last->first_row + last->rows,
                                .rows = rows});
}

static qn_status write_rows(qn_gen_writer *w)
{
    const int64_t end = w->file->first_row + w->file->rows;
    int64_t next = w->file->first_row;
    qn_status st = QN_OK;

    w->n_ready = 0;
    while (next < end || w->n_ready > 0) {
        int64_t n = 0;
        chunk *made = w->made;

        for (; n < w->n_chunks && next < end; n++) {
            made[n].first_row = next;
            made[n].n = end - next < w->chunk_rows ? end - next : w->chunk_rows;
            next += made[n].n;
        }
        QN_TRY(qn_parallel(w->ctx, 1 + n, run_task, w));
        w->made = w->ready;
        w->ready = made;
        w->n_ready = n;
        tell_progress(w, next);
    }
done:
    return st;
}

qn_status qn_gen_write_file(qn_context *ctx, qn_gen_writer *w, const qn_gen_file *file,
                            const char *path)
{
    const qn_gen_plan *plan = w->plan;
    const qn_schema schema = {plan->field, plan->n_fields, true};
    const qn_sink_options options = {.path = path, .format = QN_FORMAT_PARQUET};
    qn_status st = QN_OK;

    w->file = file;
    if (w->is_text) {
        QN_TRY(qn_out_open(ctx, path, false, &w->out));
        if (plan->has_header)
            QN_TRY(put_header(ctx, plan, w->out));
    } else {
        QN_TRY(qn_sink_open(ctx, &options, &schema, &w->sink));
    }
    QN_TRY(write_rows(w));
    st = w->is_text ? qn_out_commit(&w->out) : qn_sink_commit(ctx, &w->sink);
done:
    qn_out_abandon(&w->out);
    qn_sink_abandon(&w->sink);
    return st;
}

static qn_status chunk_open(qn_gen_writer *w, chunk *c)
{
    const qn_gen_plan *plan = w->plan;
    qn_context *ctx = w->ctx;
    qn_status st = QN_OK;

    QN_NEW(ctx, c->value, plan->n_values, "generated rows");
    QN_NEW(ctx, c->count, plan->n_classes, "rows of classes");
    if (w->is_text) {
        QN_NEW(ctx, c->text, w->chunk_rows * plan->n_fields * NUMBER_BYTES, "generated rows");
        goto done;
    }
    QN_NEW0(ctx, c->column, plan->n_fields, "generated rows");
    for (int32_t i = 0; i < plan->n_fields; i++) {
        const qn_type type = plan->field[i].type;
        const int64_t values = type == QN_DOUBLE_LIST ? QN_GEN_LIST : 1;

        QN_TRY(qn_alloc_array(ctx, &c->column[i], w->chunk_rows * values,
                              type == QN_INT32 ? sizeof(int32_t) : sizeof(double),
                              "generated rows"));
    }
done:
    return st;
}

qn_status qn_gen_writer_create(qn_context *ctx, const qn_generator *generator, qn_gen_plan *plan,
                               qn_gen_format format, qn_gen_writer **writer)
{
    qn_gen_writer *w = NULL;
    qn_status st = QN_OK;

    *writer = NULL;
    QN_NEW0(ctx, w, 1, "a table to generate");
    w->ctx = ctx;
    w->generator = generator;
    w->plan = plan;
    w->is_text = format == QN_GEN_CSV;
    w->chunk_rows = CHUNK_VALUES / plan->n_values;
    w->chunk_rows = w->chunk_rows < 1 ? 1 : w->chunk_rows > CHUNK_ROWS ? CHUNK_ROWS : w->chunk_rows;
    w->n_chunks = (int64_t)CHUNKS_PER_THREAD * qn_context_threads(ctx);
    QN_NEW0(ctx, w->chunk, 2 * w->n_chunks, "generated rows");
    for (int64_t i = 0; i < 2 * w->n_chunks; i++)
        QN_TRY(chunk_open(w, &w->chunk[i]));
    w->made = w->chunk;
    w->ready = w->chunk + w->n_chunks;
    QN_NEW(ctx, w->view, plan->n_fields, "generated rows");
    QN_NEW(ctx, w->list_end, w->chunk_rows + 1, "generated rows");
    for (int64_t r = 0; r <= w->chunk_rows; r++)
        w->list_end[r] = (uint32_t)(r * QN_GEN_LIST);
    *writer = w;
    w = NULL;
done:
    qn_gen_writer_free(w);
    return st;
}

static void chunk_close(const qn_gen_writer *w, chunk *c)
{
    for (int32_t i = 0; c->column && i < w->plan->n_fields; i++)
        qn_free(c->column[i]);
    qn_free(c->column);
    qn_free(c->text);
    qn_free(c->count);
    qn_free(c->value);
}

void qn_gen_writer_free(qn_gen_writer *w)
{
    if (!w)
        return;
    for (int64_t i = 0; w->chunk && i < 2 * w->n_chunks; i++)
        chunk_close(w, &w->chunk[i]);
    qn_free(w->chunk);
    qn_free(w->view);
    qn_free(w->list_end);
    qn_free(w);
}
