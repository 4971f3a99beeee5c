/* The figure as gnuplot is told to draw it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "experiment/plot_impl.h"

#define INK      "#222222" /* titles and notes */
#define GREY     "#666666" /* axes, numbers, subtitle */
#define GRID     "#e6e6e6"
#define WIDTH    800 /* points of SVG; PNG has twice as many each way */
#define HEIGHT   500
#define SCALE    2
#define MANY     20   /* bars above this have no notes */
#define CROWDED  1500 /* points above this are smaller and show through */
#define BAR_PART 0.72 /* of the distance between bars that is filled */

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

static void add_terminal(qn_plot_format format, qn_string *out)
{
    if (format == QN_PLOT_PNG)
        qn_string_addf(out,
                       "set terminal pngcairo noenhanced background '#ffffff' size %d,%d "
                       "font 'DejaVu Sans,12' fontscale %d linewidth %d pointscale %d\n",
                       WIDTH * SCALE, HEIGHT * SCALE, SCALE, SCALE, SCALE);
    else
        qn_string_addf(out,
                       "set terminal svg noenhanced dynamic background '#ffffff' size %d,%d "
                       "font 'DejaVu Sans,Verdana,sans-serif,12'\n",
                       WIDTH, HEIGHT);
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
}

/* Axes left and below alone, lines of a grid only where values are read off. */
static void add_frame(const qn_figure *figure, qn_string *out)
{
    const bool has_legend = figure->n_legend > 0;
    const double raised = has_legend ? 1.6 : 0; /* the legend lies between subtitle and picture */

    qn_string_addf(out,
                   "set datafile separator \"\\t\"\n"
                   "set border 3 linecolor rgb '" GREY "'\n"
                   "set tics nomirror out scale 0.5 textcolor rgb '" GREY "'\n"
                   "set format '%%g'\n"
                   "set lmargin 11\nset rmargin 4\nset tmargin %g\nset bmargin 4\n"
                   "set label 1 ",
                   5 + raised);
    add_quoted(out, figure->title);
    qn_string_addf(
        out, " at graph 0, graph 1 offset character 0, %g font ',15' textcolor rgb '" INK "'\n",
        2.6 + raised);
    if (figure->subtitle) {
        qn_string_add(out, "set label 2 ");
        add_quoted(out, figure->subtitle);
        qn_string_addf(out,
                       " at graph 0, graph 1 offset character 0, %g font ',11' textcolor rgb '" GREY
                       "'\n",
                       1.2 + raised);
    }
    add_axis("x", &figure->x, out);
    add_axis("y", &figure->y, out);
    if (has_legend)
        qn_string_add(out, "set key at graph 0, graph 1 left bottom horizontal Left reverse "
                           "width 2 samplen 0.5 textcolor rgb '" INK "'\n");
    else
        qn_string_add(out, "unset key\n");
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
    if (figure->x.is_whole && !figure->x.is_log)
        qn_string_addf(out, "set xtics %.12g\n", fmax(1, qn_plot_step(width, 25)));
}

/* The rows of one series: x, y, colour or (bars) width and colour, note. */
static void add_block(const qn_figure *figure, int32_t s, const qn_plot_span *span, qn_string *out)
{
    const qn_plot_series *series = &figure->series[s];
    const bool is_bars = series->kind == QN_PLOT_BARS;
    const bool shows_through = series->kind == QN_PLOT_POINTS && span->n > CROWDED;
    const double width = BAR_PART * span->x_gap / (span->by_max + 1);
    qn_plot_point p;

    qn_string_addf(out, "$data%d << END\n", (int)s);
    for (int64_t row = 0; row < figure->n_rows; row++) {
        uint32_t rgb;

        if (!qn_plot_row(figure, series, row, &p))
            continue;
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
    const bool is_inside = has_notes && !figure->column[series->note].text;
    char text[128];

    switch (series->kind) {
    case QN_PLOT_POINTS:
        snprintf(text, sizeof text, "using 1:2:4 with points pt 7 ps %g lc rgb variable notitle",
                 span->n > CROWDED ? 0.3 : 0.5);
        add_part(text, s, is_first, out);
        break;
    case QN_PLOT_LINE:
        add_part("using 1:2 with lines lw 2 lc rgb '#0072B2' notitle", s, is_first, out);
        add_part("using 1:2 with points pt 7 ps 0.8 lc rgb '#0072B2' notitle", s, is_first, out);
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

static void add_legend(const qn_figure *figure, bool *is_first, qn_string *out)
{
    for (int32_t i = 0; i < figure->n_legend; i++) {
        qn_string_addf(out, "%sNaN with points pt 5 ps 1.2 lc rgb '#%06X' title ",
                       *is_first ? "plot " : ", \\\n     ",
                       (unsigned)qn_plot_palette[i % QN_PLOT_COLOURS].rgb);
        add_quoted(out, figure->legend[i]);
        *is_first = false;
    }
}

void qn_plot_script(const qn_figure *figure, qn_plot_format format, qn_string *out)
{
    bool has_bars = false, is_first = true;
    qn_plot_span all, span;

    qn_plot_span_all(figure, &all);
    for (int32_t s = 0; s < figure->n_series; s++)
        has_bars |= figure->series[s].kind == QN_PLOT_BARS;
    add_terminal(format, out);
    add_frame(figure, out);
    add_ranges(figure, &all, has_bars, out);
    for (int32_t s = 0; s < figure->n_series; s++) {
        qn_plot_span_of(figure, &figure->series[s], &span);
        if (span.n > 0)
            add_block(figure, s, &span, out);
    }
    for (int32_t s = 0; s < figure->n_series; s++) {
        qn_plot_span_of(figure, &figure->series[s], &span);
        if (span.n > 0)
            add_series(figure, s, &span, &is_first, out);
    }
    add_legend(figure, &is_first, out);
    qn_string_add(out, is_first ? "plot NaN notitle\n" : "\n");
}
