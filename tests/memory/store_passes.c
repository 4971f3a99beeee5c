/* store_passes SCRATCH BUDGET-MB STORE-MB PASSES: fills a store, reads it so often on two threads
 * and prints one line: checksum of all that was read, bytes spilled and read, peak of the budget,
 * seconds of a pass. */
#include <stdio.h>
#include <stdlib.h>

#include "base/context.h"
#include "base/pool.h"
#include "engine/store.h"

#define BLOCK_BYTES ((size_t)2 << 20)

typedef struct pass {
    qn_context *ctx;
    qn_store *store;
    uint64_t *sum; /* [blocks] */
} pass;

static qn_status fill_block(void *arg, int64_t task, int32_t thread)
{
    const pass *p = arg;
    qn_status st = QN_OK;
    int64_t number;
    void *data;
    uint64_t *word;

    (void)thread;
    QN_TRY(qn_store_add_any(p->ctx, p->store, task, BLOCK_BYTES, &number, &data));
    word = data;
    for (size_t i = 0; i < BLOCK_BYTES / 8; i++)
        word[i] = ((uint64_t)task + 1) * 0x9e3779b97f4a7c15u + i * i;
    QN_TRY(qn_store_seal_block(p->ctx, p->store, number));
done:
    return st;
}

static qn_status read_block(void *arg, int64_t task, int32_t thread)
{
    const pass *p = arg;
    const void *data;
    const uint64_t *word;
    uint64_t sum = 0;
    const qn_status st = qn_store_pin(p->ctx, p->store, task, &data);

    (void)thread;
    if (st != QN_OK)
        return st;
    word = data;
    for (size_t i = 0; i < BLOCK_BYTES / 8; i++)
        sum = (sum ^ word[i]) * 0x9fb21c651e98df25u;
    p->sum[qn_store_block_partition(p->store, task)] += sum;
    qn_store_unpin(p->store, task);
    return QN_OK;
}

static qn_status run(const pass *p, int64_t n, int passes, double *seconds)
{
    qn_status st = QN_OK;
    double start;

    QN_TRY(qn_parallel(p->ctx, n, fill_block, (void *)p));
    start = qn_seconds();
    for (int i = 0; i < passes; i++) {
        QN_TRY(qn_store_read_ahead(p->ctx, p->store, NULL, -1));
        QN_TRY(qn_parallel(p->ctx, n, read_block, (void *)p));
    }
    *seconds = (qn_seconds() - start) / passes;
done:
    return st;
}

int main(int argc, char **argv)
{
    qn_context_options options = {.threads = 2};
    pass p = {0};
    uint64_t sum = 0;
    double seconds = 0;
    qn_store_stats stats;
    qn_status st;
    int64_t n;

    if (argc != 5)
        return 2;
    options.scratch_dir = argv[1];
    options.memory = (size_t)atoll(argv[2]) << 20;
    n = atoll(argv[3]) / (int64_t)(BLOCK_BYTES >> 20);
    p.sum = calloc((size_t)n, sizeof *p.sum);
    if (!p.sum || qn_context_create(&options, &p.ctx) != QN_OK)
        return 1;
    st = qn_store_create(p.ctx, "passes", &p.store);
    if (st == QN_OK)
        st = run(&p, n, atoi(argv[4]), &seconds);
    if (st != QN_OK) {
        fprintf(stderr, "%s\n", qn_context_error(p.ctx));
        return 1;
    }
    stats = qn_store_get_stats(p.store);
    for (int64_t i = 0; i < n; i++)
        sum = sum * 31 + p.sum[i];
    printf("sum=%llx spilled=%zu read=%zu peak=%zu seconds=%.3f waits=%lld ahead=%lld\n",
           (unsigned long long)sum, stats.bytes_spilled, stats.bytes_read, qn_context_peak(p.ctx),
           seconds, (long long)stats.waits, (long long)stats.blocks_ahead);
    qn_store_free(p.store);
    qn_context_free(p.ctx);
    free(p.sum);
    return 0;
}
