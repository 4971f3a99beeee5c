/* Inside the folder: rows in chunks, centres as the kernels want them, and one way over all rows.
 *
 * Under cosine every chunk is copied to unit length, in double. From there on the folder knows one
 * distance: |x - c|^2, which is 2 (1 - cos) of unit vectors. */
#ifndef QN_ML_KMEANS_IMPL_H
#define QN_ML_KMEANS_IMPL_H

#include <stdatomic.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "engine/comm.h"
#include "engine/event_gather.h"
#include "engine/tree_sum.h"
#include "kernels/kernels.h"
#include "quern/kmeans.h"

/* Of reported costs and distances: 1 - cos is half the squared distance. */
static inline double kmeans_scale(int32_t measure)
{
    return measure == QN_COSINE ? 0.5 : 1.0;
}

/* ---- Rows (kmeans_rows.c) ---- */

/* Rows of one chunk in panels, and room for what is found about them. One a thread. */
typedef struct kmeans_rows {
    const qn_kernels *kernels;
    int32_t d;
    int32_t thread;   /* of a scan */
    int64_t room;     /* rows at most, whole panels */
    int32_t *label;   /* [room] */
    double *distance; /* [room] */
    double *unit;     /* [room x d] under cosine, otherwise NULL */

    int64_t n;
    int64_t first_row; /* of the whole matrix */
    bool is_double;
    const void *x;        /* panels */
    const double *weight; /* [n]; NULL: all 1 */
} kmeans_rows;

/* Rows that a chunk of d features holds: a few fit near the processor. */
int64_t kmeans_chunk_rows(int32_t d);
qn_status kmeans_rows_init(qn_context *ctx, int32_t d, int32_t measure, int64_t room,
                           kmeans_rows *rows);
void kmeans_rows_release(kmeans_rows *rows);
/* Takes n <= room rows of panels, under cosine as copies of unit length. Returns the first one that
 * has no direction (its length is 0, or beyond double), -1: none. Borrows x. */
int64_t kmeans_rows_take(kmeans_rows *rows, int64_t n, bool is_double, const void *x);

void kmeans_nearest(kmeans_rows *rows, const qn_centres *centres); /* fills label */
void kmeans_distance(kmeans_rows *rows, const double *centre);     /* fills distance to label's */
void kmeans_distance_to(kmeans_rows *rows, const double *centre);  /* to this one, of every row */
void kmeans_add_sums(const kmeans_rows *rows, double *sums, double *weights); /* by label */

/* Divides a vector by its length; false if it has none. */
bool kmeans_to_unit(int32_t d, double *x);
double kmeans_square_distance(int32_t d, const double *a, const double *b);

/* ---- Centres (kmeans_rows.c) ---- */

typedef struct kmeans_centres {
    qn_centres view;
    double *centre; /* [k x d] = view.centre */
    double *mean;   /* [d] near the middle of the rows; under cosine 0 */
    float *origin, *shifted, *half_norm;
} kmeans_centres;

/* For up to k centres; `mean` is copied, NULL: 0. */
qn_status kmeans_centres_init(qn_context *ctx, int32_t k, int32_t d, const double *mean,
                              kmeans_centres *centres);
/* After `centre` has changed: k of them. */
void kmeans_centres_set(kmeans_centres *centres, int32_t k);
void kmeans_centres_release(kmeans_centres *centres);
/* The mean of a matrix where distances are taken from it, NULL under cosine. */
const double *kmeans_mean(const qn_matrix *data, int32_t measure);

/* ---- A way over all rows (kmeans_scan.c) ---- */

/* Adds to sums[width] what a chunk of rows gives. Any thread. */
typedef void kmeans_visit(void *arg, kmeans_rows *rows, double *sums);

typedef struct kmeans_progress {
    atomic_int_fast64_t left;    /* own cells of a partition that are not done */
    atomic_int_fast64_t busy_us; /* spent on the others */
    atomic_int_fast64_t rows;
} kmeans_progress;

typedef struct kmeans_scan {
    qn_context *ctx;
    const qn_matrix *data;
    int64_t width;
    int32_t n_threads;
    kmeans_rows *rows; /* [n_threads] */
    double **sums;     /* [n_threads] of [width] */
    qn_tree_sum *tree;
    kmeans_progress *progress; /* [n_partitions] */
} kmeans_scan;

/* Allocates all that runs of it need. Release also after a failure. */
qn_status kmeans_scan_init(qn_context *ctx, const qn_matrix *data, int32_t measure, int64_t width,
                           kmeans_scan *scan);
void kmeans_scan_release(kmeans_scan *scan);
/* One stage of `job`: visits every row of every rank, cell by cell; total[width] on every rank, the
 * same bits however cells are spread. Collective. */
qn_status kmeans_scan_run(kmeans_scan *scan, const qn_span *job, const char *name,
                          kmeans_visit *visit, void *arg, double *total);

/* ---- Sums of a fit (kmeans_totals.c) ---- */

/* Sums by label that only rows whose label changes have a part in. In whole numbers, so that they
 * are the same however rows came and went; less the mean of all rows, so that they are precise. */
typedef struct kmeans_totals {
    int32_t k, d, n_threads;
    int64_t stride; /* qn_total_stride(d) */
    const double *mean;
    double *origin, *scale; /* [stride], see qn_label_totals */
    uint64_t **sums;        /* [n_threads] of [k x stride]: what each has moved since the start */
    int64_t *total;         /* [k x stride] of all ranks */
    int32_t *before;        /* [own rows] labels at the last pass; -1: none yet */
    int64_t first_row;      /* of this rank, in the whole matrix */
} kmeans_totals;

/* For up to k centres; `mean` [d] is borrowed. Release also after a failure. */
qn_status kmeans_totals_init(qn_context *ctx, const qn_matrix *data, int32_t measure, int32_t k,
                             const double *mean, kmeans_totals *totals);
void kmeans_totals_release(kmeans_totals *totals);
/* Counts a chunk of rows under their labels and no longer under those they had. Any thread. */
void kmeans_totals_move(kmeans_totals *totals, const kmeans_rows *rows);
/* Makes `total` of what all threads of all ranks have moved so far. Collective. */
qn_status kmeans_totals_sum(qn_context *ctx, kmeans_totals *totals);
double kmeans_totals_weight(const kmeans_totals *totals, int64_t j);
/* Sum of weight x (row - mean) of label j, feature f. */
double kmeans_totals_value(const kmeans_totals *totals, int64_t j, int64_t f);

/* ---- Fit ---- */

/* What random numbers of QN_STREAM_KMEANS are for: the first counter. */
#define KMEANS_DRAW_FIRST UINT64_C(0)         /* the first candidate */
#define KMEANS_DRAW_ROUND UINT64_C(1)         /* + round: rows of k-means||, by row / 2 */
#define KMEANS_DRAW_START (UINT64_C(1) << 32) /* rows of a random start, in turn */
#define KMEANS_DRAW_LOCAL (UINT64_C(2) << 32) /* choices among the candidates, in turn */

typedef struct kmeans_fit {
    qn_context *ctx;
    const qn_kmeans_params *params;
    const qn_matrix *data;
    qn_span job;
    kmeans_centres centres; /* room for params->k */
    kmeans_scan scan;
    kmeans_totals totals;
    double *total; /* [scan.width] */
    double *moved; /* [d] a centre's next place */
    double spread; /* sum of weight x squared distance to centres.mean; NaN: not known yet */
} kmeans_fit;

/* Takes up the checkpoint of the context, if there is one to go on from: centres, spread and what
 * the model knows of iterations. Collective. kmeans_checkpoint.c */
qn_status kmeans_resume(kmeans_fit *fit, qn_kmeans_model *model, bool *is_resumed);
/* Saves where it is due. Collective. */
qn_status kmeans_save_state(const kmeans_fit *fit, const qn_kmeans_model *model);

/* Puts the start into fit->centres. Collective. kmeans_start.c */
qn_status kmeans_start(kmeans_fit *fit);
/* k-means|| in kmeans_init.c. Collective. */
qn_status kmeans_init_parallel(kmeans_fit *fit);
/* Gives n points [n x d] unit length under cosine; the first that has no direction, or -1. */
int64_t kmeans_points(const kmeans_fit *fit, int64_t n, double *x);
/* Moves rows that differ to the front, in their order; returns how many. */
qn_status kmeans_distinct(qn_context *ctx, int32_t d, int64_t n, double *x, int64_t *n_distinct);

/* Rows of each centre, and their cost, for a scan at least 2 k wide: total [k] rows, [k] weight x
 * squared distance. Collective. */
qn_status kmeans_count(kmeans_scan *scan, const qn_span *job, const char *name,
                       const qn_centres *centres, double *total);

/* ---- Models (kmeans_model.c) ---- */

/* Empty but for parameters, whose texts are copied, and shapes. */
qn_status kmeans_model_create(qn_context *ctx, const qn_kmeans_params *params, int32_t k, int32_t d,
                              qn_kmeans_model **model);
/* A model's centres as the kernels want them; under cosine of unit length, which those of others
 * may not have. Release also after a failure. */
qn_status kmeans_centres_of(qn_context *ctx, const qn_kmeans_model *model, const double *mean,
                            kmeans_centres *centres);

/* ---- Predict and evaluate ---- */

/* Labels and distances (may be NULL) of n rows in panels of doubles; both have room for whole
 * panels. */
qn_status kmeans_label_panels(qn_context *ctx, const qn_kmeans_model *model, int64_t n,
                              const double *x, int32_t *label, double *distance);
/* Spark's silhouette of rows with given labels 0 .. k - 1, [n_rows of this rank], or, NULL, of the
 * nearest centre's. Fills what `quality` has room for. Collective. */
qn_status kmeans_quality(qn_context *ctx, const qn_matrix *data, int32_t measure,
                         const kmeans_centres *centres, const int32_t *label,
                         qn_kmeans_quality *quality);

#endif
