/* Ratings that outlive their process: see engine/kept.h. */
#ifndef QN_DATA_RATINGS_KEPT_H
#define QN_DATA_RATINGS_KEPT_H

#include "data/triples.h"
#include "engine/kept.h"

/* Writes *ratings into the book, or makes them from it. Not collective. */
qn_status qn_ratings_kept(qn_kept *book, qn_ratings **ratings);
/* The same of triples, which may be NULL. */
qn_status qn_triples_kept(qn_kept *book, qn_triples **triples);

#endif
