#include "data/text_source.h"

#include "base/alloc.h"
#include "base/context.h"

#define SAMPLE_BYTES ((size_t)1 << 20)
#define LINE_LIMIT   ((int64_t)1 << 30) /* offsets inside a batch are 32 bits wide */

static void text_free(qn_source *source)
{
    qn_text_source *s = (qn_text_source *)source;

    qn_stream_close(s->waiting);
    for (int32_t i = 0; s->name && i < s->base.schema.n_fields; i++)
        qn_free(s->name[i]);
    qn_free(s->name);
    qn_free(s->field);
    qn_free(s->split);
    qn_file_list_release(&s->files);
    qn_free(s);
}

static int64_t text_n_splits(const qn_source *source)
{
    return ((const qn_text_source *)source)->n_splits;
}

static const char *text_split_path(const qn_source *source, int64_t split)
{
    const qn_text_source *s = (const qn_text_source *)source;

    return s->files.file[s->split[split].file].path;
}

static int64_t text_line_number(qn_context *ctx, const qn_source *source, int64_t split,
                                int64_t offset)
{
    const qn_text_source *s = (const qn_text_source *)source;
    const qn_source_file *file = &s->files.file[s->split[split].file];
    qn_stream *stream = NULL;
    int64_t line = 1;

    if (file->is_once || qn_stream_open(ctx, file, &stream) != QN_OK)
        return 0;
    for (size_t used = 0;;) {
        if (qn_stream_fill(ctx, stream, used, 1) != QN_OK) {
            line = 0;
            break;
        }
        const int64_t rest = offset - stream->offset;
        used = rest < (int64_t)stream->n ? (size_t)rest : stream->n;
        for (size_t i = 0; i < used; i++)
            line += stream->data[i] == '\n';
        if (used < stream->n || stream->at_end)
            break;
    }
    qn_stream_close(stream);
    return line;
}

static const qn_source_ops text_ops = {
    .free = text_free,
    .n_splits = text_n_splits,
    .split_path = text_split_path,
    .open_split = qn_text_reader_open,
    .line_number = text_line_number,
    .find_rows = qn_text_find_rows,
};

/* Looks at the first bytes of a file; the stream must live as long as the sample. */
static qn_status sample_file(qn_context *ctx, const qn_text_source *s, const qn_source_file *file,
                             qn_stream **stream, qn_text_sample *sample)
{
    qn_status st = QN_OK;

    *sample = (qn_text_sample){.path = file->path};
    QN_TRY(qn_stream_open(ctx, file, stream));
    QN_TRY(qn_stream_fill(ctx, *stream, 0, SAMPLE_BYTES));
    if ((*stream)->n > 0 && !(*stream)->at_end && !memchr((*stream)->data, '\n', (*stream)->n))
        QN_TRY(qn_stream_fill(ctx, *stream, 0, (size_t)s->dialect.max_line + 2));
    sample->text = (*stream)->data;
    sample->n = (*stream)->n;
    sample->is_whole = (*stream)->at_end;
    if (sample->n >= 3 && memcmp(sample->text, "\xef\xbb\xbf", 3) == 0) {
        sample->text += 3;
        sample->n -= 3;
    }
done:
    return st;
}

/* Packed files hold more than they weigh: fewer are guessed. */
static int64_t guess_rows(const qn_text_source *s, const qn_text_sample *sample)
{
    int64_t n_lines = sample->is_whole && sample->text[sample->n - 1] != '\n';

    for (size_t i = 0; i < sample->n; i++)
        n_lines += sample->text[i] == '\n';
    n_lines -= s->base.schema.has_names && n_lines > 0;
    return (int64_t)((double)s->files.bytes * (double)n_lines / (double)sample->n);
}

/* The first file that holds anything tells what all are. */
static qn_status sniff_files(qn_context *ctx, const qn_source_options *o, qn_text_source *s)
{
    qn_stream *stream = NULL;
    qn_text_sample sample = {0};
    qn_status st = QN_OK;

    for (int64_t f = 0; f < s->files.n && sample.n == 0; f++) {
        const qn_source_file *file = &s->files.file[f];

        QN_TRY(sample_file(ctx, s, file, &stream, &sample));
        if (sample.n > 0) {
            QN_TRY(qn_text_sniff(ctx, o, &sample, s));
            s->base.n_rows = guess_rows(s, &sample);
            if (file->is_once) {
                s->waiting = stream;
                stream = NULL;
            }
        }
        qn_stream_close(stream);
        stream = NULL;
    }
    if (sample.n == 0)
        st = qn_fail(ctx, QN_EDATA, "%s: %s", s->files.file[0].path,
                     s->files.n == 1 ? "is empty" : "and the files after it are empty");
done:
    qn_stream_close(stream);
    return st;
}

static qn_status check_options(qn_context *ctx, const qn_source_options *o)
{
    if (o->max_line_bytes < 0 || o->max_line_bytes > LINE_LIMIT)
        return qn_fail(ctx, QN_EINVAL, "the longest line may be at most %lld bytes, not %lld",
                       (long long)LINE_LIMIT, (long long)o->max_line_bytes);
    if (o->delimiter == '\n' || o->delimiter == '\r' || o->delimiter == '"')
        return qn_fail(ctx, QN_EINVAL, "a newline or a quote cannot be the delimiter");
    return QN_OK;
}

qn_status qn_text_source_open(qn_context *ctx, const qn_source_options *options,
                              qn_file_list *files, qn_source **source)
{
    qn_text_source *s = NULL;
    qn_status st = QN_OK;

    *source = NULL;
    QN_TRY(check_options(ctx, options));
    QN_NEW0(ctx, s, 1, "source of text");
    s->base.ops = &text_ops;
    s->files = *files;
    *files = (qn_file_list){0};
    s->base.bytes = s->files.bytes;
    s->split_bytes = options->split_bytes > 0 ? options->split_bytes : QN_TEXT_SPLIT;
    s->dialect.max_line = options->max_line_bytes > 0 ? options->max_line_bytes : QN_TEXT_MAX_LINE;
    for (int64_t f = 0; f < s->files.n; f++)
        s->base.is_once = s->base.is_once || s->files.file[f].is_once;
    QN_TRY(sniff_files(ctx, options, s));
    QN_TRY(qn_text_cut_splits(ctx, s));
    *source = &s->base;
    s = NULL;
done:
    if (s)
        text_free(&s->base);
    return st;
}
