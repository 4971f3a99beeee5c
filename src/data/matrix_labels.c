/* Distinct labels and how often each occurs, where there are few. */
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/matrix_impl.h"
#include "engine/comm.h"

/* Labels that are compared one by one. */
#define FEW 12

/* Place of the first value that is not below `value`. */
static int32_t find(const qn_label_set *set, double value)
{
    int32_t low = 0, high = set->n;

    if (set->n <= FEW) { /* no branch that depends on the label */
        for (int32_t i = 0; i < set->n; i++)
            low += set->value[i] < value;
        return low;
    }
    while (low < high) {
        const int32_t middle = (low + high) / 2;

        if (set->value[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void qn_label_set_add(qn_label_set *set, double value, int64_t count)
{
    const double label = value + 0.0; /* -0 is 0 */
    const int32_t at = set->is_over ? 0 : find(set, label);

    if (set->is_over)
        return;
    if (at < set->n && set->value[at] == label) {
        set->count[at] += count;
        return;
    }
    if (set->n == QN_MAX_LABELS) {
        set->is_over = true;
        set->n = 0;
        return;
    }
    memmove(set->value + at + 1, set->value + at, (size_t)(set->n - at) * sizeof *set->value);
    memmove(set->count + at + 1, set->count + at, (size_t)(set->n - at) * sizeof *set->count);
    set->value[at] = label;
    set->count[at] = count;
    set->n++;
}

void qn_label_set_merge(qn_label_set *set, const qn_label_set *other)
{
    if (other->is_over) {
        set->is_over = true;
        set->n = 0;
    }
    for (int32_t i = 0; i < other->n; i++)
        qn_label_set_add(set, other->value[i], other->count[i]);
}

qn_status qn_label_set_join(qn_context *ctx, qn_label_set *set)
{
    qn_label_set *all = NULL;
    qn_status st = QN_OK;
    size_t bytes = 0;

    QN_TRY(qn_comm_allgather(ctx, set, sizeof *set, (void **)&all, &bytes));
    *set = (qn_label_set){0};
    for (size_t r = 0; r < bytes / sizeof *all; r++)
        qn_label_set_merge(set, &all[r]);
done:
    qn_free(all);
    return st;
}
