/* Opens the Parquet module and hands on to it. */
#include "data/parquet.h"

#include "base/context.h"
#include "data/parquet_module.h"

static qn_status module_open(qn_context *ctx, const qn_parquet_module **module)
{
    static const qn_module_spec spec = {
        .file = QN_PARQUET_MODULE_FILE,
        .entry = QN_PARQUET_MODULE_ENTRY,
        .used_for = "Parquet and JSON",
        .advice = "\"make deps build\", which fetches and builds it, or CSV",
        .abi = QN_PARQUET_MODULE_ABI,
    };
    const void *description = NULL;
    const qn_status st = qn_module_open(ctx, &spec, &description);

    *module = description;
    return st;
}

qn_status qn_parquet_source_open(qn_context *ctx, const qn_source_options *options,
                                 qn_source **source)
{
    const qn_parquet_module *module;
    qn_status st;

    *source = NULL;
    st = module_open(ctx, &module);
    return st == QN_OK ? module->source_open(ctx, options, source) : st;
}

qn_status qn_parquet_sink_open(qn_context *ctx, const qn_parquet_write *write,
                               const qn_schema *schema, qn_sink **sink)
{
    const qn_parquet_module *module;
    qn_status st;

    *sink = NULL;
    st = module_open(ctx, &module);
    return st == QN_OK ? module->sink_open(ctx, write, schema, sink) : st;
}

qn_status qn_parquet_coder_open(qn_context *ctx, qn_parquet_coder **coder)
{
    const qn_parquet_module *module;
    qn_status st;

    *coder = NULL;
    st = module_open(ctx, &module);
    return st == QN_OK ? module->coder_open(ctx, coder) : st;
}

void qn_parquet_coder_close(qn_parquet_coder *coder)
{
    if (coder)
        coder->ops->close(coder);
}

qn_status qn_parquet_code(qn_context *ctx, qn_parquet_coder *coder, const qn_parquet_file *file,
                          qn_parquet_fill *fill, void *arg)
{
    return coder->ops->code(ctx, coder, file, fill, arg);
}

qn_status qn_parquet_decoder_open(qn_context *ctx, qn_parquet_coder *coder,
                                  const qn_parquet_file *file, qn_parquet_decoder **decoder)
{
    return coder->ops->decoder_open(ctx, coder, file, decoder);
}

qn_status qn_parquet_decoder_next(qn_context *ctx, qn_parquet_decoder *decoder,
                                  qn_parquet_rows *rows)
{
    return decoder->ops->decoder_next(ctx, decoder, rows);
}

void qn_parquet_decoder_close(qn_parquet_decoder *decoder)
{
    if (decoder)
        decoder->ops->decoder_close(decoder);
}

qn_status qn_parquet_version(qn_context *ctx, const char **version)
{
    const qn_parquet_module *module;
    const qn_status st = module_open(ctx, &module);

    *version = st == QN_OK ? module->version() : NULL;
    return st;
}
