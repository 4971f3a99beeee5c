#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/text.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool qn_parse_int64(const char *text, size_t length, int64_t *value)
{
    const char *p = text;
    const char *end = text + length;
    const bool is_negative = p < end && *p == '-';
    const uint64_t limit = (uint64_t)INT64_MAX + is_negative;
    const char *first;
    uint64_t sum = 0;

    if (p < end && (*p == '-' || *p == '+'))
        p++;
    first = p;
    for (; p < end && is_digit(*p); p++) {
        const uint64_t digit = (uint64_t)(*p - '0');

        if (sum > (limit - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    if (p == first)
        return false;
    if (p < end && *p == '.') {
        if (++p == end)
            return false;
        while (p < end && *p == '0')
            p++;
    }
    if (p != end)
        return false;
    *value = is_negative ? (int64_t)(0 - sum) : (int64_t)sum;
    return true;
}

/* Digits that can matter for the rounding of a double; one more says whether any follow. */
#define MAX_DIGITS 800

/* A decimal number taken apart: mantissa digits without leading zeros, times 10^exponent. */
typedef struct decimal {
    bool is_negative;
    uint64_t mantissa; /* the first 19 digits */
    int32_t n_digits;
    int64_t exponent;        /* of the whole, for `mantissa` when n_digits <= 19 */
    const char *first, *end; /* the digits with their point, for the slow way */
} decimal;

/* Reads [digits][.digits]; false if there is no digit. */
static bool decimal_digits(const char **at, const char *end, decimal *d)
{
    const char *p = *at;
    const char *point = NULL;
    bool is_any = false;

    d->first = p;
    for (; p < end; p++) {
        if (is_digit(*p)) {
            is_any = true;
            d->exponent -= point != NULL;
            if (d->n_digits == 0 && *p == '0')
                continue;
            if (d->n_digits < 19)
                d->mantissa = d->mantissa * 10 + (uint64_t)(*p - '0');
            if (d->n_digits < INT32_MAX)
                d->n_digits++;
        } else if (*p == '.' && !point) {
            point = p;
        } else {
            break;
        }
    }
    d->end = p;
    *at = p;
    return is_any;
}

/* Reads [e[+-]digits] up to the end. */
static bool decimal_exponent(const char *p, const char *end, decimal *d)
{
    int64_t exponent = 0;
    bool is_negative;

    if (p == end)
        return true;
    if (*p != 'e' && *p != 'E')
        return false;
    p++;
    is_negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p == end)
        return false;
    for (; p < end && is_digit(*p); p++)
        if (exponent < 1000000000000)
            exponent = exponent * 10 + (*p - '0');
    d->exponent += is_negative ? -exponent : exponent;
    return p == end;
}

/* By the C library in the C locale, from at most MAX_DIGITS digits: of those beyond, only whether
 * one is not zero can matter. */
static bool decimal_slow(const decimal *d, double *value)
{
    char text[MAX_DIGITS + 32];
    int64_t exponent = d->exponent;
    size_t n = 0;
    bool is_more = false;
    locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);

    if (!c_locale)
        return false;
    for (const char *p = d->first; p < d->end; p++) {
        if (*p == '.' || (n == 0 && *p == '0'))
            continue;
        if (n < MAX_DIGITS) {
            text[n++] = *p;
        } else {
            is_more |= *p != '0';
            exponent++;
        }
    }
    if (is_more)
        text[n - 1] = text[n - 1] == '0' || text[n - 1] == '5' ? text[n - 1] + 1 : text[n - 1];
    if (exponent > 100000)
        exponent = 100000;
    if (exponent < -100000)
        exponent = -100000;
    snprintf(text + n, sizeof text - n, "e%d", (int)exponent);
    *value = strtod_l(text, NULL, c_locale);
    freelocale(c_locale);
    return isfinite(*value);
}

/* The rest after the sign: "inf", "infinity" or "nan" in any case. */
static bool parse_special(const char *p, size_t length, bool is_negative, double *value)
{
    static const char infinity[] = "infinity";

    if ((length == 3 || length == 8) && strncasecmp(p, infinity, length) == 0)
        *value = is_negative ? -HUGE_VAL : HUGE_VAL;
    else if (length == 3 && strncasecmp(p, "nan", 3) == 0)
        *value = (double)NAN;
    else
        return false;
    return true;
}

bool qn_parse_double(const char *text, size_t length, double *value)
{
    const char *p = text;
    const char *end = text + length;
    decimal d = {0};
    double size = 0.0;

    if (p < end && (*p == '-' || *p == '+'))
        d.is_negative = *p++ == '-';
    if (p < end && !is_digit(*p) && *p != '.')
        return parse_special(p, (size_t)(end - p), d.is_negative, value);
    if (!decimal_digits(&p, end, &d) || !decimal_exponent(p, end, &d))
        return false;
    if (d.n_digits == 0)
        size = 0.0;
    else if (d.n_digits <= 19 && d.exponent >= -QN_DECIMAL_MAX_EXPONENT &&
             d.exponent <= QN_DECIMAL_MAX_EXPONENT)
        size = qn_decimal_to_double(d.mantissa, (int32_t)d.exponent);
    else if (!decimal_slow(&d, &size))
        return false;
    *value = d.is_negative ? -size : size;
    return true;
}

bool qn_parse_bytes(const char *text, size_t *value)
{
    static const char units[] = "kmgtpe";
    size_t length = strlen(text);
    double number = 0.0;
    int shift = 0;

    if (length > 1 && (text[length - 1] == 'b' || text[length - 1] == 'B'))
        length--;
    if (length > 1 && text[length - 1] == 'i')
        length--;
    if (length > 1) {
        const char *unit = strchr(units, text[length - 1] | 0x20);

        if (unit) {
            shift = 10 * (int)(unit - units + 1);
            length--;
        }
    }
    while (length > 1 && text[length - 1] == ' ')
        length--;
    if (length == 0 || !is_digit(text[0]) || !qn_parse_double(text, length, &number))
        return false;
    number = ldexp(number, shift);
    if (!(number < 9223372036854775808.0) || (shift == 0 && number != floor(number)))
        return false;
    *value = (size_t)number;
    return true;
}
