#include "lifecycle/history.h"

#include "base/alloc.h"
#include "base/context.h"

/* Counting sort of the known ratings by row; two of a pair keep the order of the file. */
static void place(const float *value, int64_t n, const int64_t *row, const int64_t *other,
                  qn_history *h)
{
    for (int64_t i = 0; i < n; i++)
        if (row[i] >= 0 && other[i] >= 0)
            h->start[row[i] + 2]++;
    for (int64_t r = 2; r <= h->n_rows + 1; r++)
        h->start[r] += h->start[r - 1];
    for (int64_t i = 0; i < n; i++)
        if (row[i] >= 0 && other[i] >= 0) {
            const int64_t at = h->start[row[i] + 1]++;

            h->other[at] = other[i];
            h->rating[at] = value[i];
        }
}

/* Insertion sort, since files are mostly in order already. */
static void sort_row(qn_history *h, int64_t row)
{
    for (int64_t i = h->start[row] + 1; i < h->start[row + 1]; i++) {
        const int64_t other = h->other[i];
        const float rating = h->rating[i];
        int64_t j = i;

        for (; j > h->start[row] && h->other[j - 1] > other; j--) {
            h->other[j] = h->other[j - 1];
            h->rating[j] = h->rating[j - 1];
        }
        h->other[j] = other;
        h->rating[j] = rating;
    }
}

qn_status qn_history_make(qn_context *ctx, const qn_triples *triples, const qn_ids *users,
                          const qn_ids *items, qn_side side, qn_history *history)
{
    qn_history h = {.n_rows = side == QN_SIDE_USER ? users->n : items->n};
    int64_t *user = NULL, *item = NULL;
    qn_status st = QN_OK;

    *history = (qn_history){0};
    QN_NEW(ctx, user, triples->n, "users of ratings");
    QN_NEW(ctx, item, triples->n, "items of ratings");
    QN_TRY(qn_triples_map(ctx, triples, users, items, user, item));
    QN_NEW0(ctx, h.start, h.n_rows + 2, "ratings of rows");
    QN_NEW(ctx, h.other, triples->n, "ratings of rows");
    QN_NEW(ctx, h.rating, triples->n, "ratings of rows");
    place(triples->value, triples->n, side == QN_SIDE_USER ? user : item,
          side == QN_SIDE_USER ? item : user, &h);
    for (int64_t r = 0; r < h.n_rows; r++)
        sort_row(&h, r);
    *history = h;
    h = (qn_history){0};
done:
    qn_history_release(&h);
    qn_free(user);
    qn_free(item);
    return st;
}

void qn_history_release(qn_history *history)
{
    qn_free(history->start);
    qn_free(history->other);
    qn_free(history->rating);
    *history = (qn_history){0};
}
