/* Which sink a path or format names, and what all sinks share. */
#include <string.h>
#include <strings.h>

#include "base/context.h"
#include "data/parquet.h"
#include "data/sink_text.h"
#include "data/source_impl.h"

static qn_format format_of_path(const char *path)
{
    static const struct {
        const char *extension;
        qn_format format;
    } known[] = {{".csv", QN_FORMAT_CSV},         {".tsv", QN_FORMAT_TSV},
                 {".dat", QN_FORMAT_DAT},         {".json", QN_FORMAT_JSON},
                 {".jsonl", QN_FORMAT_JSON},      {".ndjson", QN_FORMAT_JSON},
                 {".parquet", QN_FORMAT_PARQUET}, {".txt", QN_FORMAT_CSV}};
    const char *dot = strrchr(path, '.');

    if (strcmp(path, "-") == 0)
        return QN_FORMAT_CSV;
    for (size_t i = 0; dot && i < sizeof known / sizeof *known; i++)
        if (strcasecmp(dot, known[i].extension) == 0)
            return known[i].format;
    return QN_FORMAT_AUTO;
}

qn_format qn_sink_format(const qn_sink_options *options)
{
    return options->format == QN_FORMAT_AUTO ? format_of_path(options->path) : options->format;
}

qn_status qn_sink_open(qn_context *ctx, const qn_sink_options *options, const qn_schema *schema,
                       qn_sink **sink)
{
    *sink = NULL;
    switch (qn_sink_format(options)) {
    case QN_FORMAT_CSV:
        return qn_delimited_sink_open(ctx, options, schema, ",", sink);
    case QN_FORMAT_TSV:
        return qn_delimited_sink_open(ctx, options, schema, "\t", sink);
    case QN_FORMAT_DAT:
        return qn_delimited_sink_open(ctx, options, schema, "::", sink);
    case QN_FORMAT_JSON:
        return qn_json_sink_open(ctx, options, schema, sink);
    case QN_FORMAT_PARQUET: {
        const qn_parquet_write write = {.path = options->path, .overwrite = options->overwrite};

        return qn_parquet_sink_open(ctx, &write, schema, sink);
    }
    default:
        return qn_fail(ctx, QN_EINVAL,
                       "%s: the name does not tell the format; use .csv, .tsv, .dat, .jsonl or "
                       ".parquet",
                       options->path);
    }
}

qn_status qn_sink_write(qn_context *ctx, qn_sink *sink, const qn_batch *batch)
{
    return sink->ops->write(ctx, sink, batch);
}

qn_status qn_sink_commit(qn_context *ctx, qn_sink **sink)
{
    qn_sink *s = *sink;

    *sink = NULL;
    return s->ops->commit(ctx, s);
}

void qn_sink_abandon(qn_sink **sink)
{
    qn_sink *s = *sink;

    *sink = NULL;
    if (s)
        s->ops->abandon(s);
}
