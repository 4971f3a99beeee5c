/* Features cut into bins, as Spark's findSplits does: from all rows where they are few, else from a
 * sample that depends on the number of rows alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "ml/forest/forest_grow.h"

#define SAMPLE_ROWS 10000 /* or the square of the bins, if that is more */
/* Values of the sample that are moved at a time. */
#define PIECE_BYTES ((int64_t)16 << 20)

static int compare_values(const void *a, const void *b)
{
    const double x = ((const forest_value *)a)->value, y = ((const forest_value *)b)->value;

    return (x > y) - (x < y);
}

/* Sorts, and makes one of equal values. Spark does not see zeros that weigh nothing. */
static int64_t distinct_values(int64_t n, forest_value *value)
{
    int64_t n_distinct = 0;

    qsort(value, (size_t)n, sizeof *value, compare_values);
    for (int64_t i = 0; i < n; i++) {
        if (n_distinct > 0 && value[n_distinct - 1].value == value[i].value)
            value[n_distinct - 1].weight += value[i].weight;
        else
            value[n_distinct++] = value[i];
        if ((i + 1 == n || value[i + 1].value != value[i].value) &&
            value[n_distinct - 1].value == 0 && value[n_distinct - 1].weight == 0)
            n_distinct--;
    }
    return n_distinct;
}

int32_t forest_find_splits(int64_t n, forest_value *value, int32_t n_splits, double *threshold)
{
    const int64_t n_distinct = distinct_values(n, value);
    double all = 0, count, target, stride;
    int32_t found = 0;

    if (n_distinct - 1 <= n_splits) {
        for (int64_t i = 1; i < n_distinct; i++)
            threshold[found++] = (value[i - 1].value + value[i].value) / 2.0;
        return found;
    }
    for (int64_t i = 0; i < n_distinct; i++)
        all += value[i].weight;
    stride = all / (n_splits + 1);
    target = stride;
    count = value[0].weight;
    for (int64_t i = 1; i < n_distinct; i++) {
        const double before = count;

        count += value[i].weight;
        if (fabs(before - target) < fabs(count - target) && found < n_splits) {
            threshold[found++] = (value[i - 1].value + value[i].value) / 2.0;
            target += stride;
        }
    }
    return found;
}

/* ---- the sample ---- */

typedef struct bin_sample {
    forest_fit *fit;
    int64_t n; /* rows of all ranks */
    int64_t n_own;
    int64_t *row;          /* [n_own] ascending */
    double *weight;        /* [n] NULL: all 1 */
    double *value;         /* [n x n_features] of the piece, row by row */
    forest_value *scratch; /* [n_threads x n] */
    int32_t first, end;    /* features of the piece */
    int32_t most_splits;
    int32_t *n_found; /* [n_features] */
    double *found;    /* [n_features x most_splits] */
} bin_sample;

/* One row by lot of each of n runs of about equal length. */
static int64_t sampled_row(const forest_fit *fit, int64_t n, int64_t i)
{
    const __int128 n_rows = fit->n_rows;
    const int64_t first = (int64_t)(n_rows * i / n), end = (int64_t)(n_rows * (i + 1) / n);
    const qn_random random = qn_philox(fit->params.seed, QN_STREAM_SAMPLE, UINT64_MAX, (uint64_t)i);

    return first + (int64_t)(((unsigned __int128)random.word[0] * (uint64_t)(end - first)) >> 32);
}

static qn_status choose_rows(bin_sample *sample)
{
    const forest_fit *fit = sample->fit;
    const int64_t first = fit->rows.first_row, end = first + fit->rows.n;
    const int64_t bins = fit->params.max_bins < fit->n_rows ? fit->params.max_bins : fit->n_rows;
    qn_status st = QN_OK;

    sample->n = bins * bins > SAMPLE_ROWS ? bins * bins : SAMPLE_ROWS;
    sample->n = sample->n < fit->n_rows ? sample->n : fit->n_rows;
    QN_NEW(fit->ctx, sample->row, sample->n, "a sample of rows");
    for (int64_t i = 0; i < sample->n; i++) {
        const int64_t row = sample->n == fit->n_rows ? i : sampled_row(fit, sample->n, i);

        if (row >= first && row < end)
            sample->row[sample->n_own++] = row;
    }
done:
    return st;
}

static double value_of(const qn_matrix *data, const qn_matrix_block *block, int64_t r, int32_t f)
{
    const int64_t at = (r / QN_PANEL * data->n_features + f) * QN_PANEL + r % QN_PANEL;

    return data->is_double ? ((const double *)block->x)[at] : ((const float *)block->x)[at];
}

static double weight_of(const forest_fit *fit, const qn_matrix_block *block, int64_t r)
{
    const forest_labels *labels = &fit->labels;
    const double weight = block->weight ? block->weight[r] : 1;

    return labels->class_weight
               ? weight * labels->class_weight[labels->class_of[(int32_t)block->label[r]]]
               : weight;
}

/* Copies what the sample's own rows hold: features [first, end), or with first < 0 the weight. */
static qn_status copy_rows(const bin_sample *sample, int32_t first, int32_t end, double *out)
{
    const forest_fit *fit = sample->fit;
    const qn_matrix *data = fit->data;
    int64_t s = 0;
    qn_status st = QN_OK;

    for (int64_t c = 0; c < data->n_own_cells; c++)
        for (int32_t i = 0; i < data->cell[c].n_blocks; i++) {
            qn_matrix_block block;

            if (s >= sample->n_own ||
                sample->row[s] >= data->cell[c].first_row + data->cell[c].n_rows)
                break;
            QN_TRY(qn_check_cancel(fit->ctx));
            QN_TRY(qn_matrix_pin(fit->ctx, data, c, i, &block));
            for (; s < sample->n_own && sample->row[s] < block.first_row + block.n_rows; s++) {
                const int64_t r = sample->row[s] - block.first_row;

                for (int32_t f = first; f < end; f++)
                    *out++ = f < 0 ? weight_of(fit, &block, r) : value_of(data, &block, r, f);
            }
            qn_matrix_unpin(data, c, i);
        }
done:
    return st;
}

/* Rows of all ranks in the order of the rows. Collective. */
static qn_status share_rows(const bin_sample *sample, int32_t first, int32_t end, double **all)
{
    qn_context *ctx = sample->fit->ctx;
    double *own = NULL;
    size_t bytes = 0;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&own, sample->n_own * (end - first), sizeof *own,
                              "a sample of rows"));
    QN_TRY_ALL(copy_rows(sample, first, end, own));
    QN_TRY(qn_comm_allgather(ctx, own, (size_t)(sample->n_own * (end - first)) * sizeof *own,
                             (void **)all, &bytes));
done:
    qn_free(own);
    return st;
}

static qn_status find_splits(void *arg, int64_t task, int32_t thread)
{
    bin_sample *sample = arg;
    const int32_t f = sample->first + (int32_t)task, width = sample->end - sample->first;
    const forest_feature *feature = &sample->fit->feature[f];
    forest_value *value = sample->scratch + thread * sample->n;
    int64_t n = 0;

    if (feature->arity > 0)
        return QN_OK;
    for (int64_t i = 0; i < sample->n; i++) {
        const double x = sample->value[i * width + task] + 0.0; /* -0 is 0 */

        if (!isnan(x))
            value[n++] = (forest_value){x, sample->weight ? sample->weight[i] : 1};
    }
    sample->n_found[f] = forest_find_splits(n, value, sample->most_splits,
                                            sample->found + (int64_t)f * sample->most_splits);
    return qn_check_cancel(sample->fit->ctx);
}

static qn_status sample_alloc(bin_sample *sample)
{
    qn_context *ctx = sample->fit->ctx;
    const int32_t n_features = sample->fit->data->n_features;
    qn_status st = QN_OK;

    QN_TRY(choose_rows(sample));
    QN_NEW(ctx, sample->scratch, qn_context_threads(ctx) * sample->n, "a sample of rows");
    QN_NEW0(ctx, sample->n_found, n_features, "thresholds");
    QN_NEW(ctx, sample->found, (int64_t)n_features * sample->most_splits, "thresholds");
done:
    return st;
}

static qn_status sample_features(bin_sample *sample)
{
    forest_fit *fit = sample->fit;
    qn_context *ctx = fit->ctx;
    const int32_t n_features = fit->data->n_features;
    const int64_t fit_in = PIECE_BYTES / 8 / sample->n;
    const int32_t width = fit_in < 1 ? 1 : fit_in < n_features ? (int32_t)fit_in : n_features;
    qn_status st = QN_OK;

    if (fit->data->has_weight || fit->labels.class_weight)
        QN_TRY(share_rows(sample, -1, 0, &sample->weight));
    for (int32_t first = 0; first < n_features; first += width) {
        sample->first = first;
        sample->end = first + width < n_features ? first + width : n_features;
        QN_TRY(share_rows(sample, sample->first, sample->end, &sample->value));
        QN_TRY_ALL(qn_parallel(fit->ctx, sample->end - sample->first, find_splits, sample));
        qn_free(sample->value);
        sample->value = NULL;
    }
done:
    return st;
}

/* ---- features ---- */

/* Places of categories [arity], where a column of the matrix is one; 0: numbers. */
static void find_arities(const forest_fit *fit)
{
    const qn_features *features = &fit->data->features;
    int32_t column = 0;

    for (int32_t i = 0; i < features->n; i++) {
        const qn_feature *feature = &features->feature[i];

        if (feature->kind == QN_FEATURE_CATEGORY && features->categories == QN_CATEGORIES_INDEX &&
            column < fit->data->n_features)
            fit->feature[column].arity = feature->n_categories;
        column += feature->width;
    }
}

/* Every category has a bin of its own. */
static qn_status category_bins(forest_fit *fit, int32_t f, int32_t most_bins)
{
    forest_feature *feature = &fit->feature[f];
    char name[256];
    qn_status st = QN_OK;

    qn_features_name(&fit->data->features, f, name, sizeof name);
    if (feature->arity > most_bins && !feature->bin_of)
        return qn_fail(fit->ctx, QN_EDATA,
                       "column %s has %d categories, more than the %d bins that a feature may have "
                       "(--max-bins %d, %lld rows): raise --max-bins (at most %d), or take "
                       "--too-many-categories group",
                       name, feature->arity, most_bins, fit->params.max_bins,
                       (long long)fit->n_rows, FOREST_MOST_BINS);
    if (feature->bin_of)
        return QN_OK;
    feature->n_bins = feature->arity;
    QN_NEW(fit->ctx, feature->bin_of, feature->arity, "bins of categories");
    for (int32_t c = 0; c < feature->arity; c++)
        feature->bin_of[c] = (uint8_t)c;
done:
    return st;
}

static qn_status take_feature(forest_fit *fit, const bin_sample *sample, int32_t f)
{
    forest_feature *feature = &fit->feature[f];
    const int32_t most_bins = sample->most_splits + 1;
    qn_status st = QN_OK;

    feature->has_missing = fit->params.missing == QN_TREE_MISSING_NATIVE;
    if (feature->arity > 0) {
        QN_TRY(category_bins(fit, f, most_bins));
        feature->kind =
            fit->labels.is_classifier && fit->labels.n_classes > 2 && feature->n_bins > 1 &&
                    2LL * ((1LL << (feature->n_bins < 40 ? feature->n_bins - 1 : 40)) - 1) <=
                        most_bins
                ? FOREST_UNORDERED
                : FOREST_ORDERED;
        return QN_OK;
    }
    feature->n_bins = sample->n_found[f] + 1;
    QN_NEW(fit->ctx, feature->threshold, feature->n_bins, "thresholds");
    memcpy(feature->threshold, sample->found + (int64_t)f * sample->most_splits,
           (size_t)sample->n_found[f] * sizeof *feature->threshold);
done:
    return st;
}

static qn_status take_features(forest_fit *fit, const bin_sample *sample)
{
    int32_t n_constant = 0;
    qn_status st = QN_OK;

    for (int32_t f = 0; f < fit->data->n_features; f++) {
        QN_TRY(take_feature(fit, sample, f));
        n_constant += forest_all_bins(&fit->feature[f]) == 1;
    }
    if (n_constant > 0)
        qn_emit_warning(
            fit->ctx, "%d of %d features have one value only%s and cannot split anything",
            n_constant, fit->data->n_features, sample->n < fit->n_rows ? " in the sample" : "");
done:
    return st;
}

/* Where that is asked for. Collective. */
static qn_status group_categories(forest_fit *fit, int32_t most_bins)
{
    qn_status st = QN_OK;

    for (int32_t f = 0; f < fit->data->n_features; f++)
        if (fit->params.too_many_categories == QN_CATEGORIES_GROUP &&
            fit->feature[f].arity > most_bins)
            QN_TRY(forest_bins_group(fit, f, most_bins));
done:
    return st;
}

static qn_status bins_prepare(forest_fit *fit, bin_sample *sample)
{
    qn_status st = QN_OK;
    const int64_t most_bins =
        fit->params.max_bins < fit->n_rows ? fit->params.max_bins : fit->n_rows;

    QN_NEW0(fit->ctx, fit->feature, fit->data->n_features, "features");
    find_arities(fit);
    sample->most_splits = (int32_t)most_bins - 1;
    if (fit->params.missing == QN_TREE_MISSING_NATIVE && most_bins == FOREST_MOST_BINS)
        sample->most_splits--; /* the last number is that of missing values */
    QN_TRY(sample_alloc(sample));
done:
    return st;
}

qn_status forest_bins_make(forest_fit *fit)
{
    qn_context *ctx = fit->ctx;
    bin_sample sample = {.fit = fit};
    qn_status st = QN_OK;

    QN_TRY_ALL(bins_prepare(fit, &sample));
    QN_TRY(group_categories(fit, sample.most_splits + 1));
    QN_TRY(sample_features(&sample));
    QN_TRY_ALL(take_features(fit, &sample));
done:
    qn_free(sample.row);
    qn_free(sample.weight);
    qn_free(sample.value);
    qn_free(sample.scratch);
    qn_free(sample.n_found);
    qn_free(sample.found);
    return st;
}

void forest_bins_release(forest_fit *fit)
{
    for (int32_t f = 0; fit->feature && f < fit->data->n_features; f++) {
        qn_free(fit->feature[f].threshold);
        qn_free(fit->feature[f].bin_of);
    }
    qn_free(fit->feature);
    fit->feature = NULL;
}
