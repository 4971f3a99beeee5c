/* Radix sort on the bits that vary. What varies of movie, user, days and rating nearly always fits
 * into 64 bits: then pairs of such a key and the origin are sorted, first to buckets by the top
 * bits, then each bucket, which lies in the first cache, from the lowest byte; rows are made again
 * from the keys. Where it does not fit, whole rows are moved, from the lowest byte. */
#include <stdlib.h>

#include "data/rating_rows_impl.h"

#define WORDS     4 /* rating, days, user, movie: from the least */
#define DIGITS    (WORDS * 4)
#define FEW_ROWS  48 /* up to here inserting is faster than counting */
#define SIGN_BYTE 0x80

#define MAX_TOP  14 /* bits of the first digit of packed keys: rows of a movie are few a month */
#define FEW_KEYS 32 /* as FEW_ROWS, for packed keys */

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

static void gather(const qn_row_block *list, int64_t n, qn_rating_row *row)
{
    for (int64_t at = 0; at < n; list = list->next) {
        memcpy(row + at, list->row, (size_t)list->n * sizeof *row);
        at += list->n;
    }
}

static void put_back(qn_row_block *list, int64_t n, const qn_rating_row *row)
{
    for (int64_t at = 0; at < n; list = list->next) {
        memcpy(list->row, row + at, (size_t)list->n * sizeof *row);
        at += list->n;
    }
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

/* The result lies in one of both. */
static qn_rating_row *sort_bytes(qn_rating_row *row, qn_rating_row *other, int64_t n)
{
    digit digits[DIGITS];
    bool has_negative;
    int32_t n_digits;

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

/* ---- packed keys ---- */

typedef struct packed {
    uint64_t key, origin;
} packed;
_Static_assert(sizeof(packed) <= sizeof(qn_rating_row), "packed rows have room where rows have");

/* Of each word, from the least: value = base + (key >> at & mask) << zeros. */
typedef struct packing {
    uint32_t base[WORDS], mask[WORDS];
    int32_t zeros[WORDS], at[WORDS], bits;
} packing;

/* Words whose order as numbers is the order of what they stand for. */
static inline uint32_t order_of(const qn_rating_row *row, int32_t word)
{
    return word == 0 ? qn_rating_order(row->rating) : word_of(row, word) ^ UINT32_C(1) << 31;
}

static inline float rating_of(uint32_t order)
{
    float rating;

    order ^= order >> 31 ? UINT32_C(1) << 31 : UINT32_MAX;
    memcpy(&rating, &order, sizeof rating);
    return rating;
}

static packing find_packing(const qn_row_block *list, int64_t n)
{
    uint32_t low[WORDS], high[WORDS], vary[WORDS] = {0};
    packing p = {0};

    for (int32_t w = 0; w < WORDS; w++)
        low[w] = high[w] = order_of(&list->row[0], w);
    for (int64_t at = 0; at < n; at += list->n, list = list->next)
        for (int64_t i = 0; i < list->n; i++)
            for (int32_t w = 0; w < WORDS; w++) {
                const uint32_t x = order_of(&list->row[i], w);

                vary[w] |= x ^ low[w];
                low[w] = x < low[w] ? x : low[w];
                high[w] = x > high[w] ? x : high[w];
            }
    for (int32_t w = 0; w < WORDS; w++) {
        const uint32_t range = high[w] - low[w];
        const int32_t width = range ? 32 - __builtin_clz(range) : 0;

        p.zeros[w] = width ? __builtin_ctz(vary[w]) : 0;
        p.base[w] = low[w];
        p.at[w] = p.bits;
        p.mask[w] = (uint32_t)((UINT64_C(1) << (width - p.zeros[w])) - 1);
        p.bits += width - p.zeros[w];
    }
    return p;
}

/* Rows to packed ones, and how many there are of each top. */
static void pack(const packing *p, const qn_row_block *list, int64_t n, packed *out, int32_t low,
                 uint32_t *count)
{
    for (const packed *end = out + n; out < end; list = list->next)
        for (int64_t i = 0; i < list->n; i++) {
            const qn_rating_row *row = &list->row[i];
            uint64_t key = 0;

            for (int32_t w = 0; w < WORDS; w++)
                key |= (uint64_t)((order_of(row, w) - p->base[w]) >> p->zeros[w])
                       << (p->at[w] & 63);
            *out++ = (packed){key, row->origin};
            count[key >> low]++;
        }
}

static void unpack(const packing *p, const packed *in, qn_row_block *list, int64_t n)
{
    for (const packed *end = in + n; in < end; list = list->next)
        for (int64_t i = 0; i < list->n; i++, in++) {
            uint32_t x[WORDS];

            for (int32_t w = 0; w < WORDS; w++)
                x[w] = p->base[w] +
                       (((uint32_t)(in->key >> (p->at[w] & 63)) & p->mask[w]) << p->zeros[w]);
            list->row[i] = (qn_rating_row){.movie = (int32_t)(x[3] ^ UINT32_C(1) << 31),
                                           .user = (int32_t)(x[2] ^ UINT32_C(1) << 31),
                                           .days = (int32_t)(x[1] ^ UINT32_C(1) << 31),
                                           .rating = rating_of(x[0]),
                                           .origin = in->origin};
        }
}

/* Counts to places. */
static void add_up(uint32_t *count, int32_t n)
{
    uint32_t at = 0;

    for (int32_t i = 0; i < n; i++) {
        const uint32_t before = at;

        at += count[i];
        count[i] = before;
    }
}

static void insert_keys(packed *key, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        const packed moved = key[i];
        int64_t at = i;

        for (; at > 0 && key[at - 1].key > moved.key; at--)
            key[at] = key[at - 1];
        key[at] = moved;
    }
}

/* Sorts by the lowest `bits` of the keys, in place. */
static void sort_bucket(packed *key, packed *other, int64_t n, int32_t bits)
{
    const int32_t passes = (bits + 7) / 8;
    uint32_t count[8][256];
    packed *from = key, *to = other;

    if (n <= FEW_KEYS) {
        insert_keys(key, n);
        return;
    }
    memset(count, 0, sizeof *count * (size_t)passes);
    for (int64_t i = 0; i < n; i++)
        for (int32_t d = 0; d < passes; d++)
            count[d][key[i].key >> d * 8 & 255]++;
    for (int32_t d = 0; d < passes; d++) {
        packed *const swapped = from;

        if (count[d][from->key >> d * 8 & 255] == (uint32_t)n)
            continue; /* all alike */
        add_up(count[d], 256);
        for (int64_t i = 0; i < n; i++)
            to[count[d][from[i].key >> d * 8 & 255]++] = from[i];
        from = to;
        to = swapped;
    }
    if (from != key)
        memcpy(key, from, (size_t)n * sizeof *key);
}

static void sort_packed(const packing *p, qn_row_block *list, int64_t n, packed *key, packed *other)
{
    const int32_t wanted = 62 - __builtin_clzll((unsigned long long)n); /* about four rows a top */
    const int32_t limit = wanted < MAX_TOP ? wanted : MAX_TOP;
    const int32_t top = limit < p->bits ? limit : p->bits, low = p->bits - top;
    uint32_t count[1 << MAX_TOP], first = 0;

    memset(count, 0, sizeof *count << top);
    pack(p, list, n, key, low, count);
    add_up(count, 1 << top);
    for (int64_t i = 0; i < n; i++)
        other[count[key[i].key >> low]++] = key[i];
    for (int32_t i = 0; i < 1 << top; first = count[i++])
        sort_bucket(other + first, key + first, count[i] - first, low);
    unpack(p, other, list, n);
}

void qn_rows_sort(qn_row_block *list, int64_t n, qn_rating_row *room[2])
{
    packing p;

    if (n <= FEW_ROWS) {
        gather(list, n, room[0]);
        insert_each(room[0], n);
        put_back(list, n, room[0]);
        return;
    }
    p = find_packing(list, n);
    if (p.bits <= 64) {
        sort_packed(&p, list, n, (packed *)(void *)room[0], (packed *)(void *)room[1]);
    } else {
        gather(list, n, room[0]);
        put_back(list, n, sort_bytes(room[0], room[1], n));
    }
}
