/* The figure as gnuplot is told to draw it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiment/plot_impl.h"

#define INK       "#222222" /* titles and notes */
#define GREY      "#666666" /* axes, numbers, subtitle */
#define GRID      "#e6e6e6"
#define SCALE     2    /* PNG has twice as many points each way as SVG */
#define MANY      20   /* bars above this have no notes */
#define DOTTED    60   /* points of lines above this are not marked */
#define CELLS     12   /* cells beside one another above this have no notes */
#define CROWDED   1500 /* points above this are smaller and show through */
#define BAR_PART  0.72 /* of the distance between bars that is filled */
#define LONG_NAME 24   /* characters of a name that are written */

/* In single quotes, as gnuplot wants it. */
static void add_quoted(qn_string *out, const char *text)
{
    qn_string_add(out, "'");
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;

        if (c == '\'')
            qn_string_add(out, "''");
        else
            qn_string_add_bytes(out, c < 0x20 || c == 0x7F ? " " : text, 1);
    }
    qn_string_add(out, "'");
}

/* A field of a data block: its quotes cannot be escaped. */
static void add_field(qn_string *out, const char *text)
{
    qn_string_add(out, "\"");
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;

        qn_string_add_bytes(out, c == '"' ? "'" : c < 0x20 || c == 0x7F ? " " : text, 1);
    }
    qn_string_add(out, "\"");
}

static void add_terminal(qn_plot_format format, const qn_plot_layout *l, qn_string *out)
{
    const int32_t width = (int32_t)l->width, height = (int32_t)l->height;

    if (format == QN_PLOT_PNG)
        qn_string_addf(out,
                       "set terminal pngcairo noenhanced background '#ffffff' size %d,%d "
                       "font 'DejaVu Sans,12' fontscale %d linewidth %d pointscale %d\n",
                       width * SCALE, height * SCALE, SCALE, SCALE, SCALE);
    else
        qn_string_addf(out,
                       "set terminal svg noenhanced dynamic background '#ffffff' size %d,%d "
                       "font 'DejaVu Sans,Verdana,sans-serif,12'\n",
                       width, height);
}

static void add_axis(const char *name, const qn_plot_axis *axis, qn_string *out)
{
    if (axis->title) {
        qn_string_addf(out, "set %slabel ", name);
        add_quoted(out, axis->title);
        qn_string_addf(out, " textcolor rgb '" GREY "'\n");
    }
    if (axis->is_log)
        qn_string_addf(out, "set logscale %s\n", name);
    if (axis->is_bare)
        qn_string_addf(out, "unset %stics\n", name);
}

static void add_names(const char *axis_name, const qn_plot_axis *axis, bool aslant, qn_string *out)
{
    if (axis->n_names == 0)
        return;
    qn_string_addf(out, "set %stics%s (", axis_name, aslant ? " rotate by 35 right" : "");
    for (int32_t i = 0; i < axis->n_names; i++) {
        const size_t length = strlen(axis->name[i]);
        qn_string name = {0};

        qn_plot_add_cut(&name, axis->name[i], length < LONG_NAME ? 0 : LONG_NAME);
        qn_string_add(out, i ? ", " : "");
        add_quoted(out, length < LONG_NAME ? axis->name[i] : qn_string_text(&name));
        qn_string_addf(out, " %d", (int)i);
        out->failed |= name.failed;
        qn_string_release(&name);
    }
    qn_string_add(out, ")\n");
}

/* A line of text above the graph. */
static void add_heading(int32_t number, const char *text, const qn_plot_layout *l, double y,
                        const char *style, qn_string *out)
{
    qn_string_addf(out, "set label %d ", (int)number);
    add_quoted(out, text);
    qn_string_addf(out, " at screen %.6g, screen %.6g left %s\n",
                   (l->is_wide ? l->margin : l->left) / l->width, 1 - y / l->height, style);
}

/* A spot of colour and what it stands for, for each of `by`. */
static void add_legend(const qn_figure *figure, const qn_plot_layout *l, qn_string *out)
{
    for (int32_t i = 0; i < figure->n_legend; i++) {
        const double x = l->legend_x + i % l->legend_columns * l->legend_step;
        const double y = l->legend_y + i / l->legend_columns * l->legend_line;

        qn_string_addf(out, "set label %d ", (int)i + 10);
        add_quoted(out, figure->legend[i]);
        qn_string_addf(out,
                       " at screen %.6g, screen %.6g left point pt 5 ps 1.2 lc rgb '#%06X' offset "
                       "character 1.2, -0.25 font ',11' textcolor rgb '" INK "'\n",
                       x / l->width, 1 - y / l->height,
                       (unsigned)qn_plot_palette[i % QN_PLOT_COLOURS].rgb);
    }
}

/* Axes left and below alone, lines of a grid only where values are read off. */
static void add_frame(const qn_figure *figure, const qn_plot_layout *l, qn_string *out)
{
    qn_string_addf(out,
                   "set datafile separator \"\\t\"\n"
                   "set border 3 linecolor rgb '" GREY "'\n"
                   "set tics nomirror out scale 0.5 textcolor rgb '" GREY "'\n"
                   "set format '%%g'\nunset key\n"
                   "set lmargin at screen %.6g\nset rmargin at screen %.6g\n"
                   "set tmargin at screen %.6g\nset bmargin at screen %.6g\n",
                   l->left / l->width, 1 - l->right / l->width, 1 - l->top / l->height,
                   l->below / l->height);
    add_heading(1, figure->title, l, l->title_y, "font ',15' textcolor rgb '" INK "'", out);
    if (figure->subtitle)
        add_heading(2, figure->subtitle, l, l->subtitle_y, "font ',11' textcolor rgb '" GREY "'",
                    out);
    add_legend(figure, l, out);
    add_axis("x", &figure->x, out);
    add_axis("y", &figure->y, out);
    add_names("x", &figure->x, l->is_aslant, out);
    add_names("y", &figure->y, false, out);
    if (figure->has_equal_axes)
        qn_string_add(out, "set size ratio -1\n");
}

/* Cells fill the picture, the first row on top. */
static void add_cell_ranges(const qn_plot_span *all, qn_string *out)
{
    qn_string_addf(out,
                   "unset grid\nset border 0\nset tics scale 0\n"
                   "set xrange [%.12g:%.12g]\nset yrange [%.12g:%.12g]\n",
                   all->x_min - 0.5, all->x_max + 0.5, all->y_max + 0.5, all->y_min - 0.5);
}

/* Ranges with air around; bars stand on the axis. */
static void add_ranges(const qn_figure *figure, const qn_plot_span *all, bool has_bars,
                       qn_string *out)
{
    const double width = all->x_max - all->x_min, height = all->y_max - all->y_min;
    const double x_air = has_bars ? 0.6 * all->x_gap : width > 0 ? 0.05 * width : 1;
    const double y_air = height > 0 ? 0.06 * height : 1;

    qn_string_add(out, has_bars ? "set grid ytics linetype 1 linewidth 0.5 linecolor rgb '" GRID
                                  "'\nset grid noxtics back\n"
                                : "set grid xtics ytics back linetype 1 linewidth 0.5 linecolor "
                                  "rgb '" GRID "'\n");
    if (all->n == 0) {
        qn_string_add(out, "set xrange [0:1]\nset yrange [0:1]\n");
        return;
    }
    if (!figure->x.is_log)
        qn_string_addf(out, "set xrange [%.12g:%.12g]\n", all->x_min - x_air, all->x_max + x_air);
    if (!figure->y.is_log)
        qn_string_addf(out, "set yrange [%.12g:%.12g]\n",
                       has_bars && all->y_min >= 0 ? 0 : all->y_min - y_air,
                       height > 0 || !has_bars ? all->y_max + y_air * (has_bars ? 1.6 : 1) : 1);
    if (figure->x.is_whole && !figure->x.is_log && figure->x.n_names == 0)
        qn_string_addf(out, "set xtics %.12g\n", fmax(1, qn_plot_step(width, 25)));
}

/* From nearly white to a dark blue; what is little shall be seen, too. */
static uint32_t shade_rgb(double shade)
{
    static const int32_t light[] = {0xF4, 0xF6, 0xF8}, dark[] = {0x00, 0x55, 0x8E};
    const double part = pow(shade, 0.7);
    uint32_t rgb = 0;

    for (int32_t i = 0; i < 3; i++)
        rgb = rgb << 8 | (uint32_t)lround(light[i] + (dark[i] - light[i]) * part);
    return rgb;
}

/* The rows of cells: x, y, colour, colour of the note, its two lines. */
static void add_cells_block(const qn_figure *figure, int32_t s, qn_string *out)
{
    qn_plot_point p;

    qn_string_addf(out, "$data%d << END\n", (int)s);
    for (int64_t row = 0; row < figure->n_rows; row++) {
        const char *note, *second;
        qn_string first = {0};

        if (!qn_plot_row(figure, &figure->series[s], row, &p))
            continue;
        note = p.note ? p.note : "";
        second = strchr(note, '\n');
        qn_string_add_bytes(&first, note, strcspn(note, "\n"));
        qn_string_addf(out, "%.9g\t%.9g\t%u\t%u\t", p.x, p.y, (unsigned)shade_rgb(p.shade),
                       p.shade > 0.5 ? 0xFFFFFFu : 0x222222u);
        add_field(out, qn_string_text(&first));
        qn_string_add(out, "\t");
        add_field(out, second ? second + 1 : "");
        qn_string_add(out, "\n");
        out->failed |= first.failed;
        qn_string_release(&first);
    }
    qn_string_add(out, "END\n");
}

/* The rows of one series: x, y, colour or (bars) width and colour, note. */
static void add_block(const qn_figure *figure, int32_t s, const qn_plot_span *span, qn_string *out)
{
    const qn_plot_series *series = &figure->series[s];
    const bool is_bars = series->kind == QN_PLOT_BARS;
    const bool shows_through = series->kind == QN_PLOT_POINTS && span->n > CROWDED;
    const double width = BAR_PART * span->x_gap / (span->by_max + 1);
    int32_t by = -1;
    qn_plot_point p;

    qn_string_addf(out, "$data%d << END\n", (int)s);
    for (int64_t row = 0; row < figure->n_rows; row++) {
        uint32_t rgb;

        if (!qn_plot_row(figure, series, row, &p))
            continue;
        if (series->kind == QN_PLOT_LINE && by >= 0 && p.by != by)
            qn_string_add(out, "\n"); /* ends a line */
        by = p.by;
        rgb = qn_plot_palette[p.by % QN_PLOT_COLOURS].rgb | (shows_through ? 0x60000000u : 0);
        if (is_bars)
            p.x += (p.by - span->by_max / 2.0) * width;
        qn_string_addf(out, "%.9g\t%.9g\t%.9g\t%u\t", p.x, p.y, is_bars ? width * 0.94 : 0,
                       (unsigned)rgb);
        add_field(out, p.note ? p.note : "");
        qn_string_add(out, "\n");
    }
    qn_string_add(out, "END\n");
}

static void add_part(const char *text, int32_t s, bool *is_first, qn_string *out)
{
    qn_string_add(out, *is_first ? "plot " : ", \\\n     ");
    qn_string_addf(out, "$data%d %s", (int)s, text);
    *is_first = false;
}

/* Notes stand above bars and beside marks, unless they fit in the mark. */
static void add_series(const qn_figure *figure, int32_t s, const qn_plot_span *span, bool *is_first,
                       qn_string *out)
{
    const qn_plot_series *series = &figure->series[s];
    const bool has_notes = series->note != QN_PLOT_NONE && span->n <= MANY;
    const bool is_readable = series->note != QN_PLOT_NONE && span->x_max - span->x_min < CELLS;
    const bool is_inside = has_notes && !figure->column[series->note].text;
    char text[128];

    switch (series->kind) {
    case QN_PLOT_POINTS:
        snprintf(text, sizeof text, "using 1:2:4 with points pt 7 ps %g lc rgb variable notitle",
                 span->n > CROWDED ? 0.3 : 0.5);
        add_part(text, s, is_first, out);
        break;
    case QN_PLOT_LINE:
        add_part("using 1:2:4 with lines lw 2 lc rgb variable notitle", s, is_first, out);
        if (span->n <= DOTTED)
            add_part("using 1:2:4 with points pt 7 ps 0.8 lc rgb variable notitle", s, is_first,
                     out);
        break;
    case QN_PLOT_GUIDE:
        add_part("using 1:2 with lines lw 1 dt 2 lc rgb '" GREY "' notitle", s, is_first, out);
        break;
    case QN_PLOT_CELLS:
        add_part("using 1:2:(0.49):(0.49):3 with boxxyerror lc rgb variable fill solid 1 "
                 "noborder notitle",
                 s, is_first, out);
        if (!is_readable)
            break;
        add_part("using 1:2:5:4 with labels center offset character 0, 0.55 font ',10' "
                 "textcolor rgb variable notitle",
                 s, is_first, out);
        add_part("using 1:2:6:4 with labels center offset character 0, -0.55 font ',9' "
                 "textcolor rgb variable notitle",
                 s, is_first, out);
        break;
    case QN_PLOT_BARS:
        add_part("using 1:2:3:4 with boxes lc rgb variable fill solid 1 noborder notitle", s,
                 is_first, out);
        if (has_notes)
            add_part("using 1:2:5 with labels center offset character 0, 0.6 font ',10' "
                     "textcolor rgb '" INK "' notitle",
                     s, is_first, out);
        break;
    case QN_PLOT_MARKS:
        add_part("using 1:2 with points pt 7 ps 2.6 lc rgb '#ffffff' notitle", s, is_first, out);
        add_part("using 1:2:4 with points pt 6 ps 2.4 lw 2 lc rgb variable notitle", s, is_first,
                 out);
        if (series->note == QN_PLOT_NONE)
            break;
        add_part(is_inside ? "using 1:2:5 with labels center font ',10' textcolor rgb '" INK
                             "' notitle"
                           : "using 1:2:5 with labels left offset character 1.6, 0.7 "
                             "textcolor rgb '" INK "' notitle",
                 s, is_first, out);
        break;
    }
}

/* Height of the rows over their width, with the air around. */
static double aspect_of(const qn_plot_span *all)
{
    const double width = 1.10 * (all->x_max - all->x_min),
                 height = 1.12 * (all->y_max - all->y_min);

    return width > 0 && height > 0 ? height / width : 1;
}

void qn_plot_script(const qn_figure *figure, qn_plot_format format, qn_string *out)
{
    const bool has_cells = qn_plot_has(figure, QN_PLOT_CELLS);
    bool is_first = true;
    qn_plot_layout layout;
    qn_plot_span all, span;

    qn_plot_span_all(figure, &all);
    qn_plot_lay_out(figure, aspect_of(&all), &layout);
    add_terminal(format, &layout, out);
    add_frame(figure, &layout, out);
    if (has_cells && all.n > 0)
        add_cell_ranges(&all, out);
    else
        add_ranges(figure, &all, qn_plot_has(figure, QN_PLOT_BARS), out);
    for (int32_t s = 0; s < figure->n_series; s++) {
        qn_plot_span_of(figure, &figure->series[s], &span);
        if (span.n > 0 && figure->series[s].kind == QN_PLOT_CELLS)
            add_cells_block(figure, s, out);
        else if (span.n > 0)
            add_block(figure, s, &span, out);
    }
    for (int32_t s = 0; s < figure->n_series; s++) {
        qn_plot_span_of(figure, &figure->series[s], &span);
        if (span.n > 0)
            add_series(figure, s, &span, &is_first, out);
    }
    qn_string_add(out, is_first ? "plot NaN notitle\n" : "\n");
}
