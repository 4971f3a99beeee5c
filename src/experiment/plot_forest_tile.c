/* A map: rows at their places, labels on the left, predictions on the right. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/comm.h"
#include "experiment/plot_forest_impl.h"
#include "experiment/sample.h"

#define GAP 0.06 /* between the two maps, of the width of one */

typedef struct tile {
    int64_t n;
    int64_t *row;                                         /* [n] ascending */
    double *rows;                                         /* [n x features of the input] */
    int64_t *label_bits;                                  /* [n] */
    double *number, *x, *y, *label, *said;                /* [n] in `block`, in an order by lot */
    double *left, *right, *up, *label_place, *said_place; /* as they are shown */
    double *block;
    int64_t n_right;
    double width, height;
} tile;

/* Labels of rows by number, ascending: each rank knows its own, and the bits of one number and of
 * zeros sum to that number. */
static qn_status find_labels(forest_plot *job, tile *t)
{
    const qn_matrix *data = job->data;
    qn_context *ctx = job->ctx;
    int64_t i = 0;
    qn_status st = QN_OK;

    memset(t->label_bits, 0, (size_t)t->n * sizeof *t->label_bits);
    for (int64_t c = 0; c < data->n_own_cells; c++) {
        for (int32_t b = 0; b < data->cell[c].n_blocks; b++) {
            qn_matrix_block block;

            QN_TRY(qn_matrix_pin(ctx, data, c, b, &block));
            while (i < t->n && t->row[i] < block.first_row)
                i++;
            for (; i < t->n && t->row[i] < block.first_row + block.n_rows; i++)
                memcpy(&t->label_bits[i], &block.label[t->row[i] - block.first_row],
                       sizeof *t->label_bits);
            qn_matrix_unpin(data, c, b);
        }
    }
done:
    return st;
}

static qn_status tile_alloc(forest_plot *job, tile *t)
{
    const int64_t n =
        job->data->n_rows < job->options->points ? job->data->n_rows : job->options->points;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    t->n = n;
    QN_NEW(ctx, t->row, n, "rows of the map");
    QN_NEW(ctx, t->rows, n * job->data->n_features, "rows of the map");
    QN_NEW(ctx, t->label_bits, n, "rows of the map");
    QN_NEW(ctx, t->block, 10 * n, "a figure");
    t->number = t->block;
    t->x = t->number + n;
    t->y = t->x + n;
    t->label = t->y + n;
    t->said = t->label + n;
    t->left = t->said + n;
    t->right = t->left + n;
    t->up = t->right + n;
    t->label_place = t->up + n;
    t->said_place = t->label_place + n;
done:
    return st;
}

static double place_of(const forest_plot *job, double label)
{
    const int32_t n = job->judgement.classes.n_classes;
    const int32_t c = label < job->model->n_classes ? (int32_t)label : n - 1;

    return c < n ? job->place[c] : -1;
}

/* Points by lot, so that no class lies over the others. */
static qn_status fill_points(forest_plot *job, tile *t)
{
    const int32_t d = job->data->n_features;
    int64_t *order = NULL;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_NEW(ctx, order, t->n, "rows of the map");
    QN_TRY(qn_pick_order(ctx, job->options->seed, t->n, order));
    for (int64_t i = 0; i < t->n; i++) {
        const double *row = t->rows + order[i] * d;

        t->number[i] = (double)t->row[order[i]];
        t->x[i] = row[d - 2];
        t->y[i] = row[d - 1];
        memcpy(&t->label[i], &t->label_bits[order[i]], sizeof *t->label);
        qn_forest_predict(job->model, 1, row, &t->said[i], NULL);
        t->n_right += t->label[i] == t->said[i];
        t->label_place[i] = place_of(job, t->label[i]);
        t->said_place[i] = place_of(job, t->said[i]);
    }
done:
    qn_free(order);
    return st;
}

/* Both maps in one frame, from the corner of the rows on. */
static void lay_out(tile *t)
{
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;

    for (int64_t i = 0; i < t->n; i++) {
        if (!isfinite(t->x[i]) || !isfinite(t->y[i]))
            continue;
        x0 = fmin(x0, t->x[i]);
        x1 = fmax(x1, t->x[i]);
        y0 = fmin(y0, t->y[i]);
        y1 = fmax(y1, t->y[i]);
    }
    t->width = x1 - x0;
    t->height = y1 - y0;
    for (int64_t i = 0; i < t->n; i++) {
        t->left[i] = t->x[i] - x0;
        t->right[i] = t->left[i] + (1 + GAP) * t->width;
        t->up[i] = t->y[i] - y0;
    }
}

static qn_status show_tile(forest_plot *job, const tile *t)
{
    char subtitle[200], drawn[32], all[32];
    const qn_plot_column columns[] = {
        {"row", t->number},
        {"x", t->x},
        {"y", t->y},
        {"label", t->label},
        {"prediction", t->said},
        {"left", t->left, .is_note = true},
        {"right", t->right, .is_note = true},
        {"up", t->up, .is_note = true},
        {"label_place", t->label_place, .is_note = true},
        {"prediction_place", t->said_place, .is_note = true},
    };
    const qn_plot_series series[] = {
        {.kind = QN_PLOT_POINTS, .x = 5, .y = 7, .by = 8, .note = QN_PLOT_NONE},
        {.kind = QN_PLOT_POINTS, .x = 6, .y = 7, .by = 9, .note = QN_PLOT_NONE}};
    const qn_figure figure = {.name = "tile",
                              .title = "Labels on the left, predictions on the right",
                              .subtitle = subtitle,
                              .x = {.title = "label | prediction", .is_bare = true},
                              .y = {.title = "from the lower edge"},
                              .column = columns,
                              .n_columns = 10,
                              .n_rows = t->n,
                              .series = series,
                              .n_series = 2,
                              .legend = job->name,
                              .n_legend = job->n_shown,
                              .has_equal_axes = true};

    qn_format_count(t->n, drawn);
    qn_format_count(job->data->n_rows, all);
    snprintf(subtitle, sizeof subtitle,
             "%s of %s rows by lot, %.4g x %.4g; %.1f %% of them are right", drawn, all, t->width,
             t->height, t->n > 0 ? 100 * (double)t->n_right / (double)t->n : 0);
    return forest_hand_out(job, &figure);
}

qn_status forest_draw_tile(forest_plot *job)
{
    tile t = {0};
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_TRY_ALL(tile_alloc(job, &t));
    qn_pick_rows(job->options->seed, job->data->n_rows, t.n, t.row);
    QN_TRY(qn_matrix_rows(ctx, job->data, t.n, t.row, t.rows));
    QN_TRY_ALL(find_labels(job, &t));
    QN_TRY(qn_comm_sum_int64(ctx, t.label_bits, t.n));
    QN_TRY(fill_points(job, &t));
    lay_out(&t);
    QN_TRY(show_tile(job, &t));
done:
    qn_free(t.row);
    qn_free(t.rows);
    qn_free(t.label_bits);
    qn_free(t.block);
    return st;
}
