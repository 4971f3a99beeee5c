#include "ml/als/als_topk.h"

/* Moves the row at `at` down until both below it are better: the worst is the root. */
static void als_sift_down(als_topk *top, int32_t at)
{
    const als_scored row = top->heap[at];

    for (int32_t child = 2 * at + 1; child < top->n; child = 2 * at + 1) {
        if (child + 1 < top->n && als_is_before(top, top->heap[child], top->heap[child + 1]))
            child++;
        if (!als_is_before(top, row, top->heap[child]))
            break;
        top->heap[at] = top->heap[child];
        at = child;
    }
    top->heap[at] = row;
}

void als_topk_add(als_topk *top, als_scored row)
{
    if (top->n < top->k) {
        int32_t at = top->n++;

        for (; at > 0 && als_is_before(top, top->heap[(at - 1) / 2], row); at = (at - 1) / 2)
            top->heap[at] = top->heap[(at - 1) / 2];
        top->heap[at] = row;
    } else if (top->k > 0 && als_is_before(top, row, top->heap[0])) {
        top->heap[0] = row;
        als_sift_down(top, 0);
    }
}

void als_topk_take(als_topk *top, int32_t n_slots, int64_t *index, float *score)
{
    for (int32_t i = top->n; i < n_slots; i++) {
        index[i] = -1;
        score[i] = NAN;
    }
    while (top->n > 0) {
        const als_scored worst = top->heap[0];

        top->heap[0] = top->heap[--top->n];
        if (top->n > 0)
            als_sift_down(top, 0);
        index[top->n] = worst.index;
        score[top->n] = worst.score;
    }
}
