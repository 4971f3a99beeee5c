/* Pictures of a K-means model: sizes of its clusters, cost against their number, the clusters in
 * the plane in which the data spread most, and how far the centres of other models lie from its
 * own. */
#ifndef QN_EXPERIMENT_PLOT_KMEANS_H
#define QN_EXPERIMENT_PLOT_KMEANS_H

#include "experiment/plot.h"
#include "quern/kmeans.h"

#define QN_KMEANS_FIGURE_CHOICES "all|sizes|elbow|projection|drift"
typedef enum qn_kmeans_figure {
    QN_FIGURE_ALL, /* what the model, --input and --against allow */
    QN_FIGURE_SIZES,
    QN_FIGURE_ELBOW,
    QN_FIGURE_PROJECTION,
    QN_FIGURE_DRIFT,
    QN_KMEANS_FIGURES
} qn_kmeans_figure;

/* Table: qn_plot_kmeans_table. */
typedef struct qn_plot_kmeans_options {
    const char *model;
    int32_t figure; /* qn_kmeans_figure */
    qn_text_list against;
    qn_text_list elbow_k; /* also comma separated */
    int64_t sample_rows;  /* of the input, for elbow and projection */
    int32_t points;       /* of them, that are drawn */
    int64_t seed;         /* of the lot */
    const char *out;      /* folder; NULL: shown only */
    int32_t format;       /* qn_plot_format */
    bool overwrite;
    qn_text_list input;
    int32_t input_format; /* qn_format */
    int32_t header;
    const char *delimiter;
    qn_text_list features; /* for models that do not know their columns */
    double fraction;
    int32_t sample;     /* qn_sample */
    int32_t on_missing; /* qn_on_missing */
    int32_t on_bad_row; /* qn_on_bad_row */
} qn_plot_kmeans_options;
extern const qn_params qn_plot_kmeans_table;

#define QN_MOST_AGAINST 64

typedef struct qn_plot_kmeans_result {
    int64_t n_rows;      /* of the input; 0: none was read */
    int64_t sample_rows; /* used */
    int32_t knee;        /* k at the elbow; 0: not drawn, or fewer than three */
    double
        largest_drift;   /* of the mean distance between centres, over all models; NaN: not drawn */
    int32_t n_unmatched; /* centres for which another model has none */
    int32_t n_figures;   /* handed out */
} qn_plot_kmeans_result;

/* Makes the figures one by one and hands them to `visit`, which borrows them.
 * Errors      QN_EINVAL a figure needs --input or --against; QN_ENOTFOUND, QN_EDATA as in loading
 * models and reading tables; what `visit` returns. */
qn_status qn_plot_kmeans(qn_context *ctx, const qn_plot_kmeans_options *options,
                         qn_figure_visit *visit, void *arg, qn_plot_kmeans_result *result);

/* Whether `figure` (not QN_FIGURE_ALL) is asked for and possible, and its name, "sizes". */
bool qn_plot_kmeans_wants(const qn_plot_kmeans_options *options, int32_t figure);
const char *qn_kmeans_figure_name(int32_t figure);

/* Place of the knee of a falling curve: the point farthest below the line from its first to its
 * last; -1 with fewer than three points or none below. x ascending. */
int32_t qn_knee(int32_t n, const double *x, const double *y);

#endif
