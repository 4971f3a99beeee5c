/* From assembled rows to cells: blocks of panels in the store, sums on the way. Which rows make a
 * cell, and the order in which they are added up, depends on the split alone: never on batches. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "data/matrix_impl.h"
#include "engine/store.h"
#include "kernels/kernels.h"

/* Of a full block, with what the allocator keeps beside it: a huge page. */
#define BLOCK_BYTES (((size_t)2 << 20) - 64)

/* ---- shape ---- */

static size_t value_bytes(const qn_matrix_shape *shape)
{
    return shape->is_double ? sizeof(double) : sizeof(float);
}

size_t qn_matrix_panel_bytes(const qn_matrix_shape *shape, int64_t n_rows)
{
    const int64_t n_panels = (n_rows + QN_PANEL - 1) / QN_PANEL;

    return (size_t)n_panels * QN_PANEL * (size_t)shape->n_features * value_bytes(shape);
}

size_t qn_matrix_block_bytes(const qn_matrix_shape *shape, int64_t n_rows)
{
    const size_t beside = sizeof(double) * (size_t)(shape->has_label + shape->has_weight);

    return qn_matrix_panel_bytes(shape, n_rows) + (size_t)n_rows * beside;
}

void qn_matrix_shape_init(qn_matrix_shape *shape, int32_t n_features, bool is_double,
                          bool has_label, bool has_weight, int64_t cell_rows)
{
    *shape = (qn_matrix_shape){.n_features = n_features,
                               .is_double = is_double,
                               .has_label = has_label,
                               .has_weight = has_weight,
                               .cell_rows = cell_rows};
    const size_t panel = qn_matrix_block_bytes(shape, QN_PANEL);
    const size_t n_panels = BLOCK_BYTES / panel;

    shape->block_rows = QN_PANEL * (int64_t)(n_panels > 0 ? n_panels : 1);
}

/* ---- lists ---- */

void qn_cell_read_release(qn_cell_read *cell)
{
    qn_free(cell->block);
    qn_free(cell->sums);
    qn_free(cell->kept);
    *cell = (qn_cell_read){0};
}

void qn_cell_list_release(qn_cell_list *list)
{
    for (int64_t i = 0; i < list->n; i++)
        qn_cell_read_release(&list->cell[i]);
    qn_free(list->cell);
    *list = (qn_cell_list){0};
}

/* ---- sums ---- */

static double *sum_lanes(const qn_cell_writer *w)
{
    return w->lane;
}

static double *min_lanes(const qn_cell_writer *w)
{
    return w->lane + (size_t)w->shape.n_features * QN_PANEL;
}

static double *max_lanes(const qn_cell_writer *w)
{
    return w->lane + (size_t)w->shape.n_features * QN_PANEL * 2;
}

static void load_panel_feature(const qn_cell_writer *w, int64_t panel, int32_t f,
                               double value[QN_PANEL])
{
    const size_t at = ((size_t)panel * (size_t)w->shape.n_features + (size_t)f) * QN_PANEL;

    if (w->shape.is_double) {
        memcpy(value, (const double *)w->data + at, QN_PANEL * sizeof *value);
    } else {
        const float *x = (const float *)w->data + at;

        for (int32_t r = 0; r < QN_PANEL; r++)
            value[r] = (double)x[r];
    }
}

static void add_whole_panel(const qn_cell_writer *w, int64_t panel)
{
    for (int32_t f = 0; f < w->shape.n_features; f++) {
        double *restrict sum = sum_lanes(w) + (size_t)f * QN_PANEL;
        double *restrict min = min_lanes(w) + (size_t)f * QN_PANEL;
        double *restrict max = max_lanes(w) + (size_t)f * QN_PANEL;
        double x[QN_PANEL];

        load_panel_feature(w, panel, f, x);
        for (int32_t r = 0; r < QN_PANEL; r++)
            sum[r] += x[r];
        for (int32_t r = 0; r < QN_PANEL; r++)
            min[r] = x[r] < min[r] ? x[r] : min[r];
        for (int32_t r = 0; r < QN_PANEL; r++)
            max[r] = x[r] > max[r] ? x[r] : max[r];
    }
}

/* A panel of fewer rows, or one that may have missing values; adds in the same lanes. */
static void add_any_panel(const qn_cell_writer *w, int64_t panel, int32_t n)
{
    for (int32_t f = 0; f < w->shape.n_features; f++) {
        double *sum = sum_lanes(w) + (size_t)f * QN_PANEL;
        double *min = min_lanes(w) + (size_t)f * QN_PANEL;
        double *max = max_lanes(w) + (size_t)f * QN_PANEL;
        double x[QN_PANEL];

        load_panel_feature(w, panel, f, x);
        for (int32_t r = 0; r < n; r++) {
            if (!isfinite(x[r])) {
                w->n_values[f] -= 1;
                continue;
            }
            sum[r] += x[r];
            min[r] = x[r] < min[r] ? x[r] : min[r];
            max[r] = x[r] > max[r] ? x[r] : max[r];
        }
    }
}

static void add_block(const qn_cell_writer *w)
{
    const int64_t n_whole = w->has_missing ? 0 : w->n_rows / QN_PANEL;

    for (int64_t p = 0; p < n_whole; p++)
        add_whole_panel(w, p);
    for (int64_t p = n_whole; p * QN_PANEL < w->n_rows; p++) {
        const int64_t left = w->n_rows - p * QN_PANEL;

        add_any_panel(w, p, left < QN_PANEL ? (int32_t)left : QN_PANEL);
    }
}

/* The lanes as one number, in pairs. */
static double fold(const double lane[QN_PANEL])
{
    double sum[QN_PANEL];

    memcpy(sum, lane, sizeof sum);
    for (int32_t width = QN_PANEL / 2; width > 0; width /= 2)
        for (int32_t r = 0; r < width; r++)
            sum[r] += sum[r + width];
    return sum[0];
}

/* Sums of the cell that ends; least and greatest of the thread. -0 counts as 0, so that which of
 * the two came first leaves no trace. */
static void take_sums(qn_cell_writer *w)
{
    const int32_t d = w->shape.n_features;

    for (int32_t f = 0; f < d; f++) {
        w->cell.sums[f] = fold(sum_lanes(w) + (size_t)f * QN_PANEL);
        w->cell.sums[d + f] = (double)w->cell.cell.n_rows + w->n_values[f];
        for (int32_t r = 0; r < QN_PANEL; r++) {
            const double least = min_lanes(w)[(size_t)f * QN_PANEL + (size_t)r] + 0.0;
            const double greatest = max_lanes(w)[(size_t)f * QN_PANEL + (size_t)r] + 0.0;

            w->min[f] = least < w->min[f] ? least : w->min[f];
            w->max[f] = greatest > w->max[f] ? greatest : w->max[f];
        }
    }
    if (!w->shape.has_weight)
        w->cell.sums[2 * d] = (double)w->cell.cell.n_rows;
}

static void clear_sums(qn_cell_writer *w)
{
    const size_t n = (size_t)w->shape.n_features * QN_PANEL;

    memset(w->lane, 0, n * sizeof *w->lane);
    for (size_t i = 0; i < n; i++) {
        min_lanes(w)[i] = INFINITY;
        max_lanes(w)[i] = -INFINITY;
    }
    memset(w->n_values, 0, (size_t)w->shape.n_features * sizeof *w->n_values);
}

/* ---- writer ---- */

qn_status qn_cell_writer_init(qn_context *ctx, qn_cell_writer *w, const qn_matrix_shape *shape,
                              struct qn_store *store)
{
    const int32_t d = shape->n_features;
    qn_status st = QN_OK;

    *w = (qn_cell_writer){.ctx = ctx, .shape = *shape, .store = store, .number = -1};
    if (shape->has_label)
        QN_NEW(ctx, w->label, shape->block_rows, "labels of a block");
    if (shape->has_weight)
        QN_NEW(ctx, w->weight, shape->block_rows, "weights of a block");
    QN_NEW(ctx, w->lane, 3 * (int64_t)d * QN_PANEL, "sums of columns");
    QN_NEW(ctx, w->n_values, d, "sums of columns");
    QN_NEW(ctx, w->min, d, "least values");
    QN_NEW(ctx, w->max, d, "greatest values");
    QN_NEW(ctx, w->kept, shape->cell_rows, "rows of a cell");
    for (int32_t f = 0; f < d; f++) {
        w->min[f] = INFINITY;
        w->max[f] = -INFINITY;
    }
done:
    return st;
}

void qn_cell_writer_release(qn_cell_writer *w)
{
    qn_free(w->label);
    qn_free(w->weight);
    qn_free(w->lane);
    qn_free(w->n_values);
    qn_free(w->min);
    qn_free(w->max);
    qn_free(w->kept);
    qn_cell_read_release(&w->cell);
    *w = (qn_cell_writer){0};
}

static qn_status begin_cell(qn_cell_writer *w, int64_t split, int64_t split_row)
{
    const int64_t max_blocks = (w->shape.cell_rows + w->shape.block_rows - 1) / w->shape.block_rows;
    qn_context *ctx = w->ctx;
    qn_status st = QN_OK;

    w->cell = (qn_cell_read){.cell = {.split = split, .split_row = split_row}};
    w->is_open = true;
    w->has_missing = w->has_left_out = false;
    QN_NEW(ctx, w->cell.block, max_blocks, "blocks of a cell");
    QN_NEW0(ctx, w->cell.sums, 2 * (int64_t)w->shape.n_features + 1, "sums of a cell");
    clear_sums(w);
done:
    return st;
}

/* Room for what the cell may still bring, at most a full block; cut to size at its end. */
static qn_status begin_block(qn_cell_writer *w, int64_t rows_left)
{
    const int64_t rows = rows_left < w->shape.block_rows ? rows_left : w->shape.block_rows;
    qn_status st = QN_OK;

    w->n_rows = 0;
    w->capacity = rows;
    QN_TRY(qn_store_add_any(w->ctx, w->store, w->cell.cell.split,
                            qn_matrix_block_bytes(&w->shape, rows), &w->number, &w->data));
    w->cell.block[w->cell.cell.n_blocks++] = w->number;
done:
    return st;
}

static qn_status end_block(qn_cell_writer *w)
{
    const size_t bytes = qn_matrix_block_bytes(&w->shape, w->n_rows);
    char *at;
    qn_status st = QN_OK;

    add_block(w);
    if (w->n_rows < w->capacity)
        QN_TRY(qn_store_shrink(w->ctx, w->store, w->number, bytes, &w->data));
    at = (char *)w->data + qn_matrix_panel_bytes(&w->shape, w->n_rows);
    if (w->shape.has_label) {
        memcpy(at, w->label, (size_t)w->n_rows * sizeof *w->label);
        at += (size_t)w->n_rows * sizeof *w->label;
    }
    if (w->shape.has_weight) {
        memcpy(at, w->weight, (size_t)w->n_rows * sizeof *w->weight);
        for (int64_t r = 0; r < w->n_rows; r++)
            w->cell.sums[2 * w->shape.n_features] += w->weight[r];
    }
    QN_TRY(qn_store_seal_block(w->ctx, w->store, w->number)); /* from now on it may leave memory */
    w->data = NULL;
    w->number = -1;
done:
    return st;
}

/* Labels, weights and places of the rows [first, end) that are kept; they go behind those that the
 * block and the cell have. */
static void take_beside(qn_cell_writer *w, const qn_assembled *rows, const uint8_t *keep,
                        int64_t first, int64_t end, int64_t place)
{
    int64_t in_block = w->n_rows, in_cell = w->cell.cell.n_rows;

    for (int64_t r = first; r < end; r++) {
        if (keep && !keep[r])
            continue;
        if (w->shape.has_label)
            w->label[in_block] = rows->label[r];
        if (w->shape.has_weight)
            w->weight[in_block] = rows->weight[r];
        w->kept[in_cell] = (uint16_t)(place + r - first);
        in_block++;
        in_cell++;
    }
}

qn_status qn_cell_writer_add(qn_cell_writer *w, const qn_assembled *rows, const uint8_t *keep,
                             int64_t first, int64_t end, int64_t split, int64_t split_row)
{
    const qn_matrix_shape *shape = &w->shape;
    qn_status st = QN_OK;

    if (!w->is_open)
        QN_TRY(begin_cell(w, split, split_row));
    w->has_missing |= rows->n_incomplete > 0;
    while (first < end) {
        const int64_t place = split_row - w->cell.cell.split_row;
        int64_t n, added;

        if (w->number < 0 && keep && !keep[first]) { /* a block begins with a row */
            w->has_left_out = true;
            first++;
            split_row++;
            continue;
        }
        if (w->number < 0)
            QN_TRY(begin_block(w, shape->cell_rows - place));
        n = w->capacity - w->n_rows < end - first ? w->capacity - w->n_rows : end - first;
        take_beside(w, rows, keep, first, first + n, place);
        added = qn_panels_fill(rows, shape->n_features, shape->is_double, keep, first, first + n,
                               w->data, w->n_rows);
        w->has_left_out |= added < n;
        w->n_rows += added;
        w->cell.cell.n_rows += added;
        first += n;
        split_row += n;
        if (w->n_rows == w->capacity)
            QN_TRY(end_block(w));
    }
done:
    return st;
}

/* The rows that are left, where some are not. */
static qn_status take_places(qn_cell_writer *w)
{
    qn_context *ctx = w->ctx;
    qn_status st = QN_OK;

    if (!w->has_left_out)
        return QN_OK;
    QN_NEW(ctx, w->cell.kept, w->cell.cell.n_rows, "places of rows");
    memcpy(w->cell.kept, w->kept, (size_t)w->cell.cell.n_rows * sizeof *w->kept);
done:
    return st;
}

qn_status qn_cell_writer_end(qn_cell_writer *w, qn_cell_list *list)
{
    qn_context *ctx = w->ctx;
    qn_status st = QN_OK;

    if (!w->is_open)
        return QN_OK;
    if (w->number >= 0)
        QN_TRY(end_block(w));
    if (w->cell.cell.n_rows > 0) {
        if (list->n == list->capacity) {
            const int64_t capacity = list->capacity ? 2 * list->capacity : 4;

            QN_GROW(ctx, list->cell, capacity, "cells");
            list->capacity = capacity;
        }
        take_sums(w);
        QN_TRY(take_places(w));
        list->cell[list->n++] = w->cell;
        w->cell = (qn_cell_read){0};
    }
done:
    qn_cell_read_release(&w->cell);
    w->is_open = false;
    return st;
}
