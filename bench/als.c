/* How fast ALS fits a ratings file, and how well.
 *     bench_als FILE [--rank 10] [--max-iter 10] [--threads 0] [--memory 0] [--all] [other fit
 * options] Prints one line of JSON: seconds to load, seconds of each iteration (best and median),
 * peak bytes. Test rows, (31 user + 17 item) mod 101 < 20, are kept out of training and give the
 * RMSE, as the runners of other systems do; --all trains on all rows, without that RMSE. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/system.h"
#include "data/triples.h"
#include "quern/als.h"
#include "quern/ratings.h"

#define MAX_STEPS 1000
#define CHUNK     8192 /* users recommended for at once */

/* What a run is reported by. */
typedef struct figures {
    double load_s, fit_s, recommend_s, rmse;
} figures;

typedef struct steps {
    double seconds[MAX_STEPS];
    double loss;
    int n;
} steps;

typedef struct bench {
    qn_context_options context;
    qn_ratings_options input;
    qn_als_params params;
    const char *path;
    bool all;
    int32_t k; /* 0: no recommendations */
} bench;

static void keep_step(void *user, const qn_event *event)
{
    steps *s = user;

    if (event->kind == QN_EVENT_STEP && s->n < MAX_STEPS) {
        s->seconds[s->n++] = (double)event->duration_us * 1e-6;
        s->loss = event->value;
    }
    if (event->kind == QN_EVENT_WARNING)
        fprintf(stderr, "%s\n", event->text);
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

static qn_status parse(qn_context *ctx, int argc, char **argv, bench *b)
{
    qn_status st = QN_OK;

    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        const qn_param *param = NULL;

        if (strcmp(name, "--all") == 0) {
            b->all = true;
        } else if (strncmp(name, "--", 2) != 0) {
            b->path = name;
        } else if (i + 1 == argc) {
            return qn_fail(ctx, QN_EINVAL, "%s needs a value", name);
        } else if (strcmp(name, "--recommend") == 0) {
            b->k = (int32_t)strtol(argv[++i], NULL, 10);
        } else if (strcmp(name, "--threads") == 0) {
            b->context.threads = (int32_t)strtol(argv[++i], NULL, 10);
        } else if (strcmp(name, "--memory") == 0) {
            b->context.memory = (size_t)strtoull(argv[++i], NULL, 10);
        } else if ((param = qn_params_find(&qn_als_table, name + 2)) != NULL) {
            QN_TRY(qn_param_set(ctx, param, &b->params, argv[++i]));
        } else {
            return qn_fail(ctx, QN_EINVAL, "no option %s", name);
        }
    }
    if (!b->path)
        return qn_fail(ctx, QN_EINVAL, "usage: bench_als FILE [options]");
done:
    return st;
}

/* 1 for rows of the test set. */
static void mark_test(const qn_triples *t, uint8_t *part)
{
    for (int64_t i = 0; i < t->n; i++) {
        const int64_t user = t->users.number[t->user[i]];
        const int64_t item = t->items.number[t->item[i]];

        part[i] = (31 * user + 17 * item) % 101 < 20;
    }
}

/* Ratings to train on, and the test rows or NULL. */
static qn_status load(qn_context *ctx, bench *b, qn_ratings **ratings, qn_triples **test)
{
    qn_status st = QN_OK;
    qn_triples *triples = NULL;
    qn_triples *train = NULL;
    uint8_t *part = NULL;

    b->input.input = (qn_text_list){&b->path, 1};
    QN_TRY(qn_triples_read(ctx, &b->input, false, false, &triples));
    if (b->all) {
        QN_TRY(qn_ratings_from_triples(ctx, &triples, 0, ratings));
    } else {
        QN_NEW(ctx, part, triples->n, "marks of test rows");
        mark_test(triples, part);
        QN_TRY(qn_triples_take(ctx, triples, part, 0, true, &train));
        QN_TRY(qn_triples_take(ctx, triples, part, 1, true, test));
        qn_triples_free(triples);
        triples = NULL;
        QN_TRY(qn_ratings_from_triples(ctx, &train, 0, ratings));
    }
done:
    qn_free(part);
    qn_triples_free(train);
    qn_triples_free(triples);
    return st;
}

static qn_status score(qn_context *ctx, const qn_als_model *m, const qn_triples *test, double *rmse)
{
    qn_status st = QN_OK;
    int64_t *pair = NULL;
    float *out = NULL;
    double sum = 0;
    int64_t n = 0;

    QN_NEW(ctx, pair, 2 * test->n, "test pairs");
    QN_NEW(ctx, out, test->n, "predictions");
    for (int64_t i = 0; i < test->n; i++) {
        pair[i] = qn_ids_find_number(&m->users, test->users.number[test->user[i]]);
        pair[test->n + i] = qn_ids_find_number(&m->items, test->items.number[test->item[i]]);
    }
    QN_TRY(qn_als_predict(ctx, m, test->n, pair, pair + test->n, out));
    for (int64_t i = 0; i < test->n; i++) {
        if (isnan(out[i]))
            continue;
        sum += pow((double)out[i] - (double)test->value[i], 2);
        n++;
    }
    *rmse = sqrt(sum / (double)n);
done:
    qn_free(pair);
    qn_free(out);
    return st;
}

/* Seconds for the best k of every user, a chunk of users at a time. */
static qn_status recommend_all(qn_context *ctx, const qn_als_model *m, int32_t k, double *seconds)
{
    qn_status st = QN_OK;
    const double start = qn_seconds();
    int64_t *user = NULL;
    int64_t *index = NULL;
    float *score_of = NULL;

    QN_NEW(ctx, user, CHUNK, "users");
    QN_NEW(ctx, index, CHUNK * k, "recommendations");
    QN_NEW(ctx, score_of, CHUNK * k, "recommendations");
    for (int64_t first = 0; first < m->users.n; first += CHUNK) {
        const int64_t n = m->users.n - first < CHUNK ? m->users.n - first : CHUNK;

        for (int64_t i = 0; i < n; i++)
            user[i] = first + i;
        QN_TRY(qn_als_recommend(ctx, m, QN_SIDE_USER, user, n, k, QN_TIES_ID_ASC, NULL, index,
                                score_of));
    }
    *seconds = qn_seconds() - start;
done:
    qn_free(user);
    qn_free(index);
    qn_free(score_of);
    return st;
}

static void report(qn_context *ctx, const bench *b, const qn_ratings *ratings, steps *s,
                   const figures *f)
{
    qn_memory_use use;

    qn_memory_use_read(&use);
    qsort(s->seconds, (size_t)s->n, sizeof *s->seconds, compare_doubles);
    printf("{\"system\": \"quern\", \"kernels\": \"%s\", \"threads\": %d, \"ratings\": %lld, "
           "\"k\": %d, "
           "\"load_s\": %.3f, \"fit_s\": %.3f, \"per_iter_s\": %.4f, \"best_iter_s\": %.4f, "
           "\"recommend_s\": %.3f, \"train_loss\": %.5f, \"rmse\": %.5f, \"peak_bytes\": %zu, "
           "\"vm_hwm_bytes\": %zu}\n",
           qn_context_kernels(ctx), qn_context_threads(ctx), (long long)ratings->n_ratings,
           b->params.rank, f->load_s, f->fit_s, s->n > 0 ? s->seconds[s->n / 2] : 0.0,
           s->n > 0 ? s->seconds[0] : 0.0, f->recommend_s, s->loss, f->rmse, qn_context_peak(ctx),
           use.vm_hwm);
}

static qn_status run(qn_context *ctx, bench *b)
{
    qn_status st = QN_OK;
    qn_ratings *ratings = NULL;
    qn_triples *test = NULL;
    qn_als_model *model = NULL;
    steps s = {.n = 0};
    figures f = {0};
    double start = qn_seconds();

    QN_TRY(qn_context_add_sink(ctx, keep_step, &s));
    QN_TRY(load(ctx, b, &ratings, &test));
    f.load_s = qn_seconds() - start;
    start = qn_seconds();
    QN_TRY(qn_als_fit(ctx, &b->params, ratings, &model));
    f.fit_s = qn_seconds() - start;
    if (test)
        QN_TRY(score(ctx, model, test, &f.rmse));
    if (b->k > 0)
        QN_TRY(recommend_all(ctx, model, b->k, &f.recommend_s));
    report(ctx, b, ratings, &s, &f);
done:
    qn_als_free(model);
    qn_triples_free(test);
    qn_ratings_free(ratings);
    return st;
}

int main(int argc, char **argv)
{
    bench b = {.path = NULL};
    qn_context *ctx = NULL;
    qn_status st = qn_context_create(NULL, &ctx);

    if (st == QN_OK) {
        qn_params_init(&qn_als_table, &b.params);
        qn_params_init(&qn_ratings_table, &b.input);
        st = parse(ctx, argc, argv, &b);
    }
    if (st == QN_OK) {
        qn_context_free(ctx);
        ctx = NULL;
        st = qn_context_create(&b.context, &ctx);
    }
    if (st == QN_OK)
        st = run(ctx, &b);
    if (st != QN_OK)
        fprintf(stderr, "bench_als: %s\n", ctx ? qn_context_error(ctx) : qn_status_text(st));
    qn_context_free(ctx);
    return qn_status_exit_code(st);
}
