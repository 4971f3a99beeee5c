/* Records on their way to the ranks that own them, in rounds of bounded size. */
#ifndef QN_DATA_RATINGS_EXCHANGE_H
#define QN_DATA_RATINGS_EXCHANGE_H

#include "base/context.h"

/* Records of a round; more are never held at once on the sending side. */
#define QN_ROUND_RECORDS ((int64_t)1 << 20)

typedef struct qn_exchange {
    size_t record_bytes;
    int64_t n_rounds; /* of this rank */
    void *arg;
    /* Writes the records of a round, at most QN_ROUND_RECORDS, and the rank that each goes to. */
    qn_status (*fill)(void *arg, int64_t round, void *records, int32_t *rank, int64_t *n);
    /* Takes what has come, by sender, each sender's in its order. */
    qn_status (*receive)(void *arg, const void *records, int64_t n);
} qn_exchange;

/* Collective. */
qn_status qn_exchange_run(qn_context *ctx, const qn_exchange *exchange);

#endif
