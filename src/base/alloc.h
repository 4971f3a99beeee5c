/* Memory under the context's budget. Blocks are 64-byte aligned; large ones are mapped apart, so
 * that freeing them gives the memory back at once. A block knows its budget: freeing needs no
 * context. */
#ifndef QN_BASE_ALLOC_H
#define QN_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quern/context.h"

#define QN_NEVER INT64_MAX

typedef struct qn_budget qn_budget;

qn_budget *qn_budget_create(size_t limit);
/* Drops the context's hold; the budget goes when its last block does. */
void qn_budget_release(qn_budget *budget);
size_t qn_budget_limit(const qn_budget *budget);
/* Another limit, before work has begun: no other thread uses the budget. */
void qn_budget_set_limit(qn_budget *budget, size_t limit);
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

/* Memory that can be had back. When an allocation, a growth or a charge does not fit the budget,
 * every reclaimer is asked, in the order of adding, to free `wanted` bytes or more, and the
 * allocation is tried again; once none frees anything it fails. Called by the thread that
 * allocates, from inside qn_parallel too, by several at the same time, with no lock of the
 * allocator held. It must not allocate from this context, nor take a lock under which someone
 * allocates. Failures planned by qn_alloc_fail_after do not reclaim. */
typedef struct qn_reclaim {
    size_t wanted;    /* in: bytes */
    size_t freed;     /* out: bytes; 0: nothing is left to free */
    size_t in_use;    /* out, when freed is 0: bytes that it holds and cannot free now */
    size_t spillable; /* out, when freed is 0: bytes that a scratch folder would free */
} qn_reclaim;
/* Another status than QN_OK, with its message set, ends the allocation with that status: a disk
 * that is full is told as such, not as a lack of memory. */
typedef qn_status qn_reclaimer(void *arg, qn_context *ctx, qn_reclaim *reclaim);
/* At most 4; QN_EINTERNAL beyond. */
qn_status qn_budget_add_reclaimer(qn_context *ctx, qn_reclaimer *fn, void *arg);
/* Waits for calls under way. */
void qn_budget_remove_reclaimer(qn_context *ctx, qn_reclaimer *fn, void *arg);
/* n bytes, not cleared, if they fit without reclaiming, else NULL: no message, no planned failure.
 * For work that is only worth doing where there is room. */
void *qn_alloc_if_fits(qn_context *ctx, size_t n);
/* Makes *block, which may move, one of n bytes without reclaiming: the pages stay, which costs far
 * less than giving them back and having others cleared. What it holds is lost. False, and the block
 * as it was, where its size is too far off or it is not mapped apart. */
bool qn_alloc_reuse(void **block, size_t n);

/* The pages of a block that is mapped apart, for direct I/O: *bytes of them, the block starting
 * QN_ALLOC_LEAD behind the first; NULL for others. What lies before the block is the allocator's:
 * who overwrites it puts it back before doing anything else with the block. */
#define QN_ALLOC_LEAD ((size_t)64)
void *qn_alloc_pages(void *block, size_t *bytes);

/* Adds bytes that others hold (memory of a library) to the books; negative takes them off. */
qn_status qn_budget_charge(qn_context *ctx, int64_t bytes, const char *what);

#endif
