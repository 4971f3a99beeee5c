/* Error of rows by the trees that did not draw them: of all rows, or where there are many, of short
 * runs of them at equal distances. Counted in whole numbers. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "ml/forest/forest_grow.h"

#define RUN_ROWS  256  /* that lie together in the sample */
#define MOST_RUNS 1024 /* about so many are looked at */
#define PART_BITS 42   /* sums of squares are sent in parts of so many */
#define N_PARTS   3

/* A node as rows of codes meet it. */
typedef struct oob_node {
    int32_t child;
    int32_t feature;
    int32_t limit; /* the largest code that goes left; -1: as the split says */
    double share;  /* 1 / weight of its rows */
} oob_node;

/* What a thread finds after each tree. */
typedef struct oob_thread {
    int64_t *rows, *wrong; /* [n_trees] rows that some tree so far did not draw; wrong ones */
    __int128 *square;      /* [n_trees] of errors, in squares of whole numbers */
    uint32_t *count;       /* [4 x RUN_ROWS] */
    double *vote;          /* [RUN_ROWS x n_votes] */
} oob_thread;

typedef struct oob {
    const forest_fit *fit;
    oob_node **node; /* [n_trees] */
    oob_thread *thread;
    int32_t n_votes; /* classes, or sum and number */
    int64_t every;   /* of so many runs one is taken */
    int32_t n_threads;
} oob;

/* What is known of the rows of a run. */
typedef struct oob_run {
    int64_t first, n; /* among own rows */
    bool seen[RUN_ROWS], wrong[RUN_ROWS];
    __int128 square[RUN_ROWS];
} oob_run;

static qn_status prepare_tree(oob *o, int32_t t)
{
    const forest_fit *fit = o->fit;
    const forest_tree *tree = &fit->tree[t];
    const int32_t per_bin = fit->rule.sums == FOREST_CODES ? fit->rule.n_lanes : 1;
    qn_status st = QN_OK;

    QN_NEW(fit->ctx, o->node[t], tree->n, "nodes of trees");
    for (int64_t i = 0; i < tree->n; i++) {
        const forest_node *node = &tree->node[i];
        const double count = forest_count(&fit->rule, tree->stats + i * fit->rule.n_stats);

        o->node[t][i] = (oob_node){
            .child = node->child,
            .feature = node->split.feature,
            .limit = node->split.limit < 0 ? -1 : (node->split.limit + 1) * per_bin - 1,
            .share = count > 0 ? 1 / count : 0,
        };
    }
done:
    return st;
}

static int32_t leaf_of(const oob *o, int32_t t, const uint8_t *code)
{
    const forest_fit *fit = o->fit;
    const int32_t per_bin = fit->rule.sums == FOREST_CODES ? fit->rule.n_lanes : 1;
    const oob_node *node = o->node[t];
    int32_t i = 0;

    while (node[i].child >= 0) {
        const int32_t c = code[node[i].feature];
        const bool is_left = node[i].limit >= 0
                                 ? c <= node[i].limit
                                 : forest_goes_left(&fit->tree[t].node[i].split, c / per_bin);

        i = node[i].child + !is_left;
    }
    return i;
}

static int32_t label_of(const forest_fit *fit, int64_t row)
{
    const forest_rows *rows = &fit->rows;

    return rows->label ? rows->label[row] : rows->code[row * rows->stride] % fit->rule.n_lanes;
}

/* A tree's vote on a row, and what is predicted with it. */
static void vote(const oob *o, int32_t t, int64_t row, double *votes, oob_run *run, int64_t r)
{
    const forest_fit *fit = o->fit;
    const int32_t leaf = leaf_of(o, t, fit->rows.code + row * fit->rows.stride);
    const double *stats = fit->tree[t].stats + (int64_t)leaf * fit->rule.n_stats;
    int32_t best = 0;

    run->seen[r] = true;
    if (!fit->rule.is_classifier) {
        votes[0] += fit->tree[t].node[leaf].prediction;
        votes[1] += 1;
        const double target = (double)fit->rows.target[row];
        const __int128 error =
            (int64_t)nearbyint(votes[0] / votes[1] * fit->labels.target_scale - target);

        run->square[r] = error * error;
        return;
    }
    for (int32_t c = 0; c < o->n_votes; c++)
        votes[c] += stats[c] * o->node[t][leaf].share;
    for (int32_t c = 1; c < o->n_votes; c++)
        best = votes[c] > votes[best] ? c : best;
    run->wrong[r] = best != label_of(fit, row);
}

/* Books what the trees up to t say of the run. */
static void book(oob_thread *thread, int32_t t, const oob_run *run)
{
    for (int64_t r = 0; r < run->n; r++) {
        thread->rows[t] += run->seen[r];
        thread->wrong[t] += run->wrong[r];
        thread->square[t] += run->square[r];
    }
}

static void judge_run(const oob *o, oob_thread *thread, int64_t first, int64_t n)
{
    const forest_fit *fit = o->fit;
    const qn_kernels *kernels = fit->ctx->kernels;
    const uint64_t key = qn_philox_key(fit->params.seed, QN_STREAM_BAG);
    oob_run run = {.first = first, .n = n};

    memset(thread->vote, 0, (size_t)(n * o->n_votes) * sizeof *thread->vote);
    for (int32_t four = 0; 4 * four < fit->params.num_trees; four++) {
        kernels->row_draws(key, (uint64_t)four, (uint64_t)(fit->rows.first_row + first), n,
                           thread->count);
        for (int32_t w = 0; w < 4 && 4 * four + w < fit->params.num_trees; w++) {
            uint32_t *count = thread->count + w * n;

            kernels->draw_counts(n, fit->bag.n_table[0], fit->bag.table[0], count);
            for (int64_t r = 0; r < n; r++)
                if (count[r] == 0)
                    vote(o, 4 * four + w, first + r, thread->vote + r * o->n_votes, &run, r);
            book(thread, 4 * four + w, &run);
        }
    }
}

/* Runs begin at multiples of RUN_ROWS of the whole matrix; blocks may cut them. */
static qn_status judge_block(void *arg, const forest_block *block, int32_t thread)
{
    const oob *o = arg;
    const int64_t start = o->fit->rows.first_row;
    int64_t row = block->first;

    while (row < block->first + block->n) {
        const int64_t run = (start + row) / RUN_ROWS;
        const int64_t end = (run + 1) * RUN_ROWS - start;
        const int64_t stop = end < block->first + block->n ? end : block->first + block->n;

        if (run % o->every == 0)
            judge_run(o, &o->thread[thread], row, stop - row);
        row = stop;
    }
    return QN_OK;
}

static qn_status oob_alloc(oob *o)
{
    qn_context *ctx = o->fit->ctx;
    const int32_t n_trees = o->fit->params.num_trees;
    qn_status st = QN_OK;

    o->n_threads = qn_context_threads(ctx);
    QN_NEW0(ctx, o->thread, o->n_threads, "scratch of threads");
    for (int32_t t = 0; t < o->n_threads; t++) {
        QN_NEW0(ctx, o->thread[t].rows, n_trees, "scratch of threads");
        QN_NEW0(ctx, o->thread[t].wrong, n_trees, "scratch of threads");
        QN_NEW0(ctx, o->thread[t].square, n_trees, "scratch of threads");
        QN_NEW(ctx, o->thread[t].count, 4 * RUN_ROWS, "scratch of threads");
        QN_NEW(ctx, o->thread[t].vote, RUN_ROWS * o->n_votes, "scratch of threads");
    }
    QN_NEW0(ctx, o->node, n_trees, "nodes of trees");
    for (int32_t t = 0; t < n_trees; t++)
        QN_TRY(prepare_tree(o, t));
done:
    return st;
}

static void oob_release(oob *o)
{
    for (int32_t t = 0; o->thread && t < o->n_threads; t++) {
        qn_free(o->thread[t].rows);
        qn_free(o->thread[t].wrong);
        qn_free(o->thread[t].square);
        qn_free(o->thread[t].count);
        qn_free(o->thread[t].vote);
    }
    for (int32_t t = 0; o->node && t < o->fit->params.num_trees; t++)
        qn_free(o->node[t]);
    qn_free(o->thread);
    qn_free(o->node);
}

/* Rows, wrong ones, and the squares in parts, of own threads: [n_trees x (2 + N_PARTS)]. */
static void sum_threads(const oob *o, int64_t *sums)
{
    for (int32_t t = 0; t < o->fit->params.num_trees; t++, sums += 2 + N_PARTS) {
        __int128 square = 0;

        for (int32_t i = 0; i < o->n_threads; i++) {
            sums[0] += o->thread[i].rows[t];
            sums[1] += o->thread[i].wrong[t];
            square += o->thread[i].square[t];
        }
        for (int32_t p = 0; p < N_PARTS; p++)
            sums[2 + p] = (int64_t)(square >> p * PART_BITS & ((INT64_C(1) << PART_BITS) - 1));
    }
}

static double error_of(const forest_fit *fit, const int64_t *sums)
{
    const double scale = fit->labels.target_scale;
    __int128 square = 0;

    if (sums[0] == 0)
        return NAN;
    if (fit->rule.is_classifier)
        return (double)sums[1] / (double)sums[0];
    for (int32_t p = 0; p < N_PARTS; p++)
        square += (__int128)sums[2 + p] << p * PART_BITS;
    return (double)square / scale / scale / (double)sums[0];
}

qn_status forest_out_of_bag(forest_fit *fit)
{
    qn_context *ctx = fit->ctx;
    const int32_t n_trees = fit->params.num_trees, width = 2 + N_PARTS;
    oob o = {.fit = fit, .n_votes = fit->rule.is_classifier ? fit->rule.n_stats : 2};
    int64_t *sums = NULL;
    qn_status st = QN_OK;

    if (!fit->bag.draws || fit->rows.times)
        return QN_OK;
    o.every = (fit->n_rows / RUN_ROWS + MOST_RUNS) / MOST_RUNS;
    QN_TRY_ALL(oob_alloc(&o));
    QN_TRY(forest_pass(fit, "out of bag", judge_block, &o));
    QN_TRY_ALL(qn_calloc_array(ctx, (void **)&sums, (int64_t)n_trees * width, sizeof *sums,
                               "errors of trees"));
    QN_TRY_ALL(qn_alloc_array(ctx, (void **)&fit->oob_curve, n_trees, sizeof *fit->oob_curve,
                              "errors of trees"));
    sum_threads(&o, sums);
    QN_TRY(qn_comm_sum_int64(ctx, sums, (int64_t)n_trees * width));
    for (int32_t t = 0; t < n_trees; t++)
        fit->oob_curve[t] = error_of(fit, sums + (int64_t)t * width);
    fit->oob_error = fit->oob_curve[n_trees - 1];
    fit->oob_rows = sums[(int64_t)(n_trees - 1) * width];
done:
    qn_free(sums);
    oob_release(&o);
    return st;
}
