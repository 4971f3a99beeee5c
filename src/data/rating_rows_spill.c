/* Rows that memory has no room for: sorted, and written to a file of scratch that has no name, so
 * that it goes with the process. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/stage.h"
#include "data/rating_rows_pile.h"

qn_status qn_pile_room(qn_context *ctx, const qn_row_pile *pile, qn_pile_thread *thread)
{
    qn_status st = QN_OK;

    for (int32_t i = 0; i < 2; i++)
        if (!thread->room[i])
            QN_NEW(ctx, thread->room[i], pile->sort_rows, "rows being sorted");
done:
    return st;
}

void qn_pile_room_free(qn_pile_thread *thread)
{
    for (int32_t i = 0; i < 2; i++) {
        qn_free(thread->room[i]);
        thread->room[i] = NULL;
    }
}

static qn_status file_open(qn_context *ctx, const qn_row_pile *pile, qn_pile_thread *thread)
{
    const int planned = qn_write_planned(ctx);
    qn_string path = {0};

    if (!pile->scratch)
        return qn_fail(ctx, QN_ENOMEM,
                       "the rows need more than the %lld MB they may take, and there is no scratch "
                       "folder: raise --memory or give one",
                       (long long)(pile->memory >> 20));
    qn_string_addf(&path, "%s/quern-rows-XXXXXX", pile->scratch);
    if (path.failed) {
        qn_string_release(&path);
        return qn_fail(ctx, QN_ENOMEM, "no memory for a path");
    }
    free(thread->path);
    thread->path = path.text;
    if (planned)
        errno = planned;
    else
        thread->fd = mkostemp(thread->path, O_CLOEXEC);
    if (thread->fd < 0)
        return qn_fail_errno(ctx, QN_EIO, errno, "cannot make a scratch file in %s", pile->scratch);
    unlink(thread->path);
    return QN_OK;
}

static qn_status file_write(qn_context *ctx, qn_pile_thread *thread, const void *bytes, size_t n)
{
    const char *at = bytes;

    while (n > 0) {
        const int planned = qn_write_planned(ctx);
        const ssize_t put = planned ? -1 : write(thread->fd, at, n);

        if (put < 0 && !planned && errno == EINTR)
            continue;
        if (put <= 0)
            return qn_fail_write(ctx,
                                 planned   ? planned
                                 : put < 0 ? errno
                                           : EIO,
                                 thread->path, (double)thread->file_bytes);
        at += put;
        n -= (size_t)put;
        thread->file_bytes += put;
    }
    return QN_OK;
}

static qn_status spill_run(qn_context *ctx, qn_pile_thread *thread, int32_t part,
                           qn_row_block *list, int64_t n)
{
    const qn_pile_spilled run = {part, thread->file_bytes, n};
    qn_status st = QN_OK;

    qn_rows_sort(list, n, thread->room);
    for (int64_t at = 0; at < n; at += list->n, list = list->next)
        QN_TRY(file_write(ctx, thread, list->row, (size_t)list->n * sizeof *list->row));
    if (thread->n_spilled == thread->spilled_capacity) {
        QN_GROW(ctx, thread->spilled, 2 * thread->spilled_capacity + 64, "runs of rows");
        thread->spilled_capacity = 2 * thread->spilled_capacity + 64;
    }
    thread->spilled[thread->n_spilled++] = run;
done:
    return st;
}

/* As many rows at once as there is room to sort. */
static qn_status spill_part(qn_context *ctx, const qn_row_pile *pile, qn_pile_thread *thread,
                            const qn_pile_part *part)
{
    qn_status st = QN_OK;

    for (qn_row_block *list = part->first, *next; list; list = next) {
        int64_t n = 0;

        for (next = list; next && n + next->n <= pile->sort_rows; next = next->next)
            n += next->n;
        QN_TRY(spill_run(ctx, thread, part->part, list, n));
    }
done:
    return st;
}

qn_status qn_pile_spill(qn_context *ctx, qn_row_pile *pile, qn_pile_thread *thread)
{
    qn_status st = QN_OK;

    QN_TRY(qn_check_cancel(ctx));
    if (thread->fd < 0)
        QN_TRY(file_open(ctx, pile, thread));
    QN_TRY(qn_pile_room(ctx, pile, thread));
    for (int64_t i = 0; i < thread->n_parts; i++) {
        qn_pile_part *part = &thread->part[i];

        if (!part->first)
            continue;
        QN_TRY(spill_part(ctx, pile, thread, part));
        part->last->next = thread->idle;
        thread->idle = part->first;
        part->first = part->last = NULL;
    }
done:
    return st;
}
