/* How often a tree draws a row: a number by (seed, tree, row), so that nothing but these decides
 * it. Of m equal rows that were made one it draws the sum of m draws: Poisson(rate m) with
 * replacement, binomial(m, rate) without. */
#include <string.h>

#include "base/math.h"
#include "base/rng.h"
#include "ml/forest/forest_grow.h"

/* Up to this many equal rows have a table each; more are drawn in parts of powers of two. */
#define PLAIN_TABLES 16
#define MOST_POWER   512
#define MOST_COUNT   2048 /* no table goes farther */
#define N_POWERS     5    /* 32, 64, 128, 256, 512 */

/* Chances of 0, 1, 2 ... draws; returns how many matter. */
static int32_t poisson(double mean, double *chance)
{
    double p = qn_exp(-mean);
    int32_t k = 0;

    for (; k < MOST_COUNT && (k < mean || p > 0x1p-40); k++) {
        chance[k] = p;
        p *= mean / (k + 1);
    }
    return k;
}

static int32_t binomial(int32_t n, double rate, double *chance)
{
    double p = 1;

    if (rate > 0.5) { /* the others are drawn */
        const int32_t m = binomial(n, 1 - rate, chance);

        for (int32_t k = 0; k < m / 2; k++) {
            const double swap = chance[k];

            chance[k] = chance[m - 1 - k];
            chance[m - 1 - k] = swap;
        }
        return m;
    }
    for (int32_t i = 0; i < n; i++)
        p *= 1 - rate;
    for (int32_t k = 0; k <= n; k++) {
        chance[k] = p;
        p *= rate / (1 - rate) * (n - k) / (k + 1);
    }
    return n + 1;
}

/* Thresholds of 32-bit words: a word counts those that are not above it. */
static qn_status table_make(const forest_fit *fit, int32_t n_rows, uint32_t **table, int32_t *n)
{
    const qn_forest_params *params = &fit->params;
    double *chance = NULL, sum = 0;
    int32_t n_chances;
    qn_status st = QN_OK;

    QN_NEW(fit->ctx, chance, MOST_COUNT, "chances of draws");
    n_chances = params->bootstrap ? poisson(params->subsampling_rate * n_rows, chance)
                                  : binomial(n_rows, params->subsampling_rate, chance);
    QN_NEW(fit->ctx, *table, n_chances, "chances of draws");
    for (int32_t k = 0; k < n_chances; k++) {
        sum += chance[k];
        if (sum * 0x1p32 + 0.5 >= 0x1p32)
            break;
        (*table)[(*n)++] = (uint32_t)(sum * 0x1p32 + 0.5);
    }
done:
    qn_free(chance);
    return st;
}

qn_status forest_bag_make(forest_fit *fit)
{
    forest_bag *bag = &fit->bag;
    const bool is_merged = fit->params.merge_rows;
    const int32_t n_tables = is_merged ? PLAIN_TABLES + N_POWERS : 1;
    qn_status st = QN_OK;

    bag->draws = !fit->is_tree && (fit->params.bootstrap || fit->params.subsampling_rate < 1);
    if (!bag->draws)
        return QN_OK;
    QN_NEW0(fit->ctx, bag->table, n_tables, "chances of draws");
    QN_NEW0(fit->ctx, bag->n_table, n_tables, "chances of draws");
    QN_NEW0(fit->ctx, bag->table_rows, n_tables, "chances of draws");
    for (; bag->n_tables < n_tables; bag->n_tables++) {
        const int32_t t = bag->n_tables;

        bag->table_rows[t] = t < PLAIN_TABLES ? t + 1 : 32 << (t - PLAIN_TABLES);
        QN_TRY(table_make(fit, bag->table_rows[t], &bag->table[t], &bag->n_table[t]));
    }
done:
    return st;
}

void forest_bag_release(forest_bag *bag)
{
    for (int32_t t = 0; bag->table && t < bag->n_tables; t++)
        qn_free(bag->table[t]);
    qn_free(bag->table);
    qn_free(bag->n_table);
    qn_free(bag->table_rows);
    *bag = (forest_bag){0};
}

/* ---- draws ---- */

static uint32_t count_below(const uint32_t *table, int32_t n, uint32_t word)
{
    int32_t low = 0, high = n;

    while (low < high) {
        const int32_t middle = (low + high) / 2;

        if (table[middle] <= word)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)low;
}

/* The table for the largest part of n rows. */
static int32_t table_for(const forest_bag *bag, uint32_t n)
{
    int32_t t = bag->n_tables - 1;

    if (n <= PLAIN_TABLES)
        return (int32_t)n - 1;
    while ((uint32_t)bag->table_rows[t] > n)
        t--;
    return t;
}

/* Draws of trees 4 x four .. + 3 for `times` equal rows: part by part. */
static void draw_equal(const forest_fit *fit, uint64_t key, uint32_t times, int32_t four,
                       uint32_t count[4])
{
    memset(count, 0, 4 * sizeof *count);
    for (uint64_t part = 0; times > 0; part++) {
        const qn_random random =
            qn_philox(fit->params.seed, QN_STREAM_BAG, (uint64_t)four | part << 32, key);
        const int32_t t = table_for(&fit->bag, times);

        for (int w = 0; w < 4; w++)
            count[w] += count_below(fit->bag.table[t], fit->bag.n_table[t], random.word[w]);
        times -= (uint32_t)fit->bag.table_rows[t];
    }
}

static int64_t entries_of(uint32_t count)
{
    return ((int64_t)count + QN_ENTRY_MOST - 1) / QN_ENTRY_MOST;
}

static void draw_merged(const forest_fit *fit, const forest_block *block, int32_t four,
                        uint32_t *count, int64_t n_entries[4])
{
    const forest_rows *rows = &fit->rows;

    memset(n_entries, 0, 4 * sizeof *n_entries);
    for (int64_t i = 0; i < block->n; i++) {
        const uint32_t times = rows->times[block->first + i];
        uint32_t drawn[4] = {times, times, times, times};

        if (fit->bag.draws)
            draw_equal(fit, rows->key[block->first + i], times, four, drawn);
        for (int w = 0; w < 4; w++) {
            count[w * rows->most_rows + i] = drawn[w];
            n_entries[w] += entries_of(drawn[w]);
        }
    }
}

void forest_bag_draw(const forest_fit *fit, const forest_block *block, int32_t four,
                     uint32_t *count, int64_t n_entries[4])
{
    const forest_rows *rows = &fit->rows;
    const qn_kernels *kernels = fit->ctx->kernels;
    const uint64_t key = qn_philox_key(fit->params.seed, QN_STREAM_BAG);

    if (rows->times) {
        draw_merged(fit, block, four, count, n_entries);
        return;
    }
    if (fit->bag.draws)
        kernels->row_draws(key, (uint64_t)four, (uint64_t)(rows->first_row + block->first),
                           block->n, count);
    /* From one behind the other to most_rows apart, the last first. */
    for (int w = 3; w >= 0; w--) {
        uint32_t *to = count + w * rows->most_rows;

        if (fit->bag.draws) {
            memmove(to, count + w * block->n, (size_t)block->n * sizeof *count);
            n_entries[w] =
                kernels->draw_counts(block->n, fit->bag.n_table[0], fit->bag.table[0], to);
        } else {
            for (int64_t i = 0; i < block->n; i++)
                to[i] = 1;
            n_entries[w] = block->n;
        }
    }
}

void forest_bag_entries(const forest_fit *fit, const forest_block *block, const uint32_t *count,
                        uint32_t *entry)
{
    if (!fit->rows.times) {
        fit->ctx->kernels->row_entries(block->n, count, entry);
        return;
    }
    for (int64_t i = 0; i < block->n; i++)
        for (uint32_t left = count[i]; left > 0;) {
            const uint32_t times = left < QN_ENTRY_MOST ? left : QN_ENTRY_MOST;

            *entry++ = (uint32_t)i | times << 16;
            left -= times;
        }
}
