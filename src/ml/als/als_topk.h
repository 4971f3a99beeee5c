/* The best k of a stream of scored rows, under one total order: score descending, NaN last, then
 * index (ids ascend with it) ascending, or descending for Spark's ties. A heap whose root is the
 * worst kept. */
#ifndef QN_ML_ALS_TOPK_H
#define QN_ML_ALS_TOPK_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct als_scored {
    float score;
    uint32_t index;
} als_scored;

typedef struct als_topk {
    als_scored *heap; /* [k] of the caller */
    int32_t k, n;
    bool descending_ties;
} als_topk;

/* True if `a` goes before `b` in a list that starts with the best. */
static inline bool als_is_before(const als_topk *top, als_scored a, als_scored b)
{
    if (a.score > b.score)
        return true;
    if (a.score < b.score)
        return false;
    if (isnan(a.score) != isnan(b.score))
        return isnan(b.score);
    return top->descending_ties ? a.index > b.index : a.index < b.index;
}

/* Offers a row. */
void als_topk_add(als_topk *top, als_scored row);
/* Writes the best first into n_slots >= k slots; those that stay empty get -1 and NaN. The heap is
 * emptied. */
void als_topk_take(als_topk *top, int32_t n_slots, int64_t *index, float *score);

/* True when a row of this score cannot enter: cheap, before anything else is looked at. */
static inline bool als_topk_is_below(const als_topk *top, float score)
{
    return top->n == top->k && (top->k == 0 || score < top->heap[0].score);
}

#endif
