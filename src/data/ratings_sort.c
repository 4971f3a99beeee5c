#include "data/ratings_sort.h"

#define SHORT  32
#define DIGITS 8

bool qn_keys_ascend(const uint64_t *keys, int64_t n)
{
    for (int64_t i = 1; i < n; i++)
        if (keys[i - 1] > keys[i])
            return false;
    return true;
}

int64_t qn_keys_unique(uint64_t *keys, int64_t n)
{
    int64_t kept = 0;

    for (int64_t i = 0; i < n; i++)
        if (kept == 0 || keys[kept - 1] != keys[i])
            keys[kept++] = keys[i];
    return kept;
}

static void sort_short(uint64_t *keys, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        const uint64_t key = keys[i];
        int64_t at = i;

        for (; at > 0 && keys[at - 1] > key; at--)
            keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

/* One pass by byte `digit`. */
static void sort_digit(const uint64_t *from, uint64_t *to, int64_t n, int digit)
{
    int64_t place[256] = {0};
    int64_t start = 0;

    for (int64_t i = 0; i < n; i++)
        place[(from[i] >> (8 * digit)) & 255]++;
    for (int64_t b = 0; b < 256; b++) {
        const int64_t here = place[b];

        place[b] = start;
        start += here;
    }
    for (int64_t i = 0; i < n; i++)
        to[place[(from[i] >> (8 * digit)) & 255]++] = from[i];
}

/* Radix sort, lowest byte first; bytes in which all keys agree are passed over. */
void qn_sort_keys(uint64_t *keys, int64_t n, uint64_t *scratch)
{
    uint64_t *from = keys, *to = scratch;
    uint64_t differs = 0;

    if (n <= SHORT) {
        sort_short(keys, n);
        return;
    }
    for (int64_t i = 1; i < n; i++)
        differs |= keys[i] ^ keys[0];
    for (int d = 0; d < DIGITS; d++) {
        uint64_t *const swap = from;

        if (!((differs >> (8 * d)) & 255))
            continue;
        sort_digit(from, to, n, d);
        from = to;
        to = swap;
    }
    if (from != keys)
        memcpy(keys, from, (size_t)n * sizeof *keys);
}
