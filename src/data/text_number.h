/* Decimal texts to floats and doubles, rounded to nearest once, in integers alone: up to 19 digits
 * with any exponent. What is longer and cannot be decided from 19 digits, and what is no plain
 * number, is left to the caller's slow way. */
#ifndef QN_DATA_TEXT_NUMBER_H
#define QN_DATA_TEXT_NUMBER_H

#include "data/text_fast.h"

/* mantissa * 10^exponent, and perhaps something more behind the 19th digit. */
typedef struct qn_decimal {
    uint64_t mantissa;
    int64_t exponent;
    bool is_negative;
    bool is_cut; /* digits that are not all zero were left out */
} qn_decimal;

/* Takes apart [+-]digits[.digits][e[+-]digits], which must be text[0 .. length). Up to 16 bytes
 * behind the end are read, and must not go on with digits. */
bool qn_decimal_take(const char *text, size_t length, qn_decimal *d);

/* The nearest one. False: not decided, or not finite. */
bool qn_decimal_float(const qn_decimal *d, float *value);
bool qn_decimal_double(const qn_decimal *d, double *value);

/* The same from a text with anything behind it. */
bool qn_text_real_float(const char *text, size_t length, float *value);
bool qn_text_real_double(const char *text, size_t length, double *value);

#endif
