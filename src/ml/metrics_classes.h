/* What the metrics of classes are made of: weights as whole numbers, and scores that are counted.
 * Whole numbers add up exactly in any order, so that threads and ranks cannot show. */
#ifndef QN_ML_METRICS_CLASSES_H
#define QN_ML_METRICS_CLASSES_H

#include <math.h>

#include "quern/metrics.h"

/* A weight counts as round(w x 2^shift) units; the sum of all stays below 2^62. */
static inline int32_t qn_unit_shift(double weight_sum)
{
    int exponent = 0;

    frexp(weight_sum, &exponent);
    return 61 - exponent;
}

/* weight[i], or 1 unit (with shift 0) where there are no weights. */
static inline int64_t qn_units(const double *weight, int64_t i, int32_t shift)
{
    return weight ? llrint(ldexp(weight[i], shift)) : 1;
}

static inline double qn_units_weight(int64_t units, int32_t shift)
{
    return ldexp((double)units, -shift);
}

/* -log of the probability that the row's own class was given, within [1e-15, 1 - 1e-15]. */
double qn_class_loss(double probability);

/* Sums over rows. */
typedef struct qn_class_sums {
    int32_t n_classes;
    const int64_t *confusion; /* [n_classes x n_classes] units by label, then prediction */
    const int64_t *rows;      /* [n_classes] of each label */
    int32_t shift;
    double loss; /* sum of weight x loss; NaN: no probabilities */
} qn_class_sums;
qn_status qn_class_metrics_make(qn_context *ctx, const qn_class_sums *sums, qn_class_metrics *out);

/* ---- Scores ---- */

typedef struct qn_score_count {
    double score;
    int64_t units[2]; /* of negatives, of positives */
} qn_score_count;

/* Descending, equal scores together; *n becomes how many differ. */
void qn_scores_sort(qn_score_count *list, int64_t *n);
/* The areas, weights and n_scores of a sorted list. roc_error: by how much area_under_roc can be
 * off if rows that are counted as one score differ a little. */
void qn_scores_areas(const qn_score_count *list, int64_t n, int32_t shift, qn_binary_metrics *out);
/* The curve of a sorted list, which is overwritten; `points` as num_bins of qn_binary_evaluate. */
qn_status qn_scores_curve(qn_context *ctx, qn_score_count *list, int64_t n, int32_t shift,
                          int64_t points, qn_binary_metrics *out);

/* Counts by score. Up to `limit` different scores are held as they are; of more, which must lie in
 * [0, 1], 62 << unit_bits bins, narrow near 0 and 1 where the probabilities of rare and of frequent
 * classes crowd. Which of the two depends on the scores alone. */
typedef struct qn_score_tally {
    int32_t limit, unit_bits;
    int64_t n;            /* different scores, until there are bins */
    int64_t n_slots;      /* a power of two */
    qn_score_count *slot; /* [n_slots] by hash; a score that is NaN: empty */
    int64_t *bin;         /* [2 x (62 << unit_bits)], or NULL */
} qn_score_tally;

qn_status qn_score_tally_add(qn_context *ctx, qn_score_tally *tally, double score, bool is_positive,
                             int64_t units);
/* Adds what `from` holds. */
qn_status qn_score_tally_merge(qn_context *ctx, const qn_score_tally *from, qn_score_tally *into);
/* Sums of all ranks on every rank. Collective. */
qn_status qn_score_tally_join(qn_context *ctx, qn_score_tally *tally);
void qn_score_tally_release(qn_score_tally *tally);

/* Areas over every score or bin, and the curve in about `points` (0: all) points. */
qn_status qn_score_tally_curve(qn_context *ctx, const qn_score_tally *tally, int32_t shift,
                               int64_t points, qn_binary_metrics *out);

#endif
