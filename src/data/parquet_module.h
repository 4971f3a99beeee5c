/* Between data/parquet.c, which opens the module on first use, and src/data/duckdb/, which it is
 * made of. Both come from one build: base/module.h. */
#ifndef QN_DATA_PARQUET_MODULE_H
#define QN_DATA_PARQUET_MODULE_H

#include "base/module.h"
#include "data/parquet.h"

#define QN_PARQUET_MODULE_FILE  "libquern_duckdb.so"
#define QN_PARQUET_MODULE_ENTRY "qn_parquet_module_entry"
#define QN_PARQUET_MODULE_ABI   4 /* goes up when this struct changes */

typedef struct qn_parquet_module {
    qn_module_stamp stamp;
    const char *(*version)(void);
    qn_status (*source_open)(qn_context *ctx, const qn_source_options *options, qn_source **source);
    qn_status (*sink_open)(qn_context *ctx, const qn_parquet_write *write, const qn_schema *schema,
                           qn_sink **sink);
    qn_status (*coder_open)(qn_context *ctx, qn_parquet_coder **coder);
} qn_parquet_module;

/* What a coder and its decoders begin with. */
typedef struct qn_parquet_coder_ops {
    qn_status (*code)(qn_context *ctx, qn_parquet_coder *coder, const qn_parquet_file *file,
                      qn_parquet_fill *fill, void *arg);
    qn_status (*decoder_open)(qn_context *ctx, qn_parquet_coder *coder, const qn_parquet_file *file,
                              qn_parquet_decoder **decoder);
    qn_status (*decoder_next)(qn_context *ctx, qn_parquet_decoder *decoder, qn_parquet_rows *rows);
    void (*decoder_close)(qn_parquet_decoder *decoder);
    void (*close)(qn_parquet_coder *coder);
} qn_parquet_coder_ops;
struct qn_parquet_coder {
    const qn_parquet_coder_ops *ops;
};
struct qn_parquet_decoder {
    const qn_parquet_coder_ops *ops;
};

/* The one symbol that the module exports. */
typedef const qn_parquet_module *qn_parquet_module_entry_fn(void);
QN_API const qn_parquet_module *qn_parquet_module_entry(void);

#endif
