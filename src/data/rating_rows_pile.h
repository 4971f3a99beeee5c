/* The inside of the pile: each thread collects for itself, in blocks of slabs; one that finds no
 * room sorts what it has and writes it out. */
#ifndef QN_DATA_RATING_ROWS_PILE_H
#define QN_DATA_RATING_ROWS_PILE_H

#include "data/rating_rows_impl.h"

#define QN_PILE_DAYS 4096 /* of the table from days to parts */

/* What one thread has of one part. */
typedef struct qn_pile_part {
    int32_t part;
    qn_row_block *first, *last;
} qn_pile_part;

/* A run in the thread's file. */
typedef struct qn_pile_spilled {
    int32_t part;
    int64_t offset, rows;
} qn_pile_spilled;

typedef struct qn_pile_day {
    int32_t days, at; /* index of the part; -1: nothing known */
} qn_pile_day;

typedef struct qn_pile_thread {
    _Alignas(64) qn_pile_part *part; /* [n_parts] in the order of coming */
    int64_t n_parts, part_capacity;
    int32_t *slot; /* [n_slots] hash of parts: index or -1 */
    int64_t n_slots;
    qn_pile_day day[QN_PILE_DAYS];
    void **slab; /* [n_slabs] */
    int64_t n_slabs, slab_capacity;
    int64_t fresh; /* blocks of the last slab that were never used */
    qn_row_block *idle;
    int fd; /* -1: nothing spilled */
    char *path;
    int64_t file_bytes;
    qn_pile_spilled *spilled; /* [n_spilled] */
    int64_t n_spilled, spilled_capacity;
    qn_rating_row *room[2]; /* [pile->sort_rows] for sorting */
    int64_t rows;
} qn_pile_thread;

struct qn_row_pile {
    int32_t partition_by, threads;
    size_t memory;
    char *scratch;
    int64_t block_rows, slab_blocks, sort_rows, max_slabs;
    atomic_int_fast64_t n_slabs; /* of all threads */
    qn_pile_thread *thread;      /* [threads] */
    qn_row_part *part;           /* [n_parts] ascending, once closed */
    int32_t *name;               /* [n_parts] */
    int64_t n_parts, rows;
};

qn_status qn_pile_room(qn_context *ctx, const qn_row_pile *pile, qn_pile_thread *thread);
void qn_pile_room_free(qn_pile_thread *thread);
/* Writes all that the thread holds to scratch. */
qn_status qn_pile_spill(qn_context *ctx, qn_row_pile *pile, qn_pile_thread *thread);

#endif
