/* How many ratings, users and items an input holds, from a part of it. */
#ifndef QN_DATA_RATING_SAMPLE_H
#define QN_DATA_RATING_SAMPLE_H

#include "quern/als.h"
#include "quern/ratings.h"

/* An estimate and what it may be at least and at most; all equal where it is known. */
typedef struct qn_guess {
    double best, least, most;
} qn_guess;

typedef struct qn_rating_sample {
    int64_t rows;         /* read */
    int64_t units;        /* runs of rows that they come from, all over the input */
    double share;         /* of the input that was read; 1: all of it */
    qn_guess ratings;     /* of the whole input */
    qn_guess distinct[2]; /* users, items */
    double id_bytes[2];   /* of an id as text, 0: ids are numbers */
    bool is_coded, is_clustered;
    bool is_parquet;
} qn_rating_sample;

/* Reads at most about two million rows of the input. Errors as reading has them. */
qn_status qn_rating_sample_read(qn_context *ctx, const qn_ratings_options *options,
                                qn_rating_sample *sample);

#endif
