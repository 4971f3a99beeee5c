/* What a fit has loaded outlives its process where it lies on the scratch disk: a next start of the
 * run takes it over in place of reading and arranging its input again. */
#ifndef QN_LIFECYCLE_FIT_ALS_KEPT_H
#define QN_LIFECYCLE_FIT_ALS_KEPT_H

#include "data/triples.h"
#include "lifecycle/fit_als.h"

typedef struct qn_fit_als_data {
    qn_ratings *ratings;
    qn_triples *test;     /* NULL: nothing to judge on */
    int64_t test_records; /* of all ranks */
} qn_fit_als_data;

/* Fills *data, if all ranks find what they have kept under these options and files, as those were
 * when they were read; *found otherwise false. Emits count load_bytes_kept where a run could keep
 * data: bytes of blocks taken over, of all ranks. Collective. */
qn_status qn_fit_als_take_kept(qn_context *ctx, const qn_fit_als_options *options,
                               const qn_ratings_options *input, qn_fit_als_data *data, bool *found);
/* Keeps *data, where the run can be taken up again and some of it has been spilled. A disk that is
 * full is no error, but a warning. Collective. */
qn_status qn_fit_als_keep(qn_context *ctx, const qn_fit_als_options *options,
                          const qn_ratings_options *input, qn_fit_als_data *data);

#endif
