/* The inner loop under every Gram matrix and every Cholesky factor: a tile of `rows` x
 * `columns` vectors of sums stays in registers while a run of source rows passes by. Each source
 * row gives `rows` numbers, one by one, and `columns` vectors: out[r][c] += left[j][r] *
 * right[j][c]   for j = 0, 1, ...   (or -=) Each sum is one chain of fused multiply-adds in the
 * order of j, so where a run is cut changes no bit. Included after a lanes_*.h, which says how wide
 * a vector is. */
#ifndef QN_KERNELS_TILE_BODY_H
#define QN_KERNELS_TILE_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/inline.h"

typedef struct tile_job {
    int64_t n;         /* source rows */
    const real *left;  /* number r of source row j at left[j * stride + r] */
    const real *right; /* vector c of source row j at right + j * stride + c * LANES */
    int64_t stride;    /* reals between source rows */
    real *out;         /* vector c of sum row r at out + r * out_stride + c * LANES */
    int64_t out_stride;
    const real *target;    /* [n], or NULL: one more number of each source row, whose sums */
    real *target_out;      /* go here: [columns * LANES] */
    const uint32_t *ahead; /* [n_ahead] rows that are needed after this block: */
    int64_t n_ahead;       /* the tile asks for the cache line at ahead_base of each */
    const char *ahead_base;
    size_t ahead_bytes; /* bytes between those rows */
} tile_job;

ALWAYS_INLINE lanes tile_step(const bool subtract, lanes a, lanes b, lanes sum)
{
    return subtract ? lanes_fnma(a, b, sum) : lanes_fma(a, b, sum);
}

/* `rows`, `columns`, `with_target` and `subtract` are constants where this is called; the sums of
 * the target, if any, are the last row. */
ALWAYS_INLINE void tile_run(const int rows, const int columns, const bool with_target,
                            const bool subtract, const tile_job *job)
{
    const int all_rows = with_target ? rows + 1 : rows;
    const real *left = job->left;
    const real *right = job->right;
    lanes sum[17][8];
    lanes vector[8];

    UNROLL_ALL
    for (int r = 0; r < all_rows; r++) {
        const real *out = r < rows ? job->out + r * job->out_stride : job->target_out;

        UNROLL_ALL
        for (int c = 0; c < columns; c++)
            sum[r][c] = lanes_load(out + c * LANES);
    }
    for (int64_t j = 0; j < job->n; j++) {
        if (j < job->n_ahead)
            _mm_prefetch(job->ahead_base + (size_t)job->ahead[j] * job->ahead_bytes, _MM_HINT_T1);
        UNROLL_ALL
        for (int c = 0; c < columns; c++)
            vector[c] = lanes_load(right + c * LANES);
        UNROLL_ALL
        for (int r = 0; r < all_rows; r++) {
            const lanes number = lanes_all(r < rows ? left[r] : job->target[j]);

            UNROLL_ALL
            for (int c = 0; c < columns; c++)
                sum[r][c] = tile_step(subtract, number, vector[c], sum[r][c]);
        }
        left += job->stride;
        right += job->stride;
    }
    UNROLL_ALL
    for (int r = 0; r < all_rows; r++) {
        real *out = r < rows ? job->out + r * job->out_stride : job->target_out;

        UNROLL_ALL
        for (int c = 0; c < columns; c++)
            lanes_store(out + c * LANES, sum[r][c]);
    }
}

typedef void tile_function(const tile_job *job);

/* A tile that adds, by shape, and one that subtracts. */
#define TILE_ADDING(rows, columns)                                                                 \
    static void tile_add_##rows##x##columns(const tile_job *job)                                   \
    {                                                                                              \
        tile_run(rows, columns, false, false, job);                                                \
    }
#define TILE_SUBTRACTING(rows, columns)                                                            \
    static void tile_subtract_##rows##x##columns(const tile_job *job)                              \
    {                                                                                              \
        tile_run(rows, columns, false, true, job);                                                 \
    }
/* A tile that adds, and sums the target into one more row. */
#define TILE_TARGET(rows, columns)                                                                 \
    static void tile_target_##rows##x##columns(const tile_job *job)                                \
    {                                                                                              \
        tile_run(rows, columns, true, false, job);                                                 \
    }

#endif
