/* The record of a rating, for the fingerprint. */
#ifndef QN_DATA_TRIPLES_RECORD_H
#define QN_DATA_TRIPLES_RECORD_H

#include "data/triples.h"

/* Sum mod 2^64 of XXH3 of the records of a block: keys of user and item and the bits of the rating,
 * 8 bytes each. */
uint64_t qn_records_hash(const qn_triples *t, const qn_triples_view *view);

#endif
