/* Which ratings occur: few of them are stored as one byte each. */
#ifndef QN_DATA_RATINGS_VALUES_H
#define QN_DATA_RATINGS_VALUES_H

#include <string.h>

#include "quern/ratings.h"

#define QN_VALUE_SLOTS 1024

/* Distinct values by their bits. More than 256: `overflow`, and the table says nothing. */
typedef struct qn_value_set {
    uint32_t bits[QN_VALUE_SLOTS];
    int16_t number[QN_VALUE_SLOTS]; /* 1 + number of a value, 0: free */
    float value[256];
    int64_t count[256];
    int32_t n;
    bool overflow;
} qn_value_set;

/* Slot of a value, or the free one where it belongs. */
static inline uint32_t qn_value_slot(const qn_value_set *set, float value)
{
    uint32_t bits, at;

    memcpy(&bits, &value, sizeof bits);
    at = (bits * 2654435761u) >> 22;
    while (set->number[at] && set->bits[at] != bits)
        at = (at + 1) & (QN_VALUE_SLOTS - 1);
    return at;
}

/* Number of a value that is there. */
static inline uint8_t qn_value_code(const qn_value_set *set, float value)
{
    return (uint8_t)(set->number[qn_value_slot(set, value)] - 1);
}

/* Counts values[n]. */
void qn_value_set_add(qn_value_set *set, const float *value, int64_t n);
/* Values of sets[n] of all ranks in ascending order, with how often each occurs. Collective. */
qn_status qn_value_sets_join(qn_context *ctx, const qn_value_set *sets, int64_t n,
                             qn_value_set *values);

#endif
