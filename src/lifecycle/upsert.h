/* Rows of text into data sets, the whole way: what `etl`, `data process`, `data merge` and `data
 * upsert` are made of. A delivery has one input and one or two data sets (sides); each step leaves
 * the data sets as they are until commit.
 *
 *   open    the input is there, the rules fit, every side is locked, files taken before are known
 *   read    each row goes to the pile of its side, or is counted with one reason
 *   write   piles are sorted and merged with the old rows into staged generations
 *   commit  links are swapped
 *
 * rows_read = rows written + malformed + null + out of range + duplicate, always: checked. */
#ifndef QN_LIFECYCLE_UPSERT_H
#define QN_LIFECYCLE_UPSERT_H

#include "base/context.h"
#include "data/dataset.h"
#include "data/rating_input.h"
#include "data/rating_rows.h"
#include "quern/param.h"

/* Tables: qn_rules_table (the first four fields) and qn_upsert_table. "auto" is what the data set
 * does already, for a new one the default. */
typedef struct qn_rules_options {
    int32_t on_duplicate;    /* 0 auto, else 1 + qn_on_duplicate_rows */
    int32_t partition_by;    /* 0 auto, else 1 + qn_partition_by */
    size_t target_file_size; /* 0: auto; new ones 256m */
    int32_t compression;     /* 0 auto, else 1 + place in QN_CODEC_CHOICES */
} qn_rules_options;
#define QN_CODEC_CHOICES "snappy|zstd|uncompressed"
extern const qn_params qn_rules_table;

typedef struct qn_upsert_options {
    const char *rejects; /* file; NULL: none */
    bool overwrite;      /* of the rejects file */
    int64_t max_bad_rows;
    bool dry_run;
} qn_upsert_options;
extern const qn_params qn_upsert_table;

/* Reads `--extra-write-options-json` into the rules. QN_EINVAL: no object, an unknown key with the
 * nearest one, or a compression that --compression contradicts. NULL text is fine. */
qn_status qn_rules_json(qn_context *ctx, const char *text, qn_rules_options *rules);
/* Sets the rules of `next` for a new data set of `kind`; for one that is there checks that those
 * given are its own: QN_EINVAL names `data compact`. */
qn_status qn_rules_apply(qn_context *ctx, const qn_rules_options *rules, const char *path,
                         qn_dataset_kind kind, bool has_dates, qn_dataset_manifest *next);
/* Sets the rules that were given. */
void qn_rules_set(const qn_rules_options *rules, qn_dataset_manifest *manifest);
const char *qn_on_duplicate_name(int32_t on_duplicate);
const char *qn_partition_by_name(int32_t partition_by);

/* One data set of a delivery, and what became of it. */
typedef struct qn_upsert_side {
    const char *path; /* borrowed */
    const char *name; /* "train", "test"; NULL: the only one */
    qn_rules_options rules;

    bool skipped;                         /* no data set and no rows for it: nothing is made */
    bool is_new, adopted;                 /* it was not there; it was a plain folder */
    int64_t generation;                   /* that was made; 0: none */
    int64_t rows;                         /* given to it */
    int64_t rows_written, rows_duplicate; /* of `rows` */
    int64_t rows_replaced;                /* old ones that lost to new ones */
    int64_t rows_unusable;                /* old ones of a plain folder that lack a value */
    int64_t rows_before, rows_after;
    int64_t parts_written, files_written, files_linked;
} qn_upsert_side;

typedef struct qn_upsert_result {
    qn_rating_input_counts input;
    int64_t rows_written, rows_duplicate; /* of all sides */
    int64_t files_taken, files_known;     /* of the input: taken now, taken before */
    double read_s, write_s, commit_s;
    int64_t bytes_spilled;
} qn_upsert_result;

/* Side of a row, 0 or 1. */
typedef int32_t qn_upsert_choose(const void *arg, const qn_rating_row *row);

typedef struct qn_delivery_spec {
    const char *command; /* "data upsert", for the history */
    const qn_rating_input_options *input;
    const qn_upsert_options *options;
    qn_upsert_choose *choose; /* NULL: all rows go to side 0 */
    const void *choose_arg;
    const char *note;      /* of each side's ledger: "ratio 0.8, seed 42"; NULL: none */
    bool rating_is_double; /* of new data sets, whatever the input looks like */
} qn_delivery_spec;

typedef struct qn_delivery qn_delivery;

/* `side` [n_sides] is borrowed until close and filled in. QN_EBUSY, QN_EINVAL, QN_ENOTFOUND,
 * QN_EDATA. Nothing is left on failure. */
qn_status qn_delivery_open(qn_context *ctx, const qn_delivery_spec *spec, qn_upsert_side *side,
                           int32_t n_sides, qn_delivery **delivery);
/* `rejects` may be NULL. QN_EDATA: more bad rows than allowed, or no row that could be used. */
qn_status qn_delivery_read(qn_delivery *delivery, qn_rejects_file *rejects);
/* Also puts the rejects of this input into the file. */
qn_status qn_delivery_write(qn_delivery *delivery);
/* Nothing for a dry run. */
qn_status qn_delivery_commit(qn_delivery *delivery);
void qn_delivery_result(const qn_delivery *delivery, qn_upsert_result *result);
void qn_delivery_close(qn_delivery *delivery); /* NULL is fine */

/* All deliveries of one command: read and written one behind the other, then committed, then the
 * rejects file appears. */
qn_status qn_deliveries_run(qn_context *ctx, const qn_span *job, qn_delivery *const *delivery,
                            int32_t n, const qn_upsert_options *options);

/* QN_EINVAL when two paths are the same place or one lies in the other, links followed; `a_name`
 * and `b_name` ("--train") are what they are called. */
qn_status qn_paths_apart(qn_context *ctx, const char *a_name, const char *a, const char *b_name,
                         const char *b);

/* Adds one command's deliveries up. */
void qn_upsert_result_add(qn_upsert_result *sum, const qn_upsert_result *result);

/* JSON members, without brackets. */
void qn_upsert_side_json(const qn_upsert_side *side, qn_json *j);
void qn_upsert_result_json(const qn_upsert_result *result, qn_json *j);
/* The same without rows written and duplicate, which a side beside it tells. */
void qn_upsert_input_json(const qn_upsert_result *result, qn_json *j);

/* `quern data upsert` */
typedef struct qn_data_upsert_result {
    qn_upsert_side side;
    qn_upsert_result upsert;
    double total_s;
} qn_data_upsert_result;
qn_status qn_data_upsert_run(qn_context *ctx, const char *into,
                             const qn_rating_input_options *input, const qn_rules_options *rules,
                             const qn_upsert_options *options, qn_data_upsert_result *result);

#endif
