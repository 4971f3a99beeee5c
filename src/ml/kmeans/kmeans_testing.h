/* What the tests of K-means share: small tables written as CSV and read back as matrices. */
#ifndef QN_ML_KMEANS_TESTING_H
#define QN_ML_KMEANS_TESTING_H

#include <inttypes.h>
#include <math.h>

#include "folder.h"

#include "engine/context_open.h"
#include "ml/algo.h"
#include "ml/kmeans/kmeans_impl.h"

/* Rows of numbers; the last of `columns` is the weight where has_weight. */
typedef struct test_table {
    int64_t n;
    int32_t columns;
    const double *x; /* [n x columns] */
    bool has_weight;
    qn_precision precision;
    int32_t partitions;
} test_table;

static inline void test_write(const char *path, const test_table *t)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    for (int64_t i = 0; i < t->n * t->columns; i++)
        fprintf(file, "%.17g%c", t->x[i], (i + 1) % t->columns == 0 ? '\n' : ',');
    CHECK_EQ(fclose(file), 0);
}

/* The table in a file without header as a matrix. */
static inline qn_status test_read(qn_context *ctx, const char *path, const test_table *t,
                                  qn_matrix **matrix)
{
    const qn_matrix_use use = {0};
    qn_matrix_options options;
    char weight[16];

    qn_params_init(&qn_matrix_table, &options);
    options.input = (qn_text_list){&path, 1};
    options.header = 1; /* no */
    options.precision = (int32_t)t->precision;
    options.partitions = t->partitions;
    options.split_bytes = t->n > 10000 ? 0 : 1000;
    snprintf(weight, sizeof weight, "%d", t->columns - 1);
    options.weight = t->has_weight ? weight : NULL;
    return qn_matrix_read(ctx, &options, &use, matrix);
}

static inline qn_matrix *test_matrix(folder *f, const test_table *t)
{
    const char *path = folder_file(f, "rows.csv");
    qn_matrix *matrix = NULL;

    test_write(path, t);
    CHECK_OK(f->ctx, test_read(f->ctx, path, t, &matrix));
    return matrix;
}

static inline qn_kmeans_params test_params(int32_t k)
{
    qn_kmeans_params params;

    qn_params_init(&qn_kmeans_table, &params);
    params.k = k;
    return params;
}

static inline qn_kmeans_model *test_fit(folder *f, const qn_kmeans_params *params,
                                        const test_table *t)
{
    qn_matrix *matrix = test_matrix(f, t);
    qn_kmeans_model *model = NULL;

    CHECK_OK(f->ctx, qn_kmeans_fit(f->ctx, params, matrix, &model));
    qn_matrix_free(matrix);
    return model;
}

/* Repeatable noise below `limit`. */
static inline uint32_t test_noise(uint64_t *state, uint32_t limit)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*state >> 33) % limit);
}

/* n rows around k middles, columns - 1 features in quarters (floats hold them) and a weight of
 * quarters from 0 on. Free with free(). */
static inline double *test_blobs(int64_t n, int32_t columns, uint32_t k, uint64_t seed)
{
    double *x = malloc((size_t)n * (size_t)columns * sizeof *x);

    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) {
        const uint32_t blob = test_noise(&seed, k);

        for (int32_t f = 0; f < columns; f++)
            x[i * columns + f] = f == columns - 1 ? test_noise(&seed, 8) / 4.0
                                                  : 100.0 + (blob * (uint32_t)(7 + f) * 13 % 64) +
                                                        test_noise(&seed, 64) / 4.0;
    }
    return x;
}

/* Events of a run. */
typedef struct heard {
    int n_steps, n_warnings, n_tasks, n_stages, n_jobs;
    double cost[64]; /* of steps */
    char warning[512];
    qn_context *cancel; /* asks to stop at the first step */
} heard;

static inline void listen(void *user, const qn_event *event)
{
    heard *h = user;

    if (event->kind == QN_EVENT_STEP) {
        h->cost[h->n_steps++ % 64] = event->value;
        if (h->cancel)
            qn_context_cancel(h->cancel, 2);
    }
    if (event->kind == QN_EVENT_WARNING) {
        snprintf(h->warning, sizeof h->warning, "%s", event->text);
        h->n_warnings++;
    }
    h->n_tasks += event->kind == QN_EVENT_TASK_END;
    h->n_stages += event->kind == QN_EVENT_STAGE_END;
    h->n_jobs += event->kind == QN_EVENT_JOB_END;
}

static inline int test_setup(void **state)
{
    qn_context *ctx = NULL;

    if (qn_context_create(&(qn_context_options){.threads = 2}, &ctx) != QN_OK)
        return -1;
    *state = folder_make(ctx);
    return 0;
}

static inline int test_teardown(void **state)
{
    folder *f = *state;
    qn_context *ctx = f->ctx;

    folder_remove(f);
    CHECK_EQ(qn_alloc_live(ctx), 0);
    qn_context_free(ctx);
    return 0;
}

/* The centre that lies at `x` (to 1e-12 in each coordinate), -1 if there is none. */
static inline int32_t test_centre_at(const qn_kmeans_model *m, const double *x)
{
    for (int32_t j = 0; j < m->k; j++) {
        bool is_there = true;

        for (int32_t f = 0; f < m->n_features; f++)
            is_there = is_there && fabs(m->centre[j * m->n_features + f] - x[f]) < 1e-12;
        if (is_there)
            return j;
    }
    return -1;
}

#endif
