/* One row's normal equation: ratings are decoded chunk by chunk, added to the Gram by the kernels
 * and solved at once, so a Gram never leaves the cache.
 *
 * Explicit: (sum y yT + n reg I) x = sum r y. Implicit (Hu, Koren, Volinsky): the Gram is YtY plus
 * sum c y yT with c = alpha |r|, the right-hand side sum (1 + c) y over r > 0, and n counts r > 0.
 */
#include <math.h>
#include <string.h>

#include "ml/als/als_impl.h"

int32_t als_columns(const qn_als_params *params)
{
    return params->rank + (params->bias == QN_ALS_BIAS_FULL ? 2 : 0);
}

als_equation als_equation_of(const qn_context *ctx, const qn_als_params *params, int64_t stride)
{
    return (als_equation){
        .kernels = ctx->kernels,
        .params = params,
        .rank = params->rank + (params->bias == QN_ALS_BIAS_FULL ? 1 : 0),
        .stride = stride,
        .is_double = params->precision == QN_ALS_DOUBLE || params->reg_param < ALS_FLOAT_MIN_REG,
    };
}

static size_t als_number_bytes(const als_equation *eq)
{
    return eq->is_double ? sizeof(double) : sizeof(float);
}

static int64_t als_gram_size(const als_equation *eq)
{
    return eq->rank * eq->stride;
}

size_t als_cell_bytes(const als_equation *eq)
{
    return (size_t)(als_gram_size(eq) + eq->stride) * als_number_bytes(eq);
}

size_t als_work_bytes(const als_equation *eq)
{
    return 2 * als_cell_bytes(eq) + 2 * (size_t)als_gram_size(eq) * sizeof(double) +
           7 * (size_t)eq->stride * sizeof(double) + 4 * ALS_CHUNK * sizeof(float) +
           qn_gram_scratch_bytes(eq->rank);
}

qn_status als_cells_create(qn_context *ctx, const als_equation *eq, int64_t n, als_cell **cells)
{
    qn_status st = QN_OK;
    const size_t head = ((size_t)n * sizeof **cells + 63) / 64 * 64;
    const size_t each = als_cell_bytes(eq);
    char *bytes = NULL;

    *cells = NULL;
    QN_TRY(qn_alloc_array(ctx, (void **)&bytes, (int64_t)(head + (size_t)n * each), 1,
                          "normal equations of long rows"));
    *cells = (als_cell *)bytes;
    for (int64_t i = 0; i < n; i++) {
        char *gram = bytes + head + (size_t)i * each;

        (*cells)[i] = (als_cell){
            .gram = gram,
            .rhs = gram + (size_t)als_gram_size(eq) * als_number_bytes(eq),
        };
    }
done:
    return st;
}

qn_status als_work_init(qn_context *ctx, const als_equation *eq, als_work *work)
{
    qn_status st = QN_OK;
    const int64_t gram = als_gram_size(eq);

    *work = (als_work){0};
    QN_TRY(
        qn_alloc_array(ctx, &work->cell.gram, (int64_t)als_cell_bytes(eq), 1, "a normal equation"));
    work->cell.rhs = (char *)work->cell.gram + (size_t)gram * als_number_bytes(eq);
    QN_NEW(ctx, work->saved, gram, "a normal equation");
    if (!eq->is_double)
        QN_NEW(ctx, work->kept, gram, "a normal equation");
    QN_NEW(ctx, work->attempt, gram, "a normal equation");
    QN_NEW(ctx, work->b, eq->stride, "a right-hand side");
    QN_NEW(ctx, work->x, eq->stride, "a solution");
    QN_NEW(ctx, work->nnls, 5 * eq->stride, "scratch of a solver");
    QN_NEW(ctx, work->rating, ALS_CHUNK, "decoded ratings");
    QN_NEW(ctx, work->target, ALS_CHUNK, "decoded ratings");
    QN_NEW(ctx, work->weight, ALS_CHUNK, "decoded ratings");
    QN_NEW(ctx, work->index, ALS_CHUNK, "decoded ratings");
    QN_TRY(qn_alloc_array(ctx, &work->kernel, (int64_t)qn_gram_scratch_bytes(eq->rank), 1,
                          "scratch of a kernel"));
done:
    return st;
}

void als_work_release(als_work *work)
{
    qn_free(work->cell.gram);
    qn_free(work->saved);
    qn_free(work->kept);
    qn_free(work->attempt);
    qn_free(work->b);
    qn_free(work->x);
    qn_free(work->nnls);
    qn_free(work->rating);
    qn_free(work->target);
    qn_free(work->weight);
    qn_free(work->index);
    qn_free(work->kernel);
    *work = (als_work){0};
}

void als_cell_clear(const als_equation *eq, als_cell *cell)
{
    memset(cell->gram, 0, als_cell_bytes(eq)); /* the right-hand side lies behind it */
    cell->n = 0;
    cell->squares = 0;
}

/* Ratings and indices of a chunk; returns how many are for training. */
static int64_t als_decode(const als_equation *eq, als_work *work, const als_entries *e,
                          int64_t from, int64_t n, const float **rating, const uint32_t **index)
{
    int64_t kept = 0;

    *index = e->index + from;
    *rating = work->rating;
    if (e->code) {
        const uint8_t *code = e->code + from;

        for (int64_t i = 0; i < n; i++)
            work->rating[i] = eq->value[code[i]];
    } else {
        *rating = e->value + from;
    }
    if (!eq->holdout)
        return n;
    for (int64_t i = 0; i < n; i++) {
        if (als_holdout_has(eq->holdout, eq->side, e->key, (*index)[i]))
            continue;
        work->index[kept] = (*index)[i];
        work->rating[kept++] = (*rating)[i];
    }
    *index = work->index;
    *rating = work->rating;
    return kept;
}

/* Explicit targets are the ratings, less what the mean and the other side's bias say. */
static void als_explicit_run(const als_equation *eq, als_work *work, const float *rating,
                             qn_gram_run *run)
{
    run->weight = NULL;
    run->target = rating;
    if (eq->params->bias == QN_ALS_BIAS_FULL) {
        const float *bias = eq->fixed + eq->rank;

        for (int64_t i = 0; i < run->n; i++)
            work->target[i] = rating[i] - (eq->mean + bias[run->index[i] * eq->stride]);
        run->target = work->target;
    }
}

static void als_implicit_run(const als_equation *eq, als_work *work, const float *rating,
                             qn_gram_run *run)
{
    const float alpha = (float)eq->params->alpha;

    for (int64_t i = 0; i < run->n; i++) {
        const float weight = alpha * fabsf(rating[i]);

        work->weight[i] = weight;
        work->target[i] = rating[i] > 0 ? 1.0F + weight : 0.0F;
    }
    run->weight = work->weight;
    run->target = work->target;
}

/* Counts of a run, and the loss at x = 0: what the solution is measured against. */
static void als_tally(const als_equation *eq, const qn_gram_run *run, als_cell *cell)
{
    double lane[4] = {0};

    if (eq->params->implicit_prefs) {
        for (int64_t i = 0; i < run->n; i++)
            cell->n += run->target[i] > 0;
        if (eq->want_loss)
            for (int64_t i = 0; i < run->n; i++)
                lane[i & 3] += (double)run->target[i];
    } else {
        cell->n += run->n;
        if (eq->want_loss)
            for (int64_t i = 0; i < run->n; i++)
                lane[i & 3] += (double)run->target[i] * (double)run->target[i];
    }
    cell->squares += (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

void als_cell_add(const als_equation *eq, als_work *work, const als_entries *entries,
                  als_cell *cell)
{
    qn_gram_run run = {.factors = eq->fixed, .stride = eq->stride, .rank = eq->rank};

    for (int64_t from = 0; from < entries->n; from += ALS_CHUNK) {
        const int64_t left = entries->n - from;
        const float *rating = NULL;

        run.n = als_decode(eq, work, entries, from, left < ALS_CHUNK ? left : ALS_CHUNK, &rating,
                           &run.index);
        if (eq->params->implicit_prefs)
            als_implicit_run(eq, work, rating, &run);
        else
            als_explicit_run(eq, work, rating, &run);
        als_tally(eq, &run, cell);
        if (eq->is_double)
            eq->kernels->gram_f64(&run, cell->gram, cell->rhs, work->kernel);
        else
            eq->kernels->gram_f32(&run, cell->gram, cell->rhs, work->kernel);
    }
}

static void als_cell_join(const als_equation *eq, als_cell *into, const als_cell *from)
{
    const int64_t n = als_gram_size(eq) + eq->stride;

    if (eq->is_double) {
        for (int64_t i = 0; i < n; i++)
            ((double *)into->gram)[i] += ((const double *)from->gram)[i];
    } else {
        for (int64_t i = 0; i < n; i++)
            ((float *)into->gram)[i] += ((const float *)from->gram)[i];
    }
    into->n += from->n;
    into->squares += from->squares;
}

void als_cells_merge(const als_equation *eq, als_cell *cells, int64_t n)
{
    for (int64_t step = 1; step < n; step *= 2)
        for (int64_t i = 0; i + step < n; i += 2 * step)
            als_cell_join(eq, &cells[i], &cells[i + step]);
}

/* Completes the Gram by YtY and keeps it and the right-hand side. What lies below the diagonal may
 * be anything. */
static void als_keep_double(const als_equation *eq, als_work *work, const als_cell *cell)
{
    const int64_t n = als_gram_size(eq);
    double *gram = cell->gram;

    if (eq->gramian)
        for (int64_t i = 0; i < n; i++)
            gram[i] += eq->gramian[i];
    memcpy(work->saved, gram, (size_t)n * sizeof *gram);
    memcpy(work->b, cell->rhs, (size_t)eq->rank * sizeof(double));
}

static void als_keep_float(const als_equation *eq, als_work *work, const als_cell *cell)
{
    const int64_t n = als_gram_size(eq);
    const float *rhs = cell->rhs;
    float *gram = cell->gram;

    if (eq->gramian)
        for (int64_t i = 0; i < n; i++)
            gram[i] += (float)eq->gramian[i];
    memcpy(work->kept, gram, (size_t)n * sizeof *gram);
    for (int32_t a = 0; a < eq->rank; a++)
        work->b[a] = (double)rhs[a];
}

/* The kept system in double, whatever the equation. */
static void als_widen(const als_equation *eq, als_work *work)
{
    for (int64_t i = 0; !eq->is_double && i < als_gram_size(eq); i++)
        work->saved[i] = (double)work->kept[i];
}

/* Sums that have overflowed would solve to zeros. */
static bool als_is_finite(const als_equation *eq, const als_work *work)
{
    for (int32_t a = 0; a < eq->rank; a++) {
        const int64_t at = a * eq->stride + a;
        const double diagonal = eq->is_double ? work->saved[at] : (double)work->kept[at];

        if (!isfinite(diagonal) || !isfinite(work->b[a]))
            return false;
    }
    return true;
}

static bool als_fits_float(const als_equation *eq, const double *x)
{
    for (int32_t f = 0; f < eq->rank; f++)
        if (!isfinite((float)x[f]))
            return false;
    return true;
}

/* Cholesky of the kept system in double; true if it could be solved in finite numbers. */
static bool als_try_double(const als_equation *eq, als_work *work, double lambda)
{
    memcpy(work->attempt, work->saved, (size_t)als_gram_size(eq) * sizeof(double));
    memcpy(work->x, work->b, (size_t)eq->rank * sizeof(double));
    return eq->kernels->cholesky_f64(eq->rank, eq->stride, work->attempt, lambda, work->x) == 0 &&
           als_fits_float(eq, work->x);
}

/* In double. A system whose smallest eigenvalue is lost in rounding counts as singular, even where
 * Cholesky happens to get through: the ridge grows from 1e-12 of the trace until it can be solved.
 */
static als_solved als_solve_double(const als_equation *eq, als_work *work, double *lambda)
{
    const double wanted = *lambda;
    double trace = 0;
    bool is_safe = false;

    for (int32_t a = 0; a < eq->rank; a++)
        trace += work->saved[a * eq->stride + a];
    is_safe = wanted > 1e-11 * trace || als_try_double(eq, work, wanted - 1e-13 * trace);
    if (is_safe && als_try_double(eq, work, wanted))
        return ALS_SOLVED;
    for (double ridge = 1e-12 * trace; ridge > 0 && ridge <= trace; ridge *= 10) {
        *lambda = wanted + ridge;
        if (als_try_double(eq, work, *lambda))
            return ALS_RIDGED;
    }
    if (trace > 0)
        return ALS_NOT_FINITE;
    memset(work->x, 0, (size_t)eq->rank * sizeof(double)); /* all factors of the other side are 0 */
    return ALS_RIDGED;
}

static als_solved als_solve_float(const als_equation *eq, als_work *work, als_cell *cell,
                                  double *lambda)
{
    float *x = cell->rhs;

    if (eq->kernels->cholesky_f32(eq->rank, eq->stride, cell->gram, (float)*lambda, x) == 0) {
        for (int32_t f = 0; f < eq->rank; f++)
            work->x[f] = (double)x[f];
        if (als_fits_float(eq, work->x))
            return ALS_SOLVED;
    }
    als_widen(eq, work);
    return als_solve_double(eq, work, lambda);
}

static als_solved als_solve_nonnegative(const als_equation *eq, als_work *work, double lambda)
{
    const int32_t rank = eq->rank;

    als_widen(eq, work);
    for (int32_t a = 0; a < rank; a++) {
        for (int32_t c = a; c < rank; c++) {
            const double value = work->saved[a * eq->stride + c];

            work->attempt[(int64_t)a * rank + c] = value;
            work->attempt[(int64_t)c * rank + a] = value;
        }
        work->attempt[(int64_t)a * rank + a] += lambda;
    }
    qn_nnls(rank, work->attempt, work->b, work->x, work->nnls);
    return als_fits_float(eq, work->x) ? ALS_SOLVED : ALS_NOT_FINITE;
}

/* Squared error at x: squares - 2 x.b + xT G x, where xT G x = x.b - lambda |x|^2 at the optimum.
 */
static double als_row_loss(const als_equation *eq, const als_work *work, double squares,
                           double lambda)
{
    const double *x = work->x;
    double xb = 0;
    double xx = 0;
    double xgx = 0;

    for (int32_t a = 0; a < eq->rank; a++) {
        xb += x[a] * work->b[a];
        xx += x[a] * x[a];
    }
    if (!eq->params->nonnegative)
        return squares - xb - lambda * xx;
    for (int32_t a = 0; a < eq->rank; a++) {
        const double *gram = work->saved + a * eq->stride;
        double sum = 0.5 * gram[a] * x[a];

        for (int32_t c = a + 1; c < eq->rank; c++)
            sum += gram[c] * x[c];
        xgx += 2 * x[a] * sum;
    }
    return squares - 2 * xb + xgx;
}

static void als_store_row(const als_equation *eq, const double *x, float *row)
{
    const bool has_bias = eq->params->bias == QN_ALS_BIAS_FULL;
    const int32_t rank = has_bias ? eq->rank - 1 : eq->rank;

    for (int32_t f = 0; f < rank; f++)
        row[f] = (float)x[f];
    if (has_bias) {
        row[rank] = 1.0F;
        row[rank + 1] = (float)x[rank];
    }
}

als_solved als_cell_solve(const als_equation *eq, als_work *work, als_cell *cell, float *row,
                          double *loss)
{
    double lambda = (double)cell->n * eq->params->reg_param;
    als_solved result = ALS_SOLVED;

    if (cell->n == 0) { /* the right-hand side is 0, and so is the solution */
        memset(work->x, 0, (size_t)eq->rank * sizeof(double));
        memset(work->b, 0, (size_t)eq->rank * sizeof(double));
    } else {
        if (eq->is_double)
            als_keep_double(eq, work, cell);
        else
            als_keep_float(eq, work, cell);
        if (!als_is_finite(eq, work))
            return ALS_NOT_FINITE;
        if (eq->params->nonnegative)
            result = als_solve_nonnegative(eq, work, lambda);
        else if (eq->is_double)
            result = als_solve_double(eq, work, &lambda);
        else
            result = als_solve_float(eq, work, cell, &lambda);
    }
    if (result == ALS_NOT_FINITE)
        return result;
    als_store_row(eq, work->x, row);
    if (loss)
        *loss = cell->n == 0 ? cell->squares : als_row_loss(eq, work, cell->squares, lambda);
    return result;
}

als_solved als_solve_again(const als_equation *eq, als_work *work, int64_t n, const double *rhs)
{
    double lambda = (double)n * eq->params->reg_param;

    memcpy(work->b, rhs, (size_t)eq->rank * sizeof(double));
    for (int32_t f = 0; eq->params->nonnegative && f < eq->rank; f++) {
        if (work->x[f] > 0)
            continue;
        for (int32_t a = 0; a < f; a++)
            work->saved[a * eq->stride + f] = 0;
        for (int32_t c = f + 1; c < eq->rank; c++)
            work->saved[f * eq->stride + c] = 0;
        work->saved[f * eq->stride + f] = 1;
        work->b[f] = 0;
    }
    return als_solve_double(eq, work, &lambda);
}
