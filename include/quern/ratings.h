/* Ratings in two orientations, by user and by item, held in blocks under the budget. */
#ifndef QUERN_RATINGS_H
#define QUERN_RATINGS_H

#include "quern/param.h"
#include "quern/source.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum qn_id_type { QN_ID_AUTO, QN_ID_INT32, QN_ID_INT64, QN_ID_STRING } qn_id_type;
#define QN_ID_TYPE_CHOICES "auto|int32|int64|string"

/* The distinct ids of one side in ascending order; the index of an id is its place. Texts in byte
 * order. */
typedef struct qn_ids {
    qn_id_type type; /* never AUTO */
    int64_t n;
    int64_t *number; /* INT32, INT64: [n] */
    char *text;      /* STRING: bytes of all ids */
    int64_t *offset; /* STRING: [n + 1] */
} qn_ids;

/* Index of an id, -1 if it is not there. */
QN_API int64_t qn_ids_find_number(const qn_ids *ids, int64_t id);
QN_API int64_t qn_ids_find_text(const qn_ids *ids, const char *text, size_t length);
/* Index of an id written as text, whatever the type; -1 if not there or not a number where ids are.
 */
QN_API int64_t qn_ids_find(const qn_ids *ids, const char *text);
QN_API int64_t qn_ids_find_bytes(const qn_ids *ids, const char *text, size_t length);
/* Text of the id at `index` into out (ended by NUL, cut to `size`); returns its length. */
QN_API int64_t qn_ids_format(const qn_ids *ids, int64_t index, char *out, size_t size);
QN_API void qn_ids_release(qn_ids *ids);
QN_API qn_status qn_ids_copy(qn_context *ctx, const qn_ids *from, qn_ids *to);

typedef enum qn_on_duplicate {
    QN_DUPLICATE_KEEP,
    QN_DUPLICATE_LATEST,
    QN_DUPLICATE_MAX_RATING,
    QN_DUPLICATE_MEAN,
    QN_DUPLICATE_FAIL
} qn_on_duplicate;
#define QN_ON_DUPLICATE_CHOICES "keep|latest|max-rating|mean|fail"

typedef enum qn_on_bad_row { QN_BAD_ROW_FAIL, QN_BAD_ROW_SKIP } qn_on_bad_row;
#define QN_ON_BAD_ROW_CHOICES "fail|skip"

typedef enum qn_split_kind {
    QN_SPLIT_NONE,
    QN_SPLIT_RANDOM,
    QN_SPLIT_TEMPORAL,
    QN_SPLIT_LEAVE_ONE_OUT
} qn_split_kind;

/* Table: qn_ratings_table. Always start with qn_params_init(). */
typedef struct qn_ratings_options {
    qn_text_list input;
    int32_t format;        /* qn_format */
    int32_t header;        /* choice auto|no|yes */
    const char *delimiter; /* one character; NULL: found out */
    const char *user_col, *item_col, *rating_col, *timestamp_col;
    int32_t id_type;      /* qn_id_type */
    int32_t on_duplicate; /* qn_on_duplicate */
    int32_t on_bad_row;   /* qn_on_bad_row */
    int32_t partitions;   /* 0: by size */
    size_t split_bytes;   /* 0: 8 MiB; tests set less */
} qn_ratings_options;
QN_API extern const qn_params qn_ratings_table;

/* A triple of indices. */
typedef struct qn_rating {
    uint32_t user, item;
    float value;
} qn_rating;

/* What reading found; part of the run record. */
typedef struct qn_ratings_counts {
    int64_t rows_read;  /* delivered by the reader */
    int64_t rows_bad;   /* rejected, by kind in `rejects` */
    int64_t duplicates; /* rows whose (user, item) stood before; merged unless kept */
    int64_t bytes_read;
    qn_rejects rejects;
    char first_reject[512]; /* "file.csv, line 17: rating "abc" is not a number"; "" if none */
} qn_ratings_counts;

struct qn_store;
struct qn_partitioning;

/* One orientation: rows are users (or items), entries the other side's indices in ascending order,
 * equal ones by rating. Entries lie in blocks of segments, see data/ratings_block.h. */
typedef struct qn_orientation {
    int64_t n_rows, n_others;
    struct qn_store *store;
    struct qn_partitioning *partitioning;
    uint32_t *degree; /* [n_rows] entries of each row, all ranks' rows */
} qn_orientation;

typedef struct qn_ratings {
    qn_ids users, items;
    int64_t n_ratings; /* over all ranks, after duplicates */
    qn_orientation by_user, by_item;
    int32_t n_values;         /* distinct ratings if coded in one byte; 0: stored as floats */
    float value[256];         /* coded: the ratings in ascending order */
    int64_t value_count[256]; /* coded: how often each occurs */
    float min_rating, max_rating;
    double sum_ratings;         /* through the tree: same bits */
    int64_t min_time, max_time; /* seconds; 0 and -1 without timestamps */
    uint64_t fingerprint;       /* sum mod 2^64 of XXH3 of each (user id, item id, rating) record */
    qn_ratings_counts counts;
} qn_ratings;

/* Reads, indexes and orients.
 * Collective  every rank calls; ranks read different splits.
 * Errors      QN_ENOTFOUND path or column; QN_EDATA bad rows under `fail`, no ratings, NaN or
 * infinite ratings, ids of another type; QN_EINVAL; QN_ENOMEM with the bytes needed; QN_ECANCELLED.
 * Ownership   on QN_OK the caller frees *ratings. */
QN_API qn_status qn_ratings_read(qn_context *ctx, const qn_ratings_options *options,
                                 qn_ratings **ratings);
QN_API void qn_ratings_free(qn_ratings *ratings);

#ifdef __cplusplus
}
#endif
#endif
