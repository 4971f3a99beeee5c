/* Cells on a terminal: a table whose fields are as dark as they count. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiment/plot_impl.h"

#define MOST_NAME   18
#define LEAST_FIELD 7
#define MOST_FIELD  14
#define MOST_CELLS  64 /* beside one another */

/* Shades of blue among a terminal's 256 colours, from black's side; on dark and light ground. */
static const int32_t shade_ansi[] = {-1, 17, 18, 19, 25, 26, 32};
#define SHADES ((int32_t)(sizeof shade_ansi / sizeof *shade_ansi))

typedef struct cell_table {
    const qn_figure *figure;
    const qn_plot_series *series;
    const qn_plot_screen *screen;
    int32_t names, field;    /* columns */
    int32_t n_x, n_y, shown; /* places; of x that fit */
    qn_plot_point at[MOST_CELLS];
    bool is_there[MOST_CELLS];
} cell_table;

static int32_t columns_of(const char *text, size_t bytes)
{
    int32_t n = 0;

    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

static int32_t within(int32_t value, int32_t least, int32_t most)
{
    return value < least ? least : value > most ? most : value;
}

static const char *name_at(const qn_plot_axis *axis, int32_t place, char number[16])
{
    if (place < axis->n_names)
        return axis->name[place];
    snprintf(number, 16, "%d", (int)place);
    return number;
}

/* Columns of the widest line of any note, and of names of x. */
static int32_t widest_field(const cell_table *t)
{
    int32_t widest = 0;
    char number[16];
    qn_plot_point p;

    for (int32_t x = 0; x < t->n_x; x++) {
        const char *name = name_at(&t->figure->x, x, number);
        const int32_t n = columns_of(name, strlen(name));

        widest = n > widest ? n : widest;
    }
    for (int64_t row = 0; row < t->figure->n_rows; row++) {
        if (!qn_plot_row(t->figure, t->series, row, &p) || !p.note)
            continue;
        for (const char *line = p.note; *line;) {
            const size_t bytes = strcspn(line, "\n");
            const int32_t n = columns_of(line, bytes);

            widest = n > widest ? n : widest;
            line += bytes + (line[bytes] == '\n');
        }
    }
    return widest;
}

static void measure(cell_table *t, int32_t width)
{
    const char *title = t->figure->y.title ? t->figure->y.title : "";
    char number[16];
    qn_plot_span span;

    qn_plot_span_of(t->figure, t->series, &span);
    t->n_x = span.n > 0 ? (int32_t)fmin(span.x_max + 1, MOST_CELLS) : 0;
    t->n_y = span.n > 0 ? (int32_t)fmin(span.y_max + 1, 1e6) : 0;
    t->names = columns_of(title, strlen(title));
    for (int32_t y = 0; y < t->n_y; y++) {
        const char *name = name_at(&t->figure->y, y, number);
        const int32_t n = columns_of(name, strlen(name));

        t->names = n > t->names ? n : t->names;
    }
    t->names = within(t->names, 4, MOST_NAME);
    if (t->n_x == 0)
        return;
    t->field = within((width - t->names) / t->n_x - 2, LEAST_FIELD, MOST_FIELD);
    t->field = within(widest_field(t), LEAST_FIELD, t->field);
    t->shown = within((width - t->names) / (t->field + 2), 1, t->n_x);
}

/* The cells of one y. */
static void take_row(cell_table *t, int32_t y)
{
    qn_plot_point p;

    memset(t->is_there, 0, sizeof t->is_there);
    for (int64_t row = 0; row < t->figure->n_rows; row++) {
        if (!qn_plot_row(t->figure, t->series, row, &p) || (int32_t)p.y != y || !(p.x >= 0) ||
            p.x >= t->shown)
            continue;
        t->at[(int32_t)p.x] = p;
        t->is_there[(int32_t)p.x] = true;
    }
}

/* Line 0 or 1 of a note, "" where it has none. */
static void line_of(const char *note, int32_t line, char out[64])
{
    if (line == 1)
        note = note && strchr(note, '\n') ? strchr(note, '\n') + 1 : NULL;
    snprintf(out, 64, "%.*s", note ? (int)strcspn(note, "\n") : 0, note ? note : "");
}

static void add_field_text(const cell_table *t, int32_t x, int32_t line, qn_string *out)
{
    const int32_t shade =
        t->is_there[x] ? (int32_t)lround(pow(t->at[x].shade, 0.7) * (SHADES - 1)) : 0;
    const bool is_coloured = t->screen->colour && shade_ansi[shade] >= 0;
    char text[64];

    line_of(t->is_there[x] ? t->at[x].note : NULL, line, text);
    if (is_coloured)
        qn_string_addf(out, "\033[48;5;%dm\033[38;5;231m", (int)shade_ansi[shade]);
    qn_string_add(out, " ");
    qn_plot_add_cut(out, text, t->field);
    qn_string_add(out, " ");
    if (is_coloured)
        qn_string_add(out, "\033[0m");
}

static void add_y(cell_table *t, int32_t y, qn_string *out)
{
    bool has_second = false;
    char number[16];

    take_row(t, y);
    for (int32_t x = 0; x < t->shown; x++)
        has_second |= t->is_there[x] && t->at[x].note && strchr(t->at[x].note, '\n');
    for (int32_t line = 0; line < 1 + has_second; line++) {
        qn_plot_add_cut(out, line == 0 ? name_at(&t->figure->y, y, number) : "", t->names);
        for (int32_t x = 0; x < t->shown; x++)
            add_field_text(t, x, line, out);
        qn_string_add(out, "\n");
    }
}

void qn_plot_cells_text(const qn_figure *figure, const qn_plot_series *series,
                        const qn_plot_screen *screen, int32_t width, qn_string *out)
{
    cell_table t = {.figure = figure, .series = series, .screen = screen};
    char number[16];

    measure(&t, width);
    if (t.n_x == 0) {
        qn_string_add(out, "(nothing to show)\n");
        return;
    }
    if (figure->x.title) {
        qn_string_addf(out, "%*s ", (int)t.names, "");
        qn_plot_add_cut(out, figure->x.title, columns_of(figure->x.title, strlen(figure->x.title)));
        qn_string_add(out, "\n");
    }
    qn_plot_add_cut(out, figure->y.title ? figure->y.title : "", t.names);
    for (int32_t x = 0; x < t.shown; x++) {
        qn_string_add(out, " ");
        qn_plot_add_cut(out, name_at(&figure->x, x, number), t.field);
        qn_string_add(out, " ");
    }
    qn_string_add(out, "\n");
    for (int32_t y = 0; y < t.n_y; y++)
        add_y(&t, y, out);
    if (t.shown < t.n_x)
        qn_string_addf(out, "(%d more columns do not fit)\n", (int)(t.n_x - t.shown));
}
