#include "data/parquet.h"

#include "base/context.h"

static qn_status unavailable(qn_context *ctx, const char *path)
{
    return qn_fail(ctx, QN_EUNAVAILABLE,
                   "%s: Parquet and JSON are read and written by an optional module that is not "
                   "built; use CSV",
                   path);
}

qn_status qn_parquet_source_open(qn_context *ctx, const qn_source_options *options, qn_source **source)
{
    *source = NULL;
    return unavailable(ctx, options->path[0]);
}

qn_status qn_parquet_sink_open(qn_context *ctx, const qn_parquet_write *write,
                               const qn_schema *schema, qn_sink **sink)
{
    (void)schema;
    *sink = NULL;
    return unavailable(ctx, write->path);
}

qn_status qn_parquet_version(qn_context *ctx, const char **version)
{
    *version = NULL;
    return unavailable(ctx, "module");
}
