/* What rows have been rated with, in the numbering of a model: lists to leave out of
 * recommendations, histories to explain them by. Ratings lie with the ranks that own their rows;
 * the lists of the rows that a rank works on are brought to it, a batch of rows at a time. */
#ifndef QN_ML_ALS_SEEN_H
#define QN_ML_ALS_SEEN_H

#include "base/context.h"
#include "quern/als.h"

typedef struct qn_als_seen {
    const qn_orientation *rated; /* borrowed */
    const float *value;          /* borrowed: ratings of codes */
    uint32_t *rated_row;         /* [rows of the model] row of the ratings, UINT32_MAX: none */
    uint32_t *other_of;          /* [others of the ratings] index in the model, or UINT32_MAX */
    bool want_ratings;

    /* Of the rows taken last. */
    int64_t n;
    int64_t *start;  /* [n + 1] */
    uint32_t *other; /* indices of the other side, ascending */
    float *rating;   /* NULL unless wanted; of equal others ascending */
} qn_als_seen;

/* Finds the places of the ratings' ids in the model, whose dictionaries may differ. Both are
 * borrowed. Local. QN_EINVAL: numbers on one side, texts on the other. */
qn_status qn_als_seen_open(qn_context *ctx, const qn_als_model *model, qn_side side,
                           const qn_ratings *ratings, bool want_ratings, qn_als_seen *seen);
/* At most so many entries has the list of a row; known on every rank. */
int64_t qn_als_seen_most(const qn_als_seen *seen, int64_t row);
/* Lists of n rows (indices of the model's side) of this rank, of any number and twice if asked so.
 * Collective: ranks may ask for different rows, or for none. */
qn_status qn_als_seen_take(qn_context *ctx, qn_als_seen *seen, const int64_t *rows, int64_t n);
void qn_als_seen_close(qn_als_seen *seen);

/* As qn_als_recommend, but leaves out the lists that were taken for these rows (NULL: none). Not
 * collective. */
qn_status qn_als_recommend_unseen(qn_context *ctx, const qn_als_model *model, qn_side side,
                                  const int64_t *rows, int64_t n, int32_t k, qn_ties ties,
                                  const qn_als_seen *seen, int64_t *index, float *score);

#endif
