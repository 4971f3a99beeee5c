/* Cells and partitions. A cell is a fixed run of the index space and alone decides the order of
 * floating sums. A partition is a run of cells: the unit of moving, spilling, checkpointing and
 * counting. Partitions move work, never bits. */
#ifndef QN_ENGINE_CELL_H
#define QN_ENGINE_CELL_H

#include <stdint.h>

#include "base/context.h"

typedef struct qn_partition {
    int64_t first_cell, n_cells;
    int64_t first_row, n_rows;
    int64_t n_entries; /* of all its rows; 0 where unknown */
    int32_t owner;     /* rank */
} qn_partition;

typedef struct qn_partitioning {
    int64_t n_rows, cell_rows, n_cells;
    int64_t n_partitions;
    qn_partition *partition;
} qn_partitioning;

/* clamp(entries / 2^18, 1, 256), never more than there are cells. wanted > 0 overrides the rule. */
int64_t qn_partition_count(int64_t n_entries, int64_t n_cells, int64_t wanted);

/* Cuts n_rows rows into cells of cell_rows and those into partitions of about equal weight;
 * cell_entries[n_cells] is the weight (NULL: all equal). Partition p goes to rank
 * p * size / n_partitions. The same on every rank. */
qn_status qn_partitioning_make(qn_context *ctx, int64_t n_rows, int64_t cell_rows,
                               const int64_t *cell_entries, int64_t wanted, qn_partitioning *out);
void qn_partitioning_release(qn_partitioning *p);
/* Partition that holds a row. */
int64_t qn_partition_of_row(const qn_partitioning *p, int64_t row);
/* First and one-past-last row that `rank` owns; a rank owns one run of rows, which may be empty. */
void qn_partition_rows_of_rank(const qn_partitioning *p, int32_t rank, int64_t *first,
                               int64_t *end);

#endif
