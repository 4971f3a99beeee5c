#include "experiment/rows_source.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/source_impl.h"

#define BATCH_ROWS 4096
#define NAME_BYTES 12

typedef struct rows_source {
    qn_source base;
    int64_t n;
    int32_t d;
    const double *x;
    qn_field *field; /* [d] */
    char *names;     /* [d x NAME_BYTES] */
} rows_source;

typedef struct rows_reader {
    qn_reader base;
    const rows_source *source;
    const qn_column_request *request; /* copied */
    int32_t n_columns;
    int64_t next;
    double *values; /* [n_columns x BATCH_ROWS], floats where they are asked for */
    qn_column *column;
    qn_batch batch;
} rows_reader;

static void reader_close(qn_reader *reader)
{
    rows_reader *r = (rows_reader *)reader;

    qn_free((void *)r->request);
    qn_free(r->values);
    qn_free(r->column);
    qn_free(r);
}

static qn_status reader_next(qn_context *ctx, qn_reader *reader, const qn_batch **batch)
{
    rows_reader *r = (rows_reader *)reader;
    const rows_source *s = r->source;
    const int64_t left = s->n - r->next;
    const int64_t n = left < BATCH_ROWS ? left : BATCH_ROWS;

    (void)ctx;
    *batch = NULL;
    if (n == 0)
        return QN_OK;
    for (int32_t c = 0; c < r->n_columns; c++) {
        const double *from = s->x + r->next * s->d + r->request[c].field;
        double *to = r->values + (int64_t)c * BATCH_ROWS;

        for (int64_t i = 0; i < n; i++)
            if (r->request[c].type == QN_FLOAT)
                ((float *)(void *)to)[i] = (float)from[i * s->d];
            else
                to[i] = from[i * s->d];
        r->column[c] = (qn_column){.type = r->request[c].type, .data = to};
    }
    r->batch = (qn_batch){
        .n_rows = n, .n_columns = r->n_columns, .columns = r->column, .first_row = r->next};
    r->next += n;
    *batch = &r->batch;
    return QN_OK;
}

static const qn_reader_ops reader_ops = {.next = reader_next, .close = reader_close};

static qn_status open_split(qn_context *ctx, qn_source *source, int64_t split,
                            const qn_column_request *request, int32_t n_columns, qn_reader **reader)
{
    rows_reader *r = NULL;
    qn_column_request *copy = NULL;
    qn_status st = QN_OK;

    (void)split;
    *reader = NULL;
    for (int32_t c = 0; c < n_columns; c++)
        if (request[c].type != QN_DOUBLE && request[c].type != QN_FLOAT)
            return qn_fail(ctx, QN_EINTERNAL, "rows in memory are asked for as %s",
                           qn_type_name(request[c].type));
    QN_NEW0(ctx, r, 1, "a reader of rows");
    r->base.ops = &reader_ops;
    r->source = (const rows_source *)source;
    r->n_columns = n_columns;
    QN_NEW(ctx, copy, n_columns, "a reader of rows");
    for (int32_t c = 0; c < n_columns; c++)
        copy[c] = request[c];
    r->request = copy;
    QN_NEW(ctx, r->values, (int64_t)n_columns * BATCH_ROWS, "a batch of rows");
    QN_NEW(ctx, r->column, n_columns, "a batch of rows");
    *reader = &r->base;
    r = NULL;
done:
    if (r)
        reader_close(&r->base);
    return st;
}

static int64_t n_splits(const qn_source *source)
{
    (void)source;
    return 1;
}

static const char *split_path(const qn_source *source, int64_t split)
{
    (void)source;
    (void)split;
    return "the sample";
}

static int64_t line_number(qn_context *ctx, const qn_source *source, int64_t split, int64_t offset)
{
    (void)ctx;
    (void)source;
    (void)split;
    (void)offset;
    return 0;
}

static void source_free(qn_source *source)
{
    rows_source *s = (rows_source *)source;

    qn_free(s->field);
    qn_free(s->names);
    qn_free(s);
}

static const qn_source_ops source_ops = {.free = source_free,
                                         .n_splits = n_splits,
                                         .split_path = split_path,
                                         .open_split = open_split,
                                         .line_number = line_number};

qn_status qn_rows_source(qn_context *ctx, int64_t n, int32_t d, const double *x, qn_source **source)
{
    rows_source *s = NULL;
    qn_status st = QN_OK;

    *source = NULL;
    QN_NEW0(ctx, s, 1, "a source of rows");
    s->base.ops = &source_ops;
    s->n = n;
    s->d = d;
    s->x = x;
    QN_NEW(ctx, s->field, d, "a source of rows");
    QN_NEW(ctx, s->names, (int64_t)d * NAME_BYTES, "a source of rows");
    for (int64_t f = 0; f < d; f++) {
        char *name = s->names + f * NAME_BYTES;

        snprintf(name, NAME_BYTES, "%d", (int)f);
        s->field[f] = (qn_field){.name = name, .type = QN_DOUBLE};
    }
    s->base.schema = (qn_schema){.field = s->field, .n_fields = d};
    *source = &s->base;
    s = NULL;
done:
    if (s)
        source_free(&s->base);
    return st;
}
