/* bench_forest_predict [TREES DEPTH FEATURES CLASSES ROWS]: full trees with thresholds drawn at
 * random, so that every leaf is met: one row at a time, as a server asks, and panels of rows, as
 * `quern predict` does. One thread. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/context.h"
#include "kernels/kernels.h"
#include "ml/forest/forest_impl.h"

#define ROUNDS 7

typedef struct setting {
    int32_t n_trees, depth, d, n_classes;
    int64_t n_rows;
} setting;

static double next(uint64_t *noise)
{
    *noise = *noise * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(*noise >> 11) / 9007199254740992.0;
}

/* Thresholds halve what is left of a feature's range, so that all leaves are as likely. */
static void fill_node(qn_forest_model *m, int64_t first, int64_t i, int64_t size, uint64_t *noise)
{
    qn_tree_node *node = m->node + first + i;
    const bool is_leaf = 2 * i + 2 >= size;

    *node = (qn_tree_node){.left = is_leaf ? -1 : (int32_t)(2 * i + 1),
                           .right = is_leaf ? -1 : (int32_t)(2 * i + 2),
                           .feature = is_leaf ? -1 : (int32_t)(next(noise) * m->n_features),
                           .gain = 1,
                           .threshold = 0.3 + 0.4 * next(noise),
                           .n_categories = -1};
    for (int32_t c = 0; c < m->n_stats; c++)
        m->stats[(first + i) * m->n_stats + c] = 1 + 100 * next(noise);
}

static qn_status make_model(qn_context *ctx, const setting *s, qn_forest_model **model)
{
    const int64_t size = (INT64_C(2) << s->depth) - 1;
    const forest_shape shape = {.n_trees = s->n_trees,
                                .n_features = s->d,
                                .n_stats = s->n_classes,
                                .n_nodes = s->n_trees * size};
    uint64_t noise = 42;
    qn_status st = QN_OK;

    QN_TRY(forest_model_create(ctx, &shape, model));
    (*model)->is_classifier = true;
    (*model)->n_classes = s->n_classes;
    for (int32_t t = 0; t < s->n_trees; t++) {
        (*model)->first_node[t + 1] = (t + 1) * size;
        for (int64_t i = 0; i < size; i++)
            fill_node(*model, t * size, i, size, &noise);
    }
    QN_TRY(forest_model_check(ctx, "made", *model));
    QN_TRY(forest_model_finish(ctx, *model));
done:
    return st;
}

/* Best of the rounds, in seconds. */
static double time_rows(const qn_forest_model *m, int64_t n, const double *rows, double *out)
{
    double best = 1e300;

    for (int round = 0; round < ROUNDS; round++) {
        const double start = qn_seconds();
        double seconds;

        for (int64_t r = 0; r < n; r++)
            qn_forest_predict(m, 1, rows + r * m->n_features, out + r,
                              out + n + r % 64 * m->n_classes);
        seconds = qn_seconds() - start;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static double time_panels(const qn_forest_model *m, int64_t n, const double *x, double *out,
                          double *probability)
{
    double best = 1e300;

    for (int round = 0; round < ROUNDS; round++) {
        const double start = qn_seconds();
        double seconds;

        forest_predict_panels(m, n, x, out, NULL, probability);
        seconds = qn_seconds() - start;
        best = seconds < best ? seconds : best;
    }
    return best;
}

static qn_status run(qn_context *ctx, const setting *s)
{
    const int64_t n = s->n_rows / QN_PANEL * QN_PANEL, d = s->d;
    const double steps = (double)n * s->n_trees * s->depth;
    double *rows = NULL, *x = NULL, *out = NULL, *probability = NULL, seconds;
    qn_forest_model *m = NULL;
    uint64_t noise = 7;
    qn_status st = QN_OK;

    QN_TRY(make_model(ctx, s, &m));
    QN_NEW(ctx, rows, n * d, "rows");
    QN_NEW(ctx, x, n * d, "rows");
    QN_NEW(ctx, out, n + 64 * (int64_t)s->n_classes, "predictions");
    QN_NEW(ctx, probability, n * s->n_classes, "predictions");
    for (int64_t r = 0; r < n; r++)
        for (int64_t f = 0; f < d; f++)
            x[(r / QN_PANEL * d + f) * QN_PANEL + r % QN_PANEL] = rows[r * d + f] = next(&noise);
    seconds = time_rows(m, n, rows, out);
    printf("one row      %8.3f us\n", 1e6 * seconds / (double)n);
    seconds = time_panels(m, n, x, out, probability);
    printf("panels       %8.3f us a row, %.2f ns a step, %.2f M rows/s\n",
           1e6 * seconds / (double)n, 1e9 * seconds / steps, 1e-6 * (double)n / seconds);
    seconds = time_panels(m, n, x, out, NULL);
    printf("class alone  %8.3f us a row, %.2f ns a step, %.2f M rows/s\n",
           1e6 * seconds / (double)n, 1e9 * seconds / steps, 1e-6 * (double)n / seconds);
done:
    if (st != QN_OK)
        fprintf(stderr, "%s\n", qn_context_error(ctx));
    qn_forest_free(m);
    qn_free(rows);
    qn_free(x);
    qn_free(out);
    qn_free(probability);
    return st;
}

int main(int argc, char **argv)
{
    setting s = {40, 6, 7, 7, 100000};
    int32_t *const field[] = {&s.n_trees, &s.depth, &s.d, &s.n_classes};
    qn_context *ctx = NULL;
    qn_status st = qn_context_create(NULL, &ctx);

    for (int i = 1; i < argc && i < 5; i++)
        *field[i - 1] = atoi(argv[i]);
    if (argc > 5)
        s.n_rows = atoll(argv[5]);
    if (s.n_trees < 1 || s.depth < 0 || s.depth > 24 || s.d < 1 || s.n_classes < 2 ||
        s.n_rows < QN_PANEL) {
        fprintf(stderr, "usage: bench_forest_predict [TREES DEPTH FEATURES CLASSES ROWS]\n");
        st = QN_EINVAL;
    } else if (st == QN_OK) {
        printf("%d trees of depth %d, %d features, %d classes, %lld rows\n", s.n_trees, s.depth,
               s.d, s.n_classes, (long long)s.n_rows);
        st = run(ctx, &s);
    }
    qn_context_free(ctx);
    return st != QN_OK;
}
