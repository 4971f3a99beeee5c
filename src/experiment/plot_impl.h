/* Between the files of the figure writer. */
#ifndef QN_EXPERIMENT_PLOT_IMPL_H
#define QN_EXPERIMENT_PLOT_IMPL_H

#include "experiment/plot.h"

/* Colours that the colour-blind can tell apart (Okabe and Ito), the strongest on white first;
 * number 0 is also that of series without `by`. */
#define QN_PLOT_COLOURS 8
typedef struct qn_plot_colour {
    uint32_t rgb;
    int32_t ansi; /* the nearest of a terminal's 256 */
} qn_plot_colour;
extern const qn_plot_colour qn_plot_palette[QN_PLOT_COLOURS];

/* One row of a series as it is shown. */
typedef struct qn_plot_point {
    double x, y;
    int32_t by;       /* 0 where the series has none */
    double shade;     /* of cells, within 0 and 1 */
    const char *note; /* into `buffer` or borrowed; NULL: none */
    char buffer[32];
} qn_plot_point;

/* Row `row` of a series; false: it is not shown. */
bool qn_plot_row(const qn_figure *figure, const qn_plot_series *series, int64_t row,
                 qn_plot_point *point);

/* What a series spans. n 0: no rows. */
typedef struct qn_plot_span {
    int64_t n;
    double x_min, x_max, y_min, y_max;
    double x_gap; /* least distance between different x of bars; 1 with one */
    int32_t by_max;
} qn_plot_span;
void qn_plot_span_of(const qn_figure *figure, const qn_plot_series *series, qn_plot_span *span);
/* Of all series. */
void qn_plot_span_all(const qn_figure *figure, qn_plot_span *span);

/* Whether a series is of this kind. */
bool qn_plot_has(const qn_figure *figure, qn_plot_kind kind);

/* 1, 2 or 5 times a power of ten: the least such step with at most `most` steps in `range`. */
double qn_plot_step(double range, int32_t most);

/* Cells as a table of text. */
void qn_plot_cells_text(const qn_figure *figure, const qn_plot_series *series,
                        const qn_plot_screen *screen, int32_t width, qn_string *out);
/* Names of files and columns must not drive the terminal: cut to `columns`, without control
 * characters, blanks in front up to `columns`. */
void qn_plot_add_cut(qn_string *out, const char *text, int32_t columns);

/* Where the parts of a picture stand, in its points from the upper left corner. */
typedef struct qn_plot_layout {
    double width, height;
    double left, right, top, below; /* margins of the graph */
    double margin;                  /* of texts above a graph that does not begin at `left` */
    double title_y, subtitle_y;
    double legend_x, legend_y, legend_step, legend_line; /* first item, next column, next line */
    int32_t legend_columns;
    bool is_wide;   /* texts above begin at `margin` */
    bool is_aslant; /* names of the x axis */
} qn_plot_layout;
/* `aspect`: height of the graph over its width where both axes are equal. */
void qn_plot_lay_out(const qn_figure *figure, double aspect, qn_plot_layout *layout);

/* What gnuplot is told to draw; it writes the picture to its standard output. */
void qn_plot_script(const qn_figure *figure, qn_plot_format format, qn_string *out);

#endif
