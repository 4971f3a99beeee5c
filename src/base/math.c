#include "base/math.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* x = 2^exponent (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)). */
static double split_number(double x, int64_t *exponent)
{
    /* Bits of sqrt(1/2): adding the distance to 1 carries into the exponent exactly from there on.
     */
    const uint64_t half_root = 0x3fe6a09e667f3bcd, one = 0x3ff0000000000000;
    uint64_t bits;

    *exponent = 0;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        *exponent = -54;
    }
    memcpy(&bits, &x, sizeof bits);
    bits += one - half_root;
    *exponent += (int64_t)(bits >> 52) - 1023;
    bits = (bits & 0x000fffffffffffff) + half_root;
    memcpy(&x, &bits, sizeof x);
    return x - 1.0;
}

double qn_log(double x)
{
    /* ln 2 in two parts: the first has 21 trailing zero bits, so its product with an exponent is
     * exact. */
    const double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
    static const double term[] = {2.0 / 23, 2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13,
                                  2.0 / 11, 2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3};
    int64_t exponent;
    double f, s, z, series, half_square;

    if (!(x > 0.0))
        return x == 0.0 ? -HUGE_VAL : (double)NAN;
    if (x > 0x1.fffffffffffffp1023)
        return x;
    f = split_number(x, &exponent);
    /* ln(1 + f) = 2 artanh(s) = 2 s + s (2/3 s^2 + 2/5 s^4 + ...), s = f / (2 + f), and
     * 2 s = f - s f: the large term f stands apart and is exact. With half_square = f^2 / 2 the
     * rest is written so that no two near numbers are subtracted. |s| < 0.172: terms to s^22. */
    s = f / (2.0 + f);
    z = s * s;
    series = 0.0;
    for (size_t i = 0; i < sizeof term / sizeof *term; i++)
        series = (series + term[i]) * z;
    half_square = 0.5 * f * f;
    return (double)exponent * ln2_high -
           ((half_square - (s * (half_square + series) + (double)exponent * ln2_low)) - f);
}

/* 2^k for -1022 <= k <= 1023. */
static double power_of_two(int64_t k)
{
    const uint64_t bits = (uint64_t)(k + 1023) << 52;
    double power;

    memcpy(&power, &bits, sizeof power);
    return power;
}

double qn_exp(double x)
{
    /* ln 2 in two parts as in qn_log: k * ln2_high is exact for every k that can occur. */
    const double ln2_high = 0x1.62e42fee00000p-1, ln2_low = 0x1.a39ef35793c76p-33;
    /* 1/14!, 1/12! ... 1/2! and 1/13! ... 1/3!: two chains, which a processor works off at once.
     * With |r| <= 0.347 what is left out is below 2^-62. */
    static const double even[] = {
        1.0 / 87178291200, 1.0 / 479001600, 1.0 / 3628800, 1.0 / 40320, 1.0 / 720, 1.0 / 24, 0.5};
    static const double odd[] = {1.0 / 6227020800, 1.0 / 39916800, 1.0 / 362880,
                                 1.0 / 5040,       1.0 / 120,      1.0 / 6};
    double turns, high, low, r, z, evens, odds = 0.0, value;
    int64_t k;

    if (!(x <= 709.79))
        return x > 709.79 ? HUGE_VAL : x;
    if (x < -745.14)
        return 0.0;
    turns = floor(x * 0x1.71547652b82fep0 + 0.5);
    k = (int64_t)turns;
    high = x - turns * ln2_high;
    low = turns * ln2_low;
    r = high - low;
    z = r * r;
    evens = even[0];
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        odds = odds * z + odd[i];
        evens = evens * z + even[i + 1];
    }
    /* e^r = 1 + high + (r^2 (evens + r odds) - low); what rounding takes from 1 + high is added
     * again. */
    value = 1.0 + high;
    value += (high - (value - 1.0)) + (z * (evens + r * odds) - low);
    /* Scaled in two steps, exact but for the last one: 2^1024 and 2^-1074 are no normal numbers. */
    if (k > 1000)
        return value * 0x1p1000 * power_of_two(k - 1000);
    if (k < -1000)
        return value * power_of_two(k + 100) * 0x1p-100;
    return value * power_of_two(k);
}

void qn_sincos2pi(double turns, double *sine, double *cosine)
{
    /* sin t = t (1 - t^2/(2 3) (1 - t^2/(4 5) (...))), cos t = 1 - t^2/(1 2) (1 - t^2/(3 4) (...)),
     * from the inside out. */
    static const double sine_term[] = {1.0 / (16 * 17), 1.0 / (14 * 15), 1.0 / (12 * 13),
                                       1.0 / (10 * 11), 1.0 / (8 * 9),   1.0 / (6 * 7),
                                       1.0 / (4 * 5),   1.0 / (2 * 3)};
    static const double cosine_term[] = {1.0 / (17 * 18), 1.0 / (15 * 16), 1.0 / (13 * 14),
                                         1.0 / (11 * 12), 1.0 / (9 * 10),  1.0 / (7 * 8),
                                         1.0 / (5 * 6),   1.0 / (3 * 4),   1.0 / (1 * 2)};
    const double quarters = floor(4.0 * turns + 0.5);
    const int64_t quadrant = (int64_t)quarters & 3;
    /* Exact: quarters / 4 has few bits and lies near `turns`. */
    const double rest = turns - 0.25 * quarters;
    /* 2 pi in two parts, the second for the error of the first. */
    const double t = 0x1.921fb54442d18p+2 * rest;
    const double t_low = fma(0x1.921fb54442d18p+2, rest, -t) + 0x1.1a62633145c07p-52 * rest;
    const double z = t * t;
    double s = 1.0, c = 1.0;

    for (size_t i = 0; i < sizeof sine_term / sizeof *sine_term; i++)
        s = 1.0 - z * sine_term[i] * s;
    for (size_t i = 0; i < sizeof cosine_term / sizeof *cosine_term; i++)
        c = 1.0 - z * cosine_term[i] * c;
    s = t * s + t_low * c;
    *sine = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
    *cosine = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
}
