/* Text: a growing string, JSON out, numbers in and out, names that are near. */
#ifndef QN_BASE_TEXT_H
#define QN_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing string outside the budget, for messages and records. Running out of memory sets
 * `failed` and keeps what is there; check once at the end. Start with {0}. text is NULL until the
 * first add. */
typedef struct qn_string {
    char *text;
    size_t length, capacity;
    bool failed;
} qn_string;

void qn_string_add(qn_string *s, const char *text);
void qn_string_add_bytes(qn_string *s, const char *bytes, size_t n);
void qn_string_addf(qn_string *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
void qn_string_addv(qn_string *s, const char *format, va_list arguments);
/* A word as a shell would have to be given it. */
void qn_string_add_word(qn_string *s, const char *word);
void qn_string_clear(qn_string *s);
void qn_string_release(qn_string *s);
const char *qn_string_text(const qn_string *s); /* "" if empty */

/* Shortest text that reads back as the same number; "NaN", "Infinity", "-Infinity". 32 bytes do. */
void qn_format_double(double value, char *out);
void qn_format_float(float value, char *out);
/* 1234567 -> "1,234,567". 32 bytes do. */
void qn_format_count(int64_t value, char *out);
/* 1610612736 -> "1.5 GB"; 1g = 2^30. 32 bytes do. */
void qn_format_bytes(double bytes, char *out);
/* 0.0123 -> "12 ms", 75 -> "1 min 15 s". 32 bytes do. */
void qn_format_seconds(double seconds, char *out);

/* Microseconds since the epoch -> "2026-11-21T18:42:53.123Z". 32 bytes do. */
void qn_format_time(int64_t us, char *out);

/* The whole of text[0..length) as a number; false if it is not one or does not fit. Blanks around
 * are not accepted. qn_parse_int64 takes "12", "-3", "+4", "5.0" (a fraction of zeros).
 * qn_parse_double rounds correctly and takes exponents, "inf", "nan" in any case. */
bool qn_parse_int64(const char *text, size_t length, int64_t *value);
bool qn_parse_double(const char *text, size_t length, double *value);
/* "1g", "512m", "64k", "1.5g", "1073741824", with or without a trailing b; 1g = 2^30. */
bool qn_parse_bytes(const char *text, size_t *value);
/* "2005-09-06", "2005-09-06 12:30:00", "2005-09-06T12:30:00Z" or whole seconds -> seconds since the
 * epoch, UTC; dates before 1970 are negative. */
bool qn_parse_time(const char *text, size_t length, int64_t *seconds);
/* Days since the epoch of a civil date, and back. */
int64_t qn_days_from_date(int32_t year, int32_t month, int32_t day);
void qn_date_from_days(int64_t days, int32_t *year, int32_t *month, int32_t *day);

/* JSON with keys in the order they are given. Objects and arrays nest; a comma is put where needed.
 * A number that is not finite is written as null. */
typedef struct qn_json {
    qn_string out;
    bool need_comma;
} qn_json;

void qn_json_open(qn_json *j, const char *key,
                  char bracket);              /* '{' or '['; key NULL inside arrays */
void qn_json_close(qn_json *j, char bracket); /* '}' or ']' */
void qn_json_text(qn_json *j, const char *key, const char *value); /* NULL -> null */
void qn_json_bytes(qn_json *j, const char *key, const char *value, size_t length);
void qn_json_int(qn_json *j, const char *key, int64_t value);
void qn_json_real(qn_json *j, const char *key, double value);
void qn_json_float(qn_json *j, const char *key, float value);
void qn_json_bool(qn_json *j, const char *key, bool value);
void qn_json_null(qn_json *j, const char *key);
void qn_json_raw(qn_json *j, const char *key, const char *json); /* already JSON */
void qn_json_release(qn_json *j);

/* The name nearest to `wanted` by edit distance, case and '-', '_' ignored, if it is near enough to
 * suggest; else NULL. */
const char *qn_nearest(const char *wanted, const char *const *names, int64_t n);
/* Equal when case, '-' and '_' are ignored: reg-param, reg_param, regParam. */
bool qn_name_equal(const char *a, const char *b);

#endif
