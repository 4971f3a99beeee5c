/* Least squares over x >= 0, as Spark's NNLS does it: projected gradient steps, made conjugate
 * while no wall has been hit lately. Plain C in double: the same bits in every kernel set. */
#include "kernels/kernels.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* Vectors of length n inside the caller's scratch. */
typedef struct nnls_state {
    int32_t n;
    const double *a;
    double *residual; /* A x - b, the gradient before projection */
    double *gradient; /* the part of it that does not push into a wall */
    double *direction;
    double *last_direction;
    double *product; /* A times a direction */
} nnls_state;

static double dot(int32_t n, const double *x, const double *y)
{
    double sum = 0.0;

    for (int32_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* y = A x, by columns (A is symmetric): additions run along y, so they can be vectors. */
static void multiply(int32_t n, const double *restrict a, const double *restrict x,
                     double *restrict y)
{
    for (int32_t i = 0; i < n; i++)
        y[i] = 0.0;
    for (int32_t j = 0; j < n; j++) {
        const double *column = a + (size_t)j * (size_t)n;
        const double factor = x[j];

        for (int32_t i = 0; i < n; i++)
            y[i] += column[i] * factor;
    }
}

/* The step along `direction` that minimises the objective when there are no walls. The small term
 * keeps a zero direction from giving infinity. */
static double best_step(nnls_state *s, const double *direction)
{
    const double top = dot(s->n, direction, s->residual);

    multiply(s->n, s->a, direction, s->product);
    return top / (dot(s->n, s->product, direction) + 1e-20);
}

static bool is_finished(double step, double direction_norm, double x_norm)
{
    return isnan(step) || step < 1e-7 || step > 1e40 || direction_norm < 1e-12 * x_norm ||
           direction_norm < 1e-32;
}

/* Fills residual and projected gradient at x; returns the squared norm of the latter. */
static double measure_gradient(nnls_state *s, const double *b, const double *x)
{
    multiply(s->n, s->a, x, s->residual);
    for (int32_t i = 0; i < s->n; i++) {
        s->residual[i] -= b[i];
        s->gradient[i] = s->residual[i] > 0.0 && x[i] == 0.0 ? 0.0 : s->residual[i];
    }
    return dot(s->n, s->gradient, s->gradient);
}

/* Shortens the step to the first wall, goes there, and says whether a wall was reached. */
static bool walk(const nnls_state *s, double step, double *x)
{
    bool hit = false;

    for (int32_t i = 0; i < s->n; i++) {
        if (step * s->direction[i] > x[i])
            step = x[i] / s->direction[i];
    }
    for (int32_t i = 0; i < s->n; i++) {
        if (step * s->direction[i] > x[i] * (1.0 - 1e-14)) {
            x[i] = 0.0;
            hit = true;
        } else {
            x[i] -= step * s->direction[i];
        }
    }
    return hit;
}

/* Tries gradient + beta * last direction; keeps the plain gradient if that step would end the
 * search. Returns the step to take. */
static double conjugate(nnls_state *s, double beta, double x_norm, double plain_step)
{
    for (int32_t i = 0; i < s->n; i++)
        s->direction[i] = s->gradient[i] + beta * s->last_direction[i];
    const double step = best_step(s, s->direction);
    if (!is_finished(step, dot(s->n, s->direction, s->direction), x_norm))
        return step;
    memcpy(s->direction, s->gradient, (size_t)s->n * sizeof(double));
    return plain_step;
}

int32_t qn_nnls(int32_t n, const double *a, const double *b, double *x, double *scratch)
{
    nnls_state s = {n,
                    a,
                    scratch,
                    scratch + n,
                    scratch + 2 * (size_t)n,
                    scratch + 3 * (size_t)n,
                    scratch + 4 * (size_t)n};
    const int32_t limit = n > 20 ? 20 * n : 400;
    int32_t iteration = 0;
    int32_t last_wall = 0;
    double last_norm = 0.0;

    for (int32_t i = 0; i < n; i++)
        x[i] = 0.0;
    for (; iteration < limit; iteration++) {
        const double gradient_norm = measure_gradient(&s, b, x);
        const double x_norm = dot(n, x, x);
        double step = best_step(&s, s.gradient);

        memcpy(s.direction, s.gradient, (size_t)n * sizeof(double));
        if (iteration > last_wall + 1)
            step = conjugate(&s, gradient_norm / last_norm, x_norm, step);
        if (is_finished(step, dot(n, s.direction, s.direction), x_norm))
            break;
        if (walk(&s, step, x))
            last_wall = iteration;
        double *spent = s.last_direction;
        s.last_direction = s.direction;
        s.direction = spent;
        last_norm = gradient_norm;
    }
    return iteration;
}
