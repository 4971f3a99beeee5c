/* For those who write a reader: what stands behind qn_source and qn_reader. */
#ifndef QN_DATA_SOURCE_IMPL_H
#define QN_DATA_SOURCE_IMPL_H

#include "data/dataset.h"
#include "quern/sink.h"

/* A row that was looked for. Returns the next one to look for, greater than it; -1: no more. */
typedef int64_t qn_on_row(void *arg, int64_t row, const qn_record_place *place);

typedef struct qn_source_ops {
    void (*free)(qn_source *source);
    int64_t (*n_splits)(const qn_source *source);
    const char *(*split_path)(const qn_source *source, int64_t split);
    qn_status (*open_split)(qn_context *ctx, qn_source *source, int64_t split,
                            const qn_column_request *request, int32_t n_columns,
                            qn_reader **reader);
    int64_t (*line_number)(qn_context *ctx, const qn_source *source, int64_t split, int64_t offset);
    /* Optional. Where a row of a split stands, which is counted as batches with this request do: an
     * offset as rejects have them; -1 if it cannot be told. May read the split again. */
    int64_t (*row_offset)(qn_context *ctx, qn_source *source, int64_t split,
                          const qn_column_request *request, int32_t n_columns, int64_t row);
    /* Optional: see qn_source_find_rows. */
    qn_status (*find_rows)(qn_context *ctx, qn_source *source, int64_t split,
                           const qn_column_request *request, int32_t n_columns, int64_t first,
                           qn_on_row *on_row, void *arg);
} qn_source_ops;

/* First member of every source. */
struct qn_source {
    const qn_source_ops *ops;
    qn_schema schema;
    qn_format format;
    int64_t bytes;
    uint64_t print;   /* of its files, where there are several workers: see qn_file_list_print */
    bool is_once;     /* a pipe, standard input, a stream of batches: rows can be read only once */
    int64_t n_rows;   /* of all files, without reading them: exact for Parquet, for text guessed by
                         the first lines; 0: unknown */
    bool has_columns; /* the manifest of a data set says which columns are what */
    qn_dataset_columns columns;
};

/* Collective: QN_EINVAL names the first worker whose host has other data under the source's name.
 */
qn_status qn_source_agree(qn_context *ctx, const qn_source *source);
/* `st` of opening a source, with the advice for several hosts where it was not found. */
qn_status qn_source_explain_missing(qn_context *ctx, qn_status st);

typedef struct qn_reader_ops {
    qn_status (*next)(qn_context *ctx, qn_reader *reader, const qn_batch **batch);
    void (*close)(qn_reader *reader);
} qn_reader_ops;

/* First member of every reader. */
struct qn_reader {
    const qn_reader_ops *ops;
    qn_rejects rejects;
    qn_on_reject *on_reject; /* NULL: rejects are not told, and lines not counted */
    void *on_reject_arg;
    int64_t lines;         /* passed so far */
    qn_record_place place; /* of the record being taken; no text: a reader without lines */
};

/* See qn_source_ops; -1 where there is no such thing. */
int64_t qn_source_row_offset(qn_context *ctx, qn_source *source, int64_t split,
                             const qn_column_request *request, int32_t n_columns, int64_t row);

/* Reads a split again to find rows that are counted as batches with this request do: ascending,
 * beginning with `first`, all in one pass. Sources without lines tell offsets and no text. Rows
 * that are not there are not told. */
qn_status qn_source_find_rows(qn_context *ctx, qn_source *source, int64_t split,
                              const qn_column_request *request, int32_t n_columns, int64_t first,
                              qn_on_row *on_row, void *arg);

/* A row that is not delivered: qn_reject_add, and tells it. */
void qn_reader_reject(qn_reader *reader, qn_reject_kind kind, int32_t column, int64_t offset,
                      const char *text, size_t length);
/* Counts a reject and keeps it if it is among the first. */
void qn_reject_add(qn_rejects *rejects, qn_reject_kind kind, int32_t column, int64_t offset,
                   const char *text, size_t length);

typedef struct qn_sink_ops {
    qn_status (*write)(qn_context *ctx, qn_sink *sink, const qn_batch *batch);
    qn_status (*commit)(qn_context *ctx, qn_sink *sink); /* frees */
    void (*abandon)(qn_sink *sink);                      /* frees */
} qn_sink_ops;

/* First member of every sink. */
struct qn_sink {
    const qn_sink_ops *ops;
};

#endif
