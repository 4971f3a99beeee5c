#include "data/fill.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/fill_column.h"

#define BATCH_ROWS ((int64_t)65536)
/* Texts and lists: a batch ends early, so that wide rows do not fill the memory. */
#define BATCH_BYTES ((int64_t)4 << 20)

qn_status qn_fill_init(qn_context *ctx, qn_fill *fill, const qn_column_request *request,
                       int32_t n_columns, qn_reader *reader)
{
    qn_status st = QN_OK;

    fill->reader = reader;
    QN_NEW0(ctx, fill->column, n_columns, "columns being read");
    fill->n_columns = n_columns;
    QN_NEW0(ctx, fill->view, n_columns, "columns being read");
    for (int32_t i = 0; i < n_columns; i++)
        QN_TRY(qn_fill_column_init(ctx, &fill->column[i], &request[i], BATCH_ROWS));
done:
    return st;
}

void qn_fill_release(qn_fill *fill)
{
    for (int32_t i = 0; i < fill->n_columns; i++)
        qn_fill_column_release(&fill->column[i]);
    qn_free(fill->column);
    qn_free(fill->view);
    fill->column = NULL;
    fill->view = NULL;
    fill->n_columns = 0;
}

void qn_fill_start(qn_fill *fill)
{
    for (int32_t i = 0; i < fill->n_columns; i++) {
        fill->column[i].used = 0;
        fill->column[i].has_null = false;
    }
    fill->n_rows = 0;
}

/* A row, or with `is_kept` a value of a row that stays. */
static void add_reject(qn_fill *fill, const qn_run *run, const char *what, qn_reject_kind kind,
                       int32_t column, int64_t i, bool is_kept)
{
    qn_reader *reader = fill->reader;
    char text[QN_REJECT_TEXT];
    size_t length = (size_t)snprintf(text, sizeof text, "%s", column < 0 ? what : "");

    if (column >= 0 && (reader->on_reject || reader->rejects.n_examples < QN_REJECT_EXAMPLES))
        length = qn_fill_value_text(&fill->column[column], &run[column], i, text);
    if (is_kept)
        qn_reject_add(&reader->rejects, kind, column, fill->next_row + i, text, length);
    else
        qn_reader_reject(reader, kind, column, fill->next_row + i, text, length);
}

/* In the order of the rows; in a row the kept values come first. */
static void count_rejects(qn_fill *fill, const qn_run *run, const char *what, int64_t n)
{
    int32_t k = 0;

    for (int64_t i = 0; i < n; i++) {
        const qn_verdict *verdict = &fill->verdict[i];

        for (; k < fill->n_kept && fill->kept[k].i == i; k++)
            add_reject(fill, run, what, fill->kept[k].kind, fill->kept[k].column, i, true);
        if (verdict->reject)
            add_reject(fill, run, what, (qn_reject_kind)(verdict->reject - 1), verdict->column, i,
                       false);
    }
}

/* Counts a kept value, here if it is not among the first of the run: those count_rejects adds. */
static void note_kept(qn_fill *fill, qn_kept_value value)
{
    qn_rejects *rejects = &fill->reader->rejects;
    int32_t at = fill->n_kept;

    rejects->n_kept++;
    while (at > 0 && fill->kept[at - 1].i > value.i)
        at--;
    if (fill->n_kept == QN_REJECT_EXAMPLES) {
        const qn_reject_kind out =
            at == fill->n_kept ? value.kind : fill->kept[fill->n_kept - 1].kind;

        rejects->count[out]++;
        rejects->total++;
        if (at == fill->n_kept)
            return;
        fill->n_kept--;
    }
    memmove(&fill->kept[at + 1], &fill->kept[at], (size_t)(fill->n_kept - at) * sizeof *fill->kept);
    fill->kept[at] = value;
    fill->n_kept++;
}

/* What the lenient column found bad becomes missing. */
static void keep_rows(qn_fill *fill, int32_t column, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (!fill->own[i].reject || fill->verdict[i].reject)
            continue;
        qn_fill_column_drop(&fill->column[column], fill->n_rows + i);
        note_kept(fill, (qn_kept_value){i, column, (qn_reject_kind)(fill->own[i].reject - 1)});
    }
}

static qn_status append_column(qn_context *ctx, qn_fill *fill, int32_t number, const qn_run *run,
                               int64_t n)
{
    qn_fill_column *column = &fill->column[number];
    const bool is_lenient = column->lenient && qn_fill_column_can_reject(column);
    qn_status st;

    if (is_lenient)
        memset(fill->own, 0, sizeof fill->own);
    st = qn_fill_column_append(ctx, column, number, run, fill->n_rows, n,
                               is_lenient ? fill->own : fill->verdict);
    if (st == QN_OK && is_lenient)
        keep_rows(fill, number, n);
    return st;
}

qn_status qn_fill_rows(qn_context *ctx, qn_fill *fill, const qn_run *run, const bool *malformed,
                       const char *what, int64_t n)
{
    int64_t n_bad = 0;
    qn_status st = QN_OK;

    memset(fill->verdict, 0, sizeof fill->verdict);
    fill->n_kept = 0;
    for (int64_t i = 0; malformed && i < n; i++)
        if (malformed[i])
            fill->verdict[i] = (qn_verdict){QN_REJECT_MALFORMED + 1, -1};
    for (int32_t i = 0; i < fill->n_columns; i++)
        QN_TRY(append_column(ctx, fill, i, &run[i], n));
    for (int64_t i = 0; i < n; i++)
        n_bad += fill->verdict[i].reject != 0;
    if (n_bad || fill->n_kept)
        count_rejects(fill, run, what, n);
    for (int32_t i = 0; n_bad && i < fill->n_columns; i++)
        qn_fill_column_compact(&fill->column[i], fill->n_rows, n, fill->verdict);
    fill->next_row += n;
    fill->n_rows += n - n_bad;
done:
    return st;
}

bool qn_fill_has_room(const qn_fill *fill)
{
    int64_t bytes = 0;

    for (int32_t i = 0; i < fill->n_columns; i++)
        bytes += fill->column[i].used * (int64_t)fill->column[i].width;
    return fill->n_rows + QN_FILL_RUN <= BATCH_ROWS && bytes < BATCH_BYTES;
}

const qn_batch *qn_fill_end(qn_fill *fill)
{
    for (int32_t i = 0; i < fill->n_columns; i++)
        fill->view[i] = qn_fill_column_view(&fill->column[i]);
    fill->batch = (qn_batch){fill->n_rows, fill->n_columns, fill->view, fill->delivered};
    fill->delivered += fill->n_rows;
    return &fill->batch;
}
