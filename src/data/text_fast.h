/* Numbers in their simplest form, many digits at a time. Each function takes a number off the front
 * of text, of which QN_FAST_SLACK bytes may be read, and returns where it ends; NULL if it is
 * anything else, which the slow way then judges. */
#ifndef QN_DATA_TEXT_FAST_H
#define QN_DATA_TEXT_FAST_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define QN_FAST_SLACK 64

static const float qn_fast_float_power_of_ten[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f,
                                                   1e5f, 1e6f, 1e7f, 1e8f};
static const double qn_fast_double_power_of_ten[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};
static const int64_t qn_fast_int_power_of_ten[] = {1,      10,      100,      1000,     10000,
                                                   100000, 1000000, 10000000, 100000000};

/* Eight bytes of text, the first in the lowest byte. */
static inline uint64_t qn_fast_load8(const char *text)
{
    uint64_t word;

    memcpy(&word, text, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
    /* "2005-09-06" as days since the epoch; any date that there is in the years 0 to 9999. Reads 16
     * bytes. */
    static inline const char *qn_fast_date(const char *text, int64_t *days)
    {
        /* Digits become their values and dashes 0; what is added lifts all else to bit 7. */
        const uint64_t t = qn_fast_load8(text) ^ 0x2d30302d30303030u;
        const uint64_t other = (t | (t + 0x7f76767f76767676u)) & 0x8080808080808080u;
        const uint64_t pair = t * 10 + (t >> 8); /* two digits in bytes 0, 2 and 5 */
        const uint32_t tens = (uint32_t)(unsigned char)text[8] - '0';
        const uint32_t ones = (uint32_t)(unsigned char)text[9] - '0';
        const uint32_t year = (uint32_t)(pair & 0xff) * 100 + (uint32_t)(pair >> 16 & 0xff);
        const uint32_t month = (uint32_t)(pair >> 40 & 0xff);
        const uint32_t day = tens * 10 + ones;

        if (other || tens > 3 || ones > 9 || month - 1 > 11 || day == 0)
            return NULL;
        if (day > 28) {
            const uint32_t is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            const uint32_t length = month == 2 ? 28 + is_leap : 30 + ((month ^ month >> 3) & 1);

            if (day > length)
                return NULL;
        }
        /* Years from March on, of which 400 have 146097 days; 400 more keep them above 0. */
        const uint32_t y = year + 400 - (month <= 2);
        const uint32_t m = month > 2 ? month - 3 : month + 9;
        *days = (int64_t)(365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day) - 1 -
                146097 - 719468;
        return text + 10;
    }

#endif
    return word;
}

/* Digits that begin the word, 0 to 8. A carry spoils only bytes behind the first that is no digit.
 */
static inline int32_t qn_fast_count_digits(uint64_t word)
{
    const uint64_t t = word ^ 0x3030303030303030u;
    const uint64_t other = (t | (t + 0x7676767676767676u)) & 0x8080808080808080u;

    return other ? __builtin_ctzll(other) >> 3 : 8;
}

/* The number that the first n digits of the word make, 1 <= n <= 8. */
static inline int64_t qn_fast_digits_value(uint64_t word, int32_t n)
{
    word <<= 64 - 8 * n;
    word = (word & 0x0f0f0f0f0f0f0f0fu) * 2561 >> 8;
    word = (word & 0x00ff00ff00ff00ffu) * 6553601 >> 16;
    return (int64_t)((word & 0x0000ffff0000ffffu) * 42949672960001u >> 32);
}

/* At most 16 digits; NULL if it is anything else. */
static inline const char *qn_fast_unsigned(const char *text, int64_t *value)
{
    uint64_t word = qn_fast_load8(text);
    int32_t n = qn_fast_count_digits(word);

    if (n == 0)
        return NULL;
    *value = qn_fast_digits_value(word, n);
    if (n < 8)
        return text + n;
    text += 8;
    word = qn_fast_load8(text);
    n = qn_fast_count_digits(word);
    if (n == 8)
        return NULL;
    if (n > 0)
        *value = *value * qn_fast_int_power_of_ten[n] + qn_fast_digits_value(word, n);
    return text + n;
}

static inline const char *qn_fast_integer(const char *text, int64_t *value)
{
    const bool is_negative = *text == '-';

    text = qn_fast_unsigned(text + is_negative, value);
    *value = is_negative ? -*value : *value;
    return text;
}

/* [-]digits[.digits]: mantissa and decimals; NULL if it is anything else or -0. */
static inline const char *qn_fast_decimal(const char *text, int64_t *mantissa, int32_t *decimals)
{
    const bool is_negative = *text == '-';

    text = qn_fast_unsigned(text + is_negative, mantissa);
    *decimals = 0;
    if (!text)
        return NULL;
    if (*text == '.') {
        const uint64_t word = qn_fast_load8(text + 1);
        const int32_t n = qn_fast_count_digits(word);

        if (n == 0 || n == 8 || *mantissa > (int64_t)1 << 26)
            return NULL;
        *mantissa = *mantissa * qn_fast_int_power_of_ten[n] + qn_fast_digits_value(word, n);
        *decimals = n;
        text += 1 + n;
    }
    if (is_negative) {
        if (*mantissa == 0)
            return NULL;
        *mantissa = -*mantissa;
    }
    return text;
}

static inline const char *qn_fast_float(const char *text, float *out)
{
    int64_t value = 0;
    int32_t decimals;

    text = qn_fast_decimal(text, &value, &decimals);
    if (!text || value <= -(1 << 24) || value >= 1 << 24)
        return NULL;
    *out = (float)value / qn_fast_float_power_of_ten[decimals];
    return text;
}

static inline const char *qn_fast_double(const char *text, double *out)
{
    int64_t value = 0;
    int32_t decimals;

    text = qn_fast_decimal(text, &value, &decimals);
    if (!text || value <= -((int64_t)1 << 53) || value >= (int64_t)1 << 53)
        return NULL;
    *out = (double)value / qn_fast_double_power_of_ten[decimals];
    return text;
}

/* "2005-09-06" as days since the epoch; any date that there is in the years 0 to 9999. Reads 16
 * bytes. */
static inline const char *qn_fast_date(const char *text, int64_t *days)
{
    /* Digits become their values and dashes 0; what is added lifts all else to bit 7. */
    const uint64_t t = qn_fast_load8(text) ^ 0x2d30302d30303030u;
    const uint64_t other = (t | (t + 0x7f76767f76767676u)) & 0x8080808080808080u;
    const uint64_t pair = t * 10 + (t >> 8); /* two digits in bytes 0, 2 and 5 */
    const uint32_t tens = (uint32_t)(unsigned char)text[8] - '0';
    const uint32_t ones = (uint32_t)(unsigned char)text[9] - '0';
    const uint32_t year = (uint32_t)(pair & 0xff) * 100 + (uint32_t)(pair >> 16 & 0xff);
    const uint32_t month = (uint32_t)(pair >> 40 & 0xff);
    const uint32_t day = tens * 10 + ones;

    if (other || tens > 3 || ones > 9 || month - 1 > 11 || day == 0)
        return NULL;
    if (day > 28) {
        const uint32_t is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        const uint32_t length = month == 2 ? 28 + is_leap : 30 + ((month ^ month >> 3) & 1);

        if (day > length)
            return NULL;
    }
    /* Years from March on, of which 400 have 146097 days; 400 more keep them above 0. */
    const uint32_t y = year + 400 - (month <= 2);
    const uint32_t m = month > 2 ? month - 3 : month + 9;
    *days = (int64_t)(365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day) - 1 - 146097 -
            719468;
    return text + 10;
}

#endif
