/* Many sorted runs as one: a heap of cursors, and as many rows at once as are in order. */
#include <errno.h>
#include <unistd.h>

#include "base/alloc.h"
#include "data/rating_rows_impl.h"

#define BUFFER_MIN ((size_t)6 << 10)
#define BUFFER_MAX ((size_t)384 << 10)
#define BUFFER_ALL ((size_t)16 << 20) /* of the runs of one part, while each has BUFFER_MIN */

/* A run in memory: block by block. */
static qn_status block_more(qn_context *ctx, qn_row_cursor *cursor)
{
    qn_row_block *block = cursor->source;

    (void)ctx;
    cursor->at = cursor->end = NULL;
    if (cursor->left > 0 && block) {
        cursor->at = block->row;
        cursor->end = block->row + (block->n < cursor->left ? block->n : cursor->left);
        cursor->left -= cursor->end - cursor->at;
        cursor->source = block->next;
    }
    return QN_OK;
}

/* A run in scratch. */
typedef struct file_run {
    int fd;
    int64_t offset, rows; /* still to be read */
    int64_t capacity;
    qn_rating_row row[];
} file_run;

static qn_status file_more(qn_context *ctx, qn_row_cursor *cursor)
{
    file_run *run = cursor->source;
    const int64_t n = run->rows < run->capacity ? run->rows : run->capacity;
    const size_t bytes = (size_t)n * sizeof *run->row;
    size_t done = 0;

    while (done < bytes) {
        const ssize_t got =
            pread(run->fd, (char *)run->row + done, bytes - done, run->offset + (off_t)done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return qn_fail_errno(ctx, QN_EIO, got < 0 ? errno : EIO,
                                 "cannot read %lld rows back from scratch", (long long)n);
        done += (size_t)got;
    }
    run->offset += (int64_t)bytes;
    run->rows -= n;
    cursor->at = run->row;
    cursor->end = run->row + n;
    return QN_OK;
}

static void file_close(qn_row_cursor *cursor)
{
    qn_free(cursor->source);
}

qn_status qn_row_merge_add(qn_context *ctx, qn_row_merge *merge, const qn_row_cursor *cursor)
{
    qn_row_cursor owned = *cursor;
    qn_status st = QN_OK;

    if (merge->n == merge->capacity) {
        QN_GROW(ctx, merge->cursor, 2 * merge->capacity + 4, "runs of rows");
        merge->capacity = 2 * merge->capacity + 4;
    }
    merge->cursor[merge->n++] = owned;
    owned.close = NULL;
done:
    if (owned.close)
        owned.close(&owned);
    return st;
}

static qn_status add_file(qn_context *ctx, qn_row_merge *merge, const qn_row_run *run)
{
    const int64_t fit = (int64_t)(merge->buffer_bytes / sizeof(qn_rating_row));
    const int64_t capacity = run->rows < fit ? run->rows : fit;
    file_run *source = NULL;
    qn_status st = QN_OK;

    QN_TRY(qn_alloc_array(ctx, (void **)&source, 1,
                          sizeof *source + (size_t)capacity * sizeof *source->row,
                          "a run of rows"));
    source->fd = run->fd;
    source->offset = run->offset;
    source->rows = run->rows;
    source->capacity = capacity;
    st = qn_row_merge_add(
        ctx, merge, &(qn_row_cursor){.more = file_more, .close = file_close, .source = source});
done:
    return st;
}

qn_status qn_row_merge_add_part(qn_context *ctx, qn_row_merge *merge, const qn_row_part *part)
{
    const int64_t n = part ? part->n_runs : 0;
    qn_status st = QN_OK;

    merge->buffer_bytes = (merge->room ? merge->room : BUFFER_ALL) / (size_t)(n > 0 ? n : 1);
    if (merge->buffer_bytes > BUFFER_MAX)
        merge->buffer_bytes = BUFFER_MAX;
    if (merge->buffer_bytes < BUFFER_MIN)
        merge->buffer_bytes = BUFFER_MIN;
    for (int64_t i = 0; i < n; i++) {
        const qn_row_run *run = &part->run[i];

        if (!run->block)
            QN_TRY(add_file(ctx, merge, run));
        else
            QN_TRY(qn_row_merge_add(
                ctx, merge,
                &(qn_row_cursor){.more = block_more, .source = run->block, .left = run->rows}));
    }
done:
    return st;
}

static bool before(const qn_row_merge *merge, int64_t a, int64_t b)
{
    return qn_row_key_less(merge->cursor[a].key, merge->cursor[b].key);
}

/* The cursor at `at` of the heap may be too low: it goes down to its place. */
static void sift(qn_row_merge *merge, int64_t at)
{
    int64_t *heap = merge->heap;
    const int64_t moved = heap[at];

    for (;;) {
        int64_t child = 2 * at + 1;

        if (child >= merge->n_heap)
            break;
        if (child + 1 < merge->n_heap && before(merge, heap[child + 1], heap[child]))
            child++;
        if (!before(merge, heap[child], moved))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

static qn_status refill(qn_context *ctx, qn_row_cursor *cursor, bool *is_done)
{
    qn_status st = QN_OK;

    if (cursor->at == cursor->end)
        QN_TRY(cursor->more(ctx, cursor));
    *is_done = cursor->at == cursor->end;
    if (!*is_done)
        cursor->key = qn_row_key_of(cursor->at);
done:
    return st;
}

qn_status qn_row_merge_start(qn_context *ctx, qn_row_merge *merge)
{
    qn_status st = QN_OK;

    QN_NEW(ctx, merge->heap, merge->n, "runs of rows");
    for (int64_t i = 0; i < merge->n; i++) {
        bool is_done;

        QN_TRY(refill(ctx, &merge->cursor[i], &is_done));
        if (!is_done)
            merge->heap[merge->n_heap++] = i;
    }
    for (int64_t i = merge->n_heap / 2 - 1; i >= 0; i--)
        sift(merge, i);
done:
    return st;
}

/* The lowest row that waits behind the first cursor; false: none. */
static bool second_key(const qn_row_merge *merge, qn_row_key *key)
{
    int64_t second = 1;

    if (merge->n_heap < 2)
        return false;
    if (merge->n_heap > 2 && before(merge, merge->heap[2], merge->heap[1]))
        second = 2;
    *key = merge->cursor[merge->heap[second]].key;
    return true;
}

/* Rows at hand that do not come after `limit`: the first one does not. Steps double, then halve, so
 * that long stretches cost little. */
static int64_t stretch(const qn_row_cursor *cursor, qn_row_key limit)
{
    const int64_t n = cursor->end - cursor->at;
    int64_t low = 1, high = 1; /* low rows are known to be in front */

    while (high < n && !qn_row_key_less(limit, qn_row_key_of(&cursor->at[high]))) {
        low = high + 1;
        high = 2 * high + 1;
    }
    high = high < n ? high : n;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;

        if (qn_row_key_less(limit, qn_row_key_of(&cursor->at[middle])))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

qn_status qn_row_merge_next(qn_context *ctx, qn_row_merge *merge, const qn_rating_row **row,
                            int64_t *n)
{
    qn_row_cursor *first;
    qn_row_key limit;
    qn_status st = QN_OK;

    *row = NULL;
    *n = 0;
    if (merge->used) {
        bool is_done;

        first = &merge->cursor[merge->heap[0]];
        first->at += merge->used;
        merge->used = 0;
        QN_TRY(refill(ctx, first, &is_done));
        if (is_done)
            merge->heap[0] = merge->heap[--merge->n_heap];
        if (merge->n_heap > 1)
            sift(merge, 0);
    }
    if (merge->n_heap == 0)
        goto done;
    first = &merge->cursor[merge->heap[0]];
    *row = first->at;
    *n = second_key(merge, &limit) ? stretch(first, limit) : first->end - first->at;
    merge->used = *n;
done:
    return st;
}

void qn_row_merge_release(qn_row_merge *merge)
{
    for (int64_t i = 0; i < merge->n; i++)
        if (merge->cursor[i].close)
            merge->cursor[i].close(&merge->cursor[i]);
    qn_free(merge->cursor);
    qn_free(merge->heap);
    *merge = (qn_row_merge){0};
}
