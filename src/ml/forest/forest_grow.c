/* Trees grown level by level: for the open nodes of a group of trees the sums of their rows, the
 * best split of each, its children. What is decided depends on whole numbers alone and is the same
 * on every rank; nothing but sums and splits is sent. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "engine/store.h"
#include "ml/forest/forest_grow_impl.h"

#define EPSILON        0x1p-52 /* a node that is purer is a leaf */
#define MOST_SUM_BYTES ((size_t)64 << 20)
#define MOST_OPEN      16384 /* open nodes of a tree that memory is planned for */

/* ---- memory ---- */

/* Bytes that one tree needs while it grows: entries of its rows, and where nodes begin. */
static double tree_bytes(const forest_fit *fit)
{
    const forest_rows *rows = &fit->rows;
    const int32_t depth = fit->params.max_depth;
    const double open = depth <= 1 ? 1 : depth > 14 ? MOST_OPEN : (double)(1 << (depth - 1));
    const double none = fit->bag.draws ? fit->bag.table[0][0] * 0x1p-32 : 0;

    return (double)rows->n * (1 - none) * 4.05 + (double)rows->n_blocks * (160 + 8 * open) + 65536;
}

static void group_release(grow *g)
{
    grow_batch_release(g);
    for (int64_t i = 0; g->entry && i < g->fit->rows.n_blocks * g->n_trees; i++)
        qn_free(g->entry[i]);
    qn_free(g->entry);
    qn_free(g->n_entries);
    g->entry = NULL;
    g->n_entries = NULL;
    qn_free(g->before.open);
    qn_free(g->before.first);
    qn_free(g->before.run);
    qn_free(g->now.open);
    qn_free(g->now.first);
    qn_free(g->now.run);
    g->before = g->now = (grow_level){0};
}

static void threads_release(grow *g)
{
    for (int32_t t = 0; g->thread && t < g->n_threads; t++) {
        qn_free(g->thread[t].count);
        qn_free(g->thread[t].right);
        forest_search_release(&g->thread[t].search);
    }
    qn_free(g->thread);
    g->thread = NULL;
}

static qn_status threads_alloc(grow *g)
{
    qn_context *ctx = g->fit->ctx;
    const int64_t most_rows = g->fit->rows.most_rows;
    qn_status st = QN_OK;

    g->n_threads = qn_context_threads(ctx);
    QN_NEW0(ctx, g->thread, g->n_threads, "scratch of threads");
    for (int32_t t = 0; t < g->n_threads; t++) {
        QN_NEW(ctx, g->thread[t].count, 4 * most_rows, "scratch of threads");
        QN_NEW(ctx, g->thread[t].right, most_rows + 16, "scratch of threads");
        g->thread[t].n_right = most_rows;
        QN_TRY(forest_search_init(g->fit, &g->thread[t].search));
    }
done:
    return st;
}

/* How many trees grow together, and how large the sums of a batch may be: at most, by what this
 * rank has left. */
static qn_status plan_memory(const grow *g, int64_t *n_trees, int64_t *sum_bytes)
{
    const forest_fit *fit = g->fit;
    const double left = 0.9 * (double)qn_context_room(fit->ctx);
    const double share = left / 4 / (g->n_threads + 2);
    const double of_sums = share < (double)MOST_SUM_BYTES ? share : (double)MOST_SUM_BYTES;
    const double trees = floor((left - of_sums * (g->n_threads + 2)) / tree_bytes(fit));
    char need[32], have[32];

    *sum_bytes = (int64_t)of_sums;
    *n_trees = trees < fit->params.num_trees ? (int64_t)trees : fit->params.num_trees;
    if (*n_trees >= 4 && *n_trees < fit->params.num_trees)
        *n_trees -= *n_trees % 4; /* four are drawn at a time */
    if (*n_trees >= 1)
        return QN_OK;
    qn_format_bytes(tree_bytes(fit) / 0.9 * 4 / 3, need);
    qn_format_bytes(left / 0.9, have);
    return qn_fail(fit->ctx, QN_ENOMEM,
                   "one level of one tree over %lld rows needs %s and %s are left: raise --memory, "
                   "lower --max-depth, or use more workers",
                   (long long)fit->rows.n, need, have);
}

/* ---- nodes ---- */

/* A node whose rows have these lanes; it is a leaf until it is split. */
static qn_status add_node(const forest_fit *fit, forest_tree *tree, const int64_t *lanes)
{
    const forest_rule *rule = &fit->rule;
    qn_status st = QN_OK;

    if (tree->n == tree->capacity) {
        const int64_t capacity = tree->capacity > 0 ? 2 * tree->capacity : 15;

        QN_GROW(fit->ctx, tree->node, capacity, "nodes of a tree");
        QN_GROW(fit->ctx, tree->stats, capacity * rule->n_stats, "nodes of a tree");
        tree->capacity = capacity;
    }
    forest_node *node = &tree->node[tree->n];
    double *stats = tree->stats + tree->n * rule->n_stats;
    *node = (forest_node){.child = -1, .split = {.gain = -DBL_MAX, .feature = -1}};
    node->n_rows = forest_lanes_stats(rule, lanes, stats);
    node->impurity = forest_impurity(rule, stats);
    node->prediction = forest_predict_stats(rule, stats);
    tree->n++;
done:
    return st;
}

/* Splits an open node, or leaves it a leaf; children that are to be split are added to `next`. */
static qn_status settle_node(grow *g, int64_t i, int32_t level, grow_level *next)
{
    const forest_fit *fit = g->fit;
    const grow_open open = g->now.open[i];
    forest_tree *tree = &fit->tree[g->first_tree + open.tree];
    const forest_split *split = grow_split(g, i);
    int64_t *total = grow_total(g, i), *left = grow_left(g, i);
    qn_status st = QN_OK;

    if (tree->n == 0)
        QN_TRY(add_node(fit, tree, grow_parent(g, i)));
    tree->node[open.node].is_invalid = split->feature < 0;
    if (!(split->gain > 0) || level == fit->params.max_depth)
        return QN_OK;
    tree->node[open.node].split = *split;
    tree->node[open.node].child = (int32_t)tree->n;
    forest_lanes_subtract(&fit->rule, total, left);
    QN_TRY(add_node(fit, tree, left));
    QN_TRY(add_node(fit, tree, total));
    for (int32_t side = 0; side < 2; side++) {
        const int32_t child = tree->node[open.node].child + side;

        if (level + 1 < fit->params.max_depth && fabs(tree->node[child].impurity) >= EPSILON)
            next->open[next->n++] = (grow_open){open.tree, child, 2 * open.place + (uint64_t)side};
    }
done:
    return st;
}

static qn_status settle_batch(grow *g, int32_t level, grow_level *next)
{
    qn_status st = QN_OK;

    for (int64_t i = g->first; i < g->end; i++) {
        if (next->first[g->now.open[i].tree] < 0)
            next->first[g->now.open[i].tree] = next->n;
        QN_TRY(settle_node(g, i, level, next));
    }
done:
    return st;
}

/* ---- levels ---- */

static void emit_step(const grow *g, int32_t level, double seconds)
{
    const forest_fit *fit = g->fit;
    const int32_t depth = fit->params.max_depth > 0 ? fit->params.max_depth : 1;
    const int64_t total = (int64_t)fit->params.num_trees * depth;
    const int64_t done = (int64_t)g->first_tree * depth + (int64_t)g->n_trees * (level + 1);
    const qn_event event = {
        .kind = QN_EVENT_STEP,
        .rank = qn_rank(fit->ctx),
        .name = fit->is_tree ? "tree" : "forest",
        .done = done,
        .total = total,
        .rows = fit->n_rows,
        .value = (double)g->now.n,
        .duration_us = (int64_t)(seconds * 1e6),
    };

    qn_emit(fit->ctx, &event);
}

static qn_status level_alloc(const grow *g, int64_t n, grow_level *level)
{
    qn_status st = QN_OK;

    QN_NEW(g->fit->ctx, level->open, n, "nodes of a level");
    QN_NEW(g->fit->ctx, level->first, (int64_t)g->n_trees + 1, "nodes of a level");
    for (int32_t t = 0; t <= g->n_trees; t++)
        level->first[t] = -1;
done:
    return st;
}

/* Makes `next` the level that is worked on. */
static qn_status level_begin(grow *g, grow_level *next)
{
    qn_status st = QN_OK;

    for (int64_t t = g->n_trees, first = next->n; t >= 0; t--) {
        next->first[t] = next->first[t] < 0 ? first : next->first[t];
        first = next->first[t];
    }
    QN_NEW(g->fit->ctx, next->run, g->fit->rows.n_blocks * next->n, "runs of rows");
    qn_free(g->before.open);
    qn_free(g->before.first);
    qn_free(g->before.run);
    g->before = g->now;
    g->now = *next;
    *next = (grow_level){0};
done:
    return st;
}

static qn_status grow_one_level(grow *g, int32_t level)
{
    qn_context *ctx = g->fit->ctx;
    const double start = qn_seconds();
    grow_level next = {0};
    char name[64];
    qn_status st = QN_OK;

    snprintf(name, sizeof name, "level %d of trees %d-%d", level, g->first_tree,
             g->first_tree + g->n_trees - 1);
    QN_TRY_ALL(level_alloc(g, 2 * g->now.n, &next));
    for (g->first = 0; g->first < g->now.n; g->first = g->end) {
        QN_TRY(grow_batch(g, name));
        QN_TRY_ALL(settle_batch(g, level, &next));
        grow_batch_release(g);
    }
    forest_note_memory(g->fit);
    emit_step(g, level, qn_seconds() - start);
    QN_TRY_ALL(level_begin(g, &next));
done:
    qn_free(next.open);
    qn_free(next.first);
    qn_free(next.run);
    return st;
}

static qn_status group_alloc(grow *g)
{
    const int64_t n_blocks = g->fit->rows.n_blocks;
    qn_status st = QN_OK;

    QN_NEW0(g->fit->ctx, g->entry, n_blocks * g->n_trees, "rows that trees draw");
    QN_NEW0(g->fit->ctx, g->n_entries, n_blocks * g->n_trees, "rows that trees draw");
    QN_TRY(level_alloc(g, g->n_trees, &g->now));
    QN_NEW(g->fit->ctx, g->now.run, n_blocks * g->n_trees, "runs of rows");
    for (int32_t t = 0; t <= g->n_trees; t++) {
        g->now.first[t] = t;
        if (t < g->n_trees)
            g->now.open[t] = (grow_open){t, 0, 1};
    }
    g->now.n = g->n_trees;
done:
    return st;
}

static qn_status grow_group(grow *g)
{
    qn_context *ctx = g->fit->ctx;
    qn_status st = QN_OK;

    QN_TRY_ALL(group_alloc(g));
    QN_TRY(grow_draw(g));
    memcpy(g->now.run, g->n_entries,
           (size_t)(g->fit->rows.n_blocks * g->n_trees) * sizeof *g->now.run);
    for (int32_t level = 0; g->now.n > 0; level++)
        QN_TRY(grow_one_level(g, level));
done:
    group_release(g);
    return st;
}

qn_status forest_grow(forest_fit *fit)
{
    qn_context *ctx = fit->ctx;
    grow g = {.fit = fit};
    int64_t least[2] = {0};
    qn_status st = QN_OK;

    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&fit->tree, fit->params.num_trees, sizeof *fit->tree,
                               "trees"));
    QN_TRY(forest_resume(fit, &g.first_tree));
    QN_TRY_ALL(threads_alloc(&g));
    QN_TRY_ALL(plan_memory(&g, &least[0], &least[1]));
    QN_TRY(qn_comm_min_int64(ctx, least, 2));
    g.most_bytes = (size_t)least[1];
    for (; g.first_tree < fit->params.num_trees; g.first_tree += g.n_trees) {
        const int64_t left = fit->params.num_trees - g.first_tree;

        g.n_trees = (int32_t)(least[0] < left ? least[0] : left);
        QN_TRY(grow_group(&g));
        QN_TRY(forest_save_state(fit, g.first_tree + g.n_trees));
    }
done:
    threads_release(&g);
    return st;
}
