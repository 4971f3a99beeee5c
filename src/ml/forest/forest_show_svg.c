/* A picture of one tree: the root on the left, leaves on the right, the upper branch where a
 * condition holds. Colours tell classes, or how large a number is. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "ml/forest/forest_dir.h"
#include "ml/forest/forest_show.h"

#define LEVEL_WIDTH 232 /* from box to box */
#define BOX_WIDTH   176
#define BOX_HEIGHT  40
#define ROW_HEIGHT  50 /* from leaf to leaf */
#define MARGIN      20
#define HEAD        74 /* title and legend above the tree */
#define LABEL_CHARS 27 /* that fit into a box */
#define LEGEND_MOST 12 /* classes told in the legend */

typedef struct picture {
    forest_shower *shower;
    int32_t tree;
    int64_t n;
    forest_step *steps;
    double *y;          /* [n] middle of each box */
    double least, most; /* predictions of leaves */
    int32_t *place;     /* [n_classes] of a class among those that any tree saw, or -1 */
    int32_t n_leaves;
} picture;

static const char *class_colour(const picture *p, int32_t c)
{
    static const char *const colours[] = {"#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2",
                                          "#edc948", "#b07aa1", "#9c755f", "#ff9da7", "#bab0ac"};

    const int32_t n = (int32_t)(sizeof colours / sizeof *colours);

    return c >= 0 && c < p->shower->model->n_classes && p->place[c] >= 0 ? colours[p->place[c] % n]
                                                                         : "#bab0ac";
}

/* Text for XML. */
static void add_text(qn_string *s, const char *text)
{
    for (const char *p = text; *p; p++)
        switch (*p) {
        case '&':
            qn_string_add(s, "&amp;");
            break;
        case '<':
            qn_string_add(s, "&lt;");
            break;
        case '>':
            qn_string_add(s, "&gt;");
            break;
        default:
            qn_string_add_bytes(s, (unsigned char)*p < ' ' ? "_" : p, 1);
        }
}

/* At most LABEL_CHARS characters of it, and an ellipsis where there are more. */
static void add_label(qn_string *s, const char *text)
{
    qn_string cut = {0};
    int32_t n = 0;
    const char *p = text;

    for (; *p && n < LABEL_CHARS; n++)
        do
            p++;
        while (((unsigned char)*p & 0xC0) == 0x80);
    qn_string_add_bytes(&cut, text, (size_t)(p - text));
    add_text(s, qn_string_text(&cut));
    if (*p)
        qn_string_add(s, "\xE2\x80\xA6");
    s->failed |= cut.failed;
    qn_string_release(&cut);
}

static const qn_tree_node *node_of(const picture *p, int64_t i)
{
    return forest_show_node(p->shower->model, p->tree, p->steps[i].node);
}

static const double *stats_of(const picture *p, const qn_tree_node *node)
{
    const qn_forest_model *m = p->shower->model;

    return m->stats + (node - m->node) * m->n_stats;
}

/* Rows by their weights. */
static double weight_of(const picture *p, const qn_tree_node *node)
{
    const qn_forest_model *m = p->shower->model;
    const double *stats = stats_of(p, node);
    double sum = 0;

    if (!m->is_classifier)
        return stats[0];
    for (int32_t c = 0; c < m->n_classes; c++)
        sum += stats[c];
    return sum;
}

static double box_x(const picture *p, int64_t i)
{
    return MARGIN + (double)p->steps[i].depth * LEVEL_WIDTH;
}

/* Leaves below one another, every other box midway between its children. */
static void lay_out(picture *p)
{
    for (int64_t i = 0; i < p->n; i++) {
        const qn_tree_node *node = node_of(p, i);

        p->y[i] = 0;
        if (node->left >= 0)
            continue;
        p->y[i] = HEAD + ROW_HEIGHT * (0.5 + p->n_leaves++);
        p->least = fmin(p->least, node->prediction);
        p->most = fmax(p->most, node->prediction);
    }
    for (int64_t i = p->n - 1; i > 0; i--)
        p->y[p->steps[i].parent] += p->y[i] / 2;
}

/* A tree may have drawn no row of a class that the others know: colours are the same in all. */
static void place_classes(picture *p)
{
    const qn_forest_model *m = p->shower->model;
    int32_t n = 0;

    for (int32_t c = 0; c < m->n_classes; c++) {
        double weight = 0;

        for (int32_t t = 0; t < m->n_trees; t++)
            weight += m->stats[m->first_node[t] * m->n_stats + c];
        p->place[c] = weight > 0 ? n++ : -1;
    }
}

/* ---- Drawing ---- */

static void draw_edge(picture *p, int64_t i)
{
    const int32_t parent = p->steps[i].parent;
    const double x = box_x(p, parent) + BOX_WIDTH, end = box_x(p, i), middle = (x + end) / 2;
    const double share = weight_of(p, node_of(p, i)) / weight_of(p, node_of(p, 0));
    const bool is_right = p->steps[i].is_right;

    qn_string_addf(&p->shower->text,
                   "<path d=\"M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1f\" stroke-width=\"%.2f\"/>\n"
                   "<text x=\"%.1f\" y=\"%.1f\" class=\"e\">%s</text>\n",
                   x, p->y[parent], middle, p->y[parent], middle, p->y[i], end, p->y[i],
                   1 + 7 * (share > 0 && share <= 1 ? share : 0), end - 5,
                   p->y[i] + (is_right ? 13 : -6), is_right ? "no" : "yes");
}

/* Shares of the classes along the lower edge of a box. */
static void draw_shares(picture *p, const qn_tree_node *node, double x, double y)
{
    const qn_forest_model *m = p->shower->model;
    const double *stats = stats_of(p, node), total = weight_of(p, node);

    for (int32_t c = 0; c < m->n_classes && total > 0; c++) {
        const double width = BOX_WIDTH * stats[c] / total;

        if (width >= 0.25)
            qn_string_addf(&p->shower->text,
                           "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.2f\" height=\"5\" "
                           "fill=\"%s\"/>\n",
                           x, y + BOX_HEIGHT / 2.0 - 5, width, class_colour(p, c));
        x += width;
    }
}

/* The box's own colour: of a leaf its class, fainter where it is less sure, or its number. */
static void fill_of(const picture *p, const qn_tree_node *node, char out[64])
{
    const qn_forest_model *m = p->shower->model;
    const double range = p->most - p->least, total = weight_of(p, node);
    const int32_t c = m->is_classifier ? (int32_t)node->prediction : -1;
    double share = 0;

    if (node->left >= 0) {
        snprintf(out, 64, "fill=\"#ffffff\"");
    } else if (m->is_classifier) {
        if (c >= 0 && c < m->n_classes && total > 0)
            share = stats_of(p, node)[c] / total;
        snprintf(out, 64, "fill=\"%s\" fill-opacity=\"%.2f\"", class_colour(p, c),
                 0.12 + 0.5 * share);
    } else {
        share = range > 0 ? (node->prediction - p->least) / range : 0.5;
        snprintf(out, 64, "fill=\"#4e79a7\" fill-opacity=\"%.2f\"", 0.08 + 0.6 * share);
    }
}

static void add_first_line(picture *p, const qn_tree_node *node, qn_string *out)
{
    const qn_forest_model *m = p->shower->model;
    const double total = weight_of(p, node);
    const int32_t c = m->is_classifier ? (int32_t)node->prediction : -1;

    if (node->left >= 0)
        forest_show_condition(m, node, false, 8, out);
    else if (!m->is_classifier)
        qn_string_addf(out, "%.6g", node->prediction);
    else if (c >= 0 && c < m->n_classes && total > 0)
        qn_string_addf(out, "class %d  (%.1f %%)", c, 100 * stats_of(p, node)[c] / total);
    else
        qn_string_addf(out, "class %d", c);
}

static void add_second_line(const qn_tree_node *node, double weight, qn_string *out)
{
    char count[32];

    if (node->raw_count >= 0) {
        qn_format_count(node->raw_count, count);
        qn_string_addf(out, "%s rows", count);
    } else {
        qn_string_addf(out, "weight %.6g", weight);
    }
    if (node->left >= 0)
        qn_string_addf(out, ", gain %.3g", node->gain);
}

static void draw_box(picture *p, int64_t i)
{
    const qn_tree_node *node = node_of(p, i);
    const double x = box_x(p, i), y = p->y[i];
    qn_string *s = &p->shower->text, first = {0}, second = {0};
    char fill[64];

    fill_of(p, node, fill);
    add_first_line(p, node, &first);
    add_second_line(node, weight_of(p, node), &second);
    qn_string_addf(s, "<g><title>node %d: ", p->steps[i].node);
    add_text(s, qn_string_text(&first));
    qn_string_addf(s,
                   ", %s, impurity %.4g</title>\n<rect x=\"%.1f\" y=\"%.1f\" width=\"%d\" "
                   "height=\"%d\" %s stroke=\"#888888\"/>\n<text x=\"%.1f\" y=\"%.1f\">",
                   qn_string_text(&second), node->impurity, x, y - BOX_HEIGHT / 2.0, BOX_WIDTH,
                   BOX_HEIGHT, fill, x + 8, y - 5);
    add_label(s, qn_string_text(&first));
    qn_string_addf(s, "</text>\n<text x=\"%.1f\" y=\"%.1f\" class=\"s\">%s</text>\n", x + 8, y + 9,
                   qn_string_text(&second));
    if (p->shower->model->is_classifier)
        draw_shares(p, node, x, y);
    qn_string_add(s, "</g>\n");
    s->failed |= first.failed || second.failed;
    qn_string_release(&first);
    qn_string_release(&second);
}

static void draw_head(picture *p)
{
    const qn_forest_model *m = p->shower->model;
    qn_string *s = &p->shower->text;

    qn_string_addf(s, "<text x=\"%d\" y=\"28\" class=\"t\">Tree %d of %d</text>\n", MARGIN, p->tree,
                   m->n_trees);
    qn_string_addf(s,
                   "<text x=\"%d\" y=\"28\" class=\"s\">%s; %" PRId64 " nodes, depth %d; the upper "
                   "branch is where the condition holds</text>\n",
                   MARGIN + 120, strrchr(forest_class_of(m)->name, '.') + 1, p->n,
                   m->walk->depth[p->tree]);
    for (int32_t c = 0; c < m->n_classes; c++) {
        const int32_t x = MARGIN + 76 * p->place[c];

        if (p->place[c] < 0 || p->place[c] >= LEGEND_MOST)
            continue;
        qn_string_addf(s,
                       "<rect x=\"%d\" y=\"42\" width=\"12\" height=\"12\" fill=\"%s\"/>\n"
                       "<text x=\"%d\" y=\"52\" class=\"s\">class %d</text>\n",
                       x, class_colour(p, c), x + 17, c);
    }
    if (!m->is_classifier)
        qn_string_addf(s, "<text x=\"%d\" y=\"52\" class=\"s\">pale %.6g, dark %.6g</text>\n",
                       MARGIN, p->least, p->most);
}

static qn_status draw(picture *p)
{
    const int32_t depth = p->shower->model->walk->depth[p->tree];
    const int32_t wide = 2 * MARGIN + depth * LEVEL_WIDTH + BOX_WIDTH;
    const int32_t legend = 2 * MARGIN + 76 * LEGEND_MOST;
    qn_status st = QN_OK;

    qn_string_addf(&p->shower->text,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%" PRId64
                   "\" font-family=\"sans-serif\" font-size=\"12\">\n"
                   "<style>.t{font-size:16px;font-weight:bold}.s{font-size:10px;fill:#444444}"
                   ".e{font-size:9px;fill:#666666;text-anchor:end}"
                   "path{fill:none;stroke:#bbbbbb}</style>\n"
                   "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
                   wide > legend ? wide : legend,
                   (int64_t)HEAD + (int64_t)ROW_HEIGHT * p->n_leaves + MARGIN);
    draw_head(p);
    for (int64_t i = 1; i < p->n; i++)
        draw_edge(p, i);
    for (int64_t i = 0; i < p->n; i++) {
        draw_box(p, i);
        if (p->shower->text.length > 1 << 16)
            QN_TRY(forest_show_flush(p->shower));
    }
    qn_string_add(&p->shower->text, "</svg>\n");
done:
    return st;
}

qn_status forest_show_svg(forest_shower *shower)
{
    const qn_forest_model *m = shower->model;
    const int32_t t = shower->options->tree < 0 ? 0 : shower->options->tree;
    picture p = {.shower = shower,
                 .tree = t,
                 .n = m->first_node[t + 1] - m->first_node[t],
                 .least = INFINITY,
                 .most = -INFINITY};
    qn_status st = QN_OK;

    QN_TRY(forest_show_steps(shower->ctx, m, t, &p.steps));
    QN_NEW(shower->ctx, p.y, p.n, "a picture of a tree");
    QN_NEW(shower->ctx, p.place, m->n_classes, "a picture of a tree");
    place_classes(&p);
    lay_out(&p);
    QN_TRY(draw(&p));
done:
    qn_free(p.steps);
    qn_free(p.y);
    qn_free(p.place);
    return st;
}
