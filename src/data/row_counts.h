/* How often each row occurs, counted by all threads at once. */
#ifndef QN_DATA_ROW_COUNTS_H
#define QN_DATA_ROW_COUNTS_H

#include <pthread.h>

#include "base/context.h"

/* A table for each thread, or fewer where that would take too much memory. */
typedef struct qn_row_counts {
    int64_t n_rows;
    int32_t n_tables;
    uint32_t **table;      /* [n_tables] of n_rows; made when a thread comes first */
    pthread_mutex_t *lock; /* [n_tables] */
} qn_row_counts;

qn_status qn_row_counts_init(qn_context *ctx, int64_t n_rows, qn_row_counts *counts);
void qn_row_counts_release(qn_row_counts *counts);
/* Counts rows[n]. Any thread, with its number in qn_parallel. */
qn_status qn_row_counts_add(qn_context *ctx, qn_row_counts *counts, int32_t thread,
                            const uint32_t *rows, int64_t n);
/* degree[n_rows] over all ranks; the tables go. QN_EDATA where one is above 4 billion. Collective.
 */
qn_status qn_row_counts_finish(qn_context *ctx, qn_row_counts *counts, uint32_t *degree);

#endif
