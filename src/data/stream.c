#include "data/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"

/* Large enough that mapping costs nothing beside parsing, small enough that the windows of all
 * threads stay small beside the budget. */
#define WINDOW_BYTES ((size_t)2 << 20)

typedef struct range_stream {
    qn_stream base;
    const qn_source_file *file;
    int fd;
    int64_t end;
    void *map;
    size_t map_bytes;
} range_stream;

static void range_unmap(range_stream *r)
{
    if (r->map)
        munmap(r->map, r->map_bytes);
    r->map = NULL;
    r->base.data = NULL;
    r->base.n = 0;
}

static qn_status range_check_unchanged(qn_context *ctx, const range_stream *r)
{
    const qn_source_file *file = r->file;
    struct stat now;

    if (fstat(r->fd, &now) != 0)
        return qn_fail_errno(ctx, QN_EIO, errno, "%s: cannot be read", file->path);
    if (now.st_size != file->size || now.st_mtim.tv_sec != file->changed.tv_sec ||
        now.st_mtim.tv_nsec != file->changed.tv_nsec)
        return qn_fail(
            ctx, QN_EIO,
            "%s: was changed while it was being read (%lld bytes before, %lld now); wait "
            "until it is complete and start again",
            file->path, (long long)file->size, (long long)now.st_size);
    return QN_OK;
}

static qn_status range_fill(qn_context *ctx, qn_stream *stream, size_t used, size_t want)
{
    range_stream *r = (range_stream *)stream;
    const int64_t page = sysconf(_SC_PAGESIZE);
    const int64_t begin = stream->offset + (int64_t)used;
    const int64_t rest = r->end - begin;
    const size_t bytes = want > WINDOW_BYTES ? want : WINDOW_BYTES;
    const int64_t n = (int64_t)bytes < rest ? (int64_t)bytes : rest;
    const int64_t lead = begin % page;
    qn_status st = QN_OK;

    range_unmap(r);
    stream->offset = begin;
    stream->at_end = n == rest;
    QN_TRY(qn_check_cancel(ctx));
    QN_TRY(range_check_unchanged(ctx, r));
    if (n == 0)
        goto done;
    r->map_bytes = (size_t)(n + lead);
    void *map =
        mmap(NULL, r->map_bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, r->fd, begin - lead);
    if (map == MAP_FAILED) {
        st = qn_fail_errno(ctx, errno == ENOMEM ? QN_ENOMEM : QN_EIO, errno,
                           "%s: cannot be mapped at byte %lld", r->file->path, (long long)begin);
        goto done;
    }
    r->map = map;
    stream->data = (const char *)map + lead;
    stream->n = (size_t)n;
done:
    return st;
}

static void range_close(qn_stream *stream)
{
    range_stream *r = (range_stream *)stream;

    range_unmap(r);
    if (r->fd >= 0)
        close(r->fd);
    qn_free(r);
}

static const qn_stream_ops range_ops = {range_fill, range_close};

qn_status qn_stream_open_range(qn_context *ctx, const qn_source_file *file, int64_t begin,
                               int64_t end, qn_stream **stream)
{
    qn_status st = QN_OK;
    range_stream *r = NULL;

    *stream = NULL;
    QN_NEW0(ctx, r, 1, "reader of a file");
    r->base.ops = &range_ops;
    r->base.offset = begin;
    r->file = file;
    r->end = end;
    r->fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0) {
        st = qn_fail_errno(ctx, QN_EIO, errno, "%s: cannot be read", file->path);
        goto done;
    }
    posix_fadvise(r->fd, begin, end - begin, POSIX_FADV_SEQUENTIAL);
    *stream = &r->base;
    r = NULL;
done:
    if (r)
        range_close(&r->base);
    return st;
}

qn_status qn_stream_open(qn_context *ctx, const qn_source_file *file, qn_stream **stream)
{
    if (file->is_stream)
        return qn_stream_open_packed(ctx, file, stream);
    return qn_stream_open_range(ctx, file, 0, file->size, stream);
}
