/* Numbers out of text: separators found 64 bytes at a time, then four fields side by side. A field
 * is loaded by its end, so that its digits stand at the right of 16 bytes whatever its length; its
 * point is shuffled out, and pairs of digits, of pairs and of fours are put together. */
#include <immintrin.h>
#include <string.h>

#include "kernels/sets.h"

#define MOST_CHARACTERS 15

/* Which of 64 bytes equal one. */
static inline uint64_t equal_mask(__m256i low, __m256i high, __m256i wanted)
{
    const uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted));
    const uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted));

    return (uint64_t)b << 32 | a;
}

/* Places of the bits of `mask`; writes up to 7 more than there are. */
static inline int64_t write_places(uint64_t mask, int64_t base, uint32_t *place)
{
    const int64_t n = __builtin_popcountll(mask);

    for (int64_t i = 0; i < n; i += 8) {
        for (int64_t k = 0; k < 8; k++) {
            place[i + k] = (uint32_t)(base + __builtin_ctzll(mask | (uint64_t)1 << 63));
            mask &= mask - 1;
        }
    }
    return n;
}

/* The rest byte by byte: behind whole blocks, and what `most` cuts. */
static void marks_rest(const char *text, int64_t n, int64_t base, qn_text_marks *marks)
{
    qn_text_marks rest = *marks;

    rest.place += marks->n_places;
    rest.newline += marks->n_newlines;
    rest.most -= marks->n_places;
    qn_text_marks_reference(text + base, n - base, &rest);
    for (int64_t i = 0; i < rest.n_places; i++)
        rest.place[i] += (uint32_t)base;
    for (int64_t i = 0; i < rest.n_newlines; i++)
        rest.newline[i] += (uint32_t)base;
    marks->n_places += rest.n_places;
    marks->n_newlines += rest.n_newlines;
}

void qn_text_marks_avx2(const char *text, int64_t n, qn_text_marks *marks)
{
    const __m256i delimiter = _mm256_set1_epi8(marks->delimiter);
    const __m256i newline = _mm256_set1_epi8('\n');
    const __m256i stop = _mm256_set1_epi8(marks->stop);
    const uint64_t stops = marks->stop != '\n' ? UINT64_MAX : 0;
    int64_t base = 0;

    marks->n_places = marks->n_newlines = 0;
    for (; base + 64 <= n; base += 64) {
        const __m256i low = _mm256_loadu_si256((const __m256i *)(const void *)(text + base));
        const __m256i high = _mm256_loadu_si256((const __m256i *)(const void *)(text + base + 32));
        const uint64_t lines = equal_mask(low, high, newline);
        const uint64_t all = equal_mask(low, high, delimiter) | lines;
        const int64_t n_all = __builtin_popcountll(all);

        if ((equal_mask(low, high, stop) & stops) || marks->n_places + n_all > marks->most)
            break;
        write_places(all, base, marks->place + marks->n_places);
        marks->newline[marks->n_newlines] = (uint32_t)(base + (lines ? __builtin_ctzll(lines) : 0));
        if (lines & (lines - 1))
            write_places(lines, base, marks->newline + marks->n_newlines);
        marks->n_places += n_all;
        marks->n_newlines += __builtin_popcountll(lines);
    }
    marks_rest(text, n, base, marks);
}

/* Bytes of a field at the right of 16: sixteen bytes from here + length. */
static const uint8_t field_bytes[32] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* Takes byte `point` out and moves those before it up; 16: there is none. */
#define X 0x80
static const uint8_t without_point[17][16] = {
    {X, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {X, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {X, 0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {X, 0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {X, 0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {X, 0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {X, 0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {X, 0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15},
    {X, 0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15},
    {X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15},
    {X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15},
    {X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15},
    {X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15},
    {X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15},
    {X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15},
    {X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14},
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
#undef X

/* What the digits behind a point at byte `point` are worth. */
static const double power_of_point[17] = {1e15, 1e14, 1e13, 1e12, 1e11, 1e10, 1e9, 1e8, 1e7,
                                          1e6,  1e5,  1e4,  1e3,  1e2,  1e1,  1e0, 1e0};

/* Two fields on their way. */
typedef struct pair {
    __m256i fours; /* 32-bit sums of four digits, four for each field */
    __m256i odd;   /* not zero where a byte is no digit */
    uint32_t point[2];
    uint32_t is_bad;
    uint32_t is_negative[2];
} pair;

static inline __m256i load_two(const void *a, const void *b)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
                                   _mm_loadu_si128((const __m128i *)b), 1);
}

/* The ends lie at least 16 bytes in. */
static inline pair read_pair(const char *text, const uint32_t *before, const uint32_t *end)
{
    pair p;
    uint32_t length[2], points[2];

    for (int i = 0; i < 2; i++) {
        const uint32_t begin = before[i] + 1;

        p.is_negative[i] = text[begin] == '-';
        length[i] = end[i] - begin - p.is_negative[i];
    }
    p.is_bad = (length[0] > MOST_CHARACTERS) | (length[1] > MOST_CHARACTERS);
    const __m256i keep = load_two(field_bytes + (length[0] & 15), field_bytes + (length[1] & 15));
    const __m256i bytes = load_two(text + end[0] - 16, text + end[1] - 16);
    const __m256i is_point =
        _mm256_and_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('.')), keep);
    const uint32_t mask = (uint32_t)_mm256_movemask_epi8(is_point);
    points[0] = mask & 0xffff;
    points[1] = mask >> 16;
    for (int i = 0; i < 2; i++) {
        p.point[i] = (uint32_t)__builtin_ctz(points[i] | 0x10000);
        p.is_bad |= (points[i] & (points[i] - 1)) | ((p.point[i] < 16) >= length[i]);
    }
    const __m256i digits =
        _mm256_shuffle_epi8(_mm256_and_si256(_mm256_sub_epi8(bytes, _mm256_set1_epi8('0')), keep),
                            load_two(without_point[p.point[0]], without_point[p.point[1]]));
    p.odd = _mm256_subs_epu8(digits, _mm256_set1_epi8(9));
    const __m256i twos = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));
    p.fours = _mm256_madd_epi16(twos, _mm256_set1_epi32(0x00010064));
    return p;
}

/* Sign bits of the fields in the order 0 2 1 3. */
static inline __m256d signs_of(const pair *a, const pair *b)
{
    const __m256i sign = _mm256_set_epi64x(b->is_negative[1], a->is_negative[1], b->is_negative[0],
                                           a->is_negative[0]);

    return _mm256_castsi256_pd(_mm256_slli_epi64(sign, 63));
}

/* Four fields in the order 0 2 1 3; false: at least one is not simple. */
static inline int read_four(const char *text, const uint32_t *before, const uint32_t *end,
                            __m256d *out)
{
    const pair a = read_pair(text, before, end);
    const pair b = read_pair(text, before + 2, end + 2);
    const __m256i odd = _mm256_or_si256(a.odd, b.odd);
    const __m256i fours = _mm256_packus_epi32(a.fours, b.fours);
    const __m256i eights = _mm256_madd_epi16(fours, _mm256_set1_epi32(0x00012710));
    const __m256i whole = _mm256_add_epi64(_mm256_mul_epu32(eights, _mm256_set1_epi64x(100000000)),
                                           _mm256_srli_epi64(eights, 32));
    /* Below 2^52: as the low bits of a double they are the number above 2^52. */
    const __m256d number = _mm256_sub_pd(
        _mm256_castsi256_pd(_mm256_or_si256(whole, _mm256_set1_epi64x(0x4330000000000000))),
        _mm256_set1_pd(0x1p52));
    const __m256d power = _mm256_set_pd(power_of_point[b.point[1]], power_of_point[a.point[1]],
                                        power_of_point[b.point[0]], power_of_point[a.point[0]]);

    *out = _mm256_xor_pd(_mm256_div_pd(number, power), signs_of(&a, &b));
    return !(a.is_bad | b.is_bad) && _mm256_testz_si256(odd, odd);
}

/* Fields whose ends lie less than 16 bytes in: they cannot be loaded by their ends. */
static inline int64_t count_early(int64_t n, const uint32_t *end)
{
    int64_t i = 0;

    while (i < n && end[i] < 16)
        i++;
    return i;
}

int64_t qn_text_floats_avx2(const char *text, int64_t n, const uint32_t *before,
                            const uint32_t *end, float *out)
{
    const __m256i low = _mm256_set1_epi64x(0x1fffffff), half = _mm256_set1_epi64x(0x10000000);
    const int64_t early = count_early(n, end);
    int64_t i = qn_text_floats_reference(text, early, before, end, out);

    if (i < early)
        return i;
    while (i + 4 <= n) {
        __m256d four;
        const int is_simple = read_four(text, before + i, end + i, &four);
        const __m256i tie =
            _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_castpd_si256(four), low), half);

        if (is_simple && _mm256_testz_si256(tie, tie)) {
            const __m128 floats = _mm256_cvtpd_ps(four);

            _mm_storeu_ps(out + i, _mm_shuffle_ps(floats, floats, _MM_SHUFFLE(3, 1, 2, 0)));
            i += 4;
            continue;
        }
        const int64_t done = qn_text_floats_reference(text, 4, before + i, end + i, out + i);
        i += done;
        if (done < 4)
            return i;
    }
    return i + qn_text_floats_reference(text, n - i, before + i, end + i, out + i);
}

int64_t qn_text_doubles_avx2(const char *text, int64_t n, const uint32_t *before,
                             const uint32_t *end, double *out)
{
    const int64_t early = count_early(n, end);
    int64_t i = qn_text_doubles_reference(text, early, before, end, out);

    if (i < early)
        return i;
    while (i + 4 <= n) {
        __m256d four;

        if (read_four(text, before + i, end + i, &four)) {
            _mm256_storeu_pd(out + i, _mm256_permute4x64_pd(four, _MM_SHUFFLE(3, 1, 2, 0)));
            i += 4;
            continue;
        }
        const int64_t done = qn_text_doubles_reference(text, 4, before + i, end + i, out + i);
        i += done;
        if (done < 4)
            return i;
    }
    return i + qn_text_doubles_reference(text, n - i, before + i, end + i, out + i);
}
