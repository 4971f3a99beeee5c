/* When all splits have been read: numbers of cells, and what is known of the whole. */
#include <math.h>
#include <string.h>

#include <xxhash.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/matrix_job.h"
#include "engine/cell.h"
#include "engine/comm.h"
#include "engine/store.h"
#include "engine/tree_sum.h"

/* ---- cells and where they come from ---- */

/* Cells and rows of the ranks before this one, and of all. Collective. */
static qn_status number_cells(qn_matrix_job *job, int64_t *first_row)
{
    int64_t mine[2] = {0}; /* cells, rows */
    qn_context *ctx = job->ctx;
    qn_matrix *m = job->matrix;
    int64_t *all = NULL;
    qn_status st = QN_OK;
    size_t bytes = 0;

    for (int64_t s = 0; s < job->n_own; s++) {
        mine[0] += job->own[s].cells.n;
        for (int64_t c = 0; c < job->own[s].cells.n; c++)
            mine[1] += job->own[s].cells.cell[c].cell.n_rows;
    }
    QN_TRY(qn_comm_allgather(ctx, mine, sizeof mine, (void **)&all, &bytes));
    *first_row = 0;
    for (int32_t r = 0; r < qn_size(ctx); r++) {
        if (r < qn_rank(ctx)) {
            m->first_cell += all[2 * r];
            *first_row += all[2 * r + 1];
        }
        m->n_cells += all[2 * r];
        m->n_rows += all[2 * r + 1];
    }
    m->n_own_cells = mine[0];
done:
    qn_free(all);
    return st;
}

/* file_row[s]: row of its file that split s of the source begins with; -1: not known, as a split
 * before it was not read. Collective. */
static qn_status find_file_rows(const qn_matrix_job *job, int64_t *file_row)
{
    const int64_t n = qn_source_n_splits(job->source);
    int64_t before = 0, at = 0;
    qn_status st = QN_OK;

    memset(file_row, 0, (size_t)n * sizeof *file_row);
    for (int64_t s = 0; s < job->n_own; s++)
        file_row[job->own[s].number] = job->own[s].n_rows;
    QN_TRY(qn_comm_sum_int64(job->ctx, file_row, n));
    for (int64_t s = 0; s < n; s++) {
        const bool is_read = at < job->plan.n && job->plan.split[at] == s;
        const int64_t rows = file_row[s];

        if (s > 0 && strcmp(qn_source_split_path(job->source, s - 1),
                            qn_source_split_path(job->source, s)) != 0)
            before = 0;
        file_row[s] = before;
        before = is_read && before >= 0 ? before + rows : -1;
        at += is_read;
    }
done:
    return st;
}

static qn_status take_path(const qn_matrix_job *job, int64_t split, int64_t *number)
{
    struct qn_matrix_origin *origin = job->matrix->origin;
    const char *path = qn_source_split_path(job->source, split);
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    if (origin->n_paths == 0 || strcmp(origin->path[origin->n_paths - 1], path) != 0) {
        if (origin->n_paths == 0 || (origin->n_paths & (origin->n_paths - 1)) == 0)
            QN_GROW(ctx, origin->path, origin->n_paths ? 2 * origin->n_paths : 1, "paths");
        QN_TRY(qn_strdup(ctx, path, &origin->path[origin->n_paths]));
        origin->n_paths++;
    }
    *number = origin->n_paths - 1;
done:
    return st;
}

static qn_status make_origin(qn_matrix_job *job)
{
    qn_context *ctx = job->ctx;
    qn_matrix *m = job->matrix;
    qn_status st = QN_OK;

    QN_NEW0(ctx, m->origin, 1, "places of rows");
    m->origin->shape = job->shape;
    QN_NEW0(ctx, m->origin->cell_path, m->n_own_cells, "places of cells");
    QN_NEW0(ctx, m->origin->cell_row, m->n_own_cells, "places of cells");
    QN_NEW0(ctx, m->origin->kept, m->n_own_cells, "places of cells");
    m->origin->n_cells = m->n_own_cells;
done:
    return st;
}

static int64_t count_blocks(const qn_matrix_job *job)
{
    int64_t n = 0;

    for (int64_t s = 0; s < job->n_own; s++)
        for (int64_t c = 0; c < job->own[s].cells.n; c++)
            n += job->own[s].cells.cell[c].cell.n_blocks;
    return n;
}

/* Lists of the splits become one. */
static qn_status join_cells(qn_matrix_job *job, const int64_t *file_row, int64_t first_row)
{
    qn_context *ctx = job->ctx;
    qn_matrix *m = job->matrix;
    int64_t at = 0, n_blocks = 0;
    qn_status st = QN_OK;

    QN_TRY(make_origin(job));
    QN_NEW(ctx, m->cell, m->n_own_cells, "cells");
    QN_NEW(ctx, m->block, count_blocks(job), "blocks of cells");
    for (int64_t s = 0; s < job->n_own; s++) {
        qn_cell_list *list = &job->own[s].cells;

        for (int64_t c = 0; c < list->n; c++, at++) {
            qn_cell_read *read = &list->cell[c];

            read->cell.first_row = first_row;
            read->cell.first_block = n_blocks;
            memcpy(m->block + n_blocks, read->block,
                   (size_t)read->cell.n_blocks * sizeof *read->block);
            m->cell[at] = read->cell;
            n_blocks += read->cell.n_blocks;
            first_row += read->cell.n_rows;
            m->origin->kept[at] = read->kept;
            read->kept = NULL;
            QN_TRY(take_path(job, read->cell.split, &m->origin->cell_path[at]));
            m->origin->cell_row[at] = file_row[read->cell.split];
            if (m->origin->cell_row[at] >= 0)
                m->origin->cell_row[at] += read->cell.split_row;
        }
    }
done:
    return st;
}

/* ---- sums, extremes, fingerprint ---- */

static qn_status add_sums(qn_matrix_job *job, qn_tree_sum *tree)
{
    int64_t cell = job->matrix->first_cell;
    qn_status st = QN_OK;

    for (int64_t s = 0; s < job->n_own; s++)
        for (int64_t c = 0; c < job->own[s].cells.n; c++)
            QN_TRY(qn_tree_sum_add(job->ctx, tree, cell++, job->own[s].cells.cell[c].sums));
done:
    return st;
}

/* Collective. */
static qn_status make_means(qn_matrix_job *job)
{
    const int32_t d = job->matrix->n_features;
    qn_context *ctx = job->ctx;
    qn_matrix *m = job->matrix;
    qn_tree_sum *tree = NULL;
    double *total = NULL;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_tree_sum_create(ctx, m->n_cells, 2 * (int64_t)d + 1, &tree));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&total, 2 * (int64_t)d + 1, sizeof *total, "sums"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&m->mean, d, sizeof *m->mean, "means"));
    QN_TRY_ALL(add_sums(job, tree));
    QN_TRY(qn_tree_sum_finish(ctx, tree, total));
    for (int32_t f = 0; f < d; f++)
        m->mean[f] = total[d + f] > 0.0 ? total[f] / total[d + f] : NAN;
    m->weight_sum = total[2 * d];
done:
    qn_tree_sum_free(tree);
    qn_free(total);
    return st;
}

/* Those of all threads and ranks; NAN where a column has no value at all. Collective. */
static qn_status make_extremes(qn_matrix_job *job)
{
    const int32_t d = job->matrix->n_features;
    qn_context *ctx = job->ctx;
    qn_matrix *m = job->matrix;
    double *all = NULL;
    qn_status st = QN_OK;
    size_t bytes = 0;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&m->min, d, sizeof *m->min, "least values"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&m->max, d, sizeof *m->max, "greatest values"));
    for (int32_t f = 0; f < d; f++) {
        m->min[f] = INFINITY;
        m->max[f] = -INFINITY;
        for (int32_t t = 0; t < job->n_threads; t++) {
            m->min[f] = fmin(m->min[f], job->thread[t].writer.min[f]);
            m->max[f] = fmax(m->max[f], job->thread[t].writer.max[f]);
        }
    }
    QN_TRY(qn_comm_allgather(ctx, m->min, (size_t)d * sizeof *m->min, (void **)&all, &bytes));
    for (size_t i = 0; i < bytes / sizeof *all; i++)
        m->min[i % (size_t)d] = fmin(m->min[i % (size_t)d], all[i]);
    qn_free(all);
    all = NULL;
    QN_TRY(qn_comm_allgather(ctx, m->max, (size_t)d * sizeof *m->max, (void **)&all, &bytes));
    for (size_t i = 0; i < bytes / sizeof *all; i++)
        m->max[i % (size_t)d] = fmax(m->max[i % (size_t)d], all[i]);
    for (int32_t f = 0; f < d; f++)
        if (m->min[f] > m->max[f])
            m->min[f] = m->max[f] = NAN;
done:
    qn_free(all);
    return st;
}

/* XXH3 of the checksums of each cell's blocks, seeded with the cell's number. Collective. */
static qn_status make_fingerprint(qn_matrix_job *job)
{
    const qn_matrix_shape *shape = &job->shape;
    qn_context *ctx = job->ctx;
    qn_matrix *m = job->matrix;
    int64_t sums[2] = {0}; /* fingerprint, bytes */
    uint64_t *checksum = NULL;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&checksum, shape->cell_rows / shape->block_rows + 1,
                              sizeof *checksum, "checksums of a cell"));
    for (int64_t c = 0; c < m->n_own_cells; c++) {
        const qn_matrix_cell *cell = &m->cell[c];

        for (int32_t i = 0; i < cell->n_blocks; i++) {
            const int64_t block = m->block[cell->first_block + i];

            checksum[i] = qn_store_block_checksum(m->store, block);
            sums[1] += (int64_t)qn_store_block_bytes(m->store, block);
        }
        sums[0] =
            (int64_t)((uint64_t)sums[0] +
                      XXH3_64bits_withSeed(checksum, (size_t)cell->n_blocks * sizeof *checksum,
                                           (XXH64_hash_t)(m->first_cell + c)));
    }
    QN_TRY(qn_comm_sum_int64(ctx, sums, 2));
    m->fingerprint = (uint64_t)sums[0];
    m->bytes = (size_t)sums[1];
done:
    qn_free(checksum);
    return st;
}

/* Collective. */
static qn_status make_labels(qn_matrix_job *job)
{
    qn_context *ctx = job->ctx;
    qn_matrix *m = job->matrix;
    qn_label_set *set = NULL;
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&set, 1, sizeof *set, "labels"));
    for (int32_t t = 0; t < job->n_threads; t++)
        qn_label_set_merge(set, &job->thread[t].labels);
    QN_TRY(qn_label_set_join(ctx, set));
    QN_TRY_ALL(
        qn_alloc_array(ctx, (void **)&m->label_value, set->n, sizeof *m->label_value, "labels"));
    QN_TRY_ALL(
        qn_alloc_array(ctx, (void **)&m->label_count, set->n, sizeof *m->label_count, "labels"));
    memcpy(m->label_value, set->value, (size_t)set->n * sizeof *set->value);
    memcpy(m->label_count, set->count, (size_t)set->n * sizeof *set->count);
    m->n_labels = set->n;
done:
    qn_free(set);
    return st;
}

qn_status qn_matrix_finish(qn_matrix_job *job)
{
    const int64_t n_splits = qn_source_n_splits(job->source);
    qn_context *ctx = job->ctx;
    qn_matrix *m = job->matrix;
    int64_t *file_row = NULL, first_row = 0;
    qn_status st = QN_OK;

    QN_TRY(number_cells(job, &first_row));
    QN_TRY_ALL(
        qn_alloc_array(ctx, (void **)&file_row, n_splits, sizeof *file_row, "rows of splits"));
    QN_TRY(find_file_rows(job, file_row));
    QN_TRY_ALL(join_cells(job, file_row, first_row));
    QN_TRY(make_means(job));
    QN_TRY(make_extremes(job));
    if (!job->use->features)
        QN_TRY(qn_matrix_scale(job));
    QN_TRY_ALL(qn_store_seal(ctx, m->store));
    m->n_partitions =
        qn_partition_count(m->n_rows * m->n_features, m->n_cells, job->options->partitions);
    QN_TRY(make_fingerprint(job));
    QN_TRY(make_labels(job));
    QN_TRY_ALL(qn_matrix_emit_storage(ctx, m));
done:
    qn_free(file_row);
    return st;
}
