/* Numbers out of text, in plain C. */
#include <string.h>

#include "kernels/sets.h"

#define MOST_CHARACTERS 15

void qn_text_marks_reference(const char *text, int64_t n, qn_text_marks *marks)
{
    marks->n_places = marks->n_newlines = 0;
    for (int64_t i = 0; i < n && marks->n_places < marks->most; i++) {
        const char c = text[i];

        if (c == marks->stop && c != '\n')
            return;
        if (c == '\n')
            marks->newline[marks->n_newlines++] = (uint32_t)i;
        if (c == '\n' || c == marks->delimiter)
            marks->place[marks->n_places++] = (uint32_t)i;
    }
}

static const double power_of_ten[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                      1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

/* The digits are fewer than 2^53, so that one division rounds once. */
static int read_double(const char *text, const char *end, double *value)
{
    const int is_negative = text < end && *text == '-';
    const char *first = text + is_negative, *point = NULL;
    int64_t sum = 0;

    if (end - first < 1 || end - first > MOST_CHARACTERS)
        return 0;
    for (text = first; text < end; text++) {
        const unsigned digit = (unsigned char)*text - (unsigned)'0';

        if (digit <= 9)
            sum = sum * 10 + (int64_t)digit;
        else if (*text == '.' && !point)
            point = text;
        else
            return 0;
    }
    if (point && end - first == 1)
        return 0;
    *value = (double)sum / power_of_ten[point ? end - 1 - point : 0];
    *value = is_negative ? -*value : *value;
    return 1;
}

/* A double half way between two floats may come from a decimal on either side of it. */
static int read_float(const char *text, const char *end, float *value)
{
    double wide;
    uint64_t bits;

    if (!read_double(text, end, &wide))
        return 0;
    memcpy(&bits, &wide, sizeof bits);
    *value = (float)wide;
    return (bits & 0x1fffffff) != 0x10000000;
}

int64_t qn_text_floats_reference(const char *text, int64_t n, const uint32_t *before,
                                 const uint32_t *end, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        if (!read_float(text + (uint32_t)(before[i] + 1), text + end[i], &out[i]))
            return i;
    }
    return n;
}

int64_t qn_text_doubles_reference(const char *text, int64_t n, const uint32_t *before,
                                  const uint32_t *end, double *out)
{
    for (int64_t i = 0; i < n; i++) {
        if (!read_double(text + (uint32_t)(before[i] + 1), text + end[i], &out[i]))
            return i;
    }
    return n;
}
