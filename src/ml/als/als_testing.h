/* What the tests of ALS share: small ratings from lists, and fits with a few parameters changed. */
#ifndef QN_ML_ALS_TESTING_H
#define QN_ML_ALS_TESTING_H

#include <math.h>

#include "check.h"

#include "data/triples.h"
#include "engine/context_open.h"
#include "ml/als/als_impl.h"

typedef struct test_rating {
    int64_t user, item;
    float value;
} test_rating;

static inline int test_compare_int64(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Distinct ids of one side, ascending. */
static inline qn_status test_ids(qn_context *ctx, const test_rating *list, int64_t n, bool users,
                                 qn_ids *ids)
{
    qn_status st = QN_OK;

    *ids = (qn_ids){.type = QN_ID_INT32};
    QN_NEW(ctx, ids->number, n, "ids");
    for (int64_t i = 0; i < n; i++)
        ids->number[i] = users ? list[i].user : list[i].item;
    qsort(ids->number, (size_t)n, sizeof *ids->number, test_compare_int64);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || ids->number[i] != ids->number[i - 1])
            ids->number[ids->n++] = ids->number[i];
done:
    return st;
}

static inline int64_t test_find(const qn_ids *ids, int64_t id)
{
    const int64_t *at = bsearch(&id, ids->number, (size_t)ids->n, sizeof id, test_compare_int64);

    return at ? at - ids->number : -1;
}

/* The ratings of a list; each rank brings every size-th row, the last row first. */
static inline qn_status test_ratings(qn_context *ctx, const test_rating *list, int64_t n,
                                     int32_t partitions, qn_ratings **ratings)
{
    qn_status st = QN_OK;
    qn_triples *t = NULL;
    uint32_t *user = NULL, *item = NULL;
    float *value = NULL;
    int64_t n_rows = 0;

    *ratings = NULL;
    QN_TRY(qn_triples_create(ctx, false, &t));
    QN_TRY(test_ids(ctx, list, n, true, &t->users));
    QN_TRY(test_ids(ctx, list, n, false, &t->items));
    QN_NEW(ctx, user, n, "triples");
    QN_NEW(ctx, item, n, "triples");
    QN_NEW(ctx, value, n, "triples");
    for (int64_t i = n - 1; i >= 0; i--) {
        if (i % qn_size(ctx) != qn_rank(ctx))
            continue;
        user[n_rows] = (uint32_t)test_find(&t->users, list[i].user);
        item[n_rows] = (uint32_t)test_find(&t->items, list[i].item);
        value[n_rows++] = list[i].value;
    }
    QN_TRY(qn_triples_append(ctx, t, n_rows, user, item, value, NULL));
    QN_TRY(qn_ratings_from_triples(ctx, &t, partitions, ratings));
done:
    qn_free(user);
    qn_free(item);
    qn_free(value);
    qn_triples_free(t);
    return st;
}

/* Repeatable noise: a number below `limit`. */
static inline uint32_t test_noise(uint64_t *state, uint32_t limit)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*state >> 33) % limit);
}

/* n ratings of half stars with gaps in the ids and some pairs twice. Ids are below 3 n_users and
 * 5 n_items. */
static inline test_rating *test_random(int64_t n_users, int64_t n_items, int64_t n, uint64_t seed)
{
    test_rating *list = malloc((size_t)n * sizeof *list);

    assert_non_null(list);
    for (int64_t i = 0; i < n; i++) {
        const int64_t user = test_noise(&seed, (uint32_t)n_users);
        const int64_t item = test_noise(&seed, (uint32_t)n_items);
        const double taste = sin((double)(user * 7 + 1)) * cos((double)(item * 3 + 2));

        list[i] = (test_rating){3 * user, 5 * item,
                                (float)(floor(6 + 3 * taste + test_noise(&seed, 3)) / 2)};
    }
    return list;
}

static inline qn_als_params test_params(int32_t rank, int32_t max_iter, double reg_param)
{
    qn_als_params params;

    qn_params_init(&qn_als_table, &params);
    params.rank = rank;
    params.max_iter = max_iter;
    params.reg_param = reg_param;
    return params;
}

/* Order-dependent hash of the bits of a model: equal models, equal numbers. */
static inline uint64_t test_model_bits(const qn_als_model *m)
{
    const float *side[2] = {m->user_factors, m->item_factors};
    const int64_t rows[2] = {m->users.n, m->items.n};
    uint64_t hash = UINT64_C(14695981039346656037);

    for (int s = 0; s < 2; s++) {
        for (int64_t i = 0; i < rows[s] * m->stride; i++) {
            uint32_t bits = 0;

            memcpy(&bits, &side[s][i], sizeof bits);
            hash = (hash ^ bits) * UINT64_C(1099511628211);
        }
    }
    return hash;
}

static inline int test_context_setup(void **state)
{
    return qn_context_create(NULL, (qn_context **)state) == QN_OK ? 0 : -1;
}

static inline int test_context_teardown(void **state)
{
    CHECK_EQ(qn_alloc_live(*state), 0);
    qn_context_free(*state);
    return 0;
}

#endif
