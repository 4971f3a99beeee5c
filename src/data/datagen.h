/* Generated data with planted truth, so that everything can be tried and checked offline. */
#ifndef QN_DATA_DATAGEN_H
#define QN_DATA_DATAGEN_H

#include "quern/param.h"

typedef enum qn_datagen_shape { QN_SHAPE_MOVIELENS, QN_SHAPE_NETFLIX } qn_datagen_shape;

typedef struct qn_datagen_options {
    int32_t shape; /* qn_datagen_shape: half or whole stars, how many ratings a user gives */
    int64_t users, items, ratings;
    int64_t seed;
    int32_t format; /* csv, dat, netflix, parquet */
    const char *out;
    bool overwrite;
} qn_datagen_options;
extern const qn_params qn_datagen_table;

typedef struct qn_datagen_result {
    char ratings_path[4096], movies_path[4096];
    int64_t users, items, ratings;
    double mean;
} qn_datagen_result;

/* Writes OUT/ratings.{csv,dat,txt,parquet} and OUT/movies.csv. Every user and every item occurs;
 * pairs are distinct. A rating is a mean, what the user and the item add, the user's taste for the
 * item's genres, a hidden taste of 8 dimensions and noise, rounded to stars; what a user rates is
 * popular and to the user's taste. The same options give the same files. QN_EINVAL when that many
 * distinct pairs do not exist; QN_EEXISTS without `overwrite`. */
qn_status qn_datagen_ratings(qn_context *ctx, const qn_datagen_options *options,
                             qn_datagen_result *result);

#endif
