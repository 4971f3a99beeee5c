#include "ml/als/als_bytes.h"

#include <math.h>

#include "base/text.h"
#include "data/ratings_layout.h"
#include "ml/als/als_impl.h"

#define ENTRY_BYTES                                                                                \
    12.0                /* (row, other, value) of a rating on its way to the worker that owns it   \
                         */
#define BLOCK_BYTES 2e6 /* that a block aims at */
#define READ_AHEAD  4.0 /* blocks of it */

qn_als_fixed als_fixed_bytes(const als_equation *eq, int64_t rows, int32_t threads, int64_t n_cells)
{
    const size_t copies = eq->params->early_stop > 0 ? 2 : 1;

    return (qn_als_fixed){
        .factors = copies * (size_t)rows * (size_t)eq->stride * sizeof(float),
        .scratch = (size_t)threads * als_work_bytes(eq) + (size_t)n_cells * als_cell_bytes(eq),
    };
}

qn_status als_check_room(qn_context *ctx, const als_equation *eq, int64_t rows, int64_t n_cells,
                         size_t room)
{
    const int32_t threads = qn_context_threads(ctx);
    const qn_als_fixed fixed = als_fixed_bytes(eq, rows, threads, n_cells);
    const size_t need = fixed.factors + fixed.scratch;
    char text[4][32];

    if (need <= room)
        return QN_OK;
    qn_format_bytes((double)need, text[0]);
    qn_format_bytes((double)fixed.factors, text[1]);
    qn_format_bytes((double)fixed.scratch, text[2]);
    qn_format_bytes((double)room, text[3]);
    return qn_fail(ctx, QN_ENOMEM,
                   "rank %d needs %s (factors %s, scratch of %d threads %s) and %s are "
                   "left: lower --rank or raise --memory",
                   eq->params->rank, text[0], text[1], threads, text[2], text[3]);
}

qn_status qn_als_check_room(qn_context *ctx, const qn_als_params *params, int64_t users,
                            int64_t items, size_t room)
{
    const als_equation eq = als_equation_of(ctx, params, qn_factor_stride(als_columns(params)));

    return als_check_room(ctx, &eq, users + items, 0, room);
}

/* Ratings a row, if all rows are as likely to get one, where those that got any have `mean`. */
static double rate_of(const qn_als_shape *shape, qn_side side)
{
    const double mean = (double)shape->ratings / (double)shape->rows[side];
    double rate = mean;

    for (int32_t i = 0; i < 100 && rate > 0; i++)
        rate = mean * (1 - exp(-rate));
    return rate;
}

/* How a side is shared out: partitions of about equal weight, runs of them to workers. */
typedef struct share {
    int64_t n_cells, n_partitions;
    int32_t workers;
    double rate; /* ratings a row, with rows of none */
} share;

static share share_of(const qn_context *ctx, const qn_als_shape *shape, qn_side side,
                      const qn_als_layout *layout)
{
    const int64_t cell_rows = ctx->cells.rating_rows;
    const int64_t n_cells = (shape->rows[side] + cell_rows - 1) / cell_rows;

    return (share){n_cells, qn_partition_count(shape->ratings, n_cells, layout->partitions),
                   layout->workers, rate_of(shape, side)};
}

/* First partition of a worker: partition p goes to worker p * workers / partitions. */
static int64_t first_partition(const share *s, int32_t worker)
{
    return (worker * s->n_partitions + s->workers - 1) / s->workers;
}

static double part_of(const share *s, int32_t worker)
{
    return (double)(first_partition(s, worker + 1) - first_partition(s, worker)) /
           (double)s->n_partitions;
}

/* Complete subtrees that a run of cells makes of the tree over all: what a worker sends of a sum.
 */
static int64_t subtrees(int64_t first, int64_t end, int64_t n_cells)
{
    int64_t n = 0;

    while (first < end) {
        int64_t width = 1;

        while (first % (2 * width) == 0 &&
               (first + 2 * width <= end || (end == n_cells && first + width < end)))
            width *= 2;
        first += width;
        n++;
    }
    return n;
}

/* Bytes that all workers receive in a sum of vectors of `width` numbers over the cells of a side.
 */
static double tree_sum_bytes(const share *s, double width)
{
    double nodes = 0;

    for (int32_t w = 0; w < s->workers; w++) {
        const double cells = (double)s->n_cells / (double)s->n_partitions;

        nodes += (double)subtrees(llround((double)first_partition(s, w) * cells),
                                  llround((double)first_partition(s, w + 1) * cells), s->n_cells);
    }
    return (nodes * (width + 2) * 8 + (double)s->workers * s->workers * 8) * (s->workers - 1);
}

/* Ratings of one orientation: entries, a segment a row or a cell of a long one, heads of blocks. */
static double data_bytes(const qn_context *ctx, const qn_als_shape *shape, qn_side side,
                         const share *s)
{
    const double entries = (double)shape->ratings;
    const double entry = sizeof(uint32_t) + (shape->is_coded ? sizeof(uint8_t) : sizeof(float));
    const double segments = (double)shape->rows[side] + entries / (double)ctx->cells.long_row;
    const double blocks = entries * entry / BLOCK_BYTES + (double)s->n_partitions;

    return entries * entry + segments * sizeof(qn_segment) + blocks * 160;
}

/* What an exchange by need keeps: marks of needed and of wanted rows, and a round of rows to send
 * and to receive. */
static double exchange_held(const qn_als_shape *shape, const qn_als_layout *layout,
                            const share shares[2], const qn_als_bytes *b)
{
    double marks = 0, round = 0, most = ALS_ROUND_BYTES;

    if (layout->memory > 0)
        most = fmin(most, (double)layout->memory / 16);
    for (int32_t s = 0; s < 2; s++) {
        double largest = 0;

        if (!b->by_need[s])
            continue;
        for (int32_t w = 0; w < layout->workers; w++)
            largest = fmax(largest, part_of(&shares[s], w));
        marks += (double)shape->rows[s] / 8 * (1 + largest * layout->workers);
        round = fmax(round, fmin(b->needed_rows_all[s] * largest, most));
    }
    return marks + 2 * round;
}

static void hold(const qn_context *ctx, const als_equation *eq, const qn_als_shape *shape,
                 const qn_als_layout *layout, const share shares[2], qn_als_bytes *b)
{
    const double users = (double)shape->rows[QN_SIDE_USER];
    const double items = (double)shape->rows[QN_SIDE_ITEM];
    const double rank = eq->rank, stride = (double)eq->stride;
    /* The most popular items have about as many ratings as there are users. */
    const int64_t parts = shape->rows[QN_SIDE_USER] / ctx->cells.long_row + 1;
    const bool is_long = shape->ratings / (shape->rows[QN_SIDE_ITEM] + 1) > ctx->cells.long_row / 8;
    const qn_als_fixed fixed =
        als_fixed_bytes(eq, shape->rows[0] + shape->rows[1], layout->threads, is_long ? parts : 0);
    double most = 0, own_users = 0;

    for (int32_t w = 0; w < layout->workers; w++) {
        double data = 0;

        for (int32_t s = 0; s < 2; s++) {
            data += b->data_all[s] * part_of(&shares[s], w);
            b->busy[s] += part_of(&shares[s], w) > 0;
            b->part[s] = fmax(b->part[s], part_of(&shares[s], w));
        }
        most = data > most ? data : most;
        own_users = fmax(own_users, users * part_of(&shares[QN_SIDE_USER], w));
    }
    b->data = most;
    for (int32_t s = 0; s < 2; s++) {
        const double id = shape->id_bytes[s] > 0 ? shape->id_bytes[s] + 8 : 8;

        b->dictionaries += (double)shape->rows[s] * (2 * id + 4); /* also the model's */
    }
    b->factors = (double)fixed.factors;
    b->scratch = (double)fixed.scratch;
    if (eq->params->implicit_prefs)
        b->scratch += layout->threads * rank * (rank + 1) / 2 * 8 + rank * stride * 8;
    b->rest = 8 * own_users + 8 * items;
    b->exchange = exchange_held(shape, layout, shares, b);
    if (eq->params->early_stop > 0)
        b->rest += 4 * own_users + 12 * (users + items);
    b->fixed =
        b->dictionaries + b->factors + b->scratch + b->rest + b->exchange + (double)layout->reserve;
    b->pinned = (layout->threads + READ_AHEAD) * BLOCK_BYTES;
    b->pinned = b->pinned < b->data ? b->pinned : b->data;
    b->least = b->fixed + b->pinned;
    b->held = b->fixed + b->data;
}

static void spill(const qn_als_shape *shape, const qn_als_layout *layout, qn_als_bytes *b)
{
    const double memory = (double)layout->memory;
    const double row = ENTRY_BYTES * (double)shape->ratings / (double)layout->workers;

    if (layout->memory == 0 || b->held <= memory)
        return;
    b->spilled = b->data - (memory > b->fixed ? memory - b->fixed : 0);
    /* While loading: rows as read, then piles of rows beside the first orientation. */
    b->scratch_disk = b->data + 2 * row;
}

/* Distinct ids that workers find among the rows that they read, all workers' summed. */
static double ids_found(const qn_als_shape *shape, qn_side side, int32_t workers)
{
    const double rows = (double)shape->rows[side];
    const double each = (double)shape->ratings / workers;

    if (rows == 0 || (side == QN_SIDE_USER && shape->is_clustered))
        return rows;
    return workers * rows * (1 - exp(-each / rows));
}

static void move_at_load(const qn_als_shape *shape, const share shares[2], qn_als_bytes *b)
{
    const int32_t workers = shares[0].workers;
    double together = 0, read_there = 0;

    for (int32_t s = 0; s < 2; s++) {
        const double id = shape->id_bytes[s] > 0 ? shape->id_bytes[s] + 8 : 8;

        b->load_ids_all += ids_found(shape, (qn_side)s, workers) * id * (workers - 1);
        b->load_degrees_all += qn_comm_combine_bytes(shape->rows[s], workers);
    }
    for (int32_t w = 0; w < workers; w++) {
        together += part_of(&shares[0], w) * part_of(&shares[1], w);
        read_there += part_of(&shares[0], w) / workers;
    }
    b->load_ratings_all =
        ENTRY_BYTES * (double)shape->ratings * ((1 - read_there) + (1 - together));
}

als_exchange_bytes als_exchange_bytes_of(double rows, double needed, int32_t workers,
                                         int64_t stride)
{
    const double row = (double)stride * sizeof(float);

    return (als_exchange_bytes){
        .all = row * rows * (workers - 1),
        .needed = row * needed,
        .lists = rows / 8 * (workers - 1),
    };
}

bool als_need_pays(const qn_als_params *params, qn_side side, const als_exchange_bytes *bytes)
{
    const bool may_stop = params->early_stop > 0;
    /* Of the first users, and after each sweep but the last. */
    const int32_t n =
        (side == QN_SIDE_USER && params->init != QN_ALS_INIT_SPARK) + params->max_iter - !may_stop;
    const double by_need = n * bytes->needed + bytes->lists + (may_stop ? bytes->all : 0);

    return n > 0 && bytes->all > 0 && by_need <= 0.8 * n * bytes->all;
}

const char *als_exchange_name(bool by_need)
{
    return by_need ? "needed rows" : "all rows";
}

/* Rows of the other side that a worker needs, and does not own, to solve `side`: those that have a
 * rating among its rows. Rows are taken as equally popular; it needs fewer where they are not. */
static double rows_needed(const qn_als_shape *shape, qn_side side, const share shares[2],
                          int32_t worker)
{
    const qn_side other = als_other(side);
    const double rows = (double)shape->rows[other];
    const double rate = shares[other].rate;
    const double part = part_of(&shares[side], worker);

    if (rate <= 1e-6) /* a rating each */
        return rows * part * (1 - 1.0 / shares[0].workers);
    return rows * (1 - exp(-rate * part)) / (1 - exp(-rate)) *
           (1 - part_of(&shares[other], worker));
}

/* The same of all workers. */
static double all_rows_needed(const qn_als_shape *shape, qn_side side, const share shares[2])
{
    double needed = 0;

    for (int32_t w = 0; w < shares[0].workers; w++)
        needed += rows_needed(shape, side, shares, w);
    return needed;
}

/* Rows that the worker with most receives in an iteration, in bytes. */
static double most_received(const als_equation *eq, const qn_als_shape *shape,
                            const share shares[2], const qn_als_bytes *b)
{
    double most = 0;

    for (int32_t w = 0; w < shares[0].workers; w++) {
        double rows = 0;

        for (int32_t s = 0; s < 2; s++)
            rows += b->by_need[s] ? rows_needed(shape, als_other((qn_side)s), shares, w)
                                  : (double)shape->rows[s] * (1 - part_of(&shares[s], w));
        most = fmax(most, rows);
    }
    return most * (double)eq->stride * sizeof(float);
}

static void move_rows(const als_equation *eq, const qn_als_shape *shape, const share shares[2],
                      qn_side side, qn_als_bytes *b)
{
    const als_exchange_bytes bytes = als_exchange_bytes_of(
        (double)shape->rows[side], all_rows_needed(shape, als_other(side), shares),
        shares[0].workers, eq->stride);
    const bool has_start = eq->params->max_iter == 0 || side == QN_SIDE_USER;

    b->by_need[side] = als_need_pays(eq->params, side, &bytes);
    b->half_all[side] = b->all_rows_all[side] = bytes.all;
    b->needed_all[side] = b->needed_rows_all[side] = bytes.needed;
    if (b->by_need[side])
        b->lists_all += bytes.lists;
    if (has_start && eq->params->init != QN_ALS_INIT_SPARK)
        b->start_all += b->by_need[side] ? bytes.needed : bytes.all;
}

static void move_in_fit(const als_equation *eq, const qn_als_shape *shape, const share shares[2],
                        qn_als_bytes *b)
{
    const bool may_stop = eq->params->early_stop > 0;
    double by_need = 0; /* saved a sweep */

    for (int32_t s = 0; s < 2; s++) {
        move_rows(eq, shape, shares, (qn_side)s, b);
        if (b->by_need[s])
            by_need += b->half_all[s] - b->needed_all[s];
        if (b->by_need[s] && may_stop) /* the model takes all rows in the end */
            b->fit_all += b->half_all[s];
        if (eq->params->implicit_prefs) {
            const double gram =
                tree_sum_bytes(&shares[als_other((qn_side)s)], (double)als_packed_size(eq->rank));

            b->half_all[s] += gram;
            b->needed_all[s] += gram;
        }
    }
    b->start_all += sizeof(float) * (double)shape->rows[QN_SIDE_ITEM] * (shares[0].workers - 1);
    b->iteration_all = b->half_all[0] + b->half_all[1] + tree_sum_bytes(&shares[0], 1) - by_need;
    b->fit_all += b->start_all + b->lists_all + eq->params->max_iter * b->iteration_all;
    if (!may_stop && eq->params->max_iter > 0)
        b->fit_all += by_need; /* the last sweep gives all rows to all */
    b->checkpoint = (double)eq->stride * sizeof(float) * (double)(shape->rows[0] + shape->rows[1]);
}

void qn_als_bytes_of(const qn_context *ctx, const qn_als_params *params, const qn_als_shape *shape,
                     const qn_als_layout *layout, qn_als_bytes *out)
{
    const als_equation eq = als_equation_of(ctx, params, qn_factor_stride(als_columns(params)));
    const share shares[2] = {share_of(ctx, shape, QN_SIDE_USER, layout),
                             share_of(ctx, shape, QN_SIDE_ITEM, layout)};

    *out = (qn_als_bytes){0};
    for (int32_t s = 0; s < 2; s++)
        out->data_all[s] = data_bytes(ctx, shape, (qn_side)s, &shares[s]);
    move_at_load(shape, shares, out);
    move_in_fit(&eq, shape, shares, out);
    out->received = most_received(&eq, shape, shares, out);
    hold(ctx, &eq, shape, layout, shares, out);
    spill(shape, layout, out);
}
