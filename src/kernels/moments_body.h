/* Sums and sums of squares in the sixteen lanes of the reference, for one width of vector. Products
 * are rounded before they are added, so every set gives the same bits. */
#include "kernels/sets.h"
#include "kernels/tile_body.h"

#define SUM_LANES   16
#define SUM_VECTORS (SUM_LANES / LANES)

/* Adds up lanes 8, 4, 2 and 1 apart. */
static double add_lanes(double x[SUM_LANES])
{
    for (int apart = SUM_LANES / 2; apart > 0; apart /= 2) {
        for (int i = 0; i < apart; i++)
            x[i] += x[i + apart];
    }
    return x[0];
}

static void sum_moments(int64_t n, const double *x, double *sum, double *sum_squares)
{
    double sums[SUM_LANES];
    double squares[SUM_LANES];
    lanes s[SUM_VECTORS];
    lanes q[SUM_VECTORS];
    int64_t i = 0;

    UNROLL_ALL
    for (int v = 0; v < SUM_VECTORS; v++)
        s[v] = q[v] = lanes_all(0.0);
    for (; i + SUM_LANES <= n; i += SUM_LANES) {
        UNROLL_ALL
        for (int v = 0; v < SUM_VECTORS; v++) {
            const lanes value = lanes_load(x + i + v * LANES);

            s[v] = lanes_add(s[v], value);
            q[v] = lanes_add(q[v], lanes_mul(value, value));
        }
    }
    UNROLL_ALL
    for (int v = 0; v < SUM_VECTORS; v++) {
        lanes_store(sums + v * LANES, s[v]);
        lanes_store(squares + v * LANES, q[v]);
    }
    for (int lane = 0; i < n; i++, lane++) {
        sums[lane] += x[i];
        squares[lane] += x[i] * x[i];
    }
    *sum += add_lanes(sums);
    *sum_squares += add_lanes(squares);
}
