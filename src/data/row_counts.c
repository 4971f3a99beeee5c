#include "data/row_counts.h"

#include "base/alloc.h"
#include "base/pool.h"
#include "data/triples_blocks.h"
#include "engine/comm.h"

qn_status qn_row_counts_init(qn_context *ctx, int64_t n_rows, qn_row_counts *counts)
{
    const size_t bytes = (size_t)(n_rows + 1) * sizeof(uint32_t);
    const size_t fit = qn_ratings_room(ctx) / 8 / bytes;
    const int32_t threads = qn_context_threads(ctx);
    qn_status st = QN_OK;

    *counts = (qn_row_counts){.n_rows = n_rows};
    counts->n_tables = fit < 1 ? 1 : fit < (size_t)threads ? (int32_t)fit : threads;
    QN_NEW0(ctx, counts->table, counts->n_tables, "degrees");
    QN_NEW(ctx, counts->lock, counts->n_tables, "degrees");
    for (int32_t t = 0; t < counts->n_tables; t++)
        pthread_mutex_init(&counts->lock[t], NULL);
done:
    return st;
}

void qn_row_counts_release(qn_row_counts *counts)
{
    for (int32_t t = 0; t < counts->n_tables; t++) {
        if (counts->table)
            qn_free(counts->table[t]);
        if (counts->lock)
            pthread_mutex_destroy(&counts->lock[t]);
    }
    qn_free(counts->table);
    qn_free(counts->lock);
    *counts = (qn_row_counts){0};
}

qn_status qn_row_counts_add(qn_context *ctx, qn_row_counts *counts, int32_t thread,
                            const uint32_t *rows, int64_t n)
{
    const int32_t t = thread % counts->n_tables;
    qn_status st = QN_OK;

    pthread_mutex_lock(&counts->lock[t]);
    if (!counts->table[t])
        QN_NEW0(ctx, counts->table[t], counts->n_rows, "degrees");
    for (int64_t i = 0; i < n; i++)
        counts->table[t][rows[i]]++;
done:
    pthread_mutex_unlock(&counts->lock[t]);
    return st;
}

qn_status qn_row_counts_finish(qn_context *ctx, qn_row_counts *counts, uint32_t *degree)
{
    qn_status st = QN_OK;
    int64_t *sum = NULL;

    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&sum, counts->n_rows, sizeof *sum, "degrees"));
    for (int32_t t = 0; t < counts->n_tables; t++) {
        for (int64_t r = 0; counts->table[t] && r < counts->n_rows; r++)
            sum[r] += counts->table[t][r];
        qn_free(counts->table[t]);
        counts->table[t] = NULL;
    }
    QN_TRY(qn_comm_sum_int64(ctx, sum, counts->n_rows));
    for (int64_t r = 0; r < counts->n_rows; r++) {
        if (sum[r] > UINT32_MAX)
            QN_TRY(qn_fail(ctx, QN_EDATA, "more than 4 billion ratings of one id"));
        degree[r] = (uint32_t)sum[r];
    }
done:
    qn_free(sum);
    return st;
}
