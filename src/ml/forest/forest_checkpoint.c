/* The trees that are grown, saved after each group of them. What they were grown from is made anew:
 * bins, codes and draws depend on the data, the parameters and numbers of trees alone. */
#include <string.h>

#include "engine/checkpoint.h"
#include "ml/forest/forest_grow.h"

#define STATE_ARRAYS 3

/* All finished trees behind one another. */
typedef struct forest_state {
    int64_t n_nodes;
    int64_t *size;     /* [num_trees] nodes of each; 0: not grown */
    forest_node *node; /* [n_nodes] */
    double *stats;     /* [n_nodes x n_stats] */
} forest_state;

static void state_release(forest_state *state)
{
    qn_free(state->size);
    qn_free(state->node);
    qn_free(state->stats);
    *state = (forest_state){0};
}

static qn_status state_alloc(const forest_fit *fit, int64_t n_nodes, forest_state *state)
{
    qn_status st = QN_OK;

    state->n_nodes = n_nodes;
    QN_NEW0(fit->ctx, state->size, fit->params.num_trees, "trees of a checkpoint");
    QN_NEW0(fit->ctx, state->node, n_nodes, "trees of a checkpoint");
    QN_NEW0(fit->ctx, state->stats, n_nodes * fit->rule.n_stats, "trees of a checkpoint");
done:
    return st;
}

/* Rank 0 writes; every rank has all trees. */
static void arrays_of(const forest_fit *fit, const forest_state *state,
                      qn_checkpoint_array arrays[STATE_ARRAYS])
{
    const bool is_first = qn_rank(fit->ctx) == 0;
    const int64_t n_trees = fit->params.num_trees;
    const int64_t n = state->n_nodes;

    arrays[0] = (qn_checkpoint_array){"sizes",     n_trees, sizeof *state->size,
                                      state->size, 0,       is_first ? n_trees : 0};
    arrays[1] =
        (qn_checkpoint_array){"nodes", n, sizeof *state->node, state->node, 0, is_first ? n : 0};
    arrays[2] =
        (qn_checkpoint_array){"stats",      n, (size_t)fit->rule.n_stats * sizeof *state->stats,
                              state->stats, 0, is_first ? n : 0};
}

/* Levels, as step events count them, so that both mean the same by an iteration. */
static int32_t depth_of(const forest_fit *fit)
{
    return fit->params.max_depth > 0 ? fit->params.max_depth : 1;
}

static qn_status put_tree(const forest_fit *fit, const forest_state *state, int64_t first,
                          int32_t t)
{
    forest_tree *tree = &fit->tree[t];
    const int64_t n = state->size[t];
    const int64_t n_stats = fit->rule.n_stats;
    qn_status st = QN_OK;

    if (n < 1 || n > state->n_nodes - first)
        return qn_fail(fit->ctx, QN_EDATA, "a checkpoint holds a tree of %lld nodes", (long long)n);
    QN_NEW(fit->ctx, tree->node, n, "nodes of a tree");
    QN_NEW(fit->ctx, tree->stats, n * n_stats, "nodes of a tree");
    memcpy(tree->node, state->node + first, (size_t)n * sizeof *tree->node);
    memcpy(tree->stats, state->stats + first * n_stats, (size_t)(n * n_stats) * sizeof(double));
    tree->n = tree->capacity = n;
done:
    return st;
}

static qn_status put_trees(const forest_fit *fit, const forest_state *state, int32_t n_trees)
{
    int64_t first = 0;
    qn_status st = QN_OK;

    for (int32_t t = 0; t < n_trees; t++) {
        QN_TRY(put_tree(fit, state, first, t));
        first += state->size[t];
    }
done:
    return st;
}

qn_status forest_resume(forest_fit *fit, int32_t *n_trees)
{
    qn_context *ctx = fit->ctx;
    qn_checkpoint *ck = qn_checkpoint_attached(ctx);
    const qn_checkpoint_key key = {fit->is_tree ? "tree" : "forest",
                                   fit->is_tree ? &qn_tree_table : &qn_forest_table, &fit->params,
                                   NULL, fit->data->fingerprint};
    qn_checkpoint_array arrays[STATE_ARRAYS];
    forest_state state = {0};
    int32_t levels = 0;
    qn_status st = QN_OK;

    *n_trees = 0;
    QN_TRY(qn_checkpoint_begin(ctx, ck, &key, &levels));
    if (levels == 0)
        return QN_OK;
    if (levels / depth_of(fit) > fit->params.num_trees || qn_checkpoint_rows(ck, "nodes") < 0)
        QN_TRY(qn_fail(ctx, QN_EDATA, "a checkpoint of %d levels does not fit the forest", levels));
    QN_TRY_ALL(state_alloc(fit, qn_checkpoint_rows(ck, "nodes"), &state));
    arrays_of(fit, &state, arrays);
    QN_TRY(qn_checkpoint_read(ctx, ck, arrays, STATE_ARRAYS));
    QN_TRY_ALL(put_trees(fit, &state, levels / depth_of(fit)));
    *n_trees = levels / depth_of(fit);
done:
    state_release(&state);
    return st;
}

static qn_status take_trees(const forest_fit *fit, int32_t n_trees, forest_state *state)
{
    const int64_t n_stats = fit->rule.n_stats;
    int64_t n = 0;
    qn_status st = QN_OK;

    for (int32_t t = 0; t < n_trees; t++)
        n += fit->tree[t].n;
    QN_TRY(state_alloc(fit, n, state));
    n = 0;
    for (int32_t t = 0; t < n_trees; t++) {
        const forest_tree *tree = &fit->tree[t];

        state->size[t] = tree->n;
        memcpy(state->node + n, tree->node, (size_t)tree->n * sizeof *tree->node);
        memcpy(state->stats + n * n_stats, tree->stats,
               (size_t)(tree->n * n_stats) * sizeof *tree->stats);
        n += tree->n;
    }
done:
    return st;
}

qn_status forest_save_state(const forest_fit *fit, int32_t n_trees)
{
    qn_context *ctx = fit->ctx;
    qn_checkpoint *ck = qn_checkpoint_attached(ctx);
    const int32_t levels = n_trees * depth_of(fit);
    qn_checkpoint_array arrays[STATE_ARRAYS];
    forest_state state = {0};
    bool due = false;
    qn_status st = QN_OK;

    if (!ck)
        return QN_OK;
    QN_TRY_ALL(take_trees(fit, n_trees, &state));
    arrays_of(fit, &state, arrays);
    QN_TRY(qn_checkpoint_is_due(ctx, ck, levels, arrays, STATE_ARRAYS, &due));
    if (due)
        QN_TRY(qn_checkpoint_save(ctx, ck, levels, arrays, STATE_ARRAYS));
done:
    state_release(&state);
    return st;
}
