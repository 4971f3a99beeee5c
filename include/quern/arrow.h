/* Rows of any Arrow producer: the C data and stream interfaces, a stable ABI that pandas, polars,
 * pyarrow, Spark and DuckDB speak. https://arrow.apache.org/docs/format/CDataInterface.html */
#ifndef QUERN_ARROW_H
#define QUERN_ARROW_H

#include "quern/source.h"

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE           2
#define ARROW_FLAG_MAP_KEYS_SORTED    4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif

/* A source over a stream of record batches: one split, read in order and once, one array in memory
 * at a time. Columns: integers of any width, floats and doubles, booleans, decimals of 128 bits,
 * texts (utf8, large, views, dictionaries of them), dates and timestamps, lists and fixed-size
 * lists of numbers; another type is fine as long as it is not asked for. Ownership   the stream is
 * moved: stream->release is NULL afterwards, also on failure; the source releases it. Errors from
 * the producer are QN_EIO with its own text. Errors      QN_EDATA a schema that is no struct, or
 * breaks the ABI; QN_ENOMEM. */
QN_API qn_status qn_source_from_arrow(qn_context *ctx, struct ArrowArrayStream *stream,
                                      qn_source **source);

#ifdef __cplusplus
}
#endif
#endif
