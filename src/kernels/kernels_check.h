/* What the tests of this room share: the sets to try, numbers that no library changes, and buffers
 * that notice a write outside. */
#ifndef QN_KERNELS_CHECK_H
#define QN_KERNELS_CHECK_H

#include "kernels/kernels.h"

#include "check.h"

static const char *const set_names[] = {"reference", "avx2", "avx512"};
#define N_SETS 3

static const int32_t awkward_ranks[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,   10,  11,  12,
                                        13, 14, 15, 16, 17, 23, 24, 31, 32,  33,  40,  47,
                                        48, 49, 50, 63, 64, 65, 80, 96, 100, 127, 128, 129};
#define N_RANKS ((int32_t)(sizeof awkward_ranks / sizeof *awkward_ranks))

/* The set, or NULL and a word why not. */
static inline const qn_kernels *set_or_skip(int32_t i)
{
    const qn_kernels *set = qn_kernels_pick(set_names[i]);

    if (!set)
        print_message("skipped: this processor or build lacks the set %s\n", set_names[i]);
    return set;
}

/* Uniform in [-1, 1), with 20 bits. */
static inline float next_number(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (float)(int64_t)(*seed >> 44) / 524288.0F - 1.0F;
}

#define GUARD_BYTES 64

/* n bytes of zeros, 64-byte aligned, between two guards. */
static inline void *guarded_alloc(size_t n)
{
    const size_t whole = (n + 63) / 64 * 64 + (size_t)2 * GUARD_BYTES;
    unsigned char *start = aligned_alloc(64, whole);

    assert_non_null(start);
    memset(start, 0xA5, whole);
    memset(start + GUARD_BYTES, 0, n);
    return start + GUARD_BYTES;
}

static inline void guarded_free(void *block, size_t n)
{
    const unsigned char *bytes = block;

    for (size_t i = 0; i < GUARD_BYTES; i++) {
        assert_int_equal(bytes[-1 - (ptrdiff_t)i], 0xA5);
        assert_int_equal(bytes[n + i], 0xA5);
    }
    free((unsigned char *)block - GUARD_BYTES);
}

#endif
