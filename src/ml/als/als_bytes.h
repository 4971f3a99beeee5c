/* How many bytes a fit holds, moves and keeps on disk, from the shape of its data alone: what
 * `plan` prints before a run, what a fit refuses by, and what docs/scale.md explains. */
#ifndef QN_ML_ALS_BYTES_H
#define QN_ML_ALS_BYTES_H

#include "quern/als.h"

/* Indexed by qn_side where there are two. */
typedef struct qn_als_shape {
    int64_t rows[2]; /* distinct users, items */
    int64_t ratings;
    double id_bytes[2]; /* of an id as text; 0: ids are numbers */
    bool is_coded;      /* at most 256 distinct ratings: one byte each */
    bool is_clustered;  /* the ratings of a user lie together in the input */
} qn_als_shape;

typedef struct qn_als_layout {
    int32_t workers, threads; /* threads of each worker */
    int64_t partitions;       /* 0: by size */
    size_t memory;            /* budget of each worker; 0: not known */
    size_t reserve;           /* of it, for libraries that do not ask the budget */
} qn_als_layout;

/* All in bytes. What stands in "all" is of all workers together, the rest of the worker that holds
 * most. Moved bytes are those received from other workers. */
typedef struct qn_als_bytes {
    double data_all[2];  /* ratings by user, by item */
    double data;         /* both, of one worker */
    int32_t busy[2];     /* workers that own rows */
    double part[2];      /* of all ratings, those of the worker with most */
    double dictionaries; /* ids, and how many ratings each has */
    double factors;      /* of all rows: every worker holds them */
    double scratch;      /* of threads and of rows with more ratings than a cell */
    double rest;         /* sums of rows, counts of items */
    double exchange;     /* by need: which rows, and those that are on their way */
    double fixed;        /* what cannot leave memory: the five above and the reserve */
    double pinned;       /* blocks that threads work on, and those that are read ahead */
    double least;        /* smallest budget: fixed and pinned */
    double held;         /* data and fixed: what a budget that nothing leaves holds */
    double spilled;      /* of the data, what does not fit the memory: on disk, and read again in
                            every iteration */
    double scratch_disk; /* most that scratch files may take on one worker */
    double load_ids_all, load_degrees_all, load_ratings_all;
    double half_all[2];   /* a half step that solves this side: its rows go to all workers */
    double needed_all[2]; /* the same where workers get the rows that they need */
    double all_rows_all[2], needed_rows_all[2]; /* of them, rows alone */
    bool by_need[2];      /* which of the two a fit takes, in all sweeps but the last */
    double lists_all;     /* once: which rows are needed */
    double start_all;     /* first factors, means */
    double iteration_all; /* as chosen */
    double received;      /* by one worker in an iteration but the last */
    double fit_all;       /* all iterations with start and lists */
    double checkpoint;    /* of one checkpoint; two are kept */
} qn_als_bytes;

void qn_als_bytes_of(const qn_context *ctx, const qn_als_params *params, const qn_als_shape *shape,
                     const qn_als_layout *layout, qn_als_bytes *out);

/* What a rank sends or receives at once in an exchange by need, about; more goes in rounds. */
#define ALS_ROUND_BYTES ((size_t)16 << 20)

/* Bytes that all workers receive together in one exchange of the rows of a side. */
typedef struct als_exchange_bytes {
    double all;    /* all rows go to all workers */
    double needed; /* workers get the rows that they need */
    double lists;  /* once: they tell which */
} als_exchange_bytes;

/* Of `rows` rows of `stride` floats; `needed` rows that some worker needs and does not own, all
 * workers' summed. */
als_exchange_bytes als_exchange_bytes_of(double rows, double needed, int32_t workers,
                                         int64_t stride);
/* Whether workers get the rows of `side` that they need. One rule for plan and fit: over all sweeps
 * and with the lists it moves at most four fifths of the bytes. (Each row is copied twice more.) */
bool als_need_pays(const qn_als_params *params, qn_side side, const als_exchange_bytes *bytes);
/* "needed rows", "all rows" */
const char *als_exchange_name(bool by_need);

/* What als_fit allocates for factors and for scratch of `threads`, with cells for the sums of long
 * rows. */
typedef struct qn_als_fixed {
    size_t factors, scratch;
} qn_als_fixed;
struct als_equation;
/* Refuses a fit of so many rows whose factors and scratch are more than `room`, with the numbers:
 * QN_ENOMEM. */
qn_status als_check_room(qn_context *ctx, const struct als_equation *eq, int64_t rows,
                         int64_t n_cells, size_t room);
/* The same without cells of long rows, for who has not cut rows yet. */
qn_status qn_als_check_room(qn_context *ctx, const qn_als_params *params, int64_t users,
                            int64_t items, size_t room);
qn_als_fixed als_fixed_bytes(const struct als_equation *eq, int64_t rows, int32_t threads,
                             int64_t n_cells);

#endif
