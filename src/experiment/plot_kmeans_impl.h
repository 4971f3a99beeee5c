/* Between the files that draw a K-means model. */
#ifndef QN_EXPERIMENT_PLOT_KMEANS_IMPL_H
#define QN_EXPERIMENT_PLOT_KMEANS_IMPL_H

#include "experiment/plot_kmeans.h"

/* What the figures share. */
typedef struct plot_job {
    qn_context *ctx;
    const qn_plot_kmeans_options *options;
    qn_plot_kmeans_result *result;
    qn_figure_visit *visit;
    void *arg;
    qn_kmeans_model *model;
    qn_matrix *data; /* NULL: no input */
    int64_t n;       /* rows of the sample */
    int64_t *row;    /* [n] where they stand in the data, in an order by lot */
    double *x;       /* [n x d]; under cosine of unit length */
} plot_job;

/* Hands a figure to the visitor. */
qn_status kmeans_hand_out(plot_job *job, const qn_figure *figure);

qn_status kmeans_draw_sizes(plot_job *job);
qn_status kmeans_draw_elbow(plot_job *job);
qn_status kmeans_draw_projection(plot_job *job);
qn_status kmeans_draw_drift(plot_job *job);

#endif
