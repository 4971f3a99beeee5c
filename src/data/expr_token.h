/* From text to tokens. */
#ifndef QN_DATA_EXPR_TOKEN_H
#define QN_DATA_EXPR_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

typedef enum qn_token_kind {
    QN_TOKEN_END,
    QN_TOKEN_NUMBER,
    QN_TOKEN_NAME,   /* may be a keyword or a function */
    QN_TOKEN_QUOTED, /* a column */
    QN_TOKEN_SYMBOL, /* one or two characters */
    QN_TOKEN_BAD
} qn_token_kind;

typedef struct qn_token {
    qn_token_kind kind;
    const char *text; /* quoted: with the quotes */
    size_t length;
} qn_token;

/* The token that begins at text, which is no blank. */
qn_token qn_token_at(const char *text);

static inline bool qn_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

#endif
