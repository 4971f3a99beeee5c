/* Standard output and error: what they are, colour, aligned tables, escaped text. */
#ifndef QN_CLI_TERMINAL_H
#define QN_CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/text.h"

typedef struct qn_terminal {
    FILE *stream;
    bool is_terminal;
    bool colour; /* a terminal, and NO_COLOR is not set */
    int32_t width;
} qn_terminal;

qn_terminal qn_terminal_open(FILE *stream);

/* Colour codes, "" where there is no colour. */
const char *qn_bold(const qn_terminal *terminal);
const char *qn_dim(const qn_terminal *terminal);
const char *qn_red(const qn_terminal *terminal);
const char *qn_plain(const qn_terminal *terminal);

/* Columns that the text takes on a terminal. */
int32_t qn_text_width(const char *text);
/* Adds text with control characters as \xNN, so that data cannot drive the terminal. */
void qn_string_add_escaped(qn_string *s, const char *text);

/* Rows of texts, printed with columns aligned. Columns whose letter in `align` is 'r' are set to
 * the right, 'l' to the left. The first row is the header; NULL headers print none. */
typedef struct qn_text_table {
    int32_t n_columns;
    const char *align;
    char **cell; /* [n_rows x n_columns], owned */
    int64_t n_rows, capacity;
    int32_t in_row; /* cells of the row under way */
    bool failed;    /* out of memory: nothing is printed */
} qn_text_table;

void qn_text_table_init(qn_text_table *table, const char *align);
/* Adds the next cell, copying it. */
void qn_text_table_add(qn_text_table *table, const char *text);
void qn_text_table_addf(qn_text_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The first row is printed bold when `header`. */
void qn_text_table_print(const qn_text_table *table, const qn_terminal *terminal, bool header,
                         const char *indent);
void qn_text_table_release(qn_text_table *table);

/* Prints text folded at `width` columns, lines after the first indented by `indent` blanks. */
void qn_print_folded(FILE *stream, const char *text, int32_t width, int32_t indent);

#endif
