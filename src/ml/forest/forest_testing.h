/* What the tests of fits share: small tables written as CSV and read back as matrices. */
#ifndef QN_ML_FOREST_TESTING_H
#define QN_ML_FOREST_TESTING_H

#include <inttypes.h>
#include <math.h>

#include "folder.h"

#include "base/text.h"
#include "engine/comm.h"
#include "engine/context_open.h"
#include "ml/forest/forest_grow.h"

/* Rows of features, then the label, then the weight where has_weight. NaN: missing. */
typedef struct test_table {
    int64_t n;
    int32_t columns;
    const double *x; /* [n x columns] */
    bool has_weight;
    int32_t n_categorical; /* the first so many features are categories */
    qn_precision precision;
    int32_t partitions;
} test_table;

static inline void test_write(const char *path, const test_table *t)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    for (int64_t i = 0; i < t->n * t->columns; i++) {
        if (!isnan(t->x[i]))
            fprintf(file, "%.17g", t->x[i]);
        fputc((i + 1) % t->columns == 0 ? '\n' : ',', file);
    }
    CHECK_EQ(fclose(file), 0);
}

/* The table in a file without header as a matrix. */
static inline qn_status test_read(qn_context *ctx, const char *path, const test_table *t,
                                  qn_matrix **matrix)
{
    static const char *const places[] = {"0", "1", "2", "3", "4", "5", "6", "7"};
    const qn_matrix_use use = {
        .categories = QN_CATEGORIES_INDEX, .keep_label = true, .allow_missing = true};
    qn_matrix_options options;
    char weight[16], label[16];

    qn_params_init(&qn_matrix_table, &options);
    options.input = (qn_text_list){&path, 1};
    options.header = 1; /* no */
    options.precision = (int32_t)t->precision;
    options.partitions = t->partitions;
    options.split_bytes = t->n > 10000 ? 0 : 1000;
    options.on_missing = QN_MISSING_KEEP;
    options.categorical = (qn_text_list){(const char **)places, t->n_categorical};
    snprintf(weight, sizeof weight, "%d", t->columns - 1);
    snprintf(label, sizeof label, "%d", t->columns - 1 - t->has_weight);
    options.weight = t->has_weight ? weight : NULL;
    options.label = label;
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

static inline qn_forest_params test_params(bool is_tree)
{
    qn_forest_params params;

    qn_params_init(is_tree ? &qn_tree_table : &qn_forest_table, &params);
    return params;
}

static inline qn_forest_model *test_fit(folder *f, const qn_forest_params *params, bool is_tree,
                                        const test_table *t)
{
    qn_matrix *matrix = test_matrix(f, t);
    qn_forest_model *model = NULL;

    CHECK_OK(f->ctx, qn_forest_fit(f->ctx, params, is_tree, matrix, &model));
    qn_matrix_free(matrix);
    return model;
}

/* Repeatable noise below `limit`. */
static inline uint32_t test_noise(uint64_t *state, uint32_t limit)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*state >> 33) % limit);
}

/* n rows of columns - 1 features in quarters, or below `categories` where those are more than 0,
 * and a label below k that has to do with some of them. Free with free(). */
static inline double *test_rows(int64_t n, int32_t columns, uint32_t k, uint32_t categories,
                                uint64_t seed)
{
    double *x = malloc((size_t)n * (size_t)columns * sizeof *x);

    assert_non_null(x);
    for (int64_t i = 0; i < n; i++) {
        double *row = x + i * columns;
        double sum = 0;

        for (int32_t f = 0; f < columns - 1; f++) {
            row[f] = categories > 0 ? test_noise(&seed, categories) : test_noise(&seed, 64) / 4.0;
            sum += f % 2 == 0 ? row[f] : -row[f] / 2;
        }
        sum += test_noise(&seed, 8);
        row[columns - 1] = floor(fabs(sum)) - k * floor(floor(fabs(sum)) / k);
    }
    return x;
}

static inline void test_digest(const qn_forest_model *model, char digest[33])
{
    qn_forest_digest(model, digest);
}

/* Events of a run. */
typedef struct heard {
    int n_steps, n_warnings, n_tasks, n_stages, n_jobs;
    char warning[512];
    qn_context *cancel; /* asks to stop at the first step */
} heard;

static inline void listen(void *user, const qn_event *event)
{
    heard *h = user;

    if (event->kind == QN_EVENT_STEP) {
        h->n_steps++;
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

#endif
