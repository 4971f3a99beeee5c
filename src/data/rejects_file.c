/* The rejects file. What readers tell comes by split, in the order of the file, and is kept as it
 * comes; rows that are lost later (duplicates, values out of range) come in any order, are sorted
 * in runs and found again by reading their splits. Both go to one unnamed file in scratch when
 * they are too many for memory. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"
#include "data/rejects_file_impl.h"

#define MEMORY_MOST    ((size_t)64 << 20)
#define MEMORY_LEAST   ((size_t)1 << 16)
#define FLUSH_BYTES    ((size_t)64 << 10)
#define TEXT_MOST      ((size_t)1000)
#define FIRST_CAPACITY 4096

/* ---- scratch ---- */

/* The unnamed file, made when it is first needed. The lock is held. */
static qn_status open_scratch(qn_rejects_file *r)
{
    qn_context *ctx = r->ctx;
    const char *folder = ctx->scratch_dir ? ctx->scratch_dir : r->folder;
    char *path;

    if (r->scratch >= 0)
        return QN_OK;
    path = qn_path_join(folder, ".quern-rejects-XXXXXX");
    if (!path)
        return qn_fail(ctx, QN_ENOMEM, "no memory for the name of a scratch file");
    r->scratch = mkostemp(path, O_CLOEXEC);
    if (r->scratch < 0) {
        const qn_status st = qn_fail_errno(ctx, QN_EIO, errno,
                                           "%s: cannot be made; name another "
                                           "folder with --scratch",
                                           path);
        free(path);
        return st;
    }
    unlink(path);
    free(path);
    return QN_OK;
}

/* Appends; *offset: where. The lock is held. */
static qn_status spill(qn_rejects_file *r, const void *bytes, size_t n, int64_t *offset)
{
    qn_status st = QN_OK;

    QN_TRY(open_scratch(r));
    *offset = r->scratch_bytes;
    for (size_t done = 0; done < n;) {
        const ssize_t more = pwrite(r->scratch, (const char *)bytes + done, n - done,
                                    (off_t)(r->scratch_bytes + (int64_t)done));

        if (more < 0 && errno != EINTR)
            return qn_fail_errno(r->ctx, QN_EIO, errno, "scratch file of rejected rows");
        done += more > 0 ? (size_t)more : 0;
    }
    r->scratch_bytes += (int64_t)n;
done:
    return st;
}

qn_status qn_rejects_file_load(qn_rejects_file *r, int64_t offset, void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        const ssize_t more =
            pread(r->scratch, (char *)bytes + done, n - done, (off_t)(offset + (int64_t)done));

        if (more == 0 || (more < 0 && errno != EINTR))
            return qn_fail_errno(r->ctx, QN_EIO, more == 0 ? EIO : errno,
                                 "scratch file of rejected rows");
        done += more > 0 ? (size_t)more : 0;
    }
    return QN_OK;
}

/* ---- what readers tell ---- */

/* Takes bytes over as a piece of their split. The lock is held. */
static qn_status add_piece(qn_rejects_file *r, int64_t split, const char *bytes, size_t n)
{
    reject_piece piece = {.split = split, .number = r->n_pieces, .n = n};
    qn_status st = QN_OK;

    if (r->n_pieces == r->piece_capacity) {
        const int64_t capacity = r->piece_capacity ? 2 * r->piece_capacity : 64;

        QN_GROW(r->ctx, r->piece, capacity, "pieces of rejected rows");
        r->piece_capacity = capacity;
    }
    if (r->piece_bytes + n > r->memory / 2) {
        QN_TRY(spill(r, bytes, n, &piece.offset));
    } else {
        QN_NEW(r->ctx, piece.bytes, (int64_t)n, "rejected rows");
        memcpy(piece.bytes, bytes, n);
        r->piece_bytes += n;
    }
    r->piece[r->n_pieces++] = piece;
done:
    return st;
}

static qn_status run_flush(qn_reject_run *run)
{
    qn_rejects_file *r = run->rejects;
    qn_status st = QN_OK;

    if (run->used == 0)
        return QN_OK;
    pthread_mutex_lock(&r->lock);
    st = add_piece(r, run->split, run->bytes, run->used);
    pthread_mutex_unlock(&r->lock);
    run->used = 0;
    return st;
}

static qn_status run_append(qn_reject_run *run, const reject_told *told, const char *text)
{
    const size_t n = sizeof *told + told->length;
    qn_status st = QN_OK;

    if (run->used + n > FLUSH_BYTES)
        QN_TRY(run_flush(run));
    if (run->used + n > run->capacity) {
        run->capacity = FLUSH_BYTES;
        QN_GROW(run->rejects->ctx, run->bytes, (int64_t)run->capacity, "rejected rows");
    }
    memcpy(run->bytes + run->used, told, sizeof *told);
    if (told->length > 0)
        memcpy(run->bytes + run->used + sizeof *told, text, told->length);
    run->used += n;
done:
    return st;
}

void qn_reject_run_tell(void *arg, qn_reject_kind kind, int32_t column,
                        const qn_record_place *place)
{
    qn_reject_run *run = arg;
    const bool is_long = place->length > TEXT_MOST;
    const reject_told told = {.offset = place->offset,
                              .line = place->line,
                              .length = (uint32_t)(is_long ? TEXT_MOST : place->length),
                              .reason = (uint8_t)qn_drop_of(kind),
                              .is_cut = is_long};

    (void)column;
    if (run->status == QN_OK)
        run->status = run_append(run, &told, place->text);
}

qn_status qn_reject_run_end(qn_reject_run *run)
{
    return run_flush(run);
}

void qn_reject_run_release(qn_reject_run *run)
{
    qn_free(run->bytes);
    *run = (qn_reject_run){0};
}

/* ---- rows that are lost later ---- */

int qn_reject_lost_compare(const void *a, const void *b)
{
    const uint64_t x = ((const reject_lost *)a)->row.origin;
    const uint64_t y = ((const reject_lost *)b)->row.origin;

    return x < y ? -1 : x > y;
}

/* Sorts what is in memory and puts it into scratch. The lock is held. */
static qn_status spill_lost(qn_rejects_file *r)
{
    reject_lost_run run = {.n = r->n_lost};
    qn_status st = QN_OK;

    if (r->n_lost_runs == r->lost_run_capacity) {
        const int64_t capacity = r->lost_run_capacity ? 2 * r->lost_run_capacity : 16;

        QN_GROW(r->ctx, r->lost_run, capacity, "runs of rejected rows");
        r->lost_run_capacity = capacity;
    }
    qsort(r->lost, (size_t)r->n_lost, sizeof *r->lost, qn_reject_lost_compare);
    QN_TRY(spill(r, r->lost, (size_t)r->n_lost * sizeof *r->lost, &run.offset));
    r->lost_run[r->n_lost_runs++] = run;
    r->n_lost = 0;
done:
    return st;
}

/* The lock is held. */
static qn_status add_lost(qn_rejects_file *r, const reject_lost *lost)
{
    const int64_t most = (int64_t)(r->memory / 2 / sizeof *r->lost);
    qn_status st = QN_OK;

    if (r->n_lost == most) {
        QN_TRY(spill_lost(r));
    } else if (r->n_lost == r->lost_capacity) {
        int64_t capacity = r->lost_capacity ? 2 * r->lost_capacity : FIRST_CAPACITY;

        capacity = capacity < most ? capacity : most;
        QN_GROW(r->ctx, r->lost, capacity, "rejected rows");
        r->lost_capacity = capacity;
    }
    r->lost[r->n_lost++] = *lost;
done:
    return st;
}

qn_status qn_rejects_file_lost(qn_rejects_file *rejects, qn_drop_reason reason,
                               const qn_rating_row *row)
{
    const reject_lost lost = {.row = *row, .reason = reason};
    qn_status st;

    pthread_mutex_lock(&rejects->lock);
    st = add_lost(rejects, &lost);
    pthread_mutex_unlock(&rejects->lock);
    return st;
}

qn_status qn_rejects_file_duplicate(qn_rejects_file *rejects, const qn_rating_row *row,
                                    const qn_rating_row *winner)
{
    (void)winner;
    return qn_rejects_file_lost(rejects, QN_DROP_DUPLICATE, row);
}

/* ---- life ---- */

void qn_rejects_file_clear(qn_rejects_file *r)
{
    for (int64_t i = 0; i < r->n_pieces; i++)
        qn_free(r->piece[i].bytes);
    r->n_pieces = 0;
    r->piece_bytes = 0;
    r->n_lost = 0;
    r->n_lost_runs = 0;
    if (r->scratch >= 0)
        close(r->scratch);
    r->scratch = -1;
    r->scratch_bytes = 0;
}

void qn_rejects_file_abandon(qn_rejects_file **rejects)
{
    qn_rejects_file *r = *rejects;

    *rejects = NULL;
    if (!r)
        return;
    qn_rejects_file_clear(r);
    qn_out_abandon(&r->out);
    qn_free(r->piece);
    qn_free(r->lost);
    qn_free(r->lost_run);
    qn_free(r->folder);
    pthread_mutex_destroy(&r->lock);
    qn_free(r);
}

/* A sixteenth of the budget, within bounds. */
static size_t memory_of(const qn_context *ctx)
{
    const size_t share = qn_context_memory(ctx) / 16;

    return share > MEMORY_MOST ? MEMORY_MOST : share < MEMORY_LEAST ? MEMORY_LEAST : share;
}

qn_status qn_rejects_file_create(qn_context *ctx, const char *path, bool overwrite,
                                 qn_rejects_file **rejects)
{
    static const char header[] = "file,line,reason,text\n";
    const char *slash = strrchr(path, '/');
    qn_rejects_file *r = NULL;
    qn_status st = QN_OK;

    *rejects = NULL;
    QN_NEW0(ctx, r, 1, "a rejects file");
    pthread_mutex_init(&r->lock, NULL);
    r->ctx = ctx;
    r->scratch = -1;
    r->memory = memory_of(ctx);
    QN_TRY(qn_strdup(ctx, slash ? path : ".", &r->folder));
    if (slash)
        r->folder[slash == path ? 1 : slash - path] = '\0';
    QN_TRY(qn_out_open(ctx, path, overwrite, &r->out));
    QN_TRY(qn_out_write(r->out, header, sizeof header - 1));
    *rejects = r;
    r = NULL;
done:
    qn_rejects_file_abandon(&r);
    return st;
}

qn_status qn_rejects_file_commit(qn_context *ctx, qn_rejects_file **rejects)
{
    qn_status st;

    (void)ctx;
    st = qn_out_commit(&(*rejects)->out);
    qn_rejects_file_abandon(rejects);
    return st;
}
