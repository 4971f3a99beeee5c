/* Entries of the trees of a group: drawn, divided at splits, added up. */
#include <string.h>

#include "ml/forest/forest_grow_impl.h"

static int64_t block_number(const grow *g, const forest_block *block)
{
    return block - g->fit->rows.block;
}

/* ---- draws ---- */

static qn_status draw_tree(grow *g, const forest_block *block, int32_t tree, const uint32_t *count,
                           int64_t n_entries)
{
    const int64_t at = block_number(g, block) * g->n_trees + tree;
    qn_status st = QN_OK;

    QN_NEW(g->fit->ctx, g->entry[at], n_entries + 16, "rows that trees draw");
    forest_bag_entries(g->fit, block, count, g->entry[at]);
    g->n_entries[at] = (uint32_t)n_entries;
done:
    return st;
}

static qn_status draw_block(void *arg, const forest_block *block, int32_t thread)
{
    grow *g = arg;
    const forest_fit *fit = g->fit;
    uint32_t *count = g->thread[thread].count;
    const int32_t end = g->first_tree + g->n_trees;
    qn_status st = QN_OK;

    for (int32_t four = g->first_tree / 4; 4 * four < end; four++) {
        int64_t n_entries[4] = {0};

        forest_bag_draw(fit, block, four, count, n_entries);
        for (int32_t w = 0; w < 4; w++) {
            const int32_t tree = 4 * four + w - g->first_tree;

            if (tree >= 0 && tree < g->n_trees)
                QN_TRY(draw_tree(g, block, tree, count + w * fit->rows.most_rows, n_entries[w]));
        }
    }
done:
    return st;
}

qn_status grow_draw(grow *g)
{
    return forest_pass(g->fit, "draw rows", draw_block, g);
}

/* ---- splits ---- */

/* Room for entries that go right: more than rows where merged ones count very often. */
static qn_status reserve_right(grow *g, grow_thread *thread, int64_t n)
{
    qn_status st = QN_OK;

    if (n <= thread->n_right)
        return QN_OK;
    QN_GROW(g->fit->ctx, thread->right, n + 16, "scratch of threads");
    thread->n_right = n;
done:
    return st;
}

/* As the kernel, for bins in any order. */
static int64_t divide_by_set(const forest_split *split, int32_t per_bin, int64_t n,
                             const uint32_t *entry, const uint8_t *code, int64_t stride,
                             uint32_t *left, uint32_t *right)
{
    int64_t n_left = 0, n_right = 0;

    for (int64_t i = 0; i < n; i++) {
        const uint32_t e = entry[i];
        const bool is_left =
            forest_goes_left(split, code[(int64_t)(e & 0xffff) * stride] / per_bin);

        left[n_left] = e;
        right[n_right] = e;
        n_left += is_left;
        n_right += !is_left;
    }
    return n_left;
}

static int64_t divide_run(const grow *g, const forest_block *block, const forest_split *split,
                          int64_t n, const uint32_t *entry, uint32_t *left, uint32_t *right)
{
    const forest_rows *rows = &g->fit->rows;
    const uint8_t *code = rows->code + block->first * rows->stride + split->feature;
    const int32_t per_bin = g->fit->rule.sums == FOREST_CODES ? g->fit->rule.n_lanes : 1;

    if (split->limit < 0)
        return divide_by_set(split, per_bin, n, entry, code, rows->stride, left, right);
    return g->fit->ctx->kernels->code_split(n, entry, code, rows->stride,
                                            (split->limit + 1) * per_bin - 1, left, right);
}

/* Open nodes of a tree follow those of their parents, left before right. */
qn_status grow_divide(grow *g, const forest_block *block, int32_t tree, int32_t thread)
{
    const int64_t b = block_number(g, block);
    const forest_tree *t = &g->fit->tree[g->first_tree + tree];
    const uint32_t *run = g->before.run + b * g->before.n;
    uint32_t *next_run = g->now.run + b * g->now.n;
    int64_t next = g->now.first[tree];
    const int64_t end = g->now.first[tree + 1];
    uint32_t *from = g->entry[b * g->n_trees + tree], *to = from;
    qn_status st = QN_OK;

    for (int64_t i = g->before.first[tree]; i < g->before.first[tree + 1]; i++) {
        const forest_node *node = &t->node[g->before.open[i].node];
        const int64_t n = run[i];
        const bool keeps_left = next < end && g->now.open[next].node == node->child;
        const int64_t at_right = next + keeps_left;
        const bool keeps_right =
            at_right < end && node->child >= 0 && g->now.open[at_right].node == node->child + 1;

        if (keeps_left || keeps_right) {
            uint32_t *right;
            int64_t n_left;

            QN_TRY(reserve_right(g, &g->thread[thread], n));
            right = g->thread[thread].right;
            n_left = divide_run(g, block, &node->split, n, from, to, right);
            if (keeps_left) {
                next_run[next++] = (uint32_t)n_left;
                to += n_left;
            }
            if (keeps_right) {
                next_run[next++] = (uint32_t)(n - n_left);
                memcpy(to, right, (size_t)(n - n_left) * sizeof *to);
                to += n - n_left;
            }
        }
        from += n;
    }
done:
    return st;
}

/* ---- sums ---- */

static void add_labels(const forest_rows *rows, const forest_rule *rule, const forest_block *block,
                       int64_t n, const uint32_t *entry, int32_t feature, uint32_t *sums)
{
    const uint8_t *code = rows->code + block->first * rows->stride + feature;
    const uint16_t *label = rows->label + block->first;

    for (int64_t i = 0; i < n; i++) {
        const int64_t r = entry[i] & 0xffff;

        sums[(int64_t)code[r * rows->stride] * rule->n_lanes + label[r]] += entry[i] >> 16;
    }
}

static void add_weights(const forest_rows *rows, const forest_rule *rule, const forest_block *block,
                        int64_t n, const uint32_t *entry, int32_t feature, int64_t *sums)
{
    const uint8_t *code = rows->code + block->first * rows->stride + feature;

    for (int64_t i = 0; i < n; i++) {
        const int64_t r = entry[i] & 0xffff, times = entry[i] >> 16;
        int64_t *bin = sums + (int64_t)code[r * rows->stride] * rule->n_lanes;

        bin[rows->label[block->first + r]] += times * rows->weight[block->first + r];
        bin[rule->n_stats] += times;
    }
}

static void add_wide(int64_t *to, __int128 value)
{
    unsigned __int128 sum = ((unsigned __int128)(uint64_t)to[1] << 64) | (uint64_t)to[0];

    sum += (unsigned __int128)value;
    to[0] = (int64_t)(uint64_t)sum;
    to[1] = (int64_t)(uint64_t)(sum >> 64);
}

static void add_moments(const forest_rows *rows, const forest_block *block, int64_t n,
                        const uint32_t *entry, int32_t feature, int64_t *sums)
{
    const uint8_t *code = rows->code + block->first * rows->stride + feature;

    for (int64_t i = 0; i < n; i++) {
        const int64_t r = entry[i] & 0xffff, times = entry[i] >> 16;
        const int64_t target = rows->target[block->first + r];
        const int64_t weight = rows->weight ? times * rows->weight[block->first + r] : times;
        int64_t *bin = sums + (int64_t)code[r * rows->stride] * FOREST_MOMENT_LANES;

        bin[0] += times;
        bin[1] += weight;
        add_wide(bin + 2, (__int128)weight * target);
        add_wide(bin + 4, (__int128)weight * ((__int128)target * target));
    }
}

/* Row by row, each operation as Spark's aggregators do it. */
static void add_in_order(const forest_rows *rows, const forest_rule *rule,
                         const forest_block *block, int64_t n, const uint32_t *entry,
                         int32_t feature, int64_t *sums)
{
    const uint8_t *code = rows->code + block->first * rows->stride + feature;

    for (int64_t i = 0; i < n; i++) {
        const int64_t r = entry[i] & 0xffff, times = entry[i] >> 16, row = block->first + r;
        int64_t *bin = sums + (int64_t)code[r * rows->stride] * rule->n_lanes;
        const double mass = (double)times * rows->mass[row];
        double *stats = (double *)(void *)(bin + 1);

        bin[0] += times;
        if (rule->is_classifier) {
            stats[rows->label[row]] += mass;
        } else {
            stats[0] += mass;
            stats[1] += mass * rows->value[row];
            stats[2] += mass * rows->value[row] * rows->value[row];
        }
    }
}

void grow_add(const grow *g, const forest_block *block, int64_t n, const uint32_t *entry, int64_t i,
              void *sums)
{
    const forest_rows *rows = &g->fit->rows;
    const forest_rule *rule = &g->fit->rule;
    const int32_t *tried = grow_tried(g, g->tried, i), *offset = grow_tried(g, g->offset, i);

    if (rule->sums == FOREST_CODES) {
        const qn_code_sums to = {rule->n_tried, tried, offset, sums};

        g->fit->ctx->kernels->code_sums(n, entry, rows->code + block->first * rows->stride,
                                        rows->stride, &to);
        return;
    }
    for (int32_t k = 0; k < rule->n_tried; k++) {
        char *at = (char *)sums + (size_t)offset[k] * (size_t)rule->n_lanes * rule->lane_bytes;

        if (rule->sums == FOREST_LABELS)
            add_labels(rows, rule, block, n, entry, tried[k], (uint32_t *)(void *)at);
        else if (rule->sums == FOREST_SERIAL)
            add_in_order(rows, rule, block, n, entry, tried[k], (int64_t *)(void *)at);
        else if (rule->sums == FOREST_WEIGHTS)
            add_weights(rows, rule, block, n, entry, tried[k], (int64_t *)(void *)at);
        else
            add_moments(rows, block, n, entry, tried[k], (int64_t *)(void *)at);
    }
}
