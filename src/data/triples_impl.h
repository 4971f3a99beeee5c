/* Between the files that read triples: distinct ids as threads meet them, and how the ids of rows
 * become indices. */
#ifndef QN_DATA_TRIPLES_IMPL_H
#define QN_DATA_TRIPLES_IMPL_H

#include "data/triples.h"

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

/* Distinct numbers as one thread meets them: those from 0 on that lie close in a bitmap, which
 * grows with what has been seen, the others by hash. A number may stand in both. */
typedef struct qn_number_set {
    uint64_t *bit; /* [n_words] of the numbers 0 .. 64 n_words - 1 */
    int64_t n_words;
    int64_t *slot; /* [n_slots] INT64_MIN: free; n_slots a power of two */
    int64_t n_slots, n_hashed;
    bool has_least; /* INT64_MIN itself */
    int64_t n_seen; /* numbers that came, repeats included */
} qn_number_set;

qn_status qn_number_set_add32(qn_context *ctx, qn_number_set *set, const int32_t *number,
                              int64_t n);
qn_status qn_number_set_add64(qn_context *ctx, qn_number_set *set, const int64_t *number,
                              int64_t n);
/* The numbers of all sets in ascending order as ordered keys (ratings_sort.h), each once. The sets
 * are released on the way. */
qn_status qn_number_sets_join(qn_context *ctx, qn_number_set *sets, int64_t n, uint64_t **keys,
                              int64_t *n_keys);
void qn_number_set_release(qn_number_set *set);

/* What is known of the ids of one side while rows are read. */
typedef struct qn_raw_side {
    qn_id_type type; /* AUTO: int32 if all fit, else int64 */
    int32_t n_threads;
    qn_text_set *texts;     /* [n_threads] STRING; a block holds numbers in its thread's set */
    qn_number_set *numbers; /* [n_threads] otherwise */
} qn_raw_side;

void qn_raw_side_release(qn_raw_side *side);

/* From rows whose blocks hold ids as they were read to rows of indices, with the dictionaries of
 * all ranks. The blocks of `raw` go on the way. Collective. */
qn_status qn_triples_index(qn_context *ctx, const qn_triples *raw, qn_raw_side sides[2],
                           qn_triples *out);

#endif
