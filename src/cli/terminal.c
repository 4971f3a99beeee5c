#include "cli/terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

qn_terminal qn_terminal_open(FILE *stream)
{
    const char *no_colour = getenv("NO_COLOR");
    const char *kind = getenv("TERM");
    qn_terminal terminal = {.stream = stream, .width = 100};
    struct winsize size;

    terminal.is_terminal = isatty(fileno(stream)) == 1;
    terminal.colour = terminal.is_terminal && !(no_colour && no_colour[0]) &&
                      !(kind && strcmp(kind, "dumb") == 0);
    if (terminal.is_terminal && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        terminal.width = size.ws_col;
    return terminal;
}

const char *qn_bold(const qn_terminal *terminal)
{
    return terminal->colour ? "\033[1m" : "";
}

const char *qn_dim(const qn_terminal *terminal)
{
    return terminal->colour ? "\033[2m" : "";
}

const char *qn_red(const qn_terminal *terminal)
{
    return terminal->colour ? "\033[31m" : "";
}

const char *qn_plain(const qn_terminal *terminal)
{
    return terminal->colour ? "\033[0m" : "";
}

/* Code point at *text, moving on; a broken byte stands for itself. */
static uint32_t next_code_point(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    const int32_t more = s[0] >= 0xF0 ? 3 : s[0] >= 0xE0 ? 2 : s[0] >= 0xC0 ? 1 : 0;
    uint32_t code = more == 0 ? s[0] : s[0] & (0x3FU >> more);

    for (int32_t i = 1; i <= more; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            *text += 1;
            return s[0];
        }
        code = code << 6 | (s[i] & 0x3F);
    }
    *text += more + 1;
    return code;
}

static int32_t code_point_width(uint32_t code)
{
    static const uint32_t wide[][2] = {
        {0x1100, 0x115F}, {0x2E80, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
        {0xFE30, 0xFE6F}, {0xFF00, 0xFF60}, {0x1F300, 0x1FAFF}, {0x20000, 0x3FFFD},
    };

    if (code >= 0x300 && code <= 0x36F)
        return 0;
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++)
        if (code >= wide[i][0] && code <= wide[i][1])
            return 2;
    return 1;
}

int32_t qn_text_width(const char *text)
{
    int32_t width = 0;

    while (*text)
        width += code_point_width(next_code_point(&text));
    return width;
}

void qn_string_add_escaped(qn_string *s, const char *text)
{
    const char *start = text;

    for (; *text; text++) {
        const unsigned char byte = (unsigned char)*text;

        if (byte >= 0x20 && byte != 0x7F)
            continue;
        qn_string_add_bytes(s, start, (size_t)(text - start));
        qn_string_addf(s, "\\x%02X", byte);
        start = text + 1;
    }
    qn_string_add(s, start);
}

void qn_text_table_init(qn_text_table *table, const char *align)
{
    memset(table, 0, sizeof *table);
    table->align = align;
    table->n_columns = (int32_t)strlen(align);
}

void qn_text_table_add(qn_text_table *table, const char *text)
{
    const int64_t n = table->n_rows * table->n_columns + table->in_row;
    qn_string cell = {0};

    if (n == table->capacity) {
        const int64_t capacity = table->capacity ? 2 * table->capacity : 64;
        char **grown = realloc(table->cell, (size_t)capacity * sizeof *grown);

        if (!grown) {
            table->failed = true;
            return;
        }
        table->cell = grown;
        table->capacity = capacity;
    }
    qn_string_add(&cell, "");
    qn_string_add_escaped(&cell, text);
    table->cell[n] = strdup(qn_string_text(&cell));
    table->failed |= cell.failed || !table->cell[n];
    qn_string_release(&cell);
    if (++table->in_row == table->n_columns) {
        table->in_row = 0;
        table->n_rows++;
    }
}

void qn_text_table_addf(qn_text_table *table, const char *format, ...)
{
    qn_string text = {0};
    va_list arguments;

    va_start(arguments, format);
    qn_string_addv(&text, format, arguments);
    va_end(arguments);
    qn_text_table_add(table, qn_string_text(&text));
    qn_string_release(&text);
}

static void print_row(const qn_text_table *table, const qn_terminal *terminal, int64_t row,
                      const int32_t *width, const char *indent)
{
    int32_t n = table->n_columns; /* without empty cells at the end, which would be blanks */

    while (n > 0 && !table->cell[row * table->n_columns + n - 1][0])
        n--;
    fputs(indent, terminal->stream);
    for (int32_t c = 0; c < n; c++) {
        const char *text = table->cell[row * table->n_columns + c];
        const int32_t pad = width[c] - qn_text_width(text);
        const bool right = table->align[c] == 'r';
        const bool last = c == n - 1;

        if (right)
            fprintf(terminal->stream, "%*s", (int)pad, "");
        fputs(text, terminal->stream);
        if (!last)
            fprintf(terminal->stream, "%*s", (int)(right ? 2 : pad + 2), "");
    }
}

void qn_text_table_print(const qn_text_table *table, const qn_terminal *terminal, bool header,
                         const char *indent)
{
    int32_t width[32] = {0};

    if (table->failed || table->n_columns > 32)
        return;
    for (int64_t r = 0; r < table->n_rows; r++)
        for (int32_t c = 0; c < table->n_columns; c++) {
            const int32_t w = qn_text_width(table->cell[r * table->n_columns + c]);

            width[c] = w > width[c] ? w : width[c];
        }
    for (int64_t r = 0; r < table->n_rows; r++) {
        fputs(r == 0 && header ? qn_bold(terminal) : "", terminal->stream);
        print_row(table, terminal, r, width, indent);
        fputs(r == 0 && header ? qn_plain(terminal) : "", terminal->stream);
        fputc('\n', terminal->stream);
    }
}

void qn_text_table_release(qn_text_table *table)
{
    for (int64_t i = 0; i < table->n_rows * table->n_columns + table->in_row; i++)
        free(table->cell[i]);
    free((void *)table->cell);
    memset(table, 0, sizeof *table);
}

void qn_print_folded(FILE *stream, const char *text, int32_t width, int32_t indent)
{
    int32_t column = indent;

    while (*text) {
        const size_t length = strcspn(text, " \n");
        const bool first = column == indent;

        if (!first && column + 1 + (int32_t)length > width) {
            fprintf(stream, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', stream);
            column++;
        }
        fwrite(text, 1, length, stream);
        column += (int32_t)length;
        text += length;
        if (*text == '\n') {
            fprintf(stream, "\n%*s", (int)indent, "");
            column = indent;
        }
        text += *text != '\0';
    }
    fputc('\n', stream);
}
