/* What the event stream tells of ratings. */
#ifndef QN_DATA_RATINGS_EVENTS_H
#define QN_DATA_RATINGS_EVENTS_H

#include "quern/ratings.h"

/* Where the partitions of both orientations lie: data sets "ratings by user", "ratings by item". */
qn_status qn_ratings_emit_storage(qn_context *ctx, const qn_ratings *ratings);

#endif
