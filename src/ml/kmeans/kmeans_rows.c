/* Chunks of rows and centres, dressed for the kernels. */
#include <math.h>
#include <string.h>

#include "ml/kmeans/kmeans_impl.h"

#define CHUNK_BYTES 32768
#define CHUNK_ROWS  512

int64_t kmeans_chunk_rows(int32_t d)
{
    const int64_t rows = CHUNK_BYTES / ((int64_t)d * (int64_t)sizeof(float)) / QN_PANEL * QN_PANEL;

    return rows < QN_PANEL ? QN_PANEL : rows < CHUNK_ROWS ? rows : CHUNK_ROWS;
}

qn_status kmeans_rows_init(qn_context *ctx, int32_t d, int32_t measure, int64_t room,
                           kmeans_rows *rows)
{
    qn_status st = QN_OK;

    *rows = (kmeans_rows){.kernels = ctx->kernels, .d = d};
    rows->room = (room + QN_PANEL - 1) / QN_PANEL * QN_PANEL;
    QN_NEW(ctx, rows->label, rows->room, "labels of rows");
    QN_NEW(ctx, rows->distance, rows->room, "distances of rows");
    if (measure == QN_COSINE)
        QN_NEW(ctx, rows->unit, rows->room * d, "rows of unit length");
done:
    return st;
}

void kmeans_rows_release(kmeans_rows *rows)
{
    qn_free(rows->label);
    qn_free(rows->distance);
    qn_free(rows->unit);
    *rows = (kmeans_rows){0};
}

static double value_at(const void *x, bool is_double, int64_t i)
{
    return is_double ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

/* One panel to unit length; bit r of the result: row r has no direction. A row that holds NaN
 * stays one and is not complained of. */
static uint32_t panel_to_unit(int32_t d, const void *x, bool is_double, int64_t start, double *unit)
{
    double length[QN_PANEL] = {0};
    uint32_t bad = 0;

    for (int64_t i = 0; i < (int64_t)d * QN_PANEL; i++) {
        unit[i] = value_at(x, is_double, start + i);
        length[i % QN_PANEL] += unit[i] * unit[i];
    }
    for (int32_t r = 0; r < QN_PANEL; r++) {
        length[r] = sqrt(length[r]);
        bad |= (uint32_t)(length[r] == 0 || isinf(length[r])) << r;
    }
    for (int64_t i = 0; i < (int64_t)d * QN_PANEL; i++)
        unit[i] /= length[i % QN_PANEL];
    return bad;
}

int64_t kmeans_rows_take(kmeans_rows *rows, int64_t n, bool is_double, const void *x)
{
    const int64_t panel_size = (int64_t)rows->d * QN_PANEL;

    rows->n = n;
    rows->is_double = is_double;
    rows->x = x;
    rows->weight = NULL;
    if (!rows->unit)
        return -1;
    rows->is_double = true;
    rows->x = rows->unit;
    for (int64_t first = 0; first < n; first += QN_PANEL) {
        const int64_t start = first / QN_PANEL * panel_size;
        const uint32_t bad = panel_to_unit(rows->d, x, is_double, start, rows->unit + start);

        for (int64_t r = 0; bad && r < QN_PANEL && first + r < n; r++)
            if (bad >> r & 1)
                return first + r;
    }
    return -1;
}

void kmeans_nearest(kmeans_rows *rows, const qn_centres *centres)
{
    if (rows->is_double)
        rows->kernels->nearest_f64(rows->n, rows->x, centres, rows->label);
    else
        rows->kernels->nearest_f32(rows->n, rows->x, centres, rows->label);
}

static void measure(kmeans_rows *rows, const int32_t *label, const double *centre)
{
    if (rows->is_double)
        rows->kernels->label_distance_f64(rows->n, rows->d, rows->x, label, centre, rows->distance);
    else
        rows->kernels->label_distance_f32(rows->n, rows->d, rows->x, label, centre, rows->distance);
}

void kmeans_distance(kmeans_rows *rows, const double *centre)
{
    measure(rows, rows->label, centre);
}

void kmeans_distance_to(kmeans_rows *rows, const double *centre)
{
    measure(rows, NULL, centre);
}

void kmeans_add_sums(const kmeans_rows *rows, double *sums, double *weights)
{
    if (rows->is_double)
        rows->kernels->label_sums_f64(rows->n, rows->d, rows->x, rows->label, rows->weight, sums,
                                      weights);
    else
        rows->kernels->label_sums_f32(rows->n, rows->d, rows->x, rows->label, rows->weight, sums,
                                      weights);
}

bool kmeans_to_unit(int32_t d, double *x)
{
    double length = 0;

    for (int32_t f = 0; f < d; f++)
        length += x[f] * x[f];
    length = sqrt(length);
    if (!(length > 0) || isinf(length))
        return false;
    for (int32_t f = 0; f < d; f++)
        x[f] /= length;
    return true;
}

double kmeans_square_distance(int32_t d, const double *a, const double *b)
{
    double sum = 0;

    for (int32_t f = 0; f < d; f++)
        sum += (a[f] - b[f]) * (a[f] - b[f]);
    return sum;
}

qn_status kmeans_centres_init(qn_context *ctx, int32_t k, int32_t d, const double *mean,
                              kmeans_centres *centres)
{
    qn_status st = QN_OK;
    const int64_t size = (int64_t)k * d;

    *centres = (kmeans_centres){.view = {.d = d}};
    QN_NEW0(ctx, centres->centre, size, "centres");
    QN_NEW0(ctx, centres->mean, d, "centres");
    QN_NEW0(ctx, centres->origin, d, "centres");
    QN_NEW0(ctx, centres->shifted, size, "centres");
    QN_NEW0(ctx, centres->half_norm, k, "centres");
    for (int32_t f = 0; mean && f < d; f++) {
        centres->mean[f] = mean[f];
        centres->origin[f] = (float)mean[f];
    }
    centres->view.centre = centres->centre;
    centres->view.origin = centres->origin;
    centres->view.shifted = centres->shifted;
    centres->view.half_norm = centres->half_norm;
    kmeans_centres_set(centres, k);
done:
    return st;
}

void kmeans_centres_set(kmeans_centres *centres, int32_t k)
{
    const int32_t d = centres->view.d;
    double longest = 0;

    centres->view.k = k;
    for (int64_t j = 0; j < k; j++) {
        double square = 0;

        for (int64_t f = 0; f < d; f++) {
            const float shifted = (float)(centres->centre[j * d + f] - (double)centres->origin[f]);

            centres->shifted[j * d + f] = shifted;
            square += (double)shifted * (double)shifted;
        }
        centres->half_norm[j] = (float)(square / 2);
        longest = square > longest ? square : longest;
    }
    centres->view.reach = nextafterf((float)sqrt(longest), INFINITY);
}

void kmeans_centres_release(kmeans_centres *centres)
{
    qn_free(centres->centre);
    qn_free(centres->mean);
    qn_free(centres->origin);
    qn_free(centres->shifted);
    qn_free(centres->half_norm);
    *centres = (kmeans_centres){0};
}

const double *kmeans_mean(const qn_matrix *data, int32_t measure)
{
    return measure == QN_COSINE ? NULL : data->mean;
}
