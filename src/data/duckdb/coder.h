/* The coder: many files by one DuckDB. Each statement runs on the thread that asks for it, on a
 * connection that it has to itself meanwhile. */
#ifndef QN_DATA_DUCKDB_CODER_H
#define QN_DATA_DUCKDB_CODER_H

#include <pthread.h>

#include "data/duckdb/duck.h"
#include "data/parquet_module.h"

/* A connection, and the file that is being written by it. */
typedef struct qn_duck_slot {
    struct qn_duck_slot *next; /* of the idle ones */
    int64_t number;            /* what the SQL calls it */
    bool is_reader;
    duckdb_connection connection;
    const qn_parquet_file *file;
    qn_parquet_fill *fill;
    void *arg;
    qn_status status; /* of the last fill */
} qn_duck_slot;

typedef struct qn_duck_coder {
    qn_parquet_coder base;
    qn_duck duck;
    pthread_mutex_t lock;  /* guards the slots' lists */
    qn_duck_slot *idle[2]; /* of writers; of readers */
    qn_duck_slot **slot;   /* [n_slots] */
    int64_t n_slots, slot_capacity;
} qn_duck_coder;

/* A slot for the caller alone, until it is given back. A writer's rows may come from a reader's: a
 * slot stays what it is, so that DuckDB's locks are always taken in this order. */
qn_status qn_duck_slot_take(qn_context *ctx, qn_duck_coder *coder, bool is_reader,
                            qn_duck_slot **slot);
void qn_duck_slot_give(qn_duck_coder *coder, qn_duck_slot *slot);

/* The table function quern_coded(number): rows of the slot's file. */
qn_status qn_duck_coded_register(qn_context *ctx, qn_duck_coder *coder);

qn_status qn_duck_decoder_open(qn_context *ctx, qn_parquet_coder *coder,
                               const qn_parquet_file *file, qn_parquet_decoder **decoder);
qn_status qn_duck_decoder_next(qn_context *ctx, qn_parquet_decoder *decoder, qn_parquet_rows *rows);
void qn_duck_decoder_close(qn_parquet_decoder *decoder);

qn_status qn_duck_coder_open(qn_context *ctx, qn_parquet_coder **coder);

#endif
