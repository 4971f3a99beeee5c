#include <string.h>

#include "base/text.h"

#define MAX_NAME 64

/* Lower case without '-' and '_'; cut at MAX_NAME - 1. Returns the length. */
static size_t fold(const char *name, char out[MAX_NAME])
{
    size_t n = 0;

    for (; *name && n + 1 < MAX_NAME; name++) {
        if (*name == '-' || *name == '_')
            continue;
        out[n++] = *name >= 'A' && *name <= 'Z' ? (char)(*name | 0x20) : *name;
    }
    out[n] = '\0';
    return n;
}

bool qn_name_equal(const char *a, const char *b)
{
    for (;;) {
        char x, y;

        while (*a == '-' || *a == '_')
            a++;
        while (*b == '-' || *b == '_')
            b++;
        x = *a >= 'A' && *a <= 'Z' ? (char)(*a | 0x20) : *a;
        y = *b >= 'A' && *b <= 'Z' ? (char)(*b | 0x20) : *b;
        if (x != y)
            return false;
        if (x == '\0')
            return true;
        a++;
        b++;
    }
}

/* Edits that turn a into b: insert, delete, replace, swap of two neighbours. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[3][MAX_NAME];
    size_t *two_back = row[0], *back = row[1], *now = row[2];

    for (size_t j = 0; j <= m; j++)
        back[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *oldest = two_back;

        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = back[j - 1] + (a[i - 1] != b[j - 1]);

            if (back[j] + 1 < best)
                best = back[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                two_back[j - 2] + 1 < best)
                best = two_back[j - 2] + 1;
            now[j] = best;
        }
        two_back = back;
        back = now;
        now = oldest;
    }
    return back[m];
}

const char *qn_nearest(const char *wanted, const char *const *names, int64_t n)
{
    char a[MAX_NAME], b[MAX_NAME];
    const size_t length = fold(wanted, a);
    size_t best = 1 + length / 3; /* the most edits that still look like a slip */
    const char *nearest = NULL;
    const char *longer = NULL; /* a name of which `wanted` is the beginning, or the other way */

    if (length == 0)
        return NULL;
    for (int64_t i = 0; i < n; i++) {
        const size_t other = fold(names[i], b);
        const size_t edits = distance(a, length, b, other);

        if (!longer && ((length >= 3 && strncmp(a, b, length) == 0) ||
                        (other >= 4 && strncmp(a, b, other) == 0)))
            longer = names[i];
        if (edits < (nearest ? best : best + 1) && edits < (length > other ? length : other)) {
            best = edits;
            nearest = names[i];
        }
    }
    return nearest && (best <= 1 || !longer) ? nearest : longer;
}
