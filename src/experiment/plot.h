/* Figures: a table of data and series that show columns of it. A figure is shown on a terminal, and
 * written as a picture with its data beside: NAME.csv and NAME.svg or NAME.png. */
#ifndef QN_EXPERIMENT_PLOT_H
#define QN_EXPERIMENT_PLOT_H

#include "base/context.h"
#include "base/text.h"

/* One column of a figure's data: numbers (NaN: empty) or texts (NULL: empty). */
typedef struct qn_plot_column {
    const char *name;
    const double *value;     /* [n_rows], or NULL where `text` is given */
    const char *const *text; /* [n_rows] */
    bool is_note;            /* a label of the picture: not written beside it */
} qn_plot_column;

typedef enum qn_plot_kind {
    QN_PLOT_POINTS, /* small, many */
    QN_PLOT_LINE,   /* points joined in the order of the rows, each `by` a line of its own */
    QN_PLOT_BARS,   /* upright from 0, at x */
    QN_PLOT_MARKS,  /* few points that stand out, with what `note` says in or beside them */
    QN_PLOT_GUIDE,  /* a thin line to compare with, behind the others */
    QN_PLOT_CELLS   /* a field for each x and y, which are places 0, 1 ...; y 0 is on top. `note`
                       stands in it, in two lines where it holds a line end */
} qn_plot_kind;

#define QN_PLOT_NONE (-1)

/* Numbers are columns. Rows where x or y, or `by` if it is given, are empty are not shown. */
typedef struct qn_plot_series {
    qn_plot_kind kind;
    int32_t x, y;
    int32_t by; /* whole numbers from 0 that choose the colour; bars of one x stand side by side */
    int32_t note;  /* written at each row; QN_PLOT_NONE: nothing */
    int32_t shade; /* of cells: 0 to 1, how dark */
} qn_plot_series;

typedef struct qn_plot_axis {
    const char *title; /* with the unit: "share of rows, %" */
    bool is_log;
    bool is_whole;           /* places are whole numbers: clusters, k */
    bool is_bare;            /* no numbers: places mean nothing by themselves */
    const char *const *name; /* [n_names] of the places 0, 1 ...; NULL: numbers */
    int32_t n_names;
} qn_plot_axis;

/* Everything is borrowed. */
typedef struct qn_figure {
    const char *name;     /* of its files: "sizes" */
    const char *title;    /* one line */
    const char *subtitle; /* what was measured, on how much; may be NULL */
    qn_plot_axis x, y;
    const qn_plot_column *column;
    int32_t n_columns;
    int64_t n_rows;
    const qn_plot_series *series;
    int32_t n_series;
    const char *const *legend; /* [n_legend] what the values 0, 1 ... of `by` stand for */
    int32_t n_legend;          /* 0: no legend */
    bool has_equal_axes;       /* a unit is as long on both: maps */
} qn_figure;

/* Whoever makes figures hands them out one by one. */
typedef qn_status qn_figure_visit(void *arg, const qn_figure *figure);

#define QN_PLOT_FORMAT_CHOICES "svg|png"
typedef enum qn_plot_format { QN_PLOT_SVG, QN_PLOT_PNG } qn_plot_format;

typedef struct qn_plot_files {
    const char *dir; /* made if it is not there */
    int32_t format;  /* qn_plot_format */
    bool overwrite;
    const char *program; /* that draws; NULL: gnuplot, found on the path */
} qn_plot_files;

/* What can be known before work: the folder can be written, and neither file of figure `name` is
 * there (unless `overwrite`). Makes the folder. */
qn_status qn_plot_check(qn_context *ctx, const qn_plot_files *files, const char *name);
/* Writes the data, then the picture; each appears whole or not at all. QN_EUNAVAILABLE where there
 * is no gnuplot: the data are written all the same, and the message says what to install. */
qn_status qn_plot_write(qn_context *ctx, const qn_plot_files *files, const qn_figure *figure);
/* The data as they are written: numbers in the shortest form that reads back, RFC 4180 quotes. */
void qn_plot_csv(const qn_figure *figure, qn_string *out);

typedef struct qn_plot_screen {
    int32_t width; /* columns; 0: 80 */
    bool blocks;   /* UTF-8 block characters; false: ASCII alone */
    bool colour;   /* ANSI colours */
} qn_plot_screen;

/* The figure as lines of text. */
void qn_plot_text(const qn_figure *figure, const qn_plot_screen *screen, qn_string *out);

#endif
