#include "engine/tree_sum.h"

#include <pthread.h>
#include <string.h>

#include "base/alloc.h"
#include "engine/comm.h"

/* A subtree that is complete: node `index` of `level` (0: cells). Nodes that wait for their sibling
 * hang in a list; the list is short, because cells come in about ascending order. */
typedef struct tree_node {
    struct tree_node *next;
    int64_t level, index;
    double sum[];
} tree_node;

struct qn_tree_sum {
    pthread_mutex_t lock;
    int64_t n_cells, width;
    int64_t n_waiting;
    tree_node *waiting; /* complete, without their sibling */
    tree_node *unused;
};

qn_status qn_tree_sum_create(qn_context *ctx, int64_t n_cells, int64_t width, qn_tree_sum **tree)
{
    qn_status st = QN_OK;

    *tree = NULL;
    QN_NEW0(ctx, *tree, 1, "tree of sums");
    (*tree)->n_cells = n_cells;
    (*tree)->width = width;
    pthread_mutex_init(&(*tree)->lock, NULL);
done:
    return st;
}

static void nodes_free(tree_node *node)
{
    while (node) {
        tree_node *next = node->next;

        qn_free(node);
        node = next;
    }
}

void qn_tree_sum_free(qn_tree_sum *tree)
{
    if (!tree)
        return;
    nodes_free(tree->waiting);
    nodes_free(tree->unused);
    pthread_mutex_destroy(&tree->lock);
    qn_free(tree);
}

/* Nodes at a level when there are n_cells cells. */
static int64_t level_size(int64_t n_cells, int64_t level)
{
    for (int64_t l = 0; l < level; l++)
        n_cells = (n_cells + 1) / 2;
    return n_cells;
}

static bool is_root(const qn_tree_sum *tree, const tree_node *node)
{
    return level_size(tree->n_cells, node->level) == 1;
}

/* A left node whose right sibling does not exist goes up unchanged. */
static void pass_up(const qn_tree_sum *tree, tree_node *node)
{
    while (!is_root(tree, node) && node->index % 2 == 0 &&
           node->index + 1 >= level_size(tree->n_cells, node->level)) {
        node->level++;
        node->index /= 2;
    }
}

/* Takes the sibling of `node` out of the waiting list; NULL if it is not there. Lock held. */
static tree_node *take_sibling(qn_tree_sum *tree, const tree_node *node)
{
    for (tree_node **at = &tree->waiting; *at; at = &(*at)->next) {
        tree_node *found = *at;

        if (found->level == node->level && found->index == (node->index ^ 1)) {
            *at = found->next;
            tree->n_waiting--;
            return found;
        }
    }
    return NULL;
}

static tree_node *take_unused(qn_tree_sum *tree)
{
    tree_node *node;

    pthread_mutex_lock(&tree->lock);
    node = tree->unused;
    if (node)
        tree->unused = node->next;
    pthread_mutex_unlock(&tree->lock);
    return node;
}

/* Merges a complete node upwards as far as siblings are there; the sums run outside the lock. */
static void merge_up(qn_tree_sum *tree, tree_node *node)
{
    for (;;) {
        tree_node *sibling;

        pass_up(tree, node);
        pthread_mutex_lock(&tree->lock);
        sibling = take_sibling(tree, node);
        if (!sibling) {
            node->next = tree->waiting;
            tree->waiting = node;
            tree->n_waiting++;
            pthread_mutex_unlock(&tree->lock);
            return;
        }
        pthread_mutex_unlock(&tree->lock);

        tree_node *left = node->index % 2 == 0 ? node : sibling;
        tree_node *right = left == node ? sibling : node;

        for (int64_t i = 0; i < tree->width; i++)
            left->sum[i] += right->sum[i];
        left->level++;
        left->index /= 2;
        pthread_mutex_lock(&tree->lock);
        right->next = tree->unused;
        tree->unused = right;
        pthread_mutex_unlock(&tree->lock);
        node = left;
    }
}

static size_t node_bytes(const qn_tree_sum *tree)
{
    return sizeof(tree_node) + (size_t)tree->width * sizeof(double);
}

static qn_status add_node(qn_context *ctx, qn_tree_sum *tree, int64_t level, int64_t index,
                          const double *values)
{
    tree_node *node = take_unused(tree);

    if (!node) {
        const qn_status st =
            qn_alloc_array(ctx, (void **)&node, 1, node_bytes(tree), "partial sums of cells");

        if (st != QN_OK)
            return st;
    }
    node->level = level;
    node->index = index;
    memcpy(node->sum, values, (size_t)tree->width * sizeof *values);
    merge_up(tree, node);
    return QN_OK;
}

qn_status qn_tree_sum_add(qn_context *ctx, qn_tree_sum *tree, int64_t cell, const double *values)
{
    return add_node(ctx, tree, 0, cell, values);
}

/* Records of (level, index, sum) of what this rank has: complete subtrees only, so few. */
static void pack(const qn_tree_sum *tree, double *out)
{
    for (const tree_node *node = tree->waiting; node; node = node->next) {
        *out++ = (double)node->level;
        *out++ = (double)node->index;
        memcpy(out, node->sum, (size_t)tree->width * sizeof *out);
        out += tree->width;
    }
}

static void recycle(qn_tree_sum *tree)
{
    while (tree->waiting) {
        tree_node *node = tree->waiting;

        tree->waiting = node->next;
        node->next = tree->unused;
        tree->unused = node;
    }
    tree->n_waiting = 0;
}

/* Each rank builds the rest of the tree from the subtrees of all: the same sums everywhere, in the
 * order that the tree says. */
static qn_status rebuild(qn_context *ctx, qn_tree_sum *tree, const double *records, int64_t n)
{
    qn_status st = QN_OK;

    recycle(tree);
    for (int64_t i = 0; i < n; i++) {
        const double *record = records + i * (tree->width + 2);

        QN_TRY(add_node(ctx, tree, (int64_t)record[0], (int64_t)record[1], record + 2));
    }
done:
    return st;
}

qn_status qn_tree_sum_finish(qn_context *ctx, qn_tree_sum *tree, double *total)
{
    const int32_t size = qn_size(ctx);
    const int64_t record = tree->width + 2;
    qn_status st = QN_OK;
    int64_t *n_nodes = NULL;
    size_t *bytes = NULL;
    double *mine = NULL, *all = NULL;
    int64_t n_all = 0;

    memset(total, 0, (size_t)tree->width * sizeof *total);
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&n_nodes, size, sizeof *n_nodes, "sums of workers"));
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&bytes, size, sizeof *bytes, "sums of workers"));
    n_nodes[qn_rank(ctx)] = tree->n_waiting;
    QN_TRY(qn_comm_sum_int64(ctx, n_nodes, size));
    for (int32_t r = 0; r < size; r++) {
        bytes[r] = (size_t)(n_nodes[r] * record) * sizeof(double);
        n_all += n_nodes[r];
    }
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&mine, tree->n_waiting * record, sizeof *mine,
                              "sums of this worker"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&all, n_all * record, sizeof *all, "sums of workers"));
    pack(tree, mine);
    QN_TRY(qn_comm_allgatherv(ctx, mine, bytes[qn_rank(ctx)], all, bytes));
    QN_TRY_ALL(rebuild(ctx, tree, all, n_all));
    if (tree->n_cells > 0 && (tree->n_waiting != 1 || !is_root(tree, tree->waiting))) {
        st = qn_fail(ctx, QN_EINTERNAL, "a sum over %lld cells misses some, or has some twice",
                     (long long)tree->n_cells);
        goto done;
    }
    if (tree->n_cells > 0)
        memcpy(total, tree->waiting->sum, (size_t)tree->width * sizeof *total);
done:
    recycle(tree);
    qn_free(n_nodes);
    qn_free(bytes);
    qn_free(mine);
    qn_free(all);
    return st;
}
