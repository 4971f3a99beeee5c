#include "ml/als/als_seconds.h"

static qn_seconds_range over(double amount, double slow, double fast)
{
    return (qn_seconds_range){amount / fast, amount / slow};
}

qn_als_seconds qn_als_seconds_of(const qn_als_params *params, const qn_als_shape *shape,
                                 const qn_als_layout *layout, const qn_als_bytes *bytes)
{
    const double k = params->rank, threads = layout->threads;
    qn_als_seconds s;
    double flops = 0;

    /* A rating adds its row to half of a k x k matrix and a vector; a row solves one. */
    for (int32_t side = 0; side < 2; side++)
        flops += bytes->part[side] * ((double)shape->ratings * (k * k + 3 * k) +
                                      (double)shape->rows[side] * (k * k * k / 3 + 2 * k * k));
    s.solve = over(flops, ALS_FLOPS_LEAST * threads, ALS_FLOPS_MOST * threads);
    s.receive = over(bytes->received, ALS_RECEIVED_LEAST, ALS_RECEIVED_MOST);
    s.read = over(bytes->spilled, ALS_READ_LEAST, ALS_READ_MOST);
    s.iteration.least = s.solve.least + s.receive.least + s.read.least;
    s.iteration.most = s.solve.most + s.receive.most + s.read.most;
    return s;
}
