/* What a model must be before anything walks it. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "ml/forest/forest_dir.h"

typedef struct checker {
    qn_context *ctx;
    const char *path;
    const qn_forest_model *model;
    const forest_place *place; /* NULL: unknown */
    uint8_t *parents;          /* of each node of the tree, as found; 2 stands for more */
} checker;

static qn_status bad_node(const checker *c, int32_t t, int64_t i, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static qn_status bad_node(const checker *c, int32_t t, int64_t i, const char *format, ...)
{
    char what[256];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (c->place) {
        const forest_place *place = c->place + c->model->first_node[t] + i;

        return qn_fail(c->ctx, QN_EDATA, "%s, row %" PRId64 ": tree %d, node %" PRId64 ": %s",
                       place->path, place->row, t, i, what);
    }
    return qn_fail(c->ctx, QN_EDATA, "%s: tree %d, node %" PRId64 ": %s", c->path, t, i, what);
}

/* A number that a double and a file both hold, not what gain or statistics may be otherwise. */
static qn_status check_numbers(const checker *c, int32_t t, int64_t i)
{
    const qn_forest_model *model = c->model;
    const int64_t at = model->first_node[t] + i;
    const qn_tree_node *node = model->node + at;

    if (!isfinite(node->prediction))
        return bad_node(c, t, i, "the prediction is %g", node->prediction);
    if (model->is_classifier && !(node->prediction >= 0 && node->prediction < model->n_classes))
        return bad_node(c, t, i, "the prediction is %g, not one of %d classes", node->prediction,
                        model->n_classes);
    for (int32_t s = 0; s < model->n_stats; s++) {
        const double value = model->stats[at * model->n_stats + s];

        if (!isfinite(value) || (value < 0 && model->is_classifier))
            return bad_node(c, t, i, "statistic %d is %g", s, value);
    }
    return QN_OK;
}

static qn_status check_categories(const checker *c, int32_t t, int64_t i)
{
    const qn_forest_model *model = c->model;
    const qn_tree_node *node = model->node + model->first_node[t] + i;
    const int64_t first = node->first_category, n = node->n_left_categories;

    if (first < 0 || n < 0 || first > model->n_category_list - n)
        return bad_node(c, t, i, "its %" PRId64 " categories are not in the model", n);
    for (int64_t k = first; k < first + n; k++)
        if (model->category[k] < 0 || model->category[k] >= node->n_categories)
            return bad_node(c, t, i, "category %d is not one of %d", model->category[k],
                            node->n_categories);
    return QN_OK;
}

static qn_status check_children(const checker *c, int32_t t, int64_t i)
{
    const int64_t n = c->model->first_node[t + 1] - c->model->first_node[t];
    const qn_tree_node *node = c->model->node + c->model->first_node[t] + i;
    const int32_t child[2] = {node->left, node->right};

    for (int32_t k = 0; k < 2; k++) {
        if (child[k] < 0 || child[k] >= n)
            return bad_node(c, t, i, "child %d is not one of the tree's %" PRId64 " nodes",
                            child[k], n);
        if (child[k] <= i)
            return bad_node(c, t, i, "child %d does not stand behind it: a circle", child[k]);
        if (c->parents[child[k]]++)
            return bad_node(c, t, i, "child %d has another parent too", child[k]);
    }
    return QN_OK;
}

static qn_status check_split(const checker *c, int32_t t, int64_t i)
{
    const qn_forest_model *model = c->model;
    const qn_tree_node *node = model->node + model->first_node[t] + i;
    qn_status st = QN_OK;

    if (node->feature < 0 || node->feature >= model->n_features)
        return bad_node(c, t, i, "feature %d is not one of %d", node->feature, model->n_features);
    if (node->n_categories < 0 && isnan(node->threshold))
        return bad_node(c, t, i, "the threshold is missing");
    if (!isfinite(node->gain))
        return bad_node(c, t, i, "the gain is %g", node->gain);
    if (node->n_categories >= 0)
        QN_TRY(check_categories(c, t, i));
    QN_TRY(check_children(c, t, i));
done:
    return st;
}

static qn_status check_tree(const checker *c, int32_t t)
{
    const qn_forest_model *model = c->model;
    const int64_t first = model->first_node[t], n = model->first_node[t + 1] - first;
    qn_status st = QN_OK;

    if (n < 1 || n > INT32_MAX)
        return qn_fail(c->ctx, QN_EDATA, "%s: tree %d has %" PRId64 " nodes", c->path, t, n);
    for (int64_t i = 0; i < n; i++)
        c->parents[i] = 0;
    for (int64_t i = 0; i < n; i++) {
        const qn_tree_node *node = model->node + first + i;

        if (i > 0 && !c->parents[i])
            return bad_node(c, t, i, "no node before it has it for a child");
        QN_TRY(check_numbers(c, t, i));
        if (node->left < 0 && node->right < 0)
            continue;
        QN_TRY(check_split(c, t, i));
    }
done:
    return st;
}

static qn_status check_shape(const checker *c)
{
    const qn_forest_model *m = c->model;
    const int32_t n_stats = m->is_classifier ? m->n_classes : 3;

    if (m->n_trees < 1 || (m->is_tree && m->n_trees != 1))
        return qn_fail(c->ctx, QN_EDATA, "%s: the model has %d trees", c->path, m->n_trees);
    if (m->n_features < 1)
        return qn_fail(c->ctx, QN_EDATA, "%s: the model has %d features", c->path, m->n_features);
    if (m->is_classifier && (m->n_classes < 1 || m->n_classes > FOREST_MAX_CLASSES))
        return qn_fail(c->ctx, QN_EDATA, "%s: the model has %d classes, not 1 to %d", c->path,
                       m->n_classes, FOREST_MAX_CLASSES);
    if (m->n_stats != n_stats)
        return qn_fail(c->ctx, QN_EDATA, "%s: the nodes have %d statistics, not %d", c->path,
                       m->n_stats, n_stats);
    return QN_OK;
}

qn_status forest_model_check_places(qn_context *ctx, const char *path, const qn_forest_model *model,
                                    const forest_place *place)
{
    checker c = {.ctx = ctx, .path = path, .model = model, .place = place};
    int64_t most = 0;
    qn_status st = QN_OK;

    QN_TRY(check_shape(&c));
    for (int32_t t = 0; t < model->n_trees; t++) {
        const int64_t n = model->first_node[t + 1] - model->first_node[t];

        most = n > most ? n : most;
    }
    QN_NEW(ctx, c.parents, most, "marks on nodes");
    for (int32_t t = 0; t < model->n_trees; t++)
        QN_TRY(check_tree(&c, t));
done:
    qn_free(c.parents);
    return st;
}

qn_status forest_model_check(qn_context *ctx, const char *path, const qn_forest_model *model)
{
    return forest_model_check_places(ctx, path, model, NULL);
}
