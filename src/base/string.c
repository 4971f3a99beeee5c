#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Room for n more bytes and a NUL. */
static bool string_reserve(qn_string *s, size_t n)
{
    size_t capacity = s->capacity ? s->capacity : 64;
    char *text;

    if (s->failed)
        return false;
    if (n < s->capacity && s->length < s->capacity - n)
        return true;
    while (capacity <= s->length + n) {
        if (capacity > SIZE_MAX / 4) {
            s->failed = true;
            return false;
        }
        capacity *= 2;
    }
    text = realloc(s->text, capacity);
    if (!text) {
        s->failed = true;
        return false;
    }
    s->text = text;
    s->capacity = capacity;
    return true;
}

void qn_string_add_bytes(qn_string *s, const char *bytes, size_t n)
{
    if (!string_reserve(s, n))
        return;
    if (n > 0)
        memcpy(s->text + s->length, bytes, n);
    s->length += n;
    s->text[s->length] = '\0';
}

void qn_string_add(qn_string *s, const char *text)
{
    qn_string_add_bytes(s, text, strlen(text));
}

void qn_string_addv(qn_string *s, const char *format, va_list arguments)
{
    va_list again;
    int needed;

    va_copy(again, arguments);
    needed = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (needed < 0 || !string_reserve(s, (size_t)needed)) {
        s->failed = true;
        return;
    }
    vsnprintf(s->text + s->length, (size_t)needed + 1, format, arguments);
    s->length += (size_t)needed;
}

void qn_string_addf(qn_string *s, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    qn_string_addv(s, format, arguments);
    va_end(arguments);
}

void qn_string_clear(qn_string *s)
{
    s->length = 0;
    s->failed = false;
    if (s->text)
        s->text[0] = '\0';
}

void qn_string_release(qn_string *s)
{
    free(s->text);
    *s = (qn_string){0};
}

const char *qn_string_text(const qn_string *s)
{
    return s->text ? s->text : "";
}

void qn_string_add_word(qn_string *s, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-./:,=+@%";

    if (word[0] && word[strspn(word, plain)] == '\0') {
        qn_string_add(s, word);
        return;
    }
    qn_string_add(s, "'");
    for (; *word; word++)
        qn_string_add_bytes(s, *word == '\'' ? "'\\''" : word, *word == '\'' ? 4 : 1);
    qn_string_add(s, "'");
}
