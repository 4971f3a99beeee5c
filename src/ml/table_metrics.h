/* How a classifier or regressor on tables is judged: the algorithm predicts, the rest is here.
 * Every sum is exact, or goes by cells through one tree: the same bits for any number of threads,
 * ranks and partitions. */
#ifndef QN_ML_TABLE_METRICS_H
#define QN_ML_TABLE_METRICS_H

#include "base/text.h"
#include "quern/matrix.h"
#include "quern/metrics.h"

/* n_rows rows in panels of doubles (kernels/kernels.h) to prediction [n_rows] and, where
 * n_classes > 0, probability [n_rows x n_classes], row by row; both have room for whole panels.
 * Any thread; allocates nothing. */
typedef void qn_table_predict(const void *model, int64_t n_rows, const double *x,
                              double *prediction, double *probability);

typedef struct qn_table_judge {
    int32_t n_classes; /* labels and predictions are 0 .. n_classes - 1; 0: regression */
    qn_table_predict *predict;
    const void *model; /* handed to predict */
} qn_table_judge;

/* Of more than two classes, each that rows have is judged against the rest, up to this many. */
#define QN_MOST_CURVES 32

typedef struct qn_judgement {
    int32_t n_classes; /* 0: regression */
    qn_regression_metrics regression;
    qn_class_metrics classes;
    qn_binary_metrics *curve; /* [n_curves] of class 1 where there are two, else of each class that
                                 rows have against the rest */
    int32_t *curve_class;     /* [n_curves] ascending */
    int32_t n_curves;         /* 0: one class, or more than QN_MOST_CURVES that rows have */
    int64_t n_unseen;         /* rows whose label is none of the model's classes: counted as
                                 errors, in a class of their own behind the others */
    double smallest_unseen;   /* label; NaN: none */
} qn_judgement;

/* Judges the model on every row of `data`, which holds labels.
 * Collective  every rank calls.
 * Errors      QN_EINVAL no labels held; QN_EDATA a label that is negative or fractional, with its
 * file and row; QN_ENOMEM; QN_ECANCELLED.
 * Ownership   on QN_OK the caller releases *out. */
qn_status qn_table_judge_run(qn_context *ctx, const qn_table_judge *judge, const qn_matrix *data,
                             qn_judgement *out);
void qn_judgement_release(qn_judgement *judgement);

/* JSON members into an open object, metric events, and a warning about labels never seen. */
void qn_judgement_tell(qn_context *ctx, const qn_judgement *judgement, qn_json *j);

/* The three in one, for qn_table_ops.evaluate. */
qn_status qn_table_judge_tell(qn_context *ctx, const qn_table_judge *judge, const qn_matrix *data,
                              qn_json *j);

#endif
