/* Ratings as a list of triples: what reading gives, what splits cut, what the two orientations are
 * built from. Rows of this rank only; the dictionaries are those of all ranks. */
#ifndef QN_DATA_TRIPLES_H
#define QN_DATA_TRIPLES_H

#include "quern/ratings.h"

typedef struct qn_triples {
    qn_ids users, items;
    int64_t n;
    uint32_t *user, *item; /* [n] indices into users, items */
    float *value;          /* [n] */
    int64_t *time;         /* [n] seconds, or NULL */
    qn_ratings_counts counts;
} qn_triples;

/* Reads every split of this rank. `need_time`: a missing timestamp column is QN_EINVAL; otherwise
 * it is read when it is there and `want_time` says so. Duplicates are still in. Rows keep the order
 * of the files within a rank. Collective. */
qn_status qn_triples_read(qn_context *ctx, const qn_ratings_options *options, bool want_time,
                          bool need_time, qn_triples **triples);
void qn_triples_free(qn_triples *triples);

/* ---- rows, block by block ---- */

/* Rows of a block; borrowed until it is unpinned. */
typedef struct qn_triples_view {
    int64_t first; /* place of its first row among the rows of this rank */
    int64_t n;
    const uint32_t *user, *item;
    const float *value;
    const int64_t *time; /* NULL: without times */
} qn_triples_view;

/* Blocks of this rank's rows, in the order of the rows. Not collective; any thread pins. */
int64_t qn_triples_n_blocks(const qn_triples *t);
qn_status qn_triples_pin(qn_context *ctx, const qn_triples *t, int64_t block,
                         qn_triples_view *view);
void qn_triples_unpin(const qn_triples *t, int64_t block);

/* Rows of the users that this rank owns, ordered by (user, item, rating, time); all rows of a user
 * lie in one block. owner[from->users.n] is the rank of each user, the same array on all ranks;
 * NULL: even runs of users. Dictionaries are those of `from`, which stays. Collective. */
qn_status qn_triples_by_user(qn_context *ctx, const qn_triples *from, const int32_t *owner,
                             qn_triples **out);

/* Merges rows of one (user, item) by `rule`; KEEP does nothing, FAIL is QN_EDATA naming a pair.
 * LATEST is the greatest timestamp, then the highest rating. Collective; rows of a pair may lie on
 * any rank. */
qn_status qn_triples_merge_duplicates(qn_context *ctx, qn_triples *triples, qn_on_duplicate rule);

/* Where each row goes; part[n] is 1 for test. A random split keeps a rating in train when
 * Philox(seed, user id, item id) says so, temporal puts the last rows by (timestamp, user, item,
 * rating) into test, leave-one-out the latest of each user (ties: greatest item id, then rating).
 * Collective. */
typedef struct qn_split_spec {
    qn_split_kind kind;
    double train_fraction;
    int64_t seed;
} qn_split_spec;
/* "random:0.8", "temporal:0.8", "leave-one-out"; QN_EINVAL says what is allowed. */
qn_status qn_split_parse(qn_context *ctx, const char *text, int64_t seed, qn_split_spec *spec);
qn_status qn_triples_split(qn_context *ctx, const qn_triples *triples, const qn_split_spec *spec,
                           uint8_t *part);

/* Takes the rows with part[i] == keep out of `from` (part NULL: all); ids that no longer occur on
 * any rank leave the dictionaries if `compact`. Collective. */
qn_status qn_triples_take(qn_context *ctx, const qn_triples *from, const uint8_t *part,
                          uint8_t keep, bool compact, qn_triples **out);

/* The two orientations. Collective: rows go to the ranks that own their partitions. The triples are
 * consumed: freed on the way, whatever happens, so that both are never held whole; *triples is NULL
 * afterwards. partitions 0: by size. */
qn_status qn_ratings_from_triples(qn_context *ctx, qn_triples **triples, int32_t partitions,
                                  qn_ratings **ratings);

/* Place of each row's user and item in other dictionaries (a model's), -1 where an id is not there;
 * user, item: [n]. Ids of different types meet by their text. */
qn_status qn_triples_map(qn_context *ctx, const qn_triples *triples, const qn_ids *users,
                         const qn_ids *items, int64_t *user, int64_t *item);

/* sum mod 2^64 of XXH3 of each record, over all ranks. Collective. */
qn_status qn_triples_fingerprint(qn_context *ctx, const qn_triples *triples, uint64_t *fingerprint);

#endif
