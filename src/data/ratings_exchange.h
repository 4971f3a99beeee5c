/* Records on their way to the ranks that own them, in rounds of bounded size. */
#ifndef QN_DATA_RATINGS_EXCHANGE_H
#define QN_DATA_RATINGS_EXCHANGE_H

#include "base/context.h"

typedef struct qn_exchange {
    size_t record_bytes;
    int64_t n_rounds; /* of this rank */
    int64_t capacity; /* records of a round at most; more are never held on the sending side */
    void *arg;
    /* Writes the records of a round, at most `capacity`, and the rank that each goes to. */
    qn_status (*fill)(void *arg, int64_t round, void *records, int32_t *rank, int64_t *n);
    /* Takes what has come, by sender, each sender's in its order. */
    qn_status (*receive)(void *arg, const void *records, int64_t n);
} qn_exchange;

/* A good capacity for records of this size, `least` or more: a share of what the budget leaves. */
int64_t qn_exchange_capacity(qn_context *ctx, size_t record_bytes, int64_t least);
/* Collective. */
qn_status qn_exchange_run(qn_context *ctx, const qn_exchange *exchange);

#endif
