/* Rows as codes: one byte a feature, in blocks. */
#include <math.h>
#include <string.h>

#include "ml/forest/forest_grow.h"

#define MOST_BLOCK_ROWS  65536 /* entries have 16 bits for the place of a row */
#define LEAST_BLOCK_ROWS 4096
#define BLOCK_BYTES      ((int64_t)2 << 20) /* of codes, so that they stay near the processor */

/* ---- blocks ---- */

static int64_t block_rows(int64_t stride)
{
    const int64_t rows = BLOCK_BYTES / stride / QN_PANEL * QN_PANEL;

    return rows > MOST_BLOCK_ROWS    ? MOST_BLOCK_ROWS
           : rows < LEAST_BLOCK_ROWS ? LEAST_BLOCK_ROWS
                                     : rows;
}

/* Cells that lie together in a partition are cut into blocks. */
qn_status forest_blocks_make(qn_context *ctx, const qn_matrix *data, forest_rows *rows)
{
    const int64_t most = block_rows(rows->stride);
    int64_t capacity = 0, first = 0;
    qn_status st = QN_OK;

    for (int64_t c = 0; c < data->n_own_cells; c++)
        capacity += (data->cell[c].n_rows + most - 1) / most;
    QN_NEW0(ctx, rows->block, capacity, "blocks of rows");
    for (int64_t c = 0; c < data->n_own_cells; c++) {
        const int64_t partition = qn_matrix_partition(data, c);
        int64_t left = data->cell[c].n_rows;

        while (left > 0) {
            forest_block *last = rows->n_blocks > 0 ? &rows->block[rows->n_blocks - 1] : NULL;
            const bool fits = last && last->partition == partition && last->n + left <= most;
            const int64_t n = left < most ? left : most;

            if (fits)
                last->n += n;
            else
                rows->block[rows->n_blocks++] = (forest_block){first, n, partition};
            first += n;
            left -= n;
        }
    }
    for (int64_t b = 0; b < rows->n_blocks; b++)
        rows->most_rows = rows->block[b].n > rows->most_rows ? rows->block[b].n : rows->most_rows;
done:
    return st;
}

void forest_rows_release(forest_rows *rows)
{
    qn_free(rows->code);
    qn_free(rows->label);
    qn_free(rows->target);
    qn_free(rows->weight);
    qn_free(rows->value);
    qn_free(rows->mass);
    qn_free(rows->times);
    qn_free(rows->key);
    qn_free(rows->block);
    *rows = (forest_rows){0};
}

/* ---- codes ---- */

/* Scratch of a thread. */
typedef struct coder {
    double x[QN_PANEL];
    uint8_t bin[QN_PANEL];
    uint16_t label[QN_PANEL];
} coder;

typedef struct coding {
    forest_fit *fit;
    float **narrow; /* [n_features] thresholds as floats, where the matrix holds floats */
    coder *thread;
} coding;

/* The largest float that is not above x: a float is at most the one where it is at most the other.
 */
static float float_below(double x)
{
    const float near = (float)x;

    return (double)near > x ? nextafterf(near, -INFINITY) : near;
}

static qn_status narrow_thresholds(coding *job)
{
    const forest_fit *fit = job->fit;
    qn_status st = QN_OK;

    QN_NEW0(fit->ctx, job->thread, qn_context_threads(fit->ctx), "scratch of threads");
    QN_NEW0(fit->ctx, job->narrow, fit->data->n_features, "thresholds");
    for (int32_t f = 0; f < fit->data->n_features && !fit->data->is_double; f++) {
        const forest_feature *feature = &fit->feature[f];

        if (feature->arity > 0)
            continue;
        QN_NEW(fit->ctx, job->narrow[f], feature->n_bins, "thresholds");
        for (int32_t t = 0; t < feature->n_bins - 1; t++)
            job->narrow[f][t] = float_below(feature->threshold[t]);
    }
done:
    return st;
}

static qn_status fail_value(const forest_fit *fit, int64_t row, int32_t f, double value)
{
    char place[512], name[256];

    qn_matrix_place(fit->data, row, place, sizeof place);
    qn_features_name(&fit->data->features, f, name, sizeof name);
    if (isnan(value))
        return qn_fail(fit->ctx, QN_EDATA,
                       "%s, column %s: the value is missing: leave such rows out with --on-missing "
                       "skip, or take --missing native",
                       place, name);
    return qn_fail(fit->ctx, QN_EDATA, "%s, column %s: %g is not one of %d categories", place, name,
                   value, fit->feature[f].arity);
}

/* Bins of categories, and missing values; n rows of a panel. */
static qn_status code_values(const forest_fit *fit, int32_t f, int64_t row, int64_t n, coder *to)
{
    const forest_feature *feature = &fit->feature[f];

    for (int64_t r = 0; r < n; r++) {
        const double x = to->x[r];

        if (isnan(x) && feature->has_missing)
            to->bin[r] = (uint8_t)feature->n_bins;
        else if (isnan(x) || (feature->arity > 0 && !(x >= 0 && x < feature->arity)))
            return fail_value(fit, row + r, f, x);
        else if (feature->arity > 0)
            to->bin[r] = feature->bin_of[(int32_t)x];
    }
    return QN_OK;
}

/* Bins of feature f of a panel. */
static qn_status code_feature(const coding *job, const qn_matrix_block *block, int64_t first,
                              int32_t f, coder *to)
{
    const forest_fit *fit = job->fit;
    const qn_kernels *kernels = fit->ctx->kernels;
    const forest_feature *feature = &fit->feature[f];
    const int64_t at = (first / QN_PANEL * fit->data->n_features + f) * QN_PANEL;
    const int64_t n = block->n_rows - first < QN_PANEL ? block->n_rows - first : QN_PANEL;
    bool is_plain = feature->arity == 0;

    for (int64_t r = 0; r < QN_PANEL; r++) {
        to->x[r] = fit->data->is_double ? ((const double *)block->x)[at + r]
                                        : ((const float *)block->x)[at + r];
        is_plain = is_plain && to->x[r] == to->x[r];
    }
    if (feature->arity == 0 && fit->data->is_double)
        kernels->panel_bins_f64((const double *)block->x + at, feature->n_bins - 1,
                                feature->threshold, to->bin);
    else if (feature->arity == 0)
        kernels->panel_bins_f32((const float *)block->x + at, feature->n_bins - 1, job->narrow[f],
                                to->bin);
    return is_plain ? QN_OK : code_values(fit, f, block->first_row + first, n, to);
}

/* Labels and weights of a panel, into the rows from `row` on. */
static void code_labels(const forest_fit *fit, const qn_matrix_block *block, int64_t first,
                        int64_t n, int64_t row, coder *to)
{
    const forest_labels *labels = &fit->labels;
    const forest_rows *rows = &fit->rows;

    for (int64_t r = 0; r < n; r++) {
        const double label = block->label[first + r];

        if (labels->is_classifier)
            to->label[r] = (uint16_t)labels->class_of[(int32_t)label];
        else
            rows->target[row + r] = (int64_t)nearbyint(label * labels->target_scale);
        if (rows->label)
            rows->label[row + r] = to->label[r];
        if (rows->mass) {
            rows->mass[row + r] = (block->weight ? block->weight[first + r] : 1) *
                                  (labels->class_weight ? labels->class_weight[to->label[r]] : 1);
            rows->value[row + r] = label;
        }
        if (rows->weight)
            rows->weight[row + r] =
                (int64_t)nearbyint(block->weight[first + r] * labels->weight_scale);
    }
}

static qn_status code_block(const coding *job, const qn_matrix_block *block, coder *to)
{
    forest_fit *fit = job->fit;
    const forest_rows *rows = &fit->rows;
    const int32_t with_class = fit->rule.sums == FOREST_CODES ? fit->labels.n_kept : 0;

    for (int64_t first = 0; first < block->n_rows; first += QN_PANEL) {
        const int64_t n = block->n_rows - first < QN_PANEL ? block->n_rows - first : QN_PANEL;
        const int64_t row = block->first_row + first - rows->first_row;

        code_labels(fit, block, first, n, row, to);
        for (int32_t f = 0; f < fit->data->n_features; f++) {
            uint8_t *code = rows->code + row * rows->stride + f;
            const qn_status st = code_feature(job, block, first, f, to);

            if (st != QN_OK)
                return st;
            for (int64_t r = 0; r < n; r++)
                code[r * rows->stride] =
                    (uint8_t)(with_class > 0 ? to->bin[r] * with_class + to->label[r] : to->bin[r]);
        }
    }
    return QN_OK;
}

static qn_status code_cell(void *arg, int64_t c, int32_t thread)
{
    const coding *job = arg;
    const forest_fit *fit = job->fit;
    qn_status st = QN_OK;

    for (int32_t i = 0; i < fit->data->cell[c].n_blocks; i++) {
        qn_matrix_block block;

        QN_TRY(qn_check_cancel(fit->ctx));
        QN_TRY(qn_matrix_pin(fit->ctx, fit->data, c, i, &block));
        st = code_block(job, &block, &job->thread[thread]);
        qn_matrix_unpin(fit->data, c, i);
        QN_TRY(st);
    }
done:
    return st;
}

static qn_status rows_alloc(forest_fit *fit)
{
    forest_rows *rows = &fit->rows;
    qn_status st = QN_OK;

    rows->stride = fit->data->n_features;
    QN_TRY(forest_blocks_make(fit->ctx, fit->data, rows));
    QN_NEW0(fit->ctx, rows->code, rows->n * rows->stride + 4, "codes of rows");
    if (!fit->labels.is_classifier)
        QN_NEW(fit->ctx, rows->target, rows->n, "labels of rows");
    else if (fit->rule.sums != FOREST_CODES)
        QN_NEW(fit->ctx, rows->label, rows->n, "labels of rows");
    if (fit->rule.sums == FOREST_SERIAL) {
        QN_NEW(fit->ctx, rows->value, rows->n, "labels of rows");
        QN_NEW(fit->ctx, rows->mass, rows->n, "weights of rows");
    } else if (fit->data->has_weight) {
        QN_NEW(fit->ctx, rows->weight, rows->n, "weights of rows");
    }
done:
    return st;
}

static qn_status code_own(coding *job)
{
    forest_fit *fit = job->fit;
    qn_status st = QN_OK;

    QN_TRY(rows_alloc(fit));
    QN_TRY(narrow_thresholds(job));
    QN_TRY(qn_matrix_read_ahead(fit->ctx, fit->data));
    QN_TRY(qn_parallel(fit->ctx, fit->data->n_own_cells, code_cell, job));
done:
    return st;
}

qn_status forest_rows_make(forest_fit *fit)
{
    qn_context *ctx = fit->ctx;
    coding job = {.fit = fit};
    qn_status st = QN_OK;

    QN_TRY_ALL(code_own(&job));
done:
    for (int32_t f = 0; job.narrow && f < fit->data->n_features; f++)
        qn_free(job.narrow[f]);
    qn_free(job.narrow);
    qn_free(job.thread);
    return st;
}
