/* A batch of open nodes: sums of their rows over blocks, threads and ranks, and their best splits.
 * A node's sums meet on one rank, which judges it; all ranks learn what it found. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/text.h"
#include "ml/forest/forest_grow_impl.h"

/* Room that the kernel for sums wants behind the last feature. */
#define SLACK_BYTES (QN_CODES * (int64_t)sizeof(uint32_t))

/* ---- features of a node ---- */

static int compare_features(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

static bool is_among(const int32_t *list, int32_t n, int32_t feature)
{
    for (int32_t i = 0; i < n; i++)
        if (list[i] == feature)
            return true;
    return false;
}

/* n of m without order, each set as likely (Floyd; Bentley, Programming Pearls, 1987). */
void forest_features_tried(const forest_fit *fit, int32_t tree, uint64_t place, int32_t *tried)
{
    const forest_rule *rule = &fit->rule;
    qn_random random = {{0}};

    for (int32_t k = 0; k < rule->n_tried; k++) {
        const uint64_t last = (uint64_t)(rule->n_features - rule->n_tried + k);
        int32_t feature = k;

        if (rule->n_tried < rule->n_features) {
            if (k % 4 == 0)
                random = qn_philox(fit->params.seed, QN_STREAM_SUBSET, (uint64_t)tree,
                                   place | (uint64_t)(k / 4) << 32);
            feature = (int32_t)((random.word[k % 4] * (last + 1)) >> 32);
            if (is_among(tried, k, feature))
                feature = (int32_t)last;
        }
        tried[k] = feature;
    }
    if (rule->n_tried < rule->n_features)
        qsort(tried, (size_t)rule->n_tried, sizeof *tried, compare_features);
}

/* ---- the batch ---- */

void grow_batch_release(grow *g)
{
    qn_free(g->bin);
    qn_free(g->tried);
    qn_free(g->offset);
    qn_free(g->found);
    g->bin = NULL;
    g->tried = g->offset = NULL;
    g->found = NULL;
    for (int32_t t = 0; g->thread && t < g->n_threads; t++) {
        qn_free(g->thread[t].sums);
        g->thread[t].sums = NULL;
    }
}

/* Features of node i, where their sums begin in the node's, and how many bins they have. */
static int64_t node_bins(const grow *g, int64_t i)
{
    const forest_fit *fit = g->fit;
    const forest_rule *rule = &fit->rule;
    const int32_t unit = rule->sums == FOREST_CODES ? rule->n_lanes : 1;
    int32_t *tried = grow_tried(g, g->tried, i), *offset = grow_tried(g, g->offset, i);
    int64_t n_bins = 0;

    forest_features_tried(fit, g->first_tree + g->now.open[i].tree, g->now.open[i].place, tried);
    for (int32_t k = 0; k < rule->n_tried; k++) {
        offset[k] = (int32_t)n_bins * unit;
        n_bins += forest_all_bins(&fit->feature[tried[k]]);
    }
    return n_bins;
}

static size_t bytes_of(const grow *g, int64_t n_bins)
{
    return (size_t)n_bins * (size_t)g->fit->rule.n_lanes * g->fit->rule.lane_bytes;
}

/* As many nodes as fit, at least one. The same on every rank. */
static qn_status choose_batch(grow *g)
{
    qn_context *ctx = g->fit->ctx;
    const forest_rule *rule = &g->fit->rule;
    const bool is_each = rule->n_tried < rule->n_features;
    const int64_t left = g->now.n - g->first;
    const int64_t least =
        (int64_t)(bytes_of(g, rule->n_tried) > 0 ? bytes_of(g, rule->n_tried) : 1);
    const int64_t most = (int64_t)g->most_bytes / least + 1;
    const int64_t n = most < left ? most : left; /* a feature has a bin at least */
    qn_status st = QN_OK;

    QN_NEW(ctx, g->bin, n + 1, "nodes of a level");
    QN_NEW(ctx, g->tried, (is_each ? n : 1) * rule->n_tried, "features of nodes");
    QN_NEW(ctx, g->offset, (is_each ? n : 1) * rule->n_tried, "features of nodes");
    g->bin[0] = 0;
    for (g->end = g->first; g->end < g->first + n; g->end++) {
        const int64_t at = g->end - g->first;

        g->bin[at + 1] = g->bin[at] + (is_each || at == 0 ? node_bins(g, g->end) : g->bin[1]);
        if (at > 0 && bytes_of(g, g->bin[at + 1]) > g->most_bytes)
            break;
    }
done:
    return st;
}

static qn_status batch_alloc(grow *g)
{
    qn_status st = QN_OK;

    QN_TRY(choose_batch(g));
    g->record_bytes = sizeof(forest_split) + 3 * (size_t)g->fit->rule.n_lanes * sizeof(int64_t);
    QN_TRY(qn_calloc_array(g->fit->ctx, (void **)&g->found, g->end - g->first, g->record_bytes,
                           "splits of nodes"));
    for (int32_t t = 0; t < g->n_threads; t++)
        QN_TRY(qn_calloc_array(g->fit->ctx, &g->thread[t].sums,
                               (int64_t)bytes_of(g, g->bin[g->end - g->first]) + SLACK_BYTES, 1,
                               "sums of the nodes of a level"));
done:
    return st;
}

/* ---- sums ---- */

static void *node_sums(const grow *g, void *sums, int64_t i)
{
    return (char *)sums + bytes_of(g, g->bin[i - g->first]);
}

/* The batch's nodes of one tree; what lies before them in the block belongs to other batches. */
static void add_tree(grow *g, const forest_block *block, int32_t tree, int64_t first, int64_t end,
                     int32_t thread)
{
    const int64_t b = block - g->fit->rows.block;
    const uint32_t *run = g->now.run + b * g->now.n;
    const uint32_t *entry = g->entry[b * g->n_trees + tree];

    for (int64_t i = g->now.first[tree]; i < first; i++)
        entry += run[i];
    for (int64_t i = first; i < end; i++) {
        if (run[i] > 0)
            grow_add(g, block, run[i], entry, i, node_sums(g, g->thread[thread].sums, i));
        entry += run[i];
    }
}

static qn_status add_block(void *arg, const forest_block *block, int32_t thread)
{
    grow *g = arg;
    qn_status st = QN_OK;

    for (int64_t i = g->first; i < g->end;) {
        const int32_t tree = g->now.open[i].tree;
        const int64_t after = g->now.first[tree + 1];
        const int64_t end = after < g->end ? after : g->end;

        if (i == g->now.first[tree] && g->before.n > 0)
            QN_TRY(grow_divide(g, block, tree, thread));
        add_tree(g, block, tree, i, end, thread);
        i = end;
    }
done:
    return st;
}

static qn_status join_threads(void *arg, int64_t task, int32_t thread)
{
    grow *g = arg;
    const int64_t i = g->first + task;
    const int64_t n_bins = g->bin[task + 1] - g->bin[task];

    (void)thread;
    for (int32_t t = 1; t < g->n_threads; t++)
        forest_sums_add(&g->fit->rule, n_bins, node_sums(g, g->thread[0].sums, i),
                        node_sums(g, g->thread[t].sums, i));
    return QN_OK;
}

/* ---- ranks ---- */

/* The first node of the batch that rank r judges. */
static int64_t first_of_rank(const grow *g, int32_t r)
{
    return g->first + (g->end - g->first) * r / qn_size(g->fit->ctx);
}

/* What a rank gives to each and gets from each, in bytes. */
typedef struct ways {
    size_t *send, *receive, *found;
    char *sums; /* [ranks] of own nodes */
} ways;

static qn_status ways_alloc(const grow *g, ways *w)
{
    qn_context *ctx = g->fit->ctx;
    const int32_t size = qn_size(ctx), rank = qn_rank(ctx);
    const int64_t own_first = first_of_rank(g, rank), own_end = first_of_rank(g, rank + 1);
    const size_t own = bytes_of(g, g->bin[own_end - g->first] - g->bin[own_first - g->first]);
    qn_status st = QN_OK;

    QN_NEW(ctx, w->send, size, "bytes to ranks");
    QN_NEW(ctx, w->receive, size, "bytes to ranks");
    QN_NEW(ctx, w->found, size, "bytes to ranks");
    for (int32_t r = 0; r < size; r++) {
        const int64_t first = first_of_rank(g, r) - g->first;
        const int64_t end = first_of_rank(g, r + 1) - g->first;

        w->send[r] = bytes_of(g, g->bin[end] - g->bin[first]);
        w->receive[r] = own;
        w->found[r] = (size_t)(end - first) * g->record_bytes;
    }
    QN_TRY(qn_alloc_array(ctx, (void **)&w->sums, size, own, "sums of the nodes of a level"));
done:
    return st;
}

/* Sums of own nodes of all ranks, in thread 0's. */
static qn_status join_ranks(grow *g, ways *w)
{
    qn_context *ctx = g->fit->ctx;
    const int64_t first = first_of_rank(g, qn_rank(ctx));
    const int64_t n_bins =
        g->bin[first_of_rank(g, qn_rank(ctx) + 1) - g->first] - g->bin[first - g->first];
    void *own = node_sums(g, g->thread[0].sums, first);
    qn_status st = QN_OK;

    QN_TRY(qn_comm_exchange(ctx, g->thread[0].sums, w->send, w->sums, w->receive));
    for (int32_t r = 0; r < qn_size(ctx); r++)
        if (r != qn_rank(ctx))
            forest_sums_add(&g->fit->rule, n_bins, own, w->sums + (size_t)r * w->receive[r]);
done:
    return st;
}

/* NaN: of a root, which is not in its tree yet. */
static double node_impurity(const grow *g, int64_t i)
{
    const forest_tree *tree = &g->fit->tree[g->first_tree + g->now.open[i].tree];

    return tree->n == 0 ? NAN : tree->node[g->now.open[i].node].impurity;
}

static qn_status search_own(void *arg, int64_t task, int32_t thread)
{
    grow *g = arg;
    const int64_t i = first_of_rank(g, qn_rank(g->fit->ctx)) + task;
    const int32_t n_tried = g->fit->rule.n_tried;
    const int32_t *tried = grow_tried(g, g->tried, i);
    const void *sums = node_sums(g, g->thread[0].sums, i);
    forest_search *search = &g->thread[thread].search;
    forest_split *split = grow_split(g, i);
    const size_t bytes = (size_t)g->fit->rule.n_lanes * sizeof(int64_t);

    forest_search_node(search, n_tried, tried, sums, node_impurity(g, i), split);
    memcpy(grow_total(g, i), search->best_total, bytes);
    memcpy(grow_left(g, i), search->best_left, bytes);
    memcpy(grow_parent(g, i), search->parent, bytes);
    return QN_OK;
}

qn_status grow_batch(grow *g, const char *name)
{
    qn_context *ctx = g->fit->ctx;
    ways w = {0};
    qn_status st = QN_OK;

    QN_TRY_ALL(batch_alloc(g));
    QN_TRY(forest_pass(g->fit, name, add_block, g));
    QN_TRY_ALL(qn_parallel(ctx, g->end - g->first, join_threads, g));
    QN_TRY_ALL(ways_alloc(g, &w));
    forest_note_memory(g->fit);
    QN_TRY(join_ranks(g, &w));
    QN_TRY_ALL(qn_parallel(ctx, first_of_rank(g, qn_rank(ctx) + 1) - first_of_rank(g, qn_rank(ctx)),
                           search_own, g));
    QN_TRY(qn_comm_allgatherv(ctx, grow_split(g, first_of_rank(g, qn_rank(ctx))),
                              w.found[qn_rank(ctx)], g->found, w.found));
done:
    qn_free(w.send);
    qn_free(w.receive);
    qn_free(w.found);
    qn_free(w.sums);
    return st;
}
