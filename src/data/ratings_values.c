#include "data/ratings_values.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/ratings_sort.h"
#include "engine/comm.h"

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

void qn_value_set_add(qn_value_set *set, const float *value, int64_t n)
{
    for (int64_t i = 0; i < n && !set->overflow; i++)
        set_add(set, value[i], 1);
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

qn_status qn_value_sets_join(qn_context *ctx, const qn_value_set *sets, int64_t n,
                             qn_value_set *values)
{
    qn_status st = QN_OK;
    value_list *mine = NULL, *all = NULL;
    size_t bytes = 0;

    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&mine, n, sizeof *mine, "distinct ratings"));
    for (int64_t i = 0; i < n; i++) {
        mine[i].n = sets[i].n;
        mine[i].overflow = sets[i].overflow;
        memcpy(mine[i].value, sets[i].value, sizeof mine[i].value);
        memcpy(mine[i].count, sets[i].count, sizeof mine[i].count);
    }
    QN_TRY(qn_comm_allgather(ctx, mine, (size_t)n * sizeof *mine, (void **)&all, &bytes));
    join_lists(all, (int64_t)(bytes / sizeof *all), values);
done:
    qn_free(mine);
    qn_free(all);
    return st;
}
