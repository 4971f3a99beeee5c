/* Exports of a forest: names, conditions, and the form as indented text. */
#include "ml/forest/forest_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/context.h"
#include "ml/forest/forest_dir.h"

qn_status forest_show_flush(forest_shower *shower)
{
    qn_status st = QN_OK;

    if (shower->text.failed)
        return qn_fail(shower->ctx, QN_ENOMEM, "no memory for the export of a model");
    if (shower->text.length > 0)
        st = qn_out_write(shower->out, shower->text.text, shower->text.length);
    qn_string_clear(&shower->text);
    return st;
}

qn_status forest_show_steps(qn_context *ctx, const qn_forest_model *model, int32_t t,
                            forest_step **steps)
{
    const qn_tree_node *tree = model->node + model->first_node[t];
    const int64_t n = model->first_node[t + 1] - model->first_node[t];
    forest_step *list = NULL, *later = NULL;
    int64_t n_done = 0, n_later = 1;
    qn_status st = QN_OK;

    *steps = NULL;
    QN_NEW(ctx, list, n, "the nodes of a tree");
    QN_NEW(ctx, later, n, "the nodes of a tree");
    later[0] = (forest_step){.parent = -1};
    while (n_later > 0) {
        const forest_step step = later[--n_later];
        const qn_tree_node *node = tree + step.node;
        const int32_t at = (int32_t)n_done;

        list[n_done++] = step;
        if (node->left < 0)
            continue;
        later[n_later++] = (forest_step){node->right, step.depth + 1, at, true};
        later[n_later++] = (forest_step){node->left, step.depth + 1, at, false};
    }
    *steps = list;
    list = NULL;
done:
    qn_free(list);
    qn_free(later);
    return st;
}

/* ---- Names ---- */

void forest_show_feature(const qn_forest_model *model, int32_t f, char *out, size_t size)
{
    if (model->base.features.n > 0 && f < model->base.features.width)
        qn_features_name(&model->base.features, f, out, size);
    else
        snprintf(out, size, "feature %d", f);
}

void forest_show_category(const qn_forest_model *model, int32_t f, int32_t k, char *out,
                          size_t size)
{
    const qn_features *features = &model->base.features;
    int32_t first = 0;

    for (int32_t i = 0; i < features->n && first <= f; first += features->feature[i++].width) {
        const qn_feature *feature = &features->feature[i];

        if (first == f && feature->kind == QN_FEATURE_CATEGORY && k < feature->n_categories) {
            snprintf(out, size, "%s", feature->category[k]);
            return;
        }
    }
    snprintf(out, size, "%d", k);
}

void forest_show_condition(const qn_forest_model *model, const qn_tree_node *node, bool is_right,
                           int32_t n_categories, qn_string *out)
{
    const int32_t n = node->n_left_categories;
    const int32_t shown = n_categories >= 0 && n > n_categories ? n_categories : n;
    char name[256], number[32];

    forest_show_feature(model, node->feature, name, sizeof name);
    if (node->n_categories < 0) {
        qn_format_double(node->threshold, number);
        qn_string_addf(out, "%s %s %s", name, is_right ? ">" : "<=", number);
        return;
    }
    qn_string_addf(out, "%s %s {", name, is_right ? "not in" : "in");
    for (int32_t k = 0; k < shown; k++) {
        forest_show_category(model, node->feature, model->category[node->first_category + k], name,
                             sizeof name);
        qn_string_addf(out, "%s%s", k ? ", " : "", name);
    }
    qn_string_add(out, shown < n ? ", ...}" : "}");
}

bool forest_show_missing(const qn_forest_model *model)
{
    for (int64_t i = 0; i < model->first_node[model->n_trees]; i++) {
        const qn_tree_node *node = model->node + i;

        if (node->left >= 0 && node->missing_left != forest_missing_left(node))
            return true;
    }
    return false;
}

/* ---- Text ---- */

static void add_indent(qn_string *s, int32_t depth)
{
    for (int32_t i = 0; i <= depth; i++)
        qn_string_add(s, "  ");
}

static void add_number(qn_string *s, double x)
{
    char number[32];

    qn_format_double(x, number);
    qn_string_add(s, number);
}

static void add_leaf(forest_shower *shower, int32_t t, const qn_tree_node *node)
{
    const qn_forest_model *m = shower->model;
    const double *stats = m->stats + (node - m->node) * m->n_stats;

    (void)t;
    qn_string_add(&shower->text, "Predict ");
    add_number(&shower->text, node->prediction);
    if (node->raw_count >= 0)
        qn_string_addf(&shower->text, "  %" PRId64 " rows", node->raw_count);
    if (m->is_classifier) {
        qn_string_add(&shower->text, "  [");
        for (int32_t c = 0; c < m->n_classes; c++) {
            qn_string_add(&shower->text, c ? ", " : "");
            add_number(&shower->text, stats[c]);
        }
        qn_string_add(&shower->text, "]");
    }
    qn_string_add(&shower->text, "\n");
}

/* "  If z <= 0.5 or missing", and below it what follows. */
static void add_step(forest_shower *shower, int32_t t, const forest_step *steps, int64_t i,
                     bool with_missing)
{
    const forest_step *step = steps + i;
    const qn_tree_node *node = forest_show_node(shower->model, t, step->node);

    if (step->parent >= 0) {
        const qn_tree_node *parent = forest_show_node(shower->model, t, steps[step->parent].node);

        add_indent(&shower->text, step->depth - 1);
        qn_string_add(&shower->text, step->is_right ? "Else " : "If ");
        forest_show_condition(shower->model, parent, step->is_right, -1, &shower->text);
        if (with_missing && parent->missing_left != step->is_right)
            qn_string_add(&shower->text, " or missing");
        qn_string_add(&shower->text, "\n");
    }
    if (node->left < 0) {
        add_indent(&shower->text, step->depth);
        add_leaf(shower, t, node);
    }
}

static void add_head(forest_shower *shower)
{
    const qn_forest_model *m = shower->model;
    char name[256];

    qn_string_addf(&shower->text, "%s: %d %s, %d features",
                   strrchr(forest_class_of(m)->name, '.') + 1, m->n_trees,
                   m->n_trees == 1 ? "tree" : "trees", m->n_features);
    if (m->is_classifier)
        qn_string_addf(&shower->text, ", %d classes", m->n_classes);
    qn_string_add(&shower->text, "\nfeatures, with their importance:\n");
    for (int32_t f = 0; f < m->n_features; f++) {
        forest_show_feature(m, f, name, sizeof name);
        qn_string_addf(&shower->text, "  %d  %s  %.6g\n", f, name, m->importance[f]);
    }
}

qn_status forest_show_text(forest_shower *shower)
{
    const qn_forest_model *m = shower->model;
    const int32_t only = shower->options->tree;
    const bool with_missing = forest_show_missing(m);
    forest_step *steps = NULL;
    qn_status st = QN_OK;

    add_head(shower);
    for (int32_t t = only < 0 ? 0 : only; t < (only < 0 ? m->n_trees : only + 1); t++) {
        const int64_t n = m->first_node[t + 1] - m->first_node[t];

        QN_TRY(qn_check_cancel(shower->ctx));
        QN_TRY(forest_show_steps(shower->ctx, m, t, &steps));
        qn_string_addf(&shower->text, "Tree %d: %" PRId64 " nodes, depth %d\n", t, n,
                       m->walk->depth[t]);
        for (int64_t i = 0; i < n; i++)
            add_step(shower, t, steps, i, with_missing);
        qn_free(steps);
        steps = NULL;
        QN_TRY(forest_show_flush(shower));
    }
done:
    qn_free(steps);
    return st;
}

/* ---- All forms ---- */

/* What stands for the model in a C header: a name that C takes. */
static bool is_c_name(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    const size_t n = strlen(name);

    return n > 0 && strchr(letters, name[0]) && n <= 64 &&
           strspn(name + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") ==
               n - 1;
}

qn_status forest_export(qn_context *ctx, const qn_model *base, const qn_model_form *options,
                        qn_out_file *out)
{
    static qn_status (*const forms[])(forest_shower *) = {
        [QN_EXPORT_TEXT] = forest_show_text,
        [QN_EXPORT_JSON] = forest_show_json,
        [QN_EXPORT_SVG] = forest_show_svg,
        [QN_EXPORT_C] = forest_show_c,
    };
    const qn_forest_model *model = (const qn_forest_model *)base;
    forest_shower shower = {.ctx = ctx, .model = model, .options = options, .out = out};
    qn_status st;

    if (options->tree >= model->n_trees)
        return qn_fail(ctx, QN_EINVAL, "--tree %d: the model has %d %s, counted from 0",
                       options->tree, model->n_trees, model->n_trees == 1 ? "tree" : "trees");
    if (options->format == QN_EXPORT_C && !is_c_name(options->name ? options->name : "model"))
        return qn_fail(ctx, QN_EINVAL, "--name \"%s\" is no name that C takes", options->name);
    if (options->format == QN_EXPORT_C && options->tree >= 0 && model->n_trees > 1)
        return qn_fail(ctx, QN_EINVAL, "--tree: a C header holds all trees; leave it out");
    st = forms[options->format](&shower);
    if (st == QN_OK)
        st = forest_show_flush(&shower);
    qn_string_release(&shower.text);
    return st;
}
