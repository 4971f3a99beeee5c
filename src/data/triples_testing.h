/* What tests of triples share: all rows side by side. */
#ifndef QN_DATA_TRIPLES_TESTING_H
#define QN_DATA_TRIPLES_TESTING_H

#include "check.h"
#include "data/triples.h"

#define FLAT_ROWS 10000

/* Rows of small triples, in their order. */
typedef struct flat_rows {
    int64_t n;
    uint32_t user[FLAT_ROWS], item[FLAT_ROWS];
    float value[FLAT_ROWS];
    int64_t time[FLAT_ROWS];
} flat_rows;

static inline qn_status flat_add(void *arg, const qn_triples_view *view, int64_t block,
                                 int32_t thread)
{
    flat_rows *flat = arg;

    (void)block;
    (void)thread;
    CHECK_EQ(flat->n, view->first);
    for (int64_t i = 0; i < view->n && flat->n < FLAT_ROWS; i++, flat->n++) {
        flat->user[flat->n] = view->user[i];
        flat->item[flat->n] = view->item[i];
        flat->value[flat->n] = view->value[i];
        flat->time[flat->n] = view->time ? view->time[i] : 0;
    }
    return QN_OK;
}

/* At most FLAT_ROWS of them. */
static inline void flatten(qn_context *ctx, const qn_triples *t, flat_rows *flat)
{
    flat->n = 0;
    CHECK_OK(ctx, qn_triples_each_in_order(ctx, t, flat_add, flat));
    CHECK_EQ(flat->n, t->n);
}

#endif
