/* The planted truth of generated ratings: who gives how many, what is popular, what is liked. */
#ifndef QN_DATA_DATAGEN_TRUTH_H
#define QN_DATA_DATAGEN_TRUTH_H

#include "data/datagen.h"

#define QN_GENRES 18
#define QN_HIDDEN 8

typedef struct qn_truth_item {
    float bias;
    float hidden[QN_HIDDEN];
    uint32_t genres; /* bits */
} qn_truth_item;

typedef struct qn_truth {
    int64_t seed;
    int64_t n_users, n_items;
    double mean, step, low; /* stars: rounded to step, at least low */
    int64_t *degree;        /* [n_users] */
    qn_truth_item *item;    /* [n_items] */
    uint32_t *alias;        /* [n_items] popularity by Walker's alias method */
    double *chance;         /* [n_items] */
    uint32_t *first_user;   /* [n_items] a user who rates the item for sure: every item occurs */
} qn_truth;

qn_status qn_truth_make(qn_context *ctx, const qn_datagen_options *options, qn_truth *truth);
void qn_truth_release(qn_truth *truth);

/* An item by popularity from two uniform numbers. */
int64_t qn_truth_draw_item(const qn_truth *truth, double u, double v);

typedef struct qn_truth_user {
    float bias;
    float hidden[QN_HIDDEN];
    float genre[QN_GENRES];
} qn_truth_user;
qn_truth_user qn_truth_user_of(const qn_truth *truth, int64_t user);
/* What the user's taste for the item's genres and the hidden taste add to a rating. */
double qn_truth_liking(const qn_truth *truth, const qn_truth_user *user, int64_t item);
/* Stars of `user` for `item` with noise. */
float qn_truth_rating(const qn_truth *truth, const qn_truth_user *user, int64_t user_index,
                      int64_t item);

/* "Drama|Thriller" into out. */
void qn_truth_genres(uint32_t genres, char out[128]);
/* A title of its own for each item, as MovieLens writes them: "Silent Harbor, The (1987)". */
void qn_truth_title(const qn_truth *truth, int64_t item, char out[128]);

#endif
