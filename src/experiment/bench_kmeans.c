/* The kernels of K-means on generated rows: what one of Lloyd's iterations does. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "experiment/bench.h"
#include "kernels/kernels.h"
#include "quern/matrix.h"

#define BLOCK_BYTES ((int64_t)2 << 20) /* a task: as blocks of matrices are */
#define CHUNK_BYTES 32768              /* rows of one call: they stay near the processor */

/* One a thread. */
typedef struct bench_scratch {
    int32_t *label;
    double *distance;
    double *sums, *weights; /* [k x d], [k] */
    int32_t *before;        /* [chunk_rows] labels of the iteration before */
    qn_label_totals totals; /* sums [k x stride] */
} bench_scratch;

typedef struct kmeans_bench {
    qn_context *ctx;
    const qn_kernels *kernels;
    int64_t n;
    int32_t d;
    int64_t seed;
    bool is_double;
    int64_t block_rows, chunk_rows, n_blocks;
    void *x;        /* panels */
    int32_t *label; /* [n, whole panels]: nearest centres */
    qn_centres centres;
    double *centre;
    double *totals_origin, *totals_scale; /* [stride] */
    float *origin, *shifted, *half_norm;
    bench_scratch *scratch; /* [n_threads] */
    int32_t n_threads;
} kmeans_bench;

static size_t value_size(const kmeans_bench *b)
{
    return b->is_double ? sizeof(double) : sizeof(float);
}

/* Blobs: row r is of cluster r mod k, at its centre plus a normal number for each feature. */
static qn_status fill_task(void *arg, int64_t task, int32_t thread)
{
    const kmeans_bench *b = arg;
    const int64_t first = task * b->block_rows;
    const int64_t end = first + b->block_rows < b->n ? first + b->block_rows : b->n;
    const int32_t d = b->d;

    (void)thread;
    for (int64_t r = first; r < end; r++) {
        const double *centre = b->centre + r % b->centres.k * d;
        double normal[2] = {0};

        for (int64_t f = 0; f < d; f++) {
            const int64_t at = (r / QN_PANEL * d + f) * QN_PANEL + r % QN_PANEL;

            if (f % 2 == 0) {
                const qn_random random =
                    qn_philox(b->seed, QN_STREAM_DATAGEN, (uint64_t)r, (uint64_t)f);

                qn_normal_pair(&random, normal);
            }
            if (b->is_double)
                ((double *)b->x)[at] = centre[f] + normal[f % 2];
            else
                ((float *)b->x)[at] = (float)(centre[f] + normal[f % 2]);
        }
    }
    return QN_OK;
}

/* Centres in a cube, and what the kernels want to know of them. */
static void fill_centres(kmeans_bench *b)
{
    const int64_t size = (int64_t)b->centres.k * b->d;
    double longest = 0;

    for (int64_t i = 0; i < size; i++) {
        const qn_random random = qn_philox(b->seed, QN_STREAM_DATAGEN, UINT64_MAX, (uint64_t)i);

        b->centre[i] = 6 * qn_uniform(&random, 0) - 3;
        b->shifted[i] = (float)b->centre[i];
    }
    for (int64_t j = 0; j < b->centres.k; j++) {
        double square = 0;

        for (int64_t f = 0; f < b->d; f++)
            square += (double)b->shifted[j * b->d + f] * (double)b->shifted[j * b->d + f];
        b->half_norm[j] = (float)(square / 2);
        longest = fmax(longest, square);
    }
    b->centres.centre = b->centre;
    b->centres.origin = b->origin;
    b->centres.shifted = b->shifted;
    b->centres.half_norm = b->half_norm;
    b->centres.reach = nextafterf((float)sqrt(longest), HUGE_VALF);
}

static qn_status make_scratch(kmeans_bench *b)
{
    const int64_t k = b->centres.k;
    qn_context *ctx = b->ctx;
    qn_status st = QN_OK;

    QN_NEW0(ctx, b->scratch, b->n_threads, "scratch of threads");
    for (int32_t t = 0; t < b->n_threads; t++) {
        bench_scratch *s = &b->scratch[t];

        QN_NEW(ctx, s->label, b->chunk_rows, "labels of rows");
        QN_NEW(ctx, s->distance, b->chunk_rows, "distances of rows");
        QN_NEW0(ctx, s->sums, k * b->d, "sums of clusters");
        QN_NEW0(ctx, s->weights, k, "weights of clusters");
        QN_NEW(ctx, s->before, b->chunk_rows, "labels of rows");
        QN_NEW0(ctx, s->totals.sums, k * qn_total_stride(b->d), "sums of clusters");
        s->totals.d = b->d;
        s->totals.origin = b->totals_origin;
        s->totals.scale = b->totals_scale;
    }
done:
    return st;
}

static qn_status make(kmeans_bench *b)
{
    const int64_t panels = (b->n + QN_PANEL - 1) / QN_PANEL, k = b->centres.k;
    qn_context *ctx = b->ctx;
    qn_status st = QN_OK;

    QN_NEW(ctx, b->centre, k * b->d, "centres");
    QN_NEW0(ctx, b->origin, b->d, "centres");
    QN_NEW(ctx, b->shifted, k * b->d, "centres");
    QN_NEW(ctx, b->half_norm, k, "centres");
    QN_NEW0(ctx, b->totals_origin, qn_total_stride(b->d), "centres");
    QN_NEW0(ctx, b->totals_scale, qn_total_stride(b->d), "centres");
    for (int32_t f = 0; f <= b->d; f++)
        b->totals_scale[f] = 0x1p30;
    fill_centres(b);
    QN_TRY(make_scratch(b));
    QN_NEW0(ctx, b->label, panels * QN_PANEL, "labels of the generated rows");
    QN_TRY(qn_calloc_array(ctx, &b->x, panels * QN_PANEL, (size_t)b->d * value_size(b),
                           "the generated rows"));
    QN_TRY(qn_parallel(ctx, b->n_blocks, fill_task, b));
done:
    return st;
}

static void release(kmeans_bench *b)
{
    for (int32_t t = 0; b->scratch && t < b->n_threads; t++) {
        qn_free(b->scratch[t].label);
        qn_free(b->scratch[t].distance);
        qn_free(b->scratch[t].sums);
        qn_free(b->scratch[t].weights);
        qn_free(b->scratch[t].before);
        qn_free(b->scratch[t].totals.sums);
    }
    qn_free(b->scratch);
    qn_free(b->centre);
    qn_free(b->totals_origin);
    qn_free(b->totals_scale);
    qn_free(b->origin);
    qn_free(b->shifted);
    qn_free(b->half_norm);
    qn_free(b->label);
    qn_free(b->x);
}

static void nearest(const kmeans_bench *b, int64_t n, const void *x, int32_t *label)
{
    if (b->is_double)
        b->kernels->nearest_f64(n, x, &b->centres, label);
    else
        b->kernels->nearest_f32(n, x, &b->centres, label);
}

static void label_sums(const kmeans_bench *b, int64_t n, const void *x, const int32_t *label,
                       bench_scratch *s)
{
    if (b->is_double)
        b->kernels->label_sums_f64(n, b->d, x, label, NULL, s->sums, s->weights);
    else
        b->kernels->label_sums_f32(n, b->d, x, label, NULL, s->sums, s->weights);
}

static void label_moves(const kmeans_bench *b, int64_t n, const void *x, const int32_t *label,
                        int32_t *before, const bench_scratch *s)
{
    if (b->is_double)
        b->kernels->label_moves_f64(n, x, NULL, label, before, &s->totals);
    else
        b->kernels->label_moves_f32(n, x, NULL, label, before, &s->totals);
}

static void label_distance(const kmeans_bench *b, int64_t n, const void *x, const int32_t *label,
                           double *distance)
{
    if (b->is_double)
        b->kernels->label_distance_f64(n, b->d, x, label, b->centre, distance);
    else
        b->kernels->label_distance_f32(n, b->d, x, label, b->centre, distance);
}

/* A chunk of rows to whatever is timed. */
typedef void chunk_step(const kmeans_bench *b, int64_t n, const void *x, int32_t *label,
                        bench_scratch *s);

static void each_chunk(const kmeans_bench *b, int64_t block, bench_scratch *s, chunk_step *step)
{
    const int64_t first = block * b->block_rows;
    const int64_t end = first + b->block_rows < b->n ? first + b->block_rows : b->n;

    for (int64_t row = first; row < end; row += b->chunk_rows) {
        const int64_t n = row + b->chunk_rows < end ? b->chunk_rows : end - row;

        step(b, n, (const char *)b->x + (size_t)(row * b->d) * value_size(b), b->label + row, s);
    }
}

static void label_step(const kmeans_bench *b, int64_t n, const void *x, int32_t *label,
                       bench_scratch *s)
{
    (void)s;
    nearest(b, n, x, label);
}

static void nearest_step(const kmeans_bench *b, int64_t n, const void *x, int32_t *label,
                         bench_scratch *s)
{
    (void)label;
    nearest(b, n, x, s->label);
}

static void sums_step(const kmeans_bench *b, int64_t n, const void *x, int32_t *label,
                      bench_scratch *s)
{
    label_sums(b, n, x, label, s);
}

/* Every row is new to its centre. */
static void moves_step(const kmeans_bench *b, int64_t n, const void *x, int32_t *label,
                       bench_scratch *s)
{
    memset(s->before, -1, (size_t)n * sizeof *s->before);
    label_moves(b, n, x, label, s->before, s);
}

static void first_step(const kmeans_bench *b, int64_t n, const void *x, int32_t *label,
                       bench_scratch *s)
{
    (void)label;
    nearest(b, n, x, s->label);
    moves_step(b, n, x, s->label, s);
}

/* No row changes its label. */
static void later_step(const kmeans_bench *b, int64_t n, const void *x, int32_t *label,
                       bench_scratch *s)
{
    nearest(b, n, x, s->label);
    label_moves(b, n, x, s->label, label, s);
}

static void distance_step(const kmeans_bench *b, int64_t n, const void *x, int32_t *label,
                          bench_scratch *s)
{
    label_distance(b, n, x, label, s->distance);
}

#define STEP_TASK(name)                                                                            \
    static qn_status name##_task(void *arg, int64_t task, int32_t thread)                          \
    {                                                                                              \
        const kmeans_bench *b = arg;                                                               \
                                                                                                   \
        each_chunk(b, task, &b->scratch[thread], name##_step);                                     \
        return QN_OK;                                                                              \
    }
STEP_TASK(label)
STEP_TASK(nearest)
STEP_TASK(sums)
STEP_TASK(moves)
STEP_TASK(first)
STEP_TASK(later)
STEP_TASK(distance)

/* Useful work of a pass: each row is read once; a product and a sum for each row, centre and
 * feature; a sum for each value; a difference, a product and a sum for each value. Labels that were
 * found before are read from memory. A pass is what an iteration of the fit does. */
static qn_status time_kernels(kmeans_bench *b, qn_bench_result *result)
{
    const double values = (double)b->n * b->d, data = values * (double)value_size(b);
    const double labels = (double)b->n * sizeof(int32_t);
    const double search = 2 * values * b->centres.k;
    const struct {
        qn_bench_row row;
        qn_task *task;
    } step[] = {
        {{.kernel = "nearest", .bytes = data, .flops = search, .is_double = b->is_double},
         nearest_task},
        {{.kernel = "label_sums", .bytes = data + labels, .flops = values, .is_double = true},
         sums_task},
        {{.kernel = "label_moves, all rows",
          .bytes = data + labels,
          .flops = 3 * values,
          .is_double = true},
         moves_task},
        {{.kernel = "first pass: nearest + label_moves",
          .bytes = data,
          .flops = search + 3 * values,
          .is_double = b->is_double},
         first_task},
        {{.kernel = "later pass: no row moves",
          .bytes = data + labels,
          .flops = search,
          .is_double = b->is_double},
         later_task},
        {{.kernel = "label_distance",
          .bytes = data + labels,
          .flops = 3 * values,
          .is_double = true},
         distance_task},
    };
    qn_status st = QN_OK;

    QN_TRY(qn_parallel(b->ctx, b->n_blocks, label_task, b));
    for (size_t i = 0; i < sizeof step / sizeof *step; i++)
        QN_TRY(qn_bench_add(b->ctx, result, &step[i].row, b->n_blocks, step[i].task, b));
done:
    return st;
}

/* Rows in whole panels that fill about `bytes`. */
static int64_t rows_of(const kmeans_bench *b, int64_t bytes)
{
    const int64_t rows = bytes / ((int64_t)b->d * (int64_t)value_size(b)) / QN_PANEL * QN_PANEL;

    return rows > QN_PANEL ? rows : QN_PANEL;
}

qn_status qn_bench_kmeans(qn_context *ctx, qn_bench_result *result)
{
    const qn_bench_options *o = &result->options;
    kmeans_bench b = {.ctx = ctx,
                      .kernels = ctx->kernels,
                      .n = o->rows,
                      .d = o->features,
                      .seed = o->seed,
                      .is_double = o->precision == QN_PRECISION_DOUBLE,
                      .centres = {.k = o->k, .d = o->features},
                      .n_threads = qn_context_threads(ctx)};
    qn_status st = QN_OK;

    b.chunk_rows = rows_of(&b, CHUNK_BYTES);
    b.block_rows = rows_of(&b, BLOCK_BYTES);
    b.n_blocks = (b.n + b.block_rows - 1) / b.block_rows;
    result->data_bytes = b.n * b.d * (int64_t)value_size(&b);
    QN_TRY(make(&b));
    QN_TRY(time_kernels(&b, result));
done:
    release(&b);
    return st;
}
