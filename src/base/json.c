#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/* Bytes of the UTF-8 character at p, 0 if it is none (overlong forms and surrogates are none). */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    const unsigned char c = p[0];
    const size_t n = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;

    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    if ((c == 0xE0 && p[1] < 0xA0) || (c == 0xED && p[1] > 0x9F) || (c == 0xF0 && p[1] < 0x90) ||
        (c == 0xF4 && p[1] > 0x8F))
        return 0;
    return n;
}

static void add_escape(qn_string *out, unsigned char c)
{
    switch (c) {
    case '"':
        qn_string_add(out, "\\\"");
        break;
    case '\\':
        qn_string_add(out, "\\\\");
        break;
    case '\n':
        qn_string_add(out, "\\n");
        break;
    case '\r':
        qn_string_add(out, "\\r");
        break;
    case '\t':
        qn_string_add(out, "\\t");
        break;
    default:
        qn_string_addf(out, "\\u%04x", c);
    }
}

static void add_quoted(qn_string *out, const char *text, size_t length)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t start = 0, i = 0;

    qn_string_add_bytes(out, "\"", 1);
    while (i < length) {
        const size_t n = utf8_length(p + i, length - i);

        if (n > 0 && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\' && p[i] != 0x7F) {
            i += n;
            continue;
        }
        qn_string_add_bytes(out, text + start, i - start);
        if (n == 0)
            qn_string_add(out, "\xEF\xBF\xBD"); /* U+FFFD */
        else
            add_escape(out, p[i]);
        start = ++i;
    }
    qn_string_add_bytes(out, text + start, i - start);
    qn_string_add_bytes(out, "\"", 1);
}

/* The comma and the key that stand before a value. */
static void begin_value(qn_json *j, const char *key)
{
    if (j->need_comma)
        qn_string_add_bytes(&j->out, ",", 1);
    j->need_comma = true;
    if (key) {
        add_quoted(&j->out, key, strlen(key));
        qn_string_add_bytes(&j->out, ":", 1);
    }
}

void qn_json_open(qn_json *j, const char *key, char bracket)
{
    begin_value(j, key);
    qn_string_add_bytes(&j->out, &bracket, 1);
    j->need_comma = false;
}

void qn_json_close(qn_json *j, char bracket)
{
    qn_string_add_bytes(&j->out, &bracket, 1);
    j->need_comma = true;
}

void qn_json_bytes(qn_json *j, const char *key, const char *value, size_t length)
{
    begin_value(j, key);
    add_quoted(&j->out, value, length);
}

void qn_json_text(qn_json *j, const char *key, const char *value)
{
    if (value)
        qn_json_bytes(j, key, value, strlen(value));
    else
        qn_json_null(j, key);
}

void qn_json_raw(qn_json *j, const char *key, const char *json)
{
    begin_value(j, key);
    qn_string_add(&j->out, json);
}

void qn_json_null(qn_json *j, const char *key)
{
    qn_json_raw(j, key, "null");
}

void qn_json_bool(qn_json *j, const char *key, bool value)
{
    qn_json_raw(j, key, value ? "true" : "false");
}

void qn_json_int(qn_json *j, const char *key, int64_t value)
{
    begin_value(j, key);
    qn_string_addf(&j->out, "%lld", (long long)value);
}

/* A whole number gets ".0", so that readers which tell the two apart see a real. */
static void add_real(qn_json *j, const char *key, const char *text)
{
    qn_json_raw(j, key, text);
    if (text[strspn(text, "-0123456789")] == '\0')
        qn_string_add(&j->out, ".0");
}

void qn_json_real(qn_json *j, const char *key, double value)
{
    char text[32];

    if (!isfinite(value)) {
        qn_json_null(j, key);
        return;
    }
    qn_format_double(value, text);
    add_real(j, key, text);
}

void qn_json_float(qn_json *j, const char *key, float value)
{
    char text[32];

    if (!isfinite(value)) {
        qn_json_null(j, key);
        return;
    }
    qn_format_float(value, text);
    add_real(j, key, text);
}

void qn_json_release(qn_json *j)
{
    qn_string_release(&j->out);
    j->need_comma = false;
}
