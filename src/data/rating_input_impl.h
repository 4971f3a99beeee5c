/* What reading rating input and writing its rejects file share. */
#ifndef QN_DATA_RATING_INPUT_IMPL_H
#define QN_DATA_RATING_INPUT_IMPL_H

#include "base/context.h"
#include "data/rating_input.h"
#include "data/source_files.h"
#include "data/source_impl.h"
#include "data/triples_columns.h"

/* Floats hold every whole number and every half up to this size. */
#define QN_RATING_SIZE 16777216.0

/* An input that is a data set of ours: its files are those of one generation, and its digest is
 * that of their digests. */
typedef struct qn_rating_data_set {
    qn_dataset_taken taken; /* name owned */
    int64_t before_file;    /* place among the other files */
} qn_rating_data_set;

struct qn_rating_input {
    qn_source *source;
    qn_rating_columns columns; /* user, item, rating, time */
    qn_file_list files;        /* as they were found when opened; without those of data sets */
    qn_rating_data_set *data_set;
    int64_t n_data_sets;
    int64_t n_files; /* with those of data sets */
    int64_t *lines;  /* [n_splits] lines of each split, once it was read for a rejects file */
    bool is_double;
};

void qn_rating_input_digest_manifest(const qn_dataset_manifest *manifest, char digest[33]);

/* ---- from readers into the rejects file ---- */

/* Rejects of the split that one thread reads, on their way. Start with {0}. */
typedef struct qn_reject_run {
    struct qn_rejects_file *rejects;
    int64_t split;
    char *bytes;
    size_t used, capacity;
    qn_status status;
} qn_reject_run;

/* As qn_on_reject. A failure is kept in run->status. */
void qn_reject_run_tell(void *arg, qn_reject_kind kind, int32_t column,
                        const qn_record_place *place);
/* Hands what was told of the split over; the run can be used for the next one. */
qn_status qn_reject_run_end(qn_reject_run *run);
void qn_reject_run_release(qn_reject_run *run);

/* A row that a reader delivered but that cannot stay. Any thread. */
qn_status qn_rejects_file_lost(qn_rejects_file *rejects, qn_drop_reason reason,
                               const qn_rating_row *row);

#endif
