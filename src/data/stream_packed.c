#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/stream.h"

#define BUFFER_BYTES ((size_t)1 << 20)
#define READ_BYTES   ((size_t)64 << 10)

typedef struct packed_stream {
    qn_stream base;
    const qn_source_file *file;
    struct archive *archive;
    char *buffer;
    size_t capacity;
} packed_stream;

static const char *packed_name(const packed_stream *p)
{
    return strcmp(p->file->path, "-") == 0 ? "standard input" : p->file->path;
}

/* What libarchive says, with the place after unpacking. */
static qn_status packed_fail(qn_context *ctx, const packed_stream *p)
{
    const int error = archive_errno(p->archive);
    const char *text = archive_error_string(p->archive);
    const long long offset = (long long)(p->base.offset + (int64_t)p->base.n);
    const qn_status st = error == ENOMEM                                     ? QN_ENOMEM
                         : error == EIO || error == EISDIR || error == EBADF ? QN_EIO
                                                                             : QN_EDATA;

    return qn_fail(
        ctx, st,
        "%s: damaged or cut short at byte %lld of the unpacked text: %s; fetch or pack it "
        "again",
        packed_name(p), offset, text ? text : "unknown format");
}

/* At the end of a member: a second one (zip) would be lost without a word. */
static qn_status packed_check_last(qn_context *ctx, const packed_stream *p)
{
    struct archive_entry *entry;
    const int result = archive_read_next_header(p->archive, &entry);

    if (result == ARCHIVE_EOF)
        return QN_OK;
    if (result < ARCHIVE_WARN)
        return packed_fail(ctx, p);
    return qn_fail(ctx, QN_EDATA, "%s: holds more than one file; unpack it and give the folder",
                   packed_name(p));
}

static qn_status packed_fill(qn_context *ctx, qn_stream *stream, size_t used, size_t want)
{
    packed_stream *p = (packed_stream *)stream;
    qn_status st = QN_OK;

    memmove(p->buffer, p->buffer + used, stream->n - used);
    stream->n -= used;
    stream->offset += (int64_t)used;
    if (want > p->capacity) {
        QN_GROW(ctx, p->buffer, (int64_t)want, "buffer of a packed file");
        p->capacity = want;
    }
    while (stream->n < p->capacity && !stream->at_end) {
        const size_t room = p->capacity - stream->n;

        QN_TRY(qn_check_cancel(ctx));
        const la_ssize_t n = archive_read_data(p->archive, p->buffer + stream->n,
                                               room < READ_BYTES ? room : READ_BYTES);
        if (n < 0) {
            st = packed_fail(ctx, p);
            goto done;
        }
        if (n == 0) {
            QN_TRY(packed_check_last(ctx, p));
            stream->at_end = true;
        }
        stream->n += (size_t)n;
    }
done:
    stream->data = p->buffer;
    return st;
}

static void packed_close(qn_stream *stream)
{
    packed_stream *p = (packed_stream *)stream;

    if (p->archive)
        archive_read_free(p->archive);
    qn_free(p->buffer);
    qn_free(p);
}

static const qn_stream_ops packed_ops = {packed_fill, packed_close};

static qn_status packed_open_archive(qn_context *ctx, packed_stream *p)
{
    struct archive_entry *entry;
    struct archive *a = archive_read_new();

    if (!a)
        return qn_fail(ctx, QN_ENOMEM, "%s: no memory to unpack it", packed_name(p));
    p->archive = a;
    archive_read_support_filter_gzip(a);
    archive_read_support_filter_zstd(a);
    archive_read_support_filter_bzip2(a);
    archive_read_support_filter_xz(a);
    archive_read_support_format_zip_streamable(a);
    archive_read_support_format_raw(a);
    archive_read_support_format_empty(a);
    const int opened = strcmp(p->file->path, "-") == 0
                           ? archive_read_open_fd(a, STDIN_FILENO, READ_BYTES)
                           : archive_read_open_filename(a, p->file->path, READ_BYTES);
    if (opened < ARCHIVE_WARN)
        return packed_fail(ctx, p);
    const int header = archive_read_next_header(a, &entry);
    if (header == ARCHIVE_EOF)
        p->base.at_end = true;
    else if (header < ARCHIVE_WARN)
        return packed_fail(ctx, p);
    return QN_OK;
}

qn_status qn_stream_open_packed(qn_context *ctx, const qn_source_file *file, qn_stream **stream)
{
    qn_status st = QN_OK;
    packed_stream *p = NULL;

    *stream = NULL;
    QN_NEW0(ctx, p, 1, "reader of a packed file");
    p->base.ops = &packed_ops;
    p->file = file;
    p->capacity = BUFFER_BYTES;
    QN_NEW(ctx, p->buffer, BUFFER_BYTES, "buffer of a packed file");
    QN_TRY(packed_open_archive(ctx, p));
    *stream = &p->base;
    p = NULL;
done:
    if (p)
        packed_close(&p->base);
    return st;
}
