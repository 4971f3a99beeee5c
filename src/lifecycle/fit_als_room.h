/* Refusals for want of memory, each as early as it can be known: from the options alone, from a
 * sample of the input before it is read, from the ids that were found before rows are sorted. What
 * als_fit allocates is checked by itself once more. */
#ifndef QN_LIFECYCLE_FIT_ALS_ROOM_H
#define QN_LIFECYCLE_FIT_ALS_ROOM_H

#include "data/triples.h"
#include "quern/als.h"

/* What any data would need. QN_ENOMEM. */
qn_status qn_fit_als_room_of_options(qn_context *ctx, const qn_als_params *als, bool saves);
/* What the input needs at least, from a sample of it. `source` is the input as it has been opened
 * to be read: a sample is taken only where it says that memory might be short, and not of pipes,
 * which are read once. Warns where the estimate does not fit but its least does. What cannot be
 * read is left to who reads it all. QN_ENOMEM. */
qn_status qn_fit_als_room_of_sample(qn_context *ctx, const qn_source *source,
                                    const qn_ratings_options *input, const qn_als_params *als,
                                    const qn_split_spec *split, bool saves);
/* What factors of the ids of `train` need, exactly. QN_ENOMEM. */
qn_status qn_fit_als_room_of_ids(qn_context *ctx, const qn_als_params *als,
                                 const qn_triples *train);

#endif
