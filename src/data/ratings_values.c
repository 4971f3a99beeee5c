#include "data/ratings_values.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/pool.h"
#include "data/ratings_sort.h"
#include "data/triples_impl.h"
#include "engine/comm.h"

#define CHUNK ((int64_t)1 << 18)

typedef struct value_job {
    const qn_triples *triples;
    qn_value_set *set; /* [threads] */
} value_job;

static void set_add(qn_value_set *set, float value, int64_t count)
{
    const uint32_t at = qn_value_slot(set, value);

    if (!set->number[at]) {
        if (set->n == 256) {
            set->overflow = true;
            return;
        }
        memcpy(&set->bits[at], &value, sizeof value);
        set->value[set->n] = value;
        set->number[at] = (int16_t)++set->n;
    }
    set->count[set->number[at] - 1] += count;
}

static qn_status find_in_chunk(void *arg, int64_t chunk, int32_t thread)
{
    value_job *job = arg;
    qn_value_set *set = &job->set[thread];
    const int64_t n = job->triples->n;
    const int64_t end = (chunk + 1) * CHUNK < n ? (chunk + 1) * CHUNK : n;

    for (int64_t i = chunk * CHUNK; i < end && !set->overflow; i++)
        set_add(set, job->triples->value[i], 1);
    return QN_OK;
}

/* What a rank tells the others. */
typedef struct value_list {
    float value[256];
    int64_t count[256];
    int32_t n, overflow;
} value_list;

static int compare_floats(const void *a, const void *b)
{
    const uint32_t x = qn_float_order(*(const float *)a), y = qn_float_order(*(const float *)b);

    return (x > y) - (x < y);
}

/* Puts all values in ascending order. */
static void join_lists(const value_list *list, int64_t n_lists, qn_value_set *values)
{
    qn_value_set found = {0};
    float order[256];

    for (int64_t l = 0; l < n_lists; l++) {
        found.overflow = found.overflow || list[l].overflow;
        for (int32_t i = 0; i < list[l].n && !found.overflow; i++)
            set_add(&found, list[l].value[i], list[l].count[i]);
    }
    memset(values, 0, sizeof *values);
    values->overflow = found.overflow;
    if (found.overflow)
        return;
    memcpy(order, found.value, sizeof order);
    qsort(order, (size_t)found.n, sizeof *order, compare_floats);
    for (int32_t i = 0; i < found.n; i++)
        set_add(values, order[i], found.count[qn_value_code(&found, order[i])]);
}

static qn_status prepare(qn_context *ctx, value_job *job, value_list **mine)
{
    qn_status st = QN_OK;

    QN_NEW0(ctx, job->set, qn_context_threads(ctx), "distinct ratings");
    QN_NEW0(ctx, *mine, qn_context_threads(ctx), "distinct ratings");
    QN_TRY(qn_parallel(ctx, (job->triples->n + CHUNK - 1) / CHUNK, find_in_chunk, job));
    for (int32_t t = 0; t < qn_context_threads(ctx); t++) {
        value_list *list = *mine + t;

        list->n = job->set[t].n;
        list->overflow = job->set[t].overflow;
        memcpy(list->value, job->set[t].value, sizeof list->value);
        memcpy(list->count, job->set[t].count, sizeof list->count);
    }
done:
    return st;
}

qn_status qn_values_find(qn_context *ctx, const qn_triples *triples, qn_value_set *values)
{
    value_job job = {.triples = triples};
    qn_status st = QN_OK;
    value_list *mine = NULL, *all = NULL;
    size_t bytes = 0;

    QN_TRY_ALL(prepare(ctx, &job, &mine));
    QN_TRY(qn_comm_allgather(ctx, mine, (size_t)qn_context_threads(ctx) * sizeof *mine,
                             (void **)&all, &bytes));
    join_lists(all, (int64_t)(bytes / sizeof *all), values);
done:
    qn_free(job.set);
    qn_free(mine);
    qn_free(all);
    return st;
}
