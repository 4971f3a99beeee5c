/* How rows of triples lie in blocks, and how blocks are written: by any number of tasks, each with
 * a run of its own, joined in order at the end. */
#ifndef QN_DATA_TRIPLES_BLOCKS_H
#define QN_DATA_TRIPLES_BLOCKS_H

#include "data/triples.h"

typedef struct qn_row_block {
    int64_t number; /* in the store */
    int64_t first;  /* place of its first row among the rows of the rank */
    int64_t n;
    int32_t thread;  /* while being read: whose text sets hold its texts */
    bool is_wide[2]; /* while being read: ids of users, items take 8 bytes, not 4 */
} qn_row_block;

/* Where the columns of a block lie. */
typedef struct qn_row_columns {
    void *id[2]; /* users, items: uint32 indices; while being read int32 or, if wide, int64 */
    float *value;
    int64_t *time;
} qn_row_columns;

/* Blocks that one task writes, in order; the last may be open. Start from {0}; `is_wide` and
 * `thread` hold for blocks opened from then on. */
typedef struct qn_row_run {
    qn_row_block *block; /* [n_blocks], the open one included */
    int64_t n_blocks, capacity;
    qn_row_columns columns; /* of the open block */
    int64_t room;           /* rows that the open block can hold; 0: none is open */
    int64_t used;           /* of them */
    bool is_wide[2];
    int32_t thread;
} qn_row_run;

/* Rows of a block, unless it is cut short: a block takes one to two MiB. */
int64_t qn_row_block_rows(const qn_context *ctx);
/* Bytes of a row. */
size_t qn_row_bytes(const qn_triples *t);

/* Opens a block for `rows` rows, the one before being ended. */
qn_status qn_row_run_open(qn_context *ctx, qn_triples *t, qn_row_run *run, int64_t rows);
/* Sees to it that the open block has room for a row, of a usual size if a new one is opened. */
qn_status qn_row_run_reserve(qn_context *ctx, qn_triples *t, qn_row_run *run);
/* Cuts the open block to what was used, and seals it; an empty one goes. */
qn_status qn_row_run_end(qn_context *ctx, qn_triples *t, qn_row_run *run);
void qn_row_run_release(qn_row_run *run);
/* Puts the blocks of runs, all ended, behind those of the triples, in order. */
qn_status qn_row_runs_join(qn_context *ctx, qn_triples *t, const qn_row_run *runs, int64_t n);

/* Pins a block whatever its ids are; unpin with qn_triples_unpin. */
qn_status qn_row_block_pin(qn_context *ctx, const qn_triples *t, int64_t block,
                           qn_row_columns *columns);
/* Gives back the memory of a block that will not be looked at again. */
void qn_row_block_drop(const qn_triples *t, int64_t block);

/* Blocks in rounds of at most `rows` rows, or of one block: round r holds blocks first[r] ..
 * first[r + 1]. The caller frees *first, [*n_rounds + 1]. */
qn_status qn_triples_rounds(qn_context *ctx, const qn_triples *t, int64_t rows, int64_t **first,
                            int64_t *n_rounds);
/* Rows of the largest block. */
int64_t qn_triples_max_rows(const qn_triples *t);

/* Bytes that a step may hold without being able to let them go: what the budget has left when all
 * blocks of data have left memory. */
size_t qn_ratings_room(qn_context *ctx);

#endif
