#include "base/alloc.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/context.h"
#include "base/text.h"

#define HEADER_BYTES QN_ALLOC_LEAD
#define PAGE_BYTES   ((size_t)4096)
#define HUGE_PAGE    ((size_t)2 << 20)
#define HUGE_FROM    ((size_t)4 << 20)

/* Blocks of this size and more are mapped apart: in the heap, holes between others keep what is
 * freed, and the process then holds far more than the books say. AddressSanitizer sees only the
 * heap, and ThreadSanitizer no mremap: it takes who gets the place of a block that has moved for
 * one that races with it. So there all blocks come from the heap. */
#if defined(__has_feature) /* clang */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* gcc */
#define MAP_FROM SIZE_MAX
#else
#define MAP_FROM ((size_t)128 << 10)
#endif

#define MAX_RECLAIMERS 4
#define REUSE_WASTE    32 /* of a block that is used again, the part that may lie idle */

/* Who can give memory back. `running` calls keep the place until they are over. */
typedef struct reclaimer {
    qn_reclaimer *fn; /* NULL: free */
    void *arg;
    int64_t running;
    bool is_leaving;
} reclaimer;

struct qn_budget {
    size_t limit;
    atomic_size_t used, peak;
    atomic_int_fast64_t live;      /* blocks */
    atomic_int_fast64_t live_base; /* of them, those that the context itself holds */
    atomic_int_fast64_t holds;     /* the context and every block: the last one frees the budget */
    atomic_int_fast64_t allowed;   /* allocations before the planned failure; QN_NEVER: none */
    pthread_mutex_t lock;          /* guards the reclaimers, which are called without it */
    pthread_cond_t left;           /* a call of a reclaimer is over */
    reclaimer reclaimer[MAX_RECLAIMERS];
};

/* Lies before each block. */
typedef struct header {
    qn_budget *budget;
    size_t size;     /* what the caller asked for */
    size_t capacity; /* bytes held, header and rounding included: what the budget counts */
    bool is_mapped;
} header;

_Static_assert(sizeof(header) <= HEADER_BYTES, "the header must not break the alignment");

qn_budget *qn_budget_create(size_t limit)
{
    qn_budget *budget = calloc(1, sizeof *budget);

    if (!budget)
        return NULL;
    budget->limit = limit;
    atomic_init(&budget->holds, 1);
    atomic_init(&budget->allowed, QN_NEVER);
    pthread_mutex_init(&budget->lock, NULL);
    pthread_cond_init(&budget->left, NULL);
    return budget;
}

void qn_budget_release(qn_budget *budget)
{
    if (!budget || atomic_fetch_sub_explicit(&budget->holds, 1, memory_order_acq_rel) != 1)
        return;
    pthread_cond_destroy(&budget->left);
    pthread_mutex_destroy(&budget->lock);
    free(budget);
}

size_t qn_budget_limit(const qn_budget *budget)
{
    return budget->limit;
}

void qn_budget_set_limit(qn_budget *budget, size_t limit)
{
    budget->limit = limit;
}

size_t qn_budget_used(const qn_budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed);
}

size_t qn_budget_peak(const qn_budget *budget)
{
    return atomic_load_explicit(&budget->peak, memory_order_relaxed);
}

void qn_budget_settle(qn_budget *budget)
{
    atomic_store(&budget->live_base, atomic_load(&budget->live));
}

static bool budget_take(qn_budget *budget, size_t bytes)
{
    size_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    size_t peak = atomic_load_explicit(&budget->peak, memory_order_relaxed);

    do {
        if (used > budget->limit || bytes > budget->limit - used)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    used += bytes;
    while (peak < used &&
           !atomic_compare_exchange_weak_explicit(&budget->peak, &peak, used, memory_order_relaxed,
                                                  memory_order_relaxed))
        ;
    return true;
}

static void budget_give(qn_budget *budget, size_t bytes)
{
    atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
}

/* False when a test has planned this allocation to fail. */
static bool budget_allows(qn_budget *budget)
{
    if (atomic_load_explicit(&budget->allowed, memory_order_relaxed) == QN_NEVER)
        return true;
    return atomic_fetch_sub(&budget->allowed, 1) > 0;
}

static qn_status fail_over_budget(qn_context *ctx, double bytes, const char *what)
{
    char need[32], held[32], limit[32];

    qn_format_bytes(bytes, need);
    qn_format_bytes((double)qn_budget_used(ctx->budget), held);
    qn_format_bytes((double)ctx->budget->limit, limit);
    return qn_fail(ctx, QN_ENOMEM,
                   "no room for %s (%s): %s of the %s budget are held: raise --memory", what, need,
                   held, limit);
}

/* Not even after all that could leave has left. */
static qn_status fail_full(qn_context *ctx, double bytes, const qn_reclaim *reclaim,
                           const char *what)
{
    char need[32], held[32], limit[32], in_use[32], spillable[32];

    if (reclaim->in_use == 0 && reclaim->spillable == 0)
        return fail_over_budget(ctx, bytes, what);
    qn_format_bytes(bytes, need);
    qn_format_bytes((double)qn_budget_used(ctx->budget), held);
    qn_format_bytes((double)ctx->budget->limit, limit);
    qn_format_bytes((double)reclaim->in_use, in_use);
    qn_format_bytes((double)reclaim->spillable, spillable);
    if (reclaim->spillable > 0)
        return qn_fail(
            ctx, QN_ENOMEM,
            "no room for %s (%s): %s of the %s budget are held, of which %s could go to disk: "
            "give a folder on a disk with --scratch, or raise --memory",
            what, need, held, limit, spillable);
    return qn_fail(
        ctx, QN_ENOMEM,
        "no room for %s (%s): %s of the %s budget are held, of which %s are blocks of data in "
        "use, which cannot go to disk now: raise --memory",
        what, need, held, limit, in_use);
}

static qn_status fail_no_memory(qn_context *ctx, size_t bytes, const char *what)
{
    char need[32], held[32];

    qn_format_bytes((double)bytes, need);
    qn_format_bytes((double)qn_budget_used(ctx->budget), held);
    return qn_fail(
        ctx, QN_ENOMEM,
        "no room for %s (%s): the system does not give it (%s are held here): lower --memory "
        "or free memory on this machine",
        what, need, held);
}

qn_status qn_budget_add_reclaimer(qn_context *ctx, qn_reclaimer *fn, void *arg)
{
    qn_budget *budget = ctx->budget;
    bool added = false;

    pthread_mutex_lock(&budget->lock);
    for (int i = 0; i < MAX_RECLAIMERS && !added; i++) {
        if (budget->reclaimer[i].fn)
            continue;
        budget->reclaimer[i] = (reclaimer){.fn = fn, .arg = arg};
        added = true;
    }
    pthread_mutex_unlock(&budget->lock);
    return added ? QN_OK
                 : qn_fail(ctx, QN_EINTERNAL, "more than %d reclaimers of memory", MAX_RECLAIMERS);
}

void qn_budget_remove_reclaimer(qn_context *ctx, qn_reclaimer *fn, void *arg)
{
    qn_budget *budget = ctx->budget;

    pthread_mutex_lock(&budget->lock);
    for (int i = 0; i < MAX_RECLAIMERS; i++) {
        reclaimer *r = &budget->reclaimer[i];

        if (r->fn != fn || r->arg != arg)
            continue;
        r->is_leaving = true;
        while (r->running > 0)
            pthread_cond_wait(&budget->left, &budget->lock);
        *r = (reclaimer){0};
    }
    pthread_mutex_unlock(&budget->lock);
}

/* Asks one after the other until `wanted` bytes are free; sums what they say. */
static qn_status reclaim_memory(qn_context *ctx, qn_budget *budget, size_t wanted, qn_reclaim *sum)
{
    qn_status st = QN_OK;

    *sum = (qn_reclaim){.wanted = wanted};
    pthread_mutex_lock(&budget->lock);
    for (int i = 0; i < MAX_RECLAIMERS && st == QN_OK && sum->freed < wanted; i++) {
        reclaimer *r = &budget->reclaimer[i];
        qn_reclaim one = {.wanted = wanted - sum->freed};

        if (!r->fn || r->is_leaving)
            continue;
        r->running++;
        pthread_mutex_unlock(&budget->lock);
        st = r->fn(r->arg, ctx, &one);
        pthread_mutex_lock(&budget->lock);
        r->running--;
        pthread_cond_broadcast(&budget->left);
        sum->freed += one.freed;
        sum->in_use += one.in_use;
        sum->spillable += one.spillable;
    }
    pthread_mutex_unlock(&budget->lock);
    return st;
}

/* Takes `bytes` from the budget, for something of `shown` bytes. What was freed may be taken by
 * other threads first: goes on as long as anything is freed. */
static qn_status take_or_reclaim(qn_context *ctx, qn_budget *budget, size_t bytes, double shown,
                                 const char *what)
{
    qn_reclaim reclaim = {0};
    qn_status st = QN_OK;

    while (!budget_take(budget, bytes)) {
        const size_t used = qn_budget_used(budget);
        const size_t room = used < budget->limit ? budget->limit - used : 0;

        if (bytes > budget->limit)
            return fail_over_budget(ctx, shown, what);
        if (bytes <= room)
            continue;
        QN_TRY(reclaim_memory(ctx, budget, bytes - room, &reclaim));
        if (reclaim.freed == 0 && !budget_take(budget, bytes))
            return fail_full(ctx, shown, &reclaim, what);
        if (reclaim.freed == 0)
            break;
    }
done:
    return st;
}

/* Bytes to hold for n * size bytes; false if that is no number. */
static bool capacity_of(int64_t n, size_t size, size_t *bytes, size_t *capacity)
{
    if (n < 0 || __builtin_mul_overflow((size_t)n, size, bytes) || *bytes > SIZE_MAX / 4)
        return false;
    *capacity = *bytes + HEADER_BYTES;
    if (*capacity >= MAP_FROM)
        *capacity = (*capacity + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    else
        *capacity = (*capacity + HEADER_BYTES - 1) & ~(HEADER_BYTES - 1);
    return true;
}

/* Mapped memory is cleared. Large maps start at a huge page, so that all of it can lie in huge
 * ones: fewer TLB misses in the random reads of factor rows. */
static void *map_pages(size_t capacity)
{
    const size_t slack = capacity >= HUGE_FROM ? HUGE_PAGE : 0;
    char *start =
        mmap(NULL, capacity + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t before;

    if (start == MAP_FAILED)
        return NULL;
    if (slack == 0)
        return start;
    before = (HUGE_PAGE - ((uintptr_t)start & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1);
    if (before > 0)
        munmap(start, before);
    if (before < slack)
        munmap(start + before + capacity, slack - before);
    madvise(start + before, capacity, MADV_HUGEPAGE);
    return start + before;
}

static header *header_of(void *block)
{
    return (header *)(void *)((char *)block - HEADER_BYTES);
}

/* A block whose bytes the budget has already counted, or NULL. */
static void *block_create(qn_budget *budget, size_t bytes, size_t capacity)
{
    header *h = capacity >= MAP_FROM ? map_pages(capacity) : NULL;
    const bool is_mapped = h != NULL;

    if (!h) /* small, or the kernel has no more maps to give */
        h = aligned_alloc(HEADER_BYTES, capacity);
    if (!h)
        return NULL;
    *h = (header){.budget = budget, .size = bytes, .capacity = capacity, .is_mapped = is_mapped};
    atomic_fetch_add_explicit(&budget->live, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&budget->holds, 1, memory_order_relaxed);
    return (char *)h + HEADER_BYTES;
}

static qn_status block_alloc(qn_context *ctx, void **out, int64_t n, size_t size, const char *what)
{
    size_t bytes = 0, capacity = 0;
    qn_status st;

    *out = NULL;
    if (!capacity_of(n, size, &bytes, &capacity))
        return fail_over_budget(ctx, (double)n * (double)size, what);
    if (!budget_allows(ctx->budget))
        return fail_over_budget(ctx, (double)bytes, what);
    st = take_or_reclaim(ctx, ctx->budget, capacity, (double)bytes, what);
    if (st != QN_OK)
        return st;
    *out = block_create(ctx->budget, bytes, capacity);
    if (!*out) {
        budget_give(ctx->budget, capacity);
        return fail_no_memory(ctx, bytes, what);
    }
    return QN_OK;
}

qn_status qn_alloc_array(qn_context *ctx, void **out, int64_t n, size_t size, const char *what)
{
    return block_alloc(ctx, out, n, size, what);
}

void *qn_alloc_if_fits(qn_context *ctx, size_t n)
{
    size_t bytes, capacity;
    void *made;

    if (n > INT64_MAX || !capacity_of((int64_t)n, 1, &bytes, &capacity) ||
        !budget_take(ctx->budget, capacity))
        return NULL;
    made = block_create(ctx->budget, bytes, capacity);
    if (!made)
        budget_give(ctx->budget, capacity);
    return made;
}

qn_status qn_calloc_array(qn_context *ctx, void **out, int64_t n, size_t size, const char *what)
{
    const qn_status st = block_alloc(ctx, out, n, size, what);

    if (st == QN_OK && !header_of(*out)->is_mapped)
        memset(*out, 0, header_of(*out)->size);
    return st;
}

/* Moves page tables instead of bytes. */
static qn_status remap(qn_context *ctx, void **block, size_t bytes, size_t capacity,
                       const char *what)
{
    header *h = header_of(*block);
    qn_budget *budget = h->budget;
    const size_t old = h->capacity;

    if (capacity > old) {
        const qn_status st = take_or_reclaim(ctx, budget, capacity - old, (double)bytes, what);

        if (st != QN_OK)
            return st;
    }
    h = mremap(h, old, capacity, MREMAP_MAYMOVE);
    if (h == MAP_FAILED) {
        if (capacity > old)
            budget_give(budget, capacity - old);
        return fail_no_memory(ctx, bytes, what);
    }
    if (capacity < old)
        budget_give(budget, old - capacity);
    h->size = bytes;
    h->capacity = capacity;
    *block = (char *)h + HEADER_BYTES;
    return QN_OK;
}

qn_status qn_realloc_array(qn_context *ctx, void **block, int64_t n, size_t size, const char *what)
{
    size_t bytes = 0, capacity = 0;
    void *moved = NULL;
    qn_status st;

    if (!*block)
        return block_alloc(ctx, block, n, size, what);
    if (!capacity_of(n, size, &bytes, &capacity))
        return fail_over_budget(ctx, (double)n * (double)size, what);
    if (capacity == header_of(*block)->capacity) {
        header_of(*block)->size = bytes;
        return QN_OK;
    }
    if (header_of(*block)->is_mapped && capacity >= MAP_FROM) {
        if (!budget_allows(ctx->budget))
            return fail_over_budget(ctx, (double)bytes, what);
        return remap(ctx, block, bytes, capacity, what);
    }
    st = block_alloc(ctx, &moved, n, size, what);
    if (st != QN_OK)
        return st;
    memcpy(moved, *block, bytes < header_of(*block)->size ? bytes : header_of(*block)->size);
    qn_free(*block);
    *block = moved;
    return QN_OK;
}

bool qn_alloc_reuse(void **block, size_t n)
{
    header *h = header_of(*block);
    const size_t held = h->capacity;
    size_t bytes, capacity;

    if (!h->is_mapped || n > INT64_MAX || !capacity_of((int64_t)n, 1, &bytes, &capacity) ||
        capacity < MAP_FROM || capacity > held + held / 4 || capacity < held - held / 4)
        return false;
    if (capacity <= held && held - capacity <= held / REUSE_WASTE) {
        h->size = bytes;
        return true;
    }
    if (capacity > held && !budget_take(h->budget, capacity - held))
        return false;
    h = mremap(h, held, capacity, MREMAP_MAYMOVE);
    if (h == MAP_FAILED) {
        if (capacity > held)
            budget_give(header_of(*block)->budget, capacity - held);
        return false;
    }
    if (capacity < held)
        budget_give(h->budget, held - capacity);
    h->size = bytes;
    h->capacity = capacity;
    *block = (char *)h + HEADER_BYTES;
    return true;
}

qn_status qn_strdup(qn_context *ctx, const char *text, char **out)
{
    const size_t length = strlen(text);
    void *copy = NULL;
    const qn_status st = block_alloc(ctx, &copy, (int64_t)length + 1, 1, "texts");

    *out = copy;
    if (st == QN_OK)
        memcpy(copy, text, length + 1);
    return st;
}

void qn_free(void *block)
{
    header *h;
    qn_budget *budget;

    if (!block)
        return;
    h = header_of(block);
    budget = h->budget;
    budget_give(budget, h->capacity);
    atomic_fetch_sub_explicit(&budget->live, 1, memory_order_relaxed);
    if (h->is_mapped)
        munmap(h, h->capacity);
    else
        free(h);
    qn_budget_release(budget);
}

size_t qn_alloc_size(const void *block)
{
    return block ? ((const header *)(const void *)((const char *)block - HEADER_BYTES))->size : 0;
}

void *qn_alloc_pages(void *block, size_t *bytes)
{
    header *h = header_of(block);

    *bytes = h->is_mapped ? h->capacity : 0;
    return h->is_mapped ? h : NULL;
}

void qn_alloc_fail_after(qn_context *ctx, int64_t allowed)
{
    atomic_store(&ctx->budget->allowed, allowed);
}

int64_t qn_alloc_live(const qn_context *ctx)
{
    return atomic_load(&ctx->budget->live) - atomic_load(&ctx->budget->live_base);
}

qn_status qn_budget_charge(qn_context *ctx, int64_t bytes, const char *what)
{
    if (bytes < 0) {
        budget_give(ctx->budget, (size_t)-bytes);
        return QN_OK;
    }
    if (!budget_allows(ctx->budget))
        return fail_over_budget(ctx, (double)bytes, what);
    return take_or_reclaim(ctx, ctx->budget, (size_t)bytes, (double)bytes, what);
}
