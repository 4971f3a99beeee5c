/* Cholesky's solution by strips of LANES rows, for one width of vector. Of a strip, what the strips
 * above it contribute is taken off by register tiles; then its diagonal block is factored in
 * registers, the columns to its right are solved with it, and the right-hand side goes along.
 * Inside a block the factor is unit upper triangular beside its pivots (no root on the way from one
 * pivot to the next, which is the longest path of a small solve).
 *
 * What a finished diagonal block holds, for the way back: 1 / root of the pivots in its first row,
 * and column j of the unit factor, lanes i < j, in row j. */
#include "kernels/sets.h"
#include "kernels/tile_body.h"

/* clang-format off */
#if TILE_ROWS == 8
#define TILE_LIST(X)                                                  \
    X(1, 1) X(1, 2) X(1, 3) X(2, 1) X(2, 2) X(2, 3)                   \
    X(3, 1) X(3, 2) X(3, 3) X(4, 1) X(4, 2) X(4, 3)                   \
    X(5, 1) X(5, 2) X(5, 3) X(6, 1) X(6, 2) X(6, 3)                   \
    X(7, 1) X(7, 2) X(7, 3) X(8, 1) X(8, 2) X(8, 3)
#else
#define TILE_LIST(X)                                                  \
    X(1, 1) X(1, 2) X(1, 3) X(2, 1) X(2, 2) X(2, 3)                   \
    X(3, 1) X(3, 2) X(3, 3) X(4, 1) X(4, 2) X(4, 3)
#endif
/* clang-format on */
#define MOST_COLUMNS 3

TILE_LIST(TILE_SUBTRACTING)
#define TILE_ENTRY(rows, columns) [rows][columns] = tile_subtract_##rows##x##columns,
static tile_function *const tiles[TILE_ROWS + 1][MOST_COLUMNS + 1] = {TILE_LIST(TILE_ENTRY)};

/* A diagonal block as the panel beside it needs it. */
typedef struct block_factor {
    _Alignas(64) real unit[LANES * LANES]; /* row i: lanes j > i of the unit factor */
    _Alignas(64) real inverse[LANES];      /* 1 / root of the pivots */
} block_factor;

/* Rows 0 .. n - 1 of a diagonal block; the rest is the identity. */
ALWAYS_INLINE void load_block(lanes row[LANES], const real *block, int64_t stride, int n,
                              real diagonal_add)
{
    UNROLL_ALL
    for (int i = 0; i < LANES; i++) {
        const lanes x = i < n ? lanes_load(block + i * stride) : lanes_all(0);

        row[i] = lanes_put(x, lanes_add(x, lanes_all(i < n ? diagonal_add : 1)), i);
    }
}

/* Takes row i off the rows below it and off the right-hand side, whose new value it returns. */
ALWAYS_INLINE lanes eliminate_row(lanes row[LANES], const int i, lanes rest, real *unit)
{
    const lanes scaled = lanes_mul(row[i], lanes_inverse(lanes_pick(row[i], i)));

    UNROLL_ALL
    for (int k = i + 1; k < LANES; k++)
        row[k] = lanes_fnma(lanes_pick(row[i], k), scaled, row[k]);
    lanes_store(unit, scaled);
    return lanes_fnma(lanes_pick(rest, i), scaled, rest);
}

/* Factors a diagonal block and takes its part of the right-hand side forward. Returns a bit for
 * each pivot that is not positive (those after the first are meaningless). */
static unsigned factor_block(const real *block, int64_t stride, int n, real diagonal_add, real *rhs,
                             block_factor *factor)
{
    lanes row[LANES];
    lanes pivots = lanes_all(1);
    lanes rest = lanes_load(rhs);
    lanes solved = rest;

    load_block(row, block, stride, n, diagonal_add);
    UNROLL_ALL
    for (int i = 0; i < LANES; i++) {
        if (i < n) {
            pivots = lanes_put(pivots, row[i], i);
            solved = lanes_put(solved, rest, i);
            rest = eliminate_row(row, i, rest, factor->unit + i * LANES);
        }
    }
    const lanes inverse = lanes_div(lanes_all(1), lanes_sqrt(pivots));
    lanes_store(factor->inverse, inverse);
    lanes_store(rhs, lanes_mul(solved, inverse));
    return lanes_not_positive(pivots);
}

/* Leaves in a factored block what the way back needs. */
static void turn_block(real *block, int64_t stride, int n, const block_factor *factor)
{
    lanes row[LANES];

    UNROLL_ALL
    for (int i = 0; i < LANES; i++)
        row[i] = i < n ? lanes_after(lanes_load(factor->unit + i * LANES), i + 1) : lanes_all(0);
    lanes_transpose(row);
    lanes_store(block, lanes_load(factor->inverse));
    UNROLL_ALL
    for (int i = 1; i < LANES; i++) {
        if (i < n)
            lanes_store(block + i * stride, row[i]);
    }
}

/* Solves one vector of columns right of a full diagonal block, and takes it off the right-hand side
 * below: `solved` is the block's part of it, `rest` that of the columns. */
static void solve_columns(real *column, int64_t stride, const block_factor *factor,
                          const real *solved, real *rest)
{
    lanes x[LANES];
    lanes even = lanes_load(rest);
    lanes odd = lanes_all(0);

    UNROLL_ALL
    for (int i = 0; i < LANES; i++)
        x[i] = lanes_load(column + i * stride);
    UNROLL_ALL
    for (int i = 0; i < LANES; i++) {
        UNROLL_ALL
        for (int k = i + 1; k < LANES; k++)
            x[k] = lanes_fnma(lanes_all(factor->unit[i * LANES + k]), x[i], x[k]);
    }
    UNROLL_ALL
    for (int i = 0; i < LANES; i++) {
        x[i] = lanes_mul(x[i], lanes_all(factor->inverse[i]));
        lanes_store(column + i * stride, x[i]);
    }
    UNROLL_ALL
    for (int i = 0; i < LANES; i += 2) {
        even = lanes_fnma(lanes_all(solved[i]), x[i], even);
        odd = lanes_fnma(lanes_all(solved[i + 1]), x[i + 1], odd);
    }
    lanes_store(rest, lanes_add(even, odd));
}

/* Takes the rows above off the strip of n rows that starts at row `first`. */
static void subtract_above(real *gram, int64_t stride, int64_t width, int64_t first, int64_t n)
{
    tile_job job = {.n = first, .stride = stride, .out_stride = stride};

    for (int64_t r = 0; r < n; r += TILE_ROWS) {
        const int64_t rows = n - r < TILE_ROWS ? n - r : TILE_ROWS;

        for (int64_t c = first; c < width;) {
            const int64_t left = (width - c) / LANES;
            const int64_t columns = left < MOST_COLUMNS ? left : MOST_COLUMNS;

            job.left = gram + first + r;
            job.right = gram + c;
            job.out = gram + (first + r) * stride + c;
            tiles[rows][columns](&job);
            c += columns * LANES;
        }
    }
}

/* The way back through one strip: what the solved part (columns behind the block) contributes, then
 * the block itself. */
static void solve_back(const real *block, int64_t stride, int64_t n_behind, int n, real *rhs)
{
    lanes sum[LANES];
    lanes x = lanes_load(rhs);

    if (n_behind > 0) {
        UNROLL_ALL
        for (int i = 0; i < LANES; i++)
            sum[i] = lanes_all(0);
        for (int64_t c = LANES; c < LANES + n_behind; c += LANES) {
            const lanes solved = lanes_load(rhs + c);

            UNROLL_ALL
            for (int i = 0; i < LANES; i++)
                sum[i] = lanes_fma(lanes_load(block + i * stride + c), solved, sum[i]);
        }
        lanes_transpose(sum);
        UNROLL_ALL
        for (int apart = LANES / 2; apart > 0; apart /= 2) {
            UNROLL_ALL
            for (int i = 0; i < apart; i++)
                sum[i] = lanes_add(sum[i], sum[i + apart]);
        }
        x = lanes_sub(x, sum[0]);
    }
    x = lanes_mul(x, lanes_load(block));
    UNROLL_ALL
    for (int i = LANES - 1; i > 0; i--) {
        if (i < n)
            x = lanes_fnma(lanes_pick(x, i), lanes_load(block + i * stride), x);
    }
    lanes_store(rhs, x);
}

/* Zeros where the columns end inside a vector, so that sums over whole vectors are right. */
static void clear_padding(int32_t rank, int64_t stride, real *gram, real *rhs)
{
    const int n = rank % LANES;
    const int64_t last = rank - n;

    for (int64_t i = 0; n > 0 && i < rank; i++) {
        real *end = gram + i * stride + last;

        lanes_store(end, lanes_first(lanes_load(end), n));
    }
    for (int64_t i = rank; i < stride; i++)
        rhs[i] = 0;
}

static int32_t solve_cholesky(int32_t rank, int64_t stride, real *gram, real diagonal_add,
                              real *rhs)
{
    const int64_t width = (rank + LANES - 1) / LANES * LANES;
    block_factor factor = {0};

    clear_padding(rank, stride, gram, rhs);
    for (int64_t first = 0; first < rank; first += LANES) {
        const int n = rank - first < LANES ? (int)(rank - first) : LANES;
        real *block = gram + first * stride + first;

        if (first > 0)
            subtract_above(gram, stride, width, first, n);
        const unsigned bad = factor_block(block, stride, n, diagonal_add, rhs + first, &factor);
        if (bad)
            return (int32_t)first + 1 + __builtin_ctz(bad);
        for (int64_t c = LANES; c < width - first; c += LANES)
            solve_columns(block + c, stride, &factor, rhs + first, rhs + first + c);
        turn_block(block, stride, n, &factor);
    }
    for (int64_t first = width - LANES; first >= 0; first -= LANES) {
        const int n = rank - first < LANES ? (int)(rank - first) : LANES;

        solve_back(gram + first * stride + first, stride, width - LANES - first, n, rhs + first);
    }
    return 0;
}
