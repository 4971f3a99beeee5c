#include "ml/als/als_seen.h"

#include <string.h>

#define ALS_NO_ROW UINT32_MAX

static int als_compare_ids(const qn_ids *a, int64_t i, const qn_ids *b, int64_t j)
{
    if (a->type != QN_ID_STRING)
        return (a->number[i] > b->number[j]) - (a->number[i] < b->number[j]);

    const int64_t length_a = a->offset[i + 1] - a->offset[i];
    const int64_t length_b = b->offset[j + 1] - b->offset[j];
    const int order = memcmp(a->text + a->offset[i], b->text + b->offset[j],
                             (size_t)(length_a < length_b ? length_a : length_b));

    return order != 0 ? order : (length_a > length_b) - (length_a < length_b);
}

/* map[i] is the index in `to` of id i of `from`, or ALS_NO_ROW. Both ascend: one merge. */
static qn_status als_map_ids(qn_context *ctx, const char *what, const qn_ids *from,
                             const qn_ids *to, uint32_t **map)
{
    qn_status st = QN_OK;
    int64_t j = 0;

    *map = NULL;
    if ((from->type == QN_ID_STRING) != (to->type == QN_ID_STRING) && from->n > 0 && to->n > 0)
        return qn_fail(
            ctx, QN_EINVAL,
            "the %s ids of the seen ratings are %s, those of the model are %s: read both "
            "with the same --id-type",
            what, from->type == QN_ID_STRING ? "texts" : "numbers",
            to->type == QN_ID_STRING ? "texts" : "numbers");
    QN_NEW(ctx, *map, from->n, "a map of ids");
    for (int64_t i = 0; i < from->n; i++) {
        int order = -1;

        while (j < to->n && (order = als_compare_ids(to, j, from, i)) < 0)
            j++;
        (*map)[i] = j < to->n && order == 0 ? (uint32_t)j : ALS_NO_ROW;
    }
done:
    return st;
}

/* Which of the wanted rows a row of the ratings is: a list, as a row may be wanted twice. */
typedef struct als_wanted {
    uint32_t *head; /* [rows of the ratings] first place in `rows`, or ALS_NO_ROW */
    uint32_t *next; /* [n] */
} als_wanted;

static qn_status als_wanted_make(qn_context *ctx, const uint32_t *to_model, int64_t n_rated,
                                 const int64_t *rows, int64_t n, int64_t n_model, als_wanted *w)
{
    qn_status st = QN_OK;
    uint32_t *of_model = NULL;

    QN_NEW(ctx, of_model, n_model, "a map of rows");
    QN_NEW(ctx, w->head, n_rated, "a map of rows");
    QN_NEW(ctx, w->next, n, "a map of rows");
    memset(of_model, 0xff, (size_t)n_model * sizeof *of_model);
    for (int64_t i = n - 1; i >= 0; i--) {
        w->next[i] = of_model[rows[i]];
        of_model[rows[i]] = (uint32_t)i;
    }
    for (int64_t r = 0; r < n_rated; r++)
        w->head[r] = to_model[r] == ALS_NO_ROW ? ALS_NO_ROW : of_model[to_model[r]];
done:
    qn_free(of_model);
    return st;
}

/* Appends a segment's known others to each place that wants the row; at[i] is where place i has
 * got. */
static void als_seen_segment(const qn_ratings_block *block, const qn_segment *segment,
                             const als_wanted *wanted, const uint32_t *other_map, int64_t *at,
                             uint32_t *out)
{
    const uint32_t *index = block->index + segment->start;

    for (uint32_t place = wanted->head[segment->row]; place != ALS_NO_ROW;
         place = wanted->next[place])
        for (uint32_t i = 0; i < segment->n; i++)
            if (other_map[index[i]] != ALS_NO_ROW)
                out[at[place]++] = other_map[index[i]];
}

static qn_status als_seen_fill(qn_context *ctx, const qn_orientation *o, const als_wanted *wanted,
                               const uint32_t *other_map, int64_t *at, uint32_t *out)
{
    qn_status st = QN_OK;

    for (int64_t b = 0; b < qn_store_n_blocks(o->store); b++) {
        qn_ratings_block view;

        QN_TRY(qn_check_cancel(ctx));
        QN_TRY(qn_ratings_block_pin(ctx, o, b, &view));
        for (int64_t s = 0; s < view.n_segments; s++)
            if (wanted->head[view.segment[s].row] != ALS_NO_ROW)
                als_seen_segment(&view, &view.segment[s], wanted, other_map, at, out);
        qn_store_unpin(o->store, b);
    }
done:
    return st;
}

/* Room for each place: the degree of its row; afterwards the lists are moved together. */
static void als_seen_room(const qn_orientation *o, const als_wanted *wanted, int64_t n,
                          int64_t *room)
{
    memset(room, 0, (size_t)(n + 1) * sizeof *room);
    for (int64_t r = 0; r < o->n_rows; r++)
        for (uint32_t place = wanted->head[r]; place != ALS_NO_ROW; place = wanted->next[place])
            room[place + 1] = o->degree[r];
    for (int64_t i = 0; i < n; i++)
        room[i + 1] += room[i];
}

static void als_seen_compact(int64_t n, const int64_t *at, als_seen *seen)
{
    int64_t to = 0;

    for (int64_t i = 0; i < n; i++) {
        const int64_t from = seen->start[i];
        const int64_t length = at[i] - from;

        memmove(seen->other + to, seen->other + from, (size_t)length * sizeof *seen->other);
        seen->start[i] = to;
        to += length;
    }
    seen->start[n] = to;
}

qn_status als_seen_make(qn_context *ctx, const qn_als_model *model, qn_side side,
                        const int64_t *rows, int64_t n, const qn_ratings *ratings, als_seen *seen)
{
    qn_status st = QN_OK;
    const bool is_user = side == QN_SIDE_USER;
    const qn_orientation *o = is_user ? &ratings->by_user : &ratings->by_item;
    const qn_ids *ids[2] = {is_user ? &ratings->users : &ratings->items,
                            is_user ? &ratings->items : &ratings->users};
    const qn_ids *known[2] = {is_user ? &model->users : &model->items,
                              is_user ? &model->items : &model->users};
    uint32_t *row_map = NULL;
    uint32_t *other_map = NULL;
    int64_t *at = NULL;
    als_wanted wanted = {0};

    *seen = (als_seen){0};
    QN_TRY(als_map_ids(ctx, is_user ? "user" : "item", ids[0], known[0], &row_map));
    QN_TRY(als_map_ids(ctx, is_user ? "item" : "user", ids[1], known[1], &other_map));
    QN_TRY(als_wanted_make(ctx, row_map, ids[0]->n, rows, n, known[0]->n, &wanted));
    QN_NEW(ctx, seen->start, n + 1, "starts of seen lists");
    QN_NEW(ctx, at, n + 1, "starts of seen lists");
    als_seen_room(o, &wanted, n, seen->start);
    memcpy(at, seen->start, (size_t)(n + 1) * sizeof *at);
    QN_NEW(ctx, seen->other, seen->start[n], "seen lists");
    QN_TRY(als_seen_fill(ctx, o, &wanted, other_map, at, seen->other));
    als_seen_compact(n, at, seen);
done:
    qn_free(row_map);
    qn_free(other_map);
    qn_free(at);
    qn_free(wanted.head);
    qn_free(wanted.next);
    if (st != QN_OK)
        als_seen_release(seen);
    return st;
}

void als_seen_release(als_seen *seen)
{
    qn_free(seen->start);
    qn_free(seen->other);
    *seen = (als_seen){0};
}
