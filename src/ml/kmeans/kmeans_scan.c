/* One way over all rows, for every step of K-means: cells over threads and ranks, chunks of rows
 * to a visitor, sums of cells through one tree. */
#include <string.h>

#include "engine/phase.h"
#include "ml/kmeans/kmeans_impl.h"

qn_status kmeans_scan_init(qn_context *ctx, const qn_matrix *data, int32_t measure, int64_t width,
                           kmeans_scan *scan)
{
    qn_status st = QN_OK;
    const int32_t d = data->n_features;

    *scan = (kmeans_scan){.ctx = ctx, .data = data, .width = width};
    scan->n_threads = qn_context_threads(ctx);
    QN_NEW0(ctx, scan->rows, scan->n_threads, "scratch of threads");
    QN_NEW0(ctx, scan->sums, scan->n_threads, "scratch of threads");
    for (int32_t t = 0; t < scan->n_threads; t++) {
        QN_TRY(kmeans_rows_init(ctx, d, measure, kmeans_chunk_rows(d), &scan->rows[t]));
        scan->rows[t].thread = t;
        QN_NEW(ctx, scan->sums[t], width, "sums of a cell");
    }
    QN_NEW0(ctx, scan->progress, data->n_partitions, "progress of partitions");
    QN_TRY(qn_tree_sum_create(ctx, data->n_cells, width, &scan->tree));
done:
    return st;
}

void kmeans_scan_release(kmeans_scan *scan)
{
    for (int32_t t = 0; t < scan->n_threads; t++) {
        if (scan->rows)
            kmeans_rows_release(&scan->rows[t]);
        if (scan->sums)
            qn_free(scan->sums[t]);
    }
    qn_free(scan->rows);
    qn_free(scan->sums);
    qn_free(scan->progress);
    qn_tree_sum_free(scan->tree);
    *scan = (kmeans_scan){0};
}

/* A run of the scan. */
typedef struct scan_run {
    kmeans_scan *scan;
    qn_phase phase;
    kmeans_visit *visit;
    void *arg;
} scan_run;

static qn_status fail_direction(const kmeans_scan *scan, int64_t row)
{
    char place[512];

    qn_matrix_place(scan->data, row, place, sizeof place);
    return qn_fail(scan->ctx, QN_EDATA,
                   "%s: Cosine distance is not defined for zero-length vectors: leave such rows "
                   "out, or use --distance-measure euclidean",
                   place);
}

static qn_status visit_block(const scan_run *run, const qn_matrix_block *block, kmeans_rows *rows,
                             double *sums)
{
    const qn_matrix *data = run->scan->data;
    const size_t row_bytes =
        (size_t)data->n_features * (data->is_double ? sizeof(double) : sizeof(float));

    for (int64_t first = 0; first < block->n_rows; first += rows->room) {
        const int64_t left = block->n_rows - first;
        const char *x = (const char *)block->x + (size_t)first * row_bytes;
        const int64_t bad =
            kmeans_rows_take(rows, left < rows->room ? left : rows->room, data->is_double, x);

        rows->first_row = block->first_row + first;
        rows->weight = block->weight ? block->weight + first : NULL;
        if (bad >= 0)
            return fail_direction(run->scan, rows->first_row + bad);
        run->visit(run->arg, rows, sums);
    }
    return QN_OK;
}

/* Books a cell on its partition; the last own one of it sends the event. */
static void cell_done(const scan_run *run, int64_t c, double seconds, int32_t thread)
{
    const qn_matrix *data = run->scan->data;
    const int64_t partition = qn_matrix_partition(data, c);
    kmeans_progress *progress = &run->scan->progress[partition];
    const int64_t us = (int64_t)(seconds * 1e6);
    const int64_t busy = atomic_fetch_add(&progress->busy_us, us) + us;
    const int64_t n_rows = data->cell[c].n_rows;
    const int64_t rows = atomic_fetch_add(&progress->rows, n_rows) + n_rows;

    if (atomic_fetch_sub(&progress->left, 1) == 1) {
        const qn_event event = {
            .kind = QN_EVENT_TASK_END,
            .rank = qn_rank(run->scan->ctx),
            .thread = thread,
            .name = run->phase.span.name,
            .id = partition,
            .parent = run->phase.span.id,
            .rows = rows,
            .duration_us = busy,
        };

        qn_emit(run->scan->ctx, &event);
    }
}

static qn_status visit_cell(void *arg, int64_t c, int32_t thread)
{
    qn_status st = QN_OK;
    const scan_run *run = arg;
    kmeans_scan *scan = run->scan;
    const double start = qn_seconds();
    double *sums = scan->sums[thread];

    memset(sums, 0, (size_t)scan->width * sizeof *sums);
    for (int32_t i = 0; i < scan->data->cell[c].n_blocks; i++) {
        qn_matrix_block block;

        QN_TRY(qn_check_cancel(scan->ctx));
        QN_TRY(qn_matrix_pin(scan->ctx, scan->data, c, i, &block));
        st = visit_block(run, &block, &scan->rows[thread], sums);
        qn_matrix_unpin(scan->data, c, i);
        QN_TRY(st);
    }
    QN_TRY(qn_tree_sum_add(scan->ctx, scan->tree, scan->data->first_cell + c, sums));
    cell_done(run, c, qn_seconds() - start, thread);
done:
    return st;
}

static void progress_reset(kmeans_scan *scan)
{
    const qn_matrix *data = scan->data;

    for (int64_t p = 0; p < data->n_partitions; p++) {
        atomic_store(&scan->progress[p].left, 0);
        atomic_store(&scan->progress[p].busy_us, 0);
        atomic_store(&scan->progress[p].rows, 0);
    }
    for (int64_t c = 0; c < data->n_own_cells; c++)
        atomic_fetch_add(&scan->progress[qn_matrix_partition(data, c)].left, 1);
}

qn_status kmeans_scan_run(kmeans_scan *scan, const qn_span *job, const char *name,
                          kmeans_visit *visit, void *arg, double *total)
{
    qn_status st = QN_OK;
    qn_context *ctx = scan->ctx;
    const qn_matrix *data = scan->data;
    scan_run run = {scan, qn_phase_start(ctx, job, name, data->n_partitions), visit, arg};
    int64_t rows = 0;

    for (int64_t c = 0; c < data->n_own_cells; c++)
        rows += data->cell[c].n_rows;
    progress_reset(scan);
    QN_TRY_ALL(qn_matrix_read_ahead(ctx, data));
    QN_TRY_ALL(qn_parallel(ctx, data->n_own_cells, visit_cell, &run));
    QN_TRY(qn_tree_sum_finish(ctx, scan->tree, total));
done:
    return qn_phase_end_stage(ctx, &run.phase, st, rows);
}
