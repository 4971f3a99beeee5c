/* Bytes of a file in order, through a window that moves forward. Plain files are mapped window by
 * window, so that little of them is resident; packed files, pipes and standard input go through a
 * buffer. */
#ifndef QN_DATA_STREAM_H
#define QN_DATA_STREAM_H

#include "data/source_files.h"

typedef struct qn_stream qn_stream;

typedef struct qn_stream_ops {
    qn_status (*fill)(qn_context *ctx, qn_stream *stream, size_t used, size_t want);
    void (*close)(qn_stream *stream);
} qn_stream_ops;

struct qn_stream {
    const qn_stream_ops *ops;
    const char *data; /* the window; borrowed until the next fill */
    size_t n;
    int64_t offset; /* of data[0] in the file, after unpacking */
    bool at_end;    /* nothing comes after the window */
};

/* Bytes [begin, end) of a plain file. QN_EIO when the file is not the one that was listed any more:
 * a mapped file that shrinks would raise SIGBUS, so its size is looked at before each window is
 * mapped; only a cut within the moment in which a window is being read is not caught. */
qn_status qn_stream_open_range(qn_context *ctx, const qn_source_file *file, int64_t begin,
                               int64_t end, qn_stream **stream);
/* gzip, zstd, bzip2, xz, a zip with one member, a pipe or standard input. QN_EDATA: damaged or cut.
 */
qn_status qn_stream_open_packed(qn_context *ctx, const qn_source_file *file, qn_stream **stream);
/* One of the two, for the whole file. */
qn_status qn_stream_open(qn_context *ctx, const qn_source_file *file, qn_stream **stream);

/* Drops the first `used` bytes of the window and shows more; at least `want` bytes unless the end
 * comes first. The first call shows the first window. */
static inline qn_status qn_stream_fill(qn_context *ctx, qn_stream *stream, size_t used, size_t want)
{
    return stream->ops->fill(ctx, stream, used, want);
}
static inline void qn_stream_close(qn_stream *stream)
{
    if (stream)
        stream->ops->close(stream);
}

#endif
