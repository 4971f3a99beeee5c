/* Between the files of the evaluation: test ratings by user, shared out over the ranks by runs of
 * users, and sums over them that have the same bits for any number of ranks. */
#ifndef QN_LIFECYCLE_EVALUATE_IMPL_H
#define QN_LIFECYCLE_EVALUATE_IMPL_H

#include "engine/tree_sum.h"
#include "lifecycle/evaluate.h"

/* Users are those of the test's dictionary, cut into cells of cell_users; a rank judges a run of
 * cells. Rows are looked at block by block: what is held does not grow with their number. */
typedef struct qn_test_set {
    int64_t n_users, n_items;     /* of all ranks */
    int64_t cell_users, n_cells;  /* of all ranks */
    int64_t first_cell, end_cell; /* of this rank */
    int64_t first_user, end_user; /* of this rank */
    int64_t n_rows;               /* of all ranks */
    qn_triples *rows; /* of this rank's users, by user, item, rating: no figure depends on the order
                         of the file */
    int64_t *user;    /* [end_user - first_user] index in the model, -1 unknown */
    int64_t *item;    /* [n_items] likewise */
    const qn_ids *user_ids; /* borrowed of the test triples */
} qn_test_set;

/* Brings the rows to the ranks that judge their users. Collective. */
qn_status qn_test_set_make(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                           qn_test_set *set);
void qn_test_set_release(qn_test_set *set);

/* A vector added up over all users of all ranks, cell by cell and then through one tree: users come
 * in ascending order, on one thread. */
#define QN_TEST_SUMS 16
typedef struct qn_test_sums {
    qn_context *ctx;
    const qn_test_set *set;
    qn_tree_sum *tree;
    int64_t cell; /* whose sums are being taken */
    double sum[QN_TEST_SUMS];
    qn_status status; /* the first failure */
} qn_test_sums;

qn_status qn_test_sums_open(qn_context *ctx, const qn_test_set *set, qn_test_sums *sums);
/* The sums to which `user`, one of this rank's, adds. */
double *qn_test_sums_of(qn_test_sums *sums, int64_t user);
/* total[QN_TEST_SUMS] on every rank. Collective; no rank may have failed before. */
qn_status qn_test_sums_finish(qn_test_sums *sums, double *total);
void qn_test_sums_close(qn_test_sums *sums);

/* Index of each of the ids first .. end - 1 of `from` in `to`, -1 where it is not there. */
void qn_ids_map(const qn_ids *from, int64_t first, int64_t end, const qn_ids *to, int64_t *map);

/* Errors of the model and of the baselines, and the rows' coverage. Collective. */
qn_status qn_evaluate_errors(qn_context *ctx, const qn_als_model *model, const qn_triples *test,
                             const qn_test_set *set, const qn_ratings *train, qn_evaluation *out);
/* Rankings of the model and of popularity. Collective. */
qn_status qn_evaluate_rankings(qn_context *ctx, const qn_als_model *model, const qn_test_set *set,
                               const qn_ratings *train, int32_t max_users, qn_evaluation *out);

/* The model's items, most rated first by `train`, or by what the model remembers where it is NULL;
 * ties by id. What every recommender is to be held against. */
qn_status qn_popular_order(qn_context *ctx, const qn_als_model *model, const qn_ratings *train,
                           int64_t **order);
/* The first k items of the order that are not among seen[n_seen], which ascend; returns how many.
 */
int32_t qn_popular_list(const int64_t *order, int64_t n_items, const uint32_t *seen, int64_t n_seen,
                        int32_t k, int64_t *list);

/* mean +- 1.96 standard deviations / sqrt(n), from sums of values >= 0 and of their squares. */
qn_metric qn_metric_of_mean(int64_t n, double sum, double sum_squares);

#endif
