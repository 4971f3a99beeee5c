/* The Gram matrix of consecutive rows: no packing, and the last columns are padding that may be
 * written. Included after gram_body.h by the sets of floats. */
#define ROWS_AT_ONCE 64

static void sum_rows(int64_t n_rows, int32_t rank, int64_t stride, const float *rows, float *gram)
{
    const int64_t width = (rank + LANES - 1) / LANES * LANES;

    for (int64_t start = 0; start < n_rows; start += ROWS_AT_ONCE) {
        const float *block = rows + start * stride;
        tile_job job = {.n = n_rows - start < ROWS_AT_ONCE ? n_rows - start : ROWS_AT_ONCE,
                        .stride = stride,
                        .out_stride = stride};

        for (int64_t row = 0; row < rank; row += TILE_ROWS) {
            const int64_t n = rank - row < TILE_ROWS ? rank - row : TILE_ROWS;

            for (int64_t c = row / LANES * LANES; c < width;) {
                const int64_t left = (width - c) / LANES;
                const int64_t columns = left < most_columns[n] ? left : most_columns[n];

                job.left = block + row;
                job.right = block + c;
                job.out = gram + row * stride + c;
                tiles[n][columns](&job);
                c += columns * LANES;
            }
        }
    }
}
