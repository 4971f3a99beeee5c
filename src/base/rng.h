/* Random numbers by counter (Philox 4x32-10): a number is a function of (seed, stream, what it is
 * for), never of thread, rank or order. */
#ifndef QN_BASE_RNG_H
#define QN_BASE_RNG_H

#include <stdint.h>

/* What a number is for; part of the key, so streams never overlap. Append only: numbers are part of
 * "same bits". */
typedef enum qn_stream {
    QN_STREAM_SPLIT = 1,      /* random split of ratings: (user id, item id) */
    QN_STREAM_FACTORS = 2,    /* initial factors: (id, column) */
    QN_STREAM_VALIDATION = 3, /* validation rows kept from training */
    QN_STREAM_FOLD = 4,       /* cross-validation fold of a rating */
    QN_STREAM_DATAGEN = 5,    /* generated data */
    QN_STREAM_BOOTSTRAP = 6,  /* confidence intervals */
    QN_STREAM_SAMPLE = 7,     /* row samples */
    QN_STREAM_POPULARITY = 8,
    QN_STREAM_KMEANS = 9,    /* the start: draws of kmeans_impl.h */
    QN_STREAM_BAG = 10,      /* how often a tree draws a row: (tree, row or content of the row) */
    QN_STREAM_SUBSET = 11,   /* features of a node: (tree, node) */
    QN_STREAM_DELIVERY = 12, /* train or test side of a delivered rating: its key */
    QN_STREAM_SWEEP = 13     /* the order of the runs of a sweep: (round, place) */
} qn_stream;

typedef struct qn_random {
    uint32_t word[4];
} qn_random;

/* Four random words for counter (a, b) of a stream. */
qn_random qn_philox(int64_t seed, qn_stream stream, uint64_t a, uint64_t b);
/* The key that qn_philox makes of a seed and a stream, for kernels that draw many at a time. */
uint64_t qn_philox_key(int64_t seed, qn_stream stream);
/* 64-bit key of a text id, to use as `a` or `b`; an integer id is its own key. */
uint64_t qn_text_key(const char *text, int64_t length);

/* [0, 1) with 53 bits from words i and i + 1 (i = 0 or 2). */
double qn_uniform(const qn_random *random, int32_t i);
/* Two standard normal numbers (polar form of Box-Muller needs no loop: uses qn_log and our own
 * sine and cosine, so the same bits everywhere). */
void qn_normal_pair(const qn_random *random, double out[2]);

#endif
