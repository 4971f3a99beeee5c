/* Where the iterations start from: k-means||, rows drawn at random, or a file. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/text.h"
#include "ml/kmeans/kmeans_impl.h"
#include "quern/source.h"

int64_t kmeans_points(const kmeans_fit *fit, int64_t n, double *x)
{
    const int32_t d = fit->data->n_features;
    int64_t bad = -1;

    for (int64_t i = 0; fit->params->distance_measure == QN_COSINE && i < n; i++)
        if (!kmeans_to_unit(d, x + i * d) && bad < 0)
            bad = i;
    return bad;
}

/* ---- Rows that differ ---- */

typedef struct row_order {
    int32_t d;
    const double *x;
} row_order;

static int compare_values(int32_t d, const double *x, const double *y)
{
    for (int32_t f = 0; f < d; f++)
        if (x[f] != y[f])
            return x[f] < y[f] ? -1 : 1;
    return 0;
}

/* By content, then by place. */
static int compare_rows(const void *a, const void *b, void *arg)
{
    const row_order *order = arg;
    const int64_t i = *(const int64_t *)a;
    const int64_t j = *(const int64_t *)b;
    const int by_value = compare_values(order->d, order->x + i * order->d, order->x + j * order->d);

    return by_value ? by_value : (i > j) - (i < j);
}

qn_status kmeans_distinct(qn_context *ctx, int32_t d, int64_t n, double *x, int64_t *n_distinct)
{
    qn_status st = QN_OK;
    row_order order = {d, x};
    int64_t *place = NULL;
    bool *is_copy = NULL;

    *n_distinct = 0;
    QN_NEW(ctx, place, n, "places of rows");
    QN_NEW0(ctx, is_copy, n, "places of rows");
    for (int64_t i = 0; i < n; i++)
        place[i] = i;
    qsort_r(place, (size_t)n, sizeof *place, compare_rows, &order);
    for (int64_t i = 1; i < n; i++)
        is_copy[place[i]] = compare_values(d, x + place[i] * d, x + place[i - 1] * d) == 0;
    for (int64_t i = 0; i < n; i++)
        if (!is_copy[i])
            memmove(x + (*n_distinct)++ * d, x + i * d, (size_t)d * sizeof *x);
done:
    qn_free(place);
    qn_free(is_copy);
    return st;
}

/* ---- Random rows ---- */

/* Puts `row` in its place among n ascending ones; false if it is there. */
static bool insert_row(int64_t *rows, int64_t n, int64_t row)
{
    int64_t first = 0;
    int64_t end = n;

    while (first < end) {
        const int64_t middle = first + (end - first) / 2;

        if (rows[middle] < row)
            first = middle + 1;
        else
            end = middle;
    }
    if (first < n && rows[first] == row)
        return false;
    memmove(rows + first + 1, rows + first, (size_t)(n - first) * sizeof *rows);
    rows[first] = row;
    return true;
}

/* n of n_rows numbers, each set as likely as any other (Floyd's way), ascending. */
static void draw_rows(int64_t seed, int64_t n_rows, int64_t n, int64_t *rows)
{
    for (int64_t i = 0; i < n; i++) {
        const int64_t last = n_rows - n + i;
        const qn_random random = qn_philox(seed, QN_STREAM_KMEANS, KMEANS_DRAW_START, (uint64_t)i);
        const int64_t row = (int64_t)(qn_uniform(&random, 0) * (double)(last + 1));

        if (!insert_row(rows, i, row < last ? row : last))
            insert_row(rows, i, last);
    }
}

/* Collective. */
static qn_status start_random(kmeans_fit *fit)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const int32_t d = fit->centres.view.d;
    const int64_t k = fit->params->k;
    int64_t n = k < fit->data->n_rows ? k : fit->data->n_rows;
    int64_t *rows = NULL;
    double *x = fit->centres.centre;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&rows, n, sizeof *rows, "rows to start from"));
    draw_rows(fit->params->seed, fit->data->n_rows, n, rows);
    QN_TRY(qn_matrix_rows(ctx, fit->data, n, rows, x));
    kmeans_points(fit, n, x);
    QN_TRY_ALL(kmeans_distinct(ctx, d, n, x, &n));
    kmeans_centres_set(&fit->centres, (int32_t)n);
done:
    qn_free(rows);
    return st;
}

/* ---- A file ---- */

typedef struct start_file {
    const char *path;
    qn_source *source;
    qn_reader *reader;
    qn_column_request *request; /* [d] */
    int64_t n;
} start_file;

static qn_status take_batch(kmeans_fit *fit, start_file *file, const qn_batch *batch)
{
    const int32_t d = fit->data->n_features;

    for (int64_t i = 0; i < batch->n_rows; i++, file->n++)
        for (int32_t f = 0; f < d && file->n < fit->params->k; f++)
            fit->centres.centre[file->n * d + f] = ((const double *)batch->columns[f].data)[i];
    return QN_OK;
}

static qn_status check_rejects(const kmeans_fit *fit, const start_file *file)
{
    const qn_rejects *rejects = qn_reader_rejects(file->reader);
    const qn_reject *first = &rejects->example[0];

    if (rejects->total == 0)
        return QN_OK;
    return qn_fail(fit->ctx, QN_EDATA, "--init-mode %s: \"%s\" is no row of finite numbers (%s)",
                   file->path, first->text, qn_reject_name(first->kind));
}

static qn_status read_file(kmeans_fit *fit, start_file *file)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const int32_t d = fit->data->n_features;
    const qn_source_options options = {.path = &file->path, .n_paths = 1, .header = -1};

    if (!qn_path_exists(file->path))
        return qn_fail(ctx, QN_ENOTFOUND,
                       "--init-mode %s is neither k-means|| nor random, and no file either",
                       file->path);
    QN_TRY(qn_source_open(ctx, &options, &file->source));
    if (qn_source_schema(file->source)->n_fields != d)
        return qn_fail(ctx, QN_EINVAL,
                       "--init-mode %s has %d columns, the data %d features: it must hold a row "
                       "for each centre, with the features in their order",
                       file->path, qn_source_schema(file->source)->n_fields, d);
    QN_NEW0(ctx, file->request, d, "columns of a start");
    for (int32_t f = 0; f < d; f++)
        file->request[f] = (qn_column_request){f, QN_DOUBLE, false, 1.7e308};
    for (int64_t split = 0; split < qn_source_n_splits(file->source); split++) {
        const qn_batch *batch = NULL;

        QN_TRY(qn_source_open_split(ctx, file->source, split, file->request, d, &file->reader));
        do {
            QN_TRY(qn_reader_next(ctx, file->reader, &batch));
            QN_TRY(check_rejects(fit, file));
            if (batch)
                QN_TRY(take_batch(fit, file, batch));
        } while (batch);
        qn_reader_close(file->reader);
        file->reader = NULL;
    }
    if (file->n != fit->params->k)
        st = qn_fail(ctx, QN_EINVAL, "--init-mode %s holds %lld rows, not the %d of --k",
                     file->path, (long long)file->n, fit->params->k);
done:
    return st;
}

/* Every rank reads the file. */
static qn_status start_file_of(kmeans_fit *fit)
{
    qn_status st = QN_OK;
    start_file file = {.path = fit->params->init_mode};

    QN_TRY(read_file(fit, &file));
    if (kmeans_points(fit, file.n, fit->centres.centre) >= 0)
        st = qn_fail(fit->ctx, QN_EINVAL,
                     "--init-mode %s: Cosine distance is not defined for zero-length vectors",
                     file.path);
    kmeans_centres_set(&fit->centres, (int32_t)file.n);
done:
    qn_reader_close(file.reader);
    qn_source_free(file.source);
    qn_free(file.request);
    return st;
}

qn_status kmeans_start(kmeans_fit *fit)
{
    const char *mode = fit->params->init_mode;

    if (!mode || qn_name_equal(mode, "k-means||") || qn_name_equal(mode, "k-means-parallel"))
        return kmeans_init_parallel(fit);
    if (qn_name_equal(mode, "random"))
        return start_random(fit);
    return qn_comm_agree(fit->ctx, start_file_of(fit));
}
