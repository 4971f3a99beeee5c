#include "data/expr_token.h"

#include <string.h>

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static size_t number_length(const char *text)
{
    size_t n = 0;

    while (qn_is_digit(text[n]))
        n++;
    if (text[n] == '.')
        n++;
    while (qn_is_digit(text[n]))
        n++;
    if ((text[n] | 32) == 'e') {
        const size_t sign = text[n + 1] == '-' || text[n + 1] == '+';

        if (qn_is_digit(text[n + 1 + sign]))
            n += 1 + sign;
        while (qn_is_digit(text[n]))
            n++;
    }
    return n;
}

/* With both quotes; doubled ones stand for one. 0: it does not close. */
static size_t quoted_length(const char *text)
{
    size_t n = 1;

    for (;; n++) {
        if (text[n] == '\0')
            return 0;
        if (text[n] == *text && text[n + 1] != *text)
            return n + 1;
        n += text[n] == *text;
    }
}

static size_t symbol_length(const char *text)
{
    static const char *const two[] = {"<=", ">=", "==", "!=", "<>"};

    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (strncmp(text, two[i], 2) == 0)
            return 2;
    return strchr("+-*/()[],<>=", *text) ? 1 : 0;
}

qn_token qn_token_at(const char *text)
{
    qn_token t = {.text = text};

    if (*text == '\0')
        return t;
    if (qn_is_digit(*text) || (*text == '.' && qn_is_digit(text[1]))) {
        t.kind = QN_TOKEN_NUMBER;
        t.length = number_length(text);
    } else if (is_name_start(*text)) {
        t.kind = QN_TOKEN_NAME;
        while (is_name_start(text[t.length]) || qn_is_digit(text[t.length]) ||
               text[t.length] == '.')
            t.length++;
    } else if (*text == '"' || *text == '`') {
        t.kind = QN_TOKEN_QUOTED;
        t.length = quoted_length(text);
    } else {
        t.kind = QN_TOKEN_SYMBOL;
        t.length = symbol_length(text);
    }
    if (t.length == 0)
        t = (qn_token){.kind = QN_TOKEN_BAD, .text = text, .length = 1};
    return t;
}
