/* Sorting of 64-bit keys, and the order of floats as unsigned numbers. */
#ifndef QN_DATA_RATINGS_SORT_H
#define QN_DATA_RATINGS_SORT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Ascending; `scratch` has room for n more keys. */
void qn_sort_keys(uint64_t *keys, int64_t n, uint64_t *scratch);
bool qn_keys_ascend(const uint64_t *keys, int64_t n);
/* Takes repeats out of ascending keys; returns how many stay. */
int64_t qn_keys_unique(uint64_t *keys, int64_t n);

/* a < b as floats exactly when their orders are so as numbers; no NaN. */
static inline uint32_t qn_float_order(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static inline float qn_float_of_order(uint32_t order)
{
    const uint32_t bits = order & 0x80000000u ? order & 0x7fffffffu : ~order;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The same for signed numbers. */
static inline uint64_t qn_int64_order(int64_t value)
{
    return (uint64_t)value ^ 0x8000000000000000u;
}

static inline int64_t qn_int64_of_order(uint64_t order)
{
    return (int64_t)(order ^ 0x8000000000000000u);
}

#endif
