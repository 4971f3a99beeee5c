/* Memory under the context's budget. Blocks are 64-byte aligned; large ones are mapped apart, so
 * that freeing them gives the memory back at once. A block knows its budget: freeing needs no
 * context. */
#ifndef QN_BASE_ALLOC_H
#define QN_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "quern/context.h"

#define QN_NEVER INT64_MAX

typedef struct qn_budget qn_budget;

qn_budget *qn_budget_create(size_t limit);
/* Drops the context's hold; the budget goes when its last block does. */
void qn_budget_release(qn_budget *budget);
size_t qn_budget_limit(const qn_budget *budget);
size_t qn_budget_used(const qn_budget *budget);
size_t qn_budget_peak(const qn_budget *budget);
/* Blocks held until now belong to the context itself: qn_alloc_live does not count them. */
void qn_budget_settle(qn_budget *budget);

/* n * size bytes, not cleared. n 0 gives a block too. `what` names it in the message ("factors of 3
 * users"). QN_ENOMEM, with the bytes needed, held and allowed, if it does not fit. *out NULL then.
 */
qn_status qn_alloc_array(qn_context *ctx, void **out, int64_t n, size_t size, const char *what);
qn_status qn_calloc_array(qn_context *ctx, void **out, int64_t n, size_t size, const char *what);
/* Grows or shrinks *block (may be NULL) to n * size bytes, keeping its contents; on failure it
 * stays. */
qn_status qn_realloc_array(qn_context *ctx, void **block, int64_t n, size_t size, const char *what);
qn_status qn_strdup(qn_context *ctx, const char *text, char **out);
void qn_free(void *block); /* NULL is fine */
size_t qn_alloc_size(const void *block);

/* Typed: QN_NEW(ctx, row_sums, n, "row sums") inside a function with `st` and `done`. */
#define QN_NEW(ctx, ptr, n, what)                                                                  \
    QN_TRY(qn_alloc_array((ctx), (void **)&(ptr), (n), sizeof *(ptr), (what)))
#define QN_NEW0(ctx, ptr, n, what)                                                                 \
    QN_TRY(qn_calloc_array((ctx), (void **)&(ptr), (n), sizeof *(ptr), (what)))
#define QN_GROW(ctx, ptr, n, what)                                                                 \
    QN_TRY(qn_realloc_array((ctx), (void **)&(ptr), (n), sizeof *(ptr), (what)))

/* Tests: let `allowed` more allocations succeed, then fail each (QN_NEVER: off); blocks alive. */
void qn_alloc_fail_after(qn_context *ctx, int64_t allowed);
int64_t qn_alloc_live(const qn_context *ctx);

/* Adds bytes that others hold (memory of a library) to the books; negative takes them off. */
qn_status qn_budget_charge(qn_context *ctx, int64_t bytes, const char *what);

#endif
