/* Exact steps between binary and decimal numbers of up to 19 digits, in integers of 128 bits. They
 * serve nearly every number there is; the C library has the rest. */
#ifndef QN_BASE_DECIMAL_H
#define QN_BASE_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#define QN_DECIMAL_MAX_EXPONENT 27 /* 5^27 < 2^63 */

/* The same where the short way below does not do. */
double qn_decimal_to_double_wide(uint64_t mantissa, int32_t exponent);

/* mantissa * 10^exponent, correctly rounded; |exponent| <= QN_DECIMAL_MAX_EXPONENT. Where both
 * factors are exact doubles the one operation rounds correctly: nearly all numbers in files of
 * ratings. */
static inline double qn_decimal_to_double(uint64_t mantissa, int32_t exponent)
{
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

    if (mantissa > (uint64_t)1 << 53 || exponent < -22 || exponent > 22)
        return qn_decimal_to_double_wide(mantissa, exponent);
    return exponent < 0 ? (double)mantissa / power[-exponent] : (double)mantissa * power[exponent];
}

/* `size` > 0 rounded (half to even) to so many digits, 1 .. 17: *mantissa * 10^(*exponent - digits
 * + 1), where *mantissa has exactly `digits` digits. False where the numbers do not fit in 128
 * bits. */
bool qn_decimal_round(double size, int32_t digits, uint64_t *mantissa, int32_t *exponent);

#endif
