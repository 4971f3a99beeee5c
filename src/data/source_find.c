/* Finds rows again in sources whose rows have numbers: those that were rejected are passed over. */
#include "base/alloc.h"
#include "base/context.h"
#include "data/source_impl.h"

/* Rejects that the reader told of with the batch that it is about to give. */
typedef struct row_gaps {
    qn_context *ctx;
    int64_t *offset; /* ascending */
    int64_t n, capacity;
    qn_status status;
} row_gaps;

static void note_gap(void *arg, qn_reject_kind kind, int32_t column, const qn_record_place *place)
{
    row_gaps *gaps = arg;

    (void)kind;
    (void)column;
    if (gaps->status == QN_OK && gaps->n == gaps->capacity) {
        const int64_t capacity = 2 * gaps->capacity + 64;

        gaps->status = qn_realloc_array(gaps->ctx, (void **)&gaps->offset, capacity,
                                        sizeof *gaps->offset, "places of bad rows");
        gaps->capacity = gaps->status == QN_OK ? capacity : gaps->capacity;
    }
    if (gaps->status == QN_OK)
        gaps->offset[gaps->n++] = place->offset;
}

typedef struct row_walk {
    int64_t row, offset; /* the next row that was delivered may stand here */
    int64_t wanted;      /* -1: no more */
    bool has_lines;
    qn_on_row *on_row;
    void *arg;
} row_walk;

/* Over the rows of a batch and the gaps between them. */
static void walk_batch(row_walk *walk, int64_t end, const row_gaps *gaps)
{
    for (int64_t g = 0; walk->row < end || g < gaps->n; walk->offset++) {
        if (g < gaps->n && gaps->offset[g] == walk->offset) {
            g++;
            continue;
        }
        if (walk->row == walk->wanted) {
            const qn_record_place place = {.offset = walk->offset,
                                           .line = walk->has_lines ? walk->offset + 1 : 0};
            const int64_t next = walk->on_row(walk->arg, walk->row, &place);

            walk->wanted = next > walk->row ? next : -1;
        }
        walk->row++;
    }
}

static qn_status find_by_number(qn_context *ctx, qn_source *source, int64_t split,
                                const qn_column_request *request, int32_t n_columns, row_walk *walk)
{
    row_gaps gaps = {.ctx = ctx};
    qn_reader *reader = NULL;
    const qn_batch *batch = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_source_open_split(ctx, source, split, request, n_columns, &reader));
    qn_reader_on_reject(reader, note_gap, &gaps);
    do {
        gaps.n = 0;
        QN_TRY(qn_reader_next(ctx, reader, &batch));
        QN_TRY(gaps.status);
        if (batch)
            walk_batch(walk, walk->row + batch->n_rows, &gaps);
    } while (batch && walk->wanted >= 0);
done:
    qn_reader_close(reader);
    qn_free(gaps.offset);
    return st;
}

qn_status qn_source_find_rows(qn_context *ctx, qn_source *source, int64_t split,
                              const qn_column_request *request, int32_t n_columns, int64_t first,
                              qn_on_row *on_row, void *arg)
{
    row_walk walk = {.wanted = first,
                     .has_lines = source->format == QN_FORMAT_JSON,
                     .on_row = on_row,
                     .arg = arg};

    if (source->ops->find_rows)
        return source->ops->find_rows(ctx, source, split, request, n_columns, first, on_row, arg);
    if (source->ops->row_offset)
        walk.offset = source->ops->row_offset(ctx, source, split, request, n_columns, 0);
    return find_by_number(ctx, source, split, request, n_columns, &walk);
}
