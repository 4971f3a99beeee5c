/* The inside of a delivery: upsert_open.c opens and closes, upsert.c does the rest. */
#ifndef QN_LIFECYCLE_UPSERT_IMPL_H
#define QN_LIFECYCLE_UPSERT_IMPL_H

#include <stdatomic.h>

#include "lifecycle/upsert.h"

#define QN_KEPT_GENERATIONS 2
#define QN_TAKEN_NAME       1024

typedef struct qn_delivery_side {
    qn_delivery *delivery;
    qn_dataset_writer writer;
    bool is_open, is_staged, is_committed;
    bool known;         /* has taken the input before, when the other side has not */
    qn_row_pile *pile;  /* between reading and writing */
    int64_t first_file; /* of its old files among those of all sides */
    char *made;         /* first folder that was made on the way to the data set; NULL: none */
    atomic_llong known_rows, dropped_new, dropped_old;
} qn_delivery_side;

struct qn_delivery {
    qn_context *ctx;
    qn_delivery_spec spec; /* borrowed texts */
    const qn_upsert_options *options;
    qn_upsert_side *side; /* [n_sides], the caller's */
    int32_t n_sides;
    qn_delivery_side state[2];
    qn_rating_input_options input_options; /* with the files that are read, `path` */
    const char **path;                     /* [n_taken + inputs] borrowed */
    qn_rating_input *input;
    qn_dataset_taken *taken; /* [n_taken] files and data sets of the input */
    int64_t n_taken;
    bool *is_fresh;           /* [n_taken] not taken before by every side */
    bool nothing;             /* no file is fresh */
    qn_rejects_file *rejects; /* borrowed; NULL: none */
    qn_rating_input_counts counts;
    int64_t bytes_spilled;
    double read_s, write_s, commit_s;
};

/* Entry `t` of the input in the ledger of side `i`: its digest is that of the file and the side's
 * name, as a side takes its share only. `name` is where entry->name points to. */
void qn_delivery_entry(const qn_delivery *delivery, int32_t i, int64_t t, qn_dataset_taken *entry,
                       char name[QN_TAKEN_NAME]);
/* A plain folder keeps the names of its columns: they go to `next`. QN_EINVAL: it holds other
 * things than Parquet, so it is somebody's folder. */
qn_status qn_upsert_look_at_plain(qn_context *ctx, qn_dataset_writer *writer);
bool qn_delivery_any_committed(qn_delivery *const *delivery, int32_t n);

#endif
