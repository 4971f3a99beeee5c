/* k-means|| (Bahmani et al. 2012) as in Spark: in a few rounds, draw candidates among the rows,
 * each by its share of the cost to the candidates there are; count the rows nearest to each; then
 * choose k of these few by k-means++ and a few iterations in memory. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/math.h"
#include "base/rng.h"
#include "ml/kmeans/kmeans_impl.h"

#define LOCAL_ITERATIONS 30 /* at most, as in Spark */
#define LOCAL_SEED       0  /* as in Spark */

/* The rounds. */
typedef struct candidates {
    kmeans_fit *fit;
    kmeans_scan scan;     /* sums the cost */
    int64_t n;            /* drawn so far */
    double *x;            /* [n x d] */
    kmeans_centres fresh; /* those of the last round */
    double *distance;     /* [rows of this rank] squared, to the nearest candidate */
    int64_t first_row;    /* of this rank */

    uint64_t round;
    double scale;         /* distance x scale = chance to be drawn */
    pthread_mutex_t lock; /* of the rows drawn here in this round: */
    int64_t *drawn;
    int64_t n_drawn, capacity;
} candidates;

/* ---- Distances to the candidates of the last round ---- */

static void lower_distances(void *arg, kmeans_rows *rows, double *sums)
{
    const candidates *c = arg;
    double *distance = c->distance + (rows->first_row - c->first_row);

    kmeans_nearest(rows, &c->fresh.view);
    kmeans_distance(rows, c->fresh.centre);
    for (int64_t r = 0; r < rows->n; r++) {
        if (rows->distance[r] < distance[r])
            distance[r] = rows->distance[r];
        sums[0] += distance[r]; /* without weights, as in Spark */
    }
}

/* ---- Drawing ---- */

static qn_status add_drawn(candidates *c, int64_t row)
{
    qn_status st = QN_OK;

    pthread_mutex_lock(&c->lock);
    if (c->n_drawn == c->capacity) {
        QN_GROW(c->fit->ctx, c->drawn, c->capacity * 2 + 64, "candidates");
        c->capacity = c->capacity * 2 + 64;
    }
    c->drawn[c->n_drawn++] = row;
done:
    pthread_mutex_unlock(&c->lock);
    return st;
}

/* One call of the generator serves two rows. */
static qn_status draw_cell(void *arg, int64_t number, int32_t thread)
{
    qn_status st = QN_OK;
    candidates *c = arg;
    const qn_matrix_cell *cell = &c->fit->data->cell[number];
    const int64_t end = cell->first_row + cell->n_rows;
    qn_random random = {{0}};

    (void)thread;
    for (int64_t row = cell->first_row; row < end; row++) {
        if (row % 2 == 0 || row == cell->first_row)
            random = qn_philox(c->fit->params->seed, QN_STREAM_KMEANS, KMEANS_DRAW_ROUND + c->round,
                               (uint64_t)row / 2);
        if (qn_uniform(&random, row % 2 * 2) < c->scale * c->distance[row - c->first_row])
            QN_TRY(add_drawn(c, row));
    }
done:
    return st;
}

static int compare_int64(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* The rows that all ranks have drawn, ascending: ranks hold runs of rows. Collective. */
static qn_status share_drawn(candidates *c, int64_t **all, int64_t *n_all)
{
    qn_status st = QN_OK;
    qn_context *ctx = c->fit->ctx;
    const int32_t size = qn_size(ctx);
    int64_t *count = NULL;
    size_t *bytes = NULL;

    *n_all = 0;
    if (c->n_drawn > 0)
        qsort(c->drawn, (size_t)c->n_drawn, sizeof *c->drawn, compare_int64);
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&count, size, sizeof *count, "sizes of messages"));
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&bytes, size, sizeof *bytes, "sizes of messages"));
    count[qn_rank(ctx)] = c->n_drawn;
    QN_TRY(qn_comm_sum_int64(ctx, count, size));
    for (int32_t r = 0; r < size; r++) {
        bytes[r] = (size_t)count[r] * sizeof **all;
        *n_all += count[r];
    }
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)all, *n_all, sizeof **all, "candidates"));
    QN_TRY(qn_comm_allgatherv(ctx, c->drawn, bytes[qn_rank(ctx)], *all, bytes));
done:
    qn_free(count);
    qn_free(bytes);
    return st;
}

/* Fetches n rows as candidates, which are then the fresh ones. Collective. */
static qn_status add_candidates(candidates *c, int64_t n, const int64_t *rows)
{
    qn_status st = QN_OK;
    qn_context *ctx = c->fit->ctx;
    const int32_t d = c->fit->data->n_features;
    const double *mean = kmeans_mean(c->fit->data, c->fit->params->distance_measure);
    double *x = NULL;

    kmeans_centres_release(&c->fresh);
    QN_TRY_ALL(qn_realloc_array(ctx, (void **)&c->x, (c->n + n) * d, sizeof *c->x, "candidates"));
    QN_TRY_ALL(kmeans_centres_init(ctx, (int32_t)n, d, mean, &c->fresh));
    x = c->x + c->n * d;
    QN_TRY(qn_matrix_rows(ctx, c->fit->data, n, rows, x));
    kmeans_points(c->fit, n, x);
    memcpy(c->fresh.centre, x, (size_t)n * (size_t)d * sizeof *x);
    kmeans_centres_set(&c->fresh, (int32_t)n);
    c->n += n;
done:
    return st;
}

/* Collective. */
static qn_status draw_round(candidates *c, double cost)
{
    qn_status st = QN_OK;
    qn_context *ctx = c->fit->ctx;
    int64_t *all = NULL;
    int64_t n_all = 0;

    c->n_drawn = 0;
    c->scale = cost > 0 ? 2 * (double)c->fit->params->k / cost : 0;
    QN_TRY_ALL(qn_parallel(ctx, c->fit->data->n_own_cells, draw_cell, c));
    QN_TRY(share_drawn(c, &all, &n_all));
    QN_TRY(add_candidates(c, n_all, all));
done:
    qn_free(all);
    return st;
}

static qn_status candidates_init(kmeans_fit *fit, candidates *c)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    int64_t n_rows = 0;

    c->fit = fit;
    pthread_mutex_init(&c->lock, NULL);
    for (int64_t i = 0; i < fit->data->n_own_cells; i++)
        n_rows += fit->data->cell[i].n_rows;
    c->first_row = fit->data->n_own_cells > 0 ? fit->data->cell[0].first_row : 0;
    QN_TRY(kmeans_scan_init(ctx, fit->data, fit->params->distance_measure, 1, &c->scan));
    QN_NEW(ctx, c->distance, n_rows, "distances of rows to the candidates of k-means||");
    for (int64_t row = 0; row < n_rows; row++)
        c->distance[row] = INFINITY;
done:
    return st;
}

static void candidates_release(candidates *c)
{
    kmeans_scan_release(&c->scan);
    kmeans_centres_release(&c->fresh);
    qn_free(c->x);
    qn_free(c->distance);
    qn_free(c->drawn);
    pthread_mutex_destroy(&c->lock);
}

/* Collective. */
static qn_status draw_candidates(candidates *c)
{
    qn_status st = QN_OK;
    const qn_kmeans_params *params = c->fit->params;
    const int64_t n_rows = c->fit->data->n_rows;
    const qn_random random = qn_philox(params->seed, QN_STREAM_KMEANS, KMEANS_DRAW_FIRST, 0);
    int64_t first = (int64_t)(qn_uniform(&random, 0) * (double)n_rows);
    double cost = 0;

    first = first < n_rows ? first : n_rows - 1;
    QN_TRY(add_candidates(c, 1, &first));
    for (int32_t round = 0; round < params->init_steps; round++) {
        char name[32];

        snprintf(name, sizeof name, "k-means|| %d", round + 1);
        if (c->fresh.view.k > 0) /* a round may draw none */
            QN_TRY(kmeans_scan_run(&c->scan, &c->fit->job, name, lower_distances, c, &cost));
        c->round = (uint64_t)round;
        QN_TRY(draw_round(c, cost));
    }
done:
    return st;
}

/* ---- k of the candidates, in memory ---- */

typedef struct local {
    int32_t k, d;
    kmeans_rows points; /* the candidates, in panels of doubles, and their weights */
    double *panels;     /* [room x d] */
    double *cost;       /* [n] weight x squared distance to the nearest centre so far */
    double *cost_tried; /* [n] with a point that is tried as the next */
    double *cost_best;  /* [n] with the best of them */
    double *tried;      /* [d] */
    int32_t *before;    /* [n] labels of the last iteration */
    double *sums;       /* [k x d] and [k] weights */
    kmeans_centres *centres;
    uint64_t n_draws;
    bool to_unit;
} local;

static double draw(local *l)
{
    const qn_random random =
        qn_philox(LOCAL_SEED, QN_STREAM_KMEANS, KMEANS_DRAW_LOCAL, l->n_draws++);

    return qn_uniform(&random, 0);
}

/* A point by lot, by its share of `weight`. */
static int64_t draw_point(local *l, const double *weight)
{
    double total = 0;
    double sum = 0;
    double limit = 0;
    int64_t last = 0;

    for (int64_t i = 0; i < l->points.n; i++)
        total += weight[i];
    limit = draw(l) * total;
    for (int64_t i = 0; i < l->points.n && sum <= limit; i++) {
        sum += weight[i];
        last = weight[i] > 0 ? i : last;
    }
    return last;
}

/* The coordinates of point i. */
static void point_at(const local *l, int64_t i, double *out)
{
    const double *x = l->panels + i / QN_PANEL * l->d * QN_PANEL + i % QN_PANEL;

    for (int64_t f = 0; f < l->d; f++)
        out[f] = x[f * QN_PANEL];
}

/* The cost of all points if point i were the next centre, into `cost`. */
static double cost_with(local *l, int64_t i, double *cost)
{
    double total = 0;

    point_at(l, i, l->tried);
    kmeans_distance_to(&l->points, l->tried);
    for (int64_t p = 0; p < l->points.n; p++) {
        const double own = l->points.weight[p] * l->points.distance[p];

        cost[p] = own < l->cost[p] ? own : l->cost[p];
        total += cost[p];
    }
    return total;
}

/* k-means++: each next centre is the best of a few points drawn by their cost to those there are
 * (Arthur and Vassilvitskii 2007; the greedy form, as the points are few: Spark draws one, and
 * where clusters lie well apart it leaves one without a centre more often). */
static void plus_plus(local *l)
{
    const int32_t n_tries = 2 + (int32_t)qn_log((double)l->k);

    point_at(l, draw_point(l, l->points.weight), l->centres->centre);
    kmeans_distance_to(&l->points, l->centres->centre);
    for (int64_t i = 0; i < l->points.n; i++)
        l->cost[i] = l->points.weight[i] * l->points.distance[i];
    for (int32_t j = 1; j < l->k; j++) {
        double least = INFINITY;

        for (int32_t t = 0; t < n_tries; t++) {
            const int64_t i = draw_point(l, l->cost);
            const double total = cost_with(l, i, l->cost_tried);

            if (t == 0 || total < least) { /* the first, even if squares overflow */
                double *swap = l->cost_best;

                least = total;
                l->cost_best = l->cost_tried;
                l->cost_tried = swap;
                memcpy(l->centres->centre + (int64_t)j * l->d, l->tried,
                       (size_t)l->d * sizeof *l->tried);
            }
        }
        memcpy(l->cost, l->cost_best, (size_t)l->points.n * sizeof *l->cost);
    }
    kmeans_centres_set(l->centres, l->k);
}

/* Centres to the means of their points; one without points is drawn anew. */
static void move_local(local *l)
{
    double *weight = l->sums + (int64_t)l->k * l->d;

    memset(l->sums, 0, (size_t)l->k * (size_t)(l->d + 1) * sizeof *l->sums);
    kmeans_add_sums(&l->points, l->sums, weight);
    for (int32_t j = 0; j < l->k; j++) {
        double *mean = l->sums + (int64_t)j * l->d;

        if (!(weight[j] > 0)) {
            const int64_t i = (int64_t)(draw(l) * (double)l->points.n);

            point_at(l, i < l->points.n ? i : l->points.n - 1,
                     l->centres->centre + (int64_t)j * l->d);
            continue;
        }
        for (int32_t f = 0; f < l->d; f++)
            mean[f] /= weight[j];
        if (!l->to_unit || kmeans_to_unit(l->d, mean))
            memcpy(l->centres->centre + (int64_t)j * l->d, mean, (size_t)l->d * sizeof *mean);
    }
    kmeans_centres_set(l->centres, l->k);
}

static void iterate_local(local *l)
{
    const size_t bytes = (size_t)l->points.n * sizeof *l->before;

    memset(l->before, -1, bytes);
    for (int32_t i = 0; i < LOCAL_ITERATIONS; i++) {
        kmeans_nearest(&l->points, &l->centres->view);
        if (memcmp(l->before, l->points.label, bytes) == 0)
            break;
        memcpy(l->before, l->points.label, bytes);
        move_local(l);
    }
}

/* Chooses k of n points, without doubles, n > k. The same on every rank. */
static qn_status choose(kmeans_fit *fit, int64_t n, const double *x, const double *weight)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const int32_t d = fit->data->n_features;
    local l = {.k = fit->params->k, .d = d, .centres = &fit->centres};

    l.to_unit = fit->params->distance_measure == QN_COSINE;
    QN_TRY(kmeans_rows_init(ctx, d, QN_EUCLIDEAN, n, &l.points));
    QN_NEW0(ctx, l.panels, l.points.room * d, "candidates");
    QN_NEW(ctx, l.cost, n, "candidates");
    QN_NEW(ctx, l.cost_tried, n, "candidates");
    QN_NEW(ctx, l.cost_best, n, "candidates");
    QN_NEW(ctx, l.tried, d, "candidates");
    QN_NEW(ctx, l.before, n, "candidates");
    QN_NEW(ctx, l.sums, (int64_t)l.k * (d + 1), "sums of candidates");
    for (int64_t i = 0; i < n * d; i++) {
        const int64_t row = i / d;

        l.panels[(row / QN_PANEL * d + i % d) * QN_PANEL + row % QN_PANEL] = x[i];
    }
    kmeans_rows_take(&l.points, n, true, l.panels);
    l.points.weight = weight;
    plus_plus(&l);
    iterate_local(&l);
done:
    kmeans_rows_release(&l.points);
    qn_free(l.panels);
    qn_free(l.cost);
    qn_free(l.cost_tried);
    qn_free(l.cost_best);
    qn_free(l.tried);
    qn_free(l.before);
    qn_free(l.sums);
    return st;
}

/* Rows nearest to each of the candidates. Collective. */
static qn_status weigh(kmeans_fit *fit, const candidates *c, double **weight)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const int32_t d = fit->data->n_features;
    const int32_t measure = fit->params->distance_measure;
    kmeans_centres all = {0};
    kmeans_scan scan = {0};

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)weight, 2 * c->n, sizeof **weight, "candidates"));
    QN_TRY_ALL(kmeans_centres_init(ctx, (int32_t)c->n, d, kmeans_mean(fit->data, measure), &all));
    QN_TRY_ALL(kmeans_scan_init(ctx, fit->data, measure, 2 * c->n, &scan));
    memcpy(all.centre, c->x, (size_t)c->n * (size_t)d * sizeof *c->x);
    kmeans_centres_set(&all, (int32_t)c->n);
    QN_TRY(kmeans_count(&scan, &fit->job, "k-means|| weights", &all.view, *weight));
done:
    kmeans_centres_release(&all);
    kmeans_scan_release(&scan);
    return st;
}

qn_status kmeans_init_parallel(kmeans_fit *fit)
{
    qn_status st = QN_OK;
    qn_context *ctx = fit->ctx;
    const int32_t d = fit->data->n_features;
    candidates c = {0};
    double *weight = NULL;

    QN_TRY_ALL(candidates_init(fit, &c));
    QN_TRY(draw_candidates(&c));
    QN_TRY_ALL(kmeans_distinct(ctx, d, c.n, c.x, &c.n));
    if (c.n <= fit->params->k) {
        memcpy(fit->centres.centre, c.x, (size_t)c.n * (size_t)d * sizeof *c.x);
        kmeans_centres_set(&fit->centres, (int32_t)c.n);
        goto done;
    }
    QN_TRY(weigh(fit, &c, &weight));
    QN_TRY_ALL(choose(fit, c.n, c.x, weight));
done:
    candidates_release(&c);
    qn_free(weight);
    return st;
}
