#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/decimal.h"
#include "base/text.h"

/* "NaN" and the infinities; false if the value is finite. */
static bool format_special(double value, char *out)
{
    if (isfinite(value))
        return false;
    snprintf(out, 32, "%s", isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
    return true;
}

/* printf with so many digits; the point stays a point whatever locale the host program has set. */
static void print_digits(double value, int digits, char *out)
{
    const int length = snprintf(out, 32, "%.*g", digits, value);

    for (int i = 0; i < length; i++)
        if (out[i] == ',')
            out[i] = '.';
}

/* Lays digits out as %g does: mantissa * 10^(exponent - digits + 1), zeros at the end dropped. */
static void lay_out(uint64_t mantissa, int32_t digits, int32_t exponent, char *out)
{
    const bool is_scientific = exponent < -4 || exponent >= digits;
    const int32_t before = is_scientific ? 1 : exponent + 1; /* digits before the point */
    char text[20];
    int32_t n = digits;

    for (int32_t i = digits - 1; i >= 0; i--, mantissa /= 10)
        text[i] = (char)('0' + mantissa % 10);
    while (n > 1 && n > before && text[n - 1] == '0')
        n--;
    if (before <= 0) {
        *out++ = '0';
        *out++ = '.';
        for (int32_t i = before; i < 0; i++)
            *out++ = '0';
    }
    for (int32_t i = 0; i < n; i++) {
        if (i == before && i > 0)
            *out++ = '.';
        *out++ = text[i];
    }
    *out = '\0';
    if (is_scientific)
        snprintf(out, 8, "e%c%02u", exponent < 0 ? '-' : '+',
                 (exponent < 0 ? 0U - (uint32_t)exponent : (uint32_t)exponent) % 1000U);
}

/* Text with so many digits; *back is the number that it reads as. */
static void format_digits(double value, int32_t digits, char *out, double *back)
{
    const double size = fabs(value);
    uint64_t mantissa = 0;
    int32_t exponent = 0, scale;

    if (size > 0.0 && qn_decimal_round(size, digits, &mantissa, &exponent)) {
        scale = exponent - digits + 1;
        if (scale >= -QN_DECIMAL_MAX_EXPONENT && scale <= QN_DECIMAL_MAX_EXPONENT) {
            *back = copysign(qn_decimal_to_double(mantissa, scale), value);
            if (value < 0.0)
                *out++ = '-';
            lay_out(mantissa, digits, exponent, out);
            return;
        }
    }
    print_digits(value, digits, out);
    if (!qn_parse_double(out, strlen(out), back))
        *back = 0.0;
}

void qn_format_double(double value, char *out)
{
    double back = 0.0;

    if (format_special(value, out))
        return;
    for (int32_t digits = 15; digits <= 17; digits++) {
        format_digits(value, digits, out, &back);
        if (back == value)
            return;
    }
}

void qn_format_float(float value, char *out)
{
    double back = 0.0;

    if (format_special((double)value, out))
        return;
    for (int32_t digits = 6; digits <= 9; digits++) {
        format_digits((double)value, digits, out, &back);
        if ((float)back == value)
            return;
    }
}

void qn_format_count(int64_t value, char *out)
{
    char digits[24];
    const uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    const int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)size);
    char *p = out;

    if (value < 0)
        *p++ = '-';
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *p++ = ',';
        *p++ = digits[i];
    }
    *p = '\0';
}

/* One decimal unless it is 0 or the number is large: "1.5", "2", "300". */
static void format_short(double value, char *out)
{
    char *zero;

    snprintf(out, 24, value < 99.95 ? "%.1f" : "%.0f", value);
    for (char *p = out; *p; p++)
        if (*p == ',')
            *p = '.';
    zero = strstr(out, ".0");
    if (zero)
        *zero = '\0';
}

void qn_format_bytes(double bytes, char *out)
{
    static const char *const unit[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB", "ZB"};
    size_t i = 0;
    char number[24];

    while (fabs(bytes) >= 1023.5 && i + 1 < sizeof unit / sizeof *unit) {
        bytes /= 1024.0;
        i++;
    }
    if (!(fabs(bytes) < 1e15)) {
        snprintf(out, 32, "more than %s", "1e15 ZB");
        return;
    }
    format_short(bytes, number);
    snprintf(out, 32, "%s %s", number, unit[i]);
}

void qn_format_seconds(double seconds, char *out)
{
    char number[24];

    if (!(fabs(seconds) < 1e12)) {
        snprintf(out, 32, "%s", isnan(seconds) ? "unknown" : "forever");
    } else if (seconds < 0.9995e-3) {
        snprintf(out, 32, "%.0f us", seconds * 1e6);
    } else if (seconds < 0.9995) {
        snprintf(out, 32, "%.0f ms", seconds * 1e3);
    } else if (seconds < 59.95) {
        format_short(seconds, number);
        snprintf(out, 32, "%s s", number);
    } else if (seconds < 3599.5) {
        const long whole = lround(seconds);

        snprintf(out, 32, "%ld min %ld s", whole / 60, whole % 60);
    } else {
        const long minutes = lround(seconds / 60);

        snprintf(out, 32, "%ld h %ld min", minutes / 60, minutes % 60);
    }
}

void qn_format_time(int64_t us, char *out)
{
    const time_t seconds = (time_t)(us / 1000000);
    struct tm civil;
    char text[24];

    gmtime_r(&seconds, &civil);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &civil);
    snprintf(out, 32, "%s.%03dZ", text, (int)(us / 1000 % 1000));
}
