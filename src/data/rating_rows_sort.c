/* Radix sort, the lowest byte first, on the bytes that vary. */
#include <stdlib.h>

#include "data/rating_rows_impl.h"

#define WORDS     4 /* rating, days, user, movie: from the least */
#define DIGITS    (WORDS * 4)
#define FEW_ROWS  48 /* up to here inserting is faster than counting */
#define SIGN_BYTE 0x80

typedef struct digit {
    int32_t word, shift;
    uint8_t flip; /* the sign's byte of a whole number */
    int64_t count[256];
} digit;

static inline uint32_t word_of(const qn_rating_row *row, int32_t word)
{
    const char *const at = (const char *)row + (3 - word) * 4;
    uint32_t bits;

    memcpy(&bits, at, sizeof bits);
    return bits;
}
_Static_assert(offsetof(qn_rating_row, movie) == 0 && offsetof(qn_rating_row, user) == 4 &&
                   offsetof(qn_rating_row, days) == 8 && offsetof(qn_rating_row, rating) == 12,
               "words lie from the greatest to the least");

static inline uint32_t digit_of(const qn_rating_row *row, const digit *d)
{
    return ((word_of(row, d->word) >> d->shift) & 255) ^ d->flip;
}

static void insert_each(qn_rating_row *row, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        const qn_rating_row moved = row[i];
        const qn_row_key key = qn_row_key_of(&moved);
        int64_t at = i;

        for (; at > 0 && qn_row_key_less(key, qn_row_key_of(&row[at - 1])); at--)
            row[at] = row[at - 1];
        row[at] = moved;
    }
}

/* Swaps the bits of ratings for those that compare as numbers, or back: only needed where one is
 * negative, else the bits do already. */
static void turn_ratings(qn_rating_row *row, int64_t n, bool back)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = word_of(&row[i], 0);
        const bool was_negative = back ? !(bits >> 31) : bits >> 31;

        bits ^= was_negative ? UINT32_MAX : UINT32_C(1) << 31;
        memcpy(&row[i].rating, &bits, sizeof bits);
    }
}

/* The bytes in which rows differ. */
static int32_t find_digits(const qn_rating_row *row, int64_t n, bool *has_negative,
                           digit digits[DIGITS])
{
    uint32_t vary[WORDS] = {0}, ratings = 0;
    uint32_t first[WORDS];
    int32_t n_digits = 0;

    for (int32_t w = 0; w < WORDS; w++)
        first[w] = word_of(&row[0], w);
    for (int64_t i = 0; i < n; i++) {
        for (int32_t w = 0; w < WORDS; w++)
            vary[w] |= word_of(&row[i], w) ^ first[w];
        ratings |= word_of(&row[i], 0);
    }
    *has_negative = ratings >> 31;
    for (int32_t w = 0; w < WORDS; w++)
        for (int32_t shift = 0; shift < 32; shift += 8)
            if (vary[w] >> shift & 255 || (w == 0 && *has_negative))
                digits[n_digits++] = (digit){
                    .word = w, .shift = shift, .flip = w > 0 && shift == 24 ? SIGN_BYTE : 0};
    return n_digits;
}

static void count_digits(const qn_rating_row *row, int64_t n, digit *digits, int32_t n_digits)
{
    for (int64_t i = 0; i < n; i++)
        for (int32_t d = 0; d < n_digits; d++)
            digits[d].count[digit_of(&row[i], &digits[d])]++;
}

static void scatter(const qn_rating_row *from, qn_rating_row *to, int64_t n, digit *d)
{
    int64_t at = 0;

    for (int32_t i = 0; i < 256; i++) {
        const int64_t count = d->count[i];

        d->count[i] = at;
        at += count;
    }
    for (int64_t i = 0; i < n; i++)
        to[d->count[digit_of(&from[i], d)]++] = from[i];
}

qn_rating_row *qn_rows_sort(qn_rating_row *row, qn_rating_row *other, int64_t n)
{
    digit digits[DIGITS];
    bool has_negative;
    int32_t n_digits;

    if (n <= FEW_ROWS) {
        insert_each(row, n);
        return row;
    }
    n_digits = find_digits(row, n, &has_negative, digits);
    if (has_negative)
        turn_ratings(row, n, false);
    count_digits(row, n, digits, n_digits);
    for (int32_t d = 0; d < n_digits; d++) {
        qn_rating_row *const from = row;

        scatter(from, other, n, &digits[d]);
        row = other;
        other = from;
    }
    if (has_negative)
        turn_ratings(row, n, true);
    return row;
}
