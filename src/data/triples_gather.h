/* Rows of a user brought together, whatever rank and block they lie in. */
#ifndef QN_DATA_TRIPLES_GATHER_H
#define QN_DATA_TRIPLES_GATHER_H

#include "data/triples.h"

/* A row on its way. */
typedef struct qn_full_row {
    int64_t time;
    uint32_t user, item;
    float value;
    uint32_t pad;
} qn_full_row;

typedef struct qn_gather {
    const qn_triples *from;
    const int32_t *owner; /* [users] rank of each; NULL: even runs of users */
    bool consume;         /* the blocks of `from` go on the way */
    /* All rows of a user, ordered by (item, rating, time), to be changed in place; returns how many
     * stay. Any thread, one a user. NULL: all stay. */
    int64_t (*user)(void *arg, qn_full_row *row, int64_t n);
    void *arg;
} qn_gather;

/* Rows of the users that this rank owns, users ascending, each in one block; without dictionaries.
 * Collective. */
qn_status qn_triples_gather(qn_context *ctx, const qn_gather *gather, qn_triples **out);

#endif
