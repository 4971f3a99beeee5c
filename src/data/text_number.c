#include "data/text_number.h"

#include "data/text_powers.h"

#define MAX_DIGITS 19 /* any so many fit in 64 bits */
#define LONGEST    64 /* of a text that is copied to have room behind it */

__extension__ typedef unsigned __int128 wide;

/* Appends the digits at text to *sum, modulo 2^64; returns what is behind them. */
static inline const char *take_digits(const char *text, uint64_t *sum)
{
    uint64_t word = qn_fast_load8(text);
    int32_t n;

    while ((n = qn_fast_count_digits(word)) == 8) {
        *sum = *sum * 100000000 + (uint64_t)qn_fast_digits_value(word, 8);
        text += 8;
        word = qn_fast_load8(text);
    }
    if (n > 0)
        *sum =
            *sum * (uint64_t)qn_fast_int_power_of_ten[n] + (uint64_t)qn_fast_digits_value(word, n);
    return text + n;
}

static inline const char *take_exponent(const char *text, int64_t *exponent)
{
    const bool is_negative = text[1] == '-';
    const char *first = text + 1 + (is_negative || text[1] == '+');
    const uint64_t word = qn_fast_load8(first);
    const int32_t n = qn_fast_count_digits(word);

    if (n == 0 || n > 4)
        return NULL;
    const int64_t size = qn_fast_digits_value(word, n);
    *exponent += is_negative ? -size : size;
    return first + n;
}

/* More than 19 digits with those that lead as zeros: the first 19 that count. */
static void take_leading(const char *text, const char *end, int64_t digits_end_exponent,
                         qn_decimal *d)
{
    int32_t n = 0;
    int64_t left_out = 0;

    d->mantissa = 0;
    d->is_cut = false;
    for (; text < end; text++) {
        if (*text == '.' || (n == 0 && *text == '0'))
            continue;
        if (n < MAX_DIGITS) {
            d->mantissa = d->mantissa * 10 + (uint64_t)(*text - '0');
            n++;
        } else {
            left_out++;
            d->is_cut |= *text != '0';
        }
    }
    d->exponent = digits_end_exponent + left_out;
}

bool qn_decimal_take(const char *text, size_t length, qn_decimal *d)
{
    const char *end = text + length;
    const char *first = text + (length > 0 && (*text == '-' || *text == '+'));
    const char *at;
    int64_t n_digits;

    *d = (qn_decimal){.is_negative = length > 0 && *text == '-'};
    at = take_digits(first, &d->mantissa);
    n_digits = at - first;
    if (at < end && *at == '.') {
        const char *behind = take_digits(at + 1, &d->mantissa);

        d->exponent = at + 1 - behind;
        n_digits -= d->exponent;
        at = behind;
    }
    if (n_digits == 0 || at > end)
        return false;
    if (n_digits > MAX_DIGITS)
        take_leading(first, at, d->exponent, d);
    if (at < end && (*at | 0x20) == 'e')
        at = take_exponent(at, &d->exponent);
    return at == end;
}

/* What a format of IEEE 754 is. */
typedef struct format {
    int32_t bits;             /* of the mantissa, without the one that is implied */
    int32_t bias;             /* of the exponent */
    int32_t exponents;        /* the one that means infinity */
    int32_t tie_min, tie_max; /* powers of ten between which a number may lie half way */
} format;

static const format float_format = {23, 127, 0xff, -17, 10};
static const format double_format = {52, 1023, 0x7ff, -4, 23};

/* The first 128 bits of mantissa * 5^q, as far as they are needed; the top word is right, but for
 * what only the words below can tell. */
static inline wide product_of(uint64_t mantissa, int64_t q, int32_t bits)
{
    const uint64_t *power = qn_power_of_five[q - QN_POWER_MIN];
    const uint64_t open = UINT64_MAX >> (bits + 3);
    wide product = (wide)mantissa * power[0];

    if (((uint64_t)(product >> 64) & open) == open)
        product += (uint64_t)((wide)mantissa * power[1] >> 64);
    return product;
}

/* Rounds `top`, whose last bit is half a unit with all below it in view of the caller. */
static inline uint64_t pack(const format *f, uint64_t mantissa, int64_t exponent)
{
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >= (uint64_t)2 << f->bits) {
        mantissa = (uint64_t)1 << f->bits;
        exponent++;
    }
    if (exponent >= f->exponents)
        return (uint64_t)f->exponents << f->bits;
    return (uint64_t)exponent << f->bits | (mantissa & (((uint64_t)1 << f->bits) - 1));
}

/* mantissa * 10^q as bits of the format, rounded to nearest, ties to even; false: not decided.
 * Eisel's and Lemire's way: the product with the first 128 bits of 5^q tells the rounding but in
 * cases that are recognised. */
static inline bool round_decimal(const format *f, uint64_t mantissa, int64_t q, uint64_t *bits)
{
    if (mantissa == 0 || q < QN_POWER_MIN) {
        *bits = 0;
        return true;
    }
    if (q > QN_POWER_MAX)
        return false;
    const int32_t zeros = __builtin_clzll(mantissa);
    const wide product = product_of(mantissa << zeros, q, f->bits);
    const uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if (low == UINT64_MAX && (q < -27 || q > 55))
        return false;
    const int32_t up = (int32_t)(high >> 63);
    const int32_t drop = up + 64 - f->bits - 3;
    uint64_t top = high >> drop;
    /* 217706 / 2^16 is log2(10) to the precision that q needs. */
    const int64_t exponent = ((217706 * q) >> 16) + 63 + up - zeros + f->bias;
    if (exponent <= 0) { /* subnormal: never a tie, as 5^-q would divide 64 bits */
        if (exponent <= -62) {
            *bits = 0;
            return true;
        }
        top >>= 1 - exponent;
        top += top & 1;
        *bits = top >> 1; /* 2^bits is the smallest normal number */
        return true;
    }
    if (low <= 1 && q >= f->tie_min && q <= f->tie_max && (top & 3) == 1 && top << drop == high)
        top &= ~(uint64_t)1;
    *bits = pack(f, top, exponent);
    return true;
}

static inline bool round_cut(const format *f, const qn_decimal *d, uint64_t *bits)
{
    uint64_t next;

    if (!round_decimal(f, d->mantissa, d->exponent, bits))
        return false;
    if (!d->is_cut)
        return true;
    return round_decimal(f, d->mantissa + 1, d->exponent, &next) && next == *bits;
}

bool qn_decimal_float(const qn_decimal *d, float *value)
{
    uint64_t bits;

    if (!round_cut(&float_format, d, &bits) || bits >> 23 == 0xff)
        return false;
    const uint32_t word = (uint32_t)bits | (uint32_t)d->is_negative << 31;
    memcpy(value, &word, sizeof word);
    return true;
}

bool qn_decimal_double(const qn_decimal *d, double *value)
{
    uint64_t bits;

    if (!round_cut(&double_format, d, &bits) || bits >> 52 == 0x7ff)
        return false;
    bits |= (uint64_t)d->is_negative << 63;
    memcpy(value, &bits, sizeof bits);
    return true;
}

static bool take_copy(const char *text, size_t length, qn_decimal *d)
{
    char copy[LONGEST + QN_FAST_SLACK];

    if (length > LONGEST)
        return false;
    memcpy(copy, text, length);
    memset(copy + length, 0, QN_FAST_SLACK);
    return qn_decimal_take(copy, length, d);
}

bool qn_text_real_float(const char *text, size_t length, float *value)
{
    qn_decimal d;

    return take_copy(text, length, &d) && qn_decimal_float(&d, value);
}

bool qn_text_real_double(const char *text, size_t length, double *value)
{
    qn_decimal d;

    return take_copy(text, length, &d) && qn_decimal_double(&d, value);
}
