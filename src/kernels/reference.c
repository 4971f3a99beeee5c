/* The kernel set in plain C: it says what is correct, and serves where no vector set does. */
#include "kernels/sets.h"

#include <math.h>

void qn_gram_f32_reference(const qn_gram_run *run, float *gram, float *rhs, void *scratch)
{
    const int32_t rank = run->rank;

    (void)scratch;
    for (int64_t j = 0; j < run->n; j++) {
        const float *y = run->factors + (size_t)run->index[j] * (size_t)run->stride;
        const float weight = run->weight ? run->weight[j] : 1.0F;

        for (int32_t a = 0; a < rank; a++) {
            const float left = weight * y[a];

            for (int32_t b = a; b < rank; b++)
                gram[a * run->stride + b] += left * y[b];
        }
        for (int32_t a = 0; a < rank; a++)
            rhs[a] += run->target[j] * y[a];
    }
}

void qn_gram_f64_reference(const qn_gram_run *run, double *gram, double *rhs, void *scratch)
{
    const int32_t rank = run->rank;

    (void)scratch;
    for (int64_t j = 0; j < run->n; j++) {
        const float *y = run->factors + (size_t)run->index[j] * (size_t)run->stride;
        const double weight = run->weight ? run->weight[j] : 1.0;

        for (int32_t a = 0; a < rank; a++) {
            const double left = weight * y[a];

            for (int32_t b = a; b < rank; b++)
                gram[a * run->stride + b] += left * y[b];
        }
        for (int32_t a = 0; a < rank; a++)
            rhs[a] += (double)run->target[j] * y[a];
    }
}

/* Row by row, U with UT U = G: the outer product of each finished row leaves the rows below it. */
int32_t qn_cholesky_f32_reference(int32_t rank, int64_t stride, float *gram, float diagonal_add,
                                  float *rhs)
{
    for (int32_t i = 0; i < rank; i++) {
        float *row = gram + i * stride;
        const float pivot = row[i] + diagonal_add;

        if (!(pivot > 0.0F))
            return i + 1;
        const float root = sqrtf(pivot);
        row[i] = root;
        for (int32_t j = i + 1; j < rank; j++)
            row[j] /= root;
        rhs[i] /= root;
        for (int32_t k = i + 1; k < rank; k++) {
            for (int32_t j = k; j < rank; j++)
                gram[k * stride + j] -= row[k] * row[j];
            rhs[k] -= row[k] * rhs[i];
        }
    }
    for (int32_t i = rank - 1; i >= 0; i--) {
        const float *row = gram + i * stride;
        float rest = rhs[i];

        for (int32_t j = i + 1; j < rank; j++)
            rest -= row[j] * rhs[j];
        rhs[i] = rest / row[i];
    }
    for (int64_t i = rank; i < stride; i++)
        rhs[i] = 0;
    return 0;
}

int32_t qn_cholesky_f64_reference(int32_t rank, int64_t stride, double *gram, double diagonal_add,
                                  double *rhs)
{
    for (int32_t i = 0; i < rank; i++) {
        double *row = gram + i * stride;
        const double pivot = row[i] + diagonal_add;

        if (!(pivot > 0.0))
            return i + 1;
        const double root = sqrt(pivot);
        row[i] = root;
        for (int32_t j = i + 1; j < rank; j++)
            row[j] /= root;
        rhs[i] /= root;
        for (int32_t k = i + 1; k < rank; k++) {
            for (int32_t j = k; j < rank; j++)
                gram[k * stride + j] -= row[k] * row[j];
            rhs[k] -= row[k] * rhs[i];
        }
    }
    for (int32_t i = rank - 1; i >= 0; i--) {
        const double *row = gram + i * stride;
        double rest = rhs[i];

        for (int32_t j = i + 1; j < rank; j++)
            rest -= row[j] * rhs[j];
        rhs[i] = rest / row[i];
    }
    for (int64_t i = rank; i < stride; i++)
        rhs[i] = 0;
    return 0;
}

void qn_gram_rows_f32_reference(int64_t n_rows, int32_t rank, int64_t stride, const float *rows,
                                float *gram)
{
    for (int64_t r = 0; r < n_rows; r++) {
        const float *y = rows + r * stride;

        for (int32_t a = 0; a < rank; a++) {
            for (int32_t b = a; b < rank; b++)
                gram[a * stride + b] += y[a] * y[b];
        }
    }
}

void qn_score_panel_reference(int32_t n_users, int32_t rank, int64_t stride, const float *users,
                              const float *panel, float *out)
{
    for (int32_t r = 0; r < n_users; r++) {
        const float *user = users + r * stride;
        float *score = out + r * QN_PANEL;

        for (int32_t j = 0; j < QN_PANEL; j++)
            score[j] = 0.0F;
        for (int32_t f = 0; f < rank; f++) {
            for (int32_t j = 0; j < QN_PANEL; j++)
                score[j] += user[f] * panel[f * QN_PANEL + j];
        }
    }
}

/* Sixteen lanes, entry i in lane i mod 16, then pairs of lanes 8, 4, 2 and 1 apart: the order that
 * vector registers take, so every set gives the same bits. */
void qn_moments_f64_reference(int64_t n, const double *x, double *sum, double *sum_squares)
{
    double sums[16] = {0};
    double squares[16] = {0};

    for (int64_t i = 0; i < n; i++) {
        sums[i % 16] += x[i];
        squares[i % 16] += x[i] * x[i];
    }
    for (int32_t apart = 8; apart > 0; apart /= 2) {
        for (int32_t i = 0; i < apart; i++) {
            sums[i] += sums[i + apart];
            squares[i] += squares[i + apart];
        }
    }
    *sum += sums[0];
    *sum_squares += squares[0];
}

const qn_kernels qn_kernels_reference = {
    .name = "reference",
    .level = 0,
    .gram_f32 = qn_gram_f32_reference,
    .gram_f64 = qn_gram_f64_reference,
    .cholesky_f32 = qn_cholesky_f32_reference,
    .cholesky_f64 = qn_cholesky_f64_reference,
    .gram_rows_f32 = qn_gram_rows_f32_reference,
    .score_panel = qn_score_panel_reference,
    .moments_f64 = qn_moments_f64_reference,
    .nearest_f32 = qn_nearest_f32_reference,
    .nearest_f64 = qn_nearest_f64_reference,
    .label_sums_f32 = qn_label_sums_f32_reference,
    .label_sums_f64 = qn_label_sums_f64_reference,
    .label_moves_f32 = qn_label_moves_f32_reference,
    .label_moves_f64 = qn_label_moves_f64_reference,
    .label_distance_f32 = qn_label_distance_f32_reference,
    .label_distance_f64 = qn_label_distance_f64_reference,
    .products_f32 = qn_products_f32_reference,
    .products_f64 = qn_products_f64_reference,
    .row_draws = qn_row_draws_reference,
    .draw_counts = qn_draw_counts_reference,
    .row_entries = qn_row_entries_reference,
    .code_sums = qn_code_sums_reference,
    .code_split = qn_code_split_reference,
    .panel_bins_f32 = qn_panel_bins_f32_reference,
    .panel_bins_f64 = qn_panel_bins_f64_reference,
    .text_marks = qn_text_marks_reference,
    .text_floats = qn_text_floats_reference,
    .text_doubles = qn_text_doubles_reference,
};
