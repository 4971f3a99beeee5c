/* Where the figures of a plot command go: to the terminal, and into a folder. */
#ifndef QN_CLI_PLOT_VIEW_H
#define QN_CLI_PLOT_VIEW_H

#include "base/text.h"
#include "cli/command.h"
#include "experiment/plot.h"

typedef struct qn_plot_view {
    qn_cli *cli;
    qn_plot_files files; /* dir NULL: the terminal alone */
    qn_status missing;   /* QN_EUNAVAILABLE once a picture could not be drawn */
    qn_json list;        /* of the files, for --json */
} qn_plot_view;

/* A qn_figure_visit; `arg` is the view. */
qn_status qn_plot_view_figure(void *arg, const qn_figure *figure);

#endif
