/* Ratings as rows (user, item, rating, time): what reading gives, what splits cut, what the two
 * orientations are built from. Rows of this rank only, in blocks of columns that may leave memory;
 * the dictionaries are those of all ranks. */
#ifndef QN_DATA_TRIPLES_H
#define QN_DATA_TRIPLES_H

#include "quern/ratings.h"

struct qn_row_block;

typedef struct qn_triples {
    qn_ids users, items;
    int64_t n; /* rows of this rank */
    bool has_time;
    struct qn_store *store;
    struct qn_row_block *block; /* [n_blocks] in the order of the rows; data/triples_blocks.h */
    int64_t n_blocks;
    qn_ratings_counts counts;
} qn_triples;

/* Reads every split of this rank. `need_time`: a missing timestamp column is QN_EINVAL; otherwise
 * it is read when it is there and `want_time` says so. Duplicates are still in. Rows keep the order
 * of the files within a rank. Collective. */
qn_status qn_triples_read(qn_context *ctx, const qn_ratings_options *options, bool want_time,
                          bool need_time, qn_triples **triples);
/* The same of a source that has been opened for the options, and looked at; it is taken over. NULL:
 * it is opened here. */
qn_status qn_triples_read_source(qn_context *ctx, const qn_ratings_options *options,
                                 qn_source *source, bool want_time, bool need_time,
                                 qn_triples **triples);
void qn_triples_free(qn_triples *triples);

/* ---- rows, block by block ---- */

/* Rows of a block; borrowed until it is unpinned. */
typedef struct qn_triples_view {
    int64_t first; /* place of its first row among the rows of this rank */
    int64_t n;
    const uint32_t *user, *item; /* indices into users, items */
    const float *value;
    const int64_t *time; /* seconds, or QN_NO_TIME; NULL: without times */
} qn_triples_view;

/* A time that a row lacks. */
#define QN_NO_TIME INT64_MIN

/* Blocks of this rank's rows, in the order of the rows. Not collective; any thread pins. */
int64_t qn_triples_n_blocks(const qn_triples *t);
qn_status qn_triples_pin(qn_context *ctx, const qn_triples *t, int64_t block,
                         qn_triples_view *view);
void qn_triples_unpin(const qn_triples *t, int64_t block);
/* Announces a pass over all blocks in order, so that those on disk are read ahead. */
qn_status qn_triples_read_ahead(qn_context *ctx, const qn_triples *t);

/* A pass over all blocks, each pinned for its call; `thread` as in qn_parallel. Not collective. */
typedef qn_status qn_triples_visit(void *arg, const qn_triples_view *view, int64_t block,
                                   int32_t thread);
qn_status qn_triples_each(qn_context *ctx, const qn_triples *t, qn_triples_visit *visit, void *arg);
/* The same one after the other, in the order of the rows; `thread` is 0. */
qn_status qn_triples_each_in_order(qn_context *ctx, const qn_triples *t, qn_triples_visit *visit,
                                   void *arg);

/* Triples made by hand, for tests and small sets: empty; then rows behind the ones that are there,
 * not after a pin; `time` NULL where there are none. */
qn_status qn_triples_create(qn_context *ctx, bool has_time, qn_triples **triples);
qn_status qn_triples_append(qn_context *ctx, qn_triples *t, int64_t n, const uint32_t *user,
                            const uint32_t *item, const float *value, const int64_t *time);

/* Rows of the users that this rank owns, ordered by (user, item, rating, time); all rows of a user
 * lie in one block. owner[from->users.n] is the rank of each user, the same array on all ranks;
 * NULL: even runs of users. `from` stays, and its dictionaries hold; *out has none. Collective. */
qn_status qn_triples_by_user(qn_context *ctx, const qn_triples *from, const int32_t *owner,
                             qn_triples **out);

/* Merges rows of one (user, item) by `rule`; KEEP does nothing, FAIL is QN_EDATA naming a pair.
 * LATEST is the greatest timestamp, then the highest rating. Collective; rows of a pair may lie on
 * any rank. *triples is taken and replaced: NULL after a failure. Rows are by user afterwards. */
qn_status qn_triples_merge_duplicates(qn_context *ctx, qn_triples **triples, qn_on_duplicate rule);

/* ---- parts ---- */

/* Where each row goes. A random split keeps a rating in train when Philox(seed, user id, item id)
 * says so, temporal puts the last rows by (timestamp, user, item, rating) into test, leave-one-out
 * the latest of each user (ties: greatest item id, then rating). */
typedef struct qn_split_spec {
    qn_split_kind kind;
    double train_fraction;
    int64_t seed;
} qn_split_spec;
/* "random:0.8", "temporal:0.8", "leave-one-out"; QN_EINVAL says what is allowed. */
qn_status qn_split_parse(qn_context *ctx, const char *text, int64_t seed, qn_split_spec *spec);
/* Part 1 of *sides (data/sides.h) is for test. Collective. */
typedef struct qn_sides qn_sides;
qn_status qn_triples_split(qn_context *ctx, const qn_triples *triples, const qn_split_spec *spec,
                           qn_sides **sides);

/* Rows of one part, or of all parts but that. */
typedef struct qn_choice {
    const qn_sides *sides;
    uint8_t part;
    bool others;
} qn_choice;
/* Takes the rows of `choice` out of `from`; ids that no longer occur on any rank leave the
 * dictionaries if `compact`. Collective. */
qn_status qn_triples_take(qn_context *ctx, const qn_triples *from, const qn_choice *choice,
                          bool compact, qn_triples **out);

/* Both parts of a split at once, needing a bit by row: *from is consumed block by block and NULL
 * afterwards, whatever happens. Ids without training rows leave the dictionaries of *train; *test
 * keeps all. Both keep the counts. Collective. */
qn_status qn_triples_cut(qn_context *ctx, qn_triples **from, const qn_split_spec *spec,
                         qn_triples **train, qn_triples **test);

/* The two orientations. Collective: rows go to the ranks that own their partitions. The triples are
 * consumed: freed on the way, whatever happens, so that both are never held whole; *triples is NULL
 * afterwards. partitions 0: by size. */
qn_status qn_ratings_from_triples(qn_context *ctx, qn_triples **triples, int32_t partitions,
                                  qn_ratings **ratings);

/* Place of each id of one dictionary in another (a model's), -1 where it is not there; map:
 * [from->n], freed by the caller. Ids of different types meet by their text. */
qn_status qn_ids_place(qn_context *ctx, const qn_ids *from, const qn_ids *to, int64_t **map);

/* sum mod 2^64 of XXH3 of each record, over all ranks. Collective. */
qn_status qn_triples_fingerprint(qn_context *ctx, const qn_triples *triples, uint64_t *fingerprint);

#endif
