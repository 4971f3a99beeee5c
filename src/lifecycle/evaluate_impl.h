/* Between the files of the evaluation: test ratings in a fixed order, with their places in the
 * model and in the training ratings. */
#ifndef QN_LIFECYCLE_EVALUATE_IMPL_H
#define QN_LIFECYCLE_EVALUATE_IMPL_H

#include "lifecycle/evaluate.h"

typedef struct qn_test_rating {
    uint32_t item; /* index in the test's items */
    float value;
} qn_test_rating;

/* Rows by user, then item, then rating: no figure depends on the order of the file. */
typedef struct qn_test_set {
    int64_t n, n_users, n_items;
    int64_t *start;         /* [n_users + 1] */
    qn_test_rating *rating; /* [n] */
    int64_t *user, *item;   /* [n_users], [n_items]: index in the model, -1 unknown */
    const qn_ids *user_ids; /* borrowed of the test triples */
} qn_test_set;

qn_status qn_test_set_make(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                           qn_test_set *set);
void qn_test_set_release(qn_test_set *set);

/* Index of each id of `from` in `to`, -1 where it is not there. */
void qn_ids_map(const qn_ids *from, const qn_ids *to, int64_t *map);

/* Errors of the model and of the baselines, and the rows' coverage. */
qn_status qn_evaluate_errors(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                             const qn_test_set *set, const qn_ratings *train, qn_evaluation *out);
/* Rankings of the model and of popularity. */
qn_status qn_evaluate_rankings(qn_context *ctx, const qn_als_model *model, const qn_test_set *set,
                               const qn_ratings *train, int32_t max_users, qn_evaluation *out);

/* Users of the model to make lists for, each once. */
typedef struct qn_popular_users {
    const int64_t *row; /* [n] indices in the model */
    int64_t n;
    int32_t k;
    bool leave_out_seen; /* needs the training ratings */
} qn_popular_users;
/* The list of user number i; borrowed for the call. Users come in any order. */
typedef void qn_list_visit(void *arg, int64_t i, const int64_t *list, int32_t n);
/* Most rated items by `train`, or by what the model remembers where it is NULL; ties by id. */
qn_status qn_popular_lists(qn_context *ctx, const qn_als_model *model, const qn_ratings *train,
                           const qn_popular_users *users, qn_list_visit *visit, void *arg);

/* mean +- 1.96 standard deviations / sqrt(n), from sums of values >= 0 and of their squares. */
qn_metric qn_metric_of_mean(int64_t n, double sum, double sum_squares);

#endif
