/* Where the parts of a picture stand, in its points from the upper left corner. */
#include <math.h>
#include <string.h>

#include "experiment/plot_impl.h"

#define WIDTH       800
#define HEIGHT      500
#define TITLE       30 /* middle of its line */
#define SUBTITLE    54
#define LEGEND      76  /* middle of its first line */
#define LINE        20  /* between lines of the legend */
#define LEFT        110 /* room for numbers and the title of the axis */
#define RIGHT       40
#define BELOW       76
#define CHARACTER   8.2 /* points, of a name */
#define LONG_NAME   24  /* characters of a name for which there is room */
#define CELL        46  /* height of a cell with two lines of text */
#define LEAST_GRAPH 140
#define MOST_GRAPH  420

static int32_t characters(const char *text)
{
    int32_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

/* Of the longest name, at most LONG_NAME. */
static int32_t longest(const char *const *name, int32_t n)
{
    int32_t most = 0;

    for (int32_t i = 0; i < n; i++)
        most = characters(name[i]) > most ? characters(name[i]) : most;
    return most < LONG_NAME ? most : LONG_NAME;
}

/* Names that do not fit beside one another lie aslant. */
static bool is_aslant(const qn_figure *figure, double width)
{
    const int32_t n = figure->x.n_names;

    return n > 0 && (longest(figure->x.name, n) + 1) * CHARACTER > width / n;
}

static void place_legend(const qn_figure *figure, qn_plot_layout *l)
{
    const double item = (longest(figure->legend, figure->n_legend) + 6) * CHARACTER;
    const double left = l->is_wide ? l->margin : l->left;

    if (figure->n_legend == 0)
        return;
    l->legend_x = left + 6;
    l->legend_y = LEGEND;
    l->legend_columns = (int32_t)fmax(1, floor((WIDTH - left) / item));
    l->legend_step = item;
    l->legend_line = LINE;
    l->top += 8 + LINE * ((figure->n_legend + l->legend_columns - 1) / l->legend_columns);
}

void qn_plot_lay_out(const qn_figure *figure, double aspect, qn_plot_layout *l)
{
    const int32_t y_names = longest(figure->y.name, figure->y.n_names);
    double graph = HEIGHT - BELOW - 82;

    *l = (qn_plot_layout){.width = WIDTH,
                          .margin = 24,
                          .left = LEFT,
                          .right = RIGHT,
                          .top = 82,
                          .below = BELOW,
                          .title_y = TITLE,
                          .subtitle_y = SUBTITLE};
    l->is_wide = figure->has_equal_axes || qn_plot_has(figure, QN_PLOT_CELLS);
    if (figure->y.n_names > 0)
        l->left = fmax(LEFT, 86 + y_names * CHARACTER);
    l->is_aslant = is_aslant(figure, WIDTH - l->left - RIGHT);
    if (l->is_aslant)
        l->below += 0.5 * CHARACTER * longest(figure->x.name, figure->x.n_names);
    place_legend(figure, l);
    if (qn_plot_has(figure, QN_PLOT_CELLS))
        graph = fmin(fmax(CELL * figure->y.n_names, LEAST_GRAPH), 2 * MOST_GRAPH);
    else if (figure->has_equal_axes)
        graph = fmin(fmax((WIDTH - l->left - RIGHT) * aspect, LEAST_GRAPH), MOST_GRAPH);
    l->height = ceil(l->top + graph + l->below);
    if (!l->is_wide)
        l->height = fmax(l->height, HEIGHT);
}
