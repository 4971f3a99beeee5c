/* Between the files that read triples: rows of a split as they come, and how their ids become
 * indices. */
#ifndef QN_DATA_TRIPLES_IMPL_H
#define QN_DATA_TRIPLES_IMPL_H

#include "data/triples.h"

/* A time that a row lacks. */
#define QN_NO_TIME INT64_MIN

/* Distinct texts as one thread meets them, found again by hash. */
typedef struct qn_text_set {
    int64_t n, capacity; /* texts */
    char *text;
    int64_t bytes, text_capacity;
    int64_t *offset; /* [n + 1] */
    uint32_t *slot;  /* [n_slots] 1 + number of a text, 0: free; n_slots a power of two */
    int64_t n_slots;
} qn_text_set;

/* Number of the text, which is added if it is not there. */
qn_status qn_text_set_add(qn_context *ctx, qn_text_set *set, const char *text, size_t length,
                          uint32_t *number);
/* False: it is not there. */
bool qn_text_set_find(const qn_text_set *set, const char *text, size_t length, uint32_t *number);
void qn_text_set_release(qn_text_set *set);

/* Ids of one side in one split: int32 until one does not fit; texts: numbers in their set. */
typedef struct qn_raw_ids {
    int32_t *narrow;
    int64_t *wide; /* not NULL: takes the place of narrow */
} qn_raw_ids;

typedef struct qn_raw_split {
    int64_t n, capacity;
    qn_raw_ids side[2]; /* users, items */
    float *value;
    int64_t *time;  /* NULL: not asked for */
    int32_t thread; /* whose text sets hold its texts */
    int64_t first;  /* place of its first row among the rows of the rank */
} qn_raw_split;

/* All splits of this rank. */
typedef struct qn_raw {
    int64_t n_splits, n_rows;
    qn_raw_split *split;
    int32_t n_threads;
    qn_id_type type[2];    /* AUTO: int32 if all fit, else int64 */
    qn_text_set *texts[2]; /* [n_threads] each */
    bool with_time;
} qn_raw;

void qn_raw_release(qn_raw *raw);

/* Dictionary of one side over all ranks, and indices [raw->n_rows] of this rank's rows; the split's
 * ids of this side are freed on the way. Collective. */
qn_status qn_raw_index(qn_context *ctx, qn_raw *raw, int32_t side, qn_ids *ids, uint32_t **index);

#endif
