/* The inside of a rejects file, between collecting and writing. */
#ifndef QN_DATA_REJECTS_FILE_IMPL_H
#define QN_DATA_REJECTS_FILE_IMPL_H

#include <pthread.h>

#include "data/rating_input_impl.h"

/* What a reader told; its text follows, `length` bytes. */
typedef struct reject_told {
    int64_t offset, line; /* as in qn_record_place */
    uint32_t length;
    uint8_t reason; /* qn_drop_reason */
    bool is_cut;    /* the row is longer than its text here */
} reject_told;

/* Some of what was told of one split, in order. */
typedef struct reject_piece {
    int64_t split, number; /* number: as they came, so a split's pieces are in order */
    char *bytes;           /* NULL: in scratch at `offset` */
    int64_t offset;
    size_t n;
} reject_piece;

/* A row that was delivered and lost later. */
typedef struct reject_lost {
    qn_rating_row row;
    int64_t reason; /* qn_drop_reason */
} reject_lost;

/* Sorted by origin, in scratch. */
typedef struct reject_lost_run {
    int64_t offset, n;
} reject_lost_run;

struct qn_rejects_file {
    qn_context *ctx;
    struct qn_out_file *out;
    char *folder; /* where scratch goes when the context has no folder for it */
    size_t memory;
    pthread_mutex_t lock; /* guards what follows */
    reject_piece *piece;
    int64_t n_pieces, piece_capacity;
    size_t piece_bytes; /* in memory */
    reject_lost *lost;  /* not sorted */
    int64_t n_lost, lost_capacity;
    reject_lost_run *lost_run;
    int64_t n_lost_runs, lost_run_capacity;
    int scratch; /* unnamed file, -1: none yet */
    int64_t scratch_bytes;
};

int qn_reject_lost_compare(const void *a, const void *b);
/* Bytes of the scratch file. */
qn_status qn_rejects_file_load(qn_rejects_file *rejects, int64_t offset, void *bytes, size_t n);
/* Forgets everything told so far. */
void qn_rejects_file_clear(qn_rejects_file *rejects);

#endif
