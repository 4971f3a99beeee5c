/* Which kernel set a context uses. */
#include "kernels/sets.h"

#include <stdbool.h>
#include <string.h>

#ifdef QN_X86_64
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

/* What this processor can run, lowest first. The compiler's check asks the operating system too:
 * registers that it does not save do not count. */
static int32_t runnable_sets(const qn_kernels *sets[3])
{
    int32_t n = 0;

    sets[n++] = &qn_kernels_reference;
#ifdef QN_X86_64
    __builtin_cpu_init();
    if (has_avx2())
        sets[n++] = &qn_kernels_avx2;
    if (has_avx512())
        sets[n++] = &qn_kernels_avx512;
#endif
    return n;
}

const qn_kernels *qn_kernels_pick(const char *wanted)
{
    const qn_kernels *sets[3];
    const int32_t n = runnable_sets(sets);

    if (!wanted || strcmp(wanted, "auto") == 0)
        return sets[n - 1];
    for (int32_t i = 0; i < n; i++) {
        if (strcmp(wanted, sets[i]->name) == 0)
            return sets[i];
    }
    return NULL;
}

int32_t qn_kernels_available(const char *names[3])
{
    const qn_kernels *sets[3];
    const int32_t n = runnable_sets(sets);

    for (int32_t i = 0; i < n; i++)
        names[i] = sets[i]->name;
    return n;
}

/* Room for the largest of the sets: 64 bytes a column for the entries that a set keeps in its own
 * order, and a block of ratings twice, as they are and times their weight. */
size_t qn_gram_scratch_bytes(int32_t rank)
{
    const size_t width = (size_t)qn_factor_stride(rank) + QN_FACTOR_ALIGN;
    const size_t smallest = width * sizeof(double) * QN_GRAM_BLOCK_ROWS;
    const size_t block = smallest > QN_GRAM_BLOCK_BYTES ? smallest : QN_GRAM_BLOCK_BYTES;

    return 64 * width + 2 * block;
}
