/* The entry of the module. */
#include "data/parquet_module.h"

#include "base/context.h"
#include "data/duckdb/coder.h"
#include "data/duckdb/duck.h"
#include "data/duckdb/sink.h"
#include "qn_layout.h"

/* "v1.5.5" -> "1.5.5" */
static const char *version(void)
{
    const char *text = duckdb_library_version();

    return *text == 'v' ? text + 1 : text;
}

static const qn_parquet_module module = {
    .stamp = QN_MODULE_STAMP(QN_PARQUET_MODULE_ABI),
    .version = version,
    .source_open = qn_duck_source_open,
    .sink_open = qn_duck_sink_open,
    .coder_open = qn_duck_coder_open,
};

const qn_parquet_module *qn_parquet_module_entry(void)
{
    return &module;
}
