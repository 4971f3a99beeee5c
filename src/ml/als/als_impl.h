/* The inside of ALS, shared by the files of this folder.
 *
 *   als_fit      the sweeps          als_row      one row's normal equation
 *   als_solve    a half step         als_plan     what is handed to threads
 *   als_init     the start           als_holdout  validation ratings
 *   als_gramian  YtY of a side       als_topk     best k
 *   als_exchange  rows from rank to rank
 *   als_checkpoint  the state of a fit on disk
 *
 * While fitting with biases both sides hold rows (vector, 1, bias), so that a half step always
 * solves for (vector, bias) against the first rank columns of the other side. */
#ifndef QN_ML_ALS_IMPL_H
#define QN_ML_ALS_IMPL_H

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/ratings_block.h"
#include "engine/cell.h"
#include "engine/comm.h"
#include "engine/store.h"
#include "engine/tree_sum.h"
#include "kernels/kernels.h"
#include "ml/als/als_bytes.h"
#include "quern/als.h"

/* Entries decoded at once: targets, weights and indices of a chunk stay in the L1 cache. */
#define ALS_CHUNK 1024
/* A ridge term below this needs double: float loses too many digits to solve such rows. */
#define ALS_FLOAT_MIN_REG 1e-4

/* Validation ratings: kept from training when Philox says so for their pair of ids. */
typedef struct als_holdout {
    int64_t seed;
    double share;
    uint64_t *key[2]; /* by qn_side: the key of each id */
} als_holdout;

/* What all rows of a half step have in common. */
typedef struct als_equation {
    const qn_kernels *kernels;
    const qn_als_params *params;
    int32_t rank;   /* unknowns of a row: params->rank, one more with biases */
    int64_t stride; /* of factors and Grams */
    bool is_double; /* Grams are double, else float */
    bool want_loss;
    qn_side side;          /* being solved */
    float mean;            /* with biases: of the training ratings */
    const float *value;    /* [256] of coded ratings */
    const float *fixed;    /* factors of the other side */
    const double *gramian; /* implicit: YtY of the other side, upper [rank x stride]; else NULL */
    const als_holdout *holdout; /* NULL: none */
} als_equation;

/* Ratings of one row. */
typedef struct als_entries {
    int64_t n;
    const uint32_t *index;
    const uint8_t *code; /* NULL when values are floats */
    const float *value;
    uint64_t key; /* of the row's id, with a holdout */
} als_entries;

/* Sums over a cell of a row's ratings: the whole row, or 65,536 entries of a long one. */
typedef struct als_cell {
    void *gram;     /* upper [rank x stride], float or double as the equation says */
    void *rhs;      /* [stride] */
    int64_t n;      /* ratings that count for the ridge term */
    double squares; /* sum of squared targets (implicit: of confidences); with want_loss */
} als_cell;

/* Scratch of one thread. */
typedef struct als_work {
    als_cell cell;
    double *saved;                   /* [rank x stride] the Gram, as Cholesky destroys its own; in a
                                        float equation from `kept`, where double is called for */
    float *kept;                     /* [rank x stride] the same in a float equation, else NULL */
    double *attempt;                 /* [rank x stride] */
    double *b, *x;                   /* [stride] */
    double *nnls;                    /* [5 * rank] */
    float *rating, *target, *weight; /* [ALS_CHUNK] */
    uint32_t *index;                 /* [ALS_CHUNK] */
    void *kernel;
} als_work;

typedef enum als_solved { ALS_SOLVED, ALS_RIDGED, ALS_NOT_FINITE } als_solved;

/* Bytes that als_work_init takes. */
size_t als_work_bytes(const als_equation *eq);
qn_status als_work_init(qn_context *ctx, const als_equation *eq, als_work *work);
void als_work_release(als_work *work);
/* n cells in one block of memory: free *cells alone. */
qn_status als_cells_create(qn_context *ctx, const als_equation *eq, int64_t n, als_cell **cells);
size_t als_cell_bytes(const als_equation *eq);

void als_cell_clear(const als_equation *eq, als_cell *cell);
/* Adds ratings in order; those held out are passed over. */
void als_cell_add(const als_equation *eq, als_work *work, const als_entries *entries,
                  als_cell *cell);
/* cells[0] becomes the sum of all, through the binary tree in cell order. */
void als_cells_merge(const als_equation *eq, als_cell *cells, int64_t n);
/* Solves for the row's factors [stride]; the cell is destroyed. loss (NULL: not wanted) is the
 * row's squared error. ALS_RIDGED: singular, solved with the smallest ridge that helps. */
als_solved als_cell_solve(const als_equation *eq, als_work *work, als_cell *cell, float *row,
                          double *loss);

/* Solves the system that als_cell_solve left in `work`, of n ratings, for another right-hand side
 * [rank] into work->x; of a double equation. With nonnegative factors those that are 0 stay 0. */
als_solved als_solve_again(const als_equation *eq, als_work *work, int64_t n, const double *rhs);

/* The equation of a fit or a model; fixed side, side and gramian are set by the caller. */
als_equation als_equation_of(const qn_context *ctx, const qn_als_params *params, int64_t stride);
/* Columns of a model: params->rank, two more with biases. */
int32_t als_columns(const qn_als_params *params);

/* YtY over cells of rows: node = doubles of the packed upper triangle, rank * (rank + 1) / 2. */
int64_t als_packed_size(int32_t rank);
/* Sum over n_rows rows of y yT, packed. work->cell is used. */
void als_gramian_cell(const als_equation *eq, als_work *work, const float *rows, int64_t n_rows,
                      double *packed);
void als_gramian_unpack(const als_equation *eq, const double *packed, double *gramian);
/* YtY of a whole side on this rank alone, with the same bits as the fit's. */
qn_status als_gramian_alone(qn_context *ctx, const als_equation *eq, als_work *work,
                            const float *rows, int64_t n_rows, double *gramian);

/* A run of segments of one block: what a thread takes at once. Long rows are not in it. */
typedef struct als_task {
    int64_t block, first, end;
    int64_t partition;
} als_task;

/* A row of several cells, and where its cells lie. */
typedef struct als_long_row {
    uint32_t row;
    int64_t first_part, n_parts;
} als_long_row;

typedef struct als_part {
    int64_t block, segment;
} als_part;

/* How the rows of this rank are worked off. */
typedef struct als_plan {
    int64_t n_tasks, n_long, n_parts, max_parts;
    als_task *task;
    als_long_row *long_row;
    als_part *part;
} als_plan;

qn_status als_plan_make(qn_context *ctx, const qn_orientation *rows, int32_t rank, als_plan *plan);
void als_plan_release(als_plan *plan);

/* Ratings of one segment. */
als_entries als_segment_entries(const qn_ratings_block *block, const qn_segment *segment,
                                const uint64_t *key);

/* How the rows of a side come to the ranks that hold them fixed. */
typedef struct als_exchange {
    bool by_need;             /* ranks get the rows that they need; else all get all */
    als_exchange_bytes bytes; /* of one exchange, received by all ranks together */
    uint64_t *need;           /* by need: bit r: this rank needs row r */
    uint64_t *wanted;         /* [ranks x words of own rows] which of them each rank needs */
    int64_t rounds;           /* in which they go */
    bool has_holes;           /* rows that this rank does not need are not those last solved */
    bool last_by_need;        /* the last exchange ... */
    double last_bytes;        /* ... and what it moved */
} als_exchange;

/* One side of a fit. */
typedef struct als_side {
    qn_side side;
    const char *name; /* "users" */
    const qn_orientation *rows;
    const qn_ids *ids;
    float *factors;       /* of the model */
    uint32_t *n_training; /* [n_rows] with a holdout, else NULL */
    als_plan plan;
    als_exchange exchange;
    int64_t first_row, end_row; /* owned by this rank */
    int64_t first_cell, end_cell;
} als_side;

static inline qn_side als_other(qn_side side)
{
    return side == QN_SIDE_USER ? QN_SIDE_ITEM : QN_SIDE_USER;
}

typedef struct als_fit {
    qn_context *ctx;
    const qn_als_params *params;
    const qn_ratings *ratings;
    als_equation eq;
    als_side side[2]; /* by qn_side */
    als_holdout holdout;
    int64_t n_training; /* ratings, all ranks */
    int32_t n_threads;
    als_work *work;  /* [n_threads] */
    als_cell *cells; /* of long rows, a wave at a time */
    int64_t n_cells;
    double *row_value;     /* [users of this rank] loss or another sum of each */
    double *item_sum;      /* [items of this rank] of training ratings, while they are counted */
    uint32_t *row_scored;  /* [users of this rank] validation ratings scored, with a holdout */
    double *packed;        /* [n_threads x packed] */
    double *gramian;       /* implicit: [rank x stride] */
    float *best[2];        /* factors of the best sweep, with a holdout */
    char *sent, *received; /* rows of a round of an exchange by need */
    size_t *send_bytes, *recv_bytes; /* [ranks] of it */
    int64_t n_ridged;                /* systems that were singular */
    qn_span job;
} als_fit;

/* Begins the fit's job, which tells of its stages: two a sweep. */
void als_start_job(als_fit *fit);
/* Tells where ratings and factors lie. */
qn_status als_emit_storage(als_fit *fit);

/* How far a fit is: what a checkpoint holds beside the factors. Its bytes are written as they are.
 */
typedef struct als_progress {
    int64_t sweep; /* that is done; 0: none */
    int64_t best_sweep;
    int64_t n_ridged; /* of all ranks */
    double loss;
    double best_rmse, best_loss; /* of best_sweep, with a holdout */
} als_progress;

/* Takes up the checkpoint of the context, if there is one to go on from: factors and progress;
 * otherwise progress is 0. Collective. */
qn_status als_resume(als_fit *fit, als_progress *progress);
/* Saves where it is due. Collective. */
qn_status als_save_state(als_fit *fit, als_progress *progress);

/* Solves all rows of a side and gives them to the ranks that need them. Collective. `step` names
 * the stage; loss (NULL: not wanted) is the sum of squared errors of the step. */
qn_status als_solve_side(als_fit *fit, qn_side side, int32_t step, double *loss);

/* Chooses how rows of either side go from rank to rank, and makes ready for it. Collective. */
qn_status als_exchange_make(als_fit *fit);
void als_exchange_release(als_fit *fit);
/* Gives the rows of this rank to those that need them; `whole`: to all. Collective. */
qn_status als_give_rows(als_fit *fit, als_side *side, bool whole);
/* Every rank gets every row that it does not have yet. Collective. */
qn_status als_complete(als_fit *fit);
/* Every rank gets all rows of an array of `bytes` a row. Collective. */
qn_status als_share_rows(als_fit *fit, const als_side *side, void *rows, size_t bytes);
/* Sums one number a row of this rank's users through the tree. Collective. */
qn_status als_sum_rows(als_fit *fit, const double *row_value, double *total);

/* Calls `body` for each row of this rank with its ratings, all of a row on one thread and in order.
 */
typedef void als_row_body(als_fit *fit, const als_side *side, uint32_t row,
                          const als_entries *part);
qn_status als_visit_rows(als_fit *fit, qn_side side, als_row_body *body);

/* A model with factors of 0 for the ids of `ratings`. */
qn_status als_model_create(qn_context *ctx, const qn_als_params *params, const qn_ratings *ratings,
                           qn_als_model **model);
/* Turns users (vector, 1, bias) into (vector, mean + bias, 1), so that predictions are dot
 * products. */
void als_model_close_biases(qn_als_model *model, float mean);
/* Training ratings of each item and their mean, into the model. Collective. */
qn_status als_count_items(als_fit *fit, qn_als_model *model);

/* A row that is solved outside a fit, against the rows of a model that it has ratings of. */
typedef struct als_fold {
    als_equation eq;
    als_work work;
    int64_t n;
    als_cell *cells; /* of the row */
    int64_t n_cells;
    uint32_t *index; /* [n] 0, 1, ... */
    float *rating;   /* [n] */
    float *gathered; /* [n x stride] rows of the other side in the form of a fit */
    double *gramian; /* implicit */
} als_fold;

/* Gathers and sums the row's normal equation into fold->cells[0]. is_double: more exact than the
 * fit. */
qn_status als_fold_make(qn_context *ctx, const qn_als_model *model, qn_side side, bool is_double,
                        int64_t n, const int64_t *other, const float *rating, als_fold *fold);
void als_fold_release(als_fold *fold);

/* Keys of ids, counts and mean of the training ratings. Collective. Without validation ratings only
 * the mean. */
qn_status als_holdout_make(als_fit *fit);
void als_holdout_release(als_holdout *holdout);
bool als_holdout_has(const als_holdout *holdout, qn_side side, uint64_t row_key, uint32_t other);
/* Root of the mean squared error over the validation ratings. Collective. */
qn_status als_holdout_rmse(als_fit *fit, double *rmse);

/* The key of an id for Philox. */
uint64_t als_id_key(const qn_ids *ids, int64_t index);

/* Where a side's starting factors go. Rows without ratings start and stay at 0. */
typedef struct als_start {
    const qn_als_params *params;
    qn_side side;
    const qn_ids *ids;
    const uint32_t *degree;
    int64_t stride;
    float *factors; /* [ids->n x stride], cleared */
} als_start;

/* Unit vectors by Philox of (side, id, column): one row each. Rows [first, end). */
void als_init_random(const als_start *start, int64_t first, int64_t end);
/* Those that Spark draws, of all rows. QN_EINVAL unless ids are int32. */
qn_status als_init_spark(qn_context *ctx, const als_start *start);

#endif
