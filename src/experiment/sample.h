/* Rows by lot, and the two directions in which they spread most. */
#ifndef QN_EXPERIMENT_SAMPLE_H
#define QN_EXPERIMENT_SAMPLE_H

#include "quern/matrix.h"

/* row [m] gets m of 0 .. n - 1, ascending and distinct: one of each of m equal parts. m <= n. */
void qn_pick_rows(int64_t seed, int64_t n, int64_t m, int64_t *row);
/* 0 .. n - 1 in an order by lot. */
qn_status qn_pick_order(qn_context *ctx, int64_t seed, int64_t n, int64_t *order);

typedef struct qn_plane {
    double *mean;       /* [d] */
    double *axis;       /* [2 x d] of unit length, the largest entry of each positive */
    double variance[2]; /* along the axes */
    double total;       /* of all features */
} qn_plane;

/* The principal components of n rows, x [n x d]: eigenvectors of their covariance. Fewer than two
 * directions: the missing axis is 0. The same bits for any number of threads. Release also after a
 * failure. */
qn_status qn_plane_make(qn_context *ctx, int64_t n, int32_t d, const double *x, qn_plane *plane);
void qn_plane_release(qn_plane *plane);
/* Place of one point [d] in the plane. */
void qn_plane_project(const qn_plane *plane, int32_t d, const double *x, double out[2]);

#endif
