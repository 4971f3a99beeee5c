/* Figures on a terminal. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "experiment/plot_impl.h"

#define MOST_COLUMNS 110
#define ROWS         20 /* of the canvas */
#define MARGIN       11 /* columns left of the canvas, with its axis */
#define MAX_CELLS    (MOST_COLUMNS * ROWS)
#define BAR_LABEL    10
#define BAR_VALUE    10
#define MOST_LABEL   28

/* Signs in UTF-8 and in ASCII. */
typedef struct plot_signs {
    const char *vertical, *horizontal, *corner, *dot, *point, *mark, *full;
} plot_signs;
static const plot_signs utf8_signs = {"│", "─", "└", "·", "●", "◆", "█"};
static const plot_signs ascii_signs = {"|", "-", "+", ".", "o", "X", "#"};

/* One place of the canvas: what stands there, and of which colour. */
typedef struct plot_cell {
    char text[8]; /* "" empty */
    int32_t colour;
    int32_t rank; /* what is drawn over what: guide 0, line 1, point 2, mark 3, note 4
                   */
    int32_t count[36];
} plot_cell;

typedef struct plot_canvas {
    const qn_figure *figure;
    const qn_plot_screen *screen;
    const plot_signs *signs;
    int32_t width;
    double x0, x1, y0, y1; /* what the edges stand for, logarithms where the axis is so */
    plot_cell *cell;       /* [ROWS x width] */
} plot_canvas;

static void add_coloured(const qn_plot_screen *screen, int32_t colour, const char *text,
                         qn_string *out)
{
    if (screen->colour && colour >= 0)
        qn_string_addf(out, "\033[38;5;%dm%s\033[0m",
                       (int)qn_plot_palette[colour % QN_PLOT_COLOURS].ansi, text);
    else
        qn_string_add(out, text);
}

/* Names of files and columns must not drive the terminal. */
static void add_harmless(qn_string *out, const char *text)
{
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;

        qn_string_add_bytes(out, c < 0x20 || c == 0x7F ? "?" : text, 1);
    }
}

/* Columns of a text in UTF-8, one a character. */
static int32_t text_columns(const char *text)
{
    int32_t n = 0;

    for (; text && *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

void qn_plot_add_cut(qn_string *out, const char *text, int32_t columns)
{
    const int32_t n = text_columns(text);
    int32_t left = columns;

    for (int32_t i = n; i < columns; i++)
        qn_string_add(out, " ");
    for (; *text && left > 0; left--) {
        char one[8] = "";
        int32_t bytes = 1;

        while (((unsigned char)text[bytes] & 0xC0) == 0x80 && bytes < 4)
            bytes++;
        snprintf(one, sizeof one, "%.*s", (int)bytes, text);
        add_harmless(out, left == 1 && n > columns ? "." : one);
        text += bytes;
    }
}

static void add_heading(const qn_figure *figure, const qn_plot_screen *screen, qn_string *out)
{
    qn_string_add(out, screen->colour ? "\033[1m" : "");
    add_harmless(out, figure->title);
    qn_string_add(out, screen->colour ? "\033[0m\n" : "\n");
    if (figure->subtitle) {
        add_harmless(out, figure->subtitle);
        qn_string_add(out, "\n");
    }
}

/* Which digit and colour stand for what. */
static void add_legend(const qn_figure *figure, const qn_plot_screen *screen, qn_string *out)
{
    for (int32_t i = 0; i < figure->n_legend; i++) {
        char digit[16];

        snprintf(digit, sizeof digit, "%d ", (int)i);
        add_coloured(screen, i, digit, out);
        add_harmless(out, figure->legend[i]);
        qn_string_add(out, "\n");
    }
}

/* Eighths of a column are drawn where there are block characters. */
static void add_bar(const qn_plot_screen *screen, double share, int32_t columns, int32_t colour,
                    qn_string *out)
{
    static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int32_t eighths = (int32_t)lround(fmax(0, fmin(1, share)) * columns * 8);
    const int32_t whole = screen->blocks ? eighths / 8 : (eighths + 4) / 8;
    qn_string bar = {0};

    for (int32_t i = 0; i < whole; i++)
        qn_string_add(&bar, screen->blocks ? "█" : "#");
    if (screen->blocks)
        qn_string_add(&bar, part[eighths % 8]);
    add_coloured(screen, colour, qn_string_text(&bar), out);
    out->failed |= bar.failed;
    qn_string_release(&bar);
}

/* What a table of bars needs to know before its first line. */
typedef struct bar_table {
    double largest;
    int32_t labels, notes, decimals, columns; /* of the places, of the notes, of the values, of the
                                                 longest bar */
    int32_t by;                               /* group of the line before */
} bar_table;

/* What stands at place x of an axis, for a person; `number` serves where it has no name. */
static const char *place_name(const qn_plot_axis *axis, double x, char number[32])
{
    if (x >= 0 && x < axis->n_names && x == floor(x))
        return axis->name[(int32_t)x];
    snprintf(number, 32, "%.6g", x);
    return number;
}

static bar_table measure_bars(const qn_figure *figure, const qn_plot_series *series, int32_t width)
{
    bar_table t = {.by = -1, .labels = BAR_LABEL};
    qn_plot_point p;

    for (int32_t i = 0; i < figure->x.n_names; i++)
        if (text_columns(figure->x.name[i]) > t.labels)
            t.labels = text_columns(figure->x.name[i]);
    t.labels = t.labels < MOST_LABEL ? t.labels : MOST_LABEL;

    if (series->note != QN_PLOT_NONE)
        t.notes = text_columns(figure->column[series->note].name);
    for (int64_t row = 0; row < figure->n_rows; row++)
        if (qn_plot_row(figure, series, row, &p)) {
            t.largest = fmax(t.largest, p.y);
            t.notes = text_columns(p.note) > t.notes ? text_columns(p.note) : t.notes;
        }
    if (t.largest > 0 && t.largest < 1000)
        t.decimals = 2 - (int32_t)floor(log10(t.largest));
    t.decimals = t.decimals > 6 ? 6 : t.decimals;
    t.columns = width - t.labels - BAR_VALUE - t.notes - 6;
    t.columns = t.columns > 10 ? t.columns : 10;
    return t;
}

/* Lying bars, a line each: place, value, note, bar; groups behind one another. */
static void add_bars(const qn_figure *figure, const qn_plot_series *series,
                     const qn_plot_screen *screen, int32_t width, qn_string *out)
{
    bar_table t = measure_bars(figure, series, width);
    char number[32];
    qn_plot_point p;

    qn_string_addf(out, "%*s  %*s  %*s%s%s\n", (int)t.labels,
                   figure->x.title ? figure->x.title : "", BAR_VALUE, "", (int)t.notes,
                   series->note != QN_PLOT_NONE ? figure->column[series->note].name : "",
                   t.notes > 0 ? "  " : "", figure->y.title ? figure->y.title : "");
    for (int64_t row = 0; row < figure->n_rows; row++) {
        if (!qn_plot_row(figure, series, row, &p))
            continue;
        if (p.by != t.by && p.by < figure->n_legend) {
            add_harmless(out, figure->legend[p.by]);
            qn_string_add(out, "\n");
        }
        t.by = p.by;
        qn_plot_add_cut(out, place_name(&figure->x, p.x, number), t.labels);
        qn_string_addf(out, "  %*.*f  ", BAR_VALUE, (int)t.decimals, p.y);
        if (t.notes > 0) {
            qn_string_addf(out, "%*s", (int)(t.notes - text_columns(p.note)), "");
            add_harmless(out, p.note ? p.note : "");
            qn_string_add(out, "  ");
        }
        add_bar(screen, t.largest > 0 ? p.y / t.largest : 0, t.columns, p.by, out);
        qn_string_add(out, "\n");
    }
}

static double on_axis(const qn_plot_axis *axis, double value)
{
    return axis->is_log ? log10(value) : value;
}

static double off_axis(const qn_plot_axis *axis, double place)
{
    return axis->is_log ? pow(10, place) : place;
}

static int32_t column_of(const plot_canvas *c, double x)
{
    const double share =
        c->x1 > c->x0 ? (on_axis(&c->figure->x, x) - c->x0) / (c->x1 - c->x0) : 0.5;

    return (int32_t)lround(share * (c->width - 1));
}

static int32_t row_of(const plot_canvas *c, double y)
{
    const double share =
        c->y1 > c->y0 ? (on_axis(&c->figure->y, y) - c->y0) / (c->y1 - c->y0) : 0.5;

    return ROWS - 1 - (int32_t)lround(share * (ROWS - 1));
}

static void put(const plot_canvas *c, int32_t row, int32_t column, const char *text, int32_t rank,
                int32_t colour)
{
    plot_cell *cell;

    if (row < 0 || row >= ROWS || column < 0 || column >= c->width)
        return;
    cell = &c->cell[row * c->width + column];
    if (cell->rank > rank)
        return;
    cell->rank = rank;
    cell->colour = colour;
    snprintf(cell->text, sizeof cell->text, "%s", text);
}

/* Many points fall on one place: the group that has most of them there is shown, by its digit. */
static void put_counted(const plot_canvas *c, const qn_plot_point *p)
{
    const int32_t at = row_of(c, p->y) * c->width + column_of(c, p->x);
    plot_cell *cell = &c->cell[at];
    const int32_t group = p->by % 36;
    int32_t most = 0;

    if (cell->rank > 2)
        return;
    cell->count[group]++;
    for (int32_t g = 1; g < 36; g++)
        if (cell->count[g] > cell->count[most])
            most = g;
    cell->rank = 2;
    cell->colour = most;
    snprintf(cell->text, sizeof cell->text, "%c", "0123456789abcdefghijklmnopqrstuvwxyz"[most]);
}

static void put_join(const plot_canvas *c, const qn_plot_point *a, const qn_plot_point *b,
                     int32_t rank)
{
    const int32_t column = column_of(c, a->x), row = row_of(c, a->y);
    const int32_t wide = column_of(c, b->x) - column, high = row_of(c, b->y) - row;
    const int32_t steps = abs(wide) > abs(high) ? abs(wide) : abs(high);

    for (int32_t i = 1; i < steps; i++)
        put(c, row + (int32_t)lround((double)high * i / steps),
            column + (int32_t)lround((double)wide * i / steps), c->signs->dot, rank, b->by);
}

/* A text from `column` on, a place a character. */
static void put_text(const plot_canvas *c, int32_t row, int32_t column, const char *text,
                     int32_t colour)
{
    for (; *text; column++) {
        char one[8] = "";
        int32_t bytes = 1;

        while (((unsigned char)text[bytes] & 0xC0) == 0x80)
            bytes++;
        snprintf(one, sizeof one, "%.*s", (int)bytes, (unsigned char)*text < 0x20 ? "?" : text);
        put(c, row, column, one, 4, colour);
        text += bytes;
    }
}

/* A number stands in the mark: [3]. A text stands to the right of it, or to the left where there is
 * no room. */
static void put_mark(const plot_canvas *c, const qn_plot_series *series, const qn_plot_point *p)
{
    const int32_t row = row_of(c, p->y), column = column_of(c, p->x);
    const int32_t length = text_columns(p->note);

    if (p->note && !c->figure->column[series->note].text) {
        put(c, row, column - (length - 1) / 2 - 1, "[", 4, p->by);
        put_text(c, row, column - (length - 1) / 2, p->note, p->by);
        put(c, row, column + length / 2 + 1, "]", 4, p->by);
        return;
    }
    put(c, row, column, c->signs->mark, 3, p->by);
    if (p->note) {
        const bool is_right = column + 2 + length <= c->width;

        put(c, row, is_right ? column + 1 : column - 1, " ", 4, p->by);
        put_text(c, row, is_right ? column + 2 : column - 1 - length, p->note, p->by);
    }
}

static void put_series(const plot_canvas *c, const qn_plot_series *series)
{
    qn_plot_point p, before = {0};
    bool has_before = false;

    for (int64_t row = 0; row < c->figure->n_rows; row++) {
        if (!qn_plot_row(c->figure, series, row, &p))
            continue;
        if (series->kind == QN_PLOT_MARKS) {
            put_mark(c, series, &p);
        } else if (series->kind == QN_PLOT_GUIDE) {
            if (has_before)
                put_join(c, &before, &p, 0);
        } else if (series->by != QN_PLOT_NONE) {
            put_counted(c, &p);
            if (series->kind == QN_PLOT_LINE && has_before && before.by == p.by)
                put_join(c, &before, &p, 1);
        } else {
            put(c, row_of(c, p.y), column_of(c, p.x), c->signs->point, 2, 0);
            if (series->kind == QN_PLOT_LINE && has_before)
                put_join(c, &before, &p, 1);
        }
        before = p;
        has_before = true;
    }
}

static void add_row(const plot_canvas *c, int32_t row, qn_string *out)
{
    const double height = c->y1 - c->y0;
    const bool has_number = row % 5 == 0 || row == ROWS - 1;
    int32_t end = c->width;

    if (has_number)
        qn_string_addf(out, "%*.4g ", MARGIN - 2,
                       off_axis(&c->figure->y, c->y1 - height * row / (ROWS - 1)));
    else
        qn_string_addf(out, "%*s", MARGIN - 1, "");
    qn_string_add(out, c->signs->vertical);
    while (end > 0 && !c->cell[row * c->width + end - 1].text[0])
        end--;
    for (int32_t i = 0; i < end; i++) {
        const plot_cell *cell = &c->cell[row * c->width + i];

        if (cell->text[0])
            add_coloured(c->screen, cell->colour, cell->text, out);
        else
            qn_string_add(out, " ");
    }
    qn_string_add(out, "\n");
}

/* The axis below, numbers at its ends and its title between them. */
static void add_below(const plot_canvas *c, qn_string *out)
{
    const char *title = c->figure->x.title ? c->figure->x.title : "";
    char left[32], right[32];
    int32_t space;

    qn_string_addf(out, "%*s%s", MARGIN - 1, "", c->signs->corner);
    for (int32_t i = 0; i < c->width; i++)
        qn_string_add(out, c->signs->horizontal);
    snprintf(left, sizeof left, "%.4g", off_axis(&c->figure->x, c->x0));
    snprintf(right, sizeof right, "%.4g", off_axis(&c->figure->x, c->x1));
    if (c->figure->x.is_bare)
        left[0] = right[0] = '\0';
    space = c->width - (int32_t)(strlen(left) + strlen(right) + strlen(title));
    qn_string_addf(out, "\n%*s%s%*s%s%*s%s\n", MARGIN, "", left, space > 1 ? space / 2 : 1, "",
                   title, space > 1 ? space - space / 2 : 1, "", right);
}

static void add_canvas(plot_canvas *c, qn_string *out)
{
    const qn_figure *figure = c->figure;
    qn_plot_span all;

    qn_plot_span_all(figure, &all);
    if (all.n == 0) {
        qn_string_add(out, "(nothing to show)\n");
        return;
    }
    c->x0 = on_axis(&figure->x, all.x_min);
    c->x1 = on_axis(&figure->x, all.x_max);
    c->y0 = on_axis(&figure->y, all.y_min);
    c->y1 = on_axis(&figure->y, all.y_max);
    for (int32_t s = 0; s < figure->n_series; s++)
        if (figure->series[s].kind != QN_PLOT_BARS && figure->series[s].kind != QN_PLOT_CELLS)
            put_series(c, &figure->series[s]);
    if (figure->y.title)
        qn_string_addf(out, "%s\n", figure->y.title);
    for (int32_t row = 0; row < ROWS; row++)
        add_row(c, row, out);
    add_below(c, out);
}

void qn_plot_text(const qn_figure *figure, const qn_plot_screen *screen, qn_string *out)
{
    const int32_t wanted = screen->width > 0 ? screen->width : 80;
    const int32_t width = wanted > MOST_COLUMNS ? MOST_COLUMNS : wanted < 40 ? 40 : wanted;
    plot_canvas canvas = {.figure = figure,
                          .screen = screen,
                          .signs = screen->blocks ? &utf8_signs : &ascii_signs,
                          .width = width - MARGIN - 1};
    bool needs_canvas = figure->n_series == 0;
    qn_string cells = {0};

    add_heading(figure, screen, out);
    for (int32_t s = 0; s < figure->n_series; s++) {
        if (figure->series[s].kind == QN_PLOT_BARS)
            add_bars(figure, &figure->series[s], screen, width, out);
        else if (figure->series[s].kind == QN_PLOT_CELLS)
            qn_plot_cells_text(figure, &figure->series[s], screen, width, out);
        else
            needs_canvas = true;
    }
    if (!needs_canvas)
        return;
    add_legend(figure, screen, out);
    for (int32_t i = 0; i < ROWS * canvas.width; i++)
        qn_string_add_bytes(&cells, (const char *)&(plot_cell){0}, sizeof(plot_cell));
    canvas.cell = (plot_cell *)(void *)cells.text;
    if (cells.failed)
        out->failed = true;
    else
        add_canvas(&canvas, out);
    qn_string_release(&cells);
}
