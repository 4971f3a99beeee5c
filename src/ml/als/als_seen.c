#include "ml/als/als_seen.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "data/ratings_block.h"
#include "data/ratings_exchange.h"
#include "engine/cell.h"
#include "engine/comm.h"
#include "engine/store.h"

#define ALS_NO_ROW UINT32_MAX

/* ---- ids ---- */

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

static qn_status als_check_ids(qn_context *ctx, const char *what, const qn_ids *rated,
                               const qn_ids *known)
{
    if ((rated->type == QN_ID_STRING) == (known->type == QN_ID_STRING) || rated->n == 0 ||
        known->n == 0)
        return QN_OK;
    return qn_fail(ctx, QN_EINVAL,
                   "the %s ids of the seen ratings are %s, those of the model are %s: read both "
                   "with the same --id-type",
                   what, rated->type == QN_ID_STRING ? "texts" : "numbers",
                   known->type == QN_ID_STRING ? "texts" : "numbers");
}

/* map[i] is the index in `to` of id i of `from`, or ALS_NO_ROW. Both ascend: one merge. */
static qn_status als_map_ids(qn_context *ctx, const qn_ids *from, const qn_ids *to, uint32_t **map)
{
    qn_status st = QN_OK;
    int64_t j = 0;

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

qn_status qn_als_seen_open(qn_context *ctx, const qn_als_model *model, qn_side side,
                           const qn_ratings *ratings, bool want_ratings, qn_als_seen *seen)
{
    const bool is_user = side == QN_SIDE_USER;
    const qn_ids *rated[2] = {is_user ? &ratings->users : &ratings->items,
                              is_user ? &ratings->items : &ratings->users};
    const qn_ids *known[2] = {is_user ? &model->users : &model->items,
                              is_user ? &model->items : &model->users};
    qn_status st = QN_OK;

    *seen = (qn_als_seen){.rated = is_user ? &ratings->by_user : &ratings->by_item,
                          .value = ratings->value,
                          .want_ratings = want_ratings};
    QN_TRY(als_check_ids(ctx, is_user ? "user" : "item", rated[0], known[0]));
    QN_TRY(als_check_ids(ctx, is_user ? "item" : "user", rated[1], known[1]));
    QN_TRY(als_map_ids(ctx, known[0], rated[0], &seen->rated_row));
    QN_TRY(als_map_ids(ctx, rated[1], known[1], &seen->other_of));
done:
    if (st != QN_OK)
        qn_als_seen_close(seen);
    return st;
}

static void als_seen_clear(qn_als_seen *seen)
{
    qn_free(seen->start);
    qn_free(seen->other);
    qn_free(seen->rating);
    seen->start = NULL;
    seen->other = NULL;
    seen->rating = NULL;
    seen->n = 0;
}

void qn_als_seen_close(qn_als_seen *seen)
{
    als_seen_clear(seen);
    qn_free(seen->rated_row);
    qn_free(seen->other_of);
    *seen = (qn_als_seen){0};
}

int64_t qn_als_seen_most(const qn_als_seen *seen, int64_t row)
{
    const uint32_t rated = seen->rated_row[row];

    return rated == ALS_NO_ROW ? 0 : (int64_t)seen->rated->degree[rated];
}

/* ---- who wants which row ---- */

/* A row of the ratings, wanted for a place of a rank's batch. */
typedef struct als_want {
    uint32_t row, place;
    int32_t rank;
} als_want;

/* An entry of a wanted row on its way. */
typedef struct als_sent {
    uint32_t place, other;
    float rating;
} als_sent;

typedef struct als_taking {
    qn_context *ctx;
    qn_als_seen *seen;
    const int64_t *rows; /* [seen->n] of the model */
    als_want *want;      /* [n_wants] of rows of this rank, by row once all are here */
    int64_t n_wants, capacity;
    int64_t *at;   /* [seen->n] where the next entry of a place goes */
    int64_t round; /* records of one, at most */

    /* How far this rank has sent: block, segment, want of its row, entry of the segment. */
    int64_t block, segment, next_want;
    uint32_t entry;
} als_taking;

static int32_t als_owner(const qn_orientation *rated, uint32_t row)
{
    const qn_partitioning *cut = rated->partitioning;

    return cut->partition[qn_partition_of_row(cut, row)].owner;
}

static qn_status als_fill_wants(void *arg, int64_t round, void *records, int32_t *rank, int64_t *n)
{
    const als_taking *t = arg;
    const int64_t first = round * t->round;
    const int64_t end = first + t->round < t->seen->n ? first + t->round : t->seen->n;
    als_want *want = records;

    for (int64_t i = first; i < end; i++) {
        const uint32_t row = t->seen->rated_row[t->rows[i]];

        if (row == ALS_NO_ROW)
            continue;
        rank[*n] = als_owner(t->seen->rated, row);
        want[(*n)++] = (als_want){row, (uint32_t)i, qn_rank(t->ctx)};
    }
    return QN_OK;
}

static qn_status als_take_wants(void *arg, const void *records, int64_t n)
{
    als_taking *t = arg;
    qn_status st = QN_OK;

    if (t->n_wants + n > t->capacity) {
        t->capacity = t->n_wants + n;
        QN_GROW(t->ctx, t->want, t->capacity, "rows that workers want");
    }
    if (n > 0)
        memcpy(t->want + t->n_wants, records, (size_t)n * sizeof *t->want);
    t->n_wants += n;
done:
    return st;
}

static int als_by_row(const void *a, const void *b)
{
    const als_want *x = a, *y = b;

    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* First want of a row not below `row`. */
static int64_t als_first_want(const als_taking *t, int64_t row)
{
    int64_t low = 0, high = t->n_wants;

    while (low < high) {
        const int64_t middle = low + (high - low) / 2;

        if ((int64_t)t->want[middle].row < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- entries on their way ---- */

/* Whether a row of the block's partition is wanted: blocks of others stay where they are. */
static bool als_block_is_wanted(const als_taking *t, int64_t block)
{
    const qn_orientation *o = t->seen->rated;
    const qn_partition *p = &o->partitioning->partition[qn_store_block_partition(o->store, block)];
    const int64_t first = als_first_want(t, p->first_row);

    return first < t->n_wants && (int64_t)t->want[first].row < p->first_row + p->n_rows;
}

/* Entries of a segment for the wants of its row, as far as there is room. True: all of them. */
static bool als_send_segment(als_taking *t, const qn_ratings_block *view, als_sent *record,
                             int32_t *rank, int64_t *n)
{
    const qn_segment *segment = &view->segment[t->segment];

    if (t->next_want < 0)
        t->next_want = als_first_want(t, segment->row);
    for (; t->next_want < t->n_wants && t->want[t->next_want].row == segment->row; t->next_want++) {
        const als_want *want = &t->want[t->next_want];

        for (; t->entry < segment->n; t->entry++) {
            const uint32_t at = segment->start + t->entry;

            if (*n == t->round)
                return false;
            rank[*n] = want->rank;
            record[(*n)++] =
                (als_sent){want->place, view->index[at],
                           view->code ? t->seen->value[view->code[at]] : view->value[at]};
        }
        t->entry = 0;
    }
    t->next_want = -1;
    return true;
}

static qn_status als_fill_sent(void *arg, int64_t round, void *records, int32_t *rank, int64_t *n)
{
    als_taking *t = arg;
    const qn_orientation *o = t->seen->rated;
    qn_status st = QN_OK;

    (void)round;
    for (; t->block < qn_store_n_blocks(o->store); t->block++, t->segment = 0) {
        qn_ratings_block view;
        bool is_sent = true;

        if (!als_block_is_wanted(t, t->block))
            continue;
        QN_TRY(qn_ratings_block_pin(t->ctx, o, t->block, &view));
        while (is_sent && t->segment < view.n_segments) {
            is_sent = als_send_segment(t, &view, records, rank, n);
            t->segment += is_sent;
        }
        qn_store_unpin(o->store, t->block);
        if (!is_sent)
            break;
    }
done:
    return st;
}

/* A row has one owner, whose entries come in order. */
static qn_status als_take_sent(void *arg, const void *records, int64_t n)
{
    als_taking *t = arg;
    const als_sent *sent = records;
    qn_als_seen *seen = t->seen;

    for (int64_t i = 0; i < n; i++) {
        const uint32_t other = seen->other_of[sent[i].other];

        if (other == ALS_NO_ROW)
            continue;
        if (seen->rating)
            seen->rating[t->at[sent[i].place]] = sent[i].rating;
        seen->other[t->at[sent[i].place]++] = other;
    }
    return QN_OK;
}

/* ---- a batch ---- */

/* Room for each place: the degree of its row; afterwards the lists are moved together. */
static qn_status als_seen_room(als_taking *t)
{
    qn_als_seen *seen = t->seen;
    qn_context *ctx = t->ctx;
    qn_status st = QN_OK;

    QN_NEW(ctx, seen->start, seen->n + 1, "starts of seen lists");
    QN_NEW(ctx, t->at, seen->n, "starts of seen lists");
    seen->start[0] = 0;
    for (int64_t i = 0; i < seen->n; i++) {
        t->at[i] = seen->start[i];
        seen->start[i + 1] = seen->start[i] + qn_als_seen_most(seen, t->rows[i]);
    }
    QN_NEW(ctx, seen->other, seen->start[seen->n], "seen lists");
    if (seen->want_ratings)
        QN_NEW(ctx, seen->rating, seen->start[seen->n], "seen lists");
done:
    return st;
}

static void als_seen_compact(const als_taking *t)
{
    qn_als_seen *seen = t->seen;
    int64_t to = 0;

    for (int64_t i = 0; i < seen->n; i++) {
        const int64_t from = seen->start[i];
        const int64_t length = t->at[i] - from;

        memmove(seen->other + to, seen->other + from, (size_t)length * sizeof *seen->other);
        if (seen->rating)
            memmove(seen->rating + to, seen->rating + from, (size_t)length * sizeof *seen->rating);
        seen->start[i] = to;
        to += length;
    }
    seen->start[seen->n] = to;
}

/* Cuts n records of this rank into rounds that the budget has room for. */
static void als_cut_rounds(als_taking *t, int64_t n, qn_exchange *exchange)
{
    const int64_t most = qn_exchange_capacity(t->ctx, exchange->record_bytes, 1024);

    t->round = n < most ? n + (n == 0) : most;
    exchange->capacity = t->round;
    exchange->n_rounds = (n + t->round - 1) / t->round;
}

/* Collective. */
static qn_status als_ask(als_taking *t)
{
    qn_exchange wants = {.record_bytes = sizeof(als_want),
                         .arg = t,
                         .fill = als_fill_wants,
                         .receive = als_take_wants};
    qn_status st = QN_OK;

    als_cut_rounds(t, t->seen->n, &wants);
    QN_TRY(qn_exchange_run(t->ctx, &wants));
    if (t->n_wants > 0)
        qsort(t->want, (size_t)t->n_wants, sizeof *t->want, als_by_row);
done:
    return st;
}

/* Collective. */
static qn_status als_answer(als_taking *t)
{
    qn_exchange entries = {.record_bytes = sizeof(als_sent),
                           .arg = t,
                           .fill = als_fill_sent,
                           .receive = als_take_sent};
    int64_t n = 0;

    for (int64_t i = 0; i < t->n_wants; i++)
        n += (int64_t)t->seen->rated->degree[t->want[i].row];
    als_cut_rounds(t, n, &entries);
    t->next_want = -1;
    return qn_exchange_run(t->ctx, &entries);
}

qn_status qn_als_seen_take(qn_context *ctx, qn_als_seen *seen, const int64_t *rows, int64_t n)
{
    als_taking t = {.ctx = ctx, .seen = seen, .rows = rows};
    qn_status st = QN_OK;

    als_seen_clear(seen);
    seen->n = n;
    QN_TRY_ALL(als_seen_room(&t));
    QN_TRY(als_ask(&t));
    QN_TRY(als_answer(&t));
    als_seen_compact(&t);
done:
    if (st != QN_OK)
        als_seen_clear(seen);
    qn_free(t.want);
    qn_free(t.at);
    return st;
}
