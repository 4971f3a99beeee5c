/* Merging of rows that rate one item by one user: rows of a user meet on one rank, in order. */
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/triples_gather.h"
#include "engine/comm.h"

typedef struct merge_job {
    qn_on_duplicate rule;
    atomic_int_fast64_t merged;
    atomic_uint_fast64_t first_pair; /* least (user, item) that occurs twice */
} merge_job;

/* Is row a the one to keep rather than row b? */
static bool is_better(qn_on_duplicate rule, const qn_full_row *a, const qn_full_row *b)
{
    if (rule == QN_DUPLICATE_LATEST && a->time != b->time)
        return a->time > b->time;
    if (rule != QN_DUPLICATE_MEAN && a->value != b->value)
        return a->value > b->value;
    return a->time > b->time;
}

/* What stays of rows of one item. They come with ratings ascending, so the mean does not depend on
 * the order of rows. */
static qn_full_row merge_group(qn_on_duplicate rule, const qn_full_row *row, int64_t n)
{
    qn_full_row best = row[0];
    double sum = (double)row[0].value;

    for (int64_t i = 1; i < n; i++) {
        sum += (double)row[i].value;
        if (is_better(rule, &row[i], &best))
            best = row[i];
    }
    if (rule == QN_DUPLICATE_MEAN)
        best.value = (float)(sum / (double)n);
    return best;
}

static void note_pair(merge_job *job, uint32_t user, uint32_t item)
{
    const uint64_t pair = (uint64_t)user << 32 | item;
    uint64_t least = atomic_load(&job->first_pair);

    while (pair < least && !atomic_compare_exchange_weak(&job->first_pair, &least, pair))
        ;
}

static int64_t merge_user(void *arg, qn_full_row *row, int64_t n)
{
    merge_job *job = arg;
    int64_t stay = 0;

    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && row[end].item == row[i].item;)
            end++;
        if (end - i > 1)
            note_pair(job, row[i].user, row[i].item);
        row[stay++] = end - i > 1 ? merge_group(job->rule, row + i, end - i) : row[i];
    }
    if (stay < n)
        atomic_fetch_add(&job->merged, n - stay);
    return stay;
}

static qn_status fail_pair(qn_context *ctx, const merge_job *job, const qn_triples *t)
{
    const uint64_t pair = job->first_pair;
    char user[128], item[128];

    if (job->rule != QN_DUPLICATE_FAIL || pair == UINT64_MAX)
        return QN_OK;
    qn_ids_format(&t->users, (int64_t)(pair >> 32), user, sizeof user);
    qn_ids_format(&t->items, (int64_t)(uint32_t)pair, item, sizeof item);
    return qn_fail(ctx, QN_EDATA,
                   "user %s rates item %s more than once (%" PRId64
                   " such rows here): --on-duplicate keep, latest, max-rating or mean accepts that",
                   user, item, (int64_t)job->merged);
}

static qn_status check_times(qn_context *ctx, const qn_triples *t, qn_on_duplicate rule)
{
    if (rule != QN_DUPLICATE_LATEST || t->has_time)
        return QN_OK;
    return qn_fail(ctx, QN_EINVAL,
                   "--on-duplicate latest needs times: name their column with --timestamp-col");
}

qn_status qn_triples_merge_duplicates(qn_context *ctx, qn_triples **triples, qn_on_duplicate rule)
{
    merge_job job = {.rule = rule, .first_pair = UINT64_MAX};
    const qn_gather gather = {.from = *triples, .consume = true, .user = merge_user, .arg = &job};
    qn_status st = QN_OK;
    qn_triples *from = *triples, *merged = NULL;
    int64_t n;

    if (rule == QN_DUPLICATE_KEEP)
        return QN_OK;
    *triples = NULL;
    QN_TRY_ALL(check_times(ctx, from, rule));
    QN_TRY(qn_triples_gather(ctx, &gather, &merged));
    QN_TRY_ALL(fail_pair(ctx, &job, from));
    n = job.merged;
    QN_TRY(qn_comm_sum_int64(ctx, &n, 1));
    merged->counts.duplicates += n;
    merged->users = from->users;
    merged->items = from->items;
    from->users = from->items = (qn_ids){0};
    *triples = merged;
    merged = NULL;
done:
    qn_triples_free(from);
    qn_triples_free(merged);
    return st;
}
