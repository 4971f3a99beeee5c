/* Gram matrices by register tiles, for one width of vector. The first `full` columns of the
 * matrix (whole vectors) are summed in place, strip by strip of LANES rows, from the vector that
 * holds the diagonal to the right. The `rest` columns that fill no vector are summed as rows
 * instead, in scratch, with the right-hand side as one more row; so rank 50 costs 48 + 2 and not 64
 * columns. */
#include "kernels/sets.h"
#include "kernels/tile_body.h"

#define MOST_COLUMNS 8

/* Shapes whose sums, with what feeds them, fit the registers; and the widest for a number of rows.
 */
/* clang-format off */
#if TILE_ROWS == 8
#define TILE_LIST(X)                                                  \
    X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(1, 7) X(1, 8)   \
    X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5) X(2, 6) X(2, 7) X(2, 8)   \
    X(3, 1) X(3, 2) X(3, 3) X(3, 4) X(3, 5) X(3, 6) X(3, 7)           \
    X(4, 1) X(4, 2) X(4, 3) X(4, 4) X(4, 5) X(4, 6)                   \
    X(5, 1) X(5, 2) X(5, 3) X(5, 4) X(5, 5)                           \
    X(6, 1) X(6, 2) X(6, 3) X(6, 4)                                   \
    X(7, 1) X(7, 2) X(7, 3)                                           \
    X(8, 1) X(8, 2) X(8, 3)
#define TARGET_LIST(X) X(8, 1) X(8, 2) X(8, 3)
static const int8_t most_columns[TILE_ROWS + 1] = {0, 8, 8, 7, 6, 5, 4, 3, 3};
#else
#define TILE_LIST(X)                                                  \
    X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(1, 7)           \
    X(2, 1) X(2, 2) X(2, 3) X(2, 4)                                   \
    X(3, 1) X(3, 2) X(3, 3)                                           \
    X(4, 1) X(4, 2) X(4, 3)
#define TARGET_LIST(X) X(4, 1) X(4, 2)
static const int8_t most_columns[TILE_ROWS + 1] = {0, 7, 4, 3, 3};
#endif
/* clang-format on */

TILE_LIST(TILE_ADDING)
TARGET_LIST(TILE_TARGET)
#if LANES > TILE_ROWS && LANES == 16
TILE_ADDING(16, 1)
#define tile_strip tile_add_16x1
#elif LANES > TILE_ROWS
TILE_ADDING(8, 1)
#define tile_strip tile_add_8x1
#elif TILE_ROWS == 8
#define tile_strip tile_add_8x1
#else
#define tile_strip tile_add_4x1
#endif

#define TILE_ENTRY(rows, columns)   [rows][columns] = tile_add_##rows##x##columns,
#define TARGET_ENTRY(rows, columns) [columns] = tile_target_##rows##x##columns,
static tile_function *const tiles[TILE_ROWS + 1][MOST_COLUMNS + 1] = {TILE_LIST(TILE_ENTRY)};
static tile_function *const target_tiles[TARGET_COLUMNS + 1] = {TARGET_LIST(TARGET_ENTRY)};

/* What a whole call needs to know. */
typedef struct gram_plan {
    const qn_gram_run *run;
    real *gram;
    real *rhs;
    int64_t full;  /* columns that fill vectors */
    int64_t rest;  /* columns after them, fewer than LANES */
    int64_t width; /* reals between packed rows: full + rest in whole vectors */
    int64_t block; /* ratings packed at a time */
    real *last;    /* [rest + 1][width] sums of the rest columns, then of the right-hand side */
    real *right;   /* [block][width] factors of a block's ratings */
    real *left;    /* the same times their weights, or `right`; with `rest`, targets at [rank] */
    real *target;  /* [block] targets, without `rest` */
} gram_plan;

static gram_plan plan_gram(const qn_gram_run *run, real *gram, real *rhs, void *scratch)
{
    const int64_t rest = run->rank % LANES;
    gram_plan plan = {.run = run, .gram = gram, .rhs = rhs, .full = run->rank - rest, .rest = rest};
    int64_t bytes;

    plan.width = plan.full + (rest ? LANES : 0);
    bytes = plan.width * (int64_t)sizeof(real) * (run->weight ? 2 : 1);
    plan.block = QN_GRAM_BLOCK_BYTES / bytes;
    if (plan.block < QN_GRAM_BLOCK_ROWS)
        plan.block = QN_GRAM_BLOCK_ROWS;
    if (plan.block > QN_GRAM_MOST_ROWS)
        plan.block = QN_GRAM_MOST_ROWS;
    plan.last = scratch;
    plan.right = plan.last + LANES * plan.width;
    plan.left = run->weight ? plan.right + plan.block * plan.width : plan.right;
    plan.target = plan.left + plan.block * plan.width;
    return plan;
}

/* Moves the rest columns and the right-hand side between their places and plan->last. Lanes below
 * the diagonal and in the padding carry what they find. */
static void load_last(const gram_plan *plan)
{
    const int64_t stride = plan->run->stride;
    const int64_t full = plan->full;

    for (int64_t b = 0; b < plan->rest; b++) {
        const real *column = plan->gram + full + b;
        real *to = plan->last + b * plan->width;

        for (int64_t a = 0; a < full; a += LANES)
            lanes_store(to + a, lanes_load_column(column + a * stride, stride));
        lanes_store(to + full, lanes_load(plan->gram + (full + b) * stride + full));
    }
    for (int64_t a = 0; a < plan->width; a += LANES)
        lanes_store(plan->last + plan->rest * plan->width + a, lanes_load(plan->rhs + a));
}

static void store_last(const gram_plan *plan)
{
    const int64_t stride = plan->run->stride;
    const int64_t full = plan->full;

    for (int64_t b = 0; b < plan->rest; b++) {
        const real *from = plan->last + b * plan->width;
        real *column = plan->gram + full + b;

        for (int64_t a = 0; a < full; a += LANES)
            lanes_store_column(column + a * stride, stride, lanes_load(from + a));
        lanes_store(plan->gram + (full + b) * stride + full, lanes_load(from + full));
    }
    for (int64_t a = 0; a < plan->width; a += LANES)
        lanes_store(plan->rhs + a, lanes_load(plan->last + plan->rest * plan->width + a));
}

/* Copies `columns` vectors, from column `c`, of the rows of ratings start .. start + n - 1 side by
 * side, the targets with the last of them; `columns` and `is_weighted` are constants where this is
 * called. */
ALWAYS_INLINE void pack_columns(const int columns, const bool is_weighted, const gram_plan *plan,
                                int64_t start, int64_t n, int64_t c)
{
    const uint32_t *index = plan->run->index + start;
    const float *weights = is_weighted ? plan->run->weight + start : NULL;
    const size_t row_bytes = (size_t)plan->run->stride * sizeof(float);
    const char *factors = (const char *)(plan->run->factors + c);
    const int64_t last = n - 1;
    real *right = plan->right + c;
    real *left = plan->left + c;
    const bool is_last = c + columns * LANES == plan->width;
    const float *from = plan->run->target + start;
    real *target = plan->rest ? plan->left + plan->run->rank : plan->target;
    const int64_t target_stride = plan->rest ? plan->width : 1;

    for (int64_t j = 0; j < n; j++) {
        const int64_t ahead = j + QN_GRAM_AHEAD < last ? j + QN_GRAM_AHEAD : last;
        const char *soon = factors + index[ahead] * row_bytes;
        const float *row = (const float *)(factors + index[j] * row_bytes);
        const lanes weight = is_weighted ? lanes_all(weights[j]) : lanes_all(1);

        UNROLL_ALL
        for (int v = 0; v < columns * LANES; v += 64 / (int)sizeof(float))
            _mm_prefetch(soon + v * sizeof(float), _MM_HINT_T0);
        UNROLL_ALL
        for (int v = 0; v < columns; v++) {
            const lanes x = lanes_from_floats(row + v * LANES);

            lanes_store(right + v * LANES, x);
            if (is_weighted)
                lanes_store(left + v * LANES, lanes_mul(weight, x));
        }
        if (is_last) {
            *target = from[j];
            target += target_stride;
        }
        right += plan->width;
        left += plan->width;
    }
}

#define PACK_COLUMNS(columns, is_weighted)                                                         \
    static void pack_##columns##_##is_weighted(const gram_plan *plan, int64_t start, int64_t n,    \
                                               int64_t c)                                          \
    {                                                                                              \
        pack_columns(columns, is_weighted, plan, start, n, c);                                     \
    }
PACK_COLUMNS(1, false)
PACK_COLUMNS(2, false)
PACK_COLUMNS(3, false)
PACK_COLUMNS(4, false)
PACK_COLUMNS(1, true)
PACK_COLUMNS(2, true)
PACK_COLUMNS(3, true)
PACK_COLUMNS(4, true)

#define PACK_AT_ONCE 4
typedef void pack_function(const gram_plan *plan, int64_t start, int64_t n, int64_t c);
static pack_function *const packers[2][PACK_AT_ONCE + 1] = {
    {NULL, pack_1_false, pack_2_false, pack_3_false, pack_4_false},
    {NULL, pack_1_true, pack_2_true, pack_3_true, pack_4_true},
};

/* The rows of ratings start .. start + n - 1, and their targets. */
static void pack_block(const gram_plan *plan, int64_t start, int64_t n)
{
    for (int64_t c = 0; c < plan->width; c += PACK_AT_ONCE * LANES) {
        const int64_t rest = (plan->width - c) / LANES;

        packers[plan->run->weight != NULL][rest < PACK_AT_ONCE ? rest : PACK_AT_ONCE](plan, start,
                                                                                      n, c);
    }
}

/* One tile; each tile of a block asks for the next cache line of the rows that come after it. */
static void do_tile(tile_function *function, tile_job *job, const gram_plan *plan)
{
    const char *factors = (const char *)plan->run->factors;

    function(job);
    job->ahead_base += 64;
    if (job->ahead_base >= factors + plan->width * (int64_t)sizeof(float))
        job->n_ahead = 0;
}

/* TILE_ROWS rows of the matrix from `row`, columns from `column` to `end`. */
static void sum_half_strip(const gram_plan *plan, tile_job *job, int64_t row, int64_t column,
                           int64_t end)
{
    const bool with_target = row == 0 && plan->rest == 0;
    const int64_t most = with_target ? TARGET_COLUMNS : most_columns[TILE_ROWS];

    job->target = plan->target;
    for (int64_t c = column; c < end;) {
        const int64_t left = (end - c) / LANES;
        const int64_t n = left == most + 1 ? 2 : left < most ? left : most; /* 2 + 2, not 3 + 1 */

        job->left = plan->left + row;
        job->right = plan->right + c;
        job->out = plan->gram + row * plan->run->stride + c;
        job->out_stride = plan->run->stride;
        job->target_out = plan->rhs + c;
        do_tile(with_target ? target_tiles[n] : tiles[TILE_ROWS][n], job, plan);
        c += n * LANES;
    }
}

/* The rest columns and, with them, the right-hand side: rows full .. rank of `left`. */
static void sum_last(const gram_plan *plan, tile_job *job)
{
    const int64_t n_rows = plan->rest + 1;
    const int64_t n_parts = (n_rows + TILE_ROWS - 1) / TILE_ROWS;

    for (int64_t part = 0; part < n_parts; part++) {
        const int64_t row = part * n_rows / n_parts;
        const int64_t rows = (part + 1) * n_rows / n_parts - row;

        for (int64_t c = 0; c < plan->width;) {
            const int64_t left = (plan->width - c) / LANES;
            const int64_t n = left < most_columns[rows] ? left : most_columns[rows];

            job->left = plan->left + plan->full + row;
            job->right = plan->right + c;
            job->out = plan->last + row * plan->width + c;
            job->out_stride = plan->width;
            do_tile(tiles[rows][n], job, plan);
            c += n * LANES;
        }
    }
}

static void sum_block(const gram_plan *plan, int64_t start, int64_t n)
{
    const qn_gram_run *run = plan->run;
    const int64_t n_after = run->n + run->n_ahead - start - n;
    tile_job job = {.n = n,
                    .stride = plan->width,
                    .ahead = run->index + start + n,
                    .n_ahead = n_after < n ? n_after : n,
                    .ahead_base = (const char *)run->factors,
                    .ahead_bytes = (size_t)run->stride * sizeof(float)};

    for (int64_t row = 0; row < plan->full; row += LANES) {
        const bool is_shared =
            LANES > TILE_ROWS && (row > 0 || plan->rest) && row + LANES == plan->full;
        const int64_t end = is_shared ? plan->full - LANES : plan->full;

        for (int64_t r = row; r < row + LANES; r += TILE_ROWS)
            sum_half_strip(plan, &job, r, row, end);
        if (is_shared) {
            job.left = plan->left + row;
            job.right = plan->right + end;
            job.out = plan->gram + row * run->stride + end;
            job.out_stride = run->stride;
            do_tile(tile_strip, &job, plan);
        }
    }
    if (plan->rest)
        sum_last(plan, &job);
}

static void sum_run(const qn_gram_run *run, real *gram, real *rhs, void *scratch)
{
    const gram_plan plan = plan_gram(run, gram, rhs, scratch);

    if (run->n == 0)
        return;
    if (plan.rest)
        load_last(&plan);
    for (int64_t start = 0; start < run->n; start += plan.block) {
        const int64_t n = run->n - start < plan.block ? run->n - start : plan.block;

        pack_block(&plan, start, n);
        sum_block(&plan, start, n);
    }
    if (plan.rest)
        store_last(&plan);
}
