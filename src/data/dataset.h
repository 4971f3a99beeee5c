/* A data set of ratings on disk: a symlink to a numbered generation beside it, which a writer swaps
 * by renaming a new symlink over it. Readers resolve the link once and read the manifest.
 *
 *   data/train                          symlink -> .train.generations/000012
 *   data/.train.generations/lock        held by the writer: flock, and who holds it
 *   data/.train.generations/000012/_quern.json            the manifest
 *   data/.train.generations/000012/year=2005/month=9/part-00000-<digest>.parquet
 *
 * Files are never changed: an unchanged one is a hard link in the next generation, a new one has
 * the digest of its content in its name. */
#ifndef QN_DATA_DATASET_H
#define QN_DATA_DATASET_H

#include <stdbool.h>

#include "base/text.h"
#include "quern/context.h"
#include "quern/param.h"

#define QN_DATASET_FORMAT   1
#define QN_DATASET_MANIFEST "_quern.json"

/* What becomes of rows with one key. The key is (movie, user, date); for latest (movie, user). */
typedef enum qn_on_duplicate_rows {
    QN_KEEP_MAX_RATING, /* the highest rating (the reference's rule) */
    QN_KEEP_LATEST,     /* the greatest date, then the highest rating */
    QN_KEEP_ALL,
    QN_KEEP_MEAN, /* one row with the mean of the ratings; makes ratings doubles */
    QN_KEEP_FAIL  /* a duplicate is an error */
} qn_on_duplicate_rows;
#define QN_ON_DUPLICATE_ROWS_CHOICES "max-rating|latest|keep|mean|fail"

typedef enum qn_partition_by {
    QN_BY_YEAR_MONTH,
    QN_BY_YEAR,
    QN_BY_NOTHING /* one folder: rows without dates */
} qn_partition_by;
#define QN_PARTITION_BY_CHOICES "year,month|year|none"

/* Names of the columns in the files, and their types; the part of the manifest that says what
 * `quern fit als --input DIR` needs to know. */
typedef struct qn_dataset_columns {
    char user[64], item[64], rating[64], date[64]; /* CUST_ID, MOVIE_ID, RATING, DATE */
    bool rating_is_double;                         /* else int32 */
} qn_dataset_columns;

/* One file of a generation. */
typedef struct qn_dataset_file {
    char *path;   /* within the generation: year=2005/month=9/part-00000-....parquet */
    int32_t part; /* 12 * year + month - 1 by year and month; the year; or 0: which folder */
    int64_t rows, bytes;
    char digest[33]; /* XXH3-128 of its bytes */
} qn_dataset_file;

/* A file of input that has been taken, so that a second delivery changes nothing. */
typedef struct qn_dataset_taken {
    char digest[33]; /* XXH3-128 of its bytes (of a data set: of its files' digests) */
    char *name;      /* as it was called, for people */
    int64_t bytes;
    int64_t generation; /* that it went into */
} qn_dataset_taken;

/* A line of the history. */
typedef struct qn_dataset_change {
    int64_t generation;
    int64_t time;  /* seconds since the epoch */
    char *command; /* "data upsert" */
    int64_t rows_read, rows_malformed, rows_null, rows_out_of_range, rows_duplicate;
    int64_t rows_before, rows_after;
    int64_t files_written, files_linked;
} qn_dataset_change;

typedef struct qn_dataset_manifest {
    int64_t generation;
    qn_dataset_columns columns;
    int32_t partition_by; /* qn_partition_by */
    int32_t on_duplicate; /* qn_on_duplicate_rows: the rule that its rows keep */
    int64_t target_file_size;
    char codec[16];
    qn_dataset_file *file; /* [n_files] ascending by (part, path) */
    int64_t n_files, file_capacity;
    qn_dataset_taken *taken; /* [n_taken] */
    int64_t n_taken, taken_capacity;
    qn_dataset_change *change; /* [n_changes] oldest first */
    int64_t n_changes, change_capacity;
} qn_dataset_manifest;

void qn_dataset_manifest_release(qn_dataset_manifest *manifest);
/* Copies are made of texts. */
qn_status qn_dataset_add_file(qn_context *ctx, qn_dataset_manifest *manifest,
                              const qn_dataset_file *file);
qn_status qn_dataset_add_taken(qn_context *ctx, qn_dataset_manifest *manifest,
                               const qn_dataset_taken *taken);
qn_status qn_dataset_add_change(qn_context *ctx, qn_dataset_manifest *manifest,
                                const qn_dataset_change *change);
int64_t qn_dataset_rows(const qn_dataset_manifest *manifest);
/* Folder of a part: "year=2005/month=9", "year=2005", "". */
void qn_dataset_part_name(int32_t partition_by, int32_t part, char *out, size_t size);
/* Part of a date (days since the epoch; before 1970 too). */
int32_t qn_dataset_part(int32_t partition_by, int32_t days);

typedef enum qn_dataset_kind {
    QN_DATASET_NONE,  /* nothing is there */
    QN_DATASET_PLAIN, /* a folder of files without a manifest: adopted by the first write */
    QN_DATASET_OURS
} qn_dataset_kind;

/* For readers: where the link leads now, once. *folder (free with qn_free) is `path` itself when it
 * is plain. QN_EDATA: a manifest that is damaged or of a newer format, named. */
qn_status qn_dataset_resolve(qn_context *ctx, const char *path, qn_dataset_kind *kind,
                             char **folder);
/* The manifest of a generation's folder. */
qn_status qn_dataset_read(qn_context *ctx, const char *folder, qn_dataset_manifest *manifest);

/* For writers. */
typedef struct qn_dataset_writer {
    qn_context *ctx;
    char *path;         /* of the link, as the user named it */
    char *generations;  /* .train.generations */
    char *folder;       /* of the old generation, or the plain folder; NULL: none */
    char *staging;      /* of the new one: .train.generations/000013.new */
    int64_t generation; /* the new number */
    qn_dataset_kind kind;
    qn_dataset_manifest old;  /* of OURS; of PLAIN its files alone, with rows 0 and digest "" */
    qn_dataset_manifest next; /* to be filled; begins with the old one's columns, rules, taken and
                                 changes, and no files */
    int lock;                 /* descriptor, locked */
    struct qn_dataset_site *site; /* data/dataset_impl.h */
} qn_dataset_writer;

/* Takes the lock (QN_EBUSY with owner and age), removes leftovers of writers that died, finishes
 * what a writer left half done after its swap, checks that the folder can hold links and locks
 * (QN_EIO names what it lacks) and that it is writable. */
qn_status qn_dataset_write_open(qn_context *ctx, const char *path, qn_dataset_writer *writer);
/* Refuses now when the disk cannot hold `bytes` more: QN_EIO with both numbers. */
qn_status qn_dataset_write_room(qn_dataset_writer *writer, int64_t bytes);
/* Takes file `i` of the old generation over as it is: a hard link. */
qn_status qn_dataset_write_link(qn_dataset_writer *writer, int64_t i);
/* Any thread. Where a new file of `part` is to be written: an absolute path in `staging`, its
 * folders made. `number` counts the files of the part from 0. *path: free with qn_free. */
qn_status qn_dataset_write_file(qn_dataset_writer *writer, int32_t part, int64_t number,
                                char **path);
/* Any thread. The file is complete: syncs it, takes its digest, gives it its name, adds it to
 * `next`. */
qn_status qn_dataset_write_done(qn_dataset_writer *writer, int32_t part, int64_t number,
                                const char *path, int64_t rows);
/* Sorts the files, writes the manifest, syncs folders, swaps the link (adopting a plain folder in
 * the same step), removes generations but the newest `keep` (2). After it the lock is still held.
 * On failure the old data set is in place. */
qn_status qn_dataset_write_commit(qn_dataset_writer *writer, int32_t keep);
/* Removes the whole data set: link, generations, lock; only the generation that write_open saw, a
 * plain folder only by the files that it listed. For `merge`. */
qn_status qn_dataset_write_remove(qn_dataset_writer *writer);
/* Releases the lock and what is staged. Also after a failure; zeroed writers are fine. */
void qn_dataset_write_close(qn_dataset_writer *writer);

/* Clears up what a writer that died left at a place, where nothing else is to be written. QN_OK too
 * where there never was a data set. */
qn_status qn_dataset_clean(qn_context *ctx, const char *path);

/* Generations that are there, ascending; free with qn_free. */
qn_status qn_dataset_list(qn_context *ctx, const char *path, int64_t **generation, int64_t *n);
/* Swaps the link back to a generation (-1: the one before). */
qn_status qn_dataset_rollback(qn_context *ctx, const char *path, int64_t generation, int64_t *from,
                              int64_t *to);
/* Removes generations but the newest `keep` (the current one always stays) and leftovers. */
qn_status qn_dataset_gc(qn_context *ctx, const char *path, int32_t keep, int64_t *n_removed,
                        int64_t *bytes);

#endif
