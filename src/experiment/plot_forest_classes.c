/* What the model makes of rows with labels: confusion matrix, ROC curves. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "experiment/plot_forest_impl.h"

#define MOST_LINES 8      /* curves in a picture: as many as there are colours */
#define STEP       0.0025 /* least way between two points of a curve */

typedef struct cell_note {
    char text[64];
} cell_note;

/* "97.1 %" above "12,345"; nothing where there are no rows. */
static void note_cell(double weight, double share, cell_note *note)
{
    char count[32];

    note->text[0] = '\0';
    if (!(weight > 0))
        return;
    if (weight == floor(weight) && weight < 1e15)
        qn_format_count((int64_t)weight, count);
    else
        snprintf(count, sizeof count, "%.4g", weight);
    snprintf(note->text, sizeof note->text, share < 0.0005 ? "%.1g %%\n%s" : "%.1f %%\n%s",
             100 * share, count);
}

/* Columns of the matrix, a row a cell. */
typedef struct cells {
    double *x, *y, *label, *prediction, *weight, *share; /* [n] in `block` */
    double *block;
    cell_note *note; /* [n] */
    const char **text;
} cells;

static qn_status fill_cells(forest_plot *job, cells *c)
{
    const qn_class_metrics *m = &job->judgement.classes;
    const int64_t k = job->n_shown, n = k * k;
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    QN_NEW(ctx, c->block, 6 * n, "a figure");
    QN_NEW(ctx, c->note, n, "a figure");
    QN_NEW(ctx, c->text, n, "a figure");
    c->x = c->block;
    c->y = c->x + n;
    c->label = c->y + n;
    c->prediction = c->label + n;
    c->weight = c->prediction + n;
    c->share = c->weight + n;
    for (int64_t i = 0; i < n; i++) {
        const int32_t label = job->shown[i / k].number, said = job->shown[i % k].number;

        c->x[i] = (double)(i % k);
        c->y[i] = (double)(i / k);
        c->label[i] = label < job->model->n_classes ? label : NAN;
        c->prediction[i] = said < job->model->n_classes ? said : NAN;
        c->weight[i] = m->confusion[(int64_t)label * m->n_classes + said];
        c->share[i] = m->label[label] > 0 ? c->weight[i] / m->label[label] : 0;
        note_cell(c->weight[i], c->share[i], &c->note[i]);
        c->text[i] = c->note[i].text;
    }
done:
    return st;
}

static qn_status show_cells(forest_plot *job, const cells *c)
{
    const qn_class_metrics *m = &job->judgement.classes;
    char subtitle[200], rows[32];
    const qn_plot_column columns[] = {
        {"x", c->x, .is_note = true},
        {"y", c->y, .is_note = true},
        {"label", c->label},
        {"prediction", c->prediction},
        {"rows", c->weight},
        {"share", c->share},
        {"note", .text = c->text, .is_note = true},
    };
    const qn_plot_series series = {
        .kind = QN_PLOT_CELLS, .x = 0, .y = 1, .by = QN_PLOT_NONE, .note = 6, .shade = 5};
    const qn_figure figure = {
        .name = "confusion",
        .title = "Labels and predictions",
        .subtitle = subtitle,
        .x = {.title = "predicted", .name = job->name, .n_names = job->n_shown},
        .y = {.title = "label", .name = job->name, .n_names = job->n_shown},
        .column = columns,
        .n_columns = 7,
        .n_rows = (int64_t)job->n_shown * job->n_shown,
        .series = &series,
        .n_series = 1};

    qn_format_count(m->n, rows);
    snprintf(subtitle, sizeof subtitle,
             "%s rows; share of each label; accuracy %.4f, macro F1 %.4f, mean IoU %.4f", rows,
             m->accuracy, m->macro_f1, m->mean_iou);
    return forest_hand_out(job, &figure);
}

qn_status forest_draw_confusion(forest_plot *job)
{
    cells c = {0};
    qn_status st = QN_OK;

    QN_TRY(fill_cells(job, &c));
    QN_TRY(show_cells(job, &c));
done:
    qn_free(c.block);
    qn_free(c.note);
    qn_free(c.text);
    return st;
}

/* ---- ROC ---- */

/* Points of all curves behind one another, and the guide from corner to corner. */
typedef struct roc {
    int64_t n, room;
    double *label, *threshold, *x, *y, *by, *guide_x, *guide_y; /* [room] in `block` */
    double *block;
    int32_t curve[MOST_LINES]; /* of the judgement, in the order they are drawn */
    int32_t n_curves;
    char legend[MOST_LINES][FOREST_NAME + 32];
    const char *legend_text[MOST_LINES];
} roc;

/* Curves of the classes with the most rows, in the order of the classes. */
static void choose_curves(const forest_plot *job, roc *r)
{
    const qn_judgement *judged = &job->judgement;
    const int64_t *rows = judged->classes.rows;

    for (int32_t i = 0; i < judged->n_curves; i++) {
        const int64_t own = rows[judged->curve_class[i]];
        int32_t larger = 0;

        if (isnan(judged->curve[i].area_under_roc))
            continue;
        for (int32_t o = 0; o < judged->n_curves; o++)
            larger += !isnan(judged->curve[o].area_under_roc) &&
                      (rows[judged->curve_class[o]] > own ||
                       (rows[judged->curve_class[o]] == own && o < i));
        if (larger < MOST_LINES)
            r->curve[r->n_curves++] = i;
    }
}

static void add_point(roc *r, double label, double by, const double point[3])
{
    r->label[r->n] = label;
    r->threshold[r->n] = point[0];
    r->x[r->n] = point[1];
    r->y[r->n] = point[2];
    r->by[r->n] = by;
    r->guide_x[r->n] = r->guide_y[r->n] = r->n < 2 ? (double)r->n : NAN;
    r->n++;
}

/* From (0, 0) on; points that lie near the one before are left out. */
static void add_curve(const forest_plot *job, roc *r, int32_t i)
{
    const qn_binary_metrics *c = &job->judgement.curve[r->curve[i]];
    const double label = job->judgement.curve_class[r->curve[i]];
    double x = 0, y = 0;

    add_point(r, label, i, (const double[]){NAN, 0, 0});
    for (int64_t p = 0; p < c->n; p++) {
        const bool is_near = fabs(c->false_rate[p] - x) < STEP && fabs(c->true_rate[p] - y) < STEP;

        if (is_near && p + 1 < c->n)
            continue;
        x = c->false_rate[p];
        y = c->true_rate[p];
        add_point(r, label, i, (const double[]){c->threshold[p], x, y});
    }
}

static qn_status fill_roc(forest_plot *job, roc *r)
{
    qn_context *ctx = job->ctx;
    qn_status st = QN_OK;

    choose_curves(job, r);
    for (int32_t i = 0; i < r->n_curves; i++)
        r->room += job->judgement.curve[r->curve[i]].n + 1;
    QN_NEW(ctx, r->block, 7 * r->room, "a figure");
    r->label = r->block;
    r->threshold = r->label + r->room;
    r->x = r->threshold + r->room;
    r->y = r->x + r->room;
    r->by = r->y + r->room;
    r->guide_x = r->by + r->room;
    r->guide_y = r->guide_x + r->room;
    for (int32_t i = 0; i < r->n_curves; i++) {
        const int32_t place = job->place[job->judgement.curve_class[r->curve[i]]];

        add_curve(job, r, i);
        snprintf(r->legend[i], sizeof r->legend[i], "%s %.4f", place < 0 ? "" : job->name[place],
                 job->judgement.curve[r->curve[i]].area_under_roc);
        r->legend_text[i] = r->legend[i];
    }
done:
    return st;
}

static qn_status show_roc(forest_plot *job, const roc *r)
{
    const qn_judgement *judged = &job->judgement;
    const bool is_one = judged->n_classes == 2;
    char subtitle[200], rows[32];
    const qn_plot_column columns[] = {
        {"class", r->label},
        {"threshold", r->threshold},
        {"false_positive_rate", r->x},
        {"true_positive_rate", r->y},
        {"line", r->by, .is_note = true},
        {"guide_x", r->guide_x, .is_note = true},
        {"guide_y", r->guide_y, .is_note = true},
    };
    const qn_plot_series series[] = {
        {.kind = QN_PLOT_GUIDE, .x = 5, .y = 6, .by = QN_PLOT_NONE, .note = QN_PLOT_NONE},
        {.kind = QN_PLOT_LINE, .x = 2, .y = 3, .by = 4, .note = QN_PLOT_NONE}};
    const qn_figure figure = {.name = "roc",
                              .title = "ROC: true against false positives",
                              .subtitle = subtitle,
                              .x = {.title = "false positive rate"},
                              .y = {.title = "true positive rate"},
                              .column = columns,
                              .n_columns = 7,
                              .n_rows = r->n,
                              .series = series,
                              .n_series = 2,
                              .legend = is_one ? NULL : r->legend_text,
                              .n_legend = is_one ? 0 : r->n_curves,
                              .has_equal_axes = true};

    qn_format_count(judged->classes.n, rows);
    if (is_one)
        snprintf(subtitle, sizeof subtitle, "%s rows; area %.4f", rows,
                 r->n_curves > 0 ? judged->curve[0].area_under_roc : NAN);
    else
        snprintf(subtitle, sizeof subtitle,
                 "%s rows; each class against the rest, with the area below%s", rows,
                 r->n_curves == MOST_LINES ? "; the 8 largest" : "");
    return forest_hand_out(job, &figure);
}

qn_status forest_draw_roc(forest_plot *job)
{
    roc r = {0};
    qn_status st = QN_OK;

    if (job->judgement.n_curves == 0) {
        if (job->options->figure != QN_FOREST_ROC)
            return QN_OK;
        return qn_fail(job->ctx, QN_EINVAL, "--figure roc is of 2 to %d classes; the rows have %d",
                       QN_MOST_CURVES, (int)job->n_shown);
    }
    QN_TRY(fill_roc(job, &r));
    QN_TRY(show_roc(job, &r));
done:
    qn_free(r.block);
    return st;
}
