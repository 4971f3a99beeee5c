#include "experiment/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "base/rng.h"

#define BLOCK     8 /* vectors that are iterated: more than two, so that near ones are told apart */
#define MOST      500 /* iterations */
#define TOLERANCE 1e-12

/* What the draws of QN_STREAM_SAMPLE are for here. */
#define DRAW_ROW   UINT64_C(0x706c6f74)
#define DRAW_ORDER UINT64_C(0x706c6f75)
#define DRAW_START UINT64_C(0x706c6f76)

void qn_pick_rows(int64_t seed, int64_t n, int64_t m, int64_t *row)
{
    for (int64_t i = 0; i < m; i++) {
        const qn_random random = qn_philox(seed, QN_STREAM_SAMPLE, (uint64_t)i, DRAW_ROW);
        const int64_t first = (int64_t)((__int128)n * i / m);
        const int64_t end = (int64_t)((__int128)n * (i + 1) / m);

        row[i] = first + (int64_t)(qn_uniform(&random, 0) * (double)(end - first));
    }
}

typedef struct lot {
    double key;
    int64_t i;
} lot;

static int by_key(const void *a, const void *b)
{
    const lot *x = a, *y = b;

    return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : (x->i > y->i) - (x->i < y->i);
}

qn_status qn_pick_order(qn_context *ctx, int64_t seed, int64_t n, int64_t *order)
{
    lot *lots = NULL;
    qn_status st = QN_OK;

    QN_NEW(ctx, lots, n, "an order by lot");
    for (int64_t i = 0; i < n; i++) {
        const qn_random random = qn_philox(seed, QN_STREAM_SAMPLE, (uint64_t)i, DRAW_ORDER);

        lots[i] = (lot){qn_uniform(&random, 0), i};
    }
    qsort(lots, (size_t)n, sizeof *lots, by_key);
    for (int64_t i = 0; i < n; i++)
        order[i] = lots[i].i;
done:
    qn_free(lots);
    return st;
}

/* ---- Principal components ---- */

typedef struct covariance_job {
    int64_t n;
    int32_t d;
    const double *x;    /* [n x d] */
    const double *mean; /* [d] */
    double *covariance; /* [d x d] */
} covariance_job;

/* One row of the covariance from the diagonal on: a fixed order of sums whoever computes it. */
static qn_status covariance_task(void *arg, int64_t task, int32_t thread)
{
    const covariance_job *job = arg;
    const int64_t d = job->d, f = task;
    double *row = job->covariance + f * d;

    (void)thread;
    for (int64_t i = 0; i < job->n; i++) {
        const double *x = job->x + i * d;
        const double own = x[f] - job->mean[f];

        for (int64_t g = f; g < d; g++)
            row[g] += own * (x[g] - job->mean[g]);
    }
    for (int64_t g = f; g < d; g++) {
        row[g] /= (double)job->n;
        job->covariance[g * d + f] = row[g];
    }
    return QN_OK;
}

static double dot(int64_t d, const double *a, const double *b)
{
    double sum = 0;

    for (int64_t f = 0; f < d; f++)
        sum += a[f] * b[f];
    return sum;
}

/* Makes the vectors orthonormal (Gram and Schmidt, twice); one that depends on those before is
 * 0. */
static void orthonormalise(int32_t n, int64_t d, double *v)
{
    for (int64_t i = 0; i < n; i++) {
        double *own = v + i * d;
        const double before = sqrt(dot(d, own, own));
        double length;

        for (int64_t j = 0; j < 2 * i; j++) {
            const double *other = v + j % i * d;
            const double part = dot(d, own, other);

            for (int64_t f = 0; f < d; f++)
                own[f] -= part * other[f];
        }
        length = sqrt(dot(d, own, own));
        for (int64_t f = 0; f < d; f++)
            own[f] = length > 1e-10 * before && length > 0 ? own[f] / length : 0;
    }
}

typedef struct multiply_job {
    int64_t d;
    int32_t n;
    const double *matrix; /* [d x d] */
    const double *v;      /* [n x d] */
    double *out;          /* [n x d] */
} multiply_job;

static qn_status multiply_task(void *arg, int64_t task, int32_t thread)
{
    const multiply_job *job = arg;

    (void)thread;
    for (int64_t i = 0; i < job->n; i++)
        job->out[i * job->d + task] = dot(job->d, job->matrix + task * job->d, job->v + i * job->d);
    return QN_OK;
}

/* Eigenvectors of a small symmetric matrix by rotations (Jacobi 1846): a [n x n] becomes diagonal,
 * the columns of `turn` the vectors. */
static void jacobi(int32_t n, double a[BLOCK][BLOCK], double turn[BLOCK][BLOCK])
{
    for (int32_t i = 0; i < n; i++)
        for (int32_t j = 0; j < n; j++)
            turn[i][j] = i == j;
    for (int32_t sweep = 0; sweep < 60; sweep++)
        for (int32_t p = 0; p < n; p++)
            for (int32_t q = p + 1; q < n; q++) {
                double theta, t, c, s;

                if (fabs(a[p][q]) <= 1e-300)
                    continue;
                theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
                t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
                c = 1 / sqrt(t * t + 1);
                s = t * c;
                for (int32_t i = 0; i < n; i++) {
                    const double x = a[i][p], y = a[i][q];

                    a[i][p] = c * x - s * y;
                    a[i][q] = s * x + c * y;
                }
                for (int32_t i = 0; i < n; i++) {
                    const double x = a[p][i], y = a[q][i], u = turn[i][p], w = turn[i][q];

                    a[p][i] = c * x - s * y;
                    a[q][i] = s * x + c * y;
                    turn[i][p] = c * u - s * w;
                    turn[i][q] = s * u + c * w;
                }
            }
}

/* Turns the iterated vectors into the best approximations of eigenvectors within their span, the
 * largest first (Rayleigh and Ritz): v from mv = M v. */
static void rayleigh_ritz(int32_t n, int64_t d, double *v, const double *mv, double *scratch,
                          double value[BLOCK])
{
    double small[BLOCK][BLOCK], turn[BLOCK][BLOCK];
    int32_t order[BLOCK];

    for (int32_t i = 0; i < n; i++)
        for (int32_t j = 0; j < n; j++)
            small[i][j] = dot(d, v + i * d, mv + j * d);
    jacobi(n, small, turn);
    for (int32_t i = 0; i < n; i++) { /* insertion: largest value first */
        int32_t at = i;

        for (; at > 0 && small[order[at - 1]][order[at - 1]] < small[i][i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (int32_t i = 0; i < n; i++) {
        value[i] = small[order[i]][order[i]];
        for (int64_t f = 0; f < d; f++) {
            double sum = 0;

            for (int32_t j = 0; j < n; j++)
                sum += turn[j][order[i]] * v[j * d + f];
            scratch[i * d + f] = sum;
        }
    }
    memcpy(v, scratch, (size_t)n * (size_t)d * sizeof *v);
}

/* The two largest eigenvectors of matrix [d x d], by iterating a block of vectors. */
static qn_status iterate(qn_context *ctx, int32_t d, const double *matrix, qn_plane *plane)
{
    const int32_t n = d < BLOCK ? d : BLOCK;
    double value[BLOCK] = {0}, before[2] = {0};
    double *v = NULL, *mv = NULL, *scratch = NULL;
    multiply_job job;
    qn_status st = QN_OK;

    QN_NEW(ctx, v, (int64_t)n * d, "vectors of principal components");
    QN_NEW(ctx, mv, (int64_t)n * d, "vectors of principal components");
    QN_NEW(ctx, scratch, (int64_t)n * d, "vectors of principal components");
    job = (multiply_job){.d = d, .n = n, .matrix = matrix, .v = v, .out = mv};
    for (int64_t i = 0; i < (int64_t)n * d; i++) {
        const qn_random random = qn_philox(0, QN_STREAM_SAMPLE, (uint64_t)i, DRAW_START);

        v[i] = qn_uniform(&random, 0) - 0.5;
    }
    for (int32_t round = 0; round < MOST; round++) {
        orthonormalise(n, d, v);
        QN_TRY(qn_parallel(ctx, d, multiply_task, &job));
        rayleigh_ritz(n, d, v, mv, scratch, value);
        if (n == d || (round > 0 && fabs(value[0] - before[0]) <= TOLERANCE * value[0] &&
                       fabs(value[n > 1] - before[1]) <= TOLERANCE * value[0]))
            break;
        before[0] = value[0];
        before[1] = value[n > 1];
        QN_TRY(qn_parallel(ctx, d, multiply_task, &job));
        memcpy(v, mv, (size_t)n * (size_t)d * sizeof *v);
    }
    for (int32_t a = 0; a < 2 && a < n; a++) {
        plane->variance[a] = value[a] > 0 ? value[a] : 0;
        memcpy(plane->axis + (int64_t)a * d, v + (int64_t)a * d, (size_t)d * sizeof *v);
    }
done:
    qn_free(v);
    qn_free(mv);
    qn_free(scratch);
    return st;
}

/* An eigenvector's sign is free: the entry of largest size becomes positive. */
static void fix_sign(int32_t d, double *axis)
{
    int64_t largest = 0;

    for (int64_t f = 1; f < d; f++)
        if (fabs(axis[f]) > fabs(axis[largest]) * (1 + 1e-9))
            largest = f;
    if (axis[largest] < 0)
        for (int64_t f = 0; f < d; f++)
            axis[f] = 0.0 - axis[f];
}

qn_status qn_plane_make(qn_context *ctx, int64_t n, int32_t d, const double *x, qn_plane *plane)
{
    covariance_job job = {.n = n, .d = d, .x = x};
    qn_status st = QN_OK;

    *plane = (qn_plane){0};
    QN_NEW0(ctx, plane->mean, d, "the mean of a sample");
    QN_NEW0(ctx, plane->axis, 2 * (int64_t)d, "principal components");
    QN_NEW0(ctx, job.covariance, (int64_t)d * d, "the covariance of the features");
    for (int64_t i = 0; i < n; i++)
        for (int64_t f = 0; f < d; f++)
            plane->mean[f] += x[i * d + f];
    for (int64_t f = 0; f < d; f++)
        plane->mean[f] /= n > 0 ? (double)n : 1;
    job.mean = plane->mean;
    QN_TRY(qn_parallel(ctx, n > 0 ? d : 0, covariance_task, &job));
    for (int64_t f = 0; f < d; f++)
        plane->total += job.covariance[f * d + f];
    if (plane->total > 0)
        QN_TRY(iterate(ctx, d, job.covariance, plane));
    fix_sign(d, plane->axis);
    fix_sign(d, plane->axis + d);
done:
    qn_free(job.covariance);
    return st;
}

void qn_plane_release(qn_plane *plane)
{
    qn_free(plane->mean);
    qn_free(plane->axis);
    *plane = (qn_plane){0};
}

void qn_plane_project(const qn_plane *plane, int32_t d, const double *x, double out[2])
{
    for (int32_t a = 0; a < 2; a++) {
        const double *axis = plane->axis + (int64_t)a * d;

        out[a] = 0;
        for (int32_t f = 0; f < d; f++)
            out[a] += (x[f] - plane->mean[f]) * axis[f];
    }
}
