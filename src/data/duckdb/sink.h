/* The Parquet sink: a thread of its own runs "COPY ... TO" over a table function that takes rows
 * from the batch being written. One batch is handed over at a time and the writer waits until it is
 * used up, so nothing queues: DuckDB holds one row group, whose size is set from the width of the
 * first row. */
#ifndef QN_DATA_DUCKDB_SINK_H
#define QN_DATA_DUCKDB_SINK_H

#include <pthread.h>

#include "base/stage.h"
#include "data/duckdb/duck.h"
#include "data/parquet.h"

/* The batch on its way from the writing thread to DuckDB's. */
typedef struct qn_duck_handover {
    pthread_mutex_t lock; /* guards all below but `row`, which is DuckDB's while batch is set */
    pthread_cond_t changed;
    const qn_batch *batch; /* NULL: used up, another may come */
    int64_t row;           /* next one of it */
    bool is_end;           /* no more will come */
    bool is_abandoned;     /* stop, the file will not be */
    bool is_finished;      /* the COPY has ended; `message` tells how */
    char *message;         /* malloc'ed, NULL: well */
} qn_duck_handover;

typedef struct qn_duck_sink {
    qn_sink base;
    qn_context *ctx;
    qn_duck duck;
    duckdb_connection connection;
    qn_stage stage;
    char **name; /* [n_columns] */
    qn_type *type;
    int32_t n_columns;
    char *select, *options; /* SQL */
    char *copy;             /* the whole statement, once running */
    bool is_running;
    pthread_t thread;
    qn_duck_handover handover;
} qn_duck_sink;

/* The table function quern_rows() over sink->handover. */
qn_status qn_duck_rows_register(qn_duck_sink *sink);

qn_status qn_duck_sink_open(qn_context *ctx, const qn_parquet_write *write, const qn_schema *schema,
                            qn_sink **sink);

#endif
