/* Rows that are equal after binning, label included, made one over all ranks: each content belongs
 * to the rank that its hash names. What is drawn for it is drawn by its content, so that neither
 * order nor rank shows. */
#include <string.h>

#include <xxhash.h>

#include "ml/forest/forest_grow.h"

#define LEAST_BLOCK_ROWS 4096 /* of a rank that had no rows */
#define N_PARTS          16   /* a task merges the rows of one part of the hashes */

/* Contents behind one another: the row's codes, its label in two bytes, and how many rows are it.
 */
typedef struct merge_list {
    uint8_t *item;
    int64_t n;
    size_t item_bytes;
} merge_list;

typedef struct merging {
    forest_fit *fit;
    const merge_list *from;
    uint64_t *hash; /* [from->n] */
    merge_list part[N_PARTS];
} merging;

static size_t content_bytes(const forest_fit *fit)
{
    return (size_t)fit->data->n_features + sizeof(uint16_t);
}

static uint8_t *item_at(const merge_list *list, int64_t i)
{
    return list->item + (size_t)i * list->item_bytes;
}

static uint32_t *times_at(const merge_list *list, int64_t i)
{
    return (uint32_t *)(void *)(item_at(list, i) + list->item_bytes - sizeof(uint32_t));
}

/* ---- equal ones of a list ---- */

static int32_t part_of(uint64_t hash)
{
    return (int32_t)(hash >> 32 & (N_PARTS - 1));
}

static qn_status hash_items(void *arg, int64_t task, int32_t thread)
{
    merging *m = arg;
    const int64_t first = m->from->n * task / N_PARTS, end = m->from->n * (task + 1) / N_PARTS;

    (void)thread;
    for (int64_t i = first; i < end; i++)
        m->hash[i] = XXH3_64bits(item_at(m->from, i), content_bytes(m->fit));
    return qn_check_cancel(m->fit->ctx);
}

static int64_t table_size(int64_t n)
{
    int64_t size = 64;

    while (size < 2 * n)
        size *= 2;
    return size;
}

/* Puts an item of the part into its table [mask + 1] of places, or counts it to its equal. */
static void take_item(merging *m, merge_list *part, int32_t *table, uint64_t mask, int64_t i)
{
    const uint8_t *item = item_at(m->from, i);
    uint64_t at = m->hash[i] & mask;

    for (; table[at] >= 0; at = (at + 1) & mask)
        if (memcmp(item_at(part, table[at]), item, content_bytes(m->fit)) == 0) {
            *times_at(part, table[at]) += *times_at(m->from, i);
            return;
        }
    table[at] = (int32_t)part->n;
    memcpy(item_at(part, part->n++), item, part->item_bytes);
}

static qn_status merge_part(void *arg, int64_t task, int32_t thread)
{
    merging *m = arg;
    qn_context *ctx = m->fit->ctx;
    merge_list *part = &m->part[task];
    int32_t *table = NULL;
    int64_t n = 0, size;
    qn_status st = QN_OK;

    (void)thread;
    QN_TRY(qn_check_cancel(ctx));
    for (int64_t i = 0; i < m->from->n; i++)
        n += part_of(m->hash[i]) == task;
    size = table_size(n);
    part->item_bytes = m->from->item_bytes;
    QN_NEW(ctx, table, size, "a table of rows to merge");
    memset(table, -1, (size_t)size * sizeof *table);
    QN_TRY(qn_alloc_array(ctx, (void **)&part->item, n, part->item_bytes, "merged rows"));
    for (int64_t i = 0; i < m->from->n; i++)
        if (part_of(m->hash[i]) == task)
            take_item(m, part, table, (uint64_t)size - 1, i);
    QN_TRY(qn_realloc_array(ctx, (void **)&part->item, part->n, part->item_bytes, "merged rows"));
done:
    qn_free(table);
    return st;
}

/* Replaces a list by its distinct items, counted. Local. */
static qn_status merge_equal(forest_fit *fit, merge_list *list)
{
    qn_context *ctx = fit->ctx;
    merging m = {.fit = fit, .from = list};
    int64_t n = 0;
    qn_status st = QN_OK;

    QN_NEW(ctx, m.hash, list->n, "hashes of rows");
    QN_TRY(qn_parallel(ctx, N_PARTS, hash_items, &m));
    QN_TRY(qn_parallel(ctx, N_PARTS, merge_part, &m));
    for (int32_t p = 0; p < N_PARTS; p++) {
        if (m.part[p].n > 0)
            memcpy(item_at(list, n), m.part[p].item, (size_t)m.part[p].n * list->item_bytes);
        n += m.part[p].n;
    }
    list->n = n;
    QN_TRY(qn_realloc_array(ctx, (void **)&list->item, n, list->item_bytes, "merged rows"));
done:
    for (int32_t p = 0; p < N_PARTS; p++)
        qn_free(m.part[p].item);
    qn_free(m.hash);
    return st;
}

/* ---- rows and items ---- */

static qn_status items_of_rows(const forest_fit *fit, merge_list *list)
{
    const forest_rows *rows = &fit->rows;
    const size_t width = (size_t)fit->data->n_features;
    qn_status st = QN_OK;

    list->n = rows->n;
    list->item_bytes = (content_bytes(fit) + sizeof(uint32_t) + 3) / 4 * 4;
    QN_TRY(qn_calloc_array(fit->ctx, (void **)&list->item, rows->n, list->item_bytes,
                           "rows to merge"));
    for (int64_t i = 0; i < rows->n; i++) {
        memcpy(item_at(list, i), rows->code + i * rows->stride, width);
        if (rows->label)
            memcpy(item_at(list, i) + width, &rows->label[i], sizeof *rows->label);
        *times_at(list, i) = 1;
    }
done:
    return st;
}

static int32_t owner_of(const forest_fit *fit, const uint8_t *item)
{
    const uint64_t hash = XXH3_64bits(item, content_bytes(fit));

    return (int32_t)(((unsigned __int128)hash * (uint64_t)qn_size(fit->ctx)) >> 64);
}

/* What goes to each rank and comes from each. */
typedef struct merge_ways {
    size_t *send, *receive;
    int64_t *counts; /* [ranks x ranks] items from one to another */
    int64_t *next;   /* [ranks] */
    uint8_t *sorted; /* own items by owner */
} merge_ways;

static qn_status ways_alloc(const forest_fit *fit, const merge_list *list, merge_ways *w)
{
    qn_context *ctx = fit->ctx;
    const int32_t size = qn_size(ctx);
    qn_status st = QN_OK;

    QN_NEW(ctx, w->send, size, "bytes to ranks");
    QN_NEW(ctx, w->receive, size, "bytes to ranks");
    QN_NEW(ctx, w->next, size, "bytes to ranks");
    QN_NEW0(ctx, w->counts, (int64_t)size * size, "bytes to ranks");
    QN_TRY(qn_alloc_array(ctx, (void **)&w->sorted, list->n, list->item_bytes, "rows to merge"));
    for (int64_t i = 0; i < list->n; i++)
        w->counts[qn_rank(ctx) * size + owner_of(fit, item_at(list, i))]++;
    for (int32_t r = 0; r < size; r++) {
        const int64_t *own = w->counts + (int64_t)qn_rank(ctx) * size;

        w->next[r] = r == 0 ? 0 : w->next[r - 1] + own[r - 1];
        w->send[r] = (size_t)own[r] * list->item_bytes;
    }
    for (int64_t i = 0; i < list->n; i++) {
        const int64_t to = w->next[owner_of(fit, item_at(list, i))]++;

        memcpy(w->sorted + (size_t)to * list->item_bytes, item_at(list, i), list->item_bytes);
    }
done:
    return st;
}

static qn_status receive_alloc(const forest_fit *fit, merge_list *list, merge_ways *w)
{
    const int32_t size = qn_size(fit->ctx);
    qn_status st = QN_OK;

    list->n = 0;
    for (int32_t r = 0; r < size; r++) {
        const int64_t n = w->counts[r * size + qn_rank(fit->ctx)];

        w->receive[r] = (size_t)n * list->item_bytes;
        list->n += n;
    }
    qn_free(list->item);
    list->item = NULL;
    QN_TRY(
        qn_alloc_array(fit->ctx, (void **)&list->item, list->n, list->item_bytes, "rows to merge"));
done:
    return st;
}

/* Every item to its owner. Collective. */
static qn_status exchange_items(forest_fit *fit, merge_list *list)
{
    qn_context *ctx = fit->ctx;
    merge_ways w = {0};
    qn_status st = QN_OK;

    QN_TRY_ALL(ways_alloc(fit, list, &w));
    QN_TRY(qn_comm_sum_int64(ctx, w.counts, (int64_t)qn_size(ctx) * qn_size(ctx)));
    QN_TRY_ALL(receive_alloc(fit, list, &w));
    QN_TRY(qn_comm_exchange(ctx, w.sorted, w.send, list->item, w.receive));
done:
    qn_free(w.send);
    qn_free(w.receive);
    qn_free(w.next);
    qn_free(w.counts);
    qn_free(w.sorted);
    return st;
}

/* Blocks of merged rows are partitions of their own. */
static qn_status cut_blocks(const forest_fit *fit, forest_rows *rows)
{
    const int64_t most = rows->most_rows > 0 ? rows->most_rows : LEAST_BLOCK_ROWS;
    qn_status st = QN_OK;

    rows->most_rows = most;
    QN_NEW0(fit->ctx, rows->block, (rows->n + most - 1) / most, "blocks of rows");
    rows->n_blocks = 0;
    for (int64_t first = 0; first < rows->n; first += most)
        rows->block[rows->n_blocks++] =
            (forest_block){first, rows->n - first < most ? rows->n - first : most, first / most};
done:
    return st;
}

/* Puts the items in place of the rows; takes their memory apart. */
static qn_status rows_of_items(forest_fit *fit, const merge_list *list)
{
    forest_rows *rows = &fit->rows;
    const bool has_label = rows->label != NULL;
    const size_t width = (size_t)fit->data->n_features;
    qn_status st = QN_OK;

    qn_free(rows->code);
    qn_free(rows->label);
    qn_free(rows->block);
    rows->code = NULL;
    rows->label = NULL;
    rows->block = NULL;
    rows->n = list->n;
    QN_NEW0(fit->ctx, rows->code, rows->n * rows->stride + 4, "codes of rows");
    if (has_label)
        QN_NEW(fit->ctx, rows->label, rows->n, "labels of rows");
    QN_NEW(fit->ctx, rows->times, rows->n, "merged rows");
    QN_NEW(fit->ctx, rows->key, rows->n, "merged rows");
    for (int64_t i = 0; i < rows->n; i++) {
        const uint8_t *item = item_at(list, i);

        memcpy(rows->code + i * rows->stride, item, width);
        if (has_label)
            memcpy(&rows->label[i], item + width, sizeof *rows->label);
        rows->times[i] = *times_at(list, i);
        rows->key[i] = XXH3_64bits(item, content_bytes(fit));
    }
    QN_TRY(cut_blocks(fit, rows));
done:
    return st;
}

qn_status forest_rows_merge(forest_fit *fit)
{
    qn_context *ctx = fit->ctx;
    const int64_t moved = ctx->comm->bytes_moved;
    merge_list list = {0};
    qn_status st = QN_OK;

    if (!fit->params.merge_rows)
        return QN_OK;
    QN_TRY_ALL(items_of_rows(fit, &list));
    QN_TRY_ALL(merge_equal(fit, &list));
    QN_TRY(exchange_items(fit, &list));
    QN_TRY_ALL(merge_equal(fit, &list));
    QN_TRY_ALL(rows_of_items(fit, &list));
    fit->n_distinct = list.n;
    QN_TRY(qn_comm_sum_int64(ctx, &fit->n_distinct, 1));
    fit->merge_bytes = ctx->comm->bytes_moved - moved;
    qn_emit_count(ctx, "distinctRows", fit->n_distinct);
    qn_emit_count(ctx, "mergeBytesMoved", fit->merge_bytes);
    if (2 * fit->n_distinct > fit->n_rows)
        qn_emit_warning(ctx, "--merge-rows made %lld rows of %lld: too few are equal for it to pay",
                        (long long)fit->n_distinct, (long long)fit->n_rows);
done:
    qn_free(list.item);
    return st;
}
