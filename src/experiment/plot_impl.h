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

/* 1, 2 or 5 times a power of ten: the least such step with at most `most` steps in `range`. */
double qn_plot_step(double range, int32_t most);

/* What gnuplot is told to draw; it writes the picture to its standard output. */
void qn_plot_script(const qn_figure *figure, qn_plot_format format, qn_string *out);

#endif
