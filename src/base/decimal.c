#include "base/decimal.h"

#include <math.h>

__extension__ typedef unsigned __int128 wide;

static const uint64_t five[QN_DECIMAL_MAX_EXPONENT + 1] = {1u,
                                                           5u,
                                                           25u,
                                                           125u,
                                                           625u,
                                                           3125u,
                                                           15625u,
                                                           78125u,
                                                           390625u,
                                                           1953125u,
                                                           9765625u,
                                                           48828125u,
                                                           244140625u,
                                                           1220703125u,
                                                           6103515625u,
                                                           30517578125u,
                                                           152587890625u,
                                                           762939453125u,
                                                           3814697265625u,
                                                           19073486328125u,
                                                           95367431640625u,
                                                           476837158203125u,
                                                           2384185791015625u,
                                                           11920928955078125u,
                                                           59604644775390625u,
                                                           298023223876953125u,
                                                           1490116119384765625u,
                                                           7450580596923828125u};

static int bit_length(wide value)
{
    const uint64_t high = (uint64_t)(value >> 64), low = (uint64_t)value;

    return high ? 128 - __builtin_clzll(high) : low ? 64 - __builtin_clzll(low) : 0;
}

double qn_decimal_to_double_wide(uint64_t mantissa, int32_t exponent)
{
    wide value;
    bool is_more = false; /* something that is not zero follows the last bit of `value` */
    int shift = exponent, drop;

    if (mantissa == 0)
        return 0.0;
    if (exponent >= 0) {
        value = (wide)mantissa * five[exponent];
    } else {
        /* Shifted up before the division, so that the quotient has more than 64 bits. */
        const int up = 64 + __builtin_clzll(mantissa);
        const wide numerator = (wide)mantissa << up;

        value = numerator / five[-exponent];
        is_more = value * five[-exponent] != numerator;
        shift -= up;
    }
    drop = bit_length(value) - 53;
    if (drop > 0) {
        const wide half = (wide)1 << (drop - 1);
        const wide rest = value & (((wide)1 << drop) - 1);

        value >>= drop;
        shift += drop;
        if (rest > half || (rest == half && (is_more || (value & 1))))
            value++;
    }
    return ldexp((double)(uint64_t)value, shift);
}

/* numerator / 2^bits, or / denominator, rounded half to even. */
static wide divide(wide numerator, wide denominator, int bits)
{
    const wide quotient = bits >= 0 ? numerator >> bits : numerator / denominator;
    const wide whole = bits >= 0 ? (wide)1 << bits : denominator;
    const wide rest = numerator - (bits >= 0 ? quotient << bits : quotient * denominator);
    const wide other = whole - rest;

    return quotient + (rest > other || (rest == other && (quotient & 1)));
}

/* size = bits * 2^binary times 10^scale, rounded to a whole number; false if it does not fit. */
static bool scale(uint64_t bits, int binary, int32_t scale, uint64_t *whole)
{
    const int shift = binary + scale;
    wide numerator = bits, denominator = 1, quotient;

    if (scale > QN_DECIMAL_MAX_EXPONENT || scale < -QN_DECIMAL_MAX_EXPONENT)
        return false;
    if (scale >= 0)
        numerator *= five[scale];
    else
        denominator = five[-scale];
    if (shift >= 0 ? bit_length(numerator) + shift > 126 : bit_length(denominator) - shift > 126)
        return false;
    if (shift >= 0)
        quotient = divide(numerator << shift, denominator, scale >= 0 ? 0 : -1);
    else
        quotient = divide(numerator, denominator << -shift, scale >= 0 ? -shift : -1);
    *whole = (uint64_t)quotient;
    return quotient < (wide)1 << 63;
}

bool qn_decimal_round(double size, int32_t digits, uint64_t *mantissa, int32_t *exponent)
{
    int binary;
    const uint64_t bits = (uint64_t)ldexp(frexp(size, &binary), 53);
    const uint64_t end = five[digits] << digits; /* 10^digits */
    /* A power of two is at most this much below the number, so the guess is right or 1 too low. */
    int32_t guess = (int32_t)floor((binary - 1) * 0.30102999566398120);

    if (!scale(bits, binary - 53, digits - 1 - guess, mantissa))
        return false;
    if (*mantissa >= end && !scale(bits, binary - 53, digits - 1 - ++guess, mantissa))
        return false;
    if (*mantissa >= end) { /* 9.99.. became 10 */
        *mantissa /= 10;
        guess++;
    }
    *exponent = guess;
    return true;
}
